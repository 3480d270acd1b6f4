"""Searching, in place."""
import copy
import re

import mapped

log = mapped.anonymous(22)
log[:] = b"key=1\nname=ore\nkey=22\n"

assert log.find(b"key") == 0 and log.rfind(b"key") == 15
assert log.index(b"name") == 6 and log.rindex(b"=") == 18
assert log.find(b"none") == -1 and b"ore" in log
assert log.count(b"key") == 2 and list(log.find_all(b"key")) == [0, 15]
assert log.startswith(b"key") and log.endswith((b"\n", b"\r"))

for line in log.lines():  # slices: nothing is copied
    print(bytes(line))
assert [bytes(part) for part in log.split(b"=")][0] == b"key"
key, rest = log.split(b"=", maxsplit=1)
assert key == b"key" and rest.startswith(b"1\nname")

lines = log.lines()
ahead = copy.copy(lines)  # looks ahead, and lines stays where it is
assert next(ahead) == next(lines) == b"key=1"

match = re.search(rb"name=(\w+)", log)
assert match[1] == b"ore"
