"""Arrays: values of one type over the bytes, in place."""
import mapped

region = mapped.anonymous(24)
numbers = region.cast("<H")
numbers[:] = range(12)
assert len(numbers) == 12 and numbers[-1] == 11
assert numbers[::4].tolist() == [0, 4, 8]
assert numbers.tobytes() == region.tobytes()

table = region.cast("<H", (3, 4))  # three rows of four
table[1, 2] = 100
assert table.tolist()[1] == [4, 5, 100, 7]
assert table.format in ("H", "<H") and table.itemsize == table.ndim == 2
assert table.shape == (3, 4) and table.strides == (8, 2)
assert table.nbytes == 24 and table.offset == 0
assert table.region is region and not table.readonly

assert numbers.index(100) == 6 and numbers.index(8, 7) == 8
assert numbers.count(100) == 1 and 100 in numbers
table[2] = 7  # one value for a row; [...] stands for all
numbers[-2:].fill(9)
evens = bytearray(numbers[::2].nbytes)
numbers[::2].copy_to(evens)  # in order, without what lies between
assert evens == numbers[::2].tobytes()
assert table[2].tolist() == [7, 7, 9, 9]
pairs = table.cast("<I", (3, 2))  # the same bytes as another type
assert pairs[2, 0] == 7 << 16 | 7

assert numbers[:2].hex(" ", 2) == "0000 0100"
assert numbers[8:10].cast("B").decode("utf-16-le") == "\7\7"
assert table.c_contiguous and not table.f_contiguous and table.contiguous
assert not table[:, 1].contiguous and table.suboffsets == ()
fixed = table.toreadonly()  # to hand on
try:
    fixed[...] = 0
except TypeError as error:
    print(error)

view = memoryview(table)  # and numpy.asarray(table): no copy
assert view.shape == (3, 4)
view.release()
assert table.obj is region
region.close()
assert table.closed
