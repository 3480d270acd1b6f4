/* Guards against lost pages that kill a process which is at one of its limits:
 * each lost page is replaced by a mapping, and the system may refuse one.
 * Guards also against regions that can't be opened or closed at a limit and
 * leave something behind. The limits are real ones; most of them can't be
 * raised again, so they are set in a child. */
#include "faulty.h"

#include <sys/resource.h>

#define WINDOWS 64
#define NOBODY 65534

static size_t page;

static long maps_allowed(void)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    long limit = -1;
    if (file && fscanf(file, "%ld", &limit) != 1)
        limit = -1;
    if (file)
        fclose(file);
    return limit;
}

static const char *limit_unusable(void)
{
    long limit = maps_allowed();
    return limit < 0 || limit > 200000 || scratch_instrumented()
               ? "no usable limit on the number of mappings"
               : NULL;
}

/* Makes mappings until the process may have no more. */
static void fill_maps(void)
{
    void *made = NULL;
    for (size_t i = 0; made != MAP_FAILED; i++)
        made = mmap(NULL, page, i % 2 ? PROT_READ : PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_INT(errno, ENOMEM);
}

static mapped_status read_byte(mapped_region *region, size_t at)
{
    uint8_t byte = 0;
    mapped_status status =
        mapped_get_u8(mapped_region_slice(region), at, &byte, NULL);
    CHECK(status != MAPPED_OK || byte == scratch_byte(at));
    return status;
}

/* Replacing a page splits its mapping, which the kernel refuses at its limit.
 * The library keeps mappings that it can give up for that. */
static const char *lose_one_at_the_limit(void)
{
    const char *path = scratch_file("one", 8 * page);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    mapped_lost_range lost[2];
    size_t count = 0;
    fill_maps();
    CHECK_INT(truncate(path, (off_t)(4 * page)), 0);
    CHECK_STATUS(read_byte(region, 5 * page), MAPPED_FAULT);
    CHECK_STATUS(read_byte(region, page), MAPPED_OK);
    CHECK_STATUS(mapped_region_faults(region, lost, 2, &count, NULL),
                 MAPPED_OK);
    CHECK_UINT(count, 1);
    CHECK_UINT(lost[0].offset, 5 * page);
    CHECK_UINT(lost[0].length, page);
    return NULL;
}

/* When these mappings are used up, the next lost page makes its whole region
 * count as lost. */
static const char *lose_many_at_the_limit(void)
{
    const char *path = scratch_file("many", 64 * page);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    mapped_lost_range lost;
    size_t count = 0;
    fill_maps();
    CHECK_INT(truncate(path, (off_t)(2 * page)), 0);
    CHECK_STATUS(read_byte(region, 0), MAPPED_OK);
    for (size_t i = 3; i < 64; i += 2)
        CHECK_STATUS(read_byte(region, i * page), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_faults(region, &lost, 1, &count, NULL),
                 MAPPED_OK);
    CHECK_UINT(count, 1);
    CHECK_UINT(lost.offset, 0);
    CHECK_UINT(lost.length, 64 * page);
    CHECK_STATUS(read_byte(region, 0), MAPPED_FAULT);
    return NULL;
}

/* The mappings that each fault sets free are taken before the next one. */
static const char *lose_again_and_again(void)
{
    const char *path = scratch_file("again", 8 * page);
    mapped_region *regions[16];
    for (size_t i = 0; i < 16; i++)
        regions[i] = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    CHECK_INT(truncate(path, 0), 0);
    for (size_t i = 0; i < 16; i++) {
        fill_maps();
        CHECK_STATUS(read_byte(regions[i], page), MAPPED_FAULT);
    }
    return NULL;
}

static mapped_region *window(int fd, size_t number)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    options.offset = number * page;
    options.length = page;
    if (mapped_region_open_descriptor(fd, NULL, MAPPED_MODE_READ_WRITE,
                                      &options, &region, NULL) != MAPPED_OK)
        exit(1);
    return region;
}

/* Maps single pages of a file, from the last to the first, so that neighbours
 * in the file are neighbours in memory and the kernel joins them. */
static int open_windows(mapped_region **windows)
{
    int fd =
        open(scratch_file("windows", 2 * WINDOWS * page), O_RDWR | O_CLOEXEC);
    for (size_t i = WINDOWS; i-- > 0;)
        windows[i] = window(fd, i);
    return fd;
}

static void lose_every_other(mapped_region **windows, int fd)
{
    fill_maps();
    CHECK_INT(ftruncate(fd, 0), 0);
    for (size_t i = 1; i < WINDOWS; i += 2)
        CHECK_STATUS(read_byte(windows[i], 0), MAPPED_FAULT);
}

static const char *lose_windows_at_the_limit(void)
{
    mapped_region *windows[WINDOWS];
    int fd = open_windows(windows);
    lose_every_other(windows, fd);
    return NULL;
}

/* Closes and opens regions in a mixed order, so that the gaps between them have
 * all sizes. */
static const char *lose_reopened_windows_at_the_limit(void)
{
    mapped_region *windows[WINDOWS];
    int fd = open_windows(windows);
    for (size_t round = 1; round < 20; round++)
        for (size_t i = round % 3; i < WINDOWS; i += 1 + round % 5) {
            size_t other = (i + round * round) % WINDOWS;
            mapped_region_release(windows[i]);
            if (other != i) {
                mapped_region_release(windows[other]);
                windows[other] = window(fd, other);
            }
            windows[i] = window(fd, i);
        }
    lose_every_other(windows, fd);
    return NULL;
}

/* Every other region grows over the following page of the file. */
static const char *lose_grown_windows_at_the_limit(void)
{
    mapped_region *windows[WINDOWS];
    int fd = open_windows(windows);
    for (size_t i = 0; i < WINDOWS; i += 2)
        mapped_region_release(windows[i]);
    for (size_t i = 1; i < WINDOWS; i += 2)
        CHECK_STATUS(mapped_region_resize(windows[i], 2 * page, NULL),
                     MAPPED_OK);
    for (size_t i = 0; i < WINDOWS; i += 2)
        windows[i] = window(fd, i);
    lose_every_other(windows, fd);
    return NULL;
}

static void at_the_limit_of_mappings(const char *(*body)(void))
{
    const char *reason = limit_unusable();
    if (reason)
        check_skip(reason);
    else
        CHECK_INT(scratch_child(body), 0);
}

static void test_limits_mappings_one_page_is_lost_alone(void)
{
    scratch_root();
    at_the_limit_of_mappings(lose_one_at_the_limit);
}

static void test_limits_mappings_many_pages_take_the_region_along(void)
{
    at_the_limit_of_mappings(lose_many_at_the_limit);
    at_the_limit_of_mappings(lose_again_and_again);
}

static void test_limits_mappings_windows_of_one_descriptor(void)
{
    at_the_limit_of_mappings(lose_windows_at_the_limit);
    at_the_limit_of_mappings(lose_reopened_windows_at_the_limit);
    at_the_limit_of_mappings(lose_grown_windows_at_the_limit);
}

static long resident_pages(void)
{
    char text[64] = "";
    long all = 0, resident = -1;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, text, sizeof text - 1) < 0 ||
        sscanf(text, "%ld %ld", &all, &resident) != 2)
        exit(1);
    close(file);
    return resident;
}

/* The kernel joins private mappings, and unmapping one in the middle splits
 * them again. When the kernel refuses that, the memory must be given back, and
 * only the addresses stay taken. */
static const char *close_at_the_limit(void)
{
    mapped_region *regions[WINDOWS];
    const size_t pages = 64;
    for (size_t i = 0; i < WINDOWS; i++) {
        regions[i] = memory_region(pages * page);
        CHECK_STATUS(mapped_fill(mapped_region_slice(regions[i]), 1, NULL),
                     MAPPED_OK);
    }
    fill_maps();
    long before = resident_pages();
    long addresses = scratch_address_pages();
    for (size_t i = 1; i < WINDOWS; i += 2)
        mapped_region_release(regions[i]);
    CHECK(addresses - scratch_address_pages() >= (long)(4 * pages));
    CHECK(before - resident_pages() > (long)(WINDOWS / 2 * pages * 3 / 4));
    return NULL;
}

static void test_limits_mappings_closing_gives_memory_back(void)
{
    at_the_limit_of_mappings(close_at_the_limit);
}

/* Opens regions until the kernel refuses one. */
static void test_limits_mappings_open_fails_and_leaves_nothing(void)
{
    const char *reason = limit_unusable();
    if (reason) {
        check_skip(reason);
        return;
    }
    size_t limit = (size_t)maps_allowed();
    const char *path = scratch_file("limit", page);
    mapped_region **regions = calloc(limit + 1, sizeof *regions);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_status status = MAPPED_OK;
    size_t made = 0;
    int descriptors = scratch_descriptors();
    while (status == MAPPED_OK && made <= limit) {
        status = mapped_region_open(path, MAPPED_MODE_READ, NULL,
                                    &regions[made], &error);
        made += status == MAPPED_OK;
    }
    CHECK_STATUS(status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK(made > 60000);
    CHECK_INT(truncate(path, 0), 0);
    CHECK_STATUS(read_byte(regions[made / 2], 0), MAPPED_FAULT);
    for (size_t i = 0; i < made; i++)
        mapped_region_release(regions[i]);
    free(regions);
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(scratch_mappings_of("/limit"), 0);
    unlink(path);
}

static const char *exhaust_memory(void)
{
    const char *path = scratch_file("memory", page);
    struct rlimit limit = {(rlim_t)scratch_address_pages() * page + (4 << 20),
                           RLIM_INFINITY};
    mapped_region *region = NULL;
    mapped_status status = MAPPED_OK;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return "no limit on the address space";
    for (int i = 0; i < 1000000 && status == MAPPED_OK; i++)
        status =
            mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL);
    CHECK(status == MAPPED_SYSTEM || status == MAPPED_MEMORY);
    CHECK_INT(truncate(path, 0), 0);
    CHECK_STATUS(read_byte(region, 0), MAPPED_FAULT);
    return NULL;
}

static void in_child(const char *(*body)(void))
{
    if (scratch_instrumented())
        check_skip("sanitizers need address space");
    else
        CHECK_INT(scratch_child(body), 0);
}

static void test_limits_open_without_memory_for_the_guard(void)
{
    in_child(exhaust_memory);
}

static const char *reserve_for_huge_pages(void)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region = NULL;
    mapped_region_release(memory_region(1)); /* What a process makes once. */
    long before = scratch_address_pages();
    options.huge = 2 << 20;
    options.reserve = 8 << 20;
    if (mapped_region_anonymous(0, &options, &region, NULL) != MAPPED_OK)
        return "no huge pages of 2 MiB";
    CHECK_INT((size_t)(scratch_address_pages() - before) * page, 8 << 20);
    mapped_region_release(region);
    CHECK_INT(scratch_address_pages(), before);
    return NULL;
}

static const char *keep_distance(void)
{
    mapped_region_release(memory_region(1));
    long before = scratch_address_pages();
    int fd = open(scratch_file("distance", 4 * page), O_RDWR | O_CLOEXEC);
    mapped_region *region = window(fd, 1);
    CHECK_INT(scratch_address_pages() - before, 1);
    CHECK_STATUS(mapped_region_resize(region, 9 * page, NULL), MAPPED_OK);
    CHECK_INT(scratch_address_pages() - before, 9);
    mapped_region_release(region);
    CHECK_INT(scratch_address_pages(), before);
    return NULL;
}

static void test_limits_address_space_is_no_more_than_needed(void)
{
    in_child(reserve_for_huge_pages);
    in_child(keep_distance);
}

/* Reads and writes pages of an empty file. What was written to one page must
 * not be read from another. */
static void lose_pages(mapped_region *region, size_t from, size_t to)
{
    volatile unsigned char *bytes = region->base_;
    for (size_t i = from; i < to; i++) {
        errno = 0;
        CHECK_INT(bytes[i * page], 0);
        CHECK_INT(errno, 0);
        bytes[i * page] = 1;
        CHECK_STATUS(read_byte(region, i * page), MAPPED_FAULT);
    }
    CHECK_UINT(mapped_region_fault_count(region), to);
}

static mapped_region *cut_region(size_t pages)
{
    const char *path = scratch_file("cut", pages * page);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    CHECK_INT(truncate(path, 0), 0);
    return region;
}

static bool lower_limit(int what, rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(what, &limit) != 0)
        return false;
    limit.rlim_cur = bytes;
    return setrlimit(what, &limit) == 0;
}

static const char *lose_without_data(void)
{
    mapped_region *region = cut_region(300);
    if (!lower_limit(RLIMIT_DATA, page))
        return "no limit on data";
    lose_pages(region, 0, 300);
    return NULL;
}

static void test_limits_data_below_what_is_used(void)
{
    in_child(lose_without_data);
}

/* Pages can be replaced only from what the library has reserved. The reserve is
 * filled again when the next region is opened. */
static const char *lose_without_address_space(void)
{
    mapped_region *region = cut_region(256);
    for (size_t from = 0; from < 256; from += 128) {
        if (!lower_limit(RLIMIT_AS, page))
            return "no limit on the address space";
        lose_pages(region, from, from + 128);
        lower_limit(RLIMIT_AS, RLIM_INFINITY);
        mapped_region_release(memory_region(page));
    }
    return NULL;
}

/* The page that replaces a read-only page is read-only too. */
static const char *write_what_is_readonly(void)
{
    mapped_region *region = NULL;
    const char *path = scratch_file("readonly", page);
    if (mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL) !=
            MAPPED_OK ||
        truncate(path, 0) != 0)
        exit(1);
    if (!lower_limit(RLIMIT_AS, page))
        return "no limit on the address space";
    volatile unsigned char *bytes = region->base_;
    CHECK_INT(bytes[0], 0);
    bytes[0] = 1;
    return NULL;
}

static void test_limits_address_space_below_what_is_used(void)
{
    in_child(lose_without_address_space);
    if (!scratch_instrumented())
        CHECK_INT(scratch_child(write_what_is_readonly), SIGSEGV);
}

static void fill_locked_memory(void)
{
    for (size_t n = 256 * page; n >= page;)
        if (mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
            MAP_FAILED)
            n /= 2;
    CHECK_INT(errno, EAGAIN);
}

static const char *become_nobody(void)
{
    return lower_limit(RLIMIT_MEMLOCK, 8 << 20) && setgid(NOBODY) == 0 &&
                   setuid(NOBODY) == 0
               ? NULL
               : "may not become another user";
}

/* Uses up the limit on locked memory, and makes every later mapping count as
 * locked. */
static const char *lock_all_that_comes(void)
{
    if (mlockall(MCL_FUTURE) != 0)
        return "may not lock memory";
    fill_locked_memory();
    return NULL;
}

static const char *lose_locked(void)
{
    mapped_region *region = scratch_open(scratch_file("locked", 300 * page),
                                         MAPPED_MODE_READ_WRITE, NULL);
    const char *reason = become_nobody();
    intptr_t file;
    if (!reason && mlock(region->base_, 300 * page) != 0)
        reason = "may not lock memory";
    if (!reason)
        reason = lock_all_that_comes();
    if (reason)
        return reason;
    CHECK_STATUS(mapped_region_descriptor(region, &file, NULL), MAPPED_OK);
    CHECK_INT(ftruncate((int)file, 0), 0);
    lose_pages(region, 0, 300);
    return NULL;
}

/* Closing replaces all of the locked pages at once. */
static const char *close_locked(void)
{
    mapped_region *region = scratch_open(scratch_file("closed", 300 * page),
                                         MAPPED_MODE_READ_WRITE, NULL);
    const char *reason = become_nobody();
    if (!reason && mlock(region->base_, 300 * page) != 0)
        reason = "may not lock memory";
    if (!reason)
        reason = lock_all_that_comes();
    if (reason)
        return reason;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_INT(scratch_mappings_of("/closed"), 0);
    return NULL;
}

static const char *lose_unlocked(void)
{
    mapped_region *region = cut_region(100);
    const char *reason = become_nobody();
    if (!reason)
        reason = lock_all_that_comes();
    if (!reason)
        lose_pages(region, 0, 100);
    return reason;
}

static long locked_kib(void)
{
    char line[128];
    long amount = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmLck: %ld", &amount) == 1)
            break;
    if (file)
        fclose(file);
    return amount;
}

/* What the library reserves for a process at its limits must not be locked. */
static const char *map_first_with_locks(void)
{
    if (mlockall(MCL_FUTURE) != 0)
        return "may not lock memory";
    long before = locked_kib();
    mapped_region_release(memory_region(page));
    CHECK(locked_kib() - before < 200);
    return NULL;
}

static void test_limits_locked_memory_is_not_wasted(void)
{
    in_child(map_first_with_locks);
}

static void test_limits_locked_memory(void)
{
    in_child(lose_locked);
    in_child(close_locked);
    in_child(lose_unlocked);
}

int main(void)
{
    page = scratch_page();
    RUN(test_limits_locked_memory_is_not_wasted); /* The first to map. */
    RUN(test_limits_mappings_one_page_is_lost_alone);
    RUN(test_limits_mappings_many_pages_take_the_region_along);
    RUN(test_limits_mappings_windows_of_one_descriptor);
    RUN(test_limits_mappings_closing_gives_memory_back);
    RUN(test_limits_mappings_open_fails_and_leaves_nothing);
    RUN(test_limits_open_without_memory_for_the_guard);
    RUN(test_limits_address_space_is_no_more_than_needed);
    RUN(test_limits_data_below_what_is_used);
    RUN(test_limits_address_space_below_what_is_used);
    RUN(test_limits_locked_memory);
    return check_finish();
}
