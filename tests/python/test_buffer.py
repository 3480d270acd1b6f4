"""Guards against a buffer that ignores a flag of the buffer protocol, that
isn't counted as an export, or that is copied for memoryview, numpy, re,
sockets, struct or files."""
import ctypes
import hashlib
import io
import re
import socket
import struct

import numpy
import pytest

import mapped

SIMPLE, WRITABLE, FORMAT, ND = 0, 1, 4, 8
STRIDES = 0x10 | ND
C_CONTIGUOUS, F_CONTIGUOUS, ANY_CONTIGUOUS = (
    bit | STRIDES for bit in (0x20, 0x40, 0x80))
INDIRECT = 0x100 | STRIDES


class Buffer(ctypes.Structure):
    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.py_object),
                ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
                ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
                ("format", ctypes.c_char_p),
                ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
                ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
                ("suboffsets", ctypes.POINTER(ctypes.c_ssize_t)),
                ("internal", ctypes.c_void_p)]


class Export:
    """An export of an object with exactly these flags."""

    def __init__(self, thing, flags):
        self.buffer = Buffer()
        ctypes.pythonapi.PyObject_GetBuffer(
            ctypes.py_object(thing), ctypes.byref(self.buffer), flags)

    def __enter__(self):
        return self.buffer

    def __exit__(self, *exception):
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(self.buffer))


@pytest.fixture
def readonly(path):
    with mapped.open(path, length=64) as made:
        yield made


@pytest.mark.parametrize("flags", [
    SIMPLE, FORMAT, ND, STRIDES, C_CONTIGUOUS, F_CONTIGUOUS, ANY_CONTIGUOUS,
    INDIRECT, INDIRECT | FORMAT])
@pytest.mark.parametrize("writable", [0, WRITABLE])
def test_bytes_honour_every_flag(region, readonly, flags, writable):
    with Export(region[3:13], flags | writable) as buffer:
        assert (buffer.len, buffer.itemsize, buffer.ndim) == (10, 1, 1)
        assert buffer.readonly == 0 and not buffer.suboffsets
        assert buffer.format == (b"B" if flags & FORMAT else None)
        assert bool(buffer.shape) == bool(flags & ND)
        assert bool(buffer.strides) == (flags & STRIDES == STRIDES)
        assert ctypes.string_at(buffer.buf, 10) == bytes(range(3, 13))
    if writable:
        with pytest.raises(BufferError):
            Export(readonly, flags | writable)
    else:
        with Export(readonly, flags) as buffer:
            assert buffer.readonly == 1


@pytest.mark.parametrize("flags", [ND, STRIDES, C_CONTIGUOUS, ANY_CONTIGUOUS,
                                   INDIRECT])
@pytest.mark.parametrize("form", [0, FORMAT])
def test_arrays_honour_every_flag(region, flags, form):
    with Export(region.cast(">H", (4, 8)), flags | form | WRITABLE) as buffer:
        assert (buffer.len, buffer.itemsize, buffer.ndim) == (64, 2, 2)
        assert buffer.format == (b">H" if form else None)
        assert buffer.shape[:2] == [4, 8]
        assert bool(buffer.strides) == (flags & STRIDES == STRIDES)
        if buffer.strides:
            assert buffer.strides[:2] == [16, 2]


def test_arrays_are_plain_bytes_without_a_shape(region):
    with Export(region.cast("I", (4, 4)), SIMPLE) as buffer:
        assert (buffer.len, buffer.ndim) == (64, 1)
        assert not buffer.shape and buffer.format is None
    with pytest.raises(BufferError):
        Export(region.cast("I"), FORMAT)


@pytest.mark.parametrize("flags", [SIMPLE, ND, C_CONTIGUOUS, F_CONTIGUOUS,
                                   ANY_CONTIGUOUS])
def test_strided_arrays_refuse_who_asks_for_less(region, flags):
    strided = region.cast("I")[::2]
    with pytest.raises(BufferError):
        Export(strided, flags)
    with Export(strided, STRIDES) as buffer:
        assert buffer.strides[0] == 8 and buffer.shape[0] == 8
    reverse = region[::-1]
    with Export(reverse, STRIDES) as buffer:
        assert buffer.strides[0] == -1
        assert ctypes.string_at(buffer.buf, 1) == b"?"


def test_transposed_order_is_told_apart(region):
    with pytest.raises(BufferError):
        Export(region.cast("I", (4, 4)), F_CONTIGUOUS)
    with Export(region.cast("I"), F_CONTIGUOUS) as buffer:
        assert buffer.ndim == 1


def test_read_only_arrays_refuse_writers(readonly):
    with pytest.raises(BufferError):
        Export(readonly.cast("I"), STRIDES | WRITABLE)
    assert memoryview(readonly.cast("I")).readonly
    assert not numpy.asarray(readonly.cast("I")).flags.writeable


def test_every_export_is_counted(region):
    exports = [Export(region, SIMPLE), Export(region[5:], INDIRECT),
               Export(region.cast("I")[::2], INDIRECT | FORMAT)]
    for export in exports:
        with pytest.raises(BufferError):
            region.close()
        assert region[5] == 5 and not region.closed
        with export:
            pass
    region.close()


def test_refused_exports_are_not_counted(region, readonly):
    for action in (lambda: Export(readonly, WRITABLE),
                   lambda: Export(readonly.cast("I"), STRIDES | WRITABLE),
                   lambda: Export(region.cast("I")[::2], SIMPLE)):
        with pytest.raises(BufferError):
            action()
    region.close()
    readonly.close()


def test_shrinking_under_an_export_changes_nothing(path, content):
    with mapped.open(path, "r+") as region:
        view = memoryview(region)
        with pytest.raises(BufferError):
            region.resize(10)
        assert len(region) == len(content) == path.stat().st_size
        assert view == content
        view.release()
        region.resize(10)
        assert region == content[:10] and path.stat().st_size == 10


def test_what_a_shrunken_region_no_longer_has_is_not_exported(path):
    with mapped.open(path, "r+") as region:
        part, array = region[100:200], region[100:200].cast("I")
        region.resize(150)
        for thing in part, array, array[::2]:
            with pytest.raises(IndexError):
                memoryview(thing)
        assert bytes(memoryview(part[:50])) == region[100:]
        region.resize(200)
        assert memoryview(part) == part


def test_growing_under_an_export_works_in_the_reserve(path, content):
    with mapped.open(path, "r+", reserve=1 << 20) as region:
        view, part, old = memoryview(region), region[5:10], len(content)
        region.resize(1 << 19)
        region.append(b"more")
        assert view == content and part == content[5:10]
        assert region[old:old + 3] == bytes(3) and region[-4:] == b"more"
        view.release()


def test_closed_region_exports_nothing(region):
    part, array = region[1:5], region.cast("I")
    region.close()
    for thing in region, part, array:
        with pytest.raises(ValueError):
            memoryview(thing)


def test_empty_export_has_an_address():
    with mapped.anonymous(0) as region:
        with Export(region, SIMPLE) as buffer:
            assert buffer.buf and buffer.len == 0
        assert re.search(b"", region)


def test_memoryview_writes_through(region):
    with memoryview(region[4:8]) as view:
        view[0] = 200
        assert region[4] == 200 and view.format == "B"
    with memoryview(region.cast("I", (4, 4))) as view:
        view[1, 2] = 7
        assert region.cast("I")[6] == 7


@pytest.mark.parametrize("code", ["<i", ">i", ">d", "<e", ">Q", "?", "b"])
@pytest.mark.parametrize("offset", [0, 1])
def test_numpy_reads_every_order_and_alignment(region, code, offset):
    ours = region[offset:offset + 48].cast(code)
    theirs = numpy.asarray(ours)
    assert theirs.dtype == numpy.dtype(code)
    expected = numpy.frombuffer(bytes(region[offset:offset + 48]), code)
    assert theirs.tobytes() == expected.tobytes()
    del theirs
    region.close()


def test_numpy_shares_the_memory(region):
    grid = numpy.asarray(region.cast("<i", (4, 4)))
    grid[2, 3] = -5
    assert region.cast("<i")[11] == -5
    flat = numpy.frombuffer(region[8:16], "u1")
    region[8] = 99
    assert flat[0] == 99
    column = numpy.asarray(region.cast("<i", (4, 4))[:, 1])
    column[:] = 1
    assert region.cast("<i", (4, 4))[:, 1].tolist() == [1] * 4


def test_re_searches_in_place(region):
    region[20:26] = b"needle"
    found = re.search(rb"n(e+)dle", region)
    assert found.span() == (20, 26) and found.group(1) == b"ee"
    region.close()
    with pytest.raises((TypeError, ValueError)):
        found.group()


def test_re_copies_nothing():
    with mapped.anonymous(1 << 32) as region:
        region[-6:] = b"needle"
        found = re.search(b"needle", region[-100:])
        assert found.start() == 94


def test_sockets_send_and_receive_in_place(region):
    here, there = socket.socketpair()
    with here, there:
        here.sendall(region[10:20])
        assert there.recv(100) == bytes(range(10, 20))
        there.sendall(b"abc")
        assert here.recv_into(region[:3]) == 3
    assert region[:3] == b"abc"


def test_files_read_and_write_in_place(region, tmp_path):
    with open(tmp_path / "out", "wb") as file:
        file.write(region[:10])
    with open(tmp_path / "out", "rb") as file:
        assert file.readinto(region[50:60]) == 10
    assert region[50:60] == bytes(range(10))
    assert io.BytesIO(region[:4]).read() == bytes(range(4))


def test_struct_and_hashlib_take_it(region):
    assert struct.unpack_from("<I", region, 4) == (0x07060504,)
    struct.pack_into("<I", region[8:], 0, 1)
    assert region.get("<I", 8) == 1
    data = bytes(region)
    assert hashlib.sha256(region).digest() == hashlib.sha256(data).digest()
    assert int.from_bytes(region[:4], "big") == int.from_bytes(data[:4], "big")
    assert b"".join([region[:2], region[2:4]]) == data[:4]
    assert bytearray(region) == data


def test_pads_in_a_format_count(region):
    """The struct of "Bx" has two bytes, so items of one byte aren't that."""
    source = memoryview(bytes(64))
    make_view = ctypes.pythonapi.PyMemoryView_FromBuffer
    make_view.restype = ctypes.py_object
    with Export(source, INDIRECT | FORMAT) as buffer:
        for code, is_known in ((b" 1B", True), (b"1Bx", False)):
            buffer.format = code
            items = make_view(ctypes.byref(buffer))
            assert (mapped.anonymous(64) == items) == is_known
