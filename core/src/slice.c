/* Slices: making and checking them, and the slow paths of an access. Every
 * check compares with what the slice allows and with what the region has at the
 * moment. */
#include <mapped/slice.h>

#include "region_internal.h"

mapped_slice mapped__region_slice_slow(mapped_region *region)
{
    mapped_slice whole = {region, 0, mapped_region_length(region), 0};
    return whole;
}

static mapped_status refuse(mapped_slice slice, mapped_status status,
                            mapped_error_range range, mapped_error *error)
{
    mapped_error_set_range(error, status, "slice", range);
    return mapped__region_fill_error(slice.region, "slice", status, error);
}

/* Checks [offset, offset + n) against the slice and against what the region has
 * left of it. That the region is closed comes first, because then everything is
 * out of range. */
static mapped_status check_range(mapped_slice slice, size_t offset, size_t n,
                                 mapped_error *error)
{
    size_t length = mapped_region_length(slice.region);
    size_t left = length > slice.offset ? length - slice.offset : 0;
    size_t limit = slice.length < left ? slice.length : left;
    const mapped_error_range range = {offset, n, limit};
    if (mapped_region_closed(slice.region))
        return refuse(slice, MAPPED_CLOSED, (mapped_error_range){0}, error);
    if (!mapped_range_fits(offset, n, limit))
        return refuse(slice, MAPPED_RANGE, range, error);
    return MAPPED_OK;
}

mapped_status mapped__slice_sub_slow(mapped_slice slice, size_t offset,
                                     size_t length, mapped_slice *sub,
                                     mapped_error *error)
{
    mapped_status status = check_range(slice, offset, length, error);
    if (status != MAPPED_OK)
        return status;
    slice.offset += offset;
    slice.length = length;
    *sub = slice;
    return MAPPED_OK;
}

mapped_status mapped_slice_check(mapped_slice slice, mapped_error *error)
{
    return check_range(slice, 0, slice.length, error);
}

bool mapped_slice_readonly(mapped_slice slice)
{
    size_t max_length = SIZE_MAX - slice.offset;
    size_t length = slice.length < max_length ? slice.length : max_length;
    return slice.readonly != 0 ||
           mapped__region_readonly_at(slice.region, slice.offset,
                                      slice.offset + length);
}

static mapped_status refuse_write(mapped_slice slice, mapped_error *error)
{
    const mapped_error_range reason = {
        .limit = slice.readonly != 0 ? MAPPED_READONLY_SLICE : 0};
    return refuse(slice, MAPPED_READONLY, reason, error);
}

mapped_status mapped_slice_check_writable(mapped_slice slice,
                                          mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_slice_readonly(slice))
        status = refuse_write(slice, error);
    return status;
}

/* A register must be read and written in one access of its own width. */
static mapped_status check_device(const unsigned char *p, size_t offset,
                                  size_t n, mapped_error *error)
{
    const mapped_error_range range = {
        .offset = offset, .length = n, .limit = 8};
    const bool is_width = n == 1 || n == 2 || n == 4 || n == 8;
    if (n == 8 && sizeof(void *) < 8) /* two accesses on 32-bit machines */
        return mapped_error_set_range(error, MAPPED_UNSUPPORTED, "device",
                                      range);
    if (is_width && ((uintptr_t)p & (n - 1)) == 0)
        return MAPPED_OK;
    return mapped_error_set_range(error, MAPPED_MISALIGNED, "device", range);
}

mapped_status mapped__slice_enter_slow(mapped_slice slice, size_t offset,
                                       size_t n, unsigned char **p,
                                       mapped_error *error)
{
    mapped_status status = check_range(slice, offset, n, error);
    if (status != MAPPED_OK)
        return status;
    unsigned char *first = slice.region->base_ + slice.offset + offset;
    if (mapped_region_device(slice.region))
        status = check_device(first, offset, n, error);
    if (status == MAPPED_OK)
        *p = first;
    return status;
}

mapped_status mapped__slice_enter_write_slow(mapped_slice slice, size_t offset,
                                             size_t n, unsigned char **p,
                                             mapped_error *error)
{
    unsigned char *first;
    mapped_status status =
        mapped__slice_enter_slow(slice, offset, n, &first, error);
    const mapped_slice written = {slice.region, slice.offset + offset, n,
                                  slice.readonly};
    if (status == MAPPED_OK && mapped_slice_readonly(written))
        status = refuse_write(slice, error);
    if (status == MAPPED_OK)
        *p = first;
    return status;
}

mapped_status mapped__slice_leave_slow(mapped_slice slice, size_t offset,
                                       size_t n, mapped_error *error)
{
    mapped_status status = check_range(slice, offset, n, error);
    if (status != MAPPED_OK)
        return status;
    return mapped__region_check_lost(slice.region, slice.offset + offset, n,
                                     error);
}
