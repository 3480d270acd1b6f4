"""Counts the lines of a text log that name each level."""
import sys

import mapped

LEVELS = b"ERROR", b"WARNING", b"INFO", b"DEBUG"

if len(sys.argv) != 2:
    sys.exit("usage: log_levels.py FILE")
counts = dict.fromkeys(LEVELS, 0)
try:
    with mapped.open(sys.argv[1]) as log:
        for line in log.lines():
            for level in LEVELS:
                if level in line:
                    counts[level] += 1
except OSError as error:
    sys.exit(f"error: {error}")
for level, count in counts.items():
    print(level.decode(), count)
