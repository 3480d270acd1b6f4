/* Streams over a slice, and slices written to streams. Bytes go through a copy
 * that is checked before anybody gets it, so no zeros of a lost page do. */
#include <mapped/stream.h>

#include <errno.h>
#include <string.h>

#include <mapped/bulk.h>

#include "region_internal.h"

/* Sets errno for a failed access, and returns what the callbacks return then.
 */
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

/* How many of n bytes there are from the stream's position on. */
static size_t available(const mapped_stream *self, size_t n)
{
    const uint64_t length = self->slice_.length;
    const uint64_t left =
        self->position_ < length ? length - self->position_ : 0;
    return left < n ? (size_t)left : n;
}

/* A stream reads ahead: what lies before a lost page, or before the end of what
 * has got shorter, is given first. */
static ptrdiff_t read_some(void *context, char *to, size_t n)
{
    mapped_stream *self = context;
    mapped_error error;
    mapped_status status;
    size_t found = available(self, n);
    const size_t at = found > 0 ? (size_t)self->position_ : 0;
    while ((status = mapped_read(self->slice_, at, to, found, &error)) !=
               MAPPED_OK &&
           status != MAPPED_CLOSED && found > 1)
        found /= 2;
    if (status != MAPPED_OK)
        return fail(&error);
    self->position_ += found;
    return (ptrdiff_t)found;
}

static ptrdiff_t write_some(void *context, const char *from, size_t n)
{
    mapped_stream *self = context;
    mapped_error error;
    const size_t room = available(self, n);
    const size_t at = room > 0 ? (size_t)self->position_ : 0;
    if (mapped_write(self->slice_, at, from, room, &error) != MAPPED_OK) {
        (void)fail(&error);
        return 0;
    }
    self->position_ += room;
    if (room < n)
        errno = ENOSPC;
    return (ptrdiff_t)room;
}

static int seek(void *context, int64_t *offset, int whence)
{
    mapped_stream *self = context;
    uint64_t base = 0;
    if (whence == SEEK_CUR)
        base = self->position_;
    else if (whence == SEEK_END)
        base = self->slice_.length;
    if (*offset < 0 ? base < 0 - (uint64_t)*offset
                    : base + (uint64_t)*offset > INT64_MAX) {
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
    return mapped__region_report(slice.region, "file", status, error);
}

typedef mapped_status put_function(void *to, const unsigned char *from,
                                   size_t n, size_t *put, mapped_error *error);

/* Stays in the first-level cache. Larger ones on the stack are too much for the
 * handler of a lost page where valgrind runs the program. */
#define PIECE ((size_t)8192)

static mapped_status write_pieces(mapped_slice slice, put_function *put,
                                  void *to, size_t *written,
                                  mapped_error *error)
{
    unsigned char piece[PIECE];
    mapped_status status = mapped_slice_check(slice, error);
    *written = 0;
    while (status == MAPPED_OK && *written < slice.length) {
        size_t left = slice.length - *written, taken = 0;
        size_t n = left < PIECE ? left : PIECE;
        status = mapped_read(slice, *written, piece, n, error);
        if (status == MAPPED_OK)
            status = put(to, piece, n, &taken, error);
        *written += taken;
    }
    return mapped__region_report(slice.region, "write_to", status, error);
}

static mapped_status put_into_stream(void *to, const unsigned char *from,
                                     size_t n, size_t *put, mapped_error *error)
{
    errno = 0;
    *put = fwrite(from, 1, n, to);
    if (*put == n)
        return MAPPED_OK;
    return mapped_error_set_system(error, errno != 0 ? errno : EIO, "fwrite");
}

mapped_status mapped_stream_write(mapped_slice slice, FILE *file,
                                  size_t *written, mapped_error *error)
{
    return write_pieces(slice, put_into_stream, file, written, error);
}

static mapped_status put_into_file(void *to, const unsigned char *from,
                                   size_t n, size_t *put, mapped_error *error)
{
    const intptr_t *file = to;
    return mapped__file_write(*file, from, n, put, error);
}

mapped_status mapped_descriptor_write(mapped_slice slice, intptr_t descriptor,
                                      size_t *written, mapped_error *error)
{
    return write_pieces(slice, put_into_file, &descriptor, written, error);
}
