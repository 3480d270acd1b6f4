"""Guards against lost pages that kill the process (cpython 148650, 84897) or
that no error reports. The tests try every kind of access, also through
pointers, on files that are really truncated."""
import errno
import io
import mmap
import os
import socket
import subprocess
import sys
import textwrap
import threading

import mapped
import pytest

PAGE = os.sysconf("SC_PAGESIZE")
PAGES = 8


ACCESSES = {
    "item": lambda r: r[PAGE],
    "set item": lambda r: r.__setitem__(PAGE, 1),
    "iterate": lambda r: [b for b in r],
    "get": lambda r: r.get("<I", 2 * PAGE),
    "get across": lambda r: r.get("<Q", PAGE - 4),
    "set": lambda r: r.set(">d", 3 * PAGE, 1.5),
    "tobytes": lambda r: r.tobytes(),
    "bytes": lambda r: bytes(r[PAGE:]),
    "assign slice": lambda r: r.__setitem__(slice(PAGE, PAGE + 3), b"abc"),
    "fill": lambda r: r.fill(7),
    "move": lambda r: r.move(0, PAGE, 10),
    "move there": lambda r: r.move(PAGE, 0, 10),
    "copy_from": lambda r: r.copy_from(b"xyz", 2 * PAGE),
    "copy_to": lambda r: r.copy_to(bytearray(PAGES * PAGE)),
    "array item": lambda r: r.cast("I")[PAGE // 4],
    "array set": lambda r: r.cast("I").__setitem__(PAGE // 4, 1),
    "array list": lambda r: r.cast("I").tolist(),
    "array bytes": lambda r: r.cast("I").tobytes(),
    "find": lambda r: r.find(b"zz"),
    "rfind": lambda r: r.rfind(b"zz"),
    "count": lambda r: r.count(b"a"),
    "lines": lambda r: list(r.lines()),
    "unpack": lambda r: r.unpack("<IId", PAGE - 8),
    "pack": lambda r: r.pack("<IId", PAGE, 1, 2, 3.5),
}


@pytest.mark.parametrize("name", ACCESSES)
def test_fault_ends_in_an_error(lost, name):
    with pytest.raises(mapped.FaultError) as caught:
        ACCESSES[name](lost)
    fault = caught.value
    assert fault.errno == errno.ENODATA
    assert isinstance(fault, OSError)
    assert PAGE <= fault.offset < PAGES * PAGE
    assert 0 < fault.length <= (PAGES - 1) * PAGE


def test_fault_leaves_intact_pages_usable(lost):
    with pytest.raises(mapped.FaultError):
        lost[PAGE]
    assert lost[0] == ord("a")
    assert lost[:PAGE] == b"a" * PAGE
    lost[1] = 98
    assert lost[:3] == b"aba"


def test_check_knows_only_what_was_touched(lost):
    lost.check()
    assert lost.faults == []
    with pytest.raises(mapped.FaultError):
        lost[2 * PAGE]
    with pytest.raises(mapped.FaultError) as caught:
        lost.check()
    assert (caught.value.offset, caught.value.length) == (2 * PAGE, PAGE)


def test_faults_lists_each_range(lost):
    for page in (1, 3, 4, 6):
        with pytest.raises(mapped.FaultError):
            lost[page * PAGE]
    ranges = sorted((f.offset // PAGE, f.length // PAGE) for f in lost.faults)
    assert ranges == [(1, 1), (3, 2), (6, 1)]
    assert all(f.errno == errno.ENODATA for f in lost.faults)


def test_recover_brings_pages_back(lost):
    with pytest.raises(mapped.FaultError):
        lost[PAGE]
    with pytest.raises(mapped.FaultError):
        lost.recover()
    with open(lost.name, "ab") as file:
        file.write(b"b" * ((PAGES - 1) * PAGE))
    lost.recover()
    assert lost.faults == []
    assert lost[PAGE] == ord("b")
    lost.check()


def test_recover_needs_the_same_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"a" * (2 * PAGE))
    with mapped.open(path) as region:
        os.truncate(path, PAGE)
        with pytest.raises(mapped.FaultError):
            region[PAGE]
        path.unlink()
        with pytest.raises(FileNotFoundError):
            region.recover()
        path.write_bytes(b"b" * (2 * PAGE))
        with pytest.raises(OSError) as caught:
            region.recover()
        assert caught.value.errno == errno.ESTALE


@pytest.mark.parametrize("call", [
    mapped.Region.check, mapped.Region.recover, lambda r: r.faults])
def test_fault_methods_refuse_a_closed_region(lost, call):
    lost.close()
    with pytest.raises(ValueError, match="closed"):
        call(lost)


def run(code):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)],
                          capture_output=True, text=True)


SETUP = """
    import faulthandler, mapped, os, signal, tempfile
    file = tempfile.NamedTemporaryFile()
    file.write(b"a" * 65536)
    file.flush()
    def lose():
        region = mapped.open(file.name)
        os.truncate(file.name, 0)
        return region
    def read(region):
        try:
            region[0]
        except mapped.FaultError:
            print("reported", flush=True)
"""


def script(*lines):
    return textwrap.dedent(SETUP) + "\n".join(lines)


def test_guard_works_after_faulthandler():
    done = run(script("faulthandler.enable()", "read(lose())"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "reported\n", "")


def test_guard_works_before_faulthandler():
    done = run(script("region = lose()", "faulthandler.enable()",
                      "read(region)"))
    assert (done.returncode, done.stdout) == (0, "reported\n")


def test_guard_gets_back_on_top_of_faulthandler():
    done = run(script("region = lose()", "faulthandler.enable()",
                      "mapped.guard(True)", "read(region)"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "reported\n", "")


def test_guard_passes_on_a_foreign_fault():
    code = script(
        "import mmap", "lose()",
        "foreign = mmap.mmap(os.open(file.name, os.O_RDWR | os.O_CREAT), 0)"
        " if os.truncate(file.name, 4096) is None else None",
        "os.truncate(file.name, 0)", "foreign[0]")
    assert run(code).returncode == -7


def test_guard_off_lets_the_process_die():
    done = run(script("assert mapped.guard(False) is True",
                      "assert mapped.guard() is False", "read(lose())"))
    assert done.returncode == -7


@pytest.mark.parametrize("value", ["off", 0])
def test_guard_takes_a_bool_only(value):
    with pytest.raises(TypeError, match="bool"):
        mapped.guard(value)
    assert mapped.guard()


def test_guard_leaves_a_signal_that_was_sent():
    done = run(script("lose()", "os.kill(os.getpid(), signal.SIGBUS)"))
    assert done.returncode == -7


def test_guard_serves_a_script_that_closes_in_a_signal_handler():
    done = run(script(
        "region = lose()",
        "signal.signal(signal.SIGUSR1, lambda *_: region.close())",
        "os.kill(os.getpid(), signal.SIGUSR1)",
        "try: region[0]", "except ValueError: print('closed')"))
    assert (done.returncode, done.stdout) == (0, "closed\n")


def test_guard_survives_a_fork():
    done = run(script("region = lose()", "pid = os.fork()",
                      "status = os.waitpid(pid, 0)[1] if pid else 0",
                      "read(region)", "raise SystemExit(status)"))
    assert (done.returncode, done.stdout) == (0, "reported\nreported\n")


def test_seal_keeps_shared_memory_from_being_cut():
    with mapped.anonymous(3 * PAGE, shared=True) as region:
        region.seal()
        with pytest.raises(PermissionError):
            os.ftruncate(region.fileno(), 0)
        with pytest.raises(PermissionError):
            region.resize(PAGE)
        region[2 * PAGE] = 7
        assert region[2 * PAGE] == 7


def test_seals_are_one_by_one():
    with mapped.anonymous(100, shared=True) as region:
        with pytest.raises(ValueError):
            region.seal(grow=False, shrink=False)
        region.seal(grow=False)
        with pytest.raises(PermissionError):
            os.ftruncate(region.fileno(), 10)
        os.ftruncate(region.fileno(), 200)
        region.seal(write=True)
        region[0] = 5
        with pytest.raises(PermissionError):
            mapped.open(region.fileno(), "r+")
        with mapped.open(region.fileno()) as reader:
            assert reader[0] == 5


def test_shared_memory_is_sent_by_descriptor():
    """Both ways over a socket: the child opens what it gets, and sends its
    own."""
    here, there = socket.socketpair()
    with mapped.anonymous(1001, shared=True) as region:
        region[:5] = b"hello"
        child = os.fork()
        if child == 0:
            here.close()
            _, descriptors, _, _ = socket.recv_fds(there, 1, 1)
            with mapped.open(descriptors[0], "r+") as theirs:
                own = mapped.anonymous(len(theirs), shared=True)
                own[:] = bytes(theirs)[::-1]
                theirs[0] = ord("j")
                socket.send_fds(there, [b"x"], [own.fileno()])
            os._exit(0)
        there.close()
        socket.send_fds(here, [b"x"], [region.fileno()])
        _, descriptors, _, _ = socket.recv_fds(here, 1, 1)
        assert os.waitpid(child, 0)[1] == 0
        with mapped.open(descriptors[0]) as answer:
            assert len(answer) == 1001
            assert bytes(answer[-5:]) == b"olleh"
        assert bytes(region[:5]) == b"jello"
        os.close(descriptors[0])
    here.close()


def test_shared_memory_is_inherited_by_number():
    code = "import mapped, sys; mapped.open(int(sys.argv[1]), 'r+')[0] = 7"
    with mapped.anonymous(10, shared=True) as region:
        number = region.fileno()
        assert not os.get_inheritable(number)
        subprocess.run([sys.executable, "-c", code, str(number)],
                       pass_fds=[number], check=True)
        assert region[0] == 7


def test_seal_is_for_shared_memory_only(lost):
    with pytest.raises(io.UnsupportedOperation):
        lost.seal()
    with mapped.anonymous(PAGE) as region:
        with pytest.raises(io.UnsupportedOperation):
            region.seal()


@pytest.mark.parametrize("make", [
    lambda path: mapped.open(path), lambda path: mapped.anonymous(0),
    lambda path: mapped.wrap(b"abc").region,
    lambda path: mapped.wrap(bytearray()).region])
def test_recover_of_what_can_lose_nothing(tmp_path, make):
    path = tmp_path / "empty"
    path.touch()
    region = make(path)
    region.recover()
    region.check()
    assert region.faults == []


def test_shared_memory_beyond_the_machine_is_refused():
    """The kernel would promise the memory, and kill a process when it is
    used."""
    with pytest.raises(OSError) as caught:
        mapped.anonymous(2**40, shared=True)
    assert caught.value.errno == errno.ENOMEM
    with mapped.anonymous(PAGE, shared=True) as region:
        with pytest.raises(OSError) as caught:
            region.resize(2**40)
        assert caught.value.errno == errno.ENOMEM
        assert len(region) == region.size == PAGE


@pytest.mark.slow
def test_recover_never_passes_zeros_off_as_data(tmp_path):
    """A long copy runs unlocked. If a page is lost and recovered meanwhile, the
    copy must still be an error."""
    path = tmp_path / "file"
    size = 4096 * PAGE
    path.write_bytes(b"S" * size)
    stop = threading.Event()
    with mapped.open(path) as region:
        def spoil():
            while not stop.is_set():
                os.truncate(path, size // 2)
                with open(path, "r+b") as file:
                    file.seek(size // 2)
                    file.write(b"S" * (size // 2))
                try:
                    region.recover()
                except mapped.FaultError:
                    pass
        thread = threading.Thread(target=spoil)
        thread.start()
        try:
            for _ in range(60):
                try:
                    assert region.tobytes().count(b"S") == size
                except mapped.FaultError:
                    pass
        finally:
            stop.set()
            thread.join()
