"""Lists the changes of a time zone from a TZif file (big-endian, RFC 8536)."""
import sys
from collections.abc import Iterator

import mapped

COUNTS = ">6I"  # utc and standard flags, leap seconds, changes, types, letters


def changes(zone: mapped.Region) -> Iterator[tuple[int, int, int, str]]:
    """Yields second, offset from UTC, daylight saving and name of each."""
    if not zone.startswith(b"TZif") or zone[4] not in b"23456789":
        raise ValueError("not a TZif file of version 2 or later")
    utc, standard, leaps, times, types, letters = zone.unpack(COUNTS, 20)
    # Behind the old block, with times of 32 bits, comes the one with 64.
    second = zone[44 + 5 * times + 6 * types + letters + 8 * leaps + standard
                  + utc:]
    _, _, _, times, types, letters = second.unpack(COUNTS, 20)
    when = second.slice(44, 8 * times).cast(">q")
    which = second.slice(44 + 8 * times, times)
    kinds = second.slice(44 + 9 * times, 6 * types)
    names = second.slice(44 + 9 * times + 6 * types, letters)
    for time, kind in zip(when, which):
        offset, daylight, start = kinds.unpack(">iBB", 6 * kind)
        name = bytes(names[start:names.index(0, start)]).decode()
        yield time, offset, daylight, name


if len(sys.argv) != 2:
    sys.exit("usage: zone_file.py FILE")
try:
    with mapped.open(sys.argv[1]) as zone_file:
        for change in changes(zone_file):
            print(*change)
except (IndexError, OSError, ValueError) as error:
    sys.exit(f"error: {error}")
