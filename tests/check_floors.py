"""Checks that a C file includes only headers of lower floors.

Usage: check_floors.py [CHECKOUT]. Prints every breach; exits with 1 if there is
one.

A file of the core belongs to the topic that its name starts with (region_open.c
to `region`), and each topic has a floor. A file may include its own topic,
topics of lower floors, `base`, and the topics of its own floor that USES lists.
Every topic named here must have a file."""
import pathlib
import re
import sys

STOREYS = [
    ["base", "error", "checked", "endian", "element"],
    ["platform", "message", "lanes", "wide"],
    ["guard", "lost"],
    ["region", "fault", "origin"],
    ["slice", "export", "span"],
    ["access", "atomic", "bulk", "flush", "hint", "item", "lock", "mutex", "ring", "fields", "array", "needle",
     "search", "pattern", "paging", "stream", "windows"],
    ["mapped"],
]
FLOORS = {topic: floor for floor, topics in enumerate(STOREYS)
          for topic in topics}
# Lists the topics of the same floor that a topic may include.
USES = {
    "element": {"error", "endian"},
    "message": {"platform"}, "wide": {"lanes"},
    "guard": {"lost"},
    "region": {"fault", "origin"}, "fault": {"region"}, "origin": {"region"},  # sides of a region
    "export": {"slice", "span"}, "span": {"export"},
    "item": {"access"}, "fields": {"item", "access", "bulk"},
    "array": {"item", "fields", "access", "bulk"},
    "paging": {"bulk"},
    "lock": {"atomic"}, "mutex": {"atomic"},
    "ring": {"atomic", "bulk", "mutex"},
    "stream": {"bulk"},
    "search": {"needle"}, "pattern": {"needle"},
    "windows": {"needle", "search"},
}
BACKEND = FLOORS["platform"]
BACKENDS = {"posix": None, "linux": "posix", "win32": None}  # and the backend each builds on
BINDING = FLOORS["mapped"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(<([^>]+)>|"([^"]+)")', re.M)
SYSTEM = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*?(_WIN32|_WIN64|WIN32|"
                    r"__linux__|__APPLE__|__unix__|__FreeBSD__|__NetBSD__|"
                    r"__OpenBSD__|__CYGWIN__|__MINGW32__|__MINGW64__|"
                    r"__ANDROID__|_MSC_VER)\b", re.M)


def topic(name):
    """Returns the topic of a file of the core, or None."""
    stem = pathlib.PurePosixPath(name).stem
    while stem not in FLOORS:
        if "_" not in stem:
            return None
        stem = stem.rpartition("_")[0]
    return stem


def place(path):
    """Returns where a source file belongs: (kind, topic, floor). Paths begin at
    the top."""
    parts = path.parts
    if parts[:2] == ("core", "src") and parts[2] in BACKENDS:
        return parts[2], None, BACKEND
    if parts[0] == "core" and parts[1] in ("src", "include"):
        found = topic(path.name)
        return "core", found, FLOORS.get(found)
    return parts[0], None, BINDING


def target(name, including, files):
    """Returns the path of an included file from the top, or None if it is not
    of this project."""
    if name.startswith("mapped/"):
        return pathlib.PurePosixPath("core/include") / name
    beside = including.parent / name
    for guess in (beside, pathlib.PurePosixPath("core/src") / name):
        if guess in files:
            return guess
    return None


def breaches_of_include(path, name, quoted, files):
    """Returns the breaches of one #include."""
    found = target(name, path, files)
    if found is None:
        return [f"{path}: includes \"{name}\", which isn't there"
                ] if quoted else []
    kind, own, floor = place(path)
    their_kind, theirs, their_floor = place(found)
    if their_floor is None:
        return [f"{path}: includes {found}, which has no floor"]
    if floor == BINDING:
        public = found.parts[:2] == ("core", "include")
        return [] if public or kind == their_kind else [
            f"{path}: a binding includes {found}, which isn't public"]
    if BACKENDS.get(kind) == their_kind:
        return []
    if kind == their_kind and own == theirs:
        return []
    if kind == their_kind == "core" and (
            theirs == "base" or theirs in USES.get(own, ())):
        return []
    if their_kind == "core" and (their_floor < floor or
                                 kind in BACKENDS and theirs == "platform"):
        return []
    return [f"{path} (floor {floor}): includes {found} (floor {their_floor})"]


def breaches_of_file(path, text, files):
    """Returns the breaches of one file. `files` are all files."""
    kind, own, floor = place(path)
    if floor is None:
        return [f"{path}: no floor for a file of this name"]
    found = []
    for match in INCLUDE.finditer(text):
        found += breaches_of_include(path, match[2] or match[3], bool(match[3]),
                                     files)
    if kind not in BACKENDS and own != "base":
        found += [f"{path}: looks at {match[1]}, which only base.h and the "
                  "backends may" for match in SYSTEM.finditer(text)]
    return found


def breaches(sources):
    """Returns all breaches in {path from the top: text}."""
    there = {place(path)[1] for path in sources}
    return [f"{topic}: a topic without a file" for topic in FLOORS
            if topic not in there] + [
        breach for path, text in sorted(sources.items())
        for breach in breaches_of_file(path, text, sources)]


def read(top):
    """Returns the C files of a checkout, without examples and build results."""
    patterns = ["core/include/mapped/*.h", "core/src/**/*.[ch]", "lua/*.[ch]",
                "python/*.[ch]"]
    return {pathlib.PurePosixPath(path.relative_to(top)): path.read_text()
            for pattern in patterns for path in top.glob(pattern)}


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                       pathlib.Path(__file__).resolve().parents[1])
    sources = read(top)
    found = breaches(sources)
    print(*found, f"{len(sources)} files, {len(found)} breaches", sep="\n")
    return 1 if found or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
