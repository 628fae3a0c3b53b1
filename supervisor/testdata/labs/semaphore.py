from multiprocessing import Semaphore, Process
import time

semaforo = Semaphore(1)
recurso_compartido = []

def proceso1():
    semaforo.acquire()
    recurso_compartido.append('Datos del proceso 1')
    semaforo.release()

def proceso2():
    semaforo.acquire()
    recurso_compartido.append('Datos del proceso 2')
    semaforo.release()

if __name__ == '__main__':
    p1 = Process(target=proceso1)
    p2 = Process(target=proceso2)
    p1.start()
    p2.start()
    p1.join()
    p2.join()
    print(recurso_compartido)
