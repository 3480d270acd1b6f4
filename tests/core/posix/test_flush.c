/* Guards against a flush that doesn't write all of its bytes, that forgets an
 * earlier failure, or that touches a closed region. The linker redirects the
 * system calls to this file (--wrap), where they are counted and can fail. */
#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mapped/mapped.h>

#define PAGE ((size_t)4096)
#define SIZE (4 * PAGE)

static struct {
    int msyncs, fsyncs, starts;
    const unsigned char *address;
    size_t length;
    off_t offset;
    int failure;          /* the error of msync, or 0 */
    int folder_failure;   /* the error of the second fsync, or 0 */
    mapped_region *other; /* its flush fails during another one, or NULL */
} seen;

int __real_msync(void *at, size_t n, int how);
int __wrap_msync(void *at, size_t n, int how);
int __wrap_msync(void *at, size_t n, int how)
{
    seen.msyncs++;
    seen.address = at;
    seen.length = n;
    CHECK_INT(how, MS_SYNC);
    if (seen.other != NULL) {
        mapped_slice all = mapped_region_slice(seen.other);
        seen.other = NULL;
        seen.failure = EIO;
        CHECK_STATUS(mapped_flush(all, 0, NULL), MAPPED_SYSTEM);
        seen.failure = 0;
    }
    errno = seen.failure;
    return seen.failure != 0 ? -1 : __real_msync(at, n, how);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    errno = seen.folder_failure;
    if (++seen.fsyncs == 2 && seen.folder_failure != 0)
        return -1;
    return __real_fsync(fd);
}

int __wrap_sync_file_range(int fd, off_t from, off_t n, unsigned how);
int __wrap_sync_file_range(int fd, off_t from, off_t n, unsigned how)
{
    (void)fd;
    (void)how;
    seen.starts++;
    seen.offset = from;
    seen.length = (size_t)n;
    return 0;
}

static mapped_error error;

static mapped_region *begin(mapped_mode mode)
{
    memset(&seen, 0, sizeof seen);
    return scratch_open(scratch_file("flushed", SIZE), mode, NULL);
}

static void test_flush_writes_the_pages_of_the_slice(void)
{
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    CHECK_STATUS(mapped_flush(memory_slice(region, PAGE + 10, PAGE), 0, &error),
                 MAPPED_OK);
    CHECK_INT(seen.msyncs, 1);
    CHECK_INT(seen.fsyncs, 0);
    CHECK(seen.address == region->base_ + PAGE);
    CHECK_UINT(seen.length, PAGE + 10);
    mapped_region_release(region);
}

static void test_flush_that_only_starts_names_the_bytes_of_the_file(void)
{
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    CHECK_STATUS(
        mapped_flush(memory_slice(region, PAGE, 7), MAPPED_FLUSH_START, &error),
        MAPPED_OK);
    CHECK_INT(seen.starts, 1);
    CHECK_INT(seen.msyncs, 0);
    CHECK_INT((long long)seen.offset, (long long)PAGE);
    CHECK_UINT(seen.length, 7);
    mapped_region_release(region);
}

/* The first flush calls fsync for the file and for its directory, and later
 * ones don't. */
static void test_flush_of_a_new_file_writes_its_entry(void)
{
    const char *path = scratch_path("new");
    const mapped_open_options options = {.length = SIZE};
    memset(&seen, 0, sizeof seen);
    unlink(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_EXCLUSIVE, &options);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_flush(all, MAPPED_FLUSH_START, &error), MAPPED_OK);
    CHECK_INT(seen.fsyncs, 0);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_OK);
    CHECK_INT(seen.fsyncs, 2);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_OK);
    CHECK_INT(seen.fsyncs, 2);
    CHECK_INT(seen.msyncs, 2);
    mapped_region_release(region);
}

static void test_flush_of_a_new_file_that_is_gone(void)
{
    const char *path = scratch_path("gone");
    const mapped_open_options options = {.length = SIZE};
    unlink(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_EXCLUSIVE, &options);
    CHECK_INT(unlink(path), 0);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_OK);
    mapped_region_release(region);
}

static void test_flush_that_failed_fails_until_recover(void)
{
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    mapped_slice all = mapped_region_slice(region);
    seen.failure = EIO;
    CHECK_STATUS(mapped_flush(memory_slice(region, PAGE, 1), 0, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EIO);
    CHECK_TEXT(error.call, "msync");
    seen.failure = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_SYSTEM);
        CHECK_INT(error.os_error, EIO);
        CHECK_TEXT(error.operation, "flush");
        CHECK_TEXT(error.call, "an earlier flush");
    }
    CHECK_INT(seen.msyncs, 1);
    CHECK_STATUS(mapped_region_recover(region, &error), MAPPED_OK);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_OK);
    CHECK_INT(seen.msyncs, 2);
    mapped_region_release(region);
}

/* The system reports a failure once, to one of them. */
static void test_flush_fails_with_another_one_at_the_same_time(void)
{
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    seen.other = region;
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EIO);
    CHECK_INT(seen.msyncs, 2);
    mapped_region_release(region);
}

static void test_flush_that_failed_to_write_the_entry(void)
{
    const char *path = scratch_path("entry");
    const mapped_open_options options = {.length = SIZE};
    memset(&seen, 0, sizeof seen);
    unlink(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_EXCLUSIVE, &options);
    mapped_slice all = mapped_region_slice(region);
    seen.folder_failure = EIO;
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_SYSTEM);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_SYSTEM);
    CHECK_TEXT(error.call, "an earlier flush");
    CHECK_INT(seen.fsyncs, 2);
    CHECK_STATUS(mapped_region_recover(region, &error), MAPPED_OK);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_OK);
    CHECK_INT(seen.fsyncs, 4);
    mapped_region_release(region);
}

static volatile sig_atomic_t stores;
static unsigned char *sealed;

static void count_store(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    stores += ((uintptr_t)info->si_addr & ~(PAGE - 1)) == (uintptr_t)sealed;
    mprotect(sealed, PAGE, PROT_READ | PROT_WRITE);
}

/* After a failed flush the system takes the pages for clean. Only a page that
 * is stored to again will be written by the next flush. */
static void test_recover_stores_to_the_pages_of_the_failed_flush(void)
{
    struct sigaction catch = {.sa_sigaction = count_store,
                              .sa_flags = SA_SIGINFO};
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    stores = 0;
    sigaction(SIGSEGV, &catch, NULL);
    seen.failure = ENOSPC;
    CHECK_STATUS(mapped_flush(memory_slice(region, 2 * PAGE + 5, 1), 0, &error),
                 MAPPED_SYSTEM);
    seen.failure = 0;
    for (size_t page = 0; page < 4; page++) {
        sealed = region->base_ + page * PAGE;
        CHECK_INT(mprotect(sealed, PAGE, PROT_READ), 0);
        if (page == 2)
            CHECK_STATUS(mapped_region_recover(region, &error), MAPPED_OK);
        CHECK_INT(stores, page >= 2);
    }
    CHECK_STATUS(mapped_region_recover(region, &error), MAPPED_OK);
    CHECK_INT(stores, 1);
    signal(SIGSEGV, SIG_DFL);
    mapped_region_release(region);
}

static void test_flush_reports_a_lost_page(void)
{
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    mapped_slice all = mapped_region_slice(region);
    CHECK_INT(truncate(scratch_path("flushed"), (off_t)PAGE), 0);
    CHECK_STATUS(mapped_set_u8(all, 2 * PAGE, 1, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 2 * PAGE);
    CHECK_STATUS(mapped_flush(memory_slice(region, 0, PAGE), 0, &error),
                 MAPPED_OK);
    mapped_region_release(region);
}

static void test_flush_where_nothing_can_be_durable(void)
{
    static unsigned char memory[16];
    mapped_region *region = begin(MAPPED_MODE_READ);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_READONLY);
    mapped_region_release(region);
    region = begin(MAPPED_MODE_COPY);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_anonymous(5, NULL, &region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_wrap(memory, sizeof memory, false, NULL, NULL,
                                    &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, &error),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_INT(seen.msyncs, 0);
}

static void test_flush_of_bad_arguments(void)
{
    const mapped_slice none = {0};
    mapped_region *region = begin(MAPPED_MODE_READ_WRITE);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_flush(none, 0, &error), MAPPED_CLOSED);
    CHECK_STATUS(mapped_flush(all, 2, &error), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_region_resize(region, PAGE, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_flush(all, 0, &error), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_flush(all, 0, NULL), MAPPED_CLOSED);
    CHECK_INT(seen.msyncs, 0);
    mapped_region_release(region);
}

/* Without the trailer a crash of the system would take the data for cut. */
static void test_flush_writes_the_trailer_of_an_append(void)
{
    const char *path = scratch_file("appended", 0);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(mapped_region_append(region, "data", 4, NULL), MAPPED_OK);
    seen.msyncs = 0;
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, NULL), MAPPED_OK);
    CHECK_INT(seen.msyncs, 2);
    const unsigned char *end = region->base_ + scratch_size(path);
    CHECK(seen.address < end && seen.address + seen.length >= end);
    CHECK_STATUS(mapped_region_resize(region, 4, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_flush(mapped_region_slice(region), 0, NULL), MAPPED_OK);
    CHECK_INT(seen.msyncs, 3);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_flush_writes_the_pages_of_the_slice);
    RUN(test_flush_that_only_starts_names_the_bytes_of_the_file);
    RUN(test_flush_of_a_new_file_writes_its_entry);
    RUN(test_flush_of_a_new_file_that_is_gone);
    RUN(test_flush_that_failed_fails_until_recover);
    RUN(test_flush_fails_with_another_one_at_the_same_time);
    RUN(test_flush_that_failed_to_write_the_entry);
    RUN(test_recover_stores_to_the_pages_of_the_failed_flush);
    RUN(test_flush_reports_a_lost_page);
    RUN(test_flush_where_nothing_can_be_durable);
    RUN(test_flush_of_bad_arguments);
    RUN(test_flush_writes_the_trailer_of_an_append);
    return check_finish();
}
