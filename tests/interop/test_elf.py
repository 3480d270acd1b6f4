"""Guards against the three languages reading the same bytes differently, and
against broken input that crashes a reader or passes for a good file."""
import pathlib

import elf_files
import pytest
import readers

LANGUAGES = list(readers.EXAMPLES)
BROKEN = [pytest.param(bits, order, name, data, id=f"{bits}{order}-{name}")
          for bits, order in elf_files.FORMS
          for name, data in elf_files.broken(bits, order).items()]


@pytest.fixture(params=elf_files.FORMS, ids=lambda form: f"{form[0]}{form[1]}")
def elf_path(request, tmp_path):
    path = tmp_path / "made.o"
    path.write_bytes(elf_files.build(*request.param))
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_elf_interpreters_match_readelf(language):
    for program in (readers.LUA, readers.PYTHON):
        path = pathlib.Path(program).resolve()
        expected = readers.read_with_readelf(path)
        assert len(expected) > 20
        assert readers.read(language, path) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_elf_every_form_matches_readelf(language, elf_path):
    expected = readers.read_with_readelf(elf_path)
    assert [row[4].encode() for row in expected[:4]] == [
        name for name, *_ in elf_files.SECTIONS]
    assert readers.read(language, elf_path) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_elf_without_sections_lists_nothing(language, tmp_path):
    path = tmp_path / "bare"
    bare = bytearray(elf_files.build(64, "<")[:64])
    bare[40:48] = bytes(8)  # no table,
    bare[60:64] = bytes(4)  # no rows, no names
    path.write_bytes(bare)
    assert readers.read(language, path) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bits, order, name, data", BROKEN)
def test_elf_broken_is_refused(language, bits, order, name, data, tmp_path):
    path = tmp_path / "broken.o"
    path.write_bytes(data)
    done = readers.run(language, path)
    assert done.returncode == 1, (done.returncode, done.stdout)
    assert done.stderr.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_elf_missing_file_is_refused(language, tmp_path):
    done = readers.run(language, tmp_path / "missing")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
