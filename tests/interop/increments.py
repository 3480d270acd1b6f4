"""Does in Python what increments.lua does in Lua. Usage: increments.py FILE
TIMES PROCESSES."""
import sys

import mapped

with mapped.open(sys.argv[1], "r+") as region:
    counter, mutex = region.atomic("Q"), mapped.Mutex(region[8:])
    here = region.atomic("Q", 24)
    here.add(1)
    while here.load() != int(sys.argv[3]):
        pass
    for _ in range(int(sys.argv[2])):
        counter.add(1)
        with mutex:
            region.set("Q", 16, region.get("Q", 16) + 1)
    del counter, mutex, here
