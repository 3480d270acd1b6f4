"""Guards against documents that have drifted from the code: an example that
doesn't run, a function without an entry or an example, a text that editors show
and help() doesn't, a manual page of an older command line."""
import inspect
import os
import re
import shutil
import subprocess
import sys

import mapped
import pytest
import readers
from support import run

sys.path.insert(0, str(readers.TOP / "docs"))
import examples  # noqa: E402
import headers  # noqa: E402
import make_site  # noqa: E402
import meta  # noqa: E402
import reference  # noqa: E402
import stubs  # noqa: E402
from texts import to_rst  # noqa: E402

INCLUDE = readers.TOP / "core/include"
SHOW_IT = "call it in a program in docs/examples (docs/examples.py has the topics)"
NO_SANITIZER = pytest.mark.skipif(
    bool(os.environ["MAPPED_SANITIZE"]),
    reason="a plain program can't link a sanitized library")


def programs(ending):
    return sorted(path.name for path in examples.FOLDER.glob(f"*.{ending}"))


def preprocessed(source, only=None):
    """What the compiler sees of a source; `only` of the file of that name."""
    text = run(os.environ["MAPPED_CC"], "-E", "-D_GNU_SOURCE", "-I", INCLUDE,
               "-x", "c", source)
    if only is None:
        return text
    shown, kept = False, []
    for line in text.splitlines():
        if match := re.match(r'# \d+ "(.*?)"', line):
            shown = match[1].endswith(only)
        elif shown:
            kept.append(line)
    return "\n".join(kept)


def c_functions():
    """The public functions, as the compiler knows them."""
    text = re.sub(r"\btypedef\b[^;{]*\(.*?\);", "",
                  preprocessed(INCLUDE / "mapped/mapped.h"))
    return set(re.findall(r"\b(mapped_(?!_)\w+)\(", text))


@pytest.mark.parametrize("name", programs("py"))
def test_docs_python_example_runs(name, tmp_path):
    run(readers.PYTHON, "-W", "error", examples.FOLDER / name, cwd=tmp_path,
        timeout=60)


@pytest.mark.parametrize("name", programs("lua"))
def test_docs_lua_example_runs(name, tmp_path):
    run(readers.LUA, "-W", examples.FOLDER / name, cwd=tmp_path, timeout=60)


@NO_SANITIZER
@pytest.mark.parametrize("name", programs("c"))
def test_docs_c_example_runs(name, tmp_path):
    run(os.environ["MAPPED_CC"], "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra",
        "-Werror", "-I", INCLUDE, examples.FOLDER / name, "-o", "program",
        readers.BUILD / "core/libmapped.a", "-pthread", cwd=tmp_path)
    run(tmp_path / "program", cwd=tmp_path, timeout=60)


def test_docs_c_functions_have_entry_and_text():
    groups = [group for header in headers.read_all() for group in header.groups]
    names = {name for group in groups for name, _ in group.functions}
    assert names == c_functions()
    assert [group.names() for group in groups
            if group.functions and not group.comment] == []


def test_docs_c_functions_have_example():
    called = "".join(preprocessed(examples.FOLDER / name, name)
                     for name in programs("c"))
    assert [name for name in sorted(c_functions())
            if not re.search(rf"\b{name}\(", called)] == [], SHOW_IT


def python_names():
    """(class, name) of what the extension has; "" is the module."""
    for name in mapped.__all__:
        thing = getattr(mapped, name)
        if inspect.isclass(thing):
            yield from ((name, member) for member in vars(thing)
                        if not member.startswith("_"))
        elif not inspect.ismodule(thing):
            yield "", name


def test_docs_python_functions_have_entry_and_example():
    functions, classes = stubs.read()
    members = {entry.name: {member.name for member in entry.members}
               for entry in classes}
    of_class = {"": {entry.name for entry in functions}}
    for entry in classes:
        bases = [entry.name, *entry.bases]
        bases += [base for name in entry.bases if name in members
                  for base in next(c for c in classes if c.name == name).bases]
        of_class[entry.name] = set().union(
            *(members.get(base, set()) for base in bases))
    wanted = list(python_names())
    assert [pair for pair in wanted if pair[1] not in of_class[pair[0]]] == []
    assert [pair for pair in wanted
            if not examples.of_python(*pair)] == [], SHOW_IT


def test_docs_functions_of_mmap_have_text_and_example():
    members = stubs.read_mmap().members
    assert len(members) > 15
    assert [member.name for member in members if not member.text] == []
    assert [member.name for member in members
            if not examples.of_python("mmap", member.name)] == [], SHOW_IT


def test_docs_lua_functions_have_text_and_example():
    # tests/lua/meta_spec.lua compares the names with the module.
    functions, classes = meta.read()
    functions += [function for entry in classes for function in entry.functions]
    assert len(functions) > 100
    assert [function.name for function in functions if not function.text] == []
    assert [function.name for function in functions
            if not examples.of_lua(function.name)] == [], SHOW_IT


@pytest.mark.parametrize("script", ["stub_texts.py", "manual.py"])
def test_docs_are_those_of_the_extension(script):
    run(readers.PYTHON, readers.TOP / "docs" / script, "--check")


def test_docs_reference_has_a_page_of_each_header_and_class():
    pages = reference.pages()
    for header in headers.read_all():
        name = header.name.removesuffix(".h")
        assert name == "mapped" or f"c/{name}" in pages["c"]
    for entry in stubs.read()[1]:
        assert entry.name.startswith("_") or entry.name == "Mmap" or any(
            re.search(rf"py:(class|exception):: {entry.name}\b", text)
            for text in pages.values())


def test_docs_pages_are_all_in_the_contents():
    listed = {name for names in make_site.CONTENTS.values() for name in names}
    pages = {path.stem for path in (readers.TOP / "docs").glob("*.md")}
    assert pages - listed == {"index"}


def test_docs_formats_quote_the_headers():
    text = (readers.TOP / "docs/formats.md").read_text()
    assert text.count("<!-- comment") == 4
    assert "<!-- comment" not in make_site.with_comments(text)


def test_docs_texts_keep_code_and_escape_markup():
    text = "Stores `*p`, not and_ or a*b.\n\n    x = 1;\n\n- an item\n  goes on"
    assert to_rst(text, language="c") == (
        "Stores ``*p``, not and\\_ or a\\*b.\n\n"
        ".. code-block:: c\n\n   x = 1;\n\n- an item\n  goes on")


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc here")
def test_docs_manual_page_is_well_formed():
    """A version that isn't released has no date."""
    page = readers.TOP / "docs/mapped.1"
    run("mandoc", "-Tlint", "-Werror", page)
    found = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], text=True,
                           capture_output=True).stdout
    assert [line for line in found.splitlines() if "missing date" not in line] == []
