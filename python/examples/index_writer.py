"""Appends lines to a file, and an entry for each to an index of that file, for
programs that read both meanwhile (index_reader.py).

    seq 1000 | sed 's/$/ some text/' | python3 index_writer.py INDEX DATA

Each line begins with a number, its key, which is greater than the one before. The
line is appended before its entry: who sees an entry finds the line."""
import struct
import sys
import zlib

import mapped

ENTRY = mapped.layout("key:u64 offset:u64 length:u32 crc:u32")


def main(index_path: str, data_path: str) -> None:
    with (mapped.open(data_path, "a+") as data,
          mapped.open(index_path, "a+") as index):
        last = index.records(ENTRY)[-1].key if len(index) else -1
        for line in sys.stdin.buffer:
            key = int(line.split()[0])
            if key <= last:
                raise ValueError(f"key {key} after {last}")
            entry = struct.pack(ENTRY.struct_format, key, len(data), len(line),
                                zlib.crc32(line))
            data.append(line)
            index.append(entry)
            last = key


if len(sys.argv) != 3:
    sys.exit("usage: index_writer.py INDEX DATA")
try:
    main(*sys.argv[1:])
except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
