"""Tells type, shape, least and greatest number of a NumPy .npy file."""
import ast
import math
import operator
import sys

import mapped

CODES = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H",
         "u4": "I", "u8": "Q", "f2": "e", "f4": "f", "f8": "d"}


def describe(header: mapped.Slice) -> tuple[str, tuple[int, ...]]:
    """The type and the shape of the array: the header is a dict of Python."""
    try:
        fields = ast.literal_eval(header.tobytes().decode().strip())
        shape = tuple(map(operator.index, fields["shape"]))
        return str(fields["descr"]), shape
    except (KeyError, MemoryError, RecursionError, SyntaxError, TypeError):
        raise ValueError("malformed header") from None


def numbers(file: mapped.Region) -> tuple[str, tuple[int, ...], mapped.Array[float]]:
    """The type, the shape and all numbers of the array, typed in place."""
    if not file.startswith(b"\x93NUMPY"):
        raise ValueError("not a .npy file")
    code, start = ("<H", 10) if file[6] == 1 else ("<I", 12)
    start += (length := file.get(code, 8))
    kind, shape = describe(file.slice(start - length, length))
    if kind[0] not in "<>|" or kind[1:] not in CODES:
        raise ValueError(f"not an array of plain numbers: {kind}")
    size = math.prod(shape) * int(kind[2])
    element = kind[0].replace("|", "<") + CODES[kind[1:]]
    return kind, shape, file.slice(start, size).cast(element)


if len(sys.argv) != 2:
    sys.exit("usage: npy_array.py FILE")
try:
    with mapped.open(sys.argv[1]) as npy_file:
        dtype, extents, array = numbers(npy_file)
        print(dtype, *extents)
        if values := [value for value in array if value == value]:  # no NaN
            print(*(f"{value:.9g}" if isinstance(value, float) else value
                    for value in (min(values), max(values))))
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
