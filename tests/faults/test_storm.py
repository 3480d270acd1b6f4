"""Guards against a process that dies because another one truncates a file that
it maps, at any moment. MAPPED_STORM_SECONDS is how long each program runs. CI
sets it to 60."""
import mmap
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ["MAPPED_BUILD"])
SECONDS = float(os.environ.get("MAPPED_STORM_SECONDS", "5"))
PAGE = 4096
PAGES = 64
WORKERS = {
    "C": [str(BUILD / "tests/faults/storm")],
    "Lua": [os.environ["MAPPED_LUA"], str(HERE / "storm.lua")],
    "Python": [sys.executable, str(HERE / "storm.py")],
}
COPIES = 2  # of each worker, to have more processes than processors


def cut_and_mend(file, until):
    """Truncates the file at the end of a page, and writes the content back page
    by page. Each write takes a whole page of memory, so the file never ends
    inside a page, where the bytes behind its end would read as zeros without a
    fault."""
    stamps = mmap.mmap(-1, PAGE)
    stamps[:] = b"S" * PAGE
    cuts = 0
    while time.monotonic() < until:
        pages = random.randrange(PAGES)
        os.ftruncate(file, pages * PAGE)
        cuts += 1
        time.sleep(random.random() / 500)
        for page in range(pages, PAGES):
            assert os.pwrite(file, stamps, page * PAGE) == PAGE
        time.sleep(random.random() / 500)
    return cuts


@pytest.fixture
def path():
    """Makes a path in memory. On ext4 with large folios (seen on Linux 6.18)
    even a program that only uses mmap sometimes reads zeros from a truncated
    file where it should get a SIGBUS."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield pathlib.Path(directory) / "storm"


@pytest.mark.slow
def test_storm_kills_nobody_and_hides_nothing(path):
    path.write_bytes(b"S" * (PAGES * PAGE))
    workers = [(name, subprocess.Popen([*command, path, str(int(SECONDS))],
                                       stdout=subprocess.PIPE, text=True))
               for name, command in WORKERS.items() for _ in range(COPIES)]
    file = os.open(path, os.O_RDWR)
    try:
        cuts = cut_and_mend(file, time.monotonic() + SECONDS)
    finally:
        os.close(file)
    for name, worker in workers:
        output, _ = worker.communicate(timeout=60)
        assert worker.returncode == 0, f"{name} ended with {worker.returncode}"
        well, lost = map(int, output.split())
        print(f"{name}: {well} accesses went well, {lost} reported a lost page")
        assert well > 0 and lost > 0, name
    assert cuts > 10
