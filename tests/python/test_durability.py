"""Guards against flushed data that is lost in a crash. The process is really
killed. A crash of the system is simulated: any of the pages that were not
flushed may be on the disk or not."""
import errno
import io
import os
import random
import signal
import struct
import subprocess
import sys
import threading

import mapped
import pytest
from hypothesis import given, settings, strategies as st

PAGE = 4096
PAGES = 12
HEADER = struct.Struct("<QQ")  # how many records, and where the next one goes


class Disk:
    """A file, and the bytes of it that have certainly reached the disk."""

    def __init__(self, path):
        self.path = path
        self.region = mapped.open(path, "w+", length=PAGES * PAGE)
        self.region.pack("<QQ", 0, 0, PAGE)
        self.durable = bytearray(len(self.region))
        self.flush(0, len(self.region))

    def flush(self, offset, length):
        self.region[offset:offset + length].flush()
        first, end = offset // PAGE * PAGE, -(-(offset + length) // PAGE) * PAGE
        self.durable[first:end] = self.region[first:end]

    def after_crash(self, choose):
        """Returns what the disk may have after a crash: of each page the
        flushed bytes or the newest ones."""
        image = bytearray(self.durable)
        for at in range(0, len(image), PAGE):
            if choose():
                image[at:at + PAGE] = self.region[at:at + PAGE]
        return image


class Log:
    """A log of records behind a header that counts them. A record is flushed
    before the header is changed, and belongs to the log when the header is
    flushed."""

    def __init__(self, disk):
        self.disk, self.kept = disk, []

    def write_record(self, data):
        count, at = self.disk.region.unpack("<QQ")
        self.disk.region.pack("<Q", at, len(data))
        self.disk.region[at + 8:at + 8 + len(data)] = data
        return count, at, at + 8 + len(data)

    def append(self, data):
        count, at, end = self.write_record(data)
        self.disk.flush(at, end - at)
        self.disk.region.pack("<QQ", 0, count + 1, end)
        self.disk.flush(0, HEADER.size)
        self.kept.append(data)

    @staticmethod
    def read(image):
        count, _ = HEADER.unpack_from(image)
        at, records = PAGE, []
        for _ in range(count):
            (length,) = struct.unpack_from("<Q", image, at)
            records.append(bytes(image[at + 8:at + 8 + length]))
            at += 8 + length
        return records


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=12),
       st.binary(max_size=3000), st.data())
def test_flushed_records_survive_any_crash(tmp_path_factory, records, torn, data):
    disk = Disk(tmp_path_factory.getbasetemp() / "log")
    log = Log(disk)
    for record in records:
        log.append(record)
        # Another record is being written, and the header is not flushed yet.
        count, at, end = log.write_record(torn)
        image = disk.after_crash(lambda: data.draw(st.booleans()))
        assert Log.read(image) == log.kept
    disk.region.close()


def test_a_log_without_flush_would_not_survive(tmp_path):
    """Shows that the test above can fail: only the header may reach the
    disk."""
    disk = Disk(tmp_path / "log")
    log = Log(disk)
    count, at, end = log.write_record(b"x" * 100)
    disk.region.pack("<QQ", 0, count + 1, end)
    choices = iter([True] + [False] * PAGES)
    assert Log.read(disk.after_crash(lambda: next(choices))) != [b"x" * 100]


class Tail:
    """A file that is appended to, and what of it has reached the disk: the
    pages of what was flushed, and the last page, which has the trailer."""

    def __init__(self, path):
        self.path = path
        self.region = mapped.open(path, "w+")
        self.durable = bytearray()
        self.flushed = 0

    def flush(self):
        self.region[self.flushed:].flush()
        newest = self.path.read_bytes()
        self.durable.extend(bytes(len(newest) - len(self.durable)))
        first = self.flushed // PAGE * PAGE
        end = -(-len(self.region) // PAGE) * PAGE
        for part in slice(first, end), slice(len(newest) - PAGE, len(newest)):
            self.durable[part] = newest[part]
        self.flushed = len(self.region)

    def after_crash(self, choose):
        """Returns what the disk may have after a crash: the size of the last
        flush or the newest, and of each page what was flushed or the newest."""
        newest = self.path.read_bytes()
        image = bytearray(self.durable)
        if choose():
            image.extend(bytes(len(newest) - len(image)))
        for at in range(0, len(image), PAGE):
            if choose():
                image[at:at + PAGE] = newest[at:at + PAGE]
        return image


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=30000), min_size=1, max_size=12),
       st.lists(st.binary(max_size=50000), max_size=3), st.data())
def test_flushed_appends_survive_any_crash(tmp_path_factory, records, more, data):
    folder = tmp_path_factory.mktemp("tail")
    tail, kept = Tail(folder / "log"), b""
    for record in records:
        tail.region.append(record)
        kept += record
        tail.flush()
    for record in more:
        tail.region.append(record)
    crashed = folder / "crashed"
    crashed.write_bytes(tail.after_crash(lambda: data.draw(st.booleans())))
    with mapped.open(crashed) as region:
        assert len(region) >= len(kept) and region[:len(kept)] == kept
    if not more:
        crashed.write_bytes(tail.after_crash(lambda: False))
        with mapped.open(crashed) as region:
            assert region == kept
    tail.region.close()
    assert tail.path.read_bytes() == kept + b"".join(more)


WRITER = """
import sys, mapped
region = mapped.open(sys.argv[1], "r+",
                     length=None if sys.argv[2] == "append" else 1 << 20)
for i in range(1, 1 << 17):
    if sys.argv[2] == "append":
        region.append(i.to_bytes(8, "little"))
    else:
        region.set("<Q", 8 * i - 8, i)
    if sys.argv[2] == "flush" and i % 64 == 0:
        region[8 * i - 512:8 * i].flush()
    sys.stdout.buffer.write(i.to_bytes(8, "little"))
    sys.stdout.buffer.flush()
"""


@pytest.mark.parametrize("how", ["flush", "no flush", "append"])
def test_what_a_killed_process_wrote_is_there(tmp_path, how):
    for attempt in range(5):
        path = tmp_path / f"{attempt}"
        path.touch()
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), how],
            stdout=subprocess.PIPE)
        told = writer.stdout.read(8 * random.randrange(1, 3000))
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read()
        assert writer.wait() == -signal.SIGKILL
        last = len(told) // 8
        with mapped.open(path) as region:
            assert list(region.cast("<Q")[:last]) == list(range(1, last + 1))
            if how == "append":
                assert last <= len(region) // 8 <= last + 2


def test_flush_takes_the_arguments_of_its_signature(path):
    with mapped.open(path, "r+") as region:
        for call in (lambda: region.flush(), lambda: region.flush(False),
                     lambda: region.flush(wait=True), region[100:5000].flush,
                     region[:0].flush):
            assert call() is None
        for call in (lambda: region.flush(0, 10), lambda: region.flush(now=1)):
            with pytest.raises(TypeError):
                call()


def test_flush_where_nothing_can_be_durable(path):
    with mapped.open(path) as region, pytest.raises(TypeError, match="flush"):
        region.flush()
    with mapped.open(path, "c") as region, mapped.anonymous(5) as memory:
        for view in (region, memory, mapped.wrap(bytearray(5))):
            with pytest.raises(io.UnsupportedOperation, match="flush"):
                view.flush()
    with pytest.raises(ValueError, match="closed"):
        region.flush()


def test_flush_of_a_file_that_was_deleted(path):
    with mapped.open(path, "r+") as region:
        os.unlink(path)
        region[0] = 1
        region.flush()


def test_flush_reports_a_lost_page(path):
    with mapped.open(path, "r+", length=2 * PAGE) as region:
        os.truncate(path, 0)
        with pytest.raises(mapped.FaultError):
            region[PAGE] = 1
        with pytest.raises(mapped.FaultError) as caught:
            region.flush()
        assert caught.value.errno == errno.ENODATA
        assert caught.value.offset == PAGE


def test_flush_while_other_threads_write_and_close(path):
    """If the region is closed during a flush, the flush may say so, but may not
    fail otherwise."""
    for _ in range(20):
        region = mapped.open(path, "r+", length=64 * PAGE)
        closed = threading.Event()

        def write():
            try:
                while True:
                    region.fill(1)
                    region.flush()
            except ValueError:
                closed.set()

        thread = threading.Thread(target=write)
        thread.start()
        region.flush(wait=False)
        region.close()
        thread.join()
        assert closed.is_set()
