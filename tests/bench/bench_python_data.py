"""Measures typed data in Python beside the standard library, and prints a line
of JSON for each row."""
import array
import mmap
import multiprocessing
import os
import struct
import tempfile

import mapped
from timing import row

ITEMS = 1 << 20


FORMAT = "<IHBbqHfI"
VALUES = "1, 2, 3, -4, 5, 6, 7.5, 8"


def bench_fields():
    """Measures packing and unpacking eight values at once."""
    region = mapped.anonymous(1 << 16)
    view = memoryview(bytearray(1 << 16))
    names = {"s": region, "memory": view, "struct": struct,
             "offsets": range(0, 65536 - 64, 64)}
    count = 10 * len(names["offsets"])
    row("Python s.pack(fmt, o, ...), 8 fields", "struct.pack_into(fmt, mv, o, ...)",
        1.00, (repeated(f"s.pack('{FORMAT}', o, {VALUES})", names),
               repeated(f"struct.pack_into('{FORMAT}', memory, o, {VALUES})",
                        names)), 101, count)
    row("Python s.unpack(fmt, o), 8 fields", "struct.unpack_from(fmt, mv, o)", 1.00,
        (repeated(f"s.unpack('{FORMAT}', o)", names),
         repeated(f"struct.unpack_from('{FORMAT}', memory, o)", names)), 101,
        count)


def bench_items():
    """Measures access to single items, and to all items at once."""
    small = array.array("I", [i % 256 for i in range(2 * ITEMS)])
    large = array.array("I", [0x9e3779b1 * i % (1 << 32) for i in range(2 * ITEMS)])
    region = mapped.anonymous(4 << 20)
    view = memoryview(bytearray(4 << 20))
    names = {"a": region.cast("I"), "memory": view.cast("I"),
             "offsets": range(2048)}
    row("Python cast('I')[i] = n", "memoryview.cast('I')[i] = n", 0.95,
        (repeated("a[o] = 77777", names), repeated("memory[o] = 77777", names)),
        101, 10 * len(names["offsets"]))
    for title, numbers in ("small", small), ("large", large):
        ours = mapped.wrap(numbers).cast("I")
        peer = memoryview(numbers)
        row(f"Python sum(cast('I')), 2 M {title} values", "sum(memoryview)", 1.00,
            (lambda: sum(ours), lambda: sum(peer)), 9)
    ours, peer = region.cast("I")[::2], view.cast("I")[::2]
    ours.tobytes()
    row("Python cast('I')[::2].tobytes(), of 1 M", "memoryview[::2].tobytes()", 0.50,
        (ours.tobytes, peer.tobytes), 31)


def bench_atomic():
    """Measures a counter that processes share."""
    word = mapped.anonymous(64, shared=True).atomic("i")
    value = multiprocessing.Value("i", 0)

    def add():
        for _ in range(10000):
            word.add(1)

    def add_locked():
        for _ in range(10000):
            with value.get_lock():
                value.value += 1

    row("Python atomic add", "multiprocessing.Value with its lock", 0.15,
        (add, add_locked), 31, 10000)


def bench_mutex():
    """Measures a lock that nobody else wants."""
    mutex = mapped.Mutex(mapped.anonymous(64, shared=True))
    lock = multiprocessing.Lock()

    def taking(what):
        def take():
            for _ in range(10000):
                with what:
                    pass
        return take

    row("Python with Mutex, uncontended", "with multiprocessing.Lock", 0.80,
        (taking(mutex), taking(lock)), 31, 10000)


def main():
    bench_fields()
    bench_atomic()
    bench_mutex()
    bench_items()
    with tempfile.TemporaryFile() as file:
        file.write(os.urandom(4 * ITEMS))
        file.flush()
        region = mapped.open(file)
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
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
    """Returns a function that runs the statement ten times for each offset
    `o`."""
    exec(f"def run():\n for o in offsets: {'; '.join([statement] * 10)}", names)
    return names["run"]


if __name__ == "__main__":
    main()
