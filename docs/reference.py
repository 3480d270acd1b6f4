"""Writes the pages of the reference, in reStructuredText: {path: text}."""
import re
import textwrap

import examples
import headers
import meta
import stubs
from texts import prose, to_rst

GROUPS_OF_HEADERS = {
    "Regions": "region slice export fault guard flush paging origin stream",
    "Values": "access span bulk element endian array item fields",
    "Searching": "search needle pattern windows",
    "Processes": "atomic mutex lock ring",
    "Basics": "error checked base",
}
# Classes that share a page; others have one of their own.
PYTHON_PAGES = {
    "_Memory": "slice", "_View": "slice", "Slice": "slice", "_Items": "array",
    "Array": "array", "Record": "records", "Records": "records",
    "Layout": "records", "Mutex": "locks", "Lock": "locks",
    "FaultError": "errors", "PackRangeError": "errors", "Residency": "residency"}
LUA_PAGES = {
    "View": "slice", "Slice": "slice", "Record": "records",
    "Records": "records", "Layout": "records", "Mutex": "locks",
    "Lock": "locks", "OpenOptions": "functions", "SharedOptions": "functions",
    "AnonymousOptions": "functions"}
TITLES = {
    "python/records": "Layout, Record, Records", "python/locks": "Mutex, Lock",
    "python/errors": "Errors", "lua/slice": "Region and Slice",
    "lua/records": "Layout, Record, Records", "lua/locks": "Mutex, Lock"}
# What stub classes that the extension hasn't are shown as.
SHOWN_AS = {"_Memory": "Slice", "_View": "Slice", "_Items": "Array"}
ALSO = {
    "Region": "A region has all that a :py:class:`Slice` has, and besides:",
    "Records": "Records have all that an :py:class:`Array` has, and besides:"}


def title(text, under="="):
    return f"{text}\n{under * len(text)}\n\n"


def directive(name, signatures, body, options=""):
    """A directive with one signature a line, and its text."""
    head = f".. {name}:: "
    lines = ("\n" + " " * len(head)).join(signatures)
    body = "\n\n".join(filter(None, body))
    return (f"{head}{lines}\n" + textwrap.indent(options, "   ") + "\n"
            + textwrap.indent(body, "   ") + "\n\n")


def example(topic, ending):
    if not topic:
        return ""
    return (f"Example: :ref:`{topic}.{ending} <example-{topic}-{ending}>`")


# C

def link_in_c(known):
    def link(word):
        name = word.removesuffix("()")
        if name in known:
            return f":c:{known[name]}:`{name}`"
        if re.fullmatch(r"\w+\.h", word) and word[:-2] in known["/headers"]:
            return f":doc:`{word} </reference/c/{word[:-2]}>`"
        return None
    return link


def c_group(group, link):
    """The directives of one comment. The text is that of the functions, if there
    are any, or else of the types, or of the macros."""
    text = to_rst(group.comment, link, "c")
    if not group.names():
        return text + "\n\n"
    done = []
    if group.functions:
        shown = dict.fromkeys(examples.of_c(name) for name, _ in group.functions)
        done.append(directive(
            "c:function", [code for _, code in group.functions],
            [text, *(example(topic, "c") for topic in shown)]))
        text = ""
    for name, code in group.types:
        done.append(directive("c:type", [name], [text, c_code([code])]))
        text = ""
    if group.macros:
        done.append(directive("c:macro", [name for name, _ in group.macros], [
            text, c_code(code for _, code in group.macros)]))
    return "".join(done)


def c_code(lines):
    return ".. code-block:: c\n\n" + textwrap.indent("\n".join(lines), "   ")


def c_pages():
    found = {header.name[:-2]: header for header in headers.read_all()}
    found.pop("mapped")
    known = {"/headers": set(found)}
    for header in found.values():
        for group in header.groups:
            for kind, items in (("func", group.functions), ("type", group.types),
                                ("macro", group.macros)):
                known.update((name, kind) for name, _ in items)
    link = link_in_c(known)
    pages = {f"c/{name}": title(f"{name}.h")
             + to_rst(header.comment, link, "c") + "\n\n"
             + "".join(c_group(group, link) for group in header.groups)
             for name, header in found.items()}
    text = title("C") + (
        "``#include <mapped/mapped.h>`` includes all of these; build with ``cc "
        "program.c $(pkg-config --cflags --libs mapped)``. The texts are the "
        "comments in the headers. Names that end in ``_``, or have ``__`` in the "
        "middle, are private.\n\n")
    grouped = {name for names in GROUPS_OF_HEADERS.values()
               for name in names.split()}
    groups = {**GROUPS_OF_HEADERS,
              "More": " ".join(sorted(set(found) - grouped))}
    for caption, names in groups.items():
        names = [name for name in names.split() if name in found]
        if names:
            text += toctree(caption, [f"c/{name}" for name in names])
    pages["c"] = text
    return pages


def toctree(caption, names, options=":maxdepth: 1"):
    return (f".. toctree::\n   {options}\n   :caption: {caption}\n\n"
            + "".join(f"   {name}\n" for name in names) + "\n")


# Python

def link_in_python(functions, classes, owner):
    members = {SHOWN_AS.get(entry.name, entry.name): {} for entry in classes}
    for entry in classes:
        members[SHOWN_AS.get(entry.name, entry.name)].update(
            (member.name, member.kind) for member in entry.members)
    bases = {"Region": "Slice", "Records": "Array"}

    def link(word):
        name, called = word.removesuffix("()"), word.endswith("()")
        name = name.removeprefix("mapped.")
        for place in (owner, bases.get(owner)):
            if called and name in members.get(place, {}):
                return f":py:meth:`{place}.{name}`"
        if (called or word.startswith("mapped.")) and name in functions:
            return f":py:func:`{name}`"
        if called and name in members["Slice"]:
            return f":py:meth:`Slice.{name}`"
        if called and name in members["Region"]:
            return f":py:meth:`Region.{name}`"
        if name in members and name != owner and not called:
            return f":py:class:`{name}`"
        return None
    return link


def python_member(owner, member, link):
    kinds = {"property": "property", "attribute": "attribute",
             "method": "method", "function": "function"}
    shown = SHOWN_AS.get(owner, owner)
    prefix = f"{shown}." if owner else ""
    body = [to_rst(member.text, link, "python"),
            example(examples.of_python(shown, member.name), "py")]
    if member.kind in ("property", "attribute"):
        return directive(f"py:{kinds[member.kind]}", [prefix + member.name],
                         body, f":type: {member.signatures[0]}\n")
    return directive(f"py:{kinds[member.kind]}",
                     [prefix + text for text in member.signatures], body)


def mmap_page(names, classes):
    entry = stubs.read_mmap()
    link = link_in_python(names, [*classes, entry], entry.name)
    return (title("mapped.mmap") + ".. py:module:: mapped.mmap\n\n"
            + to_rst(stubs.text_of_mmap())
            + "\n\nExample: :ref:`stand_in.py <example-stand_in-py>`\n\n"
            + directive("py:class", [entry.name],
                        [to_rst(entry.text, link, "python")])
            + "".join(python_member(entry.name, member, link)
                      for member in entry.members))


def python_pages():
    functions, classes = stubs.read()
    names = {function.name for function in functions}
    start = ".. py:currentmodule:: mapped\n\n"
    pages = {"python/functions": title("Functions")
             + ".. py:module:: mapped\n\n" + "".join(
                 python_member("", function, link_in_python(names, classes, ""))
                 for function in sorted(functions, key=lambda entry: entry.name))}
    pages["python/mmap"] = mmap_page(names, classes)
    for entry in sorted(classes, key=lambda entry: entry.name.startswith("_")):
        if entry.name == "Mmap":
            continue  # the base of what mapped.mmap has
        shown = SHOWN_AS.get(entry.name, entry.name)
        page = "python/" + PYTHON_PAGES.get(entry.name, entry.name.lower())
        link = link_in_python(names, classes, shown)
        if page not in pages:
            pages[page] = title(TITLES.get(page, shown)) + start
        if shown == entry.name:
            pages[page] += directive(
                "py:class" if "Error" not in shown else "py:exception", [shown],
                [to_rst(entry.text, link, "python"), ALSO.get(shown)])
        pages[page] += "".join(python_member(entry.name, member, link)
                               for member in entry.members)
    rest = sorted(page for page in pages if page != "python/functions")
    pages["python"] = title("Python") + (
        "``import mapped``. ``help()`` and editors show the same texts. Where a "
        "parameter is an ``int``, whatever has ``__index__`` will do; a *Buffer* "
        "is any object of the buffer protocol: ``bytes``, ``bytearray``, "
        "``memoryview``, numpy arrays, regions and slices. Other names in "
        "signatures mean:\n\n") + "".join(
            f"- ``{name}``: ``{meaning}``\n" for name, meaning in stubs.aliases()
            ) + "\n" + toctree("Python", ["python/functions", *rest])
    return pages


# Lua

def link_in_lua(known):
    def link(word):
        name = word.removesuffix("()")
        return f":lua:`{name}`" if name in known else None
    return link


def lua_value(name, kind, text, link):
    head = f"**{name}** " if name else ""
    return f"{head}``{kind}``" + (f": {prose(text, link)}" if text else "")


def lua_function(function, link):
    body = [to_rst(function.text, link, "lua")]
    lines = [":Parameters: | " + "\n   | ".join(
        lua_value(*parameter, link) for parameter in function.parameters)] * bool(
            function.parameters)
    lines += [":Returns: | " + "\n   | ".join(
        lua_value("", *result, link) for result in function.results)] * bool(
            function.results)
    body.append("\n".join(lines))
    body.append(example(examples.of_lua(function.name), "lua"))
    return directive("lua", [f"{function.name}({function.arguments})"], body)


def lua_fields(entry, link):
    rows = []
    for field in entry.fields:
        name, _, rest = field.partition(" ")
        rows.append("- " + lua_value(name, *meta.result(rest), link))
    return title(f"mapped.{entry.name}", "-") + (
        to_rst(entry.text, link, "lua") + "\n\n" if entry.text else ""
        ) + "\n".join(rows) + "\n\n"


def lua_pages():
    functions, classes = meta.read()
    known = {function.name for function in functions}
    known |= {function.name for entry in classes for function in entry.functions}
    link = link_in_lua(known)
    pages = {"lua/functions": title("Functions") + "".join(
        lua_function(function, link) for function in functions)}
    for entry in classes:
        page = "lua/" + LUA_PAGES.get(entry.name, entry.name.lower())
        if entry.is_table:
            pages.setdefault(page, title(entry.name))
            pages[page] += lua_fields(entry, link)
            continue
        if page not in pages:
            pages[page] = title(TITLES.get(page, entry.name))
        if page in TITLES and entry.name != "View":
            pages[page] += title(entry.name, "-")
        pages[page] += to_rst(entry.text, link, "lua") + "\n\n" + "".join(
            lua_function(function, link) for function in entry.functions)
    rest = sorted(page for page in pages if page != "lua/functions")
    pages["lua"] = title("Lua") + (
        "``local mapped = require \"mapped\"``. Editors with the Lua language "
        "server show the same texts: ``lua/library/mapped.lua``. A function "
        "``View:name`` is one of regions and slices alike.\n\n"
        "What a correct program must expect of the system returns nil, a message "
        "and a number: an errno if it is positive, else one of "
        "``mapped.status``. Everything else raises.\n\n"
        + aliases(link)) + toctree("Lua", ["lua/functions", *rest])
    return pages


def aliases(link):
    """The types that have a name of their own."""
    done = ""
    for block, _ in meta.comments(meta.META.read_text()):
        text, tags = meta.tagged(block)
        for i, (tag, value) in enumerate(tags):
            if tag == "alias":
                name, _, kind = value.partition(" ")
                values = [value for tag, value in tags[i + 1:] if tag == "value"]
                about = " ".join(text.split())
                done += f"``{name}``\n" + textwrap.indent("\n\n".join(filter(None, [
                    f"``{kind}``" if kind else "", prose(about, link),
                    "\n".join("- " + prose(value, link) for value in values)])),
                    "   ") + "\n\n"
    return "Types with a name:\n\n" + done if done else ""


def pages():
    return {**c_pages(), **python_pages(), **lua_pages()}
