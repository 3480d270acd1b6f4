/* Pages that a region has lost: which, why, and how to get them back.
 *
 * A lost page reads as zeros and swallows what is written. Every access to it
 * through the library ends in MAPPED_FAULT; a read through a raw pointer is
 * reported by the end of its export (export.h). Intact pages of the region stay
 * usable.
 *
 * What can't be detected: when a file is truncated in the middle of a page, the
 * rest of that page reads as zeros without a fault. And a system call that is
 * handed a raw pointer to a page that can't be had fails with EFAULT, or is
 * short, and notes no loss; one that had been noted before gives it the zeros.
 */
#ifndef MAPPED_FAULT_H
#define MAPPED_FAULT_H

#include <mapped/region.h>

MAPPED_BEGIN

/* One stretch of a region that was lost. */
typedef struct mapped_lost_range {
    size_t offset; /* bytes from the region's first byte */
    size_t length;
    int os_error; /* ENODATA: truncated; ENOSPC: no space; EIO: I/O or memory
                   * failed, or there is no file to ask, or just now no
                   * descriptor to ask it with */
} mapped_lost_range;

/* MAPPED_OK, or MAPPED_FAULT with the first lost range in `error` (offset,
 * length, os_error). The first report of a lost page asks the file for the
 * cause, so this may make a system call. Meets no fault. MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_check(mapped_region *region,
                                                   mapped_error *error);

/* The lost ranges in the order of their loss, up to `capacity`; `*count` is how
 * many there are. More than the region can note lose the whole region: one
 * range of its full length. MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_faults(mapped_region *region,
                                                    mapped_lost_range *ranges,
                                                    size_t capacity,
                                                    size_t *count,
                                                    mapped_error *error);

/* How many faults the region has met since it was made, 0 for most. Rises with
 * every one: compare before and after to learn whether raw accesses met one. */
uint64_t mapped_region_fault_count(const mapped_region *region);

/* Maps the file back over lost pages, at the same addresses, and tries each
 * page; and marks what a failed flush (flush.h) was to write as changed again,
 * for the next one. MAPPED_OK when nothing is lost any more; MAPPED_FAULT with
 * the first range that still is. Private changes ("c") of lost pages are gone
 * for good. Needs the file: MAPPED_SYSTEM or MAPPED_STALE when it can't be
 * opened again, and MAPPED_SYSTEM when it can't be mapped; MAPPED_UNSUPPORTED
 * for wrapped memory. MAPPED_CLOSED.
 *
 * No other thread may be in the middle of an access to the region, inside
 * another function of the library or between `enter` and `leave`: one that has
 * met the zeros of a lost page would take them for data. Exports and spans may
 * be open: their end reports it. */
MAPPED__MUST_USE mapped_status mapped_region_recover(mapped_region *region,
                                                     mapped_error *error);

/* The two halves of mapped_region_recover, for programs in which other threads
 * go on. `begin` maps back and tries the pages, which may take its time; they
 * count as lost until `end`, which is quick and answers as recover does. Only
 * `end` must not run in the middle of another thread's access, unless that is
 * an operation of export.h; a risen mapped_region_recovery_count tells of it.
 */
MAPPED__MUST_USE mapped_status
mapped_region_recover_begin(mapped_region *region, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_region_recover_end(mapped_region *region,
                                                         mapped_error *error);
uint64_t mapped_region_recovery_count(const mapped_region *region);

MAPPED_END

#endif
