"""Benchmarks of typed data in Python beside the standard library's own way:
prints a JSON line for each row."""
import array
import json
import mmap
import os
import struct
import tempfile
import time

import mapped

ITEMS = 1 << 20


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def row(title, against, at_most, functions, rounds, operations=1):
    """Ours and the peer's take turns; nanoseconds an operation."""
    times = [[], []]
    for _ in range(rounds):
        for side, function in zip(times, functions):
            side.append(round(seconds(function) / operations * 1e9, 2))
    print(json.dumps({"row": title, "against": against, "at_most": at_most,
                      "unit": "ns", "ours": times[0], "peer": times[1]}),
          flush=True)


def main():
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(4 * ITEMS))
        file.flush()
        region = mapped.open(file)
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        fields = struct.Struct("<IHBbqHfI")
        offsets = range(0, 65536, 64)
        row("Python s.unpack(fmt, o), 8 fields", "struct.Struct.unpack_from(mmap, o)",
            1.00,
            (repeated("s.unpack('<IHBbqHfI', o)",
                      {"s": region, "offsets": offsets}),
             repeated("fields.unpack_from(memory, o)",
                      {"fields": fields, "memory": memory, "offsets": offsets})),
            201, 10 * len(offsets))
        little, big = region.cast("<i"), region.cast(">i")
        view = memoryview(memory).cast("i")
        row("Python cast('<i').tolist(), 1 M", "memoryview.cast('i').tolist()", 0.90,
            (little.tolist, view.tolist), 15)
        row("Python cast('>i').tolist(), 1 M", "array.byteswap + tolist", 0.60,
            (big.tolist, lambda: swapped(memory)), 15)
        view.release()
        memory.close()
        region.close()


def swapped(memory):
    values = array.array("i")
    values.frombytes(memory)
    values.byteswap()
    return values.tolist()


def repeated(statement, names):
    """A function that runs the statement ten times for each offset `o`."""
    exec(f"def run():\n for o in offsets: {'; '.join([statement] * 10)}", names)
    return names["run"]


if __name__ == "__main__":
    main()
