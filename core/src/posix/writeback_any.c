/* Writing pages of a mapped file to the disk, on a POSIX system where msync
 * only hands them to the system and another call makes sure of the disk; Linux
 * has a shorter way (linux/writeback.c). The fsync of Darwin leaves them in the
 * drive's own cache: there that call is F_FULLFSYNC. */
#if !defined(__linux__) || defined(MAPPED__WRITEBACK_ANY)

#    include <errno.h>
#    include <fcntl.h>
#    include <sys/mman.h>
#    include <unistd.h>

#    include "posix/system.h"

/* Not every file system of Darwin has F_FULLFSYNC; then fsync is all there is.
 */
static int sync_once(int fd)
{
#    ifdef F_FULLFSYNC
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
    if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY)
        return -1;
#    endif
    return fsync(fd);
}

mapped_status mapped__file_sync(intptr_t file, mapped_error *error)
{
    int result;
    do
        result = sync_once((int)file);
    while (result != 0 && errno == EINTR);
    return result == 0 ? MAPPED_OK : mapped__system_error(error, "fsync");
}

mapped_status mapped__file_flush(intptr_t file, uint64_t offset,
                                 unsigned char *address, size_t length,
                                 bool wait, mapped_error *error)
{
    size_t lead = (uintptr_t)address % mapped__page_size();
    (void)offset;
    if (length > 0 &&
        msync(address - lead, length + lead, wait ? MS_SYNC : MS_ASYNC) != 0)
        return mapped__system_error(error, "msync");
    return wait ? mapped__file_sync(file, error) : MAPPED_OK;
}

#endif
