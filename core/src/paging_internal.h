/* What the files of this topic share. */
#ifndef MAPPED_PAGING_INTERNAL_H
#define MAPPED_PAGING_INTERNAL_H

#include <mapped/bulk.h>
#include <mapped/checked.h>
#include <mapped/paging.h>

#include "region_internal.h"

/* Whole pages in memory. */
typedef struct mapped__pages {
    unsigned char *start;
    size_t length; /* bytes */
} mapped__pages;

/* mapped_slice_check, and MAPPED_UNSUPPORTED for a device. */
mapped_status mapped__paging_check(mapped_slice slice, const char *operation,
                                   mapped_error *error);

/* Does the region show a file, which it may have to open by its name? */
static inline bool mapped__paging_has_file(const mapped__region *self)
{
    return !self->wrapped &&
           (self->file != MAPPED__NO_FILE || self->name != NULL);
}

/* Enters the slice, and sets `*pages` to all pages that it has a byte of: none,
 * if it is empty. */
mapped_status mapped__paging_enter(mapped_slice slice, mapped__pages *pages,
                                   mapped_error *error);

/* For a slice of which the system says that a page can't be had; it isn't
 * empty. Reads a byte of each page, so that the guard notes which are lost, and
 * answers MAPPED_FAULT if one is. With the guard switched off the read would
 * end the process: then it just answers MAPPED_FAULT. */
mapped_status mapped__paging_touch(mapped_slice slice, mapped_error *error);

#endif
