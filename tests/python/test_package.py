"""Guards against a wheel whose files depend on whether it is built from the
checkout or from an sdist, or on the time; against an extension that works in
one version of CPython only; and against names, docstrings, signatures and stubs
that disagree."""
import importlib.util
import inspect
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import mapped
from support import run

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(mapped.__file__).parent
USE = """
import mapped, sys
with mapped.open(sys.argv[1], "r+") as region:
    part = region[1:5]
    array = part.cast(">H")
    assert part == b"\\1\\2\\3\\4" and array.tolist() == [0x102, 0x304]
    array[0] = 5
    assert region.get(">H", 1) == 5 and memoryview(array).format == ">H"
    region.resize(100000)
try:
    part[0]
except ValueError:
    print("fine")
"""
sanitized = pytest.mark.skipif(
    os.environ.get("MAPPED_SANITIZE", "") != "",
    reason="a wheel is built without sanitizers")


def build(function, source, target):
    """Calls the build backend from the source directory, as an installer
    does."""
    target.mkdir(exist_ok=True)
    name = run(sys.executable, "-B", "-c",
               f"import backend, sys; print(backend.{function}(sys.argv[1]))",
               target, cwd=source).split()[-1]
    return target / name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("build_wheel", TOP / "python", tmp_path_factory.mktemp("w"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("build_sdist", TOP / "python", tmp_path_factory.mktemp("s"))


@sanitized
@pytest.mark.slow
def test_wheel_holds_what_scons_builds(wheel):
    assert wheel.name.startswith("mapped-0.1.0-cp311-abi3-")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        inside = {name for name in archive.namelist()
                  if name.startswith("mapped/")}
        for path in BUILT.iterdir():
            if path.suffix in (".py", ".pyi", ".typed"):
                assert archive.read(f"mapped/{path.name}") == path.read_bytes()
    assert inside == {f"mapped/{path.name}" for path in BUILT.iterdir()
                      if path.name != "__pycache__"}


@sanitized
@pytest.mark.slow
def test_wheel_is_the_same_from_the_sdist_and_every_time(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        assert {member.name.split("/")[0] for member in archive} == {
            "mapped-0.1.0"}
        archive.extractall(tmp_path)
    again = build("build_wheel", tmp_path / "mapped-0.1.0", tmp_path / "again")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_sdist_is_the_same_every_time(sdist, tmp_path):
    again = build("build_sdist", TOP / "python", tmp_path / "again")
    assert again.read_bytes() == sdist.read_bytes()


@sanitized
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ensurepip") is None,
                    reason="this Python has no ensurepip (python3-venv)")
def test_pip_installs_it_without_a_network(tmp_path, path):
    run(sys.executable, "-m", "venv", tmp_path / "env")
    source = tmp_path / "source"
    shutil.copytree(TOP / "python", source / "python")
    shutil.copytree(TOP / "core", source / "core")
    shutil.copy(TOP / "LICENSE", source)
    python = tmp_path / "env/bin/python"
    run(python, "-m", "pip", "install", "--no-index", source / "python",
        env={**os.environ, "PYTHONPATH": ""})
    assert run(python, "-c", USE, path, cwd=tmp_path,
               env={**os.environ, "PYTHONPATH": ""}) == "fine\n"


def interpreters():
    """Yields the interpreters of CPython that this machine has."""
    for minor in 11, 12, 13, 14:
        found = shutil.which(f"python3.{minor}")
        home = pathlib.Path.home() / ".pyenv/versions"
        for path in [found, *home.glob(f"3.{minor}.*/bin/python3")]:
            if path and subprocess.run([path, "-c", ""]).returncode == 0:
                yield f"3.{minor}", path
                break
        else:
            yield f"3.{minor}", None


@sanitized
@pytest.mark.parametrize("version, interpreter", list(interpreters()))
def test_one_extension_serves_every_version(version, interpreter, path):
    if interpreter is None:
        pytest.skip(f"no CPython {version} here")
    assert run(interpreter, "-c", USE, path, cwd=path.parent,
               env={**os.environ, "PYTHONPATH": str(BUILT.parent)}) == "fine\n"


@sanitized
@pytest.mark.parametrize("version, interpreter", [
    pair for pair in interpreters() if pair[0] > "3.11"])
def test_other_versions_pass_the_lifetime_tests(version, interpreter, path, child):
    if interpreter is None:
        pytest.skip(f"no CPython {version} here")
    from test_lifetime import SUBINTERPRETER
    run(interpreter, "-c", SUBINTERPRETER, cwd=path.parent,
        env={**os.environ, "PYTHONPATH": str(BUILT.parent)})


def test_stubs_match_the_module():
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy (stubtest) is not installed")
    allowed = r"mapped\..*Record\.__getattr__" "\n"  # the fields of a record
    run(sys.executable, "-m", "mypy.stubtest", "mapped",
        "--allowlist=/dev/stdin", input=allowed, cwd=BUILT.parent)


def public():
    for name in mapped.__all__:
        thing = getattr(mapped, name)
        yield name, thing
        if isinstance(thing, type) and thing.__module__ == "mapped":
            for member, value in vars(thing).items():
                if not member.startswith("_") or member in (
                        "__enter__", "__exit__", "__bytes__"):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize("name, thing", list(public()))
def test_everything_public_is_documented(name, thing):
    assert inspect.getdoc(thing)
    if inspect.isroutine(thing):
        signature = inspect.signature(thing)
        assert str(signature) and thing.__doc__


def test_keyword_only_arguments_are_those_of_the_interface():
    assert str(inspect.signature(mapped.open)) == (
        "(file, mode='r', *, offset=0, length=None, reserve=None, sparse=False,"
        " populate=False, huge=None, device=False, permissions=438)")
    assert str(inspect.signature(mapped.shared)) == (
        "(name, length=None, mode='r+', *, offset=0, reserve=None, sparse=False,"
        " populate=False, huge=None, permissions=384)")
    assert str(inspect.signature(mapped.anonymous)) == (
        "(length, *, shared=False, reserve=None, huge=None)")


@pytest.mark.skipif(bool(os.environ.get("MAPPED_HOSTILE")),
                    reason="hostile.c has an entry point of its own")
def test_extension_exports_only_its_entry_point():
    if shutil.which("nm") is None:
        pytest.skip("no nm (binutils)")
    symbols = run("nm", "-D", "--defined-only", BUILT / "_mapped.abi3.so")
    assert {line.split()[-1] for line in symbols.splitlines()} <= {
        "PyInit__mapped", "_init", "_fini"}


def test_version_is_that_of_the_core():
    header = (TOP / "core/include/mapped/base.h").read_text()
    assert f'#define MAPPED_VERSION "{mapped.__version__}"' in header
    assert f'version = "{mapped.__version__}"' in (
        TOP / "python/pyproject.toml").read_text()
