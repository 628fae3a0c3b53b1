"""The worker program of the tests of PoolOptions.Command."""

import os
import signal
import subprocess
import sys
import time

import yunta_worker as yunta


@yunta.entry
def square(n):
    return n * n


@yunta.entry
def same(v):
    return v


@yunta.entry
def echo(b):
    return b


@yunta.entry
def sleep(ns):
    time.sleep(ns / 1e9)
    return ns


@yunta.entry
def killsItself(n):
    if n < 0:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return n


@yunta.entry
def forks(n):
    """Both processes return."""
    os.fork()
    return n


@yunta.entry
def processes(n):
    """Use the standard library's own."""
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as p:
        return sum(p.map(square, range(n)))


@yunta.entry
def pid(_):
    return os.getpid()


@yunta.entry
def kind(v):
    return type(v).__name__


@yunta.entry
def codec(_):
    return "msgpack" if yunta._encode is not yunta._pure_encode else "own"


@yunta.entry
def big(n):
    return b"\xa5" * n


@yunta.entry
def length(b):
    return len(b)


@yunta.entry
def two_to(n):
    return 2 ** n


@yunta.entry
def a_set(_):
    return {1, 2}


class Odd(ValueError):
    pass


@yunta.entry
def fails(n):
    if n % 2:
        raise Odd("odd: %d" % n)
    return n


@yunta.entry
def no_file(path):
    return len(open(path).read())


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@yunta.entry
def mute(_):
    raise Mute()


class Text(str):
    def __getitem__(self, i):
        raise RuntimeError("not to be cut")


class Wordy(Exception):
    def __str__(self):
        return Text("wordy")


@yunta.entry
def unsayable(kind):
    if kind == "text":
        raise Wordy()
    if kind == "log":
        yunta.logger().info("half a pair: \ud800")
        return 1
    raise ValueError("half a pair: \ud800")


@yunta.entry
def disowns(how):
    """Takes the ends of this process's children away from whoever waits for them."""
    if how == "ignore":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        return 0
    with open("/proc/self/task/%d/children" % os.getpid()) as f:
        children = [int(n) for n in f.read().split()]
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return len(children)


@yunta.entry
def sys_exit(code):
    sys.exit(code)


@yunta.entry
def os_exit(code):
    os._exit(code)


@yunta.entry
def die(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def sign(path, text):
    with open(path, "a") as f:
        f.write(text + "\n")


@yunta.entry
def sleeps(path):
    sign(path, str(os.getpid()))
    time.sleep(3600)


@yunta.entry
def cleans(path):
    sign(path, str(os.getpid()))
    try:
        time.sleep(3600)
    except yunta.Cancelled as e:
        sign(path, "%s-%s" % (type(e).__name__, yunta.cancelled()))
        return 1


@yunta.entry
def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sign(path, str(os.getpid()))
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass


@yunta.entry
def polls(path):
    sign(path, str(os.getpid()))
    try:
        while not yunta.cancelled():
            time.sleep(0.001)
    except yunta.Cancelled:
        pass
    return 1


@yunta.entry
def deep_log(_):
    yunta._me.send(b"\x11\x81\xa5attrs\x81\xa1x" + b"\x91" * (15 << 20) + b"\xc0")
    time.sleep(3600)


@yunta.entry
def deep_error(_):
    error = b"\x82\xa1t\xa1x\xa1x" + b"\x91" * 1000000 + b"\xc0"
    yunta._me.answer(23, yunta._me.task.number, error)
    time.sleep(3600)


@yunta.entry
def deep_result(_):
    yunta._me.answer(22, yunta._me.task.number, b"\x91" * (40 << 20) + b"\xc0")
    time.sleep(3600)


@yunta.entry
def closes_pipes(_):
    os.close(4)
    os.close(3)
    time.sleep(3600)


@yunta.entry
def garbage(_):
    os.write(4, b"\x00\x00\x00\x05hello")
    time.sleep(3600)


@yunta.entry
def wrong_number(_):
    os.write(4, b"\x00\x00\x00\x10\x16\xce\x00\x00\x01\x7f\xcf\x00\x00\x00\x00\x00\x00\x00\x01\x01")
    time.sleep(3600)


@yunta.entry
def endless(_):
    """Announce 4 GiB and never send them."""
    os.write(4, b"\x00\x00\x00\x0f\x16\xce\x00\x00\x01\xff\xcf\x00\x00\x00\x00\xff\xff\xff\xff")
    os.kill(os.getpid(), signal.SIGKILL)


@yunta.entry
def grandchild(path):
    p = subprocess.Popen(["sleep", "600"])
    sign(path, str(p.pid))
    time.sleep(3600)


@yunta.entry
def daemon(path):
    """Leave a process in a session of its own, and die."""
    if os.fork() == 0:
        os.setsid()
        sign(path, str(os.getpid()))
        time.sleep(600)
        os._exit(0)
    while not os.path.exists(path):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


@yunta.entry
def daemon_keeps(path):
    """The same, and it keeps all pipes."""
    for fd in (3, 4, 5):
        os.dup(fd)
    daemon(path)


@yunta.entry
def prints(text):
    print(text)
    sys.stderr.write("to stderr: " + text + "\n")
    return len(text)


@yunta.entry
def logs(text):
    yunta.logger().warning(text, extra={"yunta": {"count": 7}})
    yunta.logger().debug("hardly anybody wants to know")
    return 1


@yunta.entry
def who(_):
    w = yunta.worker()
    return {"Name": w.name, "Index": w.index, "Incarnation": w.incarnation, "PID": w.pid, "Pool": w.pool}


@yunta.entry
def marker(_):
    return os.environ.get("YUNTA_CHILD", "") + subprocess.check_output(["printenv", "HOME"]).decode("ascii")[:0]


@yunta.entry
def cores(_):
    """The cores it may run on, and those that it was told; nothing where the system cannot say."""
    if not hasattr(os, "sched_getaffinity"):
        return [[], []]
    return [sorted(os.sched_getaffinity(0)), yunta.worker().cpus or []]


@yunta.entry
def left(_):
    s = yunta.remaining()
    return -1.0 if s is None else s


state = []


@yunta.entry
def initialize(v):
    if v == "fail":
        raise RuntimeError("cannot start")
    if v == "exit":
        sys.exit(3)
    state.append(v)


@yunta.entry
def initialized(_):
    return state


@yunta.entry
def leave(path):
    sign(path, "left-%d" % os.getpid())


@yunta.entry
def hoards(n):
    state.append(bytearray(n))
    return len(state)


@yunta.entry
def interrupts(_):
    os.kill(os.getpid(), signal.SIGINT)
    return 1


if __name__ == "__main__":
    if sys.argv[1:] == ["without msgpack"]:
        yunta._encode, yunta._decode = yunta._pure_encode, yunta._pure_decode
    yunta.main()
