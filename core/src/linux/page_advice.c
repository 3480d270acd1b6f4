/* What the system is told about pages, and what it tells of them: madvise,
 * mincore, fallocate (holes in a file) and cachestat. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix/system.h"

/* Older headers lack these; the values are the kernel's. */
#ifndef MADV_COLD
#    define MADV_COLD 20
#    define MADV_PAGEOUT 21
#endif
#ifndef MADV_DONTNEED_LOCKED
#    define MADV_DONTNEED_LOCKED 24
#endif
#ifndef SYS_cachestat
#    define SYS_cachestat 451
#endif

/* EINVAL says that the kernel doesn't know the advice, or not for such memory.
 */
mapped_status mapped__range_advise(unsigned char *start, size_t length,
                                   mapped__advice advice, mapped_error *error)
{
    static const int numbers[] = {[MAPPED__ADVICE_NORMAL] = MADV_NORMAL,
                                  [MAPPED__ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
                                  [MAPPED__ADVICE_RANDOM] = MADV_RANDOM,
                                  [MAPPED__ADVICE_WILLNEED] = MADV_WILLNEED,
                                  [MAPPED__ADVICE_COLD] = MADV_COLD,
                                  [MAPPED__ADVICE_PAGEOUT] = MADV_PAGEOUT,
                                  [MAPPED__ADVICE_HUGEPAGE] = MADV_HUGEPAGE,
                                  [MAPPED__ADVICE_NOHUGEPAGE] =
                                      MADV_NOHUGEPAGE};
    int result;
    do
        result = madvise(start, length, numbers[advice]);
    while (result != 0 && errno == EAGAIN);
    if (result == 0)
        return MAPPED_OK;
    if (errno == EINVAL)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "advise");
    return mapped__system_error(error, "madvise");
}

mapped_status mapped__range_populate(unsigned char *start, size_t length,
                                     bool writable)
{
    if (mapped__pages_populate(start, length, writable))
        return MAPPED_OK;
    return errno == EFAULT || errno == EHWPOISON ? MAPPED_FAULT
                                                 : MAPPED_UNSUPPORTED;
}

/* Pages that mlock holds are refused (EINVAL), but since 5.18 there is a way to
 * drop them and keep the lock. */
mapped_status mapped__range_drop(unsigned char *start, size_t length,
                                 mapped_error *error)
{
    if (madvise(start, length, MADV_DONTNEED) == 0)
        return MAPPED_OK;
    int first = errno;
    if (first == EINVAL && madvise(start, length, MADV_DONTNEED_LOCKED) == 0)
        return MAPPED_OK;
    errno = first;
    return mapped__system_error(error, "madvise");
}

mapped_status mapped__range_resident(unsigned char *start, size_t length,
                                     unsigned char *vector, mapped_error *error)
{
    if (mincore(start, length, vector) != 0)
        return mapped__system_error(error, "mincore");
    return MAPPED_OK;
}

mapped_status mapped__file_discard(intptr_t file, uint64_t offset,
                                   uint64_t length, mapped_error *error)
{
    int result;
    do
        result =
            fallocate((int)file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (off_t)offset, (off_t)length);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return MAPPED_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "discard");
    return mapped__system_error(error, "fallocate");
}

/* As the kernel's struct cachestat_range and struct cachestat. */
typedef struct cache_range {
    uint64_t offset;
    uint64_t length;
} cache_range;

typedef struct cache_counts {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
} cache_counts;

/* cachestat fails before 6.5, for huge pages, and for callers that may not
 * write the file. */
bool mapped__file_cached(intptr_t file, uint64_t offset, uint64_t length,
                         mapped__cached *cached)
{
    cache_range range = {offset, length};
    cache_counts counts;
    if (syscall(SYS_cachestat, (int)file, &range, &counts, 0) != 0)
        return false;
    *cached = (mapped__cached){counts.cached, counts.dirty, counts.writeback};
    return true;
}
