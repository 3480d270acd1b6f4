/* A Source is bytes to read: a slice of one of our regions, or another object's
 * buffer. Ours are read through the core and never through a raw pointer, where
 * a lost page would read as zeros. */
#include <string.h>

#include "array.h"
#include "unlocked.h"

static int make_copy(Source *source)
{
    source->copy = memory_new(source->length, 1);
    source->data = source->copy;
    return source->copy != NULL ? 0 : -1;
}

static int open_foreign(PyObject *object, Source *source)
{
    Py_buffer *buffer = &source->buffer;
    if (PyObject_GetBuffer(object, buffer, PyBUF_FULL_RO) < 0)
        return -1;
    source->length = (size_t)buffer->len;
    source->data = buffer->buf;
    if (PyBuffer_IsContiguous(buffer, 'C'))
        return 0;
    if (make_copy(source) == 0 &&
        PyBuffer_ToContiguous(source->copy, buffer, buffer->len, 'C') == 0)
        return 0;
    source_close(source);
    return -1;
}

/* Gathers items that have other bytes between them, or are on a device, where
 * each must be read in one access. */
static int open_gathered(const Array *array, Source *source)
{
    source->length = array_bytes(&array->core);
    if (make_copy(source) == 0 && array_gather(array->owner, source->operation,
                                               &array->core, source->copy) == 0)
        return 0;
    source_close(source);
    return -1;
}

int source_open(const State *state, PyObject *object, const char *operation,
                Source *source)
{
    Extent extent;
    *source = (Source){.operation = operation};
    int ours = extent_of(state, object, operation, &extent);
    if (ours < 0)
        return -1;
    if (ours == 0)
        return open_foreign(object, source);
    if (require_open(extent.owner, operation) < 0)
        return -1;
    if (is_array(state, object) &&
        (!extent.whole || mapped_region_device(extent.slice.region)))
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
    mapped_error error;
    if (source->owner == NULL) {
        memcpy(to, source->data, source->length);
        return 0;
    }
    Unlocked unlocked =
        unlocked_begin(source->slice.region, NULL, source->length);
    mapped_status status =
        mapped_read(source->slice, 0, to, source->length, &error);
    status = unlocked_end_access(&unlocked, status, &error);
    return outcome(source->owner, source->operation, status, &error);
}

/* Leaving an access is how the core is asked whether a page of it is lost. */
static bool source_is_lost(const Source *source)
{
    return source->owner != NULL &&
           mapped_slice_leave(source->slice, 0, source->slice.length, NULL) ==
               MAPPED_FAULT;
}

Region *failed_region(const Source *source, Region *owner, mapped_status status)
{
    return status == MAPPED_FAULT && source_is_lost(source) ? source->owner
                                                            : owner;
}

int source_store(const Source *source, Region *owner, mapped_slice to,
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
    return raised_as_int(raise_in(failed_region(source, owner, status),
                                  source->operation, &error));
}
