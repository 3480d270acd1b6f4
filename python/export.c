/* Raw memory for others: the buffer protocol of Region and Slice. Every export
 * is one pin of the region, so that close and shrink answer BufferError. */
#include "binding.h"

/* Pinned first: from then on neither closes nor shrinks, so that what the check
 * finds stays true. */
void *export_pin(Region *owner, mapped_slice span)
{
    void *data;
    mapped_error error;
    mapped_status status = mapped_region_pin(span.region, &data, &error);
    if (status != MAPPED_OK)
        return raise_of(owner, &error);
    status = mapped_slice_check(span, &error);
    if (status == MAPPED_OK)
        return (char *)data + span.offset;
    mapped_region_unpin(span.region);
    return raise_of(owner, &error);
}

int view_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    buffer->obj = NULL;
    mapped_slice span = view_span(self);
    void *data = export_pin(view_owner(self), span);
    if (data == NULL)
        return -1;
    int status = PyBuffer_FillInfo(buffer, self, data, (Py_ssize_t)span.length,
                                   mapped_region_readonly(span.region), flags);
    if (status < 0)
        mapped_region_unpin(span.region);
    return status;
}

void view_release_buffer(PyObject *self, Py_buffer *Py_UNUSED(buffer))
{
    export_end(view_owner(self));
}
