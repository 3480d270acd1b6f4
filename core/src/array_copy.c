/* The walk over arrays, and copying by it. */
#include "array_internal.h"

#include <stdlib.h>
#include <string.h>

#include <mapped/bulk.h>

#include "region_internal.h"

/* Bytes between one enter and its leave. Of items that lie apart at most a
 * page, so that no page without an item is touched. */
#define BLOCK ((size_t)4096)
#define WHOLE_BLOCK ((size_t)256 << 10)

void mapped__side_set(mapped__side *side, const mapped_array *array)
{
    side->slice = array->slice;
    side->first = array->first;
    side->size = array->item.size;
    memcpy(side->strides, array->strides,
           (size_t)array->dimensions * sizeof side->strides[0]);
}

static size_t most_of(const mapped__side *side, ptrdiff_t stride)
{
    size_t step = stride < 0 ? 0 - (size_t)stride : (size_t)stride;
    size_t block = stride == (ptrdiff_t)side->size ? WHOLE_BLOCK : BLOCK;
    if (side->slice.region == NULL || step == 0)
        return block;
    return step >= block ? 1 : block / step;
}

/* The bytes from the first of some items to the last. */
typedef struct reach {
    size_t low, back, span;
} reach;

static reach reach_of(const mapped__side *side, size_t at, size_t n,
                      ptrdiff_t stride)
{
    bool down = stride < 0;
    size_t far = (n - 1) * (down ? 0 - (size_t)stride : (size_t)stride);
    return (reach){down ? at - far : at, down ? far : 0, far + side->size};
}

static mapped_status enter(const mapped__walk *walk, const mapped__side *side,
                           const reach *reach, unsigned char **p)
{
    mapped_status status = MAPPED_OK;
    if (side->slice.region == NULL)
        *p = side->plain + reach->low;
    else if (side->write)
        status = mapped_slice_enter_write(side->slice, reach->low, reach->span,
                                          p, walk->error);
    else
        status = mapped_slice_enter(side->slice, reach->low, reach->span, p,
                                    walk->error);
    return status;
}

/* Side 1, which is only read, is entered before side 0 and left before it. */
static mapped_status walk_block(mapped__walk *walk, const size_t at[2],
                                size_t n)
{
    int last = walk->dimensions - 1;
    mapped__run runs[2];
    reach reaches[2];
    mapped_status status = MAPPED_OK;
    if (walk->device)
        return walk->act_one(walk, at);
    for (int i = 1; i >= 0 && status == MAPPED_OK; i--) {
        const mapped__side *side = &walk->sides[i];
        runs[i].stride = side->strides[last];
        reaches[i] = reach_of(side, at[i], n, runs[i].stride);
        status = enter(walk, side, &reaches[i], &runs[i].p);
        if (status == MAPPED_OK)
            runs[i].p += reaches[i].back;
    }
    if (status == MAPPED_OK)
        walk->act(walk, runs, n);
    for (int i = 1; i >= 0 && status == MAPPED_OK; i--)
        if (walk->sides[i].slice.region != NULL)
            status = mapped_slice_leave(walk->sides[i].slice, reaches[i].low,
                                        reaches[i].span, walk->error);
    return status;
}

/* The items of the last dimension. */
static mapped_status walk_row(mapped__walk *walk, const size_t start[2])
{
    int last = walk->dimensions - 1;
    ptrdiff_t a = walk->sides[0].strides[last],
              b = walk->sides[1].strides[last];
    size_t at[2] = {start[0], start[1]}, left = (size_t)walk->shape[last], n;
    size_t most = most_of(&walk->sides[0], a);
    mapped_status status = MAPPED_OK;
    if (most > most_of(&walk->sides[1], b))
        most = most_of(&walk->sides[1], b);
    if (walk->device)
        most = 1;
    for (; left > 0 && status == MAPPED_OK && !walk->stop; left -= n) {
        n = left < most ? left : most;
        status = walk_block(walk, at, n);
        at[0] += n * (size_t)a;
        at[1] += n * (size_t)b;
    }
    return status;
}

static mapped_status walk_rows(mapped__walk *walk, int dimension,
                               const size_t start[2])
{
    size_t at[2] = {start[0], start[1]};
    mapped_status status = MAPPED_OK;
    if (dimension == walk->dimensions - 1)
        return walk_row(walk, at);
    for (ptrdiff_t i = 0;
         i < walk->shape[dimension] && status == MAPPED_OK && !walk->stop;
         i++) {
        status = walk_rows(walk, dimension + 1, at);
        at[0] += (size_t)walk->sides[0].strides[dimension];
        at[1] += (size_t)walk->sides[1].strides[dimension];
    }
    return status;
}

static bool continues(const mapped__side *side, int outer, ptrdiff_t length,
                      ptrdiff_t stride)
{
    return (size_t)side->strides[outer] == (size_t)length * (size_t)stride;
}

/* Two dimensions that are one on both sides become one. */
static void add_dimension(mapped__walk *walk, ptrdiff_t length, ptrdiff_t a,
                          ptrdiff_t b)
{
    int last = walk->dimensions - 1;
    if (last >= 0 && continues(&walk->sides[0], last, length, a) &&
        continues(&walk->sides[1], last, length, b))
        walk->shape[last] *= length;
    else
        walk->shape[last = walk->dimensions++] = length;
    walk->sides[0].strides[last] = a;
    walk->sides[1].strides[last] = b;
}

/* Rows without gaps become items, if they are no larger than a block. */
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
    if (walk->bytes && !walk->device)
        fold(walk);
    return walk_rows(walk, 0, at);
}

/* Loads and stores that the compiler may unroll: the memory was entered. */
#define COPY_APART(bits)                                                    \
    static void copy_##bits(const mapped__run *to, const mapped__run *from, \
                            size_t n)                                       \
    {                                                                       \
        unsigned char *p = to->p;                                           \
        const unsigned char *q = from->p;                                   \
        for (; n > 0; n--, p += to->stride, q += from->stride)              \
            memcpy(p, q, bits / 8);                                         \
    }
COPY_APART(8)
COPY_APART(16)
COPY_APART(32)
COPY_APART(64)

static void copy_any(const mapped__run *to, const mapped__run *from, size_t n,
                     size_t size)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to->p + (ptrdiff_t)i * to->stride,
               from->p + (ptrdiff_t)i * from->stride, size);
}

static void copy_items(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    const mapped__run *to = &runs[0], *from = &runs[1];
    size_t size = walk->sides[0].size;
    if (to->stride == (ptrdiff_t)size && from->stride == (ptrdiff_t)size)
        memmove(to->p, from->p, n * size);
    else if (size == 1)
        copy_8(to, from, n);
    else if (size == 2)
        copy_16(to, from, n);
    else if (size == 4)
        copy_32(to, from, n);
    else if (size == 8)
        copy_64(to, from, n);
    else
        copy_any(to, from, n, size);
}

/* Records with gaps, which stay as they are. */
static void store_items(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        mapped__item_store(walk->context,
                           runs[0].p + (ptrdiff_t)i * runs[0].stride,
                           runs[1].p + (ptrdiff_t)i * runs[1].stride);
}

static mapped_status read_one(mapped__walk *walk, const size_t at[2])
{
    return mapped_item_read(walk->sides[1].slice, walk->context, at[1],
                            walk->sides[0].plain + at[0], walk->error);
}

static mapped_status write_one(mapped__walk *walk, const size_t at[2])
{
    return mapped_item_write(walk->sides[0].slice, walk->context, at[0],
                             walk->sides[1].plain + at[1], walk->error);
}

/* Plain memory in the order of the array's items. */
static void set_plain(mapped__side *side, const mapped_array *array,
                      unsigned char *plain)
{
    ptrdiff_t stride = (ptrdiff_t)array->item.size;
    side->plain = plain;
    side->size = array->item.size;
    for (int i = array->dimensions - 1; i >= 0; i--) {
        side->strides[i] = stride;
        stride *= array->shape[i];
    }
}

static bool is_dense(const mapped_item *item)
{
    return item->record == NULL || item->record->dense_;
}

/* Between all items and plain memory. */
static mapped_status transfer(const mapped_array *array, unsigned char *plain,
                              bool write, mapped_error *error)
{
    bool bytes = !write || is_dense(&array->item);
    mapped__walk walk = {.act = bytes ? copy_items : store_items,
                         .act_one = write ? write_one : read_one,
                         .context = &array->item,
                         .bytes = bytes,
                         .error = error};
    mapped_extent extent;
    mapped_status status = mapped_array_extent(array, &extent, error);
    if (status == MAPPED_OK && write)
        status = mapped_slice_check_writable(extent.bytes, error);
    if (status != MAPPED_OK || extent.count == 0)
        return status;
    mapped__side_set(&walk.sides[write ? 0 : 1], array);
    set_plain(&walk.sides[write ? 1 : 0], array, plain);
    walk.sides[0].write = write;
    return mapped__walk_all(&walk, array);
}

mapped_status mapped_array_gather(const mapped_array *array, void *to,
                                  mapped_error *error)
{
    return mapped__region_name_status(array->slice.region, "gather",
                                      transfer(array, to, false, error), error);
}

mapped_status mapped_array_scatter(const mapped_array *array, const void *from,
                                   mapped_error *error)
{
    return mapped__region_name_status(
        array->slice.region, "scatter",
        transfer(array, (unsigned char *)(uintptr_t)from, true, error), error);
}

static bool is_alike(const mapped_array *a, const mapped_array *b)
{
    if (a->dimensions != b->dimensions || !mapped_item_is(&a->item, &b->item))
        return false;
    for (int i = 0; i < a->dimensions; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

static bool is_plain(const mapped_array *array, const mapped_extent *extent)
{
    return extent->contiguous && is_dense(&array->item) &&
           !mapped_region_device(array->slice.region);
}

/* Through a copy, unless both are bytes in a row. */
static mapped_status copy(const mapped_array *to, const mapped_array *from,
                          mapped_error *error)
{
    mapped_extent target, source;
    mapped_status status = mapped_array_extent(from, &source, error);
    if (status == MAPPED_OK)
        status = mapped_array_extent(to, &target, error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(target.bytes, error);
    if (status != MAPPED_OK)
        return status;
    if (!is_alike(to, from))
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    if (is_plain(to, &target) && is_plain(from, &source))
        return mapped_copy(target.bytes, 0, source.bytes, error);
    void *items = malloc(source.count * from->item.size + 1);
    if (items == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "array");
    status = mapped_array_gather(from, items, error);
    if (status == MAPPED_OK)
        status = mapped_array_scatter(to, items, error);
    free(items);
    return status;
}

mapped_status mapped_array_copy(const mapped_array *to,
                                const mapped_array *from, mapped_error *error)
{
    return mapped__region_name_status(to->slice.region, "copy",
                                      copy(to, from, error), error);
}
