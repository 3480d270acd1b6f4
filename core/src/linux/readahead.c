/* Threads that read files ahead. The kernel's own hint reads only the first few
 * mebibytes, and those in small pages; reading a mapping from its beginning to
 * its end makes the kernel read ahead in large ones. So a thread does that,
 * by a mapping of its own, in which a page that can't be had raises no signal.
 * A flag that it looks at between two pieces says when to stop.
 *
 * The child of a fork has no such thread, and lets go of what the threads had:
 * so each descriptor and each mapping of theirs is in the table of jobs, and
 * both change in one step with respect to a fork, which waits for the lock. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/system.h"

#define THREADS 4
#define WINDOW ((uint64_t)64 << 20)
#define PIECE ((uint64_t)256 << 10)

struct mapped__readahead {
    uint32_t references; /* the owner's and one of each thread */
    uint32_t stopped;
};

typedef struct job {
    mapped__readahead *ahead; /* NULL: the job is free */
    int fd;
    uint64_t offset; /* a multiple of the page size */
    uint64_t end;
    unsigned char *window; /* what is mapped of the file, or NULL */
    size_t length;
} job;

static job jobs[THREADS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

mapped__readahead *mapped__readahead_new(void)
{
    mapped__readahead *ahead = calloc(1, sizeof *ahead);
    if (ahead != NULL)
        ahead->references = 1;
    return ahead;
}

static bool is_last(mapped__readahead *ahead)
{
    return __atomic_sub_fetch(&ahead->references, 1, __ATOMIC_ACQ_REL) == 0;
}

static void release(mapped__readahead *ahead)
{
    if (is_last(ahead))
        free(ahead);
}

void mapped__readahead_stop(mapped__readahead *ahead)
{
    if (ahead == NULL)
        return;
    MAPPED__STORE(&ahead->stopped, 1);
    release(ahead);
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* A handler may have forked in the middle of an allocation, so nothing is freed
 * here. */
static void in_child(void)
{
    pthread_mutex_init(&lock, NULL);
    for (job *todo = jobs; todo < jobs + THREADS; todo++) {
        if (todo->ahead == NULL)
            continue;
        (void)is_last(todo->ahead);
        close(todo->fd);
        if (todo->window != NULL)
            munmap(todo->window, todo->length);
        *todo = (job){.ahead = NULL};
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, in_child);
}

static bool map_window(job *todo, uint64_t offset, size_t length)
{
    pthread_mutex_lock(&lock);
    unsigned char *window =
        mmap(NULL, length, PROT_READ, MAP_SHARED, todo->fd, (off_t)offset);
    bool is_mapped = window != MAP_FAILED;
    todo->window = is_mapped ? window : NULL;
    todo->length = length;
    pthread_mutex_unlock(&lock);
    return is_mapped;
}

static void unmap_window(job *todo)
{
    pthread_mutex_lock(&lock);
    munmap(todo->window, todo->length);
    todo->window = NULL;
    pthread_mutex_unlock(&lock);
}

/* False: stopped, or a page can't be had. */
static bool read_window(job *todo, uint64_t offset, size_t length)
{
    bool on = true;
    if (!map_window(todo, offset, length))
        return false;
    (void)madvise(todo->window, length, MADV_SEQUENTIAL);
    for (size_t at = 0; at < length && on; at += PIECE) {
        size_t n = length - at < PIECE ? length - at : PIECE;
        on = !MAPPED__LOAD(&todo->ahead->stopped) &&
             mapped__pages_populate(todo->window + at, n, false);
    }
    unmap_window(todo);
    return on;
}

static void free_job(job *todo)
{
    pthread_mutex_lock(&lock);
    mapped__readahead *ahead = todo->ahead;
    close(todo->fd);
    todo->ahead = NULL;
    pthread_mutex_unlock(&lock);
    release(ahead);
}

static void *read_file(void *context)
{
    job *todo = context;
    bool on = true;
    for (uint64_t at = todo->offset; at < todo->end && on; at += WINDOW) {
        uint64_t left = todo->end - at;
        on = read_window(todo, at, (size_t)(left < WINDOW ? left : WINDOW));
    }
    free_job(todo);
    return NULL;
}

/* Returns NULL if every job is taken, or there is no descriptor for it. */
static job *take_job(const job *wanted, intptr_t file)
{
    intptr_t copy;
    job *todo = jobs;
    pthread_mutex_lock(&lock);
    while (todo < jobs + THREADS && todo->ahead != NULL)
        todo++;
    bool taken = todo < jobs + THREADS &&
                 mapped__file_duplicate(file, &copy, NULL) == MAPPED_OK;
    if (taken) {
        *todo = *wanted;
        todo->fd = (int)copy;
        __atomic_add_fetch(&todo->ahead->references, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&lock);
    return taken ? todo : NULL;
}

static bool start_job(const job *wanted, intptr_t file)
{
    pthread_t thread;
    job *todo = take_job(wanted, file);
    if (todo == NULL)
        return false;
    if (pthread_create(&thread, NULL, read_file, todo) == 0) {
        pthread_detach(thread);
        return true;
    }
    free_job(todo);
    return false;
}

/* Signals are blocked: a handler that forks would wait for the lock that this
 * thread has. And the new thread inherits that, because they are for others. */
bool mapped__readahead_start(mapped__readahead *ahead, intptr_t file,
                             uint64_t offset, uint64_t length)
{
    mapped__signal_mask held;
    const job wanted = {.ahead = ahead,
                        .offset = offset - offset % mapped__page_size(),
                        .end = offset + length};
    pthread_once(&forks_watched, watch_forks);
    mapped__signals_block(&held);
    bool is_started = start_job(&wanted, file);
    mapped__signals_unblock(&held);
    return is_started;
}
