"""Guards against leaks and crashes where memory, addresses or descriptors run
out, and against resources that aren't given back."""
import errno
import gc
import os
import pathlib

import pytest

import mapped
from conftest import descriptors, mappings_of

SANITIZED = os.environ.get("MAPPED_SANITIZE", "")


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED != "", reason="sanitizers need the address space")
def test_address_space_exhausted_is_an_error(child, path):
    child("""
        import errno, mapped, os, resource, sys
        path = sys.argv[1]
        os.truncate(path, 1 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
        before = os.listdir("/proc/self/fd")
        for make in (lambda: mapped.open(path), lambda: mapped.open(path, "r+"),
                     lambda: mapped.open(path, reserve=1 << 31),
                     lambda: mapped.anonymous(1 << 30),
                     lambda: mapped.anonymous(1 << 30, shared=True),
                     lambda: mapped.anonymous(8).resize(1 << 30)):
            try:
                make()
            except OSError as error:
                assert error.errno == errno.ENOMEM, error
            else:
                raise AssertionError("went through")
        assert os.listdir("/proc/self/fd") == before
        mapped.anonymous(4096)[5] = 1
        """, path)
    assert path.stat().st_size == 1 << 30


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED != "", reason="sanitizers need the address space")
def test_memory_exhausted_is_an_error(child):
    child("""
        import mapped, resource, sys
        region = mapped.anonymous(1 << 28)
        array = region.cast("Q")
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
        for use in (region.tobytes, array[::2].tobytes, array.tolist,
                    lambda: region.append(region),
                    lambda: array.__setitem__(slice(None), array)):
            try:
                hold = bytearray(1 << 27)
                use()
            except (MemoryError, OSError):
                pass
            else:
                raise AssertionError("went through")
        assert region[5] == 0
        """)


def test_descriptor_limit_is_an_error(child, path):
    child("""
        import errno, mapped, os, resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        held = []
        try:
            while True:
                held.append(mapped.open(sys.argv[1], "r+"))
        except OSError as error:
            assert error.errno == errno.EMFILE, error
            assert error.filename == sys.argv[1]
        assert 10 < len(held) < 32
        assert all(region[300] == 44 for region in held)
        held.pop().close()
        mapped.open(sys.argv[1], "r+").close()
        """, path)


def test_size_limit_of_files_is_an_error(child, path):
    child("""
        import errno, mapped, resource, signal, sys
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        region = mapped.open(sys.argv[1], "r+")
        length = len(region)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        try:
            region.append(bytes(20001 - length))
        except OSError as error:
            assert error.errno == errno.EFBIG, error
            assert error.filename == sys.argv[1]
            assert error.__notes__ == ["posix_fallocate: bytes missing: 1"]
        else:
            raise AssertionError("went through")
        assert len(region) == length
        region.append(bytes(20000 - length))
        """, path)


def test_read_only_regions_hold_no_descriptor(path):
    before = descriptors()
    regions = [mapped.open(path, mode) for mode in "rc" for _ in range(50)]
    assert descriptors() == before
    for region in regions:
        with pytest.raises(OSError):
            region.fileno()
        region.close()


def test_writable_regions_give_their_descriptor_back(path):
    before = descriptors()
    region = mapped.open(path, "r+")
    assert os.fstat(region.fileno()).st_ino == path.stat().st_ino
    assert not os.get_inheritable(region.fileno())
    region.close()
    assert descriptors() == before


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_close_unmaps_while_slices_live(path, mode):
    region = mapped.open(path, mode)
    parts = [region[i:] for i in range(10)]
    assert mappings_of(path) == 1
    region.close()
    assert mappings_of(path) == 0
    with pytest.raises(ValueError):
        parts[3][0]


def test_large_regions_are_unmapped_too(path):
    os.truncate(path, 64 << 20)
    region = mapped.open(path)
    part = region[5:]
    region.close()
    assert mappings_of(path) == 0 and part.closed


def test_collection_unmaps(path):
    region = mapped.open(path)
    part = region[1:].cast("B")
    del region
    assert mappings_of(path) == 1 and part[0] == 1
    del part
    gc.collect()
    assert mappings_of(path) == 0


@pytest.mark.parametrize("options", [
    {"offset": 20000}, {"length": 20000}, {"mode": "x+"}, {"mode": "q"},
    {"reserve": 1 << 62}, {"mode": "r+", "length": 1 << 62}, {"length": -1}])
def test_failed_opens_leave_nothing(path, content, options):
    before, maps = descriptors(), mappings_of(path)
    for _ in range(5):
        with pytest.raises((OSError, ValueError, OverflowError)):
            mapped.open(path, **options)
    assert (descriptors(), mappings_of(path)) == (before, maps)
    assert path.read_bytes() == content


def test_failed_creation_leaves_no_file(tmp_path):
    with pytest.raises((OSError, OverflowError)) as caught:
        mapped.open(tmp_path / "new", "x+", length=1 << 62)
    assert not (tmp_path / "new").exists()
    if isinstance(caught.value, OSError):
        assert caught.value.errno in (errno.EFBIG, errno.ENOSPC, errno.ENOMEM)


@pytest.mark.slow
@pytest.mark.skipif(SANITIZED != "", reason="sanitizers hold freed memory back")
def test_regions_opened_and_closed_cost_nothing(path):
    def resident():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    for round_number in range(3):
        for _ in range(2000):
            region = mapped.open(path)
            region[:10].cast("B")
            region.close()
        if round_number == 0:
            before, maps = resident(), len(
                pathlib.Path("/proc/self/maps").read_text().splitlines())
    assert resident() - before < 64
    assert abs(len(pathlib.Path("/proc/self/maps").read_text().splitlines())
               - maps) < 8
