"""The figures as a table of the site, and as plots.

figures.txt is what `scons bench` printed. The plots show the same rows; with
build/bench.json there are also plots of what was measured here."""
import json
import pathlib
import re

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


def ratios():
    """{title: rows of (name, ratio, at most or None)}, for the plots."""
    _, rows = read()
    found = {part: [(row[0], float(row[4]),
                     None if row[5] == "-" else float(row[5]))
                    for row in rows if part_of(row[0]) == part]
             for part in PARTS}
    if MEASURED.exists():
        rows = json.loads(MEASURED.read_text())["rows"]
        for part in PARTS:
            found[f"{part}, here"] = [
                (row["row"], row["ratio"], row["at_most"]) for row in rows
                if part_of(row["row"]) == part]
    return {title: rows for title, rows in found.items() if rows}


def draw(rows, path):
    """A bar for each row, on a logarithmic scale around 1."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    names = [name.partition(" ")[2] for name, _, _ in rows]
    values = [max(ratio, 0.001) for _, ratio, _ in rows]
    colours = ["#2a7d4f" if ratio <= 1 else "#b3541e" for ratio in values]
    figure, axes = pyplot.subplots(figsize=(9, 0.8 + 0.24 * len(rows)))
    places = range(len(rows))
    axes.barh(places, [value - 1 for value in values], left=1, color=colours,
              height=0.65)
    axes.scatter([limit for _, _, limit in rows if limit],
                 [i for i in places if rows[i][2]], marker="|", s=60,
                 color="#444444", label="target", zorder=3)
    axes.axvline(1, color="#444444", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(list(places), names, fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("time or memory, ours by theirs (left of 1: ours is less)")
    axes.legend(loc="lower left", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def plots(folder):
    """Draws all plots into the folder: {title: file name}. None without
    matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return {}
    made = {}
    for title, rows in ratios().items():
        made[title] = f"plot-{title.replace(', ', '-').lower()}.svg"
        draw(rows, folder / made[title])
    return made
