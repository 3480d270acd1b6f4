/* Exports: pointers handed to code outside of the library. A region counts its
 * exports, and neither closes nor shrinks while there is one. Their end reports
 * every page of the slice that was lost meanwhile.
 *
 * An operation is an export without a pointer (`data` is NULL): it keeps a
 * reference to the region and is not counted. */
#include <mapped/export.h>

#include <assert.h>

#include <mapped/fault.h>
#include <mapped/span.h>

#include "region_internal.h"

static bool is_counted(const mapped_export *made)
{
    return made->data != NULL;
}

static mapped_status check_whole(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_slice_leave(slice, 0, slice.length, error);
}

/* The export is counted before the check, so that the slice stays inside of the
 * region. The number of recoveries is read after it, because nobody has seen
 * pages through this pointer that were lost and recovered earlier. */
mapped_status mapped_export_begin(mapped_slice slice, mapped_export *made,
                                  mapped_error *error)
{
    unsigned char *base;
    mapped_status status =
        mapped__region_begin_export(slice.region, &base, error);
    if (status != MAPPED_OK)
        return status;
    status = check_whole(slice, error);
    if (status == MAPPED_OK)
        *made = (mapped_export){.slice = slice,
                                .data = base + slice.offset,
                                .since =
                                    mapped_region_recovery_count(slice.region)};
    else
        mapped__region_end_export(slice.region);
    return mapped__region_report(slice.region, "export", status, error);
}

void mapped_export_begin_operation(mapped_region *region, mapped_export *made)
{
    mapped_region_acquire(region);
    made->slice = mapped_region_slice(region);
    made->data = NULL;
    made->since = mapped_region_recovery_count(region);
}

/* Checks what is lost first and what was recovered second: pages move only from
 * the first to the second, so none is missed. Both remain after the region was
 * closed by mapped_region_retire. */
mapped_status mapped_export_check(const mapped_export *made,
                                  mapped_error *error)
{
    const mapped_slice slice = made->slice;
    const mapped__lost bytes = {.offset = slice.offset,
                                .length = slice.length,
                                .truncated = is_counted(made)};
    mapped_status status = MAPPED_OK;
    if (slice.region == NULL)
        return mapped_error_set(error, MAPPED_CLOSED, "export");
    if (is_counted(made))
        status = mapped__region_check_export(slice.region, slice.offset,
                                             slice.length, error);
    if (status == MAPPED_OK)
        status = mapped__region_check_recovered(slice.region, &bytes,
                                                made->since, error);
    return mapped__region_report(slice.region, "export", status, error);
}

mapped_status mapped_export_end(mapped_export *made, mapped_error *error)
{
    mapped_region *region = made->slice.region;
    assert(region == NULL || !is_counted(made) ||
           mapped_region_exports(region) > 0);
    mapped_status status = mapped_export_check(made, error);
    made->slice.region = NULL;
    if (region != NULL && is_counted(made))
        mapped__region_end_export(region);
    else
        mapped_region_release(region);
    return status;
}

mapped_status mapped_span_begin(mapped_slice slice, mapped_span *span,
                                mapped_error *error)
{
    mapped_export made;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "span");
    mapped_status status = mapped_export_begin(slice, &made, error);
    if (status != MAPPED_OK)
        return status;
    span->first = made.data;
    span->length = slice.length;
    span->exported = made;
    return MAPPED_OK;
}

mapped_status mapped_span_end(mapped_span *span, mapped_error *error)
{
    span->length = 0;
    return mapped_export_end(&span->exported, error);
}
