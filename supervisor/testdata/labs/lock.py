from multiprocessing import Lock, Process

lock = Lock()
recurso_compartido = []

def proceso1():
    with lock:
        recurso_compartido.append('Datos del proceso 1')

def proceso2():
    with lock:
        recurso_compartido.append('Datos del proceso 2')

if __name__ == '__main__':
    p1 = Process(target=proceso1)
    p2 = Process(target=proceso2)
    p1.start()
    p2.start()
    p1.join()
    p2.join()
    print(recurso_compartido)
