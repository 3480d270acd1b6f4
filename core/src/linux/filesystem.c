/* What only Linux tells of files: by the kind of their file system, by seals
 * and by statx. At the end a stream of the C library over other bytes than a
 * file's (fopencookie). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "posix/system.h"

#define HUGETLBFS_MAGIC_NUMBER 0x958458f6
#define TMPFS_MAGIC_NUMBER 0x01021994

/* How many blocks a full file system may still have free. */
#define MAX_FREE_OF_FULL 16

/* The field is signed on 32-bit machines. */
static bool has_kind(const struct statfs *fs, uint32_t magic_number)
{
    return (uint32_t)fs->f_type == magic_number;
}

size_t mapped__file_huge_page(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || !has_kind(&fs, HUGETLBFS_MAGIC_NUMBER))
        return 0;
    return (size_t)fs.f_bsize;
}

/* A list of file systems. To read a byte would tell too, but some of their
 * files block, or a read uses up what it gives. */
bool mapped__file_is_made_up(int fd)
{
    static const uint32_t magic_numbers[] = {
        0x9FA0 /* proc */,         0x62656572 /* sysfs */,
        0x64626720 /* debugfs */,  0x74726163 /* tracefs */,
        0x27E0EB /* cgroup */,     0x63677270 /* cgroup2 */,
        0x73636673 /* security */, 0x62656570 /* configfs */};
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < sizeof magic_numbers / sizeof *magic_numbers; i++)
        if (has_kind(&fs, magic_numbers[i]))
            return true;
    return false;
}

/* tmpfs, which has shared memory, may have no limit of its own. To allocate
 * more than the machine has is not refused there, but the kernel kills a
 * process. */
bool mapped__file_exceeds_memory(int fd, uint64_t size)
{
    struct statfs fs;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return size / page > (uint64_t)sysconf(_SC_PHYS_PAGES) &&
           fstatfs(fd, &fs) == 0 && has_kind(&fs, TMPFS_MAGIC_NUMBER);
}

uint64_t mapped__file_free_bytes(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return UINT64_MAX;
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
}

/* File systems keep a few blocks to themselves, and refuse before the last one
 * is gone. Huge pages are used up if one can't be had, whatever is free. */
bool mapped__file_is_full(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    return has_kind(&fs, HUGETLBFS_MAGIC_NUMBER) ||
           (fs.f_blocks != 0 && fs.f_bavail <= MAX_FREE_OF_FULL);
}

bool mapped__file_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals > 0 && (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != 0;
}

static uint64_t birth_of(const struct statx *found)
{
    if (!(found->stx_mask & STATX_BTIME))
        return 0;
    return (uint64_t)found->stx_btime.tv_sec * 1000000000 +
           found->stx_btime.tv_nsec;
}

uint64_t mapped__file_birth(intptr_t file)
{
    struct statx found;
    return statx((int)file, "", AT_EMPTY_PATH, STATX_BTIME, &found) == 0
               ? birth_of(&found)
               : 0;
}

/* Some sandboxes refuse statx: then stat tells all but the birth. */
mapped_status mapped__path_identify(const char *path,
                                    mapped__file_identity *identity,
                                    mapped_error *error)
{
    struct statx found;
    struct stat st;
    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &found) == 0) {
        identity->device = makedev(found.stx_dev_major, found.stx_dev_minor);
        identity->serial = found.stx_ino;
        identity->birth = birth_of(&found);
        return MAPPED_OK;
    }
    if (stat(path, &st) != 0)
        return mapped__system_error(error, "stat");
    identity->device = (uint64_t)st.st_dev;
    identity->serial = (uint64_t)st.st_ino;
    identity->birth = 0;
    return MAPPED_OK;
}

mapped_status mapped__stream_open(void *context,
                                  const mapped__stream_calls *calls,
                                  bool writable, FILE **stream,
                                  mapped_error *error)
{
    const cookie_io_functions_t functions = {.read = calls->read,
                                             .write =
                                                 writable ? calls->write : NULL,
                                             .seek = calls->seek};
    *stream = fopencookie(context, writable ? "r+" : "r", functions);
    if (*stream == NULL)
        return mapped_error_set_system(error, errno, "fopencookie");
    return MAPPED_OK;
}
