/* Guards against memory that is given back while somebody can still reach it,
 * and against memory that is never given back. */
#include "scratch.h"

static mapped_region *opened(mapped_mode mode)
{
    return scratch_open(scratch_file("lifecycle", 10000), mode, NULL);
}

static int file_mappings(void)
{
    return scratch_mappings_of("/lifecycle");
}

static void test_lifecycle_close_twice_is_fine(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_lifecycle_closed_region_answers_closed(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    mapped_export held = {.data = region};
    uint64_t size = 4711;
    intptr_t descriptor = 4711;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &held, &error),
        MAPPED_CLOSED);
    CHECK_STATUS(error.status, MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_resize(region, 20000, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_descriptor(region, &descriptor, NULL),
                 MAPPED_CLOSED);
    CHECK(held.data == region);
    CHECK_UINT(size, 4711);
    CHECK_INT(descriptor, 4711);
    mapped_region_release(region);
}

static void test_lifecycle_closed_region_still_tells_about_itself(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    CHECK(!mapped_region_closed(region));
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK(mapped_region_closed(region));
    CHECK_UINT(mapped_region_length(region), 0);
    CHECK_UINT(mapped_region_exports(region), 0);
    CHECK(mapped_region_readonly(region));
    CHECK_INT(mapped_region_mode(region), MAPPED_MODE_READ);
    CHECK_TEXT(mapped_region_name(region), scratch_path("lifecycle"));
    mapped_region_release(region);
}

static void test_lifecycle_release_takes_null(void)
{
    mapped_region_release(NULL);
}

static void test_lifecycle_release_leaves_nothing(void)
{
    for (int mode = MAPPED_MODE_READ; mode <= MAPPED_MODE_CREATE; mode++) {
        int descriptors = scratch_descriptors();
        mapped_region *region = opened((mapped_mode)mode);
        CHECK_INT(file_mappings(), mode != MAPPED_MODE_CREATE);
        mapped_region_release(region);
        CHECK_INT(file_mappings(), 0);
        CHECK_INT(scratch_descriptors(), descriptors);
    }
}

static void test_lifecycle_close_alone_unmaps_at_once(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    int descriptors = scratch_descriptors();
    unsigned char *base = region->base_;
    CHECK_INT(msync(base, 1, MS_ASYNC), 0);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_INT(file_mappings(), 0);
    CHECK_INT(scratch_descriptors(), descriptors - 1);
    if (!scratch_instrumented())
        CHECK(msync(base, 1, MS_ASYNC) != 0 && errno == ENOMEM);
    mapped_region_release(region);
}

static void test_lifecycle_close_keeps_the_addresses_for_others(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    unsigned char *base = region->base_;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_INT(file_mappings(), 0);
    CHECK_UINT(base[0], 0);
    CHECK_UINT(base[9999], 0);
    base[9999] = 1; /* A late write is harmless. */
    CHECK_INT(scratch_read_byte(scratch_path("lifecycle"), 9999),
              scratch_byte(9999));
    mapped_region_release(region);
    CHECK_INT(msync(base, 1, MS_ASYNC), 0);
    mapped_region_release(region);
}

static void test_lifecycle_region_lives_to_its_last_reference(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_slice all = mapped_region_slice(region);
    uint8_t byte = 0;
    mapped_region_acquire(region);
    mapped_region_acquire(region);
    mapped_region_release(region);
    mapped_region_release(region);
    CHECK_STATUS(mapped_get_u8(all, 7, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(7));
    mapped_region_release(region);
    CHECK_INT(file_mappings(), 0);
}

static void test_lifecycle_exported_region_is_busy(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    mapped_export held;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_UINT(mapped_region_exports(region), 1);
    CHECK_STATUS(mapped_region_close(region, &error), MAPPED_BUSY);
    CHECK_STATUS(error.status, MAPPED_BUSY);
    CHECK_STATUS(mapped_region_resize(region, 9999, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_BUSY);
    CHECK(!mapped_region_closed(region));
    CHECK_UINT(mapped_region_length(region), 10000);
    CHECK_UINT(((unsigned char *)held.data)[9999], scratch_byte(9999));
    CHECK_INT(scratch_size(scratch_path("lifecycle")), 10000);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_lifecycle_every_pin_counts(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_export held[3];
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(
            mapped_export_begin(mapped_region_slice(region), &held[i], NULL),
            MAPPED_OK);
    CHECK_UINT(mapped_region_exports(region), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_BUSY);
        CHECK_STATUS(mapped_export_end(&held[i], NULL), MAPPED_OK);
    }
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_lifecycle_pin_points_at_the_first_byte(void)
{
    const char *path = scratch_file("lifecycle", 10000);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    mapped_export held;
    options.offset = 4099;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &options, &region, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_UINT(((unsigned char *)held.data)[0], scratch_byte(4099));
    CHECK_UINT(((unsigned char *)held.data)[5900], scratch_byte(9999));
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_lifecycle_empty_region_can_be_exported(void)
{
    mapped_region *region = memory_region(0);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_lifecycle_last_release_ignores_exports(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(file_mappings(), 0);
}

static void count_call(void *context)
{
    ++*(int *)context;
}

static mapped_region *wrapped(void *data, size_t length, int *calls)
{
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_wrap(data, length, false, count_call, calls,
                                    &region, NULL),
                 MAPPED_OK);
    return region;
}

static void test_lifecycle_wrap_hook_runs_once_at_close(void)
{
    char data[] = "data";
    int calls = 0;
    mapped_region *region = wrapped(data, 4, &calls);
    CHECK_INT(calls, 0);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_INT(calls, 1);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(calls, 1);
    CHECK_TEXT(data, "data");
}

static void test_lifecycle_wrap_hook_runs_at_the_last_release(void)
{
    char data[] = "data";
    int calls = 0;
    mapped_region *region = wrapped(data, 4, &calls);
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_INT(calls, 0); /* Another thread may be using it. */
    mapped_region_release(region);
    CHECK_INT(calls, 0);
    mapped_region_release(region);
    CHECK_INT(calls, 1);
}

static void test_lifecycle_wrap_hook_waits_for_exports(void)
{
    char data[] = "data";
    int calls = 0;
    mapped_export held;
    mapped_region *region = wrapped(data, 4, &calls);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK(held.data == data);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_BUSY);
    CHECK_INT(calls, 0);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(calls, 1);
}

static void test_lifecycle_wrap_of_nothing(void)
{
    int calls = 0;
    mapped_region *region = wrapped(NULL, 0, &calls);
    CHECK_UINT(mapped_region_length(region), 0);
    CHECK_STATUS(mapped_slice_check(mapped_region_slice(region), NULL),
                 MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(calls, 1);
}

static void test_lifecycle_wrapped_memory_has_no_file(void)
{
    char data[] = "data";
    int calls = 0;
    intptr_t descriptor = 0;
    mapped_region *region = wrapped(data, 4, &calls);
    CHECK(mapped_region_name(region) == NULL);
    CHECK_STATUS(mapped_region_descriptor(region, &descriptor, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_resize(region, 2, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_resize(region, 8, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_UINT(mapped_region_length(region), 4);
    mapped_region_release(region);
}

static void test_lifecycle_size_follows_the_file(void)
{
    const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_READ_WRITE,
                                 MAPPED_MODE_COPY};
    for (size_t i = 0; i < 3; i++) {
        mapped_region *region = opened(modes[i]);
        uint64_t size = 0;
        CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_OK);
        CHECK_UINT(size, 10000);
        CHECK_INT(truncate(scratch_path("lifecycle"), 20000), 0);
        CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_OK);
        CHECK_UINT(size, 20000);
        CHECK_UINT(mapped_region_length(region), 10000);
        mapped_region_release(region);
    }
}

static void test_lifecycle_size_of_another_file_is_stale(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    const char *other = scratch_file("other", 5);
    uint64_t size = 4711;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_INT(rename(other, scratch_path("lifecycle")), 0);
    CHECK_STATUS(mapped_region_size(region, &size, &error), MAPPED_STALE);
    CHECK_INT(unlink(scratch_path("lifecycle")), 0);
    CHECK_STATUS(mapped_region_size(region, &size, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOENT);
    CHECK_UINT(size, 4711);
    mapped_region_release(region);
}

static void test_lifecycle_removed_file_stays_readable(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    uint8_t byte = 0;
    uint64_t size = 0;
    CHECK_INT(unlink(scratch_path("lifecycle")), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 9999, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(9999));
    CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_OK);
    CHECK_UINT(size, 10000);
    mapped_region_release(region);
}

static void test_lifecycle_anonymous_refuses_bad_options(void)
{
    if (check_skip_narrow())
        return;
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_anonymous(UINT64_MAX, NULL, &region, NULL),
                 MAPPED_OVERFLOW);
    CHECK_STATUS(
        mapped_region_anonymous((uint64_t)1 << 60, NULL, &region, NULL),
        MAPPED_SYSTEM);
    options.reserve = 10;
    CHECK_STATUS(mapped_region_anonymous(11, &options, &region, NULL),
                 MAPPED_ARGUMENT);
    options.reserve = UINT64_MAX;
    CHECK_STATUS(mapped_region_anonymous(11, &options, &region, NULL),
                 MAPPED_OVERFLOW);
    options.reserve = 0;
    options.huge = 12345;
    CHECK_STATUS(mapped_region_anonymous(11, &options, &region, NULL),
                 MAPPED_ARGUMENT);
    options.huge = 0;
    options.size = 3;
    CHECK_STATUS(mapped_region_anonymous(11, &options, &region, NULL),
                 MAPPED_ARGUMENT);
    CHECK(region == NULL);
}

static void test_lifecycle_anonymous_shared_holds_a_descriptor(void)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region = NULL;
    intptr_t descriptor = -1;
    int descriptors = scratch_descriptors();
    options.shared = true;
    CHECK_STATUS(mapped_region_anonymous(100, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_descriptor(region, &descriptor, NULL),
                 MAPPED_OK);
    CHECK_INT(fcntl((int)descriptor, F_GETFD), FD_CLOEXEC);
    mapped_region_release(region);
    CHECK_INT(scratch_descriptors(), descriptors);
}

static mapped_region *forked;

static const char *write_in_child(void)
{
    mapped_slice all = mapped_region_slice(forked);
    CHECK_STATUS(mapped_set_u8(all, 50, 77, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(forked, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(all, 50, 78, NULL), MAPPED_CLOSED);
    return NULL;
}

static void check_fork(bool shared, int expected)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    uint8_t byte = 0;
    options.shared = shared;
    CHECK_STATUS(mapped_region_anonymous(100, &options, &forked, NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_child(write_in_child), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(forked), 50, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, expected);
    mapped_region_release(forked);
}

static void test_lifecycle_fork_shares_shared_memory(void)
{
    check_fork(true, 77);
}

static void test_lifecycle_fork_copies_private_memory(void)
{
    check_fork(false, 0);
}

static void test_lifecycle_fork_close_in_the_child_is_the_childs(void)
{
    forked = opened(MAPPED_MODE_READ_WRITE);
    uint8_t byte = 0;
    CHECK_INT(scratch_child(write_in_child), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(forked), 50, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, 77);
    mapped_region_release(forked);
}

int main(void)
{
    RUN(test_lifecycle_close_twice_is_fine);
    RUN(test_lifecycle_closed_region_answers_closed);
    RUN(test_lifecycle_closed_region_still_tells_about_itself);
    RUN(test_lifecycle_release_takes_null);
    RUN(test_lifecycle_release_leaves_nothing);
    RUN(test_lifecycle_close_alone_unmaps_at_once);
    RUN(test_lifecycle_close_keeps_the_addresses_for_others);
    RUN(test_lifecycle_region_lives_to_its_last_reference);
    RUN(test_lifecycle_exported_region_is_busy);
    RUN(test_lifecycle_every_pin_counts);
    RUN(test_lifecycle_pin_points_at_the_first_byte);
    RUN(test_lifecycle_empty_region_can_be_exported);
    RUN(test_lifecycle_last_release_ignores_exports);
    RUN(test_lifecycle_wrap_hook_runs_once_at_close);
    RUN(test_lifecycle_wrap_hook_runs_at_the_last_release);
    RUN(test_lifecycle_wrap_hook_waits_for_exports);
    RUN(test_lifecycle_wrap_of_nothing);
    RUN(test_lifecycle_wrapped_memory_has_no_file);
    RUN(test_lifecycle_size_follows_the_file);
    RUN(test_lifecycle_size_of_another_file_is_stale);
    RUN(test_lifecycle_removed_file_stays_readable);
    RUN(test_lifecycle_anonymous_refuses_bad_options);
    RUN(test_lifecycle_anonymous_shared_holds_a_descriptor);
    RUN(test_lifecycle_fork_shares_shared_memory);
    RUN(test_lifecycle_fork_copies_private_memory);
    RUN(test_lifecycle_fork_close_in_the_child_is_the_childs);
    return check_finish();
}
