/* Guards against a slice that reaches further than its parent, that still gives
 * access after its memory is gone, or whose check accepts numbers that wrap
 * round. */
#include "memory.h"

static const size_t huge[] = {SIZE_MAX,         SIZE_MAX - 1,
                              SIZE_MAX / 2 + 1, SIZE_MAX / 2,
                              SIZE_MAX - 99,    (size_t)PTRDIFF_MAX + 2};
#define HUGE_COUNT (sizeof huge / sizeof huge[0])

static void check_sub_refused(mapped_slice slice, size_t offset, size_t length,
                              mapped_status expected)
{
    mapped_slice part = {NULL, 11, 22, 0};
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_slice_sub(slice, offset, length, &part, &error),
                 expected);
    CHECK_STATUS(error.status, expected);
    CHECK(part.region == NULL && part.offset == 11 && part.length == 22);
    if (expected == MAPPED_RANGE) {
        CHECK_UINT(error.offset, offset);
        CHECK_UINT(error.length, length);
        CHECK_UINT(error.limit, slice.length);
    }
}

static void test_slice_sub_refuses_huge_numbers(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    for (size_t i = 0; i < HUGE_COUNT; i++) {
        check_sub_refused(inner, huge[i], 0, MAPPED_RANGE);
        check_sub_refused(inner, huge[i], 1, MAPPED_RANGE);
        check_sub_refused(inner, 0, huge[i], MAPPED_RANGE);
        check_sub_refused(inner, 1, huge[i], MAPPED_RANGE);
        for (size_t j = 0; j < HUGE_COUNT; j++)
            check_sub_refused(inner, huge[i], huge[j], MAPPED_RANGE);
    }
    mapped_region_release(region);
}

static void test_slice_sub_refuses_more_than_its_parent(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    check_sub_refused(inner, 0, 21, MAPPED_RANGE);
    check_sub_refused(inner, 20, 1, MAPPED_RANGE);
    check_sub_refused(inner, 21, 0, MAPPED_RANGE);
    check_sub_refused(inner, 19, 2, MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_slice_sub_of_a_closed_region_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check_sub_refused(inner, 0, 1, MAPPED_CLOSED);
    check_sub_refused(inner, 0, 0, MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_slice_sub_adds_up_offsets(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice part = memory_slice(region, 40, 20);
    CHECK_STATUS(mapped_slice_sub(part, 5, 10, &part, NULL), MAPPED_OK);
    CHECK(part.region == region);
    CHECK_UINT(part.offset, 45);
    CHECK_UINT(part.length, 10);
    uint8_t byte = 0;
    CHECK_STATUS(mapped_get_u8(part, 9, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, memory_byte(54));
    mapped_region_release(region);
}

static void test_slice_sub_may_be_empty_at_the_end(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice part;
    CHECK_STATUS(
        mapped_slice_sub(mapped_region_slice(region), 100, 0, &part, NULL),
        MAPPED_OK);
    CHECK_UINT(part.length, 0);
    CHECK_STATUS(mapped_slice_check(part, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_slice_of_an_empty_region_is_empty(void)
{
    mapped_region *region = memory_region(0);
    mapped_slice all = mapped_region_slice(region);
    uint8_t byte = 7;
    CHECK_UINT(all.length, 0);
    CHECK_STATUS(mapped_slice_check(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(all, 0, &byte, NULL), MAPPED_RANGE);
    CHECK_UINT(byte, 7);
    mapped_region_release(region);
}

static void test_slice_of_a_closed_region_is_empty(void)
{
    mapped_region *region = memory_region(100);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_slice(region).length, 0);
    CHECK_STATUS(mapped_slice_check(mapped_region_slice(region), NULL),
                 MAPPED_CLOSED);
    mapped_region_release(region);
}

static void check_enter_refused(mapped_slice slice, size_t offset, size_t n,
                                mapped_status expected)
{
    unsigned char *p = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_slice_enter(slice, offset, n, &p, &error), expected);
    CHECK_STATUS(error.status, expected);
    CHECK_STATUS(mapped_slice_enter(slice, offset, n, &p, NULL), expected);
    CHECK_STATUS(mapped_slice_enter_write(slice, offset, n, &p, NULL),
                 expected);
    if (n > 0) {
        CHECK(mapped_slice_try_enter(slice, offset, n) == NULL);
        CHECK(mapped_slice_try_enter_write(slice, offset, n) == NULL);
    }
}

static void test_slice_enter_refuses_huge_numbers(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    for (size_t i = 0; i < HUGE_COUNT; i++) {
        check_enter_refused(inner, huge[i], 0, MAPPED_RANGE);
        check_enter_refused(inner, huge[i], 8, MAPPED_RANGE);
        check_enter_refused(inner, 0, huge[i], MAPPED_RANGE);
        check_enter_refused(inner, 19, huge[i], MAPPED_RANGE);
        for (size_t j = 0; j < HUGE_COUNT; j++)
            check_enter_refused(inner, huge[i], huge[j], MAPPED_RANGE);
    }
    mapped_region_release(region);
}

static void test_slice_enter_refuses_around_the_slice(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    check_enter_refused(inner, 20, 1, MAPPED_RANGE);
    check_enter_refused(inner, 17, 4, MAPPED_RANGE);
    check_enter_refused(inner, 0, 21, MAPPED_RANGE);
    check_enter_refused(inner, (size_t)-1, 1, MAPPED_RANGE);
    check_enter_refused(inner, (size_t)-40, 4, MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_slice_error_names_the_numbers(void)
{
    mapped_region *region = memory_region(100);
    unsigned char *p = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(
        mapped_slice_enter(memory_slice(region, 40, 20), 18, 4, &p, &error),
        MAPPED_RANGE);
    CHECK_UINT(error.offset, 18);
    CHECK_UINT(error.length, 4);
    CHECK_UINT(error.limit, 20);
    CHECK(error.operation[0] != '\0');
    mapped_region_release(region);
}

static void test_slice_enter_gives_every_place_inside(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    for (size_t offset = 0; offset <= 20; offset++) {
        for (size_t n = 0; n <= 20 - offset; n++) {
            unsigned char *p = NULL;
            CHECK_STATUS(mapped_slice_enter(inner, offset, n, &p, NULL),
                         MAPPED_OK);
            CHECK(p == region->base_ + 40 + offset);
            CHECK_STATUS(mapped_slice_leave(inner, offset, n, NULL), MAPPED_OK);
        }
    }
    mapped_region_release(region);
}

static void test_slice_enter_after_close_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check_enter_refused(inner, 0, 1, MAPPED_CLOSED);
    check_enter_refused(inner, 0, 20, MAPPED_CLOSED);
    mapped_region_release(region);
}

/* Both checks fail here. The error must be that the region is closed. */
static void test_slice_enter_out_of_range_after_close_is_closed(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check_enter_refused(inner, 20, 1, MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_slice_leave_after_close_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    unsigned char *p = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_slice_enter(inner, 0, 4, &p, NULL), MAPPED_OK);
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_UINT(p[0], 0); /* Zero pages are mapped there. */
    CHECK_STATUS(mapped_slice_leave(inner, 0, 4, &error), MAPPED_CLOSED);
    CHECK_STATUS(error.status, MAPPED_CLOSED);
    mapped_region_release(region);
    mapped_region_release(region);
}

static void test_slice_readonly_is_not_entered_for_writing(void)
{
    unsigned char bytes[16] = {0};
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    mapped_slice all = mapped_region_slice(region);
    unsigned char *p = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_slice_enter_write(all, 0, 4, &p, &error),
                 MAPPED_READONLY);
    CHECK_STATUS(error.status, MAPPED_READONLY);
    CHECK_STATUS(mapped_slice_check_writable(all, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_slice_check(all, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_enter(all, 0, 4, &p, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_slice_outside_a_shrunken_region_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    uint8_t byte = 7;
    CHECK_STATUS(mapped_region_resize(region, 50, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_check(inner, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_get_u8(inner, 9, &byte, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(inner, 10, &byte, NULL), MAPPED_RANGE);
    check_enter_refused(inner, 9, 2, MAPPED_RANGE);
    check_sub_refused(mapped_region_slice(region), 40, 20, MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_slice_is_whole_again_after_regrowth(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice inner = memory_slice(region, 40, 20);
    uint8_t byte = 7;
    CHECK_STATUS(mapped_region_resize(region, 50, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_check(inner, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(inner, 10, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, 0); /* Removed bytes come back as zeros. */
    mapped_region_release(region);
}

static void test_block_is_all_whole_elements(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = memory_slice(region, 8, 11);
    const void *block = NULL;
    size_t count = 0;
    CHECK_STATUS(mapped_block_enter(slice, 4, &block, &count, NULL), MAPPED_OK);
    CHECK_UINT(count, 2);
    CHECK(block == region->base_ + 8);
    CHECK_STATUS(mapped_block_leave(slice, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_block_leave(slice, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_block_enter(slice, 4, &block, &count, NULL),
                 MAPPED_CLOSED);
    CHECK_UINT(count, 2);
    mapped_region_release(region);
}

static void test_block_that_is_misaligned_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = memory_slice(region, 6, 90);
    const void *block = region;
    size_t count = 7;
    CHECK_STATUS(mapped_block_enter(slice, 4, &block, &count, NULL),
                 MAPPED_MISALIGNED);
    CHECK(block == region);
    CHECK_UINT(count, 7);
    CHECK_STATUS(mapped_block_enter(slice, 2, &block, &count, NULL), MAPPED_OK);
    CHECK_UINT(count, 45);
    mapped_region_release(region);
}

static void test_block_of_no_bytes_has_no_elements(void)
{
    mapped_region *region = memory_region(0);
    mapped_slice slice = mapped_region_slice(region);
    const void *block = NULL;
    size_t count = 7;
    CHECK_STATUS(mapped_block_enter(slice, 1, &block, &count, NULL), MAPPED_OK);
    CHECK_UINT(count, 0);
    CHECK_STATUS(mapped_block_leave(slice, NULL), MAPPED_OK);
    mapped_region_release(region);
}

/* Calls every function that changes one word, as an atomic. */
static void check_no_word_is_stored(mapped_slice slice)
{
    const mapped_element *u32 =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    const mapped_order order = MAPPED_ORDER_SEQ_CST;
    const mapped_value zero = {.u = 0}, one = {.u = 1};
    mapped_atomic word = {{0}, NULL};
    mapped_mutex mutex;
    mapped_value found = one;
    CHECK_STATUS(mapped_atomic_at(slice, u32, 0, &word, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_atomic_load(&word, order, &found, NULL), MAPPED_OK);
    CHECK_UINT(found.u, 0);
    CHECK_STATUS(mapped_atomic_store(&word, one, order, NULL), MAPPED_READONLY);
    for (int i = MAPPED_ATOMIC_EXCHANGE; i <= MAPPED_ATOMIC_XOR; i++)
        CHECK_STATUS(mapped_atomic_update(&word, (mapped_atomic_operation)i,
                                          one, order, NULL, NULL),
                     MAPPED_READONLY);
    CHECK_STATUS(
        mapped_atomic_compare_exchange(&word, zero, one, order, NULL, NULL),
        MAPPED_READONLY);
    CHECK_STATUS(mapped_mutex_at(slice, &mutex, NULL), MAPPED_READONLY);
}

/* And every function that stores items. */
static void check_no_item_is_stored(mapped_slice slice)
{
    static const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_PACK, .text = "=I4", .length = 3};
    const mapped_element *u32 =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    const mapped_item item = mapped_item_of(u32);
    const mapped_value one = {.u = 1};
    unsigned char bytes[400];
    mapped_array array = {.slice = slice, .item = item, .dimensions = 1};
    ptrdiff_t count = -1, stride = 4;
    mapped_field_value value = {.data = bytes};
    const mapped_field_values values = {&value, 1, 1};
    mapped_cursor cursor = {0};
    mapped_fields *fields;
    memset(bytes, 1, sizeof bytes);
    array.shape = &count;
    array.strides = &stride;
    CHECK_STATUS(mapped_array_cover(&array, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_scatter(&array, bytes, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_array_fill(&array, bytes, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_array_copy(&array, &array, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_item_write(slice, &item, 0, bytes, NULL),
                 MAPPED_READONLY);
    CHECK_STATUS(mapped_set(slice, u32, 0, one, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u8(slice, 0, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_f64be(slice, 0, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_fields_compile(&source, &fields, NULL), MAPPED_OK);
    CHECK(mapped_fields_next(fields, &cursor, &value));
    cursor = (mapped_cursor){0};
    CHECK_STATUS(mapped_fields_pack(fields, slice, &cursor, &values, NULL),
                 MAPPED_READONLY);
    mapped_fields_release(fields);
}

/* And those that change bytes. */
static void check_nothing_is_stored(mapped_slice slice)
{
    unsigned char *p = NULL;
    mapped_ring ring;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK(mapped_slice_readonly(slice));
    CHECK_STATUS(mapped_slice_check(slice, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_check_writable(slice, &error), MAPPED_READONLY);
    CHECK_UINT(error.limit, MAPPED_READONLY_SLICE);
    CHECK_STATUS(mapped_slice_enter_write(slice, 0, 1, &p, NULL),
                 MAPPED_READONLY);
    CHECK(p == NULL);
    CHECK(mapped_slice_try_enter(slice, 0, 1) != NULL);
    CHECK(mapped_slice_try_enter_write(slice, 0, 1) == NULL);
    CHECK_STATUS(mapped_write(slice, 0, "ab", 2, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_write(slice, 0, "", 0, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_copy(slice, 0, slice, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_move(slice, 0, 1, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_fill(slice, 1, &error), MAPPED_READONLY);
    CHECK_UINT(error.limit, MAPPED_READONLY_SLICE);
    CHECK_STATUS(mapped_ring_at(slice, &ring, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_discard(slice, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_revert(slice, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_protect(slice, MAPPED_MODE_READ, NULL),
                 MAPPED_READONLY);
    CHECK_STATUS(mapped_protect(slice, MAPPED_MODE_READ_WRITE, NULL),
                 MAPPED_READONLY);
    check_no_word_is_stored(slice);
    check_no_item_is_stored(slice);
}

static void test_slice_to_read_only_stores_nothing(void)
{
    mapped_region *region = memory_region(400);
    const mapped_slice all = mapped_region_slice(region);
    const mapped_slice fixed = mapped_slice_toreadonly(all);
    mapped_slice part;
    mapped_export made;
    uint8_t byte = 0;
    CHECK_STATUS(mapped_fill(all, 0, NULL), MAPPED_OK);
    CHECK(!mapped_slice_readonly(all));
    check_nothing_is_stored(fixed);
    CHECK_STATUS(mapped_slice_sub(fixed, 8, 384, &part, NULL), MAPPED_OK);
    check_nothing_is_stored(part);
    CHECK_STATUS(mapped_slice_sub(fixed, 8, 0, &part, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_check_writable(part, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_export_begin(fixed, &made, NULL), MAPPED_OK);
    for (size_t i = 0; i < 400; i++)
        CHECK_UINT(((unsigned char *)made.data)[i], 0);
    CHECK_STATUS(mapped_export_end(&made, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 0, 7, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(fixed, 0, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, 7);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(fixed, 0, 1, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_slice_sub_refuses_huge_numbers);
    RUN(test_slice_sub_refuses_more_than_its_parent);
    RUN(test_slice_sub_of_a_closed_region_is_refused);
    RUN(test_slice_sub_adds_up_offsets);
    RUN(test_slice_sub_may_be_empty_at_the_end);
    RUN(test_slice_of_an_empty_region_is_empty);
    RUN(test_slice_of_a_closed_region_is_empty);
    RUN(test_slice_enter_refuses_huge_numbers);
    RUN(test_slice_enter_refuses_around_the_slice);
    RUN(test_slice_error_names_the_numbers);
    RUN(test_slice_enter_gives_every_place_inside);
    RUN(test_slice_enter_after_close_is_refused);
    RUN(test_slice_enter_out_of_range_after_close_is_closed);
    RUN(test_slice_leave_after_close_is_refused);
    RUN(test_slice_readonly_is_not_entered_for_writing);
    RUN(test_slice_to_read_only_stores_nothing);
    RUN(test_slice_outside_a_shrunken_region_is_refused);
    RUN(test_slice_is_whole_again_after_regrowth);
    RUN(test_block_is_all_whole_elements);
    RUN(test_block_that_is_misaligned_is_refused);
    RUN(test_block_of_no_bytes_has_no_elements);
    return check_finish();
}
