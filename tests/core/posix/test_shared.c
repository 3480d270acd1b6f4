/* Guards against shared memory that others can read, that isn't what shm_open
 * has under that name, or that is longer than it was asked to be. */
#include "scratch.h"

#include <sys/stat.h>

static char name[64];

static const char *fresh_name(void)
{
    static int count;
    snprintf(name, sizeof name, "mapped-test-%d-%d", (int)getpid(), count++);
    return name;
}

static mapped_status attach(const char *of, mapped_mode mode, uint64_t length,
                            mapped_region **region)
{
    const mapped_open_options options = {.flags = MAPPED_OPEN_SHARED,
                                         .length = length};
    return mapped_region_open(of, mode, &options, region, NULL);
}

static void unlink_it(void)
{
    CHECK_STATUS(mapped_shared_unlink(name, NULL), MAPPED_OK);
}

static void test_shared_memory_is_that_of_shm_open(void)
{
    mapped_region *region;
    struct stat st;
    char slashed[80];
    CHECK_STATUS(attach(fresh_name(), MAPPED_MODE_EXCLUSIVE, 1000, &region),
                 MAPPED_OK);
    snprintf(slashed, sizeof slashed, "/%s", name);
    int fd = shm_open(slashed, O_RDWR, 0);
    CHECK(fd >= 0);
    CHECK_INT(fstat(fd, &st), 0);
    CHECK_INT(st.st_size, 1000);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(pwrite(fd, "hello", 5, 10), 5);
    CHECK_INT(scratch_get(region, 14), 'o');
    close(fd);
    mapped_region_release(region);

    CHECK_STATUS(attach(slashed, MAPPED_MODE_READ, 0, &region), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 1000);
    CHECK_INT(scratch_get(region, 10), 'h');
    CHECK_INT(shm_unlink(slashed), 0);
    CHECK_INT(scratch_get(region, 11), 'e');
    mapped_region_release(region);
    CHECK_STATUS(attach(name, MAPPED_MODE_READ, 0, &region), MAPPED_SYSTEM);
}

static void test_shared_memory_of_shm_open_can_be_attached(void)
{
    mapped_region *region;
    char slashed[80];
    snprintf(slashed, sizeof slashed, "/%s", fresh_name());
    int fd = shm_open(slashed, O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK_INT(ftruncate(fd, 77), 0);
    CHECK_STATUS(attach(name, MAPPED_MODE_READ_WRITE, 0, &region), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 77);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 'x', NULL),
                 MAPPED_OK);
    char byte = 0;
    CHECK_INT(pread(fd, &byte, 1, 76), 1);
    CHECK_INT(byte, 'x');
    mapped_region_release(region);
    close(fd);
    unlink_it();
    CHECK_STATUS(mapped_shared_unlink(name, NULL), MAPPED_SYSTEM);
}

static void test_shared_memory_is_made_once_or_attached_to(void)
{
    mapped_region *first, *second, *third;
    CHECK_STATUS(attach(fresh_name(), MAPPED_MODE_READ_WRITE, 10, &first),
                 MAPPED_SYSTEM);
    CHECK_STATUS(attach(name, MAPPED_MODE_APPEND, 100, &first), MAPPED_OK);
    CHECK_STATUS(attach(name, MAPPED_MODE_EXCLUSIVE, 100, &second),
                 MAPPED_SYSTEM);
    CHECK_STATUS(attach(name, MAPPED_MODE_APPEND, 0, &second), MAPPED_OK);
    CHECK_UINT(mapped_region_length(second), 100);
    CHECK_STATUS(attach(name, MAPPED_MODE_COPY, 0, &third), MAPPED_OK);
    CHECK_STATUS(attach(name, MAPPED_MODE_READ, 101, &third), MAPPED_PAST_END);
    mapped_region_release(first);
    mapped_region_release(second);
    mapped_region_release(third);
    unlink_it();
}

static void test_shared_memory_is_exactly_as_long_as_asked(void)
{
    mapped_region *region;
    struct stat st;
    char path[100];
    CHECK_STATUS(attach(fresh_name(), MAPPED_MODE_EXCLUSIVE, 10, &region),
                 MAPPED_OK);
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    CHECK_STATUS(mapped_region_append(region, "abc", 3, NULL), MAPPED_OK);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_size, 13);
    CHECK_STATUS(mapped_region_resize(region, 5, NULL), MAPPED_OK);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_size, 5);
    mapped_region_release(region);
    unlink_it();
}

static void test_shared_memory_that_fails_is_not_left(void)
{
    mapped_region *region;
    const mapped_open_options options = {.flags = MAPPED_OPEN_SHARED,
                                         .length = (uint64_t)1 << 60};
    int before = scratch_descriptors();
    CHECK(mapped_region_open(fresh_name(), MAPPED_MODE_EXCLUSIVE, &options,
                             &region, NULL) != MAPPED_OK);
    CHECK_STATUS(attach(name, MAPPED_MODE_READ, 0, &region), MAPPED_SYSTEM);
    CHECK_INT(scratch_descriptors(), before);
}

static void test_shared_memory_names_that_none_can_have(void)
{
    static const char *const wrong[] = {"",  "/",  "a/b", "//", "a/",
                                        ".", "..", "/.",  "/.."};
    char long_name[300];
    mapped_region *region;
    mapped_error error = MAPPED_ERROR_INIT;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_STATUS(attach(wrong[i], MAPPED_MODE_APPEND, 10, &region),
                     MAPPED_ARGUMENT);
        CHECK_STATUS(mapped_shared_unlink(wrong[i], &error), MAPPED_ARGUMENT);
    }
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[256] = '\0';
    CHECK_STATUS(attach(long_name, MAPPED_MODE_APPEND, 10, &region),
                 MAPPED_SYSTEM);
    CHECK_STATUS(mapped_shared_unlink(long_name, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENAMETOOLONG);
    long_name[255] = '\0';
    CHECK_STATUS(attach(long_name, MAPPED_MODE_APPEND, 10, &region), MAPPED_OK);
    mapped_region_release(region);
    CHECK_STATUS(mapped_shared_unlink(long_name, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_open_descriptor(
                     0, NULL, MAPPED_MODE_READ,
                     &(mapped_open_options){.flags = MAPPED_OPEN_SHARED},
                     &region, NULL),
                 MAPPED_ARGUMENT);
}

/* Anybody may put a link to somebody's file into that folder. */
static void test_shared_memory_is_no_link(void)
{
    mapped_region *region;
    char path[100];
    snprintf(path, sizeof path, "/dev/shm/%s", fresh_name());
    CHECK_INT(symlink(scratch_file("linked", 10), path), 0);
    CHECK_STATUS(attach(name, MAPPED_MODE_READ_WRITE, 0, &region),
                 MAPPED_SYSTEM);
    CHECK_STATUS(attach(name, MAPPED_MODE_CREATE, 10, &region), MAPPED_SYSTEM);
    unlink_it();
}

static void test_shared_memory_fits_into_memory_of_the_callers(void)
{
    mapped_region *region;
    char slashed[80];
    snprintf(slashed, sizeof slashed, "/%s", fresh_name());
    const char *const names[] = {name, slashed};
    for (int i = 0; i < 2; i++) {
        size_t room = mapped_region_room(names[i]);
        const mapped_open_options options = {.flags = MAPPED_OPEN_SHARED,
                                             .length = 10,
                                             .memory = malloc(room),
                                             .memory_size = room};
        CHECK_STATUS(mapped_region_open(names[i], MAPPED_MODE_APPEND, &options,
                                        &region, NULL),
                     MAPPED_OK);
        mapped_region_release(region);
        free(options.memory);
    }
    unlink_it();
}

int main(void)
{
    RUN(test_shared_memory_is_that_of_shm_open);
    RUN(test_shared_memory_of_shm_open_can_be_attached);
    RUN(test_shared_memory_is_made_once_or_attached_to);
    RUN(test_shared_memory_is_exactly_as_long_as_asked);
    RUN(test_shared_memory_that_fails_is_not_left);
    RUN(test_shared_memory_names_that_none_can_have);
    RUN(test_shared_memory_is_no_link);
    RUN(test_shared_memory_fits_into_memory_of_the_callers);
    return check_finish();
}
