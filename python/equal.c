/* == and != of Region, Slice, Array, Records and Record: by contents and
 * formats, as those of memoryview. The core compares, and this file describes
 * what it compares: each operand as an array of the core.
 *
 * - compare_own: two objects of ours.
 *
 * - compare_foreign: one of ours and the buffer of another object. The buffer
 * is taken before anything of ours is looked at, because taking it runs the
 *   object's code.
 *
 * A comparison never raises because of what an operand is: one that can't be
 * read, because it is closed, out of range or lost, equals only itself. */
#include <string.h>

#include "array.h"
#include "records.h"
#include "unlocked.h"

/* What a comparison returns: 1 or 0, -1 with an exception, or this, if the
 * other object is of a type that can't be compared with ours. */
#define NOT_COMPARABLE 2

/* The items of a buffer of another object. */
typedef struct ForeignItems {
    mapped_array array; /* of `wrap`, with the numbers below */
    Py_ssize_t shape[MAX_DIMENSIONS];
    Py_ssize_t strides[MAX_DIMENSIONS];
    mapped_region *wrap; /* NULL if the core has no element for the items */
    void *copy;          /* what `wrap` wraps if the buffer has gaps, or NULL */
} ForeignItems;

/* Returns the result of a comparison with that status. */
static int equal_if_read(mapped_status status, bool are_equal,
                         bool are_identical)
{
    return status == MAPPED_OK ? are_equal : are_identical;
}

static int equal_arrays(const mapped_array *a, const mapped_array *b,
                        bool are_identical)
{
    mapped_error error;
    bool equal = false;
    Unlocked unlocked =
        unlocked_begin(a->slice.region, b->slice.region, a->slice.length);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_array_equal(a, b, &equal, &error), &error);
    return equal_if_read(status, equal, are_identical);
}

/* Is it a Region or Slice whose bytes can be compared with memcmp? Those of a
 * device can't: they must be read one by one. */
static bool is_comparable_as_bytes(const State *state, PyObject *object)
{
    return is_view(state, object) &&
           !mapped_region_device(view_span(object).region);
}

static int compare_own(const State *state, PyObject *self, PyObject *other)
{
    Py_ssize_t numbers[4];
    mapped_array a = {.shape = &numbers[0], .strides = &numbers[1]};
    mapped_array b = {.shape = &numbers[2], .strides = &numbers[3]};
    array_of_object(state, self, &a);
    array_of_object(state, other, &b);
    return equal_arrays(&a, &b, self == other);
}

/* Compares a Region or Slice with contiguous bytes, which is the usual case. */
static int equal_bytes(PyObject *self, const Py_buffer *buffer)
{
    mapped_slice span = view_span(self);
    mapped_error error;
    int order = 1;
    if (span.length != (size_t)buffer->len)
        return 0;
    Unlocked unlocked = unlocked_begin(span.region, NULL, span.length);
    mapped_status status =
        mapped_compare_bytes(span, buffer->buf, span.length, &order, &error);
    status = unlocked_end_access(&unlocked, status, &error);
    return equal_if_read(status, order == 0, false);
}

static bool is_bytes(const Py_buffer *buffer)
{
    const char *format = buffer->format;
    return buffer->ndim == 1 && buffer->itemsize == 1 &&
           (format == NULL || (format[0] == 'B' && format[1] == '\0')) &&
           PyBuffer_IsContiguous(buffer, 'C');
}

/* Takes the shape from the buffer, and sets the strides to those of items that
 * follow one another. Returns false if the items aren't as many bytes as the
 * buffer says: its length is what is copied and wrapped, and must be true. */
static bool take_shape(const Py_buffer *buffer, ForeignItems *items)
{
    Py_ssize_t bytes = buffer->itemsize;
    items->array.dimensions = buffer->ndim;
    for (int i = buffer->ndim - 1; i >= 0; i--) {
        items->shape[i] = buffer->shape[i];
        items->strides[i] = bytes;
        if (buffer->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, buffer->shape[i], &bytes))
            return false;
    }
    return bytes == buffer->len;
}

/* Sets `*data` to the items' bytes in order. Returns 0, or -1 with an
 * exception. */
static int make_contiguous(const Py_buffer *buffer, ForeignItems *items,
                           void **data)
{
    *data = buffer->buf;
    if (PyBuffer_IsContiguous(buffer, 'C'))
        return 0;
    *data = items->copy = memory_new((size_t)buffer->len, 1);
    if (items->copy == NULL)
        return -1;
    return PyBuffer_ToContiguous(items->copy, buffer, buffer->len, 'C');
}

/* Returns 0, or -1 with an exception. In both cases the caller releases `wrap`
 * and frees `copy`. */
static int describe_buffer(const State *state, const Py_buffer *buffer,
                           ForeignItems *items)
{
    void *data;
    mapped_error error;
    const mapped_element *element = buffer_element(buffer);
    items->array =
        (mapped_array){.shape = items->shape, .strides = items->strides};
    items->wrap = NULL;
    items->copy = NULL;
    if (element == NULL || buffer->ndim > MAX_DIMENSIONS ||
        (buffer->ndim > 0 && buffer->shape == NULL) ||
        !take_shape(buffer, items))
        return 0;
    if (make_contiguous(buffer, items, &data) < 0)
        return -1;
    if (mapped_region_wrap(data, (size_t)buffer->len, true, NULL, NULL,
                           &items->wrap, &error) != MAPPED_OK)
        return raised_as_int(raise_error(state, &error, NULL));
    items->array.slice = mapped_region_slice(items->wrap);
    items->array.item = mapped_item_of(element);
    return 0;
}

/* Compares with a buffer whose items the core has no element for. They can be
 * equal only if there are none: then the shapes are compared, if struct knows
 * the format. */
static int equal_empty(const mapped_array *ours, const Py_buffer *buffer)
{
    const char *format = buffer->format != NULL ? buffer->format : "B";
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_STRUCT,
                                         .text = format,
                                         .length = strlen(format)};
    size_t room;
    if (buffer->len != 0 || buffer->ndim != ours->dimensions ||
        buffer->shape == NULL ||
        mapped_fields_room(&source, &room, NULL) != MAPPED_OK ||
        mapped_slice_check(ours->slice, NULL) != MAPPED_OK)
        return 0;
    for (int i = 0; i < buffer->ndim; i++)
        if (buffer->shape[i] != ours->shape[i])
            return 0;
    return 1;
}

static int equal_buffer(const State *state, PyObject *self,
                        const Py_buffer *buffer)
{
    Py_ssize_t length, stride;
    mapped_array ours = {.shape = &length, .strides = &stride};
    ForeignItems theirs;
    int equal = describe_buffer(state, buffer, &theirs);
    if (equal == 0) {
        array_of_object(state, self, &ours);
        equal = theirs.wrap != NULL ? equal_arrays(&ours, &theirs.array, false)
                                    : equal_empty(&ours, buffer);
    }
    mapped_region_release(theirs.wrap);
    PyMem_Free(theirs.copy);
    return equal;
}

/* An object that raises when it is asked for its buffer can't be compared; but
 * errors that aren't about the object are passed on. */
static int refused_buffer(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError))
        return -1;
    PyErr_Clear();
    return NOT_COMPARABLE;
}

static int compare_foreign(const State *state, PyObject *self, PyObject *other)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(other, &buffer, PyBUF_FULL_RO) < 0)
        return refused_buffer();
    int equal = is_comparable_as_bytes(state, self) && is_bytes(&buffer)
                    ? equal_bytes(self, &buffer)
                    : equal_buffer(state, self, &buffer);
    PyBuffer_Release(&buffer);
    return equal;
}

/* Turns what a comparison returned into what == or != does. */
static PyObject *make_result(int equal, int operation)
{
    if (equal == NOT_COMPARABLE)
        Py_RETURN_NOTIMPLEMENTED;
    return equal < 0 ? NULL : PyBool_FromLong(equal == (operation == Py_EQ));
}

PyObject *equal_compare(PyObject *self, PyObject *other, int operation)
{
    int equal = NOT_COMPARABLE;
    const State *state = PyType_GetModuleState(Py_TYPE(self));
    if (operation != Py_EQ && operation != Py_NE)
        Py_RETURN_NOTIMPLEMENTED;
    if (state == NULL)
        return NULL;
    if (is_array(state, other) || is_view(state, other))
        equal = compare_own(state, self, other);
    else if (PyObject_CheckBuffer(other))
        equal = compare_foreign(state, self, other);
    return make_result(equal, operation);
}

static mapped_array record_as_array(const Record *record)
{
    return (mapped_array){.slice = record->slice,
                          .item =
                              mapped_item_of_record(record->layout->fields)};
}

PyObject *record_compare(PyObject *self, PyObject *other, int operation)
{
    if (PyTuple_Check(other) && (operation == Py_EQ || operation == Py_NE))
        return record_compare_values(self, other, operation);
    if ((operation != Py_EQ && operation != Py_NE) ||
        Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    const mapped_array a = record_as_array(record_of(self));
    const mapped_array b = record_as_array(record_of(other));
    return make_result(equal_arrays(&a, &b, self == other), operation);
}
