/* Raw memory for others: what all buffers of ours share, and the buffer
 * protocol of Region and Slice. Every buffer is one export of the core, which
 * keeps close and shrink from happening (BufferError) and tells at its end what
 * it lost. */
#include "binding.h"

int export_begin(Region *owner, mapped_slice slice, mapped_export *made)
{
    mapped_error error;
    if (mapped_export_begin(slice, made, &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_of(owner, &error));
}

static bool asks(int flags, int what)
{
    return (flags & what) == what;
}

static int refuse(const char *text)
{
    PyErr_SetString(PyExc_BufferError, text);
    return -1;
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
static int honour(Py_buffer *buffer, int flags)
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

/* Begins the export of a buffer, which travels with it to the release. Returns
 * the slice's first byte, or NULL with an exception. */
static void *begin(Region *owner, mapped_slice slice, Py_buffer *buffer)
{
    mapped_export *made = PyMem_Malloc(sizeof *made);
    buffer->obj = NULL;
    if (made == NULL)
        return PyErr_NoMemory();
    if (export_begin(owner, slice, made) < 0) {
        PyMem_Free(made);
        return NULL;
    }
    buffer->internal = made;
    return made->data;
}

static mapped_status end(const Py_buffer *buffer, mapped_error *error)
{
    mapped_export *made = buffer->internal;
    mapped_status status = mapped_export_end(made, error);
    PyMem_Free(made);
    return status;
}

/* Of an export that nobody has read through. */
static void end_unseen(mapped_export *made)
{
    mapped_status unseen = mapped_export_end(made, NULL);
    (void)unseen;
    PyMem_Free(made);
}

int export_items(PyObject *self, const Extent *extent, Py_buffer *buffer,
                 int flags)
{
    char *data = begin(extent->owner, extent->slice, buffer);
    if (data == NULL)
        return -1;
    buffer->buf = data + extent->first;
    buffer->readonly = mapped_slice_readonly(extent->slice);
    buffer->suboffsets = NULL;
    if (honour(buffer, flags) < 0) {
        end_unseen(buffer->internal);
        return -1;
    }
    buffer->obj = Py_NewRef(self);
    return 0;
}

/* PyBuffer_FillInfo clears `internal`. */
int view_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    mapped_slice slice = view_span(self);
    void *data = begin(view_owner(self), slice, buffer);
    if (data == NULL)
        return -1;
    mapped_export *made = buffer->internal;
    int status = PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)slice.length,
                                   mapped_slice_readonly(slice), flags);
    buffer->internal = made;
    if (status < 0)
        end_unseen(made);
    return status;
}

void export_release(Region *owner, const Py_buffer *buffer)
{
    mapped_error error;
    if (end(buffer, &error) == MAPPED_FAULT)
        fault_unraisable(owner, &error);
    region_release_wrap(owner);
}

void view_release_buffer(PyObject *self, Py_buffer *buffer)
{
    export_release(view_owner(self), buffer);
}
