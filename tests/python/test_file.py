"""Guards against file objects over memory that outlive what they show, lose a
lost page, copy more than they return, or behave otherwise than io.BytesIO; and
against libraries that don't take them."""
import csv
import gc
import gzip
import io
import json
import os
import pickle
import random
import shutil
import sys
import tarfile
import threading
import weakref
import zipfile

import pytest

import mapped
from support import private_bytes

PAGE = os.sysconf("SC_PAGESIZE")
MIB = 1 << 20
TEXT = b"one\ntwo\n\nthree and more\nlast"

CALLS = {
    "read": lambda file: file.read(), "read1": lambda file: file.read1(5),
    "readline": lambda file: file.readline(), "peek": lambda file: file.peek(),
    "readlines": lambda file: file.readlines(),
    "readinto": lambda file: file.readinto(bytearray(4)),
    "readinto1": lambda file: file.readinto1(bytearray(4)),
    "readinto_own": lambda file: file.readinto(mapped.anonymous(4)),
    "next": next, "enter": lambda file: file.__enter__(),
    "write": lambda file: file.write(b"new"),
    "writelines": lambda file: file.writelines([b"new"]),
    "seek": lambda file: file.seek(0), "tell": lambda file: file.tell(),
    "truncate": lambda file: file.truncate(3),
    "readable": lambda file: file.readable(),
    "writable": lambda file: file.writable(),
    "seekable": lambda file: file.seekable(),
    "isatty": lambda file: file.isatty(), "flush": lambda file: file.flush(),
    "fileno": lambda file: file.fileno(), "detach": lambda file: file.detach(),
    "getbuffer": lambda file: file.getbuffer(),
}
TOUCHES = ["read", "readline", "readlines", "peek", "readinto", "readinto_own",
           "next", "write", "writelines"]


def made(data):
    region = mapped.anonymous(len(data))
    region[:] = data
    return region


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_method_of_a_closed_file_is_a_value_error(region, call):
    file = region.file()
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        call(file)
    assert file.closed and not region.closed


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_method_over_a_closed_region_is_a_value_error(region, call):
    file = region[8:].file()
    region.close()
    with pytest.raises(ValueError, match="region"):
        call(file)
    assert file.closed


@pytest.mark.parametrize("name", TOUCHES)
def test_a_lost_page_is_a_fault_and_the_position_stays(lost, name):
    file = lost[PAGE - 2:].file()
    file.seek(2)
    with pytest.raises(mapped.FaultError):
        CALLS[name](file)
    assert file.tell() == 2 and file.seek(0) == 0 and file.read(2) == b"aa"


def test_readinto_a_lost_page_is_a_fault_of_that_region(lost, region):
    with pytest.raises(mapped.FaultError):
        region.file().readinto(lost[2 * PAGE:])
    assert region.faults == [] and lost.faults != []


def test_no_script_can_make_or_extend_one(region):
    kind = type(region.file())
    for forge in (kind, lambda: kind(region), lambda: object.__new__(kind),
                  lambda: type("Kind", (kind,), {}),
                  lambda: kind.read(region), lambda: kind.read(io.BytesIO()),
                  lambda: pickle.dumps(region.file())):
        with pytest.raises(TypeError):
            forge()


@pytest.mark.parametrize("call, kind", [
    (lambda file: file.seek(-1), OSError), (lambda file: file.seek(-65, 2), OSError),
    (lambda file: file.seek(-1, 1), OSError), (lambda file: file.seek(2**62, 1) +
     file.seek(2**63 - 1, 1), OSError),
    (lambda file: file.seek(0, 3), ValueError),
    (lambda file: file.seek(2**63), OverflowError),
    (lambda file: file.seek("1"), TypeError), (lambda file: file.seek(), TypeError),
    (lambda file: file.read(1.5), TypeError), (lambda file: file.read("1"), TypeError),
    (lambda file: file.read(2**63), OverflowError),
    (lambda file: file.read(1, 2), TypeError),
    (lambda file: file.readinto(b"1234"), BufferError),
    (lambda file: file.readinto(5), TypeError),
    (lambda file: file.write("text"), TypeError),
    (lambda file: file.writelines(5), TypeError),
    (lambda file: file.writelines([b"a", 5]), TypeError),
    (lambda file: file.truncate(), io.UnsupportedOperation),
    (lambda file: file.fileno(), io.UnsupportedOperation),
    (lambda file: file.detach(), io.UnsupportedOperation)])
def test_bad_arguments_raise_as_io_does(region, call, kind):
    file = region.file()
    with pytest.raises(kind) as raised:
        call(file)
    assert type(raised.value) is kind and not file.closed


def test_a_write_that_does_not_fit_writes_nothing(region):
    file = region[:8].file()
    file.seek(6)
    with pytest.raises(ValueError, match="3 bytes don't fit into 2"):
        file.write(b"new")
    assert file.tell() == 6 and region[:10] == bytes(range(10))
    file.seek(100)
    assert file.write(b"") == 0 and file.read() == b"" and file.tell() == 100


def test_read_only_memory_refuses_writes(path):
    with mapped.open(path) as region:
        file = region.file()
        assert not file.writable() and file.mode == "rb"
        with pytest.raises(io.UnsupportedOperation, match="read-only"):
            file.write(b"")
        region.protect("r")
    with mapped.open(path, "r+") as region:
        file = region.file()
        region[3:5].protect("r")
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"0123456789")
        assert file.tell() == 0


def test_an_argument_that_closes_the_region(region, index):
    file = region.file()
    for call in (lambda: file.read(index(5, region.close)),
                 lambda: file.seek(index(5, region.close)),
                 lambda: file.writelines(iter([b"a"])), file.read):
        with pytest.raises(ValueError):
            call()


def test_an_argument_that_moves_the_position(region, index):
    file = region.file()
    assert file.read(index(4, lambda: file.seek(10))) == bytes(range(10, 14))
    assert file.seek(index(2, lambda: file.seek(20)), 1) == 22


def test_lines_to_write_that_close_the_region(region):
    def lines():
        yield b"ab"
        region.close()
        yield b"cd"
    with pytest.raises(ValueError):
        region.file().writelines(lines())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no __buffer__ in Python")
@pytest.mark.parametrize("name", ["readinto", "write"])
def test_a_buffer_whose_provider_closes_or_moves(region, name):
    class Provider:
        def __init__(self, action):
            self.action = action

        def __buffer__(self, flags):
            self.action()
            return memoryview(bytearray(b"abcd"))

    file = region.file()
    assert getattr(file, name)(Provider(lambda: file.seek(32))) == 4
    assert file.tell() == 36
    with pytest.raises(ValueError):
        getattr(file, name)(Provider(region.close))


def test_getbuffer_is_no_copy_and_blocks_close(region):
    with region.file() as file:
        view = file.getbuffer()
    view[0] = 77
    assert region[0] == 77 and view.nbytes == 64
    with pytest.raises(BufferError):
        region.close()
    view.release()
    region.close()


def test_it_keeps_the_region_alive_and_is_collected():
    file = made(TEXT).file()
    assert file.read(3) == b"one"
    gone = weakref.ref(file)
    del file
    assert gone() is None

    class Holder(bytearray):
        pass
    holder = Holder(b"abc")
    holder.file = mapped.wrap(holder).file()
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_of_a_region_it_follows_the_length(tmp_path):
    with mapped.open(tmp_path / "log", "a+") as region:
        file, part = region.file(), region[:].file()
        assert file.read() == b""
        region.append(b"one\ntwo")
        assert file.readline() == b"one\n" and part.read() == b""
        region.resize(2)
        assert file.read() == b"" and file.tell() == 4
        assert file.seek(0, 2) == 2


def test_it_says_what_it_is(path):
    with mapped.open(path, "r+") as region:
        file = region.file()
        assert isinstance(file, io.BufferedIOBase) and isinstance(file, io.IOBase)
        assert (file.name, file.mode, file.closed) == (str(path), "rb+", False)
        assert file.readable() and file.writable() and file.seekable()
        assert not file.isatty() and file.flush() is None
        assert repr(file) == f"<mapped.File position=0 of {region!r}>"
        assert iter(file) is file and mapped.anonymous(3).file().name is None


STEPS = [
    lambda r: (r.choice(["read", "readline", "readlines"]),
               r.choice([None, *range(-2, 40)])),
    lambda r: ("read1", r.randrange(40)),
    lambda r: ("seek", r.randrange(40), 0),
    lambda r: ("seek", r.randrange(9), r.choice([1, 2])),
    lambda r: ("write", r.randbytes(r.randrange(9))),
    lambda r: ("tell",),
]


@pytest.mark.parametrize("seed", range(30))
def test_it_does_what_bytesio_does(seed):
    r = random.Random(seed)
    data = bytes(r.choice(b"ab\n") for _ in range(r.randrange(40)))
    model, region = io.BytesIO(data), made(data)
    file = region.file()
    for _ in range(40):
        name, *arguments = r.choice(STEPS)(r)
        if name == "write" and model.tell() + len(arguments[0]) > len(data):
            continue
        assert getattr(file, name)(*arguments) == getattr(model, name)(*arguments)
        assert file.tell() == model.tell()
        read, model_read = bytearray(3), bytearray(3)
        assert file.readinto(read) == model.readinto(model_read)
        assert read == model_read and region == model.getvalue()
        if r.randrange(3) == 0:
            file.seek(model.seek(0))


def test_long_lines_and_the_last(tmp_path):
    path = tmp_path / "lines"
    lines = [b"x" * 200_000 + b"\n", b"\n", b"y" * 70_000]
    path.write_bytes(b"".join(lines))
    with mapped.open(path) as region:
        assert list(region.file()) == lines
        assert region.file().readlines(200_001) == lines[:1]
        assert region.file().readline(199_999) == b"x" * 199_999
        assert len(region.file().peek(1)) == len(region.file().read1()) == 8192


def test_threads_get_different_lines():
    lines = [b"%d%s\n" % (i, b"." * (i % 97)) for i in range(3000)]
    lines[5] = b"z" * 100_000 + b"\n"
    file, found = made(b"".join(lines)).file(), []
    threads = [threading.Thread(target=lambda: found.extend(file))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(lines)


def test_libraries_read_it(tmp_path):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("name", TEXT * 500)
    assert zipfile.ZipFile(made(archive.getvalue()).file()).read("name") == TEXT * 500
    assert not zipfile.is_zipfile(made(b"PK").file())

    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("empty"))
    with tarfile.open(fileobj=made(archive.getvalue()).file()) as file:
        assert file.getnames() == ["empty"]

    assert json.load(made(b'{"a": [1, 2]}').file()) == {"a": [1, 2]}
    rows = csv.reader(io.TextIOWrapper(made(b"a,b\r\nc,d\r\n").file(), newline=""))
    assert list(rows) == [["a", "b"], ["c", "d"]]
    assert gzip.open(made(gzip.compress(TEXT)).file()).read() == TEXT
    assert io.BufferedReader(made(TEXT).file(), 5).readlines() == TEXT.splitlines(True)


def test_libraries_write_it():
    region = mapped.anonymous(4096)
    shutil.copyfileobj(io.BytesIO(TEXT), region.file())
    assert region[:len(TEXT)] == TEXT
    value = {"numbers": list(range(50)), "text": TEXT}
    file = region.file()
    pickle.dump(value, file, 5)
    pickle.dump("next", file, 5)
    file.seek(0)
    assert (pickle.load(file), pickle.load(file)) == (value, "next")
    text = io.TextIOWrapper(region[2048:].file(), "utf-8", write_through=True)
    text.write("\N{EURO SIGN}")
    text.close()
    assert region[2048:2051].tobytes().decode() == "\N{EURO SIGN}"


class Meter:
    """A file to write to that keeps the most private bytes seen."""
    most = 0

    def write(self, data):
        self.most = max(self.most, private_bytes())
        return len(data)


def from_zip(file):
    with zipfile.ZipFile(file) as archive:
        return archive.open("zeros")


def from_tar(file):
    archive = tarfile.open(fileobj=file)
    return archive.extractfile("zeros")


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("zeros", "w") as member:
            for _ in range(32):
                member.write(bytes(MIB))


def write_tar(path):
    info = tarfile.TarInfo("zeros")
    info.size = 32 * MIB
    path.write_bytes(info.tobuf())
    os.truncate(path, 512 + 32 * MIB + 1024)


@pytest.mark.skipif(os.environ.get("MAPPED_SANITIZE", "") != "",
                    reason="a sanitizer keeps freed memory")
@pytest.mark.parametrize("write, opened", [
    (write_zip, from_zip), (write_tar, from_tar), (write_tar, lambda file: file)],
    ids=["zip", "tar", "whole"])
def test_reading_copies_no_more_than_a_block(tmp_path, write, opened):
    write(tmp_path / "archive")
    with mapped.open(tmp_path / "archive") as region:
        meter = Meter()
        before = private_bytes()
        shutil.copyfileobj(opened(region.file()), meter, MIB)
        assert 0 < meter.most < before + 8 * MIB
