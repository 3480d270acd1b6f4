"""Guards against two copies of the library in one process that don't handle
their own faults: one in the Lua module and one in the Python module, with Lua
running inside Python."""
import ctypes.util
import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import ctypes, os, sys
    library, path, order = sys.argv[1:]
    PAGE = 4096
    lua = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    lua.luaL_newstate.restype = ctypes.c_void_p
    for name in ("luaL_openlibs", "lua_close"):
        getattr(lua, name).argtypes = [ctypes.c_void_p]
    lua.luaL_loadstring.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lua.lua_pcallk.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
                               ctypes.c_int, ctypes.c_ssize_t, ctypes.c_void_p]
    state = lua.luaL_newstate()
    lua.luaL_openlibs(state)

    def run(code):
        assert lua.luaL_loadstring(state, code.encode()) == 0
        assert lua.lua_pcallk(state, 0, 0, 0, 0, None) == 0, code

    def open_in_lua():
        run(f"mapped = require 'mapped'; region = mapped.open('{path}')")

    def open_in_python():
        global mapped, region
        import mapped
        region = mapped.open(path)

    def lost_in_lua(page):
        run(f"local ok, text = pcall(function() return region[{page} * 4096 + 1]"
            " end) assert(not ok and text:find('page lost', 1, true), text)")

    def lost_in_python(page):
        try:
            region[page * PAGE]
        except mapped.FaultError:
            return
        raise AssertionError(page)

    for first in (open_in_lua, open_in_python)[::1 if order == "lua" else -1]:
        first()
    os.truncate(path, PAGE)
    lost_in_lua(1)
    lost_in_python(1)
    lost_in_lua(2)
    lost_in_python(3)
    run("assert(region[1] == 97)")
    lua.lua_close(state)
    lost_in_python(4)
    print("alive")
"""


@pytest.mark.parametrize("first", ["lua", "python"])
def test_two_copies_serve_their_own_faults(tmp_path, first):
    library = ctypes.util.find_library("lua5.4")
    if library is None:
        pytest.skip("no liblua5.4 here")
    if os.environ.get("MAPPED_SANITIZE"):
        pytest.skip("a sanitizer wants to be loaded first")
    path = tmp_path / "file"
    path.write_bytes(b"a" * (8 * 4096))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), library, path, first],
        capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
