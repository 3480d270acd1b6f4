"""The figures as a table of the site, and as plots.

figures.txt is what `scons bench` printed. The plots show the same rows; with
build/bench.json there are also plots of what was measured here."""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
MEASURED = HERE.parent / "build/bench.json"
PARTS = ("C", "Lua", "Python")


def read():
    """The rows of figures.txt, each a list of cells."""
    lines = (HERE / "figures.txt").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")]
            for line in lines]
    return rows[0], rows[2:]


def part_of(name):
    return re.match(r"\w+", name)[0]


def markdown(cell):
    cell = re.sub(r"^([\d.e+]+) (\w+)$", "\\1&nbsp;\\2", cell)  # in one piece
    return cell.replace("*", "\\*").replace("<", "&lt;")


def table():
    """The figures in Markdown, a table for each language."""
    head, rows = read()
    text = []
    for part in PARTS:
        text += [f"## {part}", "", f"<!-- plot {part} -->", "",
                 "| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
        text += ["| " + " | ".join(map(markdown, row)) + " |"
                 for row in rows if part_of(row[0]) == part]
        text.append("")
    return "\n".join(text)


def measured():
    """What `scons bench` has left here, or nothing."""
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else {}


def number(cell):
    return None if cell == "-" else float(cell)


def rows_by_title():
    """{title: rows} for the plots of ratios."""
    rows = [{"row": row[0], "ratio": number(row[4]), "at_most": number(row[5])}
            for row in read()[1]]
    found = {(part, ""): [row for row in rows if part_of(row["row"]) == part]
             for part in PARTS}
    found.update({(part, ", here"): [
        row for row in measured().get("rows", ()) if part_of(row["row"]) == part]
        for part in PARTS})
    return {part + place: rows for (part, place), rows in found.items() if rows}


def plots(folder):
    """Draws all plots into the folder, as `scons bench plot=yes` does: {title:
    file name}. None without matplotlib."""
    sys.path.insert(0, str(HERE.parent / "tests/bench"))
    try:
        import plot
    except ImportError:
        return {}
    made = {}
    for title, rows in rows_by_title().items():
        made[title] = f"plot-{title.replace(', ', '-').lower()}.svg"
        plot.draw_table(rows, folder / made[title])
    if sizes := measured().get("sizes"):
        made["by size, here"] = "plot-sizes.svg"
        plot.draw_sizes(sizes, folder / made["by size, here"])
    return made
