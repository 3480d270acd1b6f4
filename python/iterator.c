/* The iterator of Region, Slice, Array and Records, in both directions. It asks
 * the sequence for every item, so each item is checked like any other access.
 */
#include "binding.h"

typedef struct Iterator {
    PyObject_HEAD PyObject *sequence; /* NULL once the collector cleared it */
    Py_ssize_t index;                 /* of the next item, if any is left */
    Py_ssize_t step;
    Py_ssize_t left; /* items */
} Iterator;

PyObject *iterator_new(PyObject *sequence, Region *owner, Py_ssize_t length,
                       bool backwards)
{
    Iterator *self = PyObject_GC_New(Iterator, owner->state->iterator);
    if (self == NULL)
        return NULL;
    self->sequence = Py_NewRef(sequence);
    self->index = backwards ? length - 1 : 0;
    self->step = backwards ? -1 : 1;
    self->left = length;
    if (owner->wraps)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

static void iterator_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(((Iterator *)self)->sequence);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int iterator_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Iterator *)self)->sequence);
    return 0;
}

static int iterator_clear(PyObject *self)
{
    Py_CLEAR(((Iterator *)self)->sequence);
    return 0;
}

/* Making the item may run code that uses this iterator too. Each of the two
 * calls then goes on from the index that it began with. */
static PyObject *iterator_next(PyObject *self)
{
    Iterator *iterator = (Iterator *)self;
    Py_ssize_t index = iterator->index, left = iterator->left;
    if (iterator->sequence == NULL || left == 0)
        return NULL;
    PyObject *item = PySequence_GetItem(iterator->sequence, index);
    if (item != NULL) {
        iterator->index = index + iterator->step;
        iterator->left = left - 1;
    }
    return item;
}

static const char iterator___length_hint___doc[] =
    PyDoc_STR("__length_hint__($self, /)\n--\n\nHow many items are left.");

static METHOD_NONE(iterator___length_hint__)
{
    Iterator *iterator = (Iterator *)self;
    return PyLong_FromSsize_t(iterator->left);
}

static PyMethodDef iterator_methods[] = {
    METHOD_ROW(iterator, NONE, __length_hint__), {NULL, NULL, 0, NULL}};

static const char iterator_doc[] = PyDoc_STR("Iterator of a mapped object.");

static PyType_Slot iterator_slots[] = {
    {Py_tp_doc, (void *)iterator_doc},   {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse}, {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},     {Py_tp_iternext, iterator_next},
    {Py_tp_methods, iterator_methods},   {0, NULL}};

PyType_Spec iterator_spec = {
    .name = "mapped._mapped.Iterator",
    .basicsize = sizeof(Iterator),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};
