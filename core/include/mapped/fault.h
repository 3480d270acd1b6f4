/* Pages that a region has lost: which, why, and how to get them back. */
#ifndef MAPPED_FAULT_H
#define MAPPED_FAULT_H

#include <mapped/region.h>

MAPPED_BEGIN

/* One stretch of a region that was lost. */
typedef struct mapped_lost_range {
    size_t offset; /* bytes from the region's first byte */
    size_t length;
    int os_error; /* ENODATA: truncated; ENOSPC: no space; EIO: I/O or memory */
} mapped_lost_range;

/* MAPPED_OK, or MAPPED_FAULT with the first lost range in `error` (offset,
 * length, os_error). Asks the file why, so it may make a system call; never
 * meets a fault itself. MAPPED_CLOSED. */
mapped_status mapped_region_check(mapped_region *region, mapped_error *error);

/* The lost ranges in the order of their loss, up to `capacity`; `*count` is how
 * many there are. More than the region can note lose the whole region: one
 * range of its full length. MAPPED_CLOSED. */
mapped_status mapped_region_faults(mapped_region *region,
                                   mapped_lost_range *ranges, size_t capacity,
                                   size_t *count, mapped_error *error);

/* How many faults the region has met since it was made, 0 for most. Rises with
 * every one: compare before and after to learn whether raw accesses met one. */
uint64_t mapped_region_fault_count(const mapped_region *region);

/* Maps the file back over lost pages, at the same addresses, and tries each
 * page. MAPPED_OK when nothing is lost any more; MAPPED_FAULT with the first
 * range that still is. Private changes ("c") of lost pages are gone for good.
 * Needs the file: MAPPED_SYSTEM or MAPPED_STALE when it can't be opened again.
 * Safe while other threads access the region. MAPPED_CLOSED. */
mapped_status mapped_region_recover(mapped_region *region, mapped_error *error);

MAPPED_END

#endif
