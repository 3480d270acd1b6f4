"""Guards against a mutex that two hold, that nobody gets when its owner has died,
or whose wait can't be ended."""
import math
import io
import os
import signal
import subprocess
import sys
import threading

import pytest

import mapped


@pytest.fixture
def shared():
    with mapped.anonymous(64, shared=True) as region:
        yield region


def test_block_holds_the_mutex(shared):
    mutex, same = mapped.Mutex(shared), mapped.Mutex(shared[:8])
    with mutex as inner:
        assert inner is mutex and not mutex.owner_died
        assert shared.get("Q") & 0x7fffffff == os.getpid()
        for timeout in 0, 0.01:
            with pytest.raises(TimeoutError, match="lock: timed out"):
                same.lock(timeout)
    assert bytes(shared) == bytes(64)
    assert same.lock() is False
    mutex.unlock()
    with pytest.raises(ValueError, match="not held"):
        mutex.unlock()


def test_other_types_are_refused(shared):
    for wrong in bytearray(8), 5, shared.cast("B"), None:
        with pytest.raises(TypeError):
            mapped.Mutex(wrong)
    for wrong in (), (shared, shared):
        with pytest.raises(TypeError):
            mapped.Mutex(*wrong)
    with pytest.raises(TypeError):
        mapped.Mutex(slice=shared)
    with pytest.raises(TypeError):
        type("Sub", (mapped.Mutex,), {})


def test_mutex_needs_eight_aligned_bytes_to_write(shared, path):
    with pytest.raises(IndexError):
        mapped.Mutex(shared[:7])
    with pytest.raises(ValueError, match="misaligned"):
        mapped.Mutex(shared[4:])
    with mapped.open(path) as reader:
        with pytest.raises(TypeError, match="read-only"):
            mapped.Mutex(reader)
    mutex = mapped.Mutex(shared)
    shared.close()
    for act in mutex.lock, mutex.unlock, mutex.__enter__, lambda: mapped.Mutex(shared):
        with pytest.raises(ValueError, match="closed"):
            act()


@pytest.mark.parametrize("timeout", [-1, math.nan, -math.inf])
def test_wrong_timeout_is_refused(shared, timeout):
    with pytest.raises(ValueError, match="timeout"):
        mapped.Mutex(shared).lock(timeout)


def test_threads_take_turns(shared):
    mutex = mapped.Mutex(shared)

    def count():
        for _ in range(500):
            with mutex:
                shared.set("q", 8, shared.get("q", 8) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.get("q", 8) == 2000


def test_processes_take_turns(tmp_path):
    path = tmp_path / "mutex"
    code = """if 1:
        import sys, mapped
        region = mapped.open(sys.argv[1], "r+")
        mutex = mapped.Mutex(region)
        for _ in range(3000):
            with mutex:
                region.set("q", 8, region.get("q", 8) + 1)
    """
    with mapped.open(path, "w+", length=64) as region:
        others = [subprocess.Popen([sys.executable, "-c", code, str(path)])
                  for _ in range(3)]
        assert [other.wait() for other in others] == [0, 0, 0]
        assert region.get("q", 8) == 9000
        assert region.get("Q") == 0


def test_next_owner_is_told_that_the_last_one_died(tmp_path):
    path = tmp_path / "mutex"
    code = """if 1:
        import sys, time, mapped
        mapped.Mutex(mapped.open(sys.argv[1], "r+")).lock()
        print("locked", flush=True)
        time.sleep(600)
    """
    with mapped.open(path, "w+", length=64) as region:
        mutex = mapped.Mutex(region)
        with subprocess.Popen([sys.executable, "-c", code, str(path)],
                              stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"locked\n"
            with pytest.raises(TimeoutError):
                mutex.lock(0)
            thread = threading.Timer(0.05, other.kill)
            thread.start()
            assert mutex.lock(timeout=60) is True
            thread.join()
        assert mutex.owner_died
        mutex.unlock()
        with mutex:
            assert not mutex.owner_died


unless_hostile = pytest.mark.skipif(
    bool(os.environ.get("MAPPED_HOSTILE")),
    reason="a finalizer of the hostile build may swallow the exception")


@unless_hostile
def test_signal_just_before_a_sleep_ends_the_wait(shared):
    """The wait looks at the owner every 50 ms, and sleeps again."""
    class Stop(Exception):
        pass

    def stop(number, frame):
        raise Stop

    mutex = mapped.Mutex(shared)
    before = signal.signal(signal.SIGALRM, stop)
    mutex.lock()
    for i in range(30):
        signal.setitimer(signal.ITIMER_REAL, 0.05 + i * 1e-5)
        with pytest.raises(Stop):
            mutex.lock(20)
    signal.signal(signal.SIGALRM, before)
    mutex.unlock()


def test_abandoned_mutex_says_so(shared):
    mutex = mapped.Mutex(shared)
    with pytest.raises(ValueError):
        mutex.abandon()
    assert not mutex.lock()
    mutex.abandon()
    assert mutex.lock(0)
    assert mutex.owner_died
    mutex.unlock()
    assert not mutex.lock(0)
    mutex.unlock()


def test_block_gives_back_what_it_still_holds_and_no_more(shared):
    mutex, other = mapped.Mutex(shared), mapped.Mutex(shared)
    with pytest.raises(KeyError):
        with mutex:
            mutex.abandon()
            raise KeyError
    with mutex:
        assert mutex.owner_died
        mutex.unlock()
        assert not other.lock(0)
    with pytest.raises(TimeoutError):
        mutex.lock(0)
    other.unlock()
    with mutex:
        child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with mutex:
        pass


@unless_hostile
def test_death_is_not_forgotten_when_a_handler_raises(shared):
    """The mutex was taken from a dead owner when the handler raised."""
    class Stop(Exception):
        pass

    def stop(number, frame):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise Stop

    mutex = mapped.Mutex(shared)
    before = signal.signal(signal.SIGALRM, stop)
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        mutex.lock()
        os.write(done, b"x")
        signal.pause()
        os._exit(1)
    os.read(ready, 1)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    with pytest.raises(Stop):
        mutex.lock(20)
    signal.signal(signal.SIGALRM, before)
    assert mutex.lock(20)
    mutex.unlock()
    os.close(ready)
    os.close(done)


def test_mutex_of_a_private_copy_is_refused(path):
    with mapped.open(path, "c") as region:
        with pytest.raises(io.UnsupportedOperation, match="private copy"):
            mapped.Mutex(region)


def test_signal_handler_runs_during_a_wait(shared, interrupted):
    mutex = mapped.Mutex(shared)
    with mutex:
        interrupted(mutex.lock)
    mutex.lock(0)
    mutex.unlock()


def test_close_ends_a_wait(shared):
    mutex = mapped.Mutex(shared)
    mutex.lock()
    thread = threading.Timer(0.02, shared.close)
    thread.start()
    with pytest.raises(ValueError, match="lock: .*closed"):
        mutex.lock()
    thread.join()


def test_mutex_keeps_its_region(nothing_leaks):
    mutex = mapped.Mutex(mapped.anonymous(8))
    assert mutex.lock() is False
    mutex.unlock()
    mutex = mapped.Mutex(mapped.wrap(bytearray(64))[:8])
    with mutex:
        pass
