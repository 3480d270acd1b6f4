"""Reads the Python stubs: every public function, class and member, with its
signature and its text, which stub_texts.py has brought from the extension."""
import ast
import dataclasses
import pathlib
import re

STUBS = (pathlib.Path(__file__).resolve().parents[1]
         / "python/mapped/_mapped.pyi")
MMAP = STUBS.with_name("mmap.py")
TITLES = {"_Memory": "Memory", "_View": "Bytes", "_Items": "Items"}


class Octal(int):
    def __repr__(self):
        return f"0o{self:o}"


@dataclasses.dataclass
class Entry:
    name: str
    kind: str  # "function", "method", "property", "attribute"
    signatures: list
    text: str


@dataclasses.dataclass
class Class:
    name: str
    bases: list
    text: str
    members: list


def signature(node, is_method):
    """A function's parameters and result as the reference shows them."""
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults):
        if argument.arg == "permissions":
            default.value = Octal(default.value)
    arguments = ast.unparse(node.args)
    if is_method:
        arguments = re.sub(r"^(self|cls)(, /)?(, )?", "", arguments)
        arguments = re.sub(r"^/(, )?", "", arguments)
    arguments = shortened(arguments)
    result = shortened(ast.unparse(node.returns)) if node.returns else "None"
    return f"{node.name}({arguments}) -> {result}"


def shortened(text):
    """Types as readers know them."""
    for long, short in (("SupportsIndex", "int"), ("_Index", "int"),
                        ("_Iterator", "Iterator"),
                        ("_AsyncIterator", "AsyncIterator"),
                        ("_Coroutine", "Coroutine")):
        text = re.sub(rf"\b{long}\b", short, text)
    return text


def text_of(node):
    return ast.get_docstring(node) or ""


def decorated(node, name):
    return any(ast.unparse(decorator).endswith(name)
               for decorator in node.decorator_list)


def entries(body, is_method):
    """The public functions among the definitions; overloads are one entry."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if decorated(node, "setter"):
                continue
            if decorated(node, "property"):
                result = shortened(ast.unparse(node.returns))
                found[node.name] = Entry(node.name, "property", [result],
                                         text_of(node))
            elif node.name in found:
                found[node.name].signatures.append(signature(node, is_method))
            else:
                found[node.name] = Entry(
                    node.name, "method" if is_method else "function",
                    [signature(node, is_method)], text_of(node))
        elif (is_method and isinstance(node, ast.AnnAssign)
              and not node.target.id.startswith("_")):
            found[node.target.id] = Entry(
                node.target.id, "attribute",
                [shortened(ast.unparse(node.annotation))], "")
    return list(found.values())


def text_of_mmap():
    """What the module that stands in for the standard mmap says of itself."""
    return text_of(ast.parse(MMAP.read_text()))


def aliases():
    """(name, meaning) of the types that signatures name."""
    return [(node.target.id, shortened(ast.unparse(node.value)))
            for node in ast.parse(STUBS.read_text()).body
            if isinstance(node, ast.AnnAssign)
            and ast.unparse(node.annotation) == "TypeAlias"]


def classes_of(tree):
    """The classes that the reference has."""
    return [
        Class(node.name, [re.sub(r"\[.*", "", ast.unparse(base))
                          for base in node.bases],
              text_of(node), entries(node.body, True))
        for node in tree.body if isinstance(node, ast.ClassDef)
        and (node.name in TITLES or not node.name.startswith("_"))]


def read():
    """(functions, classes) of the stubs, in their order."""
    tree = ast.parse(STUBS.read_text())
    return entries(tree.body, False), classes_of(tree)


def read_mmap():
    """The class of mapped.mmap, with what it inherits."""
    [entry] = classes_of(ast.parse(MMAP.with_suffix(".pyi").read_text()))
    base = next(base for base in read()[1] if base.name == "Mmap")
    names = {member.name for member in entry.members}
    entry.members += [member for member in base.members
                      if member.name not in names]
    return entry
