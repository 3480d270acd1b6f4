"""Measures records between two processes, and prints a line of JSON for each
row: there and back against a Pipe, and in batches against a Queue. The other
process is forked for each round."""
import multiprocessing
import os
import socket
import subprocess
import tempfile

import mapped
from timing import row

TURNS = 5000
RECORDS = {64: 50000, 4096: 50000}
BATCH = 256


def with_child(work, act):
    """Runs act() while a child does work()."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    act()
    assert os.waitpid(child, 0)[1] == 0


def bench_turns():
    region = mapped.anonymous(1 << 16, shared=True)
    there, back = mapped.Ring(region[:1 << 15]), mapped.Ring(region[1 << 15:])
    near, far = multiprocessing.Pipe()
    record = bytes(64)

    def answer():
        for _ in range(TURNS):
            back.send(there.recv())

    def ask():
        for _ in range(TURNS):
            there.send(record)
            back.recv()

    def answer_pipe():
        for _ in range(TURNS):
            far.send_bytes(far.recv_bytes())

    def ask_pipe():
        for _ in range(TURNS):
            near.send_bytes(record)
            near.recv_bytes()

    row("Python Ring, 64 B there and back", "multiprocessing.Pipe", 0.35,
        (lambda: with_child(answer, ask),
         lambda: with_child(answer_pipe, ask_pipe)), 15, TURNS)


ANSWER_RING = """
    local mapped = require "mapped"
    local region = assert(mapped.open(arg[1], "r+"))
    local there = mapped.Ring(region:sub(1, 4096))
    local back = mapped.Ring(region:sub(4097))
    for record in there:iter() do back:send(record) end
"""
ANSWER_SOCKET = """
    io.stdout:setvbuf("no")
    for record in io.lines(nil, 64) do io.write(record) end
"""


def bench_turns_with_lua():
    """The Lua process has the socket as its standard input and output."""
    record = bytes(64)
    lua = os.environ["MAPPED_LUA"]
    near, far = socket.socketpair()
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(8192)
        region = mapped.open(file.name, "r+")
        there, back = mapped.Ring(region[:4096]), mapped.Ring(region[4096:])
        peers = [subprocess.Popen([lua, "-e", f"arg = {{'{file.name}'}}",
                                   "-e", ANSWER_RING]),
                 subprocess.Popen([lua, "-e", ANSWER_SOCKET], stdin=far,
                                  stdout=far)]

        def ask():
            for _ in range(TURNS):
                there.send(record)
                back.recv()

        def ask_socket():
            for _ in range(TURNS):
                near.sendall(record)
                near.recv(64)

        row("Lua and Python, Ring, 64 B there and back", "Unix socket pair",
            0.35, (ask, ask_socket), 15, TURNS)
        for peer in peers:
            peer.kill()
            peer.wait()


def bench_batches(size):
    ring = mapped.Ring(mapped.anonymous(1 << 19, shared=True))
    queue = multiprocessing.Queue()
    count = RECORDS[size]
    batch = [bytes(size)] * BATCH

    def receive():
        received = 0
        while received < count:
            received += len(ring.recv_many())

    def send():
        for start in range(0, count, BATCH):
            ring.send_many(batch[:count - start])

    def get():
        for _ in range(count):
            queue.get()

    def put():
        for _ in range(count):
            queue.put(batch[0])

    row(f"Python Ring, {size} B in batches", "multiprocessing.Queue", 0.05,
        (lambda: with_child(receive, send), lambda: with_child(get, put)), 11,
        count)


if __name__ == "__main__":
    bench_turns()
    bench_turns_with_lua()
    for length in RECORDS:
        bench_batches(length)
