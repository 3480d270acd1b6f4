"""Guards against a public header that compiles only after some other one, or
only as C, or under fewer warnings than its user turns on."""
import os
import pathlib
import shutil
import subprocess

import pytest

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "core/include"
HEADERS = sorted(path.name for path in INCLUDE.glob("mapped/*.h"))
LANGUAGES = {"c11": ["-x", "c", "-std=c11", "-Wpedantic"],
             "c++17": ["-x", "c++", "-std=c++17"]}
STANDARDS = ["c99", "c17", "c2x", "c++11", "c++14", "c++20", "c++2b"]


def compile_twice(header, language, options):
    compiler = os.environ.get("MAPPED_CC", "cc")
    if "++" in language and not shutil.which("g++"):
        pytest.skip("no C++ compiler")
    if "++" in language:
        compiler = {"gcc": "g++", "clang": "clang++"}.get(compiler, "c++")
    result = subprocess.run(
        [compiler, *options, "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         f"-I{INCLUDE}", "-"], capture_output=True, text=True,
        input=f"#include <mapped/{header}>\n#include <mapped/{header}>\n")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("header", HEADERS)
def test_headers_compile_alone(header, language):
    compile_twice(header, language, LANGUAGES[language])


@pytest.mark.parametrize("standard", STANDARDS)
def test_headers_compile_by_every_standard(standard):
    kind = "c++" if "++" in standard else "c"
    compile_twice("mapped.h", standard,
                  ["-x", kind, f"-std={standard}", "-Wpedantic", "-Wshadow",
                   "-Wconversion", "-Wsign-conversion"])


def test_headers_one_includes_all():
    text = (INCLUDE / "mapped/mapped.h").read_text()
    missing = [name for name in HEADERS
               if name != "mapped.h" and f"<mapped/{name}>" not in text]
    assert missing == []
