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

view = memoryview(table)  # and numpy.asarray(table): no copy
assert view.shape == (3, 4)
view.release()
region.close()
assert table.closed
