"""Guards against mistakes at the edges of windows over a file: bytes that are
skipped or shown twice, matches and lines that are cut. Guards also against
offsets beyond 32 bits, files that change during a walk, walks that end too
early or never, and foreign code that runs in the middle of a call."""
import gc
import os
import sys
import threading

import mapped
import pytest

from conftest import CONTENT, HOSTILE, PAGE

GIB = 2**30
TEXT = b"one\ntwo\n\nthree, and more\r\nfour"


@pytest.fixture
def text(tmp_path):
    made = tmp_path / "text"
    made.write_bytes(TEXT)
    return made


@pytest.mark.parametrize("size, overlap, error", [
    (0, 0, ValueError), (-1, 0, ValueError), (4, 4, ValueError),
    (4, 5, ValueError), (4, -1, ValueError), (4, 2**63 - 1, ValueError),
    (2**64, 0, ValueError), (4, 2**64, ValueError), ("4", 0, TypeError),
    (4.0, 0, TypeError), (None, 0, TypeError), (4, None, TypeError)])
def test_windows_refuse_bad_numbers(path, size, overlap, error):
    with pytest.raises(error):
        mapped.windows(path, size, overlap)


@pytest.mark.parametrize("arguments, keywords", [
    ((), {}), (("x",), {}), (("x", 1, 0, 0), {}), (("x", 1), {"mode": "r"}),
    (([], 1), {})])
def test_windows_refuse_bad_calls(arguments, keywords):
    with pytest.raises(TypeError):
        mapped.windows(*arguments, **keywords)


def test_windows_refuse_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        mapped.windows(tmp_path / "none", 4)
    assert caught.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError):
        mapped.windows(tmp_path, 4)
    with pytest.raises(OSError):
        mapped.windows("/proc/self/maps", 4)
    with pytest.raises(ValueError):
        mapped.windows("/dev/zero", 4)
    with pytest.raises(OSError):
        mapped.windows(10**6, 4)


def test_region_of_lines_is_kept_while_a_line_is_made(tmp_path):
    """A finalizer of the collection that making the line begins goes on to
    another window, and the region of the one before goes. (Python 3.11.)"""
    path = tmp_path / "lines"
    path.write_bytes((b"x" * 15 + b"\n") * 4096)
    lines = mapped.windows(path, PAGE).lines()
    next(lines)
    spares = [mapped.anonymous(10)[:] for _ in range(40)]

    class GoesOn:
        def __init__(self):
            self.cycle = self

        def __del__(self):
            for _ in range(600):
                next(lines)

    gc.collect()
    thresholds = gc.get_threshold()
    GoesOn()
    gc.set_threshold(1, 1, 1)
    line = next(lines)
    gc.set_threshold(*thresholds)
    if not HOSTILE:  # there finalizers hold others
        assert sys.getrefcount(line.region) == 3  # the line, ours, the call
    assert bytes(line) == b"x" * 15
    del spares


def test_windows_closed_raise(path):
    windows = mapped.windows(path, 100)
    lines = windows.lines()
    next(lines)
    held = next(windows)
    windows.close()
    windows.close()
    assert windows.closed
    for call in (lambda: next(windows), lambda: windows.find(b"a"),
                 lambda: windows.count(b"a"), lambda: windows.lines(),
                 lambda: windows.seek(0), lambda: windows.size,
                 lambda: next(lines), windows.__enter__):
        with pytest.raises(ValueError, match="closed"):
            call()
    assert held == CONTENT[:100]


def test_windows_make_no_objects_by_hand(path):
    with pytest.raises(TypeError):
        type(mapped.windows(path, 1))()


def test_windows_find_refuses_bad_arguments(path):
    windows = mapped.windows(path, 100)
    for call, error in ((lambda: windows.find(), TypeError),
                        (lambda: windows.find("a"), TypeError),
                        (lambda: windows.find(256), ValueError),
                        (lambda: windows.find(b"a", -1), ValueError),
                        (lambda: windows.find(b"a", 2**64), ValueError),
                        (lambda: windows.find(b"a", None), TypeError),
                        (lambda: windows.seek(-1), ValueError),
                        (lambda: windows.seek("a"), TypeError)):
        with pytest.raises(error):
            call()


def test_windows_of_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with mapped.windows(tmp_path / "empty", 4) as windows:
        assert list(windows) == [] and list(windows.lines()) == []
        assert windows.find(b"a") == -1 and windows.find(b"") == 0
        assert windows.count(b"") == 1 and windows.size == 0


@pytest.mark.parametrize("size, overlap", [
    (1000, 0), (1000, 999 if not HOSTILE else 500), (4096, 0), (4096, 100),
    (5000, 1), (len(CONTENT), 5), (2**40, 0)])
def test_windows_show_every_byte(path, content, size, overlap):
    end = 0
    for window in mapped.windows(path, size, overlap):
        start = window.region.file_offset
        assert start == (end - overlap if end else 0)
        end = start + len(window)
        assert window == content[start:end] and end <= len(content)
        assert window.readonly and window.offset == 0
    assert end == len(content)


def test_windows_take_what_open_takes(path, content):
    for file in (str(path), os.fsencode(path)):
        assert b"".join(mapped.windows(file, 4000)) == content
    with open(path, "rb") as file:
        windows = mapped.windows(file, 4000)
        numbered = mapped.windows(file.fileno(), 4000)
    assert b"".join(windows) == content == b"".join(numbered)


def test_windows_hold_what_is_held(path, content):
    windows = mapped.windows(path, 1000)
    held = list(windows)
    del windows
    gc.collect()
    assert b"".join(held) == content


@pytest.mark.skipif(HOSTILE, reason="finalizers hold descriptors")
def test_windows_release_what_nobody_holds(path):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))
    before = descriptors()
    windows = mapped.windows(path, 10)
    most = max(descriptors() for _ in windows)
    assert most <= before + 3
    del windows
    assert descriptors() == before


def test_windows_seek(path, content):
    windows = mapped.windows(path, 100, 10)
    windows.seek(len(content) - 20)
    assert next(windows) == content[-20:]
    assert next(windows, None) is None
    windows.seek(2**63 - 1)
    assert next(windows, None) is None
    windows.seek(3)
    assert next(windows) == content[3:103]
    assert next(windows) == content[93:193]


def test_windows_follow_a_file_that_grows(path, content):
    windows = mapped.windows(path, PAGE)
    assert b"".join(windows) == content
    with open(path, "ab") as file:
        file.write(b"more")
    assert next(windows) == b"more"
    assert next(windows, None) is None and windows.size == len(content) + 4


def test_windows_end_where_a_file_shrinks(pages):
    windows = mapped.windows(pages, 2 * PAGE)
    window = next(windows)
    os.truncate(pages, PAGE)
    with pytest.raises(mapped.FaultError):
        window[PAGE]
    assert window[0] == ord("a")
    assert next(windows, None) is None
    assert windows.find(b"a", PAGE) == -1


def test_windows_lines_meet_lost_pages(pages):
    windows = mapped.windows(pages, 8 * PAGE)
    lines = windows.lines()
    with open(pages, "r+b") as file:
        file.write(b"\n")
    assert next(lines) == b""
    os.truncate(pages, PAGE)
    with pytest.raises(mapped.FaultError):
        next(lines)


@pytest.mark.parametrize("size", range(1, 9))
def test_windows_find_across_edges(text, size):
    windows = mapped.windows(text, size)
    for needle in (b"one", b"two\n\nthree", b"four", TEXT, b"\n", b"x", b"e, and"):
        start = 0
        while start >= 0:
            found = windows.find(needle, start)
            assert found == TEXT.find(needle, start)
            start = found + 1 if found >= 0 else -1
        assert windows.count(needle) == TEXT.count(needle)
    assert windows.find(ord("w")) == TEXT.find(b"w")
    assert windows.find(bytearray(b"two")) == windows.find(mapped.wrap(b"two")) == 4
    assert windows.find(b"", len(TEXT)) == len(TEXT)
    assert windows.find(b"", len(TEXT) + 1) == -1
    assert windows.count(b"") == len(TEXT) + 1


@pytest.mark.parametrize("size", [1, 2, 5, 16, 1000])
def test_windows_lines_are_whole(text, size):
    windows = mapped.windows(text, size)
    lines = list(windows.lines())
    assert lines == TEXT.split(b"\n")
    assert list(windows.lines(keepends=True)) == TEXT.splitlines(True)[:4] + [b"four"]
    starts = [line.region.file_offset + line.offset for line in lines]
    assert [TEXT[start:start + len(line)] for start, line in zip(starts, lines)] == lines
    windows.close()
    assert lines[3] == b"three, and more\r"


def test_windows_a_search_leaves_the_walk(path, content):
    windows = mapped.windows(path, 100)
    next(windows)
    windows.find(b"the end")
    list(windows.lines())
    assert next(windows) == content[100:200]


def test_windows_closed_by_conversion(path):
    windows = mapped.windows(path, 100)

    class Closes:
        def __index__(self):
            windows.close()
            return 1
    with pytest.raises(ValueError, match="closed"):
        windows.find(b"a", Closes())
    windows = mapped.windows(path, 100)
    with pytest.raises(ValueError, match="closed"):
        windows.find(Closes())


def test_windows_shared_by_threads(path, content):
    windows = mapped.windows(path, 100)
    parts = []

    def work():
        for window in windows:
            parts.append((window.region.file_offset, bytes(window)))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b"".join(part for _, part in sorted(parts)) == content


def test_windows_closed_by_another_thread(tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate(2**26)
    windows = mapped.windows(tmp_path / "big", 2**20)
    closer = threading.Timer(0.01, windows.close)
    closer.start()
    try:
        while True:
            assert windows.find(b"needle") == -1
    except ValueError:
        assert windows.closed
    closer.join()


@pytest.mark.slow
def test_windows_over_six_gibibytes(tmp_path):
    with open(tmp_path / "huge", "wb") as file:
        for place in (2 * GIB - 3, 4 * GIB - 3, 6 * GIB - 6):
            file.seek(place)
            file.write(b"needle")
    with mapped.windows(tmp_path / "huge", GIB // 4) as windows:
        assert [window.region.file_offset for window in windows] == [
            i * GIB // 4 for i in range(24)]
        assert windows.find(b"needle", 4 * GIB - 2) == 6 * GIB - 6
        assert windows.find(b"needle", 4 * GIB - 3) == 4 * GIB - 3
        windows.seek(5 * GIB)
        window = next(windows)
        assert window.region.file_offset == 5 * GIB
