"""Checks the limits on the size of files, functions, parameter lists and
nesting, and that no unknown file lies at the top of the checkout.

Usage: check_style.py [CHECKOUT]. Prints every breach and the medians; exits
with 1 if there is a breach. The check relies on clang-format's layout: only the
braces of functions and types stand alone in the first column."""
import fnmatch
import pathlib
import re
import statistics
import subprocess
import sys

FILE_LINES = 600
FUNCTION_LINES = 60
PARAMETERS = 5
NESTING = 3
INDENT = 4
TOP_FILES = {"SConstruct", "README.md", "LICENSE", "CHANGELOG.md", "meson.build"}
FUNCTION = re.compile(r"^[A-Za-z_](?:(?!\n\n)[^;{}#])*?\b(?P<name>\w+)"
                      r"\((?P<parameters>(?:(?!\n\n)[^;{}#])*)\)\n"
                      r"\{\n(?P<body>.*?)^\}", re.M | re.S)
BLOCK = re.compile(r"^( +)(?:if|for|while|do|switch)\b", re.M)


def parameter_count(text):
    """Counts the inputs in a list of parameters. Outputs don't count, nor do the
    strings of a macro that stands for a function's head."""
    flat = re.sub(r"\([^()]*\)", "", text)
    return sum(1 for parameter in flat.split(",")
               if parameter.strip() not in ("", "void", "mapped_error *error")
               and "**" not in parameter
               and not parameter.strip().startswith('"'))


def breaches_of_function(path, match):
    name, body = match["name"], match["body"]
    lines = match[0].count("\n") + 1
    depth = max((len(block) // INDENT for block in BLOCK.findall(body)),
                default=0)
    count = parameter_count(match["parameters"])
    found = []
    if lines > FUNCTION_LINES and "switch (" not in body:
        found.append(f"{path}: {name} has {lines} lines")
    if count > PARAMETERS:
        found.append(f"{path}: {name} takes {count} parameters")
    if depth > NESTING:
        found.append(f"{path}: {name} nests {depth} deep")
    return found


def breaches(sources):
    """Returns all breaches in {path: text}."""
    found = []
    for path, text in sorted(sources.items()):
        if (lines := text.count("\n")) > FILE_LINES:
            found.append(f"{path}: {lines} lines")
        for match in FUNCTION.finditer(text):
            found += breaches_of_function(path, match)
    return found


def lengths(sources):
    """Returns the number of lines of every function, sorted."""
    return sorted(match[0].count("\n") + 1 for text in sources.values()
                  for match in FUNCTION.finditer(text))


def files_at_top(top):
    """Returns the files at the top that git tracks or would add. Without git,
    it returns those that .gitignore doesn't name."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], cwd=top, check=True, text=True,
            capture_output=True).stdout.split("\0")
        return [name for name in listed
                if "/" not in name and (top / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        ignore = top / ".gitignore"
        ignored = ignore.read_text().split() if ignore.exists() else []
        return [path.name for path in top.iterdir() if path.is_file()
                and not any(fnmatch.fnmatch(path.name, pattern.lstrip("/"))
                            for pattern in ignored)]


def strays(names):
    """Returns a breach for each file at the top that isn't allowed there."""
    return [f"{name}: nothing names this file at the top"
            for name in sorted(names)
            if name not in TOP_FILES and not name.startswith(".")]


def read(top):
    """Returns all C files of a checkout."""
    return {pathlib.PurePosixPath(path.relative_to(top)): path.read_text()
            for part in ("core", "lua", "python", "tests")
            for path in (top / part).rglob("*.[ch]")}


def main():
    top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                       pathlib.Path(__file__).resolve().parents[1])
    sources = read(top)
    found = breaches(sources) + strays(files_at_top(top))
    sizes = lengths(sources)
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(sources)} files, {len(sizes)} functions, lines: median "
          f"{statistics.median(sizes):g}, p90 {sizes[len(sizes) * 9 // 10]}, "
          f"longest {sizes[-1]}; {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
