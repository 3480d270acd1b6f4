/* Storing into an array. `a[i] = v` is assign_element or assign_record. `a[i:j]
 * = v` is copy_items from an array of ours with the same items, scatter_source
 * from a buffer of the same elements, and else assign_values from a sequence.
 * All values are converted before the first is stored. */
#include "array.h"

#include <string.h>

#include "records.h"
#include "unlocked.h"
#include "value.h"

static int refuse_shape(void)
{
    return raised_as_int(PyErr_Format(
        PyExc_ValueError, "the shapes of the array and of the values differ"));
}

static int assign_element(const Array *array, size_t offset, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    const mapped_element *element = array->core.item.element;
    int status = value_from(element, array->native, object, &value);
    if (status != 0)
        return value_refuse(element, object, status);
    if (mapped_set(array->core.slice, element, offset, value, &error) ==
        MAPPED_OK)
        return 0;
    if (error.status == MAPPED_VALUE)
        return value_refuse(element, object, 0);
    return raised_as_int(raise_in(array->owner, ASSIGN, &error));
}

/* Takes " 1 i" for "i" and "<1i" for "<i", as struct does, but no blanks before
 * a byte order. A text of one byte is a char, as NumPy calls it. */
static const mapped_element *element_of(const char *format)
{
    char plain[3] = "";
    size_t length = 0;
    const char first = *format;
    for (; *format != '\0'; format++) {
        bool is_count_of_one = *format == '1' && format[1] >= '?'; /* a code */
        if (strchr(" \t\n\r\f\v", *format) != NULL || is_count_of_one)
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

/* Stores the values at `*to` and advances it. Each sequence becomes a tuple
 * first, because converting a value may change it. */
static int convert_values(const Array *array, const mapped_array *target,
                          PyObject *object, unsigned char **to)
{
    if (target->dimensions == 0) {
        unsigned char *item = *to;
        *to += target->item.size;
        return target->item.kind == MAPPED_ITEM_ELEMENT
                   ? element_store(target->item.element, array->native, object,
                                   item)
                   : record_store(array->owner->state, target->item.record,
                                  object, item);
    }
    PyObject *values = PySequence_Tuple(object);
    if (values == NULL)
        return -1;
    mapped_array row = *target; /* one dimension down */
    row.dimensions--;
    row.shape++;
    Py_ssize_t count = PyTuple_Size(values);
    int status = count == target->shape[0] ? 0 : refuse_shape();
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = convert_values(array, &row, PyTuple_GetItem(values, i), to);
    Py_DECREF(values);
    return status;
}

/* Values are converted before any is stored, which takes as much memory. */
static int assign_values(const Array *array, const mapped_array *target,
                         PyObject *object)
{
    unsigned char *values = memory_new(array_bytes(target), 1);
    unsigned char *end = values;
    if (values == NULL)
        return -1;
    int status = convert_values(array, target, object, &end);
    if (status == 0)
        status = array_scatter(array->owner, target, values);
    PyMem_Free(values);
    return status;
}

static bool same_shape(const mapped_array *target, int dimensions,
                       const Py_ssize_t *shape)
{
    if (dimensions != target->dimensions)
        return false;
    for (int i = 0; i < dimensions; i++)
        if (target->shape[i] != shape[i])
            return false;
    return true;
}

static mapped_status copy_core(const mapped_array *target,
                               const mapped_array *from, mapped_error *error)
{
    Unlocked unlocked = unlocked_begin(target->slice.region, from->slice.region,
                                       array_bytes(target));
    return unlocked_end_access(&unlocked,
                               mapped_array_copy(target, from, error), error);
}

/* Items of the same type that are ours. */
static int copy_items(const Array *array, const mapped_array *target,
                      Region *owner, const mapped_array *from)
{
    mapped_error error;
    /* a closed Region has no bytes: that is why the shapes differ */
    if (!same_shape(target, from->dimensions, from->shape))
        return require_open(owner, ASSIGN) < 0 ? -1 : refuse_shape();
    if (TRY_TWICE(copy_core(target, from, &error), &error))
        return 0;
    const Source source = {.owner = owner, .slice = from->slice};
    return raised_as_int(raise_in(
        failed_region(&source, array->owner, error.status), ASSIGN, &error));
}

static int scatter_source(const Array *array, const mapped_array *target,
                          const Source *source)
{
    mapped_extent extent;
    mapped_error error;
    if (source->length != array_bytes(target))
        return refuse_shape();
    if (mapped_array_extent(target, &extent, &error) != MAPPED_OK)
        return raised_as_int(raise_in(array->owner, ASSIGN, &error));
    if (extent.contiguous && !mapped_region_device(target->slice.region))
        return source_store(source, array->owner, extent.bytes, 0);
    if (source->copy != NULL)
        return array_scatter(array->owner, target, source->copy);
    /* The two may overlap in any pattern, so the source is copied first. */
    char *copy = memory_new(source->length, 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, source->data, source->length);
    int status = array_scatter(array->owner, target, copy);
    PyMem_Free(copy);
    return status;
}

/* Asks for the buffer only once: an object may answer differently each time. */
static int assign_buffer(const Array *array, const mapped_array *target,
                         PyObject *object)
{
    Source source;
    if (source_open(array->owner->state, object, ASSIGN, &source) < 0)
        return -1;
    const Py_buffer *buffer = &source.buffer;
    const mapped_element *element = buffer_element(buffer);
    if (element == NULL || element != target->item.element) {
        source_close(&source);
        return assign_values(array, target, object);
    }
    int status = same_shape(target, buffer->ndim, buffer->shape)
                     ? scatter_source(array, target, &source)
                     : refuse_shape();
    source_close(&source);
    return status;
}

/* Items of the same type are copied as bytes; whatever else is a sequence. */
static int assign_range(const Array *array, const mapped_array *target,
                        PyObject *object)
{
    Py_ssize_t length, step; /* of a Region or Slice, which is bytes */
    mapped_array from = {.shape = &length, .strides = &step};
    Region *owner = array_described(array->owner->state, object, &from);
    if (owner == NULL)
        return PyObject_CheckBuffer(object)
                   ? assign_buffer(array, target, object)
                   : assign_values(array, target, object);
    if (require_open(owner, ASSIGN) < 0)
        return -1;
    if (mapped_item_equal(&target->item, &from.item))
        return copy_items(array, target, owner, &from);
    return assign_values(array, target, object);
}

int array_assign_all(PyObject *self, PyObject *value)
{
    return assign_range(array_of(self), &array_of(self)->core, value);
}

static int assign_record(const Array *array, size_t offset, PyObject *object)
{
    const mapped_field all = {.item = array->core.item, .offset = offset};
    return field_write(array->owner, array->core.slice, &all, object);
}

/* The general case. */
COLD static int assign_any(const Array *array, PyObject *key, PyObject *value)
{
    Part part;
    PyErr_Clear(); /* PyLong_AsSsize_t in array_assign may have raised */
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, array->layout != NULL
                                             ? "records can't be deleted"
                                             : "array items can't be deleted");
        return -1;
    }
    if (array_select(array, key, &part) < 0)
        return -1;
    if (part.core.dimensions > 0)
        return assign_range(array, &part.core, value);
    return array->layout != NULL
               ? assign_record(array, part.core.first, value)
               : assign_element(array, part.core.first, value);
}

/* The fast path is for an index that is an int and not negative. */
int array_assign(PyObject *self, PyObject *key, PyObject *value)
{
    const Array *array = array_of(self);
    if (value != NULL && Py_IS_TYPE(key, &PyLong_Type) &&
        array->core.dimensions == 1 && array->layout == NULL) {
        Py_ssize_t index = PyLong_AsSsize_t(key);
        /* as size_t a negative index is huge */
        if ((size_t)index < (size_t)array->core.shape[0])
            return assign_element(
                array, mapped_array_offset(&array->core, (size_t)index), value);
    }
    return assign_any(array, key, value);
}
