"""Guards against a check of the backends (check_platform.py) that always
passes."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import check_platform  # noqa: E402

HEADER = """
/* Comments mention mapped__old(things) too. */
typedef bool mapped__callback(int x);
mapped_status mapped__open(const char *path, /* in */
                           int *file);
void mapped__close(void (*then)(void));
static inline int mapped_other(void);
"""
LISTING = """
file.o:
0000000000000000 T mapped__open
0000000000000040 t mapped__helper
                 U mapped__close
"""


def test_finds_the_declared_functions():
    assert check_platform.declared(HEADER) == ["mapped__close", "mapped__open"]


def test_finds_what_a_library_lacks():
    names = check_platform.declared(HEADER)
    counts = check_platform.defined(LISTING)
    assert check_platform.faults(names, counts) == ["mapped__close is missing"]
    whole = check_platform.defined(LISTING + "0 T mapped__close\n")
    assert check_platform.faults(names, whole) == []


def test_finds_what_is_there_twice():
    counts = check_platform.defined(LISTING * 2)
    assert check_platform.faults(["mapped__open"], counts) == [
        "mapped__open is defined twice"]
