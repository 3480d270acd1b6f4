"""Guards against writes through a mapping that another process, in another
language, doesn't see."""
import struct
import subprocess

import duet_runner
import pytest
import readers


def test_duet_lua_and_python_see_each_other(tmp_path):
    data = duet_runner.play(tmp_path / "shared", 500)
    assert data == struct.pack("<I4x6s2x3s5x", 1000, b"Python", b"Lua")


@pytest.mark.parametrize("program", [
    [readers.PYTHON, "tests/interop/duet.py"],
    [readers.LUA, "tests/interop/duet.lua"]], ids=["Python", "Lua"])
def test_duet_a_wrong_number_is_noticed(program, tmp_path):
    path = tmp_path / "shared"
    path.write_bytes(struct.pack("<I20x", 7))
    done = subprocess.run([*program, path, "3", "9"], cwd=readers.TOP,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "waited for 3, last saw 7" in done.stderr
    assert path.read_bytes()[:4] == b"\7\0\0\0"
