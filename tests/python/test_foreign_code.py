"""Guards against code of others that runs in the middle of ours and changes
what we go on with, or that is kept alive, or keeps memory, through what we
remember."""
import gc
import os
import struct
import weakref

import pytest

import mapped
from conftest import descriptors


class Text(str):
    """Text that can lead anywhere, and says what it likes of itself."""

    def __eq__(self, other):
        raise AssertionError("compared")

    def __hash__(self):
        raise AssertionError("hashed")


class Bytes(bytes):
    __eq__, __hash__ = Text.__eq__, Text.__hash__


class Path(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


def test_path_in_a_cycle_with_its_region_is_collected(path):
    for kind in (Text, lambda text: Bytes(os.fsencode(text))):
        for wrap in (lambda text: text, Path):
            before = descriptors()
            for _ in range(50):
                text = kind(str(path))
                text.region = mapped.open(wrap(text), "r+")
                assert type(text.region.name) in (str, bytes)
                del text
            gc.collect()
            assert descriptors() == before


KEEPERS = {
    "layout": lambda text: mapped.layout(text),
    "records": lambda text: mapped.anonymous(8).records(text),
    "record": lambda text: mapped.anonymous(8).records(text)[0],
    "format": lambda text: mapped.anonymous(8).unpack(text),
    "code": lambda text: mapped.anonymous(8).cast(text),
}


@pytest.mark.parametrize("name, text", [
    ("layout", "a:u8"), ("records", "a:u8"), ("record", "a:u8"),
    ("format", "<I"), ("format", b">q"), ("code", "<I")])
def test_text_is_not_kept(name, text):
    text = (Bytes if isinstance(text, bytes) else Text)(text)
    text.kept, text.mark = KEEPERS[name](text), Path("")
    gone = weakref.ref(text.mark)
    del text
    gc.collect()
    assert gone() is None


def test_text_of_a_subclass_means_what_it_says():
    region = mapped.anonymous(8)
    for _ in range(3):
        assert region.unpack(Text("<Q")) == region.unpack(Bytes(b"<d")) == (0,)
    assert region.unpack("<Q") == (0,)


def test_many_long_formats_take_little_memory(child):
    """64 formats of 1 MB once took 3.4 GB."""
    done = child("""
        import mapped, resource
        region = mapped.anonymous(8)
        for i in range(20):
            try:
                region.unpack("x" * 500_000 + f"{i}s")
            except IndexError:
                pass
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(20_000):
            try:
                region.unpack("x" * 500 + f"{i}s")
            except IndexError:
                pass
        print(first // 1024, resource.getrusage(
            resource.RUSAGE_SELF).ru_maxrss // 1024)
    """)
    first, last = map(int, done.split())
    assert first < 200 and last - first < 20


def test_formats_that_are_forgotten_still_work():
    region = mapped.anonymous(600)
    formats = [f"{'B' * 500}{i}x" for i in range(60)]
    for _ in range(2):
        for text in formats:
            assert region.unpack(text) == struct.unpack_from(text, bytes(600))
