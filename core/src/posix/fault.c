#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <ucontext.h>

#include "system.h"

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

/* MAPPED__MARK is a signal that no program blocks. Blocked, it says two things:
 * that a handler of somebody else runs below ours
 * and believes SIGBUS to be blocked (the mask is the one memory that a long
 * jump out of it restores); and, in the mask of an installed handler, that the
 * handler is one of ours. */

static bool serve(const mapped__fault *fault)
{
    mapped__fault_handler *own = MAPPED__LOAD_ACQUIRE(&told);
    if (own != NULL && own(fault))
        return true;
    for (size_t i = 0; i < GUESTS; i++) {
        mapped__fault_handler *guest = MAPPED__LOAD_ACQUIRE(&guests[i]);
        if (guest != NULL && guest(fault))
            return true;
    }
    return false;
}

static bool is_served(const siginfo_t *info, const void *context)
{
    mapped__fault fault;
    return (mapped__signal_is_fault(info, &fault) && serve(&fault)) ||
           mapped__signal_is_raised_again(info, context, serve);
}

/* Dies as it would have, with a core that shows the access itself. Where the
 * signal can't be sent, a fault happens again when we return. */
static void die(int signal_number, siginfo_t *info)
{
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(signal_number, &standard, NULL);
    mapped__signal_send_again(signal_number, info);
}

/* `entered`: the mask that our own handler met. The kernel has blocked all that
 * it was told to; a handler on top of ours that calls us hasn't, and its mask
 * is to stay. */
static void mask_for(const struct sigaction *to, const ucontext_t *context,
                     const sigset_t *entered, sigset_t *during)
{
    bool chained = !mapped__mask_has(entered, SIGBUS) ||
                   !mapped__mask_has(entered, MAPPED__MARK);
    bool blocked = chained ? mapped__mask_has(entered, SIGBUS) ||
                                 mapped__mask_has(entered, MAPPED__MARK)
                           : !(to->sa_flags & SA_NODEFER);
    mapped__mask_copy(during, chained ? entered : &context->uc_sigmask);
    if (!chained)
        mapped__mask_add_all(during, &to->sa_mask);
    mapped__mask_remove(during, SIGBUS);
    if (blocked)
        mapped__mask_add(during, MAPPED__MARK);
}

/* As the kernel would call it, but with SIGBUS unblocked, so that a handler
 * that touches a lost page of ours is served too; the mark stands for it. */
static void call_masked(const struct sigaction *to, siginfo_t *info,
                        ucontext_t *context, const sigset_t *entered)
{
    sigset_t during;
    sigset_t ours;
    mask_for(to, context, entered, &during);
    mapped__mask_swap(&during, &ours);
    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(info->si_signo, info, context);
    else
        to->sa_handler(info->si_signo);
    mapped__mask_swap(&ours, NULL);
}

static bool is_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* What the level found in its place, as the kernel would look at it now. */
static struct sigaction found_below(unsigned level)
{
    assert(level < LEVELS);
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
    if (mapped__signal_is_forced(info)) {
        die(signal_number, info);
        return;
    }
    mapped__mask_add(&context->uc_sigmask, signal_number);
    mapped__signal_send_again(signal_number, info);
}

static void pass_on(unsigned level, siginfo_t *info, ucontext_t *context,
                    const sigset_t *entered)
{
    int signal_number = info->si_signo;
    if (mapped__mask_has(&context->uc_sigmask, MAPPED__MARK)) {
        put_off(signal_number, info, context);
        return;
    }
    struct sigaction to = found_below(level);
    if (is_handler(&to))
        call_masked(&to, info, context, entered);
    else if (to.sa_handler == SIG_DFL || mapped__signal_is_forced(info))
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
    bool served = is_served(info, context);
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
    mapped__mask_add(&action.sa_mask, MAPPED__MARK);
    return action;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_flags == b->sa_flags && a->sa_handler == b->sa_handler &&
           mapped__mask_same(&a->sa_mask, &b->sa_mask);
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
        !mapped__mask_same(&action->sa_mask, &like.sa_mask))
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
