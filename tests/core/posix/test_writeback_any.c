/* Guards against a flush that ends before the disk has the bytes, on POSIX
 * systems other than this one. Their file is compiled here as it is. The one
 * call that only Darwin has is counted and answered by this file: it shows when
 * the call is made, not what Darwin does then. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "platform.h"

static struct {
    int fd;
    int calls;
    int failure; /* the error of the call, or 0 */
} darwin;

static int full_sync(int fd, int command)
{
    (void)command;
    darwin.fd = fd;
    darwin.calls++;
    errno = darwin.failure;
    return darwin.failure != 0 ? -1 : 0;
}

#define MAPPED__WRITEBACK_ANY
#define F_FULLFSYNC 51
#define fcntl full_sync
#define mapped__file_sync sync_any
#define mapped__file_flush flush_any
#include "posix/writeback_any.c"
#undef fcntl

static int file;
static unsigned char *memory;

/* Of two pages, with some bytes changed in the second. */
static void make_file(void)
{
    const size_t page = scratch_page();
    file = open(scratch_file("written", 2 * page), O_RDWR | O_CLOEXEC);
    memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(file >= 0 && memory != MAP_FAILED);
    memory[page + 100] = 1;
    darwin.calls = 0;
    darwin.failure = 0;
}

static void drop_file(void)
{
    munmap(memory, 2 * scratch_page());
    close(file);
}

static mapped_status flush(bool wait, mapped_error *error)
{
    const size_t at = scratch_page() + 100;
    return flush_any(file, at, memory + at, 5, wait, error);
}

static void test_writeback_any_waits_for_the_disk(void)
{
    make_file();
    CHECK_STATUS(flush(true, NULL), MAPPED_OK);
    CHECK_INT(darwin.calls, 1);
    CHECK_INT(darwin.fd, file);
    CHECK_STATUS(flush_any(file, 0, memory, 0, true, NULL), MAPPED_OK);
    CHECK_INT(darwin.calls, 2);
    drop_file();
}

static void test_writeback_any_that_only_starts_waits_for_nothing(void)
{
    make_file();
    CHECK_STATUS(flush(false, NULL), MAPPED_OK);
    CHECK_STATUS(flush_any(file, 0, memory, 0, false, NULL), MAPPED_OK);
    CHECK_INT(darwin.calls, 0);
    drop_file();
}

static void test_writeback_any_takes_fsync_where_there_is_no_better(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    make_file();
    darwin.failure = ENOTSUP;
    CHECK_STATUS(flush(true, NULL), MAPPED_OK);
    CHECK_STATUS(sync_any(-1, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EBADF);
    drop_file();
}

static void test_writeback_any_reports_what_failed(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    make_file();
    darwin.failure = EIO;
    CHECK_STATUS(flush(true, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EIO);
    CHECK_TEXT(error.operation, "fsync");
    munmap(memory, 2 * scratch_page());
    close(file);
    if (scratch_valgrind()) {
        check_skip("valgrind reports the msync of what is unmapped");
        return;
    }
    CHECK_STATUS(flush(true, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK_TEXT(error.operation, "msync");
}

int main(void)
{
    RUN(test_writeback_any_waits_for_the_disk);
    RUN(test_writeback_any_that_only_starts_waits_for_nothing);
    RUN(test_writeback_any_takes_fsync_where_there_is_no_better);
    RUN(test_writeback_any_reports_what_failed);
    return check_finish();
}
