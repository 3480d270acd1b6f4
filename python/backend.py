"""The build backend of `pip install ./python`: the hooks of PEP 517 and PEP 660
with nothing but Python and a C compiler.

The hooks come first, then what they pack, the compilation, and the wheel. The
extension is the C core and the binding compiled together, against the limited
API, so one wheel serves CPython 3.11 and later. CC, CFLAGS and LDFLAGS are
honoured. Wheels and sdists are reproducible: the same sources and compiler give
the same bytes (SOURCE_DATE_EPOCH sets the time in them).

A wheel for other machines than the one it is built on names its platform:

    pip wheel ./python --config-settings platform=manylinux_2_28_x86_64
    CC="clang --target=aarch64-linux-gnu" \\
        pip wheel ./python --config-settings platform=manylinux_2_28_aarch64

It then needs no later glibc than the platform's name says, or the build fails.
An editable install puts the extension beside the package's own files in this
folder; it must be repeated after a change of the C sources.
"""
# An interpreter from 3.6 on must be able to read this file up to its end.
import os
import sys

if sys.version_info < (3, 11):
    raise SystemExit("mapped: needs CPython 3.11 or later, and {} is {}.{}".format(
        sys.executable, *sys.version_info[:2]))

import base64
import concurrent.futures
import gzip
import hashlib
import io
import pathlib
import re
import shlex
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
import time
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
# An sdist has the core and the licence in this folder, a checkout one level up.
TOP = HERE if (HERE / "core").is_dir() else HERE.parent
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
NAME_VERSION = f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}"
DIST_INFO = f"{NAME_VERSION}.dist-info"
EXTENSION = "_mapped.abi3.so"
EARLIEST_TIME = 315532800  # 1980-01-01: a zip file can hold no earlier time

DEFINES = ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64", "NDEBUG",
           "Py_LIMITED_API=0x030b0000"]
# For the second flag see core/SConscript.
COMPILE = ["-std=c11", "-O2", "-fno-tree-slp-vectorize", "-fPIC",
           "-fvisibility=hidden"]
LINK = ["-shared", "-pthread", "-Wl,-z,nodelete,-Bsymbolic,--exclude-libs,ALL"]
MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(x86_64|aarch64)")
ELF_MACHINE = 18  # where the header of an ELF file has the low byte of its machine
MACHINES = {"x86_64": 62, "aarch64": 183}  # by that byte


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Compiles and packs; returns the name of the wheel."""
    platform = (config_settings or {}).get("platform")
    files = {f"mapped/{path.name}": path.read_bytes()
             for path in package_files()}
    with tempfile.TemporaryDirectory() as scratch:
        extension = compile_extension(pathlib.Path(scratch), platform)
        files[f"mapped/{EXTENSION}"] = extension.read_bytes()
    return write_wheel(wheel_directory, files, platform)


def build_editable(wheel_directory, config_settings=None,
                   metadata_directory=None):
    """Compiles in place, and packs only the path to this folder."""
    with tempfile.TemporaryDirectory(dir=HERE) as scratch:
        extension = compile_extension(pathlib.Path(scratch))
        os.replace(extension, HERE / "mapped" / EXTENSION)  # others may run it
    return write_wheel(wheel_directory, {"mapped_memory.pth": f"{HERE}\n".encode()})


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """Writes what installers ask for first; needs no compiler."""
    folder = pathlib.Path(metadata_directory) / DIST_INFO
    folder.mkdir()
    for name, content in dist_info().items():
        (folder / name).write_bytes(content)
    return DIST_INFO


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_sdist(sdist_directory, config_settings=None):
    """Packs all sources, also those of the core, which lie outside this folder in
    a checkout; returns the name of the sdist."""
    name = f"{NAME_VERSION}.tar.gz"
    files = {path.relative_to(HERE): path.read_bytes()
             for path in [*package_files(), *binding_files(), *manylinux_files(),
                          HERE / "pyproject.toml", HERE / "backend.py",
                          HERE / PROJECT["readme"]]}
    files.update((path.relative_to(TOP), path.read_bytes())
                 for path in [*core_files(), TOP / "LICENSE",
                              TOP / "CHANGELOG.md"])
    files[pathlib.Path("PKG-INFO")] = metadata()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w",
                      format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{NAME_VERSION}/{path.as_posix()}")
            entry.size, entry.mtime = len(content), build_time()
            archive.addfile(entry, io.BytesIO(content))
    (pathlib.Path(sdist_directory) / name).write_bytes(
        gzip.compress(packed.getvalue(), mtime=build_time()))
    return name


def package_files():
    """The package's own files, but neither __pycache__ nor a built extension."""
    return sorted(path for pattern in ("*.py", "*.pyi", "py.typed")
                  for path in (HERE / "mapped").glob(pattern))


def binding_files():
    return sorted([*HERE.glob("*.c"), *HERE.glob("*.h")])


def manylinux_files():
    """What stands in for functions that an older glibc lacks."""
    return sorted((HERE / "manylinux").glob("*.c"))


def core_files():
    folders = "include/mapped", "src", "src/posix", "src/linux"
    return sorted(path for folder in folders for pattern in ("*.c", "*.h")
                  for path in (TOP / "core" / folder).glob(pattern))


def build_time():
    asked = int(os.environ.get("SOURCE_DATE_EPOCH", EARLIEST_TIME))
    return max(asked, EARLIEST_TIME)


def wheel_tag(platform=None):
    this_platform = re.sub(r"[-. ]", "_", sysconfig.get_platform())
    return f"cp311-abi3-{platform or this_platform}"


def metadata():
    fields = [("Metadata-Version", "2.1"), ("Name", PROJECT["name"]),
              ("Version", PROJECT["version"]),
              ("Summary", PROJECT["description"]),
              ("Keywords", ",".join(PROJECT["keywords"])),
              ("License", PROJECT["license"]["text"]),
              ("Requires-Python", PROJECT["requires-python"]),
              ("Description-Content-Type", "text/markdown; charset=UTF-8")]
    fields += [("Classifier", text) for text in PROJECT["classifiers"]]
    head = "".join(f"{name}: {text}\n" for name, text in fields)
    return f"{head}\n{(HERE / PROJECT['readme']).read_text('utf-8')}".encode()


def dist_info(platform=None):
    """The files of the folder .dist-info, without RECORD."""
    return {"METADATA": metadata(), "LICENSE": (TOP / "LICENSE").read_bytes(),
            "WHEEL": "Wheel-Version: 1.0\nGenerator: mapped\n"
                     "Root-Is-Purelib: false\n"
                     f"Tag: {wheel_tag(platform)}\n".encode()}


def compiler():
    """The command of a compiler that works, as a list of words."""
    command = shlex.split(os.environ.get("CC", "")) or [
        next(filter(shutil.which, ("cc", "gcc", "clang")), "cc")]
    hint = ("Install gcc or clang (on Debian: apt-get install gcc libc6-dev), or "
            "name one in the environment variable CC.")
    if not shutil.which(command[0]):
        raise SystemExit(f"mapped: there is no C compiler '{command[0]}'. {hint}")
    probe = subprocess.run([*command, "-E", "-xc", "-o", os.devnull, "-"],
                           input=b"#include <stdlib.h>\n", capture_output=True)
    if probe.returncode != 0:
        raise SystemExit(f"mapped: '{shlex.join(command)}' is no C compiler, or "
                         f"finds no headers of the C library. {hint}")
    return command


def check_machine():
    """Ends the build where it can't succeed."""
    if not sys.platform.startswith("linux"):
        raise SystemExit(f"mapped: this version is for Linux, not {sys.platform}")
    if sys.implementation.name != "cpython":
        raise SystemExit("mapped: needs CPython, and this is "
                         f"{sys.implementation.name}")
    include = pathlib.Path(sysconfig.get_paths()["include"])
    if not (include / "Python.h").exists():
        raise SystemExit(f"mapped: there is no Python.h in {include} (on Debian "
                         "it is in python3-dev)")


def run(command):
    """Runs a command, whose messages the user sees; ends the build if it fails."""
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f"mapped: failed: {shlex.join(map(str, command))}")


def compile_one(command, source, target):
    includes = [TOP / "core/include", TOP / "core/src",
                sysconfig.get_paths()["include"]]
    run([*command, *COMPILE, *(f"-D{define}" for define in DEFINES),
         f"-ffile-prefix-map={TOP}=.", *(f"-I{path}" for path in includes),
         *shlex.split(os.environ.get("CFLAGS", "")),
         "-c", source, "-o", target])
    return target


def compile_extension(scratch, platform=None):
    check_machine()
    command = compiler()
    manylinux = MANYLINUX.fullmatch(platform or "")
    if platform and not manylinux:
        raise SystemExit(f"mapped: the platform '{platform}' is not of the form "
                         "manylinux_2_28_x86_64 or manylinux_2_28_aarch64")
    sources = [path for path in [*core_files(), *binding_files(),
                                 *(manylinux_files() if manylinux else ())]
               if path.suffix == ".c"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(
            compile_one, [command] * len(sources), sources,
            (scratch / f"{i}.o" for i in range(len(sources)))))
    extension = scratch / EXTENSION
    run([*command, *objects, *LINK,
         *shlex.split(os.environ.get("LDFLAGS", "")), "-o", extension])
    if manylinux:
        check_manylinux(extension.read_bytes(), manylinux)
    return extension


def check_manylinux(extension, manylinux):
    """Ends the build if an extension needs another machine or a newer glibc."""
    major, minor, machine = manylinux.groups()
    if extension[ELF_MACHINE] != MACHINES[machine]:
        raise SystemExit(f"mapped: the compiler doesn't compile for {machine}; "
                         "name one that does in CC")
    newest = max(tuple(map(int, version)) for version in
                 re.findall(rb"\0GLIBC_(\d+)\.(\d+)", extension))
    if newest > (int(major), int(minor)):
        raise SystemExit("mapped: the extension needs glibc {}.{}, which {} "
                         "doesn't promise".format(*newest, manylinux[0]))


def record_line(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"{path},sha256={digest.rstrip(b'=').decode()},{len(content)}\n"


def write_wheel(folder, files, platform=None):
    """Packs files and what describes them; returns the wheel's name."""
    name = f"{NAME_VERSION}-{wheel_tag(platform)}.whl"
    files.update((f"{DIST_INFO}/{path}", content)
                 for path, content in dist_info(platform).items())
    record = f"{DIST_INFO}/RECORD"
    lines = [record_line(*item) for item in sorted(files.items())]
    files[record] = ("".join(lines) + f"{record},,\n").encode()
    when = time.gmtime(build_time())[:6]
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w",
                         zipfile.ZIP_DEFLATED) as wheel:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, when)
            mode = 0o755 if path.endswith(".so") else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return name
