"""How long things take in Python by the size of the file, from 4 KiB to 4 GiB,
beside what does the same without us: a line of JSON for each size.

All sizes are beginnings of one file of text, in a temporary folder. Each time is
the least of several: of a size that is over at once, of many."""
import json
import mmap
import pathlib
import tempfile
import time

import mapped

KIB, MIB = 1 << 10, 1 << 20
SIZES = [4 * KIB << 2 * step for step in range(11)]  # to 4 GiB
NEEDLE = b"nowhere in it"
LINE = b"the connection of %07d was lost by the server, and a request by INFO\n"


def write_text(path, size):
    """Writes lines of 70 characters."""
    block = b"".join(LINE % i for i in range(15000))
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write(block[:size - file.tell()])


def seconds(function):
    """The least time of a call, of those in a quarter of a second. The first
    doesn't count, unless it takes more than a second by itself."""
    times, spent = [], 0
    while len(times) < 2 or spent < 0.25:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
        if times[0] > 1:
            return times[0]
        spent += times[-1]
    return min(times[1:])


def each(values):
    for _ in values:
        pass


def cases(path, size):
    """{what: (against, ours, peer)}"""
    region = mapped.open(path, length=size)
    with open(path, "rb") as file:
        peer = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)

    def open_ours():
        with mapped.open(path, length=size) as opened:
            return opened[-1]

    def open_peer():
        with open(path, "rb") as opened, mmap.mmap(
                opened.fileno(), size, access=mmap.ACCESS_READ) as memory:
            return memory[-1]

    def count_peer():
        with open(path, "rb") as opened:
            return opened.read(size).count(b"the")

    def lines_peer():
        peer.seek(0)
        each(iter(peer.readline, b""))

    words, peer_words = region.cast("I"), memoryview(peer).cast("I")
    return {
        "open, and read the last byte": ("mmap", open_ours, open_peer),
        "find what isn't there": ("mmap.find", lambda: region.find(NEEDLE),
                                  lambda: peer.find(NEEDLE)),
        "count a frequent word": ("read and bytes.count",
                                  lambda: region.count(b"the"), count_peer),
        "iterate over lines": ("mmap.readline", lambda: each(region.lines()),
                               lines_peer),
        "sum of integers": ("the same of a memoryview", lambda: sum(words),
                            lambda: sum(peer_words))}


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "text"
        write_text(path, SIZES[-1])
        for size in SIZES:
            for what, (against, ours, peer) in cases(path, size).items():
                print(json.dumps({
                    "what": what, "against": against, "size": size,
                    "ours": seconds(ours), "peer": seconds(peer)}), flush=True)


if __name__ == "__main__":
    main()
