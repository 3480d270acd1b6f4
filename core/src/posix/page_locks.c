/* Locks on pages and their protection, and reads of a file. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "system.h"

/* ENOMEM may mean the limit, too, and then nothing is locked that wasn't. */
mapped_status mapped__range_lock(unsigned char *start, size_t length,
                                 mapped_error *error)
{
    if (mlock(start, length) == 0)
        return MAPPED_OK;
    mapped_status status = mapped__system_error(error, "mlock");
    if (error == NULL || error->os_error == ENOMEM) {
        if (mapped__range_fetch(start, length, false) == MAPPED_FAULT) {
            (void)munlock(start, length);
            return MAPPED_FAULT;
        }
    }
    return status;
}

mapped_status mapped__range_unlock(unsigned char *start, size_t length,
                                   mapped_error *error)
{
    if (munlock(start, length) != 0)
        return mapped__system_error(error, "munlock");
    return MAPPED_OK;
}

mapped_status mapped__map_protect(const mapped__mapping *mapping, bool writable,
                                  mapped_error *error)
{
    if (mprotect(mapping->address, mapping->used,
                 PROT_READ | (writable ? PROT_WRITE : 0)) != 0)
        return mapped__system_error(error, "mprotect");
    return MAPPED_OK;
}

mapped_status mapped__file_read(intptr_t file, uint64_t offset, void *to,
                                size_t n, mapped_error *error)
{
    unsigned char *at = to;
    while (n > 0) {
        ssize_t got = pread((int)file, at, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mapped__system_error(error, "pread");
        if (got == 0)
            break;
        at += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    memset(at, 0, n);
    return MAPPED_OK;
}
