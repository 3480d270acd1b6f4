"""Records: values with names, in place."""
import mapped

layout = mapped.layout("< id:u32 price:f64@8 name:char[8] levels:u8[2]")
assert layout.size == 26
assert layout.names == ("id", "price", "name", "levels")
assert layout.fields[1] == ("price", "f64", 8)
assert layout.struct_format and layout.format.startswith("T{")
assert layout.dtype["itemsize"] == 26  # numpy.dtype() takes it

region = mapped.anonymous(26 * 3)
records = region.records(layout)
records[0] = (7, 1.5, b"ore", (1, 2))  # in the order of the layout
records[1] = {"id": 8, "price": 2.5, "name": b"coal", "levels": (0, 0)}
first = records[0]
first.price *= 2  # in the memory itself
assert first["price"] == 3.0 and first.name == b"ore" and first.levels == (1, 2)
assert list(first) == [7, 3.0, b"ore", (1, 2)]

assert first == (7, 3.0, b"ore", (1, 2)) and first[1] == 3.0
assert first.index(3.0) == 1 and first.count(3.0) == 1
assert dict(first)["id"] == first._asdict()["id"] == 7
assert first.keys() == ["id", "price", "name", "levels"]
match first:
    case mapped.Record(7, price, levels=(low, _)):
        assert (price, low) == (3.0, 1)

prices = records["price"]  # a column: an Array; numpy.asarray takes it
assert prices.tolist() == [3.0, 2.5, 0.0]
assert records.column("price") == prices and not prices.contiguous
records["levels"][:, 1] = 5
records["id"] = range(3)  # and records["id"] = 0 for all of them
assert records[2] == (2, 0.0, b"", (0, 5))
assert records.index(records[1]) == 1 and records.count(records[2]) == 1

pattern = mapped.Record(layout)  # zeros, in memory of its own
pattern.id, pattern.price = 9, 0.5
records[2:].fill(pattern)  # so does records[2:] = pattern
assert records[2] == (9, 0.5, b"", (0, 0))
assert records.layout.names == layout.names and len(records) == 3
assert records.shape == (3,) and records.strides == (26,)
assert records.itemsize == 26 and records.ndim == 1 and records.nbytes == 78
assert records.format.startswith("T{") and records.offset == 0
assert records.tolist()[1][:2] == (1, 2.5)
assert records[:1].tobytes() == region[:26].tobytes()
assert records[:1].hex().startswith("00000000")
assert records[1:2].cast("B")[16:20].decode() == "coal"
assert records.contiguous and records.c_contiguous and records.f_contiguous
assert records.suboffsets == () and records.toreadonly().readonly
copied = bytearray(records.nbytes)
records.copy_to(copied)
assert copied == bytes(records)
assert records.obj is records.region is region and not records.readonly
region.close()
assert records.closed

# Of a struct format and names.
assert mapped.layout("<IH", ["id", "count"]).size == 6
