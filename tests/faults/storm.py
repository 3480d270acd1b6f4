"""Reads and writes a file, over and over, while another process truncates it.

Usage: storm.py FILE SECONDS. Every byte of the file is `S`, so anything else
that an access returns without an error is a lost page that was not reported.
Prints how many accesses went well and how many ended in an error."""
import errno
import io
import random
import re
import socket
import sys
import time

import mapped
import numpy

STAMP = ord("S")
PAGE = 4096
LAYOUT = mapped.layout("a:u32 b:u32")
SOCKETS = socket.socketpair()


def whole(data):
    assert data.count(STAMP) == len(data), "zeros without an error"


def through_export(region, read):
    """Checks data that were read through an export, if no page was lost
    meanwhile."""
    data = read(region)
    region.check()
    whole(data)


def expect(value, wanted):
    assert value == wanted, f"{value} without an error"


def copied(array):
    memory = mapped.anonymous(array.nbytes)
    memory.copy_from(array)
    return memory.tobytes()


def searched(region):
    """Returns bytes that are not the stamp. `re` raises a TypeError in place of
    a FaultError."""
    try:
        found = re.search(b"[^S]", region)
        return found[0] if found else b""
    except TypeError:
        region.check()
        raise


def sent(data):
    """Sends data through a socket, and returns what is received. At a lost page
    the kernel answers EFAULT, or sends only the bytes before it."""
    try:
        n = SOCKETS[0].send(data)
    except mapped.FaultError:
        raise
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise
        raise mapped.FaultError(error.errno, "reported by the system") from error
    return SOCKETS[1].recv(n, socket.MSG_WAITALL)


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
    lambda r: expect(r[at(r):].find(b"\0"), -1),
    lambda r: expect(r.rfind(b"S\0"), -1),
    lambda r: expect(r.count(b"S"), len(r)),
    lambda r: expect(r[:PAGE].startswith(r[-PAGE:]), True),
    lambda r: expect(r.unpack("<IIB", at(r) // 2), (0x53535353, 0x53535353, STAMP)),
    lambda r: r.pack("<II", at(r), 0x53535353, 0x53535353),
    lambda r: expect(all(byte == STAMP for byte in r[at(r):][:PAGE]), True),
    lambda r: expect(sum(map(len, r.lines())), len(r)),
    lambda r: expect(sum(map(len, r.split(b"\0"))), len(r)),
    lambda r: expect(set(r.cast("I")[::97].tolist()), {0x53535353}),
    lambda r: expect(r.records(LAYOUT)[at(r) // 8].b, 0x53535353),
    lambda r: mapped.anonymous(len(r))[:].copy_from(r),
    lambda r: whole(copied(r.cast("I"))),
    lambda r: whole(sent(r[at(r):][:PAGE])),
    lambda r: through_export(r, lambda r: bytes(memoryview(r))),
    lambda r: through_export(r, lambda r: numpy.frombuffer(r, "u1").tobytes()),
    lambda r: through_export(r, lambda r: io.BytesIO(r).getvalue()),
    lambda r: through_export(r, searched),
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
