/* Guards against a crash where a program uses a slice that is all zeros and was
 * never made. Every function must answer that it is closed. */
#include <mapped/mapped.h>

#include "memory.h"

static const mapped_slice none = {0};

static void test_zero_slice_has_no_range(void)
{
    mapped_slice part;
    unsigned char *p;
    CHECK_STATUS(mapped_slice_check(none, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_slice_check_writable(none, NULL), MAPPED_CLOSED);
    for (size_t n = 0; n < 3; n++) {
        CHECK_STATUS(mapped_slice_sub(none, n, n, &part, NULL), MAPPED_CLOSED);
        CHECK_STATUS(mapped_slice_enter(none, 0, n, &p, NULL), MAPPED_CLOSED);
        CHECK_STATUS(mapped_slice_enter_write(none, n, n, &p, NULL),
                     MAPPED_CLOSED);
    }
    CHECK(mapped_slice_try_enter(none, 0, 1) == NULL);
}

static void test_slice_of_no_region_is_closed(void)
{
    mapped_slice slice = mapped_region_slice(NULL);
    CHECK_INT((long long)slice.length, 0);
    CHECK_STATUS(mapped_slice_check(slice, NULL), MAPPED_CLOSED);
}

static void test_zero_error_has_a_message(void)
{
    const mapped_error zero = {0};
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error_message(&zero, text, sizeof text);
    CHECK_TEXT(text, mapped_status_text(MAPPED_OK));
}

static void test_zero_slice_has_no_values(void)
{
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    mapped_value value = {0};
    uint8_t byte;
    double number;
    CHECK_STATUS(mapped_get_u8(none, 0, &byte, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_set_u8(none, 0, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_get_f64be(none, SIZE_MAX, &number, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_get(none, element, 0, &value, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_set(none, element, 0, value, NULL), MAPPED_CLOSED);
}

static void test_zero_slice_has_no_bytes(void)
{
    mapped_region *region = memory_region(10);
    mapped_slice all = mapped_region_slice(region);
    char out[1];
    int order;
    CHECK_STATUS(mapped_read(none, 0, out, 0, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_read(none, 0, out, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_write(none, 0, out, 0, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_fill(none, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_move(none, 0, 0, 0, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_copy(none, 0, all, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_copy(all, 0, none, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_copy(none, 0, none, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_append_slice(region, none, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare(none, all, &order, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare(all, none, &order, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare_bytes(none, "", 0, &order, NULL),
                 MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_zero_slice_has_no_text(void)
{
    mapped_needle needle;
    mapped_parts parts;
    mapped_slice part;
    size_t result;
    bool flag;
    mapped_needle_init(&needle, "", 0);
    CHECK_STATUS(mapped_find(none, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_rfind(none, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_count(none, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_starts_with(none, "", 0, &flag, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_ends_with(none, "", 0, &flag, NULL), MAPPED_CLOSED);
    mapped_parts_lines(&parts, none, false);
    CHECK_STATUS(mapped_parts_next(&parts, &part, &flag, NULL), MAPPED_CLOSED);
    CHECK(!mapped_parts_try_next(&parts, 100, &part));
    CHECK_STATUS(mapped_parts_split(&parts, none, ",", 1, NULL), MAPPED_CLOSED);
}

static void test_zero_slice_has_no_patterns(void)
{
    static union {
        max_align_t align;
        char bytes[4096];
    } room;
    const mapped_pattern *pattern = mapped_pattern_init(&room, "x*", 2, 0);
    mapped_match match;
    bool found;
    mapped_match_init(&match, 0);
    CHECK(mapped_pattern_size("x*", 2, 0) <= sizeof room);
    CHECK_STATUS(mapped_match_next(&match, pattern, none, &found, NULL),
                 MAPPED_CLOSED);
}

static void run_format(const char *text, size_t values)
{
    mapped_field_value room[2];
    mapped_field_values items = {room, 2, 0};
    mapped_cursor cursor = {0};
    mapped_fields *format = memory_fields(MAPPED_DIALECT_STRUCT, text);
    CHECK_STATUS(mapped_fields_unpack(format, none, &cursor, &items, NULL),
                 MAPPED_CLOSED);
    cursor = (mapped_cursor){0};
    items.count = 0;
    while (mapped_fields_next(format, &cursor, &room[items.count]))
        room[items.count++].value.u = 0;
    CHECK_UINT(items.count, values);
    cursor = (mapped_cursor){0};
    CHECK_STATUS(mapped_fields_pack(format, none, &cursor, &items, NULL),
                 MAPPED_CLOSED);
    mapped_fields_release(format);
}

static void test_zero_slice_has_no_fields(void)
{
    mapped_fields *layout = memory_layout("a:u8 b:u32");
    mapped_item item = mapped_item_of_record(layout);
    unsigned char bytes[5];
    run_format("", 0);
    run_format("<I", 1);
    CHECK_STATUS(mapped_item_read(none, &item, 0, bytes, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_item_write(none, &item, 0, bytes, NULL), MAPPED_CLOSED);
    mapped_fields_release(layout);
}

static void test_zero_word_has_no_integer(void)
{
    const mapped_atomic word = {{0}, NULL};
    const mapped_mutex mutex = {{{0}, NULL}};
    const mapped_value one = {.u = 1};
    mapped_value found;
    CHECK_STATUS(mapped_atomic_load(&word, MAPPED_ORDER_SEQ_CST, &found, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_store(&word, one, MAPPED_ORDER_SEQ_CST, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_update(&word, MAPPED_ATOMIC_ADD, one,
                                      MAPPED_ORDER_SEQ_CST, &found, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_compare_exchange(
                     &word, one, one, MAPPED_ORDER_SEQ_CST, &found, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_wait(&word, one, MAPPED_NEVER, &found, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_atomic_notify(&word, 1, NULL, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_mutex_lock(&mutex, MAPPED_NEVER, NULL, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_CLOSED);
}

static void test_zero_slice_leaves_no_pointer(void)
{
    mapped_span span;
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(none, &held, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_span_begin(none, &span, NULL), MAPPED_CLOSED);
}

static void test_no_region_is_closed(void)
{
    CHECK(mapped_region_closed(NULL));
    CHECK(!mapped_region_readonly(NULL));
    CHECK(!mapped_region_device(NULL));
    CHECK_UINT(mapped_region_length(NULL), 0);
    CHECK_UINT(mapped_region_file_offset(NULL), 0);
    CHECK_UINT(mapped_region_fault_count(NULL), 0);
    CHECK_UINT(mapped_region_spare(NULL), 0);
    CHECK(mapped_region_name(NULL) == NULL);
}

static void test_no_region_can_be_changed(void)
{
    mapped_change change;
    uint64_t size;
    CHECK_STATUS(mapped_region_check(NULL, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_recover(NULL, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_resize(NULL, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_append(NULL, "x", 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_append_slice(NULL, none, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_refresh(NULL, &change, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_size(NULL, &size, NULL), MAPPED_CLOSED);
    mapped_region_acquire(NULL);
    mapped_region_copy_on_move(NULL);
    mapped_region_keep_addresses(NULL);
    CHECK_STATUS(mapped_region_close(NULL, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_retire(NULL), 0);
}

static void test_zero_options_are_the_defaults(void)
{
    const mapped_anonymous_options zero = {0};
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_anonymous(10, &zero, &region, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 10);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_slice_of_no_region_is_closed);
    RUN(test_zero_error_has_a_message);
    RUN(test_zero_slice_has_no_range);
    RUN(test_zero_slice_has_no_values);
    RUN(test_zero_slice_has_no_bytes);
    RUN(test_zero_slice_has_no_text);
    RUN(test_zero_slice_has_no_patterns);
    RUN(test_zero_slice_has_no_fields);
    RUN(test_zero_word_has_no_integer);
    RUN(test_zero_slice_leaves_no_pointer);
    RUN(test_no_region_is_closed);
    RUN(test_no_region_can_be_changed);
    RUN(test_zero_options_are_the_defaults);
    return check_finish();
}
