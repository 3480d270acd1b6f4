"""Guards against examples that read real formats wrongly. Each is compared with
an independent reader. The examples of both languages print the same words."""
import datetime
import json
import math
import os
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import zoneinfo

import format_files
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
LANGUAGES = {"lua": os.environ["MAPPED_LUA"],
             "python": os.environ["MAPPED_PYTHON"]}


def script(language, name):
    ending = {"lua": "lua", "python": "py"}[language]
    return TOP / language / "examples" / f"{name}.{ending}"


@pytest.fixture(params=LANGUAGES)
def run(request):
    """Runs an example on a file."""
    return lambda name, path: subprocess.run(
        [LANGUAGES[request.param], script(request.param, name), path],
        capture_output=True, text=True, timeout=60)


@pytest.fixture
def example(run):
    """Runs an example, and returns its lines as lists of words."""
    def read(name, path):
        done = run(name, path)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [line.split() for line in done.stdout.splitlines()]
    return read


@pytest.fixture
def refused(run):
    """Runs an example that must fail with one line of error, and returns the
    line."""
    def read(name, path):
        done = run(name, path)
        assert done.returncode == 1, done
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        return done.stderr
    return read


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
    """Makes a zone file with zic."""
    zic = shutil.which("zic", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if zic is None:
        pytest.skip("no zic to make a time zone file")
    (tmp_path / "leaps").write_text("Leap 1990 Dec 31 23:59:60 + S\n"
                                    "Leap 1998 Dec 31 23:59:60 + S\n")
    (tmp_path / "source").write_text(
        "Rule Test 1980 2030 - Mar lastSun 1:00u 1:00 S\n"
        "Rule Test 1980 2030 - Oct lastSun 1:00u 0 -\n"
        "Zone Test/Place 0:53:28 - LMT 1893 Apr\n"
        "                1:00 Test CE%sT\n")
    subprocess.run([zic, "-b", "fat", "-L", tmp_path / "leaps", "-d", tmp_path,
                    tmp_path / "source"], check=True)
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


@pytest.mark.parametrize("size, reserved", [
    (512, 0), (512, 32), (1024, 0), (1024, 255), (65536, 0)])
def test_sqlite_rows_are_those_of_sqlite(example, tmp_path, size, reserved):
    path = tmp_path / "database"
    format_files.reserve_bytes(path, size, reserved)
    with sqlite3.connect(path) as database:
        format_files.fill_database(database)
    pages, = database.execute("PRAGMA page_count").fetchone()
    tables = [name for name, in database.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")]
    expected = [[name, str(row)] for name in tables if name != "no_rows"
                for row, in database.execute(f"SELECT rowid FROM {name} ORDER BY 1")]
    lengths = sum(length or 0 for length, in database.execute(
        "SELECT length(text) FROM few"))
    database.close()
    header, *rows = example("sqlite_rows", path)
    assert header == [str(size), str(pages), "77"]
    assert [row[:2] for row in rows] == expected
    few = [int(length) for name, _, length in rows if name == "few"]
    assert lengths <= sum(few) <= lengths + 6 * len(few)


@pytest.mark.parametrize("page, message", [(2, "twice"), (0, ""), (99, "")])
def test_sqlite_pages_in_a_circle_are_refused(refused, tmp_path, page, message):
    path = tmp_path / "database"
    format_files.write_database(path)
    data = bytearray(path.read_bytes())
    assert data[512] == 5  # an interior page
    struct.pack_into(">I", data, 512 + 8, page)
    path.write_bytes(data)
    assert message in refused("sqlite_rows", path)


def number(value):
    """Formats a number as the examples do."""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


ARRAYS = {
    **{dtype: (list(range(-60 if "i" in dtype else 0, 60)), dtype) for dtype in (
        "|i1", "|u1", "<i2", ">i2", "<u2", ">u4", "<i4", ">i4", "<i8", ">i8")},
    **{dtype: ([0.5, -7.25, 100], dtype) for dtype in (
        "<f2", ">f2", "<f4", ">f4", "<f8", ">f8")},
    "large": ([2**63 - 1, 2**64 - 1, 2**63], "<u8"),
    "larger": ([2**63, 2**64 - 10], ">u8"),
    "small": ([-2**63, 2**63 - 1], "<i8"),
    "special": ([math.nan, 1.5, -math.inf], "<f8"),
    "tiny": ([1e300, 5e-324], ">f8"),
    "empty": ([], "<f8"),
}


@pytest.mark.parametrize("values, dtype", ARRAYS.values(), ids=ARRAYS)
def test_npy_array_is_that_of_numpy(example, tmp_path, values, dtype):
    numpy = pytest.importorskip("numpy")
    array = numpy.array(values, dtype)
    if array.size % 20 == 0:
        array = array.reshape(array.size // 20, 4, 5)
    numpy.save(tmp_path / "array.npy", array)
    numbers = [value for value in array.ravel().tolist() if value == value]
    limits = [[number(min(numbers)), number(max(numbers))]] if numbers else []
    assert example("npy_array", tmp_path / "array.npy") == [
        [array.dtype.str, *map(str, array.shape)], *limits]


@pytest.mark.parametrize("dtype", ["?", "<c8", "<U2", "S3", "O", "M8[D]",
                                   "longdouble", [("a", "<i4"), ("b", "<f8")]])
def test_npy_array_of_anything_else_is_named(refused, tmp_path, dtype):
    numpy = pytest.importorskip("numpy")
    numpy.save(tmp_path / "array.npy", numpy.zeros(3, dtype))
    kind = numpy.lib.format.dtype_to_descr(numpy.dtype(dtype))
    assert refused("npy_array", tmp_path / "array.npy") == (
        f"error: not an array of plain numbers: {kind}\n")


@pytest.mark.parametrize("header", [
    "", "{", "{}", "[]", "{'descr': '<i4'}", "{'shape': (3,)}", "\0", "{" * 99,
    "{'descr': '<i4', 'fortran_order': False, 'shape': (-3,), }",
    "{'descr': '<i4', 'fortran_order': False, 'shape': (1e9,), }",
    "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
    "{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }",
    "{'descr': '', 'fortran_order': False, 'shape': (3,), }"])
def test_npy_array_with_a_bad_header_is_refused(refused, tmp_path, header):
    path = tmp_path / "array.npy"
    format_files.write_array(path, header, bytes(12))
    refused("npy_array", path)


def read_tensors(path):
    """Returns the lines that the examples should print, without the use of
    mapped."""
    data = path.read_bytes()
    length, = struct.unpack_from("<Q", data)
    codes = dict(zip("F64 F32 F16 I64 I32 I16 I8 U32 U16 U8".split(),
                     "dfeqihbIHB"))
    for name, tensor in sorted(json.loads(data[8:8 + length]).items()):
        if name != "__metadata__":
            start, end = tensor["data_offsets"]
            values = [value for value, in struct.iter_unpack(
                "<" + codes[tensor["dtype"]],
                data[8 + length + start:8 + length + end]) if value == value]
            limits = (min(values), max(values)) if values else "--"
            yield [name, tensor["dtype"], *map(number, limits),
                   *map(str, tensor["shape"])]


@pytest.mark.parametrize("options", [
    {}, {"ensure_ascii": False}, {"separators": (",", ":")}, {"indent": 4},
    {"fields": ("data_offsets", "shape", "dtype")}], ids=str)
def test_tensors_are_those_of_a_reader_of_json(example, tmp_path, options):
    path = tmp_path / "model.safetensors"
    format_files.write_tensors(path, format_files.TENSORS, **options)
    expected = list(read_tensors(path))
    assert len(expected) == len(format_files.TENSORS)
    number_of = {name: index for index, name in enumerate(sorted(format_files.TENSORS))}
    assert [number_of[name] for name, *_ in expected] == [*range(len(format_files.TENSORS))]
    assert example("tensors", path) == expected


@pytest.mark.parametrize("dtype", ["BF16", "BOOL", "F8_E4M3"])
def test_tensors_of_another_type_are_named(refused, tmp_path, dtype):
    path = tmp_path / "model.safetensors"
    format_files.write_tensors(path, {"w": (dtype, [2], "<2H", [1, 2])})
    assert refused("tensors", path) == (
        f"error: tensor w has a type not read here: {dtype}\n")


@pytest.mark.parametrize("header", [
    "", "{", "[]", "3", '{"w"}', '{"w": 1}', '{"w": {}}', '{"w": []}', "[" * 10**5,
    '{"w": {"dtype": [], "shape": [1], "data_offsets": [0, 4]}}',
    '{"w": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}}',
    '{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
    '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 5]}}',
    '{"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}',
    '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
    '{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 99999999999999999999]}}'])
def test_tensors_with_a_bad_header_are_refused(refused, tmp_path, header):
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(8))
    refused("tensors", path)


# These programs run an example on many files in one process. They print its
# output, or that it refused the file. An unexpected error ends the program.
RUN_ALL = {"python": """
import contextlib, io, runpy, sys
sys.stdout.reconfigure(encoding="utf-8")
script, *paths = sys.argv[1:]
for path in paths:
    sys.argv, output, status = [script, path], io.BytesIO(), None
    with contextlib.redirect_stdout(io.TextIOWrapper(output, "utf-8")) as text:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            status = end.code
        text.flush()
    print("refused" if status else " ".join(output.getvalue().decode().split()))
""", "lua": """
local script, paths, show = arg[1], {table.unpack(arg, 2)}, print
local words, refused
function print(...)
    for _, value in ipairs {...} do
        for word in tostring(value):gmatch("%S+") do
            words[#words + 1] = word
        end
    end
end
function os.exit(status)
    refused = not status
end
io.stderr = {write = function() end}
for _, path in ipairs(paths) do
    arg, words, refused = {path}, {}, false
    dofile(script)
    show(refused and "refused" or table.concat(words, " "))
end
"""}


@pytest.mark.parametrize("name", ["zone_file", *format_files.GOOD])
def test_other_files_are_refused(refused, tmp_path, name):
    path = tmp_path / "other"
    for data in b"", b"\xff" * 200, bytes(5000):
        path.write_bytes(data)
        refused(name, path)
    refused(name, tmp_path / "missing")


@pytest.fixture(params=["zone_file", *format_files.GOOD])
def damaged(request, tmp_path):
    """Returns the name of an example and a folder of damaged files for it."""
    good, folder = tmp_path / "good", tmp_path / "damaged"
    folder.mkdir()
    if request.param == "zone_file":
        shutil.copy(request.getfixturevalue("zone"), good)
    else:
        format_files.GOOD[request.param](good)
    for i, data in enumerate(format_files.damage(good.read_bytes())):
        (folder / f"{i:04}").write_bytes(data)
    return request.param, folder


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(damaged):
    """No file ends an example with a traceback, and files that both languages
    accept are read alike. Python refuses more, because Lua's patterns don't
    check a whole header or UTF-8."""
    name, folder = damaged
    files, printed = sorted(folder.iterdir()), {}
    for language, interpreter in LANGUAGES.items():
        program = folder.parent / language
        program.write_text(RUN_ALL[language])
        done = subprocess.run(
            [interpreter, program, script(language, name), *files],
            capture_output=True, text=True, encoding="utf-8", errors="replace")
        assert done.returncode == 0 and not done.stderr, done.stderr
        printed[language] = done.stdout.split("\n")
    for path, lua, python in zip(files, printed["lua"], printed["python"]):
        assert lua == python or "refused" in (lua, python), path
    assert "refused" in printed["lua"] and len(set(printed["lua"])) > 1
