"""`python -m mapped`: look at files, and manage how they are in memory.

A command reads no more of a file than it needs. Exit status: 0; 1 if `find` found
nothing or `lost` found lost pages; 2 for wrong usage and for files that can't be
mapped, which keep no other file from its turn; 130 after Ctrl-C.
"""
import argparse
import io
import itertools
import json
import math
import os
import re
import shutil
import signal
import sys
import time

import mapped

# Exit statuses.
DONE = 0
NOTHING_FOUND = PAGES_LOST = 1
TROUBLE = 2
INTERRUPTED = 130

LINE_BYTES = 16  # of a line of hex
LINE_ELEMENTS = 8
SHOWN_BYTES = 80  # of a match
BAR_WIDTH = 30
MAP_ROWS = 4
SHADES = " .:-=+*#%@"  # of pages of which nothing is in memory, to all
FLUSHED_AT_ONCE = 16 << 20
LONG_MESSAGE = 300
PATIENCE = 0.5  # seconds that may pass before progress is shown


def byte_count(text):
    """Parses a number of bytes: decimal or 0x..., with k, M, G or T for powers of
    1024."""
    match = re.fullmatch(r"(0x[0-9a-f]{1,20}|[0-9]{1,20})([kmgt]?)", text, re.I)
    if not match:
        raise argparse.ArgumentTypeError(f"not a number of bytes: '{text:.40}'")
    number, unit = match.groups()
    base = 16 if number[:2].lower() == "0x" else 10
    return int(number, base) << 10 * " kmgt".index(unit.lower() or " ")


def match_count(text):
    """Parses a number of matches."""
    if not re.fullmatch("[0-9]+", text, re.A):
        raise argparse.ArgumentTypeError(f"not a number of matches: '{text:.40}'")
    return sys.maxsize if len(text) > 18 else int(text)


def human(count):
    """A number of bytes as people read it, such as 1.5 MiB."""
    if count < 1024:
        return f"{count} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024:
            break
    return f"{count:.1f} {unit}"


def printable(data):
    """Bytes as text, with a dot for each one that isn't printable ASCII."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def to_json(value):
    """A value as JSON can hold it: bytes as text of Latin-1, records as dicts, NaN
    and infinities as text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, mapped.Record):
        return {name: to_json(value[name]) for name in value.__dir__()}
    if isinstance(value, (mapped.Array, mapped.Records, tuple, list)):
        return [to_json(item) for item in value]
    return value


def shortened(message):
    return message if len(message) <= LONG_MESSAGE else (
        message[:LONG_MESSAGE] + "...")


class Parser(argparse.ArgumentParser):
    """Its messages stay short, whatever was passed in."""

    def error(self, message):
        super().error(shortened(message))


class Output:
    """Results on standard output: JSON, a document a line, or text."""

    def __init__(self, as_json):
        self.as_json = as_json

    def result(self, document, *lines):
        """Prints the document, or else the lines."""
        if self.as_json:
            lines = [json.dumps(document, allow_nan=False)]
        for line in lines:
            print(line)


class Progress:
    """How far a command is, on standard error, if it takes its time: a bar in a
    terminal, else a line for each tenth."""

    def __init__(self, what, name, quiet):
        self.text = f"{what} {name}"
        self.start = time.monotonic()
        self.shown = None if quiet else -1  # the step, -1: none yet, None: never

    def __call__(self, done, total):
        is_bar = sys.stderr.isatty()
        steps = BAR_WIDTH if is_bar else 10
        step = steps * done // total if total else steps
        is_early = time.monotonic() - self.start < PATIENCE
        if self.shown in (None, step) or self.shown == -1 and is_early:
            return
        self.shown = step
        text = f"{self.text}: {100 * done // (total or 1)} % of {human(total)}"
        end = "\n"
        if is_bar:
            text = f"\r[{'#' * step:.<{steps}}] {text}"
            end = "\n" if done >= total else ""
        print(text, end=end, file=sys.stderr, flush=True)


def chosen_bytes(region, arguments):
    """The bytes from --offset on, --length at most; fewer if there are no more."""
    end = len(region) if arguments.length is None else (
        arguments.offset + arguments.length)
    return region[arguments.offset:end]


def command_info(path, arguments, output):
    """size, blocks on the disk, and identity of files"""
    with mapped.open(path) as region:
        status = os.stat(path)
        spare = status.st_size - region.size if status.st_size else 0
        facts = {"file": path, "size": region.size, "spare": spare,
                 "allocated": status.st_blocks * 512,
                 "device": status.st_dev, "inode": status.st_ino,
                 "mode": oct(status.st_mode & 0o7777),
                 "modified": status.st_mtime}
        output.result(
            facts, f"{path}: {region.size} bytes ({human(region.size)}), "
            f"{human(facts['allocated'])} on the disk, "
            f"inode {facts['inode']} of device {facts['device']}"
            + (f", and {spare} bytes spare of append" if spare else ""))
    return DONE


def hex_lines(data, base):
    """The lines of hexdump -C: a star for lines that repeat the one before."""
    before, is_starred = None, False
    for at in range(0, len(data), LINE_BYTES):
        line = bytes(data[at:at + LINE_BYTES])
        is_last = at + LINE_BYTES >= len(data)
        if line == before and not is_last:
            if not is_starred:
                yield "*"
            is_starred = True
            continue
        before, is_starred = line, False
        yield (f"{base + at:08x}  {line[:8].hex(' '):23}  "
               f"{line[8:].hex(' '):23}  |{printable(line)}|")


def dump_values(data, arguments, output):
    """Some elements of a type a line."""
    array = data.cast(arguments.type) if len(data) else ()
    for first in range(0, len(array), LINE_ELEMENTS):
        values = array[first:first + LINE_ELEMENTS].tolist()
        at = arguments.offset + first * array.itemsize
        output.result({"offset": at, "values": to_json(values)},
                      f"{at:08x}  " + "  ".join(map(str, map(to_json, values))))


def dump_records(data, arguments, output):
    """A record a line."""
    layout = mapped.layout(arguments.layout)
    for i, record in enumerate(data.records(layout)):
        at = arguments.offset + i * layout.size
        fields = to_json(record)
        output.result({"offset": at, "record": fields}, f"{at:08x}  " + " ".join(
            f"{name}={json.dumps(value)}" for name, value in fields.items()))


def dump_items(data, item_size, dump, arguments, output):
    """Dumps all whole items, and in hex what is left over."""
    end = len(data) // item_size * item_size
    dump(data[:end], arguments, output)
    if rest := data[end:].hex(" "):
        at = arguments.offset + end
        output.result({"offset": at, "hex": rest.replace(" ", "")},
                      f"{at:08x}  {rest} (no whole item)")


def command_dump(path, arguments, output):
    """bytes in hex, as elements of a type, or as records of a layout"""
    with mapped.open(path) as region:
        data = chosen_bytes(region, arguments)
        if arguments.layout is not None:
            item_size = mapped.layout(arguments.layout).size
            dump_items(data, item_size, dump_records, arguments, output)
        elif arguments.type is not None:
            item_size = mapped.wrap(b"").cast(arguments.type).itemsize
            dump_items(data, item_size, dump_values, arguments, output)
        elif output.as_json:
            for at in range(0, len(data), LINE_BYTES):
                output.result({"offset": arguments.offset + at,
                               "hex": bytes(data[at:at + LINE_BYTES]).hex()})
        else:
            for line in hex_lines(data, arguments.offset):
                print(line)
    return DONE


def matches(data, arguments):
    """The offset and length of each match of the pattern."""
    if arguments.regex:
        for match in re.finditer(os.fsencode(arguments.pattern), data):
            yield match.start(), match.end() - match.start()
        return
    needle = (bytes.fromhex(arguments.pattern) if arguments.hex
              else os.fsencode(arguments.pattern))
    for at in data.find_all(needle):
        yield at, len(needle)


def command_find(path, arguments, output):
    """text, bytes or a regular expression: offset and match, as grep -ob does"""
    count = 0
    several = len(arguments.files) > 1
    with mapped.open(path) as region:
        data = chosen_bytes(region, arguments)
        found = itertools.islice(matches(data, arguments), arguments.max)
        for count, (at, length) in enumerate(found, 1):
            if not arguments.count:
                shown = bytes(data[at:at + min(length, SHOWN_BYTES)])
                where = arguments.offset + at
                output.result(
                    {"file": path, "offset": where, "length": length,
                     "match": to_json(shown)},
                    f"{path}:" * several + f"{where}:{printable(shown)}")
    if arguments.count:
        output.result({"file": path, "count": count},
                      f"{path}:" * several + str(count))
    return DONE if count else NOTHING_FOUND


def lost_pages(path, progress):
    """Tries every page; yields the offset and errno of those that are lost. A region
    tells lost pages apart only while they are few, so the file is mapped anew
    behind each."""
    page = os.sysconf("SC_PAGE_SIZE")
    with mapped.open(path) as region:
        total = len(region)
    at = 0
    while at < total:
        with mapped.open(path, offset=at) as region:
            start, fault = at, None
            while fault is None and at < total:
                try:
                    region[at - start]
                except mapped.FaultError as error:
                    fault = error
                at += page
                if at % (1 << 22) == 0:
                    progress(at, total)
        if fault is not None:
            yield at - page, fault.errno
    progress(total, total)


def command_lost(path, arguments, output):
    """pages that can't be read, and why: every page of the files is tried"""
    progress = Progress("trying", path, arguments.quiet)
    count = 0
    for count, (at, reason) in enumerate(lost_pages(path, progress), 1):
        output.result({"file": path, "offset": at, "errno": reason,
                       "reason": os.strerror(reason)},
                      f"{path}: page at {at} lost: {os.strerror(reason)}")
    if count > 0:
        return PAGES_LOST
    output.result({"file": path, "lost": 0}, f"{path}: no page lost")
    return DONE


def shades(bits, pages, cells):
    """A text of at most so many characters, each the share of its pages that is in
    memory; `bits` has a bit for each page."""
    cells = min(cells, pages)
    text = ""
    for cell in range(cells):
        first, end = pages * cell // cells, pages * (cell + 1) // cells
        resident = sum(bits[page // 8] >> page % 8 & 1
                       for page in range(first, end))
        text += SHADES[math.ceil(resident * (len(SHADES) - 1) / (end - first))]
    return text


def coloured(text):
    """In a terminal, makes the shade of all green and those of a part yellow."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    colour = {SHADES[0]: "", SHADES[-1]: "\033[32m"}
    return "".join(f"{colour.get(shade, chr(27) + '[33m')}{shade}\033[0m"
                   for shade in text)


def command_residency(path, arguments, output):
    """which pages are in memory: counts, and a map of the file"""
    with mapped.open(path) as region:
        residency = region.residency(map=True)
    facts = {"file": path, "page_size": residency.page_size,
             "pages": residency.pages, "resident": residency.resident,
             "dirty": residency.dirty, "writeback": residency.writeback}
    line = (f"{path}: {residency.resident} of {residency.pages} pages in memory "
            f"({human(residency.resident * residency.page_size)})")
    if residency.dirty is not None:
        line += f", {residency.dirty} dirty, {residency.writeback} being written"
    width = max(shutil.get_terminal_size().columns - 2, 1)
    text = shades(residency.map, residency.pages, MAP_ROWS * width)
    output.result(facts, line, *(
        f"|{coloured(text[at:at + width])}|" for at in range(0, len(text), width)))
    return DONE


def command_warm(path, arguments, output):
    """read files into memory"""
    with mapped.open(path) as region:
        region.prefetch(progress=Progress("warming", path, arguments.quiet))
        output.result({"file": path, "bytes": len(region)},
                      f"{path}: {human(len(region))} in memory")
    return DONE


def command_flush(path, arguments, output):
    """write to the disk what has been changed in files, and wait for it"""
    progress = Progress("flushing", path, arguments.quiet)
    with mapped.open(path, "r+") as region:
        total = len(region)
        for at in range(0, total or 1, FLUSHED_AT_ONCE):
            region[at:at + FLUSHED_AT_ONCE].flush()
            progress(min(at + FLUSHED_AT_ONCE, total), total)
    output.result({"file": path, "bytes": total},
                  f"{path}: {human(total)} on the disk")
    return DONE


def add_command(commands, function, parents):
    """Adds the command of a function command_<name>, whose docstring is its help.
    `combine` makes one status of those of all files."""
    name = function.__name__.removeprefix("command_")
    command = commands.add_parser(
        name, help=function.__doc__, description=function.__doc__,
        parents=parents)
    command.set_defaults(run=function, combine=max)
    return command


def common_options():
    """Parsers of the options that several commands share."""
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true",
                         help="a JSON document a line")
    files = argparse.ArgumentParser(add_help=False)
    files.add_argument("files", nargs="+", metavar="FILE")
    span = argparse.ArgumentParser(add_help=False)
    span.add_argument("--offset", type=byte_count, default=0, metavar="BYTES",
                      help="where to begin (0x10, 4k, 1G); default 0")
    span.add_argument("--length", type=byte_count, metavar="BYTES",
                      help="how far to go; default: to the end")
    quiet = argparse.ArgumentParser(add_help=False)
    quiet.add_argument("-q", "--quiet", action="store_true",
                       help="show no progress")
    return as_json, files, span, quiet


def make_parser():
    parser = Parser(
        prog="python -m mapped", description=__doc__.partition(":")[2].strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A command may be shortened as long as it is the only one that "
               "begins so.")
    parser.add_argument("--version", action="version",
                        version=f"mapped {mapped.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    as_json, files, span, quiet = common_options()
    add_command(commands, command_info, [as_json, files])
    dump = add_command(commands, command_dump, [as_json, span])
    dump.add_argument("files", nargs=1, metavar="FILE")
    kind = dump.add_mutually_exclusive_group()
    kind.add_argument("--type", metavar="CODE",
                      help="elements, as cast() takes them: '<I', u24be, f16")
    kind.add_argument("--layout", metavar="TEXT",
                      help="records, as layout() takes them: 'id:u32 price:f64'")
    find = add_command(commands, command_find, [as_json, span])
    find.add_argument("pattern", metavar="PATTERN")
    find.add_argument("files", nargs="+", metavar="FILE")
    find.set_defaults(combine=min)
    how = find.add_mutually_exclusive_group()
    how.add_argument("-e", "--regex", action="store_true",
                     help="the pattern is a regular expression of bytes")
    how.add_argument("-x", "--hex", action="store_true",
                     help="the pattern is bytes in hex, such as 7f454c46")
    find.add_argument("-c", "--count", action="store_true",
                      help="only how many there are")
    find.add_argument("-m", "--max", type=match_count, metavar="N",
                      help="stop after N in each file")
    add_command(commands, command_residency, [as_json, files])
    add_command(commands, command_warm, [as_json, files, quiet])
    add_command(commands, command_flush, [as_json, files, quiet])
    add_command(commands, command_lost, [as_json, files, quiet])
    return parser, commands


def with_full_command(words, names):
    """The words with a shortened command in full, if only one begins so."""
    for i, word in enumerate(words):
        if not word.startswith("-"):
            meant = [name for name in names if name.startswith(word)]
            if len(meant) == 1:
                return [*words[:i], *meant, *words[i + 1:]]
            break
    return words


def prepare_streams():
    """Makes a standard stream that is closed swallow what it gets, and shows with
    escapes what can't be encoded, such as names of files."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def report(error):
    """Shows an OSError."""
    named = f"{error.filename}: " if error.filename is not None else ""
    print(f"mapped: {named}{error.strerror}", file=sys.stderr)


def run_for_each_file(arguments, output):
    """Returns one status for all files. A file in trouble doesn't keep the others
    from their turn."""
    statuses, trouble = [], False
    for path in arguments.files:
        try:
            statuses.append(arguments.run(path, arguments, output))
        except OSError as error:
            if error.filename is None:  # standard output's
                raise
            report(error)
            trouble = True
    return TROUBLE if trouble else arguments.combine(statuses)


def main(words=None):
    prepare_streams()
    parser, commands = make_parser()
    words = sys.argv[1:] if words is None else words
    arguments = parser.parse_args(with_full_command(words, commands.choices))
    try:
        status = run_for_each_file(arguments, Output(arguments.json))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader has seen enough, as with any filter
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        report(error)
    except (ValueError, OverflowError, RecursionError, MemoryError,
            re.error) as error:
        print(f"mapped: {shortened(str(error) or type(error).__name__)}",
              file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return TROUBLE


if __name__ == "__main__":
    sys.exit(main())
