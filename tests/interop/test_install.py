"""Guards against an installation that lacks a file or needs the checkout."""
import os
import shutil

import pytest
import readers
import support

PREFIX = "/opt/mapped"
PROGRAM = """
#include <mapped/mapped.h>
int main(void)
{
    mapped_region *region;
    if (mapped_region_anonymous(8, NULL, &region, NULL) != MAPPED_OK)
        return 1;
    mapped_set_u16be(mapped_region_slice(region), 0, 258, NULL);
    uint8_t byte = 0;
    mapped_get_u8(mapped_region_slice(region), 1, &byte, NULL);
    mapped_region_release(region);
    return byte == 2 ? 0 : 1;
}
"""
pytestmark = pytest.mark.skipif(
    bool(os.environ["MAPPED_SANITIZE"]),
    reason="sanitized builds aren't for installing")


def run(command, folder, **extra):
    """Runs a command in an environment where it can't find the checkout's
    modules."""
    env = {name: value for name, value in os.environ.items()
           if name not in ("PYTHONPATH", "LUA_CPATH_5_4", "LUA_CPATH")}
    return support.run(*command, cwd=folder, env={**env, **extra}, timeout=300)


def copy_checkout(folder):
    """Copies the checkout, without build results."""
    return shutil.copytree(
        readers.TOP, folder / "checkout", ignore=shutil.ignore_patterns(
            "build", ".git", "__pycache__"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Builds and installs a copy of the checkout, removes the copy, and returns
    where it was installed."""
    folder = tmp_path_factory.mktemp("install")
    checkout, root = copy_checkout(folder), folder / "root"
    run([shutil.which("scons"), "install", f"DESTDIR={root}",
         f"PREFIX={PREFIX}", f"cc={os.environ['MAPPED_CC']}",
         f"lua={readers.LUA}", f"python={readers.PYTHON}"], checkout)
    shutil.rmtree(checkout)
    return root


def test_install_c_program_through_pkg_config(installed, tmp_path):
    (tmp_path / "program.c").write_text(PROGRAM)
    config = {"PKG_CONFIG_PATH": f"{installed}{PREFIX}/lib/pkgconfig",
              "PKG_CONFIG_SYSROOT_DIR": str(installed)}
    flags = run(["pkg-config", "--cflags", "--libs", "--static", "mapped"],
                tmp_path, **config).split()
    run([os.environ["MAPPED_CC"], "-std=c11", "program.c", "-o", "program",
         *flags], tmp_path)
    run([tmp_path / "program"], tmp_path)


def test_install_lua_module(installed, tmp_path):
    script = ("local m = require 'mapped'; local r = m.anonymous(4); "
              "r[1] = 7; print(r:tostring():byte())")
    output = run([readers.LUA, "-e", script], tmp_path,
                 LUA_CPATH_5_4=f"{installed}{PREFIX}/lib/lua/5.4/?.so")
    assert output == "7\n"


@pytest.mark.skipif(not shutil.which("luarocks"), reason="no luarocks here")
def test_install_luarocks_make(tmp_path):
    tree = tmp_path / "tree"
    run(["luarocks", "--lua-version=5.4", f"--tree={tree}", "make"],
        copy_checkout(tmp_path) / "lua", HOME=str(tmp_path / "home"))
    script = "print(#require 'mapped'.anonymous(4))"
    output = run([readers.LUA, "-e", script], tmp_path,
                 LUA_CPATH_5_4=f"{tree}/lib/lua/5.4/?.so")
    assert output == "4\n"


def test_install_python_package(installed, tmp_path):
    package, = installed.rglob("mapped/__init__.py")
    script = ("import mapped; r = mapped.anonymous(4); r[1] = 7; "
              "print(bytes(r), mapped.__file__)")
    output = run([readers.PYTHON, "-I", "-B", "-c", f"import sys; sys.path."
                  f"insert(0, {str(package.parents[1])!r}); {script}"], tmp_path)
    assert output == f"{bytes([0, 7, 0, 0])} {package}\n"


def test_install_is_complete_and_nowhere_else(installed):
    inside = installed / PREFIX.lstrip("/")
    files = [path for path in installed.rglob("*") if path.is_file()]
    assert all(inside in path.parents for path in files)
    names = {str(path.relative_to(inside)) for path in files}
    headers = {f"include/mapped/{path.name}" for path in
               (readers.TOP / "core/include/mapped").glob("*.h")}
    package = {path.name for path in (readers.TOP / "python/mapped").iterdir()
               if path.suffix in (".py", ".pyi", ".typed")}
    assert headers <= names
    assert {"lib/libmapped.a", "lib/pkgconfig/mapped.pc",
            "lib/lua/5.4/mapped.so"} <= names
    found = {path.name for path in files if path.parent.name == "mapped"
             and "python" in str(path)}
    assert found == package | {"_mapped.abi3.so"}


def test_install_exports_only_entry_points(installed):
    for path in [*installed.rglob("*.so")]:
        output = run(["nm", "-D", "--defined-only", path], "/")
        names = [line.split()[-1] for line in output.splitlines()]
        assert names in (["luaopen_mapped"], ["PyInit__mapped"])
