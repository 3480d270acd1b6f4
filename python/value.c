/* One typed value between Python and the core. */
#include "binding.h"

/* Python makes an int of a long faster than of its longer relatives. */
static PyObject *integer_to_python(int64_t value)
{
#if LONG_MAX >= INT64_MAX
    return PyLong_FromLong(value);
#else
    return PyLong_FromLongLong(value);
#endif
}

PyObject *value_to_python(const mapped_element *element, mapped_value value)
{
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
        return integer_to_python(value.i);
    case MAPPED_KIND_UNSIGNED:
        return value.u <= INT64_MAX ? integer_to_python(value.i)
                                    : PyLong_FromUnsignedLongLong(value.u);
    case MAPPED_KIND_FLOAT:
        return PyFloat_FromDouble(value.f);
    case MAPPED_KIND_BOOL:
        return PyBool_FromLong(value.u != 0);
    case MAPPED_KIND_CHAR: {
        char byte = (char)value.u;
        return PyBytes_FromStringAndSize(&byte, 1);
    }
    }
    Py_UNREACHABLE();
}

int value_from_int(const mapped_element *element, PyObject *number,
                   mapped_value *value)
{
    if (element->kind == MAPPED_KIND_SIGNED)
        value->i = PyLong_AsLongLong(number);
    else
        value->u = PyLong_AsUnsignedLongLong(number);
    return value->u == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

int value_from_address(PyObject *number, mapped_value *value)
{
    void *address = PyLong_AsVoidPtr(number);
    if (address == NULL && PyErr_Occurred())
        return -1;
    value->u = (uintptr_t)address;
    return 0;
}

static int integer_from(const mapped_element *element, bool address,
                        PyObject *object, mapped_value *value)
{
    PyObject *number = PyNumber_Index(object);
    if (number == NULL)
        return -1;
    int status = address ? value_from_address(number, value)
                         : value_from_int(element, number, value);
    if (status < 0 && PyErr_ExceptionMatches(PyExc_OverflowError))
        raise_value(element, number);
    Py_DECREF(number);
    return status;
}

static int float_from(const mapped_element *element, PyObject *object,
                      mapped_value *value)
{
    value->f = PyFloat_AsDouble(object);
    if (value->f != -1.0 || !PyErr_Occurred())
        return 0;
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        raise_value(element, object);
    return -1;
}

static int char_from(PyObject *object, mapped_value *value)
{
    if (!PyBytes_Check(object) || PyBytes_Size(object) != 1) {
        raise_about(PyExc_TypeError,
                    "%s takes a bytes object of length 1, not %U",
                    "element 'c'", object);
        return -1;
    }
    value->u = (unsigned char)PyBytes_AsString(object)[0];
    return 0;
}

int value_from_python(const mapped_element *element, PyObject *object,
                      mapped_value *value)
{
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
    case MAPPED_KIND_UNSIGNED:
        return integer_from(element, false, object, value);
    case MAPPED_KIND_FLOAT:
        return float_from(element, object, value);
    case MAPPED_KIND_BOOL: {
        int truth = PyObject_IsTrue(object);
        value->u = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    case MAPPED_KIND_CHAR:
        return char_from(object, value);
    }
    Py_UNREACHABLE();
}

int value_from_code(const Code *code, PyObject *object, mapped_value *value)
{
    if (code->native == 'P')
        return integer_from(code->element, true, object, value);
    if (value_from_python(code->element, object, value) < 0)
        return -1;
    if (code->native == 'f')
        value->f = (float)value->f;
    return 0;
}
