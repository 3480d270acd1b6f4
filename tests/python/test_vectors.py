"""Guards against bytes that mean something else in Python than in C and Lua.
The tests of all three languages run the cases of tests/vectors/."""
import math
import pathlib
import struct

import mapped
import pytest

VECTORS = pathlib.Path(__file__).resolve().parents[1] / "vectors"
ERRORS = {"!range": IndexError, "!value": ValueError, "!code": ValueError}


def rows(name):
    """Yields the rows of a file as parameters of a test, named by their line.

    Rows without a code for Python are left out."""
    lines = (VECTORS / name).read_text("utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        row = line.split("\t")
        if line and line[0] != "#" and row[1] != "-":
            yield pytest.param(row, id=f"{name}:{number}")


def writable(hexadecimal):
    data = bytearray.fromhex(hexadecimal)
    return data, mapped.wrap(data)


def result_of(expected, act):
    """Returns the result of `act`, or None if it raises the expected error."""
    if expected not in ERRORS:
        return act()
    with pytest.raises(ERRORS[expected]):
        act()
    return None


def value_of(text):
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("x:"):
        return bytes.fromhex(text[2:])
    if text.startswith("f:"):
        return struct.unpack(">d", bytes.fromhex(text[2:]))[0]
    return int(text)


def check_value(value, expected):
    if expected == "nan":
        assert math.isnan(value)
    else:
        wanted = value_of(expected)
        assert value == wanted and type(value) is type(wanted)
        assert not isinstance(value, float) or (
            math.copysign(1, value) == math.copysign(1, wanted))


@pytest.mark.parametrize("row", rows("access.tsv"))
def test_vectors_access(row):
    operation, code, _, before, offset, value, *after = row
    data, whole = writable(before)
    if operation == "get":
        got = result_of(value, lambda: whole.get(code, int(offset)))
        if value not in ERRORS:
            check_value(got, value)
    else:
        result_of(after[0], lambda: whole.set(code, int(offset),
                                              value_of(value)))
        assert data.hex() == (before if after[0] in ERRORS else after[0])


def check_part(before, expected, act):
    part = result_of(expected, lambda: act(mapped.wrap(bytes.fromhex(before))))
    if expected not in ERRORS:
        assert bytes(part).hex() == expected and len(part) * 2 == len(expected)


def check_change(before, expected, act):
    data, whole = writable(before)
    result_of(expected, lambda: act(whole))
    assert data.hex() == (before if expected in ERRORS else expected)


def slice_(before, offset, length, expected):
    check_part(before, expected,
               lambda whole: whole.slice(int(offset), int(length)))


def clamp(before, start, end, expected):
    check_part(before, expected, lambda whole: whole[int(start):int(end)])


def read(before, offset, length, expected):
    check_part(before, expected, lambda whole: whole.slice(
        int(offset), int(length)).tobytes())


def write(before, offset, data, expected):
    check_change(before, expected, lambda whole: whole.copy_from(
        bytes.fromhex(data), int(offset)))


def fill(before, offset, length, byte, expected):
    check_change(before, expected, lambda whole: whole.slice(
        int(offset), int(length)).fill(int(byte)))


def move(before, to, start, length, expected):
    check_change(before, expected, lambda whole: whole.move(
        int(to), int(start), int(length)))


def compare(left, right, expected):
    sides = [bytes.fromhex(left), bytes.fromhex(right)]
    for other in (sides[1], mapped.wrap(sides[1])):
        assert (mapped.wrap(sides[0]) == other) is (expected == "0")
        assert (mapped.wrap(sides[0]) != other) is (expected != "0")


OPERATIONS = {"slice": slice_, "clamp": clamp, "read": read, "write": write,
              "fill": fill, "move": move, "compare": compare}


@pytest.mark.parametrize("row", rows("bytes.tsv"))
def test_vectors_bytes(row):
    OPERATIONS[row[0]](*row[1:])
