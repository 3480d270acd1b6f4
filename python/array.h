/* What the files of the type Array share. */
#ifndef MAPPED_PYTHON_ARRAY_H
#define MAPPED_PYTHON_ARRAY_H

#include "binding.h"

static inline Array *array_of(PyObject *self)
{
    return (Array *)self;
}

static inline Py_ssize_t *array_shape(Array *array)
{
    return array->extents;
}

static inline Py_ssize_t *array_strides(Array *array)
{
    return array->extents + array->dimensions;
}

/* Part of an array while it is being chosen: an item if `dimensions` is 0. */
typedef struct Part {
    Py_ssize_t first; /* in bytes from the slice's beginning */
    int dimensions;
    Py_ssize_t shape[MAX_DIMENSIONS];
    Py_ssize_t strides[MAX_DIMENSIONS];
} Part;

/* array_select.c: what `array[key]` means, before any memory is touched. */
int array_select(Array *array, PyObject *key, Part *part);
void array_whole(Array *array, Part *part);
Py_ssize_t part_count(const Part *part);
bool part_is_contiguous(const Part *part, size_t size);

static inline size_t part_bytes(const Array *array, const Part *part)
{
    return (size_t)part_count(part) * array->code.element->size;
}

/* extent.c */
Extent array_extent(Array *array);

/* array.c: an Array over a part of another. */
PyObject *array_part(Array *array, const Part *part);

/* The same over any bytes. */
PyObject *array_over(Region *owner, mapped_slice slice, const Code *code,
                     const Part *part);

/* array_copy.c: all items of a part, in order, from and to plain memory of
 * as many bytes. They return 0, or -1 with an exception. */
int array_gather(Array *array, const Part *part, char *to);
int array_scatter(Array *array, const Part *part, const char *from);

/* array_assign.c: the element that a buffer's items are, or NULL. */
const mapped_element *buffer_element(const Py_buffer *buffer);
int array_assign(PyObject *self, PyObject *key, PyObject *value);

/* array_export.c */
int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags);
void array_release_buffer(PyObject *self, Py_buffer *buffer);

/* array_list.c */
METHOD_NONE(array_tolist);
METHOD_NONE(array_tobytes);
METHOD_NONE(array___bytes__);

#endif
