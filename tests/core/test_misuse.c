/* Guards against harm by a C program's own mistakes: something that is ended
 * twice or was never begun, and arguments that no table of ours has. */
#include "memory.h"

static void test_export_ends_once(void)
{
    mapped_region *region = memory_region(10);
    mapped_slice all = mapped_region_slice(region);
    mapped_export one, two, none = {0};
    CHECK_STATUS(mapped_export_begin(all, &one, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_begin(all, &two, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&one, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&one, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_export_check(&one, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_export_end(&none, NULL), MAPPED_CLOSED);
    CHECK_UINT(mapped_region_exports(region), 1);
    CHECK_STATUS(mapped_export_end(&two, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_span_ends_once(void)
{
    mapped_region *region = memory_region(10);
    mapped_span span, none = {0};
    CHECK_STATUS(mapped_span_begin(mapped_region_slice(region), &span, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_span_end(&none, NULL), MAPPED_CLOSED);
    CHECK_UINT(mapped_region_exports(region), 0);
    mapped_region_release(region);
}

static void test_ring_hold_ends_once(void)
{
    mapped_region *region = NULL;
    mapped_ring ring;
    mapped_ring_hold hold, none = {0};
    CHECK_STATUS(mapped_region_anonymous(1024, NULL, &region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_ring_begin_send(&ring, MAPPED_NEVER, &hold, NULL),
                 MAPPED_OK);
    mapped_ring_end(&hold);
    mapped_ring_end(&hold);
    mapped_ring_end(&none);
    CHECK_UINT(mapped_region_exports(region), 0);
    mapped_region_release(region);
}

static void test_wrap_of_no_memory_is_refused(void)
{
    char byte = 0;
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_wrap(NULL, 1, false, NULL, NULL, &region, NULL),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(
        mapped_region_wrap(&byte, SIZE_MAX, false, NULL, NULL, &region, NULL),
        MAPPED_ARGUMENT);
    CHECK(region == NULL);
    CHECK_STATUS(mapped_region_wrap(NULL, 0, false, NULL, NULL, &region, NULL),
                 MAPPED_OK);
    mapped_region_release(region);
}

static void test_block_of_elements_of_no_size_is_misaligned(void)
{
    mapped_region *region = memory_region(10);
    const void *block;
    size_t count;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_block_enter(mapped_region_slice(region), 0, &block,
                                    &count, &error),
                 MAPPED_MISALIGNED);
    CHECK_UINT(error.length, 10);
    mapped_region_release(region);
}

static void test_names_of_no_constant_are_texts(void)
{
    CHECK_TEXT(mapped_advice_text((mapped_advice)99), "unknown advice");
    CHECK_TEXT(mapped_mode_text((mapped_mode)99), "unknown mode");
    CHECK_TEXT(mapped_change_text((mapped_change)99), "unknown change");
    CHECK_TEXT(mapped_status_text(99), "unknown status");
}

static void check_message(mapped_status status, const mapped_error *error,
                          const char *wanted)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error_message(error, text, sizeof text);
    CHECK(status != MAPPED_OK);
    CHECK_TEXT(text, wanted);
}

static void test_messages_name_the_wrong_option(void)
{
    mapped_region *region;
    mapped_mode mode;
    mapped_error e = MAPPED_ERROR_INIT;
    const mapped_open_options sized = {.size = 7},
                              flagged = {.flags = 1u << 31};
    const mapped_anonymous_options large = {.reserve = UINT64_MAX};
    check_message(
        mapped_region_open("f", MAPPED_MODE_READ, &sized, &region, &e), &e,
        "f: open: size of the options: invalid argument");
    check_message(
        mapped_region_open("f", MAPPED_MODE_READ, &flagged, &region, &e), &e,
        "f: open: flags: invalid argument");
    check_message(mapped_region_open("f", (mapped_mode)99, NULL, &region, &e),
                  &e, "f: open: mode: invalid argument");
    check_message(mapped_mode_parse("w", 1, &mode, &e), &e,
                  "no mode as r, r+, c, w+, x+ or a+: invalid argument");
    CHECK_STATUS(mapped_region_anonymous(8, &large, &region, &e),
                 MAPPED_OVERFLOW);
    CHECK_UINT(e.length, UINT64_MAX);
}

int main(void)
{
    RUN(test_export_ends_once);
    RUN(test_span_ends_once);
    RUN(test_ring_hold_ends_once);
    RUN(test_wrap_of_no_memory_is_refused);
    RUN(test_block_of_elements_of_no_size_is_misaligned);
    RUN(test_names_of_no_constant_are_texts);
    RUN(test_messages_name_the_wrong_option);
    return check_finish();
}
