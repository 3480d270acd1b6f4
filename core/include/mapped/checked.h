/* Overflow-safe arithmetic: every offset and length goes through here. */
#ifndef MAPPED_CHECKED_H
#define MAPPED_CHECKED_H

#include <mapped/base.h>

MAPPED_BEGIN

/* Is [offset, offset + n) inside [0, limit)? An empty range at the very end
 * counts as inside. No input overflows. */
MAPPED__INLINE bool mapped_range_fits(size_t offset, size_t n, size_t limit)
{
    return n <= limit && offset <= limit - n;
}

/* The same for the 64 bits of files, on any machine. */
MAPPED__INLINE bool mapped_range_fits_u64(uint64_t offset, uint64_t n,
                                          uint64_t limit)
{
    return n <= limit && offset <= limit - n;
}

/* `*result` = a + b and true, or false and `*result` untouched on overflow. */
MAPPED__INLINE bool mapped_add_size(size_t a, size_t b, size_t *result)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *result = sum;
    return true;
}

/* The same in 64 bits. */
MAPPED__INLINE bool mapped_add_u64(uint64_t a, uint64_t b, uint64_t *result)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *result = sum;
    return true;
}

/* `*result` = a times b and true, or false as above. */
MAPPED__INLINE bool mapped_multiply_size(size_t a, size_t b, size_t *result)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *result = product;
    return true;
}

/* `*result` = `value` rounded up to a multiple of `unit`, a power of two, and
 * true, or false as above. */
MAPPED__INLINE bool mapped_round_up(size_t value, size_t unit, size_t *result)
{
    size_t padded;
    if (__builtin_add_overflow(value, unit - 1, &padded))
        return false;
    *result = padded & ~(unit - 1);
    return true;
}

MAPPED_END

#endif
