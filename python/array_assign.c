/* Storing into an Array or Records.
 *
 * `a[i] = v` is assign_element or assign_record.
 *
 * `a[i:j] = v` is assign_range, whose target is an array of the core, some or
 * all of the items. It uses the first of these that can do it:
 *
 * - assign_scalar, if `v` is one value for all items;
 *
 * - copy_items, if `v` is an array of ours with items of the same type;
 *
 * - scatter_source, if `v` is another object's buffer of the same elements;
 *
 * - assign_values, for any other sequence.
 *
 * The code of others that a value may run (__index__, __iter__, __buffer__)
 * runs before the first item is stored. So values are converted to items in
 * memory of their own first. */
#include "array.h"

#include <stddef.h>
#include <string.h>

#include "records.h"
#include "source.h"
#include "unlocked.h"
#include "value.h"

/* Raises that the values have another shape than the items; returns -1. */
static int raise_shapes(const mapped_array *target, int dimensions,
                        const Py_ssize_t *shape)
{
    PyObject *items = array_tuple(target->shape, target->dimensions);
    PyObject *values = items == NULL ? NULL : array_tuple(shape, dimensions);
    if (values != NULL)
        PyErr_Format(PyExc_ValueError,
                     "the shapes of the items, %R, and of the values, %R, "
                     "differ",
                     items, values);
    Py_XDECREF(values);
    Py_XDECREF(items);
    return -1;
}

static int raise_count(const mapped_array *target, Py_ssize_t count)
{
    return raised_as_int(PyErr_Format(
        PyExc_ValueError, "the shapes differ: %zd values for %zd items", count,
        target->shape[0]));
}

static int assign_element(const Array *array, size_t offset, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    const mapped_element *element = array->core.item.element;
    ValueStatus status = value_from(element, array->native, object, &value);
    if (status != VALUE_CONVERTED)
        return raise_conversion(element, object, status);
    if (mapped_set(array->core.slice, element, offset, value, &error) ==
        MAPPED_OK)
        return 0;
    if (error.status == MAPPED_VALUE)
        return raise_conversion(element, object, VALUE_UNFIT);
    return raised_as_int(raise_in(array->owner, ASSIGN, &error));
}

/* Returns the element of a format in the language of struct, or NULL if it
 * isn't one code without a count but 1, and without pads. A text of one byte is
 * a char, as NumPy calls it. */
static const mapped_element *element_of_format(const char *format)
{
    size_t bytes, length = strlen(format);
    const mapped_element *element =
        mapped_element_from_struct(format, length, NULL);
    if (element != NULL)
        return element;
    /* There may be blanks and counts, which only compiled fields show. */
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_STRUCT, .text = format, .length = length};
    max_align_t memory[32]; /* enough for one field */
    mapped_fields *fields;
    if (mapped_fields_room(&source, &bytes, NULL) != MAPPED_OK ||
        bytes > sizeof memory ||
        mapped_fields_init(&source, memory, &fields, NULL) != MAPPED_OK ||
        fields->count != 1)
        return NULL;
    const mapped_item *item = &fields->fields[0].item;
    bool is_single = item->count == 1 && item->kind != MAPPED_ITEM_PASCAL;
    return is_single && item->size == fields->size ? item->element : NULL;
}

const mapped_element *buffer_element(const Py_buffer *buffer)
{
    const mapped_element *element =
        element_of_format(buffer->format != NULL ? buffer->format : "B");
    return element != NULL && element->size == buffer->itemsize ? element
                                                                : NULL;
}

/* Converts an object to one item at `to`. Returns 0, or -1 with an exception.
 */
static int convert_item(const Array *array, PyObject *object, unsigned char *to)
{
    const mapped_item *item = &array->core.item;
    return item->kind == MAPPED_ITEM_ELEMENT
               ? element_store(item->element, array->native, object, to)
               : record_store(array->owner->state, item->record, object, to);
}

/* Converts a nested sequence to items of that shape at `*to`, and advances
 * `*to` past them. Each sequence becomes a tuple first, because converting a
 * value may change the sequence. Returns 0, or -1 with an exception. */
static int convert_values(const Array *array, const mapped_array *target,
                          PyObject *object, unsigned char **to)
{
    if (target->dimensions == 0) {
        unsigned char *item = *to;
        *to += target->item.size;
        return convert_item(array, object, item);
    }
    PyObject *values =
        values_tuple("items take a sequence, a buffer or one value", object);
    if (values == NULL)
        return -1;
    mapped_array row = *target; /* without the first dimension */
    row.dimensions--;
    row.shape++;
    Py_ssize_t count = PyTuple_Size(values);
    int status = count == target->shape[0] ? 0 : raise_count(target, count);
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = convert_values(array, &row, PyTuple_GetItem(values, i), to);
    Py_DECREF(values);
    return status;
}

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
    if (!same_shape(target, source->dimensions, source->shape))
        return raise_shapes(target, source->dimensions, source->shape);
    if (TRY_TWICE(copy_core(target, source, &error), &error))
        return 0;
    return raised_as_int(raise_in(
        failed_region(error.status, array->owner, source_owner, source->slice),
        ASSIGN, &error));
}

/* Stores the bytes of a source as the items of the target. */
static int scatter_source(const Array *array, const mapped_array *target,
                          const Source *source)
{
    mapped_extent extent;
    mapped_error error;
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
    int status;
    if (source_open(array->owner->state, object, ASSIGN, &source) < 0)
        return -1;
    const Py_buffer *buffer = &source.buffer;
    const mapped_element *element = buffer_element(buffer);
    bool is_same_type = element != NULL && element == target->item.element;
    if (is_same_type) {
        /* An object may also give fewer bytes than its shape says. */
        bool fits = same_shape(target, buffer->ndim, buffer->shape) &&
                    source.length == array_bytes(target);
        status = fits ? scatter_source(array, target, &source)
                      : raise_shapes(target, buffer->ndim, buffer->shape);
    }
    source_close(&source);
    return is_same_type ? status : assign_values(array, target, object);
}

/* Is the object one value, and not a sequence of values? Of records only what
 * has names is one, because a tuple could be either. */
static bool is_scalar(const Array *array, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    if (array->layout != NULL)
        return PyDict_Check(object) ||
               Py_IS_TYPE(object, array->owner->state->record_type);
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
    mapped_error error;
    unsigned char *item = memory_new(target->item.size, 1);
    if (item == NULL)
        return -1;
    int status = convert_item(array, object, item);
    if (status == 0)
        status = check_status(array->owner, operation,
                              fill_core(target, item, &error), &error);
    PyMem_Free(item);
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

/* Stores `object` into the target: some or all items of `array`. */
static int assign_range(const Array *array, const mapped_array *target,
                        PyObject *object)
{
    /* Numbers for a Region or Slice, which is an array of bytes. */
    Py_ssize_t length, stride;
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
