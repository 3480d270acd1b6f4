/* The robust mutex. The word names its owner in one step, so there is no moment
 * at which it is taken by nobody known. Those who wait look every now and then
 * whether the owner still lives.
 *
 * Invariant: whoever sleeps has seen the bit WAITERS set, or sleeps until it
 * looks again. Who has slept takes the mutex with that bit, because there may
 * be others; so the unlock after it may wake somebody for nothing. */
#include <mapped/mutex.h>

#include "region_internal.h"

#define WAITERS (UINT64_C(1) << 31)

/* How long to sleep before the owner is looked at again, in nanoseconds. */
#define LOOK_AT_OWNER ((uint64_t)50000000)

mapped_status mapped_mutex_at(mapped_slice slice, mapped_mutex *mutex,
                              mapped_error *error)
{
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 8, MAPPED_BIG_ENDIAN);
    mapped_atomic word;
    mapped_status status = mapped_atomic_at(slice, element, 0, &word, error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(word.word, error);
    if (status == MAPPED_OK)
        mutex->word_ = word;
    return mapped__region_report(slice.region, "Mutex", status, error);
}

/* Gives an error of the word's accesses the name of what was called. */
static mapped_status end(const mapped_mutex *mutex, const char *operation,
                         mapped_status status, mapped_error *error)
{
    if (status != MAPPED_OK && error != NULL)
        error->operation = operation;
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

/* Sleeps while the word is `word`, or until it is time to look at the owner
 * again. */
static mapped_status sleep_a_while(const mapped_mutex *mutex, uint64_t word,
                                   uint64_t deadline, mapped_error *error)
{
    mapped_value found;
    uint64_t look = mapped_deadline(LOOK_AT_OWNER);
    bool is_last = deadline <= look;
    mapped_status status =
        mapped_atomic_wait(&mutex->word_, (mapped_value){.u = word},
                           is_last ? deadline : look, &found, error);
    return status == MAPPED_TIMEOUT && !is_last ? MAPPED_OK : status;
}

/* One step on the way to a mutex that `*word` says is somebody's. `*word` is
 * what it is after that. */
static mapped_status approach(const mapped_mutex *mutex, uint64_t *word,
                              uint64_t deadline, mapped_error *error)
{
    bool changed;
    mapped_value found;
    if (!(*word & WAITERS))
        return try_change(mutex, word, *word | WAITERS, &changed, error);
    mapped_status status = sleep_a_while(mutex, *word, deadline, error);
    if (status == MAPPED_OK)
        status = mapped_atomic_load(&mutex->word_, MAPPED_ORDER_SEQ_CST, &found,
                                    error);
    if (status == MAPPED_OK)
        *word = found.u;
    return status;
}

/* Takes the mutex, which `word` says is somebody's. The owner is looked at
 * first, and again when a sleep has changed nothing: one that has just taken it
 * lives.
 */
static mapped_status lock_slowly(const mapped_mutex *mutex, uint64_t word,
                                 uint64_t deadline, bool *owner_died,
                                 mapped_error *error)
{
    const uint64_t me = mapped__process_identity() | WAITERS;
    bool look = true;
    for (;;) {
        const uint64_t before = word;
        bool taken = false;
        bool dead = look && word != 0 &&
                    !mapped__process_lives(word & ~(uint64_t)WAITERS);
        mapped_status status = word == 0 || dead
                                   ? try_change(mutex, &word, me, &taken, error)
                                   : approach(mutex, &word, deadline, error);
        if (status != MAPPED_OK)
            return status;
        if (taken) {
            *owner_died = dead;
            return MAPPED_OK;
        }
        look = word == before;
    }
}

mapped_status mapped_mutex_lock(const mapped_mutex *mutex, uint64_t deadline,
                                bool *owner_died, mapped_error *error)
{
    uint64_t word = 0;
    bool taken, died = false;
    mapped_status status =
        try_change(mutex, &word, mapped__process_identity(), &taken, error);
    if (status == MAPPED_OK && !taken)
        status = lock_slowly(mutex, word, deadline, &died, error);
    if (status == MAPPED_OK && owner_died != NULL)
        *owner_died = died;
    return end(mutex, "lock", status, error);
}

mapped_status mapped_mutex_unlock(const mapped_mutex *mutex,
                                  mapped_error *error)
{
    uint64_t word = mapped__process_identity();
    bool done = false;
    mapped_status status;
    do {
        status = try_change(mutex, &word, 0, &done, error);
        if (status == MAPPED_OK && !done &&
            (word & ~(uint64_t)WAITERS) != mapped__process_identity()) {
            mapped_error_set(error, MAPPED_ARGUMENT,
                             "unlock: not held by this process");
            return mapped__region_report(mutex->word_.word.region, "unlock",
                                         MAPPED_ARGUMENT, error);
        }
    } while (status == MAPPED_OK && !done);
    if (status == MAPPED_OK && word & WAITERS)
        status = mapped_atomic_notify(&mutex->word_, 1, NULL, error);
    return end(mutex, "unlock", status, error);
}
