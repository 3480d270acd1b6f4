"""The finalizers of a hostile build (hostile.c). There is always one piece of
garbage; its finalizer uses the library in one of several ways, and makes the
next piece. It touches no object of the running test, whose expectations still
hold.

Importing this module makes the first piece."""
import atexit
import gc
import importlib.machinery
import importlib.util
import locale
import sys

import mapped
from mapped import _mapped

TEXT = b"x" * 64
FEW_OBJECTS = 2000


def load():
    """Loads the functions of hostile.c, which are in the extension's own
    file."""
    loader = importlib.machinery.ExtensionFileLoader("hostile",
                                                     _mapped.__file__)
    spec = importlib.util.spec_from_loader("hostile", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


core = load()


class Turns:
    """What the finalizers do: each calls one of these methods. The order is
    mixed, but the same in every run."""

    def __init__(self):
        self.state = 1
        self.step = 0
        self.kept = None
        self.broken = None
        self.turns = [getattr(self, name) for name in sorted(vars(Turns))
                      if name[0] != "_"]

    def _take(self):
        self.step += 1
        self.state = (self.state * 1103515245 + 12345) % 2**31
        turn = self.turns[(self.state >> 16) % len(self.turns)]
        try:
            turn()
            if self.step % 50 == 0 and len(gc.get_objects()) > FEW_OBJECTS:
                gc.freeze()  # hypothesis keeps many objects
                Garbage()    # the next piece has been frozen, too
        except MemoryError:
            pass  # a test may limit the memory
        except Exception as error:
            if self.broken is None:
                self.broken = f"{turn.__name__}: {error!r}"

    def regions(self):
        with mapped.anonymous(100) as region:
            region.fill(7)
            region[10:20].tobytes()
        mapped.anonymous(self.step % 9000).close()

    def search(self):
        with mapped.anonymous(300) as region:
            region[7:9] = b"\r\n"
            region.find(b"needle%d" % self.step)
            list(region.lines())
            list(region.split(b"\n"))

    def files(self):
        with mapped.anonymous(300) as region:
            file = region[self.step % 40:].file()
            file.write(TEXT)
            file.seek(1)
            [file.readline(), file.readinto(bytearray(9)), file.readlines()]
        with mapped.mmap.mmap(-1, 300) as copied:
            copied[3:6] = copied.read(3) + copied[9::-99][:0]

    def formats(self):
        """Uses formats that are in the cache and new ones, at times more than
        it keeps."""
        with mapped.anonymous(600) as region:
            for i in range(40 if self.step % 7 == 0 else 3):
                region.unpack(f"<{(self.step + i) % 60 + 1}sI", 0)
            region.pack(f"<I{self.step % 500}x", 0, self.step)

    def records(self):
        layout = mapped.layout(f"f{self.step}:u32 g:char[{self.step % 9 + 1}]")
        with mapped.anonymous(layout.size * 5) as region:
            records = region.records(layout)
            setattr(records[1], f"f{self.step}", self.step)
            region.cast("B")[1] = 7
            list(records)

    def pointers(self):
        region = mapped.anonymous(16, reserve=1 << 16)
        with memoryview(region) as view:
            region.append(TEXT)
            region.resize(8192)
            view[3] = 1

    def wraps(self):
        mapped.wrap(bytearray(TEXT))[4:].cast("H")[2:].tolist()

    def growth(self):
        if self.kept is None or self.kept.closed:
            self.kept = mapped.anonymous(8)
        try:
            self.kept.resize(self.step * 997 % 70_000)
        except OSError:  # memory can be refused
            self.kept.close()
        if self.step % 5 == 0:
            self.kept.close()

    def locale(self):
        before = locale.setlocale(locale.LC_ALL)
        locale.setlocale(locale.LC_ALL, "C")
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
        locale.setlocale(locale.LC_ALL, before)

    def room(self):
        """New objects take the memory of those that were collected."""
        [(TEXT * (i % 5), [i], {i: i}) for i in range(20)]

    def look(self):
        """Anybody may find an object that the collector knows before it is
        complete."""
        for found in gc.get_objects():
            if type(found).__module__.startswith("mapped"):
                repr(found)


class Failed(Exception):
    """Every finalizer raises this at its end."""


class Garbage:
    def __init__(self):
        self.cycle = self

    def __del__(self):
        if not running:
            return
        Garbage()
        turns._take()
        if sys.unraisablehook is hook:
            raise Failed


previous = sys.unraisablehook


def hook(unraisable):
    """Hides the finalizers' exceptions from the previous hook."""
    if unraisable.exc_type is not Failed:
        previous(unraisable)


def stop():
    """Ends the finalizers: the last piece of garbage makes no other."""
    global running
    core.stop()
    running = False
    gc.collect()


def test():
    """Begins a test, with a collection at every call. Collections are cheap,
    because all older objects are frozen; only the piece of garbage must not
    be."""
    global running
    stop()
    gc.freeze()
    running = True
    Garbage()
    core.start()


turns = Turns()
sys.unraisablehook = hook
atexit.register(stop)
test()
