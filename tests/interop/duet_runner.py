"""Runs duet.py and duet.lua at the same time on one file."""
import subprocess

from readers import LUA, PYTHON, TOP

HERE = TOP / "tests/interop"


def play(path, exchanges):
    """Runs both programs until the word in the file is 2 * exchanges.

    Returns the file's bytes; raises RuntimeError if a program gave up."""
    path.write_bytes(bytes(24))
    last = 2 * exchanges
    players = [
        subprocess.Popen([*program, path, str(first), str(last)], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for first, program in enumerate([(PYTHON, HERE / "duet.py"),
                                         (LUA, HERE / "duet.lua")])]
    try:
        outputs = [player.communicate(timeout=60)[0] for player in players]
    finally:
        for player in players:
            player.kill()
            player.wait()
    for player, output in zip(players, outputs):
        if player.returncode != 0 or output != f"saw {exchanges}\n":
            raise RuntimeError(f"{player.args[1].name}: {output}")
    return path.read_bytes()
