"""Python's side of the benchmark "Peers": one job a line on standard input, its
figure a line on standard output: mostly seconds. Everything that a job needs is
made and ended in it, so that nothing of ours runs while others are measured."""

import dataclasses
import importlib.util
import itertools
import json
import multiprocessing
import multiprocessing.shared_memory
import statistics
import subprocess
import sys
import threading
import time

clock = time.perf_counter


@dataclasses.dataclass
class Point:
    name: str
    x: int
    y: int


def square(n):
    return n * n


def same(x):
    return x


def turn(p):
    return Point(p.name, p.y, p.x)


def blob(size):
    return bytes(size)


def nothing():
    pass


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


def arguments(n, of):
    if of == "strings":
        return [f"{i:020d}" for i in range(n)], same
    if of == "structs":
        return [Point("point", i, -i) for i in range(n)], turn
    return list(range(n)), square


def map(n, chunk=None, of="ints", workers=2):
    args, f = arguments(n, of)
    with multiprocessing.Pool(workers) as pool:
        pool.map(f, args[:1000])
        start = clock()
        out = pool.map(f, args, chunksize=chunk)
        t = clock() - start
    pool.join()
    assert out[-1] == f(args[-1])
    return t / n


def results(n, size):
    """Large results, made by the workers."""
    with multiprocessing.Pool(2) as pool:
        pool.map(blob, [size] * 2, chunksize=1)
        start = clock()
        for b in pool.imap_unordered(blob, itertools.repeat(size, n)):
            assert len(b) == size
        t = clock() - start
    pool.join()
    return t / n


def imap_peak(n):
    """The peak of memory after n tasks of a stream, in a process of its own."""
    return float(subprocess.check_output([sys.executable, __file__, "imap_peak", str(n)]))


def imap_peak_here(n):
    with multiprocessing.Pool(2) as pool:
        for _ in pool.imap(square, itertools.repeat(7, n), chunksize=100):
            pass
    pool.join()
    # Not ru_maxrss, which is also that of whoever started this process.
    with open("/proc/self/status") as f:
        return max(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def lock(n, of="Lock"):
    guard = multiprocessing.Lock() if of == "Lock" else multiprocessing.Semaphore(1)
    start = clock()
    for _ in itertools.repeat(None, n):
        guard.acquire()
        guard.release()
    return (clock() - start) / n


def manager(n, clients):
    """One call of a manager's dict, its clients being threads with a connection each."""
    with multiprocessing.Manager() as m:
        d = m.dict(k=0)

        def pairs(n):
            for i in range(n):
                d["k"] = i
                d["k"]

        pairs(100)
        all = [threading.Thread(target=pairs, args=(n,)) for _ in range(clients)]
        start = clock()
        for t in all:
            t.start()
        for t in all:
            t.join()
        return (clock() - start) / (2 * n * clients)


def compete(lock, begin, seconds, waits, out):
    begin.wait()
    count, longest = 0, 0.0
    end = clock() + seconds
    while clock() < end:
        if waits:
            before = clock()
            lock.acquire()
            longest = max(longest, clock() - before)
            lock.release()
            count += 1
            continue
        for _ in itertools.repeat(None, 64):
            lock.acquire()
            lock.release()
        count += 64
    out.put((count, longest))


def contended(n, waits=0, ms=300):
    """Seconds a section of all together, or the longest wait."""
    lock, begin, out = multiprocessing.Lock(), multiprocessing.Barrier(n), multiprocessing.SimpleQueue()
    args = (lock, begin, ms / 1000, waits, out)
    processes = [multiprocessing.Process(target=compete, args=args) for _ in range(n)]
    for p in processes:
        p.start()
    found = [out.get() for _ in processes]
    for p in processes:
        p.join()
    return max(w for _, w in found) if waits else ms / 1000 / sum(c for c, _ in found)


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


def start(n, method="fork"):
    """n processes, started and waited for."""
    context = multiprocessing.get_context(method)
    begin = clock()
    processes = [context.Process(target=nothing) for _ in range(n)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    return clock() - begin


def put_all(q, n, size):
    for i in range(n):
        q.put(bytes(size) if size else i)


def received(child, n, get):
    """Seconds an item of n, but for the first, for which the child has to start."""
    child.start()
    get()
    begin = clock()
    for _ in range(n - 1):
        get()
    t = clock() - begin
    child.join()
    return t / (n - 1)


def queue(n, size, of="Queue"):
    q = multiprocessing.Queue(16 if size else 0) if of == "Queue" else multiprocessing.SimpleQueue()
    return received(multiprocessing.Process(target=put_all, args=(q, n, size)), n, q.get)


def send_all(conn, n, size):
    body = bytes(size)
    for _ in range(n):
        conn.send_bytes(body)


def pipe(n, size, duplex=True):
    near, far = multiprocessing.Pipe(duplex)
    with near, far:
        return received(multiprocessing.Process(target=send_all, args=(far, n, size)), n, near.recv_bytes)


def shared_memory(n, size):
    m = multiprocessing.shared_memory.SharedMemory(create=True, size=size)
    data = bytes(size)

    def once():
        m.buf[:size] = data

    once()
    t = median_of(n, once)
    m.close()
    m.unlink()
    return t


def idle():
    """What an idle worker of a pool takes, in bytes."""
    return float(subprocess.check_output([sys.executable, __file__, "idle"]))


def idle_here():
    with multiprocessing.Pool(2) as pool:
        pool.map(square, range(1000))
        time.sleep(0.1)
        sizes = []
        for p in multiprocessing.active_children():
            with open(f"/proc/{p.pid}/smaps_rollup") as f:
                sizes += [int(line.split()[1]) * 1024 for line in f if line.startswith("Pss:")]
    pool.join()
    return max(sizes)


def script(path, n):
    """A whole program, in a new python each."""
    return median_of(n, lambda: subprocess.check_output([sys.executable, path]))


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


def loky_map(n, chunk, of="ints"):
    """joblib's pool, in a process of its own, whose workers end with it."""
    me = [sys.executable, __file__, "loky_map", str(n), str(chunk), of]
    return float(subprocess.check_output(me))


def loky_map_here(n, chunk, of):
    from joblib.externals import loky

    args, f = arguments(n, of)
    with loky.get_reusable_executor(max_workers=2) as pool:
        list(pool.map(f, args[:1000], chunksize=100))
        start = clock()
        out = list(pool.map(f, args, chunksize=chunk))
        t = clock() - start
    assert len(out) == n
    return t / n


def main():
    # What Linux had until Python 3.14, and still the fastest there is.
    multiprocessing.set_start_method("fork")
    here = {
        "first": pool_and_result, "idle": idle_here, "imap_peak": lambda n: imap_peak_here(int(n)),
        "loky_map": lambda n, chunk, of: loky_map_here(int(n), int(chunk), of),
    }
    if sys.argv[1:]:
        print(here[sys.argv[1]](*sys.argv[2:]))
        return
    loky = "loky" if importlib.util.find_spec("joblib") else ""
    print(sys.version.split()[0], loky, flush=True)
    jobs = (
        apply, map, results, imap_peak, lock, contended, another, first, start, idle, script, echo, loky_map,
        queue, pipe, shared_memory, manager,
    )
    jobs = {f.__name__: f for f in jobs}
    for line in sys.stdin:
        job = json.loads(line)
        print(jobs[job.pop("job")](**job), flush=True)


if __name__ == "__main__":
    main()
