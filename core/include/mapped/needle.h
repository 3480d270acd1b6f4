/* A needle: the bytes of one search, made ready once and looked for many times.
 * This is the part of searching that knows plain memory only; search.h looks
 * for needles in slices.
 *
 * Every search takes time in proportion to the data and the needle, whatever
 * bytes they hold, and stays inside [data, data + n) even while another process
 * changes the data or the needle. An empty needle is found at every offset. */
#ifndef MAPPED_NEEDLE_H
#define MAPPED_NEEDLE_H

#include <mapped/base.h>

MAPPED_BEGIN

/* What the searches answer when there is nothing to be found. */
#define MAPPED_NOT_FOUND SIZE_MAX

/* Borrows `bytes`, which must stay valid for as long as it is searched for.
 * Don't touch the fields. Searches only read it, so threads may share one. */
typedef struct mapped_needle {
    const unsigned char *bytes_;
    size_t length_;
    size_t rare_;   /* the two places that are compared first: */
    size_t second_; /* the first rules most positions out */
    bool tuned_;
    bool unseen_; /* the first of them wasn't seen at all */
} mapped_needle;

/* `bytes` may be NULL if `length` is 0. */
void mapped_needle_init(mapped_needle *needle, const void *bytes,
                        size_t length);

MAPPED__INLINE const void *mapped_needle_bytes(const mapped_needle *needle)
{
    return needle->bytes_;
}

MAPPED__INLINE size_t mapped_needle_length(const mapped_needle *needle)
{
    return needle->length_;
}

/* Looks at a sample of the data for which of the needle's bytes are rare there.
 * Only speed depends on it. */
void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n);

/* The offset of the first, or the last, occurrence in n bytes at `data`. */
size_t mapped_needle_first(const mapped_needle *needle, const void *data,
                           size_t n);
size_t mapped_needle_last(const mapped_needle *needle, const void *data,
                          size_t n);

/* How many occurrences that don't overlap, counted from the front. `*next` is
 * where the count would go on if the data did: behind the last occurrence, or
 * where one that the end cuts off could begin. */
size_t mapped_needle_count(const mapped_needle *needle, const void *data,
                           size_t n, size_t *next);

/* Searches of long needles that look at no byte of the data more than a few
 * times, for needles of at least one byte that are not longer than the data. */
size_t mapped__two_way_first(const unsigned char *needle, size_t length,
                             const unsigned char *data, size_t n);
size_t mapped__two_way_last(const unsigned char *needle, size_t length,
                            const unsigned char *data, size_t n);

MAPPED_END

#endif
