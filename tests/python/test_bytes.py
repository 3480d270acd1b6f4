"""Guards against regions and slices that behave otherwise than bytes and
bytearray, or that copy. They are compared with bytes, with any indices."""
import os

import pytest
from hypothesis import example, given, strategies as st

import mapped
from support import outcome

ANY = st.one_of(st.integers(-70, 70), st.sampled_from(
    [2**31, 2**63 - 1, 2**63, 2**64, 2**200, -2**63, -2**63 - 1, -2**200]))
EDGE = st.one_of(st.none(), ANY)
DATA = st.binary(max_size=64)


def made(data, offset=3):
    """Makes a slice of `data` in the middle of a region."""
    region = mapped.anonymous(len(data) + 2 * offset)
    part = region[offset:offset + len(data)]
    part.copy_from(data)
    return part


@given(DATA, ANY)
def test_item_is_that_of_bytes(data, index):
    assert outcome(lambda: made(data)[index]) == outcome(lambda: data[index])


@given(DATA, ANY, ANY)
def test_item_assignment_is_that_of_bytearray(data, index, value):
    model, part = bytearray(data), made(data)
    expected = outcome(lambda: model.__setitem__(index, value))
    if expected is OverflowError:
        expected = ValueError
    assert outcome(lambda: part.__setitem__(index, value)) == expected
    assert part == model


@given(DATA, EDGE, EDGE)
def test_slice_is_that_of_bytes(data, start, stop):
    assert bytes(made(data)[start:stop]) == data[start:stop]


@given(DATA, EDGE, EDGE, EDGE)
def test_slice_with_step_is_that_of_bytes(data, start, stop, step):
    def of(what):
        return outcome(lambda: bytes(what[start:stop:step]))
    assert of(made(data)) == of(data)


@given(DATA, EDGE, EDGE, EDGE, EDGE)
def test_slice_of_slice_is_that_of_bytes(data, a, b, c, d):
    assert bytes(made(data)[a:b][c:d]) == data[a:b][c:d]


@given(DATA, EDGE, EDGE, st.sampled_from([None, 1, 2, -1, -3]), DATA)
def test_slice_assignment_is_that_of_memoryview(data, start, stop, step, new):
    model, part = bytearray(data), made(data)
    key = slice(start, stop, step)
    expected = outcome(
        lambda: memoryview(model)[key].__setitem__(slice(None), new))
    assert outcome(lambda: part.__setitem__(key, new)) == expected
    assert part == model


@given(DATA, st.integers(-5, 70), st.integers(-5, 70))
@example(b"", 0, 0)
@example(b"abc", 3, 0)
@example(b"abc", 2**64, 1)
@example(b"abc", 1, 2**64 - 1)
def test_strict_slice_takes_only_what_is_there(data, offset, length):
    result = outcome(lambda: made(data).slice(offset, length))
    if -len(data) <= offset < 0:
        offset += len(data)
    inside = min(offset, length) >= 0 and offset + length <= len(data)
    if inside:
        assert bytes(result) == data[offset:offset + length]
    else:
        assert result is IndexError


@given(DATA, DATA)
def test_comparison_is_that_of_bytes(a, b):
    for other in b, bytearray(b), memoryview(b), made(b):
        assert (made(a) == other) == (a == b)
        assert (made(a) != other) == (a != b)
    assert (b == made(a)) == (a == b)


@given(DATA)
def test_iteration_is_that_of_bytes(data):
    part = made(data)
    assert list(part) == list(data)
    assert list(reversed(part)) == list(reversed(data))
    assert all(value in part for value in data)
    assert [value in part for value in range(256)] == [
        value in data for value in range(256)]


@given(DATA, DATA, st.integers(0, 70))
def test_copy_from_stores_all_or_nothing(data, new, offset):
    part = made(data)
    if offset + len(new) <= len(data):
        part.copy_from(new, offset)
        expected = data[:offset] + new + data[offset + len(new):]
    else:
        with pytest.raises(IndexError):
            part.copy_from(new, offset)
        expected = data
    assert part == expected
    assert part.region[:3] == bytes(3) and part.region[-3:] == bytes(3)


@given(DATA, DATA)
def test_copy_to_fills_from_the_beginning(data, room):
    for target in bytearray(room), made(room):
        if len(data) <= len(room):
            made(data).copy_to(target)
            assert target == data + room[len(data):]
        else:
            with pytest.raises(ValueError, match=str(len(data))):
                made(data).copy_to(target)
            assert target == room


@given(DATA, st.integers(0, 70), st.integers(0, 70), st.integers(0, 70))
def test_move_is_that_of_memmove(data, to, source, count):
    model, part = bytearray(data), made(data)
    if max(to, source) + count <= len(data):
        model[to:to + count] = model[source:source + count]
        part.move(to, source, count)
    else:
        with pytest.raises(IndexError):
            part.move(to, source, count)
    assert part == model


def test_copy_between_overlapping_slices_is_that_of_memmove():
    with mapped.anonymous(10) as region:
        region[:] = b"0123456789"
        region[2:8] = region[0:6]
        assert region == b"0101234589"
        region.copy_from(region[2:8], 1)
        assert region == b"0012345589"


@pytest.mark.parametrize("bad", [-1, 256, 2**70, "1", 1.5, None, b"1"])
def test_fill_with_what_is_no_byte_is_refused(bad):
    part = made(b"abc")
    with pytest.raises(TypeError if not isinstance(bad, int) else ValueError):
        part.fill(bad)
    assert part == b"abc"


@pytest.mark.parametrize("bad", [None, "a", 1.5, (), [], b"1", {}])
def test_index_of_wrong_type_is_refused(bad):
    part = made(b"abc")
    with pytest.raises(TypeError):
        part[bad]
    with pytest.raises(TypeError):
        part[bad] = 1
    with pytest.raises(TypeError):
        part[(bad,):]
    with pytest.raises(TypeError):
        part.slice(bad, 1)


@pytest.mark.parametrize("bad", ["abc", None, 5, [1, 2, 3], object()])
def test_assignment_of_what_is_no_buffer_is_refused(bad):
    part = made(b"abc")
    for action in (lambda: part.__setitem__(slice(0, 3), bad),
                   lambda: part.copy_from(bad), lambda: part.copy_to(bad)):
        with pytest.raises(TypeError):
            action()
    assert part == b"abc"


def test_assignment_of_wrong_size_names_both():
    part = made(b"abcdef")
    with pytest.raises(ValueError, match="4.*3"):
        part[0:3] = b"abcd"
    assert part == b"abcdef"


def test_assignment_from_strided_buffer_works():
    part = made(b"......")
    part[:] = memoryview(b"a-b-c-d-e-f-")[::2]
    assert part == b"abcdef"
    part[:3] = part[5:2:-1]
    assert part == b"feddef"


def test_deletion_is_refused():
    part = made(b"abc")
    with pytest.raises(TypeError):
        del part[0]
    with pytest.raises(TypeError):
        del part[0:1]


def test_comparison_with_other_things_is_false():
    part = made(b"abc")
    assert part != "abc" and part is not None and part != [97, 98, 99]
    assert not part == 5
    with pytest.raises(TypeError):
        part < b"abd"


def test_hash_is_refused_as_by_bytearray():
    for thing in made(b"abc"), made(b"abc").region, made(b"abcd").cast("I"):
        with pytest.raises(TypeError, match="unhashable"):
            hash(thing)


def test_read_only_writes_are_refused(path, content):
    with mapped.open(path) as region:
        part = region[:100]
        array = part.cast("I")
        for action in (lambda: part.__setitem__(0, 1),
                       lambda: part.__setitem__(slice(0, 1), b"x"),
                       lambda: part.__setitem__(slice(0, 4, 2), b"xy"),
                       lambda: part.fill(0), lambda: part.move(0, 1, 2),
                       lambda: part.copy_from(b"x"),
                       lambda: part.set("I", 0, 1),
                       lambda: array.__setitem__(0, 1),
                       lambda: array.__setitem__(slice(0, 2), [1, 2]),
                       lambda: region.resize(5), lambda: region.append(b"x"),
                       lambda: made(b"abc").copy_to(part)):
            with pytest.raises(TypeError, match="read-only"):
                action()
        assert part.readonly and array.readonly and region.readonly
    assert path.read_bytes() == content


def test_slices_are_not_copies(path):
    size = 1 << 28
    os.truncate(path, size)
    with mapped.open(path, "r+") as region:
        parts = [region[i:] for i in range(100)]
        parts[7][0] = 77
        assert region[7] == parts[5][2] == 77


def test_slice_tells_where_it_is():
    with mapped.anonymous(100) as region:
        part = region[10:60][5:20]
        assert part.region is region and region.region is region
        assert part.offset == 15 and region.offset == 0
        assert part.nbytes == len(part) == 15 and region.nbytes == 100
        assert type(part) is mapped.Slice and type(region[:]) is mapped.Slice


def test_repr_tells_what_it_is(path):
    with mapped.open(path) as region:
        assert repr(region) == (
            f"<mapped.Region {str(path)!r} mode='r' length=10247>")
        assert repr(region[3:5]) == (
            f"<mapped.Slice offset=3 length=2 of {region!r}>")
        assert repr(region[4:12].cast("<H")) == (
            f"<mapped.Array 'H' shape=(4,) offset=4 of {region!r}>")
    assert repr(region) == f"<mapped.Region {str(path)!r} closed>"
    assert repr(mapped.anonymous(5)) == (
        "<mapped.Region anonymous mode='r+' length=5>")
    assert "wrapped" in repr(mapped.wrap(b"x").region)


def test_repr_of_what_belongs_to_a_region(path):
    with mapped.open(path, "r+") as region:
        lock = region.lock()
        assert repr(lock) == "<mapped.Lock held>"
        lock.unlock()
        assert repr(lock) == "<mapped.Lock ended>"
        region[:4096] = bytes(4096)
        assert repr(mapped.Mutex(region[8:])) == (
            f"<mapped.Mutex offset=8 of {region!r}>")
        ring = mapped.Ring(region[64:4096])
        assert repr(ring) == (
            f"<mapped.Ring offset=64 capacity={ring.capacity} of {region!r}>")


def test_repr_of_windows(path):
    with mapped.windows(path, 1000) as windows:
        assert repr(windows) == (
            f"<mapped.Windows {str(path)!r} length=1000>")
    assert repr(windows) == f"<mapped.Windows {str(path)!r} closed>"


def shifted(data, up):
    return data[:1] + data[:-1] if up else data[1:] + data[-1:]


@pytest.mark.parametrize("up", [True, False])
def test_copies_between_two_regions_of_the_same_bytes_do_not_smear(tmp_path, up):
    data = os.urandom(100_000)
    path = tmp_path / "file"
    path.write_bytes(data)
    memory = bytearray(data)
    to, source = (slice(1, None), slice(None, -1))[::1 if up else -1]
    pairs = [(mapped.open(path, "r+"), mapped.open(path, "r+")),
             (mapped.wrap(memory), mapped.wrap(memory))]
    for one, other in pairs:
        one[to] = other[source]
        assert one == shifted(data, up)
        one[:] = data
        one.cast("B")[to] = other.cast("B")[source]
        assert one == shifted(data, up)
    region = mapped.wrap(bytearray(data))
    region[to] = mapped.wrap(memoryview(region))[source]
    assert region == shifted(data, up)
