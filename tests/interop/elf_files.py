"""Makes small ELF files of every word size and byte order, good and broken."""
import struct

FORMS = [(bits, order) for bits in (32, 64) for order in "<>"]
SECTIONS = [  # name, type, address, contents
    (b"", 0, 0, b""),
    (b".text", 1, 0x1000, b"\x90" * 24),
    (b".rodata", 1, 0x2000, b"region\0slice\0"),
    (b".a-name-far-longer-than-most", 1, 0, bytes(range(7))),
]


def build(bits, order):
    """Returns the bytes of an object file with SECTIONS and a name table."""
    long = "Q" if bits == 64 else "I"
    header = struct.Struct(order + "16sHHI" + long * 3 + "IHHHHHH")
    row = struct.Struct(order + "II" + long * 4 + "II" + long * 2)
    names = b"".join(name + b"\0" for name, *_ in SECTIONS) + b".shstrtab\0"
    rows, body, at = [], b"", 0
    for name, kind, address, data in SECTIONS + [(b".shstrtab", 3, 0, names)]:
        place = header.size + len(body) if kind else 0
        rows.append(row.pack(at, kind, 0, address, place, len(data), 0, 0, 0, 0))
        body, at = body + data, at + len(name) + 1
    machine = 62 if bits == 64 and order == "<" else 20  # x86-64, else PowerPC
    ident = b"\x7fELF" + bytes([bits // 32, 1 + (order == ">"), 1])
    start = header.pack(ident, 1, machine, 1, 0, 0, header.size + len(body), 0,
                        header.size, 0, 0, row.size, len(rows), len(rows) - 1)
    return start + body + b"".join(rows)


def make(folder):
    """Writes one file of each form, and returns their paths."""
    paths = []
    for bits, order in FORMS:
        endian = "big" if order == ">" else "little"
        paths.append(folder / f"{bits}-bit-{endian}-endian.o")
        paths[-1].write_bytes(build(bits, order))
    return paths


def broken(bits, order):
    """Returns names and bytes of files that a reader must refuse."""
    good = build(bits, order)
    word = bits // 8
    table = 24 + 2 * word  # the header's offset of the table
    count = 36 + 3 * word
    last = len(good) - (8 + 6 * word + 8)  # the row of the name table itself

    def patched(at, code, *values):
        data = bytearray(good)
        struct.pack_into(order + code, data, at, *values)
        return bytes(data)

    long = "Q" if bits == 64 else "I"
    return {
        "empty": b"",
        "no magic": b"\x7fELG" + good[4:],
        "magic alone": good[:4],
        "half a header": good[:30],
        "table cut off": good[:-1],
        "table past the end": patched(table, long, len(good)),
        "table at the largest offset": patched(table, long, 2 ** bits - 1),
        "table in the sign bit": patched(table, long, 2 ** (bits - 1)),
        "more rows than bytes": patched(count, "H", 0xfffe),
        "rows of no size": patched(count - 2, "H", 0),
        "name table that isn't there": patched(count + 2, "H", 0xff00),
        "names past the end": patched(last + 8 + 2 * word, long, len(good)),
        "names longer than the file": patched(
            last + 8 + 3 * word, long, 2 ** bits - 1),
        "a name past its table": patched(last, "I", 0x7fffffff),
        "a name without an end": patched(
            last + 8 + 3 * word, long, struct.unpack_from(
                order + long, good, last + 8 + 3 * word)[0] - 1),
    }
