"""Makes a Lua 5.4 that checks how its C interface is used, for `scons
lua=DIRECTORY/bin/lua`.

Usage: make_lua.py DIRECTORY. Debian's Lua checks nothing of what a C function
leaves on its stack: one value too many lands in memory of somebody else, and
mostly nothing happens. The source of Debian's package is downloaded with
apt-get, which keeps its lists in a temporary folder, and compiled with the
checks and assertions that it has. Prints why it can't be had and exits with 77
where that is the machine's doing."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

# The folders of Debian's interpreter, so that it finds the same modules.
PATHS = """
#undef LUA_PATH_DEFAULT
#define LUA_PATH_DEFAULT "/usr/local/share/lua/5.4/?.lua;" \\
    "/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua;./?.lua"
#undef LUA_CPATH_DEFAULT
#define LUA_CPATH_DEFAULT "/usr/local/lib/lua/5.4/?.so;" \\
    "/usr/lib/%s/lua/5.4/?.so;/usr/lib/lua/5.4/?.so"
#include <assert.h>
#define lua_assert(condition) assert(condition)
"""
HEADERS = ["lua.h", "luaconf.h", "lauxlib.h", "lualib.h", "lua.hpp"]


def source_lists(folder):
    """Writes apt's lists of packages to the folder, as lists of sources."""
    folder.mkdir()
    system = pathlib.Path("/etc/apt")
    for path in [system / "sources.list", *system.glob("sources.list.d/*")]:
        if path.suffix in (".list", ".sources") and path.exists():
            text = path.read_text()
            text = re.sub(r"(?m)^deb\b", "deb-src", text)
            text = re.sub(r"(?m)^Types:.*", "Types: deb-src", text)
            (folder / path.name).write_text(text)
    return folder


def download(scratch):
    """Returns the folder of the unpacked source."""
    options = {
        "APT::Sandbox::User": "root", "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache", "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": source_lists(scratch / "parts"),
    }
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    command = ["apt-get", "-q", *(f"-o{name}={value}"
                                  for name, value in options.items())]
    for arguments in ["update"], ["source", "--download-only", "lua5.4"]:
        result = subprocess.run([*command, *arguments], cwd=scratch,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
    archives = list(scratch.glob("lua5.4_*.orig.tar.*"))
    if not archives:
        print(f"no source of Lua: {result.stdout.strip()[-500:]}")
        sys.exit(77)
    with tarfile.open(archives[0]) as archive:
        archive.extractall(scratch / "source")
    return next((scratch / "source").glob("*/src"))


def build(source, target):
    tuple_of = subprocess.run(["gcc", "-print-multiarch"], check=True,
                              capture_output=True, text=True).stdout.strip()
    config = source / "luaconf.h"
    head, _, tail = config.read_text().rpartition("#endif")
    config.write_text(head + PATHS % tuple_of + "#endif" + tail)
    files = [path for path in source.glob("*.c") if path.name != "luac.c"]
    (target / "bin").mkdir()
    subprocess.run([
        "gcc", "-O1", "-DLUA_USE_LINUX", "-DLUA_USE_APICHECK", *files, "-Wl,-E",
        "-lm", "-ldl", "-o", target / "bin/lua"], check=True)
    headers = target / "include/lua5.4"
    headers.mkdir(parents=True)
    for name in HEADERS:
        shutil.copy(source / name, headers)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = pathlib.Path(sys.argv[1]).resolve()
    if (target / "bin/lua").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        build(download(pathlib.Path(scratch)), target)


if __name__ == "__main__":
    main()
