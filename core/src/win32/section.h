/* Pagefile sections: memory with a HANDLE, which answers neither to the file
 * functions nor to GetFileType. */
#ifndef MAPPED_WIN32_SECTION_H
#define MAPPED_WIN32_SECTION_H

#include "platform.h"

/* Is this HANDLE a section? Then `*size` is its size in bytes. */
bool mapped__section_size(intptr_t handle, uint64_t *size);

/* A section's size is for life. A smaller `size` only zeroes [size, old_size),
 * so that growing back finds zeros; a larger one is MAPPED_UNSUPPORTED. */
mapped_status mapped__section_resize(intptr_t section, uint64_t old_size,
                                     uint64_t size, mapped_error *error);

#endif
