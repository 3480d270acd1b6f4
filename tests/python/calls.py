"""Calls the library at random: every method that dir() shows, every operator
and protocol, with every kind of argument, while finalizers, callbacks and
special methods close, resize and search the objects in use. Any exception is
fine; only a crash, a hang, a sanitizer's report, or a descriptor that is left
open is a defect. Objects of CPython and numpy that share the library's memory
are used, but not called at random, because they would crash.

Usage: calls.py SEED SECONDS LOG, in a directory for its files. Before each call
it writes to LOG which call it is; LOG keeps the last lines. Functions that may
end the process (mapped.guard) are not called. A seed gives the same values each
time."""
import array
import builtins
import copy
import ctypes
import gc
import io
import locale
import mmap
import multiprocessing.resource_sharer
import operator
import os
import pickle
import random
import re
import resource
import signal
import struct
import sys
import time
import warnings

import mapped

try:
    import numpy as np
except ImportError:
    np = None

SLOTS, WIDTH = 64, 240
POOL = 24
NEVER = {"guard"}
SIZES = [0, 1, 2, 7, 8, 64, 100, 4095, 4096, 4097, 20000]
# No number between the small and the impossible ones: as a size it would fill
# the machine's memory or disk.
HUGE = [2**63 - 1, -2**63, 2**62, 2**47, 2**50, -2**40, 2**64, 10**30,
        2**63 - 4096]
CODES = ["B", "b", "<H", ">I", "<q", "f", "<d", "n", "@N", "?", "3s", "5p",
         "<e", "x", "c", "P", "i17", "", "u32", "char[4]", "4B", "0s", "q" * 40]
LAYOUTS = ["a:u8 b:u32", "a:u8", "x:f64 y:char[3] z:i16[4]", "n:u64",
           "flag:bool t:u32be", "a:u8[0]", "", ":", "a:u9", "a:u8 a:u8"]
MODES = ["r", "r+", "c", "w+", "x+", "rb", "r+b", "a+", "q"]
NAMES = ["mode", "length", "offset", "reserve", "sparse", "shared", "huge",
         "populate", "device", "shape", "code", "start", "end", "a", "b",
         "wait", "progress", "map", "cold", "sequential", "pageout"]

pool = []
running = True
depth = 0


class Log:
    def __init__(self, path):
        self.file = open(path, "wb", buffering=0)
        self.calls = 0

    def note(self, text):
        self.calls += 1
        line = f"{self.calls} {text}".encode("ascii", "replace")
        line = line.replace(b"\n", b" ")[:WIDTH - 1].ljust(WIDTH - 1) + b"\n"
        os.pwrite(self.file.fileno(), line, self.calls % SLOTS * WIDTH)


def any_of(items):
    return items[random.randrange(len(items))]


def is_ours(o):
    return type(o).__module__.startswith("mapped")


def is_ours_method(f):
    return getattr(f, "__objclass__", type).__module__.startswith("mapped")


# Calls that wait ------------------------------------------------------------

class TooLong(BaseException):
    """Ends a call that waits, for a Ring or a Mutex."""


def stop_waiting(number, frame):
    raise TooLong


def limited(function, *arguments, **named):
    """Calls the function, which may be in the middle of such a call."""
    before, _ = signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
    try:
        return function(*arguments, **named)
    finally:
        signal.setitimer(signal.ITIMER_REAL, before, 0.2)


# Actions of finalizers, callbacks and special methods -----------------------

def shrink_file():
    with open(f"file{random.randrange(4)}", "wb") as file:
        file.write(b"line\n" * (any_of(SIZES) // 5))


def set_locale():
    locale.setlocale(locale.LC_ALL, any_of(["C", "C.UTF-8"]))


def is_usable(o):
    """Returns whether an object is a memoryview that isn't released: iterating
    a released one in CPython 3.11 is a SystemError. One without an object shows
    memory that nobody keeps for it: CPython's files make such for their own
    use, and free the memory under them."""
    try:
        return type(o) is memoryview and o.obj is not None
    except ValueError:
        return False


def found_object():
    """Puts an object of the library, or a view, that the collector knows into
    the pool."""
    found = [o for o in gc.get_objects() if is_usable(o) or is_ours(o)]
    if found:
        pool[random.randrange(len(pool))] = any_of(found)


def use(o):
    if isinstance(o, memoryview):
        o[:8].tobytes()
    bytes(o)


ACTIONS = [
    lambda o: o.close(), lambda o: is_ours(o) and o.release(),
    lambda o: o.resize(any_of(SIZES)),
    lambda o: o.append(b"y" * random.randrange(300)), lambda o: o.refresh(),
    lambda o: o.find(b"x"), lambda o: o.fill(random.randrange(256)),
    lambda o: o.unpack(any_of(CODES), 0), lambda o: o.records(any_of(LAYOUTS)),
    lambda o: [o.unpack(f"<I{i}s", 0) for i in range(99)],
    lambda o: pool.__setitem__(random.randrange(len(pool)), memoryview(o)),
    lambda o: pool.__setitem__(random.randrange(len(pool)), None),
    lambda o: shrink_file(), lambda o: set_locale(), lambda o: gc.collect(),
    lambda o: found_object(), use, lambda o: 1 / 0,
]


def act():
    global depth
    if depth >= 3 or not pool:
        return
    depth += 1
    try:
        limited(any_of(ACTIONS), any_of(pool))
    except BaseException:
        pass
    finally:
        depth -= 1


real_import = builtins.__import__


def acting_import(*arguments, **named):
    if depth == 0:
        found_object()
    act()
    return real_import(*arguments, **named)


class Garbage:
    def __init__(self):
        self.cycle = self

    def __del__(self):
        if running:
            Garbage()
            act()


# Arguments ------------------------------------------------------------------

def acting(make):
    def method(self, *arguments, **named):
        act()
        if random.randrange(12) == 0:  # so that every iteration ends
            raise any_of([StopIteration, IndexError, KeyError, ValueError])
        return make()
    return method


class Hostile:
    """Does something random in each special method."""
    answers = [lambda: 3, lambda: 0, lambda: "x", lambda: 1.5, lambda: b"xyz",
               lambda: None, lambda: True, lambda: NotImplemented, lambda: -1,
               lambda: memoryview(b"12345678"), lambda: iter([1, 2, 3]),
               lambda: 2**70, lambda: any_of(pool), lambda: "file1"]


SPECIAL = """__index__ __len__ __eq__ __lt__ __float__ __bytes__ __buffer__
    __str__ __repr__ __iter__ __next__ __getitem__ __setitem__ __contains__
    __call__ __fspath__ __hash__ __bool__ __int__ fileno __enter__ __exit__
    __release_buffer__ __length_hint__ keys __radd__ __missing__""".split()


def hostile():
    """Makes a class with some of the special methods, and returns an object of
    it."""
    base = any_of([Hostile, Hostile, Hostile, str, bytes, bytearray, int, float,
                   list, dict, array.array])
    body = {name: acting(any_of(Hostile.answers)) for name in SPECIAL
            if random.randrange(2) or base is Hostile}
    if base is not Hostile:
        for name in ("__hash__", "__str__", "__repr__"):
            body.pop(name, None)
    made = type("Hostile", (base,), body)
    return made("B") if base is array.array else made()


def handle():
    file = any_of([lambda: open(f"file{random.randrange(4)}", "r+b"),
                   lambda: io.BytesIO(b"x" * 100),
                   lambda: open(os.devnull, "wb")])()
    if random.randrange(3) == 0:
        file.close()
    return file


def released():
    view = memoryview(bytearray(40))
    view.release()
    return view


def integer():
    kind = random.randrange(10)
    if kind < 5:
        return random.randrange(-3, 40)
    return any_of(SIZES) * any_of([1, 1, -1]) if kind < 8 else any_of(HUGE)


def text():
    return any_of([
        lambda: any_of(CODES), lambda: any_of(LAYOUTS), lambda: any_of(MODES),
        lambda: any_of(NAMES), lambda: "x\0y" * random.randrange(3000),
        lambda: f"<I{random.randrange(900)}s", lambda: "\ud800",
        lambda: f"file{random.randrange(5)}"])()


def data():
    return any_of([
        lambda: b"xl\0y" * random.randrange(2000), lambda: b"", lambda: b"x",
        lambda: bytearray(random.randrange(300)), lambda: b"line",
        lambda: array.array(any_of("bHiqd"), [1] * random.randrange(20)),
        lambda: memoryview(bytes(48)).cast("I"),
        lambda: memoryview(bytearray(64))[::-3], released,
        lambda: (ctypes.c_int32 * 5)(), lambda: mmap.mmap(-1, 4096),
        lambda: np.arange(24, dtype=any_of(["<u2", ">i4", "f8"])).reshape(4, 6)[
            ::2, ::-1] if np else b"none"])()


def value():
    try:
        return any_value()
    except Exception:
        return None  # no such file, or a closed object


def any_value():
    return any_of([
        integer, integer, integer, text, text, data, data,
        lambda: any_of(pool), lambda: any_of(pool), lambda: any_of(pool),
        hostile, hostile, handle,
        lambda: any_of([1.5, float("nan"), float("inf"), -0.0, 1e300]),
        lambda: any_of([None, True, False, NotImplemented, Ellipsis, object]),
        lambda: slice(any_of([None, integer(), hostile()]),
                      any_of([None, integer()]), any_of([None, 1, 2, -1, 0])),
        lambda: tuple(value() for _ in range(random.randrange(4))),
        lambda: [value() for _ in range(random.randrange(4))],
        lambda: {any_of(NAMES): integer()}, lambda: acting(integer)])()


def arguments():
    plain = [value() for _ in range(any_of([0, 1, 1, 2, 2, 3, 4]))]
    named = {}
    if random.randrange(6) == 0:
        named[any_of(NAMES)] = value()
    return plain, named


# Objects --------------------------------------------------------------------

def file_of(length):
    name = f"file{random.randrange(4)}"
    with open(name, "wb") as file:
        file.write(b"line\n" * (length // 5 + 1))
    return name


def view():
    try:
        return any_of(pool)[random.randrange(-9, 9):random.randrange(-9, 99)]
    except Exception:
        return mapped.anonymous(any_of(SIZES))


def closed():
    region = mapped.anonymous(10)
    region.close()
    return region


def stand_in():
    with open(file_of(any_of(SIZES)), "r+b") as file:
        return mapped.mmap.mmap(file.fileno(), 0, access=any_of([0, 1, 2, 3]))


MAKERS = [
    lambda: mapped.anonymous(any_of(SIZES)), lambda: mapped.anonymous(0),
    lambda: mapped.anonymous(any_of(SIZES), shared=True),
    lambda: mapped.anonymous(64, reserve=1 << 20),
    lambda: mapped.open(file_of(any_of(SIZES)), any_of(["r", "r+", "c"])),
    lambda: mapped.open(file_of(9999), "r+", offset=5000),
    lambda: mapped.open(f"new{random.randrange(3)}", "w+", length=300),
    lambda: mapped.wrap(data()), lambda: mapped.wrap(any_of(pool)), view, view,
    lambda: view().cast(any_of(["B", "I", ">d", "h"])),
    lambda: mapped.anonymous(96).cast("<I", (4, 6))[::2, 1],
    lambda: mapped.anonymous(96).cast("H")[::-2],
    lambda: mapped.layout(any_of(LAYOUTS)),
    lambda: mapped.anonymous(90).records("a:u16 b:char[7]"),
    lambda: mapped.anonymous(90).records("a:u16 b:char[7]")[::-2],
    lambda: mapped.anonymous(90).records("a:u16 b:char[7]")[2],
    lambda: mapped.anonymous(90).records("a:u16 b:char[7]").column("a"),
    lambda: view().lines(), lambda: view().split(b"x"), lambda: iter(view()),
    lambda: memoryview(view()), closed, lambda: view().file(), stand_in,
    lambda: mapped.mmap.mmap(-1, any_of(SIZES), any_of([1, 2])),
    lambda: np.frombuffer(view(), "u1"),
    lambda: mapped.Ring(mapped.anonymous(any_of([320, 1000, 5000]))),
    lambda: mapped.Mutex(mapped.anonymous(64)),
    lambda: mapped.anonymous(64).atomic(any_of("iIqQ"), 8),
]


def fresh(log):
    i = random.randrange(len(MAKERS))
    log.note(f"maker {i}")
    try:
        return MAKERS[i]()
    except Exception:
        return mapped.anonymous(8)


# Calls ----------------------------------------------------------------------

def with_block(o, *rest):
    if not is_ours(o):
        return None  # `with` would release it: see is_usable
    with o as inner:
        act()
        return inner


def some_of(o, *rest):
    for i, item in enumerate(o):
        act()
        if i > 9:
            return item


def write_into(o, *rest):
    with open(os.devnull, "wb") as file:
        file.write(o)


def read_into(o, *rest):
    with open(f"file{random.randrange(4)}", "rb") as file:
        file.readinto(o)


def equal(o, other):
    """But for what CPython crashes at: it takes the strides of a ctypes array, which
    has none."""
    kinds = [type(o) is memoryview or isinstance(o, ctypes.Array)
             for o in (o, other)]
    return not all(kinds) and o == other


OPERATORS = [
    lambda o, a=0, *_: o[a], lambda o, a=0, b=0, *_: operator.setitem(o, a, b),
    lambda o, a=0, *_: operator.delitem(o, a), lambda o, *_: len(o),
    lambda o, a=0, *_: equal(o, a), lambda o, a=0, *_: equal(a, o),
    lambda o, a=0, *_: o < a, lambda o, a=0, *_: a in o,
    lambda o, a=0, *_: o + a, lambda o, a=0, *_: a + o,
    lambda o, a=0, *_: o * a, lambda o, *_: hash(o), lambda o, *_: bool(o),
    lambda o, *_: bytes(o), lambda o, *_: list(reversed(o))[:9],
    lambda o, *_: memoryview(o), lambda o, *_: repr(o), lambda o, *_: f"{o:>9}",
    lambda o, *a: o(*a), lambda o, *_: next(o), lambda o, *_: iter(o),
    lambda o, *_: bytearray(o), lambda o, *_: b"".join([o, o]),
    lambda o, a=0, *_: getattr(o, str(a)),
    lambda o, a=0, *_: is_ours(o) and setattr(o, any_of(NAMES), a),
    lambda o, *_: copy.copy(o), lambda o, *_: copy.deepcopy(o),
    lambda o, *_: pickle.loads(pickle.dumps(o)), lambda o, *_: {o: 1}[o], with_block, some_of,
    write_into, read_into, lambda o, *_: re.search(rb"l(.)n", o),
    lambda o, *_: re.sub(rb"x|l", lambda m: act() or b"z", o),
    lambda o, *_: next(re.finditer(rb".", o)).group(),
    lambda o, *_: struct.unpack_from("<I", o), lambda o, *_: ctypes.c_char
    .from_buffer(o), lambda o, *_: int.from_bytes(o, "little") and None,
    lambda o, *_: sorted(o)[:3], lambda o, *_: io.BytesIO(o).read(4),
    lambda o, a=0, *_: memoryview(o).cast(a), lambda o, *_: sys.getsizeof(o),
    lambda o, *_: memoryview(o).tolist(),
    lambda o, *a: is_ours(o) and type(o)(*a),
]
if np:
    OPERATORS += [
        lambda o, *_: np.frombuffer(o, "u1").sum(), lambda o, *_: np.asarray(o),
        lambda o, *_: np.asarray(o).copy(), lambda o, a=0, *_: np.array(o) == a,
        lambda o, *_: np.copyto(np.asarray(o), 1)]


def text_of(o):
    for i, member in enumerate(pool):
        if member is o:
            return f"pool[{i}]"
    if type(o) in (int, float, bool, str, bytes, type(None)):
        return f"{o!r:.24}" if type(o) is not int or abs(o) < 2**70 else "huge"
    return type(o).__name__


def run(log, name, function, target, plain, named):
    words = [text_of(o) for o in (target, *plain)]
    words += [f"{key}={text_of(o)}" for key, o in named.items()]
    log.note(f"{name}({', '.join(words)}) {type(target).__name__}")
    try:
        got = limited(function, target, *plain, **named)
    except BaseException:
        return
    if random.randrange(3) == 0 and (is_ours(got) or type(got) is memoryview):
        pool[random.randrange(len(pool))] = got


FUNCTIONS = sorted(name for name in dir(mapped) if name not in NEVER
                   and callable(getattr(mapped, name)) and name[0] != "_")


def call(log):
    """Calls a method of the object's own most of the time, and any function
    otherwise."""
    target, (plain, named) = any_of(pool), arguments()
    kind = random.randrange(10)
    if kind < 6 and is_ours(target):
        name = any_of(dir(type(target)))
        function = getattr(type(target), name, None)
        if random.randrange(8) == 0 and is_ours_method(function):
            target = value()  # calls the method on a wrong object
        if callable(function):
            return run(log, f"{type(target).__name__}.{name}", function, target,
                       plain, named)
        return run(log, f"getattr {name}", lambda o, *_: getattr(o, name),
                   target, [], {})
    if kind < 8:
        i = random.randrange(len(OPERATORS))
        return run(log, f"operator {i}", OPERATORS[i], target, plain, {})
    name = any_of(FUNCTIONS)
    run(log, f"mapped.{name}", getattr(mapped, name), value(), plain, named)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def limit():
    """Limits files and memory, so that no call can fill the machine."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 << 20, 32 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not os.environ.get("MAPPED_SANITIZE"):
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


def find_collector():
    """Returns a function that, in a hostile build, starts collections at every
    call again."""
    if not os.environ.get("MAPPED_HOSTILE"):
        return lambda: None
    import hostile as collector
    return collector.core.start


def main(seed, seconds, path):
    global running
    random.seed(seed)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda unraisable: None
    limit()
    signal.signal(signal.SIGALRM, stop_waiting)
    collect = find_collector()
    log = Log(path)
    mapped.anonymous(1).close()
    before = descriptors()
    pool.extend(fresh(log) for _ in range(POOL))
    gc.freeze()
    gc.set_threshold(60, 5, 5)
    builtins.__import__ = acting_import  # CPython imports in the middle of calls
    Garbage()
    stop = time.monotonic() + seconds
    while log.calls < 200 or time.monotonic() < stop:
        if random.randrange(4) == 0:
            pool[random.randrange(POOL)] = fresh(log)
        if random.randrange(60) == 0:
            log.note("gc.collect()")
            gc.collect()
        if log.calls % 100 == 0:
            collect()
        try:
            call(log)
        except TooLong:  # just after the call
            pass
    running = False
    builtins.__import__ = real_import
    pool.clear()
    multiprocessing.resource_sharer.stop()  # keeps what was pickled in vain
    for _ in range(3):
        gc.collect()
    left = descriptors() - before
    log.note(f"the end: {left} descriptors left")
    print(f"{log.calls} calls, {left} descriptors left")
    return left != 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
