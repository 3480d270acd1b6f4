"""Guards against examples for LuaSocket and LPeg that lose bytes or lines."""
import collections
import hashlib
import random
import socket
import subprocess
import threading
import time

import pytest
import readers

EXAMPLES = readers.TOP / "lua/examples"


def lua(*arguments):
    return subprocess.run([readers.LUA, *arguments], capture_output=True, text=True,
                          timeout=100, check=True).stdout


def needs(module):
    found = subprocess.run([readers.LUA, "-l", module, "-e", ""], capture_output=True)
    return pytest.mark.skipif(found.returncode != 0, reason=f"no {module} here")


def receive(server, got):
    """Receives nothing at first, so that the sender has to wait."""
    connection, _ = server.accept()
    with connection:
        time.sleep(0.2)
        digest = hashlib.sha256()
        while piece := connection.recv(1 << 20):
            digest.update(piece)
            got["length"] += len(piece)
        got["digest"] = digest.digest()


@needs("socket")
def test_lua_peers_send_file_over_luasocket(tmp_path):
    content = random.Random(1).randbytes(20_000_003)
    (tmp_path / "file").write_bytes(content)
    got = {"length": 0}
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=receive, args=(server, got))
        thread.start()
        output = lua(EXAMPLES / "send_file.lua", tmp_path / "file", "127.0.0.1",
                     str(server.getsockname()[1]))
        thread.join(100)
    assert output == f"{len(content)}\n"
    assert got == {"length": len(content), "digest": hashlib.sha256(content).digest()}


@needs("lpeg")
def test_lua_peers_parse_lines_by_lpeg(tmp_path):
    chance, lines, counts = random.Random(2), [], collections.Counter()
    for number in range(5000):
        level, code = chance.choice(["INFO", "ERROR"]), chance.choice(["200", "404", "5 x"])
        lines.append(f'{number} {level} code="{code}" path=/a/{number} text="a b=c"')
        if level == "ERROR":
            counts[code] += 1
    (tmp_path / "log").write_text("\n".join(lines))  # the last line has no end
    output = lua(EXAMPLES / "lpeg_log.lua", tmp_path / "log", "ERROR")
    assert output == "".join(f"{code}\t{counts[code]}\n" for code in sorted(counts))
