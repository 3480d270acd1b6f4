/* Pagefile sections: memory with a HANDLE that the file
 * functions don't know. */
#ifndef MAPPED_WIN32_SECTION_H
#define MAPPED_WIN32_SECTION_H

#include "platform.h"

/* Is this HANDLE a section? Then `*size` is its size in bytes. */
bool mapped__section_size(intptr_t handle, uint64_t *size);

/* A section's size is for life: any size up to it is fine and changes nothing,
 * a larger one is MAPPED_UNSUPPORTED. */
mapped_status mapped__section_resize(intptr_t section, uint64_t size,
                                     mapped_error *error);

#endif
