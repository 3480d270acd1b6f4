/* Comparing arrays by value. Everything that was handed in is checked before
 * the first item is touched: from then on every item lies inside of the slice,
 * and no sum of its offset overflows. The region may still shrink or close,
 * which each access finds by itself. */
#include <mapped/array_old.h>

#include <string.h>

#include <mapped/access.h>
#include <mapped/bulk.h>

#include "region_internal.h"

/* Bytes that one check spans. No larger than a page, so that between its first
 * and last item there is no page without an item. */
#define BLOCK ((size_t)4096)

/* As much as the largest element needs. */
#define ITEM_SIZE 16

/* A number that both integers of 16 bytes and floats can be. */
typedef struct Number {
    bool negative;
    uint64_t high; /* of the magnitude */
    uint64_t low;
} Number;

static Number small_number(const mapped_element *element, mapped_value value)
{
    if (element->kind != MAPPED_KIND_SIGNED || value.i >= 0)
        return (Number){false, 0, value.u};
    return (Number){true, 0, 0 - value.u};
}

/* Two's complement of 9 to 16 bytes. */
static Number large_number(const mapped_element *element,
                           const unsigned char *p)
{
    size_t size = element->size, sign = element->big ? 0 : size - 1;
    bool negative = element->kind == MAPPED_KIND_SIGNED && p[sign] >> 7 != 0;
    uint64_t words[2] = {0, negative ? UINT64_MAX : 0};
    for (size_t i = 0; i < size; i++) {
        size_t shift = 8 * (i % 8);
        uint64_t byte = p[element->big ? size - 1 - i : i];
        words[i / 8] &= ~((uint64_t)0xFF << shift);
        words[i / 8] |= byte << shift;
    }
    if (negative) {
        words[0] = 0 - words[0];
        words[1] = ~words[1] + (words[0] == 0);
    }
    return (Number){negative, words[1], words[0]};
}

/* False if it is no integer or none that 16 bytes can hold. All steps are
 * exact. */
static bool float_number(double value, Number *number)
{
    double magnitude = value < 0 ? -value : value;
    if (!(magnitude < 0x1p128))
        return false;
    number->negative = value < 0;
    number->high = (uint64_t)(magnitude * 0x1p-64);
    magnitude -= (double)number->high * 0x1p64;
    number->low = (uint64_t)magnitude;
    return (double)number->low == magnitude;
}

static bool number_of(const mapped_element *element, const unsigned char *p,
                      Number *number)
{
    mapped_value value;
    if (element->size > 8) {
        *number = large_number(element, p);
        return true;
    }
    (void)element->load(element, p, &value);
    if (element->kind == MAPPED_KIND_FLOAT)
        return float_number(value.f, number);
    *number = small_number(element, value);
    return true;
}

typedef bool Same(const mapped_element *a, const unsigned char *p,
                  const mapped_element *b, const unsigned char *q);

static bool same_numbers(const mapped_element *a, const unsigned char *p,
                         const mapped_element *b, const unsigned char *q)
{
    Number first, second;
    return number_of(a, p, &first) && number_of(b, q, &second) &&
           first.negative == second.negative && first.high == second.high &&
           first.low == second.low;
}

static bool same_floats(const mapped_element *a, const unsigned char *p,
                        const mapped_element *b, const unsigned char *q)
{
    mapped_value first, second;
    (void)a->load(a, p, &first);
    (void)b->load(b, q, &second);
    return first.f == second.f;
}

/* Items of which both have 8 bytes at most and none is a float: the bits of
 * their values are the same, and if these mean different things, then not as
 * negative numbers. */
static bool same_words(const mapped_element *a, const unsigned char *p,
                       const mapped_element *b, const unsigned char *q)
{
    mapped_value first, second;
    (void)a->load(a, p, &first);
    (void)b->load(b, q, &second);
    return first.u == second.u && (a->kind == b->kind || first.i >= 0);
}

static bool is_float(const mapped_element *element)
{
    return element->kind == MAPPED_KIND_FLOAT;
}

static Same *choose(const mapped_element *a, const mapped_element *b)
{
    if (is_float(a) && is_float(b))
        return same_floats;
    if (is_float(a) || is_float(b) || a->size > 8 || b->size > 8)
        return same_numbers;
    return same_words;
}

/* A bool of 2 is as true as one of 1, and floats have two zeros. */
static bool is_equal_as_bytes(const mapped_element *a, const mapped_element *b)
{
    return a == b && !is_float(a) && a->kind != MAPPED_KIND_BOOL;
}

/* An array that was checked: all items lie inside of the region as it is. */
typedef struct Side {
    const mapped_element_array *array;
    bool device;
    bool empty;
    bool whole;         /* the items follow one another */
    mapped_slice items; /* from the first byte of any to the last */
} Side;

/* Two arrays of one shape. */
typedef struct Pair {
    Side a;
    Side b;
    Same *same;
    bool bytes; /* equal items have equal bytes */
    bool equal; /* so far */
} Pair;

static mapped_status refuse(const mapped_element_array *array,
                            mapped_error *error)
{
    const uint64_t numbers[3] = {array->first, array->element->size,
                                 array->slice.length};
    return mapped_error_set_range(error, MAPPED_RANGE, "array", numbers);
}

/* Adds how far one dimension reaches from the first item to either side. */
static bool add_reach(ptrdiff_t length, ptrdiff_t stride, size_t *before,
                      size_t *behind)
{
    size_t step = stride < 0 ? 0 - (size_t)stride : (size_t)stride, reach;
    return mapped_multiply_size((size_t)length - 1, step, &reach) &&
           mapped_add_size(stride < 0 ? *before : *behind, reach,
                           stride < 0 ? before : behind);
}

static mapped_status take_items(const mapped_element_array *array, Side *side,
                                mapped_error *error)
{
    size_t before = 0, behind = array->element->size;
    for (int i = 0; i < array->dimensions; i++)
        if (!add_reach(array->shape[i], array->strides[i], &before, &behind))
            return refuse(array, error);
    if (before > array->first || !mapped_add_size(before, behind, &behind))
        return refuse(array, error);
    return mapped_slice_sub(array->slice, array->first - before, behind,
                            &side->items, error);
}

static bool is_whole(const mapped_element_array *array)
{
    ptrdiff_t expected = array->element->size;
    for (int i = array->dimensions - 1; i >= 0; i--) {
        if (array->shape[i] > 1 && array->strides[i] != expected)
            return false;
        expected *= array->shape[i];
    }
    return true;
}

static mapped_status look(const mapped_element_array *array, Side *side,
                          mapped_error *error)
{
    *side = (Side){array, mapped_region_device(array->slice.region), false,
                   false, array->slice};
    if (array->dimensions < 0 || array->dimensions > MAPPED_ARRAY_DIMENSIONS)
        return mapped_error_set(error, MAPPED_ARGUMENT, "array");
    for (int i = 0; i < array->dimensions; i++) {
        if (array->shape[i] < 0)
            return mapped_error_set(error, MAPPED_ARGUMENT, "array");
        if (array->shape[i] == 0)
            side->empty = true;
    }
    if (side->empty)
        return mapped_slice_check(array->slice, error);
    mapped_status status = take_items(array, side, error);
    side->whole = status == MAPPED_OK && !side->device && is_whole(array);
    return status;
}

static bool same_shape(const mapped_element_array *a,
                       const mapped_element_array *b)
{
    if (a->dimensions != b->dimensions)
        return false;
    for (int i = 0; i < a->dimensions; i++)
        if (a->shape[i] != b->shape[i])
            return false;
    return true;
}

/* A copy of one item: of a device's as one access. */
static mapped_status fetch(const Side *side, size_t at, unsigned char *item,
                           mapped_error *error)
{
    const mapped_element *element = side->array->element;
    mapped_value value;
    if (!side->device)
        return mapped_read(side->array->slice, at, item, element->size, error);
    mapped_status status =
        mapped_get(side->array->slice, element, at, &value, error);
    if (status == MAPPED_OK)
        status = element->store(element, item, value);
    return status;
}

static mapped_status compare_item(Pair *pair, size_t at, size_t other,
                                  mapped_error *error)
{
    unsigned char p[ITEM_SIZE], q[ITEM_SIZE];
    mapped_status status = fetch(&pair->a, at, p, error);
    if (status == MAPPED_OK)
        status = fetch(&pair->b, other, q, error);
    if (status == MAPPED_OK)
        pair->equal =
            pair->same(pair->a.array->element, p, pair->b.array->element, q);
    return status;
}

/* Items of one dimension that are looked at together. */
typedef struct Block {
    const Side *side;
    ptrdiff_t stride;
    size_t low;  /* the first byte of all, in the slice */
    size_t span; /* up to the last */
    const unsigned char *first;
} Block;

static Block block_of(const Side *side, ptrdiff_t stride, size_t at, size_t n)
{
    size_t step = stride < 0 ? 0 - (size_t)stride : (size_t)stride;
    size_t reach = (n - 1) * step;
    return (Block){side, stride, stride < 0 ? at - reach : at,
                   reach + side->array->element->size, NULL};
}

static mapped_status enter(Block *block, mapped_error *error)
{
    unsigned char *p;
    mapped_status status = mapped_slice_enter(
        block->side->array->slice, block->low, block->span, &p, error);
    size_t back = block->span - block->side->array->element->size;
    block->first = block->stride < 0 ? p + back : p;
    return status;
}

static mapped_status leave(const Block *block, mapped_error *error)
{
    return mapped_slice_leave(block->side->array->slice, block->low,
                              block->span, error);
}

static bool blocks_are_same(const Pair *pair, const Block *a, const Block *b,
                            size_t n)
{
    const mapped_element *first = pair->a.array->element;
    const mapped_element *second = pair->b.array->element;
    if (pair->bytes && a->stride == first->size && b->stride == first->size)
        return memcmp(a->first, b->first, n * first->size) == 0;
    for (size_t i = 0; i < n; i++)
        if (!pair->same(first, a->first + (ptrdiff_t)i * a->stride, second,
                        b->first + (ptrdiff_t)i * b->stride))
            return false;
    return true;
}

static mapped_status compare_block(Pair *pair, Block a, Block b, size_t n,
                                   mapped_error *error)
{
    mapped_status status = enter(&a, error);
    if (status == MAPPED_OK)
        status = enter(&b, error);
    if (status != MAPPED_OK)
        return status;
    pair->equal = blocks_are_same(pair, &a, &b, n);
    status = leave(&a, error);
    if (status == MAPPED_OK)
        status = leave(&b, error);
    return status;
}

static size_t most(ptrdiff_t stride)
{
    size_t step = stride < 0 ? 0 - (size_t)stride : (size_t)stride;
    return step == 0 ? BLOCK : step >= BLOCK ? 1 : BLOCK / step;
}

/* The items of the last dimension. */
static mapped_status compare_row(Pair *pair, size_t at, size_t other,
                                 mapped_error *error)
{
    int last = pair->a.array->dimensions - 1;
    size_t length = (size_t)pair->a.array->shape[last], n;
    ptrdiff_t stride = pair->a.array->strides[last];
    ptrdiff_t other_stride = pair->b.array->strides[last];
    bool device = pair->a.device || pair->b.device;
    size_t limit = most(stride);
    mapped_status status = MAPPED_OK;
    if (most(other_stride) < limit)
        limit = most(other_stride);
    for (; length > 0 && status == MAPPED_OK && pair->equal; length -= n) {
        n = device ? 1 : length < limit ? length : limit;
        if (device)
            status = compare_item(pair, at, other, error);
        else
            status = compare_block(pair, block_of(&pair->a, stride, at, n),
                                   block_of(&pair->b, other_stride, other, n),
                                   n, error);
        at += n * (size_t)stride;
        other += n * (size_t)other_stride;
    }
    return status;
}

static mapped_status compare_rows(Pair *pair, int dimension, size_t at,
                                  size_t other, mapped_error *error)
{
    int left = pair->a.array->dimensions - dimension;
    mapped_status status = MAPPED_OK;
    if (left == 0)
        return compare_item(pair, at, other, error);
    if (left == 1)
        return compare_row(pair, at, other, error);
    ptrdiff_t length = pair->a.array->shape[dimension];
    for (ptrdiff_t i = 0; i < length && status == MAPPED_OK && pair->equal;
         i++) {
        status = compare_rows(pair, dimension + 1, at, other, error);
        at += (size_t)pair->a.array->strides[dimension];
        other += (size_t)pair->b.array->strides[dimension];
    }
    return status;
}

static mapped_status compare_all(Pair *pair, mapped_error *error)
{
    int order;
    if (!pair->bytes || !pair->a.whole || !pair->b.whole)
        return compare_rows(pair, 0, pair->a.array->first, pair->b.array->first,
                            error);
    mapped_status status =
        mapped_compare(pair->a.items, pair->b.items, &order, error);
    if (status == MAPPED_OK)
        pair->equal = order == 0;
    return status;
}

static mapped_status arrays_equal(const mapped_element_array *a,
                                  const mapped_element_array *b, bool *equal,
                                  mapped_error *error)
{
    Pair pair = {.same = choose(a->element, b->element),
                 .bytes = is_equal_as_bytes(a->element, b->element)};
    bool char_a = a->element->kind == MAPPED_KIND_CHAR;
    bool char_b = b->element->kind == MAPPED_KIND_CHAR;
    mapped_status status = look(a, &pair.a, error);
    if (status == MAPPED_OK)
        status = look(b, &pair.b, error);
    if (status != MAPPED_OK)
        return status;
    pair.equal = same_shape(a, b) && (char_a == char_b || pair.a.empty);
    if (pair.equal && !pair.a.empty)
        status = compare_all(&pair, error);
    if (status == MAPPED_OK)
        *equal = pair.equal;
    return status;
}

mapped_status mapped_element_array_equal(const mapped_element_array *a,
                                         const mapped_element_array *b,
                                         bool *equal, mapped_error *error)
{
    return mapped__region_end(a->slice.region, "equal",
                              arrays_equal(a, b, equal, error), error);
}

static bool same_names(const mapped_layout *a, const mapped_layout *b)
{
    size_t count = mapped_layout_count(a);
    if (a == b)
        return true;
    if (mapped_layout_count(b) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(mapped_layout_field(a, i)->name,
                   mapped_layout_field(b, i)->name) != 0)
            return false;
    return true;
}

/* One field of all records. */
typedef struct Column {
    ptrdiff_t shape[2];
    ptrdiff_t strides[2];
    mapped_element_array array;
} Column;

static void column_of(const mapped_records *records, size_t i, Column *column)
{
    const mapped_layout_entry *field = mapped_layout_field(records->layout, i);
    *column = (Column){{(ptrdiff_t)records->count, (ptrdiff_t)field->count},
                       {records->stride, field->element->size},
                       {records->slice, records->first + field->offset,
                        field->element, field->several ? 2 : 1, column->shape,
                        column->strides}};
}

/* That all bytes of all records are there, padding too. */
static mapped_status check_records(const mapped_records *records,
                                   mapped_error *error)
{
    size_t size = mapped_layout_size(records->layout), before = 0,
           behind = size;
    mapped_slice all;
    const uint64_t numbers[3] = {records->first, size, records->slice.length};
    if (records->count == 0)
        return mapped_slice_check(records->slice, error);
    if (records->count > PTRDIFF_MAX ||
        !add_reach((ptrdiff_t)records->count, records->stride, &before,
                   &behind) ||
        before > records->first || !mapped_add_size(before, behind, &behind))
        return mapped_error_set_range(error, MAPPED_RANGE, "records", numbers);
    return mapped_slice_sub(records->slice, records->first - before, behind,
                            &all, error);
}

static mapped_status records_equal(const mapped_records *a,
                                   const mapped_records *b, bool *equal,
                                   mapped_error *error)
{
    Column first, second;
    mapped_status status = check_records(a, error);
    if (status == MAPPED_OK)
        status = check_records(b, error);
    if (status != MAPPED_OK)
        return status;
    bool same = a->count == b->count && same_names(a->layout, b->layout);
    for (size_t i = 0; same && i < mapped_layout_count(a->layout); i++) {
        column_of(a, i, &first);
        column_of(b, i, &second);
        status = arrays_equal(&first.array, &second.array, &same, error);
        if (status != MAPPED_OK)
            return status;
    }
    *equal = same;
    return MAPPED_OK;
}

mapped_status mapped_records_equal(const mapped_records *a,
                                   const mapped_records *b, bool *equal,
                                   mapped_error *error)
{
    return mapped__region_end(a->slice.region, "equal",
                              records_equal(a, b, equal, error), error);
}
