"""Guards against an increment that is lost between processes in three
languages: of an atomic word, or of a plain one that a mutex guards."""
import os
import pathlib
import struct
import subprocess
import uuid

import pytest
import readers

import mapped

HERE = pathlib.Path(__file__).parent
PROCESSES = 8
TIMES = 10000


@pytest.fixture
def path():
    """Makes shared memory that has a name, and returns where its file is."""
    name = f"mapped-test-{uuid.uuid4()}"
    mapped.shared(name, 32, "x+").close()
    yield f"/dev/shm/{name}"
    mapped.unlink(name)


@pytest.fixture
def program(tmp_path):
    """Builds increments.c with the library, as it was built."""
    kinds = os.environ.get("MAPPED_SANITIZE")
    built = tmp_path / "increments"
    subprocess.run(
        [os.environ.get("MAPPED_CC", "gcc"), "-std=c11", "-O2", "-Wall", "-Wextra",
         "-Werror", *[f"-fsanitize={kinds}"] * bool(kinds),
         f"-I{readers.TOP / 'core/include'}", HERE / "increments.c", "-o", built,
         readers.BUILD / "core/libmapped.a", "-pthread"], check=True)
    return built


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no /dev/shm here")
def test_increments_of_eight_processes_in_three_languages_are_exact(path, program):
    languages = [[program], [readers.LUA, HERE / "increments.lua"],
                 [readers.PYTHON, HERE / "increments.py"]]
    players = [subprocess.Popen([*languages[i % 3], path, str(TIMES), str(PROCESSES)])
               for i in range(PROCESSES)]
    try:
        ended = [player.wait(timeout=300) for player in players]
    finally:
        for player in players:
            player.kill()
            player.wait()
    assert ended == [0] * PROCESSES
    counter, mutex, guarded, here = struct.unpack("4Q", pathlib.Path(path).read_bytes())
    assert (counter, mutex, guarded, here) == (
        PROCESSES * TIMES, 0, PROCESSES * TIMES, PROCESSES)
