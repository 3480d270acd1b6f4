"""Guards against a method that meets a lost page without a FaultError, or that
ends the process."""
import errno
import os

import pytest

import mapped

PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture
def lost(path, content):
    """Makes a region whose file has been cut down to its first page."""
    with mapped.open(path, "r+") as region:
        os.truncate(path, PAGE)
        yield region


@pytest.mark.parametrize("use", [
    lambda r: r[PAGE], lambda r: r[-1], lambda r: r[PAGE:].tobytes(),
    lambda r: bytes(r), lambda r: r.get("<I", 2 * PAGE),
    lambda r: r.set("<I", PAGE, 1), lambda r: r.__setitem__(PAGE, 1),
    lambda r: r.__setitem__(slice(PAGE, PAGE + 3), b"abc"),
    lambda r: r[PAGE:].fill(0), lambda r: r.move(0, PAGE, 10),
    lambda r: r.copy_to(bytearray(20000)), lambda r: list(r),
    lambda r: r[:-3].cast("I").tolist(), lambda r: r[:-3].cast("I")[-1],
    lambda r: r[:-3].cast("I")[::2].tobytes(),
    lambda r: mapped.anonymous(20000).copy_from(r),
    lambda r: 256 - 1 in r[PAGE:]])
def test_touching_a_lost_page_is_an_error(lost, use, path):
    with pytest.raises(mapped.FaultError) as caught:
        use(lost)
    error = caught.value
    assert isinstance(error, OSError) and error.errno == errno.ENODATA
    assert error.filename == str(path)
    assert PAGE <= error.offset + error.length and error.length > 0


def test_other_pages_go_on_working(lost, content):
    with pytest.raises(mapped.FaultError):
        lost[PAGE]
    assert lost[:PAGE] == content[:PAGE]
    assert lost[100] == 100
    lost[7] = 3
    assert lost.get("B", 7) == 3


def test_fault_error_is_an_os_error_with_a_place():
    assert issubclass(mapped.FaultError, OSError)
    assert mapped.FaultError.offset == mapped.FaultError.length == 0
    error = mapped.FaultError(errno.EIO, "text", "name")
    assert (error.errno, error.filename) == (errno.EIO, "name")
