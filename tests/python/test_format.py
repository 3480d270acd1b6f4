"""Guards against a pack or unpack that differs from struct in a value, in the
bytes that it writes, or in what it refuses."""
import gc
import math
import pathlib
import pickle
import struct

import mapped
from support import outcome
import pytest
from hypothesis import example, given, settings, strategies as st

VECTORS = pathlib.Path(__file__).parents[1] / "vectors" / "format.tsv"
CODES = "xcbB?hHiIlLqQnNefdspP"

counts = st.one_of(st.just(""), st.integers(0, 5).map(str),
                   st.sampled_from(["00", "0000000007"]))
formats = st.builds(
    "".join, st.tuples(
        st.sampled_from(["", "@", "=", "<", ">", "!"]),
        st.lists(st.builds("".join, st.tuples(
            counts, st.sampled_from(CODES),
            st.sampled_from(["", " ", "\t\n", "\r\v\f"]))), max_size=8)
        .map("".join)))
broken = st.text(st.sampled_from("@=<>! 0123456789sxiIqnNPepy\0é-."), max_size=9)


def same(ours, theirs):
    """Returns whether both are equal, or ours is struct's exception or a
    subclass of it."""
    if isinstance(theirs, type):
        return isinstance(ours, type) and issubclass(ours, theirs)
    return repr(ours) == repr(theirs)


@settings(max_examples=500, deadline=None)
@given(formats, st.binary(max_size=80), st.integers(-90, 90))
@example("<3s", b"abc", -3)
@example("", b"", 0)
@example("0p", b"", 0)
@example("<q", b"1234567", 0)
def test_unpack_is_unpack_from(code, data, offset):
    theirs = outcome(struct.unpack_from, code, data, offset)
    if theirs is SystemError:  # a mistake of struct with 0p
        return
    assert same(outcome(mapped.wrap(data).unpack, code, offset), theirs)
    assert same(outcome(mapped.wrap(data).unpack, code.encode(), offset), theirs)


@settings(max_examples=500, deadline=None)
@given(st.one_of(broken, formats))
@example("9223372036854775807s")
@example("9223372036854775808s")
@example("99999999999999999999i")
@example("4611686018427387904h")
@example("2305843009213693952i2305843009213693952i")
@example("9223372036854775807xi")
@example("9223372036854775800xq")
@example("é")
def test_unpack_refuses_formats_as_struct_does(code):
    theirs = outcome(struct.calcsize, code)
    ours = outcome(mapped.wrap(b"").unpack, code)
    if isinstance(theirs, type):
        assert isinstance(ours, type) and issubclass(ours, theirs)
    elif theirs > 0:
        assert issubclass(ours, struct.error) and issubclass(ours, IndexError)


values = st.one_of(
    st.integers(-2**65, 2**65), st.sampled_from([2**n + d for n in (
        7, 8, 15, 16, 31, 32, 63, 64) for d in (-1, 0, 1)]),
    st.floats(), st.binary(max_size=6), st.binary(max_size=3).map(bytearray),
    st.booleans(), st.none(), st.text(max_size=2))


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_pack_is_pack_into(data):
    code = data.draw(formats.filter(lambda code: "0p" not in code))
    size = outcome(struct.calcsize, code)
    wanted = data.draw(st.integers(0, 4)) if isinstance(size, type) \
        else len(struct.unpack(code, bytes(size)))
    kinds = [values, st.integers(-128, 127), st.integers(0, 127),
             st.floats(-9, 9), st.binary(min_size=1, max_size=1)]
    kind = data.draw(st.sampled_from(kinds))
    given_values = data.draw(st.lists(
        st.one_of(kind, st.integers(0, 127)), min_size=wanted, max_size=wanted))
    offset = data.draw(st.integers(-20, 20))
    theirs, ours = bytearray(b"\xee" * 100), bytearray(b"\xee" * 100)
    expected = outcome(struct.pack_into, code, theirs, offset, *given_values)
    found = outcome(mapped.wrap(ours).pack, code, offset, *given_values)
    assert same(found, expected)
    assert ours == (bytearray(b"\xee" * 100) if isinstance(expected, type)
                    else theirs)


def test_pack_where_there_is_no_room_converts_nothing():
    converted = []

    class Number:
        def __index__(self):
            converted.append(self)
            return 1

    with pytest.raises(struct.error):
        mapped.anonymous(3).pack("<I", 0, Number())
    with pytest.raises(struct.error):
        mapped.anonymous(1).pack("<e", 0, 1e9)  # too large for a half, too
    assert not converted


hard = st.sampled_from(
    [sign * 2**n + d for n in (7, 8, 15, 16, 31, 32, 63, 64, 1100)
     for d in (-1, 0, 1) for sign in (1, -1)]
    + [sign * value for sign in (1, -1) for value in (
        65519.0, 65520.0, 3.4028235e38, 3.4028236e38, 2.0**128, 1e308, math.inf)]
    + [math.nan, 10**39])


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(["", "@", "=", "<", ">", "!"]),
       st.lists(st.tuples(st.sampled_from("bBhHiIlLqQnNefffdPPP"), hard),
                min_size=1, max_size=3))
@example("", [("P", 2**64)])
@example("", [("P", -2**64)])
@example("", [("P", -2**63 - 1)])
@example("@", [("P", -1)])
@example("", [("f", 1e308), ("B", 256)])
@example("<", [("f", 1e308), ("B", 256)])
@example("", [("Q", 10**400)])
def test_values_at_the_limits_are_packed_as_struct_does(prefix, pairs):
    code = prefix + "".join(letter for letter, _ in pairs)
    given_values = [value for _, value in pairs]
    ours = bytearray(b"\xee" * 40)
    expected = outcome(struct.pack, code, *given_values)
    found = outcome(mapped.wrap(ours).pack, code, 3, *given_values)
    if isinstance(expected, type):
        assert found is expected and ours == b"\xee" * 40
    else:
        assert found is None and ours[3:3 + len(expected)] == expected


def read_vectors():
    for line in VECTORS.read_text().splitlines():
        cells = line.split("\t")
        if cells[0] == "struct":
            yield pytest.param(*cells[1:], id=cells[1][:30])


def value_of(text):
    if text.startswith("f:"):
        return struct.unpack(">d", bytes.fromhex(text[2:]))[0]
    return bytes.fromhex(text[2:]) if text.startswith("x:") else int(text)


@pytest.mark.parametrize("code, data, start, expected, stop", read_vectors())
def test_format_vectors(code, data, start, expected, stop):
    data, start = bytearray.fromhex(data), int(start)
    if not stop:
        with pytest.raises(IndexError if expected == "range" else struct.error):
            mapped.wrap(data).unpack(code, start)
        return
    found = mapped.wrap(data).unpack(code, start)
    assert list(found) == [value_of(text) for text in expected.split()]
    copy = bytearray(len(data))
    mapped.wrap(copy).pack(code, start, *found)
    assert copy[start:int(stop)] == data[start:int(stop)]


@pytest.mark.parametrize("code, place", [
    ("<iy", 2), ("<i 3", 3), ("i<", 1), ("<99999999999999999999s", 1)])
def test_a_broken_format_names_the_place(code, place):
    with pytest.raises(struct.error, match=f"at offset {place} of the format"):
        mapped.wrap(b"").unpack(code)


@pytest.mark.parametrize("code, arguments, place, text", [
    ("<iB", (1, 256), 2, "'B' format requires 0 <= number <= 255"),
    ("<ib", (1, -129), 2, "'b' format requires -128 <= number <= 127"),
    ("<Q", (-1,), 1, "'Q' format requires 0 <= number <= 18446744073709551615"),
    ("<q", (2**63,), 1, "'q' format requires -9223372036854775808 <= number"),
    ("3si", (1, 2), 1, "'s' must be a bytes object"),
    ("<xc", (b"ab",), 2, "bytes object of length 1"),
    ("<2h", (1, "1"), 2, "not an integer"),
    ("<d", ("1",), 1, "not a float"),
    ("bP", (1, 2**64), 1, "int too large to convert")])
def test_a_value_that_does_not_fit_names_the_place(code, arguments, place, text):
    memory = bytearray(b"\xee" * 16)
    with pytest.raises(struct.error, match=f"{text}.*at offset {place} of"):
        mapped.wrap(memory).pack(code, 0, *arguments)
    assert memory == b"\xee" * 16


@pytest.mark.parametrize("arguments", [
    (), ("<i",), (1, 0), (None, 0), ("<i", "0"), ("<i", 0.0), ("<i", 2**70, 1),
    ("<i", -2**70, 1), ("<i", 0), ("<i", 0, 1, 2), ("", 17)])
def test_wrong_arguments_are_refused(arguments):
    memory = bytearray(16)
    with pytest.raises((TypeError, IndexError, struct.error)):
        mapped.wrap(memory).pack(*arguments)
    assert not any(memory)


def test_what_is_out_of_range_can_be_caught_by_name_and_sent_elsewhere():
    for action in (lambda: mapped.wrap(b"abc").unpack("<I"),
                   lambda: mapped.wrap(bytearray(3)).pack("<I", 0, 1)):
        with pytest.raises(mapped.PackRangeError, match="4 bytes.* 3") as caught:
            action()
        copy = pickle.loads(pickle.dumps(caught.value))
        assert type(copy) is mapped.PackRangeError and str(copy) == str(caught.value)
    assert issubclass(mapped.PackRangeError, struct.error)
    assert issubclass(mapped.PackRangeError, IndexError)


def test_unpack_takes_keywords():
    assert mapped.wrap(b"abcd").unpack(format="<H", offset=2) == (0x6463,)
    with pytest.raises(TypeError):
        mapped.wrap(b"abcd").unpack("<H", 0, 0)
    with pytest.raises(TypeError):
        mapped.wrap(b"abcd").unpack(fmt="<H")
    with pytest.raises(TypeError):
        mapped.wrap(bytearray(4)).pack(format="<H")


def test_pack_into_read_only_memory_is_refused():
    with pytest.raises(TypeError):
        mapped.wrap(b"abcd").pack("<H", 0, 1)


@pytest.mark.parametrize("code", ["", "<i", "3s", "4p", "x"])
def test_a_closed_region_is_refused(code):
    region = mapped.anonymous(64)
    part = region[:32]
    region.close()
    for view in region, part:
        with pytest.raises(ValueError, match="closed"):
            view.unpack(code)
        with pytest.raises(ValueError, match="closed"):
            view.unpack(code, 100)
    with pytest.raises(ValueError, match="closed"):
        region.pack("<i", 0, 1)


class Closer:
    def __init__(self, region):
        self.region = region

    def __index__(self):
        self.region.close()
        return 1

    __float__ = __index__

    def __bool__(self):
        self.region.close()
        return True


@pytest.mark.parametrize("code", ["<i", "<?"])
def test_a_conversion_that_closes_the_region_is_survived(code):
    region = mapped.anonymous(64)
    with pytest.raises(ValueError, match="closed"):
        region.pack(code, 0, Closer(region))
    region = mapped.anonymous(64)
    with pytest.raises(ValueError, match="closed"):
        region.unpack(code, Closer(region))


def test_a_conversion_that_shrinks_another_argument_is_survived():
    victim = bytearray(b"x" * 1000)

    class Shrinker:
        def __index__(self):
            victim.clear()
            return 1

    memory = bytearray(b"\xee" * 1002)
    mapped.wrap(memory).pack("<1000sh", 0, victim, Shrinker())
    assert memory == bytes(1000) + b"\1\0"


def test_formats_are_remembered_within_bounds():
    view = mapped.wrap(bytes(2000))
    for _ in range(2):
        for i in range(1500):
            assert view.unpack(f"<{i}xB") == (0,)
    gc.collect()


def test_a_conversion_that_forgets_the_format_is_survived():
    view = mapped.wrap(bytearray(2000))

    class Forgetter:
        def __index__(self):
            for i in range(600):
                view.unpack(f"<{i}xH")
            return 7

    view.pack("<hhh", 0, Forgetter(), Forgetter(), Forgetter())
    assert view.unpack("<hhh") == (7, 7, 7)


FORMATS = """
    import gc, mapped, sys
    region = mapped.wrap(bytes(range(16)))
    region.unpack("<I")
    formats, = [found for found in gc.get_referents(sys.modules["mapped._mapped"])
                if type(found) is dict and "<I" in found]
    def anew(text):
        return "".join(list(text))
"""


@pytest.mark.parametrize("value", ["5", "None", "formats", "gc",
                                   "sys.modules['datetime'].datetime_CAPI"])
def test_value_among_the_formats_that_is_none_counts_as_missing(child, value):
    """Foreign code can get at the dict of formats through the garbage
    collector."""
    done = child(FORMATS + f"""
    import datetime
    formats["<I"] = {value}
    print(region.unpack(anew("<I")), region.unpack(anew("<I")))
    """)
    assert done == f"{(0x03020100,)} {(0x03020100,)}\n"


def test_many_values():
    numbers = list(range(1000))
    view = mapped.wrap(bytearray(4010))
    view.pack(">1000i7s", 1, *numbers, b"the end")
    assert view.unpack(">1000i7s", 1) == (*numbers, b"the end")


def test_long_bytes_are_read_whole():
    data = bytes(range(256)) * 1024
    assert mapped.wrap(data).unpack(f"{len(data)}s") == (data,)


def test_nan_keeps_its_sign():
    view = mapped.wrap(bytearray(14))
    view.pack("<efd", 0, *[math.copysign(math.nan, -1)] * 3)
    assert bytes(view) == struct.pack("<efd", *[math.copysign(math.nan, -1)] * 3)


def test_format_of_a_part_that_was_cut_off_is_out_of_range():
    region = mapped.anonymous(64)
    part = region[10:60]
    region.resize(5)
    for use in (lambda: part.unpack("<I"), lambda: part.pack("<I", 0, 1)):
        with pytest.raises(mapped.PackRangeError, match="pack: out of range"):
            use()
