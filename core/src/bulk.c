#include <mapped/bulk.h>

#include <string.h>

#include "region_internal.h"

/* Registers are not memory: byte by byte, one access each, in order. */
static mapped_status read_device(mapped_slice slice, size_t offset,
                                 unsigned char *to, size_t n,
                                 mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < n && status == MAPPED_OK; i++) {
        unsigned char *p;
        status = mapped_slice_enter(slice, offset + i, 1, &p, error);
        if (status == MAPPED_OK)
            to[i] = *(const volatile unsigned char *)p;
    }
    return status;
}

static mapped_status write_device(mapped_slice slice, size_t offset,
                                  const unsigned char *from, size_t n,
                                  mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < n && status == MAPPED_OK; i++) {
        unsigned char *p;
        status = mapped_slice_enter_write(slice, offset + i, 1, &p, error);
        if (status == MAPPED_OK)
            *(volatile unsigned char *)p = from[i];
    }
    return status;
}

/* What every bulk operation on [offset, offset + n) begins with. An empty range
 * must lie inside too, and a closed region says so. */
static mapped_status check(mapped_slice slice, size_t offset, size_t n,
                           mapped_error *error)
{
    mapped_slice part;
    return mapped_slice_sub(slice, offset, n, &part, error);
}

static mapped_status check_write(mapped_slice slice, size_t offset, size_t n,
                                 mapped_error *error)
{
    mapped_status status = check(slice, offset, n, error);
    if (status == MAPPED_OK && mapped_region_readonly(slice.region))
        status = mapped_error_set(error, MAPPED_READONLY, "write");
    return status;
}

static unsigned char *address(mapped_slice slice, size_t offset)
{
    return slice.region->base_ + slice.offset + offset;
}

mapped_status mapped_read(mapped_slice slice, size_t offset, void *to, size_t n,
                          mapped_error *error)
{
    mapped_status status = check(slice, offset, n, error);
    if (status != MAPPED_OK || n == 0)
        return status;
    if (mapped_region_device(slice.region))
        return read_device(slice, offset, to, n, error);
    memmove(to, address(slice, offset), n);
    return mapped_slice_leave(slice, offset, n, error);
}

mapped_status mapped_write(mapped_slice slice, size_t offset, const void *from,
                           size_t n, mapped_error *error)
{
    mapped_status status = check_write(slice, offset, n, error);
    if (status != MAPPED_OK || n == 0)
        return status;
    if (mapped_region_device(slice.region))
        return write_device(slice, offset, from, n, error);
    memmove(address(slice, offset), from, n);
    return mapped_slice_leave(slice, offset, n, error);
}

mapped_status mapped_copy(mapped_slice to, size_t offset, mapped_slice from,
                          mapped_error *error)
{
    mapped_status status = check(from, 0, from.length, error);
    if (status == MAPPED_OK)
        status = check_write(to, offset, from.length, error);
    if (status != MAPPED_OK || from.length == 0)
        return status;
    if (mapped_region_device(from.region)) {
        if (mapped_region_device(to.region))
            return mapped_error_set(error, MAPPED_UNSUPPORTED, "copy");
        status = read_device(from, 0, address(to, offset), from.length, error);
    } else {
        status = mapped_write(to, offset, address(from, 0), from.length, error);
        if (status == MAPPED_OK)
            status = mapped_slice_leave(from, 0, from.length, error);
        return status;
    }
    if (status == MAPPED_OK)
        status = mapped_slice_leave(to, offset, from.length, error);
    return status;
}

mapped_status mapped_fill(mapped_slice slice, uint8_t byte, mapped_error *error)
{
    mapped_status status = check_write(slice, 0, slice.length, error);
    if (status != MAPPED_OK || slice.length == 0)
        return status;
    if (!mapped_region_device(slice.region)) {
        memset(address(slice, 0), byte, slice.length);
        return mapped_slice_leave(slice, 0, slice.length, error);
    }
    for (size_t i = 0; i < slice.length && status == MAPPED_OK; i++)
        status = write_device(slice, i, &byte, 1, error);
    return status;
}

mapped_status mapped_move(mapped_slice slice, size_t to, size_t from, size_t n,
                          mapped_error *error)
{
    mapped_slice source;
    mapped_status status = mapped_slice_sub(slice, from, n, &source, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_copy(slice, to, source, error);
}

mapped_status mapped_region_append(mapped_region *region, const void *data,
                                   size_t n, mapped_error *error)
{
    size_t start;
    const unsigned char *bytes = data;
    size_t own = (size_t)((uintptr_t)bytes - (uintptr_t)region->base_);
    bool is_own = own < mapped_region_length(region);
    mapped_status status = mapped__region_grow(region, n, &start, error);
    if (status != MAPPED_OK)
        return status;
    if (is_own)
        bytes = region->base_ + own;
    return mapped_write(mapped_region_slice(region), start, bytes, n, error);
}

static int order_of(int common, size_t a, size_t b)
{
    if (common != 0)
        return common;
    return (a > b) - (a < b);
}

mapped_status mapped_compare_bytes(mapped_slice slice, const void *data,
                                   size_t n, int *order, mapped_error *error)
{
    size_t common = slice.length < n ? slice.length : n;
    mapped_status status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    int result = common > 0 ? memcmp(address(slice, 0), data, common) : 0;
    status = mapped_slice_leave(slice, 0, common, error);
    if (status == MAPPED_OK)
        *order = order_of(result, slice.length, n);
    return status;
}

mapped_status mapped_compare(mapped_slice a, mapped_slice b, int *order,
                             mapped_error *error)
{
    int result;
    mapped_status status = mapped_slice_check(b, error);
    if (status == MAPPED_OK)
        status =
            mapped_compare_bytes(a, address(b, 0), b.length, &result, error);
    if (status == MAPPED_OK)
        status = mapped_slice_leave(b, 0, b.length, error);
    if (status == MAPPED_OK)
        *order = result;
    return status;
}
