"""Guards against examples that read real formats wrongly: each is compared with
a reader that knows nothing of mapped. Both languages print the same words."""
import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import zoneinfo

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = {"lua": os.environ["MAPPED_LUA"],
             "python": os.environ["MAPPED_PYTHON"]}


@pytest.fixture(params=LANGUAGES)
def example(request):
    """Runs an example; returns its lines, each a list of words."""
    def run(name, path, status=0):
        ending = {"lua": "lua", "python": "py"}[request.param]
        script = TOP / request.param / "examples" / f"{name}.{ending}"
        done = subprocess.run([LANGUAGES[request.param], script, path],
                              capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert bool(done.stderr) == bool(status)
        return [line.split() for line in done.stdout.splitlines()]
    return run


def test_log_levels_are_those_of_grep(example, tmp_path):
    path = tmp_path / "log"
    levels = "ERROR", "WARNING", "INFO", "DEBUG"
    path.write_text("".join(
        f"{i:06} {levels[i * i % 7 % 4]} message {i % 5 * 'INFO '}\n"
        for i in range(3000)) + "a last ERROR without an end")
    expected = [[level, subprocess.run(
        ["grep", "-c", level, path], capture_output=True,
        text=True).stdout.strip()] for level in levels]
    assert example("log_levels", path) == expected


@pytest.fixture
def zone(tmp_path):
    """A zone file made by zic."""
    zic = shutil.which("zic", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if zic is None:
        pytest.skip("no zic to make a time zone file")
    (tmp_path / "source").write_text(
        "Rule Test 1980 2030 - Mar lastSun 1:00u 1:00 S\n"
        "Rule Test 1980 2030 - Oct lastSun 1:00u 0 -\n"
        "Zone Test/Place 0:53:28 - LMT 1893 Apr\n"
        "                1:00 Test CE%sT\n")
    subprocess.run([zic, "-b", "fat", "-d", tmp_path, tmp_path / "source"],
                   check=True)
    return tmp_path / "Test" / "Place"


def test_zone_changes_are_those_of_zoneinfo(example, zone):
    with zone.open("rb") as file:
        expected = zoneinfo.ZoneInfo.from_file(file)
    changes = example("zone_file", zone)
    assert len(changes) > 100
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    for second, offset, daylight, name in changes[1:]:
        then = (start + datetime.timedelta(seconds=int(second))).astimezone(
            expected)
        assert then.utcoffset().total_seconds() == int(offset)
        assert bool(then.dst()) == bool(int(daylight))
        assert then.tzname() == name


def test_sqlite_rows_are_those_of_sqlite(example, tmp_path):
    path = tmp_path / "database"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA page_size = 1024")
        database.execute("PRAGMA user_version = 77")
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        database.executemany("INSERT INTO t VALUES (?, ?)", (
            (i * i * i * 7 + 1, "x" * (i % 300)) for i in range(1000)))
    pages, = database.execute("PRAGMA page_count").fetchone()
    rows = database.execute("SELECT id FROM t ORDER BY id").fetchall()
    database.close()
    header, *found = [list(map(int, line)) for line in
                      example("sqlite_rows", path)]
    assert header == [1024, pages, 77]
    assert sorted(row for page, row, _ in found if page > 1) == [
        row for row, in rows]


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<f8", ">f4", "|u1", "<u2"])
def test_npy_array_is_that_of_numpy(example, tmp_path, dtype):
    numpy = pytest.importorskip("numpy")
    array = (numpy.arange(600).reshape(20, 30) % 251).astype(dtype)
    numpy.save(tmp_path / "array.npy", array)
    assert example("npy_array", tmp_path / "array.npy") == [
        [array.dtype.str, "20", "30"], [f"{float(array.sum()):.6f}"]]


def test_tensors_are_those_that_were_written(example, tmp_path):
    tensors = {"weight": ("F32", "<6f", [2, 3], [0.5, 1.5, -2, 4, 8, 16]),
               "bias": ("I64", "<2q", [2], [-7, 2**40]),
               "empty": ("U8", "", [0], [])}
    header, data = {"__metadata__": {"made": "by hand"}}, b""
    for name, (dtype, code, shape, values) in tensors.items():
        start = len(data)
        data += struct.pack(code, *values)
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    assert example("tensors", path) == [
        [name, tensors[name][0], f"{sum(tensors[name][3]):.6f}",
         *map(str, tensors[name][2])] for name in sorted(tensors)]


@pytest.mark.parametrize("name", ["zone_file", "sqlite_rows", "npy_array",
                                  "tensors"])
def test_broken_files_are_refused(example, tmp_path, name):
    path = tmp_path / "broken"
    path.write_bytes(b"\xff" * 200)
    example(name, path, status=1)
    path.write_bytes(b"")
    example(name, path, status=1)
