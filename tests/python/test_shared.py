"""Guards against shared memory that isn't what multiprocessing has under that
name, that goes with the first who leaves, or that others can read."""
import mmap
import os
import subprocess
import sys
from multiprocessing import shared_memory

import pytest

import mapped


@pytest.fixture
def name():
    """Gives a name for shared memory, which is removed afterwards."""
    made = f"mapped-test-{os.getpid()}-{os.urandom(4).hex()}"
    yield made
    try:
        mapped.unlink(made)
    except FileNotFoundError:
        pass


def test_shared_memory_of_multiprocessing_is_attached():
    peer = shared_memory.SharedMemory(create=True, size=1000)
    try:
        with mapped.open(peer.name, "r+", shared=True) as region:
            peer.buf[3] = 7
            assert region[3] == 7 and len(region) == peer.size
            region[999] = 9
            assert peer.buf[999] == 9
    finally:
        peer.close()
        peer.unlink()


def test_shared_memory_is_attached_by_multiprocessing(name):
    code = """if 1:
        import sys
        from multiprocessing import resource_tracker, shared_memory
        peer = shared_memory.SharedMemory(sys.argv[1])
        resource_tracker.unregister(peer._name, "shared_memory")
        peer.buf[5] = peer.buf[4] + 1
        peer.close()
    """
    with mapped.open(name, "x+", length=1000, shared=True) as region:
        assert region.name == name
        region[4] = 41
        subprocess.run([sys.executable, "-c", code, name], check=True)
        assert region[5] == 42
        assert os.fstat(region.fileno()).st_mode & 0o7777 == 0o600
        assert os.fstat(region.fileno()).st_size == 1000


def test_name_stays_until_it_is_unlinked(name):
    with mapped.open(name, "x+", length=10, shared=True) as region:
        region[:] = b"0123456789"
    with mapped.open("/" + name, shared=True) as region:
        mapped.unlink("/" + name)
        assert bytes(region) == b"0123456789"
        with pytest.raises(FileNotFoundError):
            mapped.open(name, shared=True)
    with pytest.raises(FileNotFoundError, match=name):
        mapped.unlink(name)


def test_modes_make_or_attach(name):
    with pytest.raises(FileNotFoundError):
        mapped.open(name, "r+", length=10, shared=True)
    with mapped.open(name, "a+", length=10, shared=True, permissions=0o640) as one:
        assert os.fstat(one.fileno()).st_mode & 0o7777 == 0o640
        with mapped.open(name, "a+", shared=True) as two:
            one[3] = 3
            assert two[3] == 3
            assert one.append(b"x") is None
            assert os.fstat(one.fileno()).st_size == 11
            assert two.refresh() == "longer"
        with pytest.raises(FileExistsError):
            mapped.open(name, "x+", length=10, shared=True)


@pytest.mark.parametrize("wrong", ["", "/", "a/b", "a/", "..", b"/a/b", "a\0"])
def test_names_that_none_can_have(wrong):
    with pytest.raises(ValueError):
        mapped.open(wrong, "a+", length=10, shared=True)
    with pytest.raises(ValueError):
        mapped.unlink(wrong)


def test_long_name_is_the_systems_to_refuse():
    for act in lambda name: mapped.open(name, shared=True), mapped.unlink:
        with pytest.raises(OSError) as caught:
            act("a" * 300)
        assert caught.value.errno == 36


def test_shared_memory_has_a_name_and_no_descriptor(path):
    with open(path, "rb") as file:
        for wrong in file, file.fileno():
            with pytest.raises(ValueError, match="by descriptor"):
                mapped.open(wrong, shared=True)
    with pytest.raises(TypeError):
        mapped.unlink(5)


def test_mmap_of_the_descriptor_is_the_same(name):
    with mapped.open(name, "x+", length=mmap.PAGESIZE, shared=True) as region:
        with mmap.mmap(region.fileno(), 0) as memory:
            memory[7] = 8
            assert region[7] == 8
