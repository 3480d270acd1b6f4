#include <mapped/export.h>

#include <mapped/fault.h>

#include "region_internal.h"

static mapped_status check_whole(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_slice_leave(slice, 0, slice.length, error);
}

/* Pinned first: from then on the region neither closes nor shrinks, so that
 * what the check finds stays true. Counted last: what was lost and recovered
 * before nobody has seen through this pointer. */
static mapped_status begin(mapped_slice slice, void **data, uint64_t *since,
                           mapped_error *error)
{
    void *base;
    mapped_status status = mapped_region_pin(slice.region, &base, error);
    if (status != MAPPED_OK)
        return status;
    status = check_whole(slice, error);
    if (status != MAPPED_OK) {
        mapped_region_unpin(slice.region);
        return status;
    }
    *data = (char *)base + slice.offset;
    *since = mapped_region_recovery_count(slice.region);
    return MAPPED_OK;
}

mapped_status mapped_export_begin(mapped_slice slice, void **data,
                                  uint64_t *since, mapped_error *error)
{
    return mapped__region_end(slice.region, "export",
                              begin(slice, data, since, error), error);
}

/* What is lost now before what came back: pages go from one list to the other
 * in that direction, and nothing may slip through in between. Both lists tell
 * of a retired region, too. */
static mapped_status end(mapped_slice slice, uint64_t since,
                         mapped_error *error)
{
    mapped_status status = mapped__region_export_lost(
        slice.region, slice.offset, slice.length, error);
    if (status == MAPPED_OK)
        status = mapped__region_returned(slice.region, since, slice.offset,
                                         slice.length, error);
    mapped_region_unpin(slice.region);
    return status;
}

mapped_status mapped_export_end(mapped_slice slice, uint64_t since,
                                mapped_error *error)
{
    return mapped__region_end(slice.region, "export", end(slice, since, error),
                              error);
}
