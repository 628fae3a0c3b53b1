"""Python's side of the benchmark "Peers": one job a line on standard input, its
time in seconds a line on standard output. Everything that a job needs is made
and ended in it, so that nothing of ours runs while others are measured."""

import itertools
import json
import multiprocessing
import statistics
import subprocess
import sys
import time

clock = time.perf_counter


def square(n):
    return n * n


def median_of(n, f):
    times = []
    for _ in range(n):
        start = clock()
        f()
        times.append(clock() - start)
    return statistics.median(times)


def apply(n):
    with multiprocessing.Pool(2) as pool:
        for i in range(200):
            pool.apply(square, (i,))
        t = median_of(n, lambda: pool.apply(square, (7,)))
    pool.join()
    return t


def map(n, chunk=None):
    args = list(range(n))
    with multiprocessing.Pool(2) as pool:
        pool.map(square, args[:1000])
        start = clock()
        out = pool.map(square, args, chunksize=chunk)
        t = clock() - start
    pool.join()
    assert out[-1] == (n - 1) ** 2
    return t / n


def lock(n):
    lock = multiprocessing.Lock()
    start = clock()
    for _ in itertools.repeat(None, n):
        lock.acquire()
        lock.release()
    return (clock() - start) / n


def pool_and_result():
    start = clock()
    pool = multiprocessing.Pool(2)
    pool.apply(square, (7,))
    t = clock() - start
    pool.terminate()
    pool.join()
    return t


def another(n):
    return statistics.median([pool_and_result() for _ in range(n)])


def first(n):
    """In a new process each: it imports multiprocessing before the clock runs."""
    me = [sys.executable, __file__, "first"]
    return statistics.median([float(subprocess.check_output(me)) for _ in range(n)])


def give_back(ours, theirs):
    theirs.close()
    try:
        while True:
            ours.send_bytes(ours.recv_bytes())
    except EOFError:
        pass


def echo(n, size):
    near, far = multiprocessing.Pipe()
    child = multiprocessing.Process(target=give_back, args=(far, near))
    child.start()
    far.close()
    data = bytes(size)

    def once():
        near.send_bytes(data)
        assert len(near.recv_bytes()) == size

    once()
    t = median_of(n, once)
    near.close()
    child.join()
    return t


def main():
    # What Linux had until Python 3.14, and still the fastest there is.
    multiprocessing.set_start_method("fork")
    jobs = {f.__name__: f for f in (apply, map, lock, another, first, echo)}
    if sys.argv[1:] == ["first"]:
        print(pool_and_result())
        return
    print(sys.version.split()[0], flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(jobs[job.pop("job")](**job), flush=True)


if __name__ == "__main__":
    main()
