/* The function windows and the type Windows: an iterator over a file of any
 * size. Each window is a Region of its own, which the Slice that is returned
 * keeps alive. The Windows has only the open file and the place in it where the
 * next window begins.
 *
 * Whatever may wait for a disk runs unlocked, and other threads may use or
 * close the object meanwhile. So every use of the file is between windows_begin
 * and windows_end, and after a close the last use closes the file. The place
 * changes only with the interpreter's lock held, so that threads that share the
 * object get different windows. */
#include "open.h"
#include "source.h"
#include "unlocked.h"

/* Raises and returns -1 if the windows are closed; else returns 0. */
static int require_open_windows(const Windows *self)
{
    if (!self->is_closed)
        return 0;
    PyObject *name = shown(self->name);
    if (name != NULL)
        PyErr_Format(PyExc_ValueError, "attempt to use closed windows: %U",
                     name);
    Py_XDECREF(name);
    return -1;
}

int windows_begin(Windows *self)
{
    if (require_open_windows(self) < 0)
        return -1;
    self->uses++;
    return 0;
}

/* Closes the file, which no call uses any more. */
static void close_core(Windows *self)
{
    mapped_windows core = self->core;
    self->core = (mapped_windows){0};
    PyThreadState *thread = unlocked_enter();
    mapped_windows_close(&core);
    unlocked_leave(thread);
}

void windows_end(Windows *self)
{
    self->uses--;
    if (self->is_closed && self->uses == 0)
        close_core(self);
}

static void close_windows(Windows *self)
{
    self->uses++;
    self->is_closed = true;
    windows_end(self);
}

static Windows *windows_new(State *state)
{
    Windows *self = PyObject_New(Windows, state->windows_type);
    if (self == NULL)
        return NULL;
    self->state = state;
    Py_INCREF(state->module);
    self->name = NULL;
    self->path = NULL;
    self->core = (mapped_windows){.name_ = NULL};
    self->uses = 0;
    self->is_closed = false;
    return self;
}

static void windows_dealloc(PyObject *object)
{
    Windows *self = (Windows *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *module = self->state->module;
    close_core(self);
    Py_XDECREF(self->name);
    Py_XDECREF(self->path);
    PyObject_Free(object);
    Py_DECREF(type);
    Py_DECREF(module);
}

/* The arguments of windows(). */
typedef struct Call {
    Request request;
    uint64_t size;
    uint64_t overlap;
} Call;

static mapped_status open_core(Windows *self, const Call *call,
                               mapped_error *error)
{
    const char *path = self->path != NULL ? PyBytes_AsString(self->path) : NULL;
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    if (path != NULL)
        status = mapped_windows_open(&self->core, path, call->size,
                                     call->overlap, error);
    else
        status = mapped_windows_open_descriptor(
            &self->core, call->request.descriptor, NULL, call->size,
            call->overlap, error);
    unlocked_leave(thread);
    return status;
}

/* Opens the file; a second time if garbage may have held what had run out.
 * Collecting the garbage may close the file, so its descriptor is asked for
 * again. Returns 0, or -1 with an exception. */
static int open_twice(Windows *self, PyObject *file, Call *call)
{
    mapped_error error;
    if (open_core(self, call, &error) == MAPPED_OK)
        return 0;
    if (collect_for_retry(&error)) {
        if (self->path == NULL &&
            request_convert_descriptor(file, &call->request) < 0)
            return -1;
        if (open_core(self, call, &error) == MAPPED_OK)
            return 0;
    }
    raise_error(self->state, &error, call->request.name);
    return -1;
}

static PyObject *open_call(State *state, PyObject *file, Call *call)
{
    Windows *self = windows_new(state);
    if (self == NULL)
        return NULL;
    if (request_convert_file(file, &call->request) == 0) {
        self->path = Py_XNewRef(call->request.path);
        if (open_twice(self, file, call) == 0) {
            self->name = Py_NewRef(call->request.name);
            return (PyObject *)self;
        }
    }
    Py_DECREF((PyObject *)self);
    return NULL;
}

const char module_windows_doc[] = PyDoc_STR(
    "windows($module, file, size, overlap=0)\n--\n\n"
    "Return an iterator over a file of any size, which yields a Slice for\n"
    "each `size` bytes and maps no more than that.\n\n"
    "Each Slice but the first begins with the last `overlap` bytes of the\n"
    "one before; `window.region.file_offset` is where in the file it\n"
    "begins. It is read-only, and stays valid for as long as somebody holds\n"
    "it. The end is that of the file as it is then, so what others append\n"
    "meanwhile comes, too.\n\n"
    "file as for open(). OSError as the system says; ValueError if `size`\n"
    "is 0 or not more than `overlap`.");

METHOD_NAMED(module_windows, "windows", 2, 3, "file", "size", "overlap")
{
    Call call = {.overlap = 0};
    if (convert_u64(values[1], "size", &call.size) < 0 ||
        convert_u64(values[2], "overlap", &call.overlap) < 0)
        return NULL;
    PyObject *result = open_call(PyModule_GetState(self), values[0], &call);
    request_clear(&call.request);
    return result;
}

static mapped_status map_unlocked(void *context, WindowsMap *map,
                                  mapped_region **core, mapped_error *error)
{
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    status = map(context, core, error);
    unlocked_leave(thread);
    return status;
}

mapped_status windows_open_region(void *context, WindowsMap *map,
                                  Region *region, mapped_error *error)
{
    mapped_region **core = &region->view.slice.region;
    mapped_status status = map_unlocked(context, map, core, error);
    if (status != MAPPED_OK && collect_for_retry(error))
        status = map_unlocked(context, map, core, error);
    return status;
}

static mapped_status file_size(const Windows *self, uint64_t *size,
                               mapped_error *error)
{
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    status = mapped_windows_file_size(&self->core, size, error);
    unlocked_leave(thread);
    return status;
}

/* The context of map_window. */
typedef struct Place {
    Windows *windows;
    mapped_window window;
} Place;

static mapped_status map_window(void *context, mapped_region **region,
                                mapped_error *error)
{
    const Place *place = context;
    return mapped_windows_map(&place->windows->core, place->window, NULL,
                              region, error);
}

/* Opens the next window into `region`. Returns 1; 0 at the end of the file; or
 * -1 with an exception. The place advances before the window is mapped, so that
 * another thread gets the next one meanwhile, and is put back if that fails. If
 * the file has got shorter since its size was read (MAPPED_PAST_END), the size
 * is read again. */
static int open_next(Windows *self, Region *region)
{
    Place place = {.windows = self};
    mapped_error error;
    mapped_status status;
    do {
        uint64_t size;
        status = file_size(self, &size, &error);
        if (status != MAPPED_OK)
            break;
        const mapped_windows before = self->core;
        if (!mapped_windows_advance(&self->core, size, &place.window))
            return 0;
        status = windows_open_region(&place, map_window, region, &error);
        if (status == MAPPED_OK)
            return 1;
        mapped_windows_undo(&self->core, place.window, &before);
    } while (status == MAPPED_PAST_END);
    raise_error(self->state, &error, self->name);
    return -1;
}

static PyObject *windows_next(PyObject *object)
{
    Windows *self = (Windows *)object;
    PyObject *result = NULL;
    if (windows_begin(self) < 0)
        return NULL;
    Region *region = region_new(self->state, self->name);
    if (region != NULL && open_next(self, region) > 0)
        result = slice_new(region, view_span((PyObject *)region));
    Py_XDECREF((PyObject *)region);
    windows_end(self);
    return result;
}

/* A search of the whole file by the core. */
typedef mapped_status Search(const mapped_windows *windows,
                             mapped_needle *needle, uint64_t *result,
                             mapped_error *error);

/* mapped_windows_find as a Search: `*result` is where to begin. */
static mapped_status find_from(const mapped_windows *windows,
                               mapped_needle *needle, uint64_t *result,
                               mapped_error *error)
{
    return mapped_windows_find(windows, needle, *result, result, error);
}

static mapped_status search_unlocked(const Windows *self, Search *core_search,
                                     mapped_needle *needle, uint64_t *result,
                                     mapped_error *error)
{
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    status = core_search(&self->core, needle, result, error);
    unlocked_leave(thread);
    return status;
}

/* Searches the file for the object. `*result` is where find_from begins, and
 * then what was found. Returns 0, or -1 with an exception. */
static int search(Windows *self, PyObject *object, const char *operation,
                  Search *core_search, uint64_t *result)
{
    Needle needle;
    mapped_needle core_needle;
    mapped_error error;
    bool succeeded;
    if (needle_open(self->state, object, operation, &needle) < 0)
        return -1;
    if (windows_begin(self) < 0) {
        needle_close(&needle); /* It leaves the exception as it is. */
        return -1;
    }
    mapped_needle_init(&core_needle, needle.bytes, needle.length);
    succeeded = TRY_TWICE(
        search_unlocked(self, core_search, &core_needle, result, &error),
        &error);
    windows_end(self);
    if (!succeeded)
        raise_error(self->state, &error, self->name);
    return needle_close(&needle) < 0 || !succeeded ? -1 : 0;
}

static const char windows_find_doc[] = PyDoc_STR(
    "find($self, /, x, start=0)\n--\n\n"
    "Return the lowest offset in the file, at or after `start`, where `x`\n"
    "begins, or -1.\n\n"
    "`x` is a bytes-like object or an integer from 0 to 255. Edges of windows\n"
    "hide nothing, and the iteration stays where it is. Other threads run\n"
    "meanwhile. ValueError if `start` is negative or the windows are closed;\n"
    "FaultError if a page was lost that the answer depends on.");

static METHOD_NAMED(windows_find, "find", 1, 2, "x", "start")
{
    uint64_t offset = 0;
    if (convert_u64(values[1], "start", &offset) < 0 ||
        search((Windows *)self, values[0], "find", find_from, &offset) < 0)
        return NULL;
    if (offset == MAPPED_WINDOWS_NOT_FOUND)
        return PyLong_FromLong(-1);
    return PyLong_FromUnsignedLongLong(offset);
}

static const char windows_count_doc[] = PyDoc_STR(
    "count($self, x, /)\n--\n\n"
    "Return how many occurrences of `x` that don't overlap are in the file.");

static METHOD_ONE(windows_count)
{
    uint64_t count = 0;
    if (search((Windows *)self, argument, "count", mapped_windows_count,
               &count) < 0)
        return NULL;
    return PyLong_FromUnsignedLongLong(count);
}

static const char windows_lines_doc[] = PyDoc_STR(
    "lines($self, /, keepends=False)\n--\n\n"
    "Return an iterator over all lines of the file, each a Slice.\n\n"
    "A line ends with b'\\n', which `keepends` makes part of it, or with the\n"
    "file. None is cut by the edge of a window: for one that is longer, as\n"
    "much is mapped as it takes. A line's offset in the file is\n"
    "`line.region.file_offset + line.offset`.");

static METHOD_NAMED(windows_lines, "lines", 0, 1, "keepends")
{
    uint32_t keep_newlines = 0;
    if (convert_flag(values[0], 1, &keep_newlines) < 0)
        return NULL;
    if (require_open_windows((Windows *)self) < 0)
        return NULL;
    return windows_lines_new((Windows *)self, keep_newlines != 0);
}

static const char windows_seek_doc[] =
    PyDoc_STR("seek($self, offset, /)\n--\n\n"
              "Let the next window begin at `offset` in the file.");

static METHOD_ONE(windows_seek)
{
    Windows *windows = (Windows *)self;
    uint64_t offset = 0;
    if (convert_u64(argument, "offset", &offset) < 0 ||
        windows_begin(windows) < 0)
        return NULL;
    mapped_windows_seek(&windows->core, offset);
    windows_end(windows);
    Py_RETURN_NONE;
}

static const char windows_close_doc[] = PyDoc_STR(
    "close($self, /)\n--\n\n"
    "Close the file. Windows and lines that somebody holds stay valid.\n"
    "Closing twice is fine.");

static METHOD_NONE(windows_close)
{
    close_windows((Windows *)self);
    Py_RETURN_NONE;
}

static const char windows___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\n"
              "Return the windows. ValueError if they are closed.");

static METHOD_NONE(windows___enter__)
{
    if (require_open_windows((Windows *)self) < 0)
        return NULL;
    return Py_NewRef(self);
}

static const char windows___exit___doc[] =
    PyDoc_STR("__exit__($self, type, value, traceback, /)\n--\n\n"
              "Close the file.");

static PyObject *windows___exit__(PyObject *self, PyObject *arguments)
{
    if (check_exit_arguments(arguments) < 0)
        return NULL;
    close_windows((Windows *)self);
    Py_RETURN_NONE;
}

static const char windows_closed_doc[] = PyDoc_STR("True once closed.");

static ATTRIBUTE(windows_closed)
{
    return PyBool_FromLong(((Windows *)self)->is_closed);
}

static const char windows_size_doc[] =
    PyDoc_STR("The size in bytes of the file as it is now.");

static ATTRIBUTE(windows_size)
{
    Windows *windows = (Windows *)self;
    uint64_t size;
    mapped_error error;
    if (windows_begin(windows) < 0)
        return NULL;
    mapped_status status = file_size(windows, &size, &error);
    windows_end(windows);
    if (status != MAPPED_OK)
        return raise_error(windows->state, &error, windows->name);
    return PyLong_FromUnsignedLongLong(size);
}

static const char windows___reduce_ex___doc[] =
    PyDoc_STR("__reduce_ex__($self, protocol, /)\n--\n\n"
              "Raise TypeError: an open file can't be pickled.");

static METHOD_ONE(windows___reduce_ex__)
{
    (void)argument;
    return raise_about(PyExc_TypeError,
                       "cannot %s %U: call windows() where they are needed",
                       "pickle", self);
}

static PyObject *windows_repr(PyObject *self)
{
    const Windows *windows = (Windows *)self;
    PyObject *name = shown_in_repr(windows->name);
    PyObject *text = NULL;
    if (name == NULL)
        return NULL;
    if (windows->is_closed)
        text = PyUnicode_FromFormat("<mapped.Windows %U closed>", name);
    else
        text = PyUnicode_FromFormat(
            "<mapped.Windows %U length=%llu>", name,
            (unsigned long long)mapped_windows_length(&windows->core));
    Py_DECREF(name);
    return text;
}

static PyMethodDef windows_methods[] = {
    METHOD_ROW(windows, KEYWORDS, find),
    METHOD_ROW(windows, ONE, count),
    METHOD_ROW(windows, KEYWORDS, lines),
    METHOD_ROW(windows, ONE, seek),
    METHOD_ROW(windows, NONE, close),
    METHOD_ROW(windows, NONE, __enter__),
    METHOD_ROW(windows, ONE, __reduce_ex__),
    {"__exit__", windows___exit__, METH_VARARGS, windows___exit___doc},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef windows_attributes[] = {ATTRIBUTE_ROW(windows, closed),
                                           ATTRIBUTE_ROW(windows, size),
                                           {NULL, NULL, NULL, NULL, NULL}};

static const char windows_doc[] = PyDoc_STR(
    "An iterator over a file of any size, made by mapped.windows().\n\n"
    "It yields Slices of at most the size asked for. It can be closed, and is\n"
    "a context manager.");

static PyType_Slot windows_slots[] = {
    {Py_tp_doc, (void *)windows_doc},   {Py_tp_dealloc, windows_dealloc},
    {Py_tp_repr, windows_repr},         {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, windows_next},     {Py_tp_methods, windows_methods},
    {Py_tp_getset, windows_attributes}, {0, NULL}};

TYPE(windows, "mapped.Windows", sizeof(Windows), 0, 0)
