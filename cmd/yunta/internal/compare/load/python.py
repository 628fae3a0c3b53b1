# The same work by Python's multiprocessing: reads a spec on standard input, writes an outcome on standard output, both JSON.
import json
import multiprocessing as mp
import os
import re
import signal
import sys
import threading
import time

MASK32, MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
state = {}


def primes(i):
    stretch = 600
    first = 1_000_001 + 2 * stretch * i
    found = 0
    for n in range(first, first + 2 * stretch, 2):
        d = 3
        while d * d <= n:
            if n % d == 0:
                break
            d += 2
        else:
            found += n
    return found


def mandelbrot(i):
    width, height, most = 160, 120, 400
    ci = (i % height) / (height // 2) - 1
    rounds = 0
    for x in range(width):
        cr = x / (width // 3) - 2
        zr = zi = 0.0
        for _ in range(most):
            r2, i2 = zr * zr, zi * zi
            if r2 + i2 > 4:
                break
            zi = 2 * (zr * zi) + ci
            zr = r2 - i2 + cr
            rounds += 1
    return rounds


def matmul(i):
    n = 96
    x = (i * 2654435761 + 1) & MASK32
    a, b = [], []
    for _ in range(n):
        ra, rb = [], []
        for _ in range(n):
            x = (x * 1664525 + 1013904223) & MASK32
            ra.append(x >> 16)
            rb.append(x & 0xFFFF)
        a.append(ra)
        b.append(rb)
    columns = list(zip(*b))
    total = 0
    for row in a:
        for column in columns:
            total = (total * 31 + sum(p * q for p, q in zip(row, column))) & MASK32
    return total


def grow(depth, value):
    if depth == 0:
        return (None, None, value)
    return (grow(depth - 1, 2 * value), grow(depth - 1, 2 * value + 1), value)


def tree_sum(t):
    return 0 if t is None else t[2] % 1009 + tree_sum(t[0]) + tree_sum(t[1])


def alloc(i):
    return tree_sum(grow(12, i + 1))


def words(i):
    files = state['files']
    with open(files[i % len(files)], 'rb') as f:
        found = [w[:256] for w in re.findall(rb'[a-z0-9]+', f.read().lower())]
    return len(found) * 1_000_003 + len(set(found))


def counter(_):
    lock, number = state['lock'], state['number']
    for _ in range(1000):
        with lock:
            number.value += 1
    return 1000


def tiny(i):
    return i * i & MASK64


def echo(b):
    return b


def setup(spec, lock, number):
    state.update(spec, lock=lock, number=number)
    state['work'] = globals()[spec['workload']]


def task(i):
    return state['work'](i)


def strike(b):
    index, fault = b
    if index != 7:
        time.sleep(0.001)
    elif fault == 'panic':
        raise RuntimeError('the task of yunta compare crash that panics')
    elif fault == 'exit':
        os._exit(3)
    elif fault == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == 'hang':
        while True:
            time.sleep(60)
    return index


def suffer(spec):
    out = {'fault': spec['fault'], 'arm': 'python', 'tasks': 20, 'done': 0, 'outcome': 'lost', 'detail': '', 'seconds': 0}
    began = time.monotonic()
    pool = mp.Pool(spec['workers'])
    calls = [pool.apply_async(strike, ((i, spec['fault']),)) for i in range(20)]
    deadline = began + 1.5
    for call in calls:
        try:
            call.get(max(0, deadline - time.monotonic()))
            out['done'] += 1
        except mp.TimeoutError:
            out['outcome'], out['detail'] = 'hung', 'the result never comes, and nothing says so'
        except Exception as e:
            out['detail'] = '%s: %s' % (type(e).__name__, e)
    out['seconds'] = time.monotonic() - began
    if out['done'] == 19 and out['outcome'] != 'hung':
        out['outcome'] = 'contained'
    pool.terminate()
    return {'fault': out}


def rollup(pid):
    pss = rss = 0
    try:
        with open('/proc/%d/smaps_rollup' % pid) as f:
            for line in f:
                if line.startswith('Pss:'):
                    pss = int(line.split()[1]) << 10
                elif line.startswith('Rss:'):
                    rss = int(line.split()[1]) << 10
    except OSError:
        pass
    return pss, rss


def quantile(values, q):
    return values[min(max(int(q / 100 * len(values) + 0.999999) - 1, 0), len(values) - 1)]


def serve(spec):
    metrics, run = {}, {}
    began = time.monotonic()
    lock, number = mp.Lock(), mp.RawValue('q', 0)
    pool = mp.Pool(spec['workers'], setup, (spec, lock, number))
    pool.apply(tiny, (0,))
    metrics['ready'] = (time.monotonic() - began) * 1e3
    n = spec['prefix']
    total = 0
    b = bytes((i * 7 + 3) & 255 for i in range(1024))
    if spec['workload'] == 'echo':
        began = time.monotonic()
        for got in pool.imap(echo, (b for _ in range(n))):
            total += len(got) + got[0] + got[-1]
        took = time.monotonic() - began
    else:
        pool.map(task, range(2 * spec['workers']), 1)
        began = time.monotonic()
        results = pool.map(task, range(n))
        took = time.monotonic() - began
        for r in results:
            total = ((total ^ r) * 1099511628211) & MASK64
    metrics['throughput'] = n / took
    readings = []
    for who, pid in [('parent', os.getpid())] + [('worker %d' % i, p.pid) for i, p in enumerate(mp.active_children())]:
        pss, rss = rollup(pid)
        readings.append({'who': who, 'pss': pss, 'rss': rss, 'heap': 0})
    if readings[0]['pss']:
        metrics['pss'] = sum(r['pss'] for r in readings) / 1e6
        metrics['rss'] = sum(r['rss'] for r in readings) / 1e6
    calls, times, guard = min(spec['calls'], max(n, 20)), [], threading.Lock()
    left = iter(range(calls))

    def caller():
        while True:
            with guard:
                i = next(left, None)
            if i is None:
                return
            start = time.monotonic()
            pool.apply(echo, (b,)) if spec['workload'] == 'echo' else pool.apply(task, (i,))
            times.append((time.monotonic() - start) * 1e3)

    callers = [threading.Thread(target=caller) for _ in range(spec['workers'])]
    for c in callers:
        c.start()
    for c in callers:
        c.join()
    times.sort()
    run['latency_ms'] = [quantile(times, q) for q in spec['quantiles']]
    metrics.update(p50=quantile(times, 50), p99=quantile(times, 99), max=times[-1])
    if spec['workload'] == 'echo':
        run['curve'] = []
        for size in spec['sizes']:
            m = bytes(size)
            pool.apply(echo, (m,))
            times = 3 if size >= 1 << 20 else 30
            start = time.monotonic()
            for _ in range(times):
                pool.apply(echo, (m,))
            run['curve'].append({'x': size, 'y': (time.monotonic() - start) * 1e6 / times})
    pool.close()
    pool.join()
    run.update(arm='python', metrics=metrics, memory=readings)
    return {'run': run, 'sum': '', 'prefix': '%016x' % total, 'note': mp.get_start_method()}


if __name__ == '__main__':
    spec = json.load(sys.stdin)
    json.dump(suffer(spec) if spec.get('fault') else serve(spec), sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # a pool that lost a task cannot always be joined
