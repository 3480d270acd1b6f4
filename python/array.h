/* What the files of the types Array and Records share: both are one struct, an
 * array of the core. Records are those whose items are records. */
#ifndef MAPPED_PYTHON_ARRAY_H
#define MAPPED_PYTHON_ARRAY_H

#include "binding.h"

#define MAX_DIMENSIONS MAPPED_ARRAY_DIMENSIONS

typedef struct Layout Layout;

/* It never changes, except for what is made when it is first asked for. */
typedef struct Array {
    PyObject_VAR_HEAD PyObject *weakrefs;
    Region *owner;
    Layout *layout;   /* of records, which keeps their fields; else NULL */
    PyObject *format; /* of an item, for buffers: bytes, or NULL so far */
    mapped_array core;
    char native;          /* see value_convert */
    Py_ssize_t numbers[]; /* the shape, then the strides in bytes */
} Array;

static inline Array *array_of(PyObject *self)
{
    return (Array *)self;
}

/* An array that is being made, with its numbers. */
typedef struct Part {
    mapped_array core;
    Py_ssize_t shape[MAX_DIMENSIONS + 1];
    Py_ssize_t strides[MAX_DIMENSIONS + 1];
} Part;

static inline bool is_array(const State *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->array) ||
           Py_IS_TYPE(object, state->records);
}

static inline bool is_view(const State *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->slice) ||
           Py_IS_TYPE(object, state->region);
}

static inline size_t array_bytes(const mapped_array *array)
{
    return mapped_array_count(array) * array->item.size;
}

/* array.c: an object for `array`, whose numbers are copied: an Array, or
 * Records if there is a layout. */
PyObject *array_make(Region *owner, Layout *layout, char native,
                     const mapped_array *array);

/* All of a Region or Slice as items, in the shape that is given or NULL. */
PyObject *array_cast(PyObject *parent, const mapped_item *item, Layout *layout,
                     char native, PyObject *shape);

/* The same without a layout, of what a code means. */
PyObject *array_new(PyObject *parent, const Code *code, PyObject *shape);

/* extent.c: the array that an object of ours is, a Region or Slice one of
 * bytes, for which `array` has room for the numbers of one dimension. Returns
 * the region, a borrowed reference, or NULL if the object is none of ours. */
Region *array_described(const State *state, PyObject *object,
                        mapped_array *array);

/* Returns 0, or -1 with an exception if not all can be reached. */
int array_extent(const Array *array, const char *operation, Extent *extent);

/* array_select.c: what `array[key]` means, before any memory is touched. An
 * item has no dimensions. Returns 0, or -1 with an exception. */
int array_select(const Array *array, PyObject *key, Part *part);

/* array_copy.c: all items, in order, to plain memory or from there, without the
 * interpreter if it is much. They return 0, or -1 with an exception. */
int array_gather(Region *owner, const char *operation,
                 const mapped_array *array, void *to);
int array_scatter(Region *owner, const mapped_array *array, const void *from);

/* The type of an item as text, as bytes. */
PyObject *item_spelled(const mapped_item *item, mapped_spelling spelling);

/* The buffer protocol, and methods. */
PyObject *array_format(PyObject *self, void *closure);
int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags);
void array_release_buffer(PyObject *self, Py_buffer *buffer);
METHOD_NONE(array_tolist);
METHOD_NONE(array_tobytes);

/* array_assign.c: the element that a buffer's items are, or NULL. */
const mapped_element *buffer_element(const Py_buffer *buffer);
int array_assign(PyObject *self, PyObject *key, PyObject *value);
int array_assign_all(PyObject *self, PyObject *value); /* [:] */

#endif
