"""Guards against a luabuffer.h that compiles only with one version of Lua, or
only as C, and against an example that does."""
import os
import pathlib
import shutil
import subprocess

import pytest

LUA = pathlib.Path(__file__).resolve().parents[2] / "lua"
INCLUDES = sorted(path.parent for path in pathlib.Path("/usr/include").glob("lua*/lua.h"))
LANGUAGES = {"c99": ["-x", "c", "-std=c99", "-Wpedantic"],
             "c++17": ["-x", "c++", "-std=c++17"]}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("include", INCLUDES, ids=lambda path: path.name)
def test_luabuffer_compiles_with_every_lua(language, include):
    compiler = os.environ.get("MAPPED_CC", "cc")
    lines = ["#include <luabuffer.h>"] * 2
    if language == "c++17":
        if not shutil.which("g++"):
            pytest.skip("no C++ compiler")
        compiler = {"gcc": "g++", "clang": "clang++"}.get(compiler, "c++")
        lines = ['extern "C" {', *lines, "}"]
    result = subprocess.run(
        [compiler, *LANGUAGES[language], "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         f"-I{include}", f"-I{LUA / 'include'}", "-"],
        input="\n".join(lines) + "\n", capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_luabuffer_example_builds_as_it_says(tmp_path):
    include = pathlib.Path(os.environ["MAPPED_LUA"]).resolve().parents[1] / "include/lua5.4"
    if not include.exists():
        pytest.skip("this Lua has its headers elsewhere")
    subprocess.run([os.environ["MAPPED_CC"], "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror",
                    f"-I{include}", f"-I{LUA / 'include'}", LUA / "examples/crc.c",
                    "-o", tmp_path / "crc.so"], check=True)
    script = "print(('%X'):format(require 'crc'.crc32('123456789')))"
    output = subprocess.run([os.environ["MAPPED_LUA"], "-e", script], check=True, text=True,
                            env={**os.environ, "LUA_CPATH_5_4": f"{tmp_path}/?.so"},
                            capture_output=True).stdout
    assert output == "CBF43926\n"
