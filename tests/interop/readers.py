"""Reads an ELF file's sections with the examples in C, Lua and Python, and with
readelf, which they are compared with.

Every reader returns a list of (type, address, offset, size, name)."""
import os
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["MAPPED_BUILD"])
LUA = os.environ["MAPPED_LUA"]
PYTHON = os.environ["MAPPED_PYTHON"]
EXAMPLES = {
    "C": [BUILD / "core/examples/elf_sections"],
    "Lua": [LUA, TOP / "lua/examples/elf_sections.lua"],
    "Python": [PYTHON, TOP / "python/examples/elf_sections.py"],
}
TYPES = {name: number for number, name in enumerate(
    "NULL PROGBITS SYMTAB STRTAB RELA HASH DYNAMIC NOTE NOBITS REL SHLIB DYNSYM"
    " 12 13 INIT_ARRAY FINI_ARRAY PREINIT_ARRAY GROUP".split())}
TYPES.update(GNU_HASH=0x6ffffff6, VERDEF=0x6ffffffd, VERNEED=0x6ffffffe,
             VERSYM=0x6fffffff, X86_64_UNWIND=0x70000001)


def run(language, path):
    """Runs the example of a language on a file."""
    return subprocess.run([*EXAMPLES[language], path], capture_output=True,
                          text=True, timeout=60)


def read(language, path):
    """Returns the sections as the example of a language lists them."""
    done = run(language, path)
    if done.returncode != 0:
        raise RuntimeError(f"{language} on {path}: {done.stderr}")
    rows = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
    return [(*(int(number, 16) for number in row[1:5]),
             row[5] if len(row) > 5 else "") for row in rows]


def read_with_readelf(path):
    """Returns the sections as readelf lists them."""
    done = subprocess.run(["readelf", "-S", "-W", path], capture_output=True,
                          text=True, timeout=60, check=True,
                          env={**os.environ, "LC_ALL": "C"})
    pattern = re.compile(r" *\[ *\d+\] (.*?) +(\w+) +([0-9a-f]{8,16}) "
                         r"([0-9a-f]{6,}) ([0-9a-f]{6,}) ")
    rows = [match.groups() for match in map(pattern.match,
                                            done.stdout.splitlines()) if match]
    return [(TYPES.get(kind, kind), int(address, 16), int(offset, 16),
             int(size, 16), name) for name, kind, address, offset, size in rows]
