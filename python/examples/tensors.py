"""Lists the tensors of a safetensors file: name, type, least and greatest
number, and shape."""
import json
import math
import operator
import sys
from collections.abc import Iterator

import mapped

CODES = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i",
         "I16": "<h", "I8": "<b", "U32": "<I", "U16": "<H", "U8": "<B"}


def describe(header: mapped.Slice) -> list[tuple[str, str, list[int], int, int]]:
    """A list of name, type, shape, start and end of each tensor."""
    try:
        found = []
        for name, tensor in json.loads(header.tobytes()).items():
            if name != "__metadata__":
                start, end = map(operator.index, tensor["data_offsets"])
                shape = [*map(operator.index, tensor["shape"])]
                found.append((name, str(tensor["dtype"]), shape, start, end))
        return sorted(found)
    except (AttributeError, KeyError, RecursionError, TypeError):
        raise ValueError("malformed header") from None


def text_of(value: float) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def limits(array: mapped.Array[float]) -> list[str]:
    values = [value for value in array if value == value]  # no NaN
    return [text_of(min(values)), text_of(max(values))] if values else ["-", "-"]


def tensors(file: mapped.Region) -> Iterator[tuple[str | int, ...]]:
    """Yields the words that tell of a tensor."""
    length = file.get("<Q")
    data = file[8 + length:]
    for name, kind, shape, start, end in describe(file.slice(8, length)):
        if kind not in CODES:
            raise ValueError(f"tensor {name} has a type not read here: {kind}")
        array = data.slice(start, end - start).cast(CODES[kind])
        if len(array) != math.prod(shape):
            raise ValueError("a tensor's shape is not that of its bytes")
        yield name, kind, *limits(array), *shape


if len(sys.argv) != 2:
    sys.exit("usage: tensors.py FILE")
try:
    with mapped.open(sys.argv[1]) as tensor_file:
        for words in tensors(tensor_file):
            print(*words)
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
