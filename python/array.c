/* The types Array and Records: items of one type over the bytes of a Region.
 * Both are one struct, around an array of the core; Records have a Layout.
 *
 * What is done with many items stands in files of its own: array_select.c finds
 * the items that brackets mean, array_copy.c copies them out, array_assign.c
 * stores into them, and array_find.c searches them. */
#include "array.h"

#include <string.h>

#include "pickle.h"
#include "value.h"

PyObject *array_make(Region *owner, Layout *layout, char native,
                     const mapped_array *array)
{
    State *state = owner->state;
    int dimensions = array->dimensions;
    size_t bytes = (size_t)dimensions * sizeof(Py_ssize_t);
    Array *self = PyObject_GC_NewVar(
        Array, layout != NULL ? state->records_type : state->array_type,
        2 * dimensions);
    if (self == NULL)
        return NULL;
    self->weakrefs = NULL;
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->layout = (Layout *)Py_XNewRef((PyObject *)layout);
    self->format = NULL;
    self->native = native;
    self->core = *array;
    self->core.shape = self->numbers;
    self->core.strides = self->numbers + dimensions;
    memcpy(self->core.shape, array->shape, bytes);
    memcpy(self->core.strides, array->strides, bytes);
    if (owner->is_wrap) /* else it can't be part of a cycle */
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* Makes an object of some of the array's items. */
static PyObject *array_like(const Array *array, const mapped_array *core)
{
    return array_make(array->owner, array->layout, array->native, core);
}

static int read_length(PyObject *object, Py_ssize_t *length)
{
    uint64_t value;
    if (convert_u64(object, "shape", &value) < 0)
        return -1;
    if (value > PY_SSIZE_T_MAX)
        return raised_as_int(raise_about(
            PyExc_ValueError, "%s is too large: %U", "shape", object));
    *length = (Py_ssize_t)value;
    return 0;
}

/* Reads the lengths into `shape`. Returns how many there are, or -1 with an
 * exception. */
static int read_shape(PyObject *object, Py_ssize_t *shape)
{
    PyObject *lengths =
        values_tuple("shape must be a sequence of lengths", object);
    if (lengths == NULL)
        return -1;
    Py_ssize_t count = PyTuple_Size(lengths);
    int result = (int)count;
    if (count < 1 || count > MAX_DIMENSIONS) {
        PyErr_Format(PyExc_ValueError,
                     "an array has 1 to %d dimensions, not %zd", MAX_DIMENSIONS,
                     count);
        result = -1;
    }
    for (int i = 0; i < result; i++)
        if (read_length(PyTuple_GetItem(lengths, i), &shape[i]) < 0)
            result = -1;
    Py_DECREF(lengths);
    return result;
}

bool array_lengths_fit(const mapped_array *array)
{
    size_t product = array->item.size;
    for (int i = 0; i < array->dimensions; i++)
        if (array->shape[i] > 0 &&
            (!mapped_multiply_size(product, (size_t)array->shape[i],
                                   &product) ||
             product > PY_SSIZE_T_MAX))
            return false;
    return true;
}

/* The method that errors of array_cast name. */
static const char *cast_name(const mapped_item *item)
{
    return item->record != NULL ? "records" : "cast";
}

static void raise_shape(const mapped_array *array)
{
    PyObject *shape = array_tuple(array->shape, array->dimensions);
    if (shape != NULL)
        PyErr_Format(PyExc_ValueError,
                     "the shape %R doesn't match %zu bytes in items of %zu: "
                     "there are %zu",
                     shape, array->slice.length, array->item.size,
                     array->slice.length / array->item.size);
    Py_XDECREF(shape);
}

/* Raises why the items can't cover the slice: `error` of mapped_array_cover if
 * that is about the region, else the number of bytes or the shape. */
static void *raise_cover(Region *owner, const mapped_array *array,
                         const mapped_error *error)
{
    size_t bytes = array->slice.length, size = array->item.size;
    if (error->status == MAPPED_CLOSED || error->status == MAPPED_RANGE)
        return raise_in(owner, cast_name(&array->item), error);
    if (bytes % size != 0)
        PyErr_Format(PyExc_ValueError,
                     "%zu bytes are no whole number of %s of %zu bytes", bytes,
                     array->item.record != NULL ? "records" : "items", size);
    else
        raise_shape(array);
    return NULL;
}

PyObject *array_cast(PyObject *parent, const mapped_item *item, Layout *layout,
                     char native, PyObject *shape)
{
    CoreArray array;
    mapped_error error = {.status = MAPPED_OK};
    Region *owner = view_owner(parent);
    array.core = (mapped_array){.item = *item,
                                .dimensions = 1,
                                .shape = array.shape,
                                .strides = array.strides};
    array.shape[0] = -1; /* as many as there are */
    if (shape != NULL)
        array.core.dimensions = read_shape(shape, array.shape);
    if (array.core.dimensions < 0 || require_open(owner, cast_name(item)) < 0)
        return NULL;
    array.core.slice = view_span(parent);
    if (mapped_array_cover(&array.core, &error) != MAPPED_OK ||
        !array_lengths_fit(&array.core))
        return raise_cover(owner, &array.core, &error);
    return array_make(owner, layout, native, &array.core);
}

PyObject *array_cast_to(PyObject *parent, const Code *code, PyObject *shape)
{
    const mapped_item item = mapped_item_of(code->element);
    return array_cast(parent, &item, NULL, code->native, shape);
}

static void array_dealloc(PyObject *self)
{
    Array *array = array_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (array->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_DECREF((PyObject *)array->owner);
    Py_XDECREF((PyObject *)array->layout);
    Py_XDECREF(array->format);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int array_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)array_of(self)->owner);
    return 0;
}

static Py_ssize_t array_length(PyObject *self)
{
    if (require_open(array_of(self)->owner, "") < 0)
        return -1;
    return array_of(self)->core.shape[0];
}

static PyObject *record_at(const Array *array, size_t offset)
{
    mapped_slice bytes;
    mapped_error error;
    if (mapped_slice_sub(array->core.slice, offset, array->core.item.size,
                         &bytes, &error) != MAPPED_OK)
        return raise_in(array->owner, "get", &error);
    return record_new(array->owner, array->layout, bytes);
}

static inline PyObject *item_at(const Array *array, size_t offset)
{
    if (array->layout != NULL)
        return record_at(array, offset);
    return element_read(array->owner, &array->core.slice,
                        array->core.item.element, offset);
}

/* Gets what any key means: a column, an item or some of the items. */
COLD static PyObject *get_selected(const Array *array, PyObject *key)
{
    CoreArray selected;
    PyErr_Clear(); /* The fast path may have raised. */
    if (array->layout != NULL && PyUnicode_Check(key))
        return records_column((PyObject *)array, key);
    if (array_select(array, key, &selected) < 0)
        return NULL;
    if (selected.core.dimensions == 0)
        return item_at(array, selected.core.first);
    return require_open(array->owner, "") < 0
               ? NULL
               : array_like(array, &selected.core);
}

/* The fast path is for an index that is an int and not negative. */
static PyObject *array_subscript(PyObject *self, PyObject *key)
{
    const Array *array = array_of(self);
    if (!Py_IS_TYPE(key, &PyLong_Type) || array->core.dimensions != 1)
        return get_selected(array, key);
    Py_ssize_t index = PyLong_AsSsize_t(key);
    /* A negative index becomes a huge size_t. */
    if ((size_t)index >= (size_t)array->core.shape[0])
        return get_selected(array, key);
    return item_at(array, mapped_array_offset(&array->core, (size_t)index));
}

PyObject *array_item(PyObject *self, Py_ssize_t index)
{
    const Array *array = array_of(self);
    const mapped_subscript subscript = {.start = index}; /* one index */
    CoreArray row;
    if (index < 0 || index >= array->core.shape[0])
        return raise_index(array->owner, index, (size_t)array->core.shape[0]);
    if (array->core.dimensions == 1)
        return item_at(array, mapped_array_offset(&array->core, (size_t)index));
    if (require_open(array->owner, "") < 0 ||
        array_apply_subscripts(array, &subscript, 1, &row) < 0)
        return NULL;
    return array_like(array, &row.core);
}

static PyObject *array_iterate(PyObject *self)
{
    return iterator_new(self, array_of(self)->owner, array_length(self), false);
}

static METHOD_NONE(array___reversed__)
{
    return iterator_new(self, array_of(self)->owner, array_length(self), true);
}

static const char records_column_doc[] = PyDoc_STR(
    "column($self, name, /)\n--\n\n"
    "Return one field of all records as an Array, without a copy: it exports\n"
    "its format and strides, so that numpy.asarray() reads and writes it in\n"
    "place. A field with [n], char too, makes one dimension more; a field of\n"
    "records gives Records.\n\n"
    "records[name] is the same, and can be assigned.\n\n"
    "KeyError if there is no such field, ValueError if the region is closed.");

PyObject *records_column(PyObject *self, PyObject *name)
{
    const Array *records = array_of(self);
    Region *owner = records->owner;
    CoreArray column;
    const mapped_field *field =
        layout_field(records->layout, name, PyExc_KeyError);
    if (field == NULL || require_open(owner, "column") < 0)
        return NULL;
    size_t bytes =
        (size_t)records->core.dimensions * sizeof *records->core.shape;
    /* The core's column shares the numbers of the records. This one gets its
     * own, because it may have a dimension more. */
    mapped_array_column(&records->core, field, &column.core);
    memcpy(column.shape, column.core.shape, bytes);
    memcpy(column.strides, column.core.strides, bytes);
    column.core.shape = column.shape;
    column.core.strides = column.strides;
    mapped_array_expand(&column.core);
    if (column.core.dimensions > MAX_DIMENSIONS)
        return PyErr_Format(PyExc_ValueError,
                            "an array has 1 to %d dimensions, not %d",
                            MAX_DIMENSIONS, column.core.dimensions);
    if (field->item.record == NULL)
        return array_make(owner, NULL, 0, &column.core);
    Layout *layout = layout_inner(owner->state, field->item.record);
    if (layout == NULL)
        return NULL;
    PyObject *result = array_make(owner, layout, 0, &column.core);
    Py_DECREF((PyObject *)layout);
    return result;
}

PyObject *array_tuple(const Py_ssize_t *numbers, int count)
{
    PyObject *tuple = container_untrack(PyTuple_New(count));
    for (int i = 0; tuple != NULL && i < count; i++)
        put_item(&tuple, i, PyLong_FromSsize_t(numbers[i]));
    return container_track(tuple);
}

static const char array_format_doc[] = PyDoc_STR(
    "The struct code of an item, as exported to other libraries; of what has\n"
    "none, such as u24 and records, what PEP 3118 says.");

GETTER(array, itemsize, "Bytes in an item.",
       PyLong_FromSize_t(array_of(self)->core.item.size))

GETTER(array, ndim, "The number of dimensions.",
       PyLong_FromLong(array_of(self)->core.dimensions))

GETTER(array, shape, "A tuple of the length of each dimension, in items.",
       array_tuple(array_of(self)->core.shape, array_of(self)->core.dimensions))

GETTER(array, strides,
       "A tuple of the bytes from one item to the next in each dimension.",
       array_tuple(array_of(self)->core.strides,
                   array_of(self)->core.dimensions))

GETTER(array, nbytes, "The bytes of all items.",
       PyLong_FromSize_t(array_bytes(&array_of(self)->core)))

/* Is one of the bytes from the first item to the last read-only? */
static bool is_readonly(const Array *array)
{
    mapped_extent extent;
    return mapped_array_extent(&array->core, &extent, NULL) == MAPPED_OK
               ? mapped_slice_readonly(extent.bytes)
               : mapped_region_readonly(array->core.slice.region);
}

GETTER(array, readonly, READONLY_DOC,
       PyBool_FromLong(is_readonly(array_of(self))))

GETTER(array, closed, CLOSED_DOC,
       PyBool_FromLong(mapped_region_closed(array_of(self)->core.slice.region)))

GETTER(array, region, REGION_DOC, Py_NewRef((PyObject *)array_of(self)->owner))

GETTER(array, offset, "Where in the region the first item is, in bytes.",
       PyLong_FromSize_t(array_of(self)->core.slice.offset +
                         array_of(self)->core.first))

static PyObject *array_repr(PyObject *self)
{
    const Array *array = array_of(self);
    const mapped_element *element = array->core.item.element;
    const char *code = mapped_element_struct_code(element);
    PyObject *shape = array_tuple(array->core.shape, array->core.dimensions);
    if (shape == NULL)
        return NULL;
    PyObject *text = PyUnicode_FromFormat(
        "<mapped.Array '%s' shape=%R offset=%zu of %R>",
        code != NULL ? code : element->name, shape,
        array->core.slice.offset + array->core.first, (PyObject *)array->owner);
    Py_DECREF(shape);
    return text;
}

GETTER(records, layout, "The Layout of the records.",
       Py_NewRef((PyObject *)array_of(self)->layout))

static PyObject *records_repr(PyObject *self)
{
    const Array *array = array_of(self);
    return PyUnicode_FromFormat("<mapped.Records %zd of %R in %R>",
                                array->core.shape[0], (PyObject *)array->layout,
                                (PyObject *)array->owner);
}

static const char array_tolist_doc[] =
    PyDoc_STR("tolist($self, /)\n--\n\n"
              "Return all items as a list, of lists if there is more than one\n"
              "dimension. Records are tuples.");
static const char array_tobytes_doc[] = PyDoc_STR(
    "tobytes($self, /)\n--\n\n"
    "Return a copy of the items' bytes, the last dimension varying fastest.");
static const char array___bytes___doc[] =
    PyDoc_STR("__bytes__($self, /)\n--\n\n"
              "Return a copy of the items' bytes.");

#define ARRAY_METHODS                                                          \
    METHOD_ROW(array, NONE, tolist), METHOD_ROW(array, NONE, tobytes),         \
        METHOD_ROW(array, NONE, toreadonly), METHOD_ROW(view, KEYWORDS, hex),  \
        METHOD_ROW(view, KEYWORDS, decode), METHOD_ROW(items, KEYWORDS, cast), \
        METHOD_ROW(items, ONE, fill), METHOD_ROW(items, KEYWORDS, index),      \
        METHOD_ROW(items, ONE, count), METHOD_ROW(items, ONE, copy_to),        \
        {"__bytes__", array_tobytes, METH_NOARGS, array___bytes___doc},        \
        {"__reversed__", array___reversed__, METH_NOARGS,                      \
         view___reversed___doc},                                               \
        PICKLE_METHODS(array),                                                 \
    {                                                                          \
        NULL, NULL, 0, NULL                                                    \
    }

#define ARRAY_ATTRIBUTES                                                      \
    ATTRIBUTE_ROW(array, format), ATTRIBUTE_ROW(array, itemsize),             \
        ATTRIBUTE_ROW(array, ndim), ATTRIBUTE_ROW(array, shape),              \
        ATTRIBUTE_ROW(array, strides), ATTRIBUTE_ROW(array, nbytes),          \
        ATTRIBUTE_ROW(view, suboffsets), ATTRIBUTE_ROW(view, obj),            \
        ATTRIBUTE_ROW(view, c_contiguous), ATTRIBUTE_ROW(view, f_contiguous), \
        ATTRIBUTE_ROW(view, contiguous), ATTRIBUTE_ROW(array, readonly),      \
        ATTRIBUTE_ROW(array, closed), ATTRIBUTE_ROW(array, region),           \
        ATTRIBUTE_ROW(array, offset),                                         \
    {                                                                         \
        NULL, NULL, NULL, NULL, NULL                                          \
    }

static const char array___class_getitem___doc[] =
    PyDoc_STR("__class_getitem__($type, item, /)\n--\n\n"
              "Array[int] is the type of arrays of ints, for type checkers.");

static PyObject *array___class_getitem__(PyObject *type, PyObject *item)
{
    return Py_GenericAlias(type, item);
}

static PyMethodDef array_methods[] = {
    {"__class_getitem__", array___class_getitem__, METH_O | METH_CLASS,
     array___class_getitem___doc},
    ARRAY_METHODS};
static PyMethodDef records_methods[] = {METHOD_ROW(records, ONE, column),
                                        ARRAY_METHODS};
static PyGetSetDef array_attributes[] = {ARRAY_ATTRIBUTES};
static PyGetSetDef records_attributes[] = {ATTRIBUTE_ROW(records, layout),
                                           ARRAY_ATTRIBUTES};

static PyMemberDef array_members[] = WEAKREFS_AT(Array, weakrefs);

static const char array_doc[] = PyDoc_STR(
    "Values of one type over the bytes of a Region, without a copy.\n\n"
    "Made by cast() of a Region or Slice. Supports items, slices with any\n"
    "step, several dimensions, and the buffer protocol with its format,\n"
    "shape and strides. Every access is checked.\n\n"
    "What is assigned to a slice, or to [...] for all, is any buffer or\n"
    "sequence of the same shape, or one value for all items. Where both are\n"
    "of one type and without gaps, the bytes are copied directly;\n"
    "everything else is converted in memory of its own first, so that a\n"
    "value that doesn't fit changes nothing.");

static const char records_doc[] = PyDoc_STR(
    "Records of one layout over the bytes of a Region, without a copy.\n\n"
    "Made by records() of a Region or Slice, and of fields that are\n"
    "records. Items are Records in place, slices are Records again, and\n"
    "[name] is a column; assign a tuple in the order of the layout, a dict\n"
    "or a Record, and the latter two to a slice for all of its records.\n"
    "numpy.asarray() makes a structured array of it, in place.");

#define ARRAY_SLOTS(type)                                                   \
    {Py_tp_doc, (void *)type##_doc}, {Py_tp_repr, type##_repr},             \
        {Py_tp_methods, type##_methods}, {Py_tp_getset, type##_attributes}, \
        {Py_tp_dealloc, array_dealloc}, {Py_tp_traverse, array_traverse},   \
        {Py_tp_hash, PyObject_HashNotImplemented},                          \
        {Py_tp_richcompare, equal_compare}, {Py_tp_iter, array_iterate},    \
        {Py_tp_members, array_members}, {Py_sq_length, array_length},       \
        {Py_sq_item, array_item}, {Py_sq_contains, items_contains},         \
        {Py_mp_length, array_length}, {Py_mp_subscript, array_subscript},   \
        {Py_mp_ass_subscript, array_assign},                                \
        {Py_bf_getbuffer, array_get_buffer},                                \
        {Py_bf_releasebuffer, array_release_buffer},                        \
    {                                                                       \
        0, NULL                                                             \
    }

static PyType_Slot array_slots[] = {ARRAY_SLOTS(array)};
static PyType_Slot records_slots[] = {ARRAY_SLOTS(records)};

TYPE(array, "mapped.Array", offsetof(Array, numbers), sizeof(Py_ssize_t),
     Py_TPFLAGS_HAVE_GC | PATTERN_SEQUENCE)
TYPE(records, "mapped.Records", offsetof(Array, numbers), sizeof(Py_ssize_t),
     Py_TPFLAGS_HAVE_GC | PATTERN_SEQUENCE)
