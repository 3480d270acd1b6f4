/* What the files of the Windows backend share. */
#ifndef MAPPED_WIN32_SYSTEM_H
#define MAPPED_WIN32_SYSTEM_H

#include <windows.h>

#include "platform.h"

/* MAPPED_SYSTEM with the error of the thread's last call of the system. */
static inline mapped_status mapped__system_error(mapped_error *error,
                                                 const char *call)
{
    return mapped_error_set_system(error, (int)GetLastError(), call);
}

/* Sections of the pagefile: memory with a HANDLE that the file functions don't
 * know (section.c). */

/* Is this HANDLE a section? Then `*size` is its size in bytes. */
bool mapped__section_size(intptr_t handle, uint64_t *size);

/* A section's size is for life: any size up to it is fine and changes nothing,
 * a larger one is MAPPED_UNSUPPORTED. */
mapped_status mapped__section_resize(intptr_t section, uint64_t size,
                                     mapped_error *error);

/* Placeholders: address space that can be split, joined, and swapped for pages
 * and back without ever being free in between. Windows has them since
 * 10.0.17134 (1803); where they are missing, `available` says so and nothing
 * else here may be called (placeholder.c). */

bool mapped__placeholder_available(void);

/* One placeholder anywhere; NULL and GetLastError on failure. `size` is a
 * multiple of the allocation granularity. */
unsigned char *mapped__placeholder_reserve(size_t size);

/* [start, start + size), the head or the tail of a placeholder, becomes one of
 * its own / the placeholders in [start, start + size) become one. */
bool mapped__placeholder_split(unsigned char *start, size_t size);
bool mapped__placeholder_join(unsigned char *start, size_t size);

/* Where in which section a view lies, and how its pages may be used. */
typedef struct mapped__view {
    HANDLE section;
    uint64_t offset;
    size_t size; /* bytes; the system rounds up, but not past the section */
    DWORD protection;
} mapped__view;

/* Swaps the placeholder at `start`, which is as large as the view rounded up to
 * pages, for the view / the view for a placeholder of the same size. */
bool mapped__placeholder_to_view(unsigned char *start,
                                 const mapped__view *view);
bool mapped__placeholder_from_view(unsigned char *start);

/* Views: pages of a file or a section in the address space (view.c). */

/* What a mapping consists of: its `view_kind`. */
enum {
    MAPPED__VIEW_NONE,  /* private memory, no view */
    MAPPED__VIEW_PLAIN, /* one view, placed by the system */
    MAPPED__VIEW_PLACED /* a row of views and placeholders without a gap */
};

/* How the pages of a mapping with these flags may be used, as long as it isn't
 * write-protected. */
DWORD mapped__view_protection(unsigned flags);

/* The address space a mapping owns: nothing else can begin before the next
 * multiple of the allocation granularity, so that much is always its own. */
size_t mapped__view_size(const mapped__mapping *mapping);

/* One allocation of the system inside a mapping: where it begins and ends. */
typedef struct mapped__piece {
    unsigned char *start;
    unsigned char *end;
    bool is_view; /* else a placeholder, or private memory */
} mapped__piece;

/* Sets `*piece` to the piece that `at` lies in. False if nothing is allocated
 * there, or `at` is not before `end`. What lies behind `end` isn't looked at.
 */
bool mapped__view_piece(unsigned char *at, unsigned char *end,
                        mapped__piece *piece);

/* mapped__map_new for a file or a section. */
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

/* Around each swap of views, of which there is one at a time in the process
 * (fault.c). While it lasts, its addresses are a placeholder, and an access to
 * them is an access violation, which waits in the exception handler for the
 * end. */

void mapped__swap_begin(unsigned char *start, size_t length);
void mapped__swap_end(void);

#endif
