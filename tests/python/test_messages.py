"""Guards against messages of many megabytes, against messages that fail because
an object's repr fails, and against text that messages keep in memory."""
import enum
import os
import re
import struct
import types

import pytest

import mapped

LONG = 10_000_000
TEXT = "x" * LONG


class Broken:
    def __repr__(self):
        raise KeyError("no repr")


class BrokenText(str):
    __repr__ = Broken.__repr__


class BrokenNumber(int):
    __repr__ = __str__ = Broken.__repr__


class BrokenFloat(float):
    __repr__ = Broken.__repr__


class Bit(enum.IntEnum):
    ONE = 1000


Named = type("N" * LONG, (), {})
HUGE = 10 ** 5000


LONE = "\ud800" * LONG


def dtype(kind, size):
    """What looks like a dtype with a field of that kind and size."""
    field = types.SimpleNamespace(names=None, subdtype=None, kind=kind,
                                  itemsize=size, byteorder="<")
    return types.SimpleNamespace(names=("a",), fields={"a": (field, 0)},
                                 itemsize=1)


RECORDS = "a:u8 c:char[3] l:u8[2]"
CALLS = {
    "copy_to": (TypeError, lambda r: r.copy_to(b"x" * LONG)),
    "set": (ValueError, lambda r: r.set("<I", 0, HUGE)),
    "set negative": (ValueError, lambda r: r.set("<I", 0, -HUGE)),
    "set number": (ValueError, lambda r: r.set("B", 0, BrokenNumber(300))),
    "set enum": (ValueError, lambda r: r.set("B", 0, Bit.ONE)),
    "set float": (ValueError, lambda r: r.set("<f", 0, BrokenFloat(1e300))),
    "set char": (TypeError, lambda r: r.set("c", 0, b"x" * LONG)),
    "set kind": (TypeError, lambda r: r.set("B", 0, Named())),
    "set broken char": (TypeError, lambda r: r.set("c", 0, Broken())),
    "index": (IndexError, lambda r: r[HUGE]),
    "array index": (IndexError, lambda r: r.cast("I")[HUGE]),
    "offset": (IndexError, lambda r: r.get("B", HUGE)),
    "assign": (ValueError, lambda r: r.__setitem__(0, HUGE)),
    "length": (ValueError, lambda r: r.resize(HUGE)),
    "negative": (ValueError, lambda r: r.resize(-HUGE)),
    "shape": (ValueError, lambda r: r.cast("B", (HUGE,))),
    "shapes": (ValueError, lambda r: r.cast("B", (b"x" * LONG,) * 65)),
    "code": (ValueError, lambda r: r.get(TEXT)),
    "broken code": (ValueError, lambda r: r.cast(BrokenText("zz"))),
    "mode": (ValueError, lambda r: mapped.open("/dev/null", TEXT)),
    "mode kind": (TypeError, lambda r: mapped.open("/dev/null", Named())),
    "path": (OSError, lambda r: mapped.open(TEXT)),
    "bytes path": (OSError, lambda r: mapped.open(TEXT.encode())),
    "keyword": (TypeError, lambda r: r.find(b"", **{TEXT: 1})),
    "layout": (ValueError, lambda r: mapped.layout(TEXT)),
    "field": (KeyError, lambda r: r.records("a:u8").column(TEXT)),
    "broken field": (KeyError,
                     lambda r: r.records("a:u8")[0][BrokenText("b")]),
    "attribute": (AttributeError,
                  lambda r: setattr(r.records("__a__:u8")[0], "__a__", 1)),
    "no struct code": (ValueError, lambda r: mapped.layout(
        "a" * 1_000_000 + ":u24").struct_format),
    "record": (ValueError, lambda r: r[:60].records(RECORDS).__setitem__(
        0, (HUGE, b"", (1, 2)))),
    "record text": (ValueError, lambda r: r[:60].records(RECORDS).__setitem__(
        0, (1, b"x" * LONG, (1, 2)))),
    "record list": (ValueError, lambda r: r[:60].records(RECORDS).__setitem__(
        0, (1, b"x", [Broken()] * 3))),
    "record dict": (ValueError, lambda r: r[:60].records(RECORDS).__setitem__(
        0, {"a": 1, "c": b"", "l": (1, 2), TEXT: Broken()})),
    "record without": (KeyError, lambda r: r.records(
        "n" * 100_000 + ":u8").__setitem__(0, {})),
    "record with another": (KeyError, lambda r: r.records(
        "n" * 100_000 + ":u8").__setitem__(0, {"x": 1})),
    "record name": (ValueError, lambda r: r.records(
        "a" * 1_000_000 + ":u8").__setitem__(0, (300,))),
    "format": (struct.error, lambda r: r.unpack("é" + TEXT)),
    "bytes format": (struct.error, lambda r: r.unpack(b"x" * 100 + b"\xff")),
    "path without a code": (ValueError, lambda r: mapped.open(LONE)),
    "windows without a code": (ValueError, lambda r: mapped.windows(LONE, 5)),
    "layout without a code": (ValueError, lambda r: mapped.layout(LONE)),
    "name without a code": (ValueError, lambda r: mapped.layout("I", [LONE])),
    "column without a code": (KeyError, lambda r: r.records("a:u8").column(LONE)),
    "field without a code": (KeyError, lambda r: r.records("a:u8")[0][LONE]),
    "size of a dtype": (ValueError, lambda r: mapped.layout(dtype("u", HUGE))),
    "kind of a dtype": (ValueError, lambda r: mapped.layout(dtype(TEXT, 1))),
    "broken kind": (ValueError,
                    lambda r: mapped.layout(dtype(BrokenText("u"), 1))),
    "missing in a dtype": (ValueError, lambda r: mapped.layout(
        types.SimpleNamespace(names=(TEXT,), fields={}, itemsize=1))),
    "no dtype": (TypeError, lambda r: mapped.layout(Named())),
    "pickle": (TypeError, lambda r: r.__reduce_ex__(2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_message_is_short_whatever_it_is_about(region, name):
    kind, call = CALLS[name]
    with pytest.raises(kind) as caught:
        call(region)
    assert type(caught.value) is kind or kind in (OSError, struct.error)
    assert 5 < len(str(caught.value)) < 300
    assert all(len(repr(item)) < 300 for item in caught.value.args)
    assert len(str(getattr(caught.value, "filename", ""))) < 300
    assert not hasattr(caught.value, "object")


@pytest.mark.parametrize("value, text", [
    (300, "300"), (-1, "-1"), (2**64, str(2**64)), (True + 299, "300"),
    (BrokenNumber(300), "300"), (Bit.ONE, "1000"), (HUGE, hex(HUGE)[:60])],
    ids=map(str, range(7)))
def test_value_is_named(region, value, text):
    with pytest.raises(ValueError) as caught:
        region.set("B", 0, value)
    assert str(caught.value).startswith(text)


def test_name_of_a_real_file_is_never_cut(tmp_path):
    path = tmp_path / ("n" * 200) / ("m" * 200)
    with pytest.raises(FileNotFoundError) as caught:
        mapped.open(path)
    assert caught.value.filename == str(path)


def test_name_that_is_too_long_for_a_file_is_cut():
    for name, shown in (("a" * 5000, "a" * 64 + "..."), (b"a" * 5000, b"a" * 65)):
        with pytest.raises(OSError) as caught:
            mapped.open(name)
        assert caught.value.filename == shown


def test_repr_is_bounded(tmp_path):
    names = " ".join(f"n{i}:u8" for i in range(100_000))
    layout = mapped.layout(names)
    text = mapped.layout(f"t:char[{LONG}]")
    memory = mapped.anonymous(LONG)
    few = memory.slice(0, layout.size).records(layout)
    for made in (layout, few, few[0], memory.records(text)[0],
                 memory.records(text)):
        assert 10 < len(repr(made)) < 3000
    deep = os.path.join(os.path.relpath(tmp_path), *["."] * 1500, "file")
    (tmp_path / "file").write_bytes(b"x")
    with mapped.open(deep) as region:
        assert len(repr(region[:])) < 3000
        assert region.name == deep


COLUMNS = "a:u8 n:u16[2] c:char[3]"
# Lists how each operation is called. `r` is the memory that it works on, and
# `w` is memory to copy from or to.
OPERATIONS = [
    ("copy_from", lambda r, w: r.copy_from(b"abcd")),
    ("copy_from", lambda r, w: r.copy_from(w)),
    ("copy_to", lambda r, w: w.copy_to(r)),
    ("assign", lambda r, w: r.__setitem__(0, 1)),
    ("assign", lambda r, w: r.__setitem__(slice(4), b"abcd")),
    ("assign", lambda r, w: r.__setitem__(slice(64), w)),
    ("assign", lambda r, w: r.__setitem__(slice(0, 8, 2), b"abcd")),
    ("assign", lambda r, w: r.cast("I").__setitem__(0, 1)),
    ("assign", lambda r, w: r.cast("I").__setitem__(slice(2), [1, 2])),
    ("assign", lambda r, w: r.cast("B").__setitem__(slice(4), b"abcd")),
    ("assign", lambda r, w: r.cast("B").__setitem__(slice(64), w)),
    *(("assign", lambda r, w, name=name, value=value: setattr(
        r.records(COLUMNS)[0], name, value))
      for name, value in (("a", 1), ("n", (1, 2)), ("c", b"x"))),
    ("assign", lambda r, w: r.records(COLUMNS)[0].__setitem__("a", 1)),
    ("assign", lambda r, w: r.records(COLUMNS).__setitem__(0, (1, (1, 2), b""))),
]


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_message_names_the_operation_that_was_called(path, number):
    operation, use = OPERATIONS[number]
    with mapped.open(path, length=64) as memory, mapped.anonymous(64) as other:
        with pytest.raises(TypeError, match=f": {operation}: attempt to write"):
            use(memory, other)


@pytest.mark.parametrize("operation, use", [
    ("copy_from", lambda lost, other: other.copy_from(lost)),
    ("copy_to", lambda lost, other: lost.copy_to(other)),
    ("copy_to", lambda lost, other: lost.copy_to(bytearray(64))),
    ("assign", lambda lost, other: other.__setitem__(slice(64), lost)),
    ("assign", lambda lost, other: lost.__setitem__(slice(64), other)),
    ("tobytes", lambda lost, other: lost.tobytes()),
    ("startswith", lambda lost, other: lost.startswith(b"x")),
    ("endswith", lambda lost, other: lost.endswith((b"x", b"y"))),
    ("index", lambda lost, other: lost.index(b"x")),
    ("rindex", lambda lost, other: lost.rindex(b"x")),
    ("count", lambda lost, other: lost.count(b"x")),
    ("in", lambda lost, other: b"x" in lost),
    ("get", lambda lost, other: lost.records("c:char[8]")[0].c)])
def test_fault_names_the_operation_that_was_called(path, operation, use):
    with mapped.open(path, "r+", length=64) as lost, (
            mapped.anonymous(64)) as other:
        os.truncate(path, 0)
        with pytest.raises(mapped.FaultError, match=f"{operation}: page lost"):
            use(lost, other)


@pytest.mark.parametrize("operation, use", [
    *((name, lambda text, lost, name=name: getattr(text, name)(lost))
      for name in ("find", "rfind", "index", "count", "startswith", "endswith",
                   "find_all", "split")),
    ("in", lambda text, lost: lost in text)])
def test_lost_needle_names_the_operation_that_was_called(path, operation, use):
    with mapped.open(path, length=64) as lost, mapped.anonymous(99) as text:
        os.truncate(path, 0)
        with pytest.raises(mapped.FaultError):
            lost[0]
        with pytest.raises(mapped.FaultError, match=f" {operation}: page lost"):
            use(text, lost)


@pytest.mark.parametrize("operation, use", [
    ("copy_from", lambda strided, other: other.copy_from(strided)),
    ("append", lambda strided, other: other.append(strided)),
    ("assign", lambda strided, other: other.__setitem__(slice(16), strided)),
    ("find", lambda strided, other: other.find(strided)),
    ("in", lambda strided, other: strided in other)])
def test_lost_items_name_the_operation_that_was_called(path, operation, use):
    with mapped.open(path, "r+", length=64) as lost, mapped.anonymous(64) as other:
        strided = lost.cast("I")[::4]
        os.truncate(path, 0)
        with pytest.raises(mapped.FaultError, match=f" {operation}: page lost"):
            use(strided, other)
    with mapped.anonymous(64) as shrunk, mapped.anonymous(64) as other:
        strided = shrunk.cast("I")[::4]
        shrunk.resize(32)
        with pytest.raises(IndexError, match=f"^{operation}: out of range"):
            use(strided, other)


def test_refused_call_of_the_system_is_noted(path):
    for use in (lambda: mapped.anonymous(10, reserve=1 << 60),
                lambda: mapped.open(path, reserve=1 << 60)):
        with pytest.raises(OSError) as caught:
            use()
        assert caught.value.__notes__ == ["mmap of the reserve"]


def test_append_names_the_file_whose_page_is_lost(tmp_path):
    paths = tmp_path / "target", tmp_path / "source"
    for path in paths:
        path.write_bytes(b"x" * 12288)
    with mapped.open(paths[0], "r+") as target, mapped.open(paths[1]) as source:
        os.truncate(paths[1], 4096)
        with pytest.raises(mapped.FaultError) as caught:
            target.append(source[8192:9000])
        assert caught.value.filename == str(paths[1])
        with pytest.raises(mapped.FaultError) as caught:
            mapped.anonymous(10).append(source[8192:9000])
        assert caught.value.filename == str(paths[1])


def test_messages_name_a_file_in_no_encoding(tmp_path):
    """A path may be any bytes, which need not be text in any encoding."""
    path = os.fsencode(tmp_path) + b"/\xff\xfe.bin"
    with open(path, "wb") as file:
        file.write(bytes(100))
    region = mapped.open(path)
    for error, use in (
            (TypeError, lambda: region.resize(5)),
            (TypeError, lambda: region.fill(1)),
            (IndexError, lambda: region.slice(90, 20)),
            (IndexError, lambda: region.get("<I", 98))):
        with pytest.raises(error, match=r"\\xff\\xfe\.bin"):
            use()
    view = memoryview(region)
    with pytest.raises(BufferError, match=r"\\xff\\xfe\.bin.*1 export \("):
        region.close()
    view.release()
    region.close()


def test_what_has_shrunk_away_names_the_operation_and_the_file(path):
    with mapped.open(path, "r+") as region:
        part = region[8192:8200]
        array = region[4096:8192].cast("<i")
        records = region[4096:8192].records("a:u32 b:u32")
        region.resize(4096)
        for operation, use in {
                "get": lambda: part[0], "cast": lambda: part.cast("B"),
                "records": lambda: part.records("a:u8"),
                "tobytes": array.tobytes, "tolist": array.tolist}.items():
            with pytest.raises(IndexError, match=f"{path.name}: {operation}: out of"):
                use()
        for operation, use in {"get": lambda: records[5],
                               "tobytes": records.tobytes,
                               "tolist": records.tolist}.items():
            with pytest.raises(IndexError, match=f"{path.name}: {operation}: out of"):
                use()
        with pytest.raises(IndexError, match="index 8 is out of range"):
            part[8]


@pytest.mark.parametrize("use, text", [
    (lambda r: r[1000], "index 1000 is out of range, length 10"),
    (lambda r: r.unpack("<9Q"), "72 bytes at offset 0 are out of range"),
    (lambda r: r.copy_to(bytearray(5)), "copy_to: 10 bytes don't fit into 5"),
    (lambda r: r.find_all(b"x"), "find_all: attempt to use a closed region"),
    (lambda r: r.find(b"x"), "find: attempt to use a closed region"),
    (lambda r: r.startswith((b"x",)), "startswith: attempt to use a closed region"),
    (lambda r: r.fill(1), "fill: attempt to use a closed region"),
    (lambda r: r.cast("B"), "cast: attempt to use a closed region"),
    (lambda r: r.records("a:u8"), "records: attempt to use a closed region"),
    (lambda r: r.pack("B", 0, 1), "pack: attempt to use a closed region"),
    (lambda r: r.unpack("2B"), "unpack: attempt to use a closed region"),
    (lambda r: len(r), "attempt to use a closed region"),
    (lambda r: list(r.lines()), "lines: attempt to use a closed region")])
def test_path_is_named_whatever_is_wrong(tmp_path, use, text):
    path = tmp_path / "named"
    path.write_bytes(bytes(10))
    region = mapped.open(path, "r+")
    if "closed" in text:
        region.close()
    with pytest.raises((ValueError, IndexError)) as caught:
        use(region)
    assert re.match(f".*/named: {text}", str(caught.value))


def test_find_all_is_named(region):
    found = region[10:60].find_all(b"zz")
    region.resize(5)
    with pytest.raises(IndexError, match="find_all: out of range"):
        next(found)


@pytest.mark.parametrize("count", [0, -1, -7])
def test_dtype_with_a_wrong_count_is_refused(count):
    one = dtype("u", 4).fields["a"][0]
    array = types.SimpleNamespace(names=None, subdtype=(one, (count,)))
    forged = types.SimpleNamespace(names=("a",), fields={"a": (array, 0)},
                                   itemsize=8)
    with pytest.raises(ValueError, match="no array of that length"):
        mapped.layout(forged)
