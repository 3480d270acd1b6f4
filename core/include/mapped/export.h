/* An export: a pointer that has left the library and is counted.
 *
 * Reads and writes through the pointer are not checked. The end of the export
 * reports whether a page of the slice was lost meanwhile. C spans, Python
 * buffers, Lua pointers and long operations are exports that differ in their
 * owner.
 *
 * While there is an export `close` and a shrink answer MAPPED_BUSY, and the
 * pointer stays valid where the region moves to grow: the region leaves behind
 * what it shows. Lost pages read as zeros through it. What was read counts only
 * if mapped_export_end answers MAPPED_OK: it reports lost pages even if another
 * function has reported them before, and if they have been recovered since.
 *
 * Functions may be called from any thread that holds a reference to the region;
 * one export belongs to one thread at a time. */
#ifndef MAPPED_EXPORT_H
#define MAPPED_EXPORT_H

#include <mapped/slice.h>

MAPPED_BEGIN

typedef struct mapped_export {
    mapped_slice slice; /* what its end reports on; may be changed */
    void *data;         /* the slice's first byte; NULL of an operation */
    uint64_t since;     /* mapped_region_recovery_count at its begin */
} mapped_export;

/* Begins an export of the slice, and counts it. MAPPED_FAULT if a page of the
 * slice is known to be lost, so that nobody is handed zeros for data;
 * MAPPED_RANGE if the region has shrunk below the slice; MAPPED_CLOSED. Touches
 * no page. */
MAPPED__MUST_USE mapped_status mapped_export_begin(mapped_slice slice,
                                                   mapped_export *exported,
                                                   mapped_error *error);

/* Begins an operation: an export without a pointer, for a long call of the
 * library during which other threads may recover the region. Each access in it
 * is checked. `close` doesn't wait for it; but it holds a reference, which
 * keeps the addresses. Never fails; the region may be closed. */
void mapped_export_begin_operation(mapped_region *region,
                                   mapped_export *exported);

/* MAPPED_FAULT if a page of the slice is lost or was at any time since the
 * begin. For an operation only if a page has been recovered since: its accesses
 * themselves report the pages that are lost now. The export goes on. */
MAPPED__MUST_USE mapped_status
mapped_export_check(const mapped_export *exported, mapped_error *error);

/* Answers as mapped_export_check and ends the export in any case, from any
 * thread. The end of the last one of a retired region ends its memory, and
 * calls the hook of a wrapped one. Once it has ended, the check and another end
 * answer MAPPED_CLOSED and do nothing, as they do of one that is all zero. */
MAPPED__MUST_USE mapped_status mapped_export_end(mapped_export *exported,
                                                 mapped_error *error);

MAPPED_END

#endif
