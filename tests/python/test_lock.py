"""Guards against a lock that two hold, that ends with somebody else's descriptor,
or that outlives its block; and against a wait that can't be ended."""
import fcntl
import gc
import io
import math
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import mapped


@pytest.fixture
def locked(path, nothing_leaks):
    with mapped.open(path, "r+") as region:
        yield region


def test_block_holds_the_lock(locked):
    with locked[10:20].lock() as lock:
        assert lock.held
        for other in locked, locked[19:], locked[:11]:
            for shared in False, True:
                with pytest.raises(TimeoutError, match="lock: timed out"):
                    other.lock(shared, timeout=0)
        with locked[20:].lock(timeout=0), locked[:10].lock(timeout=0):
            pass
    assert not lock.held
    locked.lock(timeout=0).unlock()


def test_shared_locks_go_together(locked):
    with locked.lock(shared=True), locked[5:].lock(shared=True, timeout=0):
        with pytest.raises(TimeoutError):
            locked[:1].lock(timeout=0.01)
    locked.lock(timeout=0).unlock()


def test_lock_ends_once(locked):
    lock = locked.lock()
    lock.unlock()
    for act in lock.unlock, lock.__enter__:
        with pytest.raises(ValueError, match="ended"):
            act()
    lock.__exit__(None, None, None)
    with pytest.raises(TypeError):
        lock.__exit__()
    with pytest.raises(TypeError):
        mapped.Lock()
    with locked.lock() as lock:
        lock.unlock()


def test_lock_ends_with_its_last_reference(locked):
    locked.lock()
    gc.collect()
    locked.lock(timeout=0).unlock()


def test_lock_outlives_its_region(path, nothing_leaks):
    region = mapped.open(path, "r+")
    lock = region.lock()
    region.close()
    with mapped.open(path, "r+") as other:
        with pytest.raises(TimeoutError):
            other.lock(timeout=0)
        lock.unlock()
        other.lock(timeout=0).unlock()


def test_lock_is_the_one_of_fcntl(locked, path):
    code = """if 1:
        import fcntl, sys
        with open(sys.argv[1], "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 20)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 10)
            except BlockingIOError:
                print("refused")
    """
    with locked[10:20].lock():
        done = subprocess.run([sys.executable, "-c", code, str(path)],
                              stdout=subprocess.PIPE, check=True)
        assert done.stdout == b"refused\n"
        with open(path, "r+b") as file:  # and closing it ends nothing
            with pytest.raises(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 10)
        with pytest.raises(TimeoutError):
            locked.lock(timeout=0)


def test_process_that_is_killed_holds_nothing(locked, path):
    code = """if 1:
        import sys, time, mapped
        lock = mapped.open(sys.argv[1], "r+").lock()
        print("locked", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", code, str(path)],
                          stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(TimeoutError):
            locked.lock(timeout=0)
        other.kill()
        locked.lock(timeout=60).unlock()


def test_threads_take_turns(locked):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked.lock():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1


def test_waiting_ends_when_the_lock_is_free(locked):
    lock = locked.lock()
    thread = threading.Timer(0.02, lock.unlock)
    thread.start()
    with locked.lock(timeout=60):
        pass
    thread.join()


def test_unlock_ends_the_lock_of_a_forks_child(locked):
    lock = locked.lock()
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(1)
    lock.unlock()
    locked.lock(timeout=20).unlock()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_child_of_a_fork_does_not_end_the_lock(locked):
    lock = locked.lock()
    child = os.fork()
    if child == 0:
        lock.unlock()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(TimeoutError):
        locked.lock(timeout=0)
    lock.unlock()


def test_signal_handler_runs_during_a_wait(locked, interrupted):
    with locked.lock():
        interrupted(locked.lock)


def test_close_ends_a_wait(path, nothing_leaks):
    region = mapped.open(path, "r+")
    with region.lock():
        thread = threading.Timer(0.02, region.close)
        thread.start()
        with pytest.raises(ValueError, match="closed"):
            region.lock()
        thread.join()


def test_lock_that_makes_no_sense_is_refused(path, locked):
    with mapped.open(path) as reader:
        with pytest.raises(TypeError, match="read-only"):
            reader.lock()
        reader.lock(shared=True).unlock()
    with pytest.raises(ValueError, match="closed"):
        reader.lock(shared=True)
    with pytest.raises(ValueError, match="no bytes"):
        locked[3:3].lock()
    for memory in mapped.anonymous(10), mapped.wrap(bytearray(10)):
        with pytest.raises(io.UnsupportedOperation):
            memory.lock()
    for timeout in -1, math.nan, -math.inf:
        with pytest.raises(ValueError, match="timeout"):
            locked.lock(timeout=timeout)
    with pytest.raises(TypeError):
        locked.lock(timeout="1")
    with pytest.raises(TypeError):
        locked.lock(False, 1, 2)


def test_memory_without_a_name_can_be_locked(nothing_leaks):
    with mapped.anonymous(10, shared=True) as region, region.lock():
        with mapped.open(os.dup(region.fileno()), "r+") as other:
            descriptor = other.name
            with pytest.raises(TimeoutError):
                other.lock(timeout=0)
        os.close(descriptor)
