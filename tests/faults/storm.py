"""Reads and writes a file, over and over, while another process truncates it.

Usage: storm.py FILE SECONDS. Every byte of the file is `S`, so anything else
that an access returns without an error is a loss that nobody was told of.
Prints how many accesses went well and how many ended in an error."""
import io
import random
import re
import sys
import time

import mapped
import numpy

STAMP = ord("S")
PAGE = 4096


def whole(data):
    assert data.count(STAMP) == len(data), "zeros without an error"


def through_export(region, read):
    """What is read through a raw pointer counts if nothing was lost since."""
    data = read(region)
    region.check()
    whole(data)


def at(region):
    return random.randrange(max(1, len(region) - 8))


ACCESSES = [
    lambda r: whole(bytes([r[at(r)]])),
    lambda r: whole(bytes(r[at(r):][:3 * PAGE])),
    lambda r: whole(r.get("<I", at(r)).to_bytes(4, "little")),
    lambda r: whole(r[at(r):][:PAGE].cast("B").tobytes()),
    lambda r: whole(bytes(r[:PAGE].cast("B").tolist())),
    lambda r: r.set("<I", at(r), 0x53535353),
    lambda r: r[at(r):][:2 * PAGE].fill(STAMP),
    lambda r: r.move(0, at(r), 8),
    lambda r: r.copy_from(b"S" * PAGE, 0),
    lambda r: r[at(r):].find(b"no such bytes"),
    lambda r: r.count(b"X"),
    lambda r: r[:PAGE] == r[-PAGE:],
    lambda r: through_export(r, lambda r: bytes(memoryview(r))),
    lambda r: through_export(r, lambda r: numpy.frombuffer(r, "u1").tobytes()),
    lambda r: through_export(r, lambda r: io.BytesIO(r).getvalue()),
    lambda r: re.search(b"[^S\0]", r),
]


def work(path, until):
    well, lost = 0, 0
    while time.monotonic() < until:
        region = mapped.open(path, "r+")
        for access in random.choices(ACCESSES, k=200):
            if len(region) < 2 * PAGE:
                break
            try:
                access(region)
                well += 1
            except mapped.FaultError:
                lost += 1
                try_to_recover(region)
        try:
            region.close()
        except mapped.FaultError:
            lost += 1
    return well, lost


def try_to_recover(region):
    try:
        region.recover()
    except OSError:
        pass


if __name__ == "__main__":
    sys.unraisablehook = lambda unraisable: None
    print(*work(sys.argv[1], time.monotonic() + float(sys.argv[2])))
