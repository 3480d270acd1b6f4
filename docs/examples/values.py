"""Values: one at a time, several, bytes in bulk."""
import mapped

region = mapped.anonymous(4096)

# One value, at any offset.
region.set("<I", 9, 42)
assert region.get("<I", 9) == 42
region.set("u24be", 100, 0x010203)  # the names of layouts are codes, too
assert bytes(region[100:103]) == b"\1\2\3"
try:
    region.get("<I", 4093)
except IndexError as error:
    print(error)

# Several values, in the language of struct.
region.pack("<I8s", 200, 7, b"ore")
assert region.unpack("<I8s", 200) == (7, b"ore\0\0\0\0\0")
try:
    region.unpack("<I", 4093)
except mapped.PackRangeError:
    pass  # an IndexError, and a struct.error

# Bytes: items are integers, slices are views, tobytes and bytes() copy.
region[0:5] = b"hello"
assert region[0] == 104 and region[0:5] == b"hello"
assert region[0:5].decode() == "hello" and region[0:2].hex(":") == "68:65"
assert region[-4096:5].tolist() == list(b"hello")
assert region.get("B", -4096) == 104  # offsets may count from the end, too
assert region.slice(0, 5).tobytes() == bytes(region[0:5])
region.move(10, 0, 5)  # to 10 from 0
region.copy_from(b"HE", 10)
copy = bytearray(5)
region[10:15].copy_to(copy)
assert copy == b"HEllo" and region[10:15].endswith((b"llo", b"LLO"))
region[10:15].fill(0)
assert region[10:15].tobytes() == b"\0" * 5

# Every region and slice tells what a memoryview does.
part = region[0:5]
assert part.contiguous and part.c_contiguous and part.f_contiguous
assert part.shape == (5,) and part.suboffsets == () and part.obj is region
fixed = part.toreadonly()  # the same memory, for those who may only read
try:
    fixed[0] = 0
except TypeError as error:
    print(error)
part.release()  # this slice has ended; others go on
assert part.closed and fixed.tobytes() == b"hello"
