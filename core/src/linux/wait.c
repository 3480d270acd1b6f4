/* Waiting for another thread, by futex: the kernel compares the word and puts
 * the thread to sleep in one step. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "platform.h"

void mapped__wait(const uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

void mapped__wake(const uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void mapped__yield(void)
{
    sched_yield();
}

/* The caller reads the word again and may call this in a loop. So where the
 * futex fails at once (a page that can't be had), a millisecond's sleep keeps
 * that from taking all of a processor. */
bool mapped__wait_shared(const uint32_t *word, uint32_t seen,
                         uint64_t nanoseconds)
{
    const struct timespec millisecond = {0, 1000000};
    const struct timespec timeout = {(time_t)(nanoseconds / 1000000000),
                                     (long)(nanoseconds % 1000000000)};
    if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0) == 0 ||
        errno == EAGAIN || errno == ETIMEDOUT)
        return true;
    return errno != EINTR &&
           (nanosleep(&millisecond, NULL) == 0 || errno != EINTR);
}

uint32_t mapped__wake_shared(const uint32_t *word, uint32_t count)
{
    if (count == 0) /* the system would take it for 1 */
        return 0;
    int max_woken = count < INT_MAX ? (int)count : INT_MAX;
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, max_woken, NULL, NULL, 0);
    return woken > 0 ? (uint32_t)woken : 0;
}

uint64_t mapped__now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
