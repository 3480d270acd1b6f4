#include "platform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#define MASK_BYTES ((size_t)_NSIG / 8) /* as the kernel counts them */
#define LONG_BITS (8 * sizeof(unsigned long))

/* Every time somebody has put a handler on top of ours, another one of ours
 * goes on top of that, a level higher. Each level remembers what it found in
 * its place, so a handler that chains to the one it had found, or that puts it
 * back, meets exactly that one again. */
#define LEVEL_MAP(X) \
    X(0)             \
    X(1)             \
    X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LEVELS 16u

static struct sigaction below[LEVELS];
static unsigned levels; /* in use, under the caller's lock */

/* SA_RESETHAND: it has had its one signal. Stored after `below`, and looked at
 * before it. */
static bool spent[LEVELS];

static mapped__fault_handler *told;

/* Handlers of other copies of this library in the process (Lua inside Python):
 * the copy whose handler is on top serves them all. */
#define GUESTS 8
static mapped__fault_handler *guests[GUESTS];

/* A signal that the C library keeps to itself, so that no program blocks it.
 * Blocked, it marks two things: that a handler of somebody else runs below ours
 * and believes SIGBUS to be blocked (the mask is the one memory that a long
 * jump out of it restores); and, in the mask of an installed handler, that the
 * handler is one of ours. */
#define MARK 32

static unsigned long *word_of(sigset_t *set, int signal_number)
{
    return (unsigned long *)set + (unsigned)(signal_number - 1) / LONG_BITS;
}

static unsigned long bit_of(int signal_number)
{
    return 1ul << (unsigned)(signal_number - 1) % LONG_BITS;
}

/* sigaddset and sigprocmask refuse to touch the mark. */
static void add(sigset_t *set, int signal_number)
{
    *word_of(set, signal_number) |= bit_of(signal_number);
}

static void add_all(sigset_t *set, const sigset_t *more)
{
    unsigned long words[2][MASK_BYTES / sizeof(unsigned long)];
    memcpy(words[0], set, MASK_BYTES);
    memcpy(words[1], more, MASK_BYTES);
    for (size_t i = 0; i < MASK_BYTES / sizeof(unsigned long); i++)
        words[0][i] |= words[1][i];
    memcpy(set, words[0], MASK_BYTES);
}

static bool has(const sigset_t *set, int signal_number)
{
    sigset_t copy;
    memcpy(&copy, set, MASK_BYTES);
    return *word_of(&copy, signal_number) & bit_of(signal_number);
}

static void swap_mask(const sigset_t *set, sigset_t *old)
{
    syscall(SYS_rt_sigprocmask, (long)SIG_SETMASK, set, old, MASK_BYTES);
}

/* A misaligned access (BUS_ADRALN) loses no page. */
static bool is_lost_page(const siginfo_t *info)
{
    return info->si_signo == SIGBUS &&
           (info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
            info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO);
}

static bool is_ours(const siginfo_t *info, bool doubtful)
{
    mapped__fault fault = {.address = info->si_addr,
                           .poisoned = info->si_code == BUS_MCEERR_AR ||
                                       info->si_code == BUS_MCEERR_AO,
                           .doubtful = doubtful};
    if (!is_lost_page(info))
        return false;
    mapped__fault_handler *own = MAPPED__LOAD_ACQUIRE(&told);
    if (own != NULL && own(&fault))
        return true;
    for (size_t i = 0; i < GUESTS; i++) {
        mapped__fault_handler *guest = MAPPED__LOAD_ACQUIRE(&guests[i]);
        if (guest != NULL && guest(&fault))
            return true;
    }
    return false;
}

/* The kernel checks the addresses, so this may run off the end of a stack. */
static size_t read_stack(uintptr_t at, void *to, size_t n)
{
    struct iovec local = {to, n};
    struct iovec remote = {(void *)at, n};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    return got > 0 ? (size_t)got : 0;
}

#define BLOCK 1024

/* More than two frames of the kernel take. */
#define FRAMES ((uintptr_t)65536)

/* A handler that took no siginfo leaves no record of it, but the interrupted
 * registers: the code segment of a 64-bit program, what kind of access it was
 * (4 is one of a program), the number of the trap (14 is a page fault), a word,
 * and the address that faulted. */
static bool is_ours_by_registers(const unsigned char *registers)
{
#ifdef __x86_64__
    greg_t words[REG_CR2 - REG_CSGSFS + 1];
    memcpy(words, registers, sizeof words);
    siginfo_t guess = {.si_signo = SIGBUS, .si_code = BUS_ADRERR};
    guess.si_addr = (void *)(uintptr_t)words[REG_CR2 - REG_CSGSFS];
    return (words[0] & 0xffff) == 0x33 && (words[1] & ~63) == 0 &&
           (words[1] & 4) != 0 && words[2] == 14 && is_ours(&guess, true);
#else
    (void)registers;
    return false;
#endif
}

static bool any_ours(const unsigned char *block, size_t n)
{
    siginfo_t older;
    for (size_t at = 0; at + sizeof older <= n; at += 8) {
        memcpy(&older, block + at, sizeof older);
        if (is_lost_page(&older) && older.si_errno == 0 &&
            is_ours(&older, true))
            return true;
        if (is_ours_by_registers(block + at))
            return true;
    }
    return false;
}

/* Where this signal's own frame ends. Its registers still tell of the last
 * fault that the thread ever had, which is another matter. */
static uintptr_t frame_end(const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t a = (uintptr_t)(info + 1);
    uintptr_t b = (uintptr_t)(context + 1);
    return a > b ? a : b;
}

/* Where the interrupted code has its stack, or 0. */
static uintptr_t interrupted_at(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

typedef struct stretch {
    uintptr_t from;
    uintptr_t to;
} stretch;

/* Where to look for older signals: on the stack of who has raised this one. The
 * kernel tells where an alternate one ends. */
static stretch stack_of(const siginfo_t *info, const ucontext_t *context)
{
    const uintptr_t low = (uintptr_t)context->uc_stack.ss_sp;
    const size_t size = context->uc_stack.ss_size;
    uintptr_t here = frame_end(info, context);
    uintptr_t there = interrupted_at(context);
    bool alternate = here - low < size;
    if (alternate && there != 0 && there - low >= size) {
        here = there;
        alternate = false;
    }
    here = (here + 7) & ~(uintptr_t)7;
    stretch found = {here, here + FRAMES};
    if (alternate && low + size < found.to)
        found.to = low + size;
    return found;
}

/* A handler on top of ours may put us back and raise the signal again, as
 * Python's faulthandler does. Then the kernel's own record of the fault lies
 * further up on the stack, and when we and that handler have returned, the
 * access is tried again. What lies there may also be left from long ago: it
 * counts if the page is still lost. */
static bool is_raised_again(const siginfo_t *info, const ucontext_t *context)
{
    unsigned char block[BLOCK];
    stretch left = stack_of(info, context);
    if (info->si_code != SI_TKILL || info->si_pid != getpid())
        return false;
    while (left.from + sizeof(siginfo_t) <= left.to) {
        size_t rest = left.to - left.from;
        size_t wanted = rest < sizeof block ? rest : sizeof block;
        size_t n = read_stack(left.from, block, wanted);
        if (any_ours(block, n))
            return true;
        if (n < sizeof block)
            return false;
        left.from += sizeof block - sizeof(siginfo_t);
    }
    return false;
}

/* Sends the signal once more with its original information. It is delivered
 * when the interrupted code would go on. */
static void send_again(int signal_number, siginfo_t *info)
{
    sigset_t mask;
    swap_mask(NULL, &mask);
    add(&mask, signal_number);
    swap_mask(&mask, NULL);
    syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), syscall(SYS_gettid),
            (long)signal_number, info);
}

/* Dies as it would have, with a core that shows the access itself. Where the
 * signal can't be sent, a fault happens again when we return. */
static void die(int signal_number, siginfo_t *info)
{
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(signal_number, &standard, NULL);
    send_again(signal_number, info);
}

/* Of the signals that no handler may ignore or put off. */
static bool is_forced(const siginfo_t *info)
{
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* `entered`: the mask that our own handler met. The kernel has blocked all that
 * it was told to; a handler on top of ours that calls us hasn't, and its mask
 * is to stay. */
static void mask_for(const struct sigaction *to, const ucontext_t *context,
                     const sigset_t *entered, sigset_t *during)
{
    bool chained = !has(entered, SIGBUS) || !has(entered, MARK);
    bool blocked = chained ? has(entered, SIGBUS) || has(entered, MARK)
                           : !(to->sa_flags & SA_NODEFER);
    memcpy(during, chained ? entered : &context->uc_sigmask, MASK_BYTES);
    if (!chained)
        add_all(during, &to->sa_mask);
    *word_of(during, SIGBUS) &= ~bit_of(SIGBUS);
    if (blocked)
        add(during, MARK);
}

/* As the kernel would call it, but with SIGBUS unblocked, so that a handler
 * that touches a lost page of ours is served too; the mark stands for it. */
static void call_masked(const struct sigaction *to, siginfo_t *info,
                        ucontext_t *context, const sigset_t *entered)
{
    sigset_t during;
    sigset_t ours;
    mask_for(to, context, entered, &during);
    swap_mask(&during, &ours);
    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(info->si_signo, info, context);
    else
        to->sa_handler(info->si_signo);
    swap_mask(&ours, NULL);
}

static bool is_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* What the level found in its place, as the kernel would look at it now. */
static struct sigaction found_below(unsigned level)
{
    bool used = MAPPED__LOAD_ACQUIRE(&spent[level]);
    struct sigaction action = below[level];
    if (is_handler(&action) && (action.sa_flags & (int)SA_RESETHAND) &&
        (used || __atomic_exchange_n(&spent[level], true, __ATOMIC_ACQ_REL))) {
        action.sa_flags = 0;
        action.sa_handler = SIG_DFL;
    }
    return action;
}

/* A handler that believes the signal blocked would not get it: a fault of its
 * own kills, as it would have; all others wait until the handler is done. */
static void put_off(int signal_number, siginfo_t *info, ucontext_t *context)
{
    if (is_forced(info)) {
        die(signal_number, info);
        return;
    }
    add(&context->uc_sigmask, signal_number);
    send_again(signal_number, info);
}

static void pass_on(unsigned level, siginfo_t *info, ucontext_t *context,
                    const sigset_t *entered)
{
    int signal_number = info->si_signo;
    if (has(&context->uc_sigmask, MARK)) {
        put_off(signal_number, info, context);
        return;
    }
    struct sigaction to = found_below(level);
    if (is_handler(&to))
        call_masked(&to, info, context, entered);
    else if (to.sa_handler == SIG_DFL || is_forced(info))
        die(signal_number, info);
}

/* Instead of a signal's number: another copy asks to be served. */
#define KNOCK 0
#define KNOCK_MAGIC UINT64_C(0x6d61707065640002)

typedef struct knock {
    uint64_t magic; /* of this layout and mapped__fault's */
    mapped__fault_handler *guest;
    bool welcome;
} knock;

static void answer(knock *by)
{
    if (by->magic != KNOCK_MAGIC)
        return;
    for (size_t i = 0; i < GUESTS && !by->welcome; i++) {
        mapped__fault_handler *there = NULL;
        by->welcome =
            __atomic_compare_exchange_n(&guests[i], &there, by->guest, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            there == by->guest;
    }
}

static void on_signal(unsigned level, int signal_number, siginfo_t *info,
                      void *context)
{
    mapped__signals held;
    int kept = errno;
    if (signal_number == KNOCK) {
        answer(context);
        return;
    }
    mapped__signals_hold(&held);
    bool served = is_ours(info, false) || is_raised_again(info, context);
    mapped__signals_release(&held);
    if (!served)
        pass_on(level, info, context, (sigset_t *)&held);
    errno = kept;
}

#define DEFINE_ENTRY(level)                                       \
    static void enter_##level(int signal_number, siginfo_t *info, \
                              void *context)                      \
    {                                                             \
        on_signal(level, signal_number, info, context);           \
    }
LEVEL_MAP(DEFINE_ENTRY)
#undef DEFINE_ENTRY

typedef void entry(int, siginfo_t *, void *);

#define NAME_ENTRY(level) enter_##level,
static entry *const entries[LEVELS] = {LEVEL_MAP(NAME_ENTRY)};
#undef NAME_ENTRY

#define OUR_FLAGS (SA_SIGINFO | SA_ONSTACK)

/* Blocks what can be blocked, and the mark. System calls that a signal from
 * elsewhere interrupts go on if the handler below wants them to, and if there
 * is none. */
static struct sigaction action_of(unsigned level)
{
    const struct sigaction *under = &below[level];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = entries[level];
    action.sa_flags =
        OUR_FLAGS |
        (is_handler(under) ? under->sa_flags & SA_RESTART : SA_RESTART);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGKILL);
    sigdelset(&action.sa_mask, SIGSTOP);
    add(&action.sa_mask, MARK);
    return action;
}

static bool same_mask(const sigset_t *a, const sigset_t *b)
{
    return memcmp(a, b, MASK_BYTES) == 0;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_flags == b->sa_flags && a->sa_handler == b->sa_handler &&
           same_mask(&a->sa_mask, &b->sa_mask);
}

/* The level that `action` is the entry of, or LEVELS. */
static unsigned level_of(const struct sigaction *action)
{
    unsigned level = 0;
    while (level < LEVELS && !(action->sa_flags & SA_SIGINFO &&
                               action->sa_sigaction == entries[level]))
        level++;
    return level;
}

/* Another copy's handler takes us in, if `action` is one. */
static bool is_taken_in(const struct sigaction *action)
{
    struct sigaction like = action_of(0);
    knock by = {KNOCK_MAGIC, told, false};
    if ((action->sa_flags & OUR_FLAGS) != OUR_FLAGS ||
        !same_mask(&action->sa_mask, &like.sa_mask))
        return false;
    action->sa_sigaction(KNOCK, NULL, &by);
    return by.welcome;
}

/* With all levels used up, one that has the same handler below is taken again,
 * or else the other one stays on top: it has probably chained to us all along.
 */
static unsigned free_level(const struct sigaction *current)
{
    unsigned level = levels;
    if (level < LEVELS)
        return level;
    while (level-- > 0)
        if (same_action(&below[level], current))
            return level;
    return LEVELS;
}

static mapped_status climb(const struct sigaction *current, mapped_error *error)
{
    unsigned level = free_level(current);
    if (level == LEVELS)
        return MAPPED_OK;
    below[level] = *current;
    MAPPED__STORE_RELEASE(&spent[level], false);
    struct sigaction action = action_of(level);
    if (sigaction(SIGBUS, &action, NULL) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    if (level == levels)
        levels++;
    return MAPPED_OK;
}

/* Who put one of our levels back has left, and the levels above with it. */
mapped_status mapped__fault_install(mapped__fault_handler *handler,
                                    mapped_error *error)
{
    struct sigaction current;
    MAPPED__STORE_RELEASE(&told, handler);
    if (sigaction(SIGBUS, NULL, &current) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    unsigned level = level_of(&current);
    if (level < LEVELS) {
        levels = level + 1;
        return MAPPED_OK;
    }
    return is_taken_in(&current) ? MAPPED_OK : climb(&current, error);
}

mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    int failed = pthread_atfork(before, parent, child);
    if (failed != 0)
        return mapped_error_set_system(error, failed, "pthread_atfork");
    return MAPPED_OK;
}

_Static_assert(MASK_BYTES <= sizeof(mapped__signals), "a signal mask fits");

void mapped__signals_hold(mapped__signals *held)
{
    sigset_t all;
    memset(&all, 0xff, sizeof all);
    swap_mask(&all, (sigset_t *)held);
}

void mapped__signals_release(const mapped__signals *held)
{
    swap_mask((const sigset_t *)held, NULL);
}
