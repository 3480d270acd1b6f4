/* Guards against signals that reach the wrong handler: a region's fault that
 * reaches the previous handler, another signal that the guard swallows, changes
 * or passes on twice. Guards also against a process that dies, or lives on,
 * where it would not have without the guard. */
#include "faulty.h"

static volatile unsigned char *foreign;
static mapped_region *ours;

static const char *touch_foreign(void)
{
    ours = faulty_region(4);
    foreign = faulty_page();
    faulty_touch(foreign);
    return NULL;
}

static void test_guard_foreign_fault_kills(void)
{
    CHECK_INT(scratch_child(touch_foreign), SIGBUS);
}

static const char *touch_foreign_ignored(void)
{
    faulty_standard(SIG_IGN);
    return touch_foreign();
}

static void test_guard_ignored_foreign_fault_kills(void)
{
    CHECK_INT(scratch_child(touch_foreign_ignored), SIGBUS);
}

/* A core dump shows the last SIGBUS, which a tracer sees too. It must tell of
 * the access itself. */
static void test_guard_death_shows_the_access(void)
{
    siginfo_t first = {0}, last = {0};
    int how = 0;
    int seen = 0;
    foreign = faulty_page();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        ours = faulty_region(1);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
            raise(SIGSTOP);
        faulty_touch(foreign);
        _exit(0);
    }
    waitpid(child, &how, 0);
    while (WIFSTOPPED(how)) {
        int signal_number = WSTOPSIG(how) == SIGBUS ? SIGBUS : 0;
        if (signal_number == SIGBUS) {
            ptrace(PTRACE_GETSIGINFO, child, NULL, &last);
            if (seen++ == 0)
                first = last;
        }
        ptrace(PTRACE_CONT, child, NULL, (void *)(intptr_t)signal_number);
        waitpid(child, &how, 0);
    }
    if (!CHECK(WIFSIGNALED(how)) || !CHECK_INT(seen, 2))
        return;
    CHECK_INT(WTERMSIG(how), SIGBUS);
    CHECK_INT(last.si_code, first.si_code);
    CHECK(last.si_addr == first.si_addr);
    CHECK(last.si_addr == (void *)foreign);
}

static sigjmp_buf way_out;
static volatile sig_atomic_t calls;
static siginfo_t seen;

static void jump(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    seen = *info;
    calls++;
    siglongjmp(way_out, 1);
}

static __attribute__((noinline)) int touch_at_depth(int depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    if (depth == 0)
        return faulty_touch(foreign);
    return touch_at_depth(depth - 1) + room[0];
}

static const char *jump_out_of_earlier_handler(void)
{
    faulty_handle(jump, 0, NULL);
    ours = faulty_region(64);
    foreign = faulty_page();
    for (volatile int i = 0; i < 300; i++) {
        if (sigsetjmp(way_out, 1) == 0)
            touch_at_depth(i * 37 % 60);
        if (i % 10 == 0)
            faulty_served(ours, (size_t)i / 10);
    }
    CHECK_INT(calls, 300);
    CHECK_INT(seen.si_code, BUS_ADRERR);
    CHECK(seen.si_addr == (void *)foreign);
    return NULL;
}

static void test_guard_earlier_handler_may_jump_out(void)
{
    CHECK_INT(scratch_child(jump_out_of_earlier_handler), 0);
}

static const char *jump_from_alternate_stack(void)
{
    static char stack[1 << 18];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    return jump_out_of_earlier_handler();
}

static void test_guard_earlier_handler_may_jump_off_its_stack(void)
{
    CHECK_INT(scratch_child(jump_from_alternate_stack), 0);
}

static void mend(int signal_number)
{
    (void)signal_number;
    calls++;
    faulty_mend(foreign);
}

static const char *mend_in_plain_handler(void)
{
    faulty_standard(mend);
    ours = faulty_region(1);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 1);
    faulty_served(ours, 0);
    CHECK_INT(calls, 1);
    return NULL;
}

static void test_guard_earlier_plain_handler_is_called(void)
{
    CHECK_INT(scratch_child(mend_in_plain_handler), 0);
}

static void mend_informed(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    seen = *info;
    mend(signal_number);
}

static const char *fault_twice_with_one_shot(void)
{
    faulty_handle(mend_informed, (int)SA_RESETHAND, NULL);
    ours = faulty_region(2);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 1);
    faulty_served(ours, 0);
    CHECK(!check_test_failed);
    if (check_test_failed)
        _exit(1);
    foreign = faulty_page();
    faulty_touch(foreign);
    return NULL;
}

static void test_guard_one_shot_handler_is_called_once(void)
{
    CHECK_INT(scratch_child(fault_twice_with_one_shot), SIGBUS);
}

static volatile unsigned char *second;

static void fault_again(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    mend(signal_number);
    if (calls == 1) {
        foreign = second;
        CHECK_INT(faulty_touch(foreign), 0);
    }
}

static const char *nest_with(int flags)
{
    volatile unsigned char *first = faulty_page();
    second = faulty_page();
    faulty_handle(fault_again, flags, NULL);
    ours = faulty_region(1);
    foreign = first;
    CHECK_INT(faulty_touch(first), 0);
    CHECK_INT(calls, 2);
    return NULL;
}

static const char *nest_deferred(void)
{
    return nest_with(0);
}

static const char *nest_undeferred(void)
{
    return nest_with(SA_NODEFER);
}

static void test_guard_handlers_own_fault_kills(void)
{
    CHECK_INT(scratch_child(nest_deferred), SIGBUS);
}

static void test_guard_reentrant_handler_is_entered_again(void)
{
    CHECK_INT(scratch_child(nest_undeferred), 0);
}

static void lose_one_of_ours(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    faulty_served(ours, 1);
    mend(signal_number);
}

static const char *lose_in_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = lose_one_of_ours;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    ours = faulty_region(3);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_INT(calls, 1);
    faulty_served(ours, 2);
    return NULL;
}

static void test_guard_serves_a_handler_too(void)
{
    CHECK_INT(scratch_child(lose_in_handler), 0);
}

static volatile sig_atomic_t inside;

static void raise_once_more(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    (void)info;
    CHECK_INT(inside, 0);
    inside = 1;
    if (++calls == 1)
        raise(signal_number);
    CHECK_INT(calls, 1 + (calls == 2));
    inside = 0;
}

static const char *raise_in_handler(void)
{
    faulty_handle(raise_once_more, 0, NULL);
    ours = faulty_region(1);
    raise(SIGBUS);
    CHECK_INT(calls, 2);
    faulty_served(ours, 0);
    return NULL;
}

static void test_guard_signal_waits_for_the_handler(void)
{
    CHECK_INT(scratch_child(raise_in_handler), 0);
}

static void look_at_mask(int signal_number, siginfo_t *info, void *context)
{
    sigset_t now;
    (void)info;
    (void)context;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    CHECK_INT(sigismember(&now, SIGUSR1), 1);
    CHECK_INT(sigismember(&now, SIGUSR2), 0);
    CHECK_INT(sigismember(&now, SIGHUP), 1);
    mend(signal_number);
}

static const char *run_with_masks(void)
{
    struct sigaction action;
    sigset_t hangup, after;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = look_at_mask;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGBUS, &action, NULL);
    ours = faulty_region(1);
    foreign = faulty_page();
    sigemptyset(&hangup);
    sigaddset(&hangup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hangup, NULL);
    CHECK_INT(faulty_touch(foreign), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    CHECK_INT(sigismember(&after, SIGUSR1), 0);
    CHECK_INT(sigismember(&after, SIGHUP), 1);
    CHECK_INT(sigismember(&after, SIGBUS), 0);
    return NULL;
}

static void test_guard_earlier_handler_runs_with_its_mask(void)
{
    CHECK_INT(scratch_child(run_with_masks), 0);
}

static const char *be_killed(void)
{
    ours = faulty_region(1);
    kill(getpid(), SIGBUS);
    return NULL;
}

static const char *raise_it(void)
{
    ours = faulty_region(1);
    faulty_served(ours, 0);
    raise(SIGBUS);
    return NULL;
}

static void test_guard_sent_signal_kills(void)
{
    CHECK_INT(scratch_child(be_killed), SIGBUS);
    CHECK_INT(scratch_child(raise_it), SIGBUS);
}

static const char *ignore_being_killed(void)
{
    faulty_standard(SIG_IGN);
    ours = faulty_region(1);
    kill(getpid(), SIGBUS);
    faulty_served(ours, 0);
    kill(getpid(), SIGBUS);
    return NULL;
}

static void test_guard_ignored_sent_signal_is_ignored(void)
{
    CHECK_INT(scratch_child(ignore_being_killed), 0);
}

static const char *handle_being_killed(void)
{
    foreign = faulty_page();
    faulty_handle(mend_informed, 0, NULL);
    ours = faulty_region(1);
    union sigval value = {.sival_int = 4711};
    sigqueue(getpid(), SIGBUS, value);
    CHECK_INT(calls, 1);
    CHECK_INT(seen.si_code, SI_QUEUE);
    CHECK_INT(seen.si_pid, getpid());
    CHECK_INT(seen.si_value.sival_int, 4711);
    return NULL;
}

static void test_guard_sent_signal_keeps_its_information(void)
{
    CHECK_INT(scratch_child(handle_being_killed), 0);
}

static pid_t nagged;

/* Sends signals to a process that waits in read(), fifty at most, and then
 * writes a byte that ends the wait. */
static void nag(int to)
{
    for (int i = 0; i < 50; i++) {
        usleep(10000);
        kill(nagged, SIGBUS);
    }
    _exit(write(to, "x", 1) != 1);
}

static int handler_flags; /* -1 ignores the signal */

static const char *read_while_nagged(void)
{
    int ends[2];
    char byte = 0;
    faulty_standard(SIG_IGN);
    if (handler_flags >= 0)
        faulty_handle(mend_informed, handler_flags, NULL);
    foreign = faulty_page();
    ours = faulty_region(1);
    nagged = getpid();
    if (pipe(ends) != 0)
        exit(1);
    pid_t sender = fork();
    if (sender == 0)
        nag(ends[1]);
    errno = 0;
    ssize_t n = read(ends[0], &byte, 1);
    int reason = errno;
    kill(sender, SIGKILL);
    waitpid(sender, NULL, 0);
    CHECK_INT(n, handler_flags == 0 ? -1 : 1);
    CHECK_INT(reason, handler_flags == 0 ? EINTR : 0);
    return NULL;
}

static void test_guard_interrupts_what_the_earlier_handler_would(void)
{
    static const int flags[] = {0, SA_RESTART, -1};
    for (size_t i = 0; i < 3; i++) {
        handler_flags = flags[i];
        CHECK_INT(scratch_child(read_while_nagged), 0);
    }
}

static char signal_stack[1 << 18];
static volatile uintptr_t handler_ran_at;

static void tell_where(int signal_number, siginfo_t *info, void *context)
{
    volatile char here = 0;
    handler_ran_at = (uintptr_t)&here;
    mend_informed(signal_number, info, context);
}

static const char *run_on_signal_stack(void)
{
    stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    sigaltstack(&alternate, NULL);
    faulty_handle(tell_where, SA_ONSTACK, NULL);
    ours = faulty_region(1);
    foreign = faulty_page();
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK(handler_ran_at - (uintptr_t)signal_stack < sizeof signal_stack);
    return NULL;
}

static void test_guard_earlier_handler_runs_on_the_signal_stack(void)
{
    CHECK_INT(scratch_child(run_on_signal_stack), 0);
}

static void *touch_ours(void *number)
{
    uint8_t byte;
    size_t at = (size_t)(intptr_t)number * scratch_page();
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(ours), at, &byte, NULL),
                 MAPPED_FAULT);
    return NULL;
}

static void *touch_on_alternate_stack(void *number)
{
    size_t room = scratch_instrumented() ? 1 << 18 : 4096;
    size_t size = (size_t)sysconf(_SC_MINSIGSTKSZ) + room;
    stack_t alternate = {.ss_sp = malloc(size), .ss_size = size};
    sigaltstack(&alternate, NULL);
    touch_ours(number);
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
    free(alternate.ss_sp);
    return NULL;
}

static void test_guard_threads_with_and_without_a_signal_stack(void)
{
    pthread_t threads[16];
    ours = faulty_region(16);
    for (intptr_t i = 0; i < 16; i++)
        pthread_create(&threads[i], NULL,
                       i % 2 ? touch_on_alternate_stack : touch_ours,
                       (void *)i);
    for (size_t i = 0; i < 16; i++)
        pthread_join(threads[i], NULL);
    CHECK_UINT(mapped_region_fault_count(ours), 16);
    mapped_region_release(ours);
}

static const char *switched_off(void)
{
    ours = faulty_region(2);
    mapped_guard_enable(false);
    CHECK(!mapped_guard_enabled());
    faulty_served(ours, 0);
    return NULL;
}

static const char *switched_off_by_environment(void)
{
    setenv("MAPPED_GUARD", "0", 1);
    ours = faulty_region(2);
    CHECK(!mapped_guard_enabled());
    struct sigaction now;
    sigaction(SIGBUS, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    if (check_test_failed)
        _exit(1);
    faulty_served(ours, 0);
    return NULL;
}

static const char *switched_on_later(void)
{
    setenv("MAPPED_GUARD", "0", 1);
    ours = faulty_region(2);
    mapped_guard_enable(true);
    faulty_served(ours, 0);
    mapped_guard_enable(false);
    mapped_guard_enable(true);
    faulty_served(ours, 1);
    return NULL;
}

static void test_guard_can_be_switched(void)
{
    CHECK_INT(scratch_child(switched_off), SIGBUS);
    CHECK_INT(scratch_child(switched_off_by_environment), SIGBUS);
    CHECK_INT(scratch_child(switched_on_later), 0);
}

/* Each test but the last runs in a child of this process, which has installed
 * no handler yet. */
int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    faulty_standard(SIG_DFL);
    RUN(test_guard_foreign_fault_kills);
    RUN(test_guard_ignored_foreign_fault_kills);
    RUN(test_guard_death_shows_the_access);
    RUN(test_guard_earlier_handler_may_jump_out);
    RUN(test_guard_earlier_handler_may_jump_off_its_stack);
    RUN(test_guard_earlier_plain_handler_is_called);
    RUN(test_guard_one_shot_handler_is_called_once);
    RUN(test_guard_handlers_own_fault_kills);
    RUN(test_guard_reentrant_handler_is_entered_again);
    RUN(test_guard_serves_a_handler_too);
    RUN(test_guard_signal_waits_for_the_handler);
    RUN(test_guard_earlier_handler_runs_with_its_mask);
    RUN(test_guard_sent_signal_kills);
    RUN(test_guard_ignored_sent_signal_is_ignored);
    RUN(test_guard_sent_signal_keeps_its_information);
    RUN(test_guard_interrupts_what_the_earlier_handler_would);
    RUN(test_guard_earlier_handler_runs_on_the_signal_stack);
    RUN(test_guard_can_be_switched);
    RUN(test_guard_threads_with_and_without_a_signal_stack);
    return check_finish();
}
