/* What searches over several slices share with those of one. */
#ifndef MAPPED_SEARCH_INTERNAL_H
#define MAPPED_SEARCH_INTERNAL_H

#include <mapped/search.h>

/* As mapped_count; `*next` is as that of mapped_needle_count. The needle isn't
 * empty. */
mapped_status mapped__count_part(mapped_slice slice, mapped_needle *needle,
                                 size_t *count, size_t *next,
                                 mapped_error *error);

#endif
