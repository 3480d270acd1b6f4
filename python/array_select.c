/* Selects the items of an array that a subscript means. The conversion of an
 * index may run any code; but that can't change an Array, and no memory of a
 * region is touched here. */
#include "array.h"

/* Stands for `count` dimensions that are taken as they are. */
static void take_all(const Array *array, int from, int count,
                     mapped_subscript *subscripts)
{
    for (int i = from; i < from + count; i++)
        subscripts[i] = (mapped_subscript){
            .start = 0, .step = 1, .length = array->core.shape[i]};
}

/* Converts an index or a slice of Python. A step of 0 stands for an index,
 * which leaves its dimension out of what is selected. */
static int convert_key(const Array *array, Py_ssize_t length, PyObject *key,
                       mapped_subscript *subscript)
{
    Py_ssize_t stop;
    subscript->step = 0;
    if (PySlice_Check(key)) {
        if (PySlice_Unpack(key, &subscript->start, &stop, &subscript->step) < 0)
            return -1;
        subscript->length = PySlice_AdjustIndices(length, &subscript->start,
                                                  &stop, subscript->step);
        return 0;
    }
    if (convert_index(key, &subscript->start) < 0)
        return -1;
    if (subscript->start < -length || subscript->start >= length)
        return raised_as_int(
            raise_index(array->owner, subscript->start, (size_t)length));
    if (subscript->start < 0)
        subscript->start += length;
    return 0;
}

static int convert_keys(const Array *array, PyObject *keys,
                        mapped_subscript *subscripts)
{
    Py_ssize_t count = PyTuple_Size(keys), ellipses = 0;
    int at = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        ellipses += PyTuple_GetItem(keys, i) == Py_Ellipsis;
    if (ellipses > 1)
        return raised_as_int(PyErr_Format(
            PyExc_IndexError, "more than one ellipsis (...) in an index"));
    if (count - ellipses > array->core.dimensions)
        return raised_as_int(PyErr_Format(
            PyExc_IndexError, "%zd indices for an array of %d dimensions",
            count - ellipses, array->core.dimensions));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *key = PyTuple_GetItem(keys, i);
        int taken = 1;
        if (key == Py_Ellipsis) {
            taken = array->core.dimensions - (int)(count - 1);
            take_all(array, at, taken, subscripts);
        } else if (convert_key(array, array->core.shape[at], key,
                               &subscripts[at]) < 0) {
            return -1;
        }
        at += taken;
    }
    return at;
}

int array_select(const Array *array, PyObject *key, CoreArray *selected)
{
    mapped_subscript subscripts[MAX_DIMENSIONS];
    mapped_error error;
    int count = 1;
    if (key == Py_Ellipsis)
        count = 0;
    else if (PyTuple_Check(key))
        count = convert_keys(array, key, subscripts);
    else if (convert_key(array, array->core.shape[0], key, subscripts) < 0)
        count = -1;
    if (count < 0)
        return -1;
    selected->core.shape = selected->shape;
    selected->core.strides = selected->strides;
    if (mapped_array_select(&array->core, subscripts, count, &selected->core,
                            &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_of(array->owner, &error));
}
