"""What Python's Pipe does, for BenchmarkConnPython: messages of one size sent
by a forked process, or one sent there and back. Prints seconds."""

import multiprocessing as mp
import sys
import time

size, count, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def send(conn):
    body = bytes(size)
    for _ in range(count):
        conn.send_bytes(body)


def echo(conn):
    for _ in range(count):
        conn.send_bytes(conn.recv_bytes())


if __name__ == "__main__":
    ctx = mp.get_context("fork")
    a, b = ctx.Pipe(duplex=kind != "simplex")
    p = ctx.Process(target=echo if kind == "pingpong" else send, args=(b,))
    p.start()
    b.close()
    start = None
    body = bytes(size)
    if kind == "pingpong":
        start = time.perf_counter()
        for _ in range(count):
            a.send_bytes(body)
            a.recv_bytes()
    else:
        a.recv_bytes()
        start = time.perf_counter()
        for _ in range(count - 1):
            a.recv_bytes()
    print(time.perf_counter() - start)
    p.join()
