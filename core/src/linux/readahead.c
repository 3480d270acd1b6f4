/* Threads that read files ahead. The kernel's own hint reads only the first few
 * mebibytes, and those in small pages; reading a mapping from its beginning to
 * its end makes the kernel read ahead in large ones. So a thread (read_file)
 * does that, by a window of its own on the file, where a page that can't be had
 * raises no signal. Between two pieces it looks whether its owner has stopped
 * it.
 *
 * What a thread has (descriptor, window) is in the table of jobs, and both
 * change only with the lock held, which a fork takes: the child has no such
 * thread, and lets go of what the threads had. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/system.h"

#define JOBS 4                      /* and threads */
#define WINDOW ((uint64_t)64 << 20) /* bytes that a thread maps at a time */
#define PIECE ((uint64_t)256 << 10) /* bytes between two looks */

struct mapped__readahead {
    uint32_t references; /* the owner's, and one for each job */
    uint32_t stopped;
};

typedef struct job {
    mapped__readahead *readahead; /* NULL: this place in the table is free */
    int fd;
    uint64_t offset; /* what to read: a multiple of the page size */
    uint64_t end;
    unsigned char *window; /* what is mapped of the file, or NULL */
    size_t window_length;
} job;

static job jobs[JOBS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

mapped__readahead *mapped__readahead_new(void)
{
    mapped__readahead *readahead = calloc(1, sizeof *readahead);
    if (readahead != NULL)
        readahead->references = 1;
    return readahead;
}

/* Returns whether it was the last one. */
static bool drop_reference(mapped__readahead *readahead)
{
    return __atomic_sub_fetch(&readahead->references, 1, __ATOMIC_ACQ_REL) == 0;
}

static void release(mapped__readahead *readahead)
{
    if (drop_reference(readahead))
        free(readahead);
}

void mapped__readahead_stop(mapped__readahead *readahead)
{
    if (readahead == NULL)
        return;
    MAPPED__STORE(&readahead->stopped, 1);
    release(readahead);
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
    for (job *self = jobs; self < jobs + JOBS; self++) {
        if (self->readahead == NULL)
            continue;
        (void)drop_reference(self->readahead);
        close(self->fd);
        if (self->window != NULL)
            munmap(self->window, self->window_length);
        *self = (job){.readahead = NULL};
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork, in_child);
}

static bool map_window(job *self, uint64_t offset, size_t length)
{
    pthread_mutex_lock(&lock);
    unsigned char *window =
        mmap(NULL, length, PROT_READ, MAP_SHARED, self->fd, (off_t)offset);
    bool is_mapped = window != MAP_FAILED;
    self->window = is_mapped ? window : NULL;
    self->window_length = length;
    pthread_mutex_unlock(&lock);
    return is_mapped;
}

static void unmap_window(job *self)
{
    pthread_mutex_lock(&lock);
    munmap(self->window, self->window_length);
    self->window = NULL;
    pthread_mutex_unlock(&lock);
}

/* Reads a window of the file. False: it was stopped, or a page can't be had. */
static bool read_window(job *self, uint64_t offset, size_t length)
{
    bool goes_on = true;
    if (!map_window(self, offset, length))
        return false;
    (void)madvise(self->window, length, MADV_SEQUENTIAL);
    for (size_t at = 0; at < length && goes_on; at += PIECE) {
        size_t n = length - at < PIECE ? length - at : PIECE;
        goes_on = !MAPPED__LOAD(&self->readahead->stopped) &&
                  mapped__pages_populate(self->window + at, n, false);
    }
    unmap_window(self);
    return goes_on;
}

static void end_job(job *self)
{
    pthread_mutex_lock(&lock);
    mapped__readahead *readahead = self->readahead;
    close(self->fd);
    self->readahead = NULL;
    pthread_mutex_unlock(&lock);
    release(readahead);
}

static void *read_file(void *context)
{
    job *self = context;
    bool goes_on = true;
    for (uint64_t at = self->offset; at < self->end && goes_on; at += WINDOW) {
        uint64_t left = self->end - at;
        goes_on =
            read_window(self, at, (size_t)(left < WINDOW ? left : WINDOW));
    }
    end_job(self);
    return NULL;
}

/* Puts a job into the table. NULL: the table is full, or there is no descriptor
 * for it. */
static job *add_job(const job *wanted, intptr_t file)
{
    intptr_t copy;
    job *self = jobs;
    pthread_mutex_lock(&lock);
    while (self < jobs + JOBS && self->readahead != NULL)
        self++;
    bool taken = self < jobs + JOBS &&
                 mapped__file_duplicate(file, &copy, NULL) == MAPPED_OK;
    if (taken) {
        *self = *wanted;
        self->fd = (int)copy;
        __atomic_add_fetch(&self->readahead->references, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&lock);
    return taken ? self : NULL;
}

static bool start_job(const job *wanted, intptr_t file)
{
    pthread_t thread;
    job *self = add_job(wanted, file);
    if (self == NULL)
        return false;
    if (pthread_create(&thread, NULL, read_file, self) == 0) {
        pthread_detach(thread);
        return true;
    }
    end_job(self);
    return false;
}

/* Signals are blocked: a handler that forks would wait for the lock that this
 * thread holds. The new thread inherits the mask, so signals of the program go
 * to its own threads. */
bool mapped__readahead_start(mapped__readahead *readahead, intptr_t file,
                             uint64_t offset, uint64_t length)
{
    mapped__signal_mask held;
    const job wanted = {.readahead = readahead,
                        .offset = offset - offset % mapped__page_size(),
                        .end = offset + length};
    pthread_once(&forks_watched, watch_forks);
    mapped__signals_block(&held);
    bool is_started = start_job(&wanted, file);
    mapped__signals_unblock(&held);
    return is_started;
}
