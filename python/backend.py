"""The build backend of `pip install ./python`: PEP 517 with nothing but Python
and a C compiler.

The extension is the C core and the binding compiled together, against the
limited API, so one wheel serves CPython 3.11 and later. CC, CFLAGS and LDFLAGS
are honoured. Wheels and sdists are reproducible: the same sources and compiler
give the same bytes (SOURCE_DATE_EPOCH sets the time in them). An sdist has the
core's sources too, which lie outside this directory in a checkout.
"""
import base64
import concurrent.futures
import gzip
import hashlib
import io
import os
import pathlib
import re
import shlex
import subprocess
import sys
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
BASE = f"{PROJECT['name']}-{PROJECT['version']}"
EARLIEST = 315532800  # 1980-01-01: a zip file can hold no earlier time

DEFINES = ["_GNU_SOURCE", "_FILE_OFFSET_BITS=64", "NDEBUG",
           "Py_LIMITED_API=0x030b0000"]
# For the second flag see core/SConscript.
COMPILE = ["-std=c11", "-O2", "-fno-tree-slp-vectorize", "-fPIC",
           "-fvisibility=hidden"]
LINK = ["-shared", "-pthread", "-Wl,-z,nodelete,-Bsymbolic,--exclude-libs,ALL"]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Compile and pack; returns the name of the file made."""
    name = f"{BASE}-{wheel_tag()}.whl"
    files = {f"mapped/{path.name}": path.read_bytes()
             for path in package_files()}
    with tempfile.TemporaryDirectory() as scratch:
        extension = compile_extension(pathlib.Path(scratch))
        files["mapped/_mapped.abi3.so"] = extension.read_bytes()
    information = f"{BASE}.dist-info"
    files[f"{information}/METADATA"] = metadata().encode()
    files[f"{information}/LICENSE"] = (TOP / "LICENSE").read_bytes()
    files[f"{information}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: mapped\nRoot-Is-Purelib: false\n"
        f"Tag: {wheel_tag()}\n").encode()
    write_wheel(pathlib.Path(wheel_directory) / name, files,
                f"{information}/RECORD")
    return name


def build_sdist(sdist_directory, config_settings=None):
    """Pack all sources; returns the name of the file made."""
    name = f"{BASE}.tar.gz"
    files = {path.relative_to(HERE): path.read_bytes()
             for path in [*package_files(), *binding_files(),
                          HERE / "pyproject.toml", HERE / "backend.py"]}
    files |= {path.relative_to(TOP): path.read_bytes()
              for path in [*core_files(), TOP / "LICENSE"]}
    files[pathlib.Path("PKG-INFO")] = metadata().encode()
    target = pathlib.Path(sdist_directory) / name
    with (open(target, "wb") as raw,
          gzip.GzipFile("", "wb", fileobj=raw, mtime=build_time()) as packed,
          tarfile.open(fileobj=packed, mode="w",
                       format=tarfile.PAX_FORMAT) as archive):
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(f"{BASE}/{path.as_posix()}")
            entry.size, entry.mtime = len(content), build_time()
            archive.addfile(entry, io.BytesIO(content))
    return name


def package_files():
    """The package's own files, without __pycache__ and what a build has left."""
    return sorted(path for pattern in ("*.py", "*.pyi", "py.typed")
                  for path in (HERE / "mapped").glob(pattern))


def binding_files():
    return sorted([*HERE.glob("*.c"), *HERE.glob("*.h")])


def core_files():
    core = TOP / "core"
    return sorted(path for folder in ("include/mapped", "src", "src/posix",
                                 "src/linux")
                  for pattern in ("*.c", "*.h")
                  for path in (core / folder).glob(pattern))


def build_time():
    return max(int(os.environ.get("SOURCE_DATE_EPOCH", EARLIEST)), EARLIEST)


def wheel_tag():
    platform = re.sub(r"[-. ]", "_", sysconfig.get_platform())
    return f"cp311-abi3-{platform}"


def metadata():
    fields = [("Metadata-Version", "2.1"), ("Name", PROJECT["name"]),
              ("Version", PROJECT["version"]),
              ("Summary", PROJECT["description"]),
              ("License", PROJECT["license"]["text"]),
              ("Requires-Python", PROJECT["requires-python"])]
    fields += [("Classifier", text) for text in PROJECT["classifiers"]]
    return "".join(f"{name}: {text}\n" for name, text in fields)


def compiler():
    return shlex.split(os.environ.get("CC", "")) or ["cc"]


def run(command):
    """Runs a command; if that fails, ends the build. Its messages reach the user."""
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f"mapped: failed: {shlex.join(map(str, command))}")


def compile_one(source, target):
    includes = [TOP / "core/include", TOP / "core/src",
                sysconfig.get_paths()["include"]]
    run([*compiler(), *COMPILE, *(f"-D{define}" for define in DEFINES),
         f"-ffile-prefix-map={TOP}=.", *(f"-I{path}" for path in includes),
         *shlex.split(os.environ.get("CFLAGS", "")),
         "-c", source, "-o", target])
    return target


def compile_extension(scratch):
    if os.name != "posix":
        raise SystemExit("mapped: this build is for POSIX systems")
    if sys.implementation.name != "cpython":
        raise SystemExit("mapped: needs CPython")
    sources = [path for path in [*core_files(), *binding_files()]
               if path.suffix == ".c"]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(
            compile_one, sources,
            (scratch / f"{i}.o" for i in range(len(sources)))))
    extension = scratch / "_mapped.abi3.so"
    run([*compiler(), *objects, *LINK,
         *shlex.split(os.environ.get("LDFLAGS", "")), "-o", extension])
    return extension


def record_line(path, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"{path},sha256={digest.rstrip(b'=').decode()},{len(content)}\n"


def write_wheel(target, files, record):
    lines = [record_line(*item) for item in sorted(files.items())]
    files = files | {record: ("".join(lines) + f"{record},,\n").encode()}
    when = time.gmtime(build_time())[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in sorted(files.items()):
            entry = zipfile.ZipInfo(path, when)
            mode = 0o755 if path.endswith(".so") else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
