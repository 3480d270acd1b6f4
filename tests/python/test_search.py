"""Guards against searches that differ from those of bytes in what they find,
which arguments they take or how they fail; against copies of the data; and
against a region that is closed during a search."""
import io
import mmap
import os
import pathlib
import re
import threading

import mapped
from support import outcome, private_bytes
import pytest
from hypothesis import given, settings, strategies as st

MIB = 1 << 20

few = st.text("ab\n", max_size=40).map(str.encode)
needles = st.one_of(st.text("ab\n", max_size=4).map(str.encode),
                    st.integers(0, 255))
bounds = st.one_of(st.none(), st.integers(-45, 45),
                   st.sampled_from([2**31, -2**31, 2**63, -2**63, 2**100]))


@pytest.mark.parametrize("name", ["find", "rfind", "index", "rindex", "count"])
@given(data=few, needle=needles, start=bounds, end=bounds)
@settings(max_examples=300, deadline=None)
def test_search_agrees_with_bytes(name, data, needle, start, end):
    ours = mapped.wrap(b"ab" + data + b"ba")[2:2 + len(data)]
    assert outcome(getattr(ours, name), needle, start, end) == \
        outcome(getattr(data, name), needle, start, end)


@pytest.mark.parametrize("name", ["startswith", "endswith"])
@given(data=few, affix=few, start=bounds, end=bounds)
@settings(max_examples=300, deadline=None)
def test_affixes_agree_with_bytes(name, data, affix, start, end):
    ours = getattr(mapped.wrap(data), name)
    theirs = getattr(data, name)
    affix = affix[:3]
    assert ours(affix, start, end) == theirs(affix, start, end)
    assert ours((b"x", affix), start, end) == theirs((b"x", affix), start, end)
    assert ours((), start, end) == theirs((), start, end)


@given(data=few, needle=needles)
@settings(max_examples=300, deadline=None)
def test_contains_agrees_with_bytes(data, needle):
    assert (needle in mapped.wrap(data)) == (needle in data)


@given(data=few, needle=st.text("ab", max_size=3).map(str.encode),
       start=bounds, end=bounds)
@settings(max_examples=300, deadline=None)
def test_find_all_finds_what_count_counts(data, needle, start, end):
    ours = mapped.wrap(data)
    found = list(ours.find_all(needle, start, end))
    assert len(found) == data.count(needle, start, end)
    if needle:
        low, high, _ = slice(start, end).indices(len(data))
        assert found == [low + match.start() for match in
                         re.finditer(re.escape(needle), data[low:high])]


@given(data=few)
@settings(max_examples=300, deadline=None)
def test_lines_agree_with_readline(data):
    ours = mapped.wrap(data)
    with_ends = [bytes(line) for line in ours.lines(keepends=True)]
    assert with_ends == list(io.BytesIO(data))
    assert [bytes(line) for line in ours.lines()] == [
        line.removesuffix(b"\n") for line in with_ends]


@given(data=few, separator=st.text("ab\n", min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_split_agrees_with_bytes(data, separator):
    separator = separator.encode()
    parts = mapped.wrap(data).split(separator)
    assert [bytes(part) for part in parts] == data.split(separator)


@given(data=st.binary(min_size=1, max_size=300), at=st.integers(0, 299),
       length=st.integers(1, 40), gap=st.integers(0, 200000))
@settings(max_examples=200, deadline=None)
def test_search_agrees_with_bytes_on_long_data(data, at, length, gap):
    needle = data[at % len(data):][:length]
    long = data * 3 + bytes(gap) + data
    ours = mapped.wrap(long)
    assert ours.find(needle, len(data) * 3) == long.find(needle, len(data) * 3)
    assert ours.rfind(needle, 0, -1) == long.rfind(needle, 0, -1)
    assert ours.count(needle) == long.count(needle)


def test_results_are_slices_of_the_same_region():
    region = mapped.anonymous(20)
    region[:] = b"one\ntwo\nthree\nfour\n!"
    part = region[4:]
    lines = list(part.lines())
    assert all(line.region is region for line in lines)
    assert [line.offset for line in lines] == [4, 8, 14, 19]
    lines[0][0:1] = b"T"
    assert region[4:7] == b"Two"



@pytest.mark.parametrize("needle", [
    b"cd", bytearray(b"cd"), memoryview(b"xcdx")[1:3], mapped.wrap(b"cd"),
    memoryview(b"c-d-")[::2], memoryview(b"cd").cast("b")])
def test_needle_may_be_any_buffer(needle):
    view = mapped.wrap(b"abcdabcd")
    assert view.find(needle) == 2
    assert view.rfind(needle) == 6
    assert view.count(needle) == 2
    assert needle in view
    assert list(view.find_all(needle)) == [2, 6]
    assert [bytes(part) for part in view.split(needle)] == [b"ab", b"ab", b""]
    assert view[2:].startswith(needle)
    assert view.endswith(needle)


def test_needle_may_be_of_the_same_region():
    region = mapped.anonymous(100000)
    region[50000:50004] = b"\1\2\3\4"
    assert region.find(region[50000:50004]) == 50000
    assert region.find(region) == 0
    assert region[1:].find(region) == -1
    region.close()


def test_needle_of_an_iterator_is_a_copy():
    region = mapped.anonymous(10)
    region[:] = b"ab.ab.ab.."
    needle = bytearray(b"ab")
    found = region.find_all(needle)
    parts = region.split(region[0:2])
    assert next(found) == 0
    needle[:] = b"..."
    assert list(found) == [3, 6]
    region[0:2] = b"xx"
    assert [bytes(part) for part in parts] == [b"xx.", b".", b".."]
    region.close()


@pytest.mark.parametrize("name", ["find", "rfind", "index", "rindex", "count",
                                  "find_all", "split", "__contains__"])
@pytest.mark.parametrize("bad", ["a", None, 1.5, 256, -1, 2**70])
def test_bad_needle_fails_as_in_bytes(name, bad):
    ours = outcome(getattr(mapped.wrap(b"abc"), name), bad)
    if name in ("find_all", "split"):
        name = "find"
    assert ours == outcome(getattr(b"abc", name), bad)


@pytest.mark.parametrize("bad", ["a", None, 5, (b"a", "b"), [b"a"]])
def test_bad_affix_is_a_type_error(bad):
    for view in mapped.wrap(b"xyz"), mapped.wrap(b""):
        with pytest.raises(TypeError):
            view.startswith(bad)
        with pytest.raises(TypeError):
            view.endswith(bad)


@pytest.mark.parametrize("bound", ["1", 1.0, b"1"])
def test_bad_bound_is_a_type_error(bound):
    with pytest.raises(TypeError, match="slice indices must be integers"):
        mapped.wrap(b"abc").find(b"a", bound)


def test_empty_separator_is_refused():
    with pytest.raises(ValueError, match="empty separator"):
        mapped.wrap(b"abc").split(b"")


def test_missing_or_strange_arguments_are_type_errors():
    view = mapped.wrap(b"abc")
    for call in (lambda: view.find(), lambda: view.find(b"", 0, 1, 2),
                 lambda: view.find(b"", begin=1), lambda: view.lines(1, 2),
                 lambda: view.split(), lambda: view.split(b",", 1, 2)):
        with pytest.raises(TypeError):
            call()


SEARCHES = {
    "find": lambda view: view.find(b"x"),
    "rfind": lambda view: view.rfind(b"x"),
    "index": lambda view: view.index(b"x"),
    "count": lambda view: view.count(b"x"),
    "in": lambda view: b"x" in view,
    "startswith": lambda view: view.startswith(b""),
    "startswith none of": lambda view: view.startswith(()),
    "endswith": lambda view: view.endswith(b"x"),
    "find_all": lambda view: view.find_all(b"x"),
    "lines": lambda view: view.lines(),
    "split": lambda view: view.split(b"x"),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_search_of_a_closed_region_is_a_value_error(name):
    region = mapped.anonymous(100)
    part = region[5:50]
    region.close()
    for view in region, part:
        with pytest.raises(ValueError, match="closed"):
            SEARCHES[name](view)


def test_closed_needle_is_a_value_error():
    needle = mapped.anonymous(10)
    part = needle[:2]
    needle.close()
    with pytest.raises(ValueError, match="closed"):
        mapped.wrap(b"abc").find(part)


@pytest.mark.parametrize("name", ["find_all", "lines", "split"])
def test_close_ends_an_iterator_with_an_error(name):
    region = mapped.anonymous(100)
    region[:] = b"x\n" * 50
    iterator = SEARCHES[name](region)
    next(iterator)
    region.close()
    with pytest.raises(ValueError, match="closed"):
        next(iterator)


def test_iterators_keep_their_region():
    def lines():
        region = mapped.anonymous(4)
        region[:] = b"a\nb\n"
        return region.lines()
    assert [bytes(line) for line in lines()] == [b"a", b"b"]


def test_argument_that_closes_the_region_is_an_error(index):
    region = mapped.anonymous(100)
    with pytest.raises(ValueError, match="closed"):
        region.find(b"x", index(0, region.close))


def test_close_by_another_thread_ends_a_long_search(tmp_path):
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 64 * MIB)
    region = mapped.open(path)
    started = threading.Event()
    results = []

    def search():
        started.set()
        while True:
            try:
                results.append(region.find(b"needle"))
            except ValueError as error:
                results.append(str(error))
                return

    thread = threading.Thread(target=search)
    thread.start()
    started.wait()
    region.close()
    thread.join()
    assert "closed" in results.pop()
    assert set(results) <= {-1}



@pytest.fixture
def cut(tmp_path):
    """Makes a region of four pages whose file has lost the last two."""
    path = tmp_path / "cut"
    page = mmap.PAGESIZE
    path.write_bytes(b"." * (page - 3) + b"needle" + b"." * (3 * page - 3))
    region = mapped.open(path)
    os.truncate(path, 2 * page)
    yield region
    region.close()


def test_match_before_a_lost_page_is_found(cut):
    assert cut.find(b"needle") == mmap.PAGESIZE - 3
    assert b"needle" in cut
    assert cut.startswith(b"....")
    assert next(cut.find_all(b"needle")) == mmap.PAGESIZE - 3
    assert len(next(cut.split(b"needle"))) == mmap.PAGESIZE - 3


@pytest.mark.parametrize("search", [
    lambda view: view.find(b"nowhere"), lambda view: view.rfind(b"needle"),
    lambda view: view.count(b"."), lambda view: b"nowhere" in view,
    lambda view: view.endswith(b"..."), lambda view: list(view.find_all(b"n")),
    lambda view: list(view.lines()), lambda view: list(view.split(b"needle")),
    lambda view: view.find(b"\0"),
    lambda view: mapped.wrap(bytes(100)).find(view[-8:])])
def test_search_that_needs_a_lost_page_is_a_fault(cut, search):
    with pytest.raises(mapped.FaultError):
        search(cut)
    assert cut.find(b"needle") == mmap.PAGESIZE - 3



@pytest.fixture
def sparse(tmp_path):
    """Makes a sparse file of 64 MiB with a word near its end."""
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 64 * MIB)
    with open(path, "r+b") as file:
        file.seek(60 * MIB)
        file.write(b"\nkey=value\n")
    with mapped.open(path) as region:
        yield region


NO_ROOM = """
    import re, resource, sys
    import mapped
    with mapped.open(sys.argv[1]) as region:
        with open("/proc/self/status") as status:
            data = next(line for line in status if line.startswith("VmData"))
        room = (int(data.split()[1]) << 10) + (24 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (room, -1))
        print(eval(sys.argv[2])(region))
"""


def test_a_copy_has_no_room(sparse, child):
    """Shows that the next test would notice a copy."""
    assert child(NO_ROOM, sparse.name, "len").strip() == str(64 * MIB)
    with pytest.raises(AssertionError, match="MemoryError"):
        child(NO_ROOM, sparse.name, "lambda s: len(bytes(s))")


@pytest.mark.parametrize("search, result", [
    ("lambda s: re.search(rb'(\\w+)=(\\w+)', s).span()",
     (60 * MIB + 1, 60 * MIB + 10)),
    ("lambda s: len(re.findall(rb'key', s))", 1),
    ("lambda s: [m.start() for m in re.finditer(rb'value', s[5:])]",
     [60 * MIB]),
    ("lambda s: s.find(b'key=value')", 60 * MIB + 1),
    ("lambda s: s.rfind(b'key=value')", 60 * MIB + 1),
    ("lambda s: s.count(b'key')", 1),
    ("lambda s: [len(part) for part in s.split(b'key=value')]",
     [60 * MIB + 1, 4 * MIB - 10]),
])
def test_nothing_is_copied(sparse, child, search, result):
    """The process has no memory for a copy, not even for a moment."""
    output = child(NO_ROOM, sparse.name, search,
                   finalizers=False)  # they need memory too
    assert eval(output) == result


@pytest.mark.slow
def test_re_leaves_no_copy_behind(sparse):
    before = private_bytes()
    match = re.search(rb"(\w+)=(\w+)", sparse)
    assert match.groups() == (b"key", b"value")
    assert private_bytes() - before < 4 * MIB
    del match


VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors/search.tsv"


def ranges(parts):
    return " ".join(f"{part.offset}+{len(part)}" for part in parts)


OPERATIONS = {
    "find": lambda view, needle: str(view.find(needle)),
    "rfind": lambda view, needle: str(view.rfind(needle)),
    "count": lambda view, needle: str(view.count(needle)),
    "starts": lambda view, needle: str(int(view.startswith(needle))),
    "ends": lambda view, needle: str(int(view.endswith(needle))),
    "split": lambda view, needle: ranges(view.split(needle)),
    "lines": lambda view, _: ranges(view.lines()),
}


def test_vectors_search():
    rows = [line.split("\t") for line in VECTORS.read_text().split("\n")
            if line and line[0] != "#"]
    assert len(rows) > 50
    for operation, data, needle, expected in rows:
        view = mapped.wrap(bytes.fromhex(data))
        assert OPERATIONS[operation](view, bytes.fromhex(needle)) == expected
