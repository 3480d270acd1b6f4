/* == and !=, which compare contents and formats, as those of memoryview do.
 * They never raise because of what an operand is: one that can't be read,
 * because it is closed, out of range or lost, equals only itself.
 *
 * The buffer of an object that isn't ours is taken before anything of ours is
 * looked at, because taking it runs the object's code. */
#include <string.h>

#include "array.h"
#include "records.h"
#include "unlocked.h"

/* What a comparison returns: 1 or 0, -1 with an exception, or this, if the
 * other object is of a type that can't be compared with ours. */
#define NOT_COMPARABLE 2

/* The items of a buffer that isn't ours, as an array of the core. */
typedef struct Operand {
    mapped_array core;
    Py_ssize_t shape[MAX_DIMENSIONS];
    Py_ssize_t strides[MAX_DIMENSIONS];
    mapped_region
        *wrap;  /* the region of `core`; NULL if it can't be compared */
    void *copy; /* the items of a strided buffer; NULL for others */
} Operand;

/* An operand that can't be read equals only itself. */
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

/* A device isn't, because its items must be read one by one. */
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

/* Compares a Region or Slice with contiguous bytes, the usual case. */
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
 * follow one another. Returns false if that isn't as many bytes as the buffer
 * says. */
static bool describe_shape(const Py_buffer *buffer, Operand *operand)
{
    Py_ssize_t bytes = buffer->itemsize;
    operand->core.dimensions = buffer->ndim;
    for (int i = buffer->ndim - 1; i >= 0; i--) {
        operand->shape[i] = buffer->shape[i];
        operand->strides[i] = bytes;
        if (buffer->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, buffer->shape[i], &bytes))
            return false;
    }
    return bytes == buffer->len;
}

/* Sets `*data` to the items' bytes in order. Returns 0, or -1 with an
 * exception. */
static int make_contiguous(const Py_buffer *buffer, Operand *operand,
                           void **data)
{
    *data = buffer->buf;
    if (PyBuffer_IsContiguous(buffer, 'C'))
        return 0;
    operand->copy = memory_new((size_t)buffer->len, 1);
    if (operand->copy == NULL)
        return -1;
    *data = operand->copy;
    return PyBuffer_ToContiguous(operand->copy, buffer, buffer->len, 'C');
}

/* Returns 0, or -1 with an exception. */
static int describe_buffer(const State *state, const Py_buffer *buffer,
                           Operand *operand)
{
    operand->core =
        (mapped_array){.shape = operand->shape, .strides = operand->strides};
    operand->wrap = NULL;
    operand->copy = NULL;
    const mapped_element *element = buffer_element(buffer);
    if (element == NULL || buffer->ndim > MAX_DIMENSIONS ||
        (buffer->ndim > 0 && buffer->shape == NULL) ||
        !describe_shape(buffer, operand))
        return 0;
    void *data;
    if (make_contiguous(buffer, operand, &data) < 0)
        return -1;
    mapped_error error;
    if (mapped_region_wrap(data, (size_t)buffer->len, true, NULL, NULL,
                           &operand->wrap, &error) != MAPPED_OK)
        return raised_as_int(raise_error(state, &error, NULL));
    operand->core.slice = mapped_region_slice(operand->wrap);
    operand->core.item = mapped_item_of(element);
    return 0;
}

/* Compares with a buffer that has no element of ours. They can be equal only if
 * it has no items: then the shapes are compared, if struct knows the format. */
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
    Py_ssize_t length, step;
    mapped_array ours = {.shape = &length, .strides = &step};
    Operand theirs;
    int status = describe_buffer(state, buffer, &theirs);
    if (status == 0) {
        array_of_object(state, self, &ours);
        status = theirs.wrap != NULL ? equal_arrays(&ours, &theirs.core, false)
                                     : equal_empty(&ours, buffer);
    }
    mapped_region_release(theirs.wrap);
    PyMem_Free(theirs.copy);
    return status;
}

/* What to return for an object that raises when it is asked for its buffer. */
static int without_buffer(void)
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
        return without_buffer();
    int equal = is_comparable_as_bytes(state, self) && is_bytes(&buffer)
                    ? equal_bytes(self, &buffer)
                    : equal_buffer(state, self, &buffer);
    PyBuffer_Release(&buffer);
    return equal;
}

static PyObject *make_result(int equal, int operation)
{
    if (equal == NOT_COMPARABLE)
        Py_RETURN_NOTIMPLEMENTED;
    return equal < 0 ? NULL : PyBool_FromLong(equal == (operation == Py_EQ));
}

static const State *state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

PyObject *equal_compare(PyObject *self, PyObject *other, int operation)
{
    int equal = NOT_COMPARABLE;
    const State *state = state_of(self);
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

static mapped_array record_described(const Record *record)
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
    const mapped_array a = record_described(record_of(self));
    const mapped_array b = record_described(record_of(other));
    return make_result(equal_arrays(&a, &b, self == other), operation);
}
