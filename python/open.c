/* The functions that make regions: open, shared, anonymous and wrap; and
 * unlink.
 *
 * Each converts its options, makes a Region without memory, and lets the core
 * open its memory. The Region is made before a file's descriptor is asked for,
 * because making it may run the code of others, which may close the file. */
#include "open.h"
#include "unlocked.h"

#include <limits.h>

void request_clear(Request *request)
{
    Py_XDECREF(request->name);
    Py_XDECREF(request->path);
    Py_XDECREF(request->fileno);
    Py_XDECREF(request->number);
}

static int convert_path(PyObject *file, Request *request)
{
    PyObject *path = PyOS_FSPath(file);
    if (path == NULL)
        return -1;
    request->name = exact_text(path);
    Py_DECREF(path);
    if (request->name == NULL)
        return -1;
    if (PyUnicode_FSConverter(request->name, &request->path))
        return 0;
    if (is_encoding_error(request->name))
        PyErr_SetString(PyExc_ValueError, "the path can't be encoded");
    return -1;
}

/* Converts the result of fileno() as PyObject_AsFileDescriptor does, which
 * would warn of a bool, and so run the code of others. */
static int descriptor_from_number(PyObject *number)
{
    int overflow = 0;
    if (!PyLong_Check(number))
        return raised_as_int(
            PyErr_Format(PyExc_TypeError, "fileno() returned a non-integer"));
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    if (overflow != 0 || value < INT_MIN || value > INT_MAX)
        return raised_as_int(PyErr_Format(
            PyExc_ValueError, "Python int too large to convert to C int"));
    if (value < 0)
        return raised_as_int(PyErr_Format(
            PyExc_ValueError,
            "file descriptor cannot be a negative integer (%ld)", value));
    return (int)value;
}

static int call_fileno(PyObject *file, Request *request)
{
    Py_CLEAR(request->number);
    Py_CLEAR(request->fileno);
    request->fileno = PyObject_GetAttrString(file, "fileno");
    if (request->fileno != NULL)
        request->number = PyObject_CallNoArgs(request->fileno);
    return request->number == NULL ? -1
                                   : descriptor_from_number(request->number);
}

int request_convert_descriptor(PyObject *file, Request *request)
{
    int descriptor = PyLong_Check(file) ? PyObject_AsFileDescriptor(file)
                                        : call_fileno(file, request);
    if (descriptor < 0)
        return -1;
    PyObject *name = PyLong_FromLong(descriptor);
    if (name == NULL)
        return -1;
    Py_XDECREF(request->name);
    request->name = name;
    request->descriptor = descriptor;
    return 0;
}

/* Returns 1 or 0, or -1 with an exception other than AttributeError. */
static int has_attribute(PyObject *object, const char *name)
{
    PyObject *attribute = PyObject_GetAttrString(object, name);
    if (attribute == NULL && !PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    Py_XDECREF(attribute);
    return attribute != NULL;
}

int request_convert_file(PyObject *file, Request *request)
{
    if (PyUnicode_Check(file) || PyBytes_Check(file))
        return convert_path(file, request);
    if (PyLong_Check(file))
        return request_convert_descriptor(file, request);
    int is_path = has_attribute(file, "__fspath__");
    if (is_path != 0)
        return is_path < 0 ? -1 : convert_path(file, request);
    int is_file = has_attribute(file, "fileno");
    if (is_file != 0)
        return is_file < 0 ? -1 : request_convert_descriptor(file, request);
    return raised_as_int(
        raise_kind("file must be a path, a descriptor or have fileno()", file));
}

/* A longer text is no mode. */
#define MAX_MODE_LENGTH 8

static int convert_mode(PyObject *object, mapped_mode *mode)
{
    Py_ssize_t length;
    if (object == NULL)
        return 0;
    if (!PyUnicode_Check(object))
        return raised_as_int(raise_kind("mode must be str", object));
    if (PyUnicode_GetLength(object) <= MAX_MODE_LENGTH) {
        const char *text = PyUnicode_AsUTF8AndSize(object, &length);
        if (text == NULL)
            return -1;
        if (mapped_mode_parse(text, (size_t)length, mode, NULL) == MAPPED_OK)
            return 0;
    }
    return raised_as_int(raise_about(
        PyExc_ValueError,
        "%s must be 'r' (read), 'r+' (read and write), 'a+' (create "
        "if missing), 'c' (private copy), 'w+' (create or empty) "
        "or 'x+' (create), not %U",
        "mode", object));
}

/* None and False ask for no huge pages, True for huge pages where possible, and
 * a number for pages of that size. */
static int convert_huge(PyObject *object, uint64_t *huge)
{
    if (object == NULL || object == Py_None || object == Py_False)
        return 0;
    if (object == Py_True) {
        *huge = MAPPED_HUGE_ADVISE;
        return 0;
    }
    return convert_u64(object, "huge", huge);
}

static int convert_permissions(PyObject *object, uint32_t *permissions)
{
    uint64_t given;
    if (object == NULL)
        return 0;
    if (convert_u64(object, "permissions", &given) < 0)
        return -1;
    if (given > 07777)
        return raised_as_int(raise_about(PyExc_ValueError,
                                         "%s must be 0 to 0o7777, not %U",
                                         "permissions", object));
    *permissions = given == 0 ? MAPPED_PERMISSIONS_NONE : (uint32_t)given;
    return 0;
}

/* The indices of the arguments of open. */
enum {
    OPEN_FILE,
    OPEN_MODE,
    OPEN_OFFSET,
    OPEN_LENGTH,
    OPEN_RESERVE,
    OPEN_SPARSE,
    OPEN_POPULATE,
    OPEN_HUGE,
    OPEN_DEVICE,
    OPEN_PERMISSIONS,
    OPEN_COUNT
};

static int convert_request(PyObject *const *values, Request *request)
{
    mapped_open_options *options = &request->options;
    uint32_t *flags = &options->flags;
    uint64_t length = UINT64_MAX;
    if (convert_mode(values[OPEN_MODE], &request->mode) < 0 ||
        convert_u64(values[OPEN_OFFSET], "offset", &options->offset) < 0 ||
        convert_u64_or_none(values[OPEN_LENGTH], "length", &length) < 0 ||
        convert_u64_or_none(values[OPEN_RESERVE], "reserve",
                            &options->reserve) < 0 ||
        convert_flag(values[OPEN_SPARSE], MAPPED_OPEN_SPARSE, flags) < 0 ||
        convert_flag(values[OPEN_POPULATE], MAPPED_OPEN_POPULATE, flags) < 0 ||
        convert_huge(values[OPEN_HUGE], &options->huge) < 0 ||
        convert_flag(values[OPEN_DEVICE], MAPPED_OPEN_DEVICE, flags) < 0 ||
        convert_permissions(values[OPEN_PERMISSIONS], &options->permissions) <
            0)
        return -1;
    if (length != UINT64_MAX)
        options->length = mapped_length_exactly(length);
    return 0;
}

/* Opening may wait for a network or a disk, so it always runs unlocked. */
static mapped_status open_core(const Request *request, mapped_region **region,
                               mapped_error *error)
{
    const char *path =
        request->path != NULL ? PyBytes_AsString(request->path) : NULL;
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    if (path != NULL)
        status = mapped_region_open(path, request->mode, &request->options,
                                    region, error);
    else
        status = mapped_region_open_descriptor(request->descriptor, NULL,
                                               request->mode, &request->options,
                                               region, error);
    unlocked_leave(thread);
    return status;
}

/* Tries once more as TRY_TWICE does. The collection may have closed the file,
 * so its descriptor is asked for again. */
static int open_twice(PyObject *file, Request *request, Region *region)
{
    mapped_error error;
    mapped_region **core = &region->view.slice.region;
    mapped_status status = open_core(request, core, &error);
    if (status != MAPPED_OK && collect_for_retry(&error)) {
        if (request->path == NULL &&
            request_convert_descriptor(file, request) < 0)
            return -1;
        status = open_core(request, core, &error);
    }
    return status == MAPPED_OK ? 0
                               : raised_as_int(raise_error(
                                     region->state, &error, request->name));
}

static PyObject *open_request(State *state, PyObject *file, Request *request)
{
    Region *region = region_new(state, Py_None);
    if (region == NULL)
        return NULL;
    bool is_shared = request->options.flags & MAPPED_OPEN_SHARED;
    int converted = is_shared ? convert_path(file, request)
                              : request_convert_file(file, request);
    if (converted == 0 && open_twice(file, request, region) == 0) {
        region_set_name(region, request->name);
        return (PyObject *)region;
    }
    Py_DECREF((PyObject *)region);
    return NULL;
}

const char module_open_doc[] = PyDoc_STR(
    "open($module, file, mode='r', *, offset=0, length=None, reserve=None,\n"
    "     sparse=False, populate=False, huge=None, device=False,\n"
    "     permissions=0o666)\n--\n\n"
    "Map a file and return its Region.\n\n"
    "file      a path, a descriptor, or an object with fileno()\n"
    "mode      'r' read-only, 'r+' shared read-write, 'c' private\n"
    "          copy-on-write, 'w+' create or truncate, 'x+' create, fail if\n"
    "          it exists, 'a+' create if it is missing and keep what is there\n"
    "offset    where in the file the region begins, any byte\n"
    "length    bytes, None: to the end of the file; a writable mode extends a\n"
    "          shorter file\n"
    "reserve   bytes of address space to keep for growth without moving\n"
    "sparse    extend the file without allocating its blocks\n"
    "populate  bring all pages into memory before returning\n"
    "huge      True: transparent huge pages where possible\n"
    "device    every access is one of exactly its width\n"
    "permissions  of a created file, less the umask\n\n"
    "OSError as the system says; ValueError for an unknown mode, a negative\n"
    "number, or in 'r' and 'c' an end past the end of the file.");

static PyObject *open_with(PyObject *self, PyObject *const *values,
                           Request *request)
{
    PyObject *result = NULL;
    if (convert_request(values, request) == 0)
        result =
            open_request(PyModule_GetState(self), values[OPEN_FILE], request);
    request_clear(request);
    return result;
}

METHOD_NAMED(module_open, "open", 1, 2, "file", "mode", "offset", "length",
             "reserve", "sparse", "populate", "huge", "device", "permissions")
{
    Request request = {.options = MAPPED_OPEN_OPTIONS_INIT};
    return open_with(self, values, &request);
}

const char module_shared_doc[] = PyDoc_STR(
    "shared($module, name, length=None, mode='r+', *, offset=0,\n"
    "       reserve=None, sparse=False, populate=False, huge=None,\n"
    "       permissions=0o600)\n--\n\n"
    "Map the shared memory that has this name and return its Region. It is\n"
    "what shm_open in C and multiprocessing's SharedMemory have under the\n"
    "name, with or without a slash before it, and stays until unlink().\n\n"
    "length    bytes, exactly; None: all there are\n"
    "mode      'r+' attach, 'x+' create, fail if it exists, 'a+' attach or\n"
    "          create, 'w+' create or truncate, 'r' attach read-only,\n"
    "          'c' attach private copy-on-write\n"
    "permissions  of what is created, less the umask\n\n"
    "The other options are those of open(). OSError as the system says,\n"
    "ValueError for a name that none can have and for what open() raises it.");

METHOD_NAMED(module_shared, "shared", 1, 3, "name", "length", "mode", "offset",
             "reserve", "sparse", "populate", "huge", "permissions")
{
    Request request = {.options = MAPPED_OPEN_OPTIONS_INIT};
    PyObject *const of_open[OPEN_COUNT] = {
        [OPEN_FILE] = values[0],       [OPEN_LENGTH] = values[1],
        [OPEN_MODE] = values[2],       [OPEN_OFFSET] = values[3],
        [OPEN_RESERVE] = values[4],    [OPEN_SPARSE] = values[5],
        [OPEN_POPULATE] = values[6],   [OPEN_HUGE] = values[7],
        [OPEN_PERMISSIONS] = values[8]};
    request.mode = MAPPED_MODE_READ_WRITE;
    request.options.flags = MAPPED_OPEN_SHARED;
    return open_with(self, of_open, &request);
}

const char module_unlink_doc[] = PyDoc_STR(
    "unlink($module, name, /)\n--\n\n"
    "Remove the name of shared memory, see shared(). Those who have it\n"
    "mapped keep it.\n\n"
    "OSError as the system says, ValueError for a name that none can have.");

METHOD_ONE(module_unlink)
{
    Request request = {.name = NULL};
    mapped_error error;
    PyObject *result = NULL;
    if (convert_path(argument, &request) == 0) {
        if (mapped_shared_unlink(PyBytes_AsString(request.path), &error) ==
            MAPPED_OK)
            result = Py_NewRef(Py_None);
        else
            raise_error(PyModule_GetState(self), &error, request.name);
    }
    request_clear(&request);
    return result;
}

const char module_anonymous_doc[] = PyDoc_STR(
    "anonymous($module, length, *, shared=False, reserve=None, huge=None)\n"
    "--\n\n"
    "Return a Region of `length` zero bytes that is no file.\n\n"
    "shared    the memory crosses fork() and has a descriptor\n"
    "reserve   bytes of address space to keep for growth without moving\n"
    "huge      True: transparent huge pages, a number: pages of that size\n\n"
    "OSError if there is no memory, ValueError for a negative number and for\n"
    "one that no memory can have.");

static mapped_status anonymous_core(uint64_t length,
                                    const mapped_anonymous_options *options,
                                    mapped_region **region, mapped_error *error)
{
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    status = mapped_region_anonymous(length, options, region, error);
    unlocked_leave(thread);
    return status;
}

METHOD_NAMED(module_anonymous, "anonymous", 1, 1, "length", "shared", "reserve",
             "huge")
{
    State *state = PyModule_GetState(self);
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_error error;
    uint64_t length = 0;
    uint32_t shared = 0;
    if (convert_u64(values[0], "length", &length) < 0 ||
        convert_flag(values[1], 1, &shared) < 0 ||
        convert_u64_or_none(values[2], "reserve", &options.reserve) < 0 ||
        convert_huge(values[3], &options.huge) < 0)
        return NULL;
    options.shared = shared != 0;
    Region *region = region_new(state, Py_None);
    if (region == NULL)
        return NULL;
    mapped_region **core = &region->view.slice.region;
    if (TRY_TWICE(anonymous_core(length, &options, core, &error), &error))
        return (PyObject *)region;
    Py_DECREF((PyObject *)region);
    return raise_error(state, &error, NULL);
}

/* Gets a writable buffer, or else a read-only one. An object that has no
 * writable one raises BufferError or, as numpy does, ValueError. */
static int get_best_buffer(PyObject *object, Py_buffer *buffer)
{
    if (PyObject_GetBuffer(object, buffer, PyBUF_WRITABLE) == 0)
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_BufferError) &&
        !PyErr_ExceptionMatches(PyExc_ValueError))
        return -1;
    PyErr_Clear();
    return PyObject_GetBuffer(object, buffer, PyBUF_SIMPLE);
}

static mapped_status wrap_core(Region *self, mapped_error *error)
{
    Py_buffer *buffer = &self->wrap_buffer;
    return mapped_region_wrap(buffer->buf, (size_t)buffer->len,
                              buffer->readonly, region_end_wrap, self,
                              &self->view.slice.region, error);
}

/* Makes a new Region a wrap of the object. Returns 0, or -1 with an exception.
 */
static int wrap(Region *self, PyObject *object)
{
    mapped_error error;
    if (get_best_buffer(object, &self->wrap_buffer) < 0) {
        self->wrap_buffer.obj = NULL;
        return -1;
    }
    if (TRY_TWICE(wrap_core(self, &error), &error)) {
        self->is_wrap = true;
        self->wrap_traversed =
            self->wrap_buffer.obj == object && !PyMemoryView_Check(object);
        PyObject_GC_Track(self);
        return 0;
    }
    self->wrap_ended =
        true; /* so that the buffer is released with the Region */
    return raised_as_int(raise_of(self, &error));
}

const char module_wrap_doc[] = PyDoc_STR(
    "wrap($module, buffer, /)\n--\n\n"
    "Return a Slice over the memory of any bytes-like object, without a "
    "copy.\n\n"
    "It can be written if the object can, and keeps the object's memory in\n"
    "place until it is gone or its region is closed. If the object maps a\n"
    "file and a page of it is lost, access through the Slice raises\n"
    "FaultError, and the object itself reads zeros.\n\n"
    "The collector doesn't see through a memoryview, nor through a __buffer__\n"
    "method: an object that has a wrap of a memoryview of itself stays until\n"
    "the wrap's region is closed.\n\n"
    "TypeError if the object is no buffer, BufferError if it isn't\n"
    "contiguous.");

METHOD_ONE(module_wrap)
{
    State *state = PyModule_GetState(self);
    Extent extent;
    int is_ours = extent_of(state, argument, "wrap", &extent);
    if (is_ours < 0)
        return NULL;
    if (is_ours > 0 && extent.is_contiguous)
        return require_open(extent.owner, "wrap") < 0
                   ? NULL
                   : slice_new(extent.owner, extent.slice);
    Region *region = region_new(state, Py_None);
    if (region == NULL)
        return NULL;
    PyObject *result = NULL;
    if (wrap(region, argument) == 0)
        result = slice_new(region, view_span((PyObject *)region));
    Py_DECREF((PyObject *)region);
    return result;
}
