/* The handler of SIGBUS, and everybody else who handles it.
 *
 *     an access to a page that can't be had       kill(), raise(), sigqueue()
 *                      |                                     |
 *                      +--------------> kernel <-------------+
 *                                          |  calls what sigaction set last
 *                                          v
 *       [ handler of somebody who came after us: may call or restore what it
 *         had found, which is our newest entry ]
 *                                          |
 *                                          v
 *       entry n of ours   --- a lost page of a region of this copy or of one
 *          |                  that has joined: zero page, return, try again
 *          |  all else goes to previous[n]
 *          v
 *       [ handler that entry n found in its place: may itself call what it had
 *         found, which is entry n - 1 ]
 *          |
 *          v
 *       entry n - 1 of ours  ...  entry 0
 *          |
 *          v
 *       [ previous[0]: the program's own handler; without one it dies ]
 *
 * Every time somebody has put a handler on top of ours, another entry of ours
 * goes on top of that. Each entry remembers what it found in its place, so a
 * handler that calls the one it had found, or restores it, meets exactly that
 * one again.
 *
 * What holds:
 * - A signal that isn't ours reaches the previous handler with its original
 *   information, mask and flags, as if we weren't there. Without a handler the
 *   process dies of the access itself, with a core that shows it.
 * - A previous handler may touch a lost page of ours: SIGBUS is unblocked while
 *   it runs. If it believes SIGBUS to be blocked, the mark (below) says so.
 * - previous[n] is written before entry n is installed, and only read after.
 * - Nothing here allocates, locks or waits once an entry is installed.
 * - Another copy of this library in the process (Lua inside Python) doesn't add
 *   a handler: it joins the copy whose entry is on top, which serves both. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <ucontext.h>

#include "system.h"

/* clang-format off */
#define ENTRY_MAP(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
    X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */
#define ENTRIES 16u

static struct sigaction previous[ENTRIES];
static unsigned in_use; /* entries, under the caller's lock */

/* A previous handler with SA_RESETHAND has had its one signal. Written after
 * `previous`, and read before it. */
static bool used_up[ENTRIES];

static mapped__fault_handler *own_handler;

/* Handlers of other copies of this library that have joined this one. */
#define COPIES 8
static mapped__fault_handler *joined[COPIES];

static bool serve(const mapped__fault *fault)
{
    mapped__fault_handler *own = MAPPED__LOAD_ACQUIRE(&own_handler);
    if (own != NULL && own(fault))
        return true;
    for (size_t i = 0; i < COPIES; i++) {
        mapped__fault_handler *copy = MAPPED__LOAD_ACQUIRE(&joined[i]);
        if (copy != NULL && copy(fault))
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

/* MAPPED__MARK is a signal that no program blocks, so its bit in a mask serves
 * as a flag. In the mask of a thread it says that a previous handler is running
 * which expects SIGBUS to be blocked; it is kept there because a siglongjmp out
 * of that handler restores the mask, and so clears the flag. In the sa_mask of
 * an installed handler it says that the handler is an entry of this library.
 *
 * Sets `*during` to the mask for a previous handler. `entered` is the mask that
 * our entry met: if the kernel called the entry, all that the entry asks for is
 * blocked. If not, a handler on top of ours called it, and its mask stays. */
static void mask_for(const struct sigaction *to, const ucontext_t *context,
                     const sigset_t *entered, sigset_t *during)
{
    bool has_bus = mapped__mask_has(entered, SIGBUS);
    bool has_mark = mapped__mask_has(entered, MAPPED__MARK);
    bool blocked;
    if (has_bus && has_mark) { /* the kernel called */
        mapped__mask_copy(during, &context->uc_sigmask);
        mapped__mask_add_all(during, &to->sa_mask);
        blocked = !(to->sa_flags & SA_NODEFER);
    } else {
        mapped__mask_copy(during, entered);
        blocked = has_bus || has_mark;
    }
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

/* What the entry found in its place, as the kernel would look at it now. */
static struct sigaction previous_of(unsigned number)
{
    assert(number < ENTRIES);
    bool used = MAPPED__LOAD_ACQUIRE(&used_up[number]);
    struct sigaction action = previous[number];
    if (is_handler(&action) && (action.sa_flags & (int)SA_RESETHAND) &&
        (used ||
         __atomic_exchange_n(&used_up[number], true, __ATOMIC_ACQ_REL))) {
        action.sa_flags = 0;
        action.sa_handler = SIG_DFL;
    }
    return action;
}

/* For a signal that comes while a previous handler runs that believes SIGBUS to
 * be blocked. It would not get the signal: a fault of its own kills, as it
 * would have; any other signal waits until the handler is done. */
static void postpone(int signal_number, siginfo_t *info, ucontext_t *context)
{
    if (mapped__signal_is_forced(info)) {
        die(signal_number, info);
        return;
    }
    mapped__mask_add(&context->uc_sigmask, signal_number);
    mapped__signal_send_again(signal_number, info);
}

static void pass_on(unsigned number, siginfo_t *info, ucontext_t *context,
                    const sigset_t *entered)
{
    int signal_number = info->si_signo;
    if (mapped__mask_has(&context->uc_sigmask, MAPPED__MARK)) {
        postpone(signal_number, info, context);
        return;
    }
    struct sigaction to = previous_of(number);
    if (is_handler(&to))
        call_masked(&to, info, context, entered);
    else if (to.sa_handler == SIG_DFL || mapped__signal_is_forced(info))
        die(signal_number, info);
}

/* How a copy joins: it calls the handler on top with this number, which is no
 * signal's, and with a request in place of the context. */
#define JOIN 0
#define JOIN_MAGIC UINT64_C(0x6d61707065640002)

typedef struct join_request {
    uint64_t magic; /* of this layout and mapped__fault's */
    mapped__fault_handler *copy;
    bool accepted;
} join_request;

static void accept(join_request *by)
{
    if (by->magic != JOIN_MAGIC)
        return;
    for (size_t i = 0; i < COPIES && !by->accepted; i++) {
        mapped__fault_handler *there = NULL;
        by->accepted =
            __atomic_compare_exchange_n(&joined[i], &there, by->copy, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            there == by->copy;
    }
}

static void on_signal(unsigned number, int signal_number, siginfo_t *info,
                      void *context)
{
    mapped__signals held;
    int kept = errno;
    if (signal_number == JOIN) {
        accept(context);
        return;
    }
    mapped__signals_block(&held);
    bool served = is_served(info, context);
    mapped__signals_unblock(&held);
    if (!served)
        pass_on(number, info, context, (sigset_t *)&held);
    errno = kept;
}

#define DEFINE_ENTRY(number)                                       \
    static void enter_##number(int signal_number, siginfo_t *info, \
                               void *context)                      \
    {                                                              \
        on_signal(number, signal_number, info, context);           \
    }
ENTRY_MAP(DEFINE_ENTRY)
#undef DEFINE_ENTRY

typedef void entry(int, siginfo_t *, void *);

#define NAME_ENTRY(number) enter_##number,
static entry *const entries[ENTRIES] = {ENTRY_MAP(NAME_ENTRY)};
#undef NAME_ENTRY

#define OUR_FLAGS (SA_SIGINFO | SA_ONSTACK)

/* The entry blocks what can be blocked, and the mark. System calls that a
 * signal from elsewhere interrupts go on if the previous handler wants them to,
 * or if there is none. */
static struct sigaction action_of(unsigned number)
{
    const struct sigaction *before = &previous[number];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = entries[number];
    action.sa_flags =
        OUR_FLAGS |
        (is_handler(before) ? before->sa_flags & SA_RESTART : SA_RESTART);
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

/* Which entry of ours `action` is, or ENTRIES. */
static unsigned entry_of(const struct sigaction *action)
{
    unsigned number = 0;
    while (number < ENTRIES && !(action->sa_flags & SA_SIGINFO &&
                                 action->sa_sigaction == entries[number]))
        number++;
    return number;
}

/* Asks another copy to serve us, if `action` is one's entry: only we ask for
 * this mask. */
static bool has_joined(const struct sigaction *action)
{
    struct sigaction like = action_of(0);
    join_request by = {JOIN_MAGIC, own_handler, false};
    if ((action->sa_flags & OUR_FLAGS) != OUR_FLAGS ||
        !mapped__mask_same(&action->sa_mask, &like.sa_mask))
        return false;
    action->sa_sigaction(JOIN, NULL, &by);
    return by.accepted;
}

/* When all entries are in use, one that has found the same handler is installed
 * again. Failing that the other handler stays on top: it has probably called us
 * all along. */
static unsigned free_entry(const struct sigaction *current)
{
    unsigned number = in_use;
    if (number < ENTRIES)
        return number;
    while (number-- > 0)
        if (same_action(&previous[number], current))
            return number;
    return ENTRIES;
}

static mapped_status install_entry(const struct sigaction *current,
                                   mapped_error *error)
{
    unsigned number = free_entry(current);
    if (number == ENTRIES)
        return MAPPED_OK;
    previous[number] = *current;
    MAPPED__STORE_RELEASE(&used_up[number], false);
    struct sigaction action = action_of(number);
    if (sigaction(SIGBUS, &action, NULL) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    if (number == in_use)
        in_use++;
    return MAPPED_OK;
}

/* A handler that has restored one of our entries has left the chain, and the
 * entries above that one with it. */
mapped_status mapped__fault_install(mapped__fault_handler *handler,
                                    mapped_error *error)
{
    struct sigaction current;
    MAPPED__STORE_RELEASE(&own_handler, handler);
    if (sigaction(SIGBUS, NULL, &current) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    unsigned number = entry_of(&current);
    if (number < ENTRIES) {
        in_use = number + 1;
        return MAPPED_OK;
    }
    return has_joined(&current) ? MAPPED_OK : install_entry(&current, error);
}

mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    int failed = pthread_atfork(before, parent, child);
    if (failed != 0)
        return mapped_error_set_system(error, failed, "pthread_atfork");
    return MAPPED_OK;
}
