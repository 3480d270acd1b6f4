/* Exports: pointers that leave the library, and are read and written without
 * its checks. One check at the end makes up for them: was a page of the slice
 * lost since the begin? There are two kinds.
 *
 * - A pointer: `data` is set. The region counts it, and doesn't close or shrink
 *   while the count isn't 0. If it moves to grow it gets a new mapping, and
 *   keeps the old one, which the export shows, until the count is 0
 *   (region_resize.c).
 *
 * - An operation: `data` is NULL. It is a long call of the library, which
 *   checks each of its accesses itself. It isn't counted, so the region may
 *   close meanwhile; but it holds a reference, so the addresses stay.
 *
 * A page that was lost may have been recovered before the end. So an export
 * notes in `since` how many recoveries there had been when it began. */
#include <mapped/export.h>

#include <mapped/fault.h>
#include <mapped/span.h>

#include "region_internal.h"

static bool is_pointer(const mapped_export *exported)
{
    return exported->data != NULL;
}

/* The export is counted first, so that the region can't shrink or close after
 * the checks. `since` is read last, because pages that were lost and recovered
 * before nobody has seen through this pointer. */
mapped_status mapped_export_begin(mapped_slice slice, mapped_export *exported,
                                  mapped_error *error)
{
    mapped_region *region = slice.region;
    unsigned char *base;
    mapped_status status = mapped__region_begin_export(region, &base, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK)
        status = mapped__region_check_lost(region, slice.offset, slice.length,
                                           error);
    if (status != MAPPED_OK) {
        mapped__region_end_export(region);
        return mapped__region_report(region, "export", status, error);
    }
    exported->slice = slice;
    exported->data = base + slice.offset;
    exported->since = mapped_region_recovery_count(region);
    return MAPPED_OK;
}

void mapped_export_begin_operation(mapped_region *region,
                                   mapped_export *exported)
{
    mapped_region_acquire(region);
    exported->slice = mapped_region_slice(region);
    exported->data = NULL;
    exported->since = mapped_region_recovery_count(region);
}

/* Looks at what is lost first and at what was recovered second: a recovery
 * moves pages from the first list to the second, so this order misses none. The
 * accesses of an operation have reported themselves what is lost now. */
mapped_status mapped_export_check(const mapped_export *exported,
                                  mapped_error *error)
{
    const mapped_slice slice = exported->slice;
    const bool pointer = is_pointer(exported);
    const mapped__recovered_query recovered = {.offset = slice.offset,
                                               .length = slice.length,
                                               .since = exported->since,
                                               .also_truncated = pointer};
    mapped_status status = MAPPED_OK;
    if (slice.region == NULL)
        return mapped_error_set(error, MAPPED_CLOSED, "export");
    if (pointer)
        status = mapped__region_check_export(slice.region, slice.offset,
                                             slice.length, error);
    if (status == MAPPED_OK)
        status =
            mapped__region_check_recovered(slice.region, &recovered, error);
    return mapped__region_report(slice.region, "export", status, error);
}

mapped_status mapped_export_end(mapped_export *exported, mapped_error *error)
{
    mapped_region *region = exported->slice.region;
    mapped_status status = mapped_export_check(exported, error);
    exported->slice.region = NULL; /* another end does nothing now */
    if (!is_pointer(exported))
        mapped_region_release(region);
    else if (region != NULL)
        mapped__region_end_export(region);
    return status;
}

/* A span is a pointer export of a slice that isn't a device's, together with
 * what its inline functions read. */
mapped_status mapped_span_begin(mapped_slice slice, mapped_span *span,
                                mapped_error *error)
{
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "span");
    mapped_status status = mapped_export_begin(slice, &span->exported, error);
    if (status != MAPPED_OK)
        return status;
    span->first = span->exported.data;
    span->length = slice.length;
    return MAPPED_OK;
}

mapped_status mapped_span_end(mapped_span *span, mapped_error *error)
{
    span->length = 0;
    return mapped_export_end(&span->exported, error);
}
