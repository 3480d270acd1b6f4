/* The buffer protocol: what all our buffers share, and the slots of Region and
 * Slice. Every buffer is one export of the core. While there is an export,
 * close and shrink raise BufferError; the end of the export says whether a page
 * was lost meanwhile. */
#include "binding.h"

/* A request such as PyBUF_STRIDES has several bits: are all of them in `flags`?
 */
static bool asks(int flags, int request)
{
    return (flags & request) == request;
}

static int refuse(const char *text)
{
    PyErr_SetString(PyExc_BufferError, text);
    return -1;
}

static int check_layout(const Py_buffer *buffer, int flags)
{
    bool is_c_order = PyBuffer_IsContiguous(buffer, 'C');
    bool is_fortran_order = PyBuffer_IsContiguous(buffer, 'F');
    if (asks(flags, PyBUF_C_CONTIGUOUS) && !is_c_order)
        return refuse("memory is not C-contiguous");
    if (asks(flags, PyBUF_F_CONTIGUOUS) && !is_fortran_order)
        return refuse("memory is not Fortran-contiguous");
    if (asks(flags, PyBUF_ANY_CONTIGUOUS) && !is_c_order && !is_fortran_order)
        return refuse("memory is not contiguous");
    if (!asks(flags, PyBUF_STRIDES) && !is_c_order)
        return refuse("memory is strided, and strides were not asked for");
    return 0;
}

/* Leaves out of the buffer what was not asked for. Without a shape it is bytes,
 * and a format other than bytes would contradict that. Returns 0, or -1 with an
 * exception. */
static int fit_to_request(Py_buffer *buffer, int flags)
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

/* Begins the export of a buffer. It stays in `buffer->internal` until the
 * buffer is released. Even then some go on using the pointer, as NumPy does for
 * numpy.ndarray(buffer=...): they keep the object alive, and so the addresses.
 * Returns the slice's first byte, or NULL with an exception. */
static void *begin_export(Region *owner, mapped_slice slice, Py_buffer *buffer)
{
    mapped_error error;
    mapped_export *new_export = PyMem_Malloc(sizeof *new_export);
    buffer->obj = NULL;
    if (new_export == NULL)
        return PyErr_NoMemory();
    if (mapped_export_begin(slice, new_export, &error) != MAPPED_OK) {
        PyMem_Free(new_export);
        return raise_of(owner, &error);
    }
    mapped_region_keep_addresses(slice.region);
    buffer->internal = new_export;
    return new_export->data;
}

static mapped_status end_export(mapped_export *old_export, mapped_error *error)
{
    mapped_status status = mapped_export_end(old_export, error);
    PyMem_Free(old_export);
    return status;
}

/* Ends an export that nobody has read through: a lost page doesn't matter. */
static void end_unused_export(mapped_export *old_export)
{
    mapped_status status = end_export(old_export, NULL);
    (void)status;
}

int export_items(PyObject *self, const Extent *extent, Py_buffer *buffer,
                 int flags)
{
    char *data = begin_export(extent->owner, extent->slice, buffer);
    if (data == NULL)
        return -1;
    buffer->buf = data + extent->first;
    buffer->readonly = mapped_slice_readonly(extent->slice);
    buffer->suboffsets = NULL;
    if (fit_to_request(buffer, flags) < 0) {
        end_unused_export(buffer->internal);
        return -1;
    }
    buffer->obj = Py_NewRef(self);
    return 0;
}

int view_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    mapped_slice slice = view_span(self);
    void *data = begin_export(view_owner(self), slice, buffer);
    if (data == NULL)
        return -1;
    mapped_export *new_export = buffer->internal;
    int status = PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)slice.length,
                                   mapped_slice_readonly(slice), flags);
    buffer->internal = new_export; /* PyBuffer_FillInfo has cleared it. */
    if (status < 0)
        end_unused_export(new_export);
    return status;
}

void export_release(Region *owner, const Py_buffer *buffer)
{
    mapped_error error;
    if (end_export(buffer->internal, &error) == MAPPED_FAULT)
        fault_unraisable(owner, &error);
    region_release_wrap(owner);
}

void view_release_buffer(PyObject *self, Py_buffer *buffer)
{
    export_release(view_owner(self), buffer);
}
