"""Guards against foreign code that runs in the middle of a call and changes the
objects that the call uses. Guards also against caches that keep foreign objects
alive or use much memory."""
import gc
import os
import struct
import sys
import textwrap
import weakref

import numpy
import pytest

import mapped
from conftest import descriptors


class Text(str):
    """A str that refers to other objects, and whose methods raise or give wrong
    answers."""

    def __eq__(self, other):
        raise AssertionError("compared")

    def __hash__(self):
        raise AssertionError("hashed")


class Bytes(bytes):
    __eq__, __hash__ = Text.__eq__, Text.__hash__


class Path(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_path_in_a_cycle_with_its_region_is_collected(path):
    for kind in (Text, lambda text: Bytes(os.fsencode(text))):
        for wrap in (lambda text: text, Path):
            before = descriptors()
            for _ in range(50):
                text = kind(str(path))
                text.region = mapped.open(wrap(text), "r+")
                assert type(text.region.name) in (str, bytes)
                del text
            gc.collect()
            assert descriptors() == before


KEEPERS = {
    "layout": lambda text: mapped.layout(text),
    "records": lambda text: mapped.anonymous(8).records(text),
    "record": lambda text: mapped.anonymous(8).records(text)[0],
    "format": lambda text: mapped.anonymous(8).unpack(text),
    "code": lambda text: mapped.anonymous(8).cast(text),
}


@pytest.mark.parametrize("name, text", [
    ("layout", "a:u8"), ("records", "a:u8"), ("record", "a:u8"),
    ("format", "<I"), ("format", b">q"), ("code", "<I")])
def test_text_is_not_kept(name, text):
    text = (Bytes if isinstance(text, bytes) else Text)(text)
    text.kept, text.mark = KEEPERS[name](text), Path("")
    gone = weakref.ref(text.mark)
    del text
    gc.collect()
    assert gone() is None


def test_text_of_a_subclass_means_what_it_says():
    region = mapped.anonymous(8)
    for _ in range(3):
        assert region.unpack(Text("<Q")) == region.unpack(Bytes(b"<d")) == (0,)
    assert region.unpack("<Q") == (0,)


def test_many_long_formats_take_little_memory(child):
    """A cache of 64 formats of 1 MB each once took 3.4 GB."""
    done = child("""
        import mapped
        def peak():
            for line in open("/proc/self/status"):
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) // 1024
        region = mapped.anonymous(8)
        for i in range(20):
            try:
                region.unpack("x" * 500_000 + f"{i}s")
            except IndexError:
                pass
        first = peak()
        for i in range(20_000):
            try:
                region.unpack("x" * 500 + f"{i}s")
            except IndexError:
                pass
        print(first, peak())
    """)
    first, last = map(int, done.split())
    assert first < 400 and last < 450


def test_formats_that_are_forgotten_still_work():
    region = mapped.anonymous(600)
    formats = [f"{'B' * 500}{i}x" for i in range(60)]
    for _ in range(2):
        for text in formats:
            assert region.unpack(text) == struct.unpack_from(text, bytes(600))


# A program whose garbage holds 20 regions with a descriptor each, and that may
# open no other descriptor.
NO_DESCRIPTORS = """
    import gc, mapped, os, resource, sys
    path, action = sys.argv[1:]
    file = open(path, "r+b")

    def recover():
        os.truncate(path, 0)
        try:
            first[0]
        except mapped.FaultError:
            os.truncate(path, 9**5)
            return first.recover()

    created = mapped.open(path + ".new", "w+", length=10)
    with mapped.open(path) as first, mapped.open(path, "c") as private:
        private[1:9] = bytes(8)
        told_nothing = first.residency().dirty is None
        limit = max(map(int, os.listdir("/proc/self/fd"))) + 21
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        gc.disable()
        for _ in range(200):
            cycle = []
            try:
                cycle.append([mapped.open(path, "r+"), cycle])
            except OSError:
                break
            if len(os.listdir("/proc/self/fd")) >= limit - 1:
                break
        del cycle
        keep = []
        try:
            while True:
                keep.append(os.open(path, os.O_RDONLY))
        except OSError:
            pass
        gc.enable()
        gc.set_threshold(0)
        print(eval(action))
"""


@pytest.mark.parametrize("action, expected", [
    ("mapped.open(path, 'r+')[0]", "0"), ("mapped.open(file, 'r+')[0]", "0"),
    ("mapped.open(path)[1]", "1"), ("first.size", None),
    ("created.flush()", "None"), ("first.refresh()", "unchanged"),
    ("private[1:9].revert()", "None"),
    ("(first.residency().dirty is None) is told_nothing", "True"),
    ("len(mapped.anonymous(10, shared=True))", "10")])
def test_garbage_gives_its_descriptors_back(child, path, action, expected):
    done = child(NO_DESCRIPTORS, path, action).strip()
    assert done == (expected or str(os.path.getsize(path)))


def test_recover_finds_a_descriptor_in_the_garbage(child, path):
    assert child(NO_DESCRIPTORS, path, "recover()").strip() == "None"


@pytest.mark.parametrize("switch", ["enable", "disable"])
def test_garbage_is_collected_for_a_retry_even_if_that_is_off(child, path, switch):
    """A collector that was switched off stays off."""
    action = f"(gc.{switch}(), mapped.open(path, 'r+')[1], gc.isenabled())"
    done = child(NO_DESCRIPTORS, path, action)
    assert done.strip() == str((None, 1, switch == "enable"))


# A program whose garbage holds 2 GiB of addresses, out of 2.5 GiB that it may
# have.
NO_ADDRESSES = """
    import gc, mapped, resource, sys
    path, action = sys.argv[1:]
    small = mapped.anonymous(4096)
    with open(path + ".large", "w") as file:
        file.truncate(1 << 30)
    walk = mapped.windows(path + ".large", 1 << 30)
    held = int(open("/proc/self/statm").read().split()[0]) * 4096
    limit = held + (5 << 29)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    gc.set_threshold(0)
    for _ in range(2):
        cycle = []
        cycle.append([mapped.anonymous(1 << 30), cycle])
    del cycle
    print(eval(action))
"""


@pytest.mark.parametrize("action", [
    "len(mapped.anonymous(1 << 30))", "small.resize(1 << 30) or len(small)",
    "len(mapped.open(path, 'w+', length=1 << 30, sparse=True))",
    "len(mapped.anonymous(1 << 30, shared=True))",
    "(1 << 30) + walk.find(b'\\0')"])
def test_garbage_gives_its_addresses_back(child, path, action):
    done = child(NO_ADDRESSES, path, action)
    assert done.strip() == str(1 << 30)


# A program whose garbage holds all of the addresses that it may have, so that
# Python itself gets no memory for a copy.
NO_MEMORY = """
    import gc, mapped, mmap, resource, sys
    whole, other = mapped.anonymous(48 << 20), mapped.anonymous(48 << 20)
    whole[:4], half = b"abcd", whole[::2]
    reversed_ = memoryview(other)[::-1]
    layout = mapped.layout("a:char[30000000]")
    numbers = whole[:16 << 20].cast("B")
    fields = " ".join(f"f{i}:u8" for i in range(300_000))
    held = int(open("/proc/self/statm").read().split()[0]) * 4096
    limit = held + (256 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    gc.set_threshold(0)
    cycle = []
    for size in 16 << 20, 1 << 20:
        try:
            while True:
                cycle.append([mmap.mmap(-1, size), cycle])
        except OSError:
            pass
    del cycle
    print(eval(sys.argv[1]))
"""


@pytest.mark.skipif(os.environ.get("MAPPED_SANITIZE", "") != "",
                    reason="sanitizers need the address space")
@pytest.mark.parametrize("action, expected", [
    ("whole.tobytes()[:2]", b"ab"), ("bytes(whole)[:2]", b"ab"),
    ("half.tobytes()[:2]", b"ac"), ("other.copy_from(half)", None),
    ("half.__setitem__(slice(None), whole[:len(half)].cast('B')[::-1])", None),
    ("whole.unpack('30000000s')[0][:2]", b"ab"),
    ("whole.pack('30000000s', 0, b'')", None),
    ("whole[:30000000].records(layout)[0].a[:2]", b"ab"),
    ("len(list(whole.split(other)))", 1), ("list(whole.find_all(other))", []),
    ("whole == reversed_", False),
    ("len(numbers.tolist())", 16 << 20),
    ("len(mapped.layout(fields).names)", 300_000)])
def test_garbage_gives_memory_back_to_python(child, action, expected):
    assert child(NO_MEMORY, action).strip() == str(expected)


@pytest.mark.skipif(sys.version_info >= (3, 12),
                    reason="since 3.12 the collection comes between two lines "
                           "of Python only, inside of fileno()")
def test_file_closed_by_the_collection_is_not_another_one(child, path, tmp_path):
    """The number of a closed descriptor may already belong to another file."""
    other = tmp_path / "other"
    other.write_bytes(b"SECRET")
    done = child("""
        import gc, mapped, os, sys
        class Closer:
            def __del__(self):
                file.real.close()
                self.other.append(os.open(sys.argv[2], os.O_RDWR))
            other = []
        class File:
            def __init__(self):
                self.real = open(sys.argv[1], "r+b")
                self.fileno = self.tell  # no new method at every call
            def tell(self):
                self.more = [[], [], []]
                return self.real.fileno()
        for threshold in range(1, 60):
            gc.collect()
            file = File()
            garbage = Closer()
            garbage.me = garbage
            del garbage
            gc.set_threshold(threshold)
            try:
                region = mapped.open(file, "r+")
                assert region[:6] != b"SECRET", threshold
            except ValueError:
                pass
            gc.set_threshold(0)
        print("done")
    """, path, other, finalizers=False)  # they would run after fileno() too
    assert done == "done\n"


# Each object's fileno() leaves garbage that closes the file's descriptor and
# opens another file under its number.
SWAPPED = {
    "number": """
        class Number(int):
            __del__ = swap
        class File:
            def fileno(self):
                return Number(number)
    """,
    "method": """
        class Method:
            __del__ = swap
            def __call__(self):
                return number
        class File:
            looked_up = 0
            def __getattr__(self, name):
                if name != "fileno":
                    raise AttributeError
                self.looked_up += 1
                return Method() if self.looked_up > 1 else len
    """,
}


@pytest.mark.parametrize("name", SWAPPED)
def test_file_is_the_one_that_fileno_meant(child, path, tmp_path, name):
    other = tmp_path / "other"
    other.write_bytes(b"SECRET")
    done = child("""
        import mapped, os, sys
        number = os.open(sys.argv[1], os.O_RDWR)
        def swap(self):
            os.close(number)
            assert os.open(sys.argv[2], os.O_RDWR) == number
        exec(sys.argv[3])
        region = mapped.open(File(), "r+")
        print(bytes(region[:6]), os.pread(number, 6, 0))
    """, path, other, textwrap.dedent(SWAPPED[name]))
    assert done == f"{bytes(range(6))} b'SECRET'\n"


@pytest.mark.parametrize("number, error, text", [
    ("1", TypeError, "non-integer"), (1.0, TypeError, "non-integer"),
    (None, TypeError, "non-integer"), (-1, ValueError, "negative"),
    (-2**31, ValueError, "negative"), (2**31, ValueError, "too large"),
    (-2**31 - 1, ValueError, "too large"), (2**99, ValueError, "large")])
def test_number_of_a_file_that_is_none_is_refused(number, error, text):
    class File:
        def fileno(self):
            return number

    with pytest.raises(error, match=text):
        mapped.open(File())


class Rude:
    """An object all of whose attributes raise KeyboardInterrupt."""

    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_interrupt_in_an_attribute_is_not_swallowed():
    with pytest.raises(KeyboardInterrupt):
        mapped.open(Rude())


def test_interrupt_in_a_conversion_is_not_swallowed():
    class Number:
        def __float__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped.anonymous(8).pack("d", 0, Number())
    with pytest.raises(struct.error):
        mapped.anonymous(8).pack("d", 0, "1")


def test_numbers_of_a_slice_are_converted_once(index):
    """A second conversion could give other numbers."""
    calls = []
    key = slice(index(0, lambda: calls.append(1)), None,
                index(2, lambda: calls.append(2)))
    region = mapped.anonymous(8)
    assert len(region[key]) == 4
    region[key] = bytes(4)
    assert len(calls) == 4


def test_steps_mean_the_same_on_every_way():
    data = bytes(range(16))
    region = mapped.anonymous(16)
    region.copy_from(data)
    for start in None, 0, 3, -3, 20, -20:
        for stop in None, 0, 9, -2, 20, -20:
            for step in -1, 2, -3, 40, -40, 2**64, -2**64:
                key = slice(start, stop, step)
                assert bytes(region[key]) == data[key]
                region[key] = data[key]
    assert bytes(region) == data


def test_destination_is_asked_for_its_buffer_once(path):
    region = mapped.anonymous(8)
    for refuses in (b"12345678", numpy.frombuffer(b"12345678", "u1"),
                    memoryview(b"12345678"), mapped.open(path).cast("B")[:8]):
        with pytest.raises(TypeError):
            region.copy_to(refuses)
    with pytest.raises(BufferError):
        region.copy_to(memoryview(bytearray(16))[::2])
    with pytest.raises(TypeError):
        region.copy_to(5)


needs_buffer_method = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__buffer__ in Python code needs 3.12")


@needs_buffer_method
@pytest.mark.parametrize("use", [
    lambda r, data: r.cast("B").__setitem__(slice(None), data),
    lambda r, data: r.cast("B")[::-1].__setitem__(slice(None), data),
    lambda r, data: r.copy_from(data), lambda r, data: r.copy_to(data),
    lambda r, data: r == data, lambda r, data: r.cast("I") == data])
def test_buffer_is_asked_for_once(use):
    class Data:
        asked = 0

        def __buffer__(self, flags):
            self.asked += 1
            return memoryview(bytearray(8))

    data = Data()
    use(mapped.anonymous(8), data)
    assert data.asked == 1


def test_scalar_of_numpy_is_a_number_to_search_for():
    region = mapped.anonymous(16)
    region[3] = 5
    for kind in numpy.uint8, numpy.int64, numpy.int16:
        assert kind(5) in region and kind(6) not in region
    with pytest.raises(ValueError):
        numpy.int64(-1) in region
    assert numpy.array([0, 5], "u1") in region
    assert numpy.array([1, 5], "u1") not in region


def test_containers_are_whole_when_others_see_them(child):
    """A callback of the collector can get at all objects, even at incomplete
    ones."""
    done = child("""
        import gc, mapped, struct
        seen = 0
        def look(phase, info):
            global seen
            for item in gc.get_objects():
                if type(item) in (tuple, list):
                    for part in item:
                        seen += part is None
        class Row(dict):
            def __getitem__(self, key):
                look(None, None)
                return 1
            __missing__ = __getitem__
        region = mapped.anonymous(64)
        layout = mapped.layout("a:u8 b:u8[3] c:u16 d:u16")
        records = region.records(layout)
        def use():
            region.cast("B", (2, 4, 8)).tolist()
            records.tolist()
            layout.fields, layout.names, list(records[0]), repr(records[0])
            region.cast("B", (4, 4, 4)).shape
            region.unpack("64s" + "0s" * 100)
            region.unpack("B" * 64)
        class Pair(dict):
            def __getitem__(self, key):
                look(None, None)
                return (1, 2, 3) if key == "b" else 1
        use()
        records[0] = Pair(a=1, b=2, c=3, d=4)
        gc.callbacks.append(look)
        for threshold in 1, 2, 3:
            gc.set_threshold(threshold)
            use()
            gc.set_threshold(0)
        print(seen > 0 or gc.get_freeze_count() > 0)
    """)
    assert done == "True\n"


def test_module_goes_with_its_last_region(child):
    """Objects that are used while the module is cleared still work."""
    done = child("""
        import gc, importlib.util, mapped._mapped, sys, weakref
        spec = mapped._mapped.__spec__
        def life(log):
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            part = module.wrap(bytearray(64))
            class Last:
                __slots__ = ()
                def __del__(self, module=module, part=part):
                    region = module.anonymous(8)
                    log.append((region[0], region.unpack("<Q"), bytes(region[1:2]),
                                len(region.cast("I")), part.region is not None))
            class Loop:
                pass
            loops = [Loop() for _ in range(20)]
            for i, loop in enumerate(loops):
                loop.all, loop.last, loop.part = loops, Last(), part[i:]
                loop.module, loop.kind = module, type(part)
            return weakref.ref(module)
        log = []
        for _ in range(5):
            gone = life(log)
            gc.collect()
            gc.collect()
            assert gone() is None
        print(len(log))
    """)
    assert done == "100\n"


def test_attribute_that_is_no_text_is_no_field():
    record = mapped.anonymous(8).records("a:u8")[0]
    for name in "\udcff", "b":
        with pytest.raises(AttributeError):
            getattr(record, name)
        with pytest.raises(AttributeError):
            setattr(record, name, 1)
    with pytest.raises(TypeError):
        type(record).__getattribute__(record, 5)


@pytest.mark.parametrize("hook", [
    "gc.callbacks.append(lambda *_: use())",
    "builtins.__import__ = lambda *a, **k: (use(), real(*a, **k))[1]"])
def test_code_that_runs_in_the_import_finds_nothing_to_call(child, hook):
    done = child(f"""
        import builtins, gc, sys
        real, calls = builtins.__import__, []
        def use():
            module = sys.modules.get("mapped._mapped")
            try:
                module.anonymous(8).fileno()
            except (AttributeError, OSError) as error:
                calls.append(error)
        gc.set_threshold(1)
        {hook}
        import mapped
        gc.callbacks.clear()
        print(len(calls) > 0, mapped.anonymous(8).find(b"x"))
    """, finalizers=False)
    assert done == "True -1\n"


def test_module_that_is_not_initialised_has_nothing_to_call():
    import importlib.util
    spec = importlib.util.find_spec("mapped._mapped")
    module = importlib.util.module_from_spec(spec)
    assert not hasattr(module, "anonymous") and not hasattr(module, "open")
