"""Guards against a function of the headers that callers without a C compiler
can't reach, against private ones that they can, and against an ABI that is
called by two names."""
import os
import pathlib
import re
import shutil
import struct
import subprocess

import pytest
import readers
from support import run

INCLUDE = readers.TOP / "core/include"
CORE = readers.BUILD / "core"
LIBRARY = CORE / "libmapped.so"
pytestmark = pytest.mark.skipif(
    bool(os.environ["MAPPED_SANITIZE"]),
    reason="a sanitizer adds symbols of its own")


def declared():
    """Returns the names of the functions that the headers declare."""
    text = run(os.environ["MAPPED_CC"], "-std=c11", "-E", "-P", "-xc",
               f"-I{INCLUDE}", "-", input="#include <mapped/mapped.h>\n")
    bodies = re.compile(r"\{[^{}]*\}")
    while bodies.search(text):
        text = bodies.sub(";", text)
    found = (re.search(r"\b(mapped_\w+)\(", statement)
             for statement in text.split(";") if "typedef" not in statement)
    return {match[1] for match in found if match}


def symbols(path, *options):
    """Returns {name: version} of the functions that a file has, or wants."""
    listing = run("nm", "-P", *options, path)
    return dict(re.findall(r"^(mapped_\w+)(?:@@?(\S+))? [TU]", listing, re.M))


def test_shared_library_exports_the_public_functions_and_nothing_else():
    public = {name for name in declared() if not name.startswith("mapped__")}
    inline = CORE / "src/library/mapped.os"
    called = {name for name in symbols(inline, "--undefined-only")
              if name.startswith("mapped__")}
    exported = symbols(LIBRARY, "-D", "--defined-only")
    assert {"mapped_region_open", "mapped_get_u32be"} <= public
    assert set(exported) == public | called
    everything = run("nm", "-D", "-P", "--defined-only", LIBRARY)
    assert len(everything.splitlines()) == len(exported) + 1  # the version


def test_shared_library_has_one_name_for_its_abi():
    version = re.search(r'MAPPED_VERSION "(\d+\.\d+)\.', (
        INCLUDE / "mapped/base.h").read_text())[1]
    assert set(symbols(LIBRARY, "-D", "--defined-only").values()) == {
        f"MAPPED_{version}"}
    assert f"[libmapped.so.{version}]" in run("readelf", "-d", LIBRARY)
    assert LIBRARY.resolve().name == f"libmapped.so.{version}"


def test_shared_library_stays_when_it_is_unloaded():
    """Its signal handler does."""
    assert "NODELETE" in run("readelf", "-d", LIBRARY)


def test_inline_functions_stay_inline(tmp_path):
    (tmp_path / "use.c").write_text("""
        #include <mapped/mapped.h>
        mapped_status use(mapped_region *region, uint32_t *value)
        {
            return mapped_get_u32(mapped_region_slice(region), 0, value, NULL);
        }
    """)
    run(os.environ["MAPPED_CC"], "-std=c11", "-O0", f"-I{INCLUDE}", "-c", "use.c",
        cwd=tmp_path)
    wanted = symbols(tmp_path / "use.o", "--undefined-only")
    assert {name for name in wanted if not name.endswith("_slow")} == set()


def has_ruby_ffi():
    return shutil.which("ruby") and subprocess.run(
        ["ruby", "-e", "require 'ffi'"], capture_output=True).returncode == 0


def test_shared_library_serves_ruby(tmp_path):
    if not has_ruby_ffi():
        pytest.skip("no Ruby with its ffi here (ruby-ffi)")
    path = tmp_path / "data"
    path.write_bytes(struct.pack("<II", 1, 0x12345678) + bytes(4 * 4096))
    output = run("ruby", readers.TOP / "tests/interop/foreign.rb", LIBRARY, path)
    assert output.split() == [
        str(0x12345678), "MAPPED_RANGE", "MAPPED_FAULT", "MAPPED_CLOSED"]


def foreign_java():
    """Returns the command of a Java that has foreign functions: 22 or later."""
    homes = [os.environ.get("JAVA_HOME", "/none"), "/usr",
             *sorted(map(str, pathlib.Path("/usr/lib/jvm").glob("*")))]
    for command in (f"{home}/bin/java" for home in homes):
        if not os.access(command, os.X_OK):
            continue
        version = subprocess.run([command, "-version"], capture_output=True,
                                 text=True).stderr
        if int((re.search(r'version "(\d+)', version) or [0, 0])[1]) >= 22:
            return command
    return None


def test_shared_library_serves_java(tmp_path):
    """The library's handler of SIGBUS and Java's own both do their work."""
    java = foreign_java()
    if not java:
        pytest.skip("no Java 22 or later here")
    path = tmp_path / "data"
    path.write_bytes(struct.pack("<II", 1, 0x12345678) + bytes(4 * 4096))
    output = run(java, "--enable-native-access=ALL-UNNAMED",
                 readers.TOP / "tests/interop/Foreign.java", LIBRARY, path)
    texts = output.splitlines()
    assert texts[0] == str(0x12345678)
    assert "get: out of range: offset 16389, length 4, limit 16392" in texts[1]
    assert "page lost: offset 8192, length 4096, limit 16392" in texts[2]
    assert "fault occurred in an unsafe memory access" in texts[3]
    assert "get: attempt to use a closed region" in texts[4]
