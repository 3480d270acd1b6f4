"""Draws what the command line shows in a terminal.

Usage: command_line.py PICTURE FOLDER, with `mapped` importable. Runs the commands
below in FOLDER, which has a words.txt, on a terminal of 96 columns, and writes
PICTURE, an SVG of them and of what they print, in its colours."""
import html
import os
import pty
import re
import subprocess
import sys

COMMANDS = [
    "python -m mapped info words.txt",
    "python -m mapped find --regex --max 2 'm[a-z]*ed' words.txt",
    "python -m mapped dump --type '<H' --length 32 words.txt",
    "python -m mapped residency words.txt",
]
COLUMNS, CELL, LINE = 96, 8.4, 18  # and the pixels of a character
COLOURS = {"0": None, "32": "#8fd18f", "33": "#e5c76b"}
STYLE = "font: 14px monospace"


def show(command, folder):
    """What the command prints to a terminal."""
    reading, terminal = pty.openpty()
    words = command.replace("python", f"'{sys.executable}'", 1)
    process = subprocess.Popen(
        words, shell=True, cwd=folder, stdout=terminal, stderr=terminal,
        stdin=terminal, env={**os.environ, "COLUMNS": str(COLUMNS)})
    os.close(terminal)
    text = b""
    try:
        while piece := os.read(reading, 4096):
            text += piece
    except OSError:
        pass  # the terminal's end is closed
    process.wait()
    return text.decode().replace("\r\n", "\n")


def stretches(line):
    """The line's stretches of one colour, each with the column it begins in."""
    found, at, colour = [], 0, None
    for piece in re.split(r"(\x1b\[\d+m)", line):
        if match := re.fullmatch(r"\x1b\[(\d+)m", piece):
            colour = COLOURS[match[1]]
        elif found and found[-1][1] == colour:
            found[-1][2] += piece
        elif piece:
            found.append([at, colour, piece])
        at += 0 if piece.startswith("\x1b") else len(piece)
    return found


def spans(line):
    return "".join(
        f'<tspan x="{10 + at * CELL:.1f}" textLength="{len(text) * CELL:.1f}"'
        + (f' fill="{colour}"' if colour else "")
        + f">{html.escape(text, quote=False)}</tspan>"
        for at, colour, text in stretches(line))


def draw(lines):
    width, height = COLUMNS * CELL + 20, len(lines) * LINE + 20
    rows = "\n".join(
        f'<text xml:space="preserve" y="{10 + LINE * (i + 0.8):.1f}">'
        f"{spans(line)}</text>" for i, line in enumerate(lines))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
            f'height="{height}" style="{STYLE}" fill="#d6d9de">\n'
            f'<rect width="100%" height="100%" rx="6" fill="#1d2127"/>\n{rows}\n'
            "</svg>\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = []
    for command in COMMANDS:
        lines += [f"$ {command}", *show(command, sys.argv[2]).splitlines()]
    with open(sys.argv[1], "w") as picture:
        picture.write(draw(lines))


if __name__ == "__main__":
    main()
