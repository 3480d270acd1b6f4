"""Makes small files of the formats that the examples read."""
import json
import math
import sqlite3
import struct

import elf_files

SCHEMA = """
    CREATE TABLE deleted (text);
    CREATE TABLE few (text);
    CREATE INDEX texts ON few (text);
    CREATE TABLE {} (id INTEGER PRIMARY KEY, text, {});
    CREATE TABLE no_row_yet (text);
    CREATE TABLE no_rows (word PRIMARY KEY, text) WITHOUT ROWID;
    CREATE VIEW seen AS SELECT * FROM few;
    INSERT INTO no_rows VALUES ('a', 'b');
    PRAGMA writable_schema = 1;
    INSERT INTO sqlite_schema VALUES ('table', 'virtual', 'virtual', 0,
                                      'CREATE VIRTUAL TABLE virtual USING none');
    PRAGMA secure_delete = 0
"""


def reserve_bytes(path, size, reserved):
    """Makes a database of one empty page of `size` bytes. `reserved` bytes of
    this page and of every later one stay unused; byte 20 of the header says
    so."""
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA page_size = {size}")
        database.execute("PRAGMA user_version = 77")
    database.close()
    page = bytearray(path.read_bytes())
    page[20] = reserved
    struct.pack_into(">H", page, 105, (size - reserved) % 65536)
    path.write_bytes(page)


def fill_database(database):
    """Fills a database so that it has row ids of both signs and all lengths,
    pages with and without overflow, interior pages, and free pages that still
    contain deleted rows."""
    long, columns = "t" * 700, ", ".join(f"c{i}" for i in range(100))
    for i in range(30):
        name = f"w{i:03}" * 30
        database.execute(f"CREATE TABLE {name} ({'c' * (1 + 31 * i)})")
    for statement in SCHEMA.format(long, columns).split(";"):
        database.execute(statement)
    database.executemany("INSERT INTO deleted VALUES (?)", [("x" * 100,)] * 500)
    database.execute("DELETE FROM deleted")
    database.executemany("INSERT INTO few (rowid, text) VALUES (?, ?)", [
        (number, "y" * 9 * i * i) for i, number in enumerate(
            [-2**63, -5, -1, 0, 127, 128, 2**32, 2**56, 2**63 - 1])])
    database.executemany(f"INSERT INTO {long} (id, text) VALUES (?, ?)", [
        (i * i * i - 10**6, "z" * (i % 3000)) for i in range(900)])


TENSORS = {"weight": ("F32", [2, 3], "<6f", [math.nan, 1.5, -2, 4, math.nan, 16]),
           "bias": ("I64", [2], "<2q", [-7, 2**40]),
           "half": ("F16", [], "<e", [-0.125]),
           "empty": ("U8", [0, 4], "<", []),
           'a"quote': ("I8", [1], "<b", [-1]),
           "a\\u0041back\\slash": ("U16", [1], "<H", [65535]),
           "{brace]": ("U32", [1], "<I", [2**32 - 1]),
           "\u00e9\U0001f600": ("F64", [1], "<d", [1e300]),
           "short": ("I16", [1, 1], "<h", [-2])}


def write_tensors(path, tensors, fields=("dtype", "shape", "data_offsets"),
                  **options):
    header, data = {"__metadata__": {"a": '"dtype": "F32", }}]{[['}}, b""
    for name, (dtype, shape, code, values) in tensors.items():
        start = len(data)
        data += struct.pack(code, *values)
        tensor = {"dtype": dtype, "shape": shape,
                  "data_offsets": [start, len(data)]}
        header[name] = {field: tensor[field] for field in fields}
    text = json.dumps(header, **options).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_array(path, header, data):
    """Writes a .npy file with any header."""
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header))
                     + header.encode() + data)


def write_database(path):
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE t (text)")
        database.executemany("INSERT INTO t VALUES (?)",
                             [("x" * 10 * i,) for i in range(60)])
    database.close()


# Functions that write a file for each example.
GOOD = {
    "elf_sections": lambda path: path.write_bytes(elf_files.build(64, "<")),
    "npy_array": lambda path: write_array(
        path, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }\n",
        struct.pack("<6i", *range(6))),
    "sqlite_rows": write_database,
    "tensors": lambda path: write_tensors(path, TENSORS),
}


def damage(data):
    """Yields damaged data: cut off anywhere, and with one byte changed, most
    often in the first 150 bytes."""
    for i in range(40):
        yield data[:len(data) * i // 40]
    step = max(1, (len(data) - 150) // 120)
    for i in [*range(min(len(data), 150)), *range(150, len(data), step)]:
        for mask in (0x01, 0x80) if i % 2 else (0xFF,):
            yield data[:i] + bytes([data[i] ^ mask]) + data[i + 1:]
