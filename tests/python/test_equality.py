"""Guards against comparisons that raise where `in` and `==` must not, that
depend on the order of the operands, that compare bytes in place of values, and
during which other code can get at the compared memory."""
import array
import builtins
import gc
import itertools
import os
import struct
import sys

import numpy
import pytest

import mapped

PAGE = os.sysconf("SC_PAGESIZE")
PAGES = 8


def over(data):
    """Makes a region of these bytes."""
    region = mapped.anonymous(len(data))
    region.copy_from(data)
    return region


def packed(code, values):
    return over(struct.pack(f"<{len(values)}{code}", *values)).cast(f"<{code}")


def agree(a, b):
    """Returns the result of ==, which must be the same from both sides and
    agree with !=."""
    equal = a == b
    assert type(equal) is bool
    assert (b == a) is equal and (a != b) is not equal and (b != a) is not equal
    return equal


NUMBERS = struct.pack("<8I", *range(8))
OURS = {
    "region": lambda: over(NUMBERS),
    "slice": lambda: over(b"abc" + NUMBERS)[3:],
    "array of bytes": lambda: over(NUMBERS).cast("B"),
    "array": lambda: over(NUMBERS).cast("<I"),
    "other order": lambda: over(struct.pack(">8I", *range(8))).cast(">I"),
    "floats": lambda: packed("d", range(8)),
    "bools": lambda: packed("?", [0, 1, 0, 1]),
    "every second": lambda: packed("H", range(16))[::2],
    "backwards": lambda: packed("b", range(7, -1, -1))[::-1],
    "grid": lambda: over(NUMBERS).cast("<I", (2, 4)),
    "turned grid": lambda: over(NUMBERS).cast("<I", (4, 2))[::-1, ::-1],
    "chars": lambda: over(NUMBERS).cast("c"),
    "nothing": lambda: mapped.anonymous(0),
}
FOREIGN = {
    "bytes": lambda: NUMBERS,
    "bytes view": lambda: memoryview(NUMBERS),
    "chars": lambda: memoryview(NUMBERS).cast("c"),
    "array.array": lambda: array.array("I", range(8)),
    "array of doubles": lambda: array.array("d", range(8)),
    "numpy": lambda: numpy.arange(8, dtype=">i8").data,
    "numpy backwards": lambda: numpy.arange(7, -1, -1, dtype="f2").data[::-1],
    "grid": lambda: numpy.arange(8, dtype="u1").reshape(2, 4).data,
    "columns": lambda: numpy.asfortranarray(
        numpy.arange(8, dtype="u1").reshape(2, 4)).data,
    "structured": lambda: numpy.zeros(8, "u1,u2").data,
    "nothing": lambda: b"",
    "no texts": lambda: numpy.zeros(0, "S4").data,
    "no records": lambda: numpy.zeros(0, "u1,u2").data,
    "texts of one byte": lambda: numpy.frombuffer(NUMBERS, "S1").data,
    "texts": lambda: numpy.frombuffer(NUMBERS, "S4").data,
    "counted": lambda: formatted("1I"), "counted with a zero": lambda: formatted("01I"), "bool": lambda: formatted("1?"), "spaced": lambda: formatted("<1I "),
    "other": lambda: formatted("xB"),
    "one item": lambda: numpy.array(0, "u4").data,
}


def formatted(text):
    """A buffer of NUMBERS whose format is spelled like that."""
    testbuffer = pytest.importorskip("_testbuffer", reason="no _testbuffer here")
    size = struct.calcsize(text)
    return memoryview(testbuffer.ndarray(
        list(struct.iter_unpack(text, NUMBERS)) if text == "xB" else
        [item for item, in struct.iter_unpack(text, NUMBERS)],
        shape=[len(NUMBERS) // size], format=text))


@pytest.mark.parametrize("theirs", FOREIGN)
@pytest.mark.parametrize("ours", OURS)
def test_equality_with_a_buffer_is_what_memoryview_says(ours, theirs):
    mine, other = OURS[ours](), FOREIGN[theirs]()
    assert agree(mine, other) is (memoryview(mine) == memoryview(other))


@pytest.mark.parametrize("a, b", itertools.product(OURS, OURS))
def test_equality_of_ours_is_what_memoryview_says(a, b):
    mine, other = OURS[a](), OURS[b]()
    assert agree(mine, other) is (memoryview(mine) == memoryview(other))


def test_equality_with_numpy_arrays_of_other_formats_is_a_bool():
    assert (over(bytes(64)) == array.array("I", [0] * 16)) is False
    assert (over(NUMBERS).cast("<I") == numpy.arange(8.0)) is True


@pytest.mark.parametrize("ours, theirs, expected", [
    (packed("q", [2**53 + 1]), array.array("d", [2.0**53]), False),
    (packed("q", [2**53]), array.array("d", [2.0**53]), True),
    (packed("Q", [2**64 - 1]), array.array("q", [-1]), False),
    (packed("Q", [2**64 - 1]), array.array("d", [2.0**64]), False),
    (packed("d", [float("nan")]), array.array("d", [float("nan")]), False),
    (packed("d", [0.0]), array.array("d", [-0.0]), True),
    (packed("?", [True]), array.array("b", [1]), True),
    (packed("c", [b"a"]), b"a", False)])
def test_values_are_compared_exactly(ours, theirs, expected):
    assert agree(ours, theirs) is expected
    assert agree(ours, mapped.wrap(theirs).cast(memoryview(theirs).format)
                 ) is expected


def test_nan_does_not_equal_itself():
    ours = packed("f", [float("nan")])
    assert not ours == ours and ours != ours


LAYOUT = "< id:u16 name:char[4] x:f32 _:u16"


def rows(layout, *values):
    layout = mapped.layout(layout)
    records = mapped.anonymous(layout.size * len(values)).records(layout)
    records[:] = values
    return records


VALUES = [(1, b"abc", 1.5), (2, b"", -0.0)]


@pytest.mark.parametrize("layout, expected", [
    (LAYOUT, True), ("> x:f64@10 id:i64@30 name:char[4]@2", False),
    ("> id:i64@30 name:char[4]@2 x:f64@10", True),
    ("id:u128 name:char[4] x:f16", True), ("id:u16 name:char[5] x:f32", False),
    ("id:u16 nome:char[4] x:f32", False)])
def test_records_compare_names_in_order_and_values(layout, expected):
    places = {"id": 0, "name": 1, "nome": 1, "x": 2}
    ours = rows(LAYOUT, *VALUES)
    theirs = rows(layout, *([row[places[name]] for name in mapped.layout(
        layout).names] for row in VALUES))
    assert agree(ours, theirs) is expected
    assert agree(ours[0], theirs[0]) is expected
    assert agree(ours[::-1], theirs[::-1]) is expected
    assert not agree(ours[0], theirs[1]) and not agree(ours[::-1], theirs)


def test_padding_of_records_does_not_count():
    ours, theirs = rows(LAYOUT, *VALUES), rows(LAYOUT, *VALUES)
    ours.region[10] = 7
    assert agree(ours, theirs) and ours.region != theirs.region


def test_records_equal_no_bytes_and_a_record_its_tuple():
    ours = rows(LAYOUT, *VALUES)
    assert not agree(ours, bytes(ours)) and not agree(ours, memoryview(ours))
    assert not agree(ours, ours.region) and not agree(ours, ours.column("id"))
    assert agree(ours[0], VALUES[0]) and not agree(ours[0], VALUES[1])
    assert not agree(ours[0], ours)


@pytest.mark.parametrize("make", [
    lambda r: r, lambda r: r[:], lambda r: r.cast("I"),
    lambda r: r.records(LAYOUT), lambda r: r.records(LAYOUT)[0]])
def test_nothing_that_compares_by_value_has_a_hash(make):
    with pytest.raises(TypeError):
        hash(make(mapped.anonymous(24)))


VIEWS = {
    "region": lambda r: r,
    "slice": lambda r: r[4:],
    "array": lambda r: r.cast("I"),
    "part": lambda r: r.cast("I")[::3],
    "records": lambda r: r.records("a:u32 b:u32"),
    "record": lambda r: r.records("a:u32 b:u32")[-1],
}


def check_unreadable(make, region):
    """An object that can't be read equals only itself, and no comparison
    raises."""
    ours, twin = VIEWS[make](region), VIEWS[make](region)
    others = [b"", bytes(len(bytes(8))), memoryview(b"x"), mapped.anonymous(8),
              array.array("I"), VIEWS[make](mapped.anonymous(PAGES * PAGE))]
    yield
    assert agree(ours, ours) and ours in [ours]
    assert ours not in others and (make == "region" or not agree(ours, twin))


@pytest.mark.parametrize("make", VIEWS)
def test_closed_equals_only_itself(make):
    region = mapped.anonymous(PAGES * PAGE)
    check = check_unreadable(make, region)
    next(check)
    region.close()
    next(check, None)


@pytest.mark.parametrize("make", set(VIEWS) - {"region"})
def test_shrunk_equals_only_itself(make):
    region = mapped.anonymous(PAGES * PAGE)
    check = check_unreadable(make, region)
    next(check)
    region.resize(8)
    next(check, None)


@pytest.mark.parametrize("make", VIEWS)
def test_lost_equals_only_itself(make, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(PAGES * PAGE))
    with mapped.open(path, "r+") as region:
        check = check_unreadable(make, region)
        next(check)
        os.truncate(path, PAGE)
        next(check, None)


def test_closed_compared_with_a_view_of_the_same_length():
    closed, ours = mapped.anonymous(8), mapped.anonymous(8)
    closed.close()
    assert not agree(ours, closed) and not agree(closed, bytes(8))
    assert not agree(closed, b"") and not agree(mapped.anonymous(0), closed)


def test_comparison_lends_no_memory_to_others():
    """To compare formats such as '>I', CPython imports struct, which can run
    other code."""
    region = mapped.anonymous(1 << 20)
    found = []
    real = builtins.__import__

    def spy(*arguments):
        found.extend(o for o in gc.get_objects() if type(o) is memoryview)
        return real(*arguments)

    theirs = memoryview(bytes(1 << 20)).cast("I")
    builtins.__import__ = spy
    try:
        assert region.cast(">I") == theirs
    finally:
        builtins.__import__ = real
    region.close()
    for view in found:
        if view is not theirs and view.nbytes == 1 << 20:
            view.tobytes()
    assert all(view.obj is not region for view in found)


def test_object_that_refuses_its_buffer_is_not_equal():
    released = memoryview(bytearray(8))
    released.release()
    for ours in mapped.anonymous(8), mapped.anonymous(8).cast("I"):
        assert ours.__eq__(released) is NotImplemented
        assert not agree(ours, released)


def test_foreign_buffer_is_not_kept():
    data = bytearray(64)
    for ours in mapped.anonymous(64), mapped.anonymous(64).cast("<d"):
        assert ours != memoryview(data).cast("d")[::-2]
        assert ours == data or ours.nbytes
        ours == memoryview(data).cast("d")
        data.append(0)
        data.pop()


needs_buffer_method = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="__buffer__ in Python code needs 3.12")


@needs_buffer_method
def test_buffer_method_that_closes_the_region_makes_it_unequal():
    class Data:
        def __buffer__(self, flags):
            region.close()
            return memoryview(bytearray(8))

    for make in lambda r: r, lambda r: r.cast("B"):
        region = mapped.anonymous(8)
        assert not make(region) == Data()


@needs_buffer_method
def test_interrupt_in_a_buffer_method_is_not_swallowed():
    class Data:
        def __buffer__(self, flags):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped.anonymous(8) == Data()


def test_device_items_are_compared_one_by_one():
    with mapped.open("/dev/zero", "c", length=64, device=True) as device:
        assert agree(device, bytes(64)) and agree(device, device[:])
        assert device.cast("I") == array.array("I", [0] * 16)
        assert device.cast("H")[::2] == packed("q", [0] * 16)
        assert device.cast("I") != array.array("I", [1] * 16)
