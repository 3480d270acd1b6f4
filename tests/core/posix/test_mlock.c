/* Guards against locking other pages than the slice's, against locks that
 * remain when a page can't be read, and against locked memory that can't grow.
 */
#include "scratch.h"

#include "../memory.h"

#include <mapped/paging.h>

#include <errno.h>
#include <sys/resource.h>

#define NAME "mlock"

static mapped_region *make_file(void)
{
    return scratch_open(scratch_file(NAME, 8 * scratch_page()),
                        MAPPED_MODE_READ_WRITE, NULL);
}

static mapped_region *make_memory(void)
{
    return memory_region(8 * scratch_page());
}

static void check_lost(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = make_file();
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_STATUS(mapped_mlock(memory_slice(region, 5, 3), NULL), MAPPED_OK);
    CHECK_STATUS(mapped_mlock(mapped_region_slice(region), &error),
                 MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_UINT(error.offset, scratch_page());
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_FAULT);
    mapped_region_release(region);
}

static long locked_kilobytes(void)
{
    char line[256];
    long locked = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "VmLck:", 6) == 0)
            locked = strtol(line + 6, NULL, 10);
    if (file)
        fclose(file);
    return locked;
}

/* Sanitizers replace mlock() by a function that does nothing. */
static bool locks_nothing(void)
{
    if (scratch_instrumented() && !scratch_valgrind())
        check_skip("sanitizers lock nothing");
    return check_reason != NULL;
}

static void test_mlock_pages(void)
{
    const long page = (long)scratch_page() / 1024;
    mapped_region *region = make_file();
    long before = locked_kilobytes();
    if (locks_nothing()) {
        mapped_region_release(region);
        return;
    }
    mapped_slice part = memory_slice(region, scratch_page() - 1, 2);
    CHECK_STATUS(mapped_mlock(part, NULL), MAPPED_OK);
    CHECK_INT(locked_kilobytes() - before, 2 * page);
    CHECK_STATUS(mapped_mlock(part, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_munlock(part, NULL), MAPPED_OK);
    CHECK_INT(locked_kilobytes(), before);
    CHECK_STATUS(mapped_mlock(part, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(locked_kilobytes(), before);
}

static void test_mlock_of_a_lost_page(void)
{
    long before = locked_kilobytes();
    if (locks_nothing())
        return;
    check_lost();
    mapped_region *region = make_file();
    CHECK_INT(truncate(scratch_path(NAME), 10), 0);
    CHECK_STATUS(mapped_mlock(mapped_region_slice(region), NULL), MAPPED_FAULT);
    CHECK_INT(locked_kilobytes(), before);
    mapped_region_release(region);
}

static const char *lock_as_nobody(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    const struct rlimit limit = {4096, 4096};
    mapped_region *region = make_memory();
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setuid(65534) != 0)
        exit(1);
    CHECK_STATUS(mapped_mlock(mapped_region_slice(region), &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK_TEXT(error.call, "mlock");
    CHECK_INT(locked_kilobytes(), 0);
    mapped_region_release(region);
    return NULL;
}

static void test_mlock_beyond_the_limit(void)
{
    if (!locks_nothing())
        CHECK_INT(scratch_child(lock_as_nobody), 0);
}

/* Locking a part of a region splits its mapping. */
static void test_mlock_memory_that_grows(void)
{
    if (scratch_valgrind()) {
        check_skip("valgrind's mremap answers otherwise");
        return;
    }
    mapped_region *region = make_memory();
    size_t length = mapped_region_length(region);
    CHECK_STATUS(mapped_mlock(memory_slice(region, 5000, 100), NULL),
                 MAPPED_OK);
    void *taken = scratch_block_growth(region);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    for (size_t i = 0; i < length; i++)
        if (!CHECK_INT(scratch_get(region, i), memory_byte(i)))
            break;
    CHECK_INT(scratch_get(region, length), 0);
    if (taken != NULL)
        munmap(taken, scratch_page());
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_mlock_pages);
    RUN(test_mlock_of_a_lost_page);
    RUN(test_mlock_beyond_the_limit);
    RUN(test_mlock_memory_that_grows);
    return check_finish();
}
