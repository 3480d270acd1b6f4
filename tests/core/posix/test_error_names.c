/* Guards against an error that names an inner operation of the library instead
 * of the function that the program called, and against one that doesn't name
 * the file. */
#include <mapped/mapped.h>

#include "scratch.h"

#define LENGTH 100

static mapped_region *region;
static mapped_slice all;
static const char *path;

static void begin(mapped_mode mode, uint64_t reserve)
{
    const mapped_open_options options = {.reserve = reserve};
    path = scratch_file("named", LENGTH);
    region = scratch_open(path, mode, &options);
    all = mapped_region_slice(region);
}

static void end(void)
{
    mapped_region_release(region);
}

/* An error keeps the last characters of a path that it has no room for. */
static void check_path(const mapped_error *error)
{
    size_t length = strlen(path), kept = strlen(error->path);
    if (strncmp(error->path, "...", 3) == 0)
        CHECK_TEXT(error->path + 3, path + length - (kept - 3));
    else
        CHECK_TEXT(error->path, path);
}

#define CHECK_ERROR(call, expected, name)       \
    do {                                        \
        mapped_error error = MAPPED_ERROR_INIT; \
        CHECK_STATUS(call, expected);           \
        CHECK_STATUS(error.status, expected);   \
        CHECK_TEXT(error.operation, name);      \
        check_path(&error);                     \
    } while (0)

static void test_error_names_what_writes(void)
{
    begin(MAPPED_MODE_READ, 0);
    CHECK_ERROR(mapped_fill(all, 1, &error), MAPPED_READONLY, "fill");
    CHECK_ERROR(mapped_write(all, 0, "x", 1, &error), MAPPED_READONLY, "write");
    CHECK_ERROR(mapped_copy(all, 0, all, &error), MAPPED_READONLY, "copy");
    CHECK_ERROR(mapped_move(all, 0, 1, 1, &error), MAPPED_READONLY, "move");
    CHECK_ERROR(mapped_set_u8(all, 0, 1, &error), MAPPED_READONLY, "set");
    CHECK_ERROR(mapped_region_append(region, "x", 1, &error), MAPPED_READONLY,
                "append");
    CHECK_ERROR(mapped_region_append_slice(region, all, &error),
                MAPPED_READONLY, "append");
    CHECK_ERROR(mapped_region_resize(region, 5, &error), MAPPED_READONLY,
                "resize");
    end();
}

static void test_error_names_what_reads(void)
{
    mapped_slice part;
    uint32_t word;
    char out[1];
    int order;
    mapped_needle needle;
    size_t found;
    mapped_needle_init(&needle, "x", 1);
    begin(MAPPED_MODE_READ, 0);
    CHECK_ERROR(mapped_get_u32(all, LENGTH - 3, &word, &error), MAPPED_RANGE,
                "get");
    CHECK_ERROR(mapped_read(all, LENGTH, out, 1, &error), MAPPED_RANGE, "read");
    CHECK_ERROR(mapped_slice_sub(all, LENGTH, 1, &part, &error), MAPPED_RANGE,
                "slice");
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_ERROR(mapped_find(all, &needle, &found, &error), MAPPED_CLOSED,
                "find");
    CHECK_ERROR(mapped_rfind(all, &needle, &found, &error), MAPPED_CLOSED,
                "rfind");
    CHECK_ERROR(mapped_count(all, &needle, &found, &error), MAPPED_CLOSED,
                "count");
    CHECK_ERROR(mapped_compare_bytes(all, "x", 1, &order, &error),
                MAPPED_CLOSED, "compare");
    CHECK_ERROR(mapped_region_check(region, &error), MAPPED_CLOSED, "check");
    end();
}

static void test_error_names_what_moves_items(void)
{
    ptrdiff_t count = LENGTH, stride = 1;
    unsigned char bytes[LENGTH];
    begin(MAPPED_MODE_READ, 0);
    mapped_array array = {.slice = all,
                          .item = mapped_item_of(mapped_element_find(
                              MAPPED_KIND_UNSIGNED, 1, false)),
                          .dimensions = 1,
                          .shape = &count,
                          .strides = &stride};
    mapped_extent extent;
    CHECK_ERROR(mapped_item_write(all, &array.item, 0, bytes, &error),
                MAPPED_READONLY, "write");
    CHECK_ERROR(mapped_array_scatter(&array, bytes, &error), MAPPED_READONLY,
                "scatter");
    CHECK_ERROR(mapped_array_copy(&array, &array, &error), MAPPED_READONLY,
                "copy");
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_ERROR(mapped_item_read(all, &array.item, 0, bytes, &error),
                MAPPED_CLOSED, "read");
    CHECK_ERROR(mapped_array_gather(&array, bytes, &error), MAPPED_CLOSED,
                "gather");
    CHECK_ERROR(mapped_array_extent(&array, &extent, &error), MAPPED_CLOSED,
                "extent");
    CHECK_ERROR(mapped_array_cover(&array, &error), MAPPED_CLOSED, "cover");
    end();
}

static void test_error_names_what_is_about_pages(void)
{
    begin(MAPPED_MODE_READ, 0);
    CHECK_ERROR(mapped_flush(all, 0, &error), MAPPED_READONLY, "flush");
    CHECK_ERROR(mapped_flush(all, 8, &error), MAPPED_ARGUMENT, "flush: flags");
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_ERROR(mapped_flush(all, 0, &error), MAPPED_CLOSED, "flush");
    CHECK_ERROR(mapped_advise(all, MAPPED_ADVICE_RANDOM, &error), MAPPED_CLOSED,
                "advise");
    end();
}

static void test_error_names_what_met_a_lost_page(void)
{
    char out[1];
    begin(MAPPED_MODE_READ, 0);
    CHECK_INT(truncate(path, 0), 0);
    CHECK_ERROR(mapped_read(all, 0, out, 1, &error), MAPPED_FAULT, "read");
    CHECK_ERROR(mapped_region_check(region, &error), MAPPED_FAULT, "check");
    CHECK_ERROR(mapped_region_recover(region, &error), MAPPED_FAULT, "recover");
    end();
}

static void test_error_names_the_reserve(void)
{
    const mapped_open_options small = {.length = LENGTH, .reserve = 5};
    const mapped_anonymous_options little = {.reserve = 5};
    mapped_error error = MAPPED_ERROR_INIT;
    begin(MAPPED_MODE_READ_WRITE, LENGTH);
    CHECK_ERROR(mapped_region_resize(region, 2 * LENGTH, &error),
                MAPPED_ARGUMENT, "resize: longer than the reserve");
    CHECK_ERROR(mapped_region_append(region, "x", 1, &error), MAPPED_ARGUMENT,
                "append: longer than the reserve");
    end();
    CHECK_ERROR(
        mapped_region_open(path, MAPPED_MODE_READ, &small, &region, &error),
        MAPPED_ARGUMENT, "open: longer than the reserve");
    CHECK_STATUS(mapped_region_anonymous(LENGTH, &little, &region, &error),
                 MAPPED_ARGUMENT);
    CHECK_TEXT(error.operation, "anonymous: longer than the reserve");
}

/* The reserve is larger than the address space. */
static void test_error_names_the_reserve_that_is_refused(void)
{
    if (check_skip_narrow())
        return;
    const mapped_open_options huge = {.length = LENGTH,
                                      .reserve = SIZE_MAX / 4};
    const mapped_anonymous_options large = {.reserve = SIZE_MAX / 4};
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_anonymous(1, &large, &region, &error),
                 MAPPED_SYSTEM);
    CHECK_TEXT(error.operation, "anonymous");
    CHECK_TEXT(error.call, "mmap of the reserve");
    begin(MAPPED_MODE_READ_WRITE, LENGTH);
    end();
    CHECK_ERROR(
        mapped_region_open(path, MAPPED_MODE_READ, &huge, &region, &error),
        MAPPED_SYSTEM, "open");
    CHECK_TEXT(error.call, "mmap of the reserve");
}

static void test_error_names_the_missing_file(void)
{
    path = scratch_path("missing");
    CHECK_ERROR(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, &error),
        MAPPED_SYSTEM, "open");
    path = scratch_root();
    CHECK_ERROR(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, &error),
        MAPPED_NOT_A_FILE, "open");
}

static void test_error_of_memory_names_no_file(void)
{
    if (check_skip_narrow())
        return;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_anonymous(UINT64_MAX / 2, NULL, &region, &error),
                 MAPPED_SYSTEM);
    CHECK_TEXT(error.operation, "anonymous");
    CHECK_TEXT(error.call, "mmap");
    CHECK_TEXT(error.path, "");
}

int main(void)
{
    RUN(test_error_names_what_writes);
    RUN(test_error_names_what_reads);
    RUN(test_error_names_what_moves_items);
    RUN(test_error_names_what_is_about_pages);
    RUN(test_error_names_what_met_a_lost_page);
    RUN(test_error_names_the_reserve);
    RUN(test_error_names_the_reserve_that_is_refused);
    RUN(test_error_names_the_missing_file);
    RUN(test_error_of_memory_names_no_file);
    return check_finish();
}
