"""Converts layouts from and to dtypes of NumPy, and to formats of the module struct.

The extension calls the functions without a leading _. A record is described by a
tuple (size, fields), and a field by a tuple (name, offset, item, count):

item    the name of an element as layouts spell it, such as "u32be", or a record
count   how many items there are, or -1 for one that isn't in an array; the text
        of n bytes is n times "char"

NumPy isn't imported. What the other side has no type for is refused with a
ValueError that says why.
"""
from operator import index
from sys import byteorder

_DEPTH = 16  # of records in records, as in the core
# Of a dtype: one that contains another many times may have far more fields than
# its memory would suggest.
_FIELDS = 100_000
_STRUCT_CODES = {
    "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I",
    "i64": "q", "u64": "Q", "f16": "e", "f32": "f", "f64": "d", "bool": "?",
    "char": "s"}
_ELEMENTS = {  # by NumPy's kind and size in bytes
    ("b", 1): "bool",
    **{(element[0], int(element[1:]) // 8): element
       for element in _STRUCT_CODES if element[1:].isdigit()}}


# Texts of messages: no code of the values in them runs.

def _type_name(value):
    # type(value).__name__ would run a metaclass's code.
    return f"'{type.__dict__['__name__'].__get__(type(value))[:60]}'"


def _shown(value):
    if type(value) is str:
        return repr(value[:60])
    if type(value) is int and value.bit_length() < 200:
        return str(value)
    return f"of type {_type_name(value)}"


def _refusal(what, name):
    return ValueError(f"a layout has no {what}: field {_shown(name)}")


def from_dtype(dtype):
    """The record that a dtype with fields describes."""
    try:
        return _record_from_dtype(dtype, 0, [_FIELDS])
    except (AttributeError, LookupError):
        raise TypeError("layout must be a str, a Layout or a dtype, not "
                        f"{_type_name(dtype)}") from None


def _record_from_dtype(dtype, depth, fields_left):
    """`fields_left` is a list with the number that all records together may yet
    have."""
    names = dtype.names
    if names is None:
        raise ValueError("a dtype without fields is no record")
    if depth > _DEPTH:
        raise ValueError("too many records in records")
    names = tuple(names)
    fields_left[0] -= len(names)
    if fields_left[0] < 0:
        raise ValueError(f"a dtype of more than {_FIELDS} fields")
    fields = []
    for name in names:
        entry = dtype.fields.get(name)
        if entry is None:
            raise ValueError(f"a dtype without its field {_shown(name)}")
        field_dtype, offset = tuple(entry)[:2]
        fields.append((name, offset,
                       *_items_from_dtype(field_dtype, name, depth, fields_left)))
    return dtype.itemsize, tuple(fields)


def _items_from_dtype(dtype, name, depth, fields_left):
    """The item and the count of a field, which may be an array."""
    array = dtype.subdtype
    if array is None:
        return _item_from_dtype(dtype, name, depth, fields_left)
    dtype, shape = array
    if len(shape) != 1:
        raise _refusal("arrays of more dimensions than one", name)
    item, count = _item_from_dtype(dtype, name, depth, fields_left)
    if count >= 0:
        raise _refusal("arrays of texts", name)
    return item, max(index(shape[0]), 0)  # -1 would mean that it isn't an array


def _item_from_dtype(dtype, name, depth, fields_left):
    if dtype.names is not None:
        return _record_from_dtype(dtype, depth + 1, fields_left), -1
    kind, size, order = dtype.kind, index(dtype.itemsize), dtype.byteorder
    if kind == "S" and size > 0:
        return "char", size
    element = _ELEMENTS.get((kind, size)) if type(kind) is str else None
    if element is None:
        raise _refusal(f"type for NumPy's kind {_shown(kind)} of {_shown(size)}"
                       " bytes", name)
    is_big = order == ">" or order != "<" and byteorder == "big"
    return element + ("be" if is_big and size > 1 else ""), -1


def with_names(record, names):
    """The record of a struct format, whose fields get these names."""
    size, fields = record
    if isinstance(names, str):
        raise TypeError("names must be a sequence of str, not 'str'")
    names = tuple(names)
    if len(names) != len(fields):
        raise ValueError(
            f"{len(names)} names for {len(fields)} fields of the format")
    named_fields = []
    for name, (_, offset, item, count) in zip(names, fields):
        if count == 0:
            raise _refusal("field without bytes", name)
        if item == "pascal":
            raise _refusal("type for struct's 'p'", name)
        # A lone "c" is a text of one byte.
        named_fields.append(
            (name, offset, item, abs(count) if item == "char" else count))
    return size, tuple(named_fields)


def _split_element(item):
    """The element without its byte order, its size in bytes, and its order as
    struct spells it, or "" for a single byte. Of a record (None, 0, "")."""
    if isinstance(item, tuple):
        return None, 0, ""
    element = item.removesuffix("be")
    bits = "".join(filter(str.isdigit, element)) or 8
    size = int(bits) // 8
    order = "" if size == 1 else "<" if element == item else ">"
    return element, size, order


def to_dtype(record):
    """What numpy.dtype() takes for a record."""
    size, fields = record
    names, offsets, items, counts = map(list, zip(*fields))
    return {"names": names, "formats": list(map(_to_numpy, items, counts)),
            "offsets": offsets, "itemsize": size}


def _to_numpy(item, count):
    if item == "char":
        return f"|S{abs(count)}"
    if isinstance(item, tuple):
        single = to_dtype(item)
    else:
        element, size, order = _split_element(item)
        if element in _STRUCT_CODES:
            single = f"{order or '|'}{element[0]}{size}"
        else:
            # The bytes of what NumPy doesn't know: ("|u1", (3,)) for "u24",
            # and (("|u1", (3,)), (2,)) for an array of two.
            single = "|u1", (size,)
    return single if count < 0 else (single, (count,))


def to_struct(record):
    """The format that describes a record in the language of the module struct."""
    record_size, fields = record
    text, end, order = "", 0, ""  # so far: the format, its bytes, its byte order
    for name, offset, item, count in fields:
        element, size, item_order = _split_element(item)
        if element not in _STRUCT_CODES:
            problem = "struct has no code for field"
        elif offset < end:
            problem = "struct can't go back to field"
        elif order and item_order and order != item_order:
            problem = "struct has one byte order, and another has field"
        else:
            problem = None
        if problem:
            raise ValueError(f"{problem} {name[:60]!r}")
        text += _padding(offset - end) + _struct_item(item, element, count)
        end = offset + size * abs(count)
        order = order or item_order
    return (order or "<") + text + _padding(record_size - end)


def _padding(size):
    return f"{size}x" if size > 0 else ""


def _struct_item(item, element, count):
    if item == "char":
        return "c" if count < 0 else f"{count}s"
    return f"{count if count > 1 else ''}{_STRUCT_CODES[element]}"
