/* What Region, Slice, Array and Records have of memoryview and bytes besides
 * the access to items: their bytes as text, the same memory as another object,
 * and attributes about the memory.
 *
 * A text is made of a copy of the bytes, and not of their buffer, because a
 * lost page would read as zeros there. */
#include "array.h"

static PyObject *copy_to_bytes(PyObject *self)
{
    const State *state = PyType_GetModuleState(Py_TYPE(self));
    if (state == NULL)
        return NULL;
    return is_view(state, self) ? view_tobytes(self, NULL)
                                : array_tobytes(self, NULL);
}

/* Calls a method of the object's bytes with two arguments, or with those of
 * them before a NULL. */
static PyObject *call_bytes_method(PyObject *self, const char *name,
                                   PyObject *first, PyObject *second)
{
    const char *format = "()";
    if (first != NULL)
        format = second != NULL ? "OO" : "(O)";
    PyObject *bytes = copy_to_bytes(self);
    PyObject *method =
        bytes == NULL ? NULL : PyObject_GetAttrString(bytes, name);
    PyObject *result =
        method == NULL ? NULL
                       : PyObject_CallFunction(method, format, first, second);
    Py_XDECREF(method);
    Py_XDECREF(bytes);
    return result;
}

const char view_hex_doc[] = PyDoc_STR(
    "hex($self, /, sep=None, bytes_per_sep=1)\n--\n\n"
    "Return the bytes as hexadecimal digits. As bytes.hex: `sep`, one\n"
    "character, goes between groups of `bytes_per_sep`, counted from the\n"
    "right or, if that is negative, from the left.");

METHOD_NAMED(view_hex, "hex", 0, 2, "sep", "bytes_per_sep")
{
    bool has_separator = values[0] != NULL && values[0] != Py_None;
    return call_bytes_method(self, "hex", has_separator ? values[0] : NULL,
                             has_separator ? values[1] : NULL);
}

const char view_decode_doc[] = PyDoc_STR(
    "decode($self, /, encoding='utf-8', errors='strict')\n--\n\n"
    "Return the bytes as a str. As bytes.decode: UnicodeDecodeError, which is\n"
    "a ValueError, if they are no text in that encoding.");

METHOD_NAMED(view_decode, "decode", 0, 2, "encoding", "errors")
{
    PyObject *encoding = values[0] != NULL ? Py_NewRef(values[0])
                                           : PyUnicode_FromString("utf-8");
    PyObject *text = encoding == NULL ? NULL
                                      : call_bytes_method(self, "decode",
                                                          encoding, values[1]);
    Py_XDECREF(encoding);
    return text;
}

#define READ_ONLY_DOC              \
    "toreadonly($self, /)\n--\n\n" \
    "Return the same, over the same memory, but read-only."

const char view_toreadonly_doc[] =
    PyDoc_STR(READ_ONLY_DOC " Of a Region\nthat is a Slice.");
const char array_toreadonly_doc[] = PyDoc_STR(READ_ONLY_DOC);

METHOD_NONE(view_toreadonly)
{
    Region *owner = view_owner(self);
    return require_open(owner, "toreadonly") < 0
               ? NULL
               : slice_new(owner, mapped_slice_toreadonly(view_span(self)));
}

METHOD_NONE(array_toreadonly)
{
    const Array *array = array_of(self);
    mapped_array core = array->core;
    core.slice = mapped_slice_toreadonly(core.slice);
    return require_open(array->owner, "toreadonly") < 0
               ? NULL
               : array_make(array->owner, array->layout, array->native, &core);
}

const char items_cast_doc[] = PyDoc_STR(
    "cast($self, /, code, shape=None)\n--\n\n"
    "Return an Array of values of type `code` over the same bytes, as cast()\n"
    "of a Slice does. TypeError if there are gaps between the items.");

METHOD_NAMED(items_cast, "cast", 1, 2, "code", "shape")
{
    Extent extent;
    Code named;
    const Array *array = array_of(self);
    const Code *code = convert_code(array->owner->state, values[0], &named);
    if (code == NULL || array_extent(array, "cast", &extent) < 0)
        return NULL;
    if (!extent.is_contiguous)
        return PyErr_Format(PyExc_TypeError,
                            "cast: there are gaps between the items, which "
                            "tobytes() leaves out");
    PyObject *bytes = slice_new(extent.owner, extent.slice);
    if (bytes == NULL)
        return NULL;
    PyObject *shape = values[1] == Py_None ? NULL : values[1];
    PyObject *array_of_code = array_cast_to(bytes, code, shape);
    Py_DECREF(bytes);
    return array_of_code;
}

const char view_format_doc[] = PyDoc_STR("'B': the items are bytes.");
const char view_itemsize_doc[] = PyDoc_STR("1: the items are bytes.");
const char view_ndim_doc[] = PyDoc_STR("1: the bytes have one dimension.");
const char view_shape_doc[] =
    PyDoc_STR("(nbytes,): the length. ValueError once closed.");
const char view_strides_doc[] = PyDoc_STR("(1,): the bytes follow each other.");
const char view_suboffsets_doc[] =
    PyDoc_STR("(): no item is behind a pointer.");
const char view_c_contiguous_doc[] = PyDoc_STR(
    "True if the items follow each other without gaps, the last dimension\n"
    "varying fastest.");
const char view_f_contiguous_doc[] = PyDoc_STR(
    "True if the items follow each other without gaps, the first dimension\n"
    "varying fastest.");
const char view_contiguous_doc[] =
    PyDoc_STR("True if it is contiguous in one of the two orders.");
const char view_obj_doc[] =
    PyDoc_STR("Whose memory it is: the wrapped object, or else the Region.");

static PyObject *tuple_of_one(Py_ssize_t number)
{
    return number < 0 ? NULL : array_tuple(&number, 1);
}

ATTRIBUTE(view_format)
{
    (void)self;
    return PyUnicode_FromString("B");
}

ATTRIBUTE(view_itemsize)
{
    (void)self;
    return PyLong_FromLong(1);
}

ATTRIBUTE(view_ndim)
{
    (void)self;
    return PyLong_FromLong(1);
}

ATTRIBUTE(view_shape)
{
    return tuple_of_one(view_length(self));
}

ATTRIBUTE(view_strides)
{
    (void)self;
    return tuple_of_one(1);
}

ATTRIBUTE(view_suboffsets)
{
    (void)self;
    return PyTuple_New(0);
}

static PyObject *contiguous_in(PyObject *self, char order)
{
    CoreArray array;
    if (array_described(self, &array) == NULL)
        return NULL;
    const Py_buffer buffer = {.len = (Py_ssize_t)array_bytes(&array.core),
                              .itemsize = (Py_ssize_t)array.core.item.size,
                              .ndim = array.core.dimensions,
                              .shape = array.core.shape,
                              .strides = array.core.strides};
    return PyBool_FromLong(PyBuffer_IsContiguous(&buffer, order));
}

ATTRIBUTE(view_c_contiguous)
{
    return contiguous_in(self, 'C');
}

ATTRIBUTE(view_f_contiguous)
{
    return contiguous_in(self, 'F');
}

ATTRIBUTE(view_contiguous)
{
    return contiguous_in(self, 'A');
}

ATTRIBUTE(view_obj)
{
    CoreArray array;
    Region *owner = array_described(self, &array);
    if (owner == NULL)
        return NULL;
    PyObject *wrapped = owner->wrap_buffer.obj;
    return Py_NewRef(wrapped != NULL ? wrapped : (PyObject *)owner);
}
