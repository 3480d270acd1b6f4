/* Waiting for an atomic word to change. The system compares the word and puts
 * the thread to sleep in one step, so no wake-up is lost in between. But nobody
 * wakes those who wait for a word of a region that is closed, and the system
 * compares only 32 bits. So a wait is a loop: load the whole word, sleep for a
 * limited time, load it again. */
#include <mapped/atomic.h>

#include <string.h>

#include "region_internal.h"

#define SECOND 1000000000

/* How long a wait sleeps at most before it loads the word again, in
 * nanoseconds: a word of 32 bits, one of 64 bits, and one of mode "c", at which
 * nobody is woken. */
#define LONGEST_SLEEP ((uint64_t)SECOND / 10)
#define LONGEST_SLEEP_64 ((uint64_t)SECOND / 100)
#define LONGEST_SLEEP_COPY ((uint64_t)SECOND / 1000)

uint64_t mapped_deadline(uint64_t nanoseconds)
{
    uint64_t now = mapped__now();
    return nanoseconds < MAPPED_NEVER - now ? now + nanoseconds : MAPPED_NEVER;
}

mapped_status mapped_deadline_seconds(double seconds, uint64_t *deadline,
                                      mapped_error *error)
{
    const double max_seconds = (double)(INT64_MAX / SECOND);
    uint64_t nanoseconds = MAPPED_NEVER;
    if (!(seconds >= 0)) /* also if it is no number */
        return mapped_error_set(error, MAPPED_ARGUMENT, "timeout");
    if (seconds < max_seconds)
        nanoseconds = (uint64_t)(seconds * SECOND) + (seconds > 0);
    *deadline = mapped_deadline(nanoseconds);
    return MAPPED_OK;
}

static uint64_t left_until(uint64_t deadline)
{
    uint64_t now = mapped__now();
    return deadline > now ? deadline - now : 0;
}

static mapped_status fail(const mapped_atomic *atomic, mapped_status status,
                          mapped_error *error)
{
    mapped_error_set(error, status, "wait");
    return mapped__region_complete_error(atomic->word.region, "wait", status,
                                         error);
}

/* Sets `*half` to the first four bytes of the word when it is `value`: the
 * system compares these. False: the element can't hold the value. */
static bool first_half(const mapped_element *element, mapped_value value,
                       uint32_t *half)
{
    unsigned char bytes[8];
    if (element->store(element, bytes, value) != MAPPED_OK)
        return false;
    memcpy(half, bytes, sizeof *half);
    return true;
}

/* Not in mode "c": a futex would make the page of the file a private copy,
 * which follows the file no more. */
static bool has_futex(const mapped_atomic *atomic)
{
    return mapped__region_of(atomic->word.region)->mode != MAPPED_MODE_COPY;
}

/* Sleeps while the word begins with `half`, but at most so long. False: a
 * signal handler has run meanwhile. */
static bool sleep_a_while(const mapped_atomic *atomic, uint32_t half,
                          uint64_t nanoseconds)
{
    static const uint32_t nothing; /* nobody changes it */
    if (has_futex(atomic)) {
        const void *word = mapped__slice_first(atomic->word);
        return mapped__wait_shared(word, half, nanoseconds);
    }
    return mapped__wait_shared(
        &nothing, 0,
        nanoseconds < LONGEST_SLEEP_COPY ? nanoseconds : LONGEST_SLEEP_COPY);
}

mapped_status mapped_atomic_wait(const mapped_atomic *atomic,
                                 mapped_value expected, uint64_t deadline,
                                 mapped_value *found, mapped_error *error)
{
    const uint64_t longest =
        atomic->word.length == 4 ? LONGEST_SLEEP : LONGEST_SLEEP_64;
    uint32_t half = 0;
    if (atomic->element != NULL &&
        !first_half(atomic->element, expected, &half))
        return fail(atomic, MAPPED_VALUE, error);
    for (;;) {
        mapped_value value;
        mapped_status status =
            mapped_atomic_load(atomic, MAPPED_ORDER_SEQ_CST, &value, error);
        if (status != MAPPED_OK) {
            if (error != NULL)
                error->operation = "wait";
            return status;
        }
        if (value.u != expected.u) {
            *found = value;
            return MAPPED_OK;
        }
        uint64_t left = left_until(deadline);
        if (left == 0)
            return fail(atomic, MAPPED_TIMEOUT, error);
        if (!sleep_a_while(atomic, half, left < longest ? left : longest))
            return fail(atomic, MAPPED_INTERRUPTED, error);
    }
}

/* Threads sleep at an address. It doesn't matter what the word is. */
mapped_status mapped_atomic_notify(const mapped_atomic *atomic, uint32_t count,
                                   uint32_t *woken, mapped_error *error)
{
    unsigned char *p;
    const mapped_slice word = atomic->word;
    mapped_status status = mapped_slice_enter(word, 0, word.length, &p, error);
    if (status == MAPPED_OK) {
        uint32_t found =
            has_futex(atomic) ? mapped__wake_shared((const void *)p, count) : 0;
        status = mapped_slice_leave(word, 0, word.length, error);
        if (status == MAPPED_OK && woken != NULL)
            *woken = found;
    }
    return mapped__region_complete_error(word.region, "notify", status, error);
}
