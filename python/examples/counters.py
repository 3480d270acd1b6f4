"""A table of named counters in memory that processes share: for web_counter.py,
and lua/examples/worker.lua has the same in Lua.

A mutex at offset 0 guards the names; from 64 on lie the rows, each with a name and
an atomic word, which needs no lock."""
import mapped

TABLE, ROWS = 64, 100
ROW = mapped.layout("used:u32 _:u32 count:u64 name:char[16]")


class Counters:
    def __init__(self, region: mapped.Region) -> None:
        self.mutex = mapped.Mutex(region)
        self.bytes = region.slice(TABLE, ROWS * ROW.size)
        self.rows = self.bytes.records(ROW)
        self.counts = [self.bytes.atomic("Q", i * ROW.size + 8)
                       for i in range(ROWS)]

    def find(self, name: bytes) -> mapped.Atomic:
        """Returns the counter of a name, which gets one if it has none."""
        with self.mutex:
            for row, count in zip(self.rows, self.counts):
                if not row.used:
                    row.name = name
                    row.used = 1  # after the name: we may die
                if row.name == name:
                    return count
        raise ValueError(f"no room for {name!r}")

    def __str__(self) -> str:
        return "".join(sorted(
            f"{row.name.decode()} {count.load()}\n"
            for row, count in zip(self.rows, self.counts) if row.used))
