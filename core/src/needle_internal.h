/* The parts of searching plain memory; each finds a needle of at least one byte
 * that isn't longer than the data. */
#ifndef MAPPED_NEEDLE_INTERNAL_H
#define MAPPED_NEEDLE_INTERNAL_H

#include <mapped/needle.h>

/* Searches that never look at a byte of the data more than a few times. */
size_t mapped__two_way_first(const unsigned char *needle, size_t length,
                             const unsigned char *data, size_t n);
size_t mapped__two_way_last(const unsigned char *needle, size_t length,
                            const unsigned char *data, size_t n);

/* How often one byte occurs. */
size_t mapped__count_byte(unsigned char byte, const unsigned char *data,
                          size_t n);

#endif
