"""Looks up lines in files that index_writer.py makes longer meanwhile.

    python3 index_reader.py INDEX DATA KEY...

Prints the line of each key as soon as the index has come so far, or that there is
none. The search is a binary one, in place; a sum tells that the line is whole."""
import bisect
import sys
import time
import zlib

import mapped

ENTRY = mapped.layout("key:u64 offset:u64 length:u32 crc:u32")


def find(index: mapped.Region, key: int) -> mapped.Record | None:
    """Returns the entry of a key, waiting for it; None if there is none."""
    while not (rows := index.records(ENTRY)) or rows[-1].key < key:
        if index.refresh() == "unchanged":
            time.sleep(0.05)
    row = rows[bisect.bisect_left(rows.column("key"), key)]
    return row if row.key == key else None


def main(index_path: str, data_path: str, *keys: str) -> None:
    with mapped.open(index_path) as index, mapped.open(data_path) as data:
        for key in map(int, keys):
            row = find(index, key)
            if row is None:
                print(key, "is not there", flush=True)
                continue
            data.refresh()  # after the index: it has the line of each entry
            line = data.slice(row.offset, row.length)
            if zlib.crc32(line) != row.crc:
                raise ValueError(f"the line of {key} is damaged")
            print(bytes(line).decode(), end="", flush=True)


if len(sys.argv) < 4:
    sys.exit("usage: index_reader.py INDEX DATA KEY...")
try:
    main(*sys.argv[1:])
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
