/* From a subscript to the part of an array that it chooses. Conversion of the
 * indices may run user code; an Array never changes, so none of it matters
 * until the memory is touched. */
#include "array.h"

void array_whole(Array *array, Part *part)
{
    part->first = (Py_ssize_t)array->first;
    part->dimensions = array->dimensions;
    for (int i = 0; i < array->dimensions; i++) {
        part->shape[i] = array_shape(array)[i];
        part->strides[i] = array_strides(array)[i];
    }
}

Py_ssize_t part_count(const Part *part)
{
    Py_ssize_t count = 1;
    for (int i = 0; i < part->dimensions; i++)
        count *= part->shape[i];
    return count;
}

bool part_is_contiguous(const Part *part, size_t size)
{
    Py_ssize_t expected = (Py_ssize_t)size;
    for (int i = part->dimensions - 1; i >= 0; i--) {
        if (part->shape[i] > 1 && part->strides[i] != expected)
            return false;
        expected *= part->shape[i];
    }
    return true;
}

/* An integer leaves its dimension out of the part. */
static int select_index(Array *array, int dimension, PyObject *key, Part *part)
{
    Py_ssize_t index;
    Py_ssize_t length = array_shape(array)[dimension];
    if (convert_index(key, &index) < 0)
        return -1;
    if (index < -length || index >= length) {
        raise_index(array->owner, index, (size_t)length);
        return -1;
    }
    if (index < 0)
        index += length;
    part->first += index * array_strides(array)[dimension];
    return 0;
}

/* The step of a slice of at most one item is never taken, and could overflow.
 */
static int select_slice(Array *array, int dimension, PyObject *key, Part *part)
{
    Py_ssize_t start, stop, step;
    Py_ssize_t stride = array_strides(array)[dimension];
    if (PySlice_Unpack(key, &start, &stop, &step) < 0)
        return -1;
    Py_ssize_t length = PySlice_AdjustIndices(array_shape(array)[dimension],
                                              &start, &stop, step);
    if (length > 0)
        part->first += start * stride;
    part->shape[part->dimensions] = length;
    part->strides[part->dimensions] = length > 1 ? step * stride : stride;
    part->dimensions++;
    return 0;
}

static int select_one(Array *array, int dimension, PyObject *key, Part *part)
{
    if (Py_IS_TYPE(key, &PySlice_Type))
        return select_slice(array, dimension, key, part);
    return select_index(array, dimension, key, part);
}

static int select_tuple(Array *array, PyObject *keys, Part *part)
{
    Py_ssize_t count = PyTuple_Size(keys);
    if (count > array->dimensions) {
        PyErr_Format(PyExc_IndexError,
                     "%zd indices for an array of %d dimensions", count,
                     array->dimensions);
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (select_one(array, i, PyTuple_GetItem(keys, i), part) < 0)
            return -1;
    return (int)count;
}

static int select_keys(Array *array, PyObject *key, Part *part)
{
    if (PyTuple_Check(key))
        return select_tuple(array, key, part);
    return select_one(array, 0, key, part) < 0 ? -1 : 1;
}

/* A part without items lies where the array does: an index may have led past
 * the end of an array that has no rows. */
int array_select(Array *array, PyObject *key, Part *part)
{
    part->first = (Py_ssize_t)array->first;
    part->dimensions = 0;
    int used = select_keys(array, key, part);
    if (used < 0)
        return -1;
    for (int i = used; i < array->dimensions; i++) {
        part->shape[part->dimensions] = array_shape(array)[i];
        part->strides[part->dimensions] = array_strides(array)[i];
        part->dimensions++;
    }
    if (part_count(part) == 0)
        part->first = (Py_ssize_t)array->first;
    return 0;
}
