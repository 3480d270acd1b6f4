/* Guards against handlers that a program installs after the guard: each must
 * get the faults that are not a region's once and in the order of the chain,
 * and the guard must get those of regions. */
#include "faulty.h"

static volatile unsigned char *foreign;
static mapped_region *ours;
static volatile sig_atomic_t calls;
static sigjmp_buf way_out;

static void jump(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)info;
    (void)context;
    calls++;
    siglongjmp(way_out, 1);
}

static void mend(int signal_number)
{
    (void)signal_number;
    calls++;
    faulty_mend(foreign);
}

static char trace[64];

static void trace_add(char what)
{
    size_t length = strlen(trace);
    if (length + 1 < sizeof trace)
        trace[length] = what;
}

static void earlier(int signal_number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    trace_add('e');
    mend(signal_number);
}

static struct sigaction below_later;

static void later(int signal_number, siginfo_t *info, void *context)
{
    trace_add('l');
    below_later.sa_sigaction(signal_number, info, context);
}

static struct sigaction below_last;

static void last(int signal_number, siginfo_t *info, void *context)
{
    trace_add('z');
    below_last.sa_sigaction(signal_number, info, context);
}

static void check_trace(const char *expected)
{
    foreign = faulty_page();
    memset(trace, 0, sizeof trace);
    CHECK_INT(faulty_touch(foreign), 0);
    CHECK_TEXT(trace, expected);
}

static const char *chain_in_turn(void)
{
    faulty_handle(earlier, 0, NULL);
    ours = faulty_region(8);
    check_trace("e");
    faulty_handle(later, SA_ONSTACK, &below_later);
    check_trace("le");
    faulty_served(ours, 0);
    mapped_region *more = faulty_region(1);
    check_trace("le");
    memset(trace, 0, sizeof trace);
    faulty_served(ours, 1);
    faulty_served(more, 0);
    CHECK_TEXT(trace, "");
    faulty_handle(last, 0, &below_last);
    mapped_region_release(faulty_region(1));
    check_trace("zle");
    sigaction(SIGBUS, &below_last, NULL);
    check_trace("le");
    sigaction(SIGBUS, &below_later, NULL);
    check_trace("e");
    faulty_served(ours, 2);
    mapped_region_release(faulty_region(1));
    check_trace("e");
    return NULL;
}

static void test_guard_later_handlers_are_chained(void)
{
    CHECK_INT(scratch_child(chain_in_turn), 0);
}

static int later_flags;

/* Is called by `later`, and runs with the signal mask of `later`. The fault
 * that it causes goes to `later` first. */
static void look_at_mask(int signal_number, siginfo_t *info, void *context)
{
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    CHECK_INT(sigismember(&now, SIGUSR1), 1);
    CHECK_INT(sigismember(&now, SIGUSR2), 0);
    faulty_served(ours, 0);
    earlier(signal_number, info, context);
}

static const char *chain_with_mask(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = look_at_mask;
    action.sa_flags = SA_SIGINFO;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGBUS, &action, NULL);
    ours = faulty_region(1);
    action.sa_sigaction = later;
    action.sa_flags = SA_SIGINFO | later_flags;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGBUS, &action, &below_later);
    check_trace("lle");
    CHECK_UINT(mapped_region_fault_count(ours), 1);
    return NULL;
}

static void test_guard_chained_handlers_keep_the_mask(void)
{
#ifdef MAPPED__THREAD_SANITIZER
    check_skip("ThreadSanitizer calls handlers with a mask of its own");
    return;
#endif
    later_flags = 0;
    CHECK_INT(scratch_child(chain_with_mask), 0);
    later_flags = SA_NODEFER;
    CHECK_INT(scratch_child(chain_with_mask), 0);
}

static const char *install_over_the_same(void)
{
    struct sigaction now;
    ours = faulty_region(50);
    for (size_t i = 0; i < 50; i++) {
        faulty_handle(later, 0, &below_later);
        mapped_region_release(faulty_region(1));
        sigaction(SIGBUS, NULL, &now);
        CHECK(now.sa_sigaction != later);
        memset(trace, 0, sizeof trace);
        faulty_served(ours, i);
        CHECK_TEXT(trace, "");
    }
    return NULL;
}

/* The program installs the same handler again and again. */
static void test_guard_installs_over_the_same_handler_for_ever(void)
{
    CHECK_INT(scratch_child(install_over_the_same), 0);
}

static const char *shoot_once_twice(void)
{
    struct sigaction ours_below;
    mapped_region_release(faulty_region(1));
    for (int i = 0; i < 2; i++) {
        faulty_handle(earlier, (int)SA_RESETHAND, &ours_below);
        mapped_region_release(faulty_region(1));
        check_trace("e");
        sigaction(SIGBUS, &ours_below, NULL);
        mapped_region_release(faulty_region(1));
    }
    return NULL;
}

static void test_guard_one_shot_handler_may_come_back(void)
{
    CHECK_INT(scratch_child(shoot_once_twice), 0);
}

static const char *install_for_ever(void)
{
    faulty_handle(earlier, 0, NULL);
    ours = faulty_region(200);
    for (size_t i = 0; i < 100; i++) {
        faulty_handle(i % 2 ? later : last, 0,
                      i % 2 ? &below_later : &below_last);
        mapped_region_release(faulty_region(1));
        memset(trace, 0, sizeof trace);
        faulty_served(ours, i);
        struct sigaction now;
        sigaction(SIGBUS, NULL, &now);
        if (now.sa_sigaction == later || now.sa_sigaction == last)
            sigaction(SIGBUS, i % 2 ? &below_later : &below_last, NULL);
    }
    CHECK(!check_test_failed);
    return NULL;
}

static void test_guard_never_runs_out_of_places(void)
{
    CHECK_INT(scratch_child(install_for_ever), 0);
}

static const char *enable_again(void)
{
    ours = faulty_region(4);
    faulty_handle(jump, 0, NULL);
    mapped_guard_enable(true);
    faulty_served(ours, 0);
    CHECK_INT(calls, 0);
    return NULL;
}

static void test_guard_enabling_puts_it_on_top(void)
{
    CHECK_INT(scratch_child(enable_again), 0);
}

static struct sigaction below_reporter;

static void report_and_raise(int signal_number, siginfo_t *info, void *context)
{
    (void)info;
    (void)context;
    calls++;
    sigaction(signal_number, &below_reporter, NULL);
    raise(signal_number);
}

static void *touch_ours(void *number)
{
    faulty_served(ours, (size_t)(intptr_t)number);
    return NULL;
}

static void install_reporter(void)
{
    faulty_handle(report_and_raise, SA_NODEFER | SA_ONSTACK, &below_reporter);
}

static const char *raise_again(void)
{
    static char stack[1 << 18];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    pthread_t thread;
    ours = faulty_region(8);
    install_reporter();
    faulty_served(ours, 0);
    install_reporter();
    pthread_create(&thread, NULL, touch_ours, (void *)1);
    pthread_join(thread, NULL);
    sigaltstack(&alternate, NULL);
    install_reporter();
    faulty_served(ours, 2);
    faulty_handle(report_and_raise, SA_NODEFER, &below_reporter);
    faulty_served(ours, 3);
    CHECK_INT(calls, 4);
    return NULL;
}

static void test_guard_raised_again_is_recognised(void)
{
#ifdef MAPPED__THREAD_SANITIZER
    check_skip("ThreadSanitizer holds signals back while a handler runs");
    return;
#endif
    CHECK_INT(scratch_child(raise_again), 0);
}

static const char *raise_foreign_again(void)
{
    ours = faulty_region(8);
    faulty_served(ours, 0);
    foreign = faulty_page();
    install_reporter();
    faulty_touch(foreign);
    return NULL;
}

static void test_guard_foreign_raised_again_kills(void)
{
    CHECK_INT(scratch_child(raise_foreign_again), SIGBUS);
}

/* Each test runs in a child of this process, which has installed no handler
 * yet. */
int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    faulty_standard(SIG_DFL);
    RUN(test_guard_later_handlers_are_chained);
    RUN(test_guard_never_runs_out_of_places);
    RUN(test_guard_chained_handlers_keep_the_mask);
    RUN(test_guard_installs_over_the_same_handler_for_ever);
    RUN(test_guard_one_shot_handler_may_come_back);
    RUN(test_guard_enabling_puts_it_on_top);
    RUN(test_guard_raised_again_is_recognised);
    RUN(test_guard_foreign_raised_again_kills);
    return check_finish();
}
