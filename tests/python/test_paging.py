"""Guards against calls on pages that change bytes outside of their slice, that
don't report what isn't supported, that crash because of what a callback does,
or that end in a signal where memory is protected."""
import errno
import io
import os
import signal
import threading
import time

import mapped
import pytest

from conftest import HOSTILE, PAGE

KINDS = ["normal", "sequential", "random", "willneed", "cold", "pageout",
         "hugepage", "nohugepage"]


@pytest.fixture
def large(tmp_path):
    """Makes a file of 9 MiB of `a`."""
    made = tmp_path / "large.bin"
    made.write_bytes(b"a" * (9 << 20))
    return made


@pytest.mark.parametrize("kind", ["dontneed", "", "NORMAL", "normal\0", "x" * 100,
                                  "\ud800"])
def test_advise_unknown_is_named(pages, kind):
    with mapped.open(pages) as region:
        with pytest.raises(ValueError, match="advice must be 'normal', 'sequential'.*, not '") as raised:
            region.advise(kind)
    assert len(str(raised.value)) < 200


def test_paging_wrong_types(pages):
    with mapped.open(pages, "r+") as region:
        for call in (lambda: region.advise(3), lambda: region.advise(),
                     lambda: region.advise(b"cold"), lambda: region.protect(None),
                     lambda: region.prefetch(progress=3), lambda: region.discard(0),
                     lambda: region.prefetch(True, print, 1),
                     lambda: region.residency(pages=True)):
            with pytest.raises(TypeError):
                call()
        with pytest.raises(ValueError, match="mode must be 'r' or 'r.', not 'c'"):
            region.protect("c")
        with pytest.raises(ValueError, match="progress needs wait=True"):
            region.prefetch(False, print)


def test_paging_closed(pages):
    region = mapped.open(pages, "c")
    part = region[5:100]
    region.close()
    for view in region, part:
        for call in (lambda: view.advise("cold"), view.discard, view.revert,
                     view.prefetch, lambda: view.prefetch(False), view.residency,
                     lambda: view.residency(True), view.mlock, view.munlock,
                     lambda: view.protect("r")):
            with pytest.raises(ValueError, match="closed"):
                call()


def test_paging_unsupported(pages):
    with mapped.open(pages, "r+") as region:
        with pytest.raises(io.UnsupportedOperation):
            region.revert()
        for first in range(0, 320, 10):
            region[first:first + 5].protect("r")
        with pytest.raises(io.UnsupportedOperation, match="protect: too many"):
            region[500:510].protect("r")
    with mapped.open(pages, "c") as region, \
            pytest.raises(io.UnsupportedOperation, match="discard"):
        region.discard()
    with mapped.open(pages) as region, pytest.raises(TypeError):
        region.discard()
    wrap = mapped.wrap(bytearray(100))
    for call in wrap.discard, wrap.mlock, wrap.munlock:
        with pytest.raises(io.UnsupportedOperation):
            call()


@pytest.mark.parametrize("kind", KINDS)
def test_advise(pages, kind):
    with mapped.open(pages) as region:
        try:
            region.advise(kind)
            region[5:-5].advise(kind)
        except io.UnsupportedOperation:
            assert kind in ("cold", "pageout", "hugepage", "nohugepage")
        assert bytes(region) == b"a" * 8 * PAGE


def test_discard_within_its_bounds(pages):
    with mapped.open(pages, "r+") as region:
        region[7:3 * PAGE + 1].discard()
        assert bytes(region) == pages.read_bytes() == (
            b"a" * 7 + bytes(3 * PAGE - 6) + b"a" * (5 * PAGE - 1))
    assert pages.stat().st_blocks * 512 <= 6 * PAGE


def test_discard_memory_within_its_bounds():
    with mapped.anonymous(8 * PAGE) as region:
        region.fill(97)
        region[7:3 * PAGE + 1].discard()
        assert region.residency().resident == 6
        assert bytes(region) == (
            b"a" * 7 + bytes(3 * PAGE - 6) + b"a" * (5 * PAGE - 1))


def test_revert_within_its_bounds(pages):
    with mapped.open(pages, "c") as region:
        region.fill(98)
        region[7:3 * PAGE + 1].revert()
        assert bytes(region) == (
            b"b" * 7 + b"a" * (3 * PAGE - 6) + b"b" * (5 * PAGE - 1))


def test_prefetch_tells_its_progress(large):
    seen = []
    with mapped.open(large) as region:
        region[1:-1].prefetch(progress=lambda done, total: seen.append((done, total)))
        assert region.residency().resident == (9 << 20) // PAGE
    size = (9 << 20) - 2
    assert seen == [(4 << 20, size), (8 << 20, size), (size, size)]


def test_prefetch_progress_that_raises(large):
    def stop(done, total):
        seen.append(done)
        raise KeyError(done)

    seen = []
    with mapped.open(large) as region, pytest.raises(KeyError):
        region.prefetch(progress=stop)
    assert seen == [4 << 20]


@pytest.mark.parametrize("act, error", [
    (lambda region: region.close(), ValueError),
    (lambda region: region.resize(100), IndexError)])
def test_prefetch_progress_that_ends_the_region(large, act, error):
    with mapped.open(large, "r+") as region, pytest.raises(error):
        region[:].prefetch(progress=lambda done, total: act(region))


def test_prefetch_progress_that_goes_on(large):
    with mapped.open(large, "r+") as region:
        def enter(done, total):
            region.prefetch()
            region.prefetch(wait=False)
            region.resize(len(region) + PAGE)
            region.protect("r" if done == 4 << 20 else "r+")

        region.prefetch(progress=enter)
        assert len(region) == (9 << 20) + 3 * PAGE


@pytest.mark.skipif(HOSTILE, reason="a finalizer may meet the interrupt")
def test_prefetch_ends_with_an_interrupt(large):
    """A signal handler raises in the middle of a prefetch, and the prefetch
    must end."""
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with mapped.open(large) as region, pytest.raises(KeyboardInterrupt):
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            for _ in range(100000):
                region.prefetch()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_prefetch_in_the_background(large):
    with open(large, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with mapped.open(large) as region:
        for _ in range(20):
            region.prefetch(wait=False)
        end = time.monotonic() + 60
        while region.residency().resident < (9 << 20) // PAGE:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_prefetch_lets_other_threads_run(large):
    """If the prefetch kept the interpreter's lock, it would wait for the thread
    for ever."""
    turns = []
    with mapped.open(large) as region:
        thread = threading.Thread(target=lambda: turns.append(1))
        region.prefetch(progress=lambda *_: turns or thread.ident or thread.start())
        thread.join(60)
    assert turns == [1]


def test_paging_lost_pages(lost):
    for call in lost.prefetch, lost.mlock:
        with pytest.raises(mapped.FaultError) as raised:
            call()
        assert raised.value.errno == errno.ENODATA


def test_residency(pages):
    with mapped.open(pages, "r+") as region:
        region.prefetch()
        found = region[PAGE - 1:PAGE + 1].residency()
        assert found[:3] == (PAGE, 2, 2)
        assert found.map is None
        assert isinstance(found, mapped.Residency)
        if found.dirty is not None:
            region[5] = 98
            assert region.residency().dirty > 0
            os.fsync(region.fileno())
            assert region.residency()[3:5] == (0, 0)


def test_residency_is_a_tuple_whatever_its_type_is_made_to_say(child):
    child("""
        import mapped
        memory = mapped.anonymous(4096)
        found = [memory.residency()]
        for number in 0, 100_000:
            mapped.Residency.n_fields = number
            mapped.Residency.n_sequence_fields = number
            found += [memory.residency() for _ in range(1000)]
        assert {len(each) for each in found} == {6}
        del found
    """)


def test_residency_map():
    with mapped.anonymous(20 * PAGE) as region:
        for page in 0, 9, 19:
            region[page * PAGE] = 1
        found = region.residency(map=True)
        assert found.map == b"\x01\x02\x08"
        assert found.dirty is found.writeback is None
        assert found.resident == 3
        assert region[PAGE:PAGE].residency(True).map == b""


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("MAPPED_SANITIZE", "") != "",
                    reason="sanitizers lock nothing")
def test_mlock_beyond_the_limit(child, pages):
    child("""
        import errno, mapped, os, resource, sys
        region = mapped.open(sys.argv[1])
        memory = mapped.anonymous(1 << 20)
        memory.fill(1)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            memory.mlock()
        except OSError as error:
            assert error.errno == errno.ENOMEM, error
        else:
            raise AssertionError("went through")
        region[:100].mlock()
        region.munlock()
        """, pages)


@pytest.mark.skipif("vgpreload" in os.environ.get("LD_PRELOAD", ""),
                    reason="valgrind's mremap takes no mapping of several parts")
def test_mlock_and_growth():
    with mapped.anonymous(8 * PAGE) as region:
        region.fill(97)
        region[PAGE:2 * PAGE].mlock()
        region.resize(1 << 20)
        assert bytes(region) == b"a" * 8 * PAGE + bytes((1 << 20) - 8 * PAGE)


def check_refuses_writes(region):
    assert region.readonly
    before = bytes(region[:100])
    array = region[:100].cast("I")
    for write in (lambda: region.__setitem__(0, 1), lambda: region.fill(1),
                  lambda: region.__setitem__(slice(0, 1), b"x"), region.discard,
                  lambda: region.set("I", 0, 1), lambda: region.pack("I", 0, 1),
                  lambda: region.move(0, 1, 1), lambda: region.copy_from(b"x"), lambda: array.__setitem__(0, 1),
                  lambda: region.records("a:u8").__setitem__(0, [1])):
        with pytest.raises(TypeError, match="read-only"):
            write()
    if isinstance(region, mapped.Region):
        with pytest.raises(TypeError, match="read-only"):
            region.append(b"x")
    with memoryview(region) as view:
        assert view.readonly
    assert bytes(region[:100]) == before


@pytest.mark.parametrize("make", [
    lambda path: mapped.open(path, "r+"), lambda path: mapped.open(path, "c"),
    lambda path: mapped.open(path, "r+", reserve=1 << 20),
    lambda path: mapped.anonymous(8 * PAGE),
    lambda path: mapped.anonymous(8 * PAGE, shared=True),
    lambda path: mapped.wrap(bytearray(8 * PAGE)).region])
def test_protect_refuses_every_write(pages, make):
    with make(pages) as region:
        for _ in range(2):
            region.protect("r")
            check_refuses_writes(region)
            if region.mode == "r+" and "wrapped" not in repr(region):
                region.resize(len(region) + 100)
                with pytest.raises(TypeError):
                    region.resize(len(region) - 50)
                check_refuses_writes(region)
            region.protect("r+")
            region.fill(1)
        assert not region.readonly


def test_protect_of_a_slice_refuses_what_touches_it(pages):
    with mapped.open(pages, "r+") as region:
        slice_ = region[:100]
        slice_.protect("r")
        check_refuses_writes(slice_)
        assert region.readonly and not region[100:].readonly
        numbers = region[:200].cast("I")
        for write in (lambda: region.set("I", 98, 1), lambda: region.fill(1),
                      lambda: region.__setitem__(slice(99, 101), b"xy"),
                      lambda: region.pack("2I", 96, 1, 2), region.discard,
                      lambda: numbers.__setitem__(24, 1),
                      lambda: numbers.__setitem__(slice(24, 26), [1, 2]),
                      lambda: numbers[::2].__setitem__(slice(None), range(25)),
                      lambda: numbers.__setitem__(slice(None), numbers[::-1]),
                      lambda: region.records("a:u32").__setitem__(24, [1]),
                      lambda: region.resize(99)):
            with pytest.raises(TypeError, match="read-only"):
                write()
        assert bytes(region[:200]) == b"a" * 200
        assert numbers[:25].readonly and not numbers[25:].readonly
        numbers[25] = 1
        numbers[25:] = range(25)
        region[100:].fill(98)
        region.append(b"x")
        with memoryview(region) as whole, memoryview(region[100:]) as rest:
            assert whole.readonly and not rest.readonly
            rest[0] = 1
        region[:50].protect("r+")
        region[49] = 1
        with pytest.raises(TypeError):
            region[50] = 1
        region.protect("r+")
        region.fill(1)


def test_protect_while_exported(pages):
    with mapped.open(pages, "r+") as region:
        with memoryview(region), pytest.raises(BufferError):
            region.protect("r")
        region.protect("r")
        with memoryview(region) as view:
            region.resize(1 << 20)
            region.protect("r+")
            assert view.readonly and view[0] == 97
        region[0] = 1


def test_protect_in_the_middle_of_an_assignment(pages):
    class Index:
        def __index__(self):
            region.protect("r")
            return 7

    class Bytes(bytearray):
        pass

    with mapped.open(pages, "r+") as region:
        array = region.cast("B")
        records = region.records("a:u8")
        for write in (lambda: region.__setitem__(0, Index()),
                      lambda: region.__setitem__(Index(), 1),
                      lambda: region.set("B", 0, Index()),
                      lambda: region.pack("2B", 0, 1, Index()),
                      lambda: region.fill(Index()),
                      lambda: array.__setitem__(0, Index()),
                      lambda: array.__setitem__(slice(0, 2), [1, Index()]),
                      lambda: records.__setitem__(0, [Index()]),
                      lambda: setattr(records[0], "a", Index())):
            region.protect("r+")
            try:
                write()
            except (TypeError, BufferError):
                pass
        region.protect("r+")
        assert bytes(region[8:]) == b"a" * (8 * PAGE - 8)


def test_protect_of_a_region_opened_for_reading(pages):
    with mapped.open(pages) as region:
        region.protect("r")
        with pytest.raises(TypeError):
            region.protect("r+")


def test_protect_while_another_thread_writes(pages):
    """Each write succeeds or is refused, and none ends in a signal."""
    with mapped.open(pages, "r+", length=4 << 20) as region:
        def write():
            while not done:
                try:
                    region.fill(1)
                    region[5] = 2
                except TypeError:
                    pass

        done = []
        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(200):
            region.protect("r")
            region.protect("r+")
        done.append(1)
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("word", ["\ud800", "\ud800" * 1000])
def test_word_without_an_encoding_is_refused(region, word):
    with pytest.raises(ValueError, match="mode"):
        region.protect(word)
    with pytest.raises(ValueError, match="advice"):
        region.advise(word)
