"""What multiprocessing's queues do, beside BenchmarkQueuePeers: python3 peer_queue.py KIND COUNT SIZE [MAXSIZE]

KIND is Queue or SimpleQueue. Another process puts COUNT items of SIZE bytes (0: numbers), this one gets them.
Prints the seconds from the start to the last.
"""
import multiprocessing
import sys
import time


def put(q, ready, count, size):
    item = bytes(size)
    ready.wait()
    for i in range(count):
        q.put(item if size else i)


def main():
    kind, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ctx = multiprocessing.get_context("fork")
    limit = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    q = ctx.SimpleQueue() if kind == "SimpleQueue" else ctx.Queue(limit)
    ready = ctx.Event()
    p = ctx.Process(target=put, args=(q, ready, count, size))
    p.start()
    start = time.perf_counter()
    ready.set()
    for i in range(count):
        got = q.get()
        if size and len(got) != size or not size and got != i:
            sys.exit("wrong item")
    print(time.perf_counter() - start)
    p.join()


if __name__ == "__main__":
    main()
