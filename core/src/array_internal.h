/* The one walk over the items of arrays, which gather, scatter, fill, copy,
 * equal, find and count share.
 *
 * It goes over two *sides* of the same shape at once: each is an array in a
 * region, or plain memory. It hands items to a function in *blocks*, each of
 * which is entered and left as every access is, so that a region that shrinks
 * or closes meanwhile is noticed. The caller has made sure that all items lie
 * inside of their slices, so no sum of offsets overflows. On devices each item
 * is handled by itself. */
#ifndef MAPPED_ARRAY_INTERNAL_H
#define MAPPED_ARRAY_INTERNAL_H

#include <mapped/array.h>

/* The dimensions of an array and those that a comparison adds: one for each
 * record in a record, and one for the elements of a field. */
#define MAPPED__ARRAY_ROOM (MAPPED_ARRAY_DIMENSIONS + MAPPED_FIELDS_DEPTH + 1)

typedef struct mapped__side {
    mapped_slice slice;    /* region NULL: plain memory */
    unsigned char *memory; /* of plain memory */
    size_t first;          /* where the first item begins in these */
    mapped_item item;
    size_t size; /* bytes to hand over as one item */
    bool write;
    ptrdiff_t strides[MAPPED__ARRAY_ROOM];
} mapped__side;

/* Items of one side, at equal distances, that may be accessed now. */
typedef struct mapped__run {
    unsigned char *p;
    ptrdiff_t stride;
} mapped__run;

typedef struct mapped__walk mapped__walk;

/* Handles `n` items of both sides. It may set `walk->stop`. */
typedef void mapped__visit_run(mapped__walk *walk, const mapped__run runs[2],
                               size_t n);

/* Handles the item of both sides that begins at these offsets. It accesses the
 * slices by itself: at least one is a device's. */
typedef mapped_status mapped__visit_one(mapped__walk *walk, const size_t at[2]);

struct mapped__walk {
    mapped__side sides[2];
    int dimensions;
    ptrdiff_t shape[MAPPED__ARRAY_ROOM];
    mapped__visit_run *visit_run;
    mapped__visit_one *visit_one;
    void *context;  /* of these two */
    bool only_copy; /* items without gaps may be handed over as one */
    bool device;
    bool stop; /* after this block */
    mapped_error *error;
};

/* Returns how many bytes apart two items are. */
static inline size_t mapped__array_step(ptrdiff_t stride)
{
    return stride < 0 ? 0 - (size_t)stride : (size_t)stride;
}

/* Have the two the same dimensions? */
bool mapped__array_same_shape(const mapped_array *a, const mapped_array *b);

/* Sets `strides` to those of items that follow each other without gaps, the
 * last dimension fastest, in the array's shape. */
void mapped__array_dense_strides(const mapped_array *array, ptrdiff_t *strides);

/* Sets a side to a checked array. */
void mapped__side_set(mapped__side *side, const mapped_array *array);

/* Walks over all items, of which there are some; both sides have the shape of
 * `array`. */
mapped_status mapped__walk_all(mapped__walk *walk, const mapped_array *array);

#endif
