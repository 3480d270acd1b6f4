"""Guards against zeros of lost pages that are read through an export, an array,
records or a wrap, and that no error reports: because the page was lost before,
because another call has reported it already, or because it has been recovered
since."""
import array
import errno
import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import textwrap

import mapped
import numpy
import pytest

PAGE = os.sysconf("SC_PAGESIZE")
PAGES = 8
LAYOUT = "a:u32 b:char[4]"


@pytest.fixture
def path(pages):
    return pages


def refill(path):
    with open(path, "r+b") as file:
        file.write(b"a" * (PAGES * PAGE))


@pytest.fixture
def known(lost):
    """Makes a region like `lost`, of which page 1 is known to be lost."""
    with pytest.raises(mapped.FaultError):
        lost[PAGE]
    return lost


def send(view):
    left, right = socket.socketpair()
    with left, right:
        left.send(view)


def write(view):
    with open(os.devnull, "wb", buffering=0) as file:
        file.write(view)


REFUSED = {
    "memoryview": memoryview,
    "slice": lambda r: memoryview(r[PAGE:2 * PAGE]),
    "numpy": lambda r: numpy.frombuffer(r, "u1"),
    "hashlib": hashlib.sha256,
    "bytearray": bytearray,
    "BytesIO": io.BytesIO,
    "socket": send,
    "file": write,
    "array.array": lambda r: array.array("B").frombytes(r),
    "array": lambda r: numpy.asarray(r.cast("I")),
    "backwards": lambda r: numpy.asarray(r.cast("I")[PAGE // 2::-1]),
    "grid": lambda r: numpy.asarray(r.cast("B", (2, PAGES * PAGE // 2))),
    "records": lambda r: memoryview(r.records(LAYOUT)),
    "column": lambda r: numpy.asarray(r.records(LAYOUT).column("a")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_export_of_a_known_loss_is_refused(known, listen, name):
    reported = listen()
    with pytest.raises(mapped.FaultError) as caught:
        REFUSED[name](known)
    assert caught.value.errno == errno.ENODATA
    assert caught.value.offset == PAGE
    known.close()
    assert reported == []


def test_re_refuses_a_known_loss_in_words_of_its_own(known, listen):
    """`re` raises a TypeError for every object that refuses its buffer."""
    reported = listen()
    with pytest.raises(TypeError):
        re.search(b"a", known)
    assert reported == []


ALLOWED = {
    "slice": lambda r: r[:PAGE],
    "slice behind": lambda r: r[2 * PAGE:],
    "nothing": lambda r: r[PAGE:PAGE],
    "array": lambda r: r.cast("I")[:PAGE // 4],
    "array backwards": lambda r: r.cast("I")[PAGE // 4 - 1::-1],
    "rows": lambda r: r.cast("B", (PAGES, PAGE))[2:, 5],
    "no rows": lambda r: r.cast("B", (PAGES, PAGE))[1:1],
    "records": lambda r: r.records(LAYOUT)[:PAGE // 8],
    "column": lambda r: r.records(LAYOUT)[:PAGE // 8].column("b"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_export_of_other_pages_is_not(known, listen, name):
    reported = listen()
    memoryview(ALLOWED[name](known)).release()
    known.close()
    assert reported == []


READERS = {
    "memoryview": lambda r: bytes(memoryview(r)),
    "numpy": lambda r: numpy.frombuffer(r, "u1").sum(),
    "re": lambda r: re.search(b"[^a\0]", r),
    "hashlib": lambda r: hashlib.sha256(r[PAGE:]),
    "array.array": lambda r: array.array("B").frombytes(r),
    "BytesIO": io.BytesIO,
    "array": lambda r: numpy.asarray(r.cast("I")).sum(),
    "backwards": lambda r: numpy.asarray(r.cast("I")[::-2]).sum(),
    "records": lambda r: memoryview(r.records(LAYOUT)).tobytes(),
    "column": lambda r: numpy.asarray(r.records(LAYOUT).column("a")).sum(),
}


@pytest.mark.parametrize("name", READERS)
def test_export_tells_at_its_release_and_at_close(lost, listen, name):
    reported = listen()
    READERS[name](lost)
    assert len(reported) == 1
    assert isinstance(reported[0], mapped.FaultError)
    assert reported[0].errno == errno.ENODATA
    with pytest.raises(mapped.FaultError) as caught:
        lost.close()
    assert caught.value.args == reported[0].args
    assert (caught.value.offset, caught.value.length) == (
        reported[0].offset, reported[0].length)
    assert lost.closed
    lost.close()


@pytest.mark.parametrize("name", READERS)
def test_export_tells_of_what_was_recovered(lost, path, listen, name):
    reported = listen()
    view = memoryview(lost)
    READERS[name](lost)
    del reported[:]
    refill(path)
    lost.recover()
    view.release()
    assert len(reported) == 1
    with pytest.raises(mapped.FaultError):
        lost.check()
    lost.check()
    lost.close()


def test_export_tells_though_another_access_was_told(lost, listen):
    reported = listen()
    view = memoryview(lost)
    assert view[PAGE] == 0
    with pytest.raises(mapped.FaultError):
        lost[2 * PAGE]
    with pytest.raises(mapped.FaultError):
        lost.check()
    view.release()
    assert len(reported) == 1
    assert reported[0].offset == PAGE


def test_export_that_met_nothing_tells_nothing(lost, listen):
    reported = listen()
    whole, part = memoryview(lost), memoryview(lost[:PAGE])
    assert bytes(whole[:PAGE]) == b"a" * PAGE
    whole.release()
    with pytest.raises(mapped.FaultError):
        lost[PAGE]
    part.release()
    assert reported == []
    lost.close()


def test_export_tells_nothing_of_what_was_appended_since(path, listen):
    reported = listen()
    with mapped.open(path, "r+", reserve=2 * PAGES * PAGE) as region:
        view = memoryview(region)
        region.append(b"b" * PAGE)
        os.truncate(path, PAGES * PAGE)
        with pytest.raises(mapped.FaultError):
            region[PAGES * PAGE]
        view.release()
    assert reported == []


def test_export_begun_after_a_recovery_tells_nothing(known, path, listen):
    reported = listen()
    old = memoryview(known[2 * PAGE:])
    assert old[0] == 0
    refill(path)
    known.recover()
    assert bytes(memoryview(known)) == b"a" * (PAGES * PAGE)
    assert reported == []
    old.release()
    assert len(reported) == 1


def test_check_tells_what_close_would_have(lost, listen):
    reported = listen()
    assert memoryview(lost)[PAGE] == 0
    with pytest.raises(mapped.FaultError):
        lost.check()
    lost.close()


def test_close_that_is_refused_tells_later(lost, listen):
    reported = listen()
    first, second = memoryview(lost), memoryview(lost)
    assert first[PAGE] == 0
    first.release()
    with pytest.raises(BufferError):
        lost.close()
    second.release()
    with pytest.raises(mapped.FaultError):
        lost.close()
    assert lost.closed


def test_with_tells_of_a_loss_that_an_export_met(path, listen):
    reported = listen()
    with pytest.raises(mapped.FaultError):
        with mapped.open(path) as region:
            os.truncate(path, PAGE)
            assert numpy.frombuffer(region, "u1").min() == 0
    assert region.closed


def test_release_leaves_an_exception_under_way_alone(lost, listen):
    reported = listen()
    with pytest.raises(ZeroDivisionError):
        view = memoryview(lost)
        with view:
            assert view[PAGE] == 0
            1 // 0
    assert len(reported) == 1


def test_hook_may_close_the_region(lost, monkeypatch):
    caught = []

    def hook(unraisable):
        try:
            lost.close()
        except mapped.FaultError as error:
            caught.append(error)

    monkeypatch.setattr(sys, "unraisablehook", hook)
    assert memoryview(lost)[PAGE] == 0
    assert len(caught) == 1
    assert lost.closed


def received(view):
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        try:
            count = left.send(view)
        except OSError as error:
            assert error.errno == errno.EFAULT
            count = 0
        left.close()
        data = b"".join(iter(lambda: right.recv(1 << 16), b""))
    assert len(data) == count
    return data


def test_socket_is_never_sent_zeros(lost):
    """The kernel meets the lost page and sends no signal: the call fails with
    EFAULT or sends fewer bytes."""
    assert received(lost[:PAGE]) == b"a" * PAGE
    assert received(lost[PAGE:]) == b""
    assert received(lost).strip(b"a") == b""


SOURCES = {
    "slice": lambda r: r[PAGE:],
    "array": lambda r: r.cast("I"),
    "part of an array": lambda r: r.cast("I")[PAGE // 4:],
    "array with gaps": lambda r: r.cast("I")[::2],
    "array backwards": lambda r: r.cast("B")[::-1],
    "records": lambda r: r.records(LAYOUT),
    "records with gaps": lambda r: r.records(LAYOUT)[::3],
    "column": lambda r: r.records(LAYOUT).column("a"),
    "wrapped array": lambda r: mapped.wrap(r.cast("I")),
    "wrapped records": lambda r: mapped.wrap(r.records(LAYOUT)),
}


USES = {
    "copy_from": lambda d, s: d.copy_from(s),
    "assign": lambda d, s: d.__setitem__(slice(0, s.nbytes), s),
    "append": lambda d, s: d.append(s),
    "find": lambda d, s: d.find(s),
    "in": lambda d, s: s in d,
    "startswith": lambda d, s: d.startswith(s),
    "split": lambda d, s: list(d.split(s)),
    "text of a record": lambda d, s: d.records(
        f"c:char[{PAGES * PAGE}]").__setitem__(0, (s,)),
    "bytes": lambda d, s: bytes(s),
}


def test_wrapped_memoryview_that_lost_a_page_is_an_error(lost, listen):
    reported = listen()
    wrapped = mapped.wrap(memoryview(lost))
    with pytest.raises(mapped.FaultError):
        wrapped[PAGE]
    wrapped.region.close()
    assert len(reported) == 1


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", SOURCES)
def test_source_that_lost_a_page_is_an_error(lost, name, use):
    with mapped.anonymous(PAGES * PAGE) as there:
        there.fill(ord("a"))
        with pytest.raises(mapped.FaultError):
            USES[use](there, SOURCES[name](lost))
        assert there.count(b"a") == PAGES * PAGE
        assert len(there) == PAGES * PAGE


@pytest.mark.parametrize("name", SOURCES)
def test_source_is_read_as_it_stands(path, name):
    """An intact source gives the same bytes as through the buffer protocol."""
    path.write_bytes(bytes(os.urandom(PAGES * PAGE)))
    with mapped.open(path) as region:
        source = SOURCES[name](region)
        data = memoryview(source).tobytes()
        with mapped.anonymous(len(data) + 9) as there:
            there.copy_from(source, 4)
            assert there[4:4 + len(data)] == data
            there[:len(data)] = source
            assert there[:len(data)] == data
            assert there.find(source) == 0
        assert bytes(source) == data


ITEM_SOURCES = {
    "array": lambda r: r.cast("B"),
    "array of others": lambda r: r.cast("b"),
    "array backwards": lambda r: r.cast("B")[::-1],
    "slice": lambda r: r[:],
    "region": lambda r: r,
}


@pytest.mark.parametrize("name", ITEM_SOURCES)
def test_items_that_lost_a_page_are_an_error(lost, listen, name):
    reported = listen()
    with mapped.anonymous(PAGES * PAGE) as there:
        with pytest.raises(mapped.FaultError):
            there.cast("B")[:] = ITEM_SOURCES[name](lost)
    assert reported == []


@pytest.mark.parametrize("name", ITEM_SOURCES)
def test_items_are_stored_as_they_stand(path, name):
    path.write_bytes(bytes(i % 128 for i in range(PAGES * PAGE)))
    with mapped.open(path) as region, mapped.anonymous(PAGES * PAGE) as there:
        values = list(ITEM_SOURCES[name](region))
        there.cast("B")[:] = ITEM_SOURCES[name](region)
        assert list(there) == values
        with pytest.raises(ValueError, match="shape"):
            there.cast("B")[1:] = ITEM_SOURCES[name](region)


def test_column_stored_into_a_column_is_an_error(lost):
    with mapped.anonymous(PAGES * PAGE) as there:
        column = there.records(LAYOUT).column("a")
        with pytest.raises(mapped.FaultError):
            column[:] = lost.records(LAYOUT).column("a")


@pytest.mark.parametrize("make", [
    lambda r: r, lambda r: r[:], lambda r: r.cast("I"),
    lambda r: r.records(LAYOUT)])
def test_destination_that_lost_a_page_is_an_error(lost, listen, make):
    reported = listen()
    with mapped.anonymous(PAGES * PAGE) as source:
        with pytest.raises(mapped.FaultError):
            source.copy_to(make(lost))
    assert reported == []
    lost.close()


def test_wrap_of_an_array_is_a_slice_of_its_region(path):
    with mapped.open(path) as region:
        part = mapped.wrap(region.cast("I")[3:7])
        assert part.region is region
        assert (part.offset, len(part)) == (12, 16)
        rows = mapped.wrap(region.records(LAYOUT)[2:4])
        assert (rows.offset, len(rows)) == (16, 16)
        with pytest.raises(BufferError):
            mapped.wrap(region.cast("I")[::2])


# A listener (fanotify) delays an open of the file, which keeps the region busy.
BUSY = """
    import ctypes, io, os, struct, sys, threading
    import mapped
    region = mapped.open(sys.argv[1], "r")
    libc = ctypes.CDLL(None, use_errno=True)
    listener = libc.fanotify_init(4, os.O_RDONLY)
    if listener < 0 or libc.fanotify_mark(
            listener, 1, ctypes.c_uint64(0x10000), -100,
            os.fsencode(sys.argv[1])) < 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    holder = threading.Thread(target=lambda: region.size)
    holder.start()
    opened, = struct.unpack_from("i", os.read(listener, 4096), 16)
    called = threading.Event()

    def call():
        called.set()
        try:
            CALL
        except io.UnsupportedOperation:
            pass

    caller = threading.Thread(target=call)
    caller.start()
    called.wait()
    caller.join(0.2)
    os.write(listener, struct.pack("iI", opened, 1))
    os.close(opened)
    os.close(listener)
    holder.join()
    caller.join()
    print("done")
"""


@pytest.mark.parametrize("call", [
    "region.check()", "region.faults", "region.recover()", "region.close()",
    "region.fileno()", "region.seal()", "region.size", "memoryview(region)"])
def test_waiting_for_another_thread_lets_others_run(path, call):
    """If the call kept the interpreter's lock, no thread could allow the open,
    and the process would hang."""
    code = textwrap.dedent(BUSY).replace("CALL", call)
    done = subprocess.run([sys.executable, "-c", code, path], timeout=60,
                          capture_output=True, text=True)
    if "not permitted" in done.stderr or "not implemented" in done.stderr:
        pytest.skip("only root can hold up an open of a file")
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize("method", ["startswith", "endswith", "find", "count"])
def test_needle_and_haystack_may_both_be_lost(tmp_path, method):
    """Both are a reason to raise. The first one is raised, and no
    SystemError."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * (8 * 4096))
    with mapped.open(path) as region:
        os.truncate(path, 0)
        with pytest.raises(mapped.FaultError):
            getattr(region[4096:8192], method)(region[8192:12288])


def test_owed_fault_is_nothing_that_a_script_can_find(child, path):
    """It would make a cycle through it that the collector doesn't see."""
    child("""
        import gc, mapped, os, sys
        sys.unraisablehook = lambda report: None
        path = sys.argv[1]
        region = mapped.open(path, "r+")
        view = memoryview(region)
        os.truncate(path, 0)
        assert view[5000] == 0
        view.release()
        assert not [each for each in gc.get_objects()
                    if type(each) is mapped.FaultError]
        for _ in range(2):
            try:
                region.check()
            except mapped.FaultError as error:
                assert (error.offset, error.filename) == (4096, path)
            else:
                raise AssertionError("not told")
    """, path)
