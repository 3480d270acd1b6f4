/* Waiting for another thread, by futex. Nothing is kept here: the kernel
 * compares the word and puts the thread to sleep in one step. */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
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
