"""Growing, and following what others do to a file."""
import os

import mapped

with mapped.open("grows.log", "w+", length=0, reserve=1 << 20) as region:
    region.append(b"first\n")
    first = region[:6]
    region.append(first)  # once more
    assert len(region) == 12
    region.resize(6)
    assert first == b"first\n"

with mapped.open("grows.log") as log:
    assert log.refresh() == "unchanged"
    os.truncate("grows.log", 100)  # as others do
    assert log.refresh() == "longer" and len(log) == 100
