/* What is in a ring, and the wait until it is worth another try: until there is
 * room to send, or a record to receive. Nothing here takes a mutex.
 *
 * - The *head* is the position of the next record to receive, the *tail* lies
 *   behind the last one that was sent. Other processes move both at any time.
 * - To *poll* is to read both positions over and over, for a moment. After that
 *   a thread *sleeps* in the kernel until another process wakes it.
 * - A *sleep word*, one for senders and one for receivers, is 1 while somebody
 *   may sleep there, so that others make the system call for a wake only then.
 */
#include <mapped/ring.h>

#include "ring_internal.h"

/* The two positions in the memory, as they were read: not checked yet. */
typedef struct positions {
    uint64_t head, tail;
} positions;

/* Reads both positions. If `state` isn't NULL, also reads the two counts of
 * deaths with a mutex held. The loads of the positions must come after the
 * store to the sleep word in sleep_until, which only SEQ_CST promises. */
static mapped_status read_positions(const mapped_ring *ring, positions *seen,
                                    mapped_ring_state *state,
                                    mapped_error *error)
{
    unsigned char *p;
    /* A guarded access (slice.h): what is read counts only if leave succeeds.
     */
    mapped_status status =
        mapped_slice_enter(ring->slice, 0, HEADER_SIZE, &p, error);
    if (status != MAPPED_OK)
        return status;
    const mapped__ring_header *header = (mapped__ring_header *)(void *)p;
    seen->head = __atomic_load_n(&header->head, __ATOMIC_SEQ_CST);
    seen->tail = __atomic_load_n(&header->tail, __ATOMIC_SEQ_CST);
    if (state != NULL) {
        state->senders_died = MAPPED__LOAD(&header->senders_died);
        state->receivers_died = MAPPED__LOAD(&header->receivers_died);
    }
    return mapped_slice_leave(ring->slice, 0, HEADER_SIZE, error);
}

/* Other processes may move both positions between the two loads, so positions
 * that don't fit together are read again. If they never fit, they are damaged.
 */
#define READ_TRIES 100

mapped_status mapped_ring_look(const mapped_ring *ring,
                               mapped_ring_state *state, mapped_error *error)
{
    positions seen = {0, 0};
    mapped_ring_state result = {0, 0, 0};
    mapped_status status = MAPPED_OK;
    bool is_valid = false;
    for (int i = 0; i < READ_TRIES && status == MAPPED_OK && !is_valid; i++) {
        status = read_positions(ring, &seen, &result, error);
        is_valid = mapped__ring_is_valid(ring, seen.head, seen.tail);
    }
    if (status == MAPPED_OK && !is_valid)
        status = mapped_error_set(error, MAPPED_CORRUPT, "look");
    if (status == MAPPED_OK) {
        result.used = (size_t)mapped__ring_used(ring, seen.head, seen.tail);
        *state = result;
    }
    return mapped__region_complete_error(ring->slice.region, "look", status,
                                         error);
}

/* MAPPED_OK once the condition is met, MAPPED_TIMEOUT until then. It also is
 * met if the positions are damaged: the call after the wait reports that. */
static mapped_status check_condition(const mapped_ring *ring,
                                     mapped__ring_condition condition,
                                     mapped_error *error)
{
    positions seen;
    mapped_status status = read_positions(ring, &seen, NULL, error);
    if (status != MAPPED_OK)
        return status;
    const bool is_met =
        !mapped__ring_is_valid(ring, seen.head, seen.tail) ||
        (condition.wants_room
             ? mapped__ring_has_room(ring, seen.head, seen.tail, condition.n)
             : seen.head != seen.tail);
    return is_met ? MAPPED_OK : MAPPED_TIMEOUT;
}

/* How long to poll before a sleep, in nanoseconds: about as long as it takes to
 * put a thread to sleep and wake it. */
#define POLL_TIME ((uint64_t)20000)
#define POLLS_PER_CLOCK 32 /* before the clock is read again */

/* Checks the condition until `end`, at least once. */
static mapped_status poll_until(const mapped_ring *ring,
                                mapped__ring_condition condition, uint64_t end,
                                mapped_error *error)
{
    for (;;) {
        const bool is_last = mapped__now() >= end; /* the last check */
        for (int i = 0; i < POLLS_PER_CLOCK; i++) {
            mapped_status status = check_condition(ring, condition, error);
            if (status != MAPPED_TIMEOUT || is_last)
                return status;
            MAPPED__PAUSE();
        }
    }
}

/* The word at which threads sleep that wait for the condition. */
static mapped_status find_sleep_word(const mapped_ring *ring,
                                     mapped__ring_condition condition,
                                     mapped_atomic *word, mapped_error *error)
{
    const bool machine_is_big_endian = MAPPED_BIG_ENDIAN;
    const mapped_element *native_u32 =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, machine_is_big_endian);
    const size_t at = condition.wants_room
                          ? offsetof(mapped__ring_header, sender_sleeps)
                          : offsetof(mapped__ring_header, receiver_sleeps);
    return mapped_atomic_at(ring->slice, native_u32, at, word, error);
}

/* How long to sleep at most before the positions are read again, in
 * nanoseconds. A wake can be missed: a process that holds its end for several
 * records moves its position and reads the sleep word without a fence in
 * between, so it may read a 0 that this thread has just made a 1. So the sleep
 * after that is short: the first one, and one after a wake, which has set the
 * word to 0. When later sleeps begin, the word has long been 1: they miss a
 * wake only if a process dies between the two, which is rare. */
#define FIRST_SLEEP ((uint64_t)1000000)
#define LONG_SLEEP ((uint64_t)100000000)

/* Sleeps once, until a wake, but for no more than `*longest`, and sets that for
 * the next time. OK after a wake or a nap; MAPPED_TIMEOUT only at the deadline.
 * The condition isn't checked again after that: it may be met if a wake was
 * missed, which the next call finds. */
static mapped_status nap(const mapped_atomic *word, uint64_t deadline,
                         uint64_t *longest, mapped_error *error)
{
    const mapped_value one = {.u = 1};
    mapped_value found; /* unused */
    if (mapped__now() >= deadline)
        return mapped_error_set(error, MAPPED_TIMEOUT, "wait");
    const uint64_t wake = mapped_deadline(*longest);
    const bool is_last = deadline <= wake; /* the last nap */
    mapped_status status =
        mapped_atomic_wait(word, one, is_last ? deadline : wake, &found, error);
    *longest = status == MAPPED_TIMEOUT ? LONG_SLEEP : FIRST_SLEEP;
    return status == MAPPED_TIMEOUT && !is_last ? MAPPED_OK : status;
}

/* Sleeps until the condition is met. The sleep word is set to 1 before the
 * positions are read: whoever moves a position after that sees the 1, sets the
 * word to 0 and wakes all who sleep there (ring_hold.c). */
static mapped_status sleep_until(const mapped_ring *ring,
                                 mapped__ring_condition condition,
                                 uint64_t deadline, mapped_error *error)
{
    const mapped_value one = {.u = 1};
    uint64_t longest = FIRST_SLEEP;
    mapped_atomic word;
    mapped_status status = find_sleep_word(ring, condition, &word, error);
    while (status == MAPPED_OK) {
        status = mapped_atomic_store(&word, one, MAPPED_ORDER_SEQ_CST, error);
        if (status == MAPPED_OK)
            status = check_condition(ring, condition, error);
        if (status != MAPPED_TIMEOUT)
            return status;
        status = nap(&word, deadline, &longest, error);
    }
    return status;
}

static mapped_status wait_until(const mapped_ring *ring,
                                mapped__ring_condition condition,
                                uint64_t deadline, mapped_error *error)
{
    const uint64_t end = mapped_deadline(POLL_TIME);
    mapped_status status =
        poll_until(ring, condition, deadline < end ? deadline : end, error);
    if (status != MAPPED_TIMEOUT)
        return status;
    if (deadline <= end)
        return mapped_error_set(error, MAPPED_TIMEOUT, "wait");
    return sleep_until(ring, condition, deadline, error);
}

mapped_status mapped__ring_wait(const mapped_ring *ring,
                                mapped__ring_condition condition,
                                uint64_t deadline, mapped_error *error)
{
    mapped_status status =
        mapped__ring_check_length(ring, condition.n, "wait", error);
    if (status == MAPPED_OK)
        status = wait_until(ring, condition, deadline, error);
    return mapped__region_complete_error(ring->slice.region, "wait", status,
                                         error);
}

mapped_status mapped_ring_wait_record(const mapped_ring *ring,
                                      uint64_t deadline, mapped_error *error)
{
    const mapped__ring_condition record = {.wants_room = false};
    return mapped__ring_wait(ring, record, deadline, error);
}

mapped_status mapped_ring_wait_room(const mapped_ring *ring, size_t n,
                                    uint64_t deadline, mapped_error *error)
{
    const mapped__ring_condition room = {.wants_room = true, .n = n};
    return mapped__ring_wait(ring, room, deadline, error);
}
