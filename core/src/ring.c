/* The ring: attaching to it, its state, and waiting. ring_hold.c holds one of
 * its two ends, to send or to receive; ring_calls.c sends and receives copies
 * with that.
 *
 * Each end has a mutex and a position, the head or the tail. Only the holder of
 * the mutex moves the position, in one store, after its records are written or
 * read: so there is no moment at which the death of a process leaves half a
 * record. No function waits while it holds a mutex, except one that the caller
 * has taken with a hold. So a process that is stopped doesn't stop the others.
 *
 * Invariant: what is read from the memory is checked before it is used. Both
 * positions are multiples of 8 below twice the capacity and at most the
 * capacity apart, and a record ends before the tail and the end of the records.
 */
#include <mapped/ring.h>

#include <string.h>

#include "ring_internal.h"

#define VERSION 1
#define BYTE_ORDER_MARK 0x01020304
#define LEAST_CAPACITY 64

static const unsigned char magic[8] = "\xADmapring";

static mapped_status refuse_content(mapped_error *error)
{
    return mapped_error_set(error, MAPPED_ARGUMENT,
                            "Ring: neither zero nor a ring");
}

/* The header of an empty ring whose mutexes are free. */
static mapped__ring_header empty_header(const mapped_ring *ring)
{
    mapped__ring_header header = {.version = VERSION,
                                  .byte_order = BYTE_ORDER_MARK,
                                  .capacity = ring->capacity,
                                  .records_at = RECORDS_AT};
    memcpy(&header.magic, magic, sizeof magic);
    return header;
}

/* Stores the header of an empty ring. The magic comes last: a header that has
 * it is whole. */
static mapped_status write_header(const mapped_ring *ring, mapped_error *error)
{
    const mapped__ring_header empty = empty_header(ring);
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter_write(ring->slice, 0, RECORDS_AT, &p, error);
    if (status != MAPPED_OK)
        return status;
    mapped__ring_header *header = (mapped__ring_header *)(void *)p;
    MAPPED__STORE(&header->version, empty.version);
    MAPPED__STORE(&header->byte_order, empty.byte_order);
    MAPPED__STORE(&header->capacity, empty.capacity);
    MAPPED__STORE(&header->records_at, empty.records_at);
    MAPPED__STORE_RELEASE(&header->magic, empty.magic);
    return mapped_slice_leave(ring->slice, 0, RECORDS_AT, error);
}

static mapped_status enter_header(const mapped_ring *ring,
                                  mapped__ring_header **header,
                                  mapped_error *error)
{
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter(ring->slice, 0, RECORDS_AT, &p, error);
    *header = (mapped__ring_header *)(void *)p;
    return status;
}

static mapped_status leave_header(const mapped_ring *ring, mapped_error *error)
{
    return mapped_slice_leave(ring->slice, 0, RECORDS_AT, error);
}

/* Checks what write_header stores before the magic. */
static mapped_status check_header(const mapped_ring *ring,
                                  const mapped__ring_header *header,
                                  mapped_error *error)
{
    const uint64_t capacity = MAPPED__LOAD(&header->capacity);
    if (MAPPED__LOAD(&header->byte_order) != BYTE_ORDER_MARK)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another byte order");
    if (MAPPED__LOAD(&header->version) != VERSION)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: another version");
    if (MAPPED__LOAD(&header->records_at) != RECORDS_AT)
        return mapped_error_set(error, MAPPED_CORRUPT, "Ring");
    if (capacity != ring->capacity) {
        const mapped_error_range range = {0, capacity, ring->capacity};
        return mapped_error_set_range(error, MAPPED_SIZE, "Ring", range);
    }
    return MAPPED_OK;
}

/* Is there a ring's magic? If so, checks the rest of the header. */
static mapped_status read_header(const mapped_ring *ring, bool *is_formatted,
                                 mapped_error *error)
{
    mapped__ring_header *header;
    mapped_status checked = MAPPED_OK;
    mapped_status status = enter_header(ring, &header, error);
    if (status != MAPPED_OK)
        return status;
    const uint64_t first = MAPPED__LOAD_ACQUIRE(&header->magic);
    *is_formatted = memcmp(&first, magic, sizeof first) == 0;
    if (*is_formatted)
        checked = check_header(ring, header, error);
    status = leave_header(ring, error);
    return status != MAPPED_OK ? status : checked;
}

/* Is each word of the header zero, or what write_header stores there? A process
 * may have died in the middle of write_header, or be in it now. That process
 * holds the senders' mutex, which may therefore be any number. */
static bool may_format_header(const mapped_ring *ring, unsigned char *memory)
{
    const mapped__ring_header empty = empty_header(ring);
    uint64_t allowed[RECORDS_AT / 8];
    const uint64_t *words = (const uint64_t *)(const void *)memory;
    const size_t mutex_at = offsetof(mapped__ring_header, senders_mutex) / 8;
    memcpy(allowed, &empty, sizeof allowed);
    for (size_t i = 0; i < RECORDS_AT / 8; i++) {
        const uint64_t word = MAPPED__LOAD(&words[i]);
        if (word != 0 && word != allowed[i] && i != mutex_at)
            return false;
    }
    return true;
}

static bool is_zero(const unsigned char *bytes, size_t n)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* MAPPED_ARGUMENT if a ring would overwrite one of these bytes. The piece at 0
 * is the header. */
static mapped_status check_piece(const mapped_ring *ring, size_t at, size_t n,
                                 mapped_error *error)
{
    unsigned char *p;
    mapped_status status = mapped_slice_enter(ring->slice, at, n, &p, error);
    if (status != MAPPED_OK)
        return status;
    const bool may_format =
        at == 0 ? may_format_header(ring, p) : is_zero(p, n);
    status = mapped_slice_leave(ring->slice, at, n, error);
    return status == MAPPED_OK && !may_format ? refuse_content(error) : status;
}

static mapped_status check_may_format(const mapped_ring *ring,
                                      mapped_error *error)
{
    const size_t piece = 1 << 20, length = ring->slice.length;
    mapped_status status = check_piece(ring, 0, RECORDS_AT, error);
    for (size_t at = RECORDS_AT; status == MAPPED_OK && at < length;
         at += piece) {
        const size_t left = length - at;
        status = check_piece(ring, at, left < piece ? left : piece, error);
    }
    return status;
}

mapped_status mapped__ring_mutex(const mapped_ring *ring, bool sends,
                                 mapped_mutex *mutex, mapped_error *error)
{
    const size_t at = sends ? offsetof(mapped__ring_header, senders_mutex)
                            : offsetof(mapped__ring_header, receivers_mutex);
    mapped_slice word;
    mapped_status status = mapped_slice_sub(ring->slice, at, 8, &word, error);
    return status == MAPPED_OK ? mapped_mutex_at(word, mutex, error) : status;
}

/* Formats the slice with the mutex held, unless another process has done so
 * before this one got the mutex. */
static mapped_status format_locked(const mapped_ring *ring,
                                   const mapped_mutex *mutex,
                                   mapped_error *error)
{
    bool is_formatted;
    mapped_status status = read_header(ring, &is_formatted, error);
    if (status == MAPPED_OK && !is_formatted)
        status = write_header(ring, error);
    mapped_status unlocked =
        mapped_mutex_unlock(mutex, status == MAPPED_OK ? error : NULL);
    return status == MAPPED_OK ? unlocked : status;
}

/* How long to wait for another process that formats the ring, in nanoseconds,
 * and how often to check the header meanwhile: once the ring is formatted, the
 * mutex may be held for long by those who use it. */
#define FORMAT_TIMEOUT ((uint64_t)10000000000)
#define FORMAT_CHECK ((uint64_t)20000000)

/* Formats the slice, or waits until another process has. The senders' mutex
 * decides who does it. If the mutex belongs to a living process that formats no
 * ring, these bytes are no mutex but somebody's data. */
static mapped_status format(const mapped_ring *ring, mapped_error *error)
{
    const uint64_t end = mapped_deadline(FORMAT_TIMEOUT);
    bool is_formatted = false;
    mapped_mutex mutex;
    mapped_status status = mapped__ring_mutex(ring, true, &mutex, error);
    while (status == MAPPED_OK && !is_formatted) {
        status = mapped_mutex_lock(&mutex, mapped_deadline(FORMAT_CHECK), NULL,
                                   error);
        if (status == MAPPED_OK)
            return format_locked(ring, &mutex, error);
        if (status != MAPPED_TIMEOUT)
            return status;
        status = read_header(ring, &is_formatted, error);
        if (status == MAPPED_OK && !is_formatted && mapped__now() >= end)
            return refuse_content(error);
    }
    return status;
}

static mapped_status attach_or_format(const mapped_ring *ring,
                                      mapped_error *error)
{
    bool is_formatted;
    mapped_status status = read_header(ring, &is_formatted, error);
    if (status != MAPPED_OK || is_formatted)
        return status;
    mapped_status may_format = check_may_format(ring, error);
    if (may_format == MAPPED_OK)
        return format(ring, error);
    /* The bytes may be those of a ring that another process has formatted, and
     * used, in the middle of the check. */
    status = read_header(ring, &is_formatted, error);
    return status == MAPPED_OK && !is_formatted ? may_format : status;
}

/* Can there be a ring in this slice, whatever its bytes are? */
static mapped_status check_slice(mapped_slice slice, mapped_error *error)
{
    const size_t least = RECORDS_AT + LEAST_CAPACITY;
    unsigned char *first;
    mapped_status status = mapped_slice_check_writable(slice, error);
    if (status != MAPPED_OK)
        return status;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "Ring");
    if (mapped_region_mode(slice.region) == MAPPED_MODE_COPY)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "Ring: a private copy of a file");
    status = mapped_slice_enter_write(slice, 0, least, &first, error);
    if (status != MAPPED_OK)
        return status;
    const bool is_aligned = (uintptr_t)first % 8 == 0;
    status = mapped_slice_leave(slice, 0, least, error);
    if (status != MAPPED_OK)
        return status;
    return is_aligned ? MAPPED_OK
                      : mapped__error_set_length(error, MAPPED_MISALIGNED,
                                                 "Ring", slice.length, 8);
}

mapped_status mapped_ring_at(mapped_slice slice, mapped_ring *ring,
                             mapped_error *error)
{
    mapped_ring attached = {.slice = slice};
    mapped_status status = check_slice(slice, error);
    if (status == MAPPED_OK) {
        attached.capacity = (slice.length - RECORDS_AT) & ~(size_t)7;
        status = attach_or_format(&attached, error);
    }
    if (status == MAPPED_OK)
        *ring = attached;
    return mapped__region_report(slice.region, "Ring", status, error);
}

size_t mapped_ring_longest(const mapped_ring *ring)
{
    return mapped__ring_longest(ring);
}

mapped_status mapped__ring_check_length(const mapped_ring *ring, size_t n,
                                        const char *operation,
                                        mapped_error *error)
{
    const mapped_error_range range = {0, n, mapped__ring_longest(ring)};
    return n <= range.limit
               ? MAPPED_OK
               : mapped_error_set_range(error, MAPPED_RANGE, operation, range);
}

typedef struct positions {
    uint64_t head, tail;
} positions;

/* Reads both positions, unchecked, and into `state`, if it isn't NULL, how
 * often a process died that held a mutex. */
static mapped_status read_positions(const mapped_ring *ring, positions *seen,
                                    mapped_ring_state *state,
                                    mapped_error *error)
{
    mapped__ring_header *header;
    mapped_status status = enter_header(ring, &header, error);
    if (status != MAPPED_OK)
        return status;
    seen->head = __atomic_load_n(&header->head, __ATOMIC_SEQ_CST);
    seen->tail = __atomic_load_n(&header->tail, __ATOMIC_SEQ_CST);
    if (state != NULL) {
        state->senders_died = MAPPED__LOAD(&header->senders_died);
        state->receivers_died = MAPPED__LOAD(&header->receivers_died);
    }
    return leave_header(ring, error);
}

/* Other processes may move both positions between the two loads, so positions
 * that don't fit together are read again. If they never fit, they are damaged.
 */
#define LOOK_TRIES 100

mapped_status mapped_ring_look(const mapped_ring *ring,
                               mapped_ring_state *state, mapped_error *error)
{
    positions seen = {0, 0};
    mapped_ring_state result = {0, 0, 0};
    mapped_status status = MAPPED_OK;
    bool is_valid = false;
    for (int i = 0; i < LOOK_TRIES && status == MAPPED_OK && !is_valid; i++) {
        status = read_positions(ring, &seen, &result, error);
        is_valid = mapped__ring_is_valid(ring, seen.head, seen.tail);
    }
    if (status == MAPPED_OK && !is_valid)
        status = mapped_error_set(error, MAPPED_CORRUPT, "look");
    if (status == MAPPED_OK) {
        result.used = (size_t)mapped__ring_used(ring, seen.head, seen.tail);
        *state = result;
    }
    return mapped__region_report(ring->slice.region, "look", status, error);
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
        (condition.sends
             ? mapped__ring_has_room(ring, seen.head, seen.tail, condition.n)
             : seen.head != seen.tail);
    return is_met ? MAPPED_OK : MAPPED_TIMEOUT;
}

/* How long to poll before a sleep, in nanoseconds: about as long as it takes to
 * put a thread to sleep and wake it. */
#define POLL_TIME ((uint64_t)20000)
#define POLLS_PER_CLOCK 32 /* between two looks at the clock */

/* Checks the condition until `end`, at least once. */
static mapped_status poll_until(const mapped_ring *ring,
                                mapped__ring_condition condition, uint64_t end,
                                mapped_error *error)
{
    for (;;) {
        const bool is_last = mapped__now() >= end;
        for (int i = 0; i < POLLS_PER_CLOCK; i++) {
            mapped_status status = check_condition(ring, condition, error);
            if (status != MAPPED_TIMEOUT || is_last)
                return status;
            MAPPED__PAUSE();
        }
    }
}

/* The futex word at which threads sleep that wait for the condition. */
static mapped_status find_sleep_word(const mapped_ring *ring,
                                     mapped__ring_condition condition,
                                     mapped_atomic *word, mapped_error *error)
{
    const mapped_element *native_u32 =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, MAPPED_BIG_ENDIAN);
    const size_t at = condition.sends
                          ? offsetof(mapped__ring_header, sender_sleeps)
                          : offsetof(mapped__ring_header, receiver_sleeps);
    return mapped_atomic_at(ring->slice, native_u32, at, word, error);
}

/* How long to sleep at most before the positions are read again, in
 * nanoseconds. A wake can be missed: a process that holds its end for several
 * records moves its position and reads the sleep word without a fence in
 * between, and may die between the two. So the first sleep is short. */
#define FIRST_SLEEP ((uint64_t)1000000)
#define LONG_SLEEP ((uint64_t)100000000)

/* Sleeps until the condition is met. The sleep word is set to 1 before the
 * positions are read: whoever moves a position after that sees the 1, sets the
 * word to 0 and wakes all who sleep there. */
static mapped_status sleep_until(const mapped_ring *ring,
                                 mapped__ring_condition condition,
                                 uint64_t deadline, mapped_error *error)
{
    const mapped_value one = {.u = 1};
    uint64_t longest = FIRST_SLEEP;
    mapped_atomic word;
    mapped_status status = find_sleep_word(ring, condition, &word, error);
    while (status == MAPPED_OK) {
        mapped_value woken_by;
        status = mapped_atomic_store(&word, one, MAPPED_ORDER_SEQ_CST, error);
        if (status == MAPPED_OK)
            status = check_condition(ring, condition, error);
        if (status != MAPPED_TIMEOUT)
            break;
        if (mapped__now() >= deadline)
            return mapped_error_set(error, MAPPED_TIMEOUT, "wait");
        const uint64_t wake = mapped_deadline(longest);
        const bool is_last = deadline <= wake;
        status = mapped_atomic_wait(&word, one, is_last ? deadline : wake,
                                    &woken_by, error);
        longest = status == MAPPED_TIMEOUT ? LONG_SLEEP : FIRST_SLEEP;
        if (status == MAPPED_TIMEOUT && !is_last)
            status = MAPPED_OK;
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
    return mapped__region_report(ring->slice.region, "wait", status, error);
}

mapped_status mapped_ring_wait_record(const mapped_ring *ring,
                                      uint64_t deadline, mapped_error *error)
{
    const mapped__ring_condition record = {.sends = false};
    return mapped__ring_wait(ring, record, deadline, error);
}

mapped_status mapped_ring_wait_room(const mapped_ring *ring, size_t n,
                                    uint64_t deadline, mapped_error *error)
{
    const mapped__ring_condition room = {.sends = true, .n = n};
    return mapped__ring_wait(ring, room, deadline, error);
}
