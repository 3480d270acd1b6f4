"""Runs three programs as one pipeline: C makes log lines, Lua picks those that
match a pattern, Python counts them. Two rings in shared memory join them.

    python3 pipeline.py build/release/core/examples/produce [COUNT [PATTERN]]

If one of the programs fails, or this one is stopped, the others are ended too,
and the shared memory is removed."""
import asyncio
import contextlib
import os
import pathlib
import signal
import sys
import time

import mapped

TOP = pathlib.Path(__file__).resolve().parents[2]
LUA = os.environ.get("MAPPED_LUA", "lua5.4")
RING_SIZE = 1 << 20


async def stage(*command: object) -> None:
    """Runs a program, which must succeed, and ends it if we are cancelled."""
    process = await asyncio.create_subprocess_exec(*map(str, command))
    try:
        if await process.wait() != 0:
            raise RuntimeError(f"{command[0]} failed")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(produce: str, count: str, pattern: str, lines: str, kept: str) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in signal.SIGINT, signal.SIGTERM:
        asyncio.get_running_loop().add_signal_handler(
            number, task.cancel)
    async with asyncio.TaskGroup() as group:
        for command in [
                (produce, lines, count),
                (LUA, TOP / "lua/examples/filter.lua", lines, kept, pattern),
                (sys.executable, TOP / "python/examples/consume.py", kept)]:
            group.create_task(stage(*command))


def main(produce: str, count: str = "1000000",
         pattern: str = "ERROR .* ms=9%d%d$") -> None:
    names = [f"pipeline-{os.getpid()}-{ring}" for ring in ("lines", "kept")]
    with contextlib.ExitStack() as stack:
        for name in names:
            mapped.shared(name, RING_SIZE, "x+").close()
            stack.callback(mapped.unlink, name)
        start = time.perf_counter()
        asyncio.run(run(produce, count, pattern, *names))
        seconds = time.perf_counter() - start
    print(f"{count} lines through C, Lua and Python in {seconds:.2f} s: "
          f"{int(count) / seconds:,.0f} lines/s")


if not 2 <= len(sys.argv) <= 4:
    sys.exit("usage: pipeline.py PRODUCE [COUNT [PATTERN]]")
try:
    main(*sys.argv[1:])
except ExceptionGroup as group:
    sys.exit(f"error: {group.exceptions[0]}")
except asyncio.CancelledError:
    sys.exit("error: stopped")
