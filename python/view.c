/* Region and Slice as a sequence of bytes: length, items, slices, iteration and
 * attributes. Keys and values are converted before view_span is called, because
 * the conversion may run code that closes the region. */
#include "array.h"
#include "source.h"

Py_ssize_t view_length(PyObject *self)
{
    if (require_open(view_owner(self), "") < 0)
        return -1;
    return (Py_ssize_t)view_span(self).length;
}

/* A negative index counts from the end. One below the first byte becomes so
 * large that the core's check fails. */
static size_t offset_of_index(mapped_slice span, Py_ssize_t index)
{
    return index < 0 ? span.length + (size_t)index : (size_t)index;
}

static void *raise_item(PyObject *self, Py_ssize_t index, const char *operation,
                        const mapped_error *error)
{
    size_t length = view_span(self).length;
    /* Else the index is fine, and the Region has shrunk below the Slice. */
    bool is_in_view = index < 0 ? (size_t)0 - (size_t)index <= length
                                : (size_t)index < length;
    if (error->status == MAPPED_RANGE && !is_in_view)
        return raise_index(view_owner(self), index, length);
    return raise_in(view_owner(self), operation, error);
}

/* Reads a byte at any index, or raises. */
COLD static PyObject *byte_at_slow(PyObject *self, Py_ssize_t index)
{
    mapped_slice span = view_span(self);
    mapped_error error;
    uint8_t byte;
    if (mapped_get_u8(span, offset_of_index(span, index), &byte, &error) !=
        MAPPED_OK)
        return raise_item(self, index, "get", &error);
    return PyLong_FromLong(byte);
}

/* The fast path is for an index that isn't negative and an access that
 * succeeds. */
static inline PyObject *byte_at(PyObject *self, Py_ssize_t index)
{
    mapped_slice span = view_span(self);
    const unsigned char *p = mapped_slice_try_enter(span, (size_t)index, 1);
    if (p == NULL)
        return byte_at_slow(self, index);
    uint8_t byte = mapped_load_u8(p);
    if (!mapped_slice_try_leave(span))
        return byte_at_slow(self, index);
    return Py_NewRef(view_owner(self)->state->bytes[byte]);
}

/* An index that is still negative is too low: Python has added the length. */
PyObject *view_item(PyObject *self, Py_ssize_t index)
{
    if (index < 0)
        return raise_index(view_owner(self), index, view_span(self).length);
    return byte_at(self, index);
}

static int assign_byte(PyObject *self, PyObject *key, PyObject *value)
{
    Py_ssize_t index;
    uint8_t byte;
    mapped_error error;
    if (convert_index(key, &index) < 0 || convert_byte(value, &byte) < 0)
        return -1;
    mapped_slice span = view_span(self);
    if (mapped_set_u8(span, offset_of_index(span, index), byte, &error) ==
        MAPPED_OK)
        return 0;
    return raised_as_int(raise_item(self, index, ASSIGN, &error));
}

/* A slice with a step is an array of bytes with that stride. */
COLD PyObject *view_strided(PyObject *self, Py_ssize_t start, Py_ssize_t stop,
                            Py_ssize_t step)
{
    CoreArray bytes;
    CoreArray selected = {
        .core = {.shape = selected.shape, .strides = selected.strides}};
    mapped_error error;
    Region *owner = array_described(self, &bytes);
    if (require_open(owner, "") < 0)
        return NULL;
    Py_ssize_t count =
        PySlice_AdjustIndices(bytes.shape[0], &start, &stop, step);
    const mapped_subscript subscript = {
        .start = start, .length = count, .step = step};
    if (mapped_array_select(&bytes.core, &subscript, 1, &selected.core,
                            &error) != MAPPED_OK)
        return raise_of(owner, &error);
    return array_make(owner, NULL, 0, &selected.core);
}

static PyObject *slice_from_key(PyObject *self, PyObject *key)
{
    Py_ssize_t start, stop, step;
    mapped_slice sub;
    mapped_error error;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return NULL;
    if (step != 1)
        return view_strided(self, start, stop, step);
    mapped_slice span = view_span(self);
    start = bound_from_start(start, (Py_ssize_t)span.length);
    stop = bound_from_start(stop, (Py_ssize_t)span.length);
    size_t length = stop > start ? (size_t)(stop - start) : 0;
    if (mapped_slice_sub(span, (size_t)start, length, &sub, &error) !=
        MAPPED_OK)
        return raise_of(view_owner(self), &error);
    return slice_new(view_owner(self), sub);
}

/* Takes an index of any type and sign. */
COLD static PyObject *subscript_slow(PyObject *self, PyObject *key)
{
    Py_ssize_t index;
    PyErr_Clear(); /* The fast path may have raised. */
    if (convert_index(key, &index) < 0)
        return NULL;
    return byte_at(self, index);
}

/* The fast path is for an index that is an int and not negative. The slow path
 * converts it again, and raises the same error if that fails. */
PyObject *view_subscript(PyObject *self, PyObject *key)
{
    if (Py_IS_TYPE(key, &PySlice_Type))
        return slice_from_key(self, key);
    if (!Py_IS_TYPE(key, &PyLong_Type))
        return subscript_slow(self, key);
    Py_ssize_t index = PyLong_AsSsize_t(key);
    if (index < 0)
        return subscript_slow(self, key);
    return byte_at(self, index);
}

/* Takes over the reference to the array, which may be NULL with an exception.
 */
static int assign_strided(PyObject *array, PyObject *value)
{
    int status = array == NULL ? -1 : array_assign_all(array, value);
    Py_XDECREF(array);
    return status;
}

static int assign_slice(PyObject *self, PyObject *key, PyObject *value)
{
    Py_ssize_t start, stop, step;
    Source source;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return -1;
    if (step != 1)
        return assign_strided(view_strided(self, start, stop, step), value);
    if (source_open(view_owner(self)->state, value, ASSIGN, &source) < 0)
        return -1;
    mapped_slice span = view_span(self);
    Py_ssize_t length =
        PySlice_AdjustIndices((Py_ssize_t)span.length, &start, &stop, 1);
    int status = require_open(view_owner(self), ASSIGN);
    if (status == 0 && source.length != (size_t)length)
        status = raised_as_int(PyErr_Format(
            PyExc_ValueError, "can't assign %zu bytes to a slice of %zd",
            source.length, length));
    if (status == 0)
        status = source_store(&source, view_owner(self), span, (size_t)start);
    source_close(&source);
    return status;
}

int view_assign(PyObject *self, PyObject *key, PyObject *value)
{
    if (value == NULL)
        return raised_as_int(
            PyErr_Format(PyExc_TypeError, "mapped bytes can't be deleted"));
    if (Py_IS_TYPE(key, &PySlice_Type))
        return assign_slice(self, key, value);
    return assign_byte(self, key, value);
}

const char view_slice_doc[] = PyDoc_STR(
    "slice($self, /, offset, length)\n--\n\n"
    "Return `length` bytes from `offset` on as a Slice, without a copy. A\n"
    "negative offset counts from the end.\n\n"
    "Strict, unlike [a:b]: IndexError if they don't all exist. ValueError if\n"
    "the region is closed.");

METHOD_NAMED(view_slice, "slice", 2, 2, "offset", "length")
{
    size_t offset, length;
    mapped_slice sub;
    mapped_error error;
    if (convert_offset(values[0], &offset) < 0 ||
        convert_size(values[1], "length", &length) < 0)
        return NULL;
    mapped_slice span = view_span(self);
    if (offset_place(view_owner(self), span.length, &offset) < 0)
        return NULL;
    if (mapped_slice_sub(span, offset, length, &sub, &error) != MAPPED_OK)
        return raise_of(view_owner(self), &error);
    return slice_new(view_owner(self), sub);
}

PyObject *view_iterate(PyObject *self)
{
    return iterator_new(self, view_owner(self), view_length(self), false);
}

const char view___reversed___doc[] =
    PyDoc_STR("__reversed__($self, /)\n--\n\n"
              "Return an iterator from the last item to the first.");

METHOD_NONE(view___reversed__)
{
    return iterator_new(self, view_owner(self), view_length(self), true);
}

const char view_nbytes_doc[] = PyDoc_STR(
    "The length in bytes, as len() gives it. ValueError once closed.");

ATTRIBUTE(view_nbytes)
{
    Py_ssize_t length = view_length(self);
    return length < 0 ? NULL : PyLong_FromSsize_t(length);
}

const char view_readonly_doc[] = PyDoc_STR(READONLY_DOC);

ATTRIBUTE(view_readonly)
{
    return PyBool_FromLong(mapped_slice_readonly(view_span(self)));
}

const char view_closed_doc[] = PyDoc_STR(CLOSED_DOC);

ATTRIBUTE(view_closed)
{
    return PyBool_FromLong(mapped_region_closed(core_of(self)));
}

const char view_region_doc[] = PyDoc_STR(REGION_DOC);

ATTRIBUTE(view_region)
{
    return Py_NewRef((PyObject *)view_owner(self));
}

const char view_offset_doc[] =
    PyDoc_STR("Where in the region this begins, in bytes; of a Region, 0.");

ATTRIBUTE(view_offset)
{
    return PyLong_FromSize_t(((View *)self)->slice.offset);
}
