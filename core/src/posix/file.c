/* Files: opening, telling what they are, changing their size, reading and
 * writing them without a mapping. Calls that a signal interrupts are made
 * again. What depends on the kind of file system is asked of filesystem.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system.h"

#define CREATE_TRIES 16

intptr_t mapped__file_from_descriptor(int descriptor)
{
    return descriptor;
}

mapped_status mapped__file_refuse(mapped__file_kind kind, mapped_error *error)
{
    mapped_error_set(error, MAPPED_NOT_A_FILE, "open");
    if (error != NULL)
        error->os_error = kind == MAPPED__FILE_DIRECTORY ? EISDIR : ENODEV;
    return MAPPED_NOT_A_FILE;
}

size_t mapped__path_base(const char *path, char base[MAPPED__BASE_SIZE])
{
    if (path[0] == '/' || getcwd(base, MAPPED__BASE_SIZE - 1) == NULL)
        return 0;
    size_t length = strlen(base);
    base[length] = '/';
    return length + 1;
}

bool mapped__path_is_absolute(const char *path)
{
    return path[0] == '/';
}

static int open_retrying(const char *path, int flags, unsigned permissions)
{
    int fd;
    do
        fd = open(path, flags, (mode_t)permissions);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Exclusive creation first and a plain open second tells who has created the
 * file. If a peer creates or removes it in between, both are tried again. */
static int create(const char *path, int flags, unsigned permissions,
                  bool may_exist, bool *created)
{
    int fd = -1;
    for (int i = 0; fd < 0 && i < CREATE_TRIES; i++) {
        fd = open_retrying(path, flags | O_CREAT | O_EXCL, permissions);
        *created = fd >= 0;
        if (fd >= 0 || errno != EEXIST || !may_exist)
            break;
        fd = open_retrying(path, flags, 0);
        if (fd < 0 && errno != ENOENT)
            break;
    }
    return fd;
}

/* open() fails with EISDIR for a directory that is to be written, and with
 * ENXIO for a socket. Both become MAPPED_NOT_A_FILE, like what opens but can't
 * be mapped. Any other ENXIO, a device that isn't there, stays a system error.
 */
static mapped_status report_open_failure(const char *path, mapped_error *error)
{
    struct stat st;
    int reason = errno;
    if (reason == EISDIR)
        return mapped__file_refuse(MAPPED__FILE_DIRECTORY, error);
    if (reason == ENXIO && stat(path, &st) == 0 &&
        (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode)))
        return mapped__file_refuse(MAPPED__FILE_OTHER, error);
    return mapped_error_set_system(error, reason, "open");
}

mapped_status mapped__file_open(const char *path, unsigned flags,
                                unsigned permissions, intptr_t *file,
                                bool *created, mapped_error *error)
{
    int open_flags = (flags & MAPPED__FILE_WRITE ? O_RDWR : O_RDONLY) |
                     O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
                     (flags & MAPPED__FILE_DEVICE_IO ? O_SYNC : 0) |
                     (flags & MAPPED__FILE_NO_LINK ? O_NOFOLLOW : 0);
    bool is_created = false;
    int fd;
    if (flags & (MAPPED__FILE_CREATE | MAPPED__FILE_EXCLUSIVE))
        fd = create(path, open_flags, permissions,
                    !(flags & MAPPED__FILE_EXCLUSIVE), &is_created);
    else
        fd = open_retrying(path, open_flags, 0);
    if (fd < 0)
        return report_open_failure(path, error);
    *file = fd;
    *created = is_created;
    return MAPPED_OK;
}

mapped_status mapped__file_duplicate(intptr_t file, intptr_t *copy,
                                     mapped_error *error)
{
    int fd = fcntl((int)file, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return mapped__system_error(error, "fcntl");
    *copy = fd;
    return MAPPED_OK;
}

/* Not retried on EINTR: Linux has closed the descriptor by then. */
void mapped__file_close(intptr_t file)
{
    if (file != MAPPED__NO_FILE)
        close((int)file);
}

static mapped__file_kind kind_of(mode_t mode)
{
    if (S_ISREG(mode))
        return MAPPED__FILE_REGULAR;
    if (S_ISCHR(mode) || S_ISBLK(mode))
        return MAPPED__FILE_DEVICE;
    return S_ISDIR(mode) ? MAPPED__FILE_DIRECTORY : MAPPED__FILE_OTHER;
}

static void fill_info(const struct stat *st, mapped__file_info *info)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    info->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    info->device = (uint64_t)st->st_dev;
    info->serial = (uint64_t)st->st_ino;
    info->granularity = page;
    info->page = page;
    info->kind = kind_of(st->st_mode);
}

static void use_huge_page(int fd, mapped__file_info *info)
{
    size_t page = mapped__file_huge_page(fd);
    if (page == 0)
        return;
    info->page = page;
    info->granularity = page;
}

/* A regular file that reports the size 0 but has content, as in /proc. The size
 * is read again, because somebody may just have written the first byte. */
static bool is_unsized(int fd, struct stat *st)
{
    char byte;
    if (!S_ISREG(st->st_mode) || st->st_size != 0)
        return false;
    if (mapped__file_is_made_up(fd))
        return true;
    return pread(fd, &byte, 1, 0) > 0 && fstat(fd, st) == 0 && st->st_size == 0;
}

mapped_status mapped__file_info_get(intptr_t file, mapped__file_info *info,
                                    mapped_error *error)
{
    struct stat st;
    mapped__file_info found;
    if (fstat((int)file, &st) != 0)
        return mapped__system_error(error, "fstat");
    bool unsized = is_unsized((int)file, &st);
    fill_info(&st, &found);
    if (unsized)
        found.kind = MAPPED__FILE_UNSIZED;
    /* A file system of huge pages shows their size as its block size. */
    if (S_ISREG(st.st_mode) && (size_t)st.st_blksize > found.page)
        use_huge_page((int)file, &found);
    if (S_ISBLK(st.st_mode)) {
        off_t end = lseek((int)file, 0, SEEK_END);
        if (end < 0)
            return mapped__system_error(error, "lseek");
        found.size = (uint64_t)end;
    }
    *info = found;
    return MAPPED_OK;
}

static int truncate_retrying(int fd, uint64_t size)
{
    int result;
    do
        result = ftruncate(fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result;
}

/* Fails because `missing` bytes of room are missing. */
static mapped_status report_no_room(mapped_error *error, int os_error,
                                    const char *call, uint64_t missing)
{
    mapped_error_set_system(error, os_error, call);
    if (error != NULL)
        error->length = missing;
    return MAPPED_SYSTEM;
}

/* For a call that makes a file `size` bytes long. Where the process may not do
 * that (RLIMIT_FSIZE), the system would also send SIGXFSZ, which kills it; so
 * this fails before the call. */
static mapped_status check_limit(uint64_t size, const char *call,
                                 mapped_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || size <= limit.rlim_cur)
        return MAPPED_OK;
    return report_no_room(error, EFBIG, call, size - limit.rlim_cur);
}

/* A failed allocation may have grown the file part of the way, so it is
 * truncated to its old size. */
static mapped_status allocate_blocks(int fd, uint64_t old_size, uint64_t size,
                                     mapped_error *error)
{
    int result;
    if (mapped__file_exceeds_memory(fd, size))
        return mapped_error_set_system(error, ENOMEM, "posix_fallocate");
    do
        result = posix_fallocate(fd, (off_t)old_size, (off_t)(size - old_size));
    while (result == EINTR);
    if (result == 0)
        return MAPPED_OK;
    if (truncate_retrying(fd, old_size) != 0)
        return mapped__system_error(error, "ftruncate");
    uint64_t free = result == ENOSPC ? mapped__file_free_bytes(fd) : UINT64_MAX;
    uint64_t wanted = size - old_size;
    return report_no_room(error, result, "posix_fallocate",
                          wanted > free ? wanted - free : 0);
}

mapped_status mapped__file_resize(intptr_t file, uint64_t old_size,
                                  uint64_t size, bool allocate,
                                  mapped_error *error)
{
    bool grows = size > old_size;
    bool allocates = grows && allocate;
    const char *call = allocates ? "posix_fallocate" : "ftruncate";
    mapped_status status = grows ? check_limit(size, call, error) : MAPPED_OK;
    if (status != MAPPED_OK)
        return status;
    if (allocates)
        return allocate_blocks((int)file, old_size, size, error);
    if (truncate_retrying((int)file, size) != 0)
        return mapped__system_error(error, "ftruncate");
    return MAPPED_OK;
}

mapped_status mapped__file_read_at(intptr_t file, uint64_t offset, void *to,
                                   size_t n, mapped_error *error)
{
    unsigned char *next = to;
    while (n > 0) {
        ssize_t got = pread((int)file, next, n, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return mapped__system_error(error, "pread");
        if (got == 0)
            break;
        next += got;
        offset += (uint64_t)got;
        n -= (size_t)got;
    }
    memset(next, 0, n); /* past the end of the file */
    return MAPPED_OK;
}

/* pwrite to a descriptor in append mode writes to the end, whatever the offset.
 */
bool mapped__file_can_write_at(intptr_t file)
{
    int flags = fcntl((int)file, F_GETFL);
    return flags >= 0 && !(flags & O_APPEND) &&
           !mapped__file_is_sealed((int)file);
}

mapped_status mapped__file_write_at(intptr_t file, uint64_t offset,
                                    const void *from, size_t n,
                                    mapped_error *error)
{
    ssize_t written;
    mapped_status status = check_limit(offset + n, "pwrite", error);
    if (status != MAPPED_OK)
        return status;
    do
        written = pwrite((int)file, from, n, (off_t)offset);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return mapped__system_error(error, "pwrite");
    if ((size_t)written < n)
        return mapped_error_set_system(error, ENOSPC, "pwrite");
    return MAPPED_OK;
}

mapped_status mapped__file_write(intptr_t file, const void *from, size_t n,
                                 size_t *written, mapped_error *error)
{
    ssize_t result = write((int)file, from, n);
    if (result < 0)
        return mapped__system_error(error, "write");
    if (result == 0 && n > 0)
        return mapped_error_set_system(error, ENOSPC, "write");
    *written = (size_t)result;
    return MAPPED_OK;
}

void mapped__file_remove(const char *path)
{
    unlink(path);
}

/* Opens the directory that `path` lies in. -1: errno says why not. */
static int open_directory(const char *path)
{
    char directory[MAPPED__BASE_SIZE];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (length >= sizeof directory) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(directory, path, length);
    directory[length] = '\0';
    return open_retrying(length > 0 ? directory : ".",
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* File systems that write their directories at once refuse the call: then there
 * is nothing to do. */
mapped_status mapped__directory_sync(const char *path, mapped_error *error)
{
    int fd = open_directory(path);
    if (fd < 0)
        return errno == ENOENT ? MAPPED_OK
                               : mapped__system_error(error, "open");
    mapped_status status = mapped__file_sync(fd, error);
    bool is_needless =
        status != MAPPED_OK && (errno == EINVAL || errno == ENOSYS);
    close(fd);
    return is_needless ? MAPPED_OK : status;
}

/* The order matters: past the end nothing else is of interest, and a full disk
 * is the cause only if the page can be read: then it was to be written. If it
 * can be read and the disk isn't full, the file was truncated and has grown
 * again. */
int mapped__file_fault_cause(intptr_t file, uint64_t offset)
{
    struct stat st;
    char byte;
    if (fstat((int)file, &st) != 0)
        return EIO;
    if (S_ISREG(st.st_mode) && offset >= (uint64_t)st.st_size)
        return ENODATA;
    if (!S_ISREG(st.st_mode) || pread((int)file, &byte, 1, (off_t)offset) < 0)
        return EIO;
    return mapped__file_is_full((int)file) ? ENOSPC : ENODATA;
}
