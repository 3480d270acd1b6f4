"""Functions that tests of several suites share. They have a module of their
own, because conftest.py can't be imported by name."""
import pathlib
import subprocess


def run(*command, **options):
    """Runs a command, which must succeed, and returns what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(path):
    """Returns the names in a list such as wrapped.txt, whose comments begin
    with #."""
    lines = pathlib.Path(path).read_text().splitlines()
    return {name for line in lines for name in line.partition("#")[0].split()}


def outcome(function, *arguments):
    """Returns the result of a call, or the type of the exception that it
    raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error)


def copying_compiler(folder, extension):
    """Returns the path of a compiler that compiles nothing, and links by copying
    an extension that is there already."""
    path = pathlib.Path(folder) / "compiler"
    path.write_text("#!/bin/sh\nfor last; do :; done\n"
                    f"case \"$*\" in *-shared*) cp {extension} $last ;; esac\n")
    path.chmod(0o755)
    return str(path)


def private_bytes():
    """Returns how much memory this process uses that belongs to no file."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        anonymous = next(line for line in file if line.startswith("Anonymous"))
    return int(anonymous.split()[1]) << 10
