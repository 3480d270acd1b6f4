/* Guards against an open that crashes, blocks, leaks or changes a file because
 * of what it was given. */
#include "scratch.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static const mapped_mode file_modes[] = {MAPPED_MODE_READ,
                                         MAPPED_MODE_READ_WRITE,
                                         MAPPED_MODE_COPY, MAPPED_MODE_CREATE};
#define FILE_MODES (sizeof file_modes / sizeof file_modes[0])

/* Checks that an open fails, and that it leaves no descriptor behind. */
static void check_refused(const char *path, mapped_mode mode,
                          const mapped_open_options *options,
                          mapped_error *error)
{
    mapped_region *region = (mapped_region *)error;
    int descriptors = scratch_descriptors();
    mapped_status status =
        mapped_region_open(path, mode, options, &region, error);
    CHECK(status != MAPPED_OK);
    CHECK_STATUS(error->status, status);
    CHECK(region == (mapped_region *)error);
    CHECK_INT(scratch_descriptors(), descriptors);
    if (status == MAPPED_OK)
        mapped_region_release(region);
}

static void check_system_error(const char *path, mapped_mode mode, int expected)
{
    mapped_error error = MAPPED_ERROR_INIT;
    check_refused(path, mode, NULL, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, expected);
    CHECK(error.operation != NULL && error.operation[0] != '\0');
}

static void test_open_missing_file(void)
{
    const char *path = scratch_path("missing");
    check_system_error(path, MAPPED_MODE_READ, ENOENT);
    check_system_error(path, MAPPED_MODE_READ_WRITE, ENOENT);
    check_system_error(path, MAPPED_MODE_COPY, ENOENT);
    CHECK(!scratch_exists(path));
    check_system_error("", MAPPED_MODE_READ, ENOENT);
    check_system_error(scratch_path("missing/file"), MAPPED_MODE_CREATE,
                       ENOENT);
}

static void test_open_path_too_long(void)
{
    static char path[8192];
    memset(path, 'x', sizeof path - 1);
    check_system_error(path, MAPPED_MODE_READ, ENAMETOOLONG);
    check_system_error(path, MAPPED_MODE_CREATE, ENAMETOOLONG);
}

static void test_open_directory(void)
{
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        check_refused(scratch_root(), file_modes[i], NULL, &error);
        CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    }
}

static void test_open_fifo_does_not_block(void)
{
    const char *path = scratch_path("fifo");
    CHECK_INT(mkfifo(path, 0600), 0);
    alarm(20);
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        check_refused(path, file_modes[i], NULL, &error);
        CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    }
    alarm(0);
    unlink(path);
}

static void test_open_socket(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s",
             scratch_path("socket"));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        check_refused(address.sun_path, file_modes[i], NULL, &error);
        CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    }
    close(listener);
    unlink(address.sun_path);
}

static const char *open_without_permission(void)
{
    const char *secret = scratch_file("secret", 10);
    const char *fixed = scratch_file("fixed", 10);
    if (chmod(secret, 0) != 0 || chmod(fixed, 0444) != 0 ||
        chmod(scratch_root(), 0755) != 0)
        return "can't change permissions";
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return "can't give up being root";
    check_system_error(secret, MAPPED_MODE_READ, EACCES);
    check_system_error(secret, MAPPED_MODE_READ_WRITE, EACCES);
    check_system_error(secret, MAPPED_MODE_CREATE, EACCES);
    check_system_error(fixed, MAPPED_MODE_READ_WRITE, EACCES);
    if (getuid() == 65534)
        check_system_error(scratch_path("new"), MAPPED_MODE_EXCLUSIVE, EACCES);
    CHECK_INT(scratch_size(fixed), 10);
    return NULL;
}

static void test_open_without_permission(void)
{
    scratch_root();
    CHECK_INT(scratch_child(open_without_permission), 0);
}

static void test_open_null_device_cannot_be_mapped(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.length = 4096;
    check_refused("/dev/null", MAPPED_MODE_READ, &options, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENODEV);
}

static void test_open_device_needs_a_length(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    check_refused("/dev/zero", MAPPED_MODE_READ, NULL, &error);
    CHECK(error.status == MAPPED_ARGUMENT || error.status == MAPPED_PAST_END);
}

static void test_open_unknown_mode(void)
{
    const char *path = scratch_file("file", 10);
    const int modes[] = {-1, 6, 99, INT_MAX};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        check_refused(path, (mapped_mode)modes[i], NULL, &error);
        CHECK_STATUS(error.status, MAPPED_ARGUMENT);
    }
    CHECK_INT(scratch_size(path), 10);
}

static void check_options_refused(const mapped_open_options *options)
{
    const char *path = scratch_file("file", 10);
    const char *missing = scratch_path("missing");
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        check_refused(path, file_modes[i], options, &error);
        CHECK_STATUS(error.status, MAPPED_ARGUMENT);
        CHECK_INT(scratch_size(path), 10);
    }
    mapped_error error = MAPPED_ERROR_INIT;
    check_refused(missing, MAPPED_MODE_EXCLUSIVE, options, &error);
    CHECK(!scratch_exists(missing));
}

static void test_open_unknown_flag(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.length = 5;
    options.flags = 1u << 31;
    check_options_refused(&options);
}

static void test_open_options_of_another_size(void)
{
    mapped_open_options options = {.length = 5};
    options.size = 1;
    check_options_refused(&options);
    options.size = sizeof options + 8;
    check_options_refused(&options);
}

static void test_open_options_all_zero_are_the_defaults(void)
{
    const mapped_open_options zero = {0};
    const char *path = scratch_file("file", 10);
    mapped_region *region = NULL;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &zero, &region, NULL),
        MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 10);
    mapped_region_release(region);
}

static void test_open_no_bytes_by_name(void)
{
    const char *path = scratch_file("file", 10);
    const mapped_open_options options = {.length = mapped_length_exactly(0)};
    for (size_t i = 0; i < FILE_MODES; i++) {
        mapped_region *region = NULL;
        CHECK_STATUS(
            mapped_region_open(path, file_modes[i], &options, &region, NULL),
            MAPPED_OK);
        CHECK_UINT(mapped_region_length(region), 0);
        mapped_region_release(region);
    }
}

static void test_open_reserve_smaller_than_length(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.length = 9;
    options.reserve = 8;
    check_options_refused(&options);
}

static void test_open_reserve_smaller_than_the_file(void)
{
    const char *path = scratch_file("file", 10);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.reserve = 9;
    check_refused(path, MAPPED_MODE_READ_WRITE, &options, &error);
    CHECK_STATUS(error.status, MAPPED_ARGUMENT);
    CHECK_UINT(error.length, 10);
    CHECK_UINT(error.limit, 9);
}

/* No file can have these offsets and lengths, so none may be created or
 * extended. */
static void test_open_huge_numbers(void)
{
    static const uint64_t pairs[][2] = {{UINT64_MAX, MAPPED_LENGTH_TO_END},
                                        {UINT64_MAX, 1},
                                        {UINT64_MAX - 1, 1},
                                        {(uint64_t)INT64_MAX + 1, 1},
                                        {INT64_MAX, 1},
                                        {1, INT64_MAX},
                                        {0, (uint64_t)INT64_MAX + 1},
                                        {0, UINT64_MAX - 1},
                                        {1, UINT64_MAX - 1},
                                        {UINT64_MAX - 4096, 8192}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *path = scratch_file("file", 10);
        mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
        options.offset = pairs[i][0];
        options.length = pairs[i][1];
        for (size_t j = 0; j < FILE_MODES; j++) {
            mapped_error error = MAPPED_ERROR_INIT;
            check_refused(path, file_modes[j], &options, &error);
            CHECK(error.status == MAPPED_OVERFLOW ||
                  error.status == MAPPED_PAST_END);
            CHECK_INT(scratch_size(path), 10);
        }
        mapped_error error = MAPPED_ERROR_INIT;
        const char *missing = scratch_path("missing");
        check_refused(missing, MAPPED_MODE_EXCLUSIVE, &options, &error);
        CHECK_STATUS(error.status, MAPPED_OVERFLOW);
        CHECK(!scratch_exists(missing));
    }
}

static void test_open_length_no_disk_can_hold(void)
{
    const char *path = scratch_file("file", 10);
    const char *missing = scratch_path("missing");
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.length = (uint64_t)1 << 62;
    check_refused(path, MAPPED_MODE_READ_WRITE, &options, &error);
    CHECK_INT(scratch_size(path), 10);
    CHECK_INT(scratch_read_byte(path, 9), scratch_byte(9));
    check_refused(missing, MAPPED_MODE_EXCLUSIVE, &options, &error);
    check_refused(missing, MAPPED_MODE_CREATE, &options, &error);
    CHECK(!scratch_exists(missing));
}

static void check_past_end(mapped_mode mode, uint64_t offset, uint64_t length)
{
    const char *path = scratch_file("file", 10);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.offset = offset;
    options.length = length;
    check_refused(path, mode, &options, &error);
    CHECK_STATUS(error.status, MAPPED_PAST_END);
    CHECK_UINT(error.offset, offset);
    CHECK_UINT(error.limit, 10);
    CHECK_INT(scratch_size(path), 10);
}

static void test_open_past_the_end(void)
{
    const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_COPY};
    for (size_t i = 0; i < 2; i++) {
        check_past_end(modes[i], 11, MAPPED_LENGTH_TO_END);
        check_past_end(modes[i], 100000, MAPPED_LENGTH_TO_END);
        check_past_end(modes[i], 11, 0);
        check_past_end(modes[i], 0, 11);
        check_past_end(modes[i], 5, 6);
        check_past_end(modes[i], 10, 1);
    }
}

static void test_open_exclusive_keeps_an_existing_file(void)
{
    const char *path = scratch_file("file", 10);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.length = 100;
    check_refused(path, MAPPED_MODE_EXCLUSIVE, &options, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EEXIST);
    CHECK_INT(scratch_size(path), 10);
    CHECK_INT(scratch_read_byte(path, 0), scratch_byte(0));
}

/* Each region reserves an eighth of the address space, so one must fail. */
static void test_open_address_space_taken_by_reserves(void)
{
    const char *path = scratch_file("file", 10);
    const char *missing = scratch_path("missing");
    mapped_region *regions[16];
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    size_t count = 0;
    if (scratch_valgrind()) {
        check_skip("valgrind answers EINVAL for want of address space");
        return;
    }
    options.reserve = (uint64_t)1 << (sizeof(size_t) == 8 ? 44 : 29);
    while (count < 16 &&
           mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options,
                              &regions[count], &error) == MAPPED_OK)
        count++;
    CHECK(count < 16);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    options.length = 5;
    check_refused(missing, MAPPED_MODE_EXCLUSIVE, &options, &error);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK(!scratch_exists(missing));
    while (count > 0)
        mapped_region_release(regions[--count]);
}

static const char *open_beyond_the_address_limit(void)
{
    const char *path = scratch_file("file", 1 << 20);
    const struct rlimit limit = {32 << 20, 32 << 20};
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return "can't limit the address space";
    options.length = 64 << 20;
    check_refused(path, MAPPED_MODE_READ_WRITE, &options, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK_INT(scratch_size(path), 1 << 20);
    check_refused(scratch_path("missing"), MAPPED_MODE_CREATE, &options,
                  &error);
    CHECK(!scratch_exists(scratch_path("missing")));
    CHECK_STATUS(mapped_region_anonymous(64 << 20, NULL, &region, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, &error),
        MAPPED_OK);
    mapped_region_release(region);
    return NULL;
}

static void test_open_beyond_the_address_limit(void)
{
    scratch_root();
    if (scratch_instrumented())
        check_skip("a limit on address space would starve the sanitizer");
    else
        CHECK_INT(scratch_child(open_beyond_the_address_limit), 0);
}

static const char *open_without_descriptors(void)
{
    const char *path = scratch_file("file", 10);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region;
    struct rlimit limit;
    int spare = open("/dev/null", O_RDONLY);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return "can't read the descriptor limit";
    limit.rlim_cur = (rlim_t)spare;
    close(spare);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return "can't set the descriptor limit";
    for (size_t i = 0; i < FILE_MODES; i++) {
        CHECK_STATUS(
            mapped_region_open(path, file_modes[i], NULL, &region, &error),
            MAPPED_SYSTEM);
        CHECK_INT(error.os_error, EMFILE);
    }
    limit.rlim_cur = (rlim_t)spare + 1;
    setrlimit(RLIMIT_NOFILE, &limit);
    CHECK_INT(scratch_size(path), 10);
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, &error),
        MAPPED_OK);
    mapped_region_release(region);
    return NULL;
}

static void test_open_at_the_descriptor_limit(void)
{
    scratch_root();
    CHECK_INT(scratch_child(open_without_descriptors), 0);
}

static void check_content(const char *path, uint64_t offset, uint64_t length,
                          size_t expected)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    options.offset = offset;
    options.length = length;
    for (size_t i = 0; i < 3; i++) {
        if (!CHECK_STATUS(mapped_region_open(path, file_modes[i], &options,
                                             &region, NULL),
                          MAPPED_OK))
            return;
        mapped_slice all = mapped_region_slice(region);
        unsigned wrong = 0;
        for (size_t at = 0; at < all.length; at++) {
            uint8_t byte = 0;
            wrong += mapped_get_u8(all, at, &byte, NULL) != MAPPED_OK ||
                     byte != scratch_byte(offset + at);
        }
        CHECK_UINT(all.length, expected);
        CHECK_UINT(mapped_region_length(region), expected);
        CHECK_UINT(wrong, 0);
        CHECK_STATUS(mapped_get_u8(all, expected, &(uint8_t){0}, NULL),
                     MAPPED_RANGE);
        mapped_region_release(region);
    }
}

static void test_open_at_any_byte(void)
{
    size_t page = scratch_page();
    size_t size = 3 * page + 100;
    const char *path = scratch_file("big", size);
    const size_t offsets[] = {0,        1,        page - 1,   page,
                              page + 1, 2 * page, size - 101, size - 1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        check_content(path, offsets[i], MAPPED_LENGTH_TO_END,
                      size - offsets[i]);
        check_content(path, offsets[i], 1, 1);
    }
    check_content(path, page - 1, 2, 2);
    check_content(path, page - 1, page + 2, page + 2);
    CHECK_INT(scratch_size(path), (int64_t)size);
}

/* The system reports the size 0 for these files, although they aren't empty. An
 * empty region would be wrong. */
static void test_open_refuses_files_without_a_size(void)
{
    const char *const paths[] = {"/proc/self/status", "/proc/self/maps",
                                 "/proc/version"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        const mapped_open_options options = {.length = 10};
        check_refused(paths[i], MAPPED_MODE_READ, NULL, &error);
        CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
        CHECK_INT(error.os_error, ENODEV);
        check_refused(paths[i], MAPPED_MODE_COPY, &options, &error);
        CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    }
}

static void test_open_empty_is_normal(void)
{
    const char *empty = scratch_file("empty", 0);
    const char *file = scratch_file("file", 10);
    check_content(empty, 0, MAPPED_LENGTH_TO_END, 0);
    check_content(empty, 0, MAPPED_LENGTH_ZERO, 0);
    check_content(file, 10, MAPPED_LENGTH_TO_END, 0);
    check_content(file, 10, MAPPED_LENGTH_ZERO, 0);
    check_content(file, 3, MAPPED_LENGTH_ZERO, 0);
    CHECK_INT(scratch_size(empty), 0);
}

static void test_open_zero_length_at_page_start(void)
{
    const char *path = scratch_file("big", 3 * scratch_page());
    check_content(path, scratch_page(), MAPPED_LENGTH_ZERO, 0);
    check_content(path, 3 * scratch_page(), MAPPED_LENGTH_TO_END, 0);
}

static void test_open_path_of_any_bytes(void)
{
    const char *path = scratch_file("\xff\xfe \x01\n", 10);
    check_content(path, 0, MAPPED_LENGTH_TO_END, 10);
    unlink(path);
}

static void test_open_through_a_link(void)
{
    const char *link = scratch_path("link");
    CHECK_INT(symlink(scratch_file("file", 10), link), 0);
    check_content(link, 0, MAPPED_LENGTH_TO_END, 10);
    unlink(link);
}

static void test_open_populated(void)
{
    const char *path = scratch_file("big", 3 * scratch_page());
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    options.flags = MAPPED_OPEN_POPULATE;
    for (size_t i = 0; i < 3; i++) {
        if (CHECK_STATUS(mapped_region_open(path, file_modes[i], &options,
                                            &region, NULL),
                         MAPPED_OK))
            mapped_region_release(region);
    }
}

static void test_open_zero_device(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    uint8_t byte = 7;
    options.length = 100;
    if (!CHECK_STATUS(mapped_region_open("/dev/zero", MAPPED_MODE_READ,
                                         &options, &region, NULL),
                      MAPPED_OK))
        return;
    CHECK_UINT(mapped_region_length(region), 100);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 99, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, 0);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_open_missing_file);
    RUN(test_open_path_too_long);
    RUN(test_open_directory);
    RUN(test_open_fifo_does_not_block);
    RUN(test_open_socket);
    RUN(test_open_without_permission);
    RUN(test_open_null_device_cannot_be_mapped);
    RUN(test_open_device_needs_a_length);
    RUN(test_open_unknown_mode);
    RUN(test_open_unknown_flag);
    RUN(test_open_options_of_another_size);
    RUN(test_open_options_all_zero_are_the_defaults);
    RUN(test_open_no_bytes_by_name);
    RUN(test_open_reserve_smaller_than_length);
    RUN(test_open_reserve_smaller_than_the_file);
    RUN(test_open_huge_numbers);
    RUN(test_open_length_no_disk_can_hold);
    RUN(test_open_past_the_end);
    RUN(test_open_exclusive_keeps_an_existing_file);
    RUN(test_open_address_space_taken_by_reserves);
    RUN(test_open_beyond_the_address_limit);
    RUN(test_open_at_the_descriptor_limit);
    RUN(test_open_at_any_byte);
    RUN(test_open_refuses_files_without_a_size);
    RUN(test_open_empty_is_normal);
    RUN(test_open_zero_length_at_page_start);
    RUN(test_open_path_of_any_bytes);
    RUN(test_open_through_a_link);
    RUN(test_open_populated);
    RUN(test_open_zero_device);
    return check_finish();
}
