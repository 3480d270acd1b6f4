/* Bringing pages in. The kernel is asked to do it, in pieces that don't take
 * long: it reports a page that can't be had, where a touch would raise a
 * signal. Only then, and on systems that can't be asked so, pages are touched,
 * and the guard tells which are lost and why. */
#include <mapped/paging.h>

#include <errno.h>

#include <mapped/guard.h>

#include "paging_internal.h"

#define PIECE ((size_t)4 << 20)

static mapped_status read_pages(mapped_slice slice, mapped_error *error)
{
    const size_t page = mapped__page_size();
    unsigned char *first;
    mapped_status status =
        mapped_slice_enter(slice, 0, slice.length, &first, error);
    if (status != MAPPED_OK)
        return status;
    const volatile unsigned char *bytes = first;
    for (size_t at = 0; at < slice.length; at += page)
        (void)bytes[at];
    (void)bytes[slice.length - 1];
    return mapped_slice_leave(slice, 0, slice.length, error);
}

mapped_status mapped__paging_touch(mapped_slice slice, mapped_error *error)
{
    if (mapped_guard_enabled())
        return read_pages(slice, error);
    size_t limit = mapped_region_length(slice.region);
    const mapped_error_range range = {
        .offset = slice.offset, .length = slice.length, .limit = limit};
    mapped_error_set_range(error, MAPPED_FAULT, "access", range);
    if (error != NULL)
        error->os_error = EIO;
    return MAPPED_FAULT;
}

static mapped_status fetch(mapped_slice piece, mapped_error *error)
{
    unsigned char *first;
    mapped_status status =
        mapped_slice_enter(piece, 0, piece.length, &first, error);
    if (status != MAPPED_OK)
        return status;
    mapped__pages pages = mapped__paging_outward(
        mapped__region_of(piece.region), first, piece.length);
    status = mapped__range_populate(pages.start, pages.length, false);
    if (status == MAPPED_FAULT)
        return mapped__paging_touch(piece, error);
    if (status != MAPPED_OK)
        return read_pages(piece, error);
    return mapped_slice_leave(piece, 0, piece.length, error);
}

static mapped_status fetch_next(mapped_slice slice, size_t *done,
                                mapped_error *error)
{
    mapped_slice piece;
    mapped_status status = mapped__paging_check(slice, "prefetch", error);
    if (status != MAPPED_OK)
        return status;
    size_t left = slice.length > *done ? slice.length - *done : 0;
    size_t n = left < PIECE ? left : PIECE;
    if (n == 0)
        return MAPPED_OK;
    status = mapped_slice_sub(slice, *done, n, &piece, error);
    if (status == MAPPED_OK)
        status = fetch(piece, error);
    if (status == MAPPED_OK)
        *done += n;
    return status;
}

mapped_status mapped_prefetch_next(mapped_slice slice, size_t *done,
                                   mapped_error *error)
{
    mapped_status status = fetch_next(slice, done, error);
    return mapped__region_report(slice.region, "prefetch", status, error);
}

static mapped_status fetch_all(mapped_slice slice, mapped_error *error)
{
    size_t done = 0;
    mapped_status status;
    do {
        status = fetch_next(slice, &done, error);
    } while (status == MAPPED_OK && done < slice.length);
    return status;
}

/* Less than this is not worth a thread: the system reads so much ahead when it
 * is advised. */
#define LITTLE ((size_t)1 << 20)

static bool has_file(const mapped__region *self)
{
    return !self->wrapped &&
           (self->file != MAPPED__NO_FILE || self->name != NULL);
}

/* The thread has a descriptor and a mapping of its own, and so nothing of the
 * region but the token that stops it. The region is locked. */
static bool read_ahead(mapped__region *self, mapped_slice slice)
{
    intptr_t file;
    if (self->ahead == NULL)
        self->ahead = mapped__readahead_new();
    if (self->ahead == NULL ||
        mapped__region_open_file(self, &file, NULL) != MAPPED_OK)
        return false;
    bool begun = mapped__readahead_start(
        self->ahead, file, self->offset + slice.offset, slice.length);
    mapped__region_close_file(self, file);
    return begun;
}

static mapped_status start(mapped_slice slice, mapped_error *error)
{
    unsigned char *first;
    mapped__region *self = mapped__region_of(slice.region);
    bool begun = false;
    if (slice.length > LITTLE && has_file(self)) {
        mapped_status status = mapped__region_lock(self, "prefetch", error);
        if (status != MAPPED_OK)
            return status;
        begun = read_ahead(self, slice);
        mapped__region_unlock(self);
    }
    mapped_status status =
        mapped_slice_enter(slice, 0, slice.length, &first, error);
    if (status != MAPPED_OK || begun || slice.length == 0)
        return status;
    mapped__pages pages = mapped__paging_outward(self, first, slice.length);
    (void)mapped__range_advise(pages.start, pages.length,
                               MAPPED__ADVICE_WILLNEED, NULL);
    return MAPPED_OK;
}

mapped_status mapped_prefetch(mapped_slice slice, unsigned flags,
                              mapped_error *error)
{
    mapped_status status =
        (flags & ~MAPPED_PREFETCH_START) != 0
            ? mapped_error_set(error, MAPPED_ARGUMENT, "prefetch: flags")
            : mapped__paging_check(slice, "prefetch", error);
    if (status == MAPPED_OK)
        status = flags & MAPPED_PREFETCH_START ? start(slice, error)
                                               : fetch_all(slice, error);
    return mapped__region_report(slice.region, "prefetch", status, error);
}
