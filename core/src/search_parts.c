/* The iterator over the parts of a slice: its lines, or what lies between the
 * matches of a separator. The iterator keeps the rest of the slice, and removes
 * one part at a time from its front.
 *
 * A part is looked for in three steps, the cheapest first: two strides inline,
 * FIRST_LIMIT bytes without errors, and the whole rest with all checks. The
 * first two answer false when anything is wrong, so that the last reports it.
 */
#include <mapped/search.h>

#include "lanes.h"
#include "region_internal.h"

#define FIRST_LIMIT 4096 /* bytes that are searched before the full checks */

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
    part->length = parts->keep_separators_ ? next : end;
    parts->rest_.offset += next;
    parts->rest_.length -= next;
}

/* No separator is left, so the rest is the last part. */
static void take_rest(mapped_parts *parts, mapped_slice *part)
{
    *part = parts->rest_;
    parts->rest_.length = 0;
    parts->is_done_ = true;
}

/* Text that ends with a newline has no empty line after it. */
static bool is_done(const mapped_parts *parts)
{
    return parts->is_done_ || (parts->are_lines_ && parts->rest_.length == 0);
}

bool mapped_parts_take_rest(mapped_parts *parts, mapped_slice *part)
{
    if (is_done(parts))
        return false;
    take_rest(parts, part);
    return true;
}

/* Most parts are short, so this looks for a separator of one byte in the next
 * two strides of lanes.h, without a call. */
static inline bool take_in_strides(mapped_parts *parts, mapped_slice *part)
{
    const mapped_slice rest = parts->rest_;
    const size_t n = rest.length < 2 * STRIDE ? STRIDE : 2 * STRIDE;
    if (parts->separator_.length_ != 1)
        return false;
    const unsigned char *p = mapped_slice_try_enter(rest, 0, n);
    if (p == NULL)
        return false;
    const mapped__lanes lanes = mapped__lanes_of(parts->separator_.bytes_[0]);
    size_t at = 0;
    uint64_t end_bits = mapped__stride_mask(p, lanes);
    if (end_bits == 0 && n > STRIDE) {
        at = STRIDE;
        end_bits = mapped__stride_mask(p + STRIDE, lanes);
    }
    if (end_bits == 0 || !mapped_slice_try_leave(rest))
        return false;
    take_part(parts, at + (unsigned)__builtin_ctzll(end_bits), part);
    return true;
}

/* Takes the next part if its separator, of any length, ends within `limit`
 * bytes. */
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
    take_part(parts, end, part);
    return true;
}

bool mapped_parts_try_next(mapped_parts *parts, size_t limit,
                           mapped_slice *part)
{
    return (limit >= 2 * STRIDE && take_in_strides(parts, part)) ||
           take_within(parts, limit, part);
}

MAPPED__INLINE mapped_status take(mapped_parts *parts, mapped_slice *part,
                                  bool *taken, mapped_error *error)
{
    size_t end;
    mapped_status status =
        mapped_find(parts->rest_, &parts->separator_, &end, error);
    *taken = status == MAPPED_OK && end != MAPPED_NOT_FOUND;
    if (*taken)
        take_part(parts, end, part);
    return status;
}

mapped_status mapped__parts_take(mapped_parts *parts, mapped_slice *part,
                                 bool *taken, mapped_error *error)
{
    return take(parts, part, taken, error);
}

static mapped_status next_part(mapped_parts *parts, mapped_slice *part,
                               bool *has_part, mapped_error *error)
{
    bool taken;
    if (parts->rest_.region == NULL)
        return mapped_error_set(error, MAPPED_CLOSED, "parts");
    if (is_done(parts)) {
        *has_part = false;
        return MAPPED_OK;
    }
    mapped_status status = take(parts, part, &taken, error);
    if (status != MAPPED_OK)
        return status;
    if (!taken)
        take_rest(parts, part);
    *has_part = true;
    return MAPPED_OK;
}

mapped_status mapped_parts_next(mapped_parts *parts, mapped_slice *part,
                                bool *has_part, mapped_error *error)
{
    if (take_in_strides(parts, part) || take_within(parts, FIRST_LIMIT, part)) {
        *has_part = true;
        return MAPPED_OK;
    }
    mapped_status status = next_part(parts, part, has_part, error);
    return mapped__region_report(parts->rest_.region,
                                 parts->are_lines_ ? "lines" : "split", status,
                                 error);
}
