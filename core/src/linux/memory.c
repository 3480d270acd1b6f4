/* Memory that has a descriptor but no name. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform.h"

#ifndef MFD_HUGE_SHIFT
#    define MFD_HUGE_SHIFT 26
#endif

static mapped_status failed(mapped_error *error, const char *call)
{
    return mapped_error_set_system(error, errno, call);
}

static unsigned huge_flags(size_t huge_page)
{
    if (huge_page == 0)
        return 0;
    return MFD_HUGETLB |
           ((unsigned)__builtin_ctzll(huge_page) << MFD_HUGE_SHIFT);
}

mapped_status mapped__memory_create(uint64_t size, size_t huge_page,
                                    intptr_t *file, mapped_error *error)
{
    int fd = memfd_create("mapped", MFD_CLOEXEC | MFD_ALLOW_SEALING |
                                        huge_flags(huge_page));
    if (fd < 0)
        return failed(error, "memfd_create");
    mapped_status status = MAPPED_OK;
    if (size > 0)
        status = mapped__file_resize(fd, 0, size, true, error);
    if (status == MAPPED_OK)
        *file = fd;
    else
        close(fd);
    return status;
}

/* A process that may not seal any more may find it sealed already. */
mapped_status mapped__memory_seal(intptr_t file, mapped_error *error)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    if (fcntl((int)file, F_ADD_SEALS, wanted) == 0)
        return MAPPED_OK;
    if (errno != EINVAL && errno != EPERM)
        return failed(error, "fcntl");
    int seals = fcntl((int)file, F_GET_SEALS);
    if (seals >= 0 && (seals & wanted) == wanted)
        return MAPPED_OK;
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "seal");
}
