/* Copies, fills, moves and comparisons of many bytes: one check before, one
 * after, and plain memory functions in between. Registers of devices are moved
 * byte by byte.
 *
 * What a lost page read as is never written anywhere. So a copy from a slice to
 * a slice can't be one memmove: copy_plain copies as much as it can through
 * registers (wide.h), and copy_few and copy_pieces the rest through buffers. */
#include <mapped/bulk.h>

#include <string.h>

#include "region_internal.h"
#include "wide.h"

/* What every bulk operation on [offset, offset + n) begins with. An empty range
 * must lie inside too, and a closed region says so. */
MAPPED__INLINE mapped_status check_range(mapped_slice slice, size_t offset,
                                         size_t n, bool write,
                                         mapped_error *error)
{
    mapped_slice part;
    mapped_status status = mapped_slice_sub(slice, offset, n, &part, error);
    if (status == MAPPED_OK && write)
        status = mapped_slice_check_writable(part, error);
    return status;
}

/* Registers are not memory: their bytes are accessed one by one and in order.
 */
static mapped_status access_device(mapped_slice slice, size_t offset,
                                   unsigned char *memory, size_t n, bool write,
                                   mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < n && status == MAPPED_OK; i++) {
        unsigned char *p;
        status = mapped_slice_enter(slice, offset + i, 1, &p, error);
        if (status == MAPPED_OK && write)
            *(volatile unsigned char *)p = memory[i];
        else if (status == MAPPED_OK)
            memory[i] = *(const volatile unsigned char *)p;
    }
    return status;
}

static unsigned char *address(mapped_slice slice, size_t offset)
{
    return slice.region->base_ + slice.offset + offset;
}

/* Copies from the slice to memory or, to `write`, from memory to the slice.
 * Inline, so that it is compiled once for each direction. */
MAPPED__INLINE mapped_status copy_bytes(mapped_slice slice, size_t offset,
                                        unsigned char *memory, size_t n,
                                        bool write, mapped_error *error)
{
    mapped_status status = check_range(slice, offset, n, write, error);
    if (status != MAPPED_OK || n == 0)
        return status;
    if (mapped_region_device(slice.region))
        return access_device(slice, offset, memory, n, write, error);
    unsigned char *p = address(slice, offset);
    memmove(write ? p : memory, write ? memory : p, n);
    return mapped_slice_leave(slice, offset, n, error);
}

mapped_status mapped_read(mapped_slice slice, size_t offset, void *to, size_t n,
                          mapped_error *error)
{
    mapped_status status = copy_bytes(slice, offset, to, n, false, error);
    return mapped__region_complete_error(slice.region, "read", status, error);
}

mapped_status mapped_write(mapped_slice slice, size_t offset, const void *from,
                           size_t n, mapped_error *error)
{
    /* A write only reads from here. */
    unsigned char *memory = (unsigned char *)(uintptr_t)from;
    mapped_status status = copy_bytes(slice, offset, memory, n, true, error);
    return mapped__region_complete_error(slice.region, "write", status, error);
}

/* mapped_write, or store_appended. */
typedef mapped_status write_function(mapped_slice to, size_t offset,
                                     const void *from, size_t n,
                                     mapped_error *error);

/* The buffer of copy_piece stays in the first-level cache. */
#define PIECE ((size_t)8192)

/* The read checks the piece before it is written. */
static mapped_status copy_piece(write_function *write, mapped_slice to,
                                size_t offset, mapped_slice from,
                                mapped_error *error)
{
    unsigned char piece[PIECE];
    mapped_status status = mapped_read(from, 0, piece, from.length, error);
    if (status == MAPPED_OK)
        status = write(to, offset, piece, from.length, error);
    return status;
}

/* Private anonymous memory has zeros there, and is no file. */
static bool is_same_file(const mapped__region *a, const mapped__region *b)
{
    return a->file_device == b->file_device &&
           a->file_serial == b->file_serial &&
           (a->file_device != 0 || a->file_serial != 0);
}

/* How many bytes after `from` the destination begins; if it begins before, the
 * number wraps around. The two may be bytes of one region, of two mappings of
 * one file, or of two wraps of one memory; else the number is too large for an
 * overlap. */
static uint64_t distance(mapped_slice to, size_t offset, mapped_slice from)
{
    const mapped__region *a = mapped__region_of(to.region);
    const mapped__region *b = mapped__region_of(from.region);
    uint64_t within = (uint64_t)to.offset + offset - from.offset;
    if (a == b)
        return within;
    if (!a->wrapped && !b->wrapped && is_same_file(a, b))
        return a->offset - b->offset + within;
    return (uint64_t)(uintptr_t)a->head.base_ -
           (uint64_t)(uintptr_t)b->head.base_ + within;
}

/* Copies the last piece first where the pieces would overwrite each other. */
static mapped_status copy_pieces(write_function *write, mapped_slice to,
                                 size_t offset, mapped_slice from,
                                 mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    size_t pieces = from.length / PIECE + (from.length % PIECE != 0);
    bool backwards = distance(to, offset, from) < from.length;
    for (size_t i = 0; i < pieces && status == MAPPED_OK; i++) {
        size_t at = PIECE * (backwards ? pieces - 1 - i : i);
        size_t left = from.length - at;
        const mapped_slice piece = {.region = from.region,
                                    .offset = from.offset + at,
                                    .length = left < PIECE ? left : PIECE};
        status = copy_piece(write, to, offset + at, piece, error);
    }
    return status;
}

static bool may_overlap(mapped_slice to, size_t offset, mapped_slice from)
{
    const uint64_t behind = distance(to, offset, from);
    return behind < from.length || 0 - behind < from.length;
}

/* Copies a block or more, as long as both are plain memory that doesn't
 * overlap, and no page of either region is lost. Returns how many bytes;
 * copy_rest does the others. */
static inline size_t copy_plain(mapped_slice to, size_t offset,
                                mapped_slice from)
{
    const size_t n = from.length;
    const unsigned char *source = mapped_slice_try_enter(from, 0, n);
    unsigned char *target = mapped_slice_try_enter_write(to, offset, n);
    if (source == NULL || target == NULL || may_overlap(to, offset, from))
        return 0;
    const uint32_t *state = &from.region->state_;
    const size_t copied = n >= MAPPED__COPY_BLOCK_AVX2 && mapped__has_avx2()
                              ? mapped__copy_avx2(target, source, n, state)
                              : mapped__copy_portable(target, source, n, state);
    return mapped_slice_try_leave(to) ? copied : 0;
}

static MAPPED__NOINLINE mapped_status copy_rest(mapped_slice to, size_t offset,
                                                mapped_slice from,
                                                size_t copied,
                                                mapped_error *error)
{
    mapped_status status = check_range(from, 0, from.length, false, error);
    if (status == MAPPED_OK)
        status = check_range(to, offset, from.length, true, error);
    if (status == MAPPED_OK) {
        from.offset += copied;
        from.length -= copied;
        status = copy_pieces(mapped_write, to, offset + copied, from, error);
    }
    return mapped__region_complete_error(to.region, "copy", status, error);
}

/* Copies less than a block. All bytes are loaded and checked before the first
 * is stored, so the two may overlap. */
static MAPPED__NOINLINE mapped_status copy_few(mapped_slice to, size_t offset,
                                               mapped_slice from,
                                               mapped_error *error)
{
    unsigned char few[MAPPED__COPY_BLOCK - 1];
    const size_t n = from.length;
    const unsigned char *source = mapped_slice_try_enter(from, 0, n);
    unsigned char *target = mapped_slice_try_enter_write(to, offset, n);
    if (source == NULL || target == NULL)
        return copy_rest(to, offset, from, 0, error);
    memcpy(few, source, n);
    if (!mapped_slice_try_leave(from))
        return copy_rest(to, offset, from, 0, error);
    memcpy(target, few, n);
    mapped_status status = mapped_slice_leave(to, offset, n, error);
    return mapped__region_complete_error(to.region, "copy", status, error);
}

mapped_status mapped_copy(mapped_slice to, size_t offset, mapped_slice from,
                          mapped_error *error)
{
    size_t copied = 0;
    if (from.length >= MAPPED__COPY_BLOCK)
        copied = copy_plain(to, offset, from);
    else if (from.length > 0)
        return copy_few(to, offset, from, error);
    if (MAPPED__LIKELY(copied > 0 && copied == from.length))
        return MAPPED_OK;
    return copy_rest(to, offset, from, copied, error);
}

static mapped_status fill(mapped_slice slice, uint8_t byte, mapped_error *error)
{
    mapped_status status = check_range(slice, 0, slice.length, true, error);
    if (status != MAPPED_OK || slice.length == 0)
        return status;
    if (!mapped_region_device(slice.region)) {
        memset(address(slice, 0), byte, slice.length);
        return mapped_slice_leave(slice, 0, slice.length, error);
    }
    for (size_t i = 0; i < slice.length && status == MAPPED_OK; i++)
        status = access_device(slice, i, &byte, 1, true, error);
    return status;
}

mapped_status mapped_fill(mapped_slice slice, uint8_t byte, mapped_error *error)
{
    mapped_status status = fill(slice, byte, error);
    return mapped__region_complete_error(slice.region, "fill", status, error);
}

mapped_status mapped_move(mapped_slice slice, size_t to, size_t from, size_t n,
                          mapped_error *error)
{
    mapped_slice source;
    mapped_status status = mapped_slice_sub(slice, from, n, &source, error);
    if (status == MAPPED_OK)
        status = mapped_copy(slice, to, source, error);
    return mapped__region_complete_error(slice.region, "move", status, error);
}

/* As mapped_write to an append range, which lies past the region's end.
 * The end of the append checks it. */
static mapped_status store_appended(mapped_slice to, size_t offset,
                                    const void *from, size_t n,
                                    mapped_error *error)
{
    if (n > 0)
        memmove(address(to, offset), from, n);
    return MAPPED_OK;
}

static mapped_status append(mapped_region *region, const void *data, size_t n,
                            mapped_error *error)
{
    mapped__append_range range;
    /* Data that lies in the region itself may move while it grows. */
    size_t offset = SIZE_MAX;
    if (region != NULL)
        offset = (size_t)((uintptr_t)data - (uintptr_t)region->base_);
    const mapped_slice own = {region, offset, n, 0};
    if (offset < mapped_region_length(region))
        return mapped_region_append_slice(region, own, error);
    if (n > 0 && n <= MAPPED__SHORT)
        return mapped__region_append_short(region, data, n, error);
    mapped_status status =
        mapped__region_begin_append(region, n, &range, error);
    if (status != MAPPED_OK)
        return status;
    status = store_appended(mapped_region_slice(region), range.start, data, n,
                            error);
    return mapped__region_end_append(region, &range, status, error);
}

mapped_status mapped_region_append(mapped_region *region, const void *data,
                                   size_t n, mapped_error *error)
{
    mapped_status status = append(region, data, n, error);
    return mapped__region_complete_error(region, "append", status, error);
}

mapped_status mapped_region_append_slice(mapped_region *region,
                                         mapped_slice data, mapped_error *error)
{
    mapped__append_range range;
    mapped_status status = mapped_slice_check(data, error);
    if (status == MAPPED_OK)
        status =
            mapped__region_begin_append(region, data.length, &range, error);
    if (status == MAPPED_OK) {
        status = copy_pieces(store_appended, mapped_region_slice(region),
                             range.start, data, error);
        status = mapped__region_end_append(region, &range, status, error);
    }
    return mapped__region_complete_error(region, "append", status, error);
}

/* Bytes compared between two checks of the state. */
#define BLOCK ((size_t)1 << 20)

static mapped_status check_comparable(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "compare");
    return status;
}

/* Compares block by block: with the slice `b`, which is checked before and
 * after each block, or if `b_is_data` with as many bytes of memory at `data`.
 * Inline, so that it is compiled once for each. */
MAPPED__INLINE mapped_status compare(mapped_slice a, mapped_slice b,
                                     const unsigned char *data, bool b_is_data,
                                     int *order, mapped_error *error)
{
    size_t common = a.length < b.length ? a.length : b.length, block;
    mapped_status status = b_is_data ? MAPPED_OK : check_comparable(b, error);
    int result = 0;
    if (status == MAPPED_OK)
        status = check_comparable(a, error);
    for (size_t at = 0; at < common && result == 0; at += block) {
        unsigned char *p, *q = NULL;
        block = common - at < BLOCK ? common - at : BLOCK;
        if (status == MAPPED_OK && !b_is_data)
            status = mapped_slice_enter(b, at, block, &q, error);
        if (status == MAPPED_OK)
            status = mapped_slice_enter(a, at, block, &p, error);
        if (status != MAPPED_OK)
            return status;
        result = memcmp(p, b_is_data ? data + at : q, block);
        status = mapped_slice_leave(a, at, block, error);
        if (status == MAPPED_OK && !b_is_data)
            status = mapped_slice_leave(b, at, block, error);
    }
    if (status == MAPPED_OK && result == 0)
        result = (a.length > b.length) - (a.length < b.length);
    if (status == MAPPED_OK)
        *order = result;
    return status;
}

mapped_status mapped_compare_bytes(mapped_slice slice, const void *data,
                                   size_t n, int *order, mapped_error *error)
{
    const mapped_slice none = {.length = n};
    mapped_status status = compare(slice, none, data, true, order, error);
    return mapped__region_complete_error(slice.region, "compare", status,
                                         error);
}

mapped_status mapped_compare(mapped_slice a, mapped_slice b, int *order,
                             mapped_error *error)
{
    mapped_status status = compare(a, b, NULL, false, order, error);
    return mapped__region_complete_error(a.region, "compare", status, error);
}
