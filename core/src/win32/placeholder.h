/* Placeholders: address space that can be cut, joined, and swapped for pages
 * and back without ever being free in between. Windows has them
 * since 10.0.17134 (1803); where they are missing, `available` says so and
 * nothing else here may be called. */
#ifndef MAPPED_WIN32_PLACEHOLDER_H
#define MAPPED_WIN32_PLACEHOLDER_H

#include <windows.h>

#include "platform.h"

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
 * pages, for the view / the view for a placeholder of the same extent. */
bool mapped__placeholder_to_view(unsigned char *start,
                                 const mapped__view *view);
bool mapped__placeholder_from_view(unsigned char *start);

#endif
