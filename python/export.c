/* Raw memory for others: what all buffers of ours share, and the buffer
 * protocol of Region and Slice. Every buffer is one export of the core, which
 * keeps close and shrink from happening (BufferError) and tells at its end what
 * it lost. */
#include "binding.h"

void *export_begin(Region *owner, mapped_slice span, uint64_t *since)
{
    void *data;
    mapped_error error;
    if (mapped_export_begin(span, &data, since, &error) != MAPPED_OK)
        return raise_of(owner, &error);
    return data;
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

/* The count of recoveries travels to the release as a pointer: the bits that it
 * has are plenty. */
static void note(Py_buffer *buffer, uint64_t since)
{
    buffer->internal = (void *)(uintptr_t)since;
}

static mapped_status end(const Extent *extent, const Py_buffer *buffer,
                         mapped_error *error)
{
    mapped_slice slice = extent->slice;
    if (extent->whole)
        slice.length = (size_t)buffer->len; /* a Region may have grown since */
    return mapped_export_end(slice, (uintptr_t)buffer->internal, error);
}

/* Of an export that nobody has read through. */
static void end_unseen(mapped_slice span, uint64_t since)
{
    mapped_status unseen = mapped_export_end(span, since, NULL);
    (void)unseen;
}

int export_items(PyObject *self, const Extent *extent, Py_buffer *buffer,
                 int flags)
{
    uint64_t since;
    buffer->obj = NULL;
    char *data = export_begin(extent->owner, extent->slice, &since);
    if (data == NULL)
        return -1;
    buffer->buf = data + extent->first;
    buffer->readonly = mapped_region_readonly(extent->slice.region);
    buffer->suboffsets = NULL;
    note(buffer, since);
    if (honour(buffer, flags) < 0) {
        end_unseen(extent->slice, since);
        return -1;
    }
    buffer->obj = Py_NewRef(self);
    return 0;
}

int view_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    uint64_t since;
    mapped_slice span = view_span(self);
    buffer->obj = NULL;
    void *data = export_begin(view_owner(self), span, &since);
    if (data == NULL)
        return -1;
    int status = PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)span.length,
                                   mapped_region_readonly(span.region), flags);
    note(buffer, since);
    if (status < 0)
        end_unseen(span, since);
    return status;
}

void export_release(const Extent *extent, const Py_buffer *buffer)
{
    mapped_error error;
    if (end(extent, buffer, &error) == MAPPED_FAULT)
        fault_unraisable(extent->owner, &error);
    region_foreign_release(extent->owner);
}

void view_release_buffer(PyObject *self, Py_buffer *buffer)
{
    Extent extent = view_extent(self);
    export_release(&extent, buffer);
}
