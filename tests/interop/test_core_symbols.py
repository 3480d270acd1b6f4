"""Guards against a system call that test_failures.c never refuses. Each
undefined symbol of the library must be on its list or among the harmless
ones."""
import os
import pathlib
import re
import subprocess

import pytest

from support import names_in

POSIX = pathlib.Path(__file__).resolve().parents[1] / "core/posix"
LIBRARY = pathlib.Path(os.environ.get("MAPPED_BUILD", "")) / "core/libmapped.a"

# These calls can't fail, or nothing could be done about a failure.
HARMLESS = set("""
    __assert_fail __cpu_model __errno_location _GLOBAL_OFFSET_TABLE_ __stack_chk_fail
    memchr memcmp memcpy memmem memmove memrchr memset
    strchr strspn strrchr strcmp strlen snprintf strerror_l freelocale
    __memcpy_chk __memmove_chk __memset_chk __snprintf_chk
    getcwd getenv getpid process_vm_readv pthread_detach qsort sched_yield
    getrlimit getrlimit64 sysconf clock_gettime nanosleep
    access kill pthread_once statx sscanf __isoc99_sscanf __tls_get_addr
    sigaddset sigdelset sigfillset sigismember pthread_sigmask
    pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock
    close unlink fwrite setvbuf
    isalnum isalpha iscntrl isdigit isgraph islower isprint ispunct isspace
    isupper isxdigit tolower __ctype_b_loc __ctype_tolower_loc
""".split())


def symbols(kind):
    """Returns the names that the library defines, or those that it leaves
    undefined."""
    listing = subprocess.run(["nm", f"--{kind}-only", "-P", LIBRARY],
                             capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^(\w+) [A-Z]", listing, re.M))


def undefined():
    return symbols("undefined") - symbols("defined")


@pytest.mark.skipif(bool(os.environ.get("MAPPED_SANITIZE")),
                    reason="a sanitizer adds symbols of its own")
def test_symbols_every_call_is_refused_once_or_harmless():
    assert undefined() - names_in(POSIX / "wrapped.txt") - HARMLESS == set()


def test_symbols_every_refused_call_is_made():
    """Some calls have two names, with and without "64". Either one is
    enough."""
    calls = {name.removesuffix("64") for name in undefined()}
    assert {name.removesuffix("64") for name in names_in(POSIX / "wrapped.txt")} - calls == set()


def test_symbols_are_all_prefixed():
    public = {name for name in symbols("defined") if name[0] != "."}
    assert {name for name in public if not name.startswith("mapped_")} == set()
