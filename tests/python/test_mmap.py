"""Guards against a stand-in for the standard mmap that fails where that works,
that says something else, or that ends the process where ours must not. CPython's
own tests run with it, and both modules are compared call by call."""
import array
import copy
import gc
import io
import mmap as standard
import os
import pathlib
import pickle
import random
import shutil
import subprocess
import sys
import weakref

import numpy
import pytest

import mapped
from mapped import _mapped
from mapped import mmap as ours

PAGE = ours.PAGESIZE
MADVISE = {name: value for name, value in vars(ours).items()
           if name.startswith("MADV_")}

# Tests of CPython that can't pass, each with the last version of which that is
# so, and the reason.
EXCEPTIONS = {
    "test_access_parameter": (
        (3, 11, 5), "maps with PROT_EXEC, and later versions of the test take "
                    "the PermissionError for it"),
}
CPYTHON = """if True:
    import sys, unittest
    import mapped.mmap
    sys.modules["mmap"] = mapped.mmap
    try:
        from test import test_mmap
    except ImportError as error:
        sys.exit(f"skip: {error}")
    assert test_mmap.mmap is mapped.mmap
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_mmap)
    result = unittest.TextTestRunner().run(suite)
    allowed = {name for name, (last, reason) in eval(sys.argv[1]).items()
               if sys.version_info[:3] <= last}
    bad = {case.id().rpartition(".")[2]
           for case, _ in result.failures + result.errors}
    sys.exit(bad != allowed or result.testsRun < 30)
"""


def interpreters():
    """Yields the interpreter of these tests, and others of this machine. A
    sanitizer's library is loaded into the first only."""
    yield pytest.param(sys.executable, id="this")
    for minor in 11, 12, 13:
        home = pathlib.Path.home() / ".pyenv/versions"
        for path in list(home.glob(f"3.{minor}.*/bin/python3"))[:1]:
            yield pytest.param(path, id=f"3.{minor}", marks=pytest.mark.skipif(
                os.environ.get("MAPPED_SANITIZE", "") != "",
                reason="other versions run without sanitizers"))


@pytest.mark.parametrize("interpreter", list(interpreters()))
def test_cpythons_own_tests_pass(interpreter, tmp_path):
    built = pathlib.Path(mapped.__file__).parents[1]
    done = subprocess.run([interpreter, "-c", CPYTHON, repr(EXCEPTIONS)],
                          cwd=tmp_path, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(built)})
    if done.stderr.startswith("skip: "):
        pytest.skip(f"{done.stderr.strip()[6:]}: Debian has it in "
                    "libpython3-testsuite")
    assert done.returncode == 0, done.stderr


def error_of(function, *arguments, **named):
    """The type and the text of the exception, or the result."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        return type(error), str(error)


BAD_CALLS = [
    (-1, -1), (-1, 0), ("1", 1), (-1, 1.5), (-1, 10, standard.MAP_PRIVATE, 3, 1),
    (-1, 10, standard.MAP_SHARED, 3, 9), (-1, 10, 0), (-2, 10), (None, 1)]


@pytest.mark.parametrize("arguments", BAD_CALLS)
def test_bad_arguments_are_refused_alike(arguments):
    expected = error_of(standard.mmap, *arguments)
    assert error_of(ours.mmap, *arguments) == expected and expected[0]


FILE_CALLS = [dict(length=100_000), dict(length=0, offset=100_000),
              dict(length=10, offset=-1), dict(length=10, flags=0),
              dict(length=10, flags=standard.MAP_PRIVATE, access=1)]


@pytest.mark.parametrize("named", FILE_CALLS)
def test_what_does_not_fit_the_file_is_refused_alike(path, named):
    with open(path, "r+b") as file:
        expected = error_of(standard.mmap, file.fileno(), **named)
        assert error_of(ours.mmap, file.fileno(), **named) == expected


def test_shared_memory_takes_room_as_it_is_used():
    m = ours.mmap(-1, 1 << 30)
    m[1 << 29] = 1
    assert os.fstat(m._region.fileno()).st_blocks * 512 < 1 << 22


def test_what_is_refused_here_alone(path):
    with open(path, "r+b") as file:
        with pytest.raises(PermissionError, match="never executable"):
            ours.mmap(file.fileno(), 10, prot=ours.PROT_READ | ours.PROT_EXEC)
        with pytest.raises(OSError, match="no flags 0x40000"):
            ours.mmap(file.fileno(), 10, ours.MAP_SHARED | 0x40000)
    with open(path, "rb") as file, pytest.raises(PermissionError):
        ours.mmap(file.fileno(), 10)


def test_no_script_can_make_one_without_a_region():
    region = mapped.anonymous(4)
    base = _mapped.Mmap
    for forge in (base, lambda: object.__new__(base),
                  lambda: object.__new__(ours.mmap),
                  lambda: type("Kind", (base,), {})(),
                  lambda: type("Kind", (ours.mmap,), {"__new__": object.__new__})(),
                  lambda: copy.copy(ours.mmap(-1, 4)),
                  lambda: pickle.dumps(ours.mmap(-1, 4), 0),
                  lambda: _mapped._new_mmap(int, region),
                  lambda: _mapped._new_mmap(ours.mmap, region[:]),
                  lambda: _mapped._new_mmap(region, region),
                  lambda: base.read(region)):
        with pytest.raises(TypeError):
            forge()
    bare = _mapped._new_mmap(type("Kind", (base,), {}), region)
    assert bare.read() == bytes(4) and bytes(bare) == bytes(4)


def number(r):
    return r.choice([*range(-40, 41), 2**63, -2**63 - 1, None, "1", 1.5])


def key(r):
    bounds = [r.choice([None, r.randrange(-40, 41)]) for _ in range(3)]
    return number(r) if r.randrange(2) else slice(*bounds)


def few_bytes(r):
    return bytes(r.choice(b"ab\n") for _ in range(r.randrange(9)))


STEPS = [
    lambda r: (r.choice(["readline", "read_byte", "tell"]),),
    lambda r: ("read", number(r)),
    lambda r: ("write", r.choice(["text", few_bytes(r)])),
    lambda r: ("write_byte", r.choice([number(r), r.randrange(257)])),
    lambda r: ("seek", number(r), r.randrange(-1, 4)),
    lambda r: ("seek", r.randrange(20)),
    lambda r: (r.choice(["find", "rfind"]), few_bytes(r)),
    lambda r: (r.choice(["find", "rfind"]), few_bytes(r), r.randrange(-40, 40)),
    lambda r: ("move", *[r.randrange(-2, 20) for _ in range(3)]),
    lambda r: ("__getitem__", key(r)),
    lambda r: ("__setitem__", key(r), r.choice([number(r), few_bytes(r)])),
    lambda r: ("__setitem__", key(r), few_bytes(r)),
    lambda r: ("flush", 0, r.randrange(-2, 40)),
]


def same(result, expected):
    """The texts of Python itself about numbers that are too large or of the
    wrong type say nothing of ours."""
    if isinstance(expected, tuple) and expected[0] in (OverflowError, TypeError):
        return result[0] is expected[0]
    return result == expected or expected is None


@pytest.mark.parametrize("call", [
    lambda m: m.resize(2**64), lambda m: m.flush(0, 2**64),
    lambda m: m.flush(-2**64), lambda m: m.move(0, 1, 2**64),
    lambda m: m.madvise(0, 2**64), lambda m: m.madvise(0, 0, 2**64)])
def test_what_no_machine_can_address_overflows_alike(call):
    for module in standard, ours:
        with module.mmap(-1, 8) as m, pytest.raises(OverflowError):
            call(m)


@pytest.mark.parametrize("source", [
    array.array("H", [1, 2, 3, 4]), memoryview(b"abcdefgh").cast("I"),
    ours.mmap(-1, 8), mapped.wrap(bytearray(b"ABCDEFGH")).cast("Q")])
def test_bytes_of_any_items_go_to_a_slice_with_a_step(source):
    for module in standard, ours:
        m = module.mmap(-1, 20)
        m[:16:2] = source
        m[19:11:-1] = source
        expected = bytes(source)
        assert m[:16:2][:4] == expected[:4] and m[19:11:-1] == expected


@pytest.mark.parametrize("seed", range(40))
def test_it_does_what_the_standard_does(seed, tmp_path):
    r, path, pair = random.Random(seed), tmp_path / "file", []
    path.write_bytes(bytes(r.choice(b"ab\n") for _ in range(1 + r.randrange(40))))
    for module in standard, ours:
        shutil.copy(path, tmp_path / "copy")
        with open(tmp_path / "copy", "r+b") as file:
            pair.append(module.mmap(file.fileno(), 0, access=seed % 4))
        os.unlink(tmp_path / "copy")
    for _ in range(60):
        name, *arguments = r.choice(STEPS)(r)
        expected = error_of(getattr(pair[0], name), *arguments)
        result = error_of(getattr(pair[1], name), *arguments)
        assert same(result, expected), (name, arguments, result, expected)
        for look in repr, list, lambda m: m[:], lambda m: b"a" in m:
            assert error_of(look, pair[1]) == error_of(look, pair[0])


CALLS = {
    "read": (), "readline": (), "read_byte": (), "write": (b"x",),
    "write_byte": (1,), "tell": (), "seek": (0,), "find": (b"x",),
    "rfind": (b"x",), "size": (), "resize": (5,), "flush": (), "move": (0, 0, 0),
    "madvise": (0,), "__enter__": (), "__len__": (), "__getitem__": (0,),
    "__setitem__": (0, 1)}


@pytest.mark.parametrize("name", CALLS)
def test_closed_is_a_value_error(name, index):
    m = ours.mmap(-1, 16)
    closing = [index(value, m.close) if type(value) is int else value
               for value in CALLS[name]]
    for arguments in closing, CALLS[name]:
        if not m.closed and closing == list(CALLS[name]):
            m.close()
        with pytest.raises(ValueError, match="^mmap closed or invalid$"):
            getattr(m, name)(*arguments)
    m.close()
    assert repr(m) == "<mmap.mmap closed=True>" and m.seekable()


TOUCHES = {
    "item": lambda m: m[PAGE], "slice": lambda m: m[PAGE - 1:PAGE + 1],
    "step": lambda m: m[::PAGE], "read": lambda m: m.read(),
    "readline": lambda m: m.readline(), "find": lambda m: m.find(b"b"),
    "rfind": lambda m: m.rfind(b"b"), "iterate": list,
    "assign": lambda m: m.__setitem__(PAGE, 1),
    "assign_slice": lambda m: m.__setitem__(slice(PAGE, PAGE + 2), b"ab"),
    "move": lambda m: m.move(0, PAGE, 10),
    "resize": lambda m: m.resize(20 * PAGE)}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_file_that_was_cut_is_a_fault(pages, touch):
    with open(pages, "r+b") as file:
        m = ours.mmap(file.fileno(), 0)
    os.truncate(pages, PAGE)
    with pytest.raises(mapped.FaultError):
        touch(m)
    assert m[:3] == b"aaa" and m.read(2) == b"aa"


@pytest.mark.parametrize("offset", [1, 100, PAGE - 1, PAGE + 1])
def test_any_offset(path, content, offset):
    with open(path, "r+b") as file:
        m = ours.mmap(file.fileno(), 0, offset=offset)
    assert m[:] == content[offset:] and m.size() == len(content)
    m[0:2] = b"ab"
    m.flush()
    assert path.read_bytes()[offset:offset + 2] == b"ab"
    assert f"offset={offset}>" in repr(m)


def test_empty_only_if_asked(tmp_path):
    path = tmp_path / "empty"
    with open(path, "w+b") as file:
        with pytest.raises(ValueError, match="cannot mmap an empty file"):
            ours.mmap(file.fileno(), 0)
        m = ours.mmap(file.fileno(), 0, empty=True)
        assert len(m) == 0 and m[:] == m.read() == b"" and m.find(b"") == 0
        m.resize(3)
        m.write(b"abc")
        with pytest.raises(ValueError, match="offset is greater"):
            ours.mmap(file.fileno(), 0, offset=4, empty=True)
        assert len(ours.mmap(file.fileno(), 0, offset=3, empty=True)) == 0
    assert path.read_bytes() == b"abc"
    assert len(ours.mmap(-1, 0, empty=True)) == 0
    with ours.mmap(-1, 0, empty=True) as m:
        assert isinstance(m, ours.mmap)
    with pytest.raises(OSError):
        ours.mmap(-1, 1).resize(0)


def test_exports_block_close_and_shrink_and_then_do_not():
    m = ours.mmap(-1, 2 * PAGE)
    view = memoryview(m)
    assert view.obj is m and not view.readonly
    with pytest.raises(BufferError, match="^cannot close exported pointers exist$"):
        m.close()
    with pytest.raises(BufferError, match="^mmap can't resize with extant"):
        m.resize(10)
    view.release()
    m.resize(64 * PAGE)
    m.close()
    with pytest.raises(ValueError, match="mmap closed or invalid"):
        memoryview(m)


def test_numpy_memmap_works_on_it(path, content, monkeypatch):
    monkeypatch.setitem(sys.modules, "mmap", ours)
    array = numpy.memmap(path, "u1", "r+", offset=5)
    assert isinstance(array._mmap, ours.mmap) and bytes(array) == content[5:]
    array[0] = 77
    array.flush()
    assert path.read_bytes()[5] == 77
    os.truncate(path, 100)
    assert array[PAGE:].sum() == 0
    with pytest.raises(mapped.FaultError):
        array.flush()
    fresh = numpy.memmap(path.parent / "new", "<u4", "w+", shape=(3, 4))
    fresh[:] = 5
    assert numpy.load(io.BytesIO(_saved(fresh))).sum() == 60


def _saved(array):
    file = io.BytesIO()
    numpy.save(file, array)
    return file.getvalue()


def test_an_array_outlives_a_close(path):
    with open(path, "r+b") as file:
        m = ours.mmap(file.fileno(), 0)
    array = numpy.ndarray(len(m), "u1", buffer=m)
    assert array[1] == 1
    m.close()
    fillers = [mapped.anonymous(len(array)) for _ in range(20)]
    for filler in fillers:
        filler.fill(9)
    assert array.sum() == 0


def test_a_subclass_with_a_cycle_is_collected(path, nothing_leaks):
    class Own(ours.mmap):
        def __init__(self, *arguments, **named):
            self.me = self

    with open(path, "rb") as file:
        m = Own(file.fileno(), 10, access=ours.ACCESS_READ)
    assert len(m.read()) == 10
    gone = weakref.ref(m)
    del m
    gc.collect()
    assert gone() is None


def test_trackfd_and_what_has_no_file(path):
    with open(path, "r+b") as file:
        m = ours.mmap(file.fileno(), 10, trackfd=False)
    for one in m, ours.mmap(-1, 10, trackfd=False):
        with pytest.raises(OSError, match="Bad file descriptor"):
            one.size()
        with pytest.raises(ValueError, match="trackfd=False"):
            one.resize(5)


def test_resize_never_cuts_what_lies_behind(path, content):
    with open(path, "r+b") as file:
        m = ours.mmap(file.fileno(), 100)
    m.resize(50)
    m.resize(80)
    assert path.read_bytes() == content and m[:] == content[:80]
    m.resize(len(content) + 10)
    assert m.size() == len(m) == len(content) + 10


@pytest.mark.parametrize("name", MADVISE)
def test_advice_is_taken_or_refused(name, path, content):
    taken = {"NORMAL", "RANDOM", "SEQUENTIAL", "WILLNEED", "DONTNEED", "FREE",
             "REMOVE", "HUGEPAGE", "NOHUGEPAGE"}
    with open(path, "r+b") as file:
        m = ours.mmap(file.fileno(), 0)
    if name[5:] in taken:
        # The kernel may have been built without huge pages.
        assert error_of(m.madvise, MADVISE[name]) is None or "HUGE" in name
        assert m[:] == (bytes(len(m)) if "REMOVE" in name else content)
    else:
        with pytest.raises(OSError, match=f"no advice {MADVISE[name]}"):
            m.madvise(MADVISE[name])
    with pytest.raises(OSError):
        m.madvise(MADVISE[name], 1)


def test_dontneed_does_what_the_system_does(path, content):
    private = ours.mmap(-1, 2 * PAGE, ours.MAP_PRIVATE)
    with open(path, "r+b") as file:
        copied = ours.mmap(file.fileno(), 0, access=ours.ACCESS_COPY)
    for m in private, copied:
        m[:PAGE + 1] = b"x" * (PAGE + 1)
        m.madvise(ours.MADV_DONTNEED, 0, PAGE)
        assert m[PAGE] == ord("x")
    assert private[:PAGE] == bytes(PAGE) and copied[:PAGE] == content[:PAGE]
    shared = ours.mmap(-1, 10)
    shared[:2] = b"ab"
    shared.madvise(ours.MADV_DONTNEED)
    assert shared[:2] == b"ab"


def test_dontneed_of_memory_that_is_only_read(path, content):
    with open(path, "rb") as file:
        of_file = ours.mmap(file.fileno(), 0, ours.MAP_PRIVATE, ours.PROT_READ)
    of_none = ours.mmap(-1, 2 * PAGE, ours.MAP_PRIVATE, ours.PROT_READ)
    for m, expected in (of_file, content), (of_none, bytes(2 * PAGE)):
        m.madvise(ours.MADV_DONTNEED)
        assert m[:] == expected


def test_names_are_those_of_the_standard_module():
    names = {name for name in vars(standard) if not name.startswith("_")}
    assert names == {name for name in vars(ours) if not name.startswith("_")}
    assert all(getattr(ours, name) == getattr(standard, name)
               for name in names - {"mmap"})
    methods = {name for name in vars(standard.mmap) if name.islower()}
    assert methods - set(dir(ours.mmap)) == set()
    assert all(getattr(ours.mmap, name).__doc__ for name in methods
               if not name.startswith("_"))


def test_shared_memory_crosses_fork_and_private_does_not(child):
    assert child("""
        import os
        from mapped import mmap
        shared, private = mmap.mmap(-1, 9), mmap.mmap(-1, 9, mmap.MAP_PRIVATE)
        if os.fork() == 0:
            shared[0] = private[0] = 1
            os._exit(0)
        os.wait()
        print(shared[0], private[0])
    """) == "1 0\n"


def test_libraries_take_it(path, content):
    with open(path, "r+b") as file, ours.mmap(file.fileno(), 0) as m:
        target = io.BytesIO()
        shutil.copyfileobj(m, target, 1000)
        assert target.getvalue() == content == bytes(m)
        assert list(reversed(m))[0] == content[-1:]
        assert mapped.wrap(m).find(b"the end") == content.find(b"the end")


def test_the_standard_module_may_be_replaced_first(child):
    assert child("""
        import sys
        import mapped.mmap
        sys.modules["mmap"] = mapped.mmap
        import mmap
        print(mmap.mmap(-1, 3)[:], mmap is mapped.mmap)
    """) == "b'\\x00\\x00\\x00' True\n"
