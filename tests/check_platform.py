"""Checks that every backend defines the functions that core/src/platform.h
declares.

Usage: check_platform.py LIBRARY..., for example build/release/core/libmapped.a.
Prints the functions that a static library lacks or defines twice; exits with 1
if there is one. The environment variable NM names another nm."""
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
COMMENT = re.compile(r"/\*.*?\*/", re.S)
FUNCTION = re.compile(r"^(?!typedef\b)\w[\w\s*]*?\b(mapped__\w+)\(", re.M)


def declared(header):
    """Returns the names of the functions in the text of a header."""
    text = COMMENT.sub("", header)
    return sorted(set(FUNCTION.findall(text)))


def defined(listing):
    """Counts the functions in the output of `nm -g`: {name: count}."""
    counts = {}
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] == "T":
            counts[fields[2]] = counts.get(fields[2], 0) + 1
    return counts


def faults(names, counts):
    """Returns the faults of a library that defines `counts`."""
    return [f"{name} is {'defined twice' if name in counts else 'missing'}"
            for name in names if counts.get(name, 0) != 1]


def symbols(library):
    return subprocess.run(
        [os.environ.get("NM", "nm"), "-g", "--defined-only", library],
        check=True, capture_output=True, text=True).stdout


def main():
    names = declared((TOP / "core/src/platform.h").read_text())
    libraries = sys.argv[1:]
    if not libraries or not names:
        print(__doc__)
        return 2
    found = [f"{library}: {fault}" for library in libraries
             for fault in faults(names, defined(symbols(library)))]
    print(*found, f"{len(names)} functions in {len(libraries)} libraries, "
          f"{len(found)} faults", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
