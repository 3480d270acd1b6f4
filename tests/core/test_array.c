/* Guards against arrays that touch other bytes than those of their items, that
 * copy items in the wrong order, or that use a wrong shape or wrong strides
 * without a check. */
#include "memory.h"

static mapped_item item_named(const char *name)
{
    const mapped_element *element =
        mapped_element_from_name(name, strlen(name), MAPPED_BIG_ENDIAN);
    if (element == NULL)
        exit(1);
    return mapped_item_of(element);
}

/* An array together with its shape and strides. */
typedef struct Array {
    mapped_array array;
    ptrdiff_t shape[4], strides[4];
} Array;

static mapped_array *array_of(Array *to, mapped_slice slice, mapped_item item,
                              int dimensions)
{
    to->array = (mapped_array){.slice = slice,
                               .item = item,
                               .dimensions = dimensions,
                               .shape = to->shape,
                               .strides = to->strides};
    return &to->array;
}

static void test_array_cover_fits_the_slice(void)
{
    static const struct {
        ptrdiff_t shape[3];
        int dimensions;
        mapped_status expected;
        ptrdiff_t first;
    } rows[] = {
        {{-1}, 1, MAPPED_OK, 24},
        {{24}, 1, MAPPED_OK, 24},
        {{23}, 1, MAPPED_SIZE, 0},
        {{-1, 4}, 2, MAPPED_OK, 6},
        {{-1, 5}, 2, MAPPED_SIZE, 0},
        {{2, 3, 4}, 3, MAPPED_OK, 2},
        {{-1, 0}, 2, MAPPED_ARGUMENT, 0},
        {{0, 4}, 2, MAPPED_SIZE, 0},
        {{2, -1}, 2, MAPPED_ARGUMENT, 0},
        {{-2}, 1, MAPPED_ARGUMENT, 0},
        {{PTRDIFF_MAX, PTRDIFF_MAX}, 2, MAPPED_OVERFLOW, 0},
        {{-1, PTRDIFF_MAX, 3}, 3, MAPPED_OVERFLOW, 0},
        {{1}, 0, MAPPED_ARGUMENT, 0},
    };
    mapped_region *region = memory_region(48);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Array a;
        array_of(&a, mapped_region_slice(region), item_named("u16"),
                 rows[i].dimensions);
        memcpy(a.shape, rows[i].shape, sizeof rows[i].shape);
        if (!CHECK_STATUS(mapped_array_cover(&a.array, NULL), rows[i].expected))
            printf("  of row %zu\n", i);
        if (rows[i].expected != MAPPED_OK)
            continue;
        CHECK_INT(a.shape[0], rows[i].first);
        CHECK_INT(a.strides[0] * a.shape[0], 48);
        CHECK_UINT(mapped_array_count(&a.array), 24);
    }
    mapped_region_release(region);
}

static void test_array_cover_says_what_is_left_over(void)
{
    mapped_region *region = memory_region(100);
    mapped_fields *layout = memory_layout("a:u8[12]");
    mapped_error error = MAPPED_ERROR_INIT;
    Array a;
    array_of(&a, mapped_region_slice(region), mapped_item_of_record(layout), 1);
    a.shape[0] = -1;
    CHECK_STATUS(mapped_array_cover(&a.array, &error), MAPPED_SIZE);
    CHECK_UINT(error.offset, 96);
    CHECK_UINT(error.length, 4);
    CHECK_UINT(error.limit, 12);
    CHECK_INT(a.shape[0], -1);
    a.array.slice = memory_slice(region, 3, 96);
    CHECK_STATUS(mapped_array_cover(&a.array, &error), MAPPED_OK);
    CHECK_INT(a.shape[0], 8);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_cover(&a.array, &error), MAPPED_CLOSED);
    mapped_fields_release(layout);
    mapped_region_release(region);
}

static void test_array_select_chooses_and_refuses(void)
{
    static const struct {
        mapped_subscript keys[2];
        int count;
        mapped_status expected;
        size_t first;
        int dimensions;
        ptrdiff_t length, stride;
    } rows[] = {
        {{{2, 0, 0}}, 1, MAPPED_OK, 8, 1, 4, 1},
        {{{2, 0, 0}, {3, 0, 0}}, 2, MAPPED_OK, 11, 0, 0, 0},
        {{{5, -2, 3}, {0, 0, 0}}, 2, MAPPED_OK, 20, 1, 3, -8},
        {{{1, 7, 1}, {0, 0, 0}}, 2, MAPPED_OK, 4, 1, 1, 4},
        {{{6, 1, 0}, {3, 0, 0}}, 2, MAPPED_OK, 0, 1, 0, 4},
        {{{5, 0, 0}, {4, -1, 0}}, 2, MAPPED_OK, 0, 1, 0, 1},
        {{{6, 0, 0}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{-1, 0, 0}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{0, 2, 4}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{5, -2, 4}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{0, PTRDIFF_MAX, 3}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{0, 1, -1}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{3, -1, -1}}, 1, MAPPED_RANGE, 0, 0, 0, 0},
        {{{0, 0, 0}, {0, 0, 0}}, 3, MAPPED_ARGUMENT, 0, 0, 0, 0},
    };
    mapped_region *region = memory_region(24);
    Array a, b;
    array_of(&a, mapped_region_slice(region), item_named("u8"), 2);
    a.shape[0] = -1;
    a.shape[1] = 4;
    CHECK_STATUS(mapped_array_cover(&a.array, NULL), MAPPED_OK);
    array_of(&b, a.array.slice, a.array.item, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!CHECK_STATUS(mapped_array_select(&a.array, rows[i].keys,
                                              rows[i].count, &b.array, NULL),
                          rows[i].expected))
            printf("  of row %zu\n", i);
        if (rows[i].expected != MAPPED_OK)
            continue;
        CHECK_UINT(b.array.first, rows[i].first);
        CHECK_INT(b.array.dimensions, rows[i].dimensions);
        if (rows[i].dimensions == 0)
            continue;
        CHECK_INT(b.shape[0], rows[i].length);
        CHECK_INT(b.strides[0], rows[i].stride);
    }
    mapped_region_release(region);
}

static void test_array_extent_is_what_items_span(void)
{
    mapped_region *region = memory_region(100);
    mapped_extent extent = {.count = 4711};
    Array a;
    array_of(&a, memory_slice(region, 10, 80), item_named("u32"), 1);
    a.array.first = 40;
    a.shape[0] = 3;
    a.strides[0] = -8;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_OK);
    CHECK_UINT(extent.bytes.offset, 34);
    CHECK_UINT(extent.bytes.length, 20);
    CHECK_UINT(extent.first, 16);
    CHECK_UINT(extent.count, 3);
    CHECK(!extent.contiguous);
    a.strides[0] = 4;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_OK);
    CHECK(extent.contiguous);
    a.shape[0] = 11;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_RANGE);
    CHECK_UINT(extent.count, 3);
    a.shape[0] = 0;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_OK);
    CHECK_UINT(extent.bytes.offset, 50);
    CHECK_UINT(extent.bytes.length, 0);
    CHECK_UINT(extent.count, 0);
    a.array.dimensions = MAPPED_ARRAY_DIMENSIONS + 1;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_ARGUMENT);
    a.array.dimensions = 0;
    a.array.item.size = 0;
    CHECK_STATUS(mapped_array_extent(&a.array, &extent, NULL), MAPPED_ARGUMENT);
    mapped_region_release(region);
}

#define ROWS 7
#define COLUMNS 3000

/* Compares gather and scatter with a plain loop: for items of every width, in
 * rows and columns with gaps, in both directions. */
static void check_copies(size_t size, ptrdiff_t step, bool turned)
{
    size_t bytes = (size_t)ROWS * COLUMNS * (size_t)(step < 0 ? -step : step);
    mapped_region *region = memory_region(bytes);
    unsigned char *plain = malloc((size_t)ROWS * COLUMNS * size), *p = plain;
    const mapped_item byte = item_named("u8");
    mapped_item item = byte;
    size_t wrong = 0;
    Array a;
    if (size > 1)
        CHECK(mapped_item_repeat(&byte, size, &item));
    array_of(&a, mapped_region_slice(region), item, 2);
    a.shape[0] = turned ? COLUMNS : ROWS;
    a.shape[1] = turned ? ROWS : COLUMNS;
    a.strides[turned] = step * COLUMNS;
    a.strides[!turned] = step;
    if (step < 0)
        a.array.first = bytes - size;
    CHECK_STATUS(mapped_array_gather(&a.array, plain, NULL), MAPPED_OK);
    for (ptrdiff_t i = 0; i < a.shape[0]; i++)
        for (ptrdiff_t j = 0; j < a.shape[1]; j++, p += size) {
            unsigned char *q = region->base_ + a.array.first +
                               i * a.strides[0] + j * a.strides[1];
            wrong += memcmp(p, q, size) != 0;
            for (size_t k = 0; k < size; k++)
                q[k] = (unsigned char)~q[k];
        }
    CHECK_STATUS(mapped_array_scatter(&a.array, plain, NULL), MAPPED_OK);
    for (size_t i = 0; i < bytes; i++)
        wrong += region->base_[i] != memory_byte(i);
    CHECK_UINT(wrong, 0);
    free(plain);
    mapped_region_release(region);
}

static void test_array_gather_and_scatter_move_every_item(void)
{
    const size_t sizes[] = {1, 2, 3, 4, 8, 12, 16};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int turned = 0; turned < 2; turned++) {
            ptrdiff_t size = (ptrdiff_t)sizes[i];
            check_copies(sizes[i], size, turned);
            check_copies(sizes[i], size + 1, turned);
            check_copies(sizes[i], -2 * size, turned);
        }
    check_copies(4, 5000, false);
}

static void test_array_fill_repeats_one_item(void)
{
    mapped_region *region = memory_region(16);
    const uint16_t value = 0x0101;
    unsigned char bytes[16];
    Array a;
    array_of(&a, mapped_region_slice(region), item_named("u16"), 1);
    a.shape[0] = 3;
    a.strides[0] = -4;
    a.array.first = 9;
    CHECK_STATUS(mapped_array_fill(&a.array, &value, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_read(mapped_region_slice(region), 0, bytes, 16, NULL),
                 MAPPED_OK);
    for (size_t i = 0; i < 16; i++)
        CHECK_INT(bytes[i],
                  i == 1 || i == 2 || i == 5 || i == 6 || i == 9 || i == 10
                      ? 1
                      : memory_byte(i));
    a.shape[0] = 4;
    CHECK_STATUS(mapped_array_fill(&a.array, &value, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    a.shape[0] = 3;
    CHECK_STATUS(mapped_array_fill(&a.array, &value, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_array_scatter_leaves_gaps_alone(void)
{
    unsigned char bytes[24], from[16];
    mapped_region *region = memory_wrap(bytes, sizeof bytes, false);
    mapped_fields *layout = memory_layout("a:u8 b:{c:u8@1 d:u8@3}[1] size=8");
    Array a;
    memset(bytes, 0xEE, sizeof bytes);
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)i;
    array_of(&a, memory_slice(region, 0, 16), mapped_item_of_record(layout), 1);
    a.shape[0] = -1;
    CHECK_STATUS(mapped_array_cover(&a.array, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_scatter(&a.array, from, NULL), MAPPED_OK);
    for (size_t i = 0; i < sizeof bytes; i++)
        CHECK_UINT(bytes[i], i < 16 && (i % 8 == 0 || i % 8 == 2 || i % 8 == 4)
                                 ? i
                                 : 0xEE);
    mapped_fields_release(layout);
    mapped_region_release(region);
}

static void test_array_copy_survives_overlap(void)
{
    mapped_region *region = memory_region(1000);
    Array a, b;
    array_of(&a, mapped_region_slice(region), item_named("u8"), 1);
    array_of(&b, mapped_region_slice(region), item_named("u8"), 1);
    a.shape[0] = b.shape[0] = 1000;
    a.strides[0] = 1;
    b.strides[0] = -1;
    b.array.first = 999;
    CHECK_STATUS(mapped_array_copy(&a.array, &b.array, NULL), MAPPED_OK);
    for (size_t i = 0; i < 1000; i++)
        CHECK_UINT(region->base_[i], memory_byte(999 - i));
    a.shape[0] = b.shape[0] = 999;
    b.strides[0] = 1;
    a.array.first = 1;
    b.array.first = 0;
    CHECK_STATUS(mapped_array_copy(&a.array, &b.array, NULL), MAPPED_OK);
    for (size_t i = 1; i < 1000; i++)
        CHECK_UINT(region->base_[i], memory_byte(1000 - i));
    a.shape[0] = 998;
    CHECK_STATUS(mapped_array_copy(&a.array, &b.array, NULL), MAPPED_ARGUMENT);
    a.shape[0] = 999;
    a.array.item = item_named("i8");
    CHECK_STATUS(mapped_array_copy(&a.array, &b.array, NULL), MAPPED_ARGUMENT);
    mapped_region_release(region);
}

static void test_array_column_and_expansion(void)
{
    mapped_region *region = memory_region(64);
    mapped_fields *layout = memory_layout("a:u8 b:{c:u8 d:u16[3]}[2] size=16");
    unsigned char found[12], *p = found;
    Array a;
    mapped_array column;
    array_of(&a, memory_slice(region, 0, 48), mapped_item_of_record(layout), 1);
    a.shape[0] = -1;
    CHECK_STATUS(mapped_array_cover(&a.array, NULL), MAPPED_OK);
    mapped_array_column(&a.array, mapped_fields_find(layout, "b", 1), &column);
    mapped_array_expand(&column);
    CHECK_INT(column.item.kind, MAPPED_ITEM_RECORD);
    mapped_array_column(&column, mapped_fields_find(column.item.record, "d", 1),
                        &column);
    mapped_array_expand(&column);
    CHECK_INT(column.dimensions, 3);
    CHECK_INT(column.shape[2], 3);
    column.shape[0] = 1;
    CHECK_STATUS(mapped_array_gather(&column, found, NULL), MAPPED_OK);
    for (size_t i = 0; i < 2; i++)
        for (size_t k = 0; k < 6; k++)
            CHECK_UINT(*p++, memory_byte(1 + i * 7 + 1 + k));
    mapped_fields_release(layout);
    mapped_region_release(region);
}

/* The first dimension is so long that a loop over it would practically never
 * end. */
static void test_array_without_items_touches_nothing(void)
{
    mapped_region *region = memory_region(8);
    mapped_slice none = memory_slice(region, 8, 0);
    mapped_fields *layout = memory_layout("a:u8 b:u8");
    bool same = false;
    Array a;
    mapped_array column;
    array_of(&a, none, mapped_item_of_record(layout), 3);
    a.shape[0] = PTRDIFF_MAX / 8;
    a.shape[1] = 0;
    a.shape[2] = 2;
    CHECK_STATUS(mapped_array_cover(&a.array, NULL), MAPPED_OK);
    mapped_array_column(&a.array, &layout->fields[1], &column);
    CHECK_UINT(column.first, 0);
    CHECK_STATUS(mapped_array_gather(&column, NULL, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_scatter(&column, NULL, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_copy(&a.array, &a.array, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_equal(&a.array, &a.array, &same, NULL),
                 MAPPED_OK);
    CHECK(same);
    mapped_fields_release(layout);
    mapped_region_release(region);
}

static void test_array_access_is_refused(void)
{
    static unsigned char bytes[8];
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    unsigned char plain[64];
    Array a;
    array_of(&a, mapped_region_slice(region), item_named("u16"), 1);
    a.shape[0] = 4;
    a.strides[0] = 2;
    CHECK_STATUS(mapped_array_scatter(&a.array, plain, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_array_copy(&a.array, &a.array, NULL), MAPPED_READONLY);
    a.strides[0] = 3;
    CHECK_STATUS(mapped_array_gather(&a.array, plain, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_gather(&a.array, plain, NULL), MAPPED_CLOSED);
    a.shape[0] = 0;
    CHECK_STATUS(mapped_array_gather(&a.array, plain, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_array_cover_fits_the_slice);
    RUN(test_array_cover_says_what_is_left_over);
    RUN(test_array_select_chooses_and_refuses);
    RUN(test_array_extent_is_what_items_span);
    RUN(test_array_gather_and_scatter_move_every_item);
    RUN(test_array_fill_repeats_one_item);
    RUN(test_array_scatter_leaves_gaps_alone);
    RUN(test_array_copy_survives_overlap);
    RUN(test_array_column_and_expansion);
    RUN(test_array_without_items_touches_nothing);
    RUN(test_array_access_is_refused);
    return check_finish();
}
