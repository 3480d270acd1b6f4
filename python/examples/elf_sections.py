"""Lists the sections of an ELF file: 32 or 64 bits, either byte order."""
import sys
from collections.abc import Iterator

import mapped


def sections(elf: mapped.Region) -> Iterator[tuple[str, int, int, int, int]]:
    """Yields name, type, address, offset and size of every section."""
    if elf[:4] != b"\x7fELF":
        raise ValueError("not an ELF file")
    word, letter = (8, "Q") if elf[4] == 2 else (4, "I")
    order = ">" if elf[5] == 2 else "<"
    short, int_, long = order + "H", order + "I", order + letter

    size = elf.get(short, 34 + 3 * word)
    count = elf.get(short, 36 + 3 * word)
    strings = elf.get(short, 38 + 3 * word)
    table = elf.slice(elf.get(long, 24 + 2 * word), size * count)
    for i in range(count):
        text = table.slice(size * strings, size)
        names = elf.slice(text.get(long, 8 + 2 * word),
                          text.get(long, 8 + 3 * word)).tobytes()
        row = table.slice(size * i, size)
        start = row.get(int_, 0)
        yield (names[start:names.index(0, start)].decode(), row.get(int_, 4),
               row.get(long, 8 + word), row.get(long, 8 + 2 * word),
               row.get(long, 8 + 3 * word))


if len(sys.argv) != 2:
    sys.exit("usage: elf_sections.py FILE")
try:
    with mapped.open(sys.argv[1]) as elf_file:
        for number, (name, *numbers) in enumerate(sections(elf_file)):
            print(f"{number:2}", *(f"{n:8x}" for n in numbers), name)
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
