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
    char state;
    unsigned long threads;
    unsigned long long start; /* in ticks since the system's */
} process_state;

typedef enum sight {
    SEEN,
    GONE,
    UNSEEN
} sight;

/* UNSEEN: it can't be told, for want of a descriptor or of /proc. */
static sight read_state(const char *path, process_state *found)
{
    char text[1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT && access("/proc/self", F_OK) == 0 ? GONE
                                                                  : UNSEEN;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    bool gone = n < 0 && errno == ESRCH;
    close(fd);
    if (n <= 0)
        return gone ? GONE : UNSEEN;
    text[n] = '\0';
    const char *rest = strrchr(text, ')'); /* the name may be anything */
    return rest != NULL &&
                   sscanf(rest,
                          ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                          "%*s %*s %*s %*s %*s %lu %*s %llu",
                          &found->state, &found->threads, &found->start) == 3
               ? SEEN
               : UNSEEN;
}

static uint64_t identity_of(uint32_t number, const process_state *state)
{
    return (uint64_t)(uint32_t)state->start << 32 | number;
}

static uint64_t identity; /* 0: not yet known */
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

static void forget_identity(void)
{
    MAPPED__STORE(&identity, 0);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forget_identity);
}

static uint64_t find_identity(void)
{
    process_state state = {.start = 0};
    pthread_once(&forks_watched, watch_forks);
    (void)read_state("/proc/self/stat", &state);
    uint64_t found = identity_of((uint32_t)getpid(), &state);
    MAPPED__STORE(&identity, found);
    return found;
}

uint64_t mapped__process_identity(void)
{
    uint64_t known = MAPPED__LOAD(&identity);
    return known != 0 ? known : find_identity();
}

/* A process whose first thread has ended is a zombie with others that live. */
static bool has_ended(const process_state *state)
{
    return (state->state == 'Z' || state->state == 'X') && state->threads <= 1;
}

/* One that couldn't be told the time of its start has 0 for it. */
bool mapped__process_lives(uint64_t of)
{
    char path[32];
    process_state state;
    uint32_t number = (uint32_t)of;
    if (kill((pid_t)number, 0) != 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)number);
    sight seen = read_state(path, &state);
    if (seen != SEEN)
        return seen == UNSEEN;
    return !has_ended(&state) &&
           (of >> 32 == 0 || identity_of(number, &state) == of);
}
