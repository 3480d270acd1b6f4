/* Storing into an array: one item, or a part from another buffer or from a
 * sequence of values. All values are converted before the first is stored. */
#include "array.h"
#include "value.h"

#include <string.h>

static int assign_item(Array *array, const Part *part, PyObject *object)
{
    mapped_value value;
    mapped_error error;
    const Code *code = &array->code;
    int status = value_from(code->element, code->native, object, &value);
    if (status == 0 &&
        mapped_set(array->slice, code->element, (size_t)part->first, value,
                   &error) == MAPPED_OK)
        return 0;
    if (status != 0 || error.status == MAPPED_VALUE)
        return value_refuse(code->element, object, status);
    raise_in(array->owner, ASSIGN, &error);
    return -1;
}

static int refuse_shape(void)
{
    PyErr_SetString(PyExc_ValueError,
                    "the shapes of the array and of the values differ");
    return -1;
}

const mapped_element *buffer_element(const Py_buffer *buffer)
{
    const char *format = buffer->format != NULL ? buffer->format : "B";
    const mapped_element *element =
        mapped_element_from_struct(format, strlen(format), NULL);
    return element != NULL && element->size == buffer->itemsize ? element
                                                                : NULL;
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

static int take_value(Array *array, PyObject *object, char **to)
{
    const Code *code = &array->code;
    if (element_store(code->element, code->native, object,
                      (unsigned char *)*to) < 0)
        return -1;
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

/* Values are converted before any is stored, which takes as much memory. */
static int assign_values(Array *array, const Part *part, PyObject *object)
{
    char *values = PyMem_Malloc(part_bytes(array, part) + 1), *end = values;
    if (values == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = take_sequence(array, part, 0, object, &end);
    if (status == 0)
        status = array_scatter(array, part, values);
    PyMem_Free(values);
    return status;
}

/* These tell whether something has the items that `part` takes: 1; 0 if they
 * are of another type; -1 with an exception if there are more or less. */
static int match(const Array *array, const Part *part,
                 const mapped_element *element, int dimensions,
                 const Py_ssize_t *shape)
{
    if (element != array->code.element)
        return 0;
    return same_shape(part, dimensions, shape) ? 1 : refuse_shape();
}

/* Of an object of ours. */
static int match_own(const Array *array, const Part *part, PyObject *object)
{
    const State *state = array->owner->state;
    if (Py_IS_TYPE(object, state->array)) {
        Array *from = array_of(object);
        return match(array, part, from->code.element, from->dimensions,
                     array_shape(from));
    }
    if (Py_IS_TYPE(object, state->slice) || Py_IS_TYPE(object, state->region)) {
        Py_ssize_t length = (Py_ssize_t)view_span(object).length;
        return match(array, part, code_of_bytes(state)->element, 1, &length);
    }
    return 0;
}

/* By way of a copy, since the two may overlap in any pattern. */
static int scatter_source(Array *array, const Part *part, const Source *source)
{
    if (source->copy != NULL)
        return array_scatter(array, part, source->copy);
    char *copy = PyMem_Malloc(source->length + 1);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = source_read(source, copy);
    if (status == 0)
        status = array_scatter(array, part, copy);
    PyMem_Free(copy);
    return status;
}

/* Also of a buffer that says other things of its shape than of its length. */
static int store_source(Array *array, const Part *part, const Source *source)
{
    bool together = part_is_contiguous(part, array->code.element->size) &&
                    !mapped_region_device(array->slice.region);
    if (source->length != part_bytes(array, part))
        return refuse_shape();
    if (together)
        return source_store(source, array->owner, array->slice,
                            (size_t)part->first, ASSIGN);
    return scatter_source(array, part, source);
}

static int assign_own(Array *array, const Part *part, PyObject *object)
{
    Source source;
    int same = match_own(array, part, object);
    if (same == 0)
        return assign_values(array, part, object);
    if (same < 0 || source_open(array->owner->state, object, &source) < 0)
        return -1;
    int status = store_source(array, part, &source);
    source_close(&source);
    return status;
}

/* Asked for its buffer once: each time it gives what it likes. */
static int assign_buffer(Array *array, const Part *part, PyObject *object)
{
    Source source;
    if (source_open(array->owner->state, object, &source) < 0)
        return -1;
    const Py_buffer *buffer = &source.buffer;
    int same =
        match(array, part, buffer_element(buffer), buffer->ndim, buffer->shape);
    int status = same > 0 ? store_source(array, part, &source) : same;
    source_close(&source);
    return same == 0 ? assign_values(array, part, object) : status;
}

/* Items of the same type are copied as bytes; whatever else is a sequence. */
static int assign_part(Array *array, const Part *part, PyObject *object)
{
    Extent extent;
    if (extent_of(array->owner->state, object, &extent))
        return require_open(extent.owner) < 0 ? -1
                                              : assign_own(array, part, object);
    if (PyObject_CheckBuffer(object))
        return assign_buffer(array, part, object);
    return assign_values(array, part, object);
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
