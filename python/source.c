/* Reading slices, and Sources. A Source is bytes to read: a slice of one of our
 * regions, or the buffer of another object, or a copy of either. A slice is
 * read through the core and never through a raw pointer, where a lost page
 * would read as zeros. */
#include <string.h>

#include "array.h"
#include "source.h"
#include "unlocked.h"

/* The fast path: few bytes, and an access that succeeds. */
static inline bool try_read(mapped_slice from, void *to)
{
    if (from.length == 0 || from.length >= UNLOCKED_BYTES)
        return false;
    const unsigned char *p = mapped_slice_try_enter(from, 0, from.length);
    if (p == NULL)
        return false;
    memcpy(to, p, from.length);
    return mapped_slice_try_leave(from);
}

int slice_read(Region *owner, mapped_slice from, void *to,
               const char *operation)
{
    if (try_read(from, to))
        return 0;
    mapped_error error;
    Unlocked unlocked = unlocked_begin(from.region, NULL, from.length);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_read(from, 0, to, from.length, &error), &error);
    return check_status(owner, operation, status, &error);
}

PyObject *slice_to_bytes(Region *owner, mapped_slice from,
                         const char *operation)
{
    PyObject *bytes = bytes_new(from.length);
    if (bytes != NULL &&
        slice_read(owner, from, PyBytes_AsString(bytes), operation) < 0)
        Py_CLEAR(bytes);
    return bytes;
}

/* Gives the source memory of its own, of `source->length` bytes. */
static int allocate_copy(Source *source)
{
    source->copy = memory_new(source->length, 1);
    source->data = source->copy;
    return source->copy != NULL ? 0 : -1;
}

/* Opens the buffer of an object that isn't ours. */
static int open_buffer(PyObject *object, Source *source)
{
    Py_buffer *buffer = &source->buffer;
    if (PyUnicode_Check(object))
        return raised_as_int(PyErr_Format(
            PyExc_TypeError,
            "%s: a bytes-like object is required, not 'str': encode() makes "
            "one",
            source->operation));
    if (PyObject_GetBuffer(object, buffer, PyBUF_FULL_RO) < 0)
        return -1;
    source->length = (size_t)buffer->len;
    source->data = buffer->buf;
    if (PyBuffer_IsContiguous(buffer, 'C'))
        return 0;
    if (allocate_copy(source) == 0 &&
        PyBuffer_ToContiguous(source->copy, buffer, buffer->len, 'C') == 0)
        return 0;
    source_close(source);
    return -1;
}

/* Opens a copy of the items of an array that has other bytes between them, or
 * is on a device, where each item must be read in one access. */
static int open_gathered(const Array *array, Source *source)
{
    source->length = array_bytes(&array->core);
    if (allocate_copy(source) == 0 &&
        array_gather(array->owner, source->operation, &array->core,
                     source->copy) == 0)
        return 0;
    source_close(source);
    return -1;
}

int source_open(const State *state, PyObject *object, const char *operation,
                Source *source)
{
    Extent extent;
    *source = (Source){.operation = operation};
    int is_ours = extent_of(state, object, operation, &extent);
    if (is_ours < 0)
        return -1;
    if (is_ours == 0)
        return open_buffer(object, source);
    if (require_open(extent.owner, operation) < 0)
        return -1;
    if (is_array(state, object) &&
        (!extent.is_contiguous || mapped_region_device(extent.slice.region)))
        return open_gathered(array_of(object), source);
    source->owner = extent.owner;
    source->slice = extent.slice;
    source->length = extent.slice.length;
    return 0;
}

void source_close(Source *source)
{
    PyMem_Free(source->copy);
    source->copy = NULL;
    if (source->buffer.obj != NULL)
        PyBuffer_Release(&source->buffer);
}

int source_read(const Source *source, void *to)
{
    if (source->owner != NULL)
        return slice_read(source->owner, source->slice, to, source->operation);
    memcpy(to, source->data, source->length);
    return 0;
}

/* Without an access before it, the end of one says whether a page is lost. */
static bool has_lost_page(mapped_slice slice)
{
    return mapped_slice_leave(slice, 0, slice.length, NULL) == MAPPED_FAULT;
}

Region *failed_region(mapped_status status, Region *target, Region *source,
                      mapped_slice source_slice)
{
    const bool source_failed =
        status == MAPPED_FAULT && source != NULL && has_lost_page(source_slice);
    return source_failed ? source : target;
}

int source_store(const Source *source, Region *target, mapped_slice to,
                 size_t offset)
{
    mapped_error error;
    Unlocked unlocked =
        unlocked_begin(to.region, source->slice.region, source->length);
    mapped_status status =
        source->owner != NULL
            ? mapped_copy(to, offset, source->slice, &error)
            : mapped_write(to, offset, source->data, source->length, &error);
    status = unlocked_end_access(&unlocked, status, &error);
    if (status == MAPPED_OK)
        return 0;
    return raised_as_int(
        raise_in(failed_region(status, target, source->owner, source->slice),
                 source->operation, &error));
}
