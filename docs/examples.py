"""Finds the example that shows a function: the first that calls it."""
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parent / "examples"
# Where what these objects can do is shown; of others, anywhere.
TOPICS = {
    "Array": "arrays", "Atomic": "atomics", "Layout": "records",
    "Lock": "atomics", "Mutex": "atomics", "Record": "records",
    "Records": "records", "Ring": "rings", "Windows": "windows",
    "Residency": "pages", "FaultError": "faults", "File": "files",
    "mmap": "stand_in"}


# The order in which a reader meets them; what isn't listed comes last.
ORDER = ("opening values arrays luajit records searching growing faults durability "
         "sharing windows files atomics rings pages workers devices").split()


def read(ending):
    """{topic: text} of the examples in a language."""
    paths = sorted(FOLDER.glob(f"*.{ending}"), key=lambda path: (
        ORDER.index(path.stem) if path.stem in ORDER else len(ORDER)))
    return {path.stem: path.read_text() for path in paths}


C, LUA, PYTHON = read("c"), read("lua"), read("py")


def first(texts, pattern, topic=None):
    """The first example that has the pattern; of a topic that one alone."""
    texts = {topic: texts[topic]} if topic else texts
    return next((name for name, text in texts.items()
                 if re.search(pattern, text)), None)


def of_c(name):
    """A function that a macro of the example calls counts, too."""
    family = re.sub(r"[uif]\d+(le|be)?$", "", name)
    return (first(C, rf"\b{name}\(") or
            (first(C, rf"\b{family}##") if family != name else None))


def of_python(owner, name):
    if not owner:
        return first(PYTHON, rf"\bmapped\.{name}\b")
    return first(PYTHON, rf"\.{name}\b(?! = )|\b{name}=", TOPICS.get(owner))


def of_lua(name):
    owner, _, name = re.split("([.:])", name)
    if owner == "mapped":
        return first(LUA, rf"\bmapped\.{name}\b")
    return first(LUA, rf":{name}\b|\.{name}, ", TOPICS.get(owner))
