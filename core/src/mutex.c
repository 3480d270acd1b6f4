/* The robust mutex. Its word (mutex.h) is 0 while it is free, and else says
 * which process owns it, in one step: there is no moment at which it is locked
 * without an owner. From its lowest bit, it has:
 *
 *     31 bits  the number of the owner's process; 0: abandoned
 *      1 bit   WAITERS: a thread may sleep until the unlock
 *     32 bits  when that process started; 0 without a /proc
 *
 * These are the operations:
 *
 *     lock    try; while the owner lives: wait, and try again
 *     try     0 -> owner, or owner that died -> owner
 *     wait    set WAITERS, then sleep until the word changes, and look from
 *             time to time whether the owner still lives
 *     unlock  owner -> 0, and wake one thread if WAITERS was set
 *
 * Invariant: a thread that sleeps has seen WAITERS set, or sleeps only until it
 * looks again. A thread that has slept locks with WAITERS set, because others
 * may still sleep; so its unlock may wake somebody for nothing. */
#include <mapped/mutex.h>

#include <errno.h>

#include "region_internal.h"

#define WAITERS (UINT64_C(1) << 31)

/* The word of an abandoned mutex. Its owner is dead: no process has the number
 * 0. */
#define ABANDONED (UINT64_C(1) << 32)

/* How long to sleep until the next look at the owner, in nanoseconds. */
#define OWNER_INTERVAL ((uint64_t)50000000)

/* How many times a try looks at a mutex that is held, with a pause of the
 * processor before each, before it asks whether the owner lives: a few
 * microseconds. Most are held for less, and to ask takes longer. */
#define SPINS 100

/* Where in the word's eight bytes the four are that have the owner's number and
 * WAITERS: all that sleepers have to see change. */
#define LOW_HALF_AT (MAPPED_BIG_ENDIAN ? 4 : 0)

/* The identity of the process that owns the mutex (mapped__process_identity).
 */
static uint64_t owner_of(uint64_t word)
{
    return word & ~WAITERS;
}

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
    return mapped__region_complete_error(slice.region, "Mutex", status, error);
}

/* Every function about a mutex that exists returns through this: an error of an
 * access to the word gets the name of the operation. */
static mapped_status finish(const mapped_mutex *mutex, const char *operation,
                            mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK && error != NULL)
        mapped_error_set_operation(error, operation);
    return mapped__region_complete_error(mutex->word_.word.region, operation,
                                         status, error);
}

/* Sleeps while the low half of the word is that of `word`, or until it is time
 * to look at the owner. MAPPED_TIMEOUT only at the deadline. */
static mapped_status sleep_a_while(const mapped_mutex *mutex, uint64_t word,
                                   uint64_t deadline, mapped_error *error)
{
    mapped_value found;
    mapped_atomic half = {
        mutex->word_.word,
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, MAPPED_BIG_ENDIAN)};
    uint64_t next_look = mapped_deadline(OWNER_INTERVAL);
    bool is_last = deadline <= next_look;
    half.word.offset += LOW_HALF_AT;
    half.word.length = 4;
    mapped_status status =
        mapped_atomic_wait(&half, (mapped_value){.u = (uint32_t)word},
                           is_last ? deadline : next_look, &found, error);
    return status == MAPPED_TIMEOUT && !is_last ? MAPPED_OK : status;
}

/* One step of a wait for a mutex that is held, as `*word` says: sets WAITERS if
 * it isn't set, and sleeps if it is. `*word` becomes the word after that. */
static mapped_status wait_once(const mapped_mutex *mutex, uint64_t *word,
                               uint64_t deadline, mapped_error *error)
{
    const mapped_value seen = {.u = *word};
    const mapped_value awaited = {.u = *word | WAITERS};
    mapped_value found;
    mapped_status status;
    if (seen.u != awaited.u) {
        status = mapped_atomic_compare_exchange(
            &mutex->word_, seen, awaited, MAPPED_ORDER_SEQ_CST, &found, error);
        if (status == MAPPED_OK)
            *word = found.u == seen.u ? awaited.u : found.u;
        return status;
    }
    status = sleep_a_while(mutex, *word, deadline, error);
    if (status == MAPPED_OK)
        status = mapped_atomic_load(&mutex->word_, MAPPED_ORDER_SEQ_CST, &found,
                                    error);
    if (status == MAPPED_OK)
        *word = found.u;
    return status;
}

static const uint64_t *word_of(const mapped_mutex *mutex)
{
    return (const uint64_t *)(const void *)mapped__slice_first(
        mutex->word_.word);
}

/* Changes the word from `*word` to `me`; `*taken` is false if it is something
 * else, and then `*word` is set to that. The region is locked meanwhile, so a
 * close comes before or after that, and a caller that is told MAPPED_CLOSED
 * hasn't taken the mutex. */
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
    /* If the mutex was taken, the region was closed only after that. With
     * MAPPED_FAULT nothing was taken but a zero in place of a lost page. */
    return *taken && status == MAPPED_CLOSED ? MAPPED_OK : status;
}

/* Takes the mutex, or answers MAPPED_TIMEOUT if its owner lives. Others may
 * sleep if this thread has slept, as it has done beside them. "open" is the
 * system's call that failed; the operation is named at the end. */
static mapped_status try_lock(const mapped_mutex *mutex, bool others_may_sleep,
                              bool *owner_died, mapped_error *error)
{
    const uint64_t identity = mapped__process_identity();
    const uint64_t me = identity | (others_may_sleep ? WAITERS : 0);
    bool taken = false;
    uint64_t word = 0;
    if (identity == 0)
        return mapped_error_set_system(error, errno, "open");
    mapped_status status = try_take(mutex, &word, me, &taken, error);
    for (int i = 0; i < SPINS && status == MAPPED_OK && !taken; i++) {
        MAPPED__PAUSE();
        word = __atomic_load_n(word_of(mutex), __ATOMIC_RELAXED);
        if (word == 0)
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
    mapped_value found = {.u = 0};
    mapped_status status =
        mapped_atomic_load(&mutex->word_, MAPPED_ORDER_SEQ_CST, &found, error);
    uint64_t word = found.u;
    while (status == MAPPED_OK && word != 0) {
        const uint64_t before = word;
        status = wait_once(mutex, &word, deadline, error);
        /* If the step neither set WAITERS nor saw a change, ask whether the
         * owner lives. */
        if (word == before && !mapped__process_lives(owner_of(word)))
            break; /* the next try takes the mutex from the dead owner */
        if (status == MAPPED_OK && word != 0 && mapped__now() >= deadline)
            status = mapped_error_set(error, MAPPED_TIMEOUT, "lock");
    }
    return finish(mutex, "lock", status, error);
}

mapped_status mapped__mutex_try(const mapped_mutex *mutex, bool slept,
                                bool *owner_died, mapped_error *error)
{
    return finish(mutex, "lock", try_lock(mutex, slept, owner_died, error),
                  error);
}

/* MAPPED_TIMEOUT of a try: a process that lives holds the mutex. */
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

/* Changes a word that this process owns to `next`, and wakes a thread that
 * waits. False: this process doesn't own it. */
static bool give_back(uint64_t *word, uint64_t next)
{
    const uint64_t me = mapped__process_identity();
    uint64_t before = me;
    while (!__atomic_compare_exchange_n(word, &before, next, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        if (owner_of(before) != me)
            return false;
    const unsigned char *half = (const unsigned char *)word + LOW_HALF_AT;
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
        return finish(mutex, "unlock", status, error);
    bool was_held = give_back((uint64_t *)(void *)p, next);
    status = mapped_slice_leave(slice, 0, slice.length, error);
    if (status == MAPPED_OK && !was_held)
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "unlock: not held by this process");
    return finish(mutex, "unlock", status, error);
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
