/* The one place that turns a status of the core into a Python exception. */
#include "binding.h"

#include <errno.h>

static PyObject *exception_type(mapped_status status)
{
    switch (status) {
    case MAPPED_RANGE:
        return PyExc_IndexError;
    case MAPPED_OVERFLOW:
        return PyExc_OverflowError;
    case MAPPED_READONLY:
        return PyExc_TypeError;
    case MAPPED_BUSY:
        return PyExc_BufferError;
    default:
        return PyExc_ValueError;
    }
}

/* OSError picks its subclass, such as FileNotFoundError, from the number. */
static void *raise_os(int number, PyObject *name)
{
    errno = number;
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, name);
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

static PyObject *make_fault(const State *state, const mapped_error *error,
                            PyObject *name)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    int number = error->os_error != 0 ? error->os_error : EIO;
    mapped_error_message(error, text, sizeof text);
    PyObject *fault = PyObject_CallFunction(state->fault_error, "isO", number,
                                            text, name ? name : Py_None);
    if (fault != NULL && (set_number(fault, "offset", error->offset) < 0 ||
                          set_number(fault, "length", error->length) < 0))
        Py_CLEAR(fault);
    return fault;
}

static void *raise_fault(const State *state, const mapped_error *error,
                         PyObject *name)
{
    PyObject *fault = make_fault(state, error, name);
    if (fault == NULL)
        return NULL;
    PyErr_SetObject(state->fault_error, fault);
    Py_DECREF(fault);
    return NULL;
}

static PyObject *name_of(const Region *owner)
{
    return owner->name == Py_None ? NULL : owner->name;
}

PyObject *fault_new(Region *owner, const mapped_error *error)
{
    return make_fault(owner->state, error, name_of(owner));
}

void *raise_error(const State *state, const mapped_error *error, PyObject *name)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error_message(error, text, sizeof text);
    switch (error->status) {
    case MAPPED_SYSTEM:
    case MAPPED_NOT_A_FILE:
        return raise_os(error->os_error, name);
    case MAPPED_STALE:
        return raise_os(ESTALE, name);
    case MAPPED_MEMORY:
        return PyErr_NoMemory();
    case MAPPED_FAULT:
        return raise_fault(state, error, name);
    case MAPPED_UNSUPPORTED:
        PyErr_SetString(state->unsupported, text);
        return NULL;
    default:
        PyErr_SetString(exception_type(error->status), text);
        return NULL;
    }
}

void *raise_of(Region *owner, const mapped_error *error)
{
    return raise_error(owner->state, error, name_of(owner));
}

int require_open(Region *owner)
{
    if (!mapped_region_closed(owner->view.slice.region))
        return 0;
    PyErr_SetString(PyExc_ValueError, mapped_status_text(MAPPED_CLOSED));
    return -1;
}

void *raise_index(Region *owner, Py_ssize_t index, size_t length)
{
    if (require_open(owner) == 0)
        PyErr_Format(PyExc_IndexError, "index %zd is out of range, length %zu",
                     index, length);
    return NULL;
}

void *raise_value(const mapped_element *element, PyObject *value)
{
    const char *code = mapped_element_struct_code(element);
    PyErr_Format(PyExc_ValueError, "%R does not fit element '%s'", value,
                 code != NULL ? code : element->name);
    return NULL;
}

void *raise_kind(const char *what, PyObject *object)
{
    PyObject *name = PyType_GetName(Py_TYPE(object));
    if (name != NULL)
        PyErr_Format(PyExc_TypeError, "%s, not '%U'", what, name);
    Py_XDECREF(name);
    return NULL;
}
