"""Guards against objects that look like sequences, bytes or a memoryview but
lack what these have, or have it with another meaning."""
import collections.abc
import copy
import gc

import numpy
import pytest
from hypothesis import given, strategies as st

import mapped

DATA = bytes(range(40, 72))
VIEWS = {
    "region": lambda r: r,
    "slice": lambda r: r[:],
    "array": lambda r: r.cast("H"),
    "strided": lambda r: r[::-2],
    "grid": lambda r: r.cast("B", (8, 4)),
    "records": lambda r: r.records("a:u32"),
    "record": lambda r: r.records("a:u8 b:u16 c:u8")[1],
}
MEMORY = sorted(set(VIEWS) - {"record"})


@pytest.fixture
def region():
    region = mapped.anonymous(len(DATA))
    region[:] = DATA
    return region


@pytest.mark.parametrize("make", VIEWS)
def test_everything_is_a_sequence(region, make):
    view = VIEWS[make](region)
    assert isinstance(view, collections.abc.Sequence)
    assert not isinstance(view, collections.abc.Mapping)
    match view:
        case [first, *rest, last]:
            assert (first, last) == (view[0], view[-1])
            assert rest == list(view)[1:-1]
        case _:
            pytest.fail("no sequence for match")


@pytest.mark.parametrize("make", MEMORY)
def test_items_are_found_as_in_a_list(region, make):
    view = VIEWS[make](region)
    items = list(view)
    for item in (items[0], items[3], items[-1]):
        assert item in view
        assert view.index(item) == items.index(item)
        assert view.count(item) == 1
        assert list(reversed(view)) == items[::-1]
    if make not in ("region", "slice"):
        for missing in (None, "x", -1.5, 2**70, b"xy", 70000):
            assert missing not in view
            assert view.count(missing) == 0
            with pytest.raises(ValueError):
                view.index(missing)


@given(st.lists(st.sampled_from([0, 1, 2, 255])), st.sampled_from("BhQdf?"),
       st.sampled_from([0, 1, True, False, 2.0, 1.5, 255, 256, -1, 2**64, 10**400,
                        float("nan"), float("inf"), numpy.int16(2), 1j, b"\1"]),
       st.integers(-9, 9), st.integers(-9, 9))
def test_index_and_count_are_those_of_list(values, code, value, start, stop):
    array = mapped.anonymous(max(len(values), 1) * 8).cast(code)[:len(values)]
    array[:] = [value % 128 for value in values] if code == "b" else values
    twin = array.tolist()
    assert array.count(value) == twin.count(value)
    assert (value in array) == (value in twin)
    for part in ((), (start,), (start, stop)):
        try:
            expected = twin.index(value, *part)
        except ValueError:
            with pytest.raises(ValueError, match="no item equals"):
                array.index(value, *part)
        else:
            assert array.index(value, *part) == expected


def test_a_byte_is_found_among_chars(region):
    chars = region.cast("c")
    assert chars.index(b"*") == DATA.index(b"*") and chars.count(b"*") == 1
    assert 42 not in chars and b"*" in chars


def test_a_value_that_closes_is_met(region):
    class Closes:
        def __eq__(self, other):
            region.close()
            return False

    array = region.cast("H")
    with pytest.raises(ValueError, match="closed"):
        array.index(Closes())
    for call in (array.index, array.count, array.__contains__):
        with pytest.raises(ValueError, match="closed region"):
            call(1)


@pytest.mark.parametrize("make", MEMORY)
def test_names_of_memoryview_mean_the_same(region, make):
    view = VIEWS[make](region)
    twin = memoryview(view)
    for name in ("nbytes", "itemsize", "ndim", "shape", "strides", "suboffsets",
                 "c_contiguous", "f_contiguous", "contiguous", "readonly"):
        assert getattr(view, name) == getattr(twin, name), name
    assert view.obj is region
    if make != "records":
        assert view.format == twin.format and view.tolist() == twin.tolist()
    assert view.hex() == twin.hex() and view.hex("-", 3) == twin.hex("-", 3)
    assert view.hex(sep=":", bytes_per_sep=-2) == bytes(view).hex(":", -2)
    assert view.decode("latin-1") == bytes(view).decode("latin-1")
    if view.contiguous:
        assert view.cast("B").tolist() == twin.cast("B").tolist()
        assert view.cast("<H", [2, 8]).shape == (2, 8)
    else:
        with pytest.raises(TypeError, match="gaps"):
            view.cast("B")


def test_text_that_is_none_is_refused(region):
    region[:2] = b"\xff\xfe"
    with pytest.raises(UnicodeDecodeError):
        region.decode()
    assert region[:2].decode(errors="replace") == "\ufffd" * 2
    with pytest.raises(LookupError):
        region.decode("nothing")
    region.close()
    for use in (region.decode, region.hex, region.tolist, region.toreadonly,
                lambda: region.shape):
        with pytest.raises(ValueError, match="closed"):
            use()


WRITES = {
    "item": lambda s: s.__setitem__(0, 1),
    "slice": lambda s: s.__setitem__(slice(2), b"ab"),
    "step": lambda s: s.__setitem__(slice(0, 4, 2), b"ab"),
    "copy_from": lambda s: s.copy_from(b"ab"),
    "copy_to": lambda s: mapped.wrap(b"ab").copy_to(s),
    "set": lambda s: s.set("B", 0, 1),
    "pack": lambda s: s.pack("B", 0, 1),
    "fill": lambda s: s.fill(1),
    "move": lambda s: s.move(0, 1, 1),
    "discard": lambda s: s.discard(),
    "revert": lambda s: s.revert(),
    "protect": lambda s: s.protect("r+"),
    "array item": lambda s: s.cast("B").__setitem__(0, 1),
    "array slice": lambda s: s.cast("B").__setitem__(slice(2), b"ab"),
    "array values": lambda s: s.cast("H").__setitem__(slice(2), [1, 2]),
    "array copy": lambda s: s.cast("B").__setitem__(slice(2), s.cast("B")[:2]),
    "record": lambda s: s.records("a:u8").__setitem__(0, (1,)),
    "records": lambda s: s.records("a:u8").__setitem__(slice(1), [(1,)]),
    "field": lambda s: setattr(s.records("a:u8")[0], "a", 1),
    "column": lambda s: s.records("a:u8").column("a").__setitem__(0, 1),
    "Mutex": lambda s: mapped.Mutex(s[:8]),
    "Ring": lambda s: mapped.Ring(s),
    "store": lambda s: s.atomic("u32").store(1),
    "add": lambda s: s.atomic("u32").add(1),
    "compare_exchange": lambda s: s.atomic("u32").compare_exchange(0, 1),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("memory", ["region", "slice", "wrap"])
def test_read_only_view_of_writable_memory_writes_nothing(region, memory, name):
    source = {"region": region, "slice": region[:],
              "wrap": mapped.wrap(bytearray(DATA))}[memory]
    view = source.toreadonly()
    before = bytes(source)
    assert view.readonly and not source.readonly and view.region is source.region
    with pytest.raises(TypeError, match="write to read-only memory"):
        WRITES[name](view)
    assert bytes(view) == bytes(source) == before
    source[0] = 7
    assert view[0] == 7
    assert memoryview(view).readonly and memoryview(view[:4]).readonly
    assert view.toreadonly().readonly and view.cast("H").toreadonly().readonly


def test_read_only_view_is_named_before_protection(region):
    region[:8].protect("r")
    for view in region, region[:4], region[12:]:
        with pytest.raises(TypeError, match=r"\(it is of toreadonly\(\)\)$"):
            view.toreadonly().fill(1)
    with pytest.raises(TypeError, match="it is protected"):
        region.fill(1)


def test_read_only_array_and_its_atomics_can_be_read(region):
    array = region.cast("H").toreadonly()
    assert array.readonly and array == region.cast("H") and array[2:].readonly
    records = region.records("a:u32").toreadonly()
    assert records.readonly and records[0].a == region.get("I", 0)
    assert region.toreadonly().atomic("u32").load() == region.get("I", 0)
    with pytest.raises(TypeError):
        records[0].a = 1
    region.close()
    with pytest.raises(ValueError, match="closed"):
        array[0]


def test_read_only_view_keeps_its_region_and_is_collected():
    data = bytearray(b"abc")
    view = mapped.wrap(data).toreadonly()
    assert bytes(view) == b"abc" and view.obj is data
    with pytest.raises(BufferError):
        data.append(1)
    del view
    gc.collect()
    data.append(1)


def test_released_slice_ends_alone(region):
    part, other = region[:8], region[:8]
    with part as same:
        assert same is part and part[0] == DATA[0]
    part.release()
    for use in (lambda: part[0], lambda: len(part), lambda: part[1:],
                lambda: part.__setitem__(0, 1), lambda: part.find(b"x"),
                lambda: memoryview(part), lambda: part.cast("B"),
                lambda: part.get("B", 0), lambda: part.unpack("B"),
                lambda: part.fill(1), lambda: part.copy_from(b""),
                lambda: other.copy_from(part), lambda: part.toreadonly(),
                lambda: list(part), lambda: part.__enter__(), part.tobytes):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert part.closed and not other.closed and part != other
    assert other[0] == DATA[0] and not region.closed
    region.release()
    assert region.closed


def test_release_gives_a_wrapped_buffer_back():
    data = bytearray(10)
    with mapped.wrap(data) as whole:
        part = whole[:5]
    with pytest.raises(BufferError):
        data.append(1)
    view = memoryview(part)
    part.release()
    with pytest.raises(BufferError):
        data.append(1)
    view.release()
    del part, whole
    data.append(1)
    with mapped.wrap(data) as whole, whole[:5]:
        pass
    data.append(2)


def test_release_is_not_undone_by_a_conversion(region, index):
    part = region[:]
    with pytest.raises(ValueError, match="closed"):
        part.get("B", index(0, part.release))
    part = region[:]
    with pytest.raises(ValueError, match="closed"):
        part[index(0, part.release)] = 1


@pytest.mark.parametrize("key", [
    ..., (...,), (0, ...), (..., 1), (slice(2), ..., 1), (1, ..., slice(1, 3)),
    (0, 1, ..., 2), (..., 0, 0, 0)], ids=str)
def test_ellipsis_stands_for_all_other_dimensions(key):
    array = mapped.anonymous(2 * 3 * 4 * 4).cast("i", (2, 3, 4))
    twin = numpy.arange(24, dtype="i4").reshape(2, 3, 4)
    array[...] = twin
    found, expected = array[key], twin[key]
    if expected.ndim:
        assert found.tolist() == expected.tolist() and found.shape == expected.shape
        found[...] = 7
        twin[key] = 7
    else:
        assert found == expected
        array[key] = twin[key] = 7
    assert array.tolist() == twin.tolist()


def test_second_ellipsis_and_too_many_indices_are_refused():
    array = mapped.anonymous(24).cast("i", (2, 3))
    with pytest.raises(IndexError, match="ellipsis"):
        array[..., ...]
    with pytest.raises(IndexError, match="3 indices for an array of 2"):
        array[0, 1, ..., 2]


@pytest.mark.parametrize("code, value, expected", [
    ("I", 7, 7), ("d", 7, 7.0), ("d", 1.5, 1.5), ("?", True, True),
    ("h", numpy.int64(-3), -3), ("f", numpy.float64(0.5), 0.5)], ids=str)
def test_one_value_is_assigned_to_a_whole_part(code, value, expected):
    array = mapped.anonymous(96).cast(code)
    array[1::3] = value
    twin = [0] * len(array)
    twin[1::3] = [expected] * len(twin[1::3])
    assert array.tolist() == twin
    array[:0] = value
    array.fill(value)
    assert array.tolist() == [expected] * len(array)


def test_what_is_no_one_value_needs_the_shape():
    array = mapped.anonymous(12).cast("i")
    for wrong in ([1], [1, 2, 3, 4], numpy.zeros(2, "i4"), numpy.array(5), b"ab"):
        with pytest.raises((ValueError, TypeError)):
            array[...] = wrong
    for wrong, error in (("abc", TypeError), (None, TypeError), (1.5, TypeError),
                         (2**31, ValueError)):
        with pytest.raises(error):
            array[...] = wrong
        with pytest.raises(error):
            array.fill(wrong)
    assert array.tolist() == [0, 0, 0]
    chars = mapped.anonymous(3).cast("c")
    chars.fill(b"x")
    assert chars.tolist() == [b"x"] * 3


LAYOUT = "< id:u32 price:f64@8 name:char[4] size=24"


@pytest.fixture
def records():
    made = mapped.anonymous(24 * 4).records(LAYOUT)
    made[:] = [(i, i / 2, b"n%d" % i) for i in range(4)]
    return made


def test_a_column_is_an_item_by_name(records):
    assert records["price"].tolist() == [0, 0.5, 1, 1.5]
    records["price"] = 9
    records["id"] = [4, 3, 2, 1]
    assert records["id"].tolist() == [4, 3, 2, 1]
    assert [record.price for record in records] == [9.0] * 4
    for use in (lambda: records["x"], lambda: records.__setitem__("x", 1)):
        with pytest.raises(KeyError, match="no field 'x'"):
            use()


def test_one_record_is_assigned_to_many(records):
    records[1:3] = {"id": 8, "price": 1, "name": b"b"}
    assert [record.id for record in records] == [0, 8, 8, 3]
    records[...] = records[3]
    assert records.count(records[3]) == 4
    records.fill((5, 5, b"five"))
    assert records.tolist() == [(5, 5.0, b"five")] * 4


def test_a_record_is_a_tuple_with_names(records):
    record = records[2]
    values = (2, 1.0, b"n2")
    assert record == values and values == record and tuple(record) == values
    assert record != (2, 1.0) and record != [2, 1.0, b"n2"]
    assert record[0] == 2 and record[-1] == b"n2" and record[1:] == values[1:]
    assert record.keys() == ["id", "price", "name"]
    assert record._asdict() == dict(record) == dict(zip(record.keys(), values))
    assert record.index(1.0) == 1 and record.count(2) == 1 and b"n2" in record
    assert list(reversed(record)) == list(values)[::-1]
    record[0] = 17
    assert record.id == 17
    for index in (3, -4, 2**70):
        with pytest.raises(IndexError, match=r"index .* is out of range"):
            record[index]
    with pytest.raises(TypeError):
        record[1:] = (1, 2)
    match record:
        case mapped.Record(id=17, price=price):
            assert price == 1.0
        case _:
            pytest.fail("no match")


def test_a_positional_pattern_takes_fields_in_order():
    record = mapped.Record("id:u32 price:f64", (1, 2.5))
    found = []
    match record:
        case mapped.Record(1, _, _) | mapped.Record(2):
            pytest.fail("three fields, or another id")
        case mapped.Record(1, price):
            found.append(price)
    match mapped.Record(numpy.dtype([("a", "u1"), ("[0]", "u1")]), (3, 4)):
        case mapped.Record(value):
            found.append(value)
    assert found == [2.5, 4]
    many = mapped.Record(" ".join(f"f{i}:u8" for i in range(256)), range(256))
    names = mapped.Record.__match_args__
    assert [getattr(many, name) for name in names] == list(many)
    for name in ("[2]", "[-1]", "[x]", "[0", "[]", "[1]x", f"[{2**64}]", "\ud800"):
        with pytest.raises(AttributeError, match="no field"):
            getattr(record, name)


def test_a_field_hides_a_method_of_its_name():
    record = mapped.Record("keys:u8 count:u8 _asdict:u8", (1, 2, 3))
    assert (record.keys, record.count, record._asdict) == (1, 2, 3)


def test_a_repr_reads_back(records):
    nested = mapped.Record("a:{x:u8 y:f32}[2] t:char[3] n:u16[2]",
                           ([(1, 0.5), (2, 1.5)], b"ab", (3, 4)))
    for record in (records[1], nested, mapped.Record("a:bool")):
        again = eval(repr(record))
        assert again == record and repr(again) == repr(record)
    assert nested == (((1, 0.5), (2, 1.5)), b"ab", (3, 4))
    layout = records.layout
    assert eval(repr(layout)) == layout


def test_a_record_of_its_own_is_zero_or_what_is_given():
    made = mapped.Record(LAYOUT)
    assert made == (0, 0.0, b"")
    made.id = 5
    assert mapped.Record(mapped.layout(LAYOUT), values=made) == made
    assert mapped.Record(LAYOUT, {"id": 1, "price": 2, "name": b"x"}).price == 2
    for wrong, error in (((), TypeError), ((LAYOUT, (1,)), ValueError), ((5,), TypeError),
                         (("a:",), ValueError), ((LAYOUT, 5), TypeError)):
        with pytest.raises(error):
            mapped.Record(*wrong)


def test_layouts_are_equal_by_their_fields():
    layout = mapped.layout(LAYOUT)
    same = mapped.layout("name:char[4]@16  id:u32le@0 price:f64le@8 size=24")
    ordered = mapped.layout("id:u32le price:f64le@8 name:char[4] size=24")
    assert layout == ordered and hash(layout) == hash(ordered)
    assert layout == mapped.layout(numpy.dtype(layout.dtype))
    assert layout != same and layout != LAYOUT and layout != None  # noqa: E711
    for other in ("> id:u32 price:f64@8 name:char[4] size=24", LAYOUT[:-2] + "32",
                  "id:u32 price:f64@8 nome:char[4] size=24"):
        assert layout != mapped.layout(other)
    assert len({layout, ordered, same}) == 2
    with pytest.raises(TypeError):
        layout < ordered


@pytest.mark.parametrize("maxsplit", [-10**30, -5, -1, 0, 1, 2, 3, 10**30])
@pytest.mark.parametrize("data", [b"", b"a", b",", b"a,b,c,", b",,a"])
def test_split_stops_after_maxsplit(data, maxsplit):
    view = mapped.wrap(data)
    expected = data.split(b",", max(min(maxsplit, 100), -1))
    assert [bytes(part) for part in view.split(b",", maxsplit)] == expected
    assert [bytes(part) for part in view.split(b",", maxsplit=maxsplit)] == expected


def test_rest_of_a_split_that_is_gone_is_an_error(region):
    parts = region.split(b",", 1)
    next(parts)
    region.resize(3)
    with pytest.raises(IndexError, match="split"):
        next(parts)
    region.close()
    with pytest.raises(ValueError, match="closed"):
        next(parts)


@pytest.mark.parametrize("make", [
    iter, reversed, lambda r: iter(r.cast("H")), lambda r: iter(r.records("a:u8")),
    lambda r: r.lines(), lambda r: r.split(b","), lambda r: r.split(b",", 2),
    lambda r: r.find_all(b",")])
def test_a_copied_iterator_goes_on_by_itself(make):
    text = mapped.anonymous(12)
    text[:] = b"a,b\nc,d\ne,f,"
    iterator = make(text)
    first = next(iterator)
    twin = copy.copy(iterator)
    rest = list(iterator)
    assert list(twin) == rest and rest
    assert list(copy.copy(twin)) == []
    assert [first, *rest] == list(make(text))


def test_copied_lines_of_windows_go_on_by_themselves(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(5000)))
    with mapped.windows(path, 4096) as windows:
        lines = windows.lines()
        before = copy.copy(lines)
        first = bytes(next(lines))
        assert first == bytes(next(before)) == b"line 0"
        for _ in range(1000):
            next(lines)
        twin = copy.copy(lines)
        rest = [bytes(line) for line in lines]
        assert rest[0] == b"line 1001" and len(rest) == 3999
        assert [bytes(line) for line in twin] == rest
        assert len(list(before)) == 4999
        twin = copy.copy(before)
    with pytest.raises(ValueError, match="closed"):
        next(twin)


@pytest.mark.parametrize("view", [
    lambda r: r[::3], lambda r: r[::-1], lambda r: r.cast("H"),
    lambda r: r.cast("H")[::2], lambda r: r.records("a:u8 b:u8"),
    lambda r: r.records("a:u8 b:u24")["b"], lambda r: r[:0].cast("I")])
def test_items_are_copied_to_a_buffer(region, view):
    view, target = view(region), bytearray(b"x" * 70)
    view.copy_to(target)
    assert target == bytes(view) + b"x" * (70 - view.nbytes)
    own = mapped.anonymous(70)
    view.copy_to(own)
    assert own[:view.nbytes] == bytes(view)
    with pytest.raises(TypeError, match="can't be written"):
        view.copy_to(bytes(70))
    if view.nbytes:
        with pytest.raises(ValueError, match="copy_to"):
            view.copy_to(bytearray(view.nbytes - 1))
    region.close()
    with pytest.raises(ValueError, match="closed"):
        view.copy_to(target)
