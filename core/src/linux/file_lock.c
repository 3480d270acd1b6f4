/* Locks of bytes, which belong to an open file description (F_OFD_SETLK). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "posix/system.h"

/* Opens the file by the name of its descriptor, as it may have no other any
 * more. */
mapped_status mapped__file_reopen(intptr_t file, bool writable, intptr_t *again,
                                  mapped_error *error)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", (int)file);
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY |
                            O_NONBLOCK);
    if (fd < 0)
        return mapped__system_error(error, "open");
    *again = fd;
    return MAPPED_OK;
}

static int set_lock(intptr_t file, short type, uint64_t offset, uint64_t length)
{
    struct flock range;
    memset(&range, 0, sizeof range);
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = (off_t)offset;
    range.l_len = (off_t)length;
    return fcntl((int)file, F_OFD_SETLK, &range);
}

mapped_status mapped__file_lock(intptr_t file, uint64_t offset, uint64_t length,
                                bool shared, bool *taken, mapped_error *error)
{
    *taken = set_lock(file, shared ? F_RDLCK : F_WRLCK, offset, length) == 0;
    if (*taken || errno == EAGAIN || errno == EACCES || errno == EINTR)
        return MAPPED_OK;
    if (errno == EINVAL || errno == EOPNOTSUPP)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "lock");
    return mapped__system_error(error, "fcntl");
}

void mapped__file_unlock(intptr_t file, uint64_t offset, uint64_t length)
{
    (void)set_lock(file, F_UNLCK, offset, length);
}
