/* The iterator over the lines of a file in windows. It owns the Region of the
 * window that it is in. What it works with is a copy, which takes the place of
 * its own when a line has been found: so two threads may ask one iterator at
 * once, and each goes on from what it saw. */
#include "unlocked.h"
#include "windows.h"

typedef struct Lines {
    PyObject_HEAD Windows *windows;
    Region *region; /* of the window; NULL before the first */
    mapped_windows_lines core;
} Lines;

PyObject *windows_lines_new(Windows *windows, bool keep)
{
    Lines *self = PyObject_New(Lines, windows->state->windows_lines);
    if (self == NULL)
        return NULL;
    self->windows = (Windows *)Py_NewRef((PyObject *)windows);
    self->region = NULL;
    mapped_windows_lines_init(&self->core, &windows->core, keep);
    return (PyObject *)self;
}

static void lines_dealloc(PyObject *object)
{
    Lines *self = (Lines *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF((PyObject *)self->region);
    Py_DECREF((PyObject *)self->windows);
    PyObject_Free(object);
    Py_DECREF(type);
}

static mapped_status step(mapped_windows_lines *lines, Region *region,
                          mapped_slice *line, mapped_lines_step *what,
                          mapped_error *error)
{
    mapped_status status;
    if (region == NULL) { /* it looks at the file first */
        PyThreadState *thread = unlocked_enter();
        status = mapped_windows_lines_step(lines, line, what, error);
        unlocked_leave(thread);
        return status;
    }
    Unlocked unlocked = unlocked_begin_blocking(region->view.slice.region);
    status = mapped_windows_lines_step(lines, line, what, error);
    return unlocked_end_access(&unlocked, status, error);
}

static mapped_status map(void *context, mapped_region **region,
                         mapped_error *error)
{
    return mapped_windows_lines_map(context, NULL, region, error);
}

/* A call for the next line: the copy, and the Region that it is in. */
typedef struct Search {
    Windows *windows;
    mapped_windows_lines lines;
    Region *region;
    mapped_slice line;
} Search;

/* Puts the next window in the place of the one that the search is in. */
static mapped_status go_on(Search *search, mapped_error *error)
{
    Region *made = region_new(search->windows->state, search->windows->name);
    if (made == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "lines");
    mapped_status status =
        windows_open_region(&search->lines, map, made, error);
    if (status != MAPPED_OK) {
        Py_DECREF((PyObject *)made);
        return status;
    }
    Py_XDECREF((PyObject *)search->region);
    search->region = made;
    return MAPPED_OK;
}

/* Returns 1 with the next line; 0 at the end; or -1 with an exception. */
static int search_line(Search *search)
{
    mapped_lines_step what;
    mapped_error error;
    mapped_status status;
    for (;;) {
        status =
            step(&search->lines, search->region, &search->line, &what, &error);
        if (status != MAPPED_OK || what != MAPPED_LINES_WINDOW)
            break;
        status = go_on(search, &error);
        if (status != MAPPED_OK && status != MAPPED_PAST_END)
            break;
    }
    if (status == MAPPED_OK)
        return what == MAPPED_LINES_LINE;
    mapped_error_set_operation(&error, "lines");
    if (!PyErr_Occurred())
        raise_error(search->windows->state, &error, search->windows->name);
    return -1;
}

static PyObject *next_far(Lines *self)
{
    Search search = {.windows = self->windows, .lines = self->core};
    search.region = (Region *)Py_XNewRef((PyObject *)self->region);
    PyObject *result = NULL;
    if (search_line(&search) > 0) {
        Region *before = self->region;
        self->core = search.lines;
        self->region = (Region *)Py_NewRef((PyObject *)search.region);
        result =
            slice_new(search.region, search.line.offset, search.line.length);
        Py_XDECREF((PyObject *)before);
    }
    Py_XDECREF((PyObject *)search.region);
    return result;
}

static PyObject *lines_next(PyObject *object)
{
    Lines *self = (Lines *)object;
    mapped_slice line;
    PyObject *result;
    if (windows_begin(self->windows) < 0)
        return NULL;
    if (mapped_windows_lines_try_next(&self->core, UNLOCKED_BYTES, &line))
        result = slice_new(self->region, line.offset, line.length);
    else
        result = next_far(self);
    windows_end(self->windows);
    return result;
}

static const char lines_doc[] =
    PyDoc_STR("Iterator over the lines of a file in windows.");

static PyType_Slot lines_slots[] = {{Py_tp_doc, (void *)lines_doc},
                                    {Py_tp_dealloc, lines_dealloc},
                                    {Py_tp_iter, PyObject_SelfIter},
                                    {Py_tp_iternext, lines_next},
                                    {0, NULL}};

PyType_Spec windows_lines_spec = {
    .name = "mapped._mapped.WindowsLines",
    .basicsize = sizeof(Lines),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lines_slots,
};
