"""Guards against state that interpreters share. The extension declares that
each interpreter may have a lock of its own, so several of them may run it at
the same time.

CPython 3.11 has one lock for all. The test runs in every newer CPython that can
be found by name, with the same extension, which is built for the stable ABI."""
import shutil
import subprocess
import textwrap

import pytest

NAMES = ["python3.12", "python3.13", "python3.14"]


def works(interpreter):
    """Returns whether an interpreter can run. A launcher without its version
    can't."""
    path = shutil.which(interpreter)
    return path is not None and subprocess.run(
        [path, "-c", ""], capture_output=True).returncode == 0


FOUND = [name for name in NAMES if works(name)]

WORK = """
    import mapped, os
    path = PATH + NAME
    page = os.sysconf("SC_PAGESIZE")
    with open(path, "wb") as file:
        file.write(b"S" * 8 * page)
    for turn in range(100):
        region = mapped.open(path, "r+")
        views = [region[:10], region.cast("I"), iter(region), region.lines(),
                 region.records(mapped.layout("a:u32 b:u32 c:f64"))]
        next(views[2])
        assert region.unpack("<IQ", 0) == (0x53535353, 0x5353535353535353)
        assert region.find(b"T") == -1
        os.truncate(path, page)
        try:
            region[2 * page]
            raise SystemExit("a lost page was read")
        except mapped.FaultError:
            pass
        os.truncate(path, 8 * page)
        region.recover()
        assert region[2 * page] == 0
        region[page:8 * page] = b"S" * 7 * page
        if turn < 99:
            region.close()
    left = [region, memoryview(region), views]
"""

MAIN = """
    import os, sys, threading
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    def run(name):
        own = interpreters.create(
            *(["isolated"] if sys.version_info >= (3, 13) else []))
        try:
            failed = interpreters.run_string(
                own, f"PATH = {PATH!r}\\nNAME = {name!r}\\n" + WORK)
        except Exception as error:  # in 3.12 it is raised
            failed = error
        interpreters.destroy(own)
        if failed:
            errors.append(failed)

    errors = []
    before = len(os.listdir("/proc/self/fd"))
    threads = [threading.Thread(target=run, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(os.listdir("/proc/self/fd")) == before
    print(errors or "ok")
"""


@pytest.mark.skipif(not FOUND, reason="no CPython newer than 3.11 is here, and "
                    "3.11 has no interpreters with a lock of their own")
def test_interpreters_with_locks_of_their_own_run_at_once(tmp_path):
    for interpreter in FOUND:
        code = (f"PATH = {str(tmp_path / 'file')!r}\n"
                f"WORK = {textwrap.dedent(WORK)!r}\n" + textwrap.dedent(MAIN))
        done = subprocess.run([interpreter, "-c", code], capture_output=True,
                              text=True, timeout=300)
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
