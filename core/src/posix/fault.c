/* The handler of SIGBUS, and the way of a signal that isn't ours to the
 * handlers of others.
 *
 * A process has one handler of SIGBUS at a time. Code that installs another
 * gets the old one back, and may call it or install it again later. So handlers
 * form a chain, in which ours stands several times if others have been
 * installed in between. Each place of ours is an entry: a function of its own,
 * which knows which handler it has replaced. A server (mapped__fault_server) is
 * no handler: it is the function that an entry asks first, which puts a zero
 * page over a page of ours that is lost.
 *
 *     an access to a page that can't be had       kill(), raise(), sigqueue()
 *                      |                                     |
 *                      +--------------> kernel <-------------+
 *                                          |  calls what sigaction set last
 *                                          v
 *       [ handler that somebody has installed after entry n ]
 *                                          |  may call or restore entry n
 *                                          v
 *       entry n of ours   --- if a page of ours is lost: puts a zero page there
 *          |                  and returns, and the access is tried again
 *          |  passes on all else
 *          v
 *       [ previous[n]: the handler that entry n has replaced ]
 *          |  may call or restore what it has replaced, which is entry n - 1
 *          v
 *       entry n - 1 of ours  ...  entry 0
 *          |
 *          v
 *       [ previous[0]: the program's own handler; without one it dies ]
 *
 * Invariants:
 *
 * - A signal that isn't ours reaches the previous handler with its original
 *   information, mask and flags, as if we weren't there. Without a handler the
 *   process dies of the access itself, with a core that shows it.
 *
 * - A previous handler may touch a lost page of ours: SIGBUS is unblocked while
 *   it runs. If it expects SIGBUS to be blocked, MAPPED__MARK says so.
 *
 * - previous[n] is written before entry n is installed, and only read after.
 *
 * - Nothing here allocates, locks or waits once an entry is installed.
 *
 * - Another copy of this library in the process (Lua inside Python) doesn't add
 *   an entry: it joins the copy whose entry is on top, which serves both.
 *
 * In this file: serving a fault (serve); passing a signal on (pass_on); joining
 * copies; the entries (on_signal); installing one (mapped__fault_install). */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "system.h"

/* clang-format off */
#define ENTRY_MAP(X) \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
    X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */

#define PLUS_ONE(number) +1
enum {
    ENTRIES = ENTRY_MAP(PLUS_ONE)
};
#undef PLUS_ONE

static struct sigaction previous[ENTRIES];
static unsigned entry_count; /* how many are in the chain; the caller of
                              * mapped__fault_install has a lock */

/* A handler with SA_RESETHAND gets one signal; then the kernel resets it to the
 * default. True: previous[n] has got its signal. Written after `previous`, and
 * read before it (use_previous). */
static bool is_reset[ENTRIES];

static mapped__fault_server *own_server;

/* The servers of other copies of this library, which have joined this one. */
#define MAX_COPIES 8
static mapped__fault_server *copies[MAX_COPIES];

static bool serve(const mapped__fault *fault)
{
    mapped__fault_server *own = MAPPED__LOAD_ACQUIRE(&own_server);
    if (own != NULL && own(fault))
        return true;
    for (size_t i = 0; i < MAX_COPIES; i++) {
        mapped__fault_server *copy = MAPPED__LOAD_ACQUIRE(&copies[i]);
        if (copy != NULL && copy(fault))
            return true;
    }
    return false;
}

/* A handler on top of ours may have raised the signal again that it was called
 * for; then the information of the first one is found on the stack. Returns
 * whether a fault was served, so that the access can be tried again. */
static bool serve_signal(const siginfo_t *info, const void *context)
{
    mapped__fault fault;
    return (mapped__signal_is_fault(info, &fault) && serve(&fault)) ||
           mapped__signal_serve_raised_again(info, context, serve);
}

/* Makes the process die as it would have without us, with a core that shows the
 * access itself. If the signal can't be sent again, the access will raise it
 * when we return. */
static void die(int signal_number, siginfo_t *info)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    sigaction(signal_number, &action, NULL);
    mapped__signal_send_again(signal_number, info);
}

/* MAPPED__MARK is the number of a signal that the C library keeps to itself. No
 * program blocks that signal, so its bit in a mask, the mark, serves as a flag.
 *
 * In the mask of a thread it says that a previous handler is running which
 * expects SIGBUS to be blocked. The flag is kept there because a siglongjmp out
 * of that handler restores the mask, and so clears the flag.
 *
 * In the sa_mask of an installed handler it says that the handler is an entry
 * of this library. */

/* Sets `*during` to the mask that the thread has while the previous handler
 * runs, with the mark if that handler expects SIGBUS to be blocked. `entered`
 * is the mask that the thread had when our entry began, and tells who has
 * called the entry:
 *
 * - SIGBUS and the mark are in it: the kernel, because an entry asks for both
 *   (fill_entry_mask).
 * - Only SIGBUS is: a handler of others that blocks SIGBUS.
 * - Only the mark is: a previous handler which we have called, and for which we
 *   have put the mark in place of SIGBUS.
 * - Neither is: a handler that doesn't block SIGBUS. */
static void choose_mask(const struct sigaction *handler,
                        const ucontext_t *context, const sigset_t *entered,
                        sigset_t *during)
{
    bool has_bus = mapped__mask_has(entered, SIGBUS);
    bool has_mark = mapped__mask_has(entered, MAPPED__MARK);
    bool expects_blocked; /* SIGBUS, while it runs */
    if (has_bus && has_mark) {
        /* It gets the mask that the kernel would have given it. */
        mapped__mask_copy(during, &context->uc_sigmask);
        mapped__mask_add_all(during, &handler->sa_mask);
        expects_blocked = !(handler->sa_flags & SA_NODEFER);
    } else {
        /* The mask of the handler that has called our entry stays. */
        mapped__mask_copy(during, entered);
        expects_blocked = has_bus || has_mark;
    }
    mapped__mask_remove(during, SIGBUS);
    if (expects_blocked)
        mapped__mask_add(during, MAPPED__MARK);
}

/* Calls a previous handler as the kernel would, but with SIGBUS unblocked, so
 * that a lost page of ours which the handler touches is served, too. */
static void call_handler(const struct sigaction *handler, siginfo_t *info,
                         ucontext_t *context, const sigset_t *entered)
{
    sigset_t during;
    sigset_t own_mask;
    choose_mask(handler, context, entered, &during);
    mapped__mask_swap(&during, &own_mask);
    if (handler->sa_flags & SA_SIGINFO)
        handler->sa_sigaction(info->si_signo, info, context);
    else
        handler->sa_handler(info->si_signo);
    mapped__mask_swap(&own_mask, NULL);
}

static bool is_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Returns what the kernel would do with a signal now if entry `number` weren't
 * there. Resets a handler with SA_RESETHAND, as the kernel would.
 *
 * `is_reset` is loaded before `previous` is read, so that a handler which has
 * got its signal counts as reset even if another is installed meanwhile. The
 * exchange lets only one of two threads call the handler for its one signal. */
static struct sigaction use_previous(unsigned number)
{
    assert(number < ENTRIES);
    bool was_reset = MAPPED__LOAD_ACQUIRE(&is_reset[number]);
    struct sigaction action = previous[number];
    if (is_handler(&action) && (action.sa_flags & (int)SA_RESETHAND) &&
        (was_reset ||
         __atomic_exchange_n(&is_reset[number], true, __ATOMIC_ACQ_REL))) {
        action.sa_flags = 0;
        action.sa_handler = SIG_DFL;
    }
    return action;
}

/* Does what the kernel does with a blocked signal. For one that comes while a
 * previous handler runs which expects SIGBUS to be blocked: a fault of the
 * handler's own kills the process, and any other signal waits until the handler
 * has returned. */
static void treat_as_blocked(int signal_number, siginfo_t *info,
                             ucontext_t *context)
{
    if (mapped__signal_is_forced(info)) {
        die(signal_number, info);
        return;
    }
    mapped__mask_add(&context->uc_sigmask, signal_number);
    mapped__signal_send_again(signal_number, info);
}

/* For a signal that entry `number` doesn't serve. */
static void pass_on(unsigned number, siginfo_t *info, ucontext_t *context,
                    const sigset_t *entered)
{
    int signal_number = info->si_signo;
    if (mapped__mask_has(&context->uc_sigmask, MAPPED__MARK)) {
        treat_as_blocked(signal_number, info, context);
        return;
    }
    struct sigaction action = use_previous(number);
    if (is_handler(&action))
        call_handler(&action, info, context, entered);
    else if (action.sa_handler == SIG_DFL || mapped__signal_is_forced(info))
        die(signal_number, info);
    /* Else it is ignored. */
}

/* To join, a copy of this library itself calls the entry that is on top, with
 * this number, which no signal has, and with a request in place of the context.
 */
#define JOIN 0
#define JOIN_MAGIC UINT64_C(0x6d61707065640002)

typedef struct join_request {
    uint64_t magic; /* changes with the layout of this and of mapped__fault */
    mapped__fault_server *server; /* of the copy that asks */
    bool is_accepted;
} join_request;

/* Puts the server into `copies`, unless it is there already. It isn't accepted
 * if there is no room. */
static void accept_copy(join_request *request)
{
    if (request->magic != JOIN_MAGIC)
        return;
    for (size_t i = 0; i < MAX_COPIES && !request->is_accepted; i++) {
        mapped__fault_server *found = NULL;
        request->is_accepted = __atomic_compare_exchange_n(
                                   &copies[i], &found, request->server, false,
                                   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
                               found == request->server;
    }
}

/* What every entry does. Signals are blocked while a fault is served: the guard
 * holds a lock then, for which a handler that faults itself would wait. */
static void on_signal(unsigned number, int signal_number, siginfo_t *info,
                      void *context)
{
    sigset_t entered; /* the thread's mask when the entry began */
    int saved_errno = errno;
    if (signal_number == JOIN) {
        accept_copy(context);
        return;
    }
    mapped__mask_block_all(&entered);
    bool served = serve_signal(info, context);
    mapped__mask_swap(&entered, NULL);
    if (!served)
        pass_on(number, info, context, &entered);
    errno = saved_errno;
}

/* The entries are functions of their own, because a handler isn't told which
 * one it is. */
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

/* While an entry runs all is blocked that can be, and the mark is set. */
static void fill_entry_mask(sigset_t *mask)
{
    sigfillset(mask);
    sigdelset(mask, SIGKILL);
    sigdelset(mask, SIGSTOP);
    mapped__mask_add(mask, MAPPED__MARK);
}

/* Returns what to install for entry `number`. A system call that a signal
 * interrupts is restarted if the previous handler asks for that, or if there is
 * none. */
static struct sigaction make_action(unsigned number)
{
    const struct sigaction *before = &previous[number];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = entries[number];
    action.sa_flags =
        OUR_FLAGS |
        (is_handler(before) ? before->sa_flags & SA_RESTART : SA_RESTART);
    fill_entry_mask(&action.sa_mask);
    return action;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_flags == b->sa_flags && a->sa_handler == b->sa_handler &&
           mapped__mask_same(&a->sa_mask, &b->sa_mask);
}

/* Returns which entry of ours `action` is, or ENTRIES if it is none. */
static unsigned find_entry(const struct sigaction *action)
{
    unsigned number = 0;
    while (number < ENTRIES && !(action->sa_flags & SA_SIGINFO &&
                                 action->sa_sigaction == entries[number]))
        number++;
    return number;
}

/* If `action` is an entry of another copy of this library, asks that copy to
 * serve our faults, too. Returns whether it does. Entries are known by their
 * mask: no other handler asks for the mark. */
static bool join_copy(const struct sigaction *action)
{
    sigset_t entry_mask;
    join_request request = {JOIN_MAGIC, own_server, false};
    fill_entry_mask(&entry_mask);
    if ((action->sa_flags & OUR_FLAGS) != OUR_FLAGS ||
        !mapped__mask_same(&action->sa_mask, &entry_mask))
        return false;
    action->sa_sigaction(JOIN, NULL, &request);
    return request.is_accepted;
}

/* Returns the entry to install on top of the handler `current`: the next one.
 * If all are in the chain, one that has replaced the same handler before; or
 * ENTRIES if there is none. Then `current` stays on top: it has probably called
 * us all along. */
static unsigned choose_entry(const struct sigaction *current)
{
    unsigned number = entry_count;
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
    unsigned number = choose_entry(current);
    if (number == ENTRIES)
        return MAPPED_OK;
    previous[number] = *current;
    MAPPED__STORE_RELEASE(&is_reset[number], false);
    struct sigaction action = make_action(number);
    if (sigaction(SIGBUS, &action, NULL) != 0)
        return mapped__system_error(error, "sigaction");
    if (number == entry_count)
        entry_count++;
    return MAPPED_OK;
}

/* If one of our entries is on top, nothing has to be installed. The entry may
 * be an older one, which a handler above it has restored: then that handler has
 * left the chain, and so have our entries above it. */
mapped_status mapped__fault_install(mapped__fault_server *server,
                                    mapped_error *error)
{
    struct sigaction current;
    MAPPED__STORE_RELEASE(&own_server, server);
    if (sigaction(SIGBUS, NULL, &current) != 0)
        return mapped__system_error(error, "sigaction");
    unsigned number = find_entry(&current);
    if (number < ENTRIES) {
        entry_count = number + 1;
        return MAPPED_OK;
    }
    return join_copy(&current) ? MAPPED_OK : install_entry(&current, error);
}
