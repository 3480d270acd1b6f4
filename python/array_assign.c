/* Storing into an array.
 *
 * `a[i] = v` is assign_element or assign_record.
 *
 * `a[i:j] = v` is assign_range, which uses the first of these that can do it:
 *
 * - assign_scalar, if `v` is one value for all items;
 *
 * - copy_items, if `v` is an array of ours with items of the same type;
 *
 * - scatter_source, if `v` is another object's buffer of the same elements;
 *
 * - assign_values, for any other sequence. All values are converted before the
 *   first is stored. */
#include "array.h"

#include <string.h>

#include "records.h"
#include "source.h"
#include "unlocked.h"
#include "value.h"

/* Raises that values of another shape can't be assigned. Without `shape` it is
 * not known. */
static int raise_shapes(const mapped_array *target, int dimensions,
                        const Py_ssize_t *shape)
{
    PyObject *wanted = array_tuple(target->shape, target->dimensions);
    PyObject *given =
        wanted == NULL || shape == NULL ? NULL : array_tuple(shape, dimensions);
    if (wanted != NULL && shape == NULL)
        PyErr_Format(PyExc_ValueError,
                     "the shapes of the items, %R, and of the values differ",
                     wanted);
    if (given != NULL)
        PyErr_Format(PyExc_ValueError,
                     "the shapes of the items, %R, and of the values, %R, "
                     "differ",
                     wanted, given);
    Py_XDECREF(given);
    Py_XDECREF(wanted);
    return -1;
}

static int assign_element(const Array *array, size_t offset, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    const mapped_element *element = array->core.item.element;
    ValueStatus status = value_from(element, array->native, object, &value);
    if (status != VALUE_CONVERTED)
        return value_refuse(element, object, status);
    if (mapped_set(array->core.slice, element, offset, value, &error) ==
        MAPPED_OK)
        return 0;
    if (error.status == MAPPED_VALUE)
        return value_refuse(element, object, VALUE_UNFIT);
    return raised_as_int(raise_in(array->owner, ASSIGN, &error));
}

static bool is_blank(char c)
{
    return strchr(" \t\n\r\f\v", c) != NULL;
}

/* Is this the count in a format like "1i"? No code is before '?' in ASCII. */
static bool is_count_of_one(const char *format)
{
    return format[0] == '1' && format[1] >= '?';
}

/* Finds the element that a format means. As struct does it, blanks and counts
 * of one are ignored, as in " 1 i" and "<1i", but no blank may stand before a
 * byte order. A text of one byte is taken for a char, as NumPy calls it. */
static const mapped_element *element_of(const char *format)
{
    char code[3] = ""; /* the format without what is ignored */
    size_t length = 0;
    const char first = *format;
    for (; *format != '\0'; format++) {
        if (is_blank(*format) || is_count_of_one(format))
            continue;
        if (length == sizeof code - 1)
            return NULL;
        code[length++] = *format;
    }
    const bool has_byte_order = length == 2;
    if (has_byte_order && code[0] != first)
        return NULL;
    if (length > 0 && code[length - 1] == 's')
        code[length - 1] = 'c';
    return mapped_element_from_struct(code, length, NULL);
}

const mapped_element *buffer_element(const Py_buffer *buffer)
{
    const mapped_element *element =
        element_of(buffer->format != NULL ? buffer->format : "B");
    return element != NULL && element->size == buffer->itemsize ? element
                                                                : NULL;
}

static int raise_count(Py_ssize_t count, const mapped_array *target)
{
    return raised_as_int(PyErr_Format(
        PyExc_ValueError, "the shapes differ: %zd values for %zd items", count,
        target->shape[0]));
}

/* Converts a nested sequence to items, which it stores at `*to`, and advances
 * that. Each sequence becomes a tuple first, because converting a value may
 * change it. Returns 0, or -1 with an exception. */
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
    PyObject *values =
        values_tuple("items take a sequence, a buffer or one value", object);
    if (values == NULL)
        return -1;
    mapped_array row = *target; /* without the first dimension */
    row.dimensions--;
    row.shape++;
    Py_ssize_t count = PyTuple_Size(values);
    int status = count == target->shape[0] ? 0 : raise_count(count, target);
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = convert_values(array, &row, PyTuple_GetItem(values, i), to);
    Py_DECREF(values);
    return status;
}

/* Converts all values to items in memory of their own, and then stores these.
 */
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

/* Copies the items of `source`, which is ours and belongs to `source_owner`. */
static int copy_items(const Array *array, const mapped_array *target,
                      Region *source_owner, const mapped_array *source)
{
    mapped_error error;
    if (!same_shape(target, source->dimensions, source->shape)) {
        /* A closed Region has no bytes, so its shape differs too. */
        if (require_open(source_owner, ASSIGN) < 0)
            return -1;
        return raise_shapes(target, source->dimensions, source->shape);
    }
    if (TRY_TWICE(copy_core(target, source, &error), &error))
        return 0;
    return raised_as_int(raise_in(
        failed_region(error.status, array->owner, source_owner, source->slice),
        ASSIGN, &error));
}

/* Stores the items of a source, which have the target's shape. */
static int scatter_source(const Array *array, const mapped_array *target,
                          const Source *source)
{
    mapped_extent extent;
    mapped_error error;
    if (source->length != array_bytes(target))
        return raise_shapes(target, 0, NULL);
    if (mapped_array_extent(target, &extent, &error) != MAPPED_OK)
        return raised_as_int(raise_in(array->owner, ASSIGN, &error));
    if (extent.contiguous && !mapped_region_device(target->slice.region))
        return source_store(source, array->owner, extent.bytes, 0);
    if (source->copy != NULL)
        return array_scatter(array->owner, target, source->copy);
    /* The buffer may be memory of the target, and overlap its items in any
     * pattern. So the source is copied first. */
    char *copy = memory_new(source->length, 1);
    if (copy == NULL)
        return -1;
    memcpy(copy, source->data, source->length);
    int status = array_scatter(array->owner, target, copy);
    PyMem_Free(copy);
    return status;
}

/* Stores from an object that has a buffer. The buffer is asked for only once,
 * because an object may answer differently each time. */
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
                     : raise_shapes(target, buffer->ndim, buffer->shape);
    source_close(&source);
    return status;
}

/* Is it one value, and no sequence of them? Of records only what has names is,
 * because a tuple could be either. */
static bool is_scalar(const Array *array, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (array->layout != NULL)
        return PyDict_Check(object) ||
               Py_IS_TYPE(object, array->owner->state->record);
    return PyNumber_Check(object) &&
           PyType_GetSlot(type, Py_mp_length) == NULL &&
           PyType_GetSlot(type, Py_sq_length) == NULL;
}

static mapped_status fill_core(const mapped_array *target, const void *item,
                               mapped_error *error)
{
    Unlocked unlocked =
        unlocked_begin(target->slice.region, NULL, array_bytes(target));
    return unlocked_end_access(&unlocked,
                               mapped_array_fill(target, item, error), error);
}

/* Stores one value into all items of `target`. */
static int assign_scalar(const Array *array, const char *operation,
                         const mapped_array *target, PyObject *object)
{
    const mapped_item *item = &target->item;
    mapped_error error;
    unsigned char *value = memory_new(item->size, 1);
    if (value == NULL)
        return -1;
    int status =
        item->kind == MAPPED_ITEM_ELEMENT
            ? element_store(item->element, array->native, object, value)
            : record_store(array->owner->state, item->record, object, value);
    if (status == 0)
        status = check_status(array->owner, operation,
                              fill_core(target, value, &error), &error);
    PyMem_Free(value);
    return status;
}

const char items_fill_doc[] =
    PyDoc_STR("fill($self, value, /)\n--\n\n"
              "Store one value, or one record, into all items. Raises what\n"
              "assigning an item does.");

METHOD_ONE(items_fill)
{
    const Array *array = array_of(self);
    if (require_open(array->owner, "fill") < 0 ||
        assign_scalar(array, "fill", &array->core, argument) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Stores `object` into all items of `target`, some or all of those of
 * `array`.
 */
static int assign_range(const Array *array, const mapped_array *target,
                        PyObject *object)
{
    Py_ssize_t length, stride; /* for a Region or Slice: an array of bytes */
    mapped_array source = {.shape = &length, .strides = &stride};
    Region *source_owner =
        array_of_object(array->owner->state, object, &source);
    if (is_scalar(array, object))
        return assign_scalar(array, ASSIGN, target, object);
    if (source_owner == NULL)
        return PyObject_CheckBuffer(object)
                   ? assign_buffer(array, target, object)
                   : assign_values(array, target, object);
    if (require_open(source_owner, ASSIGN) < 0)
        return -1;
    if (mapped_item_equal(&target->item, &source.item))
        return copy_items(array, target, source_owner, &source);
    return assign_values(array, target, object);
}

int array_assign_all(PyObject *self, PyObject *value)
{
    return assign_range(array_of(self), &array_of(self)->core, value);
}

static int assign_record(const Array *array, size_t offset, PyObject *object)
{
    const mapped_field field = {.item = array->core.item, .offset = offset};
    return field_write(array->owner, array->core.slice, &field, object);
}

static int assign_column(const Array *array, PyObject *name, PyObject *value)
{
    PyObject *column = records_column((PyObject *)array, name);
    int status = column == NULL ? -1 : array_assign_all(column, value);
    Py_XDECREF(column);
    return status;
}

/* Assigns with any key, and refuses to delete. */
COLD static int assign_any(const Array *array, PyObject *key, PyObject *value)
{
    CoreArray selected;
    PyErr_Clear(); /* The fast path may have raised. */
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, array->layout != NULL
                                             ? "records can't be deleted"
                                             : "array items can't be deleted");
        return -1;
    }
    if (array->layout != NULL && PyUnicode_Check(key))
        return assign_column(array, key, value);
    if (array_select(array, key, &selected) < 0)
        return -1;
    if (selected.core.dimensions > 0)
        return assign_range(array, &selected.core, value);
    return array->layout != NULL
               ? assign_record(array, selected.core.first, value)
               : assign_element(array, selected.core.first, value);
}

/* The fast path is for an index that is an int and not negative. */
int array_assign(PyObject *self, PyObject *key, PyObject *value)
{
    const Array *array = array_of(self);
    if (value != NULL && Py_IS_TYPE(key, &PyLong_Type) &&
        array->core.dimensions == 1 && array->layout == NULL) {
        Py_ssize_t index = PyLong_AsSsize_t(key);
        /* A negative index becomes a huge size_t. */
        if ((size_t)index < (size_t)array->core.shape[0])
            return assign_element(
                array, mapped_array_offset(&array->core, (size_t)index), value);
    }
    return assign_any(array, key, value);
}
