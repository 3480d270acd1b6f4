/* Selects items of an array by what stands in brackets: an index, a slice,
 * `...`, or a tuple of these. Each becomes a subscript of the core.
 *
 * Converting an index may run any code. That can't change an Array, and no
 * memory of a region is touched here. */
#include "array.h"

/* Converts an index or a slice of Python. A subscript with a step of 0 is an
 * index, which leaves its dimension out of what is selected. */
static int convert_subscript(const Array *array, Py_ssize_t length,
                             PyObject *key, mapped_subscript *subscript)
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

/* Counts the keys in a tuple that are one dimension each, all but `...`.
 * Returns -1 with an IndexError if they are more than the dimensions. */
static int count_keys(const Array *array, PyObject *keys)
{
    Py_ssize_t count = PyTuple_Size(keys), ellipses = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        ellipses += PyTuple_GetItem(keys, i) == Py_Ellipsis;
    if (ellipses > 1)
        return raised_as_int(PyErr_Format(
            PyExc_IndexError, "more than one ellipsis (...) in an index"));
    if (count - ellipses > array->core.dimensions)
        return raised_as_int(PyErr_Format(
            PyExc_IndexError, "%zd indices for an array of %d dimensions",
            count - ellipses, array->core.dimensions));
    return (int)(count - ellipses);
}

/* Returns how many subscripts the tuple means, or -1 with an exception. */
static int convert_tuple(const Array *array, PyObject *keys,
                         mapped_subscript *subscripts)
{
    const Py_ssize_t *shape = array->core.shape;
    int dimension = 0, count = count_keys(array, keys);
    if (count < 0)
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_Size(keys); i++) {
        PyObject *key = PyTuple_GetItem(keys, i);
        if (key == Py_Ellipsis)
            for (int n = array->core.dimensions - count; n > 0; n--) {
                subscripts[dimension] =
                    (mapped_subscript){.step = 1, .length = shape[dimension]};
                dimension++;
            }
        else if (convert_subscript(array, shape[dimension], key,
                                   &subscripts[dimension]) < 0)
            return -1;
        else
            dimension++;
    }
    return dimension;
}

int array_apply_subscripts(const Array *array,
                           const mapped_subscript *subscripts, int count,
                           CoreArray *selected)
{
    mapped_error error;
    selected->core.shape = selected->shape;
    selected->core.strides = selected->strides;
    if (mapped_array_select(&array->core, subscripts, count, &selected->core,
                            &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_of(array->owner, &error));
}

int array_select(const Array *array, PyObject *key, CoreArray *selected)
{
    mapped_subscript subscripts[MAX_DIMENSIONS];
    int count;
    if (key == Py_Ellipsis)
        count = 0; /* The core takes all of a dimension without a subscript. */
    else if (PyTuple_Check(key))
        count = convert_tuple(array, key, subscripts);
    else
        count =
            convert_subscript(array, array->core.shape[0], key, subscripts) < 0
                ? -1
                : 1;
    return count < 0
               ? -1
               : array_apply_subscripts(array, subscripts, count, selected);
}
