/* Waiting for another thread, on a POSIX system that can't compare a word and
 * put the thread to sleep in one step; Linux can (linux/wait.c). One lock and
 * one condition stand for all words of the process. A thread that waits reads
 * the word with the lock held, and one that wakes others takes the lock, so no
 * change of a word slips between the read and the sleep. */
#if !defined(__linux__) || defined(MAPPED__WAIT_ANY)

#    include <errno.h>
#    include <pthread.h>
#    include <sched.h>
#    include <time.h>

#    include "platform.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* No thread waits in the child: what the parent's have left in these is void.
 */
static void in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&changed, NULL);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, in_child);
}

void mapped__wait(const uint32_t *word, uint32_t seen)
{
    pthread_once(&forks_watched, watch_forks);
    pthread_mutex_lock(&lock);
    if (MAPPED__LOAD_ACQUIRE(word) == seen)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

void mapped__wake(const uint32_t *word)
{
    (void)word;
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void mapped__yield(void)
{
    sched_yield();
}

bool mapped__wait_shared(const uint32_t *word, uint32_t seen,
                         uint64_t nanoseconds)
{
    const long millisecond = 1000000;
    const struct timespec time = {0, nanoseconds < (uint64_t)millisecond
                                         ? (long)nanoseconds
                                         : millisecond};
    return MAPPED__LOAD_ACQUIRE(word) != seen || nanosleep(&time, NULL) == 0 ||
           errno != EINTR;
}

uint32_t mapped__wake_shared(const uint32_t *word, uint32_t count)
{
    (void)word;
    (void)count;
    return 0;
}

uint64_t mapped__now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
