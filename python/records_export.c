/* Records as bytes: the buffer protocol, and copies. */
#include "records.h"

static void describe(Records *records, Py_buffer *buffer)
{
    buffer->len = (Py_ssize_t)records_size(records);
    buffer->itemsize = (Py_ssize_t)mapped_layout_size(records->layout->layout);
    buffer->format = PyBytes_AsString(records->layout->format);
    buffer->ndim = 1;
    buffer->shape = &records->count;
    buffer->strides = &records->stride;
}

int records_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    Extent extent = records_extent(records_of(self));
    describe(records_of(self), buffer);
    return export_items(self, &extent, buffer, flags);
}

void records_release_buffer(PyObject *self, Py_buffer *buffer)
{
    Extent extent = records_extent(records_of(self));
    export_release(&extent, buffer);
}

static mapped_status read_each(const Records *records, char *to,
                               mapped_error *error)
{
    size_t size = mapped_layout_size(records->layout->layout);
    mapped_status status = MAPPED_OK;
    for (Py_ssize_t i = 0; i < records->count && status == MAPPED_OK; i++) {
        size_t offset = (size_t)(records->first + i * records->stride);
        status = mapped_read(records->slice, offset, to, size, error);
        to += size;
    }
    return status;
}

int records_gather(const Records *records, char *to)
{
    mapped_error error;
    Away away = away_begin(records->slice.region, NULL, records_size(records));
    mapped_status status = read_each(records, to, &error);
    status = away_end_access(&away, status, &error);
    if (status == MAPPED_OK)
        return 0;
    raise_of(records->owner, &error);
    return -1;
}

const char records_tobytes_doc[] =
    PyDoc_STR("tobytes($self, /)\n--\n\n"
              "Return a copy of the records' bytes, one after the other.\n\n"
              "ValueError if the region is closed, FaultError if a page is "
              "lost.");

METHOD_NONE(records_tobytes)
{
    Records *records = records_of(self);
    if (require_open(records->owner) < 0)
        return NULL;
    PyObject *bytes =
        PyBytes_FromStringAndSize(NULL, (Py_ssize_t)records_size(records));
    if (bytes == NULL)
        return NULL;
    if (records_gather(records, PyBytes_AsString(bytes)) == 0)
        return bytes;
    Py_DECREF(bytes);
    return NULL;
}

const char records___bytes___doc[] =
    PyDoc_STR("__bytes__($self, /)\n--\n\n"
              "Return a copy of the records' bytes.");

METHOD_NONE(records___bytes__)
{
    return records_tobytes(self, NULL);
}
