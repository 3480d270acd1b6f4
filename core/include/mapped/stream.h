/* Slices and <stdio.h>: a stream that reads and writes the bytes of a slice,
 * and slices that are written to streams and descriptors.
 *
 *     mapped_stream cookie;
 *     FILE *file;
 *     mapped_status status =
 *         mapped_stream_open(slice, false, &cookie, &file, &error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     ... fgets(line, sizeof line, file) ...
 *     fclose(file);
 *
 * Every access is checked as all are. What fails is an error of the stream
 * (ferror, and errno): EBADF when the region is closed, ENODATA when it has got
 * shorter, the cause of a lost page, ENOSPC behind the last byte. */
#ifndef MAPPED_STREAM_H
#define MAPPED_STREAM_H

#include <stdio.h>

#include <mapped/slice.h>

MAPPED_BEGIN

/* What a stream knows; the caller's memory, at one place until fclose. */
typedef struct mapped_stream {
    mapped_slice slice_; /* private: all below */
    uint64_t position_;
} mapped_stream;

/* Opens a stream over the bytes that the slice has now, at its first one. It
 * can seek, also behind the end, and never makes the slice longer. It has no
 * descriptor. One that is `writable` has no buffer, so that what is written is
 * in the memory at once and an error is that of its own call; setvbuf can give
 * it one of the caller's. One that only reads has a buffer, and may show what
 * the bytes were a moment ago.
 *
 * The stream borrows the region and `stream`: call fclose before either goes.
 * The region may be closed before. It is no export. MAPPED_READONLY for a
 * writable one where the slice isn't; MAPPED_UNSUPPORTED for devices, and on
 * systems without fopencookie (Windows); MAPPED_CLOSED, MAPPED_RANGE,
 * MAPPED_SYSTEM. */
MAPPED__MUST_USE mapped_status mapped_stream_open(mapped_slice slice,
                                                  bool writable,
                                                  mapped_stream *stream,
                                                  FILE **file,
                                                  mapped_error *error);

/* Writes all of the slice to the stream, or to the descriptor (HANDLE on
 * Windows) at the place where that is. `*written` is set in any case, to how
 * many bytes were taken. Bytes of a lost page are never written. MAPPED_FAULT,
 * MAPPED_CLOSED, MAPPED_RANGE; MAPPED_SYSTEM with errno, as EAGAIN of a full
 * pipe that doesn't block, and EINTR after a signal. */
MAPPED__MUST_USE mapped_status mapped_stream_write(mapped_slice slice,
                                                   FILE *file, size_t *written,
                                                   mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_descriptor_write(mapped_slice slice,
                                                       intptr_t descriptor,
                                                       size_t *written,
                                                       mapped_error *error);

MAPPED_END

#endif
