/* What the types of objects that keep a Region have in common. Such an object
 * begins with an Owned. Its type has no tp_clear, because that of the Region
 * breaks every cycle; and the collector tracks it only if the Region is a wrap,
 * because others are part of no cycle. */
#include "array.h"

PyObject *owned_new(PyTypeObject *type, Region *owner)
{
    Owned *self = PyObject_GC_New(Owned, type);
    if (self == NULL)
        return NULL;
    self->owner = (Region *)Py_NewRef((PyObject *)owner);
    if (owner->is_wrap)
        PyObject_GC_Track(self);
    return (PyObject *)self;
}

/* Returns the only argument of a call of the type, a Region or a Slice: a
 * borrowed reference, or NULL with a TypeError. */
static PyObject *only_view(const State *state, const char *type,
                           PyObject *arguments, PyObject *keywords)
{
    PyObject *view;
    if (keywords != NULL && PyDict_Size(keywords) > 0)
        return PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments",
                            type);
    if (!PyArg_UnpackTuple(arguments, type, 1, 1, &view))
        return NULL;
    return is_view(state, view)
               ? view
               : raise_kind("expected a Region or a Slice", view);
}

/* `type` itself has the module's state, because it can't be subclassed. */
PyObject *owned_create(PyTypeObject *type, const char *name,
                       PyObject *arguments, PyObject *keywords,
                       mapped_slice *span)
{
    const State *state = PyType_GetModuleState(type);
    PyObject *view =
        state == NULL ? NULL : only_view(state, name, arguments, keywords);
    if (view == NULL)
        return NULL;
    *span = view_span(view);
    return owned_new(type, view_owner(view));
}

void owned_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Region *owner = ((Owned *)self)->owner;
    PyObject_GC_UnTrack(self);
    PyObject_GC_Del(self);
    Py_DECREF((PyObject *)owner);
    Py_DECREF(type);
}

int owned_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((Owned *)self)->owner);
    return 0;
}
