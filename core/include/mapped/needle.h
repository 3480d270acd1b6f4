/* A needle: the bytes that one search looks for, prepared once and then used
 * for any number of haystacks. These functions search plain memory; search.h
 * looks for needles in slices.
 *
 * The time of a search is proportional to the lengths of haystack and needle,
 * whatever bytes they hold. A search never reads outside of [haystack,
 * haystack + n), even while another process changes the bytes of either. An
 * empty needle matches at every offset. */
#ifndef MAPPED_NEEDLE_H
#define MAPPED_NEEDLE_H

#include <mapped/base.h>

MAPPED_BEGIN

/* A needle borrows its bytes, which must stay valid until the last search.
 * Searches in plain memory only read it, so threads may share one. The fields
 * are private. */
typedef struct mapped_needle {
    const unsigned char *bytes_;
    size_t length_;
    size_t rare_;   /* the offset of the byte that searches compare first */
    size_t second_; /* the offset of the one that they compare second */
    bool tuned_;    /* both were chosen from a sample, or need not be */
    bool unseen_;   /* the sample doesn't contain the byte at `rare_` */
} mapped_needle;

/* Prepares a needle of these bytes; `bytes` may be NULL if `length` is 0. */
MAPPED__INLINE void mapped_needle_init(mapped_needle *needle, const void *bytes,
                                       size_t length)
{
    needle->bytes_ = (const unsigned char *)bytes;
    needle->length_ = length;
    needle->rare_ = 0;
    needle->second_ = length > 0 ? length - 1 : 0;
    needle->tuned_ = length < 2;
    needle->unseen_ = false;
}

/* The bytes that were given, and how many. */
MAPPED__INLINE const void *mapped_needle_bytes(const mapped_needle *needle)
{
    return needle->bytes_;
}
MAPPED__INLINE size_t mapped_needle_length(const mapped_needle *needle)
{
    return needle->length_;
}

/* Chooses the bytes of the needle to be compared first: those that are rare in
 * the n bytes of `sample`, which should be a part of the haystack. The choice
 * changes the speed of searches and never their results. */
void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n);

/* Return the offset of the first, or the last, match in n bytes of a haystack,
 * or MAPPED_NOT_FOUND. */
size_t mapped_needle_first(const mapped_needle *needle, const void *haystack,
                           size_t n);
size_t mapped_needle_last(const mapped_needle *needle, const void *haystack,
                          size_t n);

/* Returns how many matches there are, counted from the front and without
 * overlap. `*next` is the offset at which the count goes on if the haystack
 * does: after the last match, or where a match could begin that is cut off by
 * the end of these n bytes. */
size_t mapped_needle_count(const mapped_needle *needle, const void *haystack,
                           size_t n, size_t *next);

/* Private: when a search in slices takes a sample, and how long that is. A
 * search through less than MAPPED__NEEDLE_LONG bytes is over before a sample
 * would pay. */
#define MAPPED__NEEDLE_LONG ((size_t)1 << 16)
#define MAPPED__NEEDLE_SAMPLE 4096

MAPPED__INLINE bool mapped__needle_wants_sample(const mapped_needle *needle,
                                                size_t left)
{
    return !needle->tuned_ && left >= MAPPED__NEEDLE_LONG;
}

/* Private: the two-way algorithm, for needles of at least one byte that are not
 * longer than the haystack. */
size_t mapped__two_way_first(const unsigned char *needle, size_t length,
                             const unsigned char *haystack, size_t n);
size_t mapped__two_way_last(const unsigned char *needle, size_t length,
                            const unsigned char *haystack, size_t n);

MAPPED_END

#endif
