/* Arrays: which bytes of the slice belong to which item. Makes arrays, finds
 * what they span, and takes parts of them. Nothing here accesses the items. */
#include "array_internal.h"

#include "region_internal.h"

size_t mapped_array_count(const mapped_array *array)
{
    size_t count = 1;
    for (int i = 0; i < array->dimensions; i++)
        count *= (size_t)array->shape[i];
    return count;
}

/* Counts the bytes of all items. Returns false if they overflow. */
static bool count_bytes(const mapped_array *array, size_t *bytes)
{
    bool fits = true;
    *bytes = array->item.size;
    for (int i = 0; i < array->dimensions; i++) {
        if (array->shape[i] == 0) {
            *bytes = 0;
            return true;
        }
        fits = fits &&
               mapped_multiply_size(*bytes, (size_t)array->shape[i], bytes);
    }
    return fits && *bytes <= PTRDIFF_MAX;
}

static bool is_sound(const mapped_array *array)
{
    const mapped_item *item = &array->item;
    if (array->dimensions < 0 || array->dimensions > MAPPED_ARRAY_DIMENSIONS ||
        item->size == 0 || item->kind > MAPPED_ITEM_RECORDS)
        return false;
    for (int i = 0; i < array->dimensions; i++)
        if (array->shape[i] < 0)
            return false;
    return item->record == NULL || item->record->fixed;
}

/* Unsigned, since without items a product may overflow. */
void mapped__array_dense_strides(const mapped_array *array, ptrdiff_t *strides)
{
    size_t stride = array->item.size;
    for (int i = array->dimensions - 1; i >= 0; i--) {
        strides[i] = (ptrdiff_t)stride;
        stride *= (size_t)array->shape[i];
    }
}

static mapped_status check_shape(const mapped_array *array, size_t *bytes,
                                 mapped_error *error)
{
    if (!is_sound(array))
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    if (!count_bytes(array, bytes))
        return mapped_error_set(error, MAPPED_OVERFLOW, "array");
    return MAPPED_OK;
}

/* Checks that the items are all of the slice. */
static mapped_status check_length(const mapped_array *array,
                                  mapped_error *error)
{
    size_t bytes, length = array->slice.length;
    mapped_status status = check_shape(array, &bytes, error);
    if (status == MAPPED_OK)
        status = mapped_slice_check(array->slice, error);
    if (status != MAPPED_OK || bytes == length)
        return status;
    const mapped_error_range range = {
        .offset = bytes, .length = length, .limit = bytes};
    return mapped_error_set_range(error, MAPPED_SIZE, "array", range);
}

/* Sets the first length to as many as the bytes are enough for. */
static mapped_status set_first_length(mapped_array *array, mapped_error *error)
{
    size_t bytes, length = array->slice.length;
    mapped_array row = *array;
    row.dimensions--;
    row.shape++;
    mapped_status status = check_shape(&row, &bytes, error);
    if (status != MAPPED_OK)
        return status;
    if (bytes == 0)
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    status = mapped_slice_check(array->slice, error);
    if (status != MAPPED_OK)
        return status;
    size_t rest = length % bytes;
    if (rest != 0) {
        const mapped_error_range range = {
            .offset = length - rest, .length = rest, .limit = bytes};
        return mapped_error_set_range(error, MAPPED_SIZE, "array", range);
    }
    array->shape[0] = (ptrdiff_t)(length / bytes);
    return MAPPED_OK;
}

mapped_status mapped_array_cover(mapped_array *array, mapped_error *error)
{
    mapped_status status;
    if (array->dimensions < 1 || array->dimensions > MAPPED_ARRAY_DIMENSIONS)
        status = mapped_error_set(error, MAPPED_ARGUMENT, "array");
    else if (array->shape[0] == -1)
        status = set_first_length(array, error);
    else
        status = check_length(array, error);
    if (status == MAPPED_OK) {
        array->first = 0;
        mapped__array_dense_strides(array, array->strides);
    }
    return mapped__region_complete_error(array->slice.region, "cover", status,
                                         error);
}

/* Adds how far one dimension reaches from the first item to either side. */
static bool add_reach(ptrdiff_t length, ptrdiff_t stride, size_t *before,
                      size_t *behind)
{
    size_t *side = stride < 0 ? before : behind, reach;
    return mapped_multiply_size((size_t)length - 1, mapped__array_step(stride),
                                &reach) &&
           mapped_add_size(*side, reach, side);
}

static mapped_status refuse(const mapped_array *array, mapped_error *error)
{
    const mapped_error_range range = {.offset = array->first,
                                      .length = array->item.size,
                                      .limit = array->slice.length};
    return mapped_error_set_range(error, MAPPED_RANGE, "array", range);
}

static bool is_contiguous(const mapped_array *array)
{
    ptrdiff_t expected = (ptrdiff_t)array->item.size;
    for (int i = array->dimensions - 1; i >= 0; i--) {
        if (array->shape[i] > 1 && array->strides[i] != expected)
            return false;
        expected *= array->shape[i];
    }
    return true;
}

/* Finds the bytes of an array that has items. */
static mapped_status find_bytes(const mapped_array *array,
                                mapped_extent *extent, mapped_error *error)
{
    size_t before = 0, behind = array->item.size, length;
    for (int i = 0; i < array->dimensions; i++)
        if (!add_reach(array->shape[i], array->strides[i], &before, &behind))
            return refuse(array, error);
    if (before > array->first || !mapped_add_size(before, behind, &length))
        return refuse(array, error);
    extent->first = before;
    return mapped_slice_sub(array->slice, array->first - before, length,
                            &extent->bytes, error);
}

static mapped_status find_extent(const mapped_array *array,
                                 mapped_extent *extent, mapped_error *error)
{
    mapped_extent result = {.bytes = array->slice, .contiguous = true};
    size_t bytes, end = array->slice.length;
    mapped_status status;
    if (!is_sound(array))
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    if (!count_bytes(array, &bytes))
        return refuse(array, error);
    if (bytes == 0) {
        status = mapped_slice_check(array->slice, error);
        result.bytes.offset += array->first < end ? array->first : end;
        result.bytes.length = 0;
    } else {
        result.count = bytes / array->item.size;
        result.contiguous = is_contiguous(array);
        status = find_bytes(array, &result, error);
    }
    if (status == MAPPED_OK)
        *extent = result;
    return status;
}

mapped_status mapped_array_extent(const mapped_array *array,
                                  mapped_extent *extent, mapped_error *error)
{
    mapped_status status = find_extent(array, extent, error);
    return mapped__region_complete_error(array->slice.region, "extent", status,
                                         error);
}

static bool is_index(ptrdiff_t index, ptrdiff_t length)
{
    return index >= 0 && index < length;
}

/* Does the subscript select only indices of the dimension? Otherwise `*outside`
 * is the first other one. */
static bool is_inside(const mapped_subscript *subscript, ptrdiff_t length,
                      ptrdiff_t *outside)
{
    ptrdiff_t reach;
    *outside = subscript->start;
    if (subscript->step != 0 && subscript->length == 0)
        return true;
    if (!is_index(subscript->start, length))
        return false;
    if (subscript->step == 0 || subscript->length == 1)
        return true;
    *outside = subscript->step < 0 ? -1 : length;
    return subscript->length > 0 &&
           !__builtin_mul_overflow(subscript->length - 1, subscript->step,
                                   &reach) &&
           !__builtin_add_overflow(subscript->start, reach, &reach) &&
           is_index(reach, length);
}

/* Applies a subscript to a dimension of that stride: moves the first item of
 * the part and, unless the subscript is one index, adds a dimension. Unsigned,
 * since the stride was not checked and a product may overflow. */
static void apply_subscript(const mapped_subscript *subscript, ptrdiff_t stride,
                            mapped_array *part)
{
    ptrdiff_t length = subscript->length;
    if (subscript->step == 0 || length > 0)
        part->first += (size_t)subscript->start * (size_t)stride;
    if (subscript->step == 0)
        return;
    if (length > 1)
        stride = (ptrdiff_t)((size_t)subscript->step * (size_t)stride);
    part->shape[part->dimensions] = length;
    part->strides[part->dimensions] = stride;
    part->dimensions++;
}

mapped_status mapped_array_select(const mapped_array *array,
                                  const mapped_subscript *subscripts, int count,
                                  mapped_array *part, mapped_error *error)
{
    part->slice = array->slice;
    part->item = array->item;
    part->first = array->first;
    part->dimensions = 0;
    if (count > array->dimensions)
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    for (int i = 0; i < array->dimensions; i++) {
        const mapped_subscript all = {0, 1, array->shape[i]};
        const mapped_subscript *subscript = i < count ? &subscripts[i] : &all;
        ptrdiff_t outside;
        if (!is_inside(subscript, array->shape[i], &outside)) {
            const mapped_error_range range = {.offset = (uint64_t)outside,
                                              .length = (uint64_t)i,
                                              .limit =
                                                  (uint64_t)array->shape[i]};
            return mapped_error_set_range(error, MAPPED_RANGE, "array", range);
        }
        apply_subscript(subscript, array->strides[i], part);
    }
    if (mapped_array_count(part) == 0)
        part->first = array->first;
    return MAPPED_OK;
}

void mapped_array_column(const mapped_array *array, const mapped_field *field,
                         mapped_array *column)
{
    *column = *array;
    if (mapped_array_count(array) > 0)
        column->first += field->offset;
    column->item = field->item;
}

void mapped_array_expand(mapped_array *array)
{
    mapped_item single = mapped_item_single(&array->item);
    if (single.kind == array->item.kind)
        return;
    array->shape[array->dimensions] = (ptrdiff_t)array->item.count;
    array->strides[array->dimensions] = (ptrdiff_t)single.size;
    array->dimensions++;
    array->item = single;
}
