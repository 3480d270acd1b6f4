"""A web server that shares a table of counters, and a ring of jobs, with a worker
in Lua (lua/examples/worker.lua), which it starts again whenever that has ended.

    python3 web_counter.py FILE [PORT]             8000; 0: any that is free
    curl localhost:8000/hit/tea                    adds one to a counter
    curl localhost:8000/jobs -d 'tea or coffee'    the worker counts each word
    curl localhost:8000/                           lists all counters

The file keeps the counts (counters.py) and, from offset 4096, the ring. The lock
tells the worker that the server lives."""
import http.server
import os
import pathlib
import re
import signal
import subprocess
import sys

import counters
import mapped

RING, SIZE = 4096, 1 << 16
WORKER = pathlib.Path(__file__).resolve().parents[2] / "lua/examples/worker.lua"
LUA = os.environ.get("MAPPED_LUA", "lua5.4")


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 5  # a client that says nothing for so long is dropped

    def answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        counts = self.server.counters
        if hit := re.fullmatch("/hit/([a-z]{1,16})", self.path):
            self.answer(200, f"{counts.find(hit[1].encode()).add(1) + 1}\n")
        else:
            self.answer(200 if self.path == "/" else 404, str(counts))

    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        length, jobs = self.headers.get("Content-Length", ""), self.server.jobs
        sent = (self.path == "/jobs" and re.fullmatch("[0-9]{1,9}", length)
                and int(length) <= jobs.longest
                and jobs.try_send(self.rfile.read(int(length))))
        self.answer(202 if sent else 503)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them
    worker: subprocess.Popen[bytes] | None = None
    command: list[str]
    counters: counters.Counters
    jobs: mapped.Ring

    def service_actions(self) -> None:
        """Is called ten times a second: sees to it that there is a worker."""
        if self.worker is None or self.worker.poll() is not None:
            self.worker = subprocess.Popen(self.command, process_group=0)

    def server_close(self) -> None:
        super().server_close()
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait()


def main(path: str, port: str = "8000") -> None:
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda *_: sys.exit())
    with mapped.open(path, "a+", length=SIZE) as region:
        table = counters.Counters(region)
        with (table.bytes.lock(timeout=0),
              Server(("127.0.0.1", int(port)), Handler) as server):
            server.command = [LUA, str(WORKER), path]
            server.counters, server.jobs = table, mapped.Ring(region[RING:])
            print(f"http://127.0.0.1:{server.server_port}/", flush=True)
            server.serve_forever(poll_interval=0.1)


if not 2 <= len(sys.argv) <= 3:
    sys.exit("usage: web_counter.py FILE [PORT]")
try:
    main(*sys.argv[1:])
except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
