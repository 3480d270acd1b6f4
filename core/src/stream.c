/* Streams over a slice, and slices written to streams. The C library calls
 * read_some, write_some and seek for a stream that mapped_stream_open has
 * opened. mapped_stream_write and mapped_descriptor_write call write_pieces,
 * each with a write_function of its own.
 *
 * Bytes go through a copy that is checked before anybody gets it, so no zeros
 * of a lost page do. */
#include <mapped/stream.h>

#include <errno.h>
#include <string.h>

#include <mapped/bulk.h>

#include "region_internal.h"

/* Sets errno for a failed access. Returns -1. */
static ptrdiff_t fail(const mapped_error *error)
{
    switch (error->status) {
    case MAPPED_FAULT:
        errno = error->os_error != 0 ? error->os_error : EIO;
        break;
    case MAPPED_RANGE:
        errno = ENODATA;
        break;
    default:
        errno = EBADF;
    }
    return -1;
}

/* The next n bytes, or as many as there are from the stream's position on. */
static mapped_slice next_bytes(const mapped_stream *self, size_t n)
{
    mapped_slice next = self->slice_;
    if (self->position_ < next.length) {
        next.offset += (size_t)self->position_;
        next.length -= (size_t)self->position_;
    } else {
        next.length = 0;
    }
    if (next.length > n)
        next.length = n;
    return next;
}

/* The C library asks for more than its caller wants. So what lies before a lost
 * page, or before the end of a region that has got shorter, is given first: a
 * read that fails is tried again with half of the bytes. */
static ptrdiff_t read_some(void *context, char *to, size_t n)
{
    mapped_stream *self = context;
    mapped_error error;
    mapped_status status;
    mapped_slice from = next_bytes(self, n);
    while ((status = mapped_read(from, 0, to, from.length, &error)) !=
               MAPPED_OK &&
           status != MAPPED_CLOSED && from.length > 1)
        from.length /= 2;
    if (status != MAPPED_OK)
        return fail(&error);
    self->position_ += from.length;
    return (ptrdiff_t)from.length;
}

static ptrdiff_t write_some(void *context, const char *from, size_t n)
{
    mapped_stream *self = context;
    mapped_error error;
    const mapped_slice to = next_bytes(self, n);
    if (mapped_write(to, 0, from, to.length, &error) != MAPPED_OK) {
        (void)fail(&error);
        return 0;
    }
    self->position_ += to.length;
    if (to.length < n)
        errno = ENOSPC;
    return (ptrdiff_t)to.length;
}

static int seek(void *context, int64_t *offset, int whence)
{
    mapped_stream *self = context;
    uint64_t base = 0;
    if (whence == SEEK_CUR)
        base = self->position_;
    else if (whence == SEEK_END)
        base = self->slice_.length;
    const bool fits =
        *offset < 0 ? 0 - (uint64_t)*offset <= base
                    : mapped_range_fits_u64(base, (uint64_t)*offset, INT64_MAX);
    if (!fits) {
        errno = EINVAL;
        return -1;
    }
    self->position_ = base + (uint64_t)*offset;
    *offset = (int64_t)self->position_;
    return 0;
}

static const mapped__stream_calls calls = {read_some, write_some, seek};

static mapped_status open_stream(mapped_slice slice, bool writable,
                                 mapped_stream *stream, FILE **file,
                                 mapped_error *error)
{
    mapped_status status = writable ? mapped_slice_check_writable(slice, error)
                                    : mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED,
                                  "a stream over a device");
    if (status != MAPPED_OK)
        return status;
    *stream = (mapped_stream){.slice_ = slice, .position_ = 0};
    status = mapped__stream_open(stream, &calls, writable, file, error);
    if (status == MAPPED_OK && writable)
        setvbuf(*file, NULL, _IONBF, 0); /* an error is that of its own call */
    return status;
}

mapped_status mapped_stream_open(mapped_slice slice, bool writable,
                                 mapped_stream *stream, FILE **file,
                                 mapped_error *error)
{
    mapped_status status = open_stream(slice, writable, stream, file, error);
    return mapped__region_complete_error(slice.region, "file", status, error);
}

/* Writes to a stream or a descriptor. `*written` is how many of the n bytes,
 * also after an error. */
typedef mapped_status write_function(void *to, const unsigned char *from,
                                     size_t n, size_t *written,
                                     mapped_error *error);

/* Small enough for the first-level cache. It is on the stack: a larger one
 * leaves too little room for the handler of a lost page where valgrind runs the
 * program. */
#define PIECE ((size_t)8192)

static mapped_status write_pieces(mapped_slice slice, write_function *write,
                                  void *to, size_t *written,
                                  mapped_error *error)
{
    unsigned char piece[PIECE];
    mapped_status status = mapped_slice_check(slice, error);
    *written = 0;
    while (status == MAPPED_OK && *written < slice.length) {
        const size_t left = slice.length - *written;
        const size_t n = left < PIECE ? left : PIECE;
        size_t now = 0;
        status = mapped_read(slice, *written, piece, n, error);
        if (status == MAPPED_OK)
            status = write(to, piece, n, &now, error);
        *written += now;
    }
    return mapped__region_complete_error(slice.region, "write_to", status,
                                         error);
}

static mapped_status write_to_stream(void *to, const unsigned char *from,
                                     size_t n, size_t *written,
                                     mapped_error *error)
{
    errno = 0;
    *written = fwrite(from, 1, n, to);
    if (*written == n)
        return MAPPED_OK;
    return mapped_error_set_system(error, errno != 0 ? errno : EIO, "fwrite");
}

mapped_status mapped_stream_write(mapped_slice slice, FILE *file,
                                  size_t *written, mapped_error *error)
{
    return write_pieces(slice, write_to_stream, file, written, error);
}

static mapped_status write_to_descriptor(void *to, const unsigned char *from,
                                         size_t n, size_t *written,
                                         mapped_error *error)
{
    const intptr_t *descriptor = to;
    return mapped__file_write(*descriptor, from, n, written, error);
}

mapped_status mapped_descriptor_write(mapped_slice slice, intptr_t descriptor,
                                      size_t *written, mapped_error *error)
{
    return write_pieces(slice, write_to_descriptor, &descriptor, written,
                        error);
}
