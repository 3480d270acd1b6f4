/* The type Array: values of one element type over the bytes of a Region. */
#include "array.h"
#include "value.h"

#include <string.h>

static Array *array_allocate(State *state, Region *owner, int dimensions)
{
    Array *self = PyObject_GC_NewVar(Array, state->array, 2 * dimensions);
    if (self == NULL)
        return NULL;
    self->weakrefs = NULL;
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->dimensions = dimensions;
    return self;
}

static int refuse_whole(size_t bytes, const mapped_element *element)
{
    PyErr_Format(PyExc_ValueError,
                 "%zu bytes are no whole number of items of %d bytes", bytes,
                 element->size);
    return -1;
}

static int read_extent(PyObject *object, Py_ssize_t *extent)
{
    uint64_t value;
    if (convert_u64(object, "shape", &value) < 0)
        return -1;
    if (value > PY_SSIZE_T_MAX) {
        raise_about(PyExc_ValueError, "%s is too large: %U", "shape", object);
        return -1;
    }
    *extent = (Py_ssize_t)value;
    return 0;
}

/* Reads the lengths into `shape`; returns how many there are. */
static int read_shape(PyObject *object, Py_ssize_t *shape)
{
    PyObject *extents = PySequence_Tuple(object);
    if (extents == NULL)
        return -1;
    Py_ssize_t count = PyTuple_Size(extents);
    int result = (int)count;
    if (count < 1 || count > MAX_DIMENSIONS) {
        PyErr_Format(PyExc_ValueError,
                     "an array has 1 to %d dimensions, not %zd", MAX_DIMENSIONS,
                     count);
        result = -1;
    }
    for (int i = 0; i < result; i++)
        if (read_extent(PyTuple_GetItem(extents, i), &shape[i]) < 0)
            result = -1;
    Py_DECREF(extents);
    return result;
}

/* A shape with a 0 in it must be one that an index type can count, too: then
 * no stride and no sum of indices times strides overflows, in any part of the
 * array. */
static int check_shape(const Py_ssize_t *shape, int dimensions, size_t bytes,
                       const mapped_element *element)
{
    size_t product = element->size;
    bool fits = true, empty = false;
    for (int i = 0; i < dimensions && fits; i++) {
        empty = empty || shape[i] == 0;
        fits = shape[i] == 0 ||
               mapped_multiply_size(product, (size_t)shape[i], &product);
    }
    if (fits && product <= PY_SSIZE_T_MAX && (empty ? 0 : product) == bytes)
        return 0;
    PyErr_Format(PyExc_ValueError,
                 "the shape doesn't match %zu bytes in items of %d", bytes,
                 element->size);
    return -1;
}

static void set_extents(Array *self, const Py_ssize_t *shape)
{
    Py_ssize_t stride = self->code.element->size;
    for (int i = self->dimensions - 1; i >= 0; i--) {
        array_shape(self)[i] = shape[i];
        array_strides(self)[i] = stride;
        stride *= shape[i];
    }
}

/* One dimension of as many items as there are, unless `object` says more. */
static int choose_shape(PyObject *object, Py_ssize_t *shape)
{
    if (object != NULL)
        return read_shape(object, shape);
    shape[0] = -1;
    return 1;
}

static int fit_shape(Py_ssize_t *shape, int dimensions, size_t bytes,
                     const mapped_element *element)
{
    if (bytes % element->size != 0)
        return refuse_whole(bytes, element);
    if (shape[0] < 0)
        shape[0] = (Py_ssize_t)(bytes / element->size);
    return check_shape(shape, dimensions, bytes, element);
}

PyObject *array_new(PyObject *parent, const Code *code, PyObject *shape_object)
{
    Py_ssize_t shape[MAX_DIMENSIONS];
    Region *owner = view_owner(parent);
    int dimensions = choose_shape(shape_object, shape);
    if (dimensions < 0 || require_open(owner) < 0)
        return NULL;
    const mapped_element *element = code->element;
    mapped_slice span = view_span(parent);
    if (fit_shape(shape, dimensions, span.length, element) < 0)
        return NULL;
    Array *self = array_allocate(owner->state, owner, dimensions);
    if (self == NULL)
        return NULL;
    self->slice = span;
    self->code = *code;
    self->first = 0;
    self->count = (Py_ssize_t)(span.length / element->size);
    set_extents(self, shape);
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyObject *array_over(Region *owner, mapped_slice slice, const Code *code,
                     const Part *part)
{
    Array *self = array_allocate(owner->state, owner, part->dimensions);
    if (self == NULL)
        return NULL;
    size_t bytes = (size_t)part->dimensions * sizeof(Py_ssize_t);
    self->slice = slice;
    self->code = *code;
    self->first = (size_t)part->first;
    self->count = part_count(part);
    memcpy(array_shape(self), part->shape, bytes);
    memcpy(array_strides(self), part->strides, bytes);
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyObject *array_part(Array *array, const Part *part)
{
    return array_over(array->owner, array->slice, &array->code, part);
}

static void array_dealloc(PyObject *self)
{
    Array *array = array_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (array->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_DECREF((PyObject *)array->owner);
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
    if (require_open(array_of(self)->owner) < 0)
        return -1;
    return array_shape(array_of(self))[0];
}

static inline PyObject *item_at(Array *array, size_t offset)
{
    const Code *code = &array->code;
    return element_read(array->owner, &array->slice, code->element, offset);
}

COLD static PyObject *select_and_get(Array *array, PyObject *key)
{
    Part part;
    if (array_select(array, key, &part) < 0)
        return NULL;
    if (part.dimensions == 0)
        return item_at(array, (size_t)part.first);
    return require_open(array->owner) < 0 ? NULL : array_part(array, &part);
}

/* The shortest way for an index that is an int and not negative. */
static PyObject *array_subscript(PyObject *self, PyObject *key)
{
    Array *array = array_of(self);
    if (!Py_IS_TYPE(key, &PyLong_Type) || array->dimensions != 1)
        return select_and_get(array, key);
    Py_ssize_t index = PyLong_AsSsize_t(key);
    if ((size_t)index >= (size_t)array_shape(array)[0])
        return select_and_get(array, key);
    size_t step = (size_t)array_strides(array)[0];
    return item_at(array, array->first + (size_t)index * step);
}

static PyObject *array_item(PyObject *self, Py_ssize_t index)
{
    Array *array = array_of(self);
    Py_ssize_t length = array_shape(array)[0];
    if (index < 0 || index >= length)
        return raise_index(array->owner, index, (size_t)length);
    Part part;
    array_whole(array, &part);
    part.first += index * part.strides[0];
    if (part.dimensions == 1)
        return item_at(array, (size_t)part.first);
    if (require_open(array->owner) < 0)
        return NULL;
    part.dimensions--;
    memmove(part.shape, part.shape + 1, sizeof part.shape - sizeof *part.shape);
    memmove(part.strides, part.strides + 1,
            sizeof part.strides - sizeof *part.strides);
    return array_part(array, &part);
}

static PyObject *array_iterate(PyObject *self)
{
    Py_ssize_t length = array_length(self);
    return length < 0
               ? NULL
               : iterator_new(self, array_of(self)->owner, length, false);
}

static METHOD_NONE(array___reversed__)
{
    Py_ssize_t length = array_length(self);
    return length < 0 ? NULL
                      : iterator_new(self, array_of(self)->owner, length, true);
}

static PyObject *tuple_of(const Py_ssize_t *numbers, int count)
{
    PyObject *tuple = filling(PyTuple_New(count));
    for (int i = 0; tuple != NULL && i < count; i++) {
        PyObject *number = PyLong_FromSsize_t(numbers[i]);
        if (number == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, number);
    }
    return filled(tuple);
}

static const char array_format_doc[] =
    PyDoc_STR("The struct code of an item, as exported to other libraries.");

static ATTRIBUTE(array_format)
{
    return PyUnicode_FromString(
        mapped_element_struct_code(array_of(self)->code.element));
}

static const char array_itemsize_doc[] = PyDoc_STR("Bytes in an item.");

static ATTRIBUTE(array_itemsize)
{
    return PyLong_FromLong(array_of(self)->code.element->size);
}

static const char array_ndim_doc[] = PyDoc_STR("The number of dimensions.");

static ATTRIBUTE(array_ndim)
{
    return PyLong_FromLong(array_of(self)->dimensions);
}

static const char array_shape_doc[] =
    PyDoc_STR("A tuple of the length of each dimension, in items.");

static ATTRIBUTE(array_shape_tuple)
{
    return tuple_of(array_shape(array_of(self)), array_of(self)->dimensions);
}

static const char array_strides_doc[] =
    PyDoc_STR("A tuple of the bytes from one item to the next in each "
              "dimension.");

static ATTRIBUTE(array_strides_tuple)
{
    return tuple_of(array_strides(array_of(self)), array_of(self)->dimensions);
}

static const char array_nbytes_doc[] = PyDoc_STR("The bytes of all items.");

static ATTRIBUTE(array_nbytes)
{
    return PyLong_FromSsize_t(array_of(self)->count *
                              array_of(self)->code.element->size);
}

static ATTRIBUTE(array_readonly)
{
    return PyBool_FromLong(
        mapped_region_readonly(array_of(self)->slice.region));
}

static ATTRIBUTE(array_closed)
{
    return PyBool_FromLong(mapped_region_closed(array_of(self)->slice.region));
}

static ATTRIBUTE(array_region)
{
    return Py_NewRef((PyObject *)array_of(self)->owner);
}

static const char array_offset_doc[] =
    PyDoc_STR("Where in the region the first item is, in bytes.");

static ATTRIBUTE(array_offset)
{
    return PyLong_FromSize_t(array_of(self)->slice.offset +
                             array_of(self)->first);
}

static PyObject *array_repr(PyObject *self)
{
    Array *array = array_of(self);
    PyObject *shape = tuple_of(array_shape(array), array->dimensions);
    if (shape == NULL)
        return NULL;
    PyObject *text = PyUnicode_FromFormat(
        "<mapped.Array '%s' shape=%R offset=%zu of %R>",
        mapped_element_struct_code(array->code.element), shape,
        array->slice.offset + array->first, (PyObject *)array->owner);
    Py_DECREF(shape);
    return text;
}

static const char array_tolist_doc[] =
    PyDoc_STR("tolist($self, /)\n--\n\n"
              "Return all items as a list, of lists if there is more than one "
              "dimension.");
static const char array_tobytes_doc[] =
    PyDoc_STR("tobytes($self, /)\n--\n\n"
              "Return a copy of the items' bytes, the last dimension varying\n"
              "fastest.");
static const char array___bytes___doc[] =
    PyDoc_STR("__bytes__($self, /)\n--\n\nReturn a copy of the items' bytes.");

static PyMethodDef array_methods[] = {
    METHOD_ROW(array, NONE, tolist),
    METHOD_ROW(array, NONE, tobytes),
    METHOD_ROW(array, NONE, __bytes__),
    {"__reversed__", array___reversed__, METH_NOARGS, view___reversed___doc},
    METHOD_ROW(view, ONE, __reduce_ex__),
    {NULL, NULL, 0, NULL}};

static PyGetSetDef array_attributes[] = {
    ATTRIBUTE_ROW(array, format),
    ATTRIBUTE_ROW(array, itemsize),
    ATTRIBUTE_ROW(array, ndim),
    {"shape", array_shape_tuple, NULL, array_shape_doc, NULL},
    {"strides", array_strides_tuple, NULL, array_strides_doc, NULL},
    ATTRIBUTE_ROW(array, nbytes),
    {"readonly", array_readonly, NULL, view_readonly_doc, NULL},
    {"closed", array_closed, NULL, view_closed_doc, NULL},
    {"region", array_region, NULL, view_region_doc, NULL},
    ATTRIBUTE_ROW(array, offset),
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef array_members[] = {{"__weaklistoffset__", T_PYSSIZET,
                                       offsetof(Array, weakrefs), READONLY,
                                       NULL},
                                      {NULL, 0, 0, 0, NULL}};

static const char array_doc[] = PyDoc_STR(
    "Values of one type over the bytes of a Region, without a copy.\n\n"
    "Made by cast() of a Region or Slice. Supports items, slices with any "
    "step,\nseveral dimensions, and the buffer protocol with its format, shape "
    "and\nstrides. Every access is checked.\n\n"
    "What is assigned to a slice is any buffer or sequence of the same shape. "
    "Items\nof the same type that follow one another, here and there, are "
    "copied straight;\neverything else is converted in memory of its own "
    "first, so that a value that\ndoesn't fit changes nothing.");

static PyType_Slot array_slots[] = {{Py_tp_doc, (void *)array_doc},
                                    {Py_tp_dealloc, array_dealloc},
                                    {Py_tp_traverse, array_traverse},
                                    {Py_tp_repr, array_repr},
                                    {Py_tp_hash, PyObject_HashNotImplemented},
                                    {Py_tp_richcompare, equal_compare},
                                    {Py_tp_iter, array_iterate},
                                    {Py_tp_methods, array_methods},
                                    {Py_tp_getset, array_attributes},
                                    {Py_tp_members, array_members},
                                    {Py_sq_length, array_length},
                                    {Py_sq_item, array_item},
                                    {Py_mp_length, array_length},
                                    {Py_mp_subscript, array_subscript},
                                    {Py_mp_ass_subscript, array_assign},
                                    {Py_bf_getbuffer, array_get_buffer},
                                    {Py_bf_releasebuffer, array_release_buffer},
                                    {0, NULL}};

PyType_Spec array_spec = {
    .name = "mapped.Array",
    .basicsize = offsetof(Array, extents),
    .itemsize = sizeof(Py_ssize_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = array_slots,
};
