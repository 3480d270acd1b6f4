"""Guards against a README whose examples or commands have stopped working."""
import os
import re

import pytest
import readers
from support import run

README = (readers.TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S)


def block(language):
    found = [text for name, text in BLOCKS if name == language]
    assert len(found) == 1, f"{len(found)} {language} blocks in the README"
    return found[0]


def test_readme_python_block_runs(tmp_path):
    (tmp_path / "first.py").write_text(block("python"))
    output = run(readers.PYTHON, "first.py", cwd=tmp_path)
    assert "closed" in output
    assert (tmp_path / "data.bin").stat().st_size == 4096


def test_readme_lua_block_runs(tmp_path):
    (tmp_path / "first.lua").write_text(block("lua"))
    output = run(readers.LUA, "first.lua", cwd=tmp_path)
    assert output.startswith("missing.bin: ")
    assert "No such file or directory" in output


@pytest.mark.skipif(bool(os.environ["MAPPED_SANITIZE"]),
                    reason="a plain program can't link a sanitized library")
def test_readme_c_block_runs(tmp_path):
    (tmp_path / "first.c").write_text(block("c"))
    run(os.environ["MAPPED_CC"], "-std=c11", "-Wall", "-Wextra", "-Werror",
        "-I", readers.TOP / "core/include", "first.c", "-o", "first",
        readers.BUILD / "core/libmapped.a", "-pthread", cwd=tmp_path)
    assert "4093" in run(tmp_path / "first", cwd=tmp_path)


@pytest.mark.parametrize("target", ["demo", "test"])
def test_readme_command_is_one_line(target):
    lines = [line for name, text in BLOCKS if name == "sh"
             for line in text.splitlines() if line.endswith(f"&& scons {target}")]
    assert len(lines) == 1
    assert lines[0].startswith(
        "apt-get update && apt-get install -y --no-install-recommends ")


def test_readme_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (readers.TOP / link).exists(), link
