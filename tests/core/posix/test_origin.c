/* Guards against memory that arrives in another process as other bytes, longer
 * than the file, or writable where it was not: an origin that is out of date or
 * made up is an error. */
#include "scratch.h"

#include <sys/stat.h>

static mapped_region *map(const char *path, mapped_mode mode,
                          const mapped_open_options *options)
{
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_open(path, mode, options, &region, NULL),
                 MAPPED_OK);
    return region;
}

static mapped_origin origin_of(mapped_region *region)
{
    mapped_origin origin = {.kind = MAPPED_ORIGIN_PATH};
    CHECK_STATUS(mapped_region_origin(region, &origin, NULL), MAPPED_OK);
    return origin;
}

static mapped_status open_origin(const mapped_origin *origin)
{
    mapped_region *region;
    mapped_status status = mapped_region_open_origin(origin, &region, NULL);
    if (status == MAPPED_OK)
        mapped_region_release(region);
    return status;
}

static void test_origin_of_a_file_is_its_path_and_numbers(void)
{
    const mapped_open_options options = {.offset = 5,
                                         .length = 10,
                                         .reserve = 1 << 20,
                                         .flags = MAPPED_OPEN_SPARSE};
    mapped_region *again;
    mapped_region *region =
        map(scratch_file("numbers", 100), MAPPED_MODE_READ_WRITE, &options);
    const mapped_origin origin = origin_of(region);
    CHECK_INT(origin.kind, MAPPED_ORIGIN_PATH);
    CHECK(origin.path[0] == '/');
    CHECK_UINT(origin.offset, 5);
    CHECK_UINT(origin.length, 10);
    CHECK_UINT(origin.limit, 10);
    CHECK_UINT(origin.reserve, 1 << 20);
    CHECK_UINT(origin.flags, MAPPED_OPEN_SPARSE);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(again), 10);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 'x', NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_get(again, 9), 'x');
    CHECK_STATUS(mapped_region_resize(again, 1000, NULL), MAPPED_OK);
    mapped_region_release(again);
    mapped_region_release(region);
}

static void test_origin_of_modes_that_create_never_creates(void)
{
    static const mapped_mode modes[] = {
        MAPPED_MODE_CREATE, MAPPED_MODE_EXCLUSIVE, MAPPED_MODE_APPEND};
    const mapped_open_options options = {.length = 10};
    const char *path = scratch_path("made");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        unlink(path);
        mapped_region *region = map(path, modes[i], &options);
        const mapped_origin origin = origin_of(region);
        CHECK_INT(origin.mode, MAPPED_MODE_READ_WRITE);
        CHECK_STATUS(open_origin(&origin), MAPPED_OK);
        CHECK_INT(unlink(path), 0);
        CHECK_STATUS(open_origin(&origin), MAPPED_SYSTEM);
        CHECK_INT(access(path, F_OK), -1);
        mapped_region_release(region);
    }
}

static void test_origin_of_a_relative_path_is_absolute(void)
{
    char before[4096];
    CHECK(getcwd(before, sizeof before) != NULL);
    scratch_file("relative", 10);
    CHECK_INT(chdir(scratch_directory), 0);
    mapped_region *region = map("relative", MAPPED_MODE_READ, NULL);
    CHECK_INT(chdir("/"), 0);
    const mapped_origin origin = origin_of(region);
    CHECK(origin.path[0] == '/');
    CHECK_STATUS(open_origin(&origin), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(chdir(before), 0);
}

static void test_origin_of_a_file_that_was_replaced_is_stale(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *again;
    const char *path = scratch_file("replaced", 10);
    mapped_region *region = map(path, MAPPED_MODE_READ_WRITE, NULL);
    mapped_origin origin = origin_of(region);
    CHECK_INT(rename(scratch_file("other", 10), path), 0);
    CHECK_STATUS(open_origin(&origin), MAPPED_STALE);
    CHECK_STATUS(mapped_region_origin(region, &origin, &error), MAPPED_STALE);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, &error),
                 MAPPED_STALE);
    CHECK(strstr(error.path, "replaced") != NULL);
    mapped_region_release(region);
}

/* Its number may be given to another file as soon as nobody has it. */
static void test_origin_of_a_file_whose_number_came_again_is_stale(void)
{
    const char *path = scratch_file("again", 10);
    mapped_region *region = map(path, MAPPED_MODE_READ, NULL);
    mapped_origin origin = origin_of(region);
    mapped_region_release(region);
    origin.path = path;
    CHECK_STATUS(open_origin(&origin), MAPPED_OK);
    if (origin.birth == 0) {
        check_skip("this file system doesn't tell when files were made");
        return;
    }
    origin.birth++;
    CHECK_STATUS(open_origin(&origin), MAPPED_STALE);
    origin.birth = 0;
    CHECK_STATUS(open_origin(&origin), MAPPED_OK);
}

static void test_origin_of_a_file_that_was_cut_is_past_its_end(void)
{
    static const mapped_mode modes[] = {MAPPED_MODE_READ,
                                        MAPPED_MODE_READ_WRITE};
    for (size_t i = 0; i < 2; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        mapped_region *again;
        struct stat st;
        const char *path = scratch_file("cut", 100);
        mapped_region *region = map(path, modes[i], NULL);
        const mapped_origin origin = origin_of(region);
        CHECK_INT(truncate(path, 99), 0);
        CHECK_STATUS(mapped_region_open_origin(&origin, &again, &error),
                     MAPPED_PAST_END);
        CHECK(strstr(error.operation, "cut") != NULL);
        CHECK_UINT(error.limit, 99);
        CHECK_INT(stat(path, &st), 0);
        CHECK_INT(st.st_size, 99);
        mapped_region_release(region);
    }
}

static void test_origin_follows_a_file_as_far_as_its_region(void)
{
    mapped_region *again;
    mapped_change change;
    for (uint64_t length = 0; length <= 10; length += 10) {
        const mapped_open_options options = {.length = length};
        const char *path = scratch_file("followed", 10);
        mapped_region *region = map(path, MAPPED_MODE_READ, &options);
        const mapped_origin origin = origin_of(region);
        CHECK_INT(truncate(path, 20), 0);
        CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL),
                     MAPPED_OK);
        CHECK_UINT(mapped_region_length(again), 10);
        CHECK_STATUS(mapped_region_refresh(again, &change, NULL), MAPPED_OK);
        CHECK_UINT(mapped_region_length(again), length == 0 ? 20 : 10);
        mapped_region_release(again);
        mapped_region_release(region);
    }
}

/* The file has room behind the data, and a trailer that tells so. */
static void test_origin_of_a_region_that_was_appended_to_has_the_data(void)
{
    mapped_region *again;
    mapped_region *region =
        map(scratch_file("appended", 10), MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(mapped_region_append(region, "abc", 3, NULL), MAPPED_OK);
    CHECK(mapped_region_spare(region) > 0);
    const mapped_origin origin = origin_of(region);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_length(again), 13);
    CHECK_INT(scratch_get(again, 12), 'c');
    mapped_region_release(again);
    mapped_region_release(region);
}

static void test_origin_keeps_what_is_protected(void)
{
    mapped_slice part;
    mapped_region *again;
    mapped_region *region =
        map(scratch_file("protected", 100), MAPPED_MODE_READ_WRITE, NULL);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_slice_sub(all, 10, 5, &part, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_protect(part, MAPPED_MODE_READ, NULL), MAPPED_OK);
    mapped_origin origin = origin_of(region);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    mapped_slice theirs = mapped_region_slice(again);
    CHECK_STATUS(mapped_set_u8(theirs, 9, 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(theirs, 10, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u8(theirs, 14, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_u8(theirs, 15, 1, NULL), MAPPED_OK);
    mapped_region_release(again);

    CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ, NULL), MAPPED_OK);
    origin = origin_of(region);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    CHECK(mapped_region_readonly(again));
    mapped_region_release(again);
    mapped_region_release(region);
}

static void test_origin_of_shared_memory_is_its_name(void)
{
    char name[64];
    const mapped_open_options options = {.flags = MAPPED_OPEN_SHARED,
                                         .length = 100};
    snprintf(name, sizeof name, "/mapped-test-origin-%d", (int)getpid());
    mapped_region *region = map(name, MAPPED_MODE_EXCLUSIVE, &options);
    const mapped_origin origin = origin_of(region);
    CHECK_INT(origin.kind, MAPPED_ORIGIN_SHARED);
    CHECK_TEXT(origin.path, name + 1);
    CHECK_STATUS(open_origin(&origin), MAPPED_OK);
    CHECK_STATUS(mapped_shared_unlink(name, NULL), MAPPED_OK);
    CHECK_STATUS(open_origin(&origin), MAPPED_SYSTEM);
    mapped_region *other = map(name, MAPPED_MODE_EXCLUSIVE, &options);
    CHECK_STATUS(open_origin(&origin), MAPPED_STALE);
    CHECK_STATUS(mapped_shared_unlink(name, NULL), MAPPED_OK);
    mapped_region_release(other);
    mapped_region_release(region);
}

static void test_origin_of_shared_anonymous_memory_is_a_descriptor(void)
{
    const mapped_anonymous_options options = {.shared = true};
    mapped_region *region, *again;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_anonymous(100, &options, &region, NULL),
                 MAPPED_OK);
    mapped_origin origin = origin_of(region);
    CHECK_INT(origin.kind, MAPPED_ORIGIN_DESCRIPTOR);
    CHECK(origin.path == NULL);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 99, 7, NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_get(again, 99), 7);
    CHECK_STATUS(mapped_region_append(again, "x", 1, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_spare(again), 0);
    const mapped_origin onwards = origin_of(again);
    CHECK_UINT(onwards.serial, origin.serial);
    CHECK_UINT(onwards.flags, origin.flags);
    mapped_region_release(again);

    origin.serial++;
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, &error),
                 MAPPED_STALE);
    origin.descriptor = -1;
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EBADF);
    mapped_region_release(region);
}

static void test_origin_of_private_memory_is_refused(void)
{
    mapped_region *region;
    mapped_origin origin;
    mapped_error error = MAPPED_ERROR_INIT;
    char bytes[10];
    CHECK_STATUS(mapped_region_anonymous(100, NULL, &region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_origin(region, &origin, &error),
                 MAPPED_UNSUPPORTED);
    CHECK(strstr(error.operation, "private memory") != NULL);
    mapped_region_release(region);

    region = map(scratch_file("private", 10), MAPPED_MODE_COPY, NULL);
    CHECK_STATUS(mapped_region_origin(region, &origin, &error),
                 MAPPED_UNSUPPORTED);
    CHECK(strstr(error.operation, "\"c\"") != NULL);
    mapped_region_release(region);

    CHECK_STATUS(
        mapped_region_wrap(bytes, 10, false, NULL, NULL, &region, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_region_origin(region, &origin, &error),
                 MAPPED_UNSUPPORTED);
    CHECK(strstr(error.operation, "wrapped") != NULL);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_origin(region, &origin, &error), MAPPED_CLOSED);
    mapped_region_release(region);
}

/* A copy of an origin that is sound, to change one thing in it. */
#define REFUSED(status, change)                    \
    do {                                           \
        mapped_origin wrong = origin;              \
        wrong.change;                              \
        CHECK_STATUS(open_origin(&wrong), status); \
    } while (0)

static void test_origin_that_was_made_up_is_refused(void)
{
    int before = scratch_descriptors();
    mapped_region *region =
        map(scratch_file("forged", 100), MAPPED_MODE_READ_WRITE, NULL);
    const mapped_origin origin = origin_of(region);
    REFUSED(MAPPED_ARGUMENT, kind = (mapped_origin_kind)3);
    REFUSED(MAPPED_ARGUMENT, kind = MAPPED_ORIGIN_DESCRIPTOR);
    REFUSED(MAPPED_ARGUMENT, kind = MAPPED_ORIGIN_SHARED);
    REFUSED(MAPPED_ARGUMENT, path = NULL);
    REFUSED(MAPPED_ARGUMENT, flags = MAPPED_OPEN_SHARED);
    REFUSED(MAPPED_ARGUMENT, flags = 1u << 31);
    REFUSED(MAPPED_ARGUMENT, flags = MAPPED_OPEN_POPULATE);
    REFUSED(MAPPED_ARGUMENT, mode = MAPPED_MODE_CREATE);
    REFUSED(MAPPED_ARGUMENT, mode = MAPPED_MODE_COPY);
    REFUSED(MAPPED_ARGUMENT, huge = 4096);
    REFUSED(MAPPED_ARGUMENT, length = UINT64_MAX);
    REFUSED(MAPPED_ARGUMENT, reserve = 99);
    REFUSED(MAPPED_ARGUMENT, protected_count = 33);
    REFUSED(MAPPED_ARGUMENT, protected_count = 1);
    REFUSED(MAPPED_OVERFLOW, offset = UINT64_MAX);
    REFUSED(MAPPED_OVERFLOW, offset = (uint64_t)1 << 63);
    REFUSED(MAPPED_PAST_END, offset = 1);
    REFUSED(MAPPED_PAST_END, length = 101);
    REFUSED(MAPPED_STALE, device++);
    REFUSED(MAPPED_STALE, serial--);
    REFUSED(MAPPED_SYSTEM, path = "");
    REFUSED(MAPPED_OK, length = 0);
    REFUSED(MAPPED_OK, device = 0);
    mapped_origin wrong = origin;
    wrong.protected_count = 1;
    wrong.protected_bytes[0].start = 99;
    wrong.protected_bytes[0].end = 101;
    CHECK_STATUS(open_origin(&wrong), MAPPED_ARGUMENT);
    mapped_region_release(region);
    CHECK_INT(scratch_descriptors(), before);
}

int main(void)
{
    RUN(test_origin_of_a_file_is_its_path_and_numbers);
    RUN(test_origin_of_modes_that_create_never_creates);
    RUN(test_origin_of_a_relative_path_is_absolute);
    RUN(test_origin_of_a_file_that_was_replaced_is_stale);
    RUN(test_origin_of_a_file_whose_number_came_again_is_stale);
    RUN(test_origin_of_a_file_that_was_cut_is_past_its_end);
    RUN(test_origin_follows_a_file_as_far_as_its_region);
    RUN(test_origin_of_a_region_that_was_appended_to_has_the_data);
    RUN(test_origin_keeps_what_is_protected);
    RUN(test_origin_of_shared_memory_is_its_name);
    RUN(test_origin_of_shared_anonymous_memory_is_a_descriptor);
    RUN(test_origin_of_private_memory_is_refused);
    RUN(test_origin_that_was_made_up_is_refused);
    return check_finish();
}
