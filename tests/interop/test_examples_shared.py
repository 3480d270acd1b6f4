"""Guards against examples of shared memory that lose or repeat what they share,
or leave a process or shared memory behind."""
import http.client
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import readers

import mapped

PRODUCE = readers.BUILD / "core/examples/produce"
EXAMPLES = readers.TOP / "python/examples"
FILTER = readers.TOP / "lua/examples/filter.lua"


def log(count):
    """Returns the lines that produce sends."""
    return [f"{n:08} {'INFO' if n % 10 else 'ERROR'} page={n % 97} "
            f"ms={n * 7919 % 1000}".encode() for n in range(count)]


def running(text):
    """Returns the processes that have the text among their arguments."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(text) in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            pass
    return found


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not (result := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return result


@pytest.fixture
def start():
    """Starts a program in Python, and ends it if the test doesn't."""
    started = []

    def run(name, *arguments, **options):
        process = subprocess.Popen(
            [readers.PYTHON, EXAMPLES / name, *map(str, arguments)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        started.append(process)
        return process
    yield run
    for process in started:
        with process:
            process.kill()


def end(process):
    """Returns the exit status of a process, and what it printed."""
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def assert_nothing_left(pipeline):
    name = f"pipeline-{pipeline.pid}-"
    wait_until(lambda: not running(name))
    assert not [*pathlib.Path("/dev/shm").glob(f"{name}*")]


@pytest.fixture
def names():
    """Makes two pieces of shared memory."""
    found = [f"mapped-test-{os.getpid()}-{i}" for i in range(2)]
    for name in found:
        mapped.shared(name, 1 << 14, "x+").close()
    yield found
    for name in found:
        mapped.unlink(name)


def test_pipeline_lines_arrive_whole_and_in_order(names):
    received = []
    with (subprocess.Popen([PRODUCE, names[0], "20000"]) as produce,
          subprocess.Popen([readers.LUA, FILTER, *names, "ms=%d%d$"]) as chosen,
          mapped.shared(names[1]) as region):
        ring = mapped.Ring(region)
        while not received or received[-1]:
            received += ring.recv_many(timeout=60)
    assert produce.returncode == chosen.returncode == 0
    assert received.pop() == b""
    assert received == [line for line in log(20000)
                        if re.search(rb"ms=\d\d$", line)]


@pytest.mark.parametrize("pattern, expected", [
    ("ERROR .* ms=9%d%d$", rb"ERROR .* ms=9\d\d$"), ("", b""), ("none", b"none")])
def test_pipeline_counts_all(start, pattern, expected):
    pipeline = start("pipeline.py", PRODUCE, 50000, pattern)
    status, output, errors = end(pipeline)
    assert (status, errors) == (0, "")
    kept = [line for line in log(50000) if re.search(expected, line)]
    assert output.startswith(
        f"{len(kept)} records, {sum(map(len, kept))} bytes: ")
    assert "\n50000 lines through C, Lua and Python in " in output
    assert_nothing_left(pipeline)


@pytest.mark.parametrize("produce, pattern", [
    (PRODUCE, "%"), ("missing", "x"), ("/bin/false", "x")])
def test_pipeline_ends_when_a_program_fails(start, produce, pattern):
    pipeline = start("pipeline.py", produce, 10**9, pattern)
    status, output, errors = end(pipeline)
    assert (status, output) == (1, "") and "error: " in errors
    assert_nothing_left(pipeline)


@pytest.mark.parametrize("program", ["produce", "filter.lua", "consume.py"])
def test_pipeline_ends_when_a_program_is_killed(start, program):
    pipeline = start("pipeline.py", PRODUCE, 10**9)

    def victim():
        return {*running(program)} & {*running(f"pipeline-{pipeline.pid}-")}
    os.kill(wait_until(victim).pop(), signal.SIGKILL)
    status, output, errors = end(pipeline)
    assert (status, output) == (1, "") and " failed" in errors
    assert_nothing_left(pipeline)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pipeline_that_is_stopped_leaves_nothing(start, number):
    pipeline = start("pipeline.py", PRODUCE, 10**9)
    wait_until(lambda: len(running(f"pipeline-{pipeline.pid}-")) == 3)
    pipeline.send_signal(number)
    assert end(pipeline) == (1, "", "error: stopped\n")
    assert_nothing_left(pipeline)


class Web:
    """A running server, for a test."""

    open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def __init__(self, start, path):
        self.path = path
        self.process = start("web_counter.py", path, 0)
        self.address = self.process.stdout.readline().strip()

    def get(self, path="", data=None):
        with self.open(self.address + path, data, 60) as answer:
            return answer.status, answer.read().decode()

    def counts(self):
        return {name: int(count) for name, count in
                map(str.split, self.get()[1].splitlines())}

    def workers(self):
        return [pid for pid in running(self.path) if pid != self.process.pid]


@pytest.fixture
def web(start, tmp_path):
    server = Web(start, tmp_path / "counters")
    yield server
    server.process.kill()
    wait_until(lambda: not running(server.path))  # the worker ends by itself


def test_web_counter_counts_all_hits_and_words(web):
    words = "tea or coffee, or tea and a-very-long-wordwithoutanend".encode()

    def work(i):
        for _ in range(50):
            web.get(f"hit/{'tea' if i % 2 else 'milk'}")
            assert web.get("jobs", words) == (202, "")
    threads = [threading.Thread(target=work, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {"tea": 500, "milk": 100, "or": 400, "coffee": 200, "and": 200,
                "a": 200, "very": 200, "long": 200, "wordwithoutanend": 200}
    wait_until(lambda: web.counts() == expected)


def test_web_counter_answers(web):
    assert web.get("hit/tea") == (200, "1\n")
    assert web.get("hit/tea") == (200, "2\n")
    assert web.get() == (200, "tea 2\n")
    for path, data, status in [("hit/", None, 404), ("hit/TEA", None, 404),
                               ("jobs", bytes(1 << 16), 503), ("", b"", 503)]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            web.get(path, data)
        assert refused.value.code == status
        refused.value.close()


@pytest.mark.parametrize("length", [None, "-1", "a",
                                    pytest.param("1" * 5000, id="long")])
def test_web_counter_refuses_a_length_that_is_none(web, length):
    connection = http.client.HTTPConnection(web.address.split("/")[2], timeout=60)
    connection.putrequest("POST", "/jobs")
    if length is not None:
        connection.putheader("Content-Length", length)
    connection.endheaders()
    assert connection.getresponse().status == 503
    connection.close()


def test_web_counter_starts_a_killed_worker_again(web):
    for times in range(1, 4):
        web.get("jobs", b"one two two")
        wait_until(lambda: web.counts() == {"one": times, "two": 2 * times})
        worker, = wait_until(web.workers)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: web.workers() not in ([], [worker]))


def test_web_counter_does_a_job_again_whose_worker_died(web):
    worker, = wait_until(web.workers)
    with mapped.open(web.path) as region:
        count = region.atomic("Q", 64 + 8)  # the first row's
        web.get("jobs", b"word " * 5000)
        deadline = time.monotonic() + 60
        while count.load() == 0:  # it has 10 ms: no time to sleep
            assert time.monotonic() < deadline
        os.kill(worker, signal.SIGKILL)
    web.get("jobs", b"end")
    wait_until(lambda: web.counts().get("end"))
    assert 5000 <= web.counts()["word"] <= 10000


def test_web_counter_guards_the_names_in_both_languages(web):
    wait_until(web.workers)
    with mapped.open(web.path, "r+") as region, mapped.Mutex(region):
        web.get("jobs", b"word")
        thread = threading.Thread(target=web.get, args=["hit/tea"])
        thread.start()
        thread.join(0.5)
        assert thread.is_alive() and web.counts() == {}
    thread.join()
    wait_until(lambda: web.counts() == {"tea": 1, "word": 1})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_web_counter_ends_cleanly_and_keeps_its_counts(start, web, number):
    web.get("hit/tea")
    wait_until(web.workers)
    web.process.send_signal(number)
    status, output, errors = end(web.process)
    assert (status, output) == (0, "") and "Traceback" not in errors
    assert not running(web.path)
    again = Web(start, web.path)
    assert again.counts() == {"tea": 1}
    again.process.terminate()
    assert end(again.process)[0] == 0


def test_web_counter_has_one_server(start, web):
    status, _, errors = end(start("web_counter.py", web.path, 0))
    assert status == 1 and "timed out" in errors


def test_web_counter_worker_ends_when_the_server_is_killed(web):
    wait_until(web.workers)
    web.process.kill()
    web.process.wait()
    wait_until(lambda: not running(web.path))


def test_index_readers_follow_the_writer(start, tmp_path):
    index, data = tmp_path / "index", tmp_path / "data"
    writer = start("index_writer.py", index, data, stdin=subprocess.PIPE)
    wait_until(index.exists)
    keys = [*range(0, 30000, 37), 30000, 5, 30001]
    all_readers = [start("index_reader.py", index, data, *keys)
                   for _ in range(3)]
    writer.stdin.write("0 zero\n")  # the readers answer before the writer ends
    writer.stdin.flush()
    assert [reader.stdout.readline() for reader in all_readers] == ["0 zero\n"] * 3
    for key in range(2, 30003, 2):
        writer.stdin.write(f"{key} {'x' * (key % 50)}\n")
    assert end(writer) == (0, "", "")
    expected = "".join(
        f"{key} is not there\n" if key % 2 else f"{key} {'x' * (key % 50)}\n"
        for key in keys[1:])
    for reader in all_readers:
        assert end(reader) == (0, expected, "")


def test_index_is_continued_and_keeps_its_order(start, tmp_path):
    paths = tmp_path / "index", tmp_path / "data"

    def write(text):
        writer = start("index_writer.py", *paths, stdin=subprocess.PIPE)
        output, errors = writer.communicate(text, timeout=60)
        return writer.returncode, output, errors
    assert write("1 one\n5 five\n") == (0, "", "")
    assert write("6 six\n6 again\n") == (1, "", "error: key 6 after 6\n")
    reader = start("index_reader.py", *paths, 6, 1, 3, 5)
    assert end(reader) == (0, "6 six\n1 one\n3 is not there\n5 five\n", "")


def test_index_reader_notices_a_damaged_line(start, tmp_path):
    paths = tmp_path / "index", tmp_path / "data"
    start("index_writer.py", *paths, stdin=subprocess.PIPE).communicate("1 one\n")
    paths[1].write_bytes(b"1 two\n")
    assert end(start("index_reader.py", *paths, 1)) == (
        1, "", "error: the line of 1 is damaged\n")
