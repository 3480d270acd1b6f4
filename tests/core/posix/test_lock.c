/* Guards against locks that two hold at once, that are lost with somebody
 * else's descriptor, or that stay when their holder dies; and against a wait
 * for one that can't be ended. */
#include "scratch.h"

#include <mapped/lock.h>

#include <pthread.h>
#include <signal.h>

#define LENGTH 1000
#define MILLISECOND UINT64_C(1000000)

static mapped_region *region;

static const char *path(void)
{
    return scratch_path("locked");
}

static void open_it(mapped_mode mode)
{
    region = scratch_open(scratch_file("locked", LENGTH), mode, NULL);
}

static mapped_slice part(size_t offset, size_t length)
{
    return (mapped_slice){region, offset, length, 0};
}

static mapped_status try_lock(mapped_slice slice, bool shared,
                              mapped_lock *lock)
{
    return mapped_lock_acquire(slice, shared, mapped_deadline(0), lock, NULL);
}

static void lock_it(mapped_slice slice, bool shared, mapped_lock *lock)
{
    CHECK_STATUS(mapped_lock_acquire(slice, shared, MAPPED_NEVER, lock, NULL),
                 MAPPED_OK);
}

static void test_lock_of_bytes_that_overlap_waits(void)
{
    mapped_lock one, two, three;
    int before = scratch_descriptors();
    open_it(MAPPED_MODE_READ_WRITE);
    lock_it(part(100, 10), false, &one);
    CHECK_STATUS(try_lock(part(109, 1), false, &two), MAPPED_TIMEOUT);
    CHECK_STATUS(try_lock(part(0, LENGTH), true, &two), MAPPED_TIMEOUT);
    lock_it(part(110, 5), false, &two);
    lock_it(part(99, 1), true, &three);
    mapped_lock_release(&one);
    lock_it(part(100, 10), false, &one);
    mapped_lock_release(&one);
    mapped_lock_release(&two);
    mapped_lock_release(&three);
    mapped_region_release(region);
    CHECK_INT(scratch_descriptors(), before);
}

static void test_lock_is_shared_with_those_who_share(void)
{
    mapped_lock one, two, three;
    open_it(MAPPED_MODE_READ_WRITE);
    lock_it(part(0, 10), true, &one);
    lock_it(part(5, 10), true, &two);
    CHECK_STATUS(try_lock(part(0, 1), false, &three), MAPPED_TIMEOUT);
    mapped_lock_release(&one);
    lock_it(part(0, 1), false, &three);
    CHECK_STATUS(try_lock(part(5, 1), false, &one), MAPPED_TIMEOUT);
    mapped_lock_release(&two);
    mapped_lock_release(&three);
    mapped_region_release(region);
}

/* The classic locks of fcntl go when any descriptor of the file is closed. */
static void test_lock_survives_the_close_of_other_descriptors(void)
{
    mapped_lock one, two;
    open_it(MAPPED_MODE_READ_WRITE);
    lock_it(part(0, 10), false, &one);
    close(open(path(), O_RDWR));
    mapped_region *other = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(try_lock(mapped_region_slice(other), false, &two),
                 MAPPED_TIMEOUT);
    mapped_region_release(other);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
    region = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(try_lock(part(0, 10), true, &two), MAPPED_TIMEOUT);
    mapped_lock_release(&one);
    lock_it(part(0, 10), false, &two);
    mapped_lock_release(&two);
    mapped_region_release(region);
}

static const char *meet_the_lock(void)
{
    struct flock range = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 100, .l_len = 10};
    int fd = open(path(), O_RDWR);
    CHECK_INT(fcntl(fd, F_SETLK, &range), -1);
    range.l_start = 110;
    CHECK_INT(fcntl(fd, F_SETLK, &range), 0);
    return NULL;
}

static void test_lock_is_where_fcntl_has_it(void)
{
    mapped_lock lock;
    const mapped_open_options options = {.offset = 50};
    scratch_file("locked", LENGTH);
    region = scratch_open(path(), MAPPED_MODE_READ_WRITE, &options);
    lock_it(part(50, 10), false, &lock);
    CHECK_INT(scratch_child(meet_the_lock), 0);
    mapped_lock_release(&lock);
    mapped_region_release(region);
}

static void test_lock_of_one_who_dies_is_free(void)
{
    int ends[2];
    char byte;
    mapped_lock lock;
    open_it(MAPPED_MODE_READ_WRITE);
    CHECK_INT(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        mapped_lock held;
        bool done = mapped_lock_acquire(part(0, 1), false, MAPPED_NEVER, &held,
                                        NULL) == MAPPED_OK;
        if (done && write(ends[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    CHECK_INT(read(ends[0], &byte, 1), 1);
    CHECK_STATUS(try_lock(part(0, 1), false, &lock), MAPPED_TIMEOUT);
    kill(child, SIGKILL);
    lock_it(part(0, 1), false, &lock);
    waitpid(child, NULL, 0);
    mapped_lock_release(&lock);
    mapped_region_release(region);
    close(ends[0]);
    close(ends[1]);
}

typedef struct counter {
    unsigned inside;
    unsigned most;
} counter;

static counter seen;

static void *count_inside(void *context)
{
    (void)context;
    for (int i = 0; i < 100; i++) {
        mapped_lock lock;
        lock_it(part(0, 1), false, &lock);
        unsigned now = __atomic_add_fetch(&seen.inside, 1, __ATOMIC_SEQ_CST);
        if (now > MAPPED__LOAD(&seen.most))
            MAPPED__STORE(&seen.most, now);
        __atomic_sub_fetch(&seen.inside, 1, __ATOMIC_SEQ_CST);
        mapped_lock_release(&lock);
    }
    mapped_region_release(region);
    return NULL;
}

static void test_lock_keeps_threads_apart(void)
{
    pthread_t threads[3];
    open_it(MAPPED_MODE_READ_WRITE);
    for (int i = 0; i < 3; i++) {
        mapped_region_acquire(region);
        CHECK_INT(pthread_create(&threads[i], NULL, count_inside, NULL), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_UINT(seen.most, 1);
    mapped_region_release(region);
}

static mapped_status waited;
static unsigned ended;

static void *wait_for_it(void *context)
{
    mapped_lock lock;
    (void)context;
    waited = mapped_lock_acquire(
        part(0, 1), false, mapped_deadline(20000 * MILLISECOND), &lock, NULL);
    MAPPED__STORE_RELEASE(&ended, 1);
    mapped_region_release(region);
    return NULL;
}

static void note_signal(int number)
{
    (void)number;
}

static void test_lock_wait_ends_with_an_error(void)
{
    struct sigaction action = {.sa_handler = note_signal}, before;
    sigaction(SIGUSR1, &action, &before);
    for (int closes = 0; closes < 2; closes++) {
        pthread_t thread;
        mapped_lock lock;
        open_it(MAPPED_MODE_READ_WRITE);
        lock_it(part(0, 1), false, &lock);
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
        mapped_lock_release(&lock);
        mapped_region_release(region);
    }
    sigaction(SIGUSR1, &before, NULL);
}

static void test_lock_that_makes_no_sense_is_refused(void)
{
    mapped_lock lock;
    static unsigned char bytes[10];
    open_it(MAPPED_MODE_READ);
    CHECK_STATUS(try_lock(part(0, 10), false, &lock), MAPPED_READONLY);
    lock_it(part(0, 10), true, &lock);
    mapped_lock_release(&lock);
    CHECK_STATUS(try_lock(part(0, 0), true, &lock), MAPPED_ARGUMENT);
    CHECK_STATUS(try_lock(part(991, 10), true, &lock), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(try_lock(part(0, 10), true, &lock), MAPPED_CLOSED);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_anonymous(10, NULL, &region, NULL), MAPPED_OK);
    CHECK_STATUS(try_lock(part(0, 10), true, &lock), MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_STATUS(
        mapped_region_wrap(bytes, 10, false, NULL, NULL, &region, NULL),
        MAPPED_OK);
    CHECK_STATUS(try_lock(part(0, 10), false, &lock), MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_STATUS(try_lock((mapped_slice){0}, true, &lock), MAPPED_CLOSED);
}

static void test_lock_of_a_file_without_a_name(void)
{
    mapped_lock one, two;
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(10, &options, &region, NULL),
                 MAPPED_OK);
    lock_it(part(0, 10), false, &one);
    CHECK_STATUS(try_lock(part(9, 1), true, &two), MAPPED_TIMEOUT);
    mapped_lock_release(&one);
    mapped_region_release(region);
    open_it(MAPPED_MODE_READ_WRITE);
    unlink(path());
    lock_it(part(0, 10), false, &one);
    CHECK_STATUS(try_lock(part(9, 1), true, &two), MAPPED_TIMEOUT);
    mapped_lock_release(&one);
    mapped_region_release(region);
}

/* A descriptor of the number 0 is standard input. */
static void test_lock_that_was_never_taken_closes_nothing(void)
{
    mapped_lock none = {0};
    int before = scratch_descriptors();
    mapped_lock_release(&none);
    mapped_lock_release(NULL);
    CHECK_INT(scratch_descriptors(), before);
}

static void test_lock_ends_once(void)
{
    mapped_lock lock;
    int before = scratch_descriptors();
    open_it(MAPPED_MODE_READ_WRITE);
    lock_it(part(0, 1), false, &lock);
    mapped_lock_release(&lock);
    mapped_lock_release(&lock);
    mapped_region_release(region);
    CHECK_INT(scratch_descriptors(), before);
}

int main(void)
{
    RUN(test_lock_that_was_never_taken_closes_nothing);
    RUN(test_lock_ends_once);
    RUN(test_lock_of_bytes_that_overlap_waits);
    RUN(test_lock_is_shared_with_those_who_share);
    RUN(test_lock_survives_the_close_of_other_descriptors);
    RUN(test_lock_is_where_fcntl_has_it);
    RUN(test_lock_of_one_who_dies_is_free);
    RUN(test_lock_keeps_threads_apart);
    RUN(test_lock_wait_ends_with_an_error);
    RUN(test_lock_that_makes_no_sense_is_refused);
    RUN(test_lock_of_a_file_without_a_name);
    return check_finish();
}
