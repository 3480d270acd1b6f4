/* Lets one of the core's system calls fail, the n-th from now on. The program
 * that includes this is linked with --wrap for every name in wrapped.txt, so
 * that each call comes through here. */
#ifndef REFUSE_H
#define REFUSE_H

#include "scratch.h"

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static long refuse_countdown;  /* 0: nothing fails */
static const char *refuse_hit; /* the call that failed, or NULL */
static long refuse_blocks;     /* allocated and not freed */

CHECK__UNUSED static void refuse_nth(long n)
{
    refuse_hit = NULL;
    refuse_countdown = n;
}

/* Returns whether fewer than n calls were made since refuse_nth(n). */
CHECK__UNUSED static bool refuse_over(void)
{
    bool over = refuse_countdown > 0;
    refuse_countdown = 0;
    return over;
}

#define REFUSE_ERRNO EDOM /* no real call fails with it */

static bool refuse(const char *call)
{
    if (refuse_countdown == 0 || --refuse_countdown != 0)
        return false;
    refuse_hit = call;
    errno = REFUSE_ERRNO;
    return true;
}

/* Defines `type __wrap_name(parameters)`, which returns `bad` if this call is
 * to fail, and otherwise makes the real call. */
#define REFUSE_CALL(type, name, parameters, arguments, bad) \
    type __real_##name parameters;                          \
    type __wrap_##name parameters;                          \
    type __wrap_##name parameters                           \
    {                                                       \
        if (refuse(#name))                                  \
            return bad;                                     \
        return __real_##name arguments;                     \
    }
#define REFUSE_BOTH(type, name, parameters, arguments, bad) \
    REFUSE_CALL(type, name, parameters, arguments, bad)     \
    REFUSE_CALL(type, name##64, parameters, arguments, bad)

REFUSE_BOTH(int, fstat, (int fd, struct stat *st), (fd, st), -1)
REFUSE_BOTH(int, stat, (const char *path, struct stat *st), (path, st), -1)
REFUSE_BOTH(int, fstatfs, (int fd, struct statfs *fs), (fd, fs), -1)
REFUSE_BOTH(int, ftruncate, (int fd, off_t size), (fd, size), -1)
REFUSE_BOTH(off_t, lseek, (int fd, off_t to, int how), (fd, to, how), -1)
REFUSE_BOTH(ssize_t, pread, (int fd, void *to, size_t n, off_t at),
            (fd, to, n, at), -1)

REFUSE_BOTH(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at),
            (fd, from, n, at), -1)

/* Fails as a disk does that fills up: half of the bytes have been allocated. */
static int refuse_in_the_middle(int fd, off_t from, off_t n)
{
    return __real_ftruncate(fd, from + n / 2) == 0 ? REFUSE_ERRNO : EIO;
}
REFUSE_BOTH(int, posix_fallocate, (int fd, off_t from, off_t n), (fd, from, n),
            refuse_in_the_middle(fd, from, n))
REFUSE_BOTH(void *, mmap,
            (void *at, size_t n, int prot, int flags, int fd, off_t from),
            (at, n, prot, flags, fd, from), MAP_FAILED)
REFUSE_CALL(int, munmap, (void *at, size_t n), (at, n), -1)
REFUSE_BOTH(int, fallocate, (int fd, int how, off_t from, off_t n),
            (fd, how, from, n), -1)
REFUSE_CALL(int, mincore, (void *at, size_t n, unsigned char *to), (at, n, to),
            -1)
REFUSE_CALL(int, mlock, (const void *at, size_t n), (at, n), -1)
REFUSE_CALL(int, pthread_create,
            (pthread_t * thread, const pthread_attr_t *how,
             void *(*run)(void *), void *context),
            (thread, how, run, context), REFUSE_ERRNO)
REFUSE_CALL(int, munlock, (const void *at, size_t n), (at, n), -1)
REFUSE_CALL(int, mprotect, (void *at, size_t n, int how), (at, n, how), -1)
REFUSE_CALL(int, madvise, (void *at, size_t n, int how), (at, n, how), -1)
REFUSE_CALL(int, memfd_create, (const char *name, unsigned flags),
            (name, flags), -1)
REFUSE_CALL(locale_t, newlocale, (int mask, const char *name, locale_t base),
            (mask, name, base), (locale_t)0)
REFUSE_CALL(int, pthread_atfork,
            (void (*before)(void), void (*parent)(void), void (*child)(void)),
            (before, parent, child), REFUSE_ERRNO)
REFUSE_CALL(int, sigaction,
            (int number, const struct sigaction *new, struct sigaction *old),
            (number, new, old), -1)

REFUSE_CALL(int, fsync, (int fd), (fd), -1)
REFUSE_CALL(int, fdatasync, (int fd), (fd), -1)
REFUSE_CALL(int, msync, (void *at, size_t n, int how), (at, n, how), -1)
REFUSE_CALL(int, sync_file_range, (int fd, off_t from, off_t n, unsigned how),
            (fd, from, n, how), -1)

REFUSE_CALL(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n),
            -1)
REFUSE_CALL(FILE *, fopencookie,
            (void *cookie, const char *mode, cookie_io_functions_t calls),
            (cookie, mode, calls), NULL)

#define REFUSE_OPEN(name)                                \
    int __real_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...); \
    int __wrap_##name(const char *path, int flags, ...)  \
    {                                                    \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        int mode = va_arg(rest, int);                    \
        va_end(rest);                                    \
        if (refuse(#name))                               \
            return -1;                                   \
        return __real_##name(path, flags, mode);         \
    }
REFUSE_OPEN(open)
REFUSE_OPEN(open64)

#define REFUSE_FCNTL(name)                                                \
    int __real_##name(int fd, int command, ...);                          \
    int __wrap_##name(int fd, int command, ...);                          \
    int __wrap_##name(int fd, int command, ...)                           \
    {                                                                     \
        va_list rest;                                                     \
        va_start(rest, command);                                          \
        void *argument = va_arg(rest, void *);                            \
        va_end(rest);                                                     \
        return refuse(#name) ? -1 : __real_##name(fd, command, argument); \
    }
REFUSE_FCNTL(fcntl)
REFUSE_FCNTL(fcntl64)

/* Only of calls without a function of their own that may fail. */
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long values[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        values[i] = va_arg(rest, long);
    va_end(rest);
#ifdef SYS_cachestat
    if (number == SYS_cachestat && refuse("cachestat"))
        return -1;
#else
    if (number == 451 && refuse("cachestat"))
        return -1;
#endif
    return __real_syscall(number, values[0], values[1], values[2], values[3],
                          values[4], values[5]);
}

void *__real_mremap(void *at, size_t from, size_t to, int flags, ...);
void *__wrap_mremap(void *at, size_t from, size_t to, int flags, ...);
void *__wrap_mremap(void *at, size_t from, size_t to, int flags, ...)
{
    return refuse("mremap") ? MAP_FAILED : __real_mremap(at, from, to, flags);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    void *block = refuse("calloc") ? NULL : __real_calloc(count, size);
    refuse_blocks += block != NULL;
    return block;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    void *block = refuse("malloc") ? NULL : __real_malloc(size);
    refuse_blocks += block != NULL;
    return block;
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
    refuse_blocks -= block != NULL;
    __real_free(block);
}

/* What a call answers that was refused something. */
CHECK__UNUSED static void refuse_check_error(mapped_status status,
                                             const mapped_error *error)
{
    CHECK_STATUS(error->status, status);
    if (strcmp(refuse_hit, "calloc") == 0 ||
        strcmp(refuse_hit, "malloc") == 0) {
        CHECK_STATUS(status, MAPPED_MEMORY);
        return;
    }
    if (status == MAPPED_FAULT)
        return;
    CHECK_STATUS(status, MAPPED_SYSTEM);
    CHECK_INT(error->os_error, REFUSE_ERRNO);
    CHECK(error->call != NULL &&
          strncmp(error->call, refuse_hit, strcspn(error->call, " ")) == 0);
}

/* Calls `run_nth`, which refuses the n-th call and returns whether there was
 * none, with 1, 2, ... */
CHECK__UNUSED static void refuse_each(const char *name, bool (*run_nth)(long n))
{
    for (long n = 1; n < 100; n++) {
        bool failed_before = check_test_failed;
        bool over = run_nth(n);
        if (check_test_failed && !failed_before)
            printf("    %s, with call %ld refused: %s\n", name, n,
                   refuse_hit ? refuse_hit : "none");
        if (over)
            return;
    }
    CHECK(!"a scenario has more than 100 calls");
}

#endif
