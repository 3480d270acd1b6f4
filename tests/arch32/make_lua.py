"""Makes a Lua 5.4 of 32 bits, for `scons arch=32 lua=DIRECTORY/bin/lua`.

Usage: make_lua.py DIRECTORY. Debian has Lua's library for 32-bit x86, but no
interpreter that could be installed beside the other; so the library and the
modules that the tests need are downloaded with apt-get, which is asked for that
architecture by itself and changes nothing on the machine, and an interpreter is
linked with gcc -m32 (package gcc-multilib). Prints why it can't be had and exits
with 77 where that is the machine's doing."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ["liblua5.4-dev", "lua-filesystem", "lua-system", "lua-term"]
TUPLE = "i386-linux-gnu"


def apt_get(scratch, *arguments):
    """Runs apt-get for 32-bit x86 with lists of its own."""
    options = {
        "APT::Architecture": "i386", "APT::Architectures::": "i386",
        "APT::Sandbox::User": "root", "Dir::State::lists": scratch / "lists",
        "Dir::State::status": "/dev/null", "Dir::Cache": scratch / "cache",
    }
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "-q", *(f"-o{name}={value}"
                                  for name, value in options.items())]
    return subprocess.run([*command, *arguments], cwd=scratch,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


def unpack(scratch):
    """Downloads the packages and unpacks them into scratch/root."""
    apt_get(scratch, "update")  # some lists may be missing on the mirror
    result = apt_get(scratch, "download", *PACKAGES)
    files = sorted(scratch.glob("*.deb"))
    if len(files) < len(PACKAGES):
        print(f"no Lua of 32 bits: {result.stdout.strip()[-500:]}")
        sys.exit(77)
    for file in files:
        subprocess.run(["dpkg", "-x", file, scratch / "root"], check=True)
    return scratch / "root/usr"


def install(source, target):
    """Puts headers and modules where the interpreter and SConstruct look."""
    headers, modules = target / "include/lua5.4", target / "lib/lua/5.4"
    shutil.copytree(source / "include/lua5.4", headers, dirs_exist_ok=True)
    for header in (source / "include" / TUPLE).glob("*.h"):
        shutil.copy(header, headers)
    shutil.copytree(source / "lib" / TUPLE / "lua/5.4", modules,
                    dirs_exist_ok=True)
    (target / "bin").mkdir(exist_ok=True)
    return subprocess.run([
        "gcc", "-m32", "-O1", f'-DLUA32_PREFIX="{target}"', f"-I{headers}",
        HERE / "lua.c", source / "lib" / TUPLE / "liblua5.4.a", "-Wl,-E", "-lm",
        "-ldl", "-o", target / "bin/lua"], capture_output=True, text=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = pathlib.Path(sys.argv[1]).resolve()
    if (target / "bin/lua").exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        built = install(unpack(pathlib.Path(scratch)), target)
    if built.returncode != 0:
        print(f"no Lua of 32 bits, gcc-multilib may be missing: {built.stderr}")
        sys.exit(77)
    version = subprocess.run([target / "bin/lua", "-e", "io.write(_VERSION)"],
                             capture_output=True, text=True)
    if version.stdout != "Lua 5.4":
        print("this system runs no 32-bit programs")
        sys.exit(77)


if __name__ == "__main__":
    main()
