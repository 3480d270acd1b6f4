"""Guards against layouts whose offsets differ from C's and Lua's, records that
reach other bytes than their own, and exports that NumPy reads otherwise."""
import gc
import pathlib
import re
import struct
import weakref

import mapped
import numpy
import pytest
from hypothesis import given, settings, strategies as st

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "layout.tsv"
TRADES = "< id:u32 price:f64@8 name:char[16] levels:f32[3] up:bool size=64"
DTYPE = numpy.dtype({
    "names": ["id", "price", "name", "levels", "up"],
    "formats": ["<u4", "<f8", "S16", ("<f4", 3), "?"],
    "offsets": [0, 8, 16, 32, 44], "itemsize": 64})
ROWS = [(7, 2.5, b"seven", (1.0, 2.0, 3.0), True),
        (8, -0.5, b"0123456789abcdef", (0.0, 0.5, -1.0), False),
        (2**32 - 1, 1e300, b"", (9.0, 9.0, 9.0), True)]


def trades(rows=ROWS):
    """Records that hold `rows`, over writable memory."""
    records = mapped.wrap(bytearray(64 * len(rows))).records(TRADES)
    records[:] = rows
    return records


def read_vectors():
    for line in VECTORS.read_text().splitlines():
        if not line.startswith("#"):
            yield pytest.param(*line.split("\t"), id=line[:40] or "empty")


@pytest.mark.parametrize("text, size, expected, reason", [
    pytest.param(*case.values, *[""] * (4 - len(case.values)), id=case.id)
    for case in read_vectors()])
def test_layout_vectors(text, size, expected, reason):
    if size == "wrong":
        with pytest.raises(ValueError, match=f"at offset {expected} of the layout"):
            mapped.layout(text)
        return
    found = mapped.layout(text)
    assert found.size == int(size)
    fields = [re.fullmatch(r"(\S+) (.+) (\d+)", field).groups()
              for field in expected.split("; ")]
    assert found.fields == tuple(
        (name, kind, int(offset)) for name, kind, offset in fields)
    assert found.names == tuple(field[0] for field in fields)


TYPES = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i",
         "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from("<>"), st.booleans(),
       st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.integers(0, 3)),
                min_size=1, max_size=8), st.data())
def test_a_layout_is_numpys(order, align, fields, data):
    text = ("align " if align else "") + order + " " + " ".join(
        f"f{i}:{kind}" + (f"[{count}]" if count else "")
        for i, (kind, count) in enumerate(fields))
    dtype = numpy.dtype([
        (f"f{i}", order + TYPES[kind]) if not count else
        (f"f{i}", order + TYPES[kind], (count,))
        for i, (kind, count) in enumerate(fields)], align=align)
    layout = mapped.layout(text)
    assert layout.size == dtype.itemsize
    assert [field[2] for field in layout.fields] == [
        dtype.fields[name][1] for name in layout.names]
    memory = data.draw(st.binary(min_size=3 * layout.size, max_size=3 * layout.size))
    records = mapped.wrap(memory).records(layout)
    expected = numpy.frombuffer(memory, dtype)
    assert numpy.asarray(records).tobytes() == memory
    assert numpy.asarray(records).dtype.names == layout.names
    assert repr(records.tolist()) == repr([tuple(
        tuple(value) if isinstance(value, list) else value
        for value in (row[name].tolist() for name in layout.names))
        for row in expected])


def test_fields_are_read_in_place():
    records = trades()
    assert len(records) == 3 and records.nbytes == 192
    assert records.tolist() == ROWS
    assert [tuple(record) for record in records] == ROWS
    record = records[-2]
    assert (record.id, record.price, record["name"]) == ROWS[1][:3]
    assert record.levels == ROWS[1][3] and record.up is False
    assert len(record) == 5


def test_fields_are_written_in_place():
    memory = bytearray(b"\xee" * 128)
    records = mapped.wrap(memory).records(TRADES)
    record = records[1]
    record.id, record.price, record.name = 5, 1.25, b"abc"
    record["levels"] = [1, 2, 3]
    record.up = "yes"
    assert memory[:64] == b"\xee" * 64
    assert memory[64:] == (struct.pack("<I", 5) + b"\xee" * 4 + struct.pack(
        "<d16s3f?", 1.25, b"abc", 1, 2, 3, True) + b"\xee" * 19)


@pytest.mark.parametrize("value", [
    ROWS[2], list(ROWS[2]),
    dict(zip(["id", "price", "name", "levels", "up"], ROWS[2]))])
def test_a_whole_record_is_assigned(value):
    records = trades()
    records[0] = value
    assert records.tolist() == [ROWS[2], *ROWS[1:]]


def test_a_record_is_assigned_from_another():
    records = trades()
    records[0] = records[1]
    records[1:] = records[2:0:-1]
    assert records.tolist() == [ROWS[1], ROWS[2], ROWS[1]]


@pytest.mark.parametrize("name, value, error", [
    ("id", -1, ValueError), ("id", 2**32, ValueError), ("id", 2**64, ValueError),
    ("id", 1.5, TypeError), ("id", None, TypeError), ("price", "1", TypeError),
    ("name", b"x" * 17, ValueError), ("name", "text", TypeError),
    ("levels", [1, 2], ValueError), ("levels", [1, 2, 3, 4], ValueError),
    ("levels", [1, 2, None], TypeError), ("levels", 1, TypeError),
    ("levels", [1, 2, 1e300], ValueError), ("nothing", 1, AttributeError)])
def test_a_value_that_does_not_fit_changes_nothing(name, value, error):
    records = trades()
    with pytest.raises(error):
        setattr(records[0], name, value)
    assert records.tolist() == ROWS


@pytest.mark.parametrize("value, error", [
    (ROWS[0][:4], ValueError), ((*ROWS[0], 1), ValueError), ({}, KeyError),
    ({"id": 1}, KeyError), (1, TypeError), ((1, 2, 3, 4, 5), TypeError),
    ({**dict(zip(["id", "price", "name", "levels", "up"], ROWS[0])), "x": 1},
     ValueError)])
def test_a_record_that_does_not_fit_changes_nothing(value, error):
    records = trades()
    with pytest.raises(error):
        records[0] = value
    with pytest.raises((error, TypeError, ValueError)):
        records[:] = [ROWS[0], ROWS[0], value]
    assert records.tolist() == ROWS


@pytest.mark.parametrize("index", [3, -4, 2**31, 2**63, 2**64, -2**63, -2**70])
def test_an_index_out_of_range(index):
    records = trades()
    with pytest.raises(IndexError):
        records[index]
    with pytest.raises(IndexError):
        records[index] = ROWS[0]


def test_unknown_fields_are_named():
    records = trades()
    with pytest.raises(AttributeError, match="nothing"):
        records[0].nothing
    with pytest.raises(KeyError, match="nothing"):
        records[0]["nothing"]
    with pytest.raises(KeyError, match="nothing"):
        records.column("nothing")
    with pytest.raises(TypeError):
        records[0][1.5]
    with pytest.raises(TypeError):
        del records[0].id
    with pytest.raises(TypeError):
        del records[0]
    with pytest.raises(TypeError):
        records[1.5]


@settings(max_examples=200, deadline=None)
@given(st.slices(10), st.slices(10))
def test_slices_of_slices_are_lists(first, second):
    memory = bytes(range(10))
    records = mapped.wrap(memory).records("v:u8")
    expected = list(memory)[first][second]
    part = records[first][second]
    assert [record.v for record in part] == expected
    assert part.column("v").tolist() == expected
    assert numpy.asarray(part)["v"].tolist() == expected


def test_a_partial_record_is_refused():
    with pytest.raises(ValueError, match="100 bytes .* of 64 bytes"):
        mapped.wrap(bytes(100)).records(TRADES)
    assert len(mapped.wrap(b"").records(TRADES)) == 0


def test_the_whole_is_a_structured_array():
    records = trades()
    whole = numpy.asarray(records)
    assert whole.dtype == DTYPE
    assert whole["name"].tolist() == [row[2] for row in ROWS]
    whole["price"] *= 2
    whole["name"][0] = b"changed"
    assert [record.price for record in records] == [2 * row[1] for row in ROWS]
    assert records[0].name == b"changed"
    assert numpy.asarray(records[::-1])["id"].tolist() == [2**32 - 1, 8, 7]


def test_a_column_is_an_array_in_place():
    records = trades()
    prices = numpy.asarray(records.column("price"))
    assert prices.strides == (64,) and prices.dtype == numpy.dtype("<f8")
    prices[:] = [1, 2, 3]
    assert records.column("price").tolist() == [1, 2, 3]
    levels = records.column("levels")
    assert levels.shape == (3, 3) and levels.strides == (64, 4)
    levels[1, 2] = 0.25
    assert records[1].levels == (0.0, 0.5, 0.25)
    names = numpy.asarray(records.column("name"))
    assert names.shape == (3, 16) and names[0, 0] == b"s"
    assert records[::-2].column("id").tolist() == [2**32 - 1, 7]


def test_types_that_struct_lacks():
    records = mapped.wrap(bytearray(range(12))).records("> a:u24 b:i24 _:u48")
    assert tuple(records[0]) == (0x000102, 0x030405)
    records[0].b = -2
    assert records[0].b == -2
    assert numpy.asarray(records)["b"].tolist() == [[255, 255, 254]]
    assert records.column("a").tolist() == [0x000102]
    assert numpy.asarray(records.column("a")).tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError):
        records[0].a = 2**24
    with pytest.raises(ValueError):
        records[0].a = 2**70
    large = mapped.wrap(b"\xff" * 16).records("a:u128")
    with pytest.raises(ValueError):
        large[0].a


def test_names_that_python_uses_itself():
    record = mapped.wrap(bytearray(b"\1\2\3")).records(
        "__class__:u8 layout:u8 items:u8")[0]
    assert type(record) is mapped.Record
    assert (record["__class__"], record.layout, record.items) == (1, 2, 3)
    assert dir(record) == sorted(["__class__", "layout", "items"])
    with pytest.raises(AttributeError, match="'__class__' is set as record"):
        record.__class__ = 4
    record["__class__"] = 4
    assert record["__class__"] == 4


def test_read_only_records_are_not_written():
    records = mapped.wrap(bytes(64)).records(TRADES)
    assert records.readonly
    with pytest.raises(TypeError):
        records[0].id = 1
    with pytest.raises(TypeError):
        records[0] = ROWS[0]
    with pytest.raises(TypeError):
        records.column("id")[0] = 1
    assert not numpy.asarray(records).flags.writeable


def test_closed_records_are_refused():
    region = mapped.anonymous(192)
    records = region.records(TRADES)
    record = records[0]
    region.close()
    assert records.closed
    for use in (lambda: record.id, lambda: record["id"], lambda: tuple(record),
                lambda: records[0], lambda: len(records), records.tolist,
                lambda: records[:1], lambda: records.column("id"),
                lambda: iter(records), lambda: memoryview(records),
                lambda: setattr(record, "id", 1), lambda: region.records(TRADES),
                lambda: records.__setitem__(0, ROWS[0])):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert "Record" in repr(record) and "Records" in repr(records)


def test_an_export_keeps_the_region_open():
    region = mapped.anonymous(192)
    view = memoryview(region.records(TRADES))
    assert view.format == mapped.layout(TRADES).format
    with pytest.raises(BufferError):
        region.close()
    view.release()
    region.close()


def test_a_conversion_that_closes_the_region_is_survived():
    region = mapped.anonymous(192)
    records = region.records(TRADES)

    class Closer:
        def __index__(self):
            region.close()
            return 1

    with pytest.raises(ValueError, match="closed"):
        records[0].id = Closer()
    with pytest.raises(ValueError, match="closed"):
        records[0] = (Closer(), 0, b"", (0, 0, 0), 0)


def test_records_go_away():
    memory = bytearray(64)
    records = mapped.wrap(memory).records(TRADES)
    record, column = records[0], records.column("id")
    seen = weakref.ref(records)
    del records
    gc.collect()
    assert seen() is None
    assert record.id == column[0] == 0
    del record, column
    gc.collect()
    memory.clear()


@pytest.mark.parametrize("argument", [None, 1, b"a:u8", ["a:u8"]])
def test_a_layout_of_another_type_is_refused(argument):
    with pytest.raises(TypeError):
        mapped.layout(argument)
    with pytest.raises(TypeError):
        mapped.wrap(b"").records(argument)


@pytest.mark.parametrize("text", ["é:u8", "a:u8\0", "a:u8 \ud800"])
def test_a_layout_of_other_characters_is_refused(text):
    with pytest.raises(ValueError):
        mapped.layout(text)


def test_a_layout_tells_what_it_is():
    layout = mapped.layout("a:u8")
    assert repr(layout) == "mapped.layout('a:u8')"
    assert mapped.layout(TRADES).format == (
        "T{<I:id:4x<d:price:16s:name:(3)<f:levels:<?:up:19x}")


def test_record_of_another_layout_is_assigned_by_name():
    one = mapped.anonymous(8).records("a:u32 b:u32")
    other = mapped.anonymous(8).records("b:u32 a:u32")
    other[0] = 7, 9
    one[0] = other[0]
    assert (one[0].a, one[0].b) == (9, 7)
    with pytest.raises(KeyError, match="a record has no field 'a'"):
        one[0] = mapped.anonymous(8).records("c:u32 b:u32")[0]
    with pytest.raises(ValueError, match="a record has more fields"):
        one[0] = mapped.anonymous(9).records("a:u32 b:u32 c:u8")[0]
    assert (one[0].a, one[0].b) == (9, 7)


def test_message_on_a_missing_attribute_is_short():
    record = mapped.anonymous(4).records("a:u32")[0]
    name = "z" * 10**6
    for use in lambda: getattr(record, name), lambda: setattr(record, name, 1):
        with pytest.raises(AttributeError) as caught:
            use()
        assert len(str(caught.value)) < 200


def test_dict_that_lies_about_its_length_is_counted_by_its_items():
    class Liar(dict):
        def __len__(self):
            return 1

    record = mapped.anonymous(4).records("a:u32")
    with pytest.raises(ValueError, match="more fields"):
        record[0] = Liar(a=1, b=2)
    assert record[0].a == 0
