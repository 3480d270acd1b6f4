/* Guards against errors that say nothing: a status without a name, a message
 * that leaves out the offending number, or one that overruns the buffer. */
#include "check.h"

static void test_error_unknown_status_has_a_text(void)
{
    CHECK_TEXT(mapped_status_name(1), "MAPPED_UNKNOWN");
    CHECK_TEXT(mapped_status_name(-1000000), "MAPPED_UNKNOWN");
    CHECK(mapped_status_text(1) != NULL);
    CHECK(mapped_status_text(INT_MIN)[0] != '\0');
}

static void test_error_every_status_has_its_name_and_text(void)
{
#define CHECK_ROW(name, value, text)                        \
    CHECK_INT(MAPPED_##name, value);                        \
    CHECK_TEXT(mapped_status_name(value), "MAPPED_" #name); \
    CHECK_TEXT(mapped_status_text(value), text);
    MAPPED_STATUS_MAP(CHECK_ROW)
#undef CHECK_ROW
}

static void test_error_statuses_are_different(void)
{
    const int values[] = {
#define VALUE(name, value, text) value,
        MAPPED_STATUS_MAP(VALUE)
#undef VALUE
    };
    size_t count = sizeof values / sizeof values[0];
    for (size_t i = 0; i < count; i++)
        CHECK_INT(values[i], -(int)i);
}

static void test_error_set_accepts_null(void)
{
    const mapped_error_range range = {.offset = 1, .length = 2, .limit = 3};
    CHECK_STATUS(mapped_error_set(NULL, MAPPED_BUSY, "x"), MAPPED_BUSY);
    CHECK_STATUS(mapped_error_set_range(NULL, MAPPED_RANGE, "x", range),
                 MAPPED_RANGE);
    CHECK_STATUS(mapped_error_set_system(NULL, 5, "x"), MAPPED_SYSTEM);
}

static void test_error_set_clears_what_was_there(void)
{
    mapped_error error = {MAPPED_RANGE, 77, "old", "call", 1, 2, 3, "path"};
    mapped_error_set(&error, MAPPED_CLOSED, "new");
    CHECK_STATUS(error.status, MAPPED_CLOSED);
    CHECK_INT(error.os_error, 0);
    CHECK_TEXT(error.operation, "new");
    CHECK(error.call == NULL);
    CHECK_TEXT(error.path, "");
    CHECK_UINT(error.offset | error.length | error.limit, 0);
}

static void test_error_set_range_keeps_the_numbers(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_error_range range = {
        .offset = UINT64_MAX, .length = 7, .limit = 9};
    mapped_error_set_range(&error, MAPPED_RANGE, "get", range);
    CHECK_UINT(error.offset, UINT64_MAX);
    CHECK_UINT(error.length, 7);
    CHECK_UINT(error.limit, 9);
}

static void test_error_message_names_the_numbers(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_error_range range = {
        .offset = UINT64_MAX, .length = 4711, .limit = 815};
    mapped_error_set_range(&error, MAPPED_RANGE, "mapped_get", range);
    size_t length = mapped_error_message(&error, text, sizeof text);
    CHECK_UINT(length, strlen(text));
    CHECK(strstr(text, "mapped_get") != NULL);
    CHECK(strstr(text, "18446744073709551615") != NULL);
    CHECK(strstr(text, "4711") != NULL);
    CHECK(strstr(text, "815") != NULL);
}

static void test_error_message_names_the_system_reason(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set_system(&error, 2, "open");
    mapped_error_message(&error, text, sizeof text);
    CHECK(strncmp(text, "open: ", 6) == 0);
    CHECK(strlen(text) > 8);
}

static void test_error_message_survives_an_unknown_system_number(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set_system(&error, 987654, "open");
    CHECK(mapped_error_message(&error, text, sizeof text) > 6);
}

static void test_error_message_never_overruns_a_short_buffer(void)
{
    char text[64];
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_error_range range = {.offset = 1, .length = 2, .limit = 3};
    mapped_error_set_range(&error, MAPPED_RANGE, "mapped_get", range);
    size_t needed = mapped_error_message(&error, NULL, 0);
    CHECK(needed > 16 && needed < MAPPED_ERROR_MESSAGE_SIZE);
    for (size_t capacity = 1; capacity < 16; capacity++) {
        memset(text, '#', sizeof text);
        CHECK_UINT(mapped_error_message(&error, text, capacity), needed);
        CHECK_UINT(strlen(text), capacity - 1);
        CHECK(text[capacity] == '#');
    }
}

static void test_error_longest_message_fits_the_promised_size(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE], path[200] = "";
    const mapped_error_range range = {
        .offset = UINT64_MAX, .length = UINT64_MAX, .limit = UINT64_MAX};
    for (int status = 0; status >= -16; status--) {
        mapped_error error = MAPPED_ERROR_INIT;
        mapped_error_set_range(&error, (mapped_status)status,
                               "open a file with a huge page size", range);
        error.os_error = 84; /* EILSEQ: the longest text of Linux. */
        error.call = "pthread_atfork";
        memset(path, 'x', sizeof path - 1);
        mapped_error_set_path(&error, path);
        size_t length = mapped_error_message(&error, text, sizeof text);
        CHECK(length > 0 && length < sizeof text);
    }
}

static void check_path(const char *path, const char *expected)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set(&error, MAPPED_CLOSED, "get");
    mapped_error_set_path(&error, path);
    CHECK_TEXT(error.path, expected);
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void test_error_path_is_the_end_of_a_long_one(void)
{
    check_path(NULL, "");
    check_path("", "");
    check_path("a", "a");
    check_path(SIXTY, SIXTY);
    check_path("/" SIXTY, "..." SIXTY);
    check_path("/home/" SIXTY, "..." SIXTY);
}

static void test_error_path_cuts_no_character_in_two(void)
{
    check_path("\xC3\xA4" TEN TEN TEN TEN TEN "012345678",
               "..." TEN TEN TEN TEN TEN "012345678");
    check_path("\xE2\x82\xAC" TEN TEN TEN TEN TEN "01234567",
               "..." TEN TEN TEN TEN TEN "01234567");
}

static void test_error_message_names_file_operation_and_call(void)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_error_set_system(&error, 2, "posix_fallocate");
    error.operation = "append";
    mapped_error_set_path(&error, "data.bin");
    mapped_error_message(&error, text, sizeof text);
    CHECK(strncmp(text, "data.bin: append: posix_fallocate: ", 35) == 0);
    mapped_error_set(&error, MAPPED_READONLY, "fill");
    mapped_error_set_path(&error, "data.bin");
    mapped_error_message(&error, text, sizeof text);
    CHECK_TEXT(text, "data.bin: fill: attempt to write to read-only memory");
}

int main(void)
{
    RUN(test_error_path_is_the_end_of_a_long_one);
    RUN(test_error_path_cuts_no_character_in_two);
    RUN(test_error_message_names_file_operation_and_call);

    RUN(test_error_unknown_status_has_a_text);
    RUN(test_error_every_status_has_its_name_and_text);
    RUN(test_error_statuses_are_different);
    RUN(test_error_set_accepts_null);
    RUN(test_error_set_clears_what_was_there);
    RUN(test_error_set_range_keeps_the_numbers);
    RUN(test_error_message_names_the_numbers);
    RUN(test_error_message_names_the_system_reason);
    RUN(test_error_message_survives_an_unknown_system_number);
    RUN(test_error_message_never_overruns_a_short_buffer);
    RUN(test_error_longest_message_fits_the_promised_size);
    return check_finish();
}
