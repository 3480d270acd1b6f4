/* Guards against stores to addresses that are gone, where the handler of a
 * fault that an append meets closes, cuts, protects or replaces the region, or
 * forks.
 */
#include "appended.h"

#include <mapped/paging.h>

#include <setjmp.h>

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
} child_meddlings[] = {{meddle_by_growth, MAPPED_BUSY, MAPPED_RANGE},
                       {meddle_by_shrinking, MAPPED_BUSY, MAPPED_RANGE},
                       {meddle_by_close, MAPPED_OK, MAPPED_CLOSED},
                       {meddle_by_retire, MAPPED_OK, MAPPED_CLOSED},
                       {meddle_by_protection, MAPPED_OK, MAPPED_RANGE}};

static mapped_status meddle_by_fork(void)
{
    CHECK_INT(pipe(appended_in_parent), 0);
    forked = fork();
    return forked == 0 ? child_meddlings[meddling].meddle() : MAPPED_OK;
}

/* The parent's file is not the child's to append to. */
static void end_in_child(mapped_status status)
{
    char nothing;
    check_test_failed = false;
    CHECK_STATUS(meddled, child_meddlings[meddling].meddled);
    CHECK_STATUS(status, child_meddlings[meddling].appended);
    close(appended_in_parent[1]);
    CHECK_INT(read(appended_in_parent[0], &nothing, 1), 0);
    if (status == MAPPED_RANGE && !mapped_region_readonly(appended)) {
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
    for (int anonymous = 0; anonymous < 2; anonymous++)
        for (meddling = 0;
             meddling < sizeof child_meddlings / sizeof child_meddlings[0];
             meddling++) {
            open_slowly(meddle_in_between, &before);
            if (anonymous) {
                mapped_region_release(appended);
                CHECK_STATUS(
                    mapped_region_anonymous(RECORD, NULL, &appended, NULL),
                    MAPPED_OK);
            }
            append_and_fork();
            sigaction(SIGSEGV, &before, NULL);
        }
}

int main(void)
{
    RUN(test_append_keeps_its_addresses_whatever_a_handler_does);
    RUN(test_append_that_is_left_by_a_jump_leaks_nothing);
    RUN(test_append_that_forks_ends_in_both_processes);
    return check_finish();
}
