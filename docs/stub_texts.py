"""Writes the texts of help() into the stubs, which editors show.

Usage: stub_texts.py [--check], with the `mapped` that was built importable. The
docstrings of the extension and of mapped.mmap are the originals. With --check it writes nothing, and exits
with 1 if the stubs have other texts.

What the stubs say of a base class, which the extension hasn't, comes from the
first of the classes that have it."""
import ast
import inspect
import pathlib
import sys
import textwrap

from mapped import _mapped, mmap

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "python/mapped"
STUBS = {FOLDER / "_mapped.pyi": _mapped, FOLDER / "mmap.pyi": mmap}
OWNERS = {"_Memory": "Region", "_View": "Region", "_Items": "Array"}
KEPT = {"_Exporter", "_Memory", "_View", "_Items"}  # and their own texts


def text_of(found, names):
    """The docstring of what the names lead to from the module, or None."""
    for name in names:
        found = inspect.getattr_static(found, OWNERS.get(name, name), None)
    text = getattr(found, "__doc__", None)
    return inspect.cleandoc(text) if text else None


def targets(tree, module):
    """The definitions whose texts are those of help(): (node, text)."""
    done = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name not in done:
            done.add(node.name)  # of overloads the first
            yield node, text_of(module, [node.name])
        if not isinstance(node, ast.ClassDef) or node.name in ("_HasFileno", "_Dtype"):
            continue
        if node.name not in KEPT:
            yield node, text_of(module, [node.name])
        seen = set()
        for member in node.body:
            if (isinstance(member, ast.FunctionDef) and member.name not in seen
                    and not member.name.startswith("__")):
                seen.add(member.name)
                yield member, text_of(module, [node.name, member.name])


def docstring(text, indent):
    """A text as the lines of a docstring."""
    quoted = text.replace("\\", "\\\\").replace('"""', r'\"""')
    lines = f'"""{quoted}'.splitlines()
    if len(lines) == 1 and not quoted.endswith('"'):
        lines[0] += '"""'
    else:
        lines.append('"""')
    return [" " * indent + line if line else "" for line in lines]


def with_texts(source, module):
    """The stubs with the texts in place of those that are there."""
    lines = source.splitlines()
    found = [(node, text) for node, text in targets(ast.parse(source), module)
             if text]
    for node, text in sorted(found, key=lambda pair: -pair[0].lineno):
        first, last = node.body[0], node.body[-1]
        has = isinstance(first, ast.Expr) and isinstance(first.value.value, str)
        new = docstring(text, node.col_offset + 4)
        if has:
            lines[first.lineno - 1:first.end_lineno] = new
        elif (isinstance(first, ast.Expr) and first is last
              and first.value.value is ...):
            head = lines[first.lineno - 1][:first.col_offset].rstrip()
            rest = lines[first.lineno - 1][first.end_col_offset:]
            before = [head + rest] if head else []
            lines[first.lineno - 1:first.end_lineno] = before + new
        else:
            lines[first.lineno - 1 - len(first_decorators(first)):
                  first.lineno - 1 - len(first_decorators(first))] = [*new, ""]
    return "\n".join(lines) + "\n"


def first_decorators(node):
    return getattr(node, "decorator_list", [])


def main():
    for path, module in STUBS.items():
        source = path.read_text()
        wanted = with_texts(source, module)
        if "--check" not in sys.argv[1:]:
            path.write_text(wanted)
        elif source != wanted:
            sys.exit(f"{path} has other texts than {module.__name__}: "
                     "run docs/stub_texts.py")


if __name__ == "__main__":
    main()
