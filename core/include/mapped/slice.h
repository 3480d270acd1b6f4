/* A slice: a bounded view of a region. It has four words, is passed by value
 * and never freed. It holds an offset and no pointer, so it survives growth, a
 * moved base and `close`, and is checked again at every access.
 *
 * A slice borrows its region: keep a reference to the region for as long as the
 * slice is used. Any thread may copy and use a slice. Make slices with the
 * functions below only; one that is all zero answers MAPPED_CLOSED. */
#ifndef MAPPED_SLICE_H
#define MAPPED_SLICE_H

#include <mapped/checked.h>
#include <mapped/region.h>

MAPPED_BEGIN

typedef struct mapped_slice {
    mapped_region *region;
    size_t offset;   /* from the region's first byte */
    size_t length;   /* bytes */
    size_t readonly; /* 0; SIZE_MAX if nothing is written through it */
} mapped_slice;

/* Returns the slice of the region's whole live length, which is 0 once the
 * region is closed. For NULL the slice is closed. */
MAPPED__INLINE mapped_slice mapped_region_slice(mapped_region *region);

/* Sets `*sub` to `length` bytes of `slice` from `offset` on. MAPPED_RANGE if
 * they are not all inside the slice and inside the region's present length;
 * MAPPED_CLOSED. `sub` may point to `slice` itself. Meets no fault. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_slice_sub(mapped_slice slice, size_t offset, size_t length,
                 mapped_slice *sub, mapped_error *error);

/* The same bytes, to read only: what would change them through this slice, or
 * through what is made of it, answers MAPPED_READONLY. Others may still write
 * them. */
MAPPED__INLINE mapped_slice mapped_slice_toreadonly(mapped_slice slice);

/* Answers MAPPED_OK if all of the slice can be accessed now, else MAPPED_CLOSED
 * or, if the region has shrunk, MAPPED_RANGE. Meets no fault: a page is found
 * to be lost only when it is read or written. */
MAPPED__MUST_USE mapped_status mapped_slice_check(mapped_slice slice,
                                                  mapped_error *error);

/* As mapped_slice_check, and answers MAPPED_READONLY. */
MAPPED__MUST_USE mapped_status mapped_slice_check_writable(mapped_slice slice,
                                                           mapped_error *error);

/* Whether a byte of it must not be written: by mapped_slice_toreadonly, because
 * the region was opened for reading, or by mapped_protect. Of no bytes that is
 * only what holds for the slice or the whole region. */
bool mapped_slice_readonly(mapped_slice slice);

/* An access by hand. Between `enter` and `leave` the code must be a short leaf:
 * it must not allocate, lock or call other libraries.
 *
 *     unsigned char *p;
 *     mapped_status status = mapped_slice_enter(slice, offset, n, &p, error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     ... read [p, p + n) into locals ...
 *     return mapped_slice_leave(slice, offset, n, error);
 *
 * `enter` answers MAPPED_RANGE or MAPPED_CLOSED, and `enter_write` also
 * MAPPED_READONLY; then `*p` is NULL, and there is nothing to leave. Otherwise
 * `*p` is valid for n bytes until `leave`. What was read counts only if
 * `leave` answers MAPPED_OK: otherwise the region was closed meanwhile
 * (MAPPED_CLOSED) or a page of [offset, offset + n) is lost (MAPPED_FAULT). On
 * a device n must be 1, 2, 4 or 8 and the address a multiple of n, else
 * `enter` answers MAPPED_MISALIGNED; 8 on a 32-bit machine, which makes that
 * two accesses, is MAPPED_UNSUPPORTED. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_slice_enter(mapped_slice slice, size_t offset, size_t n,
                   unsigned char **p, mapped_error *error);
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_slice_enter_write(mapped_slice slice, size_t offset, size_t n,
                         unsigned char **p, mapped_error *error);
MAPPED__MUST_USE MAPPED__INLINE mapped_status mapped_slice_leave(
    mapped_slice slice, size_t offset, size_t n, mapped_error *error);

/* The same for a hot path that must not contain a call. mapped_slice_try_enter
 * and mapped_slice_try_enter_write return the pointer, or NULL if
 * mapped_slice_enter or mapped_slice_enter_write has to decide: that answers an
 * error, or MAPPED_OK on a device. Once they have returned a pointer,
 * mapped_slice_try_leave ends the access; it returns false if
 * mapped_slice_leave has to decide. n must not be 0. */
MAPPED__INLINE const unsigned char *
mapped_slice_try_enter(mapped_slice slice, size_t offset, size_t n);
MAPPED__INLINE unsigned char *
mapped_slice_try_enter_write(mapped_slice slice, size_t offset, size_t n);
MAPPED__INLINE bool mapped_slice_try_leave(mapped_slice slice);

/* A block: all of a slice as a plain array, entered once, for a loop that the
 * compiler may vectorise:
 *
 *     const void *block;
 *     size_t count;
 *     mapped_status status =
 *         mapped_block_enter(slice, sizeof(uint32_t), &block, &count, error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     const uint32_t *words = block;
 *     for (size_t i = 0; i < count; i++)
 *         sum += words[i];
 *     return mapped_block_leave(slice, error);
 *
 * `count` is how many whole elements of `size` bytes (1, 2, 4, 8, ...) there
 * are. The pointer is good until `leave`, in a leaf as between
 * mapped_slice_enter and mapped_slice_leave, and what was read counts only if
 * `leave` answers MAPPED_OK. Where others write the bytes meanwhile, the
 * compiler may read one twice and find two values: make no decision with it but
 * through a volatile copy. MAPPED_RANGE, MAPPED_CLOSED; MAPPED_MISALIGNED if
 * the block doesn't begin at a multiple of `size`, which isn't 0, in memory,
 * and for devices.
 */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_block_enter(mapped_slice slice, size_t size, const void **block,
                   size_t *count, mapped_error *error);
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_block_leave(mapped_slice slice, mapped_error *error);

/* Private: all below. The slow paths serve every access that is not plain. */
mapped_slice mapped__region_slice_slow(mapped_region *region);
MAPPED__MUST_USE mapped_status mapped__slice_sub_slow(mapped_slice slice,
                                                      size_t offset, size_t n,
                                                      mapped_slice *sub,
                                                      mapped_error *error);
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

/* An access is plain if [offset, offset + n) lies inside the slice and inside
 * the region's live length. `close` sets the live length to 0, so one
 * comparison is enough for both; a device's is always 0. `starts` is at how
 * many offsets n bytes fit into the slice. An access of no bytes is not plain,
 * because n - 1 wraps around; nor is one to an all-zero slice, so its region,
 * NULL, isn't read.
 *
 * The compiler may use a live length that was read earlier. That does no harm:
 * a thread that shortens it while others hold references leaves the addresses
 * valid and sets the state word, which is read anew after every access. */
MAPPED__INLINE bool mapped__slice_is_plain(mapped_slice slice, size_t offset,
                                           size_t n)
{
    size_t starts = slice.length > n - 1 ? slice.length - (n - 1) : 0;
    size_t end = slice.offset + offset + n;
    return offset < starts && end <= MAPPED__PEEK(&slice.region->live_);
}

/* The same, and the bytes may be written. The region's writable length is the
 * live length, or 0 if there are bytes that must not be written. It is compared
 * with the end of the slice, which a loop over the slice's bytes does only
 * once. A slice that ends behind it, or is to read only, is for the slow path.
 */
MAPPED__INLINE bool mapped__slice_is_writable(mapped_slice slice, size_t offset,
                                              size_t n)
{
    size_t starts = slice.length > n - 1 ? slice.length - (n - 1) : 0;
    size_t end = (slice.offset + slice.length) | slice.readonly;
    return offset < starts && end <= MAPPED__LOAD(&slice.region->writable_);
}

MAPPED__INLINE unsigned char *mapped__slice_first(mapped_slice slice)
{
    return MAPPED__PEEK(&slice.region->base_) + slice.offset;
}

/* Copies a slice for a slow path. Thus the fast path's own slice, like its
 * `*p`, never needs an address and stays in registers. One word is stored
 * apart, so that the compiler doesn't load two at once, in a vector register,
 * which the fast path would have to take apart. */
MAPPED__INLINE mapped_slice mapped__slice_anew(mapped_slice slice)
{
    mapped_slice anew = {slice.region, slice.offset, 0, slice.readonly};
    MAPPED__STORE(&anew.length, slice.length);
    return anew;
}

MAPPED__INLINE mapped_slice mapped_region_slice(mapped_region *region)
{
    mapped_slice whole = {region, 0, 0, 0};
    if (MAPPED__LIKELY(region != NULL))
        whole.length = MAPPED__LOAD_ACQUIRE(&region->live_);
    if (MAPPED__UNLIKELY(whole.length == 0))
        return mapped__region_slice_slow(region);
    return whole;
}

MAPPED__INLINE mapped_slice mapped_slice_toreadonly(mapped_slice slice)
{
    slice.readonly = SIZE_MAX;
    return slice;
}

MAPPED__INLINE mapped_status mapped_slice_sub(mapped_slice slice, size_t offset,
                                              size_t length, mapped_slice *sub,
                                              mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped__slice_is_plain(slice, offset, length)))
        return mapped__slice_sub_slow(mapped__slice_anew(slice), offset, length,
                                      sub, error);
    sub->region = slice.region;
    sub->offset = slice.offset + offset;
    sub->length = length;
    sub->readonly = slice.readonly;
    return MAPPED_OK;
}

MAPPED__INLINE const unsigned char *
mapped_slice_try_enter(mapped_slice slice, size_t offset, size_t n)
{
    if (MAPPED__UNLIKELY(!mapped__slice_is_plain(slice, offset, n)))
        return NULL;
    return mapped__slice_first(slice) + offset;
}

MAPPED__INLINE unsigned char *
mapped_slice_try_enter_write(mapped_slice slice, size_t offset, size_t n)
{
    if (MAPPED__UNLIKELY(!mapped__slice_is_writable(slice, offset, n)))
        return NULL;
    return mapped__slice_first(slice) + offset;
}

MAPPED__INLINE bool mapped_slice_try_leave(mapped_slice slice)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LIKELY(MAPPED__LOAD(&slice.region->state_) == 0);
}

MAPPED__INLINE mapped_status mapped_slice_enter(mapped_slice slice,
                                                size_t offset, size_t n,
                                                unsigned char **p,
                                                mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped__slice_is_plain(slice, offset, n))) {
        unsigned char *first = NULL;
        mapped_status status = mapped__slice_enter_slow(
            mapped__slice_anew(slice), offset, n, &first, error);
        *p = first;
        return status;
    }
    *p = mapped__slice_first(slice) + offset;
    return MAPPED_OK;
}

MAPPED__INLINE mapped_status mapped_slice_enter_write(mapped_slice slice,
                                                      size_t offset, size_t n,
                                                      unsigned char **p,
                                                      mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped__slice_is_writable(slice, offset, n))) {
        unsigned char *first = NULL;
        mapped_status status = mapped__slice_enter_write_slow(
            mapped__slice_anew(slice), offset, n, &first, error);
        *p = first;
        return status;
    }
    *p = mapped__slice_first(slice) + offset;
    return MAPPED_OK;
}

MAPPED__INLINE mapped_status mapped_slice_leave(mapped_slice slice,
                                                size_t offset, size_t n,
                                                mapped_error *error)
{
    if (MAPPED__UNLIKELY(!mapped_slice_try_leave(slice)))
        return mapped__slice_leave_slow(mapped__slice_anew(slice), offset, n,
                                        error);
    return MAPPED_OK;
}

MAPPED__INLINE mapped_status mapped_block_enter(mapped_slice slice, size_t size,
                                                const void **block,
                                                size_t *count,
                                                mapped_error *error)
{
    unsigned char *first;
    mapped_status status =
        mapped_slice_enter(slice, 0, slice.length, &first, error);
    if (status == MAPPED_OK &&
        MAPPED__UNLIKELY(size == 0 || (uintptr_t)first % size != 0 ||
                         MAPPED__LOAD(&slice.region->traits_) &
                             MAPPED__TRAIT_DEVICE)) {
        mapped_error_range range = {slice.offset, slice.length, size};
        status =
            mapped_error_set_range(error, MAPPED_MISALIGNED, "block", range);
    }
    if (status != MAPPED_OK)
        return status;
    *block = first;
    *count = slice.length / size;
    return MAPPED_OK;
}

MAPPED__INLINE mapped_status mapped_block_leave(mapped_slice slice,
                                                mapped_error *error)
{
    return mapped_slice_leave(slice, 0, slice.length, error);
}

MAPPED_END

#endif
