"""Guards against an installation that lacks a file or needs the checkout, and
against one that other build tools or C++ can't use."""
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
    mapped_slice slice = mapped_region_slice(region);
    uint8_t byte = 0;
    if (mapped_set_u16be(slice, 0, 258, NULL) != MAPPED_OK ||
        mapped_get_u8(slice, 1, &byte, NULL) != MAPPED_OK)
        return 2;
    mapped_region_release(region);
    return byte == 2 ? 0 : 3;
}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.18)
project(program LANGUAGES C CXX)
%s
foreach(language c cc)
    foreach(library %s)
        add_executable(${language}_${library} program.${language})
        target_link_libraries(${language}_${library} mapped::${library})
    endforeach()
endforeach()
"""
MESON = """
project('program', 'c')
executable('program', 'program.c',
           dependencies: dependency('mapped', fallback: 'mapped'))
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
    where it was installed. Without optimisation it is there sooner."""
    folder = tmp_path_factory.mktemp("install")
    checkout, root = copy_checkout(folder), folder / "root"
    run([shutil.which("scons"), "install", f"DESTDIR={root}",
         f"PREFIX={PREFIX}", "debug=yes", f"cc={os.environ['MAPPED_CC']}",
         f"lua={readers.LUA}", f"python={readers.PYTHON}"], checkout)
    shutil.rmtree(checkout)
    return root


@pytest.fixture
def program(tmp_path):
    """A folder with a program in C and in C++, and nothing else."""
    for language in ("c", "cc"):
        (tmp_path / f"program.{language}").write_text(PROGRAM)
    return tmp_path


def needs(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"no {' or '.join(missing)} here")


def run_linked(path, shared):
    """Runs a program that must use the shared library of its build, or none."""
    dynamic = run(["readelf", "-d", path], "/")
    assert ("Shared library: [libmapped.so." in dynamic) == shared
    run([path], "/")


@pytest.mark.parametrize("form", ["shared", "static"])
def test_install_c_program_through_pkg_config(installed, program, form):
    config = {"PKG_CONFIG_PATH": f"{installed}{PREFIX}/lib/pkgconfig",
              "PKG_CONFIG_SYSROOT_DIR": str(installed)}
    flags = run(["pkg-config", "--cflags", "--libs", "mapped",
                 *["--static"] * (form == "static")], program, **config).split()
    if form == "static":
        flags = ["-l:libmapped.a" if flag == "-lmapped" else flag for flag in flags]
    run([os.environ["MAPPED_CC"], "-std=c11", "program.c", "-o", "program",
         *flags, f"-Wl,-rpath,{installed}{PREFIX}/lib"], program)
    run_linked(program / "program", form == "shared")


def exports(library):
    """Returns the names, with their versions, that a shared library exports."""
    output = run(["nm", "-D", "--defined-only", library], "/")
    return sorted(line.split()[-1] for line in output.splitlines())


def run_cmake(folder, *options, targets=()):
    """Builds with CMake in a folder, without optimisation."""
    run(["cmake", "-GNinja", "-S.", "-Bbuild", *options], folder)
    run(["ninja", "-C", "build", *targets], folder)


@needs("cmake", "ninja", "g++")
def test_install_cmake_package(installed, program):
    (program / "CMakeLists.txt").write_text(
        CMAKE % ("find_package(mapped 0.1 REQUIRED)", "mapped static"))
    run_cmake(program, f"-DCMAKE_PREFIX_PATH={installed}{PREFIX}")
    for language in ("c", "cc"):
        run_linked(program / f"build/{language}_mapped", shared=True)
        run_linked(program / f"build/{language}_static", shared=False)


@needs("cmake", "ninja", "g++")
def test_install_cmake_package_refuses_another_abi(installed, program):
    for version in ("0.1.99", "0.2", "1.0"):
        (program / "CMakeLists.txt").write_text(
            CMAKE % (f"find_package(mapped {version})\n"
                     "if(mapped_FOUND)\n  message(FATAL_ERROR found)\nendif()\n"
                     "return()", ""))
        run(["cmake", "-GNinja", "-S.", f"-B{version}",
             f"-DCMAKE_PREFIX_PATH={installed}{PREFIX}"], program)


@needs("cmake", "ninja", "g++")
def test_install_cmake_subproject(program):
    (program / "CMakeLists.txt").write_text(
        CMAKE % (f"add_subdirectory({readers.TOP}/core mapped)", "mapped static"))
    run_cmake(program, targets=["c_mapped", "cc_mapped"])
    run_linked(program / "build/c_mapped", shared=True)
    run_linked(program / "build/cc_mapped", shared=True)
    assert exports(program / "build/mapped/libmapped.so") == exports(
        readers.BUILD / "core/libmapped.so")


@needs("meson", "ninja")
def test_install_meson_subproject(program):
    (program / "meson.build").write_text(MESON)
    (program / "subprojects").mkdir()
    (program / "subprojects/mapped").symlink_to(readers.TOP)
    run(["meson", "setup", "build"], program)
    run(["ninja", "-C", "build"], program)
    run_linked(program / "build/program", shared=True)
    assert exports(program / "build/subprojects/mapped/libmapped.so") == exports(
        readers.BUILD / "core/libmapped.so")


def test_install_of_the_core_needs_neither_lua_nor_python(tmp_path):
    output = run([shutil.which("scons"), "-Qn", "install", "parts=core",
                  "DESTDIR=/nowhere", "PREFIX=/usr", "lua=no-lua",
                  "python=no-python"], copy_checkout(tmp_path))
    assert {"lib", "include"} == {line.split("/")[3] for line in
                                  output.splitlines() if "/nowhere/" in line}
    assert "/nowhere/usr/lib/libmapped.a" in output
    assert "python" not in output.replace("no-python", "") and "lua." not in output


def test_install_lua_module(installed, tmp_path):
    script = ("local m = require 'mapped'; local r = m.anonymous(4); "
              "r[1] = 7; print(r:tostring():byte())")
    output = run([readers.LUA, "-e", script], tmp_path,
                 LUA_CPATH_5_4=f"{installed}{PREFIX}/lib/lua/5.4/?.so")
    assert output == "7\n"


def test_install_ffi_view(installed, tmp_path):
    folder = installed / PREFIX.lstrip("/") / "share/lua/5.4"
    script = "print(package.searchpath('mapped.ffi', package.path))"
    assert run([readers.LUA, "-e", script], tmp_path,
               LUA_PATH_5_4=f"{folder}/?.lua") == f"{folder}/mapped/ffi.lua\n"


def meta_name(path):
    """The module that a file describes to lua-language-server, which takes the
    name in its first line."""
    return path.read_text().partition("\n")[0].removeprefix("---@meta ")


def test_install_lua_meta_file_and_header(installed):
    inside = installed / PREFIX.lstrip("/")
    assert meta_name(inside / "share/lua/5.4/mapped/meta.lua") == "mapped"
    assert (inside / "include/luabuffer.h").exists()


@pytest.mark.skipif(not shutil.which("luarocks"), reason="no luarocks here")
def test_install_luarocks_make(tmp_path):
    tree = tmp_path / "tree"
    run(["luarocks", "--lua-version=5.4", f"--tree={tree}", "make",
         "CFLAGS=-O0 -fPIC"],
        copy_checkout(tmp_path) / "lua", HOME=str(tmp_path / "home"))
    script = "print(#require 'mapped'.anonymous(4))"
    output = run([readers.LUA, "-e", script], tmp_path,
                 LUA_CPATH_5_4=f"{tree}/lib/lua/5.4/?.so")
    assert output == "4\n"
    assert meta_name(tree / "share/lua/5.4/mapped/meta.lua") == "mapped"
    assert (tree / "share/lua/5.4/mapped/ffi.lua").exists()
    assert len([*tree.rglob("include/luabuffer.h")]) == 1
    # The tree, packed to a rock, installs into another.
    run(["luarocks", "--lua-version=5.4", f"--tree={tree}", "pack", "mapped"],
        tmp_path, HOME=str(tmp_path / "home"))
    rock, = tmp_path.glob("mapped-*.rock")
    other = tmp_path / "other"
    run(["luarocks", "--lua-version=5.4", f"--tree={other}", "install",
         str(rock)], tmp_path, HOME=str(tmp_path / "home"))
    assert run([readers.LUA, "-e", script], tmp_path,
               LUA_CPATH_5_4=f"{other}/lib/lua/5.4/?.so") == "4\n"


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
    assert {"lib/libmapped.a", "lib/libmapped.so", "lib/libmapped.so.0.1",
            "lib/pkgconfig/mapped.pc", "lib/cmake/mapped/mapped-config.cmake",
            "lib/lua/5.4/mapped.so"} <= names
    found = {path.name for path in files if path.parent.name == "mapped"
             and "python" in str(path)}
    assert found == package | {"_mapped.abi3.so"}


def test_install_exports_only_entry_points(installed):
    for path in {*installed.rglob("*.so")} - {*installed.rglob("libmapped.so")}:
        assert exports(path) in (["luaopen_mapped"], ["PyInit__mapped"])
