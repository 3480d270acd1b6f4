"""Measures searching beside mmap and bytes, and prints a line of JSON for each
row, with the nanoseconds that a whole search takes.

The data are temporary files of 64 MiB of random bytes, 64 MiB of text and 1 GiB
of text. Both sides take turns. The first turn isn't counted, because it brings
the pages into memory."""
import io
import json
import mmap
import os
import random
import sys
import tempfile
import threading
import time

import mapped

MIB = 1 << 20
ROUNDS = 9
WORDS = ("the of and to in is that for it was on are as with his they at be "
         "this from have or by one had not but what all were when we there can "
         "INFO DEBUG WARNING connection request server file memory").split()
NEEDLES = {2: b"~^", 6: b"ZEBRAS", 15: b"Quixotic Zebras"}


def text_block():
    """Returns a mebibyte of words, in lines of about 80 characters."""
    source = random.Random(1)
    lines = []
    size = 0
    while size < MIB:
        line = " ".join(source.choices(WORDS, k=source.randint(10, 20))) + "\n"
        lines.append(line)
        size += len(line)
    return "".join(lines).encode()[:MIB - 1] + b"\n"


def make(folder, name, block, mebibytes):
    """Makes a file of that many blocks; `block` makes one."""
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(block())
    return path


def measure(ours, peer, rounds=ROUNDS):
    """Returns the nanoseconds of one call of each side, in every round."""
    times = ([], [])
    for done in range(rounds + 1):
        for function, kept in zip((ours, peer), times):
            start = time.perf_counter_ns()
            function()
            if done:
                kept.append(time.perf_counter_ns() - start)
    return times


def show(row, against, at_most, times, unit="ns"):
    print(json.dumps({"row": row, "against": against, "at_most": at_most,
                      "unit": unit, "ours": times[0], "peer": times[1]}),
          flush=True)


def finds(name, path, rounds=ROUNDS):
    """Measures finding needles that occur only at the end of the file."""
    for length, needle in NEEDLES.items():
        with open(path, "r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(needle.ljust(20, b"."))
            region = mapped.open(path)
            peer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        at = peer.rfind(needle)
        if peer.find(needle) != at:
            print(f"{name} has {needle} elsewhere too", file=sys.stderr)
        assert region.find(needle) == peer.find(needle)
        show(f"Python find, {length} bytes, rare, {name}", "mmap.find", 0.35,
             measure(lambda: region.find(needle), lambda: peer.find(needle),
                     rounds))
        peer.close()
        region.close()


def frequent(path):
    """Measures finding a frequent word, from the start of every page on."""
    needle, starts = b"request", range(0, 63 * MIB, 4096)
    with mapped.open(path) as region, open(path, "rb") as file:
        peer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

        def finder(memory):
            return lambda: [memory.find(needle, start) for start in starts]
        assert finder(region)() == finder(peer)()
        times = measure(finder(region), finder(peer))
        show("Python find, 7 bytes, frequent, 64 MiB text", "mmap.find", None,
             [[total / len(starts) for total in side] for side in times])
        loaded = bytes(region)
        show("Python count of 7 bytes, frequent, 64 MiB text",
             "bytes.count on the loaded file", None,
             measure(lambda: region.count(needle),
                     lambda: loaded.count(needle)))
        peer.close()


def counts(path):
    with mapped.open(path) as region:
        loaded = bytes(region)
        for name, byte in ("frequent", b"e"), ("rare", b"Z"):
            assert region.count(byte) == loaded.count(byte)
            show(f"Python count of one byte, {name}",
                 "bytes.count on the loaded file", 0.35,
                 measure(lambda: region.count(byte),
                         lambda: loaded.count(byte)))


def frequent_counts(path):
    with mapped.open(path) as region:
        loaded = bytes(region)
        for needle, name, at_most in (
                (b"th", "2 bytes, frequent", 0.28),
                (b"and server", "10 bytes that are often together", 0.14)):
            assert region.count(needle) == loaded.count(needle)
            show(f"Python count of {name}", "bytes.count on the loaded file",
                 at_most, measure(lambda: region.count(needle),
                                  lambda: loaded.count(needle)))


def small():
    """Measures what is over at once, and loops over few bytes."""
    region = mapped.anonymous(8 * MIB)
    loaded = bytearray((text_block() * 8)[:8 * MIB])
    region[:] = loaded
    memory, short, few = memoryview(loaded), region[:10], bytes(region[:10])

    def ours():
        for line in region.lines():
            pass

    def theirs():
        for line in io.BytesIO(loaded):
            pass

    show("Python for line in s.lines(), 8 MiB", "for line in io.BytesIO(data)",
         0.85, measure(ours, theirs))

    def each(values):
        def run():
            for value in values:
                pass
        return run

    show("Python for x in s, 1 MiB", "for x in memoryview", 1.00,
         measure(each(region[:MIB]), each(memory[:MIB])))
    needle = few[7:9]

    def find_in(values):
        def run():
            for _ in range(20000):
                values.find(needle)
        return run

    show("Python find of 2 bytes in 10", "bytes.find", 1.10,
         measure(find_in(short), find_in(few)))


def lines(path):
    with mapped.open(path) as region, open(path, "rb") as file:
        peer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

        def ours():
            for line in region.lines():
                pass

        def theirs():
            peer.seek(0)
            for line in iter(peer.readline, b""):
                pass

        show("Python for line in s.lines()", 'iter(mmap.readline, b"")', 0.85,
             measure(ours, theirs))
        peer.close()


def ticks(seconds):
    """Counts how often the main thread repeats a loop in this time."""
    end = time.perf_counter() + seconds
    done = 0
    while time.perf_counter() < end:
        done += 1
    return done


def background(path):
    """Measures how much a search slows the main thread. The idle thread's count
    is divided by the busy one's, because smaller ratios are better."""
    idle, busy = [], []
    with mapped.open(path) as region:
        for _ in range(ROUNDS):
            idle.append(ticks(0.2))
            stop = threading.Event()

            def search():
                while not stop.is_set():
                    region.find(b"ZEBRAS, nowhere")
            thread = threading.Thread(target=search)
            thread.start()
            busy.append(ticks(0.2))
            stop.set()
            thread.join()
    show("Python ticks, idle", "ticks beside find on a background thread", 1.25,
         (idle, busy), "ticks")


def main():
    block = text_block()
    with tempfile.TemporaryDirectory() as folder:
        # Random bytes of this size contain any pair of bytes, so this one is
        # replaced.
        noise = make(folder, "random",
                     lambda: os.urandom(MIB).replace(b"~^", b"~_"), 64)
        text = make(folder, "text", lambda: block, 64)
        finds("64 MiB random", noise)
        finds("64 MiB text", text)
        frequent(text)
        counts(text)
        frequent_counts(text)
        lines(text)
        small()
        background(text)
        os.remove(noise)
        large = make(folder, "large", lambda: block, 1024)
        finds("1 GiB text", large, 3)


main()
