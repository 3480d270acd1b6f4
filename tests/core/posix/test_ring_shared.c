/* Guards against records that are lost, torn or received twice between
 * processes and threads, and against a wait that goes on although its region
 * was closed, its page is lost or a signal came. */
#include "ring_records.h"

#include <mapped/bulk.h>

#include <pthread.h>

#define SENDERS 3
#define RECEIVERS 3
#define EACH 20000u

/* How often each record has come, for all receivers. */
static uint8_t *arrivals;

static void *shared_memory(size_t length)
{
    void *made = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        exit(1);
    return made;
}

static void send_all(uint32_t sender)
{
    for (uint32_t i = 0; i < EACH; i++)
        CHECK_STATUS(send_record(sender, i, mapped_deadline(60 * SECOND)),
                     MAPPED_OK);
}

/* Until a record of sender SENDERS comes. */
static void recv_all(void)
{
    record got;
    size_t n = 0;
    uint32_t next[SENDERS] = {0};
    for (;;) {
        CHECK_STATUS(mapped_ring_recv(&ring, &got, sizeof got, &n,
                                      mapped_deadline(60 * SECOND), NULL),
                     MAPPED_OK);
        CHECK(is_whole(&got, n));
        if (got.sender >= SENDERS)
            return;
        CHECK(got.number >= next[got.sender]);
        next[got.sender] = got.number + 1;
        __atomic_fetch_add(&arrivals[got.sender * EACH + got.number], 1,
                           __ATOMIC_RELAXED);
    }
}

static void send_as_0(void)
{
    send_all(0);
}

static void send_as_1(void)
{
    send_all(1);
}

static void send_as_2(void)
{
    send_all(2);
}

static void check_arrivals(void)
{
    size_t wrong = 0;
    for (size_t i = 0; i < (size_t)SENDERS * EACH; i++)
        wrong += arrivals[i] != 1;
    CHECK_UINT(wrong, 0);
    munmap(arrivals, (size_t)SENDERS * EACH);
}

static void test_ring_between_processes_loses_nothing(void)
{
    pid_t senders[SENDERS], receivers[RECEIVERS];
    make_ring(4096);
    arrivals = shared_memory((size_t)SENDERS * EACH);
    for (int i = 0; i < RECEIVERS; i++)
        receivers[i] = scratch_begin_child(recv_all);
    senders[0] = scratch_begin_child(send_as_0);
    senders[1] = scratch_begin_child(send_as_1);
    senders[2] = scratch_begin_child(send_as_2);
    for (int i = 0; i < SENDERS; i++)
        scratch_end_child(senders[i]);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_STATUS(send_record(SENDERS, 0, MAPPED_NEVER), MAPPED_OK);
    for (int i = 0; i < RECEIVERS; i++)
        scratch_end_child(receivers[i]);
    check_arrivals();
    mapped_region_release(region);
}

static void *send_in_thread(void *context)
{
    send_all((uint32_t)(uintptr_t)context);
    mapped_region_release(region);
    return NULL;
}

static void *recv_in_thread(void *context)
{
    (void)context;
    recv_all();
    mapped_region_release(region);
    return NULL;
}

static void test_ring_between_threads_loses_nothing(void)
{
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    make_ring(2048);
    arrivals = shared_memory((size_t)SENDERS * EACH);
    for (uintptr_t i = 0; i < SENDERS; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&senders[i], NULL, send_in_thread, (void *)i),
                  0);
    }
    for (int i = 0; i < RECEIVERS; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&receivers[i], NULL, recv_in_thread, NULL), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_STATUS(send_record(SENDERS, 0, MAPPED_NEVER), MAPPED_OK);
    for (int i = 0; i < RECEIVERS; i++)
        pthread_join(receivers[i], NULL);
    check_arrivals();
    mapped_region_release(region);
}

/* The ends are held for all records. */
static void send_held(void)
{
    mapped_ring_hold hold;
    CHECK_STATUS(mapped_ring_begin_send(&ring, MAPPED_NEVER, &hold, NULL),
                 MAPPED_OK);
    for (uint32_t i = 0; i < 10 * EACH; i++) {
        mapped_slice record;
        CHECK_STATUS(mapped_ring_reserve(&hold, 4, mapped_deadline(60 * SECOND),
                                         &record, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_write(record, 0, &i, 4, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_OK);
    }
    mapped_ring_end(&hold);
}

static void test_ring_with_both_ends_held_loses_nothing(void)
{
    mapped_ring_hold hold;
    make_ring(1024);
    pid_t child = scratch_begin_child(send_held);
    CHECK_STATUS(mapped_ring_begin_recv(&ring, MAPPED_NEVER, &hold, NULL),
                 MAPPED_OK);
    for (uint32_t i = 0; i < 10 * EACH; i++) {
        mapped_slice record;
        uint32_t number = 0;
        CHECK_STATUS(mapped_ring_peek(&hold, mapped_deadline(60 * SECOND),
                                      &record, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_read(record, 0, &number, 4, NULL), MAPPED_OK);
        CHECK_UINT(number, i);
        CHECK_STATUS(mapped_ring_release(&hold, NULL), MAPPED_OK);
    }
    mapped_ring_end(&hold);
    scratch_end_child(child);
    mapped_region_release(region);
}

static mapped_ring_hold held;

static void use_the_parents_hold(void)
{
    mapped_slice slice;
    CHECK_STATUS(mapped_ring_reserve(&held, 1, 0, &slice, NULL),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_ring_commit(&held, NULL), MAPPED_ARGUMENT);
    mapped_ring_end(&held);
    CHECK_STATUS(mapped_ring_send(&ring, "x", 1, 0, NULL), MAPPED_TIMEOUT);
}

static void test_ring_hold_is_the_parents_after_a_fork(void)
{
    mapped_slice slice;
    make_ring(1024);
    CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_ring_reserve(&held, 1, 0, &slice, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_write(slice, 0, "p", 1, NULL), MAPPED_OK);
    scratch_end_child(scratch_begin_child(use_the_parents_hold));
    CHECK_STATUS(mapped_ring_commit(&held, NULL), MAPPED_OK);
    mapped_ring_end(&held);
    CHECK(is_next("p"));
    mapped_region_release(region);
}

/* How a wait for a record ends when `what` happens. */
static unsigned awake;

static void *wait_for_record(void *context)
{
    char bytes[16];
    size_t n;
    MAPPED__STORE_RELEASE(&awake, 1);
    *(mapped_status *)context = mapped_ring_recv(
        &ring, bytes, sizeof bytes, &n, mapped_deadline(20 * SECOND), NULL);
    return NULL;
}

static mapped_status disturb(void (*what)(pthread_t))
{
    pthread_t thread;
    mapped_status status = MAPPED_OK;
    awake = 0;
    mapped_region_acquire(region);
    CHECK_INT(pthread_create(&thread, NULL, wait_for_record, &status), 0);
    while (!MAPPED__LOAD_ACQUIRE(&awake))
        scratch_pause();
    for (int i = 0; i < 20; i++)
        scratch_pause();
    what(thread);
    pthread_join(thread, NULL);
    mapped_region_release(region);
    mapped_region_release(region);
    return status;
}

static void close_it(pthread_t thread)
{
    (void)thread;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
}

static void do_nothing(int signal)
{
    (void)signal;
}

static void interrupt_it(pthread_t thread)
{
    const struct sigaction action = {.sa_handler = do_nothing};
    struct sigaction before;
    sigaction(SIGUSR1, &action, &before);
    pthread_kill(thread, SIGUSR1);
}

static void test_ring_wait_ends_when_it_is_disturbed(void)
{
    make_ring(1024);
    CHECK_STATUS(disturb(close_it), MAPPED_CLOSED);
    make_ring(1024);
    CHECK_STATUS(disturb(interrupt_it), MAPPED_INTERRUPTED);
}

static void cut_it(pthread_t thread)
{
    (void)thread;
    CHECK_INT(truncate(scratch_path("ring"), 0), 0);
}

static void test_ring_of_a_file_that_is_cut_says_so(void)
{
    char bytes[16];
    size_t n;
    mapped_ring_hold hold;
    mapped_slice slice;
    const mapped_open_options options = {.length = mapped_length_exactly(8192)};
    for (int held_when_cut = 0; held_when_cut < 2; held_when_cut++) {
        region = scratch_open(scratch_file("ring", 0), MAPPED_MODE_READ_WRITE,
                              &options);
        CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                     MAPPED_OK);
        if (held_when_cut == 0) {
            CHECK_STATUS(disturb(cut_it), MAPPED_FAULT);
            continue;
        }
        CHECK_STATUS(mapped_ring_begin_send(&ring, 0, &hold, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_ring_reserve(&hold, 10, 0, &slice, NULL),
                     MAPPED_OK);
        cut_it(pthread_self());
        CHECK_STATUS(mapped_ring_commit(&hold, NULL), MAPPED_FAULT);
        mapped_ring_end(&hold);
        CHECK_STATUS(mapped_ring_recv(&ring, bytes, sizeof bytes, &n, 0, NULL),
                     MAPPED_FAULT);
        mapped_region_release(region);
    }
}

int main(void)
{
    RUN(test_ring_between_processes_loses_nothing);
    RUN(test_ring_between_threads_loses_nothing);
    RUN(test_ring_with_both_ends_held_loses_nothing);
    RUN(test_ring_hold_is_the_parents_after_a_fork);
    RUN(test_ring_wait_ends_when_it_is_disturbed);
    RUN(test_ring_of_a_file_that_is_cut_says_so);
    return check_finish();
}
