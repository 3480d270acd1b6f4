/* Which process this is, and whether another one lives. Numbers of processes
 * are given out again, so the time of the start belongs to an identity. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"

typedef struct process_state {
    long number;
    char state;
    unsigned long threads;
    unsigned long long start; /* in ticks since the system's */
} process_state;

/* False: it can't be told, and errno says why. */
static bool read_state(const char *path, process_state *found)
{
    char text[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    int reason = n < 0 ? errno : ENOENT;
    close(fd);
    errno = reason;
    if (n <= 0)
        return false;
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* the name may be anything */
    return rest != NULL && sscanf(text, "%ld", &found->number) == 1 &&
           sscanf(rest,
                  ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                  "%*s %*s %*s %*s %*s %lu %*s %llu",
                  &found->state, &found->threads, &found->start) == 3;
}

static uint64_t identity_of(uint32_t number, const process_state *state)
{
    return (uint64_t)(uint32_t)state->start << 32 | number;
}

uint64_t mapped__process_identity_cache;
static bool knows_starts; /* /proc is that of this process */
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

static void forget_identity(void)
{
    MAPPED__STORE(&mapped__process_identity_cache, 0);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forget_identity);
}

/* Without a /proc, or with one that counts processes otherwise, the time of the
 * start is 0. For want of a descriptor the identity is 0. */
uint64_t mapped__process_identity_slow(void)
{
    uint64_t none = 0;
    process_state state = {.start = 0};
    pthread_once(&forks_watched, watch_forks);
    bool seen = read_state("/proc/self/stat", &state);
    if (!seen && errno != ENOENT && errno != EACCES)
        return 0;
    if (!seen || state.number != (long)getpid())
        state.start = 0;
    MAPPED__STORE(&knows_starts, state.start != 0);
    uint64_t found = identity_of((uint32_t)getpid(), &state);
    return __atomic_compare_exchange_n(&mapped__process_identity_cache, &none,
                                       found, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST)
               ? found
               : none;
}

/* A process whose first thread has ended is a zombie with others that live. */
static bool has_ended(const process_state *state)
{
    return (state->state == 'Z' || state->state == 'X') && state->threads <= 1;
}

static bool exists(pid_t number)
{
    return number > 0 && (kill(number, 0) == 0 || errno != ESRCH);
}

/* One that couldn't be told the time of its start has 0 for it. One that exists
 * and can't be seen in /proc, which may be hidden, lives. */
bool mapped__process_lives(uint64_t of)
{
    char path[32];
    process_state state;
    const pid_t number = (pid_t)(uint32_t)of;
    if (!exists(number))
        return false;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)number);
    bool is_known = MAPPED__LOAD(&mapped__process_identity_cache) != 0 ||
                    mapped__process_identity_slow() != 0;
    if (!is_known || !MAPPED__LOAD(&knows_starts) || !read_state(path, &state))
        return exists(number);
    return !has_ended(&state) &&
           (of >> 32 == 0 || identity_of((uint32_t)number, &state) == of);
}
