/* Which process this is, and whether another one lives. Numbers of processes
 * are given out again, so an identity also has the time when the process
 * started, in its upper half: 0 if that isn't known. /proc tells the time,
 * where it shows the processes of this PID namespace (tells_starts). Forks are
 * watched here, too. */
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
    unsigned long long start; /* in ticks since the system started */
} process_state;

/* Reads a file /proc/.../stat. False: it can't be read, and errno says why. */
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
static bool tells_starts; /* does /proc? Set together with the cache */
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

static void forget_identity(void)
{
    MAPPED__STORE(&mapped__process_identity_cache, 0);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forget_identity);
}

/* Without a /proc that tells, the identity is the number alone. But for want of
 * a descriptor it is 0, as the next call may do better. */
uint64_t mapped__process_identity_find(void)
{
    uint64_t none = 0;
    process_state state = {.start = 0};
    pthread_once(&forks_watched, watch_forks);
    bool is_read = read_state("/proc/self/stat", &state);
    if (!is_read && errno != ENOENT && errno != EACCES)
        return 0;
    if (!is_read || state.number != (long)getpid())
        state.start = 0;
    MAPPED__STORE(&tells_starts, state.start != 0);
    uint64_t found = identity_of((uint32_t)getpid(), &state);
    return __atomic_compare_exchange_n(&mapped__process_identity_cache, &none,
                                       found, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST)
               ? found
               : none;
}

/* A zombie is a process that has ended, or one whose first thread has ended
 * while others live. */
static bool has_ended(const process_state *state)
{
    return (state->state == 'Z' || state->state == 'X') && state->threads <= 1;
}

static bool exists(pid_t number)
{
    return number > 0 && (kill(number, 0) == 0 || errno != ESRCH);
}

/* A process that exists is taken to live if nothing more can be found out about
 * it: /proc may not tell, or hide it, or it may not know its own time of start.
 */
bool mapped__process_lives(uint64_t identity)
{
    char path[32];
    process_state state;
    const pid_t number = (pid_t)(uint32_t)identity;
    if (!exists(number))
        return false;
    snprintf(path, sizeof path, "/proc/%u/stat", (unsigned)number);
    bool is_known = MAPPED__LOAD(&mapped__process_identity_cache) != 0 ||
                    mapped__process_identity_find() != 0;
    if (!is_known || !MAPPED__LOAD(&tells_starts) || !read_state(path, &state))
        return exists(number); /* again: it may just have ended */
    return !has_ended(&state) &&
           (identity >> 32 == 0 ||
            identity_of((uint32_t)number, &state) == identity);
}

mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error)
{
    int os_error = pthread_atfork(before, parent, child);
    if (os_error != 0)
        return mapped_error_set_system(error, os_error, "pthread_atfork");
    return MAPPED_OK;
}
