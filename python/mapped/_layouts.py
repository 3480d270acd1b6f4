"""Records between layouts and what others say of them: NumPy's dtypes, of which
nothing is imported, and formats in the language of struct. What one side has no
type for is refused with the reason.

The extension calls the functions without a leading _. A record is for them
(size, fields), a field (name, offset, type, count): the type is what it is
called in layouts, or again a record; the count is -1 if it doesn't repeat.
"""
from operator import index
from sys import byteorder

_DEPTH = 16  # of records in records, as in the core
_FIELDS = 100_000  # of a dtype: few that are shared could stand for any number
_CODES = {"i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I",
          "i64": "q", "u64": "Q", "f16": "e", "f32": "f", "f64": "d",
          "bool": "?", "char": "s"}  # of struct
_NAMES = {("b", 1): "bool", **{(name[0], int(name[1:]) // 8): name
                               for name in _CODES if name[1:].isdigit()}}


def _type_of(value):
    return f"'{type.__dict__['__name__'].__get__(type(value))[:60]}'"


def _short(value):
    """What a message shows of a value, whose own code doesn't run for it."""
    if type(value) is str:
        return repr(value[:60])
    if type(value) is int and value.bit_length() < 200:
        return str(value)
    return f"of type {_type_of(value)}"


def _refused(what, name):
    return ValueError(f"a layout has no {what}: field {_short(name)}")


def from_dtype(dtype):
    """The record that a dtype with fields describes."""
    try:
        return _from_record(dtype, 0, [_FIELDS])
    except (AttributeError, LookupError):
        raise TypeError("layout must be a str, a Layout or a dtype, not "
                        f"{_type_of(dtype)}") from None


def _from_record(dtype, depth, room):
    names = dtype.names
    if names is None:
        raise ValueError("a dtype without fields is no record")
    if depth > _DEPTH:
        raise ValueError("too many records in records")
    names = tuple(names)
    room[0] -= len(names)
    if room[0] < 0:
        raise ValueError(f"a dtype of more than {_FIELDS} fields")
    fields = []
    for name in names:
        found = dtype.fields.get(name)
        if found is None:
            raise ValueError(f"a dtype without its field {_short(name)}")
        one, offset = tuple(found)[:2]
        fields.append((name, offset, *_from_any(one, name, depth, room)))
    return dtype.itemsize, tuple(fields)


def _from_any(dtype, name, depth, room):
    """The type and the count of a field."""
    pair = dtype.subdtype
    if pair is None:
        return _from_one(dtype, name, depth, room)
    dtype, shape = pair
    if len(shape) != 1:
        raise _refused("arrays of more dimensions than one", name)
    one, count = _from_one(dtype, name, depth, room)
    if count >= 0:
        raise _refused("arrays of texts", name)
    return one, max(index(shape[0]), 0)  # less than 0 stands for no array


def _from_one(dtype, name, depth, room):
    if dtype.names is not None:
        return _from_record(dtype, depth + 1, room), -1
    kind, size, order = dtype.kind, index(dtype.itemsize), dtype.byteorder
    if kind == "S" and size > 0:
        return "char", size
    one = _NAMES.get((kind, size)) if type(kind) is str else None
    if one is None:
        raise _refused(f"type for NumPy's kind {_short(kind)} of {_short(size)}"
                       " bytes", name)
    big = order == ">" or order != "<" and byteorder == "big"
    return one + "be" * (big and size > 1), -1


def named(record, names):
    """The record of a format, whose fields have no names, with these."""
    size, fields = record
    if isinstance(names, str):
        raise TypeError("names must be a sequence of str, not 'str'")
    names = tuple(names)
    if len(names) != len(fields):
        raise ValueError(
            f"{len(names)} names for {len(fields)} fields of the format")
    for name, (_, _, one, count) in zip(names, fields):
        if one == "pascal" or count == 0:
            raise _refused("field without bytes" if count == 0 else
                           "type for struct's 'p'", name)
    return size, tuple(
        (name, offset, one, abs(count) if one == "char" else count)
        for name, (_, offset, one, count) in zip(names, fields))


def to_dtype(record):
    """What numpy.dtype() takes for it."""
    size, fields = record
    names, offsets, types, counts = map(list, zip(*fields))
    return {"names": names, "formats": list(map(_to_any, types, counts)),
            "offsets": offsets, "itemsize": size}


def _to_any(one, count):
    if one == "char":
        return f"|S{abs(count)}"
    single = to_dtype(one) if isinstance(one, tuple) else _to_one(*_parsed(one))
    return single if count < 0 else (single, (count,))


def _to_one(name, size, order):
    if name not in _CODES:
        return "|u1", (size,)  # its bytes
    return f"{order or '|'}{name[0]}{size}"


def _parsed(one):
    """The name without its byte order, the bytes, and the order if it counts."""
    name = one.removesuffix("be")
    size = int("".join(filter(str.isdigit, name)) or 8) // 8
    return name, size, "" if size == 1 else ">" if name != one else "<"


def to_struct(record):
    """Its format in the language of struct."""
    whole, fields = record
    at, text, order = 0, "", ""
    for name, offset, one, count in fields:
        known, size, own = ("", 0, "") if isinstance(one, tuple) else _parsed(one)
        why = ("has no code for" if known not in _CODES else
               "can't go back to" if offset < at else
               "has one byte order, and not for" if {order, own} == {"<", ">"}
               else None)
        if why:
            raise ValueError(f"struct {why} field {name[:60]!r}")
        code = "c" if (one, count) == ("char", -1) else _CODES[known]
        number = count if count > 1 or one == "char" and count > 0 else ""
        text += f"{offset - at}x" * (offset > at) + f"{number}{code}"
        at, order = offset + size * abs(count), order or own
    return (order or "<") + text + f"{whole - at}x" * (whole > at)
