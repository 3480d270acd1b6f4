"""`scons test`: runs every suite and counts. The last line it prints is
`N passed, N failed`, with `, N skipped` after it when tests were skipped.

A suite is a list of jobs: processes that run at the same time, as many as there
are processors. One that can't run, says nothing or dies counts as a failure."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ["MAPPED_BUILD"])
PLATFORM = os.environ.get("MAPPED_PLATFORM") or "posix"
LUA = os.environ.get("MAPPED_LUA")
PYTHON = os.environ.get("MAPPED_PYTHON")
HOSTILE = bool(os.environ.get("MAPPED_HOSTILE"))
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)
# Jobs that take longest, or wait most, and so start first.
LONGEST = re.compile("tests/(faults|interop)$|_package|ring_killed|random|_backend")
# The guard resumes an access that faulted, which needs every register as it was
# at that very instruction. Threads that wait for each other take turns.
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--num-callers=30",
            f"--suppressions={TOP}/tests/valgrind.supp",
            "--vex-iropt-register-updates=allregs-at-each-insn",
            "--fair-sched=yes"]
TIMEOUT = 1800


class Job:
    """A process of tests: `read` makes of its exit status and output how many
    passed and were skipped, what failed, and what there is to show of it."""

    def __init__(self, name, command, read, env=None):
        self.name, self.command, self.read = name, command, read
        self.env = env or {}

    def run(self):
        start = time.monotonic()
        passed, skipped, failures, text = self.read(
            *run(self.command, self.env))
        line = f"{self.name}: {passed} passed, {len(failures)} failed"
        line += f", {skipped} skipped" if skipped else ""
        line += f" ({time.monotonic() - start:.0f} s)"
        return passed, skipped, failures, f"{line}\n{text}".strip()


def run(command, env):
    """Runs a command to its end, in a process group that ends with it.

    Returns its exit status and all that it printed."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        try:
            process = subprocess.Popen(
                command, cwd=TOP, env={**os.environ, **env},
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


def failed(name, status, tests, failures):
    """The failures of a process that had so many tests, its own end included."""
    if not tests and not ONLY:
        return [f"{name}: ran no tests, {ended(status)}"]
    return failures or [f"{name}: {ended(status)}"] * (status != 0)


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


def wrapped(command, leaks=True):
    """The command, under valgrind if that is asked for."""
    if not ARGUMENTS.valgrind:
        return command
    check = ["--leak-check=full", "--errors-for-leak-kinds=definite"]
    return VALGRIND + (check if leaks else ["--leak-check=no"]) + command


def having(paths):
    """Those of the files that have the test that alone is to run."""
    return [path for path in sorted(paths)
            if ONLY in path.read_text() or ONLY in path.stem]


WINE = shutil.which("wine64", path="/usr/lib/wine:" + os.defpath) or "wine64"
WINE_ENVIRONMENT = {"WINEPREFIX": str(BUILD / "wine"), "WINEDEBUG": "-all"}


def start_wine():
    """Starts wine's server, which makes its folder. Two programs that found no
    server would both start one, and one of the programs would fail."""
    subprocess.run([WINE, "wineboot", "-i"], env={**os.environ, **WINE_ENVIRONMENT},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def program(name):
    """The command that runs a test program; a Windows one, under wine."""
    if PLATFORM == "win32":
        return [WINE, f"{BUILD / name}.exe"]
    return [str(BUILD / name)]


def core():
    """Every tests/core/test_*.c is a program that counts its own tests."""
    folder = TOP / "tests/core"
    if PLATFORM == "win32":
        start_wine()
    for source in having([*folder.glob("test_*.c"),
                          *(folder / PLATFORM).glob("test_*.c")]):
        name = source.relative_to(TOP).with_suffix("")

        def read(status, output, name=name):
            counts = (COUNTS.findall(output) or ["000"])[-1]
            passed, failures, skipped = (int(count or 0) for count in counts)
            failures = failed(name, status, passed + failures + skipped,
                              [f"{name}: a test failed"] * failures)
            text = output if failures or skipped else ""
            return passed, skipped, failures, text

        yield Job(name, wrapped(program(name)), read, {
            "ASAN_OPTIONS": "allocator_may_return_null=1:handle_sigbus=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": f"suppressions={TOP}/tests/tsan.supp",
            **WINE_ENVIRONMENT,
            "MAPPED_ONLY": "" if ONLY in source.stem else ONLY})


def lua():
    """busted, in the Lua that the module was built for, a process for each file:
    so the few objects of a hostile build are soon collected."""
    for source in having((TOP / "tests/lua").glob("*_spec.lua")):
        name = source.relative_to(TOP)

        def read(status, output, name=name):
            tests = [line for line in output.splitlines()
                     if re.match(r"(not )?ok \d+", line)]
            skipped = [line for line in tests if "# SKIP" in line]
            failures = [f"lua: {line}" for line in tests
                        if line.startswith("not ok")]
            passed = len(tests) - len(skipped) - len(failures)
            failures = failed(name, status, len(tests), failures)
            text = output if failures else "\n".join(skipped)
            return passed, len(skipped), failures, text

        command = [LUA, "tests/busted.lua", "--output=TAP", str(source)]
        if HOSTILE:
            command.append("--helper=tests/lua/hostile.lua")
        if ONLY and ONLY not in source.stem:
            command.append("--filter=" + re.sub(r"(\W)", r"%\1", ONLY))
        # What a finalizer makes while a state closes is never collected.
        yield Job(name, wrapped(command), read, sanitized(leaks=not HOSTILE))


def pytest(sources, name):
    """A job of pytest, without its faulthandler, which would own SIGBUS."""
    report = SCRATCH / f"{name.replace('/', '-')}.xml"
    log = SCRATCH / f"{report.stem}.sanitizer"

    def read(status, output):
        cases = []
        if report.exists():
            cases = [*ElementTree.parse(report).iter("testcase")]
        skipped = [case for case in cases if case.find("skipped") is not None]
        failures = [f"{case.get('classname')}.{case.get('name')}"
                    for case in cases if case.find("failure") is not None
                    or case.find("error") is not None]
        passed = len(cases) - len(skipped) - len(failures)
        if status == 5 and (ONLY or ARGUMENTS.valgrind):  # all deselected
            return 0, 0, [], ""
        failures = failed(name, status, len(cases), failures)
        lines = [line for line in output.splitlines()
                 if line.startswith("SKIPPED")]
        text = [output if failures else "\n".join(lines)]
        for path in SCRATCH.glob(f"{log.name}.*"):  # pytest would swallow it
            text.append(path.read_text(errors="replace"))
        return passed, len(skipped), failures, "\n".join(text)

    command = [PYTHON, "-m", "pytest", "-p", "no:faulthandler", "-p",
               "no:cacheprovider", "-q", "-rs", "--tb=short",
               f"--junitxml={report}", *map(str, sources)]
    if HOSTILE:  # whose plugin would count what hostile.py raises
        command += ["-p", "no:unraisableexception"]
    env = sanitized(leaks=False)
    env["ASAN_OPTIONS"] += f":log_path={log}"
    if ARGUMENTS.valgrind:
        command += ["-m", "not slow and not hypothesis"]
        env["PYTHONMALLOC"] = "malloc"
    return Job(name, wrapped(command, leaks=False), read, env)


def python():
    """A process for each file; under valgrind, where Python takes 20 s to start,
    one for each processor. C and Lua have the vectors under valgrind too."""
    sources = having((TOP / "tests/python").glob("test_*.py"))
    share = len(sources)
    if ARGUMENTS.valgrind:
        sources = [source for source in sources if source.stem != "test_vectors"]
        share = min(os.cpu_count(), len(sources))
    for first in range(share):
        files = sources[first::share]
        name = str(files[0].relative_to(TOP))
        yield pytest(files, name + " and others" * (len(files) > 1))


def serial(name):
    """A suite whose tests use the whole machine, one after the other."""
    def suite():
        sources = having((TOP / "tests" / name).glob("test_*.py"))
        if sources:
            yield pytest(sources, f"tests/{name}")
    return suite


SUITES = {"core": core, "lua": lua, "python": python,
          "interop": serial("interop"), "faults": serial("faults")}


def main():
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(SCRATCH / "hypothesis")
    os.environ["MAPPED_ONLY"] = ONLY
    passed, skipped, failures = 0, 0, []
    # The longest jobs first, so that no processor is idle at the end.
    names = [name for name in reversed(SUITES) if name in ARGUMENTS.suites]
    jobs = sorted((job for name in names for job in SUITES[name]()),
                  key=lambda job: not LONGEST.search(str(job.name)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(job.run) for job in jobs]
        for job in concurrent.futures.as_completed(jobs):
            more_passed, more_skipped, more_failures, text = job.result()
            if not ONLY or more_passed or more_skipped or more_failures:
                print(text, flush=True)
            passed += more_passed
            skipped += more_skipped
            failures += more_failures
    for failure in failures:
        print(f"FAILED {failure}")
    if not passed:
        print("FAILED: no tests")
    line = f"{passed} passed, {len(failures)} failed"
    print(line + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--only", default="", help="part of a test's name")
    parser.add_argument("suites", nargs="+", choices=SUITES)
    ARGUMENTS = parser.parse_args()
    ONLY = ARGUMENTS.only
    with tempfile.TemporaryDirectory(prefix="mapped-tests-") as scratch:
        SCRATCH = pathlib.Path(scratch)
        sys.exit(main())
