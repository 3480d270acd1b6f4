/* Searches of slices. A slice is searched in blocks, each between
 * mapped_slice_enter and mapped_slice_leave: so a close by another thread soon
 * ends a long search, and only the bytes that the result depends on are checked
 * for lost pages. */
#include <mapped/search.h>

#include "region_internal.h"

#include <string.h>

#define BLOCK ((size_t)1 << 20) /* offsets that are searched in one block */

static mapped_status check(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "search");
    return status;
}

/* Samples bytes that the search is about to read anyway. Only its speed depends
 * on them, so nothing is checked afterwards. */
static void tune(mapped_needle *needle, mapped_slice slice, size_t offset)
{
    unsigned char *p;
    if (mapped_slice_enter(slice, offset, MAPPED__NEEDLE_SAMPLE, &p, NULL) ==
        MAPPED_OK)
        mapped_needle_tune(needle, p, MAPPED__NEEDLE_SAMPLE);
}

/* Returns how many of the `left` bytes to search next: some offsets where a
 * match may begin, and length - 1 bytes more, so that one at the last offset
 * fits. There are at least `length` offsets, or a long needle would be compared
 * too often. The first block of a long search is short: a frequent needle is
 * found there, before a sample is taken. */
static size_t block_size(const mapped_needle *needle, size_t left)
{
    size_t length = needle->length_;
    bool is_short = mapped__needle_wants_sample(needle, left);
    size_t block = is_short ? MAPPED__NEEDLE_SAMPLE : BLOCK;
    size_t offsets = length > block ? length : block;
    if (length == 0 || left < length || left - length < offsets)
        return left;
    return offsets + length - 1;
}

/* Searches from the front or, for the `last` match, from the end. Inline, so
 * that it is compiled once for each direction. */
MAPPED__INLINE mapped_status find(mapped_slice slice, mapped_needle *needle,
                                  bool last, size_t *offset,
                                  mapped_error *error)
{
    size_t length = needle->length_;
    size_t found = MAPPED_NOT_FOUND;
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    for (size_t unsearched = slice.length; unsearched >= length;) {
        unsigned char *p;
        size_t n = block_size(needle, unsearched);
        size_t from = last ? unsearched - n : slice.length - unsearched;
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        size_t match = last ? mapped_needle_last(needle, p, n)
                            : mapped_needle_first(needle, p, n);
        bool is_match = match != MAPPED_NOT_FOUND;
        /* The result depends on the bytes up to the end of a first match, from
         * the beginning of a last one, or on the whole block. */
        size_t low = is_match && last ? match : 0;
        size_t high = is_match && !last ? match + length : n;
        status = mapped_slice_leave(slice, from + low, high - low, error);
        if (status != MAPPED_OK)
            return status;
        if (is_match) {
            found = from + match;
            break;
        }
        /* A match may begin in the last length - 1 bytes of the block. */
        unsearched -= n - (length - 1);
        if (mapped__needle_wants_sample(needle, unsearched))
            tune(needle, slice,
                 last ? unsearched - MAPPED__NEEDLE_SAMPLE
                      : slice.length - unsearched);
    }
    *offset = found;
    return MAPPED_OK;
}

mapped_status mapped_find(mapped_slice slice, mapped_needle *needle,
                          size_t *offset, mapped_error *error)
{
    mapped_status status = find(slice, needle, false, offset, error);
    return mapped__region_report(slice.region, "find", status, error);
}

mapped_status mapped_rfind(mapped_slice slice, mapped_needle *needle,
                           size_t *offset, mapped_error *error)
{
    mapped_status status = find(slice, needle, true, offset, error);
    return mapped__region_report(slice.region, "rfind", status, error);
}

/* `*next`: the offset where a count of a longer slice goes on. */
mapped_status mapped__count_part(mapped_slice slice, mapped_needle *needle,
                                 size_t *count, size_t *next,
                                 mapped_error *error)
{
    size_t total = 0, from = 0;
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (mapped__needle_wants_sample(needle, slice.length))
        tune(needle, slice, 0);
    while (slice.length - from >= needle->length_) {
        unsigned char *p;
        size_t used;
        size_t n = block_size(needle, slice.length - from);
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        total += mapped_needle_count(needle, p, n, &used);
        status = mapped_slice_leave(slice, from, n, error);
        if (status != MAPPED_OK)
            return status;
        from += used;
    }
    *count = total;
    *next = from;
    return MAPPED_OK;
}

static mapped_status count_all(mapped_slice slice, mapped_needle *needle,
                               size_t *count, mapped_error *error)
{
    size_t next;
    if (needle->length_ > 0)
        return mapped__count_part(slice, needle, count, &next, error);
    mapped_status status = check(slice, error);
    if (status == MAPPED_OK)
        *count = slice.length + 1;
    return status;
}

mapped_status mapped_count(mapped_slice slice, mapped_needle *needle,
                           size_t *count, mapped_error *error)
{
    mapped_status status = count_all(slice, needle, count, error);
    return mapped__region_report(slice.region, "count", status, error);
}

static mapped_status equal_at(mapped_slice slice, size_t offset,
                              const unsigned char *data, size_t n, bool *result,
                              mapped_error *error)
{
    bool equal = mapped_range_fits(offset, n, slice.length);
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    for (size_t done = 0; equal && done < n;) {
        unsigned char *p;
        size_t part = n - done < BLOCK ? n - done : BLOCK;
        status = mapped_slice_enter(slice, offset + done, part, &p, error);
        if (status != MAPPED_OK)
            return status;
        equal = memcmp(p, data + done, part) == 0;
        status = mapped_slice_leave(slice, offset + done, part, error);
        if (status != MAPPED_OK)
            return status;
        done += part;
    }
    *result = equal;
    return MAPPED_OK;
}

mapped_status mapped_starts_with(mapped_slice slice, const void *data, size_t n,
                                 bool *result, mapped_error *error)
{
    mapped_status status = equal_at(slice, 0, data, n, result, error);
    return mapped__region_report(slice.region, "starts_with", status, error);
}

mapped_status mapped_ends_with(mapped_slice slice, const void *data, size_t n,
                               bool *result, mapped_error *error)
{
    size_t offset = slice.length > n ? slice.length - n : 0;
    mapped_status status = equal_at(slice, offset, data, n, result, error);
    return mapped__region_report(slice.region, "ends_with", status, error);
}

static void init_parts(mapped_parts *parts, mapped_slice slice,
                       const void *separator, size_t n)
{
    *parts = (mapped_parts){.rest_ = slice};
    mapped_needle_init(&parts->separator_, separator, n);
}

void mapped_parts_lines(mapped_parts *parts, mapped_slice slice, bool keep)
{
    init_parts(parts, slice, "\n", 1);
    parts->keep_ = keep;
    parts->lines_ = true;
}

mapped_status mapped_parts_split(mapped_parts *parts, mapped_slice slice,
                                 const void *separator, size_t n,
                                 mapped_error *error)
{
    mapped_status status = check(slice, error);
    if (status == MAPPED_OK && n == 0)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "split by an empty separator");
    if (status != MAPPED_OK)
        return mapped__region_report_error(slice.region, "split", status,
                                           error);
    init_parts(parts, slice, separator, n);
    return MAPPED_OK;
}

/* Takes the part that ends with the separator at `end` off the rest. */
static void take_part(mapped_parts *parts, size_t end, mapped_slice *part)
{
    size_t next = end + parts->separator_.length_;
    *part = parts->rest_;
    part->length = parts->keep_ ? next : end;
    parts->rest_.offset += next;
    parts->rest_.length -= next;
}

static void take_rest(mapped_parts *parts, mapped_slice *part)
{
    *part = parts->rest_;
    parts->rest_.length = 0;
    parts->done_ = true;
}

bool mapped_parts_try_next(mapped_parts *parts, size_t limit,
                           mapped_slice *part)
{
    size_t n = parts->rest_.length < limit ? parts->rest_.length : limit;
    if (n == 0)
        return false;
    const unsigned char *p = mapped_slice_try_enter(parts->rest_, 0, n);
    if (p == NULL)
        return false;
    size_t end = mapped_needle_first(&parts->separator_, p, n);
    if (end == MAPPED_NOT_FOUND || !mapped_slice_try_leave(parts->rest_))
        return false;
    take_part(parts, end, part);
    return true;
}

static mapped_status next_part(mapped_parts *parts, mapped_slice *part,
                               bool *more, mapped_error *error)
{
    size_t end;
    if (parts->rest_.region == NULL)
        return mapped_error_set(error, MAPPED_CLOSED, "parts");
    if (parts->done_ || (parts->lines_ && parts->rest_.length == 0)) {
        *more = false;
        return MAPPED_OK;
    }
    mapped_status status =
        mapped_find(parts->rest_, &parts->separator_, &end, error);
    if (status != MAPPED_OK)
        return status;
    if (end == MAPPED_NOT_FOUND)
        take_rest(parts, part);
    else
        take_part(parts, end, part);
    *more = true;
    return MAPPED_OK;
}

mapped_status mapped_parts_next(mapped_parts *parts, mapped_slice *part,
                                bool *more, mapped_error *error)
{
    mapped_status status = next_part(parts, part, more, error);
    return mapped__region_report(
        parts->rest_.region, parts->lines_ ? "lines" : "split", status, error);
}
