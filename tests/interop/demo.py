"""`scons demo`: real files read from C, Lua and Python, then one file shared by
a running Lua and a running Python, then a pipeline of all three. Exits with 1 if
anything disagrees."""
import pathlib
import subprocess
import sys
import tempfile
import time

import duet_runner
import elf_files
import readers

ROW = "{:>3} {:<20} {:>8} {:>12} {:>9} {:>9}  {:<2} {:<4} {:<6} {:<7}"
EXCHANGES = 1000
LINES = 500000


def read_all(path):
    """Returns the sections of a file as each reader lists them, and as readelf
    does."""
    found = {name: readers.read(name, path) for name in readers.EXAMPLES}
    return found, readers.read_with_readelf(path)


def print_table(path):
    found, reference = read_all(path)
    print(f"The sections of {path}, as four programs read them:\n")
    print(ROW.format("#", "name", "type", "address", "offset", "size",
                     "C", "Lua", "Python", "readelf").rstrip())
    readings = [*found.values(), reference]
    for i in range(max(map(len, readings))):
        row = next(rows[i] for rows in readings if i < len(rows))
        kind, address, offset, size, name = row
        same = ["=" if rows[i:i + 1] == [row] else "DIFFERS"
                for rows in readings]
        print(ROW.format(i, name[:20], f"{kind:x}", f"{address:x}",
                         f"{offset:x}", f"{size:x}", *same).rstrip())
    print()


def agreement(path):
    """Prints and returns whether all readers agree on a file."""
    found, reference = read_all(path)
    header = path.open("rb").read(6)
    form = (f"{header[4] * 32}-bit, "
            f"{'big' if header[5] == 2 else 'little'}-endian")
    wrong = [name for name, rows in found.items() if rows != reference]
    verdict = ("C, Lua and Python agree, and agree with readelf" if not wrong
               else f"{', '.join(wrong)} disagree with readelf")
    print(f"{path.name} ({form}, {len(reference)} sections): {verdict}")
    return not wrong and len(reference) > 0


def duet(folder):
    """Prints and returns whether Lua and Python saw each other's writes."""
    start = time.monotonic()
    print(f"\nA Lua and a Python process map one file at the same time and "
          f"answer each other\n{EXCHANGES} times through it: ", end="",
          flush=True)
    try:
        data = duet_runner.play(folder / "shared", EXCHANGES)
    except RuntimeError as error:
        print(f"FAILED: {error}")
        return False
    took = time.monotonic() - start
    print(f"each saw all {EXCHANGES} writes of the other, in {took:.2f} s.\n"
          f"The file now reads {data.hex(' ', 4)}: {data[8:14].decode()} and "
          f"{data[16:19].decode()} signed it.")
    return True


def pipeline():
    """Prints how fast lines went through a pipeline, and returns whether they
    did."""
    print("\nC makes lines of a log, Lua keeps those that match a pattern, Python "
          "counts these;\ntwo rings in shared memory join the three processes:",
          flush=True)
    done = subprocess.run(
        [readers.PYTHON, readers.TOP / "python/examples/pipeline.py",
         readers.BUILD / "core/examples/produce", str(LINES), "INFO"])
    return done.returncode == 0


def main():
    lua = pathlib.Path(readers.LUA).resolve()
    python = pathlib.Path(readers.PYTHON).resolve()
    print_table(lua)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        good = [agreement(path)
                for path in [lua, python, *elf_files.make(folder)]]
        good.append(duet(folder))
    good.append(pipeline())
    print("\ndemo:", "all agree" if all(good) else "DISAGREEMENT, see above")
    return 0 if all(good) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RuntimeError as error:
        sys.exit(f"demo: {error}")
