/* The one walk over the items of arrays, which gather, scatter and equal share.
 *
 * It goes over two sides of the same shape, side 0 and side 1: an array in a
 * region, or plain memory. Its caller has made sure that all items lie inside
 * of their slices, so that no sum of offsets overflows. Regions may still
 * shrink or close, which each block finds by itself: blocks are entered and
 * left as every access is. */
#ifndef MAPPED_ARRAY_INTERNAL_H
#define MAPPED_ARRAY_INTERNAL_H

#include <mapped/array.h>

/* What a comparison may expand, too. */
#define MAPPED__ARRAY_ROOM (MAPPED_ARRAY_DIMENSIONS + MAPPED_FIELDS_DEPTH + 1)

typedef struct mapped__side {
    mapped_slice slice;    /* region NULL: plain memory */
    unsigned char *memory; /* its first byte */
    size_t first;          /* where the first item begins, from there */
    size_t size;           /* bytes of an item */
    bool write;
    ptrdiff_t strides[MAPPED__ARRAY_ROOM];
} mapped__side;

typedef struct mapped__walk mapped__walk;

/* Items at equal distances that may be touched now. */
typedef struct mapped__run {
    unsigned char *p;
    ptrdiff_t stride;
} mapped__run;

/* Handles `n` items of both sides, and may set `stop`. */
typedef void mapped__act(mapped__walk *walk, const mapped__run runs[2],
                         size_t n);

/* Handles one item, at these offsets, if one of the sides is a device. */
typedef mapped_status mapped__act_one(mapped__walk *walk, const size_t at[2]);

struct mapped__walk {
    mapped__side sides[2];
    int dimensions;
    ptrdiff_t shape[MAPPED__ARRAY_ROOM];
    mapped__act *act;
    mapped__act_one *act_one;
    const void *context; /* of these */
    bool bytes;          /* several items may be taken for one */
    bool device;
    bool stop;
    mapped_error *error;
};

/* Have the two the same dimensions? */
bool mapped__array_same_shape(const mapped_array *a, const mapped_array *b);

/* Sets a side to a checked array. */
void mapped__side_set(mapped__side *side, const mapped_array *array);

/* Walks over all items, which are some; the shape and the strides of a side
 * that is plain memory, without gaps, are those of `array`. */
mapped_status mapped__walk_all(mapped__walk *walk, const mapped_array *array);

#endif
