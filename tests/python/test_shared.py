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
        with mapped.shared(peer.name) as region:
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
    with mapped.shared(name, 1000, "x+") as region:
        assert region.name == name
        region[4] = 41
        subprocess.run([sys.executable, "-c", code, name], check=True)
        assert region[5] == 42
        assert os.fstat(region.fileno()).st_mode & 0o7777 == 0o600
        assert os.fstat(region.fileno()).st_size == 1000


def test_name_stays_until_it_is_unlinked(name):
    with mapped.shared(name, 10, "x+") as region:
        region[:] = b"0123456789"
    with mapped.shared("/" + name, mode="r") as region:
        mapped.unlink("/" + name)
        assert bytes(region) == b"0123456789"
        with pytest.raises(FileNotFoundError):
            mapped.shared(name, mode="r")
    with pytest.raises(FileNotFoundError, match=name):
        mapped.unlink(name)


def test_modes_make_or_attach(name):
    with pytest.raises(FileNotFoundError):
        mapped.shared(name, 10)
    with mapped.shared(name, 10, "a+", permissions=0o640) as one:
        assert os.fstat(one.fileno()).st_mode & 0o7777 == 0o640
        with mapped.shared(name, mode="a+") as two:
            one[3] = 3
            assert two[3] == 3
            assert one.append(b"x") is None
            assert os.fstat(one.fileno()).st_size == 11
            assert two.refresh() == "longer"
        with pytest.raises(FileExistsError):
            mapped.shared(name, 10, "x+")


@pytest.mark.parametrize("wrong", ["", "/", "a/b", "a/", "..", b"/a/b", "a\0"])
def test_names_that_none_can_have(wrong):
    with pytest.raises(ValueError):
        mapped.shared(wrong, 10, "a+")
    with pytest.raises(ValueError):
        mapped.unlink(wrong)


def test_long_name_is_the_systems_to_refuse():
    for act in lambda name: mapped.shared(name, mode="r"), mapped.unlink:
        with pytest.raises(OSError) as caught:
            act("a" * 300)
        assert caught.value.errno == 36


def test_shared_memory_has_a_name_and_no_descriptor(path):
    with open(path, "rb") as file:
        for wrong in file, file.fileno():
            with pytest.raises(TypeError):
                mapped.shared(wrong)
    with pytest.raises(TypeError):
        mapped.open(path, shared=True)
    with pytest.raises(TypeError):
        mapped.unlink(5)


def test_bytes_like_a_trailer_of_append_are_bytes(name, tmp_path):
    """What append leaves at the end of a file is data in shared memory."""
    log = tmp_path / "log"
    with mapped.open(log, "w+") as region:
        region.append(b"x" * 1000)
        content = log.read_bytes()
        assert len(content) > 65536
    with mapped.shared(name, len(content), "x+") as region:
        region[:] = content
        with mapped.shared(name) as again:
            assert len(again) == len(content)
            assert again.refresh() == "unchanged"
            assert again.size == len(content)


def test_mmap_of_the_descriptor_is_the_same(name):
    with mapped.shared(name, mmap.PAGESIZE, "x+") as region:
        with mmap.mmap(region.fileno(), 0) as memory:
            memory[7] = 8
            assert region[7] == 8
