/* The type Records: records of one layout over the bytes of a Region. */
#include "records.h"

#include "array.h"

static Records *records_allocate(Region *owner, Layout *layout)
{
    Records *self = PyObject_GC_New(Records, owner->state->records);
    if (self == NULL)
        return NULL;
    self->weakrefs = NULL;
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->layout = (Layout *)Py_NewRef((PyObject *)layout);
    return self;
}

static PyObject *finish(Records *self)
{
    if (self != NULL && self->owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

static PyObject *records_new(Region *owner, Layout *layout, mapped_slice span)
{
    size_t count;
    mapped_error error;
    mapped_status status =
        mapped_layout_records(layout->layout, span, &count, &error);
    if (status == MAPPED_SIZE) {
        PyErr_Format(PyExc_ValueError,
                     "%zu bytes are no whole number of records of %zu bytes",
                     span.length, mapped_layout_size(layout->layout));
        return NULL;
    }
    if (status != MAPPED_OK)
        return raise_of(owner, &error);
    Records *self = records_allocate(owner, layout);
    if (self == NULL)
        return NULL;
    self->slice = span;
    self->first = 0;
    self->count = (Py_ssize_t)count;
    self->stride = (Py_ssize_t)mapped_layout_size(layout->layout);
    return finish(self);
}

const char view_records_doc[] = PyDoc_STR(
    "records($self, layout, /)\n--\n\n"
    "Return the Records of a layout, a Layout or its text, over the same "
    "bytes.\n\n"
    "ValueError if the bytes aren't a whole number of records, if the text is\n"
    "malformed or the region closed.");

METHOD_ONE(view_records)
{
    Region *owner = view_owner(self);
    PyObject *layout = layout_from(owner->state, argument);
    if (layout == NULL)
        return NULL;
    PyObject *records = records_new(owner, layout_of(layout), view_span(self));
    Py_DECREF(layout);
    return records;
}

static void records_dealloc(PyObject *self)
{
    Records *records = records_of(self);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (records->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_DECREF((PyObject *)records->owner);
    Py_DECREF((PyObject *)records->layout);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int records_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)records_of(self)->owner);
    return 0;
}

static Py_ssize_t records_length(PyObject *self)
{
    if (require_open(records_of(self)->owner) < 0)
        return -1;
    return records_of(self)->count;
}

/* The bytes of the record at an index that is in range. */
static int select_record(const Records *records, Py_ssize_t index,
                         mapped_slice *part)
{
    mapped_error error;
    size_t size = mapped_layout_size(records->layout->layout);
    size_t offset = (size_t)(records->first + index * records->stride);
    if (mapped_slice_sub(records->slice, offset, size, part, &error) ==
        MAPPED_OK)
        return 0;
    raise_of(records->owner, &error);
    return -1;
}

static int select_index(const Records *records, PyObject *key,
                        mapped_slice *part)
{
    Py_ssize_t index;
    if (convert_index(key, &index) < 0)
        return -1;
    if (index < -records->count || index >= records->count) {
        raise_index(records->owner, index, (size_t)records->count);
        return -1;
    }
    return select_record(records, index < 0 ? index + records->count : index,
                         part);
}

static PyObject *records_item(PyObject *self, Py_ssize_t index)
{
    Records *records = records_of(self);
    mapped_slice part;
    if (index < 0 || index >= records->count)
        return raise_index(records->owner, index, (size_t)records->count);
    return select_record(records, index, &part) < 0 ? NULL
                                                    : record_new(records, part);
}

/* The step of at most one record is never taken, and could overflow. */
static PyObject *records_part(const Records *records, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t count =
        PySlice_AdjustIndices(records->count, &start, &stop, step);
    Records *self = require_open(records->owner) < 0
                        ? NULL
                        : records_allocate(records->owner, records->layout);
    if (self == NULL)
        return NULL;
    self->slice = records->slice;
    self->first = records->first + (count > 0 ? start : 0) * records->stride;
    self->count = count;
    self->stride = count > 1 ? step * records->stride : records->stride;
    return finish(self);
}

static PyObject *records_subscript(PyObject *self, PyObject *key)
{
    mapped_slice part;
    if (PySlice_Check(key))
        return records_part(records_of(self), key);
    if (select_index(records_of(self), key, &part) < 0)
        return NULL;
    return record_new(records_of(self), part);
}

static PyObject *records_iterate(PyObject *self)
{
    Py_ssize_t length = records_length(self);
    return length < 0
               ? NULL
               : iterator_new(self, records_of(self)->owner, length, false);
}

static METHOD_NONE(records___reversed__)
{
    Py_ssize_t length = records_length(self);
    return length < 0
               ? NULL
               : iterator_new(self, records_of(self)->owner, length, true);
}

/* Python's own KeyError shows all of a name, however long. */
static PyObject *dict_value(PyObject *dict, const mapped_layout_entry *field)
{
    PyObject *name = PyUnicode_FromString(field->name);
    if (name == NULL)
        return NULL;
    PyObject *value = PyObject_GetItem(dict, name);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError))
        raise_about(PyExc_KeyError, "%s has no field %U", "a dict", name);
    Py_DECREF(name);
    return value;
}

/* The values of a record, from a dict by name or from a sequence in order. */
static PyObject *row_values(const Layout *layout, PyObject *object)
{
    if (!PyDict_Check(object))
        return PySequence_Tuple(object);
    Py_ssize_t count = (Py_ssize_t)mapped_layout_count(layout->layout);
    PyObject *tuple = filling(PyTuple_New(count));
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *value =
            dict_value(object, mapped_layout_field(layout->layout, (size_t)i));
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, value);
    }
    (void)filled(tuple);
    if (tuple != NULL && PyDict_Size(object) != count) {
        Py_CLEAR(tuple);
        raise_about(PyExc_ValueError, "%s has more fields than the layout %U",
                    "a dict", layout->text);
    }
    return tuple;
}

/* All fields, at their offsets in `to`. */
static int convert_row(const Records *records, PyObject *object,
                       unsigned char *to)
{
    const mapped_layout *layout = records->layout->layout;
    PyObject *values = row_values(records->layout, object);
    if (values == NULL)
        return -1;
    size_t count = mapped_layout_count(layout);
    int status = 0;
    if ((size_t)PyTuple_Size(values) != count) {
        PyErr_Format(PyExc_ValueError, "a record has %zu fields, not %zd",
                     count, PyTuple_Size(values));
        status = -1;
    }
    for (size_t i = 0; i < count && status == 0; i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        status = field_convert(records->owner->state, field,
                               PyTuple_GetItem(values, (Py_ssize_t)i),
                               to + field->offset);
    }
    Py_DECREF(values);
    return status;
}

static int store_row(const Records *records, mapped_slice part,
                     const unsigned char *from)
{
    const mapped_layout *layout = records->layout->layout;
    int status = 0;
    for (size_t i = 0; i < mapped_layout_count(layout) && status == 0; i++) {
        const mapped_layout_entry *field = mapped_layout_field(layout, i);
        status = field_write(records->owner, part, field, from + field->offset);
    }
    return status;
}

static int assign_record(const Records *records, PyObject *key,
                         PyObject *object)
{
    mapped_slice part;
    size_t size = mapped_layout_size(records->layout->layout);
    unsigned char *row = PyMem_Malloc(size);
    if (row == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = convert_row(records, object, row);
    if (status == 0)
        status = select_index(records, key, &part);
    if (status == 0)
        status = store_row(records, part, row);
    PyMem_Free(row);
    return status;
}

static int store_rows(const Records *records, const unsigned char *rows)
{
    size_t size = mapped_layout_size(records->layout->layout);
    mapped_slice part;
    int status = 0;
    for (Py_ssize_t i = 0; i < records->count && status == 0; i++) {
        status = select_record(records, i, &part);
        if (status == 0)
            status = store_row(records, part, rows + (size_t)i * size);
    }
    return status;
}

/* All rows are converted before the first is stored. */
static int assign_rows(const Records *records, PyObject *objects)
{
    size_t size = mapped_layout_size(records->layout->layout), bytes;
    Py_ssize_t count = PyTuple_Size(objects);
    unsigned char *rows = NULL;
    int status = 0;
    if (count != records->count) {
        PyErr_Format(PyExc_ValueError, "%zd records can't take %zd",
                     records->count, count);
        return -1;
    }
    if (mapped_multiply_size((size_t)count, size, &bytes))
        rows = PyMem_Malloc(bytes);
    if (rows == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = convert_row(records, PyTuple_GetItem(objects, i),
                             rows + (size_t)i * size);
    if (status == 0)
        status = store_rows(records, rows);
    PyMem_Free(rows);
    return status;
}

static int assign_part(const Records *records, PyObject *key, PyObject *object)
{
    PyObject *part = records_part(records, key);
    PyObject *objects = part == NULL ? NULL : PySequence_Tuple(object);
    int status = objects == NULL ? -1 : assign_rows(records_of(part), objects);
    Py_XDECREF(objects);
    Py_XDECREF(part);
    return status;
}

static int records_assign(PyObject *self, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "records can't be deleted");
        return -1;
    }
    if (PySlice_Check(key))
        return assign_part(records_of(self), key, value);
    return assign_record(records_of(self), key, value);
}

static const char records_column_doc[] = PyDoc_STR(
    "column($self, name, /)\n--\n\n"
    "Return one field of all records as an Array, without a copy: it exports "
    "its\nformat and strides, so that numpy.asarray() reads and writes it in "
    "place.\nA field with [n], char too, gives an Array of two "
    "dimensions.\n\n"
    "KeyError if there is no such field, ValueError if struct has no code for "
    "its\ntype or the region is closed.");

static METHOD_ONE(records_column)
{
    Records *records = records_of(self);
    const mapped_layout_entry *field =
        layout_field(records->layout, argument, PyExc_KeyError);
    if (field == NULL || require_open(records->owner) < 0)
        return NULL;
    const mapped_element *element = field->element;
    if (mapped_element_struct_code(element) == NULL) {
        return raise_about(PyExc_ValueError, "struct has no code for %s: %U",
                           element->name, argument);
    }
    const Code code = {element, 0};
    Part part = {.first = records->first + (Py_ssize_t)field->offset,
                 .dimensions = field->several ? 2 : 1};
    part.shape[0] = records->count;
    part.strides[0] = records->stride;
    part.shape[1] = (Py_ssize_t)field->count;
    part.strides[1] = element->size;
    return array_over(records->owner, records->slice, &code, &part);
}

static const char records_tolist_doc[] =
    PyDoc_STR("tolist($self, /)\n--\n\n"
              "Return all records as a list of tuples.");

static METHOD_NONE(records_tolist)
{
    Records *records = records_of(self);
    mapped_slice part;
    if (require_open(records->owner) < 0)
        return NULL;
    PyObject *list = filling(PyList_New(records->count));
    for (Py_ssize_t i = 0; list != NULL && i < records->count; i++) {
        PyObject *row =
            select_record(records, i, &part) < 0
                ? NULL
                : record_values(records->owner, records->layout, part);
        if (row == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, i, row);
    }
    return filled(list);
}

static const char records_layout_doc[] =
    PyDoc_STR("The Layout of the records.");

static ATTRIBUTE(records_layout)
{
    return Py_NewRef((PyObject *)records_of(self)->layout);
}

static const char records_nbytes_doc[] = PyDoc_STR("The bytes of all records.");

static ATTRIBUTE(records_nbytes)
{
    return PyLong_FromSize_t(records_size(records_of(self)));
}

static ATTRIBUTE(records_readonly)
{
    return PyBool_FromLong(
        mapped_region_readonly(records_of(self)->slice.region));
}

static ATTRIBUTE(records_closed)
{
    return PyBool_FromLong(
        mapped_region_closed(records_of(self)->slice.region));
}

static ATTRIBUTE(records_region)
{
    return Py_NewRef((PyObject *)records_of(self)->owner);
}

static const char records_offset_doc[] =
    PyDoc_STR("Where in the region the first record is, in bytes.");

static ATTRIBUTE(records_offset)
{
    return PyLong_FromSize_t(records_of(self)->slice.offset +
                             (size_t)records_of(self)->first);
}

static PyObject *records_repr(PyObject *self)
{
    return PyUnicode_FromFormat(
        "<mapped.Records %zd of %R in %R>", records_of(self)->count,
        records_of(self)->layout, (PyObject *)records_of(self)->owner);
}

static PyMethodDef records_methods[] = {
    METHOD_ROW(records, ONE, column),
    METHOD_ROW(records, NONE, tolist),
    METHOD_ROW(records, NONE, tobytes),
    METHOD_ROW(records, NONE, __bytes__),
    {"__reversed__", records___reversed__, METH_NOARGS, view___reversed___doc},
    METHOD_ROW(view, ONE, __reduce_ex__),
    {NULL, NULL, 0, NULL}};

static PyGetSetDef records_attributes[] = {
    ATTRIBUTE_ROW(records, layout),
    ATTRIBUTE_ROW(records, nbytes),
    {"readonly", records_readonly, NULL, view_readonly_doc, NULL},
    {"closed", records_closed, NULL, view_closed_doc, NULL},
    {"region", records_region, NULL, view_region_doc, NULL},
    ATTRIBUTE_ROW(records, offset),
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef records_members[] = {{"__weaklistoffset__", T_PYSSIZET,
                                         offsetof(Records, weakrefs), READONLY,
                                         NULL},
                                        {NULL, 0, 0, 0, NULL}};

static const char records_doc[] = PyDoc_STR(
    "Records of one layout over the bytes of a Region, without a copy.\n\n"
    "Made by records() of a Region or Slice. Items are Records in place, "
    "slices\nare Records again; assign a tuple in the order of the layout, a "
    "dict or a\nRecord. numpy.asarray() makes a structured array of it, in "
    "place.");

static PyType_Slot records_slots[] = {
    {Py_tp_doc, (void *)records_doc},
    {Py_tp_dealloc, records_dealloc},
    {Py_tp_traverse, records_traverse},
    {Py_tp_repr, records_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_richcompare, equal_compare},
    {Py_tp_iter, records_iterate},
    {Py_tp_methods, records_methods},
    {Py_tp_getset, records_attributes},
    {Py_tp_members, records_members},
    {Py_sq_length, records_length},
    {Py_sq_item, records_item},
    {Py_mp_length, records_length},
    {Py_mp_subscript, records_subscript},
    {Py_mp_ass_subscript, records_assign},
    {Py_bf_getbuffer, records_get_buffer},
    {Py_bf_releasebuffer, records_release_buffer},
    {0, NULL}};

PyType_Spec records_spec = {
    .name = "mapped.Records",
    .basicsize = sizeof(Records),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = records_slots,
};
