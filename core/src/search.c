/* Searches of slices. A slice is searched in blocks, each of them between
 * mapped_slice_enter and mapped_slice_leave, by the functions of needle.h. So a
 * close by another thread soon ends a long search, and only the bytes that the
 * result depends on are checked for lost pages. Where a long search starts, it
 * tunes the needle with a sample of the slice. */
#include <mapped/search.h>

#include <string.h>

#include "region_internal.h"

#define BLOCK ((size_t)1 << 20)
#define FEW_BYTES 4096 /* are searched before the full checks */

mapped_status mapped__search_check(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "search");
    return status;
}

/* Tunes the needle with a sample, which begins at `offset`, of bytes that the
 * search is about to read anyway. Only the speed of the search depends on them,
 * so they are not checked afterwards. */
static void tune(mapped_needle *needle, mapped_slice slice, size_t offset)
{
    unsigned char *p;
    if (mapped_slice_enter(slice, offset, MAPPED__NEEDLE_SAMPLE, &p, NULL) ==
        MAPPED_OK)
        mapped_needle_tune(needle, p, MAPPED__NEEDLE_SAMPLE);
}

/* Returns how many of the `left` bytes that are still to be searched the next
 * block has. It covers a number of offsets at which a match may begin. After
 * the last of them come length - 1 bytes more, so that a match there fits into
 * the block; the next block begins with these bytes.
 *
 * There are at least as many offsets as the needle has bytes. With fewer, most
 * bytes of a block would be searched once more in the next.
 *
 * The first block of a long search is shorter. A frequent needle is found in
 * it, and then no sample is taken. */
static size_t block_size(const mapped_needle *needle, size_t left)
{
    size_t length = needle->length_;
    bool is_first = mapped__needle_wants_sample(needle, left);
    size_t wanted = is_first ? MAPPED__NEEDLE_LONG : BLOCK;
    size_t offsets = length > wanted ? length : wanted;
    if (length == 0 || left < length || left - length < offsets)
        return left;
    return offsets + length - 1;
}

/* Searches for the first match from the front or, `backwards`, for the last one
 * from the end. This is inline so that it is compiled once for each direction.
 */
MAPPED__INLINE mapped_status find(mapped_slice slice, mapped_needle *needle,
                                  bool backwards, size_t *offset,
                                  mapped_error *error)
{
    size_t length = needle->length_;
    mapped_status status = mapped__search_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    for (size_t unsearched = slice.length; unsearched >= length;) {
        unsigned char *p;
        size_t n = block_size(needle, unsearched);
        size_t from = backwards ? unsearched - n : slice.length - unsearched;
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        size_t match = backwards ? mapped_needle_last(needle, p, n)
                                 : mapped_needle_first(needle, p, n);
        bool is_match = match != MAPPED_NOT_FOUND;
        /* Without a match the result depends on the whole block. With one it
         * depends only on the match and on the bytes searched before it. */
        size_t low = is_match && backwards ? match : 0;
        size_t high = is_match && !backwards ? match + length : n;
        status = mapped_slice_leave(slice, from + low, high - low, error);
        if (status != MAPPED_OK)
            return status;
        if (is_match) {
            *offset = from + match;
            return MAPPED_OK;
        }
        /* The last length - 1 bytes of the block, or backwards the first, may
         * be a part of another match. */
        unsearched -= n - (length - 1);
        if (mapped__needle_wants_sample(needle, unsearched))
            tune(needle, slice,
                 backwards ? unsearched - MAPPED__NEEDLE_SAMPLE
                           : slice.length - unsearched);
    }
    *offset = MAPPED_NOT_FOUND;
    return MAPPED_OK;
}

/* Looks for a match in the first FEW_BYTES, without what only a long search
 * needs. Anything that is wrong is for the long search, which reports it.
 * `*searched`: at how many offsets no match begins. */
static size_t find_in_few(mapped_slice slice, const mapped_needle *needle,
                          size_t *searched)
{
    const size_t n = slice.length < FEW_BYTES ? slice.length : FEW_BYTES;
    const unsigned char *p = n > 0 ? mapped_slice_try_enter(slice, 0, n) : NULL;
    *searched = 0;
    if (p == NULL)
        return MAPPED_NOT_FOUND;
    const size_t match = mapped_needle_first(needle, p, n);
    if (!mapped_slice_try_leave(slice))
        return MAPPED_NOT_FOUND;
    if (n >= needle->length_)
        *searched = n - needle->length_ + 1;
    return match;
}

mapped_status mapped_find(mapped_slice slice, mapped_needle *needle,
                          size_t *offset, mapped_error *error)
{
    size_t searched, rest;
    const size_t match = find_in_few(slice, needle, &searched);
    if (match != MAPPED_NOT_FOUND) {
        *offset = match;
        return MAPPED_OK;
    }
    slice.offset += searched;
    slice.length -= searched;
    mapped_status status = find(slice, needle, false, &rest, error);
    if (status == MAPPED_OK)
        *offset = rest == MAPPED_NOT_FOUND ? rest : searched + rest;
    return mapped__region_complete_error(slice.region, "find", status, error);
}

mapped_status mapped_rfind(mapped_slice slice, mapped_needle *needle,
                           size_t *offset, mapped_error *error)
{
    mapped_status status = find(slice, needle, true, offset, error);
    return mapped__region_complete_error(slice.region, "rfind", status, error);
}

mapped_status mapped__count_part(mapped_slice slice, mapped_needle *needle,
                                 size_t *count, size_t *next,
                                 mapped_error *error)
{
    size_t total = 0, from = 0;
    mapped_status status = mapped__search_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (mapped__needle_wants_sample(needle, slice.length))
        tune(needle, slice, 0);
    while (slice.length - from >= needle->length_) {
        unsigned char *p;
        size_t counted;
        size_t n = block_size(needle, slice.length - from);
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        total += mapped_needle_count(needle, p, n, &counted);
        status = mapped_slice_leave(slice, from, n, error);
        if (status != MAPPED_OK)
            return status;
        from += counted;
    }
    *count = total;
    *next = from;
    return MAPPED_OK;
}

mapped_status mapped_count(mapped_slice slice, mapped_needle *needle,
                           size_t *count, mapped_error *error)
{
    size_t next;
    mapped_status status =
        needle->length_ > 0
            ? mapped__count_part(slice, needle, count, &next, error)
            : mapped__search_check(slice, error);
    if (status == MAPPED_OK && needle->length_ == 0)
        *count = slice.length + 1;
    return mapped__region_complete_error(slice.region, "count", status, error);
}

static mapped_status equal_at(mapped_slice slice, size_t offset,
                              const unsigned char *data, size_t n, bool *result,
                              mapped_error *error)
{
    bool equal = mapped_range_fits(offset, n, slice.length);
    mapped_status status = mapped__search_check(slice, error);
    for (size_t at = 0, block; equal && at < n; at += block) {
        unsigned char *p;
        block = n - at < BLOCK ? n - at : BLOCK;
        if (status == MAPPED_OK)
            status = mapped_slice_enter(slice, offset + at, block, &p, error);
        if (status != MAPPED_OK)
            return status;
        equal = memcmp(p, data + at, block) == 0;
        status = mapped_slice_leave(slice, offset + at, block, error);
    }
    if (status == MAPPED_OK)
        *result = equal;
    return status;
}

mapped_status mapped_starts_with(mapped_slice slice, const void *data, size_t n,
                                 bool *result, mapped_error *error)
{
    mapped_status status = equal_at(slice, 0, data, n, result, error);
    return mapped__region_complete_error(slice.region, "starts_with", status,
                                         error);
}

mapped_status mapped_ends_with(mapped_slice slice, const void *data, size_t n,
                               bool *result, mapped_error *error)
{
    size_t offset = slice.length > n ? slice.length - n : 0;
    mapped_status status = equal_at(slice, offset, data, n, result, error);
    return mapped__region_complete_error(slice.region, "ends_with", status,
                                         error);
}
