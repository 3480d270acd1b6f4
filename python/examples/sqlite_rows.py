"""Lists the rows on the leaf pages of an SQLite database: page, row number and
length of each, after the page size, the pages and the user's version."""
import sys

import mapped

TABLE_LEAF = 13


def varint(page, at):
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for i in range(8):
        value = value << 7 | page[at + i] & 0x7F
        if page[at + i] < 0x80:
            return value, at + i + 1
    return value << 8 | page[at + 8], at + 9


if len(sys.argv) != 2:
    sys.exit("usage: sqlite_rows.py FILE")
try:
    with mapped.open(sys.argv[1]) as file:
        if not file.startswith(b"SQLite format 3\0"):
            raise ValueError("not an SQLite database")
        size, pages = file.get(">H", 16), file.get(">I", 28)
        size = 65536 if size == 1 else size
        print(size, pages, file.get(">I", 60))
        for number in range(pages):
            page = file.slice(number * size, size)
            start = 0 if number else 100
            kind, _, count = page.unpack(">BHH", start)
            if kind == TABLE_LEAF:
                for cell in page.slice(start + 8, 2 * count).cast(">H"):
                    length, at = varint(page, cell)
                    print(number + 1, varint(page, at)[0], length)
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
