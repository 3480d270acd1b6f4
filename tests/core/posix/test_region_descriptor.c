/* Guards against a region that takes its caller's descriptor away, keeps one
 * that it doesn't need, or hands it on to the next program. */
#include "scratch.h"

#include <mapped/bulk.h>

#include <sys/socket.h>

static const mapped_mode file_modes[] = {MAPPED_MODE_READ,
                                         MAPPED_MODE_READ_WRITE,
                                         MAPPED_MODE_COPY, MAPPED_MODE_CREATE};
#define FILE_MODES (sizeof file_modes / sizeof file_modes[0])

static mapped_status open_descriptor(int descriptor, mapped_mode mode,
                                     mapped_region **region,
                                     mapped_error *error)
{
    return mapped_region_open_descriptor(descriptor, NULL, mode, NULL, region,
                                         error);
}

static void test_descriptor_that_is_none(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = NULL;
    const int none[] = {-1, 1 << 20, INT_MIN};
    for (size_t i = 0; i < 3; i++) {
        CHECK_STATUS(
            open_descriptor(none[i], MAPPED_MODE_READ, &region, &error),
            MAPPED_SYSTEM);
        CHECK_INT(error.os_error, EBADF);
    }
    CHECK(region == NULL);
}

static void test_descriptor_of_the_wrong_kind(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = NULL;
    int ends[2];
    int directory = open(scratch_root(), O_RDONLY | O_DIRECTORY);
    CHECK_INT(pipe(ends), 0);
    CHECK_STATUS(open_descriptor(ends[0], MAPPED_MODE_READ, &region, &error),
                 MAPPED_NOT_A_FILE);
    CHECK_STATUS(open_descriptor(directory, MAPPED_MODE_READ, &region, &error),
                 MAPPED_NOT_A_FILE);
    close(ends[0]);
    close(ends[1]);
    close(directory);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    CHECK_STATUS(open_descriptor(ends[0], MAPPED_MODE_READ, &region, &error),
                 MAPPED_NOT_A_FILE);
    close(ends[0]);
    close(ends[1]);
    CHECK(region == NULL);
}

static void test_descriptor_exclusive_is_refused(void)
{
    mapped_region *region = NULL;
    int file = open(scratch_file("file", 10), O_RDWR);
    CHECK_STATUS(open_descriptor(file, MAPPED_MODE_EXCLUSIVE, &region, NULL),
                 MAPPED_ARGUMENT);
    CHECK(region == NULL);
    close(file);
}

static void test_descriptor_readonly_is_refused_for_writing(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region = NULL;
    int file = open(path, O_RDONLY);
    int descriptors = scratch_descriptors();
    CHECK(open_descriptor(file, MAPPED_MODE_READ_WRITE, &region, NULL) !=
          MAPPED_OK);
    CHECK(open_descriptor(file, MAPPED_MODE_CREATE, &region, NULL) !=
          MAPPED_OK);
    CHECK(region == NULL);
    CHECK_INT(scratch_size(path), 10);
    CHECK_INT(scratch_descriptors(), descriptors);
    close(file);
}

static void test_descriptor_stays_the_callers(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region;
    int file = open(path, O_RDWR);
    uint8_t byte = 0;
    CHECK_STATUS(mapped_region_open_descriptor(file, "a name",
                                               MAPPED_MODE_READ_WRITE, NULL,
                                               &region, NULL),
                 MAPPED_OK);
    CHECK_TEXT(mapped_region_name(region), "a name");
    CHECK_INT(close(file), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 9, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(9));
    CHECK_STATUS(mapped_region_resize(region, 20, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 20);
}

static void test_descriptor_create_truncates(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region;
    int file = open(path, O_RDWR);
    CHECK_STATUS(open_descriptor(file, MAPPED_MODE_CREATE, &region, NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_size(path), 0);
    mapped_region_release(region);
    close(file);
}

static void test_descriptor_is_held_only_to_write(void)
{
    const char *path = scratch_file("file", 10);
    int before = scratch_descriptors();
    const int held[] = {0, 1, 0, 1};
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_region *region;
        intptr_t descriptor = -7;
        CHECK_STATUS(
            mapped_region_open(path, file_modes[i], NULL, &region, NULL),
            MAPPED_OK);
        CHECK_INT(scratch_descriptors() - before, held[i]);
        CHECK_STATUS(mapped_region_descriptor(region, &descriptor, NULL),
                     held[i] ? MAPPED_OK : MAPPED_UNSUPPORTED);
        if (held[i])
            CHECK_INT(fcntl((int)descriptor, F_GETFD), FD_CLOEXEC);
        else
            CHECK_INT(descriptor, -7);
        mapped_region_release(region);
        CHECK_INT(scratch_descriptors(), before);
    }
}

/* Two mappings of one memory, which a copy must know to be one. */
static void test_descriptor_of_shared_memory_may_overlap(void)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *first, *second;
    intptr_t descriptor;
    size_t wrong = 0;
    options.shared = true;
    CHECK_STATUS(mapped_region_anonymous(50000, &options, &first, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_descriptor(first, &descriptor, NULL), MAPPED_OK);
    CHECK_STATUS(
        open_descriptor((int)descriptor, MAPPED_MODE_READ_WRITE, &second, NULL),
        MAPPED_OK);
    for (size_t i = 0; i < 40000; i++)
        first->base_[i] = scratch_byte(i);
    CHECK_STATUS(mapped_copy(mapped_region_slice(first), 4097,
                             (mapped_slice){second, 0, 40000, 0}, NULL),
                 MAPPED_OK);
    for (size_t i = 0; i < 40000; i++)
        wrong += scratch_get(second, 4097 + i) != scratch_byte(i);
    CHECK_UINT(wrong, 0);
    mapped_region_release(second);
    mapped_region_release(first);
}

/* Where a page of the target is lost already, a copy of few bytes must not be
 * made once more: it would read what it has written. */
static void test_descriptor_of_a_cut_file_is_copied_to_once(void)
{
    const size_t page = scratch_page();
    const char *path = scratch_file("file", 2 * page);
    mapped_region *first = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    mapped_region *second = scratch_open(path, MAPPED_MODE_READ, NULL);
    uint8_t byte;
    CHECK_INT(truncate(path, (off_t)page), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(first), page, &byte, NULL),
                 MAPPED_FAULT);
    CHECK_STATUS(mapped_copy(mapped_region_slice(first), 10,
                             (mapped_slice){second, 0, 100, 0}, NULL),
                 MAPPED_OK);
    for (size_t i = 0; i < 100; i++)
        CHECK_UINT(scratch_get(second, 10 + i), scratch_byte(i));
    mapped_region_release(second);
    mapped_region_release(first);
}

int main(void)
{
    RUN(test_descriptor_that_is_none);
    RUN(test_descriptor_of_shared_memory_may_overlap);
    RUN(test_descriptor_of_a_cut_file_is_copied_to_once);
    RUN(test_descriptor_of_the_wrong_kind);
    RUN(test_descriptor_exclusive_is_refused);
    RUN(test_descriptor_readonly_is_refused_for_writing);
    RUN(test_descriptor_stays_the_callers);
    RUN(test_descriptor_create_truncates);
    RUN(test_descriptor_is_held_only_to_write);
    return check_finish();
}
