"""One half of a duet: duet.py FILE FIRST LAST.

Waits until the 32-bit word at the start of the file holds FIRST, writes
FIRST + 1 in its place, waits for FIRST + 2, and so on up to LAST. duet.lua is
the other half; every number a player waits for is one the other one wrote."""
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
