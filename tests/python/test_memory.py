"""Guards against a failing allocation that crashes, leaks, is taken for success
or leaves an incomplete result. Every allocation of a call fails once."""
import gc
import sys

import pytest

import mapped

testing = pytest.importorskip(
    "_testcapi", reason="this Python can't make allocations fail")

POINTS = 120
SIZE = 1 << 16


def filled():
    region = mapped.anonymous(SIZE)
    region[:] = (b"one key, " * (SIZE // 9 + 1))[:SIZE]
    return region


region = filled()
numbers = region[:400].cast("<I")
grid = region[:384].cast("H", (4, 6, 8))
trades = "< id:u32 name:char[5] levels:u64[3]"
records = region[:330].records(trades)
spare = mapped.anonymous(1000)
items = spare[:160].cast("I")
mapping = mapped.mmap.mmap(-1, SIZE)
rows = spare[200:266].records(trades)

READS = {
    "unpack": lambda: region.unpack("<IhQd4s3p"),
    "unpack_many": lambda: region.unpack("<40Q5s20I"),
    "pack": lambda: spare.pack("<IhQd4s3p", 0, 1, 2, 3, 4.5, b"ab", b"c"),
    "pack_many": lambda: spare.pack("<40I", 0, *range(40)),
    "get": lambda: region.get("<Q", 3),
    "tolist": numbers.tolist,
    "tolist_shape": grid.tolist,
    "tobytes": lambda: numbers[::2].tobytes(),
    "item": lambda: grid[1:, ::2, 3][2].tolist(),
    "iterate": lambda: sum(numbers),
    "compare": lambda: numbers == numbers[:],
    "assign": lambda: items.__setitem__(slice(0, 30), range(30)),
    "assign_array": lambda: items.__setitem__(slice(0, 20), numbers[:20]),
    "assign_apart": lambda: items.__setitem__(slice(0, 20, 2), numbers[:20:2]),
    "memoryview": lambda: memoryview(grid[1:]).tolist(),
    "records": records.tolist,
    "fields": lambda: (records[1].id, records[1].name, records[1].levels,
                       tuple(records[2]), records[2]["name"]),
    "column": lambda: records.column("levels").tolist(),
    "set_field": lambda: setattr(rows[0], "levels", (1, 2, 3)),
    "set_rows": lambda: rows.__setitem__(slice(0, 2), [(1, b"a", (1, 2, 3))] * 2),
    "layout": lambda: mapped.layout(trades).fields,
    "slices": lambda: [region[i:i + 3].tobytes() for i in range(20)],
    "find_all": lambda: list(region[:300].find_all(b"key")),
    "lines": lambda: [len(line) for line in region[:300].lines()],
    "split": lambda: [bytes(part) for part in region[:200].split(b"key")],
    "copy_from": lambda: spare.copy_from(numbers[::2]),
    "file": lambda: (list(region[:300].file()), region.file().read(300),
                     region.file().peek()),
    "mmap": lambda: (mapping[:300], mapping[::-70], mapping.find(b"key", 0),
                     list(mapping[:9])),
    "startswith": lambda: region.startswith((b"a", b"one")),
    "wrap": lambda: mapped.wrap(bytearray(b"abc"))[1:].tobytes(),
    "repr": lambda: (repr(numbers), repr(records), repr(records.layout)),
}
ERRORS = {
    "index": (lambda: region.index(b"zzz"), ValueError),
    "range": (lambda: region.unpack("<I", SIZE), mapped.PackRangeError),
    "value": (lambda: spare.pack("<B", 0, 999), Exception),
    "format": (lambda: region.unpack("<zz"), Exception),
    "layout": (lambda: mapped.layout("a:u8 a:u8"), ValueError),
    "type": (lambda: region.find(1.5), TypeError),
    "missing": (lambda: mapped.open("/nothing/here"), FileNotFoundError),
}


def starve(action, point):
    """Returns the exception that the action raises if its allocation number
    `point` fails."""
    testing.set_nomemory(point, point + 1)
    try:
        action()
    except BaseException as error:
        return error
    finally:
        testing.remove_mem_hooks()


def leaked(action):
    """Returns how many blocks are left when every allocation has failed once.
    This is done before too, without a collection, so that Python's free lists
    are full. An interpreter that allocates by malloc, as under valgrind and in
    a hostile build, counts no blocks, so nothing is done there."""
    if sys.getallocatedblocks() == 0:
        return 0
    def starve_everywhere():
        for point in range(1, POINTS):
            starve(action, point)
    gc.disable()
    try:
        for _ in range(6):
            starve_everywhere()
        before = sys.getallocatedblocks()
        starve_everywhere()
        return sys.getallocatedblocks() - before
    finally:
        gc.enable()


@pytest.mark.parametrize("action", READS.values(), ids=READS)
def test_failing_allocation_is_a_memory_error(action):
    expected = action()
    errors = [starve(action, point) for point in range(1, POINTS)]
    assert {type(error) for error in errors} <= {MemoryError, type(None)}
    assert action() == expected
    assert leaked(action) <= 2


@pytest.mark.parametrize("action, kind", ERRORS.values(), ids=ERRORS)
def test_failing_allocation_inside_an_error_is_a_memory_error(action, kind):
    for point in range(1, POINTS):
        error = starve(action, point)
        # Python itself raises this when it can't add a line to the traceback.
        if str(error) != "error return without exception set":
            assert isinstance(error, (kind, MemoryError)), error
    assert leaked(action) <= 2
