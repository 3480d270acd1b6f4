"""Guards against problems that users of other libraries have reported when they
map files in Python. Each test names the report; other files test the same
behaviour in depth. test_threads.py tests that other threads go on running
(py-lmdb 65)."""
import gc
import mmap
import os

import mapped
import numpy
import pytest

PAGE = mmap.PAGESIZE


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"0123456789abcdef" * (4 * PAGE // 16))
    return path


def private_bytes():
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ": " in line)
    return 1024 * int(fields["Private_Dirty"].split()[0])


def test_cpython_148650_file_truncated_by_another_process(path):
    region = mapped.open(path)
    os.truncate(path, PAGE)
    with pytest.raises(mapped.FaultError):
        region[2 * PAGE]
    assert region[:4] == b"0123"


def test_cpython_84897_file_overwritten_by_another_program(path):
    region = mapped.open(path)
    path.write_bytes(b"new")
    with pytest.raises(mapped.FaultError):
        region.tobytes()


def test_cpython_115635_close_with_an_export_can_be_tried_again(path):
    region = mapped.open(path)
    view = memoryview(region)
    with pytest.raises(BufferError):
        region.close()
    assert region[:4] == b"0123"
    view.release()
    region.close()


def test_numpy_21640_slices_of_ours_do_not_keep_a_region_open(path):
    region = mapped.open(path)
    header, numbers = region[:16], region.cast("I")
    region.close()
    with pytest.raises(ValueError):
        header[0]
    with pytest.raises(ValueError):
        numbers[0]


def test_numpy_23305_array_over_a_region_that_is_gone(path):
    array = numpy.ndarray((16,), "u1", buffer=mapped.open(path))
    gc.collect()
    assert array.tobytes() == b"0123456789abcdef"


def make_file(path):
    return mapped.open(path, "r+")


def make_memory(path):
    return mapped.anonymous(16)


def make_shared(path):
    return mapped.anonymous(16, shared=True)


@pytest.mark.parametrize("make", [make_file, make_memory, make_shared])
@pytest.mark.parametrize("part", [lambda r: r, lambda r: r[:],
                                  lambda r: r.cast("I"),
                                  lambda r: r.toreadonly()])
def test_numpy_22190_array_made_with_buffer(path, make, part):
    region = make(path)
    region[0] = 65
    array = numpy.ndarray((16,), "u1", buffer=part(region))
    assert array[0] == 65
    region.close()
    fillers = [mapped.anonymous(16) for _ in range(20)]
    for filler in fillers:
        filler.fill(9)
    assert array.sum() == 0
    with make(path) as region:
        array = numpy.ndarray((16,), "u1", buffer=part(region))
    assert array.sum() == 0


@pytest.mark.parametrize("make", [make_file, make_memory, make_shared])
def test_array_made_with_buffer_survives_growth(path, make):
    region = make(path)
    region[3] = 65
    array = numpy.ndarray((16,), "u1", buffer=region)
    for size in 1 << 17, 1 << 24:
        region.resize(size)
        assert region[3] == 65
        # Private memory leaves zeros, if it has to move.
        assert array[3] in ([65, 0] if make is make_memory else [65])
    region.append(b"more")
    array[3] = 66
    assert make is make_memory or region[3] == 66
    region.resize(1)
    assert array.tobytes()[8:] in (bytes(8), b"89abcdef")
    region.close()
    assert array.sum() == 0


def test_cpython_157335_index_that_closes_the_region(path):
    region = mapped.open(path, "r+")

    class Closer:
        def __index__(self):
            region.close()
            return 65

    with pytest.raises(ValueError):
        region[0] = Closer()
    with pytest.raises(ValueError):
        region[Closer()]
    assert path.read_bytes()[:4] == b"0123"


def test_cpython_157335_index_that_shrinks_the_region(path):
    region = mapped.open(path, "r+")

    class Shrinker:
        def __index__(self):
            region.resize(8)
            return 65

    with pytest.raises(IndexError):
        region[3 * PAGE] = Shrinker()
    assert path.read_bytes() == b"01234567"


def test_empty_file_is_a_region_of_length_0(tmp_path):
    (tmp_path / "empty").touch()
    with mapped.open(tmp_path / "empty") as region:
        assert len(region) == 0 and region == b"" and list(region) == []


def test_numpy_27722_offset_that_no_page_begins_at(path):
    with mapped.open(path, offset=PAGE + 3, length=5) as region:
        assert region == b"34567"


def test_joblib_81_many_maps_take_no_descriptors(path):
    gc.collect()  # regions of the tests before, which have descriptors
    before = len(os.listdir("/proc/self/fd"))
    regions = [mapped.open(path) for _ in range(300)]
    assert len(os.listdir("/proc/self/fd")) == before
    assert all(region[0] == ord("0") for region in regions)


def test_cpython_70546_slice_of_128_mib_takes_no_memory(tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(256 << 20)
    region = mapped.open(tmp_path / "sparse")
    before = private_bytes()
    part = region[1 << 20:129 << 20]
    assert len(part) == 128 << 20 and part[5] == 0
    assert private_bytes() - before < 1 << 20


def test_cpython_140300_in_and_iteration_are_those_of_bytes(path):
    region, data = mapped.open(path), path.read_bytes()
    assert b"ef01" in region and ord("a") in region and b"fe" not in region
    assert list(region[:40]) == list(data[:40])
    with pytest.raises(ValueError):
        256 in region


def test_numpy_13510_memmap_has_no_close(path):
    with mapped.open(path) as region:
        array = numpy.frombuffer(region, "u1")
        assert array[1] == ord("1")
        del array
    assert region.closed


def test_cpython_112014_cast_takes_both_byte_orders(path):
    region = mapped.open(path)
    assert region.cast("<I")[0] == 0x33323130
    assert region.cast(">I")[0] == 0x30313233


def test_unaligned_numbers_can_be_cast(path):
    assert mapped.open(path)[1:5].cast("<I")[0] == 0x34333231
