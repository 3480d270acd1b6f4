/* Guards against stores to addresses that are gone, where the handler of a
 * fault that an append meets closes, cuts, protects or replaces the region, or
 * forks.
 */
#include "appended.h"

#include <mapped/paging.h>

#include <pthread.h>
#include <setjmp.h>
#include <sys/resource.h>

/* What a fault handler does in the middle of an append. */
static mapped_status (*meddle)(void);
static mapped_status meddled;

/* A second fault is the append's store to addresses that are gone: that kills
 * the process. */
static void meddle_in_between(int number)
{
    signal(number, SIG_DFL);
    meddled = meddle();
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
}

static mapped_status meddle_by_growth(void)
{
    static const char bytes[100000];
    void *taken = scratch_block_growth(appended);
    mapped_status status =
        mapped_region_append(appended, bytes, sizeof bytes, NULL);
    if (taken)
        munmap(taken, scratch_page());
    return status;
}

static mapped_status meddle_by_shrinking(void)
{
    return mapped_region_resize(appended, 10, NULL);
}

static mapped_status meddle_by_close(void)
{
    return mapped_region_close(appended, NULL);
}

static mapped_status meddle_by_retire(void)
{
    return mapped_region_retire(appended) == 0 ? MAPPED_OK : MAPPED_BUSY;
}

static mapped_status meddle_by_protection(void)
{
    return mapped_protect(mapped_region_slice(appended), MAPPED_MODE_READ,
                          NULL);
}

static mapped_status meddle_by_cut(void)
{
    mapped_change change;
    CHECK_INT(truncate(path(), 10), 0);
    return mapped_region_refresh(appended, &change, NULL);
}

static mapped_status meddle_by_rotation(void)
{
    mapped_change change;
    CHECK_INT(rename(scratch_file("other", 10), path()), 0);
    return mapped_region_refresh(appended, &change, NULL);
}

static const struct {
    mapped_status (*meddle)(void);
    mapped_status meddled;
    mapped_status appended;
} meddlings[] = {{meddle_by_growth, MAPPED_BUSY, MAPPED_OK},
                 {meddle_by_close, MAPPED_OK, MAPPED_CLOSED},
                 {meddle_by_retire, MAPPED_OK, MAPPED_CLOSED},
                 {meddle_by_protection, MAPPED_OK, MAPPED_OK},
                 {meddle_by_cut, MAPPED_OK, MAPPED_RANGE},
                 {meddle_by_rotation, MAPPED_BUSY, MAPPED_OK}};
static size_t meddling;

static const char *append_and_meddle(void)
{
    meddle = meddlings[meddling].meddle;
    open_slowly(meddle_in_between, NULL);
    mapped_region_release(appended);
    CHECK_INT(truncate(path(), RECORD), 0);
    appended = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 meddlings[meddling].appended);
    CHECK_STATUS(meddled, meddlings[meddling].meddled);
    mapped_region_release(appended);
    CHECK_INT(scratch_mappings_of("/" NAME), 0);
    return NULL;
}

/* An append stores to addresses, so those stay. */
static void test_append_keeps_its_addresses_whatever_a_handler_does(void)
{
    if (skip_handlers())
        return;
    for (meddling = 0; meddling < sizeof meddlings / sizeof meddlings[0];
         meddling++)
        CHECK_INT(scratch_child(append_and_meddle), 0);
}

static sigjmp_buf out_of_the_append;

static void jump_out(int number)
{
    (void)number;
    siglongjmp(out_of_the_append, 1);
}

static void append_and_jump(void)
{
    if (sigsetjmp(out_of_the_append, 1) == 0)
        (void)!mapped_region_append(appended, slow_source, LONG, NULL);
}

/* Nobody ends that append, but the region can be released. */
static void test_append_that_is_left_by_a_jump_leaks_nothing(void)
{
    if (skip_handlers())
        return;
    struct sigaction before;
    int descriptors = scratch_descriptors();
    open_slowly(jump_out, &before);
    append_and_jump();
    sigaction(SIGSEGV, &before, NULL);
    CHECK_UINT(mapped_region_length(appended), RECORD);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
    CHECK_INT(scratch_mappings_of("/" NAME), 0);
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(file_size(), RECORD);
}

static pid_t forked = -1;
static int appended_in_parent[2]; /* a pipe: closed when it has ended there */

/* What the child does in the handler, and how that and its append must end. */
static const struct {
    mapped_status (*meddle)(void);
    mapped_status meddled;
    mapped_status appended;
    bool limited; /* the child's pages can't be made private */
} child_meddlings[] = {{meddle_by_growth, MAPPED_BUSY, MAPPED_RANGE, false},
                       {meddle_by_shrinking, MAPPED_BUSY, MAPPED_RANGE, false},
                       {meddle_by_close, MAPPED_OK, MAPPED_CLOSED, false},
                       {meddle_by_retire, MAPPED_OK, MAPPED_CLOSED, false},
                       {meddle_by_protection, MAPPED_OK, MAPPED_RANGE, false},
                       {meddle_by_close, MAPPED_OK, MAPPED_CLOSED, true}};

/* Where the region's bytes can be read without it; -1: nowhere. */
static int watched;

static int watch(void)
{
    intptr_t descriptor;
    return mapped_region_descriptor(appended, &descriptor, NULL) == MAPPED_OK
               ? dup((int)descriptor)
               : -1;
}

static void fill_source(int byte)
{
    CHECK_INT(mprotect(slow_source, scratch_page(), PROT_READ | PROT_WRITE), 0);
    memset(slow_source, byte, LONG);
}

static pid_t fork_limited(bool limited)
{
    struct rlimit limit;
    getrlimit(RLIMIT_DATA, &limit);
    const struct rlimit within = {limited ? scratch_page() : limit.rlim_cur,
                                  limit.rlim_max};
    setrlimit(RLIMIT_DATA, &within);
    pid_t pid = fork();
    setrlimit(RLIMIT_DATA, &limit);
    return pid;
}

/* The child goes on, and stores its bytes, after the append of the parent has
 * ended. */
static mapped_status meddle_by_fork(void)
{
    char nothing;
    CHECK_INT(pipe(appended_in_parent), 0);
    forked = fork_limited(child_meddlings[meddling].limited);
    fill_source(forked == 0 ? 'c' : 'p');
    if (forked != 0)
        return MAPPED_OK;
    check_test_failed = false;
    mapped_status status = child_meddlings[meddling].meddle();
    close(appended_in_parent[1]);
    CHECK_INT(read(appended_in_parent[0], &nothing, 1), 0);
    return status;
}

static int watched_byte(off_t at)
{
    unsigned char byte;
    return pread(watched, &byte, 1, at) == 1 ? byte : -1;
}

/* The append in the child has stored nothing to the parent's file, and the
 * child's region shows that file. */
static void check_file_in_child(bool writes)
{
    if (watched == -1)
        return;
    CHECK_INT(watched_byte(RECORD), 'p');
    CHECK_INT(watched_byte(RECORD + LONG - 1), 'p');
    if (!writes)
        return;
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(appended), 5, 'w', NULL),
                 MAPPED_OK);
    CHECK_INT(watched_byte(5), 'w');
}

/* The parent's file is not the child's to append to. */
static void end_in_child(mapped_status status)
{
    CHECK_STATUS(meddled, child_meddlings[meddling].meddled);
    CHECK_STATUS(status, child_meddlings[meddling].appended);
    bool writes = status == MAPPED_RANGE && !mapped_region_readonly(appended);
    check_file_in_child(writes);
    if (writes) {
        CHECK_UINT(mapped_region_length(appended), RECORD);
        CHECK_STATUS(mapped_region_resize(appended, STEP, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_resize(appended, 10, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_append(appended, "abc", 3, NULL), MAPPED_OK);
    }
    fflush(stdout);
    _exit(check_test_failed);
}

static void append_and_fork(void)
{
    int how = -1;
    watched = watch();
    mapped_status status =
        mapped_region_append(appended, slow_source, LONG, NULL);
    if (forked == 0)
        end_in_child(status);
    CHECK_STATUS(status, MAPPED_OK);
    CHECK_UINT(mapped_region_length(appended), RECORD + LONG);
    close(appended_in_parent[1]);
    waitpid(forked, &how, 0);
    CHECK_INT(how, 0);
    close(appended_in_parent[0]);
    close(watched);
    mapped_region_release(appended);
    munmap(slow_source, scratch_page());
}

static void test_append_that_forks_ends_in_both_processes(void)
{
    struct sigaction before;
    if (skip_handlers())
        return;
    fflush(stdout);
    meddle = meddle_by_fork;
    for (int memory = 0; memory < 3; memory++)
        for (meddling = 0;
             meddling < sizeof child_meddlings / sizeof child_meddlings[0];
             meddling++) {
            open_slowly(meddle_in_between, &before);
            if (memory > 0) {
                const mapped_anonymous_options options = {.shared = memory > 1};
                mapped_region_release(appended);
                CHECK_STATUS(
                    mapped_region_anonymous(RECORD, &options, &appended, NULL),
                    MAPPED_OK);
            }
            append_and_fork();
            sigaction(SIGSEGV, &before, NULL);
        }
}

static pthread_t forking_thread;
static mapped_region *others;
static unsigned char *other_source;
static unsigned is_appending, may_end;

/* Keeps the append of the other thread from its end, and forks in that of this
 * one. */
static void fork_beside_an_append(int number)
{
    (void)number;
    if (pthread_equal(pthread_self(), forking_thread)) {
        forked = fork();
        fill_source('f');
        return;
    }
    MAPPED__STORE(&is_appending, 1);
    while (!MAPPED__LOAD(&may_end))
        scratch_pause();
    CHECK_INT(mprotect(other_source, scratch_page(), PROT_READ), 0);
}

static void *append_to_others(void *unused)
{
    CHECK_STATUS(mapped_region_append(others, other_source, LONG, NULL),
                 MAPPED_OK);
    return unused;
}

static void append_in_both(void)
{
    CHECK_STATUS(mapped_region_append(appended, slow_source, LONG, NULL),
                 forked == 0 ? MAPPED_RANGE : MAPPED_OK);
    if (forked == 0)
        CHECK_STATUS(append_record(others, 1), MAPPED_OK);
}

/* The child has no other thread that could end its append. */
static void test_append_of_another_thread_ends_with_a_fork(void)
{
    struct sigaction before;
    pthread_t thread;
    if (skip_handlers())
        return;
    forking_thread = pthread_self();
    open_slowly(fork_beside_an_append, &before);
    other_source = mmap(NULL, scratch_page(), PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    others = scratch_open(scratch_file("others", RECORD),
                          MAPPED_MODE_READ_WRITE, NULL);
    fflush(stdout);
    pthread_create(&thread, NULL, append_to_others, NULL);
    while (!MAPPED__LOAD(&is_appending))
        scratch_pause();
    append_in_both();
    if (forked == 0) {
        fflush(stdout);
        _exit(check_test_failed);
    }
    MAPPED__STORE(&may_end, 1);
    pthread_join(thread, NULL);
    int how = -1;
    waitpid(forked, &how, 0);
    CHECK_INT(how, 0);
    sigaction(SIGSEGV, &before, NULL);
    munmap(slow_source, scratch_page());
    munmap(other_source, scratch_page());
    mapped_region_release(others);
    mapped_region_release(appended);
}

int main(void)
{
    RUN(test_append_keeps_its_addresses_whatever_a_handler_does);
    RUN(test_append_that_is_left_by_a_jump_leaks_nothing);
    RUN(test_append_that_forks_ends_in_both_processes);
    RUN(test_append_of_another_thread_ends_with_a_fork);
    return check_finish();
}
