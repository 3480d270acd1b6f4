"""Opening: modes, options, what a region tells about itself, the end."""
import mapped

with mapped.open("data.bin", "w+", length=4096, reserve=1 << 20) as region:
    region[0:5] = b"hello"
    assert len(region) == region.nbytes == region.size == 4096
    assert region.mode == "w+" and region.name == "data.bin"
    assert region.file_offset == region.offset == 0
    assert not region.readonly and region.fileno() >= 0
    first = region[:5]
    assert first.region is region

assert region.closed
try:
    first[0]  # slices stay harmless after close
except ValueError as error:
    print(error)

# A part of the file, from any byte on; what is written stays in this process.
part = mapped.open("data.bin", "c", offset=1, length=4)
part.fill(0)
part.close()

with open("data.bin", "rb") as file:
    with mapped.open(file) as region:  # the file stays open, and yours
        assert region[:5] == b"hello" and region.readonly

try:
    mapped.open("missing.bin")
except FileNotFoundError as error:
    assert error.filename == "missing.bin"

# Bytes that are no file, and somebody else's bytes.
scratch = mapped.anonymous(1000)
scratch[0] = 255
borrowed = mapped.wrap(bytearray(b"abc"))
assert borrowed.startswith(b"ab")
assert mapped.stats()["regions"] >= 1
scratch.close()
