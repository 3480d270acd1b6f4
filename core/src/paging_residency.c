/* Which pages are in memory. There are two ways to ask the system: for the
 * counts of a file's pages in its cache, in one step (ask_cache); or page by
 * page, which fills a byte for each page of a piece, which are counted and
 * packed into bits (ask_pages). The second is for callers who want the bits,
 * and for memory and systems that the first is not for. */
#include <mapped/paging.h>

#include <string.h>

#include "paging_internal.h"

#define PIECE_PAGES ((size_t)4096) /* asked about in one call */

size_t mapped_residency_pages(mapped_slice slice)
{
    const size_t page = mapped__page_size();
    if (slice.region == NULL || slice.length == 0)
        return 0;
    const mapped__region *self = mapped__region_of(slice.region);
    size_t before = (self->lead + slice.offset) % page;
    return (slice.length - 1 + before) / page + 1;
}

/* Returns how many of `n` pages are in memory. Unless `bits` is NULL, packs the
 * answers into bits from bit `at` on, a multiple of 8. */
static size_t count_and_pack(const unsigned char *vector, size_t n,
                             unsigned char *bits, size_t at)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += vector[i] & 1;
    if (bits == NULL)
        return count;
    unsigned char *to = bits + at / 8;
    for (size_t i = 0; i < n; i += 8) {
        unsigned packed = 0;
        for (size_t j = 0; j < 8 && i + j < n; j++)
            packed |= (unsigned)(vector[i + j] & 1) << j;
        *to++ = (unsigned char)packed;
    }
    return count;
}

static mapped_status ask_pages(mapped_slice slice, mapped_residency *residency,
                               unsigned char *bits, mapped_error *error)
{
    unsigned char vector[PIECE_PAGES];
    unsigned char *first;
    mapped_status status =
        mapped_slice_enter(slice, 0, slice.length, &first, error);
    if (status != MAPPED_OK)
        return status;
    unsigned char *start = first - (uintptr_t)first % residency->page_size;
    for (size_t at = 0; at < residency->pages && status == MAPPED_OK;
         at += PIECE_PAGES) {
        size_t left = residency->pages - at;
        size_t n = left < PIECE_PAGES ? left : PIECE_PAGES;
        status =
            mapped__range_resident(start + at * residency->page_size,
                                   n * residency->page_size, vector, error);
        if (status == MAPPED_OK)
            residency->resident += count_and_pack(vector, n, bits, at);
    }
    return status;
}

/* Sets `*known` to whether the system has told. It needs the file, which has to
 * be opened in some modes. That this fails is no error, as pages can be asked
 * instead; unless descriptors have run out: a caller that can give some back
 * tries again. */
static mapped_status ask_cache(mapped_slice slice, mapped__cached *cached,
                               bool *known, mapped_error *error)
{
    intptr_t file;
    mapped_error reason;
    mapped__region *self = mapped__region_of(slice.region);
    *known = false;
    /* In "c", private copies of pages are in memory, but not in the cache. */
    if (!mapped__paging_has_file(self) || self->mode == MAPPED_MODE_COPY ||
        mapped__region_lock(self, "residency", NULL) != MAPPED_OK)
        return MAPPED_OK;
    mapped_status status = mapped__region_open_file(self, &file, &reason);
    if (status == MAPPED_OK) {
        *known = mapped__file_cached(file, self->offset + slice.offset,
                                     slice.length, cached);
        mapped__region_close_file(self, file);
    }
    mapped__region_unlock(self);
    if (status == MAPPED_OK || !mapped_error_is_shortage(&reason))
        return MAPPED_OK;
    return mapped_error_set_system(error, reason.os_error, reason.call);
}

static mapped_status get(mapped_slice slice, mapped_residency *residency,
                         unsigned char *bits, size_t capacity,
                         mapped_error *error)
{
    mapped_residency found;
    mapped__cached cached;
    mapped_status status = mapped__paging_check(slice, "residency", error);
    memset(&found, 0, sizeof found);
    found.page_size = mapped__page_size();
    found.pages = mapped_residency_pages(slice);
    if (status == MAPPED_OK && bits != NULL && capacity < (found.pages + 7) / 8)
        status = mapped__error_set_length(error, MAPPED_SIZE, "residency",
                                          capacity, (found.pages + 7) / 8);
    if (status == MAPPED_OK && found.pages > 0)
        status = ask_cache(slice, &cached, &found.counted, error);
    if (status != MAPPED_OK)
        return status;
    if (found.counted) {
        found.resident = (size_t)cached.pages;
        found.dirty = (size_t)cached.dirty;
        found.writeback = (size_t)cached.writeback;
    }
    if (found.pages > 0 && (bits != NULL || !found.counted)) {
        found.resident = 0;
        status = ask_pages(slice, &found, bits, error);
    }
    if (status == MAPPED_OK)
        *residency = found;
    return status;
}

mapped_status mapped_residency_get(mapped_slice slice,
                                   mapped_residency *residency,
                                   unsigned char *bits, size_t capacity,
                                   mapped_error *error)
{
    mapped_status status = get(slice, residency, bits, capacity, error);
    return mapped__region_complete_error(slice.region, "residency", status,
                                         error);
}
