"""Guards against a command line that shows wrong bytes, hides a lost page, answers
a script with the wrong status, or dies with a traceback."""
import json
import os
import struct
import subprocess
import sys

import mapped
import pytest
from mapped.__main__ import Progress, shades

TRACE = "Traceback"


def run(*words, **options):
    done = subprocess.run([sys.executable, "-m", "mapped", *map(str, words)],
                          capture_output=True, timeout=60, **options)
    done.out, done.err = done.stdout.decode(), done.stderr.decode()
    assert TRACE not in done.err
    return done


def documents(*words):
    done = run(*words, "--json")
    return done.returncode, [json.loads(line) for line in done.out.splitlines()]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(bytes(range(64)) + b"needle, Needle\n" + bytes(49))
    return path


@pytest.mark.parametrize("words, message", [
    ([], "required"), (["nothing"], "invalid choice"), (["find"], "required"),
    (["dump", "--offset", "-1", "x"], "not a number of bytes"),
    (["dump", "--offset", "1q", "x"], "not a number of bytes"),
    (["dump", "--type", "I", "--layout", "a:u8", "x"], "not allowed with"),
    (["info", "/nowhere"], "mapped: /nowhere: No such file"),
    (["info", "/"], "mapped: /: Is a directory"),
    (["info", "/proc/self/status"], "mapped: /proc/self/status: "),
    (["dump", "--type", "zz", __file__], "unknown element code 'zz'"),
    (["dump", "--layout", "a:u9", __file__], "at offset 2 of the layout"),
    (["dump", "--type", "", __file__], "unknown element code ''"),
    (["dump", "--layout", "", __file__], "at offset 0 of the layout"),
    (["find", "-e", "a{99999999999}", __file__], "mapped: the repetition number"),
    (["find", "-e", "(" * 5000, __file__], "mapped: maximum recursion depth"),
    (["find", "-e", "(", __file__], "mapped: missing )"),
    (["find", "-x", "f", __file__], "mapped: non-hexadecimal")])
def test_wrong_use_is_reported_in_a_line_and_by_status_2(words, message):
    done = run(*words)
    assert done.returncode == 2
    assert message in done.err
    assert done.out == ""


@pytest.mark.parametrize("words", [
    ["a" * 9000], ["info", "--" + "a" * 9000, __file__],
    ["dump", "--offset", "9" * 9000, __file__],
    ["dump", "--type", "a" * 9000, __file__],
    ["dump", "--layout", "a" * 9000, __file__],
    ["find", "-e", "(?P<1" + "a" * 9000 + ">x)", __file__]])
def test_messages_stay_short(words):
    done = run(*words)
    assert done.returncode == 2
    assert len(done.err.splitlines()[-1]) < 400


@pytest.mark.parametrize("words, shown", [
    (["info"], "{}: 128 bytes"), (["find", "Needle"], "{}:72:Needle"),
    (["find", "-c", "absent"], "{}:0"), (["residency"], "{}: "),
    (["warm"], "{}: 128 B"), (["flush"], "{}: 128 B"), (["lost"], "{}: no page")])
def test_a_file_in_trouble_keeps_no_other_from_its_turn(data, words, shown):
    done = run(*words, "/nowhere", data, "/")
    assert done.returncode == 2
    assert done.out.startswith(shown.format(data))
    assert done.err.splitlines() == ["mapped: /nowhere: No such file or directory",
                                     "mapped: /: Is a directory"]


def test_status_of_several_files(data, tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"another needle")
    assert run("find", "Needle", data, other).returncode == 0
    assert run("find", "another", data, other).returncode == 0
    assert run("find", "absent", data, other).returncode == 1


def test_find_stops_after_any_number(data):
    for most in ("9" * 18, "9" * 20, "9" * 9000):
        assert run("find", "-m", most, "eed", data).out == "65:eed\n73:eed\n"


def test_closed_streams_change_no_status(data):
    command = [sys.executable, "-m", "mapped"]
    for words, closed, status in [
            (["find", "needle", data], ">&-", 0), (["warm", data], "2>&-", 0),
            (["info", "/nowhere"], "2>&-", 2), (["info"], "2>&-", 2)]:
        done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *command,
                               *map(str, words)], capture_output=True, timeout=60)
        assert done.returncode == status
        assert closed == ">&-" or b"mapped: " not in done.stdout
        assert done.stderr == b""


def test_a_name_that_cannot_be_encoded_is_shown_with_escapes(tmp_path):
    path = os.fsencode(tmp_path) + b"/n\xff"
    with open(path, "wb") as file:
        file.write(b"needle")
    done = subprocess.run(
        [sys.executable, "-m", "mapped", "info", path], capture_output=True,
        timeout=60, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0
    assert b"/n\\udcff: 6 bytes" in done.stdout


def test_commands_may_be_shortened(data):
    assert run("i", data).out == run("info", data).out


def test_info(data):
    status, [found] = documents("info", data)
    assert status == 0
    assert found["size"] == 128
    assert found["inode"] == os.stat(data).st_ino
    assert f"{data}: 128 bytes" in run("info", data).out


def test_dump_is_that_of_hexdump(data):
    try:
        reference = subprocess.run(["hexdump", "-C", data], check=True,
                                   capture_output=True, text=True).stdout
    except FileNotFoundError:
        pytest.skip("no hexdump here")
    ours = run("dump", data).out.splitlines()
    # hexdump prints the length at the end, and abbreviates repeated lines.
    assert ours[:7] == reference.splitlines()[:7]


def test_dump_of_a_part(data):
    assert run("dump", "--offset", "0x10", "--length", "4", data).out == (
        "00000010  10 11 12 13                                       |....|\n")
    status, found = documents("dump", "--offset", 62, "--length", 4, data)
    assert found == [{"offset": 62, "hex": "3e3f6e65"}]


def test_dump_of_a_type(data):
    status, found = documents("dump", "--type", ">H", "--length", 21, data)
    assert [row["values"] for row in found[:-1]] == [
        [256 * i + i + 1 for i in range(0, 16, 2)], [0x1011, 0x1213]]
    assert found[-1] == {"offset": 20, "hex": "14"}
    assert run("dump", "--type", "u16be", "--length", 4, data).out == (
        "00000000  1  515\n")


def test_dump_of_records(data):
    layout = "< a:u8 p:{x:u8 y:u16}[2] t:char[2]"
    status, found = documents("dump", "--layout", layout, "--length", 9, data)
    assert found == [{"offset": 0, "record": {"a": 0, "t": "\x07\x08", "p": [
        {"x": 1, "y": 0x0302}, {"x": 4, "y": 0x0605}]}}]
    assert run("dump", "--layout", "a:u8 b:u8", "--length", 4, data).out == (
        "00000000  a=0 b=1\n00000002  a=2 b=3\n")


@pytest.mark.parametrize("kind", [["--type", "u64"],
                                  ["--layout", "a:u8 b:char[9]"]])
def test_dump_shows_what_is_no_whole_item(data, kind):
    assert run("dump", *kind, "--offset", 5, "--length", 3, data).out == (
        "00000005  05 06 07 (no whole item)\n")


@pytest.mark.parametrize("code", ["u24be", "u40", "i48", "u56be"])
def test_dump_of_elements_of_an_odd_size(data, code):
    status, found = documents("dump", "--type", code, "--length", 28, data)
    expected = mapped.wrap(data.read_bytes()[:28])
    size = expected[:0].cast(code).itemsize
    expected = expected[:28 // size * size].cast(code).tolist()
    assert (status, found[0]["values"]) == (0, expected[:8])


def test_json_is_of_numbers_that_json_has(tmp_path):
    path = tmp_path / "floats"
    path.write_bytes(struct.pack("<3f", float("nan"), float("-inf"), 1))
    assert documents("dump", "--type", "<f", path)[1] == [
        {"offset": 0, "values": ["nan", "-inf", 1]}]


def test_find(data):
    assert run("find", "Needle", data).out == "72:Needle\n"
    assert run("find", "-e", "(?i)needle", data).out == "64:needle\n72:Needle\n"
    assert run("find", "-x", "0001", data).out == "0:..\n"
    assert run("find", "-c", "eed", data).out == "2\n"
    assert run("find", "-m", 1, "eed", data).out == "65:eed\n"
    none = run("find", "-c", "-m", 0, "eed", data)
    assert (none.returncode, none.out) == (1, "0\n")
    assert run("find", "-m", 0, "eed", data).out == ""
    assert run("find", "--offset", 70, "eed", data, data).out == (
        f"{data}:73:eed\n" * 2)
    missing = run("find", "absent", data)
    assert (missing.returncode, missing.out) == (1, "")
    status, found = documents("find", "needle", data)
    assert found == [{"file": str(data), "offset": 64, "length": 6,
                      "match": "needle"}]


def test_find_shows_no_more_than_a_line_of_a_match(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(b"x" * 100_000)
    assert len(run("find", "-e", "x+", path).out) < 100


def test_residency_warm_and_flush(data):
    assert run("flush", data).out == f"{data}: 128 B on the disk\n"
    assert run("warm", data).out == f"{data}: 128 B in memory\n"
    status, [found] = documents("residency", data)
    assert (status, found["pages"], found["resident"]) == (0, 1, 1)
    assert run("residency", data).out.splitlines()[1:] == ["|@|"]
    narrow = run("residency", data, env={**os.environ, "COLUMNS": "2"})
    assert narrow.out.splitlines()[1:] == ["|@|"]
    for command in "residency", "warm", "flush":
        assert run(command, "/nowhere").returncode == 2


@pytest.mark.parametrize("pages, resident, cells, expected", [
    (4, {0, 3}, 80, "@  @"), (8, {0, 1, 2}, 4, "@+  "), (1000, {999}, 2, " ."),
    (0, set(), 80, "")])
def test_map_of_pages(pages, resident, cells, expected):
    bits = bytearray(pages // 8 + 1)
    for page in resident:
        bits[page // 8] |= 1 << page % 8
    assert shades(bits, pages, cells) == expected


def test_lost(data):
    assert run("lost", data).out == f"{data}: no page lost\n"
    assert documents("lost", data) == (0, [{"file": str(data), "lost": 0}])


@pytest.mark.parametrize("terminal, expected", [
    (False, "warm f: 50 % of 1.0 KiB\nwarm f: 100 % of 1.0 KiB\n"),
    (True, f"\r[{'#' * 15}{'.' * 15}] warm f: 50 % of 1.0 KiB"
           f"\r[{'#' * 30}] warm f: 100 % of 1.0 KiB\n")])
def test_progress_of_what_takes_long(monkeypatch, capsys, terminal, expected):
    monkeypatch.setattr("mapped.__main__.PATIENCE", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    progress = Progress("warm", "f", quiet=False)
    for done in (512, 513, 1024):
        progress(done, 1024)
    assert capsys.readouterr().err == expected


def test_a_reader_that_stops_is_no_error(data):
    process = subprocess.Popen(
        [sys.executable, "-m", "mapped", "dump", "--type", "B", sys.executable],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_file_that_an_append_has_left_has_its_data_only(tmp_path):
    path = tmp_path / "left"
    path.touch()
    child = os.fork()
    if child == 0:
        region = mapped.open(path, "r+")
        region.append(b"needle")
        os._exit(0)
    os.waitpid(child, 0)
    assert path.stat().st_size == 65536 + 24
    assert "6 bytes" in run("info", path).out
    assert "65554 bytes spare" in run("info", path).out
    assert run("find", "needle", path).out == "0:needle\n"
    assert run("lost", path).out == f"{path}: no page lost\n"
    assert run("dump", path).out.count("\n") == 1
