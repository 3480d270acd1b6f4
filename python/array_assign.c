/* Storing into an array: one item, or a part from another buffer or from a
 * sequence of values. All values are converted before the first is stored. */
#include "array.h"

#include <string.h>

static int assign_item(Array *array, const Part *part, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    if (value_from_code(&array->code, object, &value) < 0)
        return -1;
    if (mapped_set(array->slice, array->code.element, (size_t)part->first,
                   value, &error) == MAPPED_OK)
        return 0;
    if (error.status == MAPPED_VALUE)
        raise_value(array->code.element, object);
    else
        raise_of(array->owner, &error);
    return -1;
}

static int refuse_shape(void)
{
    PyErr_SetString(PyExc_ValueError,
                    "the shapes of the array and of the values differ");
    return -1;
}

static const mapped_element *buffer_element(const Py_buffer *buffer)
{
    const char *format = buffer->format != NULL ? buffer->format : "B";
    return mapped_element_from_struct(format, strlen(format), NULL);
}

static bool same_shape(const Part *part, int dimensions,
                       const Py_ssize_t *shape)
{
    if (dimensions != part->dimensions)
        return false;
    for (int i = 0; i < dimensions; i++)
        if (part->shape[i] != shape[i])
            return false;
    return true;
}

static int copy_buffer(const Part *part, Py_buffer *buffer, char *to)
{
    if (!same_shape(part, buffer->ndim, buffer->shape))
        return refuse_shape();
    return PyBuffer_ToContiguous(to, buffer, buffer->len, 'C');
}

static int take_value(Array *array, PyObject *object, char **to)
{
    mapped_value value;
    if (value_from_code(&array->code, object, &value) < 0)
        return -1;
    if (array->code.element->store(array->code.element, *to, value) !=
        MAPPED_OK) {
        raise_value(array->code.element, object);
        return -1;
    }
    *to += array->code.element->size;
    return 0;
}

/* A tuple of its own, since converting one value may change the sequence. */
static int take_sequence(Array *array, const Part *part, int dimension,
                         PyObject *object, char **to)
{
    if (dimension == part->dimensions)
        return take_value(array, object, to);
    PyObject *values = PySequence_Tuple(object);
    if (values == NULL)
        return -1;
    Py_ssize_t count = PyTuple_Size(values);
    int status = count == part->shape[dimension] ? 0 : refuse_shape();
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = take_sequence(array, part, dimension + 1,
                               PyTuple_GetItem(values, i), to);
    Py_DECREF(values);
    return status;
}

/* Arrays of ours are copied by checked reads, so that a lost page of theirs is
 * an error. */
static int take_array(Array *array, const Part *part, Array *from, char *to)
{
    Part all;
    if (require_open(from->owner) < 0)
        return -1;
    if (from->code.element != array->code.element)
        return take_sequence(array, part, 0, (PyObject *)from, &to);
    array_whole(from, &all);
    if (!same_shape(part, all.dimensions, all.shape))
        return refuse_shape();
    return array_gather(from, &all, to);
}

static int take_view(Array *array, const Part *part, PyObject *view, char *to)
{
    PyObject *bytes = array_new(view, code_of_bytes(array->owner->state), NULL);
    if (bytes == NULL)
        return -1;
    int status = take_array(array, part, array_of(bytes), to);
    Py_DECREF(bytes);
    return status;
}

/* A buffer of the same element type is copied; any other is a sequence. */
static int take_values(Array *array, const Part *part, PyObject *object,
                       char *to)
{
    Py_buffer buffer;
    const State *state = array->owner->state;
    if (Py_IS_TYPE(object, state->array))
        return take_array(array, part, array_of(object), to);
    if (Py_IS_TYPE(object, state->slice) || Py_IS_TYPE(object, state->region))
        return take_view(array, part, object, to);
    if (!PyObject_CheckBuffer(object))
        return take_sequence(array, part, 0, object, &to);
    if (PyObject_GetBuffer(object, &buffer, PyBUF_FULL_RO) < 0)
        return -1;
    int status;
    if (buffer_element(&buffer) == array->code.element)
        status = copy_buffer(part, &buffer, to);
    else
        status = take_sequence(array, part, 0, object, &to);
    PyBuffer_Release(&buffer);
    return status;
}

static int assign_part(Array *array, const Part *part, PyObject *object)
{
    size_t bytes = (size_t)part_count(part) * array->code.element->size;
    char *values = PyMem_Malloc(bytes + 1);
    if (values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = take_values(array, part, object, values);
    if (status == 0)
        status = array_scatter(array, part, values);
    PyMem_Free(values);
    return status;
}

int array_assign(PyObject *self, PyObject *key, PyObject *value)
{
    Part part;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "array items can't be deleted");
        return -1;
    }
    if (array_select(array_of(self), key, &part) < 0)
        return -1;
    if (part.dimensions == 0)
        return assign_item(array_of(self), &part, value);
    return assign_part(array_of(self), &part, value);
}
