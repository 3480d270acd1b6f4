"""Pages: advice, reading ahead, what is in memory, protection."""
import mapped

region = mapped.anonymous(1 << 20)
region.fill(7)
region.advise("sequential")
region.prefetch(progress=lambda done, total: None)
found = region.residency(map=True)
assert isinstance(found, mapped.Residency)
assert found.resident <= found.pages == region.nbytes // found.page_size
assert found.dirty is None or found.dirty >= 0
assert found.writeback is None or found.writeback >= 0
assert len(found.map) >= found.pages / 8

region[:4096].discard()  # zeros, and the memory is given back
assert region[0] == 0 and region[4096] == 7
region[:64].protect("r")
try:
    region[0] = 1
except TypeError:
    pass
region[:64].protect("r+")
try:
    region[:4096].mlock()
    region[:4096].munlock()
except OSError:
    pass  # RLIMIT_MEMLOCK

with open("original.bin", "wb") as file:
    file.write(b"original")
with mapped.open("original.bin", "c") as private:
    private.fill(0)
    private.revert()
    assert private[:] == b"original"
