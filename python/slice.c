/* The type Slice: a bounded view of a Region that keeps the Region alive. */
#include "binding.h"

/* Every `s[a:b]` makes a Slice, so the memory of the last few that were deleted
 * is used again. Only memory that the collector has never tracked is kept. */
static PyObject *allocate(State *state)
{
    if (state->free_slice_count == 0)
        return (PyObject *)PyObject_GC_New(View, state->slice);
    return PyObject_Init(state->free_slices[--state->free_slice_count],
                         state->slice);
}

static void free_memory(State *state, PyObject *self)
{
    if (state->free_slice_count < FREE_SLICES && state->slice != NULL)
        state->free_slices[state->free_slice_count++] = self;
    else
        PyObject_GC_Del(self);
}

void slice_free_memory(State *state)
{
    while (state->free_slice_count > 0)
        PyObject_GC_Del(state->free_slices[--state->free_slice_count]);
}

PyObject *slice_new(Region *owner, size_t offset, size_t length)
{
    /* The caller may lose the Region while this allocates. */
    Py_INCREF((PyObject *)owner);
    PyObject *self = allocate(owner->state);
    if (self == NULL) {
        Py_DECREF((PyObject *)owner);
        return NULL;
    }
    View *view = (View *)self;
    view->weakrefs = NULL;
    view->owner = owner;
    view->slice.region = owner->view.slice.region;
    view->slice.offset = offset;
    view->slice.length = length;
    if (owner->is_wrap)
        PyObject_GC_Track(self);
    return self;
}

PyObject *slice_of(const Extent *extent)
{
    if (require_open(extent->owner, "wrap") < 0)
        return NULL;
    return slice_new(extent->owner, extent->slice.offset, extent->slice.length);
}

PyObject *slice_all(PyObject *parent)
{
    Extent extent = view_extent(parent);
    return slice_of(&extent);
}

static void slice_dealloc(PyObject *self)
{
    View *view = (View *)self;
    Region *owner = view->owner;
    State *state = owner->state;
    PyTypeObject *type = Py_TYPE(self);
    bool is_tracked = owner->is_wrap;
    if (is_tracked)
        PyObject_GC_UnTrack(self);
    if (view->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    if (is_tracked)
        PyObject_GC_Del(self);
    else
        free_memory(state, self);
    Py_DECREF((PyObject *)owner);
    Py_DECREF(type);
}

/* There is no tp_clear, so a Slice always has its Region: tp_clear of the
 * Region breaks every cycle. */
static int slice_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)view_owner(self));
    return 0;
}

static PyObject *slice_repr(PyObject *self)
{
    View *view = (View *)self;
    return PyUnicode_FromFormat("<mapped.Slice offset=%zu length=%zu of %R>",
                                view->slice.offset, view->slice.length,
                                (PyObject *)view->owner);
}

static PyMethodDef slice_methods[] = {
    VIEW_METHODS(VIEW_METHOD_ROW){NULL, NULL, 0, NULL}};

static PyGetSetDef slice_attributes[] = {
    VIEW_ATTRIBUTES(VIEW_ATTRIBUTE_ROW){NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef slice_members[] = WEAKREFS_AT(View, weakrefs);

static const char slice_doc[] = PyDoc_STR(
    "Bytes of a Region, viewed and not copied.\n\n"
    "Made by slicing a Region or a Slice, and by mapped.wrap(). It is a\n"
    "sequence of integers like bytes, supports the buffer protocol, and\n"
    "keeps its Region alive. Every access is checked: once the region is\n"
    "closed it raises ValueError.");

static PyType_Slot slice_slots[] = {VIEW_SLOTS(slice)};

TYPE(slice, "mapped.Slice", sizeof(View), 0, Py_TPFLAGS_HAVE_GC)
