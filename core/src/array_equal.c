/* Compares arrays by value, and searches them for one value.
 *
 * Elements are equal if they are the same number, of whatever types. An array
 * of records is compared column by column, each of them an array again. An item
 * that repeats (u8[4]) adds a dimension. So in the end all comparisons are
 * walks over elements.
 *
 * A *walk* (array_internal.h) visits the items of two arrays, its *sides*,
 * together. It calls a function for each *run*, which is several items at equal
 * distances (visit_run); or, if a side is a device's, for each item
 * (visit_one). */
#include "array_internal.h"

#include <string.h>

#include "region_internal.h"

#define MAX_ELEMENT_SIZE 16

/* Any integer of up to 16 bytes, as sign and magnitude. */
typedef struct number {
    bool negative;
    uint64_t high; /* of the magnitude */
    uint64_t low;
} number;

static number small_number(const mapped_element *element, mapped_value value)
{
    if (element->kind != MAPPED_KIND_SIGNED || value.i >= 0)
        return (number){false, 0, value.u};
    return (number){true, 0, 0 - value.u};
}

/* Reads two's complement of 9 to 16 bytes. */
static number large_number(const mapped_element *element,
                           const unsigned char *p)
{
    size_t size = element->size, sign_at = element->big ? 0 : size - 1;
    bool negative = element->kind == MAPPED_KIND_SIGNED && p[sign_at] >> 7 != 0;
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
    return (number){negative, words[1], words[0]};
}

/* Returns false if the value isn't an integer of up to 16 bytes. All steps are
 * exact. */
static bool float_number(double value, number *result)
{
    double magnitude = value < 0 ? -value : value;
    if (!(magnitude < 0x1p128)) /* also refuses NaN */
        return false;
    result->negative = value < 0;
    result->high = (uint64_t)(magnitude * 0x1p-64);
    magnitude -= (double)result->high * 0x1p64;
    result->low = (uint64_t)magnitude;
    return (double)result->low == magnitude;
}

/* Reads an element as an integer. Returns false if it isn't one. A load of up
 * to 8 bytes can't fail. */
static bool read_number(const mapped_element *element, const unsigned char *p,
                        number *result)
{
    mapped_value value;
    if (element->size > 8) {
        *result = large_number(element, p);
        return true;
    }
    (void)element->load(element, p, &value);
    if (element->kind == MAPPED_KIND_FLOAT)
        return float_number(value.f, result);
    *result = small_number(element, value);
    return true;
}

/* Do two elements, `a` at `p` and `b` at `q`, have the same value? */
typedef bool equality(const mapped_element *a, const unsigned char *p,
                      const mapped_element *b, const unsigned char *q);

static bool equal_numbers(const mapped_element *a, const unsigned char *p,
                          const mapped_element *b, const unsigned char *q)
{
    number first, second;
    return read_number(a, p, &first) && read_number(b, q, &second) &&
           first.negative == second.negative && first.high == second.high &&
           first.low == second.low;
}

static bool equal_floats(const mapped_element *a, const unsigned char *p,
                         const mapped_element *b, const unsigned char *q)
{
    mapped_value first, second;
    (void)a->load(a, p, &first);
    (void)b->load(b, q, &second);
    return first.f == second.f;
}

/* Integers of at most 8 bytes are equal if the bits of their values are; if one
 * has a sign and the other has none, then only if it isn't negative. */
static bool equal_words(const mapped_element *a, const unsigned char *p,
                        const mapped_element *b, const unsigned char *q)
{
    mapped_value first, second;
    (void)a->load(a, p, &first);
    (void)b->load(b, q, &second);
    return first.u == second.u && (a->kind == b->kind || first.i >= 0);
}

/* Elements of one type that isn't a float. Bools are compared as bytes, so 2
 * and 1 differ, as memoryview has it. */
static bool equal_bytes(const mapped_element *a, const unsigned char *p,
                        const mapped_element *b, const unsigned char *q)
{
    return memcmp(p, q, a->size) == 0;
}

static bool is_float(const mapped_element *element)
{
    return element->kind == MAPPED_KIND_FLOAT;
}

static equality *choose_equality(const mapped_element *a,
                                 const mapped_element *b)
{
    if (is_float(a) && is_float(b))
        return equal_floats;
    if (a == b)
        return equal_bytes;
    if (is_float(a) || is_float(b) || a->size > 8 || b->size > 8)
        return equal_numbers;
    return equal_words;
}

/* Reads the item of each side into memory, a device's in one access, and visits
 * that as a run of one. */
static mapped_status visit_one(mapped__walk *walk, const size_t at[2])
{
    unsigned char bytes[2][MAX_ELEMENT_SIZE];
    const mapped__run runs[2] = {{bytes[0], 0}, {bytes[1], 0}};
    mapped_status status = MAPPED_OK;
    for (int i = 0; i < 2 && status == MAPPED_OK; i++) {
        const mapped__side *side = &walk->sides[i];
        if (side->slice.region == NULL)
            memcpy(bytes[i], side->memory + at[i], side->size);
        else
            status = mapped_item_read(side->slice, &side->item, at[i], bytes[i],
                                      walk->error);
    }
    if (status == MAPPED_OK)
        walk->visit_run(walk, runs, 1);
    return status;
}

/* Stops at the first two items that differ. */
static void compare_run(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    const mapped_element *a = walk->sides[0].item.element;
    const mapped_element *b = walk->sides[1].item.element;
    const unsigned char *p = runs[0].p, *q = runs[1].p;
    equality *equal = choose_equality(a, b);
    if (equal == equal_bytes && runs[0].stride == a->size &&
        runs[1].stride == b->size) {
        walk->stop = memcmp(p, q, n * a->size) != 0;
        return;
    }
    while (n > 0 && equal(a, p, b, q)) {
        n--;
        p += runs[0].stride;
        q += runs[1].stride;
    }
    walk->stop = n > 0;
}

static bool is_char(const mapped_element *element)
{
    return element->kind == MAPPED_KIND_CHAR;
}

/* A char equals no number. */
static mapped_status compare_elements(const mapped_array *a,
                                      const mapped_array *b, bool *equal,
                                      mapped_error *error)
{
    mapped__walk walk = {
        .visit_run = compare_run, .visit_one = visit_one, .error = error};
    bool is_empty = mapped_array_count(a) == 0;
    *equal = is_empty;
    if (is_empty || is_char(a->item.element) != is_char(b->item.element))
        return MAPPED_OK;
    mapped__side_set(&walk.sides[0], a);
    mapped__side_set(&walk.sides[1], b);
    mapped_status status = mapped__walk_all(&walk, a);
    *equal = !walk.stop;
    return status;
}

/* An array with room for the dimensions that its items add. */
typedef struct expanded {
    mapped_array array;
    ptrdiff_t shape[MAPPED__ARRAY_ROOM];
    ptrdiff_t strides[MAPPED__ARRAY_ROOM];
} expanded;

/* Copies the array; what its items repeat becomes a dimension of the copy. */
static void expand(const mapped_array *array, expanded *result)
{
    size_t bytes = (size_t)array->dimensions * sizeof array->shape[0];
    result->array = *array;
    result->array.shape = result->shape;
    result->array.strides = result->strides;
    if (bytes > 0) {
        memcpy(result->shape, array->shape, bytes);
        memcpy(result->strides, array->strides, bytes);
    }
    mapped_array_expand(&result->array);
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
    expanded first, second;
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

/* Checks that all items lie in the slice. */
static mapped_status check_inside(const mapped_array *array,
                                  mapped_error *error)
{
    mapped_extent extent;
    return mapped_array_extent(array, &extent, error);
}

mapped_status mapped_array_equal(const mapped_array *a, const mapped_array *b,
                                 bool *equal, mapped_error *error)
{
    bool result = false;
    mapped_status status = check_inside(a, error);
    if (status == MAPPED_OK)
        status = check_inside(b, error);
    if (status == MAPPED_OK)
        status = compare(a, b, &result, error);
    if (status == MAPPED_OK)
        *equal = result;
    return mapped__region_complete_error(a->slice.region, "equal", status,
                                         error);
}

/* A search under way. Its walk goes over the array and, with strides of 0, over
 * the one value. */
typedef struct search {
    bool counts;   /* all matches; doesn't stop at the first */
    size_t before; /* items before this run */
    size_t found;  /* the first match; unless it counts */
    size_t count;
} search;

static void search_run(mapped__walk *walk, const mapped__run runs[2], size_t n)
{
    search *self = walk->context;
    const mapped_element *a = walk->sides[0].item.element;
    const mapped_element *b = walk->sides[1].item.element;
    const unsigned char *p = runs[0].p;
    equality *equal = choose_equality(a, b);
    for (size_t i = 0; i < n; i++, p += runs[0].stride) {
        if (!equal(a, p, b, runs[1].p))
            continue;
        self->count++;
        if (!self->counts) {
            self->found = self->before + i;
            walk->stop = true;
            return;
        }
    }
    self->before += n;
}

static mapped_status search_array(const mapped_array *array,
                                  const mapped_element *element,
                                  const void *value, search *self,
                                  mapped_error *error)
{
    mapped__walk walk = {.visit_run = search_run,
                         .visit_one = visit_one,
                         .context = self,
                         .error = error};
    mapped_extent extent;
    mapped_status status = mapped_array_extent(array, &extent, error);
    if (status != MAPPED_OK || extent.count == 0 ||
        array->item.kind != MAPPED_ITEM_ELEMENT ||
        is_char(array->item.element) != is_char(element))
        return status;
    mapped__side_set(&walk.sides[0], array);
    walk.sides[1].memory = (unsigned char *)(uintptr_t)value; /* only read */
    walk.sides[1].item = mapped_item_of(element);
    walk.sides[1].size = element->size;
    return mapped__walk_all(&walk, array);
}

mapped_status mapped_array_find(const mapped_array *array,
                                const mapped_element *element,
                                const void *value, size_t *index,
                                mapped_error *error)
{
    search self = {.found = MAPPED_NOT_FOUND};
    mapped_status status = search_array(array, element, value, &self, error);
    if (status == MAPPED_OK)
        *index = self.found;
    return mapped__region_complete_error(array->slice.region, "index", status,
                                         error);
}

mapped_status mapped_array_count_value(const mapped_array *array,
                                       const mapped_element *element,
                                       const void *value, size_t *count,
                                       mapped_error *error)
{
    search self = {.counts = true};
    mapped_status status = search_array(array, element, value, &self, error);
    if (status == MAPPED_OK)
        *count = self.count;
    return mapped__region_complete_error(array->slice.region, "count", status,
                                         error);
}
