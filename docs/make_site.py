"""`scons docs`: makes the site of the documents.

Usage: make_site.py FOLDER. Puts the pages, the examples and the reference
together in FOLDER/source, and lets Sphinx make FOLDER/site of them, without a
warning.

The reference is written by our own readers (headers.py, stubs.py, meta.py) into
Sphinx's own domains. Doxygen would want other comments in the headers and leave
out what macros make, LDoc doesn't know the form that editors know, and each would
make a site of its own look; these make one, and the tests read with them."""
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
NEEDED = {"sphinx": "python3-sphinx", "myst_parser": "python3-myst-parser",
          "furo": "furo"}
LANGUAGES = {"py": ("Python", "python"), "lua": ("Lua", "lua"), "c": ("C", "c")}
CONTENTS = {
    "Guide": ["guide", "installing", "opening", "values", "records", "searching"],
    "Files": ["growing", "windows", "durability", "faults", "pages"],
    "Processes": ["sharing", "workers", "atomics", "rings"],
    "More topics": ["files", "devices", "command_line"],
    "Reference": ["reference/python", "reference/lua", "reference/c", "formats"],
    "About": ["guarantees", "limits", "promises", "performance", "comparison",
              "changelog"],
}

def missing():
    """The packages that the site needs and that aren't here."""
    return [package for module, package in NEEDED.items()
            if not importlib.util.find_spec(module)]


def with_examples(text):
    """Puts the programs in the place of the lines that name them."""
    def programs(match):
        done = []
        for name in re.findall(r"\(examples/([\w.]+)\)", match[0]):
            title, lexer = LANGUAGES[name.rpartition(".")[2]]
            label = "example-" + name.replace(".", "-")
            done.append(f"({label})=\n\n### {title}: {name}\n\n```{{literalinclude}} "
                        f"examples/{name}\n:language: {lexer}\n```\n")
        before = match[0].partition("[")[0].strip()
        before = re.sub(r"test:$", "test.", before)
        return before + "\n\n" + "\n".join(done)
    return re.sub(r"^.*\]\(examples/.*$", programs, text, flags=re.M)


def with_comments(text):
    """Puts paragraphs of a header's comments in the place of `<!-- comment FILE
    "FIRST WORDS" "FIRST WORDS BEHIND IT" -->`."""
    import headers
    from texts import to_rst

    def paragraphs(match):
        everything = "\n\n".join(
            headers.uncommented(comment) for comment in re.findall(
                r"/\*.*?\*/", (headers.FOLDER / match[1]).read_text(), re.S))
        start = everything.index(match[2])
        if match[3]:
            end = everything.index(match[3], start)
        else:
            end = everything.index("Two fields that share", start)
            end = everything.index("language.", end) + len("language.")
        return "```{eval-rst}\n" + to_rst(everything[start:end]) + "\n```"
    return re.sub(r'<!-- comment (\S+) "(.*?)"(?: "(.*?)")? -->', paragraphs, text)


def with_manual(text):
    """Puts the manual page's commands, in Markdown, in the place of `<!-- manual
    -->`."""
    page = (HERE / "mapped.1").read_text()
    page = page[page.index(".SH COMMANDS"):page.index(".SH EXAMPLES")]
    page = re.sub(r"\\f[BI](.*?)\\fR", r"`\1`", page).replace("\\-", "-")
    page = re.sub(r"^\.SH EXIT.*\n", "### Exit status\n\n", page, flags=re.M)
    page = re.sub(r"^\.SH .*\n", "", page, flags=re.M)
    page = re.sub(r"^\.SS (.*)\n", r"\n### \1\n\n", page, flags=re.M)
    page = re.sub(r"^\.TP\n(.*)\n(.*)\n", r"- \1: \2\n", page, flags=re.M)
    return text.replace("<!-- manual -->", page.replace("' <", "' \\<"))


def with_figures(text, drawn):
    import figures
    text = text.replace("<!-- figures figures.txt -->", figures.table())
    for title, name in drawn.items():
        if ", here" in title:
            text += (f"\n## Measured here: {title.partition(',')[0]}\n\n"
                     f"<!-- plot {title} -->\n")
        text = text.replace(f"<!-- plot {title} -->",
                            f"![plot: {title}]({name})")
    return text


def with_first_program(text):
    """Puts the README's first program into the front page."""
    readme = (HERE.parent / "README.md").read_text()
    section = re.search(r"^## The first program\n.*?(?=^A longer program)", readme,
                        re.M | re.S)[0]
    return text.replace("<!-- first program -->", section)


def contents():
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(pages) + "\n```\n" for caption, pages in CONTENTS.items())


def put_together(source):
    """Writes all sources of the site into that folder."""
    import figures
    import reference
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "examples", source / "examples")
    for name in ("command-line.svg", "figures.txt"):
        shutil.copy(HERE / name, source)
    pages = {path.stem: path.read_text() for path in HERE.glob("*.md")}
    pages["changelog"] = (HERE.parent / "CHANGELOG.md").read_text()
    drawn = figures.plots(source)
    for name, text in pages.items():
        text = with_figures(with_comments(with_examples(
            with_manual(with_first_program(text)))), drawn)
        text = re.sub(r"\[([^\]]+)\]\(reference/([\w/]+)\.md\)",
                      r"{doc}`\1 <reference/\2>`", text)
        text += contents() if name == "index" else ""
        (source / f"{name}.md").write_text(text)
    for name, text in reference.pages().items():
        path = source / "reference" / f"{name}.rst"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if absent := missing():
        sys.exit(f"docs: Sphinx or what it needs is not installed: "
                 f"{' '.join(absent)}")
    folder = pathlib.Path(sys.argv[1])
    put_together(folder / "source")
    shutil.rmtree(folder / "site", ignore_errors=True)
    status = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "auto",
         "-b", "html", "-c", HERE, "-d", folder / "doctrees", folder / "source",
         folder / "site"]).returncode
    if status == 0:
        print(f"docs: {folder / 'site/index.html'}")
    sys.exit(status)


if __name__ == "__main__":
    main()
