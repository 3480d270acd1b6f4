"""Reads lua/library/mapped.lua: every class and function, with its text.

The file keeps to a form that editors know: lines that begin with `---`, and among
them @class, @field, @param, @return, @alias."""
import dataclasses
import pathlib
import re

META = pathlib.Path(__file__).resolve().parents[1] / "lua/library/mapped.lua"


@dataclasses.dataclass
class Function:
    name: str  # as it is called: "mapped.open", "Region:close"
    arguments: str
    text: str
    parameters: list = dataclasses.field(default_factory=list)
    results: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Class:
    name: str
    text: str
    fields: list
    is_table: bool  # of options or results, rather than an object with methods
    functions: list = dataclasses.field(default_factory=list)


def comments(text):
    """Every block of `---` lines and the line after it."""
    block = []
    for line in text.splitlines() + [""]:
        if line.startswith("---"):
            if line.startswith("---@meta"):
                continue
            block.append(line[3:].rstrip())
        elif block:
            yield block, line
            block = []
        elif line.startswith("function"):
            yield [], line


def tagged(block):
    """The text without tags, and the tags: (name, text)."""
    text, tags = [], []
    for line in block:
        if match := re.match(r"@(\w+) ?(.*)", line):
            tags.append([match[1], match[2]])
        elif line.startswith("|"):
            tags.append(["value", line[1:].strip()])
        elif tags and line.startswith("  "):
            tags[-1][1] += " " + line.strip()
        else:
            text.append(line)
    return "\n".join(text).strip("\n"), tags


def result(text):
    """The type, the name and the text of a @return."""
    match = re.match(r"((?:fun\(.*?\)(?:: ?[\w.?]+(?: \.\.\.)?)?|\{.*?\}|\"[^ ]*\"|"
                     r"[\w.?*|\"\[\]<>,+]+)\??(?:\[\])?)\s*(.*)", text)
    return (match[1], match[2]) if match else (text, "")


def function(line, text, tags):
    match = re.match(r"function ([\w.:]+)\((.*)\) end", line)
    found = Function(match[1], match[2], text)
    for tag, value in tags:
        if tag == "param":
            name, _, rest = value.partition(" ")
            found.parameters.append((name, *result(rest)))
        elif tag == "return":
            found.results.append(result(value))
    return found


def read():
    """(functions of the module, classes)."""
    functions, classes, by_name = [], [], {}
    for block, line in comments(META.read_text()):
        text, tags = tagged(block)
        names = dict(tags)
        if line.startswith("function"):
            found = function(line, text, tags)
            owner = re.split("[.:]", found.name)[0]
            (functions if owner == "mapped" else by_name[owner].functions).append(
                found)
        elif "class" in names:
            name = names["class"].split(":")[0].strip().removeprefix("mapped.")
            if name == "mappedlib":
                continue
            fields = [value for tag, value in tags if tag == "field"]
            by_name[name] = Class(name, text, fields,
                                  bool(fields) and not line.startswith("local")
                                  and not fields[0].startswith("["))
            classes.append(by_name[name])
    return functions, classes
