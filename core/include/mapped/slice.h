/* A slice: a bounded view of a region. Three words, passed by value, never
 * freed. It holds an offset and no pointer, so it survives growth, a moved base
 * and `close`, and is checked again at every access.
 *
 * A slice borrows its region: keep a reference to the region for as long as the
 * slice is used. Slices may be copied and used by any thread. Only make them
 * with the functions below; one that is all zero answers MAPPED_CLOSED. */
#ifndef MAPPED_SLICE_H
#define MAPPED_SLICE_H

#include <mapped/checked.h>
#include <mapped/region.h>

MAPPED_BEGIN

typedef struct mapped_slice {
    mapped_region *region;
    size_t offset; /* from the region's first byte */
    size_t length; /* bytes */
} mapped_slice;

/* The region's whole live length; empty once it is closed. */
MAPPED__INLINE mapped_slice mapped_region_slice(mapped_region *region);

/* `length` bytes of `slice` from `offset` on, strictly: MAPPED_RANGE when they
 * are not all inside the slice and inside the region's present length,
 * MAPPED_CLOSED. `*part` may be `slice` itself. Meets no fault. */
MAPPED__MUST_USE mapped_status mapped_slice_sub(mapped_slice slice,
                                                size_t offset, size_t length,
                                                mapped_slice *part,
                                                mapped_error *error);

/* MAPPED_OK if all of the slice can be reached now, else MAPPED_CLOSED or, when
 * the region has shrunk, MAPPED_RANGE. Meets no fault: lost pages are found by
 * touching them. */
MAPPED__MUST_USE mapped_status mapped_slice_check(mapped_slice slice,
                                                  mapped_error *error);

/* As mapped_slice_check, and MAPPED_READONLY. */
MAPPED__MUST_USE mapped_status mapped_slice_check_writable(mapped_slice slice,
                                                           mapped_error *error);

/* An access by hand, for a short leaf that neither allocates, locks nor calls
 * out:
 *
 *     unsigned char *p;
 *     mapped_status status = mapped_slice_enter(slice, offset, n, &p, error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     ... read [p, p + n) into locals ...
 *     return mapped_slice_leave(slice, offset, n, error);
 *
 * `enter` answers MAPPED_RANGE or MAPPED_CLOSED; `enter_write` also
 * MAPPED_READONLY. What was read counts only if `leave` answers MAPPED_OK:
 * otherwise the region was closed meanwhile (MAPPED_CLOSED) or a page of
 * [offset, offset + n) is lost (MAPPED_FAULT). The pointer is good until
 * `leave`, for n bytes and no more, and NULL after a failed `enter`. On a
 * device n must be 1, 2, 4 or 8 and the address a multiple of it, else
 * MAPPED_MISALIGNED. */

/* The slow paths: everything that is not a plain hit. */
mapped_slice mapped__region_slice_slow(mapped_region *region);
MAPPED__MUST_USE mapped_status mapped__slice_enter_slow(mapped_slice slice,
                                                        size_t offset, size_t n,
                                                        unsigned char **p,
                                                        mapped_error *error);
MAPPED__MUST_USE mapped_status
mapped__slice_enter_write_slow(mapped_slice slice, size_t offset, size_t n,
                               unsigned char **p, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped__slice_leave_slow(mapped_slice slice,
                                                        size_t offset, size_t n,
                                                        mapped_error *error);

/* No byte at all is no hit: so a slice without a region is none. One comparison
 * for the slice, one for the region's live length: `close` sets
 * that to 0, so it guards space and time at once (and it is 0 for devices,
 * which always take the slow path).
 *
 * The live length may be one that was read some time ago. That does no harm:
 * whoever shortens it while others hold references leaves the addresses in
 * place and sets the state word, which is looked at after the access and never
 * kept. */
MAPPED__INLINE bool mapped__slice_hits(mapped_slice slice, size_t offset,
                                       size_t n)
{
    size_t room = slice.length > n - 1 ? slice.length - (n - 1) : 0;
    size_t end = slice.offset + offset + n;
    return offset < room && end <= MAPPED__PEEK(&slice.region->live_);
}

MAPPED__INLINE unsigned char *mapped__slice_first(mapped_slice slice)
{
    return MAPPED__PEEK(&slice.region->base_) + slice.offset;
}

/* The slow paths get a slice made anew, and write to a local of their own: so
 * the fast path's slice and `*p` never need an address and stay in registers.
 */
MAPPED__INLINE mapped_slice mapped__slice_anew(mapped_slice slice)
{
    mapped_slice anew = {slice.region, slice.offset, slice.length};
    return anew;
}

MAPPED__INLINE mapped_slice mapped_region_slice(mapped_region *region)
{
    mapped_slice whole = {region, 0, MAPPED__LOAD_ACQUIRE(&region->live_)};
    if (MAPPED__UNLIKELY(whole.length == 0))
        return mapped__region_slice_slow(region);
    return whole;
}

/* For a hot path that must not even contain a call: the pointer when all is
 * well, as nearly always, else NULL; then mapped_slice_enter answers why, or
 * that all is well after all (devices). Ends with mapped_slice_clean in place
 * of mapped_slice_leave; if that is false, mapped_slice_leave knows why. n must
 * not be 0. */
MAPPED__INLINE const unsigned char *mapped_slice_hit(mapped_slice slice,
                                                     size_t offset, size_t n)
{
    if (MAPPED__UNLIKELY(!mapped__slice_hits(slice, offset, n)))
        return NULL;
    return mapped__slice_first(slice) + offset;
}

MAPPED__INLINE bool mapped_slice_clean(mapped_slice slice)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LIKELY(MAPPED__LOAD(&slice.region->state_) == 0);
}

MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_slice_enter(mapped_slice slice, size_t offset, size_t n,
                   unsigned char **p, mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped__slice_hits(slice, offset, n))) {
        unsigned char *found = NULL;
        mapped_status status = mapped__slice_enter_slow(
            mapped__slice_anew(slice), offset, n, &found, error);
        *p = found;
        return status;
    }
    *p = mapped__slice_first(slice) + offset;
    return MAPPED_OK;
}

MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_slice_enter_write(mapped_slice slice, size_t offset, size_t n,
                         unsigned char **p, mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped__slice_hits(slice, offset, n) ||
                         MAPPED__LOAD(&slice.region->traits_) != 0)) {
        unsigned char *found = NULL;
        mapped_status status = mapped__slice_enter_write_slow(
            mapped__slice_anew(slice), offset, n, &found, error);
        *p = found;
        return status;
    }
    *p = mapped__slice_first(slice) + offset;
    return MAPPED_OK;
}

MAPPED__MUST_USE MAPPED__INLINE mapped_status mapped_slice_leave(
    mapped_slice slice, size_t offset, size_t n, mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped_slice_clean(slice)))
        return mapped__slice_leave_slow(mapped__slice_anew(slice), offset, n,
                                        error);
    return MAPPED_OK;
}

MAPPED_END

#endif
