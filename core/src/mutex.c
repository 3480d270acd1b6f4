/* The robust mutex. The word names its owner in one step, so there is no moment
 * at which it is locked without an owner. Threads that wait check every now and
 * then whether the owner still lives.
 *
 * Invariant: a thread that sleeps has seen the bit WAITERS set, or sleeps until
 * it checks again. A thread that has slept takes the mutex with that bit,
 * because others may sleep; so its unlock may wake somebody for nothing. */
#include <mapped/mutex.h>

#include <errno.h>

#include "region_internal.h"

#define WAITERS (UINT64_C(1) << 31)

/* The word of an abandoned mutex: no process has the number 0. */
#define ABANDONED (UINT64_C(1) << 32)

static uint64_t owner_of(uint64_t word)
{
    return word & ~WAITERS;
}

/* How long to sleep before the owner is checked again, in nanoseconds. */
#define CHECK_OWNER ((uint64_t)50000000)

mapped_status mapped_mutex_at(mapped_slice slice, mapped_mutex *mutex,
                              mapped_error *error)
{
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 8, MAPPED_BIG_ENDIAN);
    mapped_atomic word;
    mapped_status status = mapped_atomic_at(slice, element, 0, &word, error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(word.word, error);
    if (status == MAPPED_OK &&
        mapped__region_of(slice.region)->mode == MAPPED_MODE_COPY)
        status = mapped_error_set(error, MAPPED_UNSUPPORTED,
                                  "Mutex: a private copy of a file");
    if (status == MAPPED_OK)
        mutex->word_ = word;
    return mapped__region_report(slice.region, "Mutex", status, error);
}

/* Gives an error of the word's accesses the name of what was called. */
static mapped_status end(const mapped_mutex *mutex, const char *operation,
                         mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK && error != NULL)
        mapped_error_set_operation(error, operation);
    return mapped__region_report(mutex->word_.word.region, operation, status,
                                 error);
}

/* Changes the mutex from `*word` to `next`, if it is that; `*changed` tells.
 * Otherwise `*word` becomes what it is. */
static mapped_status try_change(const mapped_mutex *mutex, uint64_t *word,
                                uint64_t next, bool *changed,
                                mapped_error *error)
{
    unsigned char *p;
    const mapped_slice slice = mutex->word_.word;
    mapped_status status =
        mapped_slice_enter_write(slice, 0, sizeof *word, &p, error);
    if (status != MAPPED_OK)
        return status;
    *changed =
        __atomic_compare_exchange_n((uint64_t *)(void *)p, word, next, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return mapped_slice_leave(slice, 0, sizeof *word, error);
}

/* The half of the word that has the owner's number and WAITERS: all that
 * sleepers have to see change. */
#define LOW_HALF (MAPPED_BIG_ENDIAN ? 4 : 0)

/* Sleeps while the word is `word`, or until it is time to check the owner
 * again. */
static mapped_status sleep_a_while(const mapped_mutex *mutex, uint64_t word,
                                   uint64_t deadline, mapped_error *error)
{
    mapped_value found;
    mapped_atomic half = {
        mutex->word_.word,
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, MAPPED_BIG_ENDIAN)};
    uint64_t check = mapped_deadline(CHECK_OWNER);
    bool is_last = deadline <= check;
    half.word.offset += LOW_HALF;
    half.word.length = 4;
    mapped_status status =
        mapped_atomic_wait(&half, (mapped_value){.u = (uint32_t)word},
                           is_last ? deadline : check, &found, error);
    return status == MAPPED_TIMEOUT && !is_last ? MAPPED_OK : status;
}

/* Announces, or sleeps until it is woken, that this thread waits for a mutex
 * that `*word` says is somebody's. `*word` becomes what it is after that. */
static mapped_status wait_once(const mapped_mutex *mutex, uint64_t *word,
                               uint64_t deadline, mapped_error *error)
{
    bool changed;
    mapped_value found;
    if (!(*word & WAITERS)) {
        const uint64_t awaited = *word | WAITERS;
        mapped_status changing =
            try_change(mutex, word, awaited, &changed, error);
        if (changing == MAPPED_OK && changed)
            *word = awaited;
        return changing;
    }
    mapped_status status = sleep_a_while(mutex, *word, deadline, error);
    if (status == MAPPED_OK)
        status = mapped_atomic_load(&mutex->word_, MAPPED_ORDER_SEQ_CST, &found,
                                    error);
    if (status == MAPPED_OK)
        *word = found.u;
    return status;
}

/* A try waits so many pauses of the processor for a mutex that is held, a few
 * microseconds: most are held for less, and to check the owner takes longer.
 */
#define SPINS 100

static const uint64_t *word_of(const mapped_mutex *mutex)
{
    return (const uint64_t *)(const void *)mapped__slice_first(
        mutex->word_.word);
}

/* Takes the mutex if its word is `*word`. The region is locked meanwhile, so
 * that it is closed before or after that: a caller that is told that it is
 * closed hasn't taken the mutex. */
static mapped_status try_take(const mapped_mutex *mutex, uint64_t *word,
                              uint64_t me, bool *taken, mapped_error *error)
{
    unsigned char *p;
    const mapped_slice slice = mutex->word_.word;
    mapped__region *region = mapped__region_of(slice.region);
    mapped_status status = mapped__region_lock(region, "lock", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_slice_enter_write(slice, 0, slice.length, &p, error);
    if (status == MAPPED_OK)
        *taken =
            __atomic_compare_exchange_n((uint64_t *)(void *)p, word, me, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    mapped__region_unlock(region);
    if (status == MAPPED_OK)
        status = mapped_slice_leave(slice, 0, slice.length, error);
    return *taken && status == MAPPED_CLOSED ? MAPPED_OK : status;
}

/* Takes the mutex, or answers MAPPED_TIMEOUT if its owner lives. Beside a
 * thread that has `slept` others may sleep. */
static mapped_status try_lock(const mapped_mutex *mutex, bool slept,
                              bool *owner_died, mapped_error *error)
{
    const uint64_t identity = mapped__process_identity();
    const uint64_t me = identity | (slept ? WAITERS : 0);
    bool taken = false;
    uint64_t word = 0;
    if (identity == 0)
        return mapped_error_set_system(error, errno, "open");
    mapped_status status = try_take(mutex, &word, me, &taken, error);
    for (int i = 0; i < SPINS && status == MAPPED_OK && !taken; i++) {
        MAPPED__PAUSE();
        word = __atomic_load_n(word_of(mutex), __ATOMIC_RELAXED);
        if (word != 0)
            continue;
        status = try_take(mutex, &word, me, &taken, error);
    }
    *owner_died = false;
    if (status != MAPPED_OK || taken)
        return status;
    if (!mapped__process_lives(owner_of(word)))
        status = try_take(mutex, &word, me | WAITERS, &taken, error);
    *owner_died = taken;
    return status == MAPPED_OK && !taken
               ? mapped_error_set(error, MAPPED_TIMEOUT, "lock")
               : status;
}

mapped_status mapped__mutex_wait(const mapped_mutex *mutex, uint64_t deadline,
                                 mapped_error *error)
{
    mapped_value found;
    mapped_status status =
        mapped_atomic_load(&mutex->word_, MAPPED_ORDER_SEQ_CST, &found, error);
    uint64_t word = found.u;
    while (status == MAPPED_OK && word != 0) {
        const uint64_t before = word;
        status = wait_once(mutex, &word, deadline, error);
        if (word == before && !mapped__process_lives(owner_of(word)))
            break;
        if (status == MAPPED_OK && word != 0 && mapped__now() >= deadline)
            status = mapped_error_set(error, MAPPED_TIMEOUT, "lock");
    }
    return end(mutex, "lock", status, error);
}

mapped_status mapped__mutex_try(const mapped_mutex *mutex, bool slept,
                                bool *owner_died, mapped_error *error)
{
    return end(mutex, "lock", try_lock(mutex, slept, owner_died, error), error);
}

mapped_status mapped_mutex_lock(const mapped_mutex *mutex, uint64_t deadline,
                                bool *owner_died, mapped_error *error)
{
    bool died, slept = false;
    mapped_status status = mapped__mutex_try(mutex, slept, &died, error);
    while (status == MAPPED_TIMEOUT && mapped__now() < deadline) {
        status = mapped__mutex_wait(mutex, deadline, error);
        if (status != MAPPED_OK)
            break;
        slept = true;
        status = mapped__mutex_try(mutex, slept, &died, error);
    }
    if (status == MAPPED_OK && owner_died != NULL)
        *owner_died = died;
    return status;
}

/* Changes the word from this process' to `next`. False: it isn't its own. */
static bool give_back(uint64_t *word, uint64_t next)
{
    const uint64_t me = mapped__process_identity();
    uint64_t before = me;
    while (!__atomic_compare_exchange_n(word, &before, next, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        if (owner_of(before) != me)
            return false;
    const unsigned char *half = (const unsigned char *)word + LOW_HALF;
    if (before & WAITERS)
        (void)mapped__wake_shared((const uint32_t *)(const void *)half, 1);
    return true;
}

bool mapped__mutex_unlock(uint64_t *word)
{
    return give_back(word, 0);
}

static mapped_status unlock(const mapped_mutex *mutex, uint64_t next,
                            mapped_error *error)
{
    unsigned char *p;
    const mapped_slice slice = mutex->word_.word;
    mapped_status status =
        mapped_slice_enter_write(slice, 0, slice.length, &p, error);
    if (status != MAPPED_OK)
        return end(mutex, "unlock", status, error);
    bool was_held = give_back((uint64_t *)(void *)p, next);
    status = mapped_slice_leave(slice, 0, slice.length, error);
    if (status == MAPPED_OK && !was_held)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "unlock: not held by this process");
    return end(mutex, "unlock", status, error);
}

mapped_status mapped_mutex_unlock(const mapped_mutex *mutex,
                                  mapped_error *error)
{
    return unlock(mutex, 0, error);
}

mapped_status mapped_mutex_abandon(const mapped_mutex *mutex,
                                   mapped_error *error)
{
    return unlock(mutex, ABANDONED, error);
}
