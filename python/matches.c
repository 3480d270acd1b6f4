/* The iterator behind find_all. */
#include "binding.h"

typedef struct Matches {
    PyObject_HEAD Region *owner;
    mapped_slice rest; /* what has not been searched yet */
    size_t base;       /* the index of its first byte */
    mapped_needle needle;
    void *bytes; /* the needle's; NULL when exhausted */
} Matches;

PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t base,
                      const Needle *needle)
{
    void *bytes = slice != NULL ? needle_copy(needle) : NULL;
    if (bytes == NULL && slice != NULL)
        return NULL;
    Matches *self = PyObject_GC_New(Matches, owner->state->matches);
    if (self == NULL) {
        PyMem_Free(bytes);
        return NULL;
    }
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    self->base = base;
    self->bytes = bytes;
    if (slice != NULL) {
        self->rest = *slice;
        mapped_needle_init(&self->needle, bytes, needle->length);
    }
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void matches_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyMem_Free(((Matches *)self)->bytes);
    Py_DECREF((PyObject *)((Matches *)self)->owner);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* No tp_clear, as in a Slice: the Region's own breaks every cycle. */
static int matches_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((Matches *)self)->owner);
    return 0;
}

/* Goes on behind the occurrence at `found`; behind an empty one at the next
 * byte, until there is none. */
static void go_on(Matches *matches, size_t found)
{
    size_t length = mapped_needle_length(&matches->needle);
    size_t used = found + (length > 0 ? length : 1);
    if (found == MAPPED_NOT_FOUND || used > matches->rest.length) {
        matches->rest.length = 0;
        matches->base = MAPPED_NOT_FOUND;
        return;
    }
    matches->rest.offset += used;
    matches->rest.length -= used;
    matches->base += used;
}

/* Two threads may ask one iterator at once: each searches what it saw, and the
 * needle's bytes stay until the iterator goes. */
static PyObject *matches_next(PyObject *self)
{
    Matches *matches = (Matches *)self;
    mapped_needle needle = matches->needle;
    size_t base = matches->base;
    size_t found;
    mapped_error error;
    if (matches->bytes == NULL || base == MAPPED_NOT_FOUND)
        return NULL;
    if (find_first(matches->rest, &needle, &found, &error) != MAPPED_OK)
        return raise_of(matches->owner, &error);
    matches->needle = needle;
    go_on(matches, found);
    return found == MAPPED_NOT_FOUND ? NULL : PyLong_FromSize_t(base + found);
}

static const char matches_doc[] =
    PyDoc_STR("Iterator over the indexes at which something was found.");

static PyType_Slot matches_slots[] = {
    {Py_tp_doc, (void *)matches_doc},   {Py_tp_dealloc, matches_dealloc},
    {Py_tp_traverse, matches_traverse}, {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, matches_next},     {0, NULL}};

PyType_Spec matches_spec = {
    .name = "mapped._mapped.Matches",
    .basicsize = sizeof(Matches),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = matches_slots,
};
