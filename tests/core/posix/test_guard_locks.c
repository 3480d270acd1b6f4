/* Guards against waiting for ever for a lock: in a signal handler, for one that
 * the interrupted code holds; in the child of a fork, for one that a thread of
 * the parent held. Guards also against two threads that both make what a
 * process needs once. The linker redirects some of the core's calls to this
 * file (--wrap), so that each race happens in its worst order every time. */
#include "faulty.h"

#include <sys/resource.h>
#include <time.h>

#include "lost.h"

#define PATIENCE_MS 100

static int entered; /* a thread is inside be_slow() */
static int left;

static void be_slow(void)
{
    __atomic_store_n(&entered, 1, __ATOMIC_SEQ_CST);
    for (int i = 0; i < PATIENCE_MS; i++)
        scratch_pause();
    __atomic_store_n(&left, 1, __ATOMIC_SEQ_CST);
}

static void start(pthread_t *thread, void *(*body)(void *))
{
    entered = left = 0;
    if (pthread_create(thread, NULL, body, NULL) != 0)
        exit(1);
    while (!__atomic_load_n(&entered, __ATOMIC_SEQ_CST))
        scratch_pause();
}

/* Ends the process when it waits for ever. An alarm would not do, because
 * signals are blocked inside a handler. */
static void limit_patience(void)
{
    const struct rlimit seconds = {10, 10};
    if (setrlimit(RLIMIT_CPU, &seconds) != 0)
        exit(1);
}

static mapped_region *ours;
static const volatile unsigned char *slow_page; /* replacing it takes long */

static bool interrupt_copy;

size_t __real_mapped__lost_copy(const mapped__lost_list *lost_list,
                                mapped__lost *list, size_t capacity);
size_t __wrap_mapped__lost_copy(const mapped__lost_list *lost_list,
                                mapped__lost *list, size_t capacity);
size_t __wrap_mapped__lost_copy(const mapped__lost_list *lost_list,
                                mapped__lost *list, size_t capacity)
{
    if (interrupt_copy)
        raise(SIGUSR1);
    interrupt_copy = false;
    return __real_mapped__lost_copy(lost_list, list, capacity);
}

static volatile sig_atomic_t handled;

static void lose_a_page(int signal_number)
{
    (void)signal_number;
    handled = 1 + faulty_touch(ours->base_ + scratch_page());
}

static const char *interrupt_listing(void)
{
    mapped_lost_range ranges[4];
    size_t count = 0;
    ours = faulty_region(4);
    faulty_served(ours, 3);
    signal(SIGUSR1, lose_a_page);
    interrupt_copy = true;
    limit_patience();
    CHECK_STATUS(mapped_region_faults(ours, ranges, 4, &count, NULL),
                 MAPPED_OK);
    CHECK_INT(handled, 1);
    CHECK_UINT(count, 1);
    CHECK_UINT(mapped_region_fault_count(ours), 2);
    return NULL;
}

/* The program's own signal handler meets a lost page of the region that the
 * interrupted code has locked. */
static void test_guard_locks_keep_signal_handlers_out(void)
{
#ifdef MAPPED__THREAD_SANITIZER
    check_skip("ThreadSanitizer calls handlers when it sees fit");
    return;
#endif
    CHECK_INT(scratch_child(interrupt_listing), 0);
}

/* The table grows by more than that. */
#define CHUNK_BYTES (1024 * sizeof(void *))

static bool slow_table;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    if (slow_table && count * size > CHUNK_BYTES)
        be_slow();
    return __real_calloc(count, size);
}

static int may_end;

static void *open_one(void *unused)
{
    mapped_region_release(faulty_region(1));
    while (!__atomic_load_n(&may_end, __ATOMIC_SEQ_CST))
        scratch_pause();
    return unused;
}

static const char *see_whole_table(void)
{
    limit_patience();
    CHECK_INT(left, 1);
    slow_table = false;
    ours = faulty_region(1);
    faulty_served(ours, 0);
    return NULL;
}

static const char *fork_beside_a_growing_table(void)
{
    pthread_t thread;
    slow_table = true;
    start(&thread, open_one);
    CHECK_INT(scratch_child(see_whole_table), 0);
    __atomic_store_n(&may_end, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    return NULL;
}

static void test_guard_locks_fork_finds_the_table_whole(void)
{
    scratch_root();
    CHECK_INT(scratch_child(fork_beside_a_growing_table), 0);
}

static void *read_slow_page(void *unused)
{
    faulty_touch(slow_page);
    return unused;
}

static const char *use_and_release(void)
{
    limit_patience();
    faulty_served(ours, 0);
    mapped_region_release(ours);
    return NULL;
}

static const char *fork_beside_a_handler(void)
{
    pthread_t thread;
    ours = faulty_region(2);
    slow_page = ours->base_ + scratch_page();
    start(&thread, read_slow_page);
    CHECK_INT(left, 0);
    CHECK_INT(scratch_child(use_and_release), 0);
    pthread_join(thread, NULL);
    mapped_region_release(ours);
    return NULL;
}

static void test_guard_locks_fork_leaves_handlers_behind(void)
{
    CHECK_INT(scratch_child(fork_beside_a_handler), 0);
}

/* The first mapping of a process reserves what is needed at a limit. Another
 * thread may do that at the same time; here the same thread does, in the middle
 * of the first call. */
static bool overtake_mmap;
static bool overtake_mprotect;

static void overtake(bool *armed)
{
    if (!*armed)
        return;
    *armed = false;
    mapped_region_release(memory_region(1));
}

#define WRAP_MMAP(name)                                                        \
    void *__real_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from);                                           \
    void *__wrap_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from);                                           \
    void *__wrap_##name(void *at, size_t n, int protection, int flags, int fd, \
                        off_t from)                                            \
    {                                                                          \
        if (at != NULL && at == (const void *)slow_page)                       \
            be_slow();                                                         \
        if (flags & MAP_SHARED && flags & MAP_ANONYMOUS && at == NULL)         \
            overtake(&overtake_mmap);                                          \
        return __real_##name(at, n, protection, flags, fd, from);              \
    }
WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

int __real_mprotect(void *at, size_t n, int protection);
int __wrap_mprotect(void *at, size_t n, int protection);
int __wrap_mprotect(void *at, size_t n, int protection)
{
    overtake(&overtake_mprotect);
    return __real_mprotect(at, n, protection);
}

static long pages_for_first_mapping(void)
{
    long before = scratch_address_pages();
    mapped_region_release(memory_region(1));
    CHECK(!overtake_mmap && !overtake_mprotect);
    return scratch_address_pages() - before;
}

static int expected_pages[2];

static const char *tell_pages(void)
{
    long pages = pages_for_first_mapping();
    CHECK_INT(write(expected_pages[1], &pages, sizeof pages), sizeof pages);
    return NULL;
}

static const char *compare_pages(void)
{
    long expected = 0;
    overtake_mmap = overtake_mprotect = true;
    CHECK_INT(read(expected_pages[0], &expected, sizeof expected),
              sizeof expected);
    CHECK_INT(pages_for_first_mapping(), expected);
    CHECK(expected > 0);
    return NULL;
}

static void test_guard_locks_two_first_mappings_leave_one_reserve(void)
{
    if (scratch_instrumented()) {
        check_skip("sanitizers take address space of their own");
        return;
    }
    if (pipe(expected_pages) != 0)
        exit(1);
    CHECK_INT(scratch_child(tell_pages), 0);
    CHECK_INT(scratch_child(compare_pages), 0);
}

/* Each test runs in a child of this process, which has opened no region yet. */
int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    RUN(test_guard_locks_keep_signal_handlers_out);
    RUN(test_guard_locks_fork_finds_the_table_whole);
    RUN(test_guard_locks_fork_leaves_handlers_behind);
    RUN(test_guard_locks_two_first_mappings_leave_one_reserve);
    return check_finish();
}
