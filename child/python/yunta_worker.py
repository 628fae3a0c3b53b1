"""The worker's side of a yunta pool, for Python 3.6 and later.

A Go program makes a pool of such workers with

    supervisor.NewPool(ctx, supervisor.PoolOptions{Command: []string{"python3", "worker.py"}})

and declares what it calls in them with child.Foreign. worker.py is

    import yunta_worker as yunta

    @yunta.entry
    def square(n):
        return n * n

    if __name__ == "__main__":
        yunta.main()

An entry takes one argument and returns one result: None, bool, int of 64 bits,
float, str, bytes, list, tuple, dict, aware datetime, or an object that says by
tolist() or as a dataclass what it is made of. What it raises arrives in Go as a
*RemoteError with the exception's type, text and traceback. sys.exit, os._exit and
signals end the process, which the pool sees, names and replaces.

When a task is cancelled or its time is up, Cancelled or TimedOut is raised in it,
once, wherever it is (in time.sleep, too). It is no Exception, so that a broad
except lets it pass; a task may catch it to clean up and has until the pool's
Grace. Code that must not be interrupted asks cancelled() instead. The process
always goes afterwards.

This file is one with the protocol it speaks (PROTOCOL.md of yunta's package
child/wire). It needs no other; where the module msgpack can be imported, values
are encoded by that, which is faster.
"""

import atexit
import collections
import datetime
import faulthandler
import gc
import io
import logging
import os
import select
import signal
import struct
import sys
import threading
import time
import traceback
import warnings

__all__ = [
    "entry", "register", "main", "Cancelled", "TimedOut", "cancelled", "remaining",
    "worker", "Worker", "logger", "LogHandler", "ExtType", "PROTOCOL",
]

PROTOCOL = 1  # version of the plain protocol

_TASKS, _NOTICES, _LIFELINE = 3, 4, 5
_MARKER = "YUNTA_CHILD"
_MAGIC = "yunta-plain"

_CONFIG, _DEFINE, _HELLO, _READY, _FAILED = 1, 2, 4, 5, 6
_CANCEL, _EXPIRE, _FULL, _LEAVE, _LOG = 8, 9, 11, 16, 17
_TASK, _PIECE, _BEGUN, _RESULT, _RAISED = 19, 20, 21, 22, 23

# The steps of a task, as RemoteError.Stage has them.
_RUN, _DECODE, _ENCODE, _START = 0, 1, 2, 5

_MAX_FRAME = 16 << 20
_MAX_PIECE = 256 << 10
_MAX_VALUE = (1 << 32) - 1
_MAX_TEXT = 64 << 10  # of an error's message and traceback each
_MAX_LOG = 8 << 10    # of a log record's texts each
_LEAVE_TIME = 10      # seconds to wait for the reason when the tasks end

_EXIT_USAGE, _EXIT_MEMORY, _EXIT_PROTOCOL = 2, 71, 76


class Cancelled(BaseException):
    """Raised in a task that the caller cancelled."""


class TimedOut(Cancelled):
    """Raised in a task whose time is up."""


Worker = collections.namedtuple("Worker", "name index incarnation pid pool parent_pid cpus")

_entries = {}
_me = None  # the _Process in a worker
_guarded_by = None  # this process and its guard


def register(name, f):
    """Make f known to the pool under name. Call it before main."""
    if not isinstance(name, str) or not name:
        raise ValueError("yunta_worker: an entry's name is a str that is not empty, not %r" % (name,))
    if not callable(f):
        raise TypeError("yunta_worker: entry %r is not callable" % name)
    if name in _entries:
        raise ValueError("yunta_worker: two entries are registered as %r" % name)
    if _me is not None:
        raise RuntimeError("yunta_worker: entry %r is registered after main was called" % name)
    _entries[name] = f


def entry(f):
    """Register a function under its own name, or with @entry("name") under another."""
    if isinstance(f, str):
        def named(g):
            register(f, g)
            return g
        return named
    register(f.__name__, f)
    return f


def cancelled():
    """Whether the task that runs should end: cancelled, or its time is up."""
    t = _me and _me.task
    return t is not None and t.cause is not None


def remaining():
    """Seconds until the task's time is up, None where there is no such limit."""
    t = _me and _me.task
    if not t or not t.deadline:
        return None
    return max(0.0, t.deadline - time.monotonic())


def worker():
    """Who this process is, None outside a worker."""
    if _me is None:
        return None
    c = _me.config
    return Worker(c["name"], c["worker"], c["incarnation"], os.getpid(), c["pool"], c["parent_pid"], c["cpus"])


class LogHandler(logging.Handler):
    """Sends records to the pool's Logger; extra={"yunta": {...}} gives it attributes."""

    def emit(self, record):
        if _me is not None and _me.config["logs"]:
            try:
                _me.log(record, self.format(record))
            except Exception:
                self.handleError(record)


def logger():
    """A logger whose records reach the pool's Logger, with worker, pid and entry.

    To send what all modules log, use logging.getLogger().addHandler(LogHandler())
    instead.
    """
    log = logging.getLogger("yunta")
    if not any(isinstance(h, LogHandler) for h in log.handlers):
        log.addHandler(LogHandler())
        log.setLevel(1)  # the pool's Logger decides
    return log


def main():
    """Serve tasks until the pool ends this process; it does not return.

    Call it from the main thread, under if __name__ == "__main__".
    """
    global _me
    if _me is not None:
        raise RuntimeError("yunta_worker: main was called twice")
    if not _is_ours(os.environ.pop(_MARKER, "")):
        sys.stderr.write("yunta_worker: no supervisor started this process: "
                         "name this program in PoolOptions.Command\n")
        sys.exit(_EXIT_USAGE)
    for fd in (_TASKS, _NOTICES, _LIFELINE):
        os.set_inheritable(fd, False)
    _line_buffered()
    try:
        faulthandler.enable(all_threads=False)  # so that a crash in C says where Python was
    except (AttributeError, OSError, ValueError):
        pass  # there is no standard error to say it on
    _guard()
    tasks = io.open(_TASKS, "rb", buffering=64 << 10, closefd=False)
    body = _read_frame(tasks)
    if body is None:  # the supervisor gave up before it said anything
        os._exit(_EXIT_PROTOCOL)
    config = _decode(body[1:]) if body[0] == _CONFIG else None
    if not isinstance(config, dict) or config.get("magic") != _MAGIC:
        sys.stderr.write("yunta_worker: descriptor 3 does not speak the plain protocol\n")
        os._exit(_EXIT_PROTOCOL)
    _me = _Process(config, tasks)
    _end(_me.serve())


class _Process:
    """A worker: what main does."""

    def __init__(self, config, tasks):
        self.config = config
        self.tasks = tasks
        self.pid = os.getpid()
        self.task = None         # what runs
        self.sending = False     # the main thread is within a frame
        self.pending = False     # and was to be interrupted meanwhile
        self.ended = None        # number and cause of the last Cancel or Expire
        self.mutex = threading.Lock()       # guards task and ended
        self.write_mutex = threading.Lock()  # keeps frames apart
        self.leave = threading.Event()
        self.names = {}
        self.next_look = 0.0     # at the memory

    def serve(self):
        c = self.config
        hello = {"version": PROTOCOL, "pid": os.getpid(), "entries": sorted(_entries),
                 "program": "Python %d.%d.%d" % sys.version_info[:3]}
        self.send(bytes([_HELLO]) + _encode(hello))
        if c.get("version") != PROTOCOL:
            sys.stderr.write("yunta_worker: the supervisor speaks version %s of the plain protocol, this is version %d\n"
                             % (c.get("version"), PROTOCOL))
            return _EXIT_PROTOCOL
        _introduce(c["name"])
        self.limit_memory()
        signal.signal(signal.SIGINT, self.interrupted)
        if hasattr(os, "register_at_fork"):  # Python 3.7
            os.register_at_fork(after_in_child=_forked)
        threading.Thread(target=self.hold_lifeline, name="yunta lifeline", daemon=True).start()
        if c.get("initializer"):
            failure = self.invoke(c["initializer"])
            if failure is not None:
                self.send(bytes([_FAILED]) + _bin32(failure))
                return 1
        self.send(bytes([_READY]) + _encode(0))
        while True:
            body = _read_frame(self.tasks)
            if body is None:
                break
            if body[0] == _DEFINE and len(body) > 6:
                self.names[struct.unpack_from(">I", body, 2)[0]] = body[6:].decode("utf-8", "surrogateescape")
            elif body[0] == _TASK and len(body) >= 29:
                if not self.take(body):
                    break
            else:
                sys.stderr.write("yunta_worker: a frame of kind %d among the tasks\n" % body[0])
                return _EXIT_PROTOCOL
        # A pipe has ended: because this worker may go, or because the supervisor
        # died, which the lifeline's end says at about the same time.
        if not self.leave.wait(_LEAVE_TIME):
            _kill_group()
        if c.get("exit"):
            failure = self.invoke(c["exit"])
            if failure is not None:
                e = _decode(failure)
                sys.stderr.write("yunta_worker: exit function %r: %s: %s\n%s"
                                 % (c["exit"]["entry"], e["t"], e["m"], e["s"]))
                return 1
        return 0

    def take(self, body):
        """Run one task; False when the tasks end within its argument."""
        number, _, entry_number, _, timeout, _, length = struct.unpack_from(">IBIBQBQ", body, 2)
        # Before the rest is read: what has come so far is small, so a worker that
        # dies of the argument dies of this task.
        self.send(struct.pack(">BBI", _BEGUN, 0xce, number))
        arg = body[29:]
        if len(arg) < length:
            arg = bytearray(arg)
            while len(arg) < length:
                body = _read_frame(self.tasks)
                if body is None:
                    return False
                if body[0] != _PIECE or len(body) - 1 > length - len(arg):
                    sys.stderr.write("yunta_worker: a frame of kind %d within an argument\n" % body[0])
                    _end(_EXIT_PROTOCOL)
                arg += memoryview(body)[1:]
        task = _Task(number, self.names.get(entry_number), timeout)
        try:
            kind, value = _RESULT, self.run(task, arg)
        except Cancelled as e:  # it came a moment too late for run
            kind, value = _RAISED, _encode_error(_RUN, e)
        except _Failed as e:
            kind, value = _RAISED, e.encoded
        if os.getpid() != self.pid:  # a task forked, and both have come back
            _end(0 if kind == _RESULT else 1)
        del arg
        _flush()
        if self.outgrown():
            self.send(bytes([_FULL]))
        self.answer(kind, number, value)
        return True

    def run(self, task, arg):
        stage = _START
        with self.mutex:
            self.task = task
            if self.ended is not None and self.ended[0] == task.number:
                task.cause = self.ended[1]
        try:
            f = _entries.get(task.entry)
            if f is None:
                raise LookupError("no entry %r in this program" % (task.entry,))
            stage = _DECODE
            arg = _decode(arg)
            stage = _RUN
            task.interruptible = True
            if task.cause is not None:
                task.raised = True
                raise task.cause()
            result = f(arg)
            stage = _ENCODE
            value = _encode(result)
            task.interruptible = False
            if len(value) > _MAX_VALUE:
                raise OverflowError("a result of %d bytes exceeds 4 GiB" % len(value))
            return value
        except SystemExit as e:
            task.interruptible = False
            _end(_status(e))
        except MemoryError as e:
            task.interruptible = False
            if self.config["memory_limit"]:
                os.write(2, b"yunta_worker: out of memory: a task needs more than the limit\n")
                os._exit(_EXIT_MEMORY)
            raise _Failed(_encode_error(stage, e))
        except BaseException as e:
            task.interruptible = False
            raise _Failed(_encode_error(stage, e))
        finally:
            task.interruptible = False
            self.task = None

    def answer(self, kind, number, value):
        size = len(value)
        rest = memoryview(value)
        head = struct.pack(">BBIBQ", kind, 0xce, number, 0xcf, size)
        while True:
            self.send(head, rest[:_MAX_PIECE])
            rest = rest[_MAX_PIECE:]
            if not len(rest):
                return
            head = bytes([_PIECE])

    def invoke(self, call):
        """Run an initializer or exit function; the encoded error if it fails."""
        try:
            f = _entries.get(call["entry"])
            if f is None:
                raise LookupError("no entry %r in this program" % (call["entry"],))
            f(_decode(call["arg"]))
        except SystemExit as e:
            _end(_status(e))
        except BaseException as e:
            return _encode_error(_START, e)
        finally:
            _flush()
        return None

    def send(self, *parts):
        """Write one frame; an interrupt waits until it is whole."""
        data = struct.pack(">i", sum(map(len, parts))) + b"".join(parts)
        mine = threading.current_thread() is threading.main_thread()
        if mine:
            nested, self.sending = self.sending, True
        try:
            with self.write_mutex:
                rest = memoryview(data)
                while len(rest):
                    rest = rest[os.write(_NOTICES, rest):]
        except BrokenPipeError:
            _kill_group()  # the supervisor is gone
        finally:
            if mine:
                self.sending = nested
        if mine and self.pending and not nested:
            self.pending = False
            self.raise_in_task()

    def hold_lifeline(self):
        line = io.open(_LIFELINE, "rb", closefd=False)
        while True:
            body = _read_frame(line)
            if not body:
                _kill_group()
            if body[0] == _LEAVE:
                self.leave.set()
            elif body[0] in (_CANCEL, _EXPIRE):
                cause = TimedOut if body[0] == _EXPIRE else Cancelled
                for at in range(2, len(body) - 3, 5):
                    number = struct.unpack_from(">I", body, at)[0]
                    with self.mutex:
                        self.ended = number, cause
                        t = self.task
                        if t is None or t.number != number:
                            continue
                        t.cause = cause
                    # A signal, since that ends a system call which blocks.
                    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def interrupted(self, signum, frame):
        """SIGINT: from hold_lifeline, or from a terminal, where it is not for us."""
        if self.sending:
            self.pending = True
        else:
            self.raise_in_task()

    def raise_in_task(self):
        t = self.task
        if t is not None and t.interruptible and t.cause is not None and not t.raised:
            t.raised = True
            raise t.cause()

    def log(self, record, text):
        level = (record.levelno - 20) * 4 // 10
        if level < self.config["log_level"]:
            return
        attrs = {"logger": record.name}
        for key, value in getattr(record, "yunta", {}).items():
            if not isinstance(value, (bool, int, float, str)):
                value = str(value)
            attrs[str(key)[:_MAX_LOG]] = value[:_MAX_LOG] if isinstance(value, str) else value
            if len(attrs) == 64:
                break
        t = self.task
        self.send(bytes([_LOG]) + _encode({
            "time": int(record.created * 1e9), "level": level, "message": _sayable(text)[:_MAX_LOG],
            "entry": (t and t.entry) or "", "attrs": attrs,
        }))

    def limit_memory(self):
        limit = self.config["memory_limit"]
        if not limit:
            return
        import resource
        data = 0
        try:
            with open("/proc/self/statm") as f:
                data = int(f.read().split()[5]) * resource.getpagesize()
        except (OSError, ValueError, IndexError):
            pass
        # What is mapped already comes on top, as for any worker.
        resource.setrlimit(resource.RLIMIT_DATA, (limit + data, limit + data))

    def held(self):
        try:
            with open("/proc/self/statm") as f:
                pages = f.read().split()
        except (OSError, MemoryError):
            return 0
        return (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGESIZE")

    def outgrown(self):
        """Whether it holds three quarters of its limit, garbage apart."""
        limit = self.config["memory_limit"]
        now = time.monotonic()
        if not limit or now < self.next_look:
            return False
        self.next_look = now + 0.001
        if self.held() <= limit // 4 * 3:
            return False
        gc.collect()
        took = time.monotonic() - now
        self.next_look = now + 0.001 + 20 * took
        return self.held() > limit // 4 * 3


class _Task:
    def __init__(self, number, name, timeout):
        self.number = number
        self.entry = name
        self.deadline = time.monotonic() + timeout / 1e9 if timeout else 0
        self.cause = None           # why it should end
        self.raised = False         # it was told
        self.interruptible = False  # its own code runs


class _Failed(Exception):
    def __init__(self, encoded):
        self.encoded = encoded


def _is_ours(marker):
    """Whether the marker names the pipe that this process has."""
    try:
        st = os.fstat(_TASKS)
    except OSError:
        return False
    return marker.endswith(":%x:%x" % (st.st_dev, st.st_ino)) and marker.count(":") == 2


def _guard():
    """Start a process that kills this group when the supervisor is dead.

    The system ends this process then (SIGTERM), whatever holds the interpreter;
    what tasks have started would stay.
    """
    global _guarded_by
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning against forking with threads: it only waits
        pid = os.fork()
    if pid:
        _guarded_by = os.getpid(), pid
        return
    try:
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        for name in os.listdir("/dev/fd"):
            if int(name) != _LIFELINE:
                try:
                    os.close(int(name))
                except OSError:
                    pass  # that of the list itself
        _introduce("yunta:guard")
        parent = os.getppid()
        poll = select.poll()
        poll.register(_LIFELINE, 0)
        # Elsewhere than on Linux the end of a pipe may not be told to who asks
        # for nothing else, and asking for more would take it from the worker.
        pace = None if sys.platform.startswith("linux") else 200
        while not poll.poll(pace) and (pace is None or os.getppid() == parent):
            pass
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)


def _forked():
    """In a process that a task forked: it is no worker."""
    global _me
    if _me is not None:
        _me = None
        for fd in (_TASKS, _NOTICES, _LIFELINE):
            try:
                os.close(fd)
            except OSError:
                pass
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _introduce(name):
    for path, text in (("/proc/self/comm", name[:15]), ("/proc/self/oom_score_adj", "300")):
        try:
            with open(path, "w") as f:
                f.write(text)
        except (OSError, ValueError):
            pass  # a label and a preference


def _line_buffered():
    """What is printed is not lost when the process is killed."""
    if hasattr(sys.stdout, "reconfigure"):  # Python 3.7
        sys.stdout.reconfigure(line_buffering=True)
    elif sys.stdout is not None:
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), sys.stdout.encoding, sys.stdout.errors, line_buffering=True)


def _flush():
    for f in (sys.stdout, sys.stderr):
        try:
            f.flush()
        except (AttributeError, OSError, ValueError):
            pass  # closed by a task, or nobody reads


def _status(e):
    """The exit status that Python gives to a SystemExit."""
    if e.code is None:
        return 0
    if isinstance(e.code, int):
        return e.code & 0xff
    sys.stderr.write("%s\n" % (e.code,))
    return 1


def _end(status):
    """End the process without waiting for its threads, as multiprocessing does."""
    try:
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
        status = status or 1
    _flush()
    if _guarded_by is not None and _guarded_by[0] == os.getpid():
        _dismiss(_guarded_by[1])
    os._exit(status)


def _dismiss(guard):
    """End the guard: whoever adopts it need not be one that looks after the dead."""
    try:
        if os.waitpid(guard, os.WNOHANG)[0] == 0:  # else the number may be another's by now
            os.kill(guard, signal.SIGKILL)
            os.waitpid(guard, 0)
    except OSError:
        pass  # a task has waited for it, or ignores SIGCHLD: the system does then


def _kill_group():
    """End this process and what it has started; the supervisor made its group."""
    os.killpg(0, signal.SIGKILL)
    os._exit(_EXIT_PROTOCOL)


def _read_frame(f):
    """The body of the next frame, None at the end of the pipe."""
    head = f.read(4)
    if len(head) < 4:
        return None
    size = struct.unpack(">i", head)[0]
    if not 0 < size <= _MAX_FRAME:
        sys.stderr.write("yunta_worker: a frame of %d bytes\n" % size)
        os._exit(_EXIT_PROTOCOL)
    body = f.read(size)
    return body if len(body) == size else None


def _encode_error(stage, e):
    """An exception as RemoteError is encoded; one whose own methods fail, too."""
    t = type(e)
    name = t.__qualname__ if t.__module__ in ("builtins", "__main__") else t.__module__ + "." + t.__qualname__
    try:
        text = str(e)
    except BaseException as again:
        text = "exception whose text cannot be had: %s" % type(again).__qualname__
    if text == "" and stage != _RUN:
        text = name
    try:
        stack = "".join(traceback.format_exception(t, e, e.__traceback__))
    except BaseException:
        stack = ""
    if len(stack) > _MAX_TEXT:
        stack = "..." + stack[-_MAX_TEXT:]
    record = {"t": _sayable(name)[:_MAX_LOG], "m": _sayable(text)[:_MAX_TEXT], "s": _sayable(stack), "g": stage}
    if isinstance(e, OSError) and isinstance(e.errno, int) and 0 < e.errno < 4096:
        record["e"] = e.errno
    return _encode(record)


def _sayable(text):
    """A text as a str itself, with escapes for what UTF-8 has nothing for."""
    text = "".join((text,))
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text


def _bin32(b):
    return struct.pack(">BI", 0xc6, len(b)) + b


# msgpack, as far as values of Go have it.

ExtType = collections.namedtuple("ExtType", "code data")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MAX_DEPTH = 200


def _plain(v):
    """What an object of another type is made of."""
    if hasattr(v, "tolist"):  # numpy's
        return v.tolist()
    fields = getattr(type(v), "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(v, name) for name in fields}
    raise TypeError("msgpack has nothing for a value of type %s" % type(v).__qualname__)


def _pack(out, v, depth):
    if depth > _MAX_DEPTH:
        raise ValueError("a value is nested more than %d deep" % _MAX_DEPTH)
    if v is None:
        out.append(b"\xc0")
    elif v is True:
        out.append(b"\xc3")
    elif v is False:
        out.append(b"\xc2")
    elif isinstance(v, int):
        out.append(_pack_int(v))
    elif isinstance(v, float):
        out.append(struct.pack(">Bd", 0xcb, v))
    elif isinstance(v, str):
        b = v.encode("utf-8", "surrogateescape")
        out.append(_pack_head(len(b), 0xa0, 32, 0xd9, 0xda, 0xdb))
        out.append(b)
    elif isinstance(v, (bytes, bytearray, memoryview)):
        b = bytes(v)
        out.append(_pack_head(len(b), 0, 0, 0xc4, 0xc5, 0xc6))
        out.append(b)
    elif isinstance(v, ExtType):
        n = len(v.data)
        if n in (1, 2, 4, 8, 16):
            out.append(struct.pack(">Bb", 0xd3 + n.bit_length(), v.code))
        else:
            out.append(_pack_head(n, 0, 0, 0xc7, 0xc8, 0xc9) + struct.pack(">b", v.code))
        out.append(bytes(v.data))
    elif isinstance(v, (list, tuple)):
        out.append(_pack_head(len(v), 0x90, 16, None, 0xdc, 0xdd))
        for x in v:
            _pack(out, x, depth + 1)
    elif isinstance(v, dict):
        out.append(_pack_head(len(v), 0x80, 16, None, 0xde, 0xdf))
        for k, x in v.items():
            _pack(out, k, depth + 1)
            _pack(out, x, depth + 1)
    elif isinstance(v, datetime.datetime) and v.tzinfo is not None:
        out.append(_pack_time(v - _EPOCH))
    else:
        _pack(out, _plain(v), depth + 1)


def _pack_int(v):
    if -32 <= v < 128:
        return struct.pack(">b", v)
    for code, form, low, high in (
            (0xcc, ">BB", 0, 1 << 8), (0xcd, ">BH", 0, 1 << 16), (0xce, ">BI", 0, 1 << 32), (0xcf, ">BQ", 0, 1 << 64),
            (0xd0, ">Bb", -1 << 7, 0), (0xd1, ">Bh", -1 << 15, 0), (0xd2, ">Bi", -1 << 31, 0), (0xd3, ">Bq", -1 << 63, 0)):
        if low <= v < high:
            return struct.pack(form, code, v)
    raise OverflowError("an int of %d bits: msgpack has 64" % v.bit_length())


def _pack_time(d):
    s, ns = d.days * 86400 + d.seconds, d.microseconds * 1000
    if s >> 34:
        return struct.pack(">BBbIq", 0xc7, 12, -1, ns, s)
    if s >> 32 or ns:
        return struct.pack(">BbQ", 0xd7, -1, ns << 34 | s)
    return struct.pack(">BbI", 0xd6, -1, s)


def _pack_head(n, fix, below, code8, code16, code32):
    if n < below:
        return struct.pack(">B", fix | n)
    if code8 is not None and n < 1 << 8:
        return struct.pack(">BB", code8, n)
    if n < 1 << 16:
        return struct.pack(">BH", code16, n)
    if n < 1 << 32:
        return struct.pack(">BI", code32, n)
    raise OverflowError("%d elements: msgpack has 32 bits for their number" % n)


_FIXED = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i", 0xd3: ">q",
          0xca: ">f", 0xcb: ">d"}
# What each sized form is, and how its size is written.
_SIZED = {0xd9: ("s", ">B"), 0xda: ("s", ">H"), 0xdb: ("s", ">I"), 0xc4: ("b", ">B"), 0xc5: ("b", ">H"), 0xc6: ("b", ">I"),
          0xdc: ("l", ">H"), 0xdd: ("l", ">I"), 0xde: ("m", ">H"), 0xdf: ("m", ">I"),
          0xc7: ("x", ">B"), 0xc8: ("x", ">H"), 0xc9: ("x", ">I")}


class _Unpacker:
    def __init__(self, data):
        self.data = memoryview(data)
        self.at = 0

    def cut(self, n):
        at = self.at
        self.at += n
        if self.at > len(self.data):
            raise ValueError("the value ends early")
        return self.data[at:self.at]

    def number(self, form):
        return struct.unpack(form, self.cut(struct.calcsize(form)))[0]

    def value(self, depth):
        if depth > _MAX_DEPTH:
            raise ValueError("a value is nested more than %d deep" % _MAX_DEPTH)
        c = self.cut(1)[0]
        if c < 0x80:
            return c
        if c >= 0xe0:
            return c - 256
        if c >= 0xc0 and c <= 0xc3 and c != 0xc1:
            return (None, None, False, True)[c - 0xc0]
        if c in _FIXED:
            return self.number(_FIXED[c])
        if c < 0x90:
            kind, n = "m", c & 15
        elif c < 0xa0:
            kind, n = "l", c & 15
        elif c < 0xc0:
            kind, n = "s", c & 31
        elif 0xd4 <= c <= 0xd8:
            kind, n = "x", 1 << (c - 0xd4)
        elif c in _SIZED:
            kind, form = _SIZED[c]
            n = self.number(form)
        else:
            raise ValueError("the byte %#x is not msgpack" % c)
        if kind == "s":
            return str(self.cut(n), "utf-8", "surrogateescape")
        if kind == "b":
            return bytes(self.cut(n))
        if kind == "x":
            code = self.number(">b")
            return _timestamp(bytes(self.cut(n))) if code == -1 else ExtType(code, bytes(self.cut(n)))
        if kind == "l":
            return [self.value(depth + 1) for _ in range(n)]
        out = {}
        for _ in range(n):
            k = self.value(depth + 1)
            out[k] = self.value(depth + 1)
        return out


def _timestamp(b):
    if len(b) == 4:
        ns, s = 0, struct.unpack(">I", b)[0]
    elif len(b) == 8:
        n = struct.unpack(">Q", b)[0]
        ns, s = n >> 34, n & ((1 << 34) - 1)
    elif len(b) == 12:
        ns, s = struct.unpack(">Iq", b)
    else:
        raise ValueError("a timestamp of %d bytes" % len(b))
    return _EPOCH + datetime.timedelta(seconds=s, microseconds=ns // 1000)


def _pure_encode(v):
    out = []
    _pack(out, v, 0)
    return b"".join(out)


def _pure_decode(data):
    u = _Unpacker(data)
    v = u.value(0)
    if u.at != len(u.data):
        raise ValueError("%d bytes behind the value" % (len(u.data) - u.at))
    return v


_encode, _decode = _pure_encode, _pure_decode

try:
    import msgpack as _msgpack
    if _msgpack.version < (1, 0, 0):
        raise ImportError("too old")
except Exception:  # it is a matter of speed
    _msgpack = None
else:
    def _other(v):
        if isinstance(v, int):
            raise OverflowError("an int of %d bits: msgpack has 64" % v.bit_length())
        if isinstance(v, datetime.datetime) and v.tzinfo is not None:
            d = v - _EPOCH
            return _msgpack.Timestamp(d.days * 86400 + d.seconds, d.microseconds * 1000)
        return _plain(v)

    ExtType = _msgpack.ExtType

    def _encode(v):
        return _msgpack.packb(v, use_bin_type=True, unicode_errors="surrogateescape", default=_other)

    def _decode(data):
        return _msgpack.unpackb(data, raw=False, strict_map_key=False, timestamp=3,
                                unicode_errors="surrogateescape")
