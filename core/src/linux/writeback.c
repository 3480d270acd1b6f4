/* Writing pages of a mapped file to the disk (posix/writeback_any.c: on other
 * systems). */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/system.h"

/* msync with MS_ASYNC would begin nothing on Linux. Where a file system can't
 * begin to write a range, the kernel writes it in its own time: that is no
 * error. */
static mapped_status begin(intptr_t file, uint64_t offset, size_t length,
                           mapped_error *error)
{
    if (sync_file_range((int)file, (off_t)offset, (off_t)length,
                        SYNC_FILE_RANGE_WRITE) == 0 ||
        errno == EINVAL || errno == ESPIPE || errno == ENOSYS)
        return MAPPED_OK;
    return mapped__system_error(error, "sync_file_range");
}

/* On Linux an msync that waits is an fdatasync of the pages, which writes the
 * file's size as well. Without pages the size is all there is to write. */
mapped_status mapped__file_flush(intptr_t file, uint64_t offset,
                                 unsigned char *address, size_t length,
                                 bool wait, mapped_error *error)
{
    size_t lead = (uintptr_t)address % mapped__page_size();
    if (length == 0 && wait)
        return fdatasync((int)file) == 0
                   ? MAPPED_OK
                   : mapped__system_error(error, "fdatasync");
    if (length == 0)
        return MAPPED_OK;
    if (!wait)
        return begin(file, offset, length, error);
    return msync(address - lead, length + lead, MS_SYNC) == 0
               ? MAPPED_OK
               : mapped__system_error(error, "msync");
}

mapped_status mapped__file_sync(intptr_t file, mapped_error *error)
{
    int result;
    do
        result = fsync((int)file);
    while (result != 0 && errno == EINTR);
    return result == 0 ? MAPPED_OK : mapped__system_error(error, "fsync");
}
