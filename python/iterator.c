/* The iterator over Region, Slice, Array and Records, in both directions. It
 * reads one item at a time, and each is checked like any other access.
 *
 * It is fastest over a row: an Array of one dimension, whose elements it reads
 * by their offsets. It asks any other sequence for its items by index. */
#include "array.h"
#include "value.h"

typedef struct Iterator {
    PyObject_HEAD PyObject *sequence; /* NULL once the collector cleared it */
    Py_ssize_t items_left;
    const Array *row; /* the sequence if it is a row, else NULL */
    Read *read;       /* reads an element of a row */
    ssizeargfunc get; /* reads an item of any other sequence */
    size_t next;      /* the next item's offset in a row, else its index */
    size_t step;      /* to the item after that, modulo 2^N if backwards */
} Iterator;

PyObject *iterator_new(PyObject *sequence, Region *owner, Py_ssize_t length,
                       bool backwards)
{
    Iterator *self =
        length < 0 ? NULL
                   : PyObject_GC_New(Iterator, owner->state->iterator_type);
    if (self == NULL)
        return NULL;
    self->sequence = Py_NewRef(sequence);
    self->row = NULL;
    self->read = NULL;
    self->get =
        is_view(owner->state, sequence) ? view_item : PySequence_GetItem;
    self->next = backwards ? (size_t)length - 1 : 0;
    self->step = backwards ? (size_t)-1 : 1;
    self->items_left = length;
    if (Py_IS_TYPE(sequence, owner->state->array_type) &&
        array_of(sequence)->core.dimensions == 1) {
        self->row = array_of(sequence);
        self->read = value_read[self->row->core.item.element->form];
        self->next = mapped_array_offset(&self->row->core, self->next);
        self->step *= (size_t)self->row->core.strides[0];
    }
    if (owner->is_wrap)
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
    ((Iterator *)self)->row = NULL;
    ((Iterator *)self)->items_left = 0;
    Py_CLEAR(((Iterator *)self)->sequence);
    return 0;
}

/* The iterator moves on before the item is made, because that may run code that
 * takes the item after it from the same iterator. */
static PyObject *iterator_next(PyObject *self)
{
    Iterator *iterator = (Iterator *)self;
    const Array *row = iterator->row;
    size_t next = iterator->next;
    if (iterator->items_left == 0)
        return NULL;
    iterator->next += iterator->step;
    iterator->items_left--;
    if (row == NULL)
        return iterator->get(iterator->sequence, (Py_ssize_t)next);
    return iterator->read(row->owner, &row->core.slice, row->core.item.element,
                          next);
}

static const char iterator___length_hint___doc[] =
    PyDoc_STR("__length_hint__($self, /)\n--\n\n"
              "How many items are left.");

static METHOD_NONE(iterator___length_hint__)
{
    return PyLong_FromSsize_t(((Iterator *)self)->items_left);
}

static const char iterator___copy___doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\n"
              "Return an iterator that goes on from here by itself.");

static METHOD_NONE(iterator___copy__)
{
    const Iterator *from = (Iterator *)self;
    Iterator *copy = PyObject_GC_New(Iterator, Py_TYPE(self));
    if (copy == NULL)
        return NULL;
    copy->sequence = Py_XNewRef(from->sequence);
    copy->items_left = from->items_left;
    copy->row = from->row;
    copy->read = from->read;
    copy->get = from->get;
    copy->next = from->next;
    copy->step = from->step;
    PyObject_GC_Track((PyObject *)copy);
    return (PyObject *)copy;
}

static PyMethodDef iterator_methods[] = {
    METHOD_ROW(iterator, NONE, __copy__),
    METHOD_ROW(iterator, NONE, __length_hint__),
    {NULL, NULL, 0, NULL}};

static const char iterator_doc[] = PyDoc_STR("Iterator of a mapped object.");

static PyType_Slot iterator_slots[] = {
    {Py_tp_doc, (void *)iterator_doc},   {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_traverse, iterator_traverse}, {Py_tp_clear, iterator_clear},
    {Py_tp_iter, PyObject_SelfIter},     {Py_tp_iternext, iterator_next},
    {Py_tp_methods, iterator_methods},   {0, NULL}};

TYPE(iterator, "mapped._mapped.Iterator", sizeof(Iterator), 0,
     Py_TPFLAGS_HAVE_GC)
