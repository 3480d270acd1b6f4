/* Flushing. The disk is waited for without the region's lock, so that other
 * threads can use the region. Results that the region has to remember (a
 * failure, or that the file's directory entry is on the disk) are recorded
 * under the lock. */
#include <mapped/flush.h>

#include <mapped/export.h>

#include "region_internal.h"

/* What is taken from the locked region. `file` is a duplicate, because the
 * region may be closed meanwhile. */
typedef struct job {
    intptr_t file;
    unsigned char *address;
    uint64_t offset; /* in the file */
    mapped__trailer trailer;
    bool created; /* neither file nor directory entry were flushed as a whole */
} job;

static mapped_status check_kind(const mapped__region *self, mapped_error *error)
{
    if (self->mode == MAPPED_MODE_READ && !self->wrapped)
        return mapped_error_set(error, MAPPED_READONLY, "flush");
    if (self->wrapped || self->file == MAPPED__NO_FILE ||
        self->mode == MAPPED_MODE_COPY || mapped__is_device(&self->head))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "flush");
    return MAPPED_OK;
}

/* The error of an earlier flush. */
static mapped_status fail_as_before(const mapped__region *self,
                                    mapped_error *error)
{
    return mapped_error_set_system(error, self->flush_error,
                                   "an earlier flush");
}

static mapped_status begin_locked(const mapped__region *self,
                                  mapped_slice slice, job *job,
                                  mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK)
        status = check_kind(self, error);
    if (status == MAPPED_OK && self->flush_error != 0)
        return fail_as_before(self, error);
    if (status != MAPPED_OK)
        return status;
    job->address = self->head.base_ + slice.offset;
    job->offset = self->offset + slice.offset;
    job->created = self->created;
    mapped__region_find_trailer(self, &job->trailer);
    return mapped__file_duplicate(self->file, &job->file, error);
}

static mapped_status begin(mapped__region *self, mapped_slice slice, job *job,
                           mapped_error *error)
{
    mapped_status status = mapped__region_lock(self, false, "flush", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, slice, job, error);
    mapped__region_unlock(self);
    return status;
}

/* Keeps the first error number, and the range that covers all failures. */
static void note_failure(mapped__region *self, mapped_slice slice, int number)
{
    size_t end = slice.offset + slice.length;
    if (self->flush_error == 0 || slice.offset < self->flush_start)
        self->flush_start = slice.offset;
    if (self->flush_error == 0 || end > self->flush_end)
        self->flush_end = end;
    if (self->flush_error == 0)
        self->flush_error = number;
}

/* Records the result of writing, `status`, and returns that of the flush. If
 * several flushes are running the system tells only one of them of a failure,
 * so all of them fail. `synced`: file and directory entry were flushed. */
static mapped_status end_locked(mapped__region *self, mapped_slice slice,
                                mapped_status status, bool synced,
                                mapped_error *error)
{
    if (status != MAPPED_OK) {
        if (!mapped_error_is_shortage(error))
            note_failure(self, slice, error->os_error);
        return status;
    }
    if (self->flush_error != 0)
        return fail_as_before(self, error);
    if (synced)
        self->created = false;
    return MAPPED_OK;
}

/* MAPPED_CLOSED if the region was closed meanwhile: what was written to it
 * after that is lost. An error of the writing comes first. */
static mapped_status end(mapped__region *self, mapped_slice slice,
                         mapped_status status, bool synced, mapped_error *error)
{
    mapped_status lock_status = mapped__region_lock(
        self, false, "flush", status == MAPPED_OK ? error : NULL);
    if (lock_status != MAPPED_OK)
        return status == MAPPED_OK ? lock_status : status;
    status = end_locked(self, slice, status, synced, error);
    mapped__region_unlock(self);
    return status;
}

/* What was appended counts after a crash only if the trailer says so. A file
 * that was created is written as a whole, and then its directory: without both
 * it may not survive a crash. */
static mapped_status write_out(const mapped__region *self, const job *job,
                               size_t length, bool wait, mapped_error *error)
{
    mapped_status status = mapped__file_flush(
        job->file, job->offset, job->address, length, wait, error);
    if (status == MAPPED_OK && job->trailer.length > 0)
        status = mapped__file_flush(job->file, job->trailer.offset,
                                    job->trailer.address, job->trailer.length,
                                    wait, error);
    if (status == MAPPED_OK && wait && job->created)
        status = mapped__file_sync(job->file, error);
    if (status == MAPPED_OK && wait && job->created)
        status = mapped__directory_sync(self->path, error);
    return status;
}

static mapped_status flush(mapped_slice slice, bool wait, mapped_error *error)
{
    mapped__region *self = mapped__region_of(slice.region);
    job job;
    mapped_status status = begin(self, slice, &job, error);
    if (status != MAPPED_OK)
        return status;
    status = write_out(self, &job, slice.length, wait, error);
    mapped__file_close(job.file);
    status = end(self, slice, status, wait && job.created, error);
    return status == MAPPED_OK
               ? mapped__region_check_range(slice.region, slice.offset,
                                            slice.length, error)
               : status;
}

mapped_status mapped_flush(mapped_slice slice, unsigned flags,
                           mapped_error *error)
{
    mapped_error local; /* mapped_error_is_shortage reads it */
    mapped_export operation;
    if (error == NULL)
        error = &local;
    mapped_status status = MAPPED_OK;
    if ((flags & ~MAPPED_FLUSH_START) != 0)
        status = mapped_error_set(error, MAPPED_ARGUMENT, "flush");
    else
        status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return mapped__region_report(slice.region, "flush", status, error);
    /* Holds a reference, so that no other thread unmaps the addresses. */
    mapped_export_begin_operation(slice.region, &operation);
    status = flush(slice, flags == 0, error);
    status = mapped__region_report(slice.region, "flush", status, error);
    mapped_status ended =
        mapped_export_end(&operation, status == MAPPED_OK ? error : NULL);
    return status == MAPPED_OK ? ended : status;
}
