"""Guards against a build of the package that ends in a traceback where a sentence
would help, against metadata that nobody can read before a build, and against a
wheel that is for one kind of machine and says another."""
import ast
import email
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

import mapped
from support import copying_compiler, run

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(mapped.__file__).parent
MACHINE = platform.machine()
OTHER_MACHINE = "x86_64" if MACHINE == "aarch64" else "aarch64"
INFORMATION = "mapped_memory-0.1.0.dist-info"
pytestmark = [pytest.mark.children, pytest.mark.skipif(
    os.environ.get("MAPPED_SANITIZE", "") != "" or
    os.environ.get("MAPPED_CC", "gcc") != "gcc",
    reason="a wheel is the same beside every build of scons")]


def fail(code, python=sys.executable, **environment):
    """Runs code after `import backend`, which must fail, and returns what it says
    on standard error: one line."""
    done = subprocess.run([python, "-B", "-c", f"import backend; {code}"],
                          cwd=TOP / "python", capture_output=True, text=True,
                          env={**os.environ, **environment})
    assert done.returncode == 1 and not done.stdout
    line, = done.stderr.splitlines()
    return line


@pytest.fixture
def compiler(tmp_path):
    return copying_compiler(tmp_path, BUILT / "_mapped.abi3.so")


def old_interpreters():
    home = pathlib.Path.home() / ".pyenv/versions"
    paths = [path for minor in range(6, 11)
             for path in [shutil.which(f"python3.{minor}"),
                          *home.glob(f"3.{minor}.*/bin/python3")] if path]
    return [path for path in paths if subprocess.run(
        [path, "-c", ""], capture_output=True).returncode == 0]


def test_backend_can_be_read_by_an_old_python():
    ast.parse((TOP / "python/backend.py").read_text(), feature_version=(3, 6))


@pytest.mark.skipif(not old_interpreters(), reason="no Python before 3.11 here")
def test_backend_says_that_python_is_too_old():
    assert "needs CPython 3.11 or later, and" in fail(
        "", python=old_interpreters()[0])


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_backend_says_that_there_is_no_compiler(compiler, tmp_path):
    message = fail(f"backend.build_wheel({str(tmp_path)!r})", CC=compiler)
    assert f"'{compiler}'" in message
    assert "apt-get install gcc libc6-dev" in message


def test_backend_says_that_python_has_no_headers(tmp_path):
    message = fail("backend.sysconfig.get_paths = lambda: {'include': '/none'}; "
                   f"backend.build_wheel({str(tmp_path)!r})")
    assert "no Python.h in /none (on Debian it is in python3-dev)" in message


@pytest.mark.parametrize("change, reason", [
    ("sys.platform = 'win32'", "for Linux, not win32"),
    ("sys.implementation.name = 'pypy'", "needs CPython, and this is pypy")])
def test_backend_says_that_it_is_on_the_wrong_system(change, reason, tmp_path):
    assert reason in fail(f"backend.{change}; "
                          f"backend.build_wheel({str(tmp_path)!r})")


@pytest.mark.parametrize("tag, reason", [
    ("linux_x86_64", "not of the form manylinux_2_28_x86_64"),
    ("manylinux_2_28_s390x", "not of the form"),
    (f"manylinux_2_28_{OTHER_MACHINE}", "doesn't compile for"),
    (f"manylinux_2_5_{MACHINE}", "the extension needs glibc 2.")])
def test_backend_refuses_a_platform(tag, reason, tmp_path, compiler):
    assert reason in fail(f"backend.build_wheel({str(tmp_path)!r}, "
                          f"{{'platform': {tag!r}}})", CC=compiler)


def test_metadata_is_what_an_index_shows(tmp_path):
    run(sys.executable, "-B", "-c", "import backend, sys; "
        "backend.prepare_metadata_for_build_wheel(sys.argv[1])", tmp_path,
        cwd=TOP / "python", env={**os.environ, "CC": "no-such-compiler"})
    fields = email.message_from_bytes(
        (tmp_path / INFORMATION / "METADATA").read_bytes())
    assert fields["Name"] == "mapped-memory"
    assert fields["Version"] == mapped.__version__
    assert fields["Requires-Python"] == ">=3.11"
    assert fields["Description-Content-Type"].startswith("text/markdown")
    assert fields.get_payload() == (TOP / "python/README.md").read_text()
    assert "Typing :: Typed" in fields.get_all("Classifier")
    assert f"## {mapped.__version__}" in (TOP / "CHANGELOG.md").read_text()


def test_long_description_has_a_program_that_runs(tmp_path):
    text = (TOP / "python/README.md").read_text()
    (tmp_path / "first.py").write_text(
        re.search(r"^```python\n(.*?)^```$", text, re.M | re.S)[1])
    assert "closed" in run(sys.executable, "first.py", cwd=tmp_path)


def cross_compiler(folder):
    """Returns a compiler for aarch64 and flags with which it takes this
    machine's pyconfig.h, or None."""
    if MACHINE == "aarch64" or not shutil.which("clang"):
        return None
    shim = folder / "aarch64-linux-gnu" / f"python3.{sys.version_info[1]}"
    shim.mkdir(parents=True)
    here = sysconfig.get_config_var("MULTIARCH")
    (shim / "pyconfig.h").write_text(
        f"#include <{here}/{shim.name}/pyconfig.h>\n")
    command = "clang --target=aarch64-linux-gnu"
    done = subprocess.run([*command.split(), "-shared", "-fPIC", "-xc", "-o",
                           folder / "probe", "-"], capture_output=True,
                          input=b"#include <stdlib.h>\n")
    return (command, f"-I{folder}") if done.returncode == 0 else None


@pytest.mark.slow
def test_wheel_for_aarch64(tmp_path):
    found = cross_compiler(tmp_path)
    if found is None:
        pytest.skip("no clang with an aarch64 C library here (libc6-dev-arm64-cross, "
                    "libgcc-12-dev-arm64-cross)")
    name = run(sys.executable, "-B", "-c", "import backend, sys; "
               "print(backend.build_wheel(sys.argv[1], "
               "{'platform': 'manylinux_2_28_aarch64'}))", tmp_path,
               cwd=TOP / "python", env={**os.environ, "CC": found[0],
                                        "CFLAGS": f"{found[1]} -O0"}).strip()
    assert name == "mapped_memory-0.1.0-cp311-abi3-manylinux_2_28_aarch64.whl"
    with zipfile.ZipFile(tmp_path / name) as archive:
        extension = archive.extract("mapped/_mapped.abi3.so", tmp_path)
    header = run("readelf", "-h", extension)
    assert "AArch64" in header
