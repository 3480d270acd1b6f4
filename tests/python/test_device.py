"""Guards against a register that is read twice, in parts or with its neighbours:
the processor counts and measures every access (tests/core/posix/registers.h)."""
import ctypes
import io
import os
import pathlib

import mapped
import pytest

from conftest import HOSTILE, PAGE

LIBRARY = pathlib.Path(os.environ.get("MAPPED_BUILD", ""),
                       "tests/core/posix/registers.so")
WIDTHS = [(code, order, width) for codes, width in
          (("bBc?", 1), ("hHe", 2), ("iIlLf", 4), ("qQd", 8))
          for code in codes for order in "<>"]
NAMES = [("u8", 1), ("i16", 2), ("f16", 2), ("bf16", 2), ("u32be", 4), ("f32", 4),
         ("u64", 8), ("f64be", 8)]


class Access(ctypes.Structure):
    _fields_ = [("offset", ctypes.c_uint32), ("width", ctypes.c_uint32),
                ("write", ctypes.c_uint32)]


@pytest.fixture
def accesses(tmp_path):
    """Makes a device, and a function that returns the accesses since its last
    call: (offset, width, is a store)."""
    library = ctypes.CDLL(str(LIBRARY))
    library.registers_missing.restype = ctypes.c_char_p
    library.registers_get.restype = Access
    if reason := library.registers_missing():
        pytest.skip(reason.decode())
    path = tmp_path / "registers"
    path.write_bytes(bytes(PAGE))
    device = mapped.open(path, "r+", device=True)
    name = os.fsencode(path)
    assert library.registers_watch(name)

    def take():
        found = [library.registers_get(i) for i in range(library.registers_stop())]
        assert library.registers_watch(name)
        return [(access.offset, access.width, bool(access.write))
                for access in found]
    yield device, take
    library.registers_stop()
    device.close()


@pytest.mark.parametrize("code, order, width", WIDTHS)
def test_device_get_and_set_are_one_access(accesses, code, order, width):
    device, take = accesses
    value = device.get(order + code, 16)
    assert take() == [(16, width, False)]
    device.set(order + code, 24, value)
    assert take() == [(24, width, True)]
    assert device.unpack(order + code, 8) == (value,)
    assert take() == [(8, width, False)]
    device.pack(order + code, 8, value)
    assert take() == [(8, width, True)]


@pytest.mark.parametrize("name, width", NAMES)
def test_device_names_are_one_access(accesses, name, width):
    device, take = accesses
    device.set(name, 8, device.get(name, 16))
    assert take() == [(16, width, False), (8, width, True)]


@pytest.mark.parametrize("code, width", [("B", 1), ("H", 2), ("I", 4), ("Q", 8),
                                         ("d", 8)])
def test_device_arrays_go_element_by_element(accesses, code, width):
    device, take = accesses
    array = device[16:48].cast(code)
    items = list(range(16, 48, width))
    array[1] = array[0]
    assert take() == [(16, width, False), (16 + width, width, True)]
    values = array.tolist()
    assert take() == [(i, width, False) for i in items]
    assert list(array) == values
    assert take() == [(i, width, False) for i in items]
    array[::2] = array[::2]
    assert sorted(take()) == sorted(
        (i, width, write) for i in items[::2] for write in (False, True))


def test_device_bytes_go_one_by_one(accesses):
    device, take = accesses
    assert device[5] == 0 and take() == [(5, 1, False)]
    device[6] = 1
    assert take() == [(6, 1, True)]
    assert bytes(device[8:20]) == bytes(12)
    assert take() == [(i, 1, False) for i in range(8, 20)]
    device[8:20] = b"abcdefghijkl"
    assert take() == [(i, 1, True) for i in range(8, 20)]
    device[32:40].fill(7)
    assert take() == [(i, 1, True) for i in range(32, 40)]


def test_device_records_access_the_field_alone(accesses):
    device, take = accesses
    record = device.records(mapped.layout("status:u32 data:u8 pad:u8 count:u16"))[2]
    assert record.count == 0
    assert take() == [(22, 2, False)]
    record.status = 5
    assert take() == [(16, 4, True)]


def test_device_is_not_touched_by_what_is_refused(accesses):
    device, take = accesses
    for call in (lambda: device.get("<I", 2), lambda: device.set("<Q", 4, 1),
                 lambda: device.find(b"a"), lambda: device.count(b"a"),
                 lambda: device.resize(1), lambda: device.get("<I", PAGE - 3),
                 lambda: device.set("<I", 0, 2**32), lambda: device.set("<I", 0, "a"),
                 lambda: next(device.lines())):
        with pytest.raises((ValueError, OSError, IndexError, TypeError,
                            OverflowError)):
            call()
    assert take() == []


@pytest.mark.skipif(HOSTILE, reason="says nothing about finalizers")
@pytest.mark.parametrize("device", [False, True])
def test_device_keeps_its_length(device):
    """Also where it is not asked for exact accesses."""
    with mapped.open("/dev/zero", "r+", length=4096, device=device) as region:
        for change in (lambda: region.resize(9000), lambda: region.resize(100),
                       lambda: region.append(b"x"), region.refresh):
            with pytest.raises(io.UnsupportedOperation):
                change()
        assert (len(region), region[4095]) == (4096, 0)
        region.check()


def test_device_needs_a_length():
    with pytest.raises(ValueError):
        mapped.open("/dev/zero", device=True)
    with mapped.open("/dev/zero", "r+", length=5000, device=True) as device:
        assert len(device) == 5000 and device.get("<Q", 4992) == 0
        with pytest.raises(ValueError):
            device.get("<Q", 4)
        with pytest.raises(IndexError):
            device.get("<Q", 5000)
