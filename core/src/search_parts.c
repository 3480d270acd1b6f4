/* The iterator over the parts of a slice: its lines, or what lies between the
 * matches of a separator. The iterator keeps the rest of the slice, and takes
 * one part at a time off its front.
 *
 * The separator that ends the next part is looked for in three steps, the
 * cheapest first: take_in_strides reads 128 bytes inline, take_within
 * FEW_BYTES, and mapped__parts_take_ended the whole rest. Only the last one
 * reports errors. The other two take nothing and return false if anything is
 * wrong, or if they don't find the separator. */
#include <mapped/search.h>

#include "lanes.h"
#include "region_internal.h"

#define FEW_BYTES 4096 /* are searched before the full checks */

static void init_parts(mapped_parts *parts, mapped_slice slice,
                       const void *separator, size_t n)
{
    *parts = (mapped_parts){.rest_ = slice};
    mapped_needle_init(&parts->separator_, separator, n);
}

void mapped_parts_lines(mapped_parts *parts, mapped_slice slice, bool keep)
{
    init_parts(parts, slice, "\n", 1);
    parts->keep_separators_ = keep;
    parts->are_lines_ = true;
}

mapped_status mapped_parts_split(mapped_parts *parts, mapped_slice slice,
                                 const void *separator, size_t n,
                                 mapped_error *error)
{
    mapped_status status = mapped__search_check(slice, error);
    if (status == MAPPED_OK && n == 0)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "split by an empty separator");
    if (status == MAPPED_OK)
        init_parts(parts, slice, separator, n);
    return mapped__region_complete_error(slice.region, "split", status, error);
}

/* Takes the part that the separator at `end` ends. */
static void take_ended_at(mapped_parts *parts, size_t end, mapped_slice *part)
{
    const size_t next = end + parts->separator_.length_;
    *part = parts->rest_;
    part->length = parts->keep_separators_ ? next : end;
    parts->rest_.offset += next;
    parts->rest_.length -= next;
}

static inline uint64_t equal_in_stride(const unsigned char *p,
                                       mapped__lanes byte)
{
    return mapped__stride_mask(
        mapped__lanes_equal(mapped__lanes_load(p), byte),
        mapped__lanes_equal(mapped__lanes_load(p + LANES), byte),
        mapped__lanes_equal(mapped__lanes_load(p + 2 * LANES), byte),
        mapped__lanes_equal(mapped__lanes_load(p + 3 * LANES), byte));
}

/* Looks for a separator of one byte in the next two strides, without a call,
 * because most parts are short. If less than a stride is left, that is for
 * take_within. */
static inline bool take_in_strides(mapped_parts *parts, mapped_slice *part)
{
    const mapped_slice rest = parts->rest_;
    const size_t n = rest.length < 2 * STRIDE ? STRIDE : 2 * STRIDE;
    if (parts->separator_.length_ != 1)
        return false;
    const unsigned char *p = mapped_slice_try_enter(rest, 0, n);
    if (p == NULL)
        return false;
    const mapped__lanes byte = mapped__lanes_of(parts->separator_.bytes_[0]);
    size_t stride = 0;
    uint64_t separators = equal_in_stride(p, byte);
    if (separators == 0 && n > STRIDE) {
        stride = STRIDE;
        separators = equal_in_stride(p + STRIDE, byte);
    }
    if (separators == 0 || !mapped_slice_try_leave(rest))
        return false;
    take_ended_at(parts, stride + (unsigned)__builtin_ctzll(separators), part);
    return true;
}

/* Looks for a separator of any length that ends within `limit` bytes. */
static bool take_within(mapped_parts *parts, size_t limit, mapped_slice *part)
{
    size_t n = parts->rest_.length < limit ? parts->rest_.length : limit;
    const unsigned char *p =
        n > 0 ? mapped_slice_try_enter(parts->rest_, 0, n) : NULL;
    if (p == NULL)
        return false;
    size_t end = mapped_needle_first(&parts->separator_, p, n);
    if (end == MAPPED_NOT_FOUND || !mapped_slice_try_leave(parts->rest_))
        return false;
    take_ended_at(parts, end, part);
    return true;
}

mapped_status mapped__parts_take_ended(mapped_parts *parts, mapped_slice *part,
                                       bool *taken, mapped_error *error)
{
    size_t end;
    mapped_status status =
        mapped_find(parts->rest_, &parts->separator_, &end, error);
    *taken = status == MAPPED_OK && end != MAPPED_NOT_FOUND;
    if (*taken)
        take_ended_at(parts, end, part);
    return status;
}

/* Text that ends with a newline has no empty line after it. */
static bool is_exhausted(const mapped_parts *parts)
{
    return parts->is_done_ || (parts->are_lines_ && parts->rest_.length == 0);
}

bool mapped_parts_take_rest(mapped_parts *parts, mapped_slice *part)
{
    if (is_exhausted(parts))
        return false;
    *part = parts->rest_;
    parts->rest_.length = 0;
    parts->is_done_ = true;
    return true;
}

bool mapped_parts_try_next(mapped_parts *parts, size_t limit,
                           mapped_slice *part)
{
    return (limit >= 2 * STRIDE && take_in_strides(parts, part)) ||
           take_within(parts, limit, part);
}

static mapped_status next_part(mapped_parts *parts, mapped_slice *part,
                               bool *has_part, mapped_error *error)
{
    bool taken = false;
    mapped_status status = MAPPED_OK;
    if (parts->rest_.region == NULL)
        return mapped_error_set(error, MAPPED_CLOSED, "parts");
    if (!is_exhausted(parts))
        status = mapped__parts_take_ended(parts, part, &taken, error);
    if (status == MAPPED_OK)
        *has_part = taken || mapped_parts_take_rest(parts, part);
    return status;
}

mapped_status mapped_parts_next(mapped_parts *parts, mapped_slice *part,
                                bool *has_part, mapped_error *error)
{
    if (take_in_strides(parts, part) || take_within(parts, FEW_BYTES, part)) {
        *has_part = true;
        return MAPPED_OK;
    }
    mapped_status status = next_part(parts, part, has_part, error);
    return mapped__region_complete_error(parts->rest_.region,
                                         parts->are_lines_ ? "lines" : "split",
                                         status, error);
}
