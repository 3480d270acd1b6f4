"""Guards against a README, or a page of the documents, whose examples, commands
or links have stopped working."""
import os
import re
import struct

import mapped
import pytest
import readers
from support import run

README = (readers.TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)
PAGES = [readers.TOP / "README.md", *(readers.TOP / "docs").glob("*.md")]
MADE = "reference/", "changelog.md"  # pages that `scons docs` makes


def block(language):
    found = [text for name, text in BLOCKS if name == language]
    assert len(found) == 1, f"{len(found)} {language} blocks in the README"
    return found[0]


def check(output, past_the_end, folder):
    """The first program reads 42, and is told what it can't read."""
    number, error = output.splitlines()
    assert number == "42" and past_the_end in error
    data = (folder / "data.bin").read_bytes()
    assert data == (b"hello\0\0\0" + (42).to_bytes(8, "little")).ljust(4096, b"\0")


def test_readme_python_block_runs(tmp_path):
    (tmp_path / "first.py").write_text(block("python"))
    check(run(readers.PYTHON, "first.py", cwd=tmp_path), "4093", tmp_path)


def test_readme_lua_block_runs(tmp_path):
    (tmp_path / "first.lua").write_text(block("lua"))
    check(run(readers.LUA, "first.lua", cwd=tmp_path), "4094", tmp_path)


@pytest.mark.skipif(bool(os.environ["MAPPED_SANITIZE"]),
                    reason="a plain program can't link a sanitized library")
def test_readme_c_block_runs(tmp_path):
    (tmp_path / "first.c").write_text(block("c"))
    run(os.environ["MAPPED_CC"], "-std=c11", "-Wall", "-Wextra", "-Werror",
        "-I", readers.TOP / "core/include", "first.c", "-o", "first",
        readers.BUILD / "core/libmapped.a", "-pthread", cwd=tmp_path)
    check(run(tmp_path / "first", cwd=tmp_path), "4093", tmp_path)


def test_readme_names_every_method():
    """Of the table under "Methods", in Python. What memoryview has, it may
    leave out, but not what it alone can't do."""
    table = README.partition("## Methods")[2].partition("How the languages")[0]
    known = set(re.findall(r"\w+", table)) | set(dir(memoryview))
    types = (mapped.Region, mapped.Slice, mapped.Array, mapped.Records,
             mapped.Windows, mapped.Atomic, mapped.Mutex)
    names = {name for one in types for name in dir(one) if name[0] != "_"}
    assert sorted(names - known) == []


def recipe(language, words):
    """The one recipe that has these words in it."""
    found = [text for name, text in BLOCKS if name == language and words in text]
    assert len(found) == 1, f"{len(found)} {language} recipes with {words}"
    return found[0]


def test_readme_numpy_recipe_runs(tmp_path):
    pytest.importorskip("numpy")
    (tmp_path / "samples.bin").write_bytes(struct.pack("<6f", *range(6)))
    (tmp_path / "recipe.py").write_text(
        "import mapped, numpy\n" + recipe("py", "numpy.asarray"))
    run(readers.PYTHON, "-W", "error", "recipe.py", cwd=tmp_path)
    assert struct.unpack("<6f", (tmp_path / "samples.bin").read_bytes()) == (
        0, 2, 4, 6, 8, 10)


def test_readme_two_processes_recipe_runs(tmp_path):
    name = f"mapped-readme-{os.getpid()}"
    sender = recipe("py", "mapped.Ring(").replace("jobs", name)
    receiver = recipe("Lua", "mapped.Ring(").replace('"jobs"', f'"{name}"')
    (tmp_path / "send.py").write_text("import mapped\n" + sender)
    (tmp_path / "receive.lua").write_text(
        "local mapped = require 'mapped'\n"
        + receiver.replace("iter()", "iter(0.1)"))
    try:
        run(readers.PYTHON, "send.py", cwd=tmp_path)
        assert run(readers.LUA, "receive.lua", cwd=tmp_path) == "resize image 17\n"
    finally:
        mapped.unlink(name)


@pytest.mark.parametrize("target", ["demo", "test"])
def test_readme_command_is_one_line(target):
    lines = [line for name, text in BLOCKS if name == "sh"
             for line in text.splitlines() if line.endswith(f"&& scons {target}")]
    assert len(lines) == 1
    assert lines[0].startswith(
        "apt-get update && apt-get install -y --no-install-recommends ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_readme_and_pages_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    for link in links:
        assert link.startswith(MADE) or (page.parent / link).exists(), link
