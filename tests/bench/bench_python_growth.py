"""Measures files that grow, and one larger than any memory, and prints a line of
JSON for each row. The files are temporary."""
import mmap
import os
import tempfile

import mapped
from timing import report, row, seconds

MIB = 1 << 20
PAGE = b"x" * 4096
RECORD = b"r" * 100
RECORDS = 100_000
GROWTHS = 1000


def append(path, data, count):
    with mapped.open(path, "x+") as region:
        for _ in range(count):
            region.append(data)
    os.unlink(path)  # each side pays for what it has written itself


def double_by_hand(path, data, count):
    """Appends as a user of mmap does: doubles the file, and trims it at last."""
    used = 0
    with open(path, "x+b") as file:
        file.truncate(mmap.PAGESIZE)
        with mmap.mmap(file.fileno(), 0) as memory:
            for _ in range(count):
                if used + len(data) > len(memory):
                    memory.resize(2 * len(memory))
                memory[used:used + len(data)] = data
                used += len(data)
        file.truncate(used)
    os.unlink(path)


def write(path, data, count):
    with open(path, "xb", buffering=0) as file:
        for _ in range(count):
            file.write(data)
    os.unlink(path)


def bench_append(path):
    pages = (1 << 30) // len(PAGE)
    row("Python append(4 KiB) to 1 GiB", "mmap.resize, doubling", 0.80,
        (lambda: append(path, PAGE, pages),
         lambda: double_by_hand(path, PAGE, pages)), 3, pages)
    row("Python append(100 B)", "unbuffered write", 0.50,
        (lambda: append(path, RECORD, RECORDS),
         lambda: write(path, RECORD, RECORDS)), 5, RECORDS)


def grow_by_hundreds(path):
    """Returns the nanoseconds of each hundred growths by 1 MiB."""
    def grow():
        for _ in range(100):
            region.resize(len(region) + MIB)
    with mapped.open(path, "w+", reserve=GROWTHS * MIB, sparse=True) as region:
        return [round(seconds(grow) * 1e9) for _ in range(GROWTHS // 100)]


def bench_reserve(path):
    rounds = [grow_by_hundreds(path) for _ in range(15)]
    report("Python resize by 1 MiB, reserve, last 100 of 1,000", "first 100", 1.30,
           [times[-1] for times in rounds], [times[0] for times in rounds])


def bench_sparse(folder):
    """Opens files of two sizes and reads their last bytes."""
    def opened(name, size):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.truncate(size)

        def run():
            for _ in range(200):
                with mapped.open(path) as region:
                    region[-1]
        return run
    row("Python open and [-1], 100 GiB", "of 1 MiB", 1.20,
        (opened("large", 100 << 30), opened("small", MIB)), 31, 200)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "grown")
        bench_append(path)
        bench_reserve(path)
        bench_sparse(folder)


if __name__ == "__main__":
    main()
