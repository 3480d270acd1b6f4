"""`scons test`: runs every suite and counts. The last line it prints is
`N passed, N failed`, with `, N skipped` after it when tests were skipped.

A suite that can't run, says nothing or dies counts as a failure."""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ["MAPPED_BUILD"])
PLATFORM = os.environ.get("MAPPED_PLATFORM") or "posix"
LUA = os.environ.get("MAPPED_LUA")
PYTHON = os.environ.get("MAPPED_PYTHON")
HOSTILE = bool(os.environ.get("MAPPED_HOSTILE"))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
# The guard resumes an access that faulted, which needs every register as it was
# at that very instruction.
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--num-callers=30",
            "--vex-iropt-register-updates=allregs-at-each-insn"]
TIMEOUT = 1800


class Result:
    """What the suites have shown so far."""

    def __init__(self):
        self.passed, self.skipped, self.failures = 0, 0, []

    def add(self, passed, skipped, failures):
        self.passed += passed
        self.skipped += skipped
        self.failures += failures

    def __str__(self):
        line = f"{self.passed} passed, {len(self.failures)} failed"
        return line + (f", {self.skipped} skipped" if self.skipped else "")


def run(command, env=None):
    """Runs a command to its end, in a process group that ends with it.

    Returns its exit status and all that it printed."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            process = subprocess.Popen(
                command, cwd=TOP, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return 127, f"{command[0]}: {error.strerror}"
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            status = f"still running after {TIMEOUT} s"
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        output.seek(0)
        return status, output.read()


def ended(status):
    """Tells how a program ended, in words."""
    if isinstance(status, int) and status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}" if isinstance(status, int) else status


def sanitized(leaks):
    """The environment in which a plain interpreter can load our modules."""
    kinds = os.environ["MAPPED_SANITIZE"].split(",")
    env = {"ASAN_OPTIONS": f"detect_leaks={int(leaks)}:"
                           "allocator_may_return_null=1:handle_sigbus=0",
           "UBSAN_OPTIONS": "print_stacktrace=1",
           "TSAN_OPTIONS": f"suppressions={TOP}/tests/tsan.supp"}
    if HOSTILE:  # freed memory is nothing that an interpreter can go on using
        env["ASAN_OPTIONS"] += ":max_free_fill_size=4096:free_fill_byte=221"
        env["PYTHONMALLOC"] = "malloc"
    for kind, library in (("address", "libasan.so"), ("thread", "libtsan.so")):
        if kind in kinds:
            found = subprocess.run(
                [os.environ["MAPPED_CC"], f"-print-file-name={library}"],
                capture_output=True, text=True, check=True)
            env["LD_PRELOAD"] = os.path.realpath(found.stdout.strip())
    return env


def wrapped(arguments, command, leaks=True):
    """The command, under valgrind if that is asked for."""
    if not arguments.valgrind:
        return command
    check = ["--leak-check=full", "--errors-for-leak-kinds=definite"]
    return VALGRIND + (check if leaks else ["--leak-check=no"]) + command


def program(name):
    """The command that runs a test program; a Windows one, under wine."""
    if PLATFORM == "win32":
        wine = shutil.which("wine64", path="/usr/lib/wine:" + os.defpath)
        return [wine or "wine64", f"{BUILD / name}.exe"]
    return [str(BUILD / name)]


def core(arguments, result):
    """Every tests/core/test_*.c is a program that counts its own tests."""
    folder = TOP / "tests/core"
    sources = sorted(folder.glob("test_*.c")) + sorted(
        (folder / PLATFORM).glob("test_*.c"))
    if not sources:
        result.add(0, 0, ["core: no test programs"])
    for source in sources:
        name = source.relative_to(TOP).with_suffix("")
        status, output = run(wrapped(arguments, program(name)), {
            "ASAN_OPTIONS": "allocator_may_return_null=1:handle_sigbus=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": f"suppressions={TOP}/tests/tsan.supp",
            "WINEPREFIX": str(BUILD / "wine"), "WINEDEBUG": "-all"})
        counts = COUNTS.findall(output)
        passed, failed, skipped = (int(n or 0) for n in (counts or ["000"])[-1])
        failures = [f"{name}: a test failed"] * failed
        if not counts:
            failures = [f"{name}: no counts, {ended(status)}"]
        elif status != 0 and not failed:
            failures = [f"{name}: {ended(status)}"]
        result.add(passed, skipped, failures)
        print(f"{name}: {passed} passed, {len(failures)} failed"
              + (f", {skipped} skipped" if skipped else ""))
        if failures or skipped:
            print(output)


def lua(arguments, result):
    """busted, in the Lua that the module was built for. In a hostile build each
    file has a process of its own, whose few objects are soon collected."""
    sources = sorted((TOP / "tests/lua").glob("*_spec.lua"))
    for paths in [[path] for path in sources] if HOSTILE else [["tests/lua"]]:
        busted(arguments, result, paths)


def busted(arguments, result, paths):
    command = [LUA, "tests/busted.lua", "--output=TAP", "--pattern=_spec",
               *["--helper=tests/lua/hostile.lua"] * HOSTILE, *map(str, paths)]
    # What a finalizer makes while a state closes is never collected.
    status, output = run(wrapped(arguments, command),
                         sanitized(leaks=not HOSTILE))
    lines = output.splitlines()
    tests = [line for line in lines if re.match(r"(not )?ok \d+", line)]
    skipped = [line for line in tests if "# SKIP" in line]
    failures = [f"lua: {line}" for line in tests if line.startswith("not ok")]
    passed = len(tests) - len(skipped) - len(failures)
    if not tests:
        failures = [f"lua: busted ran no tests, {ended(status)}"]
    elif status != 0 and not failures:
        failures = [f"lua: {ended(status)}"]
    result.add(passed, len(skipped), failures)
    name = paths[0].relative_to(TOP) if HOSTILE else paths[0]
    print(f"{name}: {passed} passed, {len(failures)} failed"
          + (f", {len(skipped)} skipped" if skipped else ""))
    print("\n".join(skipped), end="\n" if skipped else "", flush=True)
    if failures:
        print(output, flush=True)


def pytest(name):
    def suite(arguments, result):
        """pytest, without its faulthandler, which would own SIGBUS."""
        with tempfile.NamedTemporaryFile(suffix=".xml") as report:
            command = [PYTHON, "-m", "pytest", "-p", "no:faulthandler", "-p",
                       "no:cacheprovider", "-q", "-rs", "--tb=short",
                       f"--junitxml={report.name}", f"tests/{name}"]
            if HOSTILE:  # whose plugin would count what hostile.py raises
                command += ["-p", "no:unraisableexception"]
            if arguments.valgrind:  # C and Lua have the vectors there too
                command += ["-m", "not slow and not hypothesis",
                            "--ignore=tests/python/test_vectors.py"]
            env = sanitized(leaks=False)
            env["ASAN_OPTIONS"] += f":log_path={BUILD}/sanitizer"
            if arguments.valgrind:
                env["PYTHONMALLOC"] = "malloc"
            status, output = run(wrapped(arguments, command, leaks=False), env)
            text = pathlib.Path(report.name).read_bytes()
        cases = list(ElementTree.fromstring(text).iter("testcase")
                     ) if text else []
        skipped = [case for case in cases if case.find("skipped") is not None]
        failures = [f"{case.get('classname')}.{case.get('name')}"
                    for case in cases if case.find("failure") is not None
                    or case.find("error") is not None]
        passed = len(cases) - len(skipped) - len(failures)
        if not cases:
            failures = [f"tests/{name}: pytest ran no tests, {ended(status)}"]
        elif status != 0 and not failures:
            failures = [f"tests/{name}: {ended(status)}"]
        result.add(passed, len(skipped), failures)
        print(output)
        for path in sorted(BUILD.glob("sanitizer.*")):
            print(path.read_text(errors="replace"))  # pytest would swallow it
            path.unlink()
    return suite


SUITES = {"core": core, "lua": lua, "python": pytest("python"),
          "interop": pytest("interop"), "faults": pytest("faults")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("suites", nargs="+", choices=SUITES)
    arguments = parser.parse_args()
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(BUILD / "hypothesis")
    result = Result()
    for name in arguments.suites:
        print(f"--- {name}", flush=True)
        SUITES[name](arguments, result)
    for failure in result.failures:
        print(f"FAILED {failure}")
    print(result, flush=True)
    return 1 if result.failures or not result.passed else 0


if __name__ == "__main__":
    sys.exit(main())
