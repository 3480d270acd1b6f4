/* The walk over two sides: see array_internal.h. mapped__walk_all merges the
 * dimensions that it can, walk_rows goes down the dimensions, walk_row cuts the
 * last one into blocks, and walk_block enters one, hands it over and leaves. */
#include "array_internal.h"

#include <string.h>

/* At most so many bytes are one block. Of items that lie apart it is a page at
 * most, so that a page without an item is not accessed. */
#define BLOCK ((size_t)4096)
#define DENSE_BLOCK ((size_t)256 << 10)

bool mapped__array_same_shape(const mapped_array *a, const mapped_array *b)
{
    if (a->dimensions != b->dimensions)
        return false;
    for (int i = 0; i < a->dimensions; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

void mapped__side_set(mapped__side *side, const mapped_array *array)
{
    side->slice = array->slice;
    side->first = array->first;
    side->item = array->item;
    side->size = array->item.size;
    memcpy(side->strides, array->strides,
           (size_t)array->dimensions * sizeof side->strides[0]);
}

static size_t items_per_block(const mapped__side *side, ptrdiff_t stride)
{
    size_t step = mapped__array_step(stride);
    size_t block = stride == (ptrdiff_t)side->size ? DENSE_BLOCK : BLOCK;
    if (side->slice.region == NULL || step == 0)
        return block; /* any number would do */
    return step >= block ? 1 : block / step;
}

/* The bytes of a block. With a negative stride its first item is the last in
 * memory. */
typedef struct byte_range {
    size_t start;
    size_t length;
    size_t first_item; /* where in these bytes that begins */
} byte_range;

static byte_range range_of(const mapped__side *side, size_t at, size_t n,
                           ptrdiff_t stride)
{
    size_t reach = (n - 1) * mapped__array_step(stride);
    size_t before = stride < 0 ? reach : 0;
    return (byte_range){at - before, reach + side->size, before};
}

static mapped_status enter(const mapped__walk *walk, const mapped__side *side,
                           const byte_range *range, unsigned char **p)
{
    mapped_status status = MAPPED_OK;
    if (side->slice.region == NULL)
        *p = side->memory + range->start;
    else if (side->write)
        status = mapped_slice_enter_write(side->slice, range->start,
                                          range->length, p, walk->error);
    else
        status = mapped_slice_enter(side->slice, range->start, range->length, p,
                                    walk->error);
    return status;
}

/* Handles `n` items of the last dimension. Side 1, which is only read, is
 * entered and left first, so of two errors its one is reported. Entering holds
 * nothing, so there is nothing to undo if the other side fails. */
static mapped_status walk_block(mapped__walk *walk, const size_t at[2],
                                size_t n)
{
    int last = walk->dimensions - 1;
    mapped__run runs[2];
    byte_range ranges[2];
    mapped_status status = MAPPED_OK;
    if (walk->device)
        return walk->visit_one(walk, at);
    for (int i = 1; i >= 0 && status == MAPPED_OK; i--) {
        const mapped__side *side = &walk->sides[i];
        runs[i].stride = side->strides[last];
        ranges[i] = range_of(side, at[i], n, runs[i].stride);
        status = enter(walk, side, &ranges[i], &runs[i].p);
        if (status == MAPPED_OK)
            runs[i].p += ranges[i].first_item;
    }
    if (status == MAPPED_OK)
        walk->visit_run(walk, runs, n);
    for (int i = 1; i >= 0 && status == MAPPED_OK; i--)
        if (walk->sides[i].slice.region != NULL)
            status = mapped_slice_leave(walk->sides[i].slice, ranges[i].start,
                                        ranges[i].length, walk->error);
    return status;
}

/* Handles all items of the last dimension, in blocks. */
static mapped_status walk_row(mapped__walk *walk, const size_t start[2])
{
    int last = walk->dimensions - 1;
    ptrdiff_t a = walk->sides[0].strides[last],
              b = walk->sides[1].strides[last];
    size_t at[2] = {start[0], start[1]}, left = (size_t)walk->shape[last], n;
    size_t max_items = items_per_block(&walk->sides[0], a);
    size_t max_other = items_per_block(&walk->sides[1], b);
    mapped_status status = MAPPED_OK;
    if (max_items > max_other)
        max_items = max_other;
    if (walk->device)
        max_items = 1;
    for (; left > 0 && status == MAPPED_OK && !walk->stop; left -= n) {
        n = left < max_items ? left : max_items;
        status = walk_block(walk, at, n);
        at[0] += n * (size_t)a;
        at[1] += n * (size_t)b;
    }
    return status;
}

/* Handles all items from `start` on, of this dimension and those after it. */
static mapped_status walk_rows(mapped__walk *walk, int dimension,
                               const size_t start[2])
{
    size_t at[2] = {start[0], start[1]};
    mapped_status status = MAPPED_OK;
    if (dimension == walk->dimensions - 1)
        return walk_row(walk, start);
    for (ptrdiff_t i = 0;
         i < walk->shape[dimension] && status == MAPPED_OK && !walk->stop;
         i++) {
        status = walk_rows(walk, dimension + 1, at);
        at[0] += (size_t)walk->sides[0].strides[dimension];
        at[1] += (size_t)walk->sides[1].strides[dimension];
    }
    return status;
}

/* Is a step in the dimension `outer` as far as `length` steps of `stride`? */
static bool is_even(const mapped__side *side, int outer, ptrdiff_t length,
                    ptrdiff_t stride)
{
    return (size_t)side->strides[outer] == (size_t)length * (size_t)stride;
}

/* Merges the dimension into the one before if both sides step through the two
 * evenly. */
static void add_dimension(mapped__walk *walk, ptrdiff_t length, ptrdiff_t a,
                          ptrdiff_t b)
{
    int last = walk->dimensions - 1;
    if (last >= 0 && is_even(&walk->sides[0], last, length, a) &&
        is_even(&walk->sides[1], last, length, b)) {
        walk->shape[last] *= length;
    } else {
        last = walk->dimensions++;
        walk->shape[last] = length;
    }
    walk->sides[0].strides[last] = a;
    walk->sides[1].strides[last] = b;
}

/* Makes each row of items without gaps one larger item, if that fits a block.
 * Then there are fewer and longer rows. */
static void fold(mapped__walk *walk)
{
    int last = walk->dimensions - 1;
    mapped__side *a = &walk->sides[0], *b = &walk->sides[1];
    size_t length = (size_t)walk->shape[last];
    if (last == 0 || a->strides[last] != (ptrdiff_t)a->size ||
        b->strides[last] != (ptrdiff_t)b->size || a->size > BLOCK / length)
        return;
    a->size *= length;
    b->size *= length;
    walk->dimensions--;
}

mapped_status mapped__walk_all(mapped__walk *walk, const mapped_array *array)
{
    const size_t at[2] = {walk->sides[0].first, walk->sides[1].first};
    walk->dimensions = 0;
    for (int i = 0; i < array->dimensions; i++)
        if (array->shape[i] != 1)
            add_dimension(walk, array->shape[i], walk->sides[0].strides[i],
                          walk->sides[1].strides[i]);
    if (walk->dimensions == 0)
        add_dimension(walk, 1, (ptrdiff_t)walk->sides[0].size,
                      (ptrdiff_t)walk->sides[1].size);
    for (int i = 0; i < 2; i++)
        if (walk->sides[i].slice.region != NULL &&
            mapped_region_device(walk->sides[i].slice.region))
            walk->device = true;
    if (walk->only_copy && !walk->device)
        fold(walk);
    return walk_rows(walk, 0, at);
}
