/* Storing into an array: one item, or a part from another array, a buffer or a
 * sequence of values. All values are converted before the first is stored. */
#include "array.h"

#include <string.h>

#include "records.h"
#include "value.h"

static int refuse_shape(void)
{
    return failed(PyErr_Format(
        PyExc_ValueError, "the shapes of the array and of the values differ"));
}

static int assign_element(const Array *array, size_t offset, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    const mapped_element *element = array->array.item.element;
    int status = value_from(element, array->native, object, &value);
    if (status == 0 && mapped_set(array->array.slice, element, offset, value,
                                  &error) == MAPPED_OK)
        return 0;
    if (status != 0 || error.status == MAPPED_VALUE)
        return value_refuse(element, object, status);
    return failed(raise_in(array->owner, ASSIGN, &error));
}

/* The format without the blanks, and the count of one, that struct allows. A
 * text of one byte is a char, as NumPy calls it. */
static const mapped_element *element_of(const char *format)
{
    char plain[3] = "";
    size_t length = 0;
    const char first = *format;
    for (; *format != '\0'; format++) {
        bool counts = *format == '1' && format[1] >= '?';
        if (strchr(" \t\n\r\f\v", *format) != NULL || counts)
            continue;
        if (length == sizeof plain - 1)
            return NULL;
        plain[length++] = *format;
    }
    if (length == 2 && plain[0] != first) /* blanks before a byte order */
        return NULL;
    if (length > 0 && plain[length - 1] == 's')
        plain[length - 1] = 'c';
    return mapped_element_from_struct(plain, length, NULL);
}

const mapped_element *buffer_element(const Py_buffer *buffer)
{
    const mapped_element *element =
        element_of(buffer->format != NULL ? buffer->format : "B");
    return element != NULL && element->size == buffer->itemsize ? element
                                                                : NULL;
}

/* A tuple of its own, since converting one value may change the sequence. */
static int take_values(const Array *array, const mapped_array *part,
                       PyObject *object, unsigned char **to)
{
    if (part->dimensions == 0) {
        unsigned char *item = *to;
        *to += part->item.size;
        return part->item.kind == MAPPED_ITEM_ELEMENT
                   ? element_store(part->item.element, array->native, object,
                                   item)
                   : record_store(array->owner->state, part->item.record,
                                  object, item);
    }
    PyObject *values = PySequence_Tuple(object);
    if (values == NULL)
        return -1;
    mapped_array row = *part;
    row.dimensions--;
    row.shape++;
    Py_ssize_t count = PyTuple_Size(values);
    int status = count == part->shape[0] ? 0 : refuse_shape();
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = take_values(array, &row, PyTuple_GetItem(values, i), to);
    Py_DECREF(values);
    return status;
}

/* Values are converted before any is stored, which takes as much memory. */
static int assign_values(const Array *array, const mapped_array *part,
                         PyObject *object)
{
    unsigned char *values = memory_new(array_bytes(part), 1);
    unsigned char *end = values;
    if (values == NULL)
        return -1;
    int status = take_values(array, part, object, &end);
    if (status == 0)
        status = array_scatter(array->owner, part, values);
    PyMem_Free(values);
    return status;
}

static bool same_shape(const mapped_array *part, int dimensions,
                       const Py_ssize_t *shape)
{
    if (dimensions != part->dimensions)
        return false;
    for (int i = 0; i < dimensions; i++)
        if (part->shape[i] != shape[i])
            return false;
    return true;
}

static mapped_status copy_core(const mapped_array *part,
                               const mapped_array *from, mapped_error *error)
{
    Unlocked unlocked = unlocked_begin(part->slice.region, from->slice.region,
                                       array_bytes(part));
    return unlocked_end_access(&unlocked, mapped_array_copy(part, from, error),
                               error);
}

/* Items of the same type that are ours. */
static int copy_items(const Array *array, const mapped_array *part,
                      Region *owner, const mapped_array *from)
{
    mapped_error error;
    if (!same_shape(part, from->dimensions, from->shape))
        return require_open(owner) < 0 ? -1 : refuse_shape();
    if (SUCCEEDS_WITH_RETRY(copy_core(part, from, &error), &error))
        return 0;
    const Source source = {.owner = owner, .slice = from->slice};
    return failed(raise_in(failed_region(&source, array->owner, error.status),
                           ASSIGN, &error));
}

static int scatter_source(const Array *array, const mapped_array *part,
                          const Source *source)
{
    mapped_extent extent;
    mapped_error error;
    if (source->length != array_bytes(part))
        return refuse_shape();
    if (mapped_array_extent(part, &extent, &error) != MAPPED_OK)
        return failed(raise_in(array->owner, ASSIGN, &error));
    if (extent.contiguous && !mapped_region_device(part->slice.region))
        return source_store(source, array->owner, extent.bytes, 0);
    if (source->copy != NULL)
        return array_scatter(array->owner, part, source->copy);
    /* The two may overlap in any pattern. */
    char *copy = memory_new(source->length, 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, source->data, source->length);
    int status = array_scatter(array->owner, part, copy);
    PyMem_Free(copy);
    return status;
}

/* Asked for its buffer once: each time it gives what it likes. */
static int assign_buffer(const Array *array, const mapped_array *part,
                         PyObject *object)
{
    Source source;
    if (source_open(array->owner->state, object, ASSIGN, &source) < 0)
        return -1;
    const Py_buffer *buffer = &source.buffer;
    const mapped_element *element = buffer_element(buffer);
    bool same = element != NULL && element == part->item.element;
    int status = 0;
    if (same && same_shape(part, buffer->ndim, buffer->shape))
        status = scatter_source(array, part, &source);
    else if (same)
        status = refuse_shape();
    source_close(&source);
    return same ? status : assign_values(array, part, object);
}

/* Items of the same type are copied as bytes; whatever else is a sequence. */
static int assign_part(const Array *array, const mapped_array *part,
                       PyObject *object)
{
    Py_ssize_t length, step;
    mapped_array from = {.shape = &length, .strides = &step};
    Region *owner = array_described(array->owner->state, object, &from);
    if (owner == NULL)
        return PyObject_CheckBuffer(object)
                   ? assign_buffer(array, part, object)
                   : assign_values(array, part, object);
    if (require_open(owner) < 0)
        return -1;
    if (mapped_item_is(&part->item, &from.item))
        return copy_items(array, part, owner, &from);
    return assign_values(array, part, object);
}

int array_assign_all(PyObject *self, PyObject *value)
{
    return assign_part(array_of(self), &array_of(self)->array, value);
}

static int assign_record(const Array *array, size_t offset, PyObject *object)
{
    const mapped_field all = {.item = array->array.item, .offset = offset};
    return field_write(array->owner, array->array.slice, &all, object);
}

COLD static int assign_any(const Array *array, PyObject *key, PyObject *value)
{
    Part part;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, array->layout != NULL
                                             ? "records can't be deleted"
                                             : "array items can't be deleted");
        return -1;
    }
    if (array_select(array, key, &part) < 0)
        return -1;
    if (part.array.dimensions > 0)
        return assign_part(array, &part.array, value);
    return array->layout != NULL
               ? assign_record(array, part.array.first, value)
               : assign_element(array, part.array.first, value);
}

/* The shortest way for an index that is an int and not negative. */
int array_assign(PyObject *self, PyObject *key, PyObject *value)
{
    const Array *array = array_of(self);
    if (value != NULL && Py_IS_TYPE(key, &PyLong_Type) &&
        array->array.dimensions == 1 && array->layout == NULL) {
        Py_ssize_t index = PyLong_AsSsize_t(key);
        if ((size_t)index < (size_t)array->array.shape[0])
            return assign_element(
                array, mapped_array_offset(&array->array, (size_t)index),
                value);
    }
    return assign_any(array, key, value);
}
