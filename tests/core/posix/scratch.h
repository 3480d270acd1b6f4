/* What tests of files need: a directory of their own, files with known bytes,
 * regions of them, a child process for what can't be undone, and counts of what
 * a process holds, which show that nothing leaks. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "../memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mapped/slice.h>

static char scratch_directory[256];

CHECK__UNUSED static void scratch_remove(void)
{
    DIR *directory = opendir(scratch_directory);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (unlinkat(dirfd(directory), entry->d_name, 0) != 0)
            unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);
    }
    closedir(directory);
    rmdir(scratch_directory);
}

/* Made at first use, removed when the program exits. */
CHECK__UNUSED static const char *scratch_root(void)
{
    if (scratch_directory[0])
        return scratch_directory;
    const char *parent = getenv("TMPDIR");
    snprintf(scratch_directory, sizeof scratch_directory, "%s/mapped-XXXXXX",
             parent && parent[0] ? parent : "/tmp");
    if (!mkdtemp(scratch_directory)) {
        perror(scratch_directory);
        exit(1);
    }
    atexit(scratch_remove);
    return scratch_directory;
}

/* Returns the path of `name` inside the directory, which is valid until the
 * fourth call after this one. */
CHECK__UNUSED static const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_root(), name);
    return path;
}

/* Byte i of every file made here. It is never 0, and its period does not divide
 * a page. */
CHECK__UNUSED static unsigned char scratch_byte(size_t i)
{
    return (unsigned char)(1 + i % 251);
}

CHECK__UNUSED static const char *scratch_file(const char *name, size_t length)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    bool written = file != NULL;
    for (size_t i = 0; written && i < length; i++)
        written = putc(scratch_byte(i), file) != EOF;
    if (!file || fclose(file) != 0 || !written) {
        perror(path);
        exit(1);
    }
    return path;
}

/* Opens a file; the program ends if that fails. */
CHECK__UNUSED static mapped_region *
scratch_open(const char *path, mapped_mode mode,
             const mapped_open_options *options)
{
    mapped_region *region = NULL;
    if (!CHECK_STATUS(mapped_region_open(path, mode, options, &region, NULL),
                      MAPPED_OK))
        exit(check_finish());
    return region;
}

/* Returns a byte, or the status if it can't be read. */
CHECK__UNUSED static int scratch_get(mapped_region *region, size_t offset)
{
    uint8_t byte;
    mapped_status status =
        mapped_get_u8(mapped_region_slice(region), offset, &byte, NULL);
    return status == MAPPED_OK ? byte : (int)status;
}

CHECK__UNUSED static void scratch_pause(void)
{
    const struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
}

CHECK__UNUSED static bool scratch_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* Returns -1 if there is no such file. */
CHECK__UNUSED static int64_t scratch_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

/* Returns the bytes on disk; holes have none. */
CHECK__UNUSED static int64_t scratch_allocated(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_blocks * 512 : -1;
}

CHECK__UNUSED static int scratch_read_byte(const char *path, long offset)
{
    FILE *file = fopen(path, "rb");
    int byte = -1;
    if (file && fseek(file, offset, SEEK_SET) == 0)
        byte = getc(file);
    if (file)
        fclose(file);
    return byte;
}

CHECK__UNUSED static size_t scratch_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

CHECK__UNUSED static int scratch_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

/* Counts the lines of /proc/self/maps that contain `text`. It reads without
 * stdio, because the buffer of that would change the count. */
CHECK__UNUSED static int scratch_mappings_of(const char *text)
{
    static char content[1 << 20];
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t n; file >= 0 && length < sizeof content - 1; length += n) {
        n = read(file, content + length, sizeof content - 1 - length);
        if (n <= 0)
            break;
    }
    if (file >= 0)
        close(file);
    content[length] = '\0';
    int count = 0;
    for (const char *p = content; (p = strstr(p, text)); count++)
        p = strchr(p, '\n') ? strchr(p, '\n') : p + strlen(p);
    return count;
}

/* Returns how many pages of address space the process has. */
CHECK__UNUSED static long scratch_address_pages(void)
{
    char text[64] = "";
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t n = read(file, text, sizeof text - 1);
    close(file);
    return n > 0 ? strtol(text, NULL, 10) : -1;
}

/* Takes the addresses behind a region of whole pages, so that it can't grow in
 * place. Returns NULL if they are taken already. */
CHECK__UNUSED static void *scratch_block_growth(mapped_region *region)
{
    unsigned char *end = region->base_ + mapped_region_length(region);
    void *taken =
        mmap(end, scratch_page(), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return taken == MAP_FAILED ? NULL : taken;
}

CHECK__UNUSED static bool scratch_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

/* Sanitizers and valgrind need much address space themselves, so a limit on it
 * can't be tested under them. */
CHECK__UNUSED static bool scratch_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(MAPPED__THREAD_SANITIZER)
    return true;
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
    return true;
#    endif
#endif
    return scratch_valgrind();
}

/* Runs `body` in a forked child, which may use CHECK and may skip as any test.
 * Returns the signal that killed the child, or 0. */
CHECK__UNUSED static int scratch_child(const char *(*body)(void))
{
    int pipe_ends[2];
    char reason[128] = "";
    int how = 0;
    if (pipe(pipe_ends) != 0)
        return -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        check_test_failed = false;
        const char *skipped = body();
        if (skipped && write(pipe_ends[1], skipped, strlen(skipped)) < 0)
            _exit(1);
        fflush(stdout);
        _exit(check_test_failed);
    }
    close(pipe_ends[1]);
    ssize_t n = read(pipe_ends[0], reason, sizeof reason - 1);
    close(pipe_ends[0]);
    waitpid(child, &how, 0);
    static char kept[128];
    if (n > 0)
        check_skip(strcpy(kept, reason));
    if (WIFSIGNALED(how))
        return WTERMSIG(how);
    if (WEXITSTATUS(how) != 0)
        check_test_failed = true;
    return 0;
}

/* Runs `body` in a forked child, which may use CHECK, while the parent goes on
 * to scratch_end_child. */
CHECK__UNUSED static pid_t scratch_begin_child(void (*body)(void))
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        check_test_failed = false;
        body();
        fflush(stdout);
        _exit(check_test_failed);
    }
    return child;
}

CHECK__UNUSED static void scratch_end_child(pid_t child)
{
    int how = -1;
    waitpid(child, &how, 0);
    CHECK_INT(how, 0);
}

#endif
