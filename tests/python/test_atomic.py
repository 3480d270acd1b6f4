"""Guards against increments that get lost between threads and processes, against
a wait that can't be interrupted or never ends, and against words that take
numbers or places that they shouldn't."""
import io
import math
import os
import subprocess
import sys
import threading
import time

import numpy
import pytest

import mapped

CODES = ["I", "i", "Q", "q", "<I", ">I", "<q", ">Q", "u32", "i32be", "u64be"]
CHANGES = {"exchange": lambda a, b: b, "add": lambda a, b: a + b,
           "sub": lambda a, b: a - b, "and_": lambda a, b: a & b,
           "or_": lambda a, b: a | b, "xor": lambda a, b: a ^ b}


@pytest.mark.parametrize("code", CODES)
def test_changes_return_what_was_there(region, code):
    word = region[8:].atomic(code, 8)
    for name, change in CHANGES.items():
        word.store(0x1234)
        assert getattr(word, name)(0x1030) == 0x1234
        assert word.load() == region.get(code, 16) == change(0x1234, 0x1030)
    assert bytes(region[:16]) == bytes(range(16))
    assert bytes(region[24:]) == bytes(range(24, 64))


@pytest.mark.parametrize("code", CODES)
def test_compare_exchange_stores_only_over_what_is_expected(region, code):
    word = region.atomic(code)
    word.store(5)
    assert word.compare_exchange(4, 9) == 5 == word.load()
    assert word.compare_exchange(5, 9) == 5
    assert word.load() == 9


@pytest.mark.parametrize("code, least, most", [
    ("i32", -2**31, 2**31 - 1), ("u32be", 0, 2**32 - 1),
    ("i64be", -2**63, 2**63 - 1), ("u64", 0, 2**64 - 1)])
def test_sums_wrap_and_operands_must_fit(region, code, least, most):
    word = region.atomic(code)
    word.store(most)
    assert word.add(1) == most
    assert word.sub(1) == least
    assert word.load() == most
    for wrong in least - 1, most + 1, 2**70, -2**70:
        for act in (word.store, word.add, word.exchange, word.wait,
                    lambda n: word.compare_exchange(n, 0),
                    lambda n: word.compare_exchange(most, n)):
            with pytest.raises(ValueError, match="does not fit"):
                act(wrong)
    assert word.load() == most


@pytest.mark.parametrize("code, offset, error", [
    ("H", 0, "no integer of 32 or 64 bits"), ("d", 0, "no integer"),
    ("u24", 0, "no integer"), ("?", 0, "no integer"), ("I", 2, "misaligned"),
    ("Q", 4, "misaligned"), ("X", 0, "code")])
def test_word_must_be_an_aligned_integer(region, code, offset, error):
    with pytest.raises(ValueError, match=error):
        region.atomic(code, offset)


def test_word_must_lie_inside(region):
    for offset in 61, 64, 2**62:
        with pytest.raises(IndexError):
            region.atomic("I", offset)
    with pytest.raises(IndexError):
        region[4:7].atomic("I")
    assert region.atomic("I", -4).offset == len(region) - 4
    for offset in -len(region) - 4, 2**64:
        with pytest.raises(IndexError, match="offset"):
            region.atomic("I", offset)
    with pytest.raises(TypeError):
        region.atomic("I", 1.5)


def test_alignment_is_that_of_the_memory():
    memory = numpy.zeros(64, "u1")
    assert memory.ctypes.data % 8 == 0
    view = mapped.wrap(memory[1:])
    with pytest.raises(ValueError, match="misaligned"):
        view.atomic("I")
    view.atomic("I", 3).store(7)
    assert memory[4:].view("u4")[0] == 7


def test_access_is_checked_like_all_others(path):
    with mapped.open(path) as region:
        word = region.atomic("I")
        assert word.load() == region.get("I")
        assert word.notify() == 0
        for act in (lambda: word.store(1), lambda: word.add(1),
                    lambda: word.compare_exchange(1, 1)):
            with pytest.raises(TypeError, match="read-only"):
                act()
    for act in (word.load, word.notify, lambda: word.store(1),
                lambda: word.add(1), lambda: word.wait(1)):
        with pytest.raises(ValueError, match="closed"):
            act()
    assert "u32" in repr(word)
    assert word.region is region and word.offset == 0
    with pytest.raises(ValueError, match="closed"):
        region.atomic("I")


def test_lost_word_is_an_error(pages):
    region = mapped.open(pages, "r+")
    word = region.atomic("I", 3 * mapped.open(pages).nbytes // 4)
    os.truncate(pages, 10)
    for act in (word.load, lambda: word.add(1), lambda: word.wait(1)):
        with pytest.raises(mapped.FaultError):
            act()
    with pytest.raises(mapped.FaultError):
        region.check()


def test_device_has_no_atomics():
    with mapped.open("/dev/zero", "r+", device=True, length=64) as region:
        with pytest.raises(io.UnsupportedOperation):
            region.atomic("I")


ORDERS = {"seq_cst": "ls", "relaxed": "ls", "acquire": "l", "release": "s",
          "acq_rel": ""}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_that_make_sense_are_taken(region, order):
    word = region.atomic("I")
    for kind, act in ("l", lambda: word.load(order)), (
            "s", lambda: word.store(1, order=order)):
        if kind in ORDERS[order]:
            act()
        else:
            with pytest.raises(ValueError, match="order"):
                act()
    word.add(1, order)
    word.compare_exchange(1, 2, order=order)
    mapped.fence(order)


@pytest.mark.parametrize("wrong", ["", "SEQ_CST", "consume", "\0", "\ud800",
                                   "x" * 1000])
def test_unknown_order_is_named(region, wrong):
    word = region.atomic("I")
    for act in (word.load, mapped.fence, lambda order: word.store(1, order),
                lambda order: word.xor(1, order)):
        with pytest.raises(ValueError, match="memory order") as caught:
            act(wrong)
        assert len(str(caught.value)) < 200
    with pytest.raises(TypeError, match="not 'int'"):
        word.load(1)


def test_threads_lose_no_increment(region):
    word = region.atomic("q")
    word.store(0)

    def count():
        for _ in range(5000):
            word.add(1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert word.load() == 20000


def test_wait_returns_what_the_word_became(region):
    word = region.atomic("I")
    word.store(1)
    assert word.wait(2) == 1

    def change():
        time.sleep(0.05)
        word.store(7)
        woken.append(word.notify())

    woken = []
    thread = threading.Thread(target=change)
    thread.start()
    assert word.wait(1) == 7
    thread.join()
    assert woken in ([0], [1])


def test_wait_sees_any_bit_of_a_long_word_change(region):
    word = region.atomic("Q")
    for bit in 0, 31, 32, 63:
        word.store(0)
        thread = threading.Timer(0.02, word.store, [1 << bit])
        thread.start()
        assert word.wait(0, timeout=60) == 1 << bit
        thread.join()


@pytest.mark.parametrize("timeout", [0, 0.0, 0.01, 1e-9])
def test_wait_ends_in_time(region, timeout):
    word = region.atomic("I")
    with pytest.raises(TimeoutError, match="wait: timed out"):
        word.wait(word.load(), timeout)


@pytest.mark.parametrize("timeout, error", [
    (-1, ValueError), (-0.1, ValueError), (math.nan, ValueError),
    (-math.inf, ValueError), (10**400, ValueError), ("1", TypeError)])
def test_wrong_timeout_is_refused(region, timeout, error):
    word = region.atomic("I")
    with pytest.raises(error):
        word.wait(word.load(), timeout)


def test_infinite_timeout_is_none(region):
    word = region.atomic("I")
    word.store(0)
    thread = threading.Timer(0.02, word.store, [1])
    thread.start()
    assert word.wait(0, math.inf) == 1
    thread.join()


def test_close_ends_a_wait(region):
    word = region.atomic("I")
    word.store(0)
    thread = threading.Timer(0.02, region.close)
    thread.start()
    with pytest.raises(ValueError, match="wait: .*closed"):
        word.wait(0)
    thread.join()


@pytest.mark.parametrize("count", [None, 0, 1, 2**40])
def test_notify_takes_a_count(region, count):
    assert region.atomic("I").notify(count) == 0
    assert region.atomic("I").notify(count=count) == 0


def test_notify_refuses_other_counts(region):
    with pytest.raises(ValueError, match="count"):
        region.atomic("I").notify(-1)
    with pytest.raises(ValueError):
        region.atomic("I").notify(2**64)
    with pytest.raises(TypeError):
        region.atomic("I").notify("1")


def test_notify_of_nobody_wakes_nobody(region):
    word = region.atomic("I")
    word.store(0)
    thread = threading.Thread(target=lambda: word.wait(0, 20))
    thread.start()
    for _ in range(20):
        assert word.notify(0) == 0
        time.sleep(0.001)
    word.store(1)
    word.notify()
    thread.join()


def test_wait_keeps_a_private_page_the_files(path):
    with mapped.open(path, "c") as copy, mapped.open(path, "r+") as file:
        word = copy.atomic("I")
        seen = word.load()
        with pytest.raises(TimeoutError):
            word.wait(seen, 0.01)
        word.notify()
        thread = threading.Timer(0.01, file.set, ("I", 0, seen ^ 1))
        thread.start()
        assert word.wait(seen, 20) == seen ^ 1
        thread.join()


def test_signal_handler_runs_during_a_wait(region, interrupted):
    word = region.atomic("I")
    word.store(0)
    interrupted(lambda: word.wait(0))


def test_processes_share_words_and_wake_each_other(tmp_path):
    path = tmp_path / "words"
    code = """if 1:
        import sys, mapped
        word = mapped.open(sys.argv[1], "r+").atomic("I")
        count = mapped.open(sys.argv[1], "r+").atomic("Q", 8)
        for turn in range(1, 400, 2):
            while word.load() != turn:
                word.wait(turn - 1, 60)
            count.add(1)
            word.store(turn + 1)
            word.notify()
    """
    with mapped.open(path, "w+", length=64) as region:
        other = subprocess.Popen([sys.executable, "-c", code, str(path)])
        word, count = region.atomic("I"), region.atomic("Q", 8)
        for turn in range(0, 400, 2):
            while word.load() != turn:
                word.wait(turn - 1, 60)
            count.add(1)
            word.store(turn + 1)
            word.notify()
        assert other.wait() == 0
        assert word.load() == 400 and count.load() == 400


def test_word_keeps_its_region(nothing_leaks):
    word = mapped.anonymous(64).atomic("I")
    word.store(5)
    assert word.add(1) == 5
    del word
