"""Guards against a process that dies because a disk is full (cpython 114390,
torch 5247, py-lmdb 161) or fails, or because no huge page is left. The disks
are real ones, in a mount namespace."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ["MAPPED_BUILD"])
PROBES = {
    "C": [str(BUILD / "tests/faults/probe")],
    "Lua": [os.environ["MAPPED_LUA"], str(HERE / "probe.lua")],
    "Python": [sys.executable, str(HERE / "probe.py")],
}


def mounts_allowed():
    done = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    return done.returncode == 0


pytestmark = pytest.mark.skipif(not mounts_allowed(),
                                reason="no mount namespace without root")


def run(name, folder, command):
    folder = folder / "mounted"
    folder.mkdir()
    done = subprocess.run(
        ["unshare", "-m", sys.executable, str(HERE / "disks.py"), name,
         str(folder), *command], capture_output=True, text=True, timeout=120)
    if done.stderr.startswith("SKIP"):
        pytest.skip(done.stderr[5:].strip())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", PROBES)
def test_disk_full_tmpfs(tmp_path, language):
    run("tmpfs", tmp_path, PROBES[language])


@pytest.mark.parametrize("language", PROBES)
def test_disk_full_ext4(tmp_path, language):
    if shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") is None:
        pytest.skip("no mkfs.ext4 here")
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("no loop devices here")
    run("ext4", tmp_path, PROBES[language])


def test_disk_that_fails_to_write(tmp_path):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    run("write_errors", tmp_path, PROBES["Python"])


def test_disk_that_needs_the_interpreter(tmp_path):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    run("waits", tmp_path, PROBES["Python"])


@pytest.mark.parametrize("language", PROBES)
def test_disk_that_cannot_be_read(tmp_path, language):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    run("fuse", tmp_path, PROBES[language])


def test_huge_pages_run_out(tmp_path):
    run("huge", tmp_path, PROBES["Python"])
