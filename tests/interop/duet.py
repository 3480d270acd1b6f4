"""Counts together with another process through a mapped file. Usage: duet.py
FILE FIRST LAST.

Waits until the 32-bit word at the start of the file is FIRST, replaces it by
FIRST + 1, waits for FIRST + 2, and so on up to LAST. The other process,
duet.lua, writes the numbers that this one waits for."""
import os
import sys
import time

import mapped

path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
deadline = time.monotonic() + 20
with mapped.open(path, "r+") as region:
    for expected in range(first, last, 2):
        while (seen := region.get("<I")) != expected:
            if seen > expected or time.monotonic() > deadline:
                sys.exit(f"waited for {expected}, last saw {seen}")
            os.sched_yield()
        region.set("<I", 0, expected + 1)
    region[8:14] = b"Python"
print(f"saw {len(range(first, last, 2))}")
