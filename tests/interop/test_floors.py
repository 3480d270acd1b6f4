"""Guards against checks (check_floors.py, check_style.py) that always pass."""
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests"))
import check_floors  # noqa: E402
import check_style  # noqa: E402


def planted(path, text):
    """Returns the breaches that appear when the file is added to the
    checkout."""
    sources = check_floors.read(TOP)
    before = check_floors.breaches(sources)
    sources[pathlib.PurePosixPath(path)] = text
    return [breach for breach in check_floors.breaches(sources)
            if breach not in before]


def test_floors_the_house_stands():
    assert check_floors.breaches(check_floors.read(TOP)) == []


@pytest.mark.parametrize("path, text", [
    ("core/src/error_bad.c", '#include "platform.h"\n'),
    ("core/include/mapped/checked.h", "#include <mapped/slice.h>\n"),
    ("core/src/guard_bad.c", "#include <mapped/region.h>\n"),
    ("core/src/region_bad.c", "  #  include <mapped/slice.h>\n"),
    ("core/src/access_bad.c", "#include <mapped/bulk.h>\n"),
    ("core/src/access_bad.c", '#include "missing.h"\n'),
    ("core/src/posix/bad.c", "#include <mapped/region.h>\n"),
    ("core/src/posix/bad.c", '#include "../win32/system.h"\n'),
    ("core/src/posix/bad.c", '#include "../linux/pages.c"\n'),
    ("core/src/region_bad.c", '#include "posix/map.c"\n'),
    ("core/src/nameless.c", ""),
    ("python/bad.c", '#include "platform.h"\n'),
    ("lua/bad.c", '#include "../python/binding.h"\n'),
    ("core/src/region_bad.c", "#if defined(_WIN32)\n#endif\n"),
    ("lua/bad.c", "#ifdef __linux__\n#endif\n"),
])
def test_floors_a_breach_is_found(path, text):
    assert len(planted(path, text)) == 1


@pytest.mark.parametrize("path, text", [
    ("core/src/posix/bad.c", "#ifdef __linux__\n#endif\n"),
    ("core/src/posix/bad.c", '#include "platform.h"\n#include <unistd.h>\n'),
    ("core/src/linux/good.c", '#include "posix/system.h"\n'),
    ("core/src/region_good.c", '#include "region_internal.h"\n'),
    ("lua/good.c", "#include <mapped/mapped.h>\n#include <lua.h>\n"),
])
def test_floors_what_is_allowed_passes(path, text):
    assert planted(path, text) == []


def test_style_the_house_is_tidy():
    assert check_style.breaches(check_style.read(TOP)) == []


@pytest.mark.parametrize("text, complaint", [
    ("int x;\n" * 601, "601 lines"),
    ("void f(void)\n{\n" + "    g();\n" * 60 + "}\n", "f has 63 lines"),
    ("void f(int a, int b, int c,\n       int d, int e, int g)\n{\n}\n",
     "f takes 6 parameters"),
    ("void f(void)\n{\n    if (a)\n        while (b)\n            for (;;)\n"
     "                if (c)\n                    g();\n}\n",
     "f nests 4 deep"),
])
def test_style_a_breach_is_found(text, complaint):
    found = check_style.breaches({pathlib.PurePosixPath("core/src/a.c"): text})
    assert len(found) == 1 and complaint in found[0]


def test_style_nothing_lies_at_the_top():
    assert check_style.strays(check_style.files_at_top(TOP)) == []


def with_strays(folder):
    """Makes the top of a checkout with a file that belongs there, ignored
    files, and two files that a test has left behind."""
    (folder / ".gitignore").write_text("/build/\n*.rock\n/made.json\n")
    (folder / "build").mkdir()
    for name in ("SConstruct", "a.rock", "made.json", "src", "dst"):
        (folder / name).write_text("x")
    return folder


@pytest.mark.parametrize("git", [True, False])
def test_style_a_file_that_a_test_dropped_is_found(tmp_path, monkeypatch, git):
    folder = with_strays(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if git:
        subprocess.run(["git", "init", "-q", folder], check=True)
    assert check_style.strays(check_style.files_at_top(folder)) == [
        "dst: nothing names this file at the top",
        "src: nothing names this file at the top"]


def test_style_a_stray_file_that_git_has_is_found():
    assert len(check_style.strays(["README.md", "src", ".luacheckrc"])) == 1
