/* What the kind of a file system, the seals of memory and the times that only
 * Linux knows say about files; and streams of the C library over other bytes
 * than a file's, which only its C libraries have. */
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
#define BLOCKS_KEPT 16

/* The field is signed on 32-bit machines. */
static bool is_of(const struct statfs *fs, uint32_t magic_number)
{
    return (uint32_t)fs->f_type == magic_number;
}

size_t mapped__file_huge_page(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || !is_of(&fs, HUGETLBFS_MAGIC_NUMBER))
        return 0;
    return (size_t)fs.f_bsize;
}

/* File systems whose files are made up by the kernel as they are read. Some of
 * these block or use up what they give, so they are not tried. */
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
        if (is_of(&fs, magic_numbers[i]))
            return true;
    return false;
}

/* Shared memory has no limit but the machine's, and asking for more than that
 * is not refused but ends in the kernel killing a process. */
bool mapped__file_exceeds_memory(int fd, uint64_t size)
{
    struct statfs fs;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    return size / page > (uint64_t)sysconf(_SC_PHYS_PAGES) &&
           fstatfs(fd, &fs) == 0 && is_of(&fs, TMPFS_MAGIC_NUMBER);
}

uint64_t mapped__file_free_bytes(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return UINT64_MAX;
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
}

/* File systems keep a few blocks back for their own books, and refuse before
 * the last one is gone. */
bool mapped__file_is_full(int fd)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    return is_of(&fs, HUGETLBFS_MAGIC_NUMBER) ||
           (fs.f_blocks != 0 && fs.f_bavail <= BLOCKS_KEPT);
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

/* Some sandboxes don't know the first call. */
mapped_status mapped__path_identify(const char *path,
                                    mapped__file_identity *identity,
                                    mapped_error *error)
{
    struct statx found;
    struct stat known;
    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &found) == 0) {
        identity->device = makedev(found.stx_dev_major, found.stx_dev_minor);
        identity->serial = found.stx_ino;
        identity->birth = birth_of(&found);
        return MAPPED_OK;
    }
    if (stat(path, &known) != 0)
        return mapped__system_error(error, "stat");
    identity->device = (uint64_t)known.st_dev;
    identity->serial = (uint64_t)known.st_ino;
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
