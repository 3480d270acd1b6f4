/* The ring. Each end has a position that only the holder of its mutex moves,
 * in one store, after its records are written or read: so there is no moment at
 * which the death of a process leaves half a record.
 *
 * Invariant: what is read from the memory is checked before it is used. Both
 * positions are multiples of 8 below twice the capacity and at most the
 * capacity apart, and a record ends before the tail and the end of the records.
 *
 * No function waits while it holds a mutex, except one that the caller has
 * taken with a hold. So a process that is stopped doesn't stop the others.
 *
 * Here a ring is made, attached, looked at and waited for; ring_hold.c and
 * ring_calls.c send and receive. */
#include <mapped/ring.h>

#include <string.h>

#include <mapped/mutex.h>

#include "ring_internal.h"

#define VERSION_AT 8
#define BYTE_ORDER_AT 12
#define CAPACITY_AT 16
#define RECORDS_OFFSET_AT 24

#define VERSION 1
#define BYTE_ORDER_MARK 0x01020304
#define LEAST_CAPACITY 64

static const unsigned char magic[8] = "\xADmapring";

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return n == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0);
}

/* Fills `words` with the header of an empty ring. */
static void build_header(const mapped_ring *ring,
                         uint64_t words[RECORDS_AT / 8])
{
    const uint32_t version[2] = {VERSION, BYTE_ORDER_MARK};
    memset(words, 0, RECORDS_AT);
    memcpy(&words[0], magic, 8);
    memcpy(&words[VERSION_AT / 8], version, 8);
    words[CAPACITY_AT / 8] = ring->capacity;
    words[RECORDS_OFFSET_AT / 8] = RECORDS_AT;
}

/* Is the header, but for the mutex, zero or what somebody who died in the
 * middle of its making has left? */
static bool is_unmade(const mapped_ring *ring, unsigned char *header)
{
    uint64_t words[RECORDS_AT / 8];
    build_header(ring, words);
    for (size_t at = 0; at < RECORDS_AT; at += 8) {
        uint64_t found = MAPPED__LOAD(mapped__ring_long_at(header, at));
        if (found != 0 && found != words[at / 8] && at != SENDERS_AT)
            return false;
    }
    return true;
}

static mapped_status check_empty(const mapped_ring *ring, mapped_error *error)
{
    const size_t piece = 1 << 20;
    const mapped_slice slice = ring->slice;
    for (size_t at = 0, n; at < slice.length; at += n) {
        unsigned char *p;
        n = at == 0                     ? RECORDS_AT
            : slice.length - at < piece ? slice.length - at
                                        : piece;
        mapped_status status = mapped_slice_enter(slice, at, n, &p, error);
        if (status != MAPPED_OK)
            return status;
        bool empty = at == 0 ? is_unmade(ring, p) : is_zero(p, n);
        status = mapped_slice_leave(slice, at, n, error);
        if (status != MAPPED_OK)
            return status;
        if (!empty)
            return mapped_error_set(error, MAPPED_ARGUMENT,
                                    "Ring: neither zero nor a ring");
    }
    return MAPPED_OK;
}

static mapped_status check_header(const mapped_ring *ring,
                                  unsigned char *header, mapped_error *error)
{
    unsigned char bytes[SENDERS_AT];
    memcpy(bytes, header, sizeof bytes);
    const uint64_t capacity = *mapped__ring_long_at(bytes, CAPACITY_AT);
    if (*mapped__ring_word_at(bytes, BYTE_ORDER_AT) != BYTE_ORDER_MARK)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another byte order");
    if (*mapped__ring_word_at(bytes, VERSION_AT) != VERSION)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another version");
    if (*mapped__ring_long_at(bytes, RECORDS_OFFSET_AT) != RECORDS_AT)
        return mapped_error_set(error, MAPPED_CORRUPT, "Ring");
    if (capacity != ring->capacity) {
        const mapped_error_range range = {0, capacity, ring->capacity};
        return mapped_error_set_range(error, MAPPED_SIZE, "Ring", range);
    }
    return MAPPED_OK;
}

/* `*is_made`: the slice has the mark of a ring; then it is checked. */
static mapped_status read_header(const mapped_ring *ring, bool *is_made,
                                 mapped_error *error)
{
    unsigned char *header;
    mapped_status checked = MAPPED_OK;
    mapped_status status =
        mapped_slice_enter(ring->slice, 0, RECORDS_AT, &header, error);
    if (status != MAPPED_OK)
        return status;
    uint64_t mark =
        __atomic_load_n(mapped__ring_long_at(header, 0), __ATOMIC_ACQUIRE);
    *is_made = memcmp(&mark, magic, sizeof mark) == 0;
    if (*is_made)
        checked = check_header(ring, header, error);
    status = mapped_slice_leave(ring->slice, 0, RECORDS_AT, error);
    return status != MAPPED_OK ? status : checked;
}

/* The mark comes last: a header that has it is whole. */
static mapped_status write_header(const mapped_ring *ring, mapped_error *error)
{
    unsigned char *header;
    uint64_t words[RECORDS_AT / 8];
    mapped_status status =
        mapped_slice_enter_write(ring->slice, 0, RECORDS_AT, &header, error);
    if (status != MAPPED_OK)
        return status;
    build_header(ring, words);
    for (size_t at = VERSION_AT; at <= RECORDS_OFFSET_AT; at += 8)
        MAPPED__STORE(mapped__ring_long_at(header, at), words[at / 8]);
    MAPPED__STORE_RELEASE(mapped__ring_long_at(header, 0), words[0]);
    return mapped_slice_leave(ring->slice, 0, RECORDS_AT, error);
}

mapped_status mapped__ring_mutex(const mapped_ring *ring, bool sends,
                                 mapped_mutex *mutex, mapped_error *error)
{
    mapped_slice word;
    mapped_status status = mapped_slice_sub(
        ring->slice, sends ? SENDERS_AT : RECEIVERS_AT, 8, &word, error);
    return status == MAPPED_OK ? mapped_mutex_at(word, mutex, error) : status;
}

/* How long to wait for another process that makes the ring, in nanoseconds, and
 * how often to check whether it is made: then its mutex may be held for long.
 */
#define LONGEST_MAKING ((uint64_t)10000000000)
#define CHECK_MAKING ((uint64_t)20000000)

static mapped_status make_locked(const mapped_ring *ring, mapped_error *error)
{
    bool is_made;
    mapped_status status = read_header(ring, &is_made, error);
    return status == MAPPED_OK && !is_made ? write_header(ring, error) : status;
}

/* Locks the senders' mutex, unless the ring is made meanwhile. Bytes that are
 * the mutex of a process that lives and makes no ring are somebody's data. */
static mapped_status lock_or_find_made(const mapped_ring *ring,
                                       const mapped_mutex *mutex, bool *is_made,
                                       mapped_error *error)
{
    const uint64_t end = mapped_deadline(LONGEST_MAKING);
    mapped_status status = MAPPED_TIMEOUT;
    *is_made = false;
    while (status == MAPPED_TIMEOUT && !*is_made) {
        if (mapped__now() >= end)
            return mapped_error_set(error, MAPPED_ARGUMENT,
                                    "Ring: neither zero nor a ring");
        status = mapped_mutex_lock(mutex, mapped_deadline(CHECK_MAKING), NULL,
                                   error);
        if (status == MAPPED_TIMEOUT) {
            mapped_status checked = read_header(ring, is_made, error);
            if (checked != MAPPED_OK)
                return checked;
        }
    }
    return *is_made ? MAPPED_OK : status;
}

/* Several may find the slice zero at once, and one may die while it writes the
 * header; the senders' mutex tells them apart. */
static mapped_status make(const mapped_ring *ring, mapped_error *error)
{
    mapped_mutex mutex;
    bool is_made = false;
    mapped_status status = mapped__ring_mutex(ring, true, &mutex, error);
    if (status == MAPPED_OK)
        status = lock_or_find_made(ring, &mutex, &is_made, error);
    if (status != MAPPED_OK || is_made)
        return status;
    status = make_locked(ring, error);
    mapped_status unlocked =
        mapped_mutex_unlock(&mutex, status == MAPPED_OK ? error : NULL);
    return status == MAPPED_OK ? unlocked : status;
}

/* Another process may make the ring, and use it, in the middle of the check. */
static mapped_status attach_or_make(const mapped_ring *ring,
                                    mapped_error *error)
{
    bool is_made;
    mapped_status status = read_header(ring, &is_made, error);
    if (status != MAPPED_OK || is_made)
        return status;
    mapped_status empty = check_empty(ring, error);
    if (empty == MAPPED_OK)
        return make(ring, error);
    status = read_header(ring, &is_made, error);
    return status == MAPPED_OK && !is_made ? empty : status;
}

static mapped_status ring_at(mapped_ring *ring, mapped_error *error)
{
    unsigned char *header;
    const mapped_slice slice = ring->slice;
    mapped_status status = mapped_slice_check_writable(slice, error);
    if (status == MAPPED_OK)
        status = mapped_slice_enter_write(slice, 0, RECORDS_AT + LEAST_CAPACITY,
                                          &header, error);
    if (status != MAPPED_OK)
        return status;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "Ring");
    if (mapped_region_mode(slice.region) == MAPPED_MODE_COPY)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: a private copy of a file");
    if ((uintptr_t)header % 8 != 0) {
        const mapped_error_range range = {0, slice.length, 8};
        return mapped_error_set_range(error, MAPPED_MISALIGNED, "Ring", range);
    }
    ring->capacity = (slice.length - RECORDS_AT) & ~(size_t)7;
    return attach_or_make(ring, error);
}

mapped_status mapped_ring_at(mapped_slice slice, mapped_ring *ring,
                             mapped_error *error)
{
    mapped_ring made = {.slice = slice};
    mapped_status status = ring_at(&made, error);
    if (status == MAPPED_OK)
        *ring = made;
    else if (error != NULL)
        mapped_error_set_operation(error, "Ring");
    return mapped__region_report(slice.region, "Ring", status, error);
}

size_t mapped_ring_longest(const mapped_ring *ring)
{
    return mapped__ring_longest(ring);
}

typedef struct ring_ends {
    uint64_t head, tail;
} ring_ends;

/* Reads both positions, unchecked, and into `state`, if it isn't NULL, how
 * often a process died that held a mutex. */
static mapped_status read_ends(const mapped_ring *ring, ring_ends *ends,
                               mapped_ring_state *state, mapped_error *error)
{
    unsigned char *header;
    mapped_status status =
        mapped_slice_enter(ring->slice, 0, RECORDS_AT, &header, error);
    if (status != MAPPED_OK)
        return status;
    ends->head = __atomic_load_n(mapped__ring_long_at(header, HEAD_AT),
                                 __ATOMIC_SEQ_CST);
    ends->tail = __atomic_load_n(mapped__ring_long_at(header, TAIL_AT),
                                 __ATOMIC_SEQ_CST);
    if (state != NULL) {
        state->senders_died =
            MAPPED__LOAD(mapped__ring_word_at(header, SENDERS_DIED_AT));
        state->receivers_died =
            MAPPED__LOAD(mapped__ring_word_at(header, RECEIVERS_DIED_AT));
    }
    return mapped_slice_leave(ring->slice, 0, RECORDS_AT, error);
}

/* Other processes may move both positions between the two loads, so two that
 * don't fit are read again. If they never fit, they are damaged. */
mapped_status mapped_ring_look(const mapped_ring *ring,
                               mapped_ring_state *state, mapped_error *error)
{
    ring_ends ends = {0, 0};
    mapped_ring_state found = {0, 0, 0};
    mapped_status status = MAPPED_OK;
    bool is_valid = false;
    for (int tries = 0; status == MAPPED_OK && !is_valid && tries < 100;
         tries++) {
        status = read_ends(ring, &ends, &found, error);
        is_valid = mapped__ring_are_positions(ring, ends.head, ends.tail);
    }
    if (status == MAPPED_OK && !is_valid)
        status = mapped_error_set(error, MAPPED_CORRUPT, "look");
    if (status == MAPPED_OK) {
        found.used = (size_t)mapped__ring_distance(ring, ends.head, ends.tail);
        *state = found;
    }
    return mapped__region_report(ring->slice.region, "look", status, error);
}

/* Also true of damaged positions, so that a wait ends and the next call reports
 * them. */
static bool is_ready(const mapped_ring *ring, const ring_ends *ends,
                     mapped__ring_wish wish)
{
    if (!mapped__ring_are_positions(ring, ends->head, ends->tail))
        return true;
    uint64_t used = mapped__ring_distance(ring, ends->head, ends->tail);
    return wish.sends ? mapped__ring_bytes_taken(ring, ends->tail, wish.n) <=
                            ring->capacity - used
                      : used > 0;
}

/* How long to poll before a sleep: about as long as it takes to put a thread to
 * sleep and wake it. */
#define POLL_NS ((uint64_t)20000)

/* Reads the positions until then, at least once. Ends with MAPPED_TIMEOUT. */
static mapped_status poll_until(const mapped_ring *ring, mapped__ring_wish wish,
                                uint64_t end, mapped_error *error)
{
    ring_ends ends;
    for (;;) {
        bool is_last = mapped__now() >= end;
        for (int i = 0; i < 32; i++) {
            mapped_status status = read_ends(ring, &ends, NULL, error);
            if (status != MAPPED_OK || is_ready(ring, &ends, wish))
                return status;
            if (is_last)
                return MAPPED_TIMEOUT;
            MAPPED__PAUSE();
        }
    }
}

/* The futex word at which threads sleep that wait for this, in this machine's
 * byte order. */
static mapped_status find_sleep_word(const mapped_ring *ring,
                                     mapped__ring_wish wish,
                                     mapped_atomic *word, mapped_error *error)
{
    return mapped_atomic_at(
        ring->slice,
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, MAPPED_BIG_ENDIAN),
        wish.sends ? SENDER_SLEEPS_AT : RECEIVER_SLEEPS_AT, word, error);
}

/* How long to sleep at most, in nanoseconds. A wake can be missed: a process
 * that holds its end for several records moves its position and reads the word
 * without a fence in between, and may die between the two. So the first sleep
 * is short. */
#define FIRST_SLEEP ((uint64_t)1000000)
#define LONG_SLEEP ((uint64_t)100000000)

static mapped_status sleep_until(const mapped_ring *ring,
                                 mapped__ring_wish wish, uint64_t deadline,
                                 mapped_error *error)
{
    const mapped_value one = {.u = 1};
    uint64_t longest = FIRST_SLEEP;
    mapped_atomic word;
    mapped_status status = find_sleep_word(ring, wish, &word, error);
    while (status == MAPPED_OK) {
        ring_ends ends;
        mapped_value found;
        status = mapped_atomic_store(&word, one, MAPPED_ORDER_SEQ_CST, error);
        if (status == MAPPED_OK)
            status = read_ends(ring, &ends, NULL, error);
        if (status != MAPPED_OK || is_ready(ring, &ends, wish))
            break;
        if (mapped__now() >= deadline)
            return mapped_error_set(error, MAPPED_TIMEOUT, "wait");
        uint64_t wake = mapped_deadline(longest);
        bool is_last = deadline <= wake;
        status = mapped_atomic_wait(&word, one, is_last ? deadline : wake,
                                    &found, error);
        longest = status == MAPPED_TIMEOUT ? LONG_SLEEP : FIRST_SLEEP;
        if (status == MAPPED_TIMEOUT && !is_last)
            status = MAPPED_OK;
    }
    return status;
}

static mapped_status wait_for(const mapped_ring *ring, mapped__ring_wish wish,
                              uint64_t deadline, mapped_error *error)
{
    uint64_t end = mapped_deadline(POLL_NS);
    mapped_status status =
        poll_until(ring, wish, deadline < end ? deadline : end, error);
    if (status != MAPPED_TIMEOUT)
        return status;
    if (deadline <= end)
        return mapped_error_set(error, MAPPED_TIMEOUT, "wait");
    return sleep_until(ring, wish, deadline, error);
}

mapped_status mapped__ring_check_length(const mapped_ring *ring, size_t n,
                                        const char *operation,
                                        mapped_error *error)
{
    const mapped_error_range range = {0, n, mapped_ring_longest(ring)};
    return n <= range.limit
               ? MAPPED_OK
               : mapped_error_set_range(error, MAPPED_RANGE, operation, range);
}

mapped_status mapped__ring_report_error(const mapped_ring *ring,
                                        const char *operation,
                                        mapped_status status,
                                        mapped_error *error)
{
    if (error != NULL)
        mapped_error_set_operation(error, operation);
    return mapped__region_report(ring->slice.region, operation, status, error);
}

mapped_status mapped__ring_wait(const mapped_ring *ring, mapped__ring_wish wish,
                                uint64_t deadline, mapped_error *error)
{
    mapped_status status =
        mapped__ring_check_length(ring, wish.n, "wait", error);
    if (status == MAPPED_OK)
        status = wait_for(ring, wish, deadline, error);
    return mapped__ring_report(ring, "wait", status, error);
}

mapped_status mapped_ring_wait_record(const mapped_ring *ring,
                                      uint64_t deadline, mapped_error *error)
{
    return mapped__ring_wait(ring, (mapped__ring_wish){false, 0}, deadline,
                             error);
}

mapped_status mapped_ring_wait_room(const mapped_ring *ring, size_t n,
                                    uint64_t deadline, mapped_error *error)
{
    return mapped__ring_wait(ring, (mapped__ring_wish){true, n}, deadline,
                             error);
}
