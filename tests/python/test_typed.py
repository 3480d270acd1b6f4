"""Guards against typed access that differs from struct: for every code and at
every alignment, in values and in what is refused."""
import struct

import pytest
from hypothesis import given, settings, strategies as st

import mapped

CODES = [prefix + code for prefix in ("", "@", "=", "<", ">", "!")
         for code in "cbB?hHiIlLqQnNefdP"
         if not (prefix in "=<>!" and prefix and code in "nNP")]


few = settings(max_examples=25)  # for each code


def same(a, b):
    return a == b or (a != a and b != b)


@pytest.mark.parametrize("code", CODES)
@few
@given(data=st.binary(min_size=24, max_size=24), offset=st.integers(0, 16))
def test_get_is_that_of_struct(code, data, offset):
    view = mapped.wrap(data)
    assert same(view.get(code, offset), struct.unpack_from(code, data, offset)[0])


def values_of(code):
    code = code[-1]
    if code in "efd":
        return st.one_of(st.floats(), st.integers(-10**6, 10**6),
                         st.sampled_from([1e308, -1e308, 65520.0, 2.0**128,
                                          10**39, 10**400]))
    if code == "?":
        return st.one_of(st.booleans(), st.integers(-1, 2), st.text(max_size=1))
    if code == "c":
        return st.binary(max_size=2)
    return st.one_of(st.integers(-300, 300), st.sampled_from(
        [sign * 2**n + d for n in (7, 8, 15, 16, 31, 32, 63, 64, 70)
         for d in (-1, 0, 1) for sign in (1, -1)]))


@pytest.mark.parametrize("code", CODES)
@few
@given(data=st.data())
def test_set_is_that_of_struct(code, data):
    value = data.draw(values_of(code))
    offset = data.draw(st.integers(0, 8))
    model, ours = bytearray(b"\xaa" * 16), bytearray(b"\xaa" * 16)
    view = mapped.wrap(ours)
    try:
        struct.pack_into(code, model, offset, value)
    except (struct.error, OverflowError):
        with pytest.raises((ValueError, TypeError)):
            view.set(code, offset, value)
        model[:] = b"\xaa" * 16
    else:
        view.set(code, offset, value)
    assert ours == model


@pytest.mark.parametrize("bad", [
    "", "I4", "<<I", "Z", "<n", ">P", "s", "x", "II", " I", "I ", "\0", "é",
    "<é", "I\0", "^I", "<"])
def test_unknown_code_is_named(bad):
    view = mapped.wrap(bytearray(16))
    for action in (lambda: view.get(bad), lambda: view.set(bad, 0, 0),
                   lambda: view.cast(bad)):
        with pytest.raises(ValueError) as caught:
            action()
        assert repr(bad) in str(caught.value)


@pytest.mark.parametrize("bad", [b"I", 4, None, "I".encode("utf-16")])
def test_code_of_wrong_type_is_refused(bad):
    view = mapped.wrap(bytearray(16))
    for action in (lambda: view.get(bad), lambda: view.set(bad, 0, 0),
                   lambda: view.cast(bad)):
        with pytest.raises(TypeError):
            action()


@pytest.mark.parametrize("offset", [13, 16, 17, 2**31, 2**63 - 1, 2**63, 2**64,
                                    2**200, -17, -2**63, -2**200])
def test_offset_out_of_range_is_named(offset):
    data = bytearray(16)
    view = mapped.wrap(data)
    with pytest.raises(IndexError, match=str(offset)):
        view.get("<I", offset)
    with pytest.raises(IndexError, match=str(offset)):
        view.set("<I", offset, 1)
    assert data == bytes(16)


def test_offset_of_wrong_type_is_refused():
    view = mapped.wrap(bytearray(16))
    for bad in "1", 1.5, None, []:
        with pytest.raises(TypeError):
            view.get("I", bad)
        with pytest.raises(TypeError):
            view.set("I", bad, 1)


def test_value_out_of_range_is_named():
    data = bytearray(16)
    view = mapped.wrap(data)
    for code, value in (("B", 256), ("b", -129), ("<H", -1), ("q", 2**63),
                        ("Q", 2**64), ("i", 2**31), ("I", 2**200)):
        with pytest.raises(ValueError, match=str(value)):
            view.set(code, 0, value)
    for code, value in ("P", 2**64), ("P", -2**63 - 1):
        with pytest.raises(ValueError, match=str(value)):
            view.cast(code)[0] = value
    for code, value in ("<f", 1e300), ("=f", -1e300), ("e", 1e6), ("d", 10**400):
        with pytest.raises(ValueError):
            view.set(code, 0, value)
    assert data == bytes(16)


@pytest.mark.parametrize("code, value", [
    ("f", 1e300), ("@f", -1e300), ("P", -1), ("@P", -2**63), ("P", 2**64 - 1)])
def test_native_codes_take_what_memoryview_takes(code, value):
    ours, theirs = mapped.wrap(bytearray(16)), memoryview(bytearray(16))
    theirs.cast(code)[0] = value
    ours.set(code, 0, value)
    assert ours == theirs
    ours.fill(0)
    ours.cast(code)[0] = value
    assert ours == theirs
    ours.fill(0)
    ours.cast(code)[:1] = [value]
    assert ours == theirs


def test_value_of_wrong_type_is_refused():
    data = bytearray(16)
    view = mapped.wrap(data)
    for code, value in (("I", 1.0), ("I", "1"), ("d", "1"), ("c", 1),
                        ("c", b"ab"), ("c", "a"), ("q", None)):
        with pytest.raises(TypeError):
            view.set(code, 0, value)
    assert data == bytes(16)


@pytest.mark.parametrize("action", [
    lambda view: view.get(1.5), lambda view: view.unpack(1.5),
    lambda view: view.find(1.5), lambda view: view.startswith(1.5),
    lambda view: view.endswith((b"a", 1.5)), lambda view: view.records(1.5),
    lambda view: view.records("a:u8")[0][1.5], lambda view: mapped.layout(1.5),
    lambda view: mapped.open(1.5), lambda view: mapped.open("file", 1.5)])
def test_wrong_types_are_named_as_bytes_names_them(action):
    with pytest.raises(TypeError, match=", not 'float'$"):
        action(mapped.wrap(bytearray(16)))


def test_arguments_go_by_name_too():
    view = mapped.wrap(bytearray(b"\1\2\3\4"))
    assert view.get(code="B", offset=2) == view.get("B", offset=2) == 3
    view.set(value=9, code="B", offset=1)
    assert view.get("B", 1) == 9 and view.get("B") == 1
    for action in (lambda: view.get(), lambda: view.get("B", 0, 0),
                   lambda: view.get("B", code="B"), lambda: view.get(kode="B"),
                   lambda: view.set("B", 0), lambda: view.slice(0),
                   lambda: view.slice(1, 2, 3), lambda: view.move(1)):
        with pytest.raises(TypeError):
            action()


def test_region_and_slice_have_the_same_methods():
    def names(kind):
        return {name for name in dir(kind)} - {name for name in dir(object)}
    own = names(mapped.Region) - names(mapped.Slice)
    assert own == {"close", "resize", "append", "fileno", "size", "mode", "file_offset",
                   "name", "check", "faults", "recover", "seal", "refresh"}
    assert names(mapped.Slice) <= names(mapped.Region)


def test_typed_names_of_a_layout_are_codes_too():
    region = mapped.anonymous(16)
    region.set("u24be", 1, 0x010203)
    assert bytes(region[:5]) == b"\0\1\2\3\0"
    assert region.get("u24be", 1) == 0x010203
    assert region.get("i16le", 1) == 0x0201
    assert region.cast("u32be")[0] == 0x00010203
    assert region.cast("u32be").format == ">I"
    region.set("f16", 8, 1.5)
    assert region.get("e", 8) == 1.5
    for wrong in ("u7", "u136", "x8", "f24"):
        with pytest.raises(ValueError, match="unknown element code"):
            region.get(wrong)


@pytest.mark.parametrize("offset", range(-8, 8))
def test_negative_offsets_count_from_the_end_everywhere(offset):
    region = mapped.anonymous(8)
    region[:] = bytes(range(8))
    assert (region.get("B", offset) == region[offset] ==
            region.unpack("B", offset)[0] == region.slice(offset, 1)[0])
    region.set("B", offset, 50)
    assert region[offset] == 50
    region.pack("B", offset, 60)
    assert region[offset] == 60
    region.copy_from(b"F", offset)
    assert region[offset] == 70
    region.move(offset, 0, 1)
    assert region[offset] == region[0]
    region.move(0, offset, 1)
    if offset % 4 == 0:
        assert region.atomic("u32", offset).offset == offset % 8
