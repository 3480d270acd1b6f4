"""Guards against arrays that differ from memoryview, struct and numpy in codes,
shapes, slices or alignment, or that accept values that don't fit."""
import array
import struct
import sys

import numpy
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as st_numpy

import mapped

NUMBERS = "bBhHiIlLqQnNefd"


def made(code, values, lead=0):
    """Makes an array of `values` that begins `lead` bytes into its region."""
    data = b"".join(struct.pack(code, value) for value in values)
    region = mapped.anonymous(lead + len(data))
    region[lead:] = data
    return region[lead:].cast(code)


def grid(*shape):
    """Makes an array of int32 of that shape, with increasing values, and the
    same array for numpy."""
    twin = numpy.arange(numpy.prod(shape), dtype="i4").reshape(shape)
    region = mapped.anonymous(twin.nbytes)
    region[:] = twin.tobytes()
    return region.cast("i", shape), twin


@pytest.mark.parametrize("code", NUMBERS)
@pytest.mark.parametrize("lead", [0, 1, 3])
def test_items_are_those_of_struct(code, lead):
    values = [0, 1, 2, 100, 7]
    ours = made(code, values, lead)
    assert ours.tolist() == list(ours) == [ours[i] for i in range(5)] == values
    assert [ours[i] for i in range(-5, 0)] == values
    assert len(ours) == 5 and ours.nbytes == 5 * struct.calcsize(code)
    ours[-2] = 101
    assert ours[3] == 101
    if code in "efd":
        ours[0] = -0.5
        assert ours[0] == -0.5


@pytest.mark.parametrize("order", "<>=!")
@pytest.mark.parametrize("code", "bBhHiIlLqQefd?c")
def test_items_in_either_order_are_those_of_struct(order, code):
    code = order + code
    data = bytes(range(1, 1 + 4 * struct.calcsize(code)))
    ours = mapped.wrap(data).cast(code)
    assert ours.tolist() == [item for item, in struct.iter_unpack(code, data)]


@pytest.mark.parametrize("index", [5, -6, 2**31, 2**63, -2**63, 2**200])
def test_index_out_of_range_is_named(index):
    ours = made("I", range(5))
    with pytest.raises(IndexError, match=str(index)):
        ours[index]
    with pytest.raises(IndexError, match=str(index)):
        ours[index] = 1


@pytest.mark.parametrize("bad", [None, "a", 1.5, [], (1.5,), {}, ((),)])
def test_index_of_wrong_type_is_refused(bad):
    ours = made("I", range(5))
    with pytest.raises(TypeError):
        ours[bad]
    with pytest.raises(TypeError):
        ours[bad] = 1


def test_too_many_indices_are_refused():
    with pytest.raises(IndexError, match="2 .* 1"):
        made("I", range(5))[1, 1]


def test_deletion_is_refused():
    with pytest.raises(TypeError):
        del made("I", range(5))[0]


@given(st.lists(st.integers(-2**31, 2**31 - 1), max_size=20),
       st.slices(20), st.slices(20))
def test_slices_are_those_of_list(values, first, second):
    assert made("i", values)[first].tolist() == values[first]
    assert made("i", values)[first][second].tolist() == values[first][second]


def test_step_of_any_size_is_safe():
    ours = made("q", range(3))
    for step in 2**62, 2**63 - 1, -2**63, 2**200:
        assert ours[::step].tolist() == [0, 1, 2][::step]
        assert ours[1:1:step].tolist() == []


def test_slice_writes_through():
    ours = made("I", range(6))
    ours[::2][1] = 99
    assert ours.tolist() == [0, 1, 99, 3, 4, 5]


@given(st.data())
def test_selection_is_that_of_numpy(data):
    shape = data.draw(st_numpy.array_shapes(
        max_dims=3, min_side=0, max_side=4))
    ours, twin = grid(*shape)
    key = data.draw(st_numpy.basic_indices(
        shape, allow_ellipsis=False, allow_newaxis=False))
    if isinstance(twin[key], numpy.ndarray) and twin[key].ndim > 0:
        assert ours[key].tolist() == twin[key].tolist()
        assert ours[key].shape == twin[key].shape
        assert bytes(ours[key]) == ours[key].tobytes() == twin[key].tobytes()
        assert (numpy.asarray(ours[key]) == twin[key]).all()
    elif twin[key].ndim == 0 and key != ():
        assert ours[key] == twin[key]


@given(st.data())
def test_assignment_is_that_of_numpy(data):
    shape = data.draw(st_numpy.array_shapes(
        max_dims=3, min_side=0, max_side=4))
    ours, twin = grid(*shape)
    key = data.draw(st_numpy.basic_indices(
        shape, allow_ellipsis=False, allow_newaxis=False, min_dims=1))
    new = numpy.arange(1000, 1000 + twin[key].size, dtype="i4")
    new = new.reshape(twin[key].shape)
    twin[key] = new
    as_what = data.draw(st.sampled_from(
        [lambda a: a, numpy.ndarray.tolist, numpy.asfortranarray,
         lambda a: a.astype("q"), lambda a: a.astype(">i4")]))
    ours[key] = as_what(new)
    assert ours.tolist() == twin.tolist()


def test_shapes_nest_and_iterate_like_numpy():
    ours, twin = grid(2, 3, 4)
    assert ours.shape == (2, 3, 4) and ours.ndim == 3 and len(ours) == 2
    assert ours.strides == twin.strides and ours.itemsize == 4
    assert ours.tolist() == twin.tolist()
    assert [part.tolist() for part in ours] == twin.tolist()
    assert ours[1][2][3] == ours[1, 2, 3] == ours[-1, -1, -1] == 23
    assert ours[:, 1, ::-1].tolist() == twin[:, 1, ::-1].tolist()


@pytest.mark.parametrize("shape", [
    (), (7,), (4, 2), (0,), (2, 2, 2), (2**62, 4), (2**63, 2**63), (2**64,),
    (-1,), (-2, -3), [1] * 65, (6, 0)])
def test_shape_that_does_not_match_is_refused(shape):
    with pytest.raises((ValueError, OverflowError)):
        mapped.anonymous(24).cast("I", shape)


@pytest.mark.parametrize("shape", [6, "6", (1.5,), ("6",), (None,), object()])
def test_shape_of_wrong_type_is_refused(shape):
    with pytest.raises(TypeError):
        mapped.anonymous(24).cast("I", shape)


BIG = 2**62


@pytest.mark.parametrize("shape", [
    (0, 3, BIG), (3, BIG, 0), (BIG, 0, 4), (0, 2**63 - 1, 2), (2**32, 2**32, 0)])
@pytest.mark.parametrize("code", "Bd")
def test_empty_shape_that_overflows_is_refused(code, shape):
    with pytest.raises(ValueError, match="shape"):
        mapped.anonymous(0).cast(code, shape)


@pytest.mark.parametrize("shape", [(0, BIG), (0, 2**63 - 1), (0, 3, 2**60),
                                   (BIG, 0), (7, 0, 2**59)])
@pytest.mark.parametrize("key", [
    slice(None), slice(None, None, -1), slice(None, None, 2**62),
    slice(-1, None, -2**62), (slice(None), -1), (slice(None), slice(1, None, 3)),
    (slice(None), slice(None, None, -1)), (slice(None), slice(None, None, BIG))])
def test_parts_of_a_large_empty_array_do_not_overflow(shape, key):
    ours = mapped.anonymous(0).cast("B", shape)
    if key == (slice(None), -1) and shape[1] == 0:
        key = slice(None)
    for part in ours, ours[key], ours[key][::-1]:
        assert part.nbytes == 0 and bytes(part) == b"" and part == part[:]
        assert memoryview(part).shape == part.shape
        assert mapped.wrap(part).nbytes == 0


def test_shape_of_an_empty_array():
    empty = mapped.anonymous(0)
    assert empty.cast("I").tolist() == []
    assert empty.cast("I", (0, 5)).shape == (0, 5)
    assert empty.cast("I", (3, 0)).tolist() == [[], [], []]


@pytest.mark.parametrize("shape, key", [
    ((0, 3), (slice(None), 1)), ((0, 3), (slice(None), slice(1, None))),
    ((0, 3), (slice(None), slice(None, None, -1))),
    ((0, 2, 3), (slice(None), 1, 2)), ((3, 0), 2), ((3, 0), slice(1, None)),
    ((3, 0, 2), (2, slice(None), 1)), ((2, 3), (1, slice(3, 3)))])
def test_parts_without_items_are_empty(shape, key):
    ours, twin = grid(*shape)
    assert ours[key].tolist() == twin[key].tolist()
    assert ours[key].shape == numpy.asarray(ours[key]).shape == twin[key].shape
    assert ours[key].tobytes() == bytes(ours[key]) == b""
    ours[key] = twin[key]
    ours[key] = twin[key].tolist()
    with pytest.raises(ValueError, match="shapes"):
        ours[key] = [1, 2, 3, 4]


def test_cast_of_no_whole_number_of_items_names_both():
    with pytest.raises(ValueError, match="23.*4"):
        mapped.anonymous(23).cast("I")


def test_assignment_of_a_bad_value_stores_nothing():
    ours = made("B", range(5))
    for bad, error in (([1, 2, 3, 4, 256], ValueError), ([1, 2], ValueError),
                       ([1, 2, 3, 4, "x"], TypeError), (256, ValueError),
                       (b"123", ValueError), ([[1], 2, 3, 4, 5], TypeError)):
        with pytest.raises(error):
            ours[:] = bad
        assert ours.tolist() == list(range(5))


def test_assignment_converts_other_types():
    ours = made("<h", range(4))
    ours[:] = array.array("q", [-1, -2, -3, -4])
    assert ours.tolist() == [-1, -2, -3, -4]
    ours[1:3] = range(2)
    ours[3] = True
    assert ours.tolist() == [-1, 0, 1, 1]
    ours[:] = ours[::-1]
    assert ours.tolist() == [1, 1, 0, -1]


@pytest.mark.parametrize("to, come", [
    (slice(5, None), slice(None, -5)), (slice(None, -5), slice(5, None)),
    (slice(9000, None), slice(None, -9000)), (slice(None), slice(None, None, -1)),
    (slice(None, None, 2), slice(None, 10000)), (slice(10000), slice(1, None, 2)),
    (slice(None, None, 2), slice(1, None, 2))])
@pytest.mark.parametrize("exporter", [lambda part: part, memoryview])
def test_assignment_of_what_overlaps_is_as_if_it_were_a_copy(to, come, exporter):
    ours, twin = grid(20000)
    ours[to] = exporter(ours[come])
    twin[to] = twin[come].copy()
    assert ours.tolist() == twin.tolist()


NO_ROOM = """
    import resource, sys
    import mapped
    whole = 64 << 20
    with mapped.open(sys.argv[1], "w+", length=whole, sparse=True) as a, \\
            mapped.open(sys.argv[2], "w+", length=whole, sparse=True) as b:
        a.set("<I", whole - 4, 7)
        with open("/proc/self/status") as status:
            data = next(line for line in status if line.startswith("VmData"))
        room = (int(data.split()[1]) << 10) + (24 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (room, -1))
        exec(sys.argv[3])
        print(b.get("<I", whole - 4))
        # Closing what had a buffer out turns its pages into private ones.
        resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))
"""


@pytest.mark.parametrize("action", [
    "b.cast('B')[:] = a", "b.cast('I')[:] = a.cast('I')",
    "b.cast('I')[:] = memoryview(a.cast('I'))",
    "b.cast('B')[:] = memoryview(a)", "b.cast('B')[:] = a[:]",
    "b.cast('>d', (8, 2**20))[:] = a.cast('>d', (8, 2**20))",
    "b.cast('I')[1:] = a.cast('I')[:-1]; b.cast('I')[:-1] = b.cast('I')[1:];"
    "b[-4:] = a[-4:]"])
def test_assignment_of_the_same_type_needs_no_room(tmp_path, child, action):
    output = child(NO_ROOM, tmp_path / "a", tmp_path / "b", action,
                   finalizers=False)  # they need memory too
    assert output == "7\n"


def test_assignment_of_items_that_lie_apart_has_no_room(tmp_path, child):
    """Shows that the test before this one would notice a copy."""
    with pytest.raises(AssertionError, match="MemoryError"):
        child(NO_ROOM, tmp_path / "a", tmp_path / "b",
              "b.cast('B')[::2] = a.cast('B')[::2]")


@pytest.mark.skipif(sys.version_info < (3, 12),
                    reason="classes have __buffer__ since Python 3.12")
@pytest.mark.parametrize("later", [b"", b"ab", bytes(100)])
def test_assignment_of_a_buffer_that_changes_takes_the_first(later):
    answers = [b"12345", later]

    class Fickle:
        def __buffer__(self, flags):
            return memoryview(answers.pop(0))

    ours = made("B", range(5))
    ours[:] = Fickle()
    assert ours.tolist() == list(b"12345") and answers == [later]


def test_long_arrays_are_read_in_blocks():
    values = list(range(5000))
    assert made("i", values, 1).tolist() == values
    assert made("i", values, 1)[::-3].tolist() == values[::-3]
    assert made("<d", values)[1:].tolist() == [float(v) for v in values[1:]]


def test_equality_is_by_value():
    ours = made("I", range(5))
    assert ours == made("<I", range(5)) and ours == made("q", range(5))
    assert ours == array.array("I", range(5))
    assert ours != made("I", range(1, 6)) and ours != made("I", range(4))
    assert ours[::2] == made("B", [0, 2, 4])
    assert made(">I", range(5)) == ours
    assert mapped.wrap(b"abc")[::-1] == b"cba"
    assert ours != [0, 1, 2, 3, 4] and ours != 5 and ours is not None


def test_array_tells_where_it_is():
    region = mapped.anonymous(100)
    ours = region[10:50].cast(">H")
    assert ours.region is region and ours.offset == 10
    assert ours[3:].offset == 16 and ours[::-1].offset == 48
    assert ours.format == ">H" and region.cast("<H").format == "H"
    assert not ours.closed and not ours.readonly
    region.close()
    assert ours.closed


def test_array_without_items_is_done_at_once_however_long_a_dimension():
    empty = mapped.anonymous(0).cast("B", (2**60, 0, 2))[:, :, ::-1]
    assert empty.tobytes() == b"" and empty == empty
    empty[:] = empty
    mapped.anonymous(1).copy_from(empty)
    assert mapped.anonymous(1).find(empty) == 0


def test_column_of_no_records_has_no_items():
    column = mapped.anonymous(0).records("a:u8 b:u8").column("b")
    column[:] = []
    assert column.tobytes() == b"" and column.tolist() == []


def test_bools_compare_by_their_byte_as_in_a_memoryview():
    region = mapped.anonymous(1)
    region[0] = 0x80
    ours, other = region.cast("?"), memoryview(b"\1").cast("?")
    assert (ours == other) == (other == ours) == False  # noqa: E712
