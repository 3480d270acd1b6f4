"""Touches pages of a file and prints the result of each access.

Usage: probe.py FILE read|write PAGE... prints a line `PAGE errno` for each page,
with errno 0 for success, and then the region's list of faults."""
import sys

import mapped

SIZE = 4096


def touch(region, how, page):
    try:
        if how == "read":
            assert region[page * SIZE] == ord("S")
        else:
            region[page * SIZE] = ord("S")
    except mapped.FaultError as fault:
        assert fault.offset <= page * SIZE < fault.offset + fault.length
        return fault.errno
    return 0


def main():
    path, how, *pages = sys.argv[1:]
    with mapped.open(path, "r" if how == "read" else "r+") as region:
        for page in map(int, pages):
            print(page, touch(region, how, page))
        for fault in region.faults:
            print("lost", fault.offset // SIZE, fault.length // SIZE)


if __name__ == "__main__":
    main()
