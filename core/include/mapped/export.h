/* An export: a raw pointer to a slice's bytes for somebody who reads or writes
 * them unchecked, and who is to hear at its end whether they were all there.
 *
 * An export is a pin (region.h): until its end `close` and a shrink answer
 * MAPPED_BUSY, and the pointer stays valid where the region moves to grow. Lost
 * pages read as zeros through it. What was read counts only if
 * mapped_export_end answers MAPPED_OK, whoever else has been told of the loss
 * in between and even if the pages have been recovered since. */
#ifndef MAPPED_EXPORT_H
#define MAPPED_EXPORT_H

#include <mapped/slice.h>

MAPPED_BEGIN

/* `*data` is the slice's first byte and `*since` what the end needs to know.
 * MAPPED_FAULT if a page of the slice is known to be lost, so that nobody is
 * handed zeros for data; MAPPED_RANGE if the region has shrunk below the slice;
 * MAPPED_CLOSED. Touches no page. */
MAPPED__MUST_USE mapped_status mapped_export_begin(mapped_slice slice,
                                                   void **data, uint64_t *since,
                                                   mapped_error *error);

/* Ends what a successful begin began, in any case. The slice may be longer now,
 * or shorter: it is the one that is asked about. MAPPED_FAULT if a page of it
 * is lost or was at any time since the begin. */
MAPPED__MUST_USE mapped_status mapped_export_end(mapped_slice slice,
                                                 uint64_t since,
                                                 mapped_error *error);

MAPPED_END

#endif
