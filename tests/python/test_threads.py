"""Guards against an operation over many bytes that stops all other threads, and
against a crash or a wrong result when another thread closes the region
meanwhile."""
import functools
import operator
import sys
import threading
import time

import pytest

import mapped

SIZE = 128 << 20


@pytest.fixture
def patient():
    """Makes threads switch only where one of them runs unlocked."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def operations(region):
    half = SIZE // 2
    other = bytearray(SIZE)
    return {
        "fill": lambda: region.fill(1),
        "tobytes": lambda: region[:half].tobytes(),
        "copy_to": lambda: region.copy_to(other),
        "copy_from": lambda: region.copy_from(other),
        "assignment": lambda: region.__setitem__(slice(None), other),
        "move": lambda: region.move(0, half, half),
        "comparison": lambda: region[:half] == region[half:],
        "comparison with bytes": lambda: region == other,
        "array": lambda: region[:half].cast("Q")[1::2].tobytes(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", list(operations(mapped.anonymous(SIZE))))
def test_long_operations_let_others_run(patient, name):
    with mapped.anonymous(SIZE) as region:
        work, steps = operations(region)[name], []

        def run():
            steps.append("begin")
            work()
            steps.append("end")
        thread = threading.Thread(target=run)
        thread.start()
        while "end" not in steps and "begin" not in steps:
            pass
        seen = list(steps)
        thread.join()
    assert seen == ["begin"]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(operations(mapped.anonymous(SIZE))))
def test_close_during_a_long_operation_is_safe(name):
    region = mapped.anonymous(SIZE)
    work, outcomes = operations(region)[name], []

    def run():
        try:
            work()
            outcomes.append("done")
        except ValueError:
            outcomes.append("closed")
    thread = threading.Thread(target=run)
    thread.start()
    try:
        region.close()
    except BufferError:
        outcomes.append("busy")
    thread.join()
    region.close()
    assert outcomes[-1] in ("done", "closed")
    with pytest.raises(ValueError):
        region[0]


@pytest.mark.slow
@pytest.mark.parametrize("use", [lambda w: w.find(b"zz"), lambda w: w == w])
def test_close_at_the_end_of_a_long_operation_gives_a_wrapped_buffer_back(use):
    """The operation ends while another thread has the interpreter's lock, which
    goes on to close."""
    data = bytearray(64 << 20)
    view = mapped.wrap(data)
    begun = threading.Event()

    def run():
        begun.set()
        use(view)
    thread = threading.Thread(target=run)
    acts = [functools.partial(pow, 3, 1 << 20), view.region.close]
    thread.start()
    begun.wait()
    time.sleep(0.001)
    list(map(operator.methodcaller("__call__"), acts))  # at a stretch
    thread.join()
    data.append(1)


def test_close_during_a_long_operation_gives_a_wrapped_buffer_back():
    data = bytearray(64 << 20)
    view = mapped.wrap(data)
    started = threading.Event()

    def search():
        started.set()
        with pytest.raises(ValueError, match="closed"):
            while True:
                view.count(b"\1\2")
    thread = threading.Thread(target=search)
    thread.start()
    started.wait()
    view.region.close()
    thread.join()
    data.append(1)


@pytest.mark.slow
def test_threads_share_an_iterator_over_matches():
    """No thread goes on from what another one has found meanwhile."""
    gap = 64 << 20
    expected = [gap * i - 1 for i in range(1, 5)]
    with mapped.anonymous(4 * gap) as region:
        for index in expected:
            region[index] = 1
        region.count(b"\2")
        for _ in range(10):
            found, results = region.find_all(b"\1"), []
            together = threading.Barrier(2)

            def take():
                together.wait()
                results.append(next(found))
            threads = [threading.Thread(target=take) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted({*results, *found}) == expected


def test_threads_share_regions_that_come_and_go(path):
    errors, stop = [], threading.Event()
    current = [mapped.open(path, "r+")]

    def use():
        while not stop.is_set():
            region = current[0]
            try:
                part = region[100:5000]
                assert part[0] == 100 and part.get("<H", 156) == 0x0100
                assert part[:10].tobytes() == bytes(range(100, 110))
                assert part.cast("B")[5] == 105
                with memoryview(part) as view:
                    assert view[1] == 101
            except (ValueError, BufferError):
                pass
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        old, current[0] = current[0], mapped.open(path, "r+")
        try:
            old.resize(20000)
            old.close()
        except BufferError:
            pass
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
