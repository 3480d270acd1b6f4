#include <mapped/search.h>

#include "region_internal.h"

#include <string.h>

/* Positions looked at between two looks at the region's state. */
#define BLOCK ((size_t)1 << 20)

/* Below this a search is over before a sample of the data would pay. */
#define WORTH_TUNING ((size_t)1 << 16)
#define SAMPLE 4096

static mapped_status check(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "search");
    return status;
}

static bool is_worth_tuning(const mapped_needle *needle, size_t left)
{
    return !needle->tuned_ && left >= WORTH_TUNING;
}

/* Samples where the search goes on, which is read anyway. What the sample holds
 * decides over speed alone, so nobody asks whether it could be had. */
static void tune(mapped_needle *needle, mapped_slice slice, size_t offset)
{
    unsigned char *p;
    if (mapped_slice_enter(slice, offset, SAMPLE, &p, NULL) == MAPPED_OK)
        mapped_needle_tune(needle, p, SAMPLE);
}

/* Bytes that hold a block's positions with the needle behind the last one. A
 * block is no shorter than the needle, or long needles would be gone through
 * over and over. The first of a long search is short: a frequent needle is
 * found there, and no sample was taken for it. */
static size_t block_size(const mapped_needle *needle, size_t left)
{
    size_t length = needle->length_;
    size_t block = is_worth_tuning(needle, left) ? SAMPLE : BLOCK;
    size_t positions = length > block ? length : block;
    if (length == 0 || left < length || left - length < positions)
        return left;
    return positions + length - 1;
}

static mapped_status find_first(mapped_slice slice, mapped_needle *needle,
                                size_t *offset, mapped_error *error)
{
    size_t length = needle->length_;
    size_t found = MAPPED_NOT_FOUND;
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    for (size_t from = 0; slice.length - from >= length;) {
        unsigned char *p;
        size_t n = block_size(needle, slice.length - from);
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        size_t hit = mapped_needle_first(needle, p, n);
        size_t used = hit == MAPPED_NOT_FOUND ? n : hit + length;
        status = mapped_slice_leave(slice, from, used, error);
        if (status != MAPPED_OK)
            return status;
        if (hit != MAPPED_NOT_FOUND) {
            found = from + hit;
            break;
        }
        from += n - length + 1;
        if (is_worth_tuning(needle, slice.length - from))
            tune(needle, slice, from);
    }
    *offset = found;
    return MAPPED_OK;
}

mapped_status mapped_find(mapped_slice slice, mapped_needle *needle,
                          size_t *offset, mapped_error *error)
{
    return mapped__region_end(slice.region, "find",
                              find_first(slice, needle, offset, error), error);
}

static mapped_status find_last(mapped_slice slice, mapped_needle *needle,
                               size_t *offset, mapped_error *error)
{
    size_t length = needle->length_;
    size_t found = MAPPED_NOT_FOUND;
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    for (size_t left = slice.length; left >= length;) {
        unsigned char *p;
        size_t n = block_size(needle, left);
        status = mapped_slice_enter(slice, left - n, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        size_t hit = mapped_needle_last(needle, p, n);
        size_t unused = hit == MAPPED_NOT_FOUND ? 0 : hit;
        status =
            mapped_slice_leave(slice, left - n + unused, n - unused, error);
        if (status != MAPPED_OK)
            return status;
        if (hit != MAPPED_NOT_FOUND) {
            found = left - n + hit;
            break;
        }
        left -= n - length + 1;
        if (is_worth_tuning(needle, left))
            tune(needle, slice, left - SAMPLE);
    }
    *offset = found;
    return MAPPED_OK;
}

mapped_status mapped_rfind(mapped_slice slice, mapped_needle *needle,
                           size_t *offset, mapped_error *error)
{
    return mapped__region_end(slice.region, "rfind",
                              find_last(slice, needle, offset, error), error);
}

static mapped_status count_all(mapped_slice slice, mapped_needle *needle,
                               size_t *count, mapped_error *error)
{
    size_t total = 0;
    mapped_status status = check(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (is_worth_tuning(needle, slice.length))
        tune(needle, slice, 0);
    if (needle->length_ == 0) {
        *count = slice.length + 1;
        return MAPPED_OK;
    }
    for (size_t from = 0; slice.length - from >= needle->length_;) {
        unsigned char *p;
        size_t next;
        size_t n = block_size(needle, slice.length - from);
        status = mapped_slice_enter(slice, from, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        total += mapped_needle_count(needle, p, n, &next);
        status = mapped_slice_leave(slice, from, n, error);
        if (status != MAPPED_OK)
            return status;
        from += next;
    }
    *count = total;
    return MAPPED_OK;
}

mapped_status mapped_count(mapped_slice slice, mapped_needle *needle,
                           size_t *count, mapped_error *error)
{
    return mapped__region_end(slice.region, "count",
                              count_all(slice, needle, count, error), error);
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
    return mapped__region_end(slice.region, "starts_with",
                              equal_at(slice, 0, data, n, result, error),
                              error);
}

mapped_status mapped_ends_with(mapped_slice slice, const void *data, size_t n,
                               bool *result, mapped_error *error)
{
    size_t offset = slice.length > n ? slice.length - n : 0;
    return mapped__region_end(slice.region, "ends_with",
                              equal_at(slice, offset, data, n, result, error),
                              error);
}

void mapped_parts_lines(mapped_parts *parts, mapped_slice slice, bool keep)
{
    parts->rest_ = slice;
    mapped_needle_init(&parts->separator_, "\n", 1);
    parts->keep_ = keep;
    parts->lines_ = true;
    parts->done_ = false;
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
        return mapped__region_name_error(slice.region, "split", status, error);
    mapped_parts_lines(parts, slice, false);
    mapped_needle_init(&parts->separator_, separator, n);
    parts->lines_ = false;
    return MAPPED_OK;
}

/* The part that the separator at `end` ends; the rest begins behind it. */
static void cut(mapped_parts *parts, size_t end, mapped_slice *part)
{
    size_t behind = end + parts->separator_.length_;
    *part = parts->rest_;
    part->length = parts->keep_ ? behind : end;
    parts->rest_.offset += behind;
    parts->rest_.length -= behind;
}

static void take_rest(mapped_parts *parts, mapped_slice *part)
{
    *part = parts->rest_;
    parts->rest_.length = 0;
    parts->done_ = true;
}

bool mapped_parts_near(mapped_parts *parts, size_t limit, mapped_slice *part)
{
    size_t n = parts->rest_.length < limit ? parts->rest_.length : limit;
    if (n == 0)
        return false;
    const unsigned char *p = mapped_slice_hit(parts->rest_, 0, n);
    if (p == NULL)
        return false;
    size_t end = mapped_needle_first(&parts->separator_, p, n);
    if (end == MAPPED_NOT_FOUND || !mapped_slice_clean(parts->rest_))
        return false;
    cut(parts, end, part);
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
        cut(parts, end, part);
    *more = true;
    return MAPPED_OK;
}

mapped_status mapped_parts_next(mapped_parts *parts, mapped_slice *part,
                                bool *more, mapped_error *error)
{
    return mapped__region_end(parts->rest_.region,
                              parts->lines_ ? "lines" : "split",
                              next_part(parts, part, more, error), error);
}
