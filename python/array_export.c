/* An array as a buffer: its format, shape and strides for those who ask. */
#include "array.h"

static int refuse(const char *text)
{
    PyErr_SetString(PyExc_BufferError, text);
    return -1;
}

static void describe(Array *array, Py_buffer *buffer, void *data)
{
    buffer->buf = (char *)data + array->first;
    buffer->len = array->count * array->code.element->size;
    buffer->itemsize = array->code.element->size;
    buffer->readonly = mapped_region_readonly(array->slice.region);
    buffer->format = (char *)mapped_element_struct_code(array->code.element);
    buffer->ndim = array->dimensions;
    buffer->shape = array_shape(array);
    buffer->strides = array_strides(array);
    buffer->suboffsets = NULL;
    buffer->internal = NULL;
}

static bool asks(int flags, int what)
{
    return (flags & what) == what;
}

static int check_layout(const Py_buffer *buffer, int flags)
{
    bool rows = PyBuffer_IsContiguous(buffer, 'C');
    bool columns = PyBuffer_IsContiguous(buffer, 'F');
    if (asks(flags, PyBUF_C_CONTIGUOUS) && !rows)
        return refuse("memory is not C-contiguous");
    if (asks(flags, PyBUF_F_CONTIGUOUS) && !columns)
        return refuse("memory is not Fortran-contiguous");
    if (asks(flags, PyBUF_ANY_CONTIGUOUS) && !rows && !columns)
        return refuse("memory is not contiguous");
    if (!asks(flags, PyBUF_STRIDES) && !rows)
        return refuse("memory is strided, and strides were not asked for");
    return 0;
}

/* Leaves out what was not asked for. Without a shape it is plain bytes, which
 * another format would contradict. */
int export_honour(Py_buffer *buffer, int flags)
{
    if (asks(flags, PyBUF_WRITABLE) && buffer->readonly)
        return refuse("memory is read-only");
    if (check_layout(buffer, flags) < 0)
        return -1;
    if (!asks(flags, PyBUF_FORMAT))
        buffer->format = NULL;
    if (!asks(flags, PyBUF_STRIDES))
        buffer->strides = NULL;
    if (asks(flags, PyBUF_ND))
        return 0;
    if (buffer->format != NULL)
        return refuse("a format makes no sense without a shape");
    buffer->ndim = 1;
    buffer->shape = NULL;
    return 0;
}

int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    Array *array = array_of(self);
    buffer->obj = NULL;
    void *data = export_pin(array->owner, array->slice);
    if (data == NULL)
        return -1;
    describe(array, buffer, data);
    if (export_honour(buffer, flags) < 0) {
        mapped_region_unpin(array->slice.region);
        return -1;
    }
    buffer->obj = Py_NewRef(self);
    return 0;
}

void array_release_buffer(PyObject *self, Py_buffer *Py_UNUSED(buffer))
{
    export_end(array_of(self)->owner);
}
