/* The type Record: one record in place, its fields as attributes. */
#include "records.h"

PyObject *record_new(const Records *records, mapped_slice slice)
{
    Region *owner = records->owner;
    Record *self = PyObject_GC_New(Record, owner->state->record);
    if (self == NULL)
        return NULL;
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->layout = (Layout *)Py_NewRef((PyObject *)records->layout);
    self->slice = slice;
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void record_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_DECREF((PyObject *)record_of(self)->owner);
    Py_DECREF((PyObject *)record_of(self)->layout);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int record_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)record_of(self)->owner);
    return 0;
}

/* The field that an attribute means, or NULL; names like __class__ are Python's
 * own, `*own`, and there only [] reaches a field. Returns 0, or -1 with an
 * exception. */
static int attribute_field(PyObject *self, PyObject *name,
                           const mapped_layout_entry **field, bool *own)
{
    Py_ssize_t length;
    *own = false;
    *field = NULL;
    if (!PyUnicode_Check(name))
        return 0;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    *own = length > 4 && text[0] == '_' && text[1] == '_' &&
           text[length - 1] == '_' && text[length - 2] == '_';
    *field = mapped_layout_find(record_of(self)->layout->layout, text,
                                (size_t)length);
    return 0;
}

static PyObject *record_getattr(PyObject *self, PyObject *name)
{
    bool own;
    const mapped_layout_entry *field;
    if (attribute_field(self, name, &field, &own) < 0)
        return NULL;
    if (field == NULL || own)
        return PyObject_GenericGetAttr(self, name);
    return field_get(record_of(self)->owner, record_of(self)->slice, field);
}

static int set_field(PyObject *self, const mapped_layout_entry *field,
                     PyObject *value)
{
    if (field == NULL)
        return -1;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "fields can't be deleted");
        return -1;
    }
    return field_set(record_of(self)->owner, record_of(self)->slice, field,
                     value);
}

static int record_setattr(PyObject *self, PyObject *name, PyObject *value)
{
    bool own;
    const mapped_layout_entry *field;
    if (attribute_field(self, name, &field, &own) < 0)
        return -1;
    if (field == NULL)
        return PyObject_GenericSetAttr(self, name, value);
    if (!own)
        return set_field(self, field, value);
    raise_about(PyExc_AttributeError, "%s %U is set as record[name]", "field",
                name);
    return -1;
}

static PyObject *record_subscript(PyObject *self, PyObject *name)
{
    const mapped_layout_entry *field =
        layout_field(record_of(self)->layout, name, PyExc_KeyError);
    return field == NULL ? NULL
                         : field_get(record_of(self)->owner,
                                     record_of(self)->slice, field);
}

static int record_assign(PyObject *self, PyObject *name, PyObject *value)
{
    return set_field(
        self, layout_field(record_of(self)->layout, name, PyExc_KeyError),
        value);
}

PyObject *record_values(Region *owner, const Layout *layout, mapped_slice slice)
{
    Py_ssize_t count = (Py_ssize_t)mapped_layout_count(layout->layout);
    PyObject *tuple = filling(PyTuple_New(count));
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *value = field_get(
            owner, slice, mapped_layout_field(layout->layout, (size_t)i));
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, value);
    }
    return filled(tuple);
}

static PyObject *values_of(PyObject *self)
{
    const Record *record = record_of(self);
    return record_values(record->owner, record->layout, record->slice);
}

static Py_ssize_t record_length(PyObject *self)
{
    return (Py_ssize_t)mapped_layout_count(record_of(self)->layout->layout);
}

/* Iterates over the values, in the order of the layout. */
static PyObject *record_iterate(PyObject *self)
{
    PyObject *values = values_of(self);
    PyObject *iterator = values == NULL ? NULL : PyObject_GetIter(values);
    Py_XDECREF(values);
    return iterator;
}

static PyObject *record_dir(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    PyObject *names =
        PyObject_GetAttrString((PyObject *)record_of(self)->layout, "names");
    PyObject *list = names == NULL ? NULL : PySequence_List(names);
    Py_XDECREF(names);
    return list;
}

/* A record of more bytes, or of a longer layout, is shown without its values.
 */
#define SHOWN_BYTES 1000

static PyObject *record_repr(PyObject *self)
{
    size_t size = mapped_layout_size(record_of(self)->layout->layout);
    PyObject *text = record_of(self)->layout->text;
    if (size > SHOWN_BYTES || PyUnicode_GetLength(text) > SHOWN_BYTES)
        return PyUnicode_FromFormat("<mapped.Record of %R>",
                                    record_of(self)->layout);
    PyObject *values = values_of(self);
    if (values == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
        return PyUnicode_FromFormat("<mapped.Record of %R, out of reach>",
                                    record_of(self)->layout);
    }
    PyObject *names = record_dir(self, NULL);
    text = NULL;
    if (names != NULL)
        text = PyUnicode_FromFormat("<mapped.Record %R = %R>", names, values);
    Py_XDECREF(names);
    Py_DECREF(values);
    return text;
}

static const char record_dir_doc[] =
    PyDoc_STR("__dir__($self, /)\n--\n\nThe names of the fields.");

static PyMethodDef record_methods[] = {
    {"__dir__", record_dir, METH_NOARGS, record_dir_doc},
    {NULL, NULL, 0, NULL}};

static const char record_doc[] = PyDoc_STR(
    "One record in place: each field is an attribute, read and written where "
    "it\nlies, and an item by name, which alone reaches a field that has a "
    "name of\nPython's own such as __len__. Iteration gives the values in the "
    "order of the\nlayout.\n\nNumbers are int, float or bool; char[n] is "
    "bytes without the zero bytes that\nfill it up; other fields with [n] are "
    "tuples.");

static PyType_Slot record_slots[] = {{Py_tp_doc, (void *)record_doc},
                                     {Py_tp_dealloc, record_dealloc},
                                     {Py_tp_traverse, record_traverse},
                                     {Py_tp_repr, record_repr},
                                     {Py_tp_getattro, record_getattr},
                                     {Py_tp_setattro, record_setattr},
                                     {Py_tp_hash, PyObject_HashNotImplemented},
                                     {Py_tp_richcompare, record_compare},
                                     {Py_tp_iter, record_iterate},
                                     {Py_tp_methods, record_methods},
                                     {Py_mp_length, record_length},
                                     {Py_mp_subscript, record_subscript},
                                     {Py_mp_ass_subscript, record_assign},
                                     {0, NULL}};

PyType_Spec record_spec = {
    .name = "mapped.Record",
    .basicsize = sizeof(Record),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = record_slots,
};
