/* The methods get and set of a Region or Slice, of one typed value at a byte
 * offset; and cast and records, which make an Array or Records over all its
 * bytes. All convert their arguments first, and then look at the bytes. */
#include "array.h"
#include "records.h"
#include "value.h"

const char view_get_doc[] = PyDoc_STR(
    "get($self, /, code, offset=0)\n--\n\n"
    "Return the value of type `code`, a struct code such as '<I' or '>d' or\n"
    "a layout's name such as 'u24be', at byte `offset`, which counts from\n"
    "the end if negative, at any alignment.\n\n"
    "IndexError if it lies outside, ValueError if the code is unknown or the\n"
    "region closed, FaultError if the page is lost.");

METHOD_NAMED(view_get, "get", 1, 2, "code", "offset")
{
    size_t offset = 0;
    Code named;
    const Code *code = convert_code(view_owner(self)->state, values[0], &named);
    if (code == NULL || convert_offset(values[1], &offset) < 0)
        return NULL;
    mapped_slice span = view_span(self);
    if (offset_place(view_owner(self), span.length, &offset) < 0)
        return NULL;
    return element_read(view_owner(self), &span, code->element, offset);
}

const char view_set_doc[] = PyDoc_STR(
    "set($self, /, code, offset, value)\n--\n\n"
    "Store `value` as type `code`, a struct code such as '<I' or '>d' or a\n"
    "layout's name such as 'u24be', at byte `offset`, which counts from the\n"
    "end if negative, at any alignment. As\n"
    "in struct, a native 'f' that overflows is an infinity, and a 'P' may be\n"
    "negative.\n\n"
    "IndexError if it lies outside, ValueError if the code is unknown, the\n"
    "value out of the type's range or the region closed, TypeError for a\n"
    "wrong kind of value or a read-only region, FaultError if the page is\n"
    "lost.");

METHOD_NAMED(view_set, "set", 3, 3, "code", "offset", "value")
{
    size_t offset = 0;
    mapped_value value;
    mapped_error error;
    Code named;
    const Code *code = convert_code(view_owner(self)->state, values[0], &named);
    if (code == NULL || convert_offset(values[1], &offset) < 0)
        return NULL;
    const mapped_element *element = code->element;
    ValueStatus status = value_from(element, code->native, values[2], &value);
    mapped_slice span = view_span(self);
    if (offset_place(view_owner(self), span.length, &offset) < 0)
        return NULL;
    if (status == VALUE_CONVERTED) {
        if (mapped_set(span, element, offset, value, &error) == MAPPED_OK)
            Py_RETURN_NONE;
        if (error.status != MAPPED_VALUE)
            return raise_of(view_owner(self), &error);
    }
    raise_conversion(element, values[2], status);
    return NULL;
}

const char view_cast_doc[] = PyDoc_STR(
    "cast($self, /, code, shape=None)\n--\n\n"
    "Return an Array of values of type `code`, a struct code such as '<I' or\n"
    "a layout's name such as 'u32le', over the same bytes. `shape` is a\n"
    "sequence of lengths for more than one dimension, the last one varying\n"
    "fastest. Any alignment will do.\n\n"
    "ValueError if the bytes aren't a whole number of items or don't match\n"
    "the shape, if the code is unknown, or the region closed.");

METHOD_NAMED(view_cast, "cast", 1, 2, "code", "shape")
{
    Code named;
    const Code *code = convert_code(view_owner(self)->state, values[0], &named);
    if (code == NULL)
        return NULL;
    PyObject *shape = values[1] == Py_None ? NULL : values[1];
    return array_cast_to(self, code, shape);
}

const char view_records_doc[] = PyDoc_STR(
    "records($self, layout, /)\n--\n\n"
    "Return the Records of a layout, a Layout or its text or a NumPy dtype,\n"
    "over the same bytes.\n\n"
    "ValueError if the bytes aren't a whole number of records, if the text\n"
    "is malformed or the region closed.");

METHOD_ONE(view_records)
{
    PyObject *layout = layout_from(view_owner(self)->state, argument);
    if (layout == NULL)
        return NULL;
    mapped_item item = mapped_item_of_record(layout_of(layout)->fields);
    PyObject *records = array_cast(self, &item, layout_of(layout), 0, NULL);
    Py_DECREF(layout);
    return records;
}
