"""Guards against records that are lost, changed or received twice, a wait that
can't be ended, and code that runs while an end of the ring is held."""
import asyncio
import copy
import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

import mapped
from mapped import _asyncio

SIZE = 4096


@pytest.fixture
def shared():
    with mapped.anonymous(SIZE, shared=True) as region:
        yield region


@pytest.fixture
def ring(shared):
    return mapped.Ring(shared)


def test_records_come_in_order(ring):
    assert ring.try_recv() is None
    ring.send(b"one")
    ring.send(bytearray(b"two"), timeout=0)
    ring.send(memoryview(b"three"))
    assert ring.try_send(b"")
    assert ring.used == 16 + 16 + 16 + 8
    assert ring.recv() == b"one"
    assert next(ring) == b"two"
    assert ring.recv_many(1) == [b"three"]
    assert ring.try_recv() == b""
    assert ring.used == 0
    assert (ring.senders_died, ring.receivers_died) == (0, 0)


def test_ring_is_made_once_and_attached_to(shared):
    one, two = mapped.Ring(shared), mapped.Ring(shared[:])
    one.send(b"x")
    assert two.recv() == b"x"
    assert one.region is shared and one.offset == 0
    assert one.capacity == SIZE - 256
    assert one.longest == one.capacity // 2 - 8
    with pytest.raises(ValueError, match="sizes differ"):
        mapped.Ring(shared[:-8])


def test_what_is_no_ring_is_refused(path, shared):
    with mapped.anonymous(SIZE) as region:
        region[SIZE - 1] = 1
        with pytest.raises(ValueError, match="neither zero nor a ring"):
            mapped.Ring(region)
        with pytest.raises(IndexError):
            mapped.Ring(region[:319])
        with pytest.raises(ValueError, match="misaligned"):
            mapped.Ring(region[4:])
    with mapped.open(path) as region:
        with pytest.raises(TypeError):
            mapped.Ring(region)
    with mapped.open(path, "c") as region:
        region.fill(0)
        with pytest.raises(io.UnsupportedOperation, match="private copy"):
            mapped.Ring(region)
    with pytest.raises(ValueError, match="closed"):
        mapped.Ring(region)
    for wrong in b"x" * SIZE, None, shared.cast("I"):
        with pytest.raises(TypeError):
            mapped.Ring(wrong)
    with pytest.raises(TypeError):
        mapped.Ring(slice=shared)
    with pytest.raises(TypeError):
        type("Mine", (mapped.Ring,), {})
    mapped.Ring(shared)
    shared[8] = 2
    with pytest.raises(io.UnsupportedOperation, match="another version"):
        mapped.Ring(shared)


def test_what_is_sent_is_any_buffer(ring, shared):
    ring.send(shared[:8])
    assert ring.recv() == b"\xadmapring"
    with mapped.anonymous(16) as other:
        other[:] = bytes(range(16))
        ring.send(other.cast("H"))
        ring.send(other.cast("B")[::2])
        ring.send_many([other[3:5], other, b"x"])
    assert ring.recv() == bytes(range(16))
    assert ring.recv() == bytes(range(0, 16, 2))
    assert ring.recv_many() == [b"\3\4", bytes(range(16)), b"x"]
    for wrong in "text", 5, None:
        with pytest.raises(TypeError):
            ring.send(wrong)
        with pytest.raises(TypeError):
            ring.send_many([b"first", wrong])
    assert ring.try_recv() is None


def test_full_ring_waits_or_says_so(ring):
    while ring.try_send(b"x" * 100):
        pass
    with pytest.raises(TimeoutError):
        ring.send(b"x" * 100, 0)
    with pytest.raises(TimeoutError):
        ring.send(b"x" * 100, timeout=0.01)
    assert ring.send_many([b"x"] * 100, 0.01) < 5
    thread = threading.Timer(0.02, ring.recv_many)
    thread.start()
    ring.send(b"at last", 20)
    thread.join()
    with pytest.raises(IndexError):
        ring.send(b"x" * (ring.longest + 1))
    with pytest.raises(IndexError):
        ring.send_many([b"y", b"x" * (ring.longest + 1)])
    assert ring.recv_many()[-1] == b"at last"


def test_empty_ring_waits_or_says_so(ring):
    for wait in ring.recv, lambda t: ring.recv_many(5, t), ring.peek:
        with pytest.raises(TimeoutError):
            wait(0)
        with pytest.raises(TimeoutError):
            wait(0.01)
    thread = threading.Timer(0.02, ring.send, (b"at last",))
    thread.start()
    assert ring.recv(20) == b"at last"
    thread.join()


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1"])
def test_timeouts_that_are_none(ring, timeout):
    for wait in (ring.recv, ring.peek, lambda t: ring.send(b"x", t),
                 lambda t: ring.reserve(1, t), lambda t: ring.recv_many(1, t)):
        with pytest.raises((ValueError, TypeError)):
            wait(timeout)
    with pytest.raises(ValueError):
        ring.recv_many(0)
    assert ring.used == 0


def test_batches_are_whole(ring):
    records = [b"%d" % i * (i % 50) for i in range(1000)]
    received = []

    def receive():
        while len(received) < len(records):
            received.extend(ring.recv_many(timeout=20))

    thread = threading.Thread(target=receive)
    thread.start()
    assert ring.send_many(iter(records), 20) == 1000
    thread.join()
    assert received == records


def test_records_are_written_in_place(ring):
    first = ring.reserve(10)
    first[:] = b"0123456789"
    second = ring.reserve(100, 0)
    second[:3] = b"abc"
    assert ring.used == 0
    for act in lambda: ring.send(b"x"), lambda: ring.try_send(b"x"):
        with pytest.raises(ValueError, match="commit or cancel"):
            act()
    with pytest.raises(IndexError):
        ring.commit(101)
    ring.commit(3)
    assert ring.recv_many() == [b"0123456789", b"abc"]
    with pytest.raises(ValueError, match="no record is reserved"):
        ring.commit()
    ring.reserve(5)
    ring.cancel()
    assert ring.try_recv() is None
    with pytest.raises(IndexError):
        ring.reserve(ring.longest + 1)
    for wrong in -1, 2**70:
        with pytest.raises((IndexError, OverflowError)):
            ring.reserve(wrong)


def test_records_are_read_in_place(ring):
    ring.send_many([b"one", b"two"])
    one = ring.peek()
    assert one == b"one"
    assert ring.peek(0) == b"two"
    with pytest.raises(TimeoutError):
        ring.peek(20)
    for act in ring.recv, ring.try_recv, ring.recv_many:
        with pytest.raises(ValueError, match="release or cancel"):
            act()
    ring.cancel()
    assert ring.peek() == b"one"
    ring.release()
    with pytest.raises(ValueError, match="no record is peeked at"):
        ring.release()
    assert ring.recv() == b"two"


def test_end_that_is_held_keeps_others_out(shared):
    one, two = mapped.Ring(shared), mapped.Ring(shared)
    one.send(b"x")
    one.reserve(5)
    one.peek()
    assert not two.try_send(b"y")
    assert two.try_recv() is None
    with pytest.raises(BufferError):
        shared.close()
    del one
    gc.collect()
    assert two.try_send(b"y")
    assert two.recv_many() == [b"x", b"y"]


def test_reservation_outlives_its_block(nothing_leaks):
    with pytest.warns(ResourceWarning), mapped.anonymous(SIZE) as region:
        ring = mapped.Ring(region)
        ring.reserve(4)
    with pytest.raises(ValueError, match="closed"):
        ring.try_recv()
    ring.cancel()
    with pytest.raises(ValueError, match="closed"):
        ring.send(b"x")


def test_reservation_of_a_wrapped_buffer_ends_with_the_ring():
    memory = bytearray(SIZE)
    region = mapped.wrap(memory).region
    ring = mapped.Ring(region)
    with pytest.raises(BufferError):
        ring.reserve(4)
        region.close()
    with pytest.raises(BufferError):
        memory.append(1)
    ring.commit()
    region.close()
    memory.append(1)
    assert memory[256] == 4


@pytest.mark.parametrize("wait", [
    mapped.Ring.recv, mapped.Ring.peek, mapped.Ring.recv_many,
    lambda ring: ring.send(b"x" * 100), lambda ring: ring.reserve(100)])
def test_close_ends_a_wait(wait):
    region = mapped.anonymous(SIZE)
    ring = mapped.Ring(region)
    if wait.__name__ == "<lambda>":
        while ring.try_send(b"x" * 100):
            pass
    thread = threading.Timer(0.02, region.close)
    thread.start()
    with pytest.raises(ValueError, match="closed"):
        wait(ring)
    thread.join()


def test_signal_handler_runs_during_a_wait(ring, interrupted):
    interrupted(ring.recv)
    interrupted(ring.peek)
    while ring.try_send(b"x" * 100):
        pass
    interrupted(lambda: ring.send(b"x" * 100))
    interrupted(lambda: ring.reserve(100))
    assert ring.recv(0) == b"x" * 100
    ring.reserve(50, 0)
    ring.commit()


@pytest.mark.skipif(bool(os.environ.get("MAPPED_HOSTILE")),
                    reason="a finalizer of the hostile build may swallow the exception")
def test_end_is_given_back_when_a_handler_raises(shared):
    """The record and the signal come at once."""
    class Stop(Exception):
        pass

    def stop(number, frame):
        raise Stop

    def send():
        for _ in range(50):
            go.wait()
            go.clear()
            other.send(b"x")
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    ring, other = mapped.Ring(shared), mapped.Ring(shared)
    go = threading.Event()
    before = signal.signal(signal.SIGUSR1, stop)
    thread = threading.Thread(target=send)
    thread.start()
    for _ in range(50):
        with pytest.raises(Stop):
            go.set()
            ring.peek(20)
            ring.release()
            time.sleep(20)
        other.recv_many(timeout=0) if other.used else None
    thread.join()
    signal.signal(signal.SIGUSR1, before)


def test_threads_end_a_reservation_once():
    """To unmap so much of a retired region gives up the interpreter's lock."""
    for _ in range(5):
        with pytest.warns(ResourceWarning), mapped.anonymous(64 << 20) as region:
            ring = mapped.Ring(region[:SIZE])
            region[SIZE:].fill(1)
            ring.reserve(10)
        threads = [threading.Thread(target=ring.cancel) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def test_ring_whose_senders_wait_is_attached_to(shared):
    """Zero when the other process looked, and made and held when it was about to
    make it."""
    ring = mapped.Ring(shared)
    ring.reserve(4)
    mark, header = bytes(shared[:8]), bytes(shared[256:264])
    shared[:8] = shared[256:264] = bytes(8)

    def make():
        shared[256:264] = header
        shared[:8] = mark

    thread = threading.Timer(0.1, make)
    thread.start()
    mapped.Ring(shared)
    thread.join()
    ring.commit()


def test_another_thread_waits(ring):
    thread = threading.Thread(target=lambda: ring.peek(20))
    thread.start()
    seen = None
    while thread.is_alive() and seen is None:
        try:
            ring.cancel()
        except ValueError as error:
            seen = str(error)
    ring.send(b"x")
    thread.join()
    assert "another thread waits" in seen
    ring.release()


def test_lost_pages_are_told(tmp_path):
    path = tmp_path / "ring"
    region = mapped.open(path, "w+", length=SIZE)
    ring = mapped.Ring(region)
    ring.send(b"x")
    os.truncate(path, 0)
    with pytest.raises(mapped.FaultError):
        ring.recv(0)
    with pytest.raises(mapped.FaultError):
        ring.send(b"x", 0)
    region.close()


def test_damaged_ring_is_an_error(ring, shared):
    ring.send(b"x")
    shared[256] = 200
    with pytest.raises(ValueError, match="corrupt"):
        ring.recv()
    shared[64] = 1
    for act in (ring.try_recv, lambda: ring.try_send(b"x"), ring.peek,
                lambda: ring.reserve(1), lambda: ring.used):
        with pytest.raises(ValueError, match="corrupt"):
            act()


PEER = """if 1:
    import sys, mapped
    region = mapped.open(sys.argv[1], "r+")
    there, back = mapped.Ring(region[:4096]), mapped.Ring(region[4096:])
    for record in there:
        back.send(record[::-1])
        if not record:
            break
"""


def test_processes_talk(tmp_path):
    path = tmp_path / "rings"
    path.write_bytes(bytes(8192))
    with mapped.open(path, "r+") as region:
        there, back = mapped.Ring(region[:4096]), mapped.Ring(region[4096:])
        peer = subprocess.Popen([sys.executable, "-c", PEER, path])
        for i in range(2000):
            there.send(b"%d" % i, 60)
            if i >= 50:
                assert back.recv(60) == (b"%d" % (i - 50))[::-1]
        there.send(b"")
        rest = []
        while not rest or rest[-1]:
            rest += back.recv_many(timeout=60)
        assert peer.wait() == 0
    assert len(rest) == 51 and rest[-2] == b"9991"


def test_killed_sender_leaves_whole_records(shared):
    ring = mapped.Ring(shared)
    for _ in range(5):
        ready, done = os.pipe()
        child = os.fork()
        if child == 0:
            record = ring.reserve(100)
            record.fill(1)
            os.write(done, b"x")
            signal.pause()
        os.read(ready, 1)
        assert not ring.try_send(b"y")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(done)
        ring.send(b"z", 20)
        assert ring.recv_many() == [b"z"]
    assert ring.senders_died == 5


def test_asyncio_waits_without_a_thread(shared):
    there, back = mapped.Ring(shared[:2048]), mapped.Ring(shared[2048:])

    async def answer():
        async for record in there:
            await back.send_async(record + record)
            if record == b"end":
                return

    async def ask():
        task = asyncio.create_task(answer())
        with pytest.raises(TimeoutError):
            await back.recv_async(0.01)
        with pytest.raises(ValueError):
            await back.recv_async(-1)
        answers = []
        for record in b"a", b"b", b"end":
            await there.send_async(record, timeout=20)
            answers.append(await back.recv_async(timeout=20))
        await task
        while back.try_send(b"x" * 100):
            pass
        with pytest.raises(TimeoutError):
            await back.send_async(b"x" * 100, 0.01)
        return answers

    threads = threading.active_count()
    assert asyncio.run(ask()) == [b"aa", b"bb", b"endend"]
    assert threading.active_count() == threads


def test_asyncio_iterates_on_after_a_step_was_cancelled(shared):
    ring = mapped.Ring(shared)

    async def run():
        records = aiter(ring)
        for i in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(records), 0.005)
            ring.send(b"%d" % i)
            assert await anext(records) == b"%d" % i

    asyncio.run(run())


def test_asyncio_wakes_only_the_task_that_has_a_record(shared):
    """The others are not run again and again to look for themselves."""
    rings = [mapped.Ring(shared[at:at + 512]) for at in range(0, SIZE, 512)]
    tries = []

    class Counted:
        def __init__(self, ring):
            self.ring = ring

        def __getattr__(self, name):
            if name == "try_recv":
                tries.append(self.ring)
            return getattr(self.ring, name)

    async def run():
        tasks = [asyncio.create_task(_asyncio.recv(Counted(ring)))
                 for ring in rings]
        pollers = _asyncio._pollers
        loop = asyncio.get_running_loop()
        while loop not in pollers or len(pollers[loop]._waiting) < len(rings):
            await asyncio.sleep(0)
        before = len(tries)
        await asyncio.sleep(0.02)
        assert len(tries) == before
        rings[1].send(b"x")
        assert await tasks[1] == b"x"
        shared.close()
        for task in [*tasks[:1], *tasks[2:]]:
            with pytest.raises(ValueError, match="closed region"):
                await task

    asyncio.run(run())


def test_ring_goes_to_a_worker(tmp_path):
    path = tmp_path / "ring"
    path.write_bytes(bytes(SIZE))
    with mapped.open(path, "r+") as region:
        ring = mapped.Ring(region)
        again = pickle.loads(pickle.dumps(ring))
        again.send(b"x")
        assert again.region is not region
        assert ring.recv(0) == b"x"
        with pytest.raises(TypeError, match="cannot copy"):
            copy.copy(ring)
    with mapped.anonymous(SIZE) as private:
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(mapped.Ring(private))


def test_nothing_leaks(nothing_leaks):
    with mapped.anonymous(SIZE) as region:
        ring = mapped.Ring(region)
        for i in range(300):
            ring.send_many([b"x" * i, b"y"])
            ring.recv_many()
        before = sys.getrefcount(region)
        for i in range(100):
            ring.reserve(1)
            ring.cancel()
        assert sys.getrefcount(region) == before
