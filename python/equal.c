/* == and !=: by content and format, as memoryview has it. It never raises for
 * what its operands are: what can't be read, because it is closed, out of range
 * or lost, equals only itself.
 *
 * The buffer of an object that isn't ours is taken first, because that runs its
 * code; only then is anything of ours looked at. */
#include "array.h"
#include "records.h"

/* What can't be compared with ours. */
#define NOT_OURS 2

/* Items to compare; none if `array.element` is NULL. */
typedef struct Operand {
    mapped_element_array array;
    Py_ssize_t shape[MAX_DIMENSIONS];
    Py_ssize_t strides[MAX_DIMENSIONS];
    mapped_region *wrap; /* over the bytes of a buffer, or NULL */
    void *copy;          /* the items of a strided buffer, or NULL */
} Operand;

/* What a comparison came to: an operand that can't be read equals itself. */
static int outcome(mapped_status status, bool equal, bool same)
{
    return status == MAPPED_OK ? equal : same;
}

static bool is_view(const State *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->slice) ||
           Py_IS_TYPE(object, state->region);
}

/* A view is an array of bytes. */
static void describe(const State *state, PyObject *object, Operand *operand)
{
    operand->wrap = NULL;
    operand->copy = NULL;
    operand->array = (mapped_element_array){
        {NULL, 0, 0}, 0, NULL, 1, operand->shape, operand->strides};
    if (is_view(state, object)) {
        operand->array.slice = view_span(object);
        operand->array.element = code_of_bytes(state)->element;
        operand->shape[0] = (Py_ssize_t)operand->array.slice.length;
        operand->strides[0] = 1;
    } else if (Py_IS_TYPE(object, state->array)) {
        Array *array = array_of(object);
        operand->array = (mapped_element_array){
            array->slice,      array->first,       array->code.element,
            array->dimensions, array_shape(array), array_strides(array)};
    }
}

static int equal_items(const Operand *a, const Operand *b, bool same)
{
    mapped_error error;
    bool equal = false;
    if (a->array.element == NULL || b->array.element == NULL)
        return same;
    Away away = away_begin(a->array.slice.region, b->array.slice.region,
                           a->array.slice.length);
    mapped_status status =
        mapped_element_array_equal(&a->array, &b->array, &equal, &error);
    status = away_end_access(&away, status, &error);
    return outcome(status, equal, same);
}

static mapped_records records_described(const Records *records)
{
    return (mapped_records){records->slice, (size_t)records->first,
                            records->layout->layout, (size_t)records->count,
                            records->stride};
}

static int equal_records(const mapped_records *a, const mapped_records *b,
                         bool same)
{
    mapped_error error;
    bool equal = false;
    Away away = away_begin(a->slice.region, b->slice.region, a->slice.length);
    mapped_status status = mapped_records_equal(a, b, &equal, &error);
    status = away_end_access(&away, status, &error);
    return outcome(status, equal, same);
}

/* Two plain views, as nearly always. */
static int equal_views(PyObject *self, PyObject *other)
{
    mapped_slice a = view_span(self), b = view_span(other);
    mapped_error error;
    int order = 1;
    if (a.length != b.length)
        return 0;
    Away away = away_begin(a.region, b.region, a.length);
    mapped_status status = mapped_compare(a, b, &order, &error);
    status = away_end_access(&away, status, &error);
    return outcome(status, order == 0, self == other);
}

/* Not a device, whose items are read one by one. */
static bool is_plain(const State *state, PyObject *object)
{
    return is_view(state, object) &&
           !mapped_region_device(view_span(object).region);
}

static int compare_own(const State *state, PyObject *self, PyObject *other)
{
    if (is_plain(state, self) && is_plain(state, other))
        return equal_views(self, other);
    if (Py_IS_TYPE(self, state->records) && Py_IS_TYPE(other, state->records)) {
        const mapped_records a = records_described(records_of(self));
        const mapped_records b = records_described(records_of(other));
        return equal_records(&a, &b, self == other);
    }
    Operand a, b;
    describe(state, self, &a);
    describe(state, other, &b);
    return equal_items(&a, &b, self == other);
}

/* A plain view and bytes, likewise. */
static int equal_bytes(PyObject *self, const Py_buffer *buffer)
{
    mapped_slice span = view_span(self);
    mapped_error error;
    int order = 1;
    if (span.length != (size_t)buffer->len)
        return 0;
    Away away = away_begin(span.region, NULL, span.length);
    mapped_status status =
        mapped_compare_bytes(span, buffer->buf, span.length, &order, &error);
    status = away_end_access(&away, status, &error);
    return outcome(status, order == 0, false);
}

static bool is_bytes(const Py_buffer *buffer)
{
    const char *format = buffer->format;
    return buffer->ndim == 1 && buffer->itemsize == 1 &&
           (format == NULL || (format[0] == 'B' && format[1] == '\0')) &&
           PyBuffer_IsContiguous(buffer, 'C');
}

/* The shape, and the strides of items that follow one another. */
static void describe_shape(const Py_buffer *buffer, Operand *operand)
{
    Py_ssize_t stride = buffer->itemsize;
    for (int i = buffer->ndim - 1; i >= 0; i--) {
        operand->shape[i] = buffer->shape[i];
        operand->strides[i] = stride;
        if (__builtin_mul_overflow(stride, buffer->shape[i], &stride))
            stride = 0;
    }
    operand->array.dimensions = buffer->ndim;
}

/* Do the items make as many bytes as the buffer says? */
static bool is_consistent(const Py_buffer *buffer)
{
    Py_ssize_t bytes = buffer->itemsize;
    for (int i = 0; i < buffer->ndim; i++)
        if (buffer->shape[i] < 0 ||
            __builtin_mul_overflow(bytes, buffer->shape[i], &bytes))
            return false;
    return bytes == buffer->len;
}

/* The bytes of the items in order. Returns 0, or -1 with an exception. */
static int make_contiguous(const Py_buffer *buffer, Operand *operand,
                           void **data)
{
    *data = buffer->buf;
    if (PyBuffer_IsContiguous(buffer, 'C'))
        return 0;
    operand->copy = PyMem_Malloc((size_t)buffer->len + 1);
    if (operand->copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *data = operand->copy;
    return PyBuffer_ToContiguous(operand->copy, buffer, buffer->len, 'C');
}

/* Returns 0, or -1 with an exception. */
static int describe_buffer(const State *state, const Py_buffer *buffer,
                           Operand *operand)
{
    describe(state, Py_None, operand);
    const mapped_element *element = buffer_element(buffer);
    if (element == NULL || buffer->ndim > MAX_DIMENSIONS ||
        (buffer->ndim > 0 && buffer->shape == NULL) || !is_consistent(buffer))
        return 0;
    void *data;
    if (make_contiguous(buffer, operand, &data) < 0)
        return -1;
    describe_shape(buffer, operand);
    mapped_error error;
    if (mapped_region_wrap(data, (size_t)buffer->len, true, NULL, NULL,
                           &operand->wrap, &error) != MAPPED_OK) {
        raise_error(state, &error, NULL);
        return -1;
    }
    operand->array.slice = mapped_region_slice(operand->wrap);
    operand->array.element = element;
    return 0;
}

static int equal_buffer(const State *state, PyObject *self,
                        const Py_buffer *buffer)
{
    Operand ours, theirs;
    int status = describe_buffer(state, buffer, &theirs);
    describe(state, self, &ours);
    if (status == 0)
        status = equal_items(&ours, &theirs, false);
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
    Extent extent;
    if (operation != Py_EQ && operation != Py_NE)
        Py_RETURN_NOTIMPLEMENTED;
    if (state == NULL)
        return NULL;
    if (extent_of(state, other, &extent))
        equal = compare_own(state, self, other);
    else if (PyObject_CheckBuffer(other))
        equal = compare_foreign(state, self, other);
    return answer(equal, operation);
}

static mapped_records record_described(const Record *record)
{
    const mapped_layout *layout = record->layout->layout;
    return (mapped_records){record->slice, 0, layout, 1,
                            (ptrdiff_t)mapped_layout_size(layout)};
}

PyObject *record_compare(PyObject *self, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) ||
        Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    const mapped_records a = record_described(record_of(self));
    const mapped_records b = record_described(record_of(other));
    return answer(equal_records(&a, &b, self == other), operation);
}
