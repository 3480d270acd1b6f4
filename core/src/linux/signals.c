/* Signal masks, and what the kernel says of a signal. A mask here is what the
 * kernel takes for one: a bit for each signal. The functions of the C library
 * won't do, as it keeps two signals to itself and refuses to touch them; one of
 * these is our mark (posix/fault.c). Its sigset_t is larger, so only the part
 * that the kernel knows is read and written. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "posix/system.h"

#define MASK_BYTES ((size_t)_NSIG / 8)
#define LONG_BITS (8 * sizeof(unsigned long))

static unsigned long *word_of(sigset_t *set, int signal_number)
{
    return (unsigned long *)set + (unsigned)(signal_number - 1) / LONG_BITS;
}

static unsigned long bit_of(int signal_number)
{
    return 1ul << (unsigned)(signal_number - 1) % LONG_BITS;
}

void mapped__mask_add(sigset_t *set, int signal_number)
{
    *word_of(set, signal_number) |= bit_of(signal_number);
}

void mapped__mask_remove(sigset_t *set, int signal_number)
{
    *word_of(set, signal_number) &= ~bit_of(signal_number);
}

void mapped__mask_add_all(sigset_t *set, const sigset_t *more)
{
    unsigned long words[2][MASK_BYTES / sizeof(unsigned long)];
    memcpy(words[0], set, MASK_BYTES);
    memcpy(words[1], more, MASK_BYTES);
    for (size_t i = 0; i < MASK_BYTES / sizeof(unsigned long); i++)
        words[0][i] |= words[1][i];
    memcpy(set, words[0], MASK_BYTES);
}

bool mapped__mask_has(const sigset_t *set, int signal_number)
{
    sigset_t copy;
    memcpy(&copy, set, MASK_BYTES);
    return *word_of(&copy, signal_number) & bit_of(signal_number);
}

bool mapped__mask_same(const sigset_t *a, const sigset_t *b)
{
    return memcmp(a, b, MASK_BYTES) == 0;
}

void mapped__mask_copy(sigset_t *to, const sigset_t *from)
{
    memcpy(to, from, MASK_BYTES);
}

void mapped__mask_swap(const sigset_t *set, sigset_t *old)
{
    syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, set, old, MASK_BYTES);
}

void mapped__mask_block_all(sigset_t *old)
{
    sigset_t all;
    memset(&all, 0xff, sizeof all);
    mapped__mask_swap(&all, old);
}

_Static_assert(MASK_BYTES <= sizeof(mapped__signal_mask), "a signal mask fits");

void mapped__signals_block(mapped__signal_mask *held)
{
    mapped__mask_block_all((sigset_t *)held);
}

void mapped__signals_unblock(const mapped__signal_mask *held)
{
    mapped__mask_swap((const sigset_t *)held, NULL);
}

/* A misaligned access (BUS_ADRALN) loses no page. */
bool mapped__signal_is_fault(const siginfo_t *info, mapped__fault *fault)
{
    bool poisoned =
        info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO;
    if (info->si_signo != SIGBUS || !(poisoned || info->si_code == BUS_ADRERR ||
                                      info->si_code == BUS_OBJERR))
        return false;
    *fault = (mapped__fault){.address = info->si_addr, .poisoned = poisoned};
    return true;
}

bool mapped__signal_is_forced(const siginfo_t *info)
{
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

void mapped__signal_send_again(int signal_number, siginfo_t *info)
{
    sigset_t mask;
    mapped__mask_swap(NULL, &mask);
    mapped__mask_add(&mask, signal_number);
    mapped__mask_swap(&mask, NULL);
    syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), syscall(SYS_gettid),
            (long)signal_number, info);
}
