/* Views: pages of a file or a pagefile section in the address space. The
 * backend keeps in `mapping->section` which kind of mapping it is. */
#ifndef MAPPED_WIN32_VIEW_H
#define MAPPED_WIN32_VIEW_H

#include "platform.h"

#define MAPPED__VIEW_PLAIN ((intptr_t)1)  /* one view, placed by the system */
#define MAPPED__VIEW_PLACED ((intptr_t)2) /* views and placeholders, no gap */

/* The address space a mapping owns: nothing else can begin before the next
 * multiple of the allocation granularity, so that much is always its own. */
size_t mapped__view_extent(const mapped__mapping *mapping);

/* One allocation of the system inside a mapping. */
typedef struct mapped__piece {
    unsigned char *start;
    unsigned char *end;
    bool view;
} mapped__piece;

/* The piece at `at`; false if there is none before `end`. */
bool mapped__view_piece(unsigned char *at, unsigned char *end,
                        mapped__piece *piece);

/* Maps what `request` says as the `mapping` plans it; then only `address` and
 * `section` change. On failure nothing does. */
mapped_status mapped__view_map(const mapped__map_request *request,
                               mapped__mapping *mapping, mapped_error *error);

/* Placed mappings only: adds [mapping->used, used). MAPPED_BUSY if these
 * addresses aren't free for it. */
mapped_status mapped__view_extend(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t used, mapped_error *error);

/* Placed mappings only: unmaps everything and keeps the addresses. */
void mapped__view_detach(mapped__mapping *mapping);

/* Swaps all views in [start, end) for zero pages; nothing else ever gets the
 * addresses. MAPPED_UNSUPPORTED, and nothing has changed, unless they are whole
 * views in place of placeholders. May be called inside a fault handler. */
mapped_status mapped__view_zero(unsigned char *start, unsigned char *end,
                                bool writable, mapped_error *error);

/* Placed mappings only: maps all of it again after mapped__view_zero. On
 * failure it is zero pages still. */
mapped_status mapped__view_restore(mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   mapped_error *error);

#endif
