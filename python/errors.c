/* Turns a status of the core into a Python exception; raise_status has the list
 * of which. No other file does that, so that all exceptions are alike.
 *
 * A message may show an object that a caller passed in: its beginning only, and
 * without a call of the object's own code. The first functions make that text.
 */
#include "binding.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_LENGTH 64    /* characters of an object in a message */
#define REPR_LENGTH 1000     /* the same in a repr: enough for most paths */
#define MAX_PATH_LENGTH 4096 /* no system knows a longer path */

static PyObject *cut_text(PyObject *text, Py_ssize_t max_length)
{
    if (PyUnicode_GetLength(text) <= max_length)
        return Py_NewRef(text);
    PyObject *start = PyUnicode_Substring(text, 0, max_length);
    PyObject *result =
        start == NULL ? NULL : PyUnicode_FromFormat("%U...", start);
    Py_XDECREF(start);
    return result;
}

static Py_ssize_t smaller(Py_ssize_t a, Py_ssize_t b)
{
    return a < b ? a : b;
}

/* Returns an object of the exact type str, bytes or bytearray that has up to
 * `n` items of `object`, which may be of a subclass; for other types NULL
 * without an exception. */
static PyObject *first_items(PyObject *object, Py_ssize_t n)
{
    if (PyUnicode_Check(object))
        return PyUnicode_Substring(object, 0, n);
    if (PyBytes_Check(object))
        return PyBytes_FromStringAndSize(PyBytes_AsString(object),
                                         smaller(PyBytes_Size(object), n));
    if (PyByteArray_Check(object))
        return PyByteArray_FromStringAndSize(
            PyByteArray_AsString(object), smaller(PyByteArray_Size(object), n));
    return NULL;
}

/* Python takes quadratic time for decimal digits and refuses very long numbers.
 * So a number beyond the range of a double is written in base 16. */
static PyObject *number_text(PyObject *number)
{
    double size = PyLong_AsDouble(number);
    if (size != -1.0 || !PyErr_Occurred())
        return PyNumber_ToBase(number, 10);
    PyErr_Clear();
    return PyNumber_ToBase(number, 16);
}

static PyObject *type_name(PyObject *object)
{
    PyObject *name = PyType_GetName(Py_TYPE(object));
    PyObject *result = name == NULL ? NULL : cut_text(name, MESSAGE_LENGTH);
    Py_XDECREF(name);
    return result;
}

static PyObject *kind_text(PyObject *object)
{
    PyObject *name = type_name(object);
    PyObject *text =
        name == NULL ? NULL : PyUnicode_FromFormat("<%U object>", name);
    Py_XDECREF(name);
    return text;
}

/* Returns a repr of the object, or of a beginning of it whose repr is longer
 * than `max_length`. */
static PyObject *uncut_repr(PyObject *object, Py_ssize_t max_length)
{
    if (object == Py_None || object == Py_True || object == Py_False)
        return PyObject_Repr(object);
    if (PyLong_Check(object))
        return number_text(object);
    PyObject *exact = PyFloat_Check(object)
                          ? PyFloat_FromDouble(PyFloat_AsDouble(object))
                          : first_items(object, max_length + 1);
    if (exact == NULL)
        return PyErr_Occurred() ? NULL : kind_text(object);
    PyObject *text = PyObject_Repr(exact);
    Py_DECREF(exact);
    return text;
}

static PyObject *shown_within(PyObject *object, Py_ssize_t max_length)
{
    PyObject *text = uncut_repr(object, max_length);
    PyObject *result = text == NULL ? NULL : cut_text(text, max_length);
    Py_XDECREF(text);
    return result;
}

PyObject *shown(PyObject *object)
{
    return shown_within(object, MESSAGE_LENGTH);
}

PyObject *shown_in_repr(PyObject *object)
{
    return shown_within(object, REPR_LENGTH);
}

void *raise_about(PyObject *type, const char *format, const char *what,
                  PyObject *object)
{
    PyErr_Clear(); /* This exception replaces one that may be set. */
    PyObject *text = shown(object);
    if (text != NULL)
        PyErr_Format(type, format, what, text);
    Py_XDECREF(text);
    return NULL;
}

/* Returns the file name for an exception: the path as it was given, or the
 * beginning of one that is too long to be any. */
static PyObject *filename_of(PyObject *name)
{
    if (name != NULL && PyUnicode_Check(name) &&
        PyUnicode_GetLength(name) > MAX_PATH_LENGTH)
        return cut_text(name, MESSAGE_LENGTH);
    if (name != NULL && PyBytes_Check(name) &&
        PyBytes_Size(name) > MAX_PATH_LENGTH)
        return first_items(name, MESSAGE_LENGTH + 1);
    return Py_XNewRef(name);
}

/* Makes an OSError or a FaultError. Takes over the text, which may be NULL with
 * an exception. */
static PyObject *os_error_new(PyObject *type, int number, PyObject *text,
                              PyObject *name)
{
    PyObject *filename =
        text == NULL ? NULL : filename_of(name != NULL ? name : Py_None);
    PyObject *exception =
        filename == NULL
            ? NULL
            : PyObject_CallFunction(type, "iOO", number, text, filename);
    Py_XDECREF(filename);
    Py_XDECREF(text);
    return exception;
}

/* Takes over the exception, which may be NULL if another one is raised. */
static void *raise_object(PyObject *exception)
{
    if (exception != NULL)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* OSError chooses its subclass, such as FileNotFoundError, by the number. */
static void *raise_os(int number, PyObject *name)
{
    PyObject *filename = filename_of(name);
    if (name != NULL && filename == NULL)
        return NULL;
    errno = number;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, filename);
    Py_XDECREF(filename);
    return NULL;
}

/* The same with the text of the status, where the system's own words don't say
 * what has happened. */
static void *raise_os_text(int number, mapped_status status, PyObject *name)
{
    PyObject *text = PyUnicode_FromString(mapped_status_text(status));
    return raise_object(os_error_new(PyExc_OSError, number, text, name));
}

/* Says which call of the system failed, and how many bytes were missing on a
 * full disk. */
static PyObject *note_of(const mapped_error *error)
{
    mapped_hint hint = mapped_error_hint(error, NULL);
    if (hint != MAPPED_HINT_NONE)
        return PyUnicode_FromFormat("%s: %s", error->call,
                                    mapped_hint_text(hint));
    if (error->length == 0)
        return PyUnicode_FromString(error->call);
    return PyUnicode_FromFormat("%s: bytes missing: %llu", error->call,
                                (unsigned long long)error->length);
}

/* Raises OSError, with a note if the system's call that failed has another name
 * than the operation. */
static void *raise_system(const mapped_error *error, PyObject *name)
{
    PyObject *type, *raised, *trace;
    raise_os(error->os_error, name);
    if (error->call == NULL || strcmp(error->call, error->operation) == 0)
        return NULL;
    PyErr_Fetch(&type, &raised, &trace);
    PyErr_NormalizeException(&type, &raised, &trace);
    PyObject *add = PyObject_GetAttrString(raised, "add_note");
    PyObject *note = add == NULL ? NULL : note_of(error);
    PyObject *none =
        note == NULL ? NULL : PyObject_CallFunction(add, "O", note);
    Py_XDECREF(add);
    Py_XDECREF(note);
    Py_XDECREF(none);
    PyErr_Restore(type, raised, trace);
    return NULL;
}

static int set_number(PyObject *object, const char *name, uint64_t value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    if (number == NULL)
        return -1;
    int result = PyObject_SetAttrString(object, name, number);
    Py_DECREF(number);
    return result;
}

/* Returns the way out of an error, a phrase for its message, or NULL. The core
 * knows which one (mapped/hint.h); some are spelled as calls of Python here.
 * `owner` is the region that was accessed, or NULL. */
static const char *find_hint(const Region *owner, const mapped_error *error)
{
    mapped_hint hint =
        mapped_error_hint(error, owner != NULL ? &owner->view.slice : NULL);
    if (error->status == MAPPED_CLOSED && owner != NULL &&
        owner->owns_released_slice)
        return "the slice is released";
    switch (hint) {
    case MAPPED_HINT_NONE:
        return NULL;
    case MAPPED_HINT_READONLY_SLICE:
        return "it is of toreadonly()";
    case MAPPED_HINT_READONLY_WRAPPED:
        return "a bytearray can be written, bytes can't";
    case MAPPED_HINT_LOCK_SHARED:
        return "open with \"r+\", or give shared=True";
    case MAPPED_HINT_SHARED_ANONYMOUS:
        return "make the memory by anonymous(length, shared=True)";
    case MAPPED_HINT_FILE_OR_SHARED:
        return "needs a file, or anonymous(length, shared=True)";
    case MAPPED_HINT_END_EXPORTS:
        return "it is given back when the memoryview, numpy array or other "
               "object over it goes";
    default:
        return mapped_hint_text(hint);
    }
}

/* Returns the text, which may contain a path that isn't UTF-8, and the way out
 * in brackets. `owner` may be NULL. */
static PyObject *message_of(const Region *owner, const mapped_error *error)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    const char *hint = find_hint(owner, error);
    mapped_error_message(error, text, sizeof text);
    PyObject *message = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text),
                                             "backslashreplace");
    if (message == NULL || hint == NULL)
        return message;
    PyObject *longer = PyUnicode_FromFormat("%U (%s)", message, hint);
    Py_DECREF(message);
    return longer;
}

static PyObject *make_fault(const State *state, const Region *owner,
                            const mapped_error *error, PyObject *name)
{
    int number = error->os_error != 0 ? error->os_error : EIO;
    mapped_error pathless = *error;
    pathless.path[0] = '\0'; /* The OSError names the file. */
    PyObject *text = message_of(owner, &pathless);
    PyObject *fault = os_error_new(state->fault_error, number, text, name);
    if (fault != NULL && (set_number(fault, "offset", error->offset) < 0 ||
                          set_number(fault, "length", error->length) < 0))
        Py_CLEAR(fault);
    return fault;
}

static PyObject *name_of(const Region *owner)
{
    return owner->name == Py_None ? NULL : owner->name;
}

PyObject *fault_new(Region *owner, const mapped_error *error)
{
    return make_fault(owner->state, owner, error, name_of(owner));
}

static void *raise_message(PyObject *type, const Region *owner,
                           const mapped_error *error)
{
    PyObject *message = message_of(owner, error);
    if (message != NULL)
        PyErr_SetObject(type, message);
    Py_XDECREF(message);
    return NULL;
}

/* `owner` is the region that was accessed, or NULL. */
static void *raise_status(const State *state, const Region *owner,
                          const mapped_error *error, PyObject *name)
{
    switch (error->status) {
    case MAPPED_SYSTEM:
        return raise_system(error, name);
    case MAPPED_NOT_A_FILE:
        return error->os_error == EISDIR
                   ? raise_os(EISDIR, name)
                   : raise_os_text(error->os_error, error->status, name);
    case MAPPED_STALE:
        return raise_os_text(ESTALE, error->status, name);
    case MAPPED_MEMORY:
        return PyErr_NoMemory();
    case MAPPED_FAULT:
        return raise_object(make_fault(state, owner, error, name));
    case MAPPED_UNSUPPORTED:
        return raise_message(state->unsupported, owner, error);
    case MAPPED_RANGE:
        return raise_message(PyExc_IndexError, owner, error);
    case MAPPED_READONLY:
        return raise_message(PyExc_TypeError, owner, error);
    case MAPPED_BUSY:
        return raise_message(PyExc_BufferError, owner, error);
    case MAPPED_TIMEOUT:
        return raise_message(PyExc_TimeoutError, owner, error);
    default:
        return raise_message(PyExc_ValueError, owner, error);
    }
}

void *raise_error(const State *state, const mapped_error *error, PyObject *name)
{
    return raise_status(state, NULL, error, name);
}

void *raise_of(Region *owner, const mapped_error *error)
{
    return raise_status(owner->state, owner, error, name_of(owner));
}

void *raise_in(Region *owner, const char *operation, const mapped_error *error)
{
    mapped_error copy = *error;
    mapped_error_set_operation(&copy, operation);
    return raise_of(owner, &copy);
}

void *raise_packing(Region *owner, const char *operation,
                    const mapped_error *error)
{
    mapped_error copy = *error;
    mapped_error_set_operation(&copy, operation);
    if (error->status == MAPPED_RANGE)
        return raise_message(owner->state->range_error, NULL, &copy);
    return raise_of(owner, &copy);
}

int check_status(Region *owner, const char *operation, mapped_status status,
                 const mapped_error *error)
{
    return status == MAPPED_OK
               ? 0
               : raised_as_int(raise_in(owner, operation, error));
}

int require_open(Region *owner, const char *operation)
{
    if (!mapped_region_closed(owner->view.slice.region))
        return 0;
    mapped_error error;
    mapped_error_set(&error, MAPPED_CLOSED, operation);
    mapped_error_set_path(&error, mapped_region_name(owner->view.slice.region));
    return raised_as_int(raise_message(PyExc_ValueError, owner, &error));
}

/* Returns how a message about this region begins: with its path, spelled as in
 * errors of the core, and ": "; or with "" if it has no path. */
static PyObject *prefix_of(const Region *owner)
{
    mapped_error error;
    mapped_error_set_path(&error, mapped_region_name(owner->view.slice.region));
    size_t length = strlen(error.path);
    PyObject *path = PyUnicode_DecodeUTF8(error.path, (Py_ssize_t)length,
                                          "backslashreplace");
    if (path == NULL || length == 0)
        return path;
    PyObject *prefix = PyUnicode_FromFormat("%U: ", path);
    Py_DECREF(path);
    return prefix;
}

void *raise_position(Region *owner, const char *what, Py_ssize_t index,
                     size_t length)
{
    PyObject *prefix = require_open(owner, "") < 0 ? NULL : prefix_of(owner);
    if (prefix != NULL)
        PyErr_Format(PyExc_IndexError, "%U%s %zd is out of range, length %zu",
                     prefix, what, index, length);
    Py_XDECREF(prefix);
    return NULL;
}

void *raise_index(Region *owner, Py_ssize_t index, size_t length)
{
    return raise_position(owner, "index", index, length);
}

int raise_room(Region *owner, const char *operation, size_t n, size_t room)
{
    PyObject *prefix = prefix_of(owner);
    if (prefix != NULL)
        PyErr_Format(PyExc_ValueError, "%U%s: %zu bytes don't fit into %zu",
                     prefix, operation, n, room);
    Py_XDECREF(prefix);
    return -1;
}

void *raise_span(Region *owner, size_t size, Py_ssize_t offset, size_t length)
{
    PyObject *prefix = prefix_of(owner);
    if (prefix != NULL)
        PyErr_Format(owner->state->range_error,
                     "%U%zu bytes at offset %zd are out of range, length %zu",
                     prefix, size, offset, length);
    Py_XDECREF(prefix);
    return NULL;
}

const char *value_range(const mapped_element *element, char *text, size_t room)
{
    unsigned bits = 8u * element->size;
    text[0] = '\0';
    if (element->kind == MAPPED_KIND_SIGNED && bits <= 64)
        snprintf(text, room, ", which holds %lld to %lld",
                 (long long)(INT64_MIN >> (64 - bits)),
                 (long long)(INT64_MAX >> (64 - bits)));
    else if (element->kind == MAPPED_KIND_UNSIGNED && bits <= 64)
        snprintf(text, room, ", which holds 0 to %llu",
                 (unsigned long long)(UINT64_MAX >> (64 - bits)));
    return text;
}

void *raise_value(const mapped_element *element, PyObject *value)
{
    const char *code = mapped_element_struct_code(element);
    char range[64];
    PyObject *text = shown(value);
    if (text != NULL)
        PyErr_Format(PyExc_ValueError, "%U does not fit element '%s'%s", text,
                     code != NULL ? code : element->name,
                     value_range(element, range, sizeof range));
    Py_XDECREF(text);
    return NULL;
}

/* The exception of a codec keeps the whole text. For a longer text than this it
 * is replaced by one without the text. */
#define MAX_CODEC_TEXT 64

bool is_encoding_error(PyObject *text)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError) ||
        PyUnicode_GetLength(text) <= MAX_CODEC_TEXT)
        return false;
    PyErr_Clear();
    return true;
}

void *raise_kind(const char *what, PyObject *object)
{
    PyObject *name = type_name(object);
    if (name != NULL)
        PyErr_Format(PyExc_TypeError, "%s, not '%U'", what, name);
    Py_XDECREF(name);
    return NULL;
}

/* Collects also where the collector is disabled. */
static void collect(void)
{
    int was_enabled = PyGC_Enable();
    PyGC_Collect();
    if (!was_enabled)
        PyGC_Disable();
}

bool collect_for_retry(const mapped_error *error)
{
    if (!mapped_error_is_shortage(error))
        return false;
    collect();
    return true;
}

void *memory_new(size_t count, size_t size)
{
    void *memory = PyMem_Calloc(count, size);
    if (memory != NULL)
        return memory;
    collect();
    memory = PyMem_Calloc(count, size);
    return memory != NULL ? memory : PyErr_NoMemory();
}

PyObject *container_new(PyObject *(*make)(Py_ssize_t), size_t length)
{
    PyObject *container = make((Py_ssize_t)length);
    if (container != NULL || !PyErr_ExceptionMatches(PyExc_MemoryError))
        return container;
    PyErr_Clear();
    collect();
    return make((Py_ssize_t)length);
}

static PyObject *make_bytes(Py_ssize_t length)
{
    return PyBytes_FromStringAndSize(NULL, length);
}

PyObject *bytes_new(size_t length)
{
    return container_new(make_bytes, length);
}
