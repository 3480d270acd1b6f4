"""`scons bench`: runs the benchmark programs and compares with their peers.

Each program measures ours and a peer alternately, in one process, and prints a
JSON line for each row. The ratio is of medians; over several runs it is the
median of the runs' ratios. A missed target shows in the table; only a program
that fails makes this exit with 1."""
import argparse
import glob
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ["MAPPED_BUILD"]
HEAD = ["what", "against", "ours", "peer", "ratio", "at most", "verdict"]


def programs():
    """The command of every benchmark program."""
    compiled = [path for path in sorted(glob.glob(f"{BUILD}/tests/bench/bench_*"))
                if os.access(path, os.X_OK)]
    return [[path] for path in compiled] + [
        [os.environ[f"MAPPED_{language}"], str(path)]
        for language, ending in (("LUA", "lua"), ("PYTHON", "py"))
        for path in sorted(HERE.glob(f"bench_*.{ending}"))]


def measure(command):
    """The rows that a program prints."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          timeout=1800, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()
            if line.startswith("{")]


def summary(rows):
    """One row from the same row of every run."""
    ours = [statistics.median(row["ours"]) for row in rows]
    peer = [statistics.median(row["peer"]) for row in rows]
    ratio = statistics.median(o / p for o, p in zip(ours, peer))
    first = rows[0]
    return {"row": first["row"], "against": first["against"],
            "unit": first["unit"], "at_most": first["at_most"],
            "ours": statistics.median(ours), "peer": statistics.median(peer),
            "ratio": ratio,
            "met": first["at_most"] is None or ratio <= first["at_most"],
            "runs": len(rows), "samples": [
                {"ours": row["ours"], "peer": row["peer"]} for row in rows]}


def format_value(value, unit):
    """A number with its unit, in three or four digits."""
    steps = {"ns": ("ns", "us", "ms", "s"), "bytes": ("B", "kB", "MB", "GB")}
    if unit not in steps:
        return f"{value:.4g} {unit}"
    names = steps[unit]
    step = 0
    while abs(value) >= 1000 and step + 1 < len(names):
        value, step = value / 1000, step + 1
    digits = 0 if value >= 100 or names[step] == "B" else 1
    return f"{value:.{digits}f} {names[step]}"


def cells(row):
    """What the table shows of a row."""
    target = row["at_most"]
    digits = 4 if target is not None and target < 0.05 else 2
    return [row["row"], row["against"], format_value(row["ours"], row["unit"]),
            format_value(row["peer"], row["unit"]), f"{row['ratio']:.{digits}f}",
            "-" if target is None else f"{target:.2f}",
            "-" if target is None else "met" if row["met"] else "MISSED"]


def table(results):
    """The results in Markdown, readable as it is and as docs/figures.txt has it."""
    rows = [HEAD, *map(cells, results)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |"
                     for row in rows)


def first_line(*command):
    """What a command says first, of a version for example; empty without it."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=True, cwd=HERE)
    except (subprocess.SubprocessError, OSError):
        return ""
    return done.stdout.partition("\n")[0]


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines()
             if line.startswith("model name")]
    return names[0] if names else platform.processor()


def circumstances():
    """Where and of what something was measured."""
    return {"machine": platform.machine(), "processor": processor(),
            "processors": os.cpu_count(), "system": platform.platform(),
            "commit": first_line("git", "describe", "--always", "--dirty",
                                 "--abbrev=40"),
            "versions": {
                "compiler": first_line(os.environ["MAPPED_CC"], "--version"),
                "libc": " ".join(platform.libc_ver()),
                "lua": first_line(os.environ["MAPPED_LUA"], "-v"),
                "python": first_line(os.environ["MAPPED_PYTHON"], "-V")}}


def draw(results, sizes, target):
    """Draws bench.svg and bench-sizes.svg."""
    try:
        from plot import draw_sizes, draw_table
    except ImportError as error:
        print(f"not drawn: {error}")
        return
    draw_table(results, target.with_suffix(".svg"))
    draw_sizes(sizes, target.with_name(f"{target.stem}-sizes.svg"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", required=True, help="where to write results")
    parser.add_argument("--plot", action="store_true",
                        help="also draw the results beside the JSON, and "
                             "measure and draw how times grow with size")
    arguments = parser.parse_args()
    collected, failures = {}, []
    for _ in range(max(arguments.runs, 1)):
        for command in programs():
            try:
                rows = measure(command)
            except (subprocess.SubprocessError, OSError, ValueError) as error:
                failures.append(f"{' '.join(command)}: {error}")
                continue
            for row in rows:
                collected.setdefault(row["row"], []).append(row)
    results = [summary(rows) for rows in collected.values()]
    sizes = measure([os.environ["MAPPED_PYTHON"], str(HERE / "sizes.py")]) \
        if arguments.plot else []
    target = pathlib.Path(arguments.json)
    target.write_text(json.dumps({**circumstances(), "rows": results,
                                  "sizes": sizes}, indent=1) + "\n")
    print(table(results))
    for failure in failures:
        print(f"FAILED {failure}")
    if arguments.plot:
        draw(results, sizes, target)
    return 1 if failures or not results else 0


if __name__ == "__main__":
    sys.exit(main())
