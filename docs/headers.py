"""Reads the public headers: what is declared, with the comment before it.

The headers keep to a form (tests/interop/test_docs.py makes sure that nothing is
missed): a comment in the first column belongs to the declarations after it up to
the next empty line, and functions that a macro makes are those of the lines that
call the macro."""
import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "core/include/mapped"
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
ATTRIBUTES = re.compile(
    r"\b(?:MAPPED__MUST_USE|MAPPED__INLINE|MAPPED__NOINLINE|static|inline)\b|"
    r"__attribute__\(\(.*?\)\)(?!\))")
FUNCTION = re.compile(r"^(?:[\w*]+\s+)*?[\w*]+[\s*]+\**(mapped_\w+)\s*\((.*)\)$",
                      re.S)
TYPE = re.compile(r"^typedef (?:struct|enum|union)?.*?(\w+)(?:\(.*\))?$", re.S)
RECORD = re.compile(r"^(?:struct|enum|union) (mapped_\w+)\s*\{", re.S)
INVOCATION = re.compile(r"^(MAPPED__\w+)\((.*)\)$")


@dataclasses.dataclass
class Group:
    """Declarations that share a comment."""
    comment: str
    functions: list = dataclasses.field(default_factory=list)  # (name, text)
    types: list = dataclasses.field(default_factory=list)
    macros: list = dataclasses.field(default_factory=list)
    stands_alone: bool = False  # a paragraph between declarations

    def is_private(self):
        return self.comment.startswith("Private:")

    def names(self):
        return [name for name, _ in self.functions + self.types + self.macros]


@dataclasses.dataclass
class Header:
    name: str
    comment: str
    groups: list


def uncommented(comment):
    """The text of a comment, without the stars in front of its lines."""
    lines = comment.strip().removeprefix("/*").removesuffix("*/").splitlines()
    return "\n".join([lines[0].strip()] + [
        re.sub(r"^ \* ?", "", line).rstrip() for line in lines[1:]]).strip()


def chunks(text):
    """Splits a header into comments, directives, declarations and gaps."""
    at = 0
    while at < len(text):
        if text[at] == "\n":
            kind, end = "gap", at
        elif text.startswith("/*", at):
            kind, end = "comment", text.index("*/", at) + 2
        elif match := re.compile(r" *#(?:[^\n]*\\\n)*[^\n]*").match(text, at):
            kind, end = "directive", match.end()
        else:
            kind, end = "declaration", end_of_declaration(text, at)
        yield kind, text[at:end]
        at = end + 1  # and the end of the line


def end_of_declaration(text, at):
    """Where what begins at `at` ends: with ; or } at depth 0, or its line if it
    calls a macro."""
    line = text[at:text.index("\n", at)]
    if INVOCATION.match(line) or re.match(r"^MAPPED_(BEGIN|END)$", line):
        return at + len(line)
    depth = 0
    while True:
        if text.startswith("/*", at):
            at = text.index("*/", at) + 2
            continue
        character = text[at]
        depth += (character in "{(") - (character in "})")
        at += 1
        if depth == 0 and character == ";":
            return at
        if depth == 0 and character == "}" and text[at] == "\n":
            return at


def is_public(name):
    return not name.startswith("mapped__") and not name.startswith("MAPPED__")


class Reader:
    def __init__(self, name, text, macros=None):
        self.name, self.text = name, text
        self.header = Header(name, "", [])
        self.group = None
        self.macros = dict(macros or {})  # name: (parameters, body)
        self.seen = set()

    def read(self):
        for kind, text in chunks(self.text):
            getattr(self, kind)(text)
        self.header.groups = [
            group for group in self.header.groups
            if group.names() or group.stands_alone and not group.is_private()]
        return self.header

    def comment(self, text):
        if not self.header.comment:
            self.header.comment = uncommented(text)
            return
        self.group = Group(uncommented(text), stands_alone=True)
        self.header.groups.append(self.group)

    def gap(self, _):
        self.group = None

    def directive(self, text):
        match = re.match(r"#define (\w+)(?:\(([^)]*)\))?(.*)", text, re.S)
        if not match and self.group:
            self.group.stands_alone = False
        if not match:
            return
        if match[1].startswith("MAPPED__"):
            body = re.sub(r"\\\n", "\n", match[3])
            self.macros[match[1]] = (
                [name.strip() for name in (match[2] or "").split(",")], body)
            if self.group and "MAPPED__INLINE" not in body:
                self.group.stands_alone = False
        elif not match[1].endswith("_H"):
            self.add("macros", match[1], re.sub(r" +\\\n", " \\\n", text))

    def declaration(self, text):
        if self.group:
            self.group.stands_alone = False
        if match := INVOCATION.match(text):
            expanded = self.expand(match[1], match[2])
            for head in re.findall(r"MAPPED__INLINE\s+([^{]*?)\s*\{", expanded):
                self.function(head)
            return
        bare = ATTRIBUTES.sub("", COMMENT.sub("", text)).strip()
        if bare.startswith("typedef") or RECORD.match(bare):
            match = RECORD.match(bare) or TYPE.match(bare.rstrip(";").strip())
            if not self.is_forward(bare):
                self.add("types", match[1], text)
        else:
            self.function(re.split(r"\s*\{", bare)[0].rstrip(";").strip())

    def is_forward(self, text):
        """Is it a typedef of a struct that is defined later?"""
        match = re.match(r"^typedef struct (\w+) \1;$", text)
        return match and f"\nstruct {match[1]} {{" in self.text

    def function(self, head):
        head = re.sub(r"\s+", " ", ATTRIBUTES.sub("", head)).strip()
        if match := FUNCTION.match(head):
            self.add("functions", match[1], head)

    def expand(self, name, arguments):
        parameters, body = self.macros[name]
        values = [value.strip() for value in arguments.split(",")]
        for parameter, value in zip(parameters, values):
            body = re.sub(rf"(?:##)?\b{parameter}\b(?:##)?",
                          lambda _, value=value: value, body)
        return re.sub(r"(MAPPED__[A-Z_]+)\(([^()]*)\)", lambda match: (
            self.expand(match[1], match[2]) if match[1] in self.macros
            else match[0]), body)

    def add(self, kind, name, text):
        if not is_public(name) or name in self.seen:
            return
        if self.group and self.group.is_private():
            return
        self.seen.add(name)
        if self.group is None:
            self.group = Group("")
            self.header.groups.append(self.group)
        getattr(self.group, kind).append((name, text))


def read_all():
    """All headers but the one that includes the others."""
    endian = Reader("endian.h", (FOLDER / "endian.h").read_text())
    endian.read()  # it has macros that others use
    return [Reader(path.name, path.read_text(), endian.macros).read()
            for path in sorted(FOLDER.glob("*.h"))]
