/* Threads that read files ahead. The kernel's own hint reads only the first few
 * mebibytes, and those in small pages; reading a mapping from its beginning to
 * its end makes the kernel read ahead in large ones. So a thread does that,
 * by a mapping of its own, in which a page that can't be had raises no signal.
 * It has nothing that belongs to anybody else, and needs no lock: a flag that
 * it looks at between two pieces says when to stop. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "posix/system.h"

#define THREADS 4
#define WINDOW ((uint64_t)64 << 20)
#define PIECE ((uint64_t)256 << 10)

struct mapped__ahead {
    uint32_t references; /* the owner's and one of each thread */
    uint32_t stopped;
};

typedef struct job {
    mapped__ahead *ahead;
    int fd;
    uint64_t offset; /* a multiple of the page size */
    uint64_t end;
} job;

/* How many threads this process has. A child of a fork has none of them. */
static int threads;
static int threads_pid; /* the process that counts */

static bool count_thread(void)
{
    int self = (int)getpid();
    if (MAPPED__LOAD(&threads_pid) != self) {
        MAPPED__STORE(&threads, 0);
        MAPPED__STORE(&threads_pid, self);
    }
    if (__atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED) <= THREADS)
        return true;
    __atomic_sub_fetch(&threads, 1, __ATOMIC_RELAXED);
    return false;
}

mapped__ahead *mapped__ahead_new(void)
{
    mapped__ahead *ahead = calloc(1, sizeof *ahead);
    if (ahead != NULL)
        ahead->references = 1;
    return ahead;
}

static void release(mapped__ahead *ahead)
{
    if (__atomic_sub_fetch(&ahead->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(ahead);
}

void mapped__ahead_stop(mapped__ahead *ahead)
{
    if (ahead == NULL)
        return;
    MAPPED__STORE(&ahead->stopped, 1);
    release(ahead);
}

/* False: stopped, or a page can't be had. */
static bool read_window(const job *todo, uint64_t offset, size_t length)
{
    bool on = true;
    unsigned char *window =
        mmap(NULL, length, PROT_READ, MAP_SHARED, todo->fd, (off_t)offset);
    if (window == MAP_FAILED)
        return false;
    (void)madvise(window, length, MADV_SEQUENTIAL);
    for (size_t at = 0; at < length && on; at += PIECE) {
        size_t n = length - at < PIECE ? length - at : PIECE;
        on = !MAPPED__LOAD(&todo->ahead->stopped) &&
             mapped__pages_bring_in(window + at, n, false);
    }
    munmap(window, length);
    return on;
}

static void *read_file(void *context)
{
    job todo = *(job *)context;
    free(context);
    bool on = true;
    for (uint64_t at = todo.offset; at < todo.end && on; at += WINDOW) {
        uint64_t left = todo.end - at;
        on = read_window(&todo, at, (size_t)(left < WINDOW ? left : WINDOW));
    }
    close(todo.fd);
    release(todo.ahead);
    __atomic_sub_fetch(&threads, 1, __ATOMIC_RELAXED);
    return NULL;
}

/* The thread inherits that every signal is blocked: they are for others. */
static bool start_thread(job *todo)
{
    pthread_t thread;
    mapped__signals held;
    mapped__signals_block(&held);
    bool is_started = pthread_create(&thread, NULL, read_file, todo) == 0;
    mapped__signals_unblock(&held);
    if (is_started)
        pthread_detach(thread);
    return is_started;
}

static bool start_job(const job *wanted)
{
    job *todo = malloc(sizeof *todo);
    if (todo == NULL)
        return false;
    *todo = *wanted;
    if (start_thread(todo))
        return true;
    free(todo);
    return false;
}

bool mapped__ahead_start(mapped__ahead *ahead, intptr_t file, uint64_t offset,
                         uint64_t length)
{
    intptr_t copy;
    if (!count_thread())
        return false;
    if (mapped__file_duplicate(file, &copy, NULL) == MAPPED_OK) {
        job todo = {ahead, (int)copy, offset - offset % mapped__page_size(),
                    offset + length};
        __atomic_add_fetch(&ahead->references, 1, __ATOMIC_RELAXED);
        if (start_job(&todo))
            return true;
        release(ahead);
        close((int)copy);
    }
    __atomic_sub_fetch(&threads, 1, __ATOMIC_RELAXED);
    return false;
}
