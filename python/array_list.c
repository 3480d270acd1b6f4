/* All items of an array as Python objects, or their bytes. */
#include "array.h"
#include "value.h"

/* Items are read in blocks, so that the checks cost little. */
#define BLOCK_BYTES 4096

static int convert_block(Array *array, const Part *block, PyObject *list,
                         Py_ssize_t at)
{
    char bytes[BLOCK_BYTES];
    const mapped_element *element = array->code.element;
    if (array_gather(array, block, bytes) < 0)
        return -1;
    return value_fill[element->form](element, (const unsigned char *)bytes,
                                     list, at, at + block->shape[0]);
}

static int convert_row(Array *array, Py_ssize_t first, PyObject *list)
{
    int last = array->dimensions - 1;
    Py_ssize_t length = array_shape(array)[last];
    Py_ssize_t most = BLOCK_BYTES / array->code.element->size;
    Part block = {.first = first, .dimensions = 1};
    block.strides[0] = array_strides(array)[last];
    for (Py_ssize_t at = 0; at < length; at += most) {
        block.shape[0] = length - at < most ? length - at : most;
        if (convert_block(array, &block, list, at) < 0)
            return -1;
        block.first += block.shape[0] * block.strides[0];
    }
    return 0;
}

static PyObject *list_of(Array *array, int dimension, Py_ssize_t first);

static int convert_rows(Array *array, int dimension, Py_ssize_t first,
                        PyObject *list)
{
    Py_ssize_t stride = array_strides(array)[dimension];
    for (Py_ssize_t i = 0; i < array_shape(array)[dimension]; i++) {
        PyObject *row = list_of(array, dimension + 1, first + i * stride);
        if (row == NULL)
            return -1;
        PyList_SetItem(list, i, row);
    }
    return 0;
}

static PyObject *list_of(Array *array, int dimension, Py_ssize_t first)
{
    PyObject *list = filling(PyList_New(array_shape(array)[dimension]));
    if (list == NULL)
        return NULL;
    int status = dimension == array->dimensions - 1
                     ? convert_row(array, first, list)
                     : convert_rows(array, dimension, first, list);
    if (status == 0)
        return filled(list);
    Py_DECREF(list);
    return NULL;
}

METHOD_NONE(array_tolist)
{
    Array *array = array_of(self);
    if (require_open(array->owner) < 0)
        return NULL;
    return list_of(array, 0, (Py_ssize_t)array->first);
}

METHOD_NONE(array_tobytes)
{
    Array *array = array_of(self);
    Part part;
    if (require_open(array->owner) < 0)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(
        NULL, array->count * array->code.element->size);
    if (bytes == NULL)
        return NULL;
    array_whole(array, &part);
    if (array_gather(array, &part, PyBytes_AsString(bytes)) == 0)
        return bytes;
    Py_DECREF(bytes);
    return NULL;
}

METHOD_NONE(array___bytes__)
{
    return array_tobytes(self, NULL);
}
