/* Flushing. The region isn't locked while this waits for the disk, so that
 * other threads can use it. So a flush has three steps:
 *
 * - begin: with the region locked, takes from it what has to be written;
 * - write_out: writes that to the disk;
 * - end: locks the region again and records what it has to remember, which is
 *   a failure, or that the file's directory entry is on the disk.
 *
 * Invariant: after a failure that may have lost data, `flush_error` is set, and
 * every flush fails until a recovery clears it. */
#include <mapped/flush.h>

#include <assert.h>

#include <mapped/export.h>

#include "region_internal.h"

/* What a flush has to write, as it was while the region was locked. */
typedef struct flush_request {
    intptr_t file; /* a duplicate: the region may be closed meanwhile */
    unsigned char *address;
    uint64_t offset;         /* in the file */
    mapped__trailer trailer; /* of a file that is appended to */
    bool created;            /* the file is new: all of it and its directory
                              * entry have to be written */
} flush_request;

/* Wrapped memory has no file, also if it is read-only. */
static mapped_status check_kind(const mapped__region *self, mapped_error *error)
{
    if (self->mode == MAPPED_MODE_READ && !self->wrapped)
        return mapped_error_set(error, MAPPED_READONLY, "flush");
    if (self->wrapped || self->file == MAPPED__NO_FILE ||
        self->mode == MAPPED_MODE_COPY || mapped__is_device(&self->head))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "flush");
    return MAPPED_OK;
}

static mapped_status fail_as_before(const mapped__region *self,
                                    mapped_error *error)
{
    return mapped_error_set_system(error, self->flush_error,
                                   "an earlier flush");
}

static mapped_status begin_locked(const mapped__region *self,
                                  mapped_slice slice, flush_request *request,
                                  mapped_error *error)
{
    /* Again, now that no other thread can close or shorten the region. */
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK)
        status = check_kind(self, error);
    if (status == MAPPED_OK && self->flush_error != 0)
        return fail_as_before(self, error);
    if (status != MAPPED_OK)
        return status;
    request->address = self->head.base_ + slice.offset;
    request->offset = self->offset + slice.offset;
    request->created = self->created;
    mapped__region_find_trailer(self, &request->trailer);
    return mapped__file_duplicate(self->file, &request->file, error);
}

static mapped_status begin(mapped__region *self, mapped_slice slice,
                           flush_request *request, mapped_error *error)
{
    mapped_status status = mapped__region_lock(self, "flush", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, slice, request, error);
    mapped__region_unlock(self);
    return status;
}

/* Keeps the first error number, and the range that covers all failures. */
static void note_failure(mapped__region *self, mapped_slice slice, int os_error)
{
    size_t start = slice.offset;
    size_t end = slice.offset + slice.length;
    bool is_first = self->flush_error == 0;
    if (is_first)
        self->flush_error = os_error;
    if (is_first || start < self->flush_start)
        self->flush_start = start;
    if (is_first || end > self->flush_end)
        self->flush_end = end;
}

/* Records `status`, the result of the writing, and returns the result of the
 * flush. With `file_synced` the whole file and its directory entry were
 * written. A shortage of memory or descriptors has lost nothing. The system
 * tells only one of several flushes that run at once of a failure, so this one
 * fails too if another has recorded one. */
static mapped_status end_locked(mapped__region *self, mapped_slice slice,
                                mapped_status status, bool file_synced,
                                mapped_error *error)
{
    assert(error != NULL);
    if (status != MAPPED_OK) {
        if (!mapped_error_is_shortage(error))
            note_failure(self, slice, error->os_error);
        return status;
    }
    if (self->flush_error != 0)
        return fail_as_before(self, error);
    if (file_synced)
        self->created = false;
    return MAPPED_OK;
}

/* As end_locked, but a success becomes MAPPED_CLOSED if another thread has
 * closed the region meanwhile: then zero pages have taken the place of the
 * file's pages, perhaps before these were written. */
static mapped_status end(mapped__region *self, mapped_slice slice,
                         mapped_status status, bool file_synced,
                         mapped_error *error)
{
    mapped_status lock_status =
        mapped__region_lock(self, "flush", status == MAPPED_OK ? error : NULL);
    if (lock_status != MAPPED_OK)
        return status == MAPPED_OK ? lock_status : status;
    status = end_locked(self, slice, status, file_synced, error);
    mapped__region_unlock(self);
    return status;
}

/* Writes the trailer after the data, because appended bytes survive a crash
 * only if the trailer says that they are data. A new file is then written as a
 * whole, and after it its directory: without both it may not survive a crash.
 * `path` is read without the lock, because it never changes. */
static mapped_status write_out(const mapped__region *self,
                               const flush_request *request, size_t length,
                               bool wait, mapped_error *error)
{
    mapped_status status = mapped__file_flush(
        request->file, request->offset, request->address, length, wait, error);
    if (status == MAPPED_OK && request->trailer.length > 0)
        status = mapped__file_flush(request->file, request->trailer.offset,
                                    request->trailer.address,
                                    request->trailer.length, wait, error);
    if (status == MAPPED_OK && wait && request->created)
        status = mapped__file_sync(request->file, error);
    if (status == MAPPED_OK && wait && request->created)
        status = mapped__directory_sync(self->path, error);
    return status;
}

/* Fails if a page was lost before or has been lost by now, because its bytes
 * weren't written. */
static mapped_status flush(mapped_slice slice, bool wait, mapped_error *error)
{
    mapped__region *self = mapped__region_of(slice.region);
    flush_request request;
    mapped_status status = begin(self, slice, &request, error);
    if (status != MAPPED_OK)
        return status;
    status = write_out(self, &request, slice.length, wait, error);
    mapped__file_close(request.file);
    status = end(self, slice, status, wait && request.created, error);
    return status == MAPPED_OK
               ? mapped__region_check_lost(slice.region, slice.offset,
                                           slice.length, error)
               : status;
}

mapped_status mapped_flush(mapped_slice slice, unsigned flags,
                           mapped_error *error)
{
    mapped_error local; /* end_locked reads it */
    mapped_export operation;
    if (error == NULL)
        error = &local;
    const bool wait = !(flags & MAPPED_FLUSH_START);
    mapped_status status = MAPPED_OK;
    if ((flags & ~MAPPED_FLUSH_START) != 0)
        status = mapped_error_set(error, MAPPED_ARGUMENT, "flush: flags");
    else
        status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return mapped__region_complete_error(slice.region, "flush", status,
                                             error);
    /* The export holds a reference, so that no other thread unmaps the
     * addresses. Its end tells whether a page was lost and recovered meanwhile;
     * flush has told of those that are still lost. */
    mapped_export_begin_operation(slice.region, &operation);
    status = flush(slice, wait, error);
    status =
        mapped__region_complete_error(slice.region, "flush", status, error);
    mapped_status ended =
        mapped_export_end(&operation, status == MAPPED_OK ? error : NULL);
    return status == MAPPED_OK ? ended : status;
}
