"""Guards against an open that accepts a wrong file, path, mode or number, that
fails without a clear error, or that leaves something behind."""
import errno
import io
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

import pytest

import mapped

pytestmark = pytest.mark.usefixtures("nothing_leaks")


def test_open_missing_file_names_it(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError) as caught:
        mapped.open(missing)
    assert caught.value.errno == errno.ENOENT
    assert caught.value.filename == str(missing)


@pytest.mark.parametrize("mode", ["r", "r+", "a+", "c", "w+", "x+"])
def test_open_directory_is_refused(tmp_path, mode):
    with pytest.raises((IsADirectoryError, FileExistsError)) as caught:
        mapped.open(tmp_path, mode)
    assert caught.value.filename == str(tmp_path)
    assert isinstance(caught.value, FileExistsError) == (mode == "x+")


def test_open_pipe_is_refused():
    reader, writer = os.pipe()
    try:
        with pytest.raises(OSError) as caught:
            mapped.open(reader)
        assert caught.value.errno == errno.ENODEV
    finally:
        os.close(reader)
        os.close(writer)


def test_open_fifo_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError):
        mapped.open(tmp_path / "fifo")


def test_open_socket_is_refused():
    with socket.socket() as unconnected, pytest.raises(OSError):
        mapped.open(unconnected)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_open_without_permission_is_refused(path, child):
    path.chmod(0o400)
    os.chmod(path.parent, 0o755)
    child("""
        import errno, os, sys, mapped
        os.chdir(os.path.dirname(sys.argv[1]))
        os.setegid(65534)
        os.seteuid(65534)
        for mode in "r", "r+", "c", "w+":
            try:
                mapped.open(os.path.basename(sys.argv[1]), mode)
            except PermissionError as error:
                assert error.errno == errno.EACCES, error
            else:
                raise AssertionError(mode)
        """, path)
    assert path.stat().st_size > 0


def test_open_of_read_only_descriptor_for_writing_is_refused(path):
    with path.open("rb") as file, pytest.raises(OSError):
        mapped.open(file, "r+")


def test_open_closed_descriptor_is_refused(path):
    file = path.open("rb")
    number = file.fileno()
    file.close()
    with pytest.raises(OSError) as caught:
        mapped.open(number)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(ValueError):
        mapped.open(file)
    with pytest.raises(ValueError):
        mapped.open(-1)


@pytest.mark.parametrize("bad", ["a\0b", b"a\0b", pathlib.PurePath("a\0b")])
def test_open_path_with_nul_is_refused(bad):
    with pytest.raises(ValueError, match="null"):
        mapped.open(bad)


@pytest.mark.parametrize("bad", [None, 1.5, [], object(), bytearray(b"x")])
def test_open_wrong_type_of_file_is_refused(bad):
    with pytest.raises(TypeError):
        mapped.open(bad)


@pytest.mark.parametrize("bad", ["", "b", "rbb", "a", "w", "R", "r++", "r\0", "é", "\ud800"])
def test_open_unknown_mode_is_named(path, bad):
    with pytest.raises(ValueError) as caught:
        mapped.open(path, bad)
    assert repr(bad) in str(caught.value) or "surrogates" in str(caught.value)


@pytest.mark.parametrize("bad", [b"r", 1, None])
def test_open_wrong_type_of_mode_is_refused(path, bad):
    with pytest.raises(TypeError):
        mapped.open(path, bad)


@pytest.mark.parametrize("name", ["offset", "length", "reserve"])
def test_open_negative_number_is_named(path, name):
    for number in -1, -2**63, -2**64, -2**200:
        with pytest.raises(ValueError, match=f"{name}.*{number}"):
            mapped.open(path, **{name: number})


@pytest.mark.parametrize("name", ["offset", "length", "reserve"])
@pytest.mark.parametrize("number", [2**63, 2**64 - 2, 2**64, 2**200])
def test_open_huge_number_is_refused(path, content, name, number):
    with pytest.raises((OverflowError, ValueError, OSError)) as caught:
        mapped.open(path, "r+", **{name: number})
    assert not isinstance(caught.value, mapped.FaultError)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["offset", "length", "reserve", "huge"])
@pytest.mark.parametrize("bad", [1.5, "1", [], b""])
def test_open_wrong_type_of_number_is_refused(path, name, bad):
    with pytest.raises(TypeError):
        mapped.open(path, **{name: bad})


@pytest.mark.parametrize("mode", ["r", "c"])
def test_open_past_the_end_is_refused(path, content, mode):
    size = len(content)
    for options in ({"offset": size + 1}, {"length": size + 1},
                    {"offset": size, "length": 1}):
        with pytest.raises(ValueError, match=str(size)):
            mapped.open(path, mode, **options)
    with mapped.open(path, mode, offset=size) as region:
        assert len(region) == 0


def test_open_reserve_below_the_length_is_refused(path):
    with pytest.raises((ValueError, OverflowError)):
        mapped.open(path, "r+", length=8192, reserve=4096)


@pytest.mark.parametrize("arguments, options", [
    ((), {}), (("x", "r", 0), {}), (("x",), {"file": "x"}),
    (("x",), {"mod": "r"}), ((), {"mode": "r"})])
def test_open_wrong_arguments_are_refused(arguments, options):
    with pytest.raises(TypeError, match=r"open\(\)"):
        mapped.open(*arguments, **options)


@pytest.mark.parametrize("as_what", [str, os.fsencode, pathlib.Path])
def test_open_takes_every_kind_of_path(path, content, as_what):
    with mapped.open(as_what(path)) as region:
        assert region == content
        assert os.fsdecode(region.name) == str(path)


def test_open_takes_path_bytes_that_are_not_utf8(tmp_path):
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.bin"
    with open(odd, "wb") as file:
        file.write(b"odd")
    for spelling in odd, os.fsdecode(odd):
        with mapped.open(spelling) as region:
            assert region == b"odd"


def test_open_takes_descriptors_and_files(path, content):
    with path.open("rb") as file:
        with mapped.open(file) as region, mapped.open(file.fileno()) as other:
            assert region == other == content
            assert region.name == file.fileno()
        assert file.read() == content


def test_open_lives_on_after_its_descriptor_is_closed(path, content):
    file = path.open("r+b")
    with mapped.open(file, "r+") as region:
        file.close()
        assert region == content
        region[0] = 255
    assert path.read_bytes()[0] == 255


def test_open_any_offset_works(path, content):
    for offset in 0, 1, 4095, 4096, 4097, len(content) - 1, len(content):
        with mapped.open(path, offset=offset) as region:
            assert region == content[offset:]
        length = min(3, len(content) - offset)
        with mapped.open(path, offset=offset, length=length) as region:
            assert region == content[offset:offset + length]


def test_open_empty_file_is_a_region_of_length_0(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for mode in "r", "r+", "c":
        with mapped.open(empty, mode) as region:
            assert len(region) == 0
            assert bytes(region) == bytes(memoryview(region)) == b""
            assert list(region) == [] and region == b"" and not region


def test_open_copy_keeps_the_file(path, content):
    with mapped.open(path, "c") as region:
        region[0:4] = b"mine"
        assert region[0:4] == b"mine"
    assert path.read_bytes() == content


def test_open_read_write_changes_the_file(path, content):
    with mapped.open(path, "r+") as region:
        region[0:4] = b"mine"
    assert path.read_bytes() == b"mine" + content[4:]


def test_open_longer_length_extends_with_blocks(path, content):
    with mapped.open(path, "r+", length=1 << 20) as region:
        assert region[len(content):] == bytes((1 << 20) - len(content))
    assert path.stat().st_size == 1 << 20
    assert path.stat().st_blocks * 512 >= 1 << 20


def test_open_sparse_extends_without_blocks(tmp_path):
    with mapped.open(tmp_path / "s", "w+", length=1 << 24, sparse=True):
        assert (tmp_path / "s").stat().st_blocks * 512 < 1 << 20


def test_open_create_truncates_and_exclusive_refuses(path):
    with pytest.raises(FileExistsError):
        mapped.open(path, "x+", length=10)
    assert path.stat().st_size > 10
    with mapped.open(path, "w+", length=10) as region:
        assert region == bytes(10)
    assert path.stat().st_size == 10


@pytest.mark.parametrize("mode, plain", [
    ("rb", "r"), ("r+b", "r+"), ("rb+", "r+"), ("ab+", "a+")])
def test_open_understands_the_b_of_open(path, mode, plain):
    with mapped.open(path, mode) as region:
        assert region.mode == plain


def test_open_append_creates_or_keeps(tmp_path):
    path = tmp_path / "log"
    before = os.umask(0o022)
    try:
        with mapped.open(path, "a+", permissions=0o660) as region:
            assert len(region) == 0
            region.append(b"one")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o640
    with mapped.open(path, "a+", length=8) as region:
        assert bytes(region) == b"one" + bytes(5)


@pytest.mark.parametrize("bad, error", [
    (-1, ValueError), (0o10000, ValueError), ("x", TypeError), (None, TypeError)])
def test_open_wrong_permissions_are_refused(tmp_path, bad, error):
    with pytest.raises(error):
        mapped.open(tmp_path / "new", "a+", permissions=bad)
    assert not (tmp_path / "new").exists()


def test_open_append_twice_at_once_gives_one_file(tmp_path):
    """Each of the openers writes a byte of its own, and none is lost."""
    code = """
import sys, mapped
for i in range(200):
    with mapped.open(f"{sys.argv[1]}/{i}", "a+", length=2) as region:
        region[int(sys.argv[2])] = 1
"""
    folder = tmp_path / "files"
    folder.mkdir()
    openers = [subprocess.Popen([sys.executable, "-c", code, str(folder), which])
               for which in "01"]
    assert [opener.wait() for opener in openers] == [0, 0]
    assert {file.read_bytes() for file in folder.iterdir()} == {b"\1\1"}


def test_open_populate_reads_all(path, content):
    with mapped.open(path, populate=True) as region:
        assert region == content


def test_open_device_is_read_in_exact_widths():
    with mapped.open("/dev/zero", "c", length=64, device=True) as region:
        assert region.get("<I", 4) == 0
        with pytest.raises(ValueError):
            region.get("<I", 1)
        region[:8].cast("I")[0] = 7
        assert region.cast("I").tolist()[:2] == [7, 0]
        assert bytes(region)[:4] in (b"\7\0\0\0", b"\0\0\0\7")


def test_open_takes_objects_with_fileno():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"abc")
        file.flush()
        with mapped.open(file) as region:
            assert region == b"abc"


def test_open_takes_no_file_without_descriptor():
    with pytest.raises(io.UnsupportedOperation):
        mapped.open(io.BytesIO(b"abc"))


@pytest.mark.parametrize("bad", [-1, -2**70])
def test_anonymous_negative_length_is_named(bad):
    with pytest.raises(ValueError, match=str(bad)):
        mapped.anonymous(bad)


@pytest.mark.parametrize("bad", [None, 1.0, "1"])
def test_anonymous_wrong_type_is_refused(bad):
    with pytest.raises(TypeError):
        mapped.anonymous(bad)


def test_anonymous_huge_length_is_refused():
    for length in 2**62, 2**63 - 1, 2**63, 2**64:
        with pytest.raises((OSError, ValueError)):
            mapped.anonymous(length)


def test_anonymous_is_zero_and_writable():
    with mapped.anonymous(10000) as region:
        assert region == bytes(10000)
        region.fill(7)
        assert region == b"\7" * 10000
        assert region.mode == "r+" and region.name is None


def test_anonymous_shared_crosses_fork():
    with mapped.anonymous(4096, shared=True) as region:
        child = os.fork()
        if child == 0:
            region[0] = 42
            os._exit(0)
        os.waitpid(child, 0)
        assert region[0] == 42
        assert os.fstat(region.fileno()).st_size == 4096


@pytest.mark.parametrize("bad", [None, 1, "text", [1, 2], object()])
def test_wrap_wrong_type_is_refused(bad):
    with pytest.raises(TypeError):
        mapped.wrap(bad)


def test_wrap_shares_the_memory():
    data = bytearray(b"hello")
    view = mapped.wrap(data)
    view[0] = ord("j")
    assert data == b"jello" and view == data and not view.readonly
    with pytest.raises(BufferError):
        data.append(0)
    view.region.close()
    data.append(0)
    with pytest.raises(ValueError):
        view[0]


def test_wrap_of_read_only_bytes_is_read_only():
    view = mapped.wrap(b"hello")
    assert view.readonly and view == b"hello"
    with pytest.raises(TypeError):
        view[0] = 1


def test_wrap_of_a_slice_is_a_slice_of_the_same_region():
    with mapped.anonymous(10) as region:
        view = mapped.wrap(region[2:8])
        assert view.region is region and view.offset == 2 and len(view) == 6


@pytest.mark.parametrize("options", [
    {"length": 2**62}, {"length": 10, "reserve": 2**62}, {"offset": 5},
    {"length": 2**63 - 1}, {"length": 2**64 - 1}])
def test_open_that_fails_to_create_leaves_the_file(path, content, options):
    with pytest.raises((OSError, ValueError, OverflowError)):
        mapped.open(path, "w+", **options)
    assert path.read_bytes() == content


def test_open_w_of_a_longer_file_truncates_it(path):
    with mapped.open(path, "w+", length=100) as region:
        assert bytes(region) == bytes(100)
    assert path.read_bytes() == bytes(100)
