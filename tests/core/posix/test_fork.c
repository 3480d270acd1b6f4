/* Guards against a fork while other threads use the library. The child inherits
 * locks whose holders it doesn't have, regions that are being opened or
 * resized, what threads read files ahead with, and a fault handler, which must
 * work there too. */
#include "faulty.h"
#include "region_internal.h"

#include <mapped/paging.h>

#define PAGES 64
#define FORKS 100

static unsigned stop;
static mapped_region *busy; /* the other thread uses it */
static mapped_region *idle;

static void check_child_served(void)
{
    for (size_t i = 0; i < 4; i++)
        faulty_served(idle, i);
    mapped_region *own = faulty_region(2);
    faulty_served(own, 1);
    CHECK_STATUS(mapped_region_close(own, NULL), MAPPED_OK);
    mapped_region_release(own);
}

/* The other thread may have left the region in any state, but every call on it
 * must return. */
static void check_busy_answers(void)
{
    uint8_t byte;
    mapped_slice all = mapped_region_slice(busy);
    mapped_status status =
        all.length > 0 ? mapped_get_u8(all, 0, &byte, NULL) : MAPPED_OK;
    CHECK(status == MAPPED_OK || status == MAPPED_FAULT ||
          status == MAPPED_CLOSED);
    status = mapped_region_check(busy, NULL);
    CHECK(status == MAPPED_OK || status == MAPPED_FAULT ||
          status == MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_close(busy, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_check(busy, NULL), MAPPED_CLOSED);
    mapped_region_release(busy);
}

static const char *live_on(void)
{
    alarm(20);
    check_child_served();
    check_busy_answers();
    return NULL;
}

static void fork_beside(void *(*work)(void *))
{
    pthread_t thread;
    idle = faulty_region(4);
    MAPPED__STORE(&stop, 0);
    mapped_region_acquire(busy);
    pthread_create(&thread, NULL, work, NULL);
    for (int i = 0; i < FORKS; i++)
        if (!CHECK_INT(scratch_child(live_on), 0))
            break;
    MAPPED__STORE(&stop, 1);
    pthread_join(thread, NULL);
    mapped_region_release(busy);
    mapped_region_release(idle);
}

static void *lose_and_recover(void *unused)
{
    (void)unused;
    while (!MAPPED__LOAD(&stop)) {
        uint8_t byte;
        mapped_slice all = mapped_region_slice(busy);
        for (size_t i = 0; i < PAGES; i++)
            check_nothing(mapped_get_u8(all, i * scratch_page(), &byte, NULL));
        check_nothing(mapped_region_recover(busy, NULL));
    }
    mapped_region_release(busy);
    return NULL;
}

static void test_fork_beside_a_thread_that_faults(void)
{
    busy = faulty_region(PAGES);
    fork_beside(lose_and_recover);
}

static void *resize(void *unused)
{
    (void)unused;
    for (size_t i = 0; !MAPPED__LOAD(&stop); i++)
        check_nothing(mapped_region_resize(
            busy, (1 + i * 7 % PAGES) * scratch_page(), NULL));
    mapped_region_release(busy);
    return NULL;
}

static void test_fork_beside_a_thread_that_resizes(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.reserve = PAGES * scratch_page();
    options.flags = MAPPED_OPEN_SPARSE;
    const char *path = scratch_file("resized", scratch_page());
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options, &busy,
                           NULL) != MAPPED_OK)
        exit(1);
    fork_beside(resize);
}

static void *open_and_close(void *unused)
{
    const char *path = scratch_file("opened", scratch_page());
    (void)unused;
    while (!MAPPED__LOAD(&stop)) {
        mapped_region *region;
        if (mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL) ==
            MAPPED_OK)
            mapped_region_release(region);
    }
    mapped_region_release(busy);
    return NULL;
}

static void test_fork_beside_a_thread_that_opens_and_closes(void)
{
    busy = faulty_region(PAGES);
    fork_beside(open_and_close);
}

static const char *close_busy(void)
{
    alarm(20);
    CHECK_STATUS(mapped_region_close(busy, NULL), MAPPED_OK);
    CHECK(mapped_region_closed(busy));
    return NULL;
}

/* The lock is held as by a thread that gives an empty region its first bytes.
 */
static void test_fork_while_a_region_without_memory_is_locked(void)
{
    CHECK_STATUS(mapped_region_anonymous(0, NULL, &busy, NULL), MAPPED_OK);
    mapped__region *full = mapped__region_of(busy);
    CHECK_STATUS(mapped__region_lock(full, "resize", NULL), MAPPED_OK);
    CHECK_INT(scratch_child(close_busy), 0);
    mapped__region_unlock(full);
    mapped_region_release(busy);
}

static void test_fork_keeps_what_was_lost(void)
{
    idle = faulty_region(8);
    busy = faulty_region(1);
    faulty_served(idle, 7);
    CHECK_INT(scratch_child(live_on), 0);
    CHECK_UINT(mapped_region_fault_count(idle), 1);
    mapped_region_release(idle);
    mapped_region_release(busy);
}

#define AHEAD "read ahead"

static int descriptors; /* before there were threads that read ahead */

static const char *count_descriptors(void)
{
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(scratch_mappings_of("/" AHEAD), 1);
#ifndef MAPPED__THREAD_SANITIZER /* which has no threads after such a fork */
    CHECK_STATUS(
        mapped_prefetch(mapped_region_slice(busy), MAPPED_PREFETCH_START, NULL),
        MAPPED_OK);
#endif
    CHECK_STATUS(mapped_region_close(busy, NULL), MAPPED_OK);
    return NULL;
}

/* The threads still read, most probably: for a hole of the file they make as
 * many pages as it has. */
static void test_fork_leaves_what_threads_read_ahead_with(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.length = (uint64_t)128 << 20;
    options.flags = MAPPED_OPEN_SPARSE;
    busy = scratch_open(scratch_path(AHEAD), MAPPED_MODE_CREATE, &options);
    descriptors = scratch_descriptors() + 2; /* the pipe to the child */
    for (int i = 0; i < 8; i++)
        CHECK_STATUS(mapped_prefetch(mapped_region_slice(busy),
                                     MAPPED_PREFETCH_START, NULL),
                     MAPPED_OK);
    CHECK_INT(scratch_child(count_descriptors), 0);
    mapped_region_release(busy);
}

int main(void)
{
    if (scratch_valgrind()) {
        RUN(test_signals_need_the_kernel);
        return check_finish();
    }
    RUN(test_fork_beside_a_thread_that_faults);
    RUN(test_fork_beside_a_thread_that_resizes);
    RUN(test_fork_beside_a_thread_that_opens_and_closes);
    RUN(test_fork_while_a_region_without_memory_is_locked);
    RUN(test_fork_keeps_what_was_lost);
    RUN(test_fork_leaves_what_threads_read_ahead_with);
    return check_finish();
}
