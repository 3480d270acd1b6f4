"""Guards against crashes that no other test provokes: calls.py makes random
calls, in a process of its own, so that a crash is a failed test. A failure
shows the seed and the last calls. MAPPED_RANDOM_SEED repeats a run, and
MAPPED_RANDOM_SECONDS is the length of a run."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

CALLS = pathlib.Path(__file__).resolve().parent / "calls.py"
SEED = os.environ.get("MAPPED_RANDOM_SEED") or "1"
SECONDS = os.environ.get("MAPPED_RANDOM_SECONDS") or "2"
PATIENCE = 60  # seconds more, before a run counts as hanging
LAST = 15


def last_calls(log):
    lines = log.read_text().splitlines() if log.exists() else []
    calls = sorted(((int(match[1]), match[2]) for match in map(
        re.compile(r"(\d+) (.*?) *$").match, lines) if match))
    return "\n".join(f"{number} {text}" for number, text in calls[-LAST:])


@pytest.mark.slow
def test_random_calls_end_in_exceptions(tmp_path):
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    try:
        done = subprocess.run(
            [sys.executable, CALLS, SEED, SECONDS, log], cwd=folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, errors="replace",
            stderr=subprocess.STDOUT, timeout=float(SECONDS) + PATIENCE)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status, output = "a hang", str(error.stdout)
    assert status == 0 and re.fullmatch(
        r"\d{3,} calls, 0 descriptors left\n", output), (
        f"MAPPED_RANDOM_SEED={SEED} ended with {status}:\n{output[-6000:]}\n"
        f"the last calls:\n{last_calls(log)}")
