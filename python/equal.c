/* == and !=: by content and format, as memoryview has it. It never raises for
 * what its operands are: what can't be read, because it is closed, out of range
 * or lost, equals only itself.
 *
 * The buffer of an object that isn't ours is taken first, because that runs its
 * code; only then is anything of ours looked at. */
#include <string.h>

#include "array.h"
#include "records.h"
#include "unlocked.h"

/* What can't be compared with ours. */
#define NOT_OURS 2

/* Items to compare; none if `array.slice.region` is NULL. */
typedef struct Operand {
    mapped_array core;
    Py_ssize_t shape[MAX_DIMENSIONS];
    Py_ssize_t strides[MAX_DIMENSIONS];
    mapped_region *wrap; /* over the bytes of a buffer, or NULL */
    void *copy;          /* the items of a strided buffer, or NULL */
} Operand;

/* What a comparison came to: an operand that can't be read equals itself. */
static int equal_if(mapped_status status, bool equal, bool same)
{
    return status == MAPPED_OK ? equal : same;
}

static int equal_arrays(const mapped_array *a, const mapped_array *b, bool same)
{
    mapped_error error;
    bool equal = false;
    Unlocked unlocked =
        unlocked_begin(a->slice.region, b->slice.region, a->slice.length);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_array_equal(a, b, &equal, &error), &error);
    return equal_if(status, equal, same);
}

/* Not a device, whose items are read one by one. */
static bool is_plain(const State *state, PyObject *object)
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

/* A plain view and bytes, as nearly always. */
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
    return equal_if(status, order == 0, false);
}

static bool is_bytes(const Py_buffer *buffer)
{
    const char *format = buffer->format;
    return buffer->ndim == 1 && buffer->itemsize == 1 &&
           (format == NULL || (format[0] == 'B' && format[1] == '\0')) &&
           PyBuffer_IsContiguous(buffer, 'C');
}

/* The shape, and the strides of items that follow one another. False if they
 * don't make as many bytes as the buffer says. */
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

/* The bytes of the items in order. Returns 0, or -1 with an exception. */
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

/* Without items, there is only the shape to compare, whatever struct calls an
 * item. */
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

/* Whatever an object says when it is asked for its buffer: no comparison. */
static int refused(void)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception) ||
        PyErr_ExceptionMatches(PyExc_MemoryError))
        return -1;
    PyErr_Clear();
    return NOT_OURS;
}

static int compare_foreign(const State *state, PyObject *self, PyObject *other)
{
    Py_buffer buffer;
    if (PyObject_GetBuffer(other, &buffer, PyBUF_FULL_RO) < 0)
        return refused();
    int equal = is_plain(state, self) && is_bytes(&buffer)
                    ? equal_bytes(self, &buffer)
                    : equal_buffer(state, self, &buffer);
    PyBuffer_Release(&buffer);
    return equal;
}

static PyObject *answer(int equal, int operation)
{
    if (equal == NOT_OURS)
        Py_RETURN_NOTIMPLEMENTED;
    return equal < 0 ? NULL : PyBool_FromLong(equal == (operation == Py_EQ));
}

static const State *state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

PyObject *equal_compare(PyObject *self, PyObject *other, int operation)
{
    int equal = NOT_OURS;
    const State *state = state_of(self);
    if (operation != Py_EQ && operation != Py_NE)
        Py_RETURN_NOTIMPLEMENTED;
    if (state == NULL)
        return NULL;
    if (is_array(state, other) || is_view(state, other))
        equal = compare_own(state, self, other);
    else if (PyObject_CheckBuffer(other))
        equal = compare_foreign(state, self, other);
    return answer(equal, operation);
}

static mapped_array record_described(const Record *record)
{
    return (mapped_array){.slice = record->slice,
                          .item =
                              mapped_item_of_record(record->layout->fields)};
}

PyObject *record_compare(PyObject *self, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) ||
        Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    const mapped_array a = record_described(record_of(self));
    const mapped_array b = record_described(record_of(other));
    return answer(equal_arrays(&a, &b, self == other), operation);
}
