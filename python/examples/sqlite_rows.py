"""Lists the rows of every table of an SQLite database: table, row id and length
of the record, after the page size, the pages and the user's version."""
import sys
from collections.abc import Iterator

import mapped

TABLE_INTERIOR, TABLE_LEAF = 5, 13
INDEX = 2, 10
WIDTHS = 0, 1, 2, 3, 4, 6, 8, 8, 0, 0  # of what isn't a text or a blob


def varint(data: mapped.Slice | bytes, at: int) -> tuple[int, int]:
    """A signed number of seven bits a byte, eight in a ninth; where it ends."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    value = value << 8 | data[at + 8]
    return value - (value >> 63 << 64), at + 9


def columns(record: bytes) -> Iterator[bytes]:
    """Yields the bytes of each value of a record."""
    end, at = varint(record, 0)
    start = end
    while at < end:
        kind, at = varint(record, at)
        width = (kind - 12) // 2 if kind >= 12 else WIDTHS[kind]
        yield record[start:start + width]
        start += width


class Database:
    def __init__(self, file: mapped.Region) -> None:
        if not file.startswith(b"SQLite format 3\0"):
            raise ValueError("not an SQLite database")
        self.file, self.size = file, file.get(">H", 16)
        if self.size == 1:
            self.size = 65536
        self.usable = self.size - file[20]
        if self.usable < 480 or file.get(">I", 56) > 1:
            raise ValueError("neither pages nor text as they should be")

    def page(self, number: int) -> mapped.Slice:
        return self.file.slice((number - 1) * self.size, self.size)

    def cells(self, root: int) -> Iterator[tuple[mapped.Slice, int, int, int]]:
        """Yields page, offset on it, row id and length of a tree's records."""
        pages, seen = [root], set[int]()
        while pages:
            number = pages.pop()
            if number in seen:
                raise ValueError(f"page {number} is in a tree twice")
            seen.add(number)
            page, start = self.page(number), 100 if number == 1 else 0
            kind, count, last = page.unpack(">B2xH3xI", start)
            if kind == TABLE_LEAF:
                for cell in page.slice(start + 8, 2 * count).cast(">H"):
                    length, at = varint(page, cell)
                    row, at = varint(page, at)
                    yield page, at, row, length
            elif kind == TABLE_INTERIOR:
                cells = page.slice(start + 12, 2 * count).cast(">H")
                pages += [last, *(page.get(">I", cell)
                                  for cell in reversed(cells.tolist()))]
            elif number != root or kind not in INDEX:
                raise ValueError(f"page {number} is not of a table")

    def record(self, page: mapped.Slice, at: int, length: int) -> bytes:
        """The bytes of a record, whose rest may lie in a chain of pages."""
        if not 0 <= length <= len(self.file):
            raise ValueError(f"a record of {length} bytes")
        most, step = self.usable - 35, self.usable - 4
        least = (self.usable - 12) * 32 // 255 - 23
        here = length
        if length > most:
            here = least + (length - least) % step
            here = here if here <= most else least
        data = page.slice(at, here).tobytes()
        at += here
        while len(data) < length:
            page, at = self.page(page.get(">I", at)), 0
            data += page.slice(4, min(step, length - len(data))).tobytes()
        return data

    def tables(self) -> Iterator[tuple[str, int]]:
        """Yields name and first page of each; the schema is a table too."""
        for page, at, _, length in self.cells(1):
            kind, name, _, root, *_ = columns(self.record(page, at, length))
            if kind == b"table" and any(root):  # virtual ones have no page
                yield name.decode(), int.from_bytes(root, "big")


if len(sys.argv) != 2:
    sys.exit("usage: sqlite_rows.py FILE")
try:
    with mapped.open(sys.argv[1]) as file:
        database = Database(file)
        print(database.size, file.get(">I", 28), file.get(">I", 60))
        for name, root in database.tables():
            for _page, _at, row, length in database.cells(root):
                print(name, row, length)
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
