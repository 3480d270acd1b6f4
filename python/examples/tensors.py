"""Lists the tensors of a safetensors file: name, type, least and greatest
number, and shape."""
import json
import math
import operator
import sys

import mapped

CODES = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i",
         "I16": "<h", "I8": "<b", "U32": "<I", "U16": "<H", "U8": "<B"}


def describe(header):
    """A list of name, type, shape, start and end of each tensor."""
    try:
        return sorted((name, str(tensor["dtype"]),
                       [*map(operator.index, tensor["shape"])],
                       *map(operator.index, tensor["data_offsets"]))
                      for name, tensor in json.loads(header.tobytes()).items()
                      if name != "__metadata__")
    except (AttributeError, KeyError, RecursionError, TypeError):
        raise ValueError("malformed header") from None


def text_of(value):
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def limits(array):
    values = [value for value in array if value == value]  # no NaN
    return map(text_of, (min(values), max(values)) if values else "--")


def tensors(file):
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
