/* Guards against a mutex that two hold, that nobody gets when its owner has
 * died, that is taken from one who lives, or whose wait can't be ended. */
#include "scratch.h"

#include <mapped/mutex.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "region_internal.h"

#define SECOND UINT64_C(1000000000)
#define ROUNDS 2000

static mapped_region *region;
static mapped_mutex mutex;

static void make_it(void)
{
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(4096, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_mutex_at(mapped_region_slice(region), &mutex, NULL),
                 MAPPED_OK);
}

/* Returns whether the last owner died. */
static bool lock_it(void)
{
    bool died = false;
    CHECK_STATUS(
        mapped_mutex_lock(&mutex, mapped_deadline(60 * SECOND), &died, NULL),
        MAPPED_OK);
    return died;
}

static void unlock_it(void)
{
    CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_OK);
}

static mapped_status try_it(void)
{
    return mapped_mutex_lock(&mutex, mapped_deadline(0), NULL, NULL);
}

static uint64_t *words(void)
{
    return (uint64_t *)(void *)region->base_;
}

static void test_mutex_is_zero_while_it_is_free(void)
{
    make_it();
    CHECK_UINT(words()[0], 0);
    CHECK(!lock_it());
    CHECK_UINT((uint32_t)words()[0], (uint32_t)getpid());
    CHECK_STATUS(try_it(), MAPPED_TIMEOUT);
    CHECK_STATUS(
        mapped_mutex_lock(&mutex, mapped_deadline(SECOND / 100), NULL, NULL),
        MAPPED_TIMEOUT);
    unlock_it();
    CHECK_UINT(words()[0], 0);
    CHECK_UINT(words()[1], 0);
    CHECK(!lock_it());
    unlock_it();
    mapped_region_release(region);
}

static void unlock_as_stranger(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_mutex_unlock(&mutex, &error), MAPPED_ARGUMENT);
    CHECK_TEXT(error.operation, "unlock: not held by this process");
    CHECK_STATUS(try_it(), MAPPED_TIMEOUT);
}

static void test_mutex_is_unlocked_by_its_owner_only(void)
{
    make_it();
    CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_ARGUMENT);
    lock_it();
    scratch_end_child(scratch_begin_child(unlock_as_stranger));
    unlock_it();
    CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_ARGUMENT);
    mapped_region_release(region);
}

static void count(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock_it();
        uint64_t seen = words()[1];
        if (i % 100 == 0)
            sched_yield();
        words()[1] = seen + 1;
        unlock_it();
    }
}

static void *count_in_thread(void *context)
{
    (void)context;
    count();
    mapped_region_release(region);
    return NULL;
}

static void test_mutex_keeps_threads_and_processes_apart(void)
{
    pid_t children[2];
    pthread_t thread;
    make_it();
    for (int i = 0; i < 2; i++)
        children[i] = scratch_begin_child(count);
    mapped_region_acquire(region);
    CHECK_INT(pthread_create(&thread, NULL, count_in_thread, NULL), 0);
    count();
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++)
        scratch_end_child(children[i]);
    CHECK_UINT(words()[1], 4 * ROUNDS);
    CHECK_UINT(words()[0], 0);
    mapped_region_release(region);
}

#define WAITERS (UINT64_C(1) << 31)

static void *lock_and_look(void *context)
{
    uint64_t *found = context;
    lock_it();
    *found = __atomic_load_n(words(), __ATOMIC_SEQ_CST);
    unlock_it();
    mapped_region_release(region);
    return NULL;
}

/* Others may have slept beside it, whom its unlock has to wake. */
static void test_mutex_of_one_who_has_slept_says_that_others_may(void)
{
    uint64_t found = 0;
    pthread_t thread;
    make_it();
    lock_it();
    CHECK_UINT(words()[0] & WAITERS, 0);
    mapped_region_acquire(region);
    CHECK_INT(pthread_create(&thread, NULL, lock_and_look, &found), 0);
    while (!(__atomic_load_n(words(), __ATOMIC_SEQ_CST) & WAITERS))
        sched_yield();
    unlock_it();
    pthread_join(thread, NULL);
    CHECK(found & WAITERS);
    CHECK_UINT(words()[0], 0);
    mapped_region_release(region);
}

static void lock_and_stay(void)
{
    lock_it();
    words()[1] = 1;
    for (;;)
        pause();
}

/* A process that was killed is a zombie until its parent looks. */
static void test_mutex_of_one_who_dies_goes_to_the_next(void)
{
    for (int reap = 0; reap < 2; reap++) {
        make_it();
        pid_t child = scratch_begin_child(lock_and_stay);
        while (MAPPED__LOAD_ACQUIRE(&words()[1]) == 0)
            scratch_pause();
        CHECK_STATUS(try_it(), MAPPED_TIMEOUT);
        kill(child, SIGKILL);
        if (reap)
            waitpid(child, NULL, 0);
        CHECK(lock_it());
        unlock_it();
        CHECK(!lock_it());
        unlock_it();
        if (!reap)
            waitpid(child, NULL, 0);
        mapped_region_release(region);
    }
}

static void *end_soon(void *child)
{
    for (int i = 0; i < 30; i++)
        scratch_pause();
    kill(*(pid_t *)child, SIGKILL);
    return NULL;
}

static void test_mutex_owner_may_die_while_others_wait(void)
{
    pthread_t thread;
    make_it();
    pid_t child = scratch_begin_child(lock_and_stay);
    while (MAPPED__LOAD_ACQUIRE(&words()[1]) == 0)
        scratch_pause();
    CHECK_INT(pthread_create(&thread, NULL, end_soon, &child), 0);
    CHECK(lock_it());
    pthread_join(thread, NULL);
    unlock_it();
    waitpid(child, NULL, 0);
    mapped_region_release(region);
}

static void *stay_in_thread(void *context)
{
    (void)context;
    lock_and_stay();
    return NULL;
}

static void leave_it_to_a_thread(void)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, stay_in_thread, NULL), 0);
    pthread_exit(NULL);
}

/* The letter that /proc has for a process. */
static char state_of(pid_t process)
{
    char path[40], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
    if (file != NULL)
        fclose(file);
    return state;
}

/* Such a process looks like a zombie. */
static void test_mutex_owner_lives_when_its_first_thread_has_ended(void)
{
    if (scratch_valgrind()) {
        check_skip("under valgrind the first thread ends last");
        return;
    }
    make_it();
    pid_t child = scratch_begin_child(leave_it_to_a_thread);
    while (MAPPED__LOAD_ACQUIRE(&words()[1]) == 0 || state_of(child) != 'Z')
        scratch_pause();
    CHECK_STATUS(try_it(), MAPPED_TIMEOUT);
    kill(child, SIGKILL);
    CHECK(lock_it());
    unlock_it();
    waitpid(child, NULL, 0);
    mapped_region_release(region);
}

/* The number of a process that has died may be another's by now. */
static void test_mutex_tells_processes_of_one_number_apart(void)
{
    make_it();
    words()[0] = mapped__process_identity() ^ (UINT64_C(1) << 40);
    CHECK(lock_it());
    unlock_it();
    words()[0] = 0x7fffffff; /* a number that no process has */
    CHECK(lock_it());
    unlock_it();
    words()[0] = UINT64_MAX;
    CHECK(lock_it());
    unlock_it();
    CHECK_UINT(words()[0], 0);
    mapped_region_release(region);
}

/* Without a descriptor nobody can look at the owner: then he lives. */
static void test_mutex_is_not_taken_for_want_of_a_descriptor(void)
{
    struct rlimit before, none;
    make_it();
    pid_t child = scratch_begin_child(lock_and_stay);
    while (MAPPED__LOAD_ACQUIRE(&words()[1]) == 0)
        scratch_pause();
    CHECK(mapped__process_identity() != 0); /* this takes a descriptor, once */
    getrlimit(RLIMIT_NOFILE, &before);
    none = before;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    CHECK_STATUS(
        mapped_mutex_lock(&mutex, mapped_deadline(SECOND / 10), NULL, NULL),
        MAPPED_TIMEOUT);
    setrlimit(RLIMIT_NOFILE, &before);
    kill(child, SIGKILL);
    CHECK(lock_it());
    unlock_it();
    waitpid(child, NULL, 0);
    mapped_region_release(region);
}

static mapped_status waited;
static unsigned ended;

static void *wait_for_it(void *context)
{
    (void)context;
    waited =
        mapped_mutex_lock(&mutex, mapped_deadline(60 * SECOND), NULL, NULL);
    MAPPED__STORE_RELEASE(&ended, 1);
    mapped_region_release(region);
    return NULL;
}

static void note_signal(int number)
{
    (void)number;
}

static void test_mutex_wait_ends_with_an_error(void)
{
    struct sigaction action = {.sa_handler = note_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    for (int closes = 0; closes < 2; closes++) {
        pthread_t thread;
        make_it();
        lock_it();
        ended = 0;
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&thread, NULL, wait_for_it, NULL), 0);
        scratch_pause();
        if (closes)
            CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        while (!MAPPED__LOAD_ACQUIRE(&ended)) {
            if (!closes)
                pthread_kill(thread, SIGUSR1);
            scratch_pause();
        }
        pthread_join(thread, NULL);
        CHECK_STATUS(waited, closes ? MAPPED_CLOSED : MAPPED_INTERRUPTED);
        CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL),
                     closes ? MAPPED_CLOSED : MAPPED_OK);
        mapped_region_release(region);
    }
    sigaction(SIGUSR1, &before, NULL);
}

static void test_mutex_needs_eight_aligned_bytes_to_write(void)
{
    mapped_mutex other;
    mapped_slice all;
    region =
        scratch_open(scratch_file("mutex", 100), MAPPED_MODE_READ_WRITE, NULL);
    all = mapped_region_slice(region);
    CHECK_STATUS(mapped_mutex_at((mapped_slice){region, 0, 7, 0}, &other, NULL),
                 MAPPED_RANGE);
    CHECK_STATUS(mapped_mutex_at((mapped_slice){region, 4, 8, 0}, &other, NULL),
                 MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_mutex_at((mapped_slice){region, 8, 8, 0}, &other, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_mutex_at(all, &other, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
    region = scratch_open(scratch_path("mutex"), MAPPED_MODE_READ, NULL);
    CHECK_STATUS(mapped_mutex_at(mapped_region_slice(region), &other, NULL),
                 MAPPED_READONLY);
    mapped_region_release(region);
}

static void test_mutex_of_a_file_that_is_cut_says_so(void)
{
    const char *path = scratch_file("mutex", 0);
    const mapped_open_options options = {.length = mapped_length_exactly(64)};
    for (int locked = 0; locked < 2; locked++) {
        region = scratch_open(path, MAPPED_MODE_READ_WRITE, &options);
        CHECK_STATUS(mapped_mutex_at(mapped_region_slice(region), &mutex, NULL),
                     MAPPED_OK);
        if (locked)
            lock_it();
        CHECK_INT(truncate(path, 0), 0);
        if (locked)
            CHECK_STATUS(mapped_mutex_unlock(&mutex, NULL), MAPPED_FAULT);
        CHECK_STATUS(try_it(), MAPPED_FAULT);
        mapped_region_release(region);
    }
}

static void *lock_until_closed(void *context)
{
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK) {
        status = mapped_mutex_lock(&mutex, MAPPED_NEVER, NULL, NULL);
        if (status == MAPPED_OK &&
            mapped_mutex_unlock(&mutex, NULL) != MAPPED_OK)
            MAPPED__STORE(&ended, 2); /* closed while it was held */
    }
    mapped_region_release(region);
    return context;
}

/* Whoever is told that the region is closed has not taken the mutex. */
static void test_mutex_that_fails_is_not_taken(void)
{
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        uint64_t word = 0;
        const mapped_anonymous_options options = {.shared = true};
        mapped_region *other;
        intptr_t file = -1;
        CHECK_STATUS(mapped_region_anonymous(64, &options, &region, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_region_descriptor(region, &file, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_open_descriptor(file, NULL,
                                                   MAPPED_MODE_READ_WRITE, NULL,
                                                   &other, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_mutex_at(mapped_region_slice(region), &mutex, NULL),
                     MAPPED_OK);
        ended = 0;
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&thread, NULL, lock_until_closed, NULL), 0);
        for (int spins = 0; spins < 37 * (i % 50); spins++)
            MAPPED__PAUSE();
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        pthread_join(thread, NULL);
        memcpy(&word, other->base_, sizeof word);
        if (MAPPED__LOAD(&ended) != 2)
            CHECK_UINT(word, 0);
        mapped_region_release(region);
        mapped_region_release(other);
    }
}

int main(void)
{
    RUN(test_mutex_is_zero_while_it_is_free);
    RUN(test_mutex_is_unlocked_by_its_owner_only);
    RUN(test_mutex_keeps_threads_and_processes_apart);
    RUN(test_mutex_of_one_who_has_slept_says_that_others_may);
    RUN(test_mutex_of_one_who_dies_goes_to_the_next);
    RUN(test_mutex_owner_may_die_while_others_wait);
    RUN(test_mutex_owner_lives_when_its_first_thread_has_ended);
    RUN(test_mutex_tells_processes_of_one_number_apart);
    RUN(test_mutex_is_not_taken_for_want_of_a_descriptor);
    RUN(test_mutex_wait_ends_with_an_error);
    RUN(test_mutex_needs_eight_aligned_bytes_to_write);
    RUN(test_mutex_of_a_file_that_is_cut_says_so);
    RUN(test_mutex_that_fails_is_not_taken);
    return check_finish();
}
