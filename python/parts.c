/* Lines and what separators leave: the methods, and the iterator over slices
 * that both return. */
#include "binding.h"

typedef struct Parts {
    PyObject_HEAD Region *owner;
    mapped_parts parts;
    void *separator; /* its bytes, NULL for lines */
} Parts;

/* Takes over `separator`, also when it fails. */
static PyObject *parts_new(Region *owner, const mapped_parts *parts,
                           void *separator)
{
    Parts *self = PyObject_GC_New(Parts, owner->state->parts);
    if (self == NULL) {
        PyMem_Free(separator);
        return NULL;
    }
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->parts = *parts;
    self->separator = separator;
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void parts_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyMem_Free(((Parts *)self)->separator);
    Py_DECREF((PyObject *)((Parts *)self)->owner);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* No tp_clear, as in a Slice: the Region's own breaks every cycle. */
static int parts_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((Parts *)self)->owner);
    return 0;
}

/* Two threads may ask one iterator at once: each goes on from what it saw. */
static PyObject *next_far(Parts *self)
{
    mapped_parts parts = self->parts;
    mapped_slice part;
    mapped_error error;
    bool more;
    Away away = away_begin(self->owner->view.slice.region, NULL,
                           mapped_parts_left(&parts));
    mapped_status status = mapped_parts_next(&parts, &part, &more, &error);
    status = away_end_access(&away, status, &error);
    if (status != MAPPED_OK)
        return raise_of(self->owner, &error);
    self->parts = parts;
    return more ? slice_new(self->owner, part.offset, part.length) : NULL;
}

static PyObject *parts_next(PyObject *self)
{
    Parts *iterator = (Parts *)self;
    mapped_slice part;
    if (mapped_parts_near(&iterator->parts, AWAY_BYTES, &part))
        return slice_new(iterator->owner, part.offset, part.length);
    return next_far(iterator);
}

static const char parts_doc[] =
    PyDoc_STR("Iterator over the parts of a mapped object.");

static PyType_Slot parts_slots[] = {
    {Py_tp_doc, (void *)parts_doc},   {Py_tp_dealloc, parts_dealloc},
    {Py_tp_traverse, parts_traverse}, {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, parts_next},     {0, NULL}};

PyType_Spec parts_spec = {
    .name = "mapped._mapped.Parts",
    .basicsize = sizeof(Parts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = parts_slots,
};

const char view_lines_doc[] = PyDoc_STR(
    "lines($self, /, keepends=False)\n--\n\n"
    "Return an iterator over the lines, each a Slice.\n\n"
    "A line ends with b'\\n', which `keepends` makes part of it, or with the\n"
    "data. As when a binary file is read line by line, b'\\r' is nothing "
    "special.");

METHOD_KEYWORDS(view_lines)
{
    static const Signature signature = {"lines", 0, 1, {"keepends", NULL}};
    PyObject *values[1];
    uint32_t keep = 0;
    mapped_parts parts;
    if (arguments_sort(&signature, given, count, keywords, values) < 0 ||
        convert_flag(values[0], 1, &keep) < 0 ||
        require_open(view_owner(self)) < 0)
        return NULL;
    mapped_parts_lines(&parts, view_span(self), keep != 0);
    return parts_new(view_owner(self), &parts, NULL);
}

static PyObject *split(PyObject *self, const Needle *needle)
{
    mapped_parts parts;
    mapped_error error;
    if (needle->length == 0) {
        PyErr_SetString(PyExc_ValueError, "empty separator");
        return NULL;
    }
    void *separator = needle_copy(needle);
    if (separator == NULL)
        return NULL;
    if (mapped_parts_split(&parts, view_span(self), separator, needle->length,
                           &error) == MAPPED_OK)
        return parts_new(view_owner(self), &parts, separator);
    PyMem_Free(separator);
    return raise_of(view_owner(self), &error);
}

const char view_split_doc[] = PyDoc_STR(
    "split($self, /, sep)\n--\n\n"
    "Return an iterator over what lies between the separators, each a Slice.\n"
    "\nAs bytes.split with a separator: always one more than there are\n"
    "separators. ValueError if `sep` is empty.");

METHOD_KEYWORDS(view_split)
{
    static const Signature signature = {"split", 1, 1, {"sep", NULL}};
    PyObject *values[1];
    Needle needle;
    if (arguments_sort(&signature, given, count, keywords, values) < 0)
        return NULL;
    if (needle_open(view_owner(self)->state, values[0], &needle) < 0)
        return NULL;
    PyObject *result = split(self, &needle);
    if (needle_close(&needle) < 0)
        Py_CLEAR(result);
    return result;
}
