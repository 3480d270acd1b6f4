"""Guards against a wheel whose files depend on whether it is built from the
checkout or from an sdist, or on the time, or that needs a newer Linux than it
says; against an extension that works in one version of CPython only; and against
names, docstrings, signatures and stubs that disagree."""
import importlib.util
import inspect
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

import mapped
from support import copying_compiler, run

TOP = pathlib.Path(__file__).resolve().parents[2]
PLATFORM = f"manylinux_2_28_{platform.machine()}"
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
    reason="a plain interpreter can't load a sanitized extension")
wheels = pytest.mark.skipif(
    os.environ.get("MAPPED_SANITIZE", "") != "" or
    os.environ.get("MAPPED_CC", "gcc") != "gcc",
    reason="a wheel is the same beside every build of scons")
typing = pytest.mark.skipif(
    os.environ.get("MAPPED_SANITIZE", "") != "" or
    os.environ.get("MAPPED_CC", "gcc") != "gcc",
    reason="a checker of types reads the same files beside every build")


def build(function, source, target):
    """Calls the build backend from the source directory, as an installer
    does."""
    target.mkdir(exist_ok=True)
    name = run(sys.executable, "-B", "-c",
               f"import backend, sys; print(backend.{function}(sys.argv[1], "
               f"{{'platform': '{PLATFORM}'}}))", target, cwd=source).split()[-1]
    return target / name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("build_wheel", TOP / "python", tmp_path_factory.mktemp("w"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("build_sdist", TOP / "python", tmp_path_factory.mktemp("s"))


@wheels
@pytest.mark.slow
def test_wheel_holds_what_scons_builds(wheel):
    assert wheel.name == f"mapped_memory-0.1.0-cp311-abi3-{PLATFORM}.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        inside = {name for name in archive.namelist()
                  if name.startswith("mapped/")}
        for path in BUILT.iterdir():
            if path.suffix in (".py", ".pyi", ".typed"):
                assert archive.read(f"mapped/{path.name}") == path.read_bytes()
    assert inside == {f"mapped/{path.name}" for path in BUILT.iterdir()
                      if path.name != "__pycache__"}


@wheels
@pytest.mark.slow
def test_wheel_is_the_same_from_the_sdist_and_every_time(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        assert {member.name.split("/")[0] for member in archive} == {
            "mapped_memory-0.1.0"}
        archive.extractall(tmp_path)
    again = build("build_wheel", tmp_path / "mapped_memory-0.1.0",
                  tmp_path / "again")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


@wheels
@pytest.mark.slow
def test_wheel_needs_no_newer_glibc_than_it_says(wheel, tmp_path):
    """backend.py looks for the same by itself."""
    with zipfile.ZipFile(wheel) as archive:
        extension = archive.extract("mapped/_mapped.abi3.so", tmp_path)
    needed = re.findall(r"\bGLIBC_(\d+)\.(\d+)", run("objdump", "-T", extension))
    assert (2, 2) < max((int(a), int(b)) for a, b in needed) <= (2, 28)
    libraries = re.findall(r"NEEDED +(\S+)", run("objdump", "-p", extension))
    assert {name.split(".")[0] for name in libraries} <= {
        "libc", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}


@wheels
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("auditwheel"), reason="no auditwheel here")
def test_wheel_is_one_that_auditwheel_accepts(wheel):
    assert f'platform tag: "{PLATFORM}"' in " ".join(
        run("auditwheel", "show", wheel).split())


@wheels
@pytest.mark.slow
def test_wheel_works(wheel, tmp_path, path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    assert run(sys.executable, "-c", USE, path, cwd=tmp_path, env={
        **os.environ, "PYTHONPATH": str(tmp_path / "site")}) == "fine\n"


@pytest.mark.children
def test_sdist_is_the_same_every_time(sdist, tmp_path):
    again = build("build_sdist", TOP / "python", tmp_path / "again")
    assert again.read_bytes() == sdist.read_bytes()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A copy of the sources, and an interpreter with nothing but pip."""
    if importlib.util.find_spec("ensurepip") is None:
        pytest.skip("this Python has no ensurepip (python3-venv)")
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder / "env")
    shutil.copytree(TOP, folder / "source", ignore=shutil.ignore_patterns(
        "build", ".git", "tests", "docs"))
    return folder / "env/bin/python", folder / "source/python"


def pip(python, *arguments, **variables):
    return run(python, "-m", "pip", *arguments, env={
        **os.environ, "PYTHONPATH": "", "CFLAGS": "-O0", **variables})


@wheels
@pytest.mark.slow
def test_pip_installs_it_without_a_network(environment, tmp_path, path):
    python, source = environment
    pip(python, "install", "--no-index", source)
    assert run(python, "-c", USE, path, cwd=tmp_path,
               env={**os.environ, "PYTHONPATH": ""}) == "fine\n"
    pip(python, "uninstall", "-y", "mapped-memory")


@wheels
@pytest.mark.slow
def test_pip_installs_it_editable(environment, tmp_path):
    python, source = environment
    compiler = copying_compiler(tmp_path, BUILT / "_mapped.abi3.so")
    pip(python, "install", "--no-index", "--editable", source, CC=compiler)
    with open(source / "mapped/__init__.py", "a") as file:
        file.write("\nchanged = len(anonymous(4096))\n")
    output = run(python, "-c", "import mapped; print(mapped.__file__, "
                 "mapped.changed)", cwd=tmp_path,
                 env={**os.environ, "PYTHONPATH": ""})
    assert output == f"{source / 'mapped/__init__.py'} 4096\n"
    assert "mapped-memory" in pip(python, "list", "--editable")
    pip(python, "uninstall", "-y", "mapped-memory")


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


@pytest.mark.children
def test_stubs_match_the_module():
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy (stubtest) is not installed")
    run(sys.executable, "-m", "mypy.stubtest", "mapped", cwd=BUILT.parent)


EXAMPLES = sorted((TOP / "python/examples").glob("*.py"))


@typing
@pytest.mark.children
def test_examples_pass_mypy():
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent",
         "--scripts-are-modules", "--no-error-summary", *EXAMPLES],
        capture_output=True, text=True, cwd=BUILT.parent,
        env={**os.environ, "MYPYPATH": f"{BUILT.parent}:{EXAMPLES[0].parent}"})
    # Before version 1.5 mypy takes nothing for a buffer that it doesn't know.
    errors = [line for line in done.stdout.splitlines()
              if 'incompatible type "Slice"; expected "Union[bytes' not in line]
    assert errors == [] and done.stderr == ""


@typing
@pytest.mark.children
def test_examples_pass_pyright(tmp_path):
    if shutil.which("pyright") is None:
        pytest.skip("pyright is not installed")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({
        "include": ["examples"], "extraPaths": [str(BUILT.parent), "examples"]}))
    shutil.copytree(EXAMPLES[0].parent, tmp_path / "examples")
    run("pyright", "--pythonpath", sys.executable, "-p", tmp_path)


@typing
@pytest.mark.children
def test_types_are_known_from_codes(tmp_path):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    kinds = {'"<I"': "int", '"u24be"': "int", '"d"': "float", '"bf16"': "float",
             '"?"': "bool", '"c"': "bytes", "input()": "Any"}
    script = tmp_path / "use.py"
    script.write_text("import mapped\nview = mapped.anonymous(8)\n" + "".join(
        f"reveal_type(view.cast({code}))\nreveal_type(view.get({code}))\n"
        for code in kinds))
    said = run(sys.executable, "-m", "mypy", "--follow-imports=silent", script,
               cwd=BUILT.parent).split('Revealed type is "')[1:]
    for i, kind in enumerate(kinds.values()):
        name = kind if kind == "Any" else f"builtins.{kind}"
        assert said[2 * i].startswith(f'mapped._mapped.Array[{name}]"')
        assert said[2 * i + 1].startswith(f'{name}"')


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
