/* Waiting for an atomic word to change. The word is compared and the thread put
 * to sleep in one step, so that no wake-up comes in between; but not for ever:
 * nobody wakes those who wait for a region that is closed. */
#include <mapped/atomic.h>

#include <string.h>

#include "region_internal.h"

#define SECOND 1000000000

/* How long a wait sleeps before it checks again, in nanoseconds; and for a long
 * word, of which the system compares only the first half. */
#define CHECK ((uint64_t)SECOND / 10)
#define CHECK_LONG ((uint64_t)SECOND / 100)
#define CHECK_COPY ((uint64_t)SECOND / 1000)

uint64_t mapped_deadline(uint64_t nanoseconds)
{
    uint64_t now = mapped__now();
    return nanoseconds < MAPPED_NEVER - now ? now + nanoseconds : MAPPED_NEVER;
}

mapped_status mapped_deadline_seconds(double seconds, uint64_t *deadline,
                                      mapped_error *error)
{
    const double max_seconds = (double)(INT64_MAX / SECOND);
    if (!(seconds >= 0)) /* NaN */
        return mapped_error_set(error, MAPPED_ARGUMENT, "timeout");
    uint64_t nanoseconds =
        seconds < max_seconds ? (uint64_t)(seconds * SECOND) : 0;
    *deadline = seconds < max_seconds
                    ? mapped_deadline(nanoseconds + (seconds > 0))
                    : MAPPED_NEVER;
    return MAPPED_OK;
}

static uint64_t left_until(uint64_t deadline)
{
    uint64_t now = mapped__now();
    return deadline > now ? deadline - now : 0;
}

static mapped_status end(const mapped_atomic *atomic, mapped_status status,
                         mapped_error *error)
{
    mapped_error_set(error, status, "wait");
    return mapped__region_report(atomic->word.region, "wait", status, error);
}

/* The half that the system compares, as it lies in memory. False: the element
 * can't hold that number. */
static bool first_half(const mapped_element *element, mapped_value value,
                       uint32_t *half)
{
    unsigned char bytes[8];
    if (element->store(element, bytes, value) != MAPPED_OK)
        return false;
    memcpy(half, bytes, sizeof *half);
    return true;
}

/* A futex makes a private page of a file a copy, which follows the file no
 * more. */
static bool has_futex(const mapped_atomic *atomic)
{
    return mapped__region_of(atomic->word.region)->mode != MAPPED_MODE_COPY;
}

static bool sleep_a_while(const mapped_atomic *atomic, uint32_t half,
                          uint64_t nanoseconds)
{
    static const uint32_t nothing;
    if (has_futex(atomic)) {
        const void *word = mapped__slice_first(atomic->word);
        return mapped__wait_shared(word, half, nanoseconds);
    }
    return mapped__wait_shared(
        &nothing, 0, nanoseconds < CHECK_COPY ? nanoseconds : CHECK_COPY);
}

mapped_status mapped_atomic_wait(const mapped_atomic *atomic,
                                 mapped_value expected, uint64_t deadline,
                                 mapped_value *found, mapped_error *error)
{
    const uint64_t check = atomic->word.length == 4 ? CHECK : CHECK_LONG;
    uint32_t half = 0;
    if (atomic->element != NULL &&
        !first_half(atomic->element, expected, &half))
        return end(atomic, MAPPED_VALUE, error);
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
            return end(atomic, MAPPED_TIMEOUT, error);
        if (!sleep_a_while(atomic, half, left < check ? left : check))
            return end(atomic, MAPPED_INTERRUPTED, error);
    }
}

/* The address matters, not what is there. */
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
    return mapped__region_report(word.region, "notify", status, error);
}
