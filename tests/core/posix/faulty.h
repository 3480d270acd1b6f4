/* Makes pages that fault when they are touched: pages of a region, and pages of
 * a mapping that the library knows nothing of. */
#ifndef FAULTY_H
#define FAULTY_H

#include "scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/ptrace.h>

/* Valgrind delivers signals itself, with other masks and in another order than
 * the kernel. Programs that test these things run only this test under it. */
CHECK__UNUSED static void test_signals_need_the_kernel(void)
{
    check_skip("valgrind delivers signals in its own way");
}

/* Maps a page of an empty file, so that reading the page faults. */
CHECK__UNUSED static volatile unsigned char *faulty_page(void)
{
    const char *path = scratch_path("foreign");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *start = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)scratch_page()) == 0)
        start = mmap(NULL, scratch_page(), PROT_READ | PROT_WRITE, MAP_SHARED,
                     fd, 0);
    if (start == MAP_FAILED || ftruncate(fd, 0) != 0)
        exit(1);
    close(fd);
    unlink(path);
    return start;
}

/* Reads a byte. The compiler may not move other reads and writes across it, so
 * a signal handler sees all that was written before. */
CHECK__UNUSED static int faulty_touch(const volatile unsigned char *at)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    int byte = *at;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return byte;
}

/* Maps memory over a page that faults, as a program's own handler might. */
CHECK__UNUSED static void faulty_mend(volatile unsigned char *start)
{
    mmap((void *)start, scratch_page(), PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Makes a region of a file of `length` bytes and truncates the file to `left`
 * bytes. The file's name contains the process's number, because a child may
 * make such a region at the same time. */
CHECK__UNUSED static mapped_region *faulty_cut(const char *name, size_t length,
                                               size_t left)
{
    char own[64];
    snprintf(own, sizeof own, "%s-%ld", name, (long)getpid());
    const char *path = scratch_file(own, length);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ_WRITE, NULL);
    if (truncate(path, (off_t)left) != 0)
        exit(1);
    unlink(path);
    return region;
}

CHECK__UNUSED static mapped_region *faulty_region(size_t pages)
{
    return faulty_cut("faulty", pages * scratch_page(), 0);
}

/* Makes a region of n known bytes, followed by n bytes that are lost when they
 * are touched. */
CHECK__UNUSED static mapped_region *faulty_half(size_t n)
{
    return faulty_cut("half", 2 * n, n);
}

/* Touches a page that is lost, and checks that the access fails and is counted.
 */
CHECK__UNUSED static bool faulty_served(mapped_region *region, size_t number)
{
    uint8_t byte = 0;
    uint64_t before = mapped_region_fault_count(region);
    return CHECK_STATUS(mapped_get_u8(mapped_region_slice(region),
                                      number * scratch_page(), &byte, NULL),
                        MAPPED_FAULT) &&
           CHECK_UINT(mapped_region_fault_count(region), before + 1);
}

CHECK__UNUSED static void faulty_handle(void (*handler)(int, siginfo_t *,
                                                        void *),
                                        int flags, struct sigaction *old)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    if (sigaction(SIGBUS, &action, old) != 0)
        exit(1);
}

CHECK__UNUSED static void faulty_standard(void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    if (sigaction(SIGBUS, &action, NULL) != 0)
        exit(1);
}

#endif
