"""Guards against a region that follows a file wrongly, or takes memory from
under an export when it does."""
import os
import io
import threading

import mapped
import numpy
import pytest

PAGE = 4096


def grow(path, data):
    with open(path, "ab") as file:
        file.write(data)


def test_refresh_takes_no_arguments(path):
    with mapped.open(path) as region:
        for call in (lambda: region.refresh(1), lambda: region.refresh(now=True)):
            with pytest.raises(TypeError):
                call()
    with pytest.raises(ValueError, match="closed"):
        region.refresh()


def test_refresh_is_for_files():
    for region in mapped.anonymous(5), mapped.wrap(bytearray(5)).region:
        with pytest.raises(io.UnsupportedOperation, match="refresh"):
            region.refresh()


def test_refresh_tells_what_it_found(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"first")
    with mapped.open(path) as log:
        assert log.refresh() == "unchanged"
        grow(path, b" second")
        assert log.refresh() == "longer" and log == b"first second"
        os.truncate(path, 2)
        assert log.refresh() == "shorter" and log == b"fi"
        path.rename(tmp_path / "log.1")
        assert log.refresh() == "removed" and log == b"fi"
        grow(tmp_path / "log.1", b"nal")
        path.write_bytes(b"new")
        assert log.refresh() == "longer" and log == b"final"
        assert log.refresh() == "replaced" and log == b"new"
        assert log.refresh() == "unchanged"


def test_refresh_follows_a_log_that_is_rotated_cut_and_rewritten(tmp_path):
    """A writer does all of that; the reader misses no line but those that were
    cut away before it looked."""
    path, lines, done = tmp_path / "log", 0, threading.Event()
    path.touch()

    def write():
        for number in range(3000):
            grow(path, b"%d\n" % number)
            if number % 400 == 399:
                path.rename(tmp_path / f"log.{number}")
                path.touch()
        done.set()

    thread = threading.Thread(target=write)
    with mapped.open(path) as log:
        log.refresh()
        thread.start()
        seen, at, last = [], 0, False
        while True:
            change = log.refresh()
            if change == "replaced":
                at = 0
            complete = log.rfind(b"\n") + 1
            seen += [int(line) for line in log[at:complete].lines()]
            at = max(at, complete)
            if change in ("unchanged", "removed"):
                if last:
                    break
                last = done.is_set()
        thread.join()
    # Files that were rotated twice between two looks were never seen.
    assert seen == sorted(set(seen)) and seen[-1] == 2999


def test_refresh_keeps_arrays(tmp_path):
    path = tmp_path / "grown"
    path.write_bytes(bytes(range(100)))
    region = mapped.open(path, reserve=1 << 20)
    array = numpy.frombuffer(region, "u1")
    grow(path, b"x" * 10 * PAGE)
    assert region.refresh() == "longer" and len(region) == 100 + 10 * PAGE
    assert array.tolist() == list(range(100))
    later = numpy.frombuffer(region, "u1")
    assert later[-1] == ord("x") and later[:100].tolist() == array.tolist()
    path.unlink()
    path.write_bytes(b"new")
    with pytest.raises(BufferError, match="2 exports"):
        region.refresh()
    del array, later
    assert region.refresh() == "replaced" and region == b"new"
    region.close()


def test_refresh_past_the_reserve_changes_nothing(tmp_path):
    path = tmp_path / "grown"
    path.write_bytes(b"small")
    with mapped.open(path, reserve=PAGE) as region:
        grow(path, bytes(PAGE))
        with pytest.raises(ValueError, match="longer than the reserve"):
            region.refresh()
        assert region == b"small"
