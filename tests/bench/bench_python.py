"""Measures the Python binding beside the standard library, and prints a line of
JSON for each row, with the nanoseconds that an operation takes.

A statement is repeated in the timed loop, so that the loop itself hardly
counts. Both sides take turns, so that other work of the machine slows both."""
import json
import tempfile
import timeit

COPIES = 10
ROUNDS = 501
ROUND_SECONDS = 0.0005

MEMORY = """
import mapped, struct
region = mapped.anonymous(1 << 20)
region[:] = bytes(range(256)) * 4096
s = region[:]
mv = memoryview(bytes(s))
a, b, i, o = 100, 5000, 1000, 1004
array, mv_array = s.cast("I"), mv.cast("I")
unpacker = struct.Struct("<I")
"""
GUARDED, UNGUARDED = (f"{MEMORY}mapped.guard({on})\n" for on in (True, False))
FILE = """
import mapped, mmap
path = {path!r}
def ours():
    mapped.open(path).close()
def peer():
    file = open(path, "rb")
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    memory.close()
    file.close()
"""
ROWS = [
    ("Python s[a:b]", "memoryview[a:b]", 0.75, "s[a:b]", "mv[a:b]", MEMORY),
    ("Python s[i]", "memoryview[i]", 0.90, "s[i]", "mv[i]", MEMORY),
    ('Python s.get("<I", o)', 'struct.Struct("<I").unpack_from(mv, o)[0]', 0.70,
     's.get("<I", o)', "unpacker.unpack_from(mv, o)[0]", MEMORY),
    ('Python cast("I")[i]', 'memoryview.cast("I")[i]', 0.90,
     "array[i]", "mv_array[i]", MEMORY),
    ("Python open and close a file", "open + mmap.mmap + both closes", 0.75,
     "ours()", "peer()", FILE),
    ("Python s[i], fault guard on", "the same, guard off", 1.03,
     "s[i]", "s[i]", GUARDED, UNGUARDED),
    ('Python cast("I")[i], fault guard on', "the same, guard off", 1.03,
     "array[i]", "array[i]", GUARDED, UNGUARDED),
    ("Python s[a:b], fault guard on", "the same, guard off", 1.03,
     "s[a:b]", "s[a:b]", GUARDED, UNGUARDED),
]


def measure(statements, setups):
    """Returns the nanoseconds of one operation of each side, in every round."""
    timers = [timeit.Timer("; ".join([statement] * COPIES), setup)
              for statement, setup in zip(statements, setups)]
    once = max(timer.timeit(20) / 20 for timer in timers)
    number = max(int(ROUND_SECONDS / once), 1)
    rounds = [[timer.timeit(number) / number / COPIES * 1e9 for timer in timers]
              for _ in range(ROUNDS)]
    return [round(pair[0], 2) for pair in rounds], [
        round(pair[1], 2) for pair in rounds]


def main():
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(1 << 16))
        file.flush()
        for row, against, at_most, ours, peer, *setups in ROWS:
            setups = [setup.format(path=file.name) if setup is FILE else setup
                      for setup in (setups * 2)[:2]]
            times = measure((ours, peer), setups)
            print(json.dumps({
                "row": row, "against": against, "at_most": at_most,
                "unit": "ns", "ours": times[0], "peer": times[1]}), flush=True)


main()
