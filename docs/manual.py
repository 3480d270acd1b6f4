"""Writes the manual page of the command line, mapped.1, from its parser.

Usage: manual.py [--check], with the `mapped` that was built importable. With
--check it writes nothing, and exits with 1 if the page is an older one."""
import argparse
import pathlib
import sys

import mapped
from mapped import __main__ as command_line

PAGE = pathlib.Path(__file__).resolve().parent / "mapped.1"
STATUS = [("0", "It went well."),
          ("1", "find found nothing, or lost found lost pages."),
          ("2", "Wrong usage, or a file that can't be mapped, which keeps no "
           "other file from its turn."),
          ("130", "Ctrl-C ended it.")]
EXAMPLES = [
    ("What a file is:", "python3 -m mapped info words.txt"),
    ("Its first 16 numbers of 16 bits:",
     "python3 -m mapped dump --type '<H' --length 32 words.txt"),
    ("Records:", "python3 -m mapped dump --layout 'magic:char[4] class:u8' "
     "--length 5 /bin/ls"),
    ("Where in it a regular expression matches:",
     "python3 -m mapped find --regex --max 2 'm[a-z]*ed' words.txt"),
    ("Read it into memory:", "python3 -m mapped warm words.txt")]


def escape(text):
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join(r"\&" + line if line[:1] in ".'" else line
                     for line in text.splitlines())


def sentence(text):
    text = " ".join(text.split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."


def option(action):
    """How an option is written, with what it takes."""
    value = f" \\fI{escape(action.metavar)}\\fR" if action.metavar else ""
    return ", ".join(f"\\fB{escape(name)}\\fR{value}"
                     for name in action.option_strings)


def usage(name, parser):
    words = [f"\\fBpython3 \\-m mapped {name}\\fR", "[\\fIoptions\\fR]"]
    for action in parser._get_positional_actions():
        many = " ..." if action.nargs == "+" else ""
        words.append(f"\\fI{action.metavar}\\fR{many}")
    return " ".join(words)


def options(parser):
    lines = []
    for action in parser._get_optional_actions():
        if action.help is not argparse.SUPPRESS:
            lines += [".TP", option(action), escape(sentence(action.help))]
    return lines


def page():
    parser, commands = command_line.make_parser()
    lines = [
        f'.TH MAPPED 1 "" "mapped {mapped.__version__}" "User commands"',
        ".SH NAME",
        "mapped \\- look at files, and manage how they are in memory",
        ".SH SYNOPSIS"]
    for name, command in commands.choices.items():
        lines += [usage(name, command), ".br"]
    lines.pop()  # no line follows the last
    about, _, _ = parser.description.partition("Exit status")
    lines += [".SH DESCRIPTION", escape(sentence(about)),
              escape(sentence(parser.epilog))]
    lines += [".SH COMMANDS"]
    for name, command in commands.choices.items():
        lines += [f".SS {name}", escape(sentence(command.description)),
                  *options(command)]
    lines += [".SH EXIT STATUS"]
    for status, meaning in STATUS:
        lines += [".TP", status, escape(meaning)]
    lines += [".SH EXAMPLES"]
    for what, example in EXAMPLES:
        lines += [escape(what), ".PP", ".nf", ".RS", escape(example), ".RE",
                  ".fi", ".PP"]
    return "\n".join(lines[:-1]) + "\n"  # nor a paragraph


def main():
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit("docs/mapped.1 is not what the command line says: run "
                 "docs/manual.py")


if __name__ == "__main__":
    main()
