/* Guards against increments that get lost between processes, wake-ups that get
 * lost, and a wait that goes on although its region was closed, its page is
 * lost or a signal came. */
#include "scratch.h"

#include <mapped/atomic.h>

#include <pthread.h>
#include <signal.h>

#define SECOND UINT64_C(1000000000)
#define ROUNDS 10000
#define PROCESSES 4

static mapped_region *shared;

static void make_shared(void)
{
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(4096, &options, &shared, NULL),
                 MAPPED_OK);
}

static mapped_atomic word_at(mapped_region *region, size_t size, size_t offset)
{
    mapped_atomic word = {{0}, NULL};
    CHECK_STATUS(
        mapped_atomic_at(mapped_region_slice(region),
                         mapped_element_find(MAPPED_KIND_UNSIGNED, size, false),
                         offset, &word, NULL),
        MAPPED_OK);
    return word;
}

static uint64_t load(const mapped_atomic *word)
{
    mapped_value value = {.u = 4711};
    CHECK_STATUS(mapped_atomic_load(word, MAPPED_ORDER_SEQ_CST, &value, NULL),
                 MAPPED_OK);
    return value.u;
}

static void add(const mapped_atomic *word, uint64_t n)
{
    CHECK_STATUS(mapped_atomic_update(word, MAPPED_ATOMIC_ADD,
                                      (mapped_value){.u = n},
                                      MAPPED_ORDER_SEQ_CST, NULL, NULL),
                 MAPPED_OK);
}

static void notify(const mapped_atomic *word)
{
    CHECK_STATUS(mapped_atomic_notify(word, UINT32_MAX, NULL, NULL), MAPPED_OK);
}

static mapped_status wait_while(const mapped_atomic *word, uint64_t expected)
{
    mapped_value found;
    return mapped_atomic_wait(word, (mapped_value){.u = expected},
                              mapped_deadline(20 * SECOND), &found, NULL);
}

static void increment(void)
{
    mapped_atomic small = word_at(shared, 4, 0), large = word_at(shared, 8, 8);
    for (int i = 0; i < ROUNDS; i++) {
        add(&small, 1);
        add(&large, UINT64_C(1) << 32);
    }
}

static void test_atomic_increments_of_several_processes_are_all_there(void)
{
    pid_t children[PROCESSES];
    make_shared();
    for (int i = 0; i < PROCESSES; i++)
        children[i] = scratch_begin_child(increment);
    for (int i = 0; i < PROCESSES; i++)
        scratch_end_child(children[i]);
    mapped_atomic small = word_at(shared, 4, 0), large = word_at(shared, 8, 8);
    CHECK_UINT(load(&small), PROCESSES * ROUNDS);
    CHECK_UINT(load(&large), (uint64_t)(PROCESSES * ROUNDS) << 32);
    mapped_region_release(shared);
}

/* Two processes take turns: even numbers are the parent's. */
static void play(size_t size, unsigned parity, uint64_t step)
{
    mapped_atomic turn = word_at(shared, size, 16);
    for (uint64_t i = parity; i < 1000; i += 2) {
        while (load(&turn) != i * step)
            CHECK_STATUS(wait_while(&turn, (i - 1) * step), MAPPED_OK);
        add(&turn, step);
        notify(&turn);
    }
}

static void play_odd_32(void)
{
    play(4, 1, 1);
}

/* The half that the futex compares never changes. */
static void play_odd_64(void)
{
    play(8, 1, UINT64_C(1) << 32);
}

static void test_atomic_wait_takes_turns_between_processes(void)
{
    make_shared();
    pid_t child = scratch_begin_child(play_odd_32);
    play(4, 0, 1);
    scratch_end_child(child);
    mapped_region_release(shared);
}

static void test_atomic_wait_sees_the_other_half_of_a_long_word(void)
{
    make_shared();
    mapped_atomic turn = word_at(shared, 8, 16);
    pid_t child = scratch_begin_child(play_odd_64);
    for (uint64_t i = 0; i < 3; i += 2) {
        add(&turn, UINT64_C(1) << 32);
        notify(&turn);
        while (load(&turn) != (i + 2) << 32)
            CHECK_STATUS(wait_while(&turn, (i + 1) << 32), MAPPED_OK);
    }
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    mapped_region_release(shared);
}

typedef struct sleeper {
    mapped_atomic word;
    mapped_status status;
    unsigned awake;
} sleeper;

static unsigned wait_ended;

static void *sleep_for_it(void *context)
{
    sleeper *self = context;
    MAPPED__STORE_RELEASE(&self->awake, 1);
    self->status = wait_while(&self->word, 0);
    MAPPED__STORE_RELEASE(&wait_ended, 1);
    return NULL;
}

/* Begins a wait in another thread, does `what` to its region, and returns how
 * the wait ended. */
static mapped_status disturb(mapped_region *region, void (*what)(pthread_t))
{
    sleeper self = {.word = word_at(region, 4, 0)};
    pthread_t thread;
    wait_ended = 0;
    mapped_region_acquire(region);
    CHECK_INT(pthread_create(&thread, NULL, sleep_for_it, &self), 0);
    while (!MAPPED__LOAD_ACQUIRE(&self.awake))
        scratch_pause();
    for (int i = 0; i < 20; i++)
        scratch_pause();
    what(thread);
    pthread_join(thread, NULL);
    mapped_region_release(region);
    return self.status;
}

static mapped_region *disturbed;

static void close_it(pthread_t thread)
{
    (void)thread;
    CHECK_STATUS(mapped_region_close(disturbed, NULL), MAPPED_OK);
}

static void cut_it(pthread_t thread)
{
    (void)thread;
    CHECK_INT(truncate(scratch_path("waited"), 0), 0);
}

static void note_signal(int number)
{
    (void)number;
}

/* The first signal may come before the wait begins. */
static void interrupt_it(pthread_t thread)
{
    while (!MAPPED__LOAD_ACQUIRE(&wait_ended)) {
        CHECK_INT(pthread_kill(thread, SIGUSR1), 0);
        scratch_pause();
    }
}

static void test_atomic_wait_ends_with_an_error(void)
{
    struct sigaction action = {.sa_handler = note_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    static const struct {
        void (*what)(pthread_t);
        mapped_status status;
    } disturbances[] = {{close_it, MAPPED_CLOSED},
                        {cut_it, MAPPED_FAULT},
                        {interrupt_it, MAPPED_INTERRUPTED}};
    for (size_t i = 0; i < sizeof disturbances / sizeof disturbances[0]; i++) {
        disturbed = scratch_open(scratch_file("waited", 0), MAPPED_MODE_CREATE,
                                 &(mapped_open_options){.length = 4096});
        CHECK_STATUS(disturb(disturbed, disturbances[i].what),
                     disturbances[i].status);
        mapped_region_release(disturbed);
    }
    sigaction(SIGUSR1, &before, NULL);
}

static void test_atomic_load_and_wait_need_no_write(void)
{
    mapped_region *region =
        scratch_open(scratch_file("waited", 4096), MAPPED_MODE_READ, NULL);
    mapped_atomic word = word_at(region, 4, 0);
    uint64_t value = load(&word);
    mapped_value found = {.u = 7};
    uint32_t woken = 4711;
    CHECK_STATUS(mapped_atomic_wait(&word, (mapped_value){.u = value},
                                    mapped_deadline(1000000), &found, NULL),
                 MAPPED_TIMEOUT);
    CHECK_STATUS(mapped_atomic_notify(&word, 1, &woken, NULL), MAPPED_OK);
    CHECK_UINT(woken, 0);
    CHECK_STATUS(mapped_atomic_store(&word, found, MAPPED_ORDER_SEQ_CST, NULL),
                 MAPPED_READONLY);
    CHECK_STATUS(mapped_atomic_update(&word, MAPPED_ATOMIC_OR, found,
                                      MAPPED_ORDER_SEQ_CST, NULL, NULL),
                 MAPPED_READONLY);
    CHECK_STATUS(mapped_atomic_compare_exchange(
                     &word, found, found, MAPPED_ORDER_SEQ_CST, NULL, NULL),
                 MAPPED_READONLY);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_atomic_increments_of_several_processes_are_all_there);
    RUN(test_atomic_wait_takes_turns_between_processes);
    RUN(test_atomic_wait_sees_the_other_half_of_a_long_word);
    RUN(test_atomic_wait_ends_with_an_error);
    RUN(test_atomic_load_and_wait_need_no_write);
    return check_finish();
}
