"""Lists the tensors of a safetensors file: name, type, sum and shape."""
import json
import sys

import mapped

CODES = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i",
         "I16": "<h", "I8": "<b", "U8": "<B"}

if len(sys.argv) != 2:
    sys.exit("usage: tensors.py FILE")
try:
    with mapped.open(sys.argv[1]) as file:
        length = file.get("<Q")
        header = json.loads(bytes(file.slice(8, length)))
        data = file[8 + length:]
        for name, tensor in sorted(header.items()):
            if name != "__metadata__":
                start, end = tensor["data_offsets"]
                values = data.slice(start, end - start).cast(
                    CODES[tensor["dtype"]])
                print(name, tensor["dtype"], f"{sum(values.tolist()):.6f}",
                      *tensor["shape"])
except (IndexError, KeyError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
