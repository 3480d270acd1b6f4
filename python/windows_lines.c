/* The iterator over the lines of a file in windows. It owns the Region of the
 * window that it is in.
 *
 * Two threads may ask one iterator for a line at the same time, since a search
 * may run unlocked. So a call works with a copy of the iterator's state, a
 * LineSearch, which becomes that state once a line has been found. */
#include "open.h"
#include "unlocked.h"

typedef struct Lines {
    PyObject_HEAD Windows *windows;
    Region *region; /* the window's Region; NULL before the first window */
    mapped_windows_lines core;
} Lines;

PyObject *windows_lines_new(Windows *windows, bool keep_newlines)
{
    Lines *self = PyObject_New(Lines, windows->state->windows_lines_type);
    if (self == NULL)
        return NULL;
    self->windows = (Windows *)Py_NewRef((PyObject *)windows);
    self->region = NULL;
    mapped_windows_lines_init(&self->core, &windows->core, keep_newlines);
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

/* Takes one step unlocked. Without a region, before the first window, the step
 * reads nothing, so there is nothing to export. */
static mapped_status take_step(mapped_windows_lines *lines, Region *region,
                               mapped_slice *line, mapped_lines_step *step,
                               mapped_error *error)
{
    mapped_status status;
    if (region == NULL) {
        PyThreadState *thread = unlocked_enter();
        status = mapped_windows_lines_step(lines, line, step, error);
        unlocked_leave(thread);
        return status;
    }
    Unlocked unlocked = unlocked_begin_blocking(region->view.slice.region);
    status = mapped_windows_lines_step(lines, line, step, error);
    return unlocked_end_access(&unlocked, status, error);
}

static mapped_status map_window(void *context, mapped_region **region,
                                mapped_error *error)
{
    return mapped_windows_lines_map(context, NULL, region, error);
}

/* One call for the next line: a copy of the iterator's state, and the line. */
typedef struct LineSearch {
    Windows *windows;
    mapped_windows_lines lines;
    Region *region;    /* a reference */
    mapped_slice line; /* the result */
} LineSearch;

/* Maps the window that the step wants, in place of the one that the search is
 * in. */
static mapped_status change_window(LineSearch *search, mapped_error *error)
{
    Region *region = region_new(search->windows->state, search->windows->name);
    if (region == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "lines");
    mapped_status status =
        windows_open_region(&search->lines, map_window, region, error);
    if (status != MAPPED_OK) {
        Py_DECREF((PyObject *)region);
        return status;
    }
    Py_XDECREF((PyObject *)search->region);
    search->region = region;
    return MAPPED_OK;
}

/* Returns 1 with the next line; 0 at the end; or -1 with an exception. */
static int search_line(LineSearch *search)
{
    mapped_lines_step step;
    mapped_error error;
    mapped_status status;
    for (;;) {
        status = take_step(&search->lines, search->region, &search->line, &step,
                           &error);
        if (status != MAPPED_OK || step != MAPPED_LINES_WINDOW)
            break;
        status = change_window(search, &error);
        /* If the file has got shorter, the step is taken again. */
        if (status != MAPPED_OK && status != MAPPED_PAST_END)
            break;
    }
    if (status == MAPPED_OK)
        return step == MAPPED_LINES_LINE;
    mapped_error_set_operation(&error, "lines");
    if (!PyErr_Occurred())
        raise_error(search->windows->state, &error, search->windows->name);
    return -1;
}

/* Returns the next line by a search that may run unlocked and map windows. */
static PyObject *next_searched(Lines *self)
{
    LineSearch search = {.windows = self->windows, .lines = self->core};
    search.region = (Region *)Py_XNewRef((PyObject *)self->region);
    PyObject *result = NULL;
    if (search_line(&search) > 0) {
        Region *previous = self->region;
        self->core = search.lines;
        self->region = (Region *)Py_NewRef((PyObject *)search.region);
        result = slice_new(search.region, search.line);
        Py_XDECREF((PyObject *)previous);
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
        result = slice_new(self->region, line);
    else
        result = next_searched(self);
    windows_end(self->windows);
    return result;
}

static const char windows_lines___copy___doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\n"
              "Return an iterator that goes on from here by itself.");

static METHOD_NONE(windows_lines___copy__)
{
    const Lines *from = (Lines *)self;
    Lines *copy = PyObject_New(Lines, Py_TYPE(self));
    if (copy == NULL)
        return NULL;
    copy->windows = (Windows *)Py_NewRef((PyObject *)from->windows);
    copy->region = (Region *)Py_XNewRef((PyObject *)from->region);
    copy->core = from->core;
    return (PyObject *)copy;
}

static PyMethodDef windows_lines_methods[] = {
    METHOD_ROW(windows_lines, NONE, __copy__), {NULL, NULL, 0, NULL}};

static const char lines_doc[] =
    PyDoc_STR("Iterator over the lines of a file in windows.");

static PyType_Slot windows_lines_slots[] = {
    {Py_tp_doc, (void *)lines_doc},         {Py_tp_dealloc, lines_dealloc},
    {Py_tp_iter, PyObject_SelfIter},        {Py_tp_iternext, lines_next},
    {Py_tp_methods, windows_lines_methods}, {0, NULL}};

TYPE(windows_lines, "mapped._mapped.WindowsLines", sizeof(Lines), 0, 0)
