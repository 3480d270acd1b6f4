"""Durability: what has been flushed survives a loss of power."""
import mapped

with mapped.open("ledger.bin", "w+", length=1 << 16) as ledger:
    entry = ledger[4000:4200]
    entry[:4] = b"paid"
    entry.flush(wait=False)  # the writing begins
    entry.flush()  # on the disk when it returns
