"""Guards against a `with` block that hides its body's exception, that can't be
left while an export exists, or after which an export shows memory of something
else."""
import gc
import os
import warnings

import numpy
import pytest

import mapped

PAGE = os.sysconf("SC_PAGESIZE")


KINDS = {
    "file": lambda path: mapped.open(path, "r+"),
    "read-only": mapped.open,
    "private": lambda path: mapped.open(path, "c"),
    "anonymous": lambda path: mapped.anonymous(3 * PAGE),
    "shared": lambda path: mapped.anonymous(3 * PAGE, shared=True),
    "wrapped": lambda path: mapped.wrap(bytearray(3 * PAGE)).region,
}


@pytest.mark.parametrize("kind", KINDS)
def test_exports_outlive_the_block(path, kind):
    with pytest.warns(ResourceWarning, match="2 exports of .*outlive its"):
        with KINDS[kind](path) as region:
            if not region.readonly:
                region[:] = bytes(range(256)) * (len(region) // 256) + (
                    region[:len(region) % 256].tobytes())
            content = bytes(region)
            part, items = region[1:], region.cast("B")
            view, array = memoryview(region), numpy.asarray(part)
    assert region.closed and part.closed
    for use in (lambda: region[0], lambda: memoryview(part), lambda: items[0],
                lambda: len(region), lambda: bytes(region)):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert bytes(view) == content
    del view
    gc.collect()
    assert bytes(array) == content[1:]
    region.close()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_when_the_last_export_goes(path, nothing_leaks, kind):
    with pytest.warns(ResourceWarning, match="1 export of .*outlives its"):
        with KINDS[kind](path) as region:
            view = memoryview(region)
    view.release()
    del region


def test_wrapped_buffer_is_given_back_behind_the_last_export():
    data = bytearray(8)
    with pytest.warns(ResourceWarning):
        with mapped.wrap(data).region as region:
            view = memoryview(region[2:])
    with pytest.raises(BufferError):
        data.append(1)
    view.release()
    data.append(1)


def test_block_without_exports_warns_of_nothing(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with mapped.open(path) as region:
            memoryview(region).release()
    assert region.closed


def test_exports_are_warned_of_once(path, monkeypatch):
    """Neither the outer block nor the hook that gets the warning may warn
    again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with mapped.open(path) as region:
            with region:
                view = memoryview(region)
    assert [warning.category for warning in caught] == [ResourceWarning]
    messages = []

    def show(message, *_):
        messages.append(message)
        if len(messages) < 9:
            other.__exit__(None, None, None)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        with mapped.open(path) as other:
            more = memoryview(other)
    assert len(messages) == 1 and view[5] == more[5] == 5


def test_exception_of_the_body_passes_unchanged(path):
    mine = KeyError("my bug")
    with pytest.warns(ResourceWarning), pytest.raises(KeyError) as caught:
        with mapped.open(path) as region:
            view = memoryview(region)
            raise mine
    assert caught.value is mine and mine.__context__ is None
    assert region.closed and view[5] == 5


def test_warning_as_an_error_does_not_hide_the_body(path, listen):
    reported = listen()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ResourceWarning, match="1 export"):
            with mapped.open(path) as region:
                view = memoryview(region)
        mine = KeyError("my bug")
        with pytest.raises(KeyError) as caught:
            with mapped.open(path) as other:
                view = memoryview(other)
                raise mine
    assert caught.value is mine and mine.__context__ is None
    assert region.closed and other.closed and view[0] == 0
    assert list(map(type, reported)) == [ResourceWarning]


def lose(path, region):
    """Reads a lost page through an export, which must be reported later."""
    os.truncate(path, 0)
    bytes(memoryview(region))


def test_fault_that_is_owed_is_raised_unless_the_body_did(path, listen):
    reported = listen()
    with pytest.raises(mapped.FaultError):
        with mapped.open(path, "r+") as region:
            lose(path, region)
    path.write_bytes(bytes(PAGE))
    with pytest.raises(KeyError) as caught:
        with mapped.open(path, "r+") as region:
            lose(path, region)
            raise KeyError
    assert caught.value.__context__ is None
    assert region.closed and list(map(type, reported)) == [mapped.FaultError] * 2


def test_close_that_is_refused_counts_the_exports():
    region = mapped.anonymous(8)
    views = [memoryview(region), memoryview(region[1:])]
    with pytest.raises(BufferError, match="2 exports"):
        region.close()
    views.pop().release()
    with pytest.raises(BufferError, match=r"1 export \("):
        region.close()
    assert not region.closed


@pytest.mark.parametrize("arguments", [(), (None,), (None,) * 4])
def test_exit_takes_three_arguments(arguments):
    region = mapped.anonymous(8)
    with pytest.raises(TypeError):
        region.__exit__(*arguments)
    assert not region.closed
    region.__exit__(None, None, None)
    assert region.closed


def test_growth_leaves_exports_true(tmp_path):
    """The region has no reserve, so it has to move when it grows."""
    path = tmp_path / "grows"
    path.write_bytes(bytes(4096))
    for region in mapped.open(path, "r+"), mapped.anonymous(4096, shared=True):
        numbers = numpy.frombuffer(region, "<u4")
        view = memoryview(region)
        for length in 1 << 20, 8 << 20, 64 << 20:
            region.resize(length)
            region.set("<I", 8, length)
            assert numbers[2] == length
            view[12] = 7
            assert region[12] == 7
        region.append(b"end")
        with pytest.raises(BufferError):
            region.resize(4096)
        del numbers
        view.release()
        region.resize(4096)
        region.close()


def test_growth_of_other_memory_is_refused_while_exported():
    region = mapped.anonymous(4096)
    with memoryview(region):
        with pytest.raises(BufferError, match="1 export"):
            for length in range(4096 << 4, 1 << 32, 1 << 28):
                region.resize(length)
        assert region[0] == 0
    region.resize(1 << 20)


class Closer:
    """Garbage whose finalizer closes a region."""

    def __init__(self, region):
        self.region, self.cycle = region, self

    def __del__(self):
        self.region.close()


@pytest.mark.parametrize("end", [mapped.Region.close, lambda region:
                                 region.__exit__(None, None, None)])
@pytest.mark.parametrize("make", [*KINDS.values(), lambda path:
                                  mapped.anonymous(16 << 20)])
def test_a_finalizer_may_close_what_is_being_closed(path, make, end):
    region = make(path)  # in a hostile build it runs in the middle of a close
    Closer(region)
    end(region)
    assert region.closed
