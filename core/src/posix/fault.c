#include "platform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Whom a signal goes to that isn't ours. `latest` is what we last found in our
 * place; `earliest` what was there before we first came. They differ when
 * somebody installed a handler on top of ours: that one may well chain to us
 * again, and then it is the earliest one's turn. */
static struct sigaction latest;
static struct sigaction earliest;
static bool installed;
static mapped__fault_handler *told;

/* A handler of somebody else that runs below ours on this thread. It may jump
 * out and never come back, so whether the record is still alive is told by
 * where it lies (further up on the stack) and by its pointer to itself. */
typedef struct passing {
    volatile struct passing *self;
    const void *context;
} passing;

/* Initial exec: lazily allocated thread-local storage is no place for a signal
 * handler. */
static __thread volatile passing *outermost
    __attribute__((tls_model("initial-exec")));

#define STACK_NEAR ((uintptr_t)1 << 20)

static bool is_fault(const siginfo_t *info)
{
    return info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR ||
           info->si_code == BUS_ADRALN || info->si_code == BUS_OBJERR;
}

static bool is_ours(const siginfo_t *info)
{
    mapped__fault fault = {.address = info->si_addr,
                           .poisoned = info->si_code == BUS_MCEERR_AR};
    return is_fault(info) && told(&fault);
}

/* A handler on top of ours may put us back and raise the signal again, as
 * Python's faulthandler does: then the kernel's own record of the fault lies
 * further up on the alternate stack that both run on. Never looks beyond it. */
static bool is_raised_again(const siginfo_t *info, const ucontext_t *context)
{
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t low = (uintptr_t)context->uc_stack.ss_sp;
    uintptr_t high = low + context->uc_stack.ss_size;
    if (info->si_code != SI_TKILL || info->si_pid != getpid() || here < low ||
        here >= high)
        return false;
    uintptr_t at = ((uintptr_t)info + sizeof *info + 7) & ~(uintptr_t)7;
    for (; at + sizeof *info <= high; at += 8) {
        const siginfo_t *older = (const siginfo_t *)at;
        if (older->si_signo == SIGBUS && older->si_errno == 0 && is_ours(older))
            return true;
    }
    return false;
}

/* Dies as it would have: the default action, and then either the instruction
 * faults again when we return, or the same signal, sent again with its original
 * information, is delivered. */
static void die(int signal_number, siginfo_t *info)
{
    struct sigaction standard;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    sigaction(signal_number, &standard, NULL);
    if (!is_fault(info))
        syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid),
                signal_number, info);
}

static void call(const struct sigaction *to, int signal_number, siginfo_t *info,
                 ucontext_t *context)
{
    sigset_t during = context->uc_sigmask;
    sigset_t ours;
    for (int s = 1; s < NSIG; s++)
        if (sigismember(&to->sa_mask, s) == 1)
            sigaddset(&during, s);
    sigdelset(&during, signal_number);
    pthread_sigmask(SIG_SETMASK, &during, &ours);
    if (to->sa_flags & SA_SIGINFO)
        to->sa_sigaction(signal_number, info, context);
    else
        to->sa_handler(signal_number);
    pthread_sigmask(SIG_SETMASK, &ours, NULL);
}

static const volatile passing *alive(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t there = (uintptr_t)outermost;
    if (there <= here || there - here > STACK_NEAR ||
        outermost->self != outermost)
        return NULL;
    return outermost;
}

static bool has_handler(const struct sigaction *action)
{
    return action->sa_flags & SA_SIGINFO ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* The signal stays unblocked below us, so that a handler which touches a region
 * with a lost page is served too. One that meets a fault of its own would have
 * died of it, and does. */
static void pass_on(int signal_number, siginfo_t *info, ucontext_t *context)
{
    const volatile passing *above = alive();
    bool chained_back = above != NULL && above->context == context;
    const struct sigaction *to = chained_back ? &earliest : &latest;
    bool own_fault = above != NULL && !chained_back && is_fault(info);
    if (own_fault || !has_handler(to)) {
        if (own_fault || to->sa_handler == SIG_DFL || is_fault(info))
            die(signal_number, info);
        return;
    }
    volatile passing mine = {&mine, context};
    volatile passing *outer = outermost;
    outermost = &mine;
    call(to, signal_number, info, context);
    outermost = outer;
    mine.self = NULL;
}

static void on_signal(int signal_number, siginfo_t *info, void *context)
{
    int kept = errno;
    if (!is_ours(info) && !is_raised_again(info, context))
        pass_on(signal_number, info, context);
    errno = kept;
}

static bool is_installed(const struct sigaction *current)
{
    return current->sa_flags & SA_SIGINFO && current->sa_sigaction == on_signal;
}

static mapped_status install(mapped_error *error)
{
    struct sigaction current;
    struct sigaction mine;
    if (sigaction(SIGBUS, NULL, &current) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    if (is_installed(&current))
        return MAPPED_OK;
    latest = current;
    if (!installed)
        earliest = current;
    memset(&mine, 0, sizeof mine);
    mine.sa_sigaction = on_signal;
    mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigfillset(&mine.sa_mask);
    if (sigaction(SIGBUS, &mine, NULL) != 0)
        return mapped_error_set_system(error, errno, "sigaction");
    installed = true;
    return MAPPED_OK;
}

mapped_status mapped__fault_install(mapped__fault_handler *handler,
                                    mapped_error *error)
{
    told = handler;
    return install(error);
}

mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    int failed = pthread_atfork(before, parent, child);
    if (failed != 0)
        return mapped_error_set_system(error, failed, "pthread_atfork");
    return MAPPED_OK;
}

_Static_assert(sizeof(sigset_t) <= sizeof(mapped__signals),
               "a signal mask fits");

void mapped__signals_hold(mapped__signals *held)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, (sigset_t *)held);
}

void mapped__signals_release(const mapped__signals *held)
{
    pthread_sigmask(SIG_SETMASK, (const sigset_t *)held, NULL);
}
