/* One swap of pages at a time in the whole process. While it lasts its
 * addresses are a placeholder's, and an access to them is an access violation;
 * fault.c makes that access wait. */
#ifndef MAPPED_WIN32_SWAP_H
#define MAPPED_WIN32_SWAP_H

#include "platform.h"

void mapped__swap_begin(unsigned char *start, size_t length);
void mapped__swap_end(void);

/* Is `address` being swapped right now? / Has there ever been a swap? */
bool mapped__swap_covers(const unsigned char *address);
bool mapped__swap_happened(void);

#endif
