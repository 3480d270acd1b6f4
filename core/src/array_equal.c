/* Comparing arrays by value, and items with one value: elements by the number
 * they are, records field by field. What is compared was checked before: all
 * items lie inside of their slices, whatever is made of them. */
#include "array_internal.h"

#include <string.h>

#include "region_internal.h"

/* As much as the largest element needs. */
#define ELEMENT_SIZE 16

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

/* Items of one type that isn't a float. Bools too, as memoryview has it. */
static bool same_bytes(const mapped_element *a, const unsigned char *p,
                       const mapped_element *b, const unsigned char *q)
{
    return memcmp(p, q, a->size) == 0;
}

static Same *choose(const mapped_element *a, const mapped_element *b)
{
    if (is_float(a) && is_float(b))
        return same_floats;
    if (a == b)
        return same_bytes;
    if (is_float(a) || is_float(b) || a->size > 8 || b->size > 8)
        return same_numbers;
    return same_words;
}

/* What the walk over elements needs to know. */
typedef struct Pair {
    const mapped_element *a, *b;
    Same *same;
} Pair;

static bool runs_are_same(const Pair *pair, const mapped__run runs[2], size_t n)
{
    const unsigned char *p = runs[0].p, *q = runs[1].p;
    if (pair->same == same_bytes && runs[0].stride == pair->a->size &&
        runs[1].stride == pair->b->size)
        return memcmp(p, q, n * pair->a->size) == 0;
    for (; n > 0; n--, p += runs[0].stride, q += runs[1].stride)
        if (!pair->same(pair->a, p, pair->b, q))
            return false;
    return true;
}

static void compare_run(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    walk->stop = !runs_are_same(walk->context, runs, n);
}

static mapped_status compare_one(mapped__walk *walk, const size_t at[2])
{
    const Pair *pair = walk->context;
    const mapped_item first = mapped_item_of(pair->a);
    const mapped_item second = mapped_item_of(pair->b);
    unsigned char p[ELEMENT_SIZE], q[ELEMENT_SIZE];
    mapped_status status =
        mapped_item_read(walk->sides[0].slice, &first, at[0], p, walk->error);
    if (status == MAPPED_OK)
        status = mapped_item_read(walk->sides[1].slice, &second, at[1], q,
                                  walk->error);
    if (status == MAPPED_OK)
        walk->stop = !pair->same(pair->a, p, pair->b, q);
    return status;
}

static mapped_status compare_elements(const mapped_array *a,
                                      const mapped_array *b, bool *equal,
                                      mapped_error *error)
{
    const mapped_element *first = a->item.element, *second = b->item.element;
    const Pair pair = {first, second, choose(first, second)};
    mapped__walk walk = {.act = compare_run,
                         .act_one = compare_one,
                         .context = &pair,
                         .error = error};
    *equal = true;
    if (mapped_array_count(a) == 0)
        return MAPPED_OK;
    *equal = false;
    if ((first->kind == MAPPED_KIND_CHAR) != (second->kind == MAPPED_KIND_CHAR))
        return MAPPED_OK;
    mapped__side_set(&walk.sides[0], a);
    mapped__side_set(&walk.sides[1], b);
    mapped_status status = mapped__walk_all(&walk, a);
    *equal = !walk.stop;
    return status;
}

/* An array with room for what its items repeat. */
typedef struct Expanded {
    mapped_array array;
    ptrdiff_t shape[MAPPED__ARRAY_ROOM];
    ptrdiff_t strides[MAPPED__ARRAY_ROOM];
} Expanded;

static void expand(const mapped_array *array, Expanded *expanded)
{
    size_t bytes = (size_t)array->dimensions * sizeof array->shape[0];
    expanded->array = *array;
    expanded->array.shape = expanded->shape;
    expanded->array.strides = expanded->strides;
    if (bytes > 0) {
        memcpy(expanded->shape, array->shape, bytes);
        memcpy(expanded->strides, array->strides, bytes);
    }
    mapped_array_expand(&expanded->array);
}

static bool same_names(const mapped_fields *a, const mapped_fields *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!mapped__field_names_equal(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static mapped_status compare(const mapped_array *a, const mapped_array *b,
                             bool *equal, mapped_error *error);

static mapped_status compare_records(const mapped_array *a,
                                     const mapped_array *b, bool *equal,
                                     mapped_error *error)
{
    const mapped_fields *first = a->item.record, *second = b->item.record;
    mapped_status status = MAPPED_OK;
    *equal = same_names(first, second);
    for (size_t i = 0; *equal && i < first->count && status == MAPPED_OK; i++) {
        mapped_array column, other;
        mapped_array_column(a, &first->fields[i], &column);
        mapped_array_column(b, &second->fields[i], &other);
        status = compare(&column, &other, equal, error);
    }
    return status;
}

static mapped_status compare(const mapped_array *a, const mapped_array *b,
                             bool *equal, mapped_error *error)
{
    Expanded first, second;
    const mapped_item *p = &first.array.item, *q = &second.array.item;
    expand(a, &first);
    expand(b, &second);
    *equal = p->kind == q->kind &&
             mapped__array_same_shape(&first.array, &second.array);
    if (!*equal || p->kind == MAPPED_ITEM_PAD)
        return MAPPED_OK;
    return p->record != NULL
               ? compare_records(&first.array, &second.array, equal, error)
               : compare_elements(&first.array, &second.array, equal, error);
}

mapped_status mapped_array_equal(const mapped_array *a, const mapped_array *b,
                                 bool *equal, mapped_error *error)
{
    mapped_extent extent;
    bool result = false;
    mapped_status status = mapped_array_extent(a, &extent, error);
    if (status == MAPPED_OK)
        status = mapped_array_extent(b, &extent, error);
    if (status == MAPPED_OK)
        status = compare(a, b, &result, error);
    if (status == MAPPED_OK)
        *equal = result;
    return mapped__region_report(a->slice.region, "equal", status, error);
}

/* The walk goes over the array and, with strides of 0, over the one value. */
typedef struct Search {
    mapped__walk walk;
    Pair pair;
    bool counts; /* all matches, and doesn't stop at the first */
    size_t seen; /* items before this block */
    size_t found;
    size_t count;
} Search;

static void search_run(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    Search *self = (Search *)walk;
    const unsigned char *p = runs[0].p;
    for (size_t i = 0; i < n; i++, p += runs[0].stride) {
        if (!self->pair.same(self->pair.a, p, self->pair.b, runs[1].p))
            continue;
        self->count++;
        self->found = self->seen + i;
        if (!self->counts) {
            walk->stop = true;
            return;
        }
    }
    self->seen += n;
}

static mapped_status search_one(mapped__walk *walk, const size_t at[2])
{
    const Search *self = (const Search *)walk;
    const mapped_item item = mapped_item_of(self->pair.a);
    unsigned char bytes[ELEMENT_SIZE];
    const mapped__run runs[2] = {{bytes, 0}, {walk->sides[1].memory, 0}};
    mapped_status status = mapped_item_read(walk->sides[0].slice, &item, at[0],
                                            bytes, walk->error);
    if (status == MAPPED_OK)
        search_run(walk, runs, 1);
    return status;
}

static mapped_status search(const mapped_array *array,
                            const mapped_element *element, const void *value,
                            Search *self, mapped_error *error)
{
    const mapped_element *own = array->item.element;
    mapped_extent extent;
    mapped_status status = mapped_array_extent(array, &extent, error);
    if (status != MAPPED_OK || extent.count == 0 ||
        array->item.kind != MAPPED_ITEM_ELEMENT ||
        (own->kind == MAPPED_KIND_CHAR) != (element->kind == MAPPED_KIND_CHAR))
        return status;
    self->pair = (Pair){own, element, choose(own, element)};
    self->walk.act = search_run;
    self->walk.act_one = search_one;
    self->walk.error = error;
    mapped__side_set(&self->walk.sides[0], array);
    self->walk.sides[1].memory = (unsigned char *)(uintptr_t)value;
    self->walk.sides[1].size = element->size;
    return mapped__walk_all(&self->walk, array);
}

mapped_status mapped_array_find(const mapped_array *array,
                                const mapped_element *element,
                                const void *value, size_t *index,
                                mapped_error *error)
{
    Search self = {.found = MAPPED_NOT_FOUND};
    mapped_status status = search(array, element, value, &self, error);
    if (status == MAPPED_OK)
        *index = self.found;
    return mapped__region_report(array->slice.region, "index", status, error);
}

mapped_status mapped_array_count_value(const mapped_array *array,
                                       const mapped_element *element,
                                       const void *value, size_t *count,
                                       mapped_error *error)
{
    Search self = {.counts = true};
    mapped_status status = search(array, element, value, &self, error);
    if (status == MAPPED_OK)
        *count = self.count;
    return mapped__region_report(array->slice.region, "count", status, error);
}
