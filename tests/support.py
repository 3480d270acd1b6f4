"""What tests of several suites share. A module of its own, because conftest.py
can't be imported by name."""
import pathlib
import subprocess


def run(*command, **options):
    """Runs a command, which must succeed, and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(path):
    """The names in one of our lists, whose comments begin with #."""
    lines = pathlib.Path(path).read_text().splitlines()
    return {name for line in lines for name in line.partition("#")[0].split()}


def outcome(function, *arguments):
    """What a call returns, or the type of what it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)
