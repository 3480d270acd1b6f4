/* Finds the part of an array that a subscript chooses. The conversion of an
 * index may run any code; but that can't change an Array, and no memory of a
 * region is touched here. */
#include "array.h"

/* Converts an index or a slice of Python. A step of 0 stands for an index,
 * which leaves its dimension out of the part. */
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
    Py_ssize_t count = PyTuple_Size(keys);
    if (count > array->core.dimensions)
        return raised_as_int(PyErr_Format(
            PyExc_IndexError, "%zd indices for an array of %d dimensions",
            count, array->core.dimensions));
    for (int i = 0; i < count; i++)
        if (convert_key(array, array->core.shape[i], PyTuple_GetItem(keys, i),
                        &subscripts[i]) < 0)
            return -1;
    return (int)count;
}

int array_select(const Array *array, PyObject *key, Part *part)
{
    mapped_subscript subscripts[MAX_DIMENSIONS];
    mapped_error error;
    int count = 1;
    if (PyTuple_Check(key))
        count = convert_keys(array, key, subscripts);
    else if (convert_key(array, array->core.shape[0], key, subscripts) < 0)
        count = -1;
    if (count < 0)
        return -1;
    part->core.shape = part->shape;
    part->core.strides = part->strides;
    if (mapped_array_select(&array->core, subscripts, count, &part->core,
                            &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_of(array->owner, &error));
}
