/* Sorts the arguments of a call by METH_FASTCALL, first the positional and then
 * those by keyword, into one value for each name of a Signature. The errors are
 * those of Python's own functions. No code of others runs. */
#include "array.h"

#include <string.h>

static int name_index(const Signature *signature, PyObject *keyword)
{
    for (int i = 0; signature->names[i] != NULL; i++)
        if (PyUnicode_CompareWithASCIIString(keyword, signature->names[i]) == 0)
            return i;
    return raised_as_int(raise_about(
        PyExc_TypeError, "%s() got an unexpected keyword argument %U",
        signature->function, keyword));
}

static int sort_keywords(const Signature *signature, PyObject *const *given,
                         PyObject *keywords, PyObject **values)
{
    Py_ssize_t count = PyTuple_Size(keywords);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        int index = name_index(signature, keyword);
        if (index < 0)
            return -1;
        if (values[index] != NULL)
            return raised_as_int(raise_about(
                PyExc_TypeError, "%s() got multiple values for argument %U",
                signature->function, keyword));
        values[index] = given[i];
    }
    return 0;
}

int arguments_sort(const Signature *signature, PyObject *const *given,
                   Py_ssize_t count, PyObject *keywords, PyObject **values)
{
    if (count > signature->positional)
        return raised_as_int(PyErr_Format(
            PyExc_TypeError,
            "%s() takes at most %d positional arguments (%zd given)",
            signature->function, signature->positional, count));
    int names = 0;
    while (signature->names[names] != NULL)
        names++;
    for (int i = 0; i < names; i++)
        values[i] = i < count ? given[i] : NULL;
    if (keywords != NULL &&
        sort_keywords(signature, given + count, keywords, values) < 0)
        return -1;
    for (int i = 0; i < signature->required; i++)
        if (values[i] == NULL)
            return raised_as_int(PyErr_Format(
                PyExc_TypeError, "%s() missing required argument '%s'",
                signature->function, signature->names[i]));
    return 0;
}

PyObject *exit_type(PyObject *arguments)
{
    PyObject *type, *value, *traceback;
    return PyArg_UnpackTuple(arguments, "__exit__", 3, 3, &type, &value,
                             &traceback)
               ? type
               : NULL;
}
