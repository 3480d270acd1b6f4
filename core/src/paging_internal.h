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

/* All pages that [first, first + n) has a byte of. */
mapped__pages mapped__paging_outward(const mapped__region *self,
                                     unsigned char *first, size_t n);

/* Reads a byte of each page of the slice, which isn't empty: MAPPED_FAULT if
 * one can't be had. With the guard switched off it answers that without a
 * read of the page: called for pages that the system has called so. */
mapped_status mapped__paging_touch(mapped_slice slice, mapped_error *error);

#endif
