"""Guards against records in records whose bytes differ from NumPy's, that are
copies where they must be in place, or that give access after their region is
closed. Guards also against layouts that change when they are converted to NumPy
or struct and back."""
import gc
import struct

import mapped
import numpy
import pytest

TEXT = "< id:u16 pos:{x:f32 y:f32be} pts:{a:u8 b:i16[2]}[3]@16 tag:char[4] size=40"
DTYPE = numpy.dtype({
    "names": ["id", "pos", "pts", "tag"],
    "formats": ["<u2", [("x", "<f4"), ("y", ">f4")],
                ([("a", "u1"), ("b", "<i2", (2,))], (3,)), "S4"],
    "offsets": [0, 2, 16, 31], "itemsize": 40})
ROWS = [(n, (n + 0.5, -n), tuple((n + i, (i, -i)) for i in range(3)), b"t%d" % n)
        for n in (1, 2)]


def made(rows=ROWS, text=TEXT):
    memory = bytearray(b"\xee" * mapped.layout(text).size * len(rows))
    records = mapped.wrap(memory).records(text)
    records[:] = rows
    return memory, records


def test_nested_records_are_numpys():
    memory, records = made()
    theirs = numpy.asarray(records)
    assert theirs.dtype == DTYPE
    assert theirs["pos"]["y"].tolist() == [-1, -2]
    assert theirs["pts"]["b"].tolist() == [[[0, 0], [1, -1], [2, -2]]] * 2
    assert records.tolist() == ROWS
    assert memory[10:16] == b"\xee" * 6  # gaps are left alone
    theirs["pts"]["a"][1, 2] = 99
    assert records[1].pts[2].a == 99


def test_nested_records_are_read_in_place():
    _, records = made()
    pos, pts = records[1].pos, records[1].pts
    assert type(pos) is mapped.Record and type(pts) is mapped.Records
    assert tuple(pos) == (2.5, -2) and len(pts) == 3 and pts.nbytes == 15
    assert (pos.x, pos["y"], pts[-1].b) == (2.5, -2.0, (2, -2))
    pos.x = 7
    pts[0].a = 8
    assert records.tolist()[1][1][0] == 7 and records.tolist()[1][2][0][0] == 8
    assert pts.layout.fields == (("a", "u8", 0), ("b", "i16[2]", 1))
    assert records.layout.fields[1:3] == (
        ("pos", "{x:f32 y:f32be}", 2), ("pts", "{a:u8 b:i16[2]}[3]", 16))
    assert "x:f32" in repr(pos) or "'x'" in repr(pos)
    assert "Records 3" in repr(pts)


@pytest.mark.parametrize("value", [
    (1, 2), [1, 2], {"y": 2, "x": 1}, made([(0, (1, 2), ROWS[0][2], b"")])[1][0].pos])
def test_a_record_in_a_record_is_assigned(value):
    _, records = made()
    records[0].pos = value
    assert tuple(records[0].pos) == (1, 2)
    records[0] = {"id": 9, "pos": value, "pts": records[1].pts, "tag": b"x"}
    assert records.tolist()[0] == (9, (1, 2), ROWS[1][2], b"x")
    assert records.tolist()[1] == ROWS[1]


def test_repeated_records_are_assigned():
    _, records = made()
    records[0].pts = records[1].pts[::-1]
    assert records[0].pts == records[1].pts[::-1]
    records[0].pts[1:] = [{"a": 1, "b": (2, 3)}, (4, [5, 6])]
    assert records[0].pts.tolist()[1:] == [(1, (2, 3)), (4, (5, 6))]
    records[:] = records[::-1]
    assert records.tolist()[0] == ROWS[1]


@pytest.mark.parametrize("field, value, error", [
    ("pos", (1,), ValueError), ("pos", (1, 2, 3), ValueError),
    ("pos", {"x": 1}, KeyError), ("pos", 5, TypeError), ("pos", (1, "2"), TypeError),
    ("pos", {"x": 1, "y": 2, "z": 3}, ValueError),
    ("pts", [(1, (2, 3))] * 2, ValueError), ("pts", [(1, (2, 3))] * 4, ValueError),
    ("pts", [(1, (2, 3)), (1, (2, 3)), (1, (2, 2**15))], ValueError),
    ("pts", [(1, (2, 3)), (1, (2, 3)), 4], TypeError)])
def test_what_does_not_fit_in_a_record_changes_nothing(field, value, error):
    memory, records = made()
    before = bytes(memory)
    with pytest.raises(error):
        setattr(records[0], field, value)
    row = dict(zip(records.layout.names, ROWS[1]), **{field: value})
    with pytest.raises(error):
        records[0] = row
    with pytest.raises(error):
        records[:] = [ROWS[1], row]
    assert memory == before


def test_columns_of_nested_records_are_records():
    _, records = made()
    column = records.column("pos")
    assert type(column) is mapped.Records and column.strides == (40,)
    assert column.column("x").tolist() == [1.5, 2.5]
    column[1].y = 3
    assert records[1].pos.y == 3
    grid = records.column("pts")
    assert grid.shape == (2, 3) and grid.strides == (40, 5) and grid.ndim == 2
    assert grid.tolist() == [[pt for pt in row[2]] for row in ROWS]
    assert grid[1, 2].a == 4 and grid[1].tolist() == list(ROWS[1][2])
    assert grid.column("b").shape == (2, 3, 2)
    assert grid.column("b")[:, 1, 1].tolist() == [-1, -1]
    grid[:, 0] = [(7, (8, 9)), (10, (11, 12))]
    grid[0, 2] = (13, (14, 15))
    assert [row[0][0] for row in grid.tolist()] == [7, 10]
    assert records[0].pts[2].a == 13
    assert numpy.asarray(grid).shape == (2, 3)
    assert [len(row) for row in grid] == [3, 3]


def test_nested_records_compare_by_value():
    _, ours = made()
    _, theirs = made(text=TEXT.replace("<", ">").replace("f32be", "f32le"))
    assert ours == theirs and ours[0].pos == theirs[0].pos
    assert ours.column("pts") == theirs.column("pts")
    theirs[0].pts[1].b = (1, 2)
    assert ours != theirs and ours[0].pts != theirs[0].pts


def test_nested_records_keep_what_they_are_of():
    memory = bytearray(b"\1" * 40)
    pts = mapped.wrap(memory).records(TEXT)[0].pts
    layout = pts.layout
    gc.collect()
    assert pts[0].a == 1
    del pts
    gc.collect()
    memory.clear()
    assert layout.names == ("a", "b") and "a:u8" in repr(layout)


def test_nested_records_of_something_closed():
    region = mapped.anonymous(40)
    record = region.records(TEXT)[0]
    pts = record.pts
    region.close()
    for use in (lambda: record.pos, lambda: record.pts, lambda: pts[0],
                lambda: pts.tolist(), lambda: setattr(record, "pos", (1, 2)),
                lambda: pts.__setitem__(0, (1, (2, 3)))):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert pts == pts and "out of reach" in repr(record)


def test_bfloat16():
    region = mapped.anonymous(8)
    region.set("bf16", 0, 1.5)
    region.set("bf16be", 2, -2)
    assert bytes(region[:4]) == b"\xc0\x3f\xc0\x00"
    assert (region.get("bf16"), region.get("bf16be", 2)) == (1.5, -2)
    array = region.cast("bf16")
    array[3] = 3.0e38
    assert array.tolist()[0] == 1.5 and array[3] == pytest.approx(3e38, rel=1e-2)
    assert array.itemsize == 2 and array.format == "(2)B"
    with pytest.raises(ValueError, match="bf16"):
        array[0] = 1e300
    assert region.records("< a:bf16 b:bf16be c:u32")[0].b == -2
    assert numpy.asarray(array).shape == (4, 2)


@pytest.mark.parametrize("dtype", [
    DTYPE, [("a", "<u4"), ("b", ">f8")], numpy.dtype("u1,i8,f2,?,S7", align=True),
    {"names": ["b", "a"], "formats": [">i2", "u1"], "offsets": [4, 0],
     "itemsize": 9},
    [("a", [("b", [("c", ">u2", (3,)), ("d", "S3")], (2,))]), ("e", "?", (2,))],
    [("n", "=i8"), ("m", "=f4", (1,))]])
def test_dtypes_go_to_layouts_and_back(dtype):
    dtype = numpy.dtype(dtype)
    layout = mapped.layout(dtype)
    assert layout.size == dtype.itemsize and layout.names == dtype.names
    again = numpy.dtype(layout.dtype)
    assert again == dtype and again.itemsize == dtype.itemsize
    assert again.fields == dtype.fields
    memory = bytes(range(1, 1 + 2 * layout.size))
    ours = mapped.wrap(memory).records(dtype)
    theirs = numpy.frombuffer(memory, dtype)
    assert numpy.asarray(ours).dtype == dtype or dtype.names == ("b", "a")
    assert repr(ours.tolist()) == repr([as_tuples(row) for row in theirs.tolist()])
    text = repr(layout).partition("'")[2].partition("'")[0]
    assert mapped.layout(text).fields == layout.fields


def as_tuples(value):
    if isinstance(value, numpy.ndarray):
        value = value.tolist()
    if isinstance(value, (tuple, list)):
        return tuple(as_tuples(item) for item in value)
    return value


@pytest.mark.parametrize("dtype, why", [
    ("u4", "without fields"), ([("a", "O")], "kind 'O'"), ([("a", "U3")], "kind 'U'"),
    ([("a", "M8[s]")], "kind 'M'"), ([("a", "c8")], "kind 'c'"),
    ([("a", "V3")], "kind 'V'"), ([("a", "f16")], "kind 'f' of 16"),
    ([("a", "u1", (2, 3))], "more dimensions"), ([("a", "S3", (2,))], "of texts"),
    ([("a", "S0")], "kind 'S' of 0"), ([], "no fields"),
    ([("a:b", "u1")], "name"), ([("x", [("a", "O")])], "kind 'O'"),
    ({"names": ["a", "b"], "formats": ["<u4", "u1"], "offsets": [0, 2]}, "overlap")])
def test_dtypes_without_a_layout_say_why(dtype, why):
    with pytest.raises(ValueError, match=why):
        mapped.layout(numpy.dtype(dtype))


def test_dtypes_that_share_others_take_little_memory():
    """Eight fields of one dtype, whose eight are of one dtype, and so on."""
    dtype = numpy.dtype([("x", "u1")])
    for _ in range(8):
        dtype = numpy.dtype({"names": list("abcdefgh"), "formats": [dtype] * 8})
    with pytest.raises(ValueError, match="more than 100000 fields"):
        mapped.layout(dtype)


def test_dtypes_too_deep():
    dtype = numpy.dtype("u1")
    for _ in range(40):
        dtype = numpy.dtype([("a", dtype)])
    with pytest.raises(ValueError, match="too many records"):
        mapped.layout(dtype)


@pytest.mark.parametrize("format, names, fields", [
    ("<IHd", "abc", (("a", "u32", 0), ("b", "u16", 4), ("c", "f64", 6))),
    (">B3x2h4s", "abc", (("a", "u8", 0), ("b", "i16be[2]", 4), ("c", "char[4]", 8))),
    ("<c?3ce", "abcd", (("a", "char[1]", 0), ("b", "bool", 1), ("c", "char[3]", 2),
                        ("d", "f16", 5)))])
def test_struct_formats_go_to_layouts_and_back(format, names, fields):
    layout = mapped.layout(format, list(names))
    assert layout.fields == fields and layout.size == struct.calcsize(format)
    assert struct.calcsize(layout.struct_format) == layout.size
    memory = bytes(range(1, 1 + layout.size))
    flat = []
    for value in mapped.wrap(memory).records(layout)[0]:
        flat.extend(value if isinstance(value, tuple) else [value])
    joined = b"".join(x for x in flat if isinstance(x, bytes))
    theirs = struct.unpack(layout.struct_format, memory)
    assert [x for x in flat if not isinstance(x, bytes)] == [
        x for x in theirs if not isinstance(x, bytes)]
    assert joined == b"".join(x for x in theirs if isinstance(x, bytes))


def test_native_struct_formats_align():
    layout = mapped.layout("@BxiBq", tuple("abcd"))
    assert layout.size == struct.calcsize("@BxiBq")
    assert [offset for _, _, offset in layout.fields] == [0, 4, 8, 16]
    assert mapped.layout(names=["a"], text=b"<H").size == 2
    assert mapped.layout("<Hxx", ["a"]).size == 4


@pytest.mark.parametrize("format, names, error", [
    ("<I", "a", TypeError), ("<I", [], ValueError), ("<I", ["a", "b"], ValueError),
    ("<I", [1], TypeError), ("<5p", ["a"], ValueError), ("<0s", ["a"], ValueError),
    ("<y", ["a"], struct.error), (5, ["a"], TypeError), ("<II", ["a", "a"], ValueError),
    ("<I", [""], ValueError), ("", [], ValueError), ("<I", 5, TypeError)])
def test_struct_formats_without_a_layout_say_why(format, names, error):
    with pytest.raises(error) as caught:
        mapped.layout(format, names)
    assert len(str(caught.value)) > 8


@pytest.mark.parametrize("text, why", [
    ("a:u24", "no code"), ("a:bf16", "no code"), ("a:{b:u8}", "no code"),
    ("a:u16le b:u16be", "byte order"), ("a:u8@2 b:u8@0", "go back")])
def test_layouts_without_a_struct_format_say_why(text, why):
    with pytest.raises(ValueError, match=why):
        mapped.layout(text).struct_format


def test_a_dtype_that_closes_and_lies_is_survived():
    """The library reads only the attributes of a dtype, which may be any
    objects."""
    region = mapped.anonymous(8)

    class Dtype:
        names = ["a"]
        fields = {"a": (numpy.dtype("<u4"), 0)}

        @property
        def itemsize(self):
            region.close()
            self.names.clear()
            return 4

    with pytest.raises(ValueError, match="closed"):
        region.records(Dtype())
    for wrong in (dict(names=["a"], fields=5, itemsize=4),
                  dict(names=5, fields={}, itemsize=4),
                  dict(names=[5], fields={5: (numpy.dtype("u1"), 0)}, itemsize=4),
                  dict(names=["a"], fields={"a": ()}, itemsize=4),
                  dict(names=["a"], fields={"a": (numpy.dtype("u1"), -1)}, itemsize=4),
                  dict(names=["a"], fields={"a": (numpy.dtype("u1"), 0)}, itemsize="4")):
        with pytest.raises((TypeError, ValueError)):
            mapped.layout(type("Dtype", (), wrong)())


def test_list_of_no_records_takes_no_memory_for_one():
    records = mapped.anonymous(8)[:0].records(f"a:u8[{2**62}]")
    assert records.tolist() == [] == records[:].tolist()
