/* An array as a buffer: its format, shape and strides for those who ask. */
#include "array.h"

static void describe(Array *array, Py_buffer *buffer)
{
    buffer->len = array->count * array->code.element->size;
    buffer->itemsize = array->code.element->size;
    buffer->format = (char *)mapped_element_struct_code(array->code.element);
    buffer->ndim = array->dimensions;
    buffer->shape = array_shape(array);
    buffer->strides = array_strides(array);
}

int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    Extent extent = array_extent(array_of(self));
    describe(array_of(self), buffer);
    return export_items(self, &extent, buffer, flags);
}

void array_release_buffer(PyObject *self, Py_buffer *buffer)
{
    Extent extent = array_extent(array_of(self));
    export_release(&extent, buffer);
}
