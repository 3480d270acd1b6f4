"""Fixtures that the Python tests share: regions, files to map, child processes,
and counts that show leaks."""
import gc
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import mapped
import pytest

HERE = pathlib.Path(__file__).resolve().parent
HOSTILE = bool(os.environ.get("MAPPED_HOSTILE"))
if HOSTILE:
    import hypothesis
    hypothesis.settings.register_profile("hostile", deadline=None)
    hypothesis.settings.load_profile("hostile")
PAGE = os.sysconf("SC_PAGESIZE")
CONTENT = bytes(range(256)) * 40 + b"the end"


@pytest.fixture(autouse=HOSTILE)
def hostile():
    """In a hostile build (hostile=yes), makes the finalizers of hostile.py run
    at every call that may allocate."""
    sys.path.append(str(HERE))
    import hostile
    sys.path.pop()
    hostile.test()
    yield
    hostile.core.stop()
    assert hostile.turns.broken is None


@pytest.fixture
def path(tmp_path):
    """Makes a file of a little more than two pages, whose content is
    CONTENT."""
    made = tmp_path / "content.bin"
    made.write_bytes(CONTENT)
    return made


@pytest.fixture
def content():
    return CONTENT


@pytest.fixture
def region():
    """Makes a region of the bytes 0 to 63."""
    with mapped.anonymous(64) as made:
        made[:] = bytes(range(64))
        yield made


@pytest.fixture
def pages(tmp_path):
    """Makes a file of eight pages of `a`."""
    made = tmp_path / "pages.bin"
    made.write_bytes(b"a" * (8 * PAGE))
    return made


@pytest.fixture
def lost(pages):
    """Makes a region whose file has been cut down to its first page. No access
    has met the lost pages yet."""
    made = mapped.open(pages, "r+")
    os.truncate(pages, PAGE)
    yield made
    try:
        made.close()
    except mapped.FaultError:
        pass


@pytest.fixture
def listen(monkeypatch):
    """Returns a function. A test calls it, and gets a list to which every
    exception is added that sys.unraisablehook gets from then on."""
    def begin():
        reported = []
        monkeypatch.setattr(
            sys, "unraisablehook",
            lambda unraisable: reported.append(unraisable.exc_value))
        return reported
    return begin


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def mappings_of(path):
    """Returns how many mappings of a file this process has."""
    lines = pathlib.Path("/proc/self/maps").read_text().splitlines()
    return sum(line.endswith(f" {path}") for line in lines)


@pytest.fixture
def interrupted():
    """Returns a function that runs another one, whose wait a signal handler
    ends with KeyboardInterrupt."""
    def run(waits):
        def act(number, frame):
            calls.append(number)
            if len(calls) >= 2:  # a hostile build's finalizer may swallow it
                raise KeyboardInterrupt

        calls = []
        before = signal.signal(signal.SIGALRM, act)
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        try:
            with pytest.raises(KeyboardInterrupt):
                waits()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert len(calls) >= 2
    return run


@pytest.fixture
def nothing_leaks(path):
    """Fails the test if it leaves a descriptor or a mapping behind."""
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() == before
    assert mappings_of(path) == 0


@pytest.fixture
def child():
    """Returns a function that runs Python code in a process of its own, which
    must succeed, and returns what it prints. In a hostile build the finalizers
    run there too."""
    def run(code, *arguments, finalizers=HOSTILE, **options):
        code = textwrap.dedent(code)
        if finalizers:
            code = (f"import sys; sys.path.append({str(HERE)!r})\n"
                    f"import hostile\n{code}")
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True, text=True, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


class Index:
    """An object that is converted to an integer, and calls a function then."""

    def __init__(self, value, action):
        self.value, self.action = value, action

    def __index__(self):
        self.action()
        return self.value


@pytest.fixture
def index():
    return Index
