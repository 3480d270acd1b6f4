/* Memory that is a file: without a name (a memfd, which can be sealed), and
 * with one (POSIX shared memory). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/system.h"

#ifndef MFD_HUGE_SHIFT
#    define MFD_HUGE_SHIFT 26
#endif

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
        return mapped__system_error(error, "memfd_create");
    mapped_status status = MAPPED_OK;
    if (size > 0)
        status = mapped__file_resize(fd, 0, size, true, error);
    if (status == MAPPED_OK)
        *file = fd;
    else
        close(fd);
    return status;
}

/* Where shm_open of every C library for Linux has its files. */
#define SHARED_DIRECTORY "/dev/shm/"
#define LONGEST_NAME 255

mapped_status mapped__shared_path(const char *name,
                                  char path[MAPPED__SHARED_SIZE],
                                  mapped_error *error)
{
    name += strspn(name, "/");
    if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return mapped_error_set(
            error, MAPPED_ARGUMENT,
            "a name of shared memory that is empty or has a '/'");
    if (strlen(name) > LONGEST_NAME)
        return mapped_error_set_system(error, ENAMETOOLONG, "open");
    snprintf(path, MAPPED__SHARED_SIZE, SHARED_DIRECTORY "%s", name);
    return MAPPED_OK;
}

mapped_status mapped__shared_unlink(const char *name, mapped_error *error)
{
    char path[MAPPED__SHARED_SIZE];
    mapped_status status = mapped__shared_path(name, path, error);
    if (status == MAPPED_OK && unlink(path) != 0)
        status = mapped__system_error(error, "unlink");
    return status;
}

/* A process that may not seal the memory may find that it is sealed already:
 * that is as good. */
mapped_status mapped__memory_seal(intptr_t file, unsigned seals,
                                  mapped_error *error)
{
    const int wanted = (seals & MAPPED__SEAL_GROW ? F_SEAL_GROW : 0) |
                       (seals & MAPPED__SEAL_SHRINK ? F_SEAL_SHRINK : 0) |
                       (seals & MAPPED__SEAL_WRITE ? F_SEAL_FUTURE_WRITE : 0);
    if (fcntl((int)file, F_ADD_SEALS, wanted) == 0)
        return MAPPED_OK;
    if (errno != EINVAL && errno != EPERM)
        return mapped__system_error(error, "fcntl");
    int found = fcntl((int)file, F_GET_SEALS);
    if (found >= 0 && (found & wanted) == wanted)
        return MAPPED_OK;
    return mapped_error_set(error, MAPPED_UNSUPPORTED, "seal");
}
