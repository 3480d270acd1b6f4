"""Turns the texts of headers, docstrings and lua/library into reStructuredText.

These are plain texts: paragraphs; indented lines, which are code or tables and
stay as they are; lists with `-` or `*`; names with a text behind two spaces; and
`code` between backticks. Names that the reference knows become links."""
import re
import textwrap

WORD = re.compile(r"(?<![\w.:])[A-Za-z_][\w]*(?:[.:][A-Za-z_]\w*)*(?:\(\))?")
ITEM = re.compile(r"^\s{0,3}[-*] ")
TERM = re.compile(r"^(\w+)  +(\S.*)$")


def escape(text):
    return re.sub(r"([\\*_|`<>])", r"\\\1", text)


def prose(text, link):
    """One stretch of text. `link` returns the role for a name, or None."""
    done = []
    for i, piece in enumerate(text.split("`")):
        if i % 2:
            done.append(link(piece) or f"``{piece}``" if piece else "")
            continue
        at = 0
        for match in WORD.finditer(piece):
            done.append(escape(piece[at:match.start()]))
            done.append(link(match[0]) or escape(match[0]))
            at = match.end()
        done.append(escape(piece[at:]))
    return glued(done)


def glued(pieces):
    """Joins the pieces; where markup touches a letter reST wants a \\ between."""
    text = ""
    for piece in pieces:
        if text and piece:
            marked = piece[0] in "`:" and len(piece) > 2 and piece[-1] == "`"
            after = text[-1] == "`" and not text.endswith("\\`")
            if (marked and not re.search(r"[\s('\"/-]$", text)) or (
                    after and not re.match(r"[\s)'\".,;:!?/-]", piece)):
                text += "\\ "
        text += piece
    return text


def blocks(text):
    """Splits a text into (kind, lines)."""
    lines = textwrap.dedent(text).strip("\n").splitlines()
    found = []
    for line in lines:
        kind = kind_of(line, found)
        if found and kind == found[-1][0] and kind != "gap":
            found[-1][1].append(line)
        elif found and kind == "gap" and found[-1][0] == "code":
            found[-1][1].append("")
        else:
            found.append((kind, [line]))
    return [block for block in found if block[0] != "gap"]


def kind_of(line, before):
    kind = before[-1][0] if before else None
    if not line.strip():
        return "gap"
    if ITEM.match(line):
        return "list"
    if kind in ("list", "terms") and line.startswith("  "):
        return kind
    if TERM.match(line) and kind != "text":
        return "terms"
    return "code" if line.startswith("    ") else "text"


def to_rst(text, link=lambda name: None, language="none"):
    """The whole text."""
    done = []
    for kind, lines in blocks(text):
        if kind == "text":
            done.append(prose("\n".join(lines), link))
        elif kind == "code":
            code = textwrap.dedent("\n".join(lines)).strip("\n")
            done.append(f".. code-block:: {language}\n\n"
                        + textwrap.indent(code, "   "))
        elif kind == "list":
            done.append("\n".join(
                "- " + prose(ITEM.sub("", line), link) if ITEM.match(line)
                else "  " + prose(line.strip(), link) for line in lines))
        else:
            done.append(terms(lines, link))
    return "\n\n".join(done)


def terms(lines, link):
    """Names, each with a text behind it."""
    done = []
    for line in lines:
        match = TERM.match(line)
        if match:
            done.append(f"``{match[1]}``\n   {prose(match[2], link)}")
        else:
            done.append("   " + prose(line.strip(), link))
    return "\n".join(done)
