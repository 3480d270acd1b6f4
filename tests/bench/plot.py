"""Draws what `scons bench plot=yes` has measured: the table as bars of ratios, a
panel for each language, and how times grow with the size of a file. Needs
matplotlib."""
import re

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

OURS, THEIRS, DARK = "#2a7d4f", "#b3541e", "#444444"
LEAST = 0.003  # a smaller ratio is drawn like this one


def save(figure, path):
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)


def draw_panel(axes, title, rows):
    """A bar from 1 to the ratio for each row, and a mark at its target."""
    ratios = [max(row["ratio"], LEAST) for row in rows]
    places = range(len(rows))
    axes.barh(places, [ratio - 1 for ratio in ratios], left=1, height=0.65,
              color=[OURS if ratio <= 1 else THEIRS for ratio in ratios])
    axes.scatter([row["at_most"] for row in rows if row["at_most"]],
                 [place for place in places if rows[place]["at_most"]],
                 marker="|", s=60, color=DARK, zorder=3, label="target")
    axes.axvline(1, color=DARK, linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(list(places), [row["row"].partition(" ")[2]
                                   for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)


def draw_table(rows, path):
    """One panel for each language, with one scale."""
    panels = {}
    for row in rows:
        panels.setdefault(re.match(r"\w+", row["row"])[0], []).append(row)
    heights = [len(panel) + 1 for panel in panels.values()]
    figure, all_axes = pyplot.subplots(
        len(panels), figsize=(9, 0.24 * sum(heights)), sharex=True,
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0.1})
    for axes, (title, panel) in zip(all_axes.flat, panels.items()):
        draw_panel(axes, title, panel)
    all_axes.flat[0].legend(loc="lower left", fontsize=8)
    all_axes.flat[-1].set_xlabel(
        "time or memory, ours by theirs (left of 1: ours is less)")
    save(figure, path)


def size_of(value):
    """A number of bytes as a label."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.0f} GiB"


def draw_sizes(rows, path):
    """A panel for each thing that was done: seconds by bytes."""
    panels = {}
    for row in rows:
        panels.setdefault(row["what"], []).append(row)
    figure, all_axes = pyplot.subplots(2, (len(panels) + 1) // 2, squeeze=False,
                                       figsize=(10, 6), sharex=True)
    for axes in all_axes.flat[len(panels):]:
        axes.set_visible(False)
    for axes, (title, panel) in zip(all_axes.flat, panels.items()):
        sizes = [row["size"] for row in panel]
        axes.plot(sizes, [row["ours"] for row in panel], "o-", markersize=3,
                  color=OURS, label="mapped")
        axes.plot(sizes, [row["peer"] for row in panel], "s--", markersize=3,
                  color=THEIRS, label=panel[0]["against"])
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes[::4], [size_of(size) for size in sizes[::4]])
        axes.set_yscale("log")
        least, most = axes.get_ylim()
        if most < 10 * least:  # show at least a decade, or noise looks large
            axes.set_ylim(least / 3, most * 3)
        axes.tick_params(labelsize=8, labelbottom=True)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel("seconds", fontsize=8)
        axes.legend(fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#dddddd")
    figure.tight_layout()
    save(figure, path)
