/* Bringing pages in: at once, in pieces that don't take long, or by a thread
 * that reads ahead while the caller goes on.
 *
 * At once, the kernel is asked to do it, because it reports a page that can't
 * be had, where a touch would raise a signal. Pages are touched only when it
 * has reported one, so that the guard notes which are lost, and on systems that
 * can't be asked. */
#include <mapped/paging.h>

#include <errno.h>

#include <mapped/guard.h>

#include "paging_internal.h"

#define PIECE ((size_t)4 << 20) /* bytes that are brought in by one call */

static mapped_status touch_pages(mapped_slice slice, mapped_error *error)
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
        return touch_pages(slice, error);
    size_t limit = mapped_region_length(slice.region);
    const mapped_error_range range = {
        .offset = slice.offset, .length = slice.length, .limit = limit};
    mapped_error_set_range(error, MAPPED_FAULT, "access", range);
    if (error != NULL)
        error->os_error = EIO;
    return MAPPED_FAULT;
}

static mapped_status bring_in(mapped_slice piece, mapped_error *error)
{
    mapped__pages pages;
    mapped_status status = mapped__paging_enter(piece, &pages, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__range_populate(pages.start, pages.length, false);
    if (status == MAPPED_FAULT)
        return mapped__paging_touch(piece, error);
    if (status != MAPPED_OK)
        return touch_pages(piece, error);
    return mapped_slice_leave(piece, 0, piece.length, error);
}

static mapped_status bring_in_next(mapped_slice slice, size_t *done,
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
        status = bring_in(piece, error);
    if (status == MAPPED_OK)
        *done += n;
    return status;
}

mapped_status mapped_prefetch_next(mapped_slice slice, size_t *done,
                                   mapped_error *error)
{
    mapped_status status = bring_in_next(slice, done, error);
    return mapped__region_complete_error(slice.region, "prefetch", status,
                                         error);
}

static mapped_status bring_in_all(mapped_slice slice, mapped_error *error)
{
    size_t done = 0;
    mapped_status status;
    do {
        status = bring_in_next(slice, &done, error);
    } while (status == MAPPED_OK && done < slice.length);
    return status;
}

/* Up to so many bytes are not worth a thread: the system reads so much ahead
 * when it is advised. */
#define MAX_ADVISED ((size_t)1 << 20)

/* Starts a thread, which has a descriptor and a mapping of its own: of the
 * region it has only the object that stops it. False: there is no thread for
 * it. The region is locked. */
static bool start_thread(mapped__region *self, mapped_slice slice)
{
    intptr_t file;
    if (self->ahead == NULL)
        self->ahead = mapped__readahead_new();
    if (self->ahead == NULL ||
        mapped__region_open_file(self, &file, NULL) != MAPPED_OK)
        return false;
    bool is_started = mapped__readahead_start(
        self->ahead, file, self->offset + slice.offset, slice.length);
    mapped__region_close_file(self, file);
    return is_started;
}

static mapped_status start(mapped_slice slice, mapped_error *error)
{
    mapped__pages pages;
    mapped__region *self = mapped__region_of(slice.region);
    bool is_started = false;
    mapped_status status;
    if (slice.length > MAX_ADVISED && mapped__paging_has_file(self)) {
        status = mapped__region_lock(self, "prefetch", error);
        if (status != MAPPED_OK)
            return status;
        is_started = start_thread(self, slice);
        mapped__region_unlock(self);
    }
    status = mapped__paging_enter(slice, &pages, error);
    if (status == MAPPED_OK && !is_started && pages.length > 0)
        (void)mapped__range_advise(pages.start, pages.length,
                                   MAPPED__ADVICE_WILLNEED, NULL);
    return status;
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
                                               : bring_in_all(slice, error);
    return mapped__region_complete_error(slice.region, "prefetch", status,
                                         error);
}
