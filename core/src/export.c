/* An export watches a slice for a while. When it ends, it says whether a page
 * of the slice was lost meanwhile. Pointers that leave the library are exports,
 * and so are long calls.
 *
 * A page is *lost* once its file can't supply it (it was truncated, or reading
 * it failed) and zeros stand in for it; it is *recovered* when it is mapped
 * again. The region counts its recoveries.
 *
 * There are two kinds of exports.
 *
 * - A pointer: `data` is set. What is read and written through it isn't
 *   checked. While a region has pointer exports, it can neither close nor
 *   shrink. If it moves to grow it gets a new mapping, and keeps the old
 *   mapping, to which the exports point, until the last export ends
 *   (region_resize.c).
 *
 * - An operation: `data` is NULL. It is a long call of the library, which
 *   checks each of its accesses itself. It isn't counted, so the region may
 *   close meanwhile. Zeros then stand in for the pages; the operation's
 *   reference keeps the address range reserved, so nothing else can appear
 *   there.
 *
 * A page may be lost and recovered again before the end. So an export notes in
 * `since` how many recoveries there had been when it began. */
#include <mapped/export.h>

#include <mapped/fault.h>
#include <mapped/span.h>

#include "region_internal.h"

static bool is_pointer(const mapped_export *exported)
{
    return exported->data != NULL;
}

/* The export is counted first, so that the region can't shrink or close after
 * the checks. `since` is read last: what was recovered before that isn't
 * reported, as nobody has read through this pointer yet. */
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
        return mapped__region_complete_error(region, "export", status, error);
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

/* Asks for lost pages first and for recovered ones second. A recovery takes a
 * page off the list of lost pages and puts it on the list of recovered ones, so
 * this order misses none.
 *
 * An operation asks for less. Its accesses have already reported pages that are
 * still lost. So it leaves out truncated pages: its accesses have met the
 * region's shorter length. */
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
    if (pointer) /* unlike check_lost, a fault in a closed region, too */
        status = mapped__region_check_lost_in_export(slice.region, slice.offset,
                                                     slice.length, error);
    if (status == MAPPED_OK)
        status =
            mapped__region_check_recovered(slice.region, &recovered, error);
    return mapped__region_complete_error(slice.region, "export", status, error);
}

mapped_status mapped_export_end(mapped_export *exported, mapped_error *error)
{
    mapped_region *region = exported->slice.region;
    mapped_status status = mapped_export_check(exported, error);
    if (region == NULL)
        return status;
    exported->slice.region = NULL; /* the check and another end answer CLOSED */
    if (is_pointer(exported))
        mapped__region_end_export(region);
    else
        mapped_region_release(region);
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
