/* Copies between an array and plain memory, and between arrays by way of plain
 * memory: walks (array_internal.h) from the side FROM to the side TO. */
#include "array_internal.h"

#include <stdlib.h>
#include <string.h>

#include <mapped/bulk.h>

#include "region_internal.h"

enum { /* the sides of a walk */
    TO,
    FROM
};

/* Called with a constant size, of which the compiler makes loads and stores. */
static inline void copy_each(const mapped__run *to, const mapped__run *from,
                             size_t n, size_t size)
{
    unsigned char *p = to->p;
    const unsigned char *q = from->p;
    for (; n > 0; n--, p += to->stride, q += from->stride)
        memcpy(p, q, size);
}

static void copy_items(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    const mapped__run *to = &runs[TO], *from = &runs[FROM];
    size_t size = walk->sides[TO].size;
    if (to->stride == (ptrdiff_t)size && from->stride == (ptrdiff_t)size)
        memmove(to->p, from->p, n * size);
    else if (size == 1)
        copy_each(to, from, n, 1);
    else if (size == 2)
        copy_each(to, from, n, 2);
    else if (size == 4)
        copy_each(to, from, n, 4);
    else if (size == 8)
        copy_each(to, from, n, 8);
    else
        copy_each(to, from, n, size);
}

/* Stores records without what lies in their gaps. */
static void store_items(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        mapped__item_store(&walk->sides[TO].item,
                           runs[TO].p + (ptrdiff_t)i * runs[TO].stride,
                           runs[FROM].p + (ptrdiff_t)i * runs[FROM].stride);
}

/* Copies one item from a device. */
static mapped_status read_one(mapped__walk *walk, const size_t at[2])
{
    const mapped__side *from = &walk->sides[FROM];
    return mapped_item_read(from->slice, &from->item, at[FROM],
                            walk->sides[TO].memory + at[TO], walk->error);
}

/* Copies one item to a device. */
static mapped_status write_one(mapped__walk *walk, const size_t at[2])
{
    const mapped__side *to = &walk->sides[TO];
    return mapped_item_write(to->slice, &to->item, at[TO],
                             walk->sides[FROM].memory + at[FROM], walk->error);
}

/* May all bytes of such an item be written? */
static bool is_dense(const mapped_item *item)
{
    return item->record == NULL || item->record->dense_;
}

typedef enum direction {
    GATHER,
    SCATTER,
    FILL /* as SCATTER, but the memory is one item */
} direction;

/* Copies all items to plain memory, which has them without gaps, or from it. */
static mapped_status transfer(const mapped_array *array, unsigned char *memory,
                              direction direction, mapped_error *error)
{
    const bool write = direction != GATHER;
    const bool only_copy = !write || is_dense(&array->item);
    mapped__walk walk = {.visit_run = only_copy ? copy_items : store_items,
                         .visit_one = write ? write_one : read_one,
                         .only_copy = only_copy,
                         .error = error};
    mapped__side *other = &walk.sides[write ? FROM : TO];
    mapped_extent extent;
    mapped_status status = mapped_array_extent(array, &extent, error);
    if (status == MAPPED_OK && write)
        status = mapped_slice_check_writable(extent.bytes, error);
    if (status != MAPPED_OK || extent.count == 0)
        return status;
    mapped__side_set(&walk.sides[write ? TO : FROM], array);
    walk.sides[TO].write = write;
    other->memory = memory;
    other->size = array->item.size;
    if (direction != FILL)
        mapped__array_dense_strides(array, other->strides);
    return mapped__walk_all(&walk, array);
}

mapped_status mapped_array_gather(const mapped_array *array, void *to,
                                  mapped_error *error)
{
    mapped_status status = transfer(array, to, GATHER, error);
    return mapped__region_complete_error(array->slice.region, "gather", status,
                                         error);
}

mapped_status mapped_array_scatter(const mapped_array *array, const void *from,
                                   mapped_error *error)
{
    mapped_status status =
        transfer(array, (unsigned char *)(uintptr_t)from, SCATTER, error);
    return mapped__region_complete_error(array->slice.region, "scatter", status,
                                         error);
}

mapped_status mapped_array_fill(const mapped_array *array, const void *item,
                                mapped_error *error)
{
    mapped_status status =
        transfer(array, (unsigned char *)(uintptr_t)item, FILL, error);
    return mapped__region_complete_error(array->slice.region, "fill", status,
                                         error);
}

/* Are the items one block, that can be copied as bytes? */
static bool is_block(const mapped_array *array, const mapped_extent *extent)
{
    return extent->contiguous && is_dense(&array->item) &&
           !mapped_region_device(array->slice.region);
}

/* The two may overlap, so what isn't a block goes through a buffer. */
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
    if (!mapped__array_same_shape(to, from) ||
        !mapped_item_equal(&to->item, &from->item))
        return mapped_error_set(error, MAPPED_ARGUMENT,
                                "copy: another shape or another item");
    if (is_block(to, &target) && is_block(from, &source))
        return mapped_copy(target.bytes, 0, source.bytes, error);
    void *items = malloc(source.count * from->item.size + 1); /* never of 0 */
    if (items == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "copy");
    status = transfer(from, items, GATHER, error);
    if (status == MAPPED_OK)
        status = transfer(to, items, SCATTER, error);
    free(items);
    return status;
}

mapped_status mapped_array_copy(const mapped_array *to,
                                const mapped_array *from, mapped_error *error)
{
    mapped_status status = copy(to, from, error);
    return mapped__region_complete_error(to->slice.region, "copy", status,
                                         error);
}
