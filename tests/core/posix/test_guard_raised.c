/* Guards against mistaking one signal for another: a signal that a program
 * raises, or that another process sends, for an earlier fault; and the signal
 * that reports broken memory for the fault of a truncated file. The handler
 * looks for a fault's record further up on the stack, so these tests put
 * records there.
 *
 * Memory is not really broken here: that would need privileges and a special
 * kernel. The tests queue the kernel's signal to their own thread. */
#include "faulty.h"

#include <sys/syscall.h>
#include <ucontext.h>

static mapped_region *ours;
static siginfo_t record;
static void (*send)(void);

static void raise_it(void)
{
    raise(SIGBUS);
}

/* Storing the record's address here forces the compiler to keep the record in
 * memory. */
static const void *volatile stack_address;

static siginfo_t record_of(int code, const volatile void *address)
{
    siginfo_t made;
    memset(&made, 0, sizeof made);
    made.si_signo = SIGBUS;
    made.si_code = code;
    made.si_addr = (void *)(uintptr_t)address;
    return made;
}

/* The record lies on the stack as in a handler that raises its signal again. */
static void send_below_a_record(void)
{
    siginfo_t on_stack = record;
    stack_address = &on_stack;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    send();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static const char *send_below_a_fresh_record(void)
{
    ours = faulty_region(2);
    record = record_of(BUS_ADRERR, ours->base_ + scratch_page());
    send_below_a_record();
    CHECK_UINT(mapped_region_fault_count(ours), 1);
    return NULL;
}

static void test_guard_raised_below_a_record_is_the_same_fault(void)
{
    send = raise_it;
    CHECK_INT(scratch_child(send_below_a_fresh_record), 0);
}

static const char *raise_below_a_settled_record(void)
{
    ours = faulty_region(2);
    faulty_served(ours, 1);
    record = record_of(BUS_ADRERR, ours->base_ + scratch_page());
    send_below_a_record();
    return NULL;
}

static const char *raise_below_a_record_of_an_intact_page(void)
{
    const char *path = scratch_file("intact", scratch_page());
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &ours, NULL) !=
        MAPPED_OK)
        exit(1);
    record = record_of(BUS_ADRERR, ours->base_);
    send_below_a_record();
    return NULL;
}

/* The address is reserved for growth. No page of the file is mapped there. */
static const char *raise_below_a_record_of_a_reserve(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.reserve = 8 * scratch_page();
    const char *path = scratch_file("reserve", scratch_page());
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options, &ours,
                           NULL) != MAPPED_OK)
        exit(1);
    record = record_of(BUS_ADRERR, ours->base_ + 5 * scratch_page());
    send_below_a_record();
    return NULL;
}

static void test_guard_raised_below_an_old_record_kills(void)
{
    send = raise_it;
    CHECK_INT(scratch_child(raise_below_a_record_of_a_reserve), SIGBUS);
    CHECK_INT(scratch_child(raise_below_a_settled_record), SIGBUS);
    CHECK_INT(scratch_child(raise_below_a_record_of_an_intact_page), SIGBUS);
}

static void send_to_process(void)
{
    kill(getpid(), SIGBUS);
}

static void send_from_another_process(void)
{
    pid_t process = getpid();
    long thread = syscall(SYS_gettid);
    pid_t sender = fork();
    if (sender == 0) {
        syscall(SYS_tgkill, (long)process, thread, (long)SIGBUS);
        _exit(0);
    }
    waitpid(sender, NULL, 0);
}

static void test_guard_sent_below_a_record_kills(void)
{
    send = send_to_process;
    CHECK_INT(scratch_child(send_below_a_fresh_record), SIGBUS);
    send = send_from_another_process;
    CHECK_INT(scratch_child(send_below_a_fresh_record), SIGBUS);
}

#define STACK 65536
static struct {
    unsigned char stack[STACK];
    siginfo_t behind;
} block __attribute__((aligned(64)));

static void raise_on_signal(int signal_number)
{
    (void)signal_number;
    raise(SIGBUS);
}

static const char *raise_on_a_stack_before_a_record(void)
{
    stack_t alternate = {.ss_sp = block.stack, .ss_size = STACK};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = raise_on_signal;
    action.sa_flags = SA_ONSTACK;
    ours = faulty_region(1);
    block.behind = record_of(BUS_ADRERR, NULL);
    /* No register holds the whole record, or the stack would have it, too. */
    *(void *volatile *)&block.behind.si_addr = ours->base_;
    if (sigaltstack(&alternate, NULL) != 0 ||
        sigaction(SIGUSR1, &action, NULL) != 0)
        exit(1);
    raise(SIGUSR1);
    return NULL;
}

static void test_guard_raised_looks_no_further_than_its_stack(void)
{
#ifdef MAPPED__THREAD_SANITIZER
    check_skip("ThreadSanitizer holds signals back while a handler runs");
    return;
#endif
    CHECK_INT(scratch_child(raise_on_a_stack_before_a_record), SIGBUS);
}

/* The kernel saves these registers for a signal handler. They tell what the
 * access did. */
#if defined(__x86_64__)
typedef struct trap { /* in the order from REG_CSGSFS to REG_CR2 */
    uint64_t segment, access, number, mask, address;
} trap;
#    define SEGMENT 0x33
#else /* in the order from REG_TRAPNO on, with what follows the others */
typedef struct trap {
    uint32_t number, access, ip, segment, flags, sp, ss, fp, mask, address;
} trap;
#    define SEGMENT 0x23
#endif
static trap registers;
static bool served; /* the page is known to be lost */

static const char *raise_below_registers(void)
{
    ours = faulty_region(1);
    if (served)
        faulty_served(ours, 0);
    trap on_stack = registers;
    on_stack.address = (uintptr_t)ours->base_;
    stack_address = &on_stack;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    raise(SIGBUS);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return NULL;
}

static void test_guard_raised_by_a_handler_without_record(void)
{
#if !defined(__x86_64__) && !defined(__i386__)
    check_skip("only x86 leaves the address in the registers");
#else
    static const trap rows[] = {
        {.segment = SEGMENT, .access = 4, .number = 14},
        {.segment = SEGMENT, .access = 6, .number = 14},
        {.segment = SEGMENT ^ 0x10, .access = 4, .number = 14},
        {.segment = SEGMENT, .access = 0, .number = 14},
        {.segment = SEGMENT, .access = 68, .number = 14},
        {.segment = SEGMENT, .access = 4, .number = 13}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        registers = rows[i];
        served = false;
        CHECK_INT(scratch_child(raise_below_registers), i < 2 ? 0 : SIGBUS);
        served = true;
        CHECK_INT(scratch_child(raise_below_registers), SIGBUS);
    }
#endif
}

static void queue(int code, const volatile void *address)
{
    siginfo_t info = record_of(code, address);
    CHECK_INT(syscall(SYS_rt_tgsigqueueinfo, (long)getpid(),
                      syscall(SYS_gettid), (long)SIGBUS, &info),
              0);
}

static int poison_code;

static const char *poison(void)
{
    const char *path = scratch_file("poison", 3 * scratch_page());
    mapped_error error = MAPPED_ERROR_INIT;
    uint8_t byte = 0;
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &ours, NULL) !=
        MAPPED_OK)
        exit(1);
    mapped_slice all = mapped_region_slice(ours);
    queue(poison_code, ours->base_ + scratch_page() + 5);
    CHECK_STATUS(mapped_get_u8(all, scratch_page(), &byte, &error),
                 MAPPED_FAULT);
    CHECK_INT(error.os_error, EIO);
    CHECK_UINT(error.offset, scratch_page());
    CHECK_UINT(error.length, scratch_page());
    CHECK_STATUS(mapped_get_u8(all, 0, &byte, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_recover(ours, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(all, scratch_page(), &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, scratch_byte(scratch_page()));
    return NULL;
}

static void test_guard_poisoned_page_of_a_file_is_lost(void)
{
    poison_code = BUS_MCEERR_AR;
    CHECK_INT(scratch_child(poison), 0);
    poison_code = BUS_MCEERR_AO;
    CHECK_INT(scratch_child(poison), 0);
}

static const char *poison_memory(void)
{
    uint8_t byte = 1;
    mapped_error error = MAPPED_ERROR_INIT;
    ours = memory_region(2 * scratch_page());
    mapped_slice all = mapped_region_slice(ours);
    CHECK_STATUS(mapped_fill(all, 7, NULL), MAPPED_OK);
    queue(BUS_MCEERR_AR, ours->base_);
    CHECK_STATUS(mapped_get_u8(all, 0, &byte, &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, EIO);
    CHECK_STATUS(mapped_region_recover(ours, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(all, 0, &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, 0);
    CHECK_STATUS(mapped_get_u8(all, scratch_page(), &byte, NULL), MAPPED_OK);
    CHECK_UINT(byte, 7);
    return NULL;
}

static void test_guard_poisoned_memory_comes_back_empty(void)
{
    CHECK_INT(scratch_child(poison_memory), 0);
}

static int ignored_code;

static const char *ignore_foreign(void)
{
    static unsigned char foreign;
    faulty_standard(SIG_IGN);
    ours = faulty_region(1);
    queue(ignored_code, &foreign);
    return NULL;
}

/* A program may ignore the report of a broken page that nobody has touched yet.
 * It can't ignore a broken page that it has touched. */
static void test_guard_ignored_foreign_poison(void)
{
    ignored_code = BUS_MCEERR_AO;
    CHECK_INT(scratch_child(ignore_foreign), 0);
    ignored_code = BUS_MCEERR_AR;
    CHECK_INT(scratch_child(ignore_foreign), SIGBUS);
}

static volatile sig_atomic_t calls;

static void count(int signal_number)
{
    (void)signal_number;
    calls++;
}

static const char *misalign(void)
{
    faulty_standard(count);
    ours = faulty_region(1);
    queue(BUS_ADRALN, ours->base_);
    CHECK_INT(calls, 1);
    CHECK_UINT(mapped_region_fault_count(ours), 0);
    return NULL;
}

static void test_guard_misaligned_access_loses_nothing(void)
{
    CHECK_INT(scratch_child(misalign), 0);
}

int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    faulty_standard(SIG_DFL);
    RUN(test_guard_raised_below_a_record_is_the_same_fault);
    RUN(test_guard_raised_below_an_old_record_kills);
    RUN(test_guard_sent_below_a_record_kills);
    RUN(test_guard_raised_looks_no_further_than_its_stack);
    RUN(test_guard_raised_by_a_handler_without_record);
    RUN(test_guard_poisoned_page_of_a_file_is_lost);
    RUN(test_guard_poisoned_memory_comes_back_empty);
    RUN(test_guard_ignored_foreign_poison);
    RUN(test_guard_misaligned_access_loses_nothing);
    return check_finish();
}
