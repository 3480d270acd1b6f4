"""The last of three programs in a row: receives records from a ring, in batches,
counts them and prints how fast they came. An empty record is the end. See
core/examples/produce.c.

    python3 consume.py NAME

NAME is shared memory."""
import sys
import time

import mapped

if len(sys.argv) != 2:
    sys.exit("usage: consume.py NAME")
try:
    with mapped.shared(sys.argv[1]) as region:
        ring = mapped.Ring(region)
        records = size = 0
        batch = ring.recv_many()
        start = time.perf_counter()
        while True:
            records += len(batch)
            size += sum(map(len, batch))
            if not batch[-1]:
                break
            batch = ring.recv_many()
        seconds = time.perf_counter() - start
except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
records -= 1  # the end
print(f"{records} records, {size} bytes: {records / seconds:,.0f} records/s, "
      f"{size / seconds / 1e6:.1f} MB/s")
