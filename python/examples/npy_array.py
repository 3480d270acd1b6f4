"""Tells type, shape and sum of the array in a NumPy .npy file."""
import ast
import sys

import mapped

if len(sys.argv) != 2:
    sys.exit("usage: npy_array.py FILE")
try:
    with mapped.open(sys.argv[1]) as file:
        if not file.startswith(b"\x93NUMPY"):
            raise ValueError("not a .npy file")
        code, start = ("<H", 10) if file[6] == 1 else ("<I", 12)
        length = file.get(code, 8)
        header = ast.literal_eval(
            bytes(file.slice(start, length)).decode().strip())
        order, kind, size = (header["descr"][0], header["descr"][1],
                             int(header["descr"][2:]))
        letters = {"i": " bh i   q", "u": " BH I   Q", "f": "  e f   d"}
        if kind not in letters:
            raise ValueError(f"no numbers but {header['descr']}")
        element = order.replace("|", "<") + letters[kind][size]
        array = file[start + length:].cast(element)
        print(header["descr"], *header["shape"])
        print(f"{sum(array.tolist()):.6f}")
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
