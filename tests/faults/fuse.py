"""A file system of one file, `file`, whose pages can be made to fail.

Usage: fuse.py MOUNTPOINT PAGES BAD... mounts the file system, and serves it
until it is unmounted or standard input ends. Every byte of the file is `S`.
Reading or writing a page listed in BAD fails with EIO until the signal SIGUSR1
repairs all pages, and after SIGHUP again, which prints `broken`. A page that is written is printed, as `wrote PAGE BYTE` with
its first byte. After SIGUSR2, the next request for the file's attributes, or the
next close, prints `asked` and waits for a byte on standard input. The program uses the kernel's protocol
(linux/fuse.h, version 7.31), so that no library is needed. It must run as root
in a mount namespace of its own."""
import ctypes
import errno
import os
import select
import signal
import stat
import struct
import sys

PAGE = 4096
LOOKUP, FORGET, GETATTR, OPEN, READ, WRITE, INIT = 1, 2, 3, 14, 15, 16, 26
RELEASE, FLUSH, BATCH_FORGET = 18, 25, 42
HEADER = struct.Struct("<IIQQIIII")
ATTR = struct.Struct("<6Q10I")
ROOT, FILE = 1, 2
WRITE_IN = 40  # bytes before those that are written


class Disk:
    def __init__(self, pages, bad):
        self.listed = set(bad)
        self.size, self.bad, self.slow = pages * PAGE, set(self.listed), False

    def break_again(self, *_):
        self.bad = set(self.listed)
        print("broken", flush=True)

    def slow_down(self, *_):
        self.slow = True
        print("slow", flush=True)

    def attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o644
        size = 0 if node == ROOT else self.size
        return ATTR.pack(node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0,
                         0, 0, PAGE, 0)

    def init(self, node, body):
        major, minor, ahead, flags = struct.unpack_from("<4I", body)
        return struct.pack("<4I2H2I2H8I", 7, 31, ahead, 0, 12, 9, PAGE, 1, 1, 0,
                           *[0] * 8)

    def lookup(self, node, body):
        if body.rstrip(b"\0") != b"file":
            return errno.ENOENT
        return struct.pack("<4Q2I", FILE, 0, 1, 0, 0, 0) + self.attributes(FILE)

    def take_time(self, node):
        if self.slow and node == FILE:
            self.slow = False
            print("asked", flush=True)
            os.read(0, 1)

    def flush(self, node, body):
        self.take_time(node)
        return b""

    def getattr(self, node, body):
        self.take_time(node)
        return struct.pack("<Q2I", 0, 0, 0) + self.attributes(node)

    def open(self, node, body):
        return struct.pack("<Q2I", 0, 0, 0)

    def read(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        end = min(offset + size, self.size)
        if self.bad & set(range(offset // PAGE, -(-end // PAGE))):
            return errno.EIO
        return b"S" * max(0, end - offset)

    def write(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        if offset // PAGE in self.bad:
            return errno.EIO
        print("wrote", offset // PAGE, body[WRITE_IN:][0], flush=True)
        return struct.pack("<2I", size, 0)

    def nothing(self, node, body):
        return b""

    def answer(self, opcode, node, body):
        call = {LOOKUP: self.lookup, GETATTR: self.getattr, OPEN: self.open,
                READ: self.read, WRITE: self.write, INIT: self.init,
                RELEASE: self.nothing, FLUSH: self.flush}.get(opcode)
        return errno.ENOSYS if call is None else call(node, body)


def mount(device, where):
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"mapped-test", where.encode(), b"fuse", 0,
                  options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def serve(device, disk):
    while True:
        ready, _, _ = select.select([device, sys.stdin], [], [])
        if device not in ready:
            return
        request = os.read(device, 1 << 17)
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        reply = disk.answer(opcode, node, request[HEADER.size:])
        error, data = (-reply, b"") if isinstance(reply, int) else (0, reply)
        os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique)
                 + data)


def main():
    where, pages, *bad = sys.argv[1:]
    disk = Disk(int(pages), map(int, bad))
    signal.signal(signal.SIGUSR1, lambda *_: disk.bad.clear())
    signal.signal(signal.SIGHUP, disk.break_again)
    signal.signal(signal.SIGUSR2, disk.slow_down)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount(device, where)
    print("mounted", flush=True)
    serve(device, disk)


if __name__ == "__main__":
    main()
