/* Guards against growth that moves exported memory, against a failed resize
 * that has changed something, and against old bytes that reappear when a region
 * grows. */
#include <sys/resource.h>

#include "scratch.h"

#define NAME "resize"

static mapped_region *opened(size_t size, mapped_mode mode, uint64_t offset,
                             uint64_t reserve)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.offset = offset;
    options.reserve = reserve;
    return scratch_open(scratch_file(NAME, size), mode, &options);
}

static int64_t file_size(void)
{
    return scratch_size(scratch_path(NAME));
}

/* Counts the bytes of [from, to) that aren't zero. */
static size_t dirty(mapped_region *region, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        count += scratch_get(region, i) != 0;
    return count;
}

static void check_resize_refused(mapped_region *region, uint64_t length,
                                 mapped_status expected)
{
    size_t before = mapped_region_length(region);
    int64_t size = file_size();
    unsigned char *base = region->base_;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_resize(region, length, &error), expected);
    CHECK_STATUS(error.status, expected);
    CHECK_UINT(mapped_region_length(region), before);
    CHECK_UINT(mapped_region_slice(region).length, before);
    CHECK_INT(file_size(), size);
    CHECK(region->base_ == base);
}

static void test_resize_readonly_is_refused(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ, 0, 0);
    check_resize_refused(region, 50, MAPPED_READONLY);
    check_resize_refused(region, 200, MAPPED_READONLY);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_READONLY);
    mapped_region_release(region);
}

static void test_resize_private_copy_is_refused(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_COPY, 0, 0);
    check_resize_refused(region, 50, MAPPED_UNSUPPORTED);
    check_resize_refused(region, 200, MAPPED_UNSUPPORTED);
    mapped_region_release(region);
}

static void test_resize_past_the_reserve_is_refused(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 0, 10000);
    check_resize_refused(region, 10001, MAPPED_ARGUMENT);
    check_resize_refused(region, UINT64_MAX, MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_region_resize(region, 10000, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_resize_huge_length_is_refused(void)
{
    if (check_skip_narrow())
        return;
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 0, 0);
    check_resize_refused(region, UINT64_MAX, MAPPED_OVERFLOW);
    check_resize_refused(region, UINT64_MAX - 4095, MAPPED_OVERFLOW);
    check_resize_refused(region, (uint64_t)INT64_MAX + 1, MAPPED_OVERFLOW);
    check_resize_refused(region, (uint64_t)1 << 62, MAPPED_SYSTEM);
    mapped_region_release(region);
}

static void test_resize_huge_offset_and_length_are_refused(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 99, 0);
    check_resize_refused(region, INT64_MAX, MAPPED_OVERFLOW);
    check_resize_refused(region, INT64_MAX - 98, MAPPED_OVERFLOW);
    mapped_region_release(region);
}

static void test_resize_append_of_too_much_is_refused(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_append(region, "x", SIZE_MAX, NULL),
                 MAPPED_OVERFLOW);
    CHECK_STATUS(mapped_region_append(region, "x", SIZE_MAX - 99, NULL),
                 MAPPED_OVERFLOW);
    CHECK_UINT(mapped_region_length(region), 100);
    CHECK_INT(file_size(), 100);
    mapped_region_release(region);
}

/* The system would send a signal that kills the process. */
static void check_limited(const mapped_open_options *options)
{
    mapped_error error;
    const rlim_t most = 8192;
    struct rlimit limit, less;
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_region *region =
        scratch_open(scratch_file(NAME, 100), MAPPED_MODE_READ_WRITE, options);
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
    less = (struct rlimit){most, limit.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &less), 0);
    CHECK_STATUS(mapped_region_resize(region, most + 10, &error),
                 MAPPED_SYSTEM);
    CHECK_STATUS(mapped_region_resize(region, most, NULL), MAPPED_OK);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_INT(error.os_error, EFBIG);
    CHECK_UINT(error.length, 10);
    mapped_error_message(&error, text, sizeof text);
    CHECK(strstr(text, ": bytes missing: 10") != NULL);
    CHECK_INT(file_size(), (int64_t)most);
    mapped_region_release(region);
}

static void test_resize_past_the_limit_of_files_is_refused(void)
{
    const mapped_open_options options[2] = {{0}, {.flags = MAPPED_OPEN_SPARSE}};
    check_limited(&options[0]);
    check_limited(&options[1]);
}

static void test_resize_grows_the_file_with_blocks(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_resize(region, 100000, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 100000);
    CHECK_INT(file_size(), 100000);
    CHECK(scratch_allocated(scratch_path(NAME)) >= 100000);
    CHECK_INT(scratch_get(region, 99), scratch_byte(99));
    CHECK_UINT(dirty(region, 100, 100000), 0);
    mapped_region_release(region);
}

static void test_resize_from_empty_and_back(void)
{
    mapped_region *region = opened(0, MAPPED_MODE_READ_WRITE, 0, 0);
    for (int round = 0; round < 3; round++) {
        CHECK_STATUS(mapped_region_resize(region, 5000, NULL), MAPPED_OK);
        CHECK_UINT(dirty(region, 0, 5000), 0);
        CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 4999, 9, NULL),
                     MAPPED_OK);
        CHECK_INT(scratch_read_byte(scratch_path(NAME), 4999), 9);
        CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_OK);
        CHECK_INT(file_size(), 0);
        CHECK_INT(scratch_get(region, 0), MAPPED_RANGE);
    }
    CHECK_INT(scratch_mappings_of("/" NAME), 0);
    mapped_region_release(region);
}

static void test_resize_at_an_offset_counts_from_there(void)
{
    mapped_region *region = opened(6000, MAPPED_MODE_READ_WRITE, 5001, 0);
    CHECK_UINT(mapped_region_length(region), 999);
    CHECK_STATUS(mapped_region_resize(region, 20000, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 25001);
    CHECK_INT(scratch_get(region, 0), scratch_byte(5001));
    CHECK_INT(scratch_get(region, 998), scratch_byte(5999));
    CHECK_INT(scratch_get(region, 999), 0);
    CHECK_STATUS(mapped_region_resize(region, 1, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 5002);
    CHECK_INT(scratch_get(region, 0), scratch_byte(5001));
    mapped_region_release(region);
}

static void test_resize_sparse_grows_without_blocks(void)
{
    const char *path = scratch_path(NAME "-sparse");
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    options.flags = MAPPED_OPEN_SPARSE;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_CREATE, &options, &region, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    CHECK(scratch_allocated(path) < 1 << 19);
    mapped_region_release(region);
    unlink(path);
}

/* Another process has cut bytes off the file. Growth would put zeros in their
 * place without an error. */
static void test_resize_of_a_file_that_was_cut_is_refused(void)
{
    size_t page = scratch_page();
    const uint64_t reserves[] = {0, 8 * page};
    for (size_t i = 0; i < 2; i++) {
        mapped_region *region =
            opened(3 * page + 10, MAPPED_MODE_READ_WRITE, 5, reserves[i]);
        CHECK_INT(truncate(scratch_path(NAME), (off_t)(3 * page + 9)), 0);
        check_resize_refused(region, 4 * page, MAPPED_FAULT);
        CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_FAULT);
        CHECK_STATUS(mapped_region_resize(region, 3 * page, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_resize(region, 4 * page, NULL), MAPPED_OK);
        mapped_region_release(region);
    }
}

static void test_resize_append_of_a_lost_slice_takes_it_back(void)
{
    size_t page = scratch_page();
    mapped_slice lost;
    mapped_region *source = opened(3 * page, MAPPED_MODE_READ, 0, 0);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    mapped_region *region;
    CHECK_STATUS(mapped_region_anonymous(10, NULL, &region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_slice_sub(mapped_region_slice(source), page - 5, 10,
                                  &lost, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_append_slice(region, lost, NULL), MAPPED_FAULT);
    CHECK_UINT(mapped_region_length(region), 10);
    lost.length = 5;
    CHECK_STATUS(mapped_region_append_slice(region, lost, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 15);
    CHECK_INT(scratch_get(region, 10), scratch_byte(page - 5));
    mapped_region_release(region);
    mapped_region_release(source);
}

static void test_resize_shrunken_file_loses_its_tail(void)
{
    mapped_region *region = opened(10000, MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_resize(region, 5000, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 5000);
    CHECK_INT(scratch_get(region, 4999), scratch_byte(4999));
    CHECK_INT(scratch_get(region, 5000), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_resize(region, 10000, NULL), MAPPED_OK);
    CHECK_UINT(dirty(region, 5000, 10000), 0);
    mapped_region_release(region);
}

static void test_resize_of_a_part_keeps_what_lies_behind(void)
{
    const char *path = scratch_file(NAME, 10000);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    options.length = 5000;
    CHECK_STATUS(mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options,
                                    &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 10000);
    CHECK_STATUS(mapped_region_resize(region, 9000, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 10000);
    CHECK_INT(scratch_get(region, 8999), scratch_byte(8999));
    mapped_region_release(region);
}

static void check_anonymous_regrowth(bool shared, uint64_t reserve)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region;
    options.shared = shared;
    options.reserve = reserve;
    CHECK_STATUS(mapped_region_anonymous(10000, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 0xee, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 200, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 9000, NULL), MAPPED_OK);
    CHECK_INT(scratch_get(region, 99), 0xee);
    CHECK_UINT(dirty(region, 100, 9000), 0);
    mapped_region_release(region);
}

static void test_resize_regrown_memory_is_zero(void)
{
    check_anonymous_regrowth(false, 0);
    check_anonymous_regrowth(false, 100000);
    check_anonymous_regrowth(true, 0);
    check_anonymous_regrowth(true, 100000);
}

/* With a second reference, shrinking must keep the addresses mapped. */
static void test_resize_regrown_memory_of_two_is_zero(void)
{
    mapped_region *region = memory_region(20000);
    mapped_region_acquire(region);
    unsigned char *base = region->base_;
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    base[15000] = 1; /* A write that comes too late. */
    CHECK_STATUS(mapped_region_resize(region, 20000, NULL), MAPPED_OK);
    CHECK_UINT(dirty(region, 100, 20000), 0);
    mapped_region_release(region);
    mapped_region_release(region);
}

static void test_resize_inside_a_reserve_never_moves(void)
{
    mapped_region *region = opened(10, MAPPED_MODE_READ_WRITE, 3, 1 << 20);
    unsigned char *base = region->base_;
    mapped_slice early = memory_slice(region, 2, 5);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    for (size_t length = 7; length <= 1 << 20; length = length * 3 + 1)
        CHECK_STATUS(mapped_region_resize(region, length, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    uint8_t byte = 0;
    CHECK(region->base_ == base && held.data == base);
    CHECK_STATUS(mapped_get_u8(early, 4, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(3 + 2 + 4));
    CHECK_UINT(((unsigned char *)held.data)[(1 << 20) - 1], 0);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

/* All of the reserve has been in use before. */
static void test_resize_keeps_its_reserve_when_shrunk(void)
{
    size_t page = scratch_page();
    if (scratch_valgrind()) {
        check_skip("valgrind lets MAP_FIXED_NOREPLACE replace");
        return;
    }
    mapped_region *region = opened(page, MAPPED_MODE_READ_WRITE, 0, 64 * page);
    unsigned char *base = region->base_;
    mapped_export held;
    CHECK_STATUS(mapped_region_resize(region, 64 * page, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, page, NULL), MAPPED_OK);
    void *taken =
        mmap(base + page, page, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(taken == MAP_FAILED && errno == EEXIST);
    if (taken != MAP_FAILED)
        munmap(taken, page);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 64 * page, NULL), MAPPED_OK);
    CHECK(region->base_ == base);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_resize_to_zero_keeps_its_reserve(void)
{
    mapped_region *region = opened(100, MAPPED_MODE_READ_WRITE, 0, 100);
    unsigned char *base = region->base_;
    CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK(region->base_ == base);
    mapped_region_release(region);
}

static void test_resize_that_must_move_is_busy_while_shared(void)
{
    size_t page = scratch_page();
    mapped_region *region = opened(2 * page, MAPPED_MODE_READ_WRITE, 0, 0);
    void *taken = scratch_block_growth(region);
    mapped_region_acquire(region);
    check_resize_refused(region, 64 * page, MAPPED_BUSY);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_resize(region, 64 * page, NULL), MAPPED_OK);
    mapped_region_release(region);
    if (taken)
        munmap(taken, page);
}

static void test_resize_inside_the_last_page_disturbs_no_export(void)
{
    mapped_region *region = opened(10, MAPPED_MODE_READ_WRITE, 0, 0);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 100);
    CHECK_UINT(((unsigned char *)held.data)[9], scratch_byte(9));
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_resize_slices_survive_a_move(void)
{
    size_t page = scratch_page();
    mapped_region *region = opened(2 * page, MAPPED_MODE_READ_WRITE, 0, 0);
    mapped_slice slice = memory_slice(region, page, page);
    void *taken = scratch_block_growth(region);
    uint8_t byte = 0;
    CHECK_STATUS(mapped_region_resize(region, 64 * page, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(slice, 5, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(page + 5));
    CHECK_STATUS(mapped_get_u8(slice, page, &byte, NULL), MAPPED_RANGE);
    mapped_region_release(region);
    if (taken)
        munmap(taken, page);
}

static void test_resize_shrunk_under_a_second_reference_stays_mapped(void)
{
    mapped_region *region = opened(20000, MAPPED_MODE_READ_WRITE, 0, 0);
    unsigned char *base = region->base_;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_UINT(base[19999], 0); /* A late read gets zeros. */
    CHECK_INT(file_size(), 100);
    mapped_region_release(region);
    mapped_region_release(region);
}

static void test_resize_to_nothing_and_back(void)
{
    mapped_region *region;
    for (int shared = 0; shared < 2; shared++) {
        const mapped_anonymous_options options = {.shared = shared};
        CHECK_STATUS(mapped_region_anonymous(10, &options, &region, NULL),
                     MAPPED_OK);
        mapped_region_acquire(region);
        CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_resize(region, 5000, NULL), MAPPED_BUSY);
        mapped_region_release(region);
        CHECK_STATUS(mapped_region_resize(region, 5000, NULL), MAPPED_OK);
        CHECK_INT(scratch_get(region, 4999), 0);
        mapped_region_release(region);
    }
}

static void test_resize_append_stores_at_the_end(void)
{
    mapped_region *region = opened(10, MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_append(region, "hello", 5, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_append(region, NULL, 0, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 15);
    CHECK_INT(scratch_read_byte(scratch_path(NAME), 10), 'h');
    CHECK_INT(scratch_read_byte(scratch_path(NAME), 14), 'o');
    mapped_region_release(region);
    CHECK_INT(file_size(), 15);
}

/* Growth moves the region, and the data with it. */
static void test_resize_append_of_the_regions_own_bytes(void)
{
    size_t page = scratch_page();
    mapped_region *region = opened(2 * page, MAPPED_MODE_READ_WRITE, 0, 0);
    void *taken = scratch_block_growth(region);
    CHECK_STATUS(mapped_region_append(region, region->base_ + 10, page, NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_get(region, 2 * page), scratch_byte(10));
    CHECK_INT(scratch_get(region, 3 * page - 1), scratch_byte(page + 9));
    mapped_region_release(region);
    if (taken)
        munmap(taken, page);
}

int main(void)
{
    RUN(test_resize_readonly_is_refused);
    RUN(test_resize_private_copy_is_refused);
    RUN(test_resize_past_the_reserve_is_refused);
    RUN(test_resize_huge_length_is_refused);
    RUN(test_resize_huge_offset_and_length_are_refused);
    RUN(test_resize_append_of_too_much_is_refused);
    RUN(test_resize_past_the_limit_of_files_is_refused);
    RUN(test_resize_grows_the_file_with_blocks);
    RUN(test_resize_from_empty_and_back);
    RUN(test_resize_at_an_offset_counts_from_there);
    RUN(test_resize_sparse_grows_without_blocks);
    RUN(test_resize_of_a_file_that_was_cut_is_refused);
    RUN(test_resize_append_of_a_lost_slice_takes_it_back);
    RUN(test_resize_shrunken_file_loses_its_tail);
    RUN(test_resize_of_a_part_keeps_what_lies_behind);
    RUN(test_resize_regrown_memory_is_zero);
    RUN(test_resize_regrown_memory_of_two_is_zero);
    RUN(test_resize_inside_a_reserve_never_moves);
    RUN(test_resize_keeps_its_reserve_when_shrunk);
    RUN(test_resize_to_zero_keeps_its_reserve);
    RUN(test_resize_that_must_move_is_busy_while_shared);
    RUN(test_resize_inside_the_last_page_disturbs_no_export);
    RUN(test_resize_slices_survive_a_move);
    RUN(test_resize_shrunk_under_a_second_reference_stays_mapped);
    RUN(test_resize_to_nothing_and_back);
    RUN(test_resize_append_stores_at_the_end);
    RUN(test_resize_append_of_the_regions_own_bytes);
    return check_finish();
}
