/* The type Slice: a bounded view of a Region, its owner, which it keeps alive.
 *
 * release() ends one Slice and leaves its Region open: the Slice gets another
 * owner, a closed Region made for it, so that every method raises without a
 * check of its own. The former owner stays referred to, because a call that is
 * under way may still use it.
 *
 * Its other methods, its subscripts and its buffer are those of every View
 * (view.c; the lists are in tables.h). */
#include "binding.h"

/* Every `s[a:b]` makes a Slice, so the memory of the last few that were deleted
 * is used again. Only memory that the collector has never tracked is kept, so
 * slice_new alone decides whether a Slice in it is tracked. */
static PyObject *allocate(State *state)
{
    if (state->free_slice_count == 0)
        return (PyObject *)PyObject_GC_New(View, state->slice_type);
    return PyObject_Init(state->free_slices[--state->free_slice_count],
                         state->slice_type);
}

static void free_memory(State *state, PyObject *self)
{
    bool module_lives = state->slice_type != NULL; /* see module_free */
    if (module_lives && state->free_slice_count < FREE_SLICES)
        state->free_slices[state->free_slice_count++] = self;
    else
        PyObject_GC_Del(self);
}

void slice_free_memory(State *state)
{
    while (state->free_slice_count > 0)
        PyObject_GC_Del(state->free_slices[--state->free_slice_count]);
}

PyObject *slice_new(Region *owner, mapped_slice slice)
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
    view->former_owner = NULL;
    view->slice = slice;
    /* Only a Slice of a wrap can be in a cycle. */
    if (owner->is_wrap)
        PyObject_GC_Track(self);
    return self;
}

/* The owner that the Slice was made with; release() gives it another one. */
static Region *first_owner(const View *view)
{
    return view->former_owner != NULL ? view->former_owner : view->owner;
}

static void slice_dealloc(PyObject *self)
{
    View *view = (View *)self;
    Region *owner = view->owner, *former_owner = view->former_owner;
    State *state = owner->state;
    PyTypeObject *type = Py_TYPE(self);
    bool is_tracked = first_owner(view)->is_wrap; /* see slice_new */
    if (is_tracked)
        PyObject_GC_UnTrack(self);
    if (view->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    /* The owners go last: the State may go with one of them. */
    if (is_tracked)
        PyObject_GC_Del(self);
    else
        free_memory(state, self);
    if (former_owner != NULL)
        former_owner->released_slices--;
    Py_XDECREF((PyObject *)former_owner);
    Py_DECREF((PyObject *)owner);
    Py_DECREF(type);
}

/* There is no tp_clear, so a Slice always has its Region: tp_clear of the
 * Region breaks every cycle. */
static int slice_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)view_owner(self));
    Py_VISIT((PyObject *)((View *)self)->former_owner);
    return 0;
}

static PyObject *slice_repr(PyObject *self)
{
    View *view = (View *)self;
    return PyUnicode_FromFormat("<mapped.Slice offset=%zu length=%zu of %R>",
                                view->slice.offset, view->slice.length,
                                (PyObject *)view->owner);
}

/* Makes the closed Region that owns a Slice from its release() on. It wraps no
 * bytes, read-only, and so needs no hook that ends the wrap. */
static Region *closed_region_new(State *state)
{
    mapped_error error;
    Region *closed = region_new(state, Py_None);
    if (closed == NULL)
        return NULL;
    mapped_region **core = &closed->view.slice.region;
    const size_t no_bytes = 0;
    const bool is_readonly = true;
    if (!TRY_TWICE(mapped_region_wrap(NULL, no_bytes, is_readonly, NULL, NULL,
                                      core, &error),
                   &error)) {
        Py_DECREF((PyObject *)closed);
        return raise_error(state, &error, NULL);
    }
    (void)mapped_region_retire(*core); /* closes it, and can't fail */
    closed->owns_released_slice = true;
    return closed;
}

/* Can no script reach the Region? That is so if only released Slices refer to
 * it: each holds exactly one reference, counted in released_slices. */
static bool region_is_unreachable(Region *self)
{
    return Py_REFCNT((PyObject *)self) == self->released_slices;
}

/* Takes over the reference to the closed Region. */
static void replace_owner(View *view, Region *closed)
{
    Region *former_owner = view->owner;
    view->former_owner = former_owner;
    former_owner->released_slices++;
    view->owner = closed;
    view->slice = closed->view.slice;
    if (former_owner->is_wrap && region_is_unreachable(former_owner))
        region_close_unused(former_owner);
}

static const char slice_release_doc[] = PyDoc_STR(
    "release($self, /)\n--\n\n"
    "End the access through this Slice, which raises ValueError from now on,\n"
    "as of a closed region. Other slices and the region go on; but if this\n"
    "was the only one of a wrapped buffer, the buffer is given back, unless\n"
    "its memory is exported. Releasing twice is fine.");

static METHOD_NONE(slice_release)
{
    View *view = (View *)self;
    if (view->former_owner != NULL)
        Py_RETURN_NONE;
    Region *closed = closed_region_new(view->owner->state);
    if (closed == NULL)
        return NULL;
    /* Making it may have run a finalizer that released this Slice too. */
    if (view->former_owner == NULL)
        replace_owner(view, closed);
    else
        Py_DECREF((PyObject *)closed);
    Py_RETURN_NONE;
}

static const char slice___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\n"
              "Return the slice. ValueError if it is released or its region\n"
              "closed.");

static METHOD_NONE(slice___enter__)
{
    return require_open(view_owner(self), "") < 0 ? NULL : Py_NewRef(self);
}

static const char slice___exit___doc[] =
    PyDoc_STR("__exit__($self, type, value, traceback, /)\n--\n\n"
              "Release the slice.");

static PyObject *slice___exit__(PyObject *self, PyObject *arguments)
{
    if (check_exit_arguments(arguments) < 0)
        return NULL;
    return slice_release(self, NULL);
}

static PyMethodDef slice_methods[] = {
    VIEW_METHODS(VIEW_METHOD_ROW) METHOD_ROW(slice, NONE, release),
    METHOD_ROW(slice, NONE, __enter__),
    {"__exit__", slice___exit__, METH_VARARGS, slice___exit___doc},
    {NULL, NULL, 0, NULL}};

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

TYPE(slice, "mapped.Slice", sizeof(View), 0,
     Py_TPFLAGS_HAVE_GC | PATTERN_SEQUENCE)
