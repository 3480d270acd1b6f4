/* Holding one end of a ring: sending and receiving. The hold is an export, so
 * its memory can't go, and its mutex can be unlocked whatever happens to the
 * region. The position of this end is kept here, and not read from memory
 * again.
 *
 * Invariant: the records between the position in memory and `position_` are
 * reserved or peeked at. Only their bytes may be incomplete. */
#include <mapped/ring.h>

#include "ring_internal.h"

static unsigned char *header_of(const mapped_ring_hold *hold)
{
    return hold->held_.data;
}

static uint64_t *position_of_end(const mapped_ring_hold *hold)
{
    return mapped__ring_long_at(header_of(hold),
                                hold->sends_ ? TAIL_AT : HEAD_AT);
}

/* Reads where the other end is now. */
static mapped_status read_other_position(mapped_ring_hold *hold,
                                         mapped_error *error)
{
    const uint64_t *there =
        mapped__ring_long_at(header_of(hold), hold->sends_ ? HEAD_AT : TAIL_AT);
    uint64_t others = __atomic_load_n(there, __ATOMIC_ACQUIRE);
    bool is_valid =
        hold->sends_
            ? mapped__ring_are_positions(&hold->ring, others, hold->position_)
            : mapped__ring_are_positions(&hold->ring, hold->position_, others);
    if (!is_valid)
        return mapped_error_set(error, MAPPED_CORRUPT, "position");
    hold->other_position_ = others;
    return MAPPED_OK;
}

/* MAPPED_FAULT if a page is lost: what was read from it is zeros. */
static mapped_status check_pages(const mapped_ring_hold *hold,
                                 mapped_error *error)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LIKELY(MAPPED__LOAD(&hold->ring.slice.region->state_) == 0)
               ? MAPPED_OK
               : mapped_export_check(&hold->held_, error);
}

/* Wakes all that sleep until this end has moved. */
static void wake_others(const mapped_ring_hold *hold)
{
    uint32_t *word = mapped__ring_word_at(
        header_of(hold), hold->sends_ ? RECEIVER_SLEEPS_AT : SENDER_SLEEPS_AT);
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != 0 &&
        __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) != 0)
        (void)mapped__wake_shared(word, UINT32_MAX);
}

static void unlock(const mapped_ring_hold *hold)
{
    (void)mapped__mutex_unlock(mapped__ring_long_at(
        header_of(hold), hold->sends_ ? SENDERS_AT : RECEIVERS_AT));
}

static mapped_status check_owner(const mapped_ring_hold *hold,
                                 mapped_error *error)
{
    return hold->owner_ == mapped__process_identity()
               ? MAPPED_OK
               : mapped_error_set(error, MAPPED_ARGUMENT,
                                  "not held by this process");
}

static mapped_status check_end(const mapped_ring_hold *hold, bool sends,
                               mapped_error *error)
{
    return hold->sends_ == sends
               ? check_owner(hold, error)
               : mapped_error_set(error, MAPPED_ARGUMENT,
                                  sends ? "not held to send"
                                        : "not held to receive");
}

/* With the mutex held. */
static mapped_status begin(mapped_ring_hold *hold, bool owner_died,
                           mapped_error *error)
{
    if (owner_died)
        __atomic_fetch_add(
            mapped__ring_word_at(header_of(hold), hold->sends_
                                                      ? SENDERS_DIED_AT
                                                      : RECEIVERS_DIED_AT),
            1, __ATOMIC_RELAXED);
    hold->identity_ = &mapped__process_identity_cache;
    hold->owner_ = mapped__process_identity();
    hold->position_ = __atomic_load_n(position_of_end(hold), __ATOMIC_RELAXED);
    hold->last_ = hold->position_;
    mapped_status status = read_other_position(hold, error);
    mapped_status checked = check_pages(hold, error);
    return checked != MAPPED_OK ? checked : status;
}

/* Holds the end; MAPPED_TIMEOUT if somebody else does. The mutex is locked
 * after the export has begun, so that it can always be unlocked; and no byte
 * becomes protected while there is an export. */
static mapped_status try_begin(mapped_ring_hold *hold,
                               const mapped_mutex *mutex, bool slept,
                               mapped_error *error)
{
    bool owner_died;
    mapped_status status =
        mapped_export_begin(hold->ring.slice, &hold->held_, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_slice_check_writable(hold->ring.slice, error);
    if (status == MAPPED_OK)
        status = mapped__mutex_try(mutex, slept, &owner_died, error);
    if (status == MAPPED_OK) {
        status = begin(hold, owner_died, error);
        if (status != MAPPED_OK)
            unlock(hold);
    }
    if (status != MAPPED_OK)
        mapped__region_end_export(hold->ring.slice.region);
    return status;
}

static mapped_status hold_end(mapped_ring_hold *hold, uint64_t deadline,
                              mapped_error *error)
{
    mapped_mutex mutex;
    bool slept = false;
    mapped_status status =
        mapped__ring_mutex(&hold->ring, hold->sends_, &mutex, error);
    while (status == MAPPED_OK) {
        status = try_begin(hold, &mutex, slept, error);
        if (status != MAPPED_TIMEOUT || mapped__now() >= deadline)
            break;
        status = mapped__mutex_wait(&mutex, deadline, error);
        slept = true;
    }
    return status;
}

mapped_status mapped__ring_begin(const mapped_ring *ring, bool sends,
                                 uint64_t deadline, mapped_ring_hold *hold,
                                 mapped_error *error)
{
    *hold = (mapped_ring_hold){.ring = *ring, .sends_ = sends};
    return mapped__ring_report(ring, sends ? "send" : "recv",
                               hold_end(hold, deadline, error), error);
}

mapped_status mapped_ring_begin_send(const mapped_ring *ring, uint64_t deadline,
                                     mapped_ring_hold *hold,
                                     mapped_error *error)
{
    return mapped__ring_begin(ring, true, deadline, hold, error);
}

mapped_status mapped_ring_begin_recv(const mapped_ring *ring, uint64_t deadline,
                                     mapped_ring_hold *hold,
                                     mapped_error *error)
{
    return mapped__ring_begin(ring, false, deadline, hold, error);
}

void mapped_ring_end(mapped_ring_hold *hold)
{
    mapped_region *region = hold->ring.slice.region;
    if (region == NULL)
        return;
    if (hold->owner_ == mapped__process_identity()) {
        unlock(hold);
        /* The unlock orders the position before this load, so all that
         * slept before are seen. A commit has no fence, and may miss one
         * (ring.c, FIRST_SLEEP). */
        wake_others(hold);
    }
    hold->ring.slice.region = NULL;
    mapped__region_end_export(region);
}

/* Is something reserved, or peeked at? */
static bool is_pending(const mapped_ring_hold *hold)
{
    return hold->position_ !=
           __atomic_load_n(position_of_end(hold), __ATOMIC_RELAXED);
}

/* Publishes the own position. */
static mapped_status publish(mapped_ring_hold *hold, mapped_error *error)
{
    mapped_status status = check_owner(hold, error);
    if (status == MAPPED_OK)
        status = check_pages(hold, error);
    if (status != MAPPED_OK)
        return status;
    MAPPED__STORE_RELEASE(position_of_end(hold), hold->position_);
    wake_others(hold);
    return check_pages(hold, error);
}

/* A place for a record: its position, and its index among the records. Both are
 * computed once, because a store to the ring could change them for all that the
 * compiler knows. */
typedef struct place {
    uint64_t position;
    size_t index;
} place;

static place place_at(const mapped_ring *ring, uint64_t position)
{
    return (place){position, mapped__ring_index_of(ring, position)};
}

static uint32_t *record_header_at(const mapped_ring_hold *hold, place at)
{
    return mapped__ring_word_at(header_of(hold), RECORDS_AT + at.index);
}

static void write_record_header(const mapped_ring_hold *hold, place at,
                                uint32_t length)
{
    uint32_t *header = record_header_at(hold, at);
    MAPPED__STORE(header, length);
    MAPPED__STORE(header + 1, ~length);
}

/* The bytes of the record there, whose n bytes are the hold's last. */
static mapped_slice take_record(mapped_ring_hold *hold, place at, size_t n)
{
    const mapped_slice slice = hold->ring.slice;
    hold->position_ = mapped__ring_advance(
        &hold->ring, at.position, RECORD_HEADER + mapped__ring_padded(n));
    return (mapped_slice){slice.region,
                          slice.offset + RECORDS_AT + RECORD_HEADER + at.index,
                          n, 0};
}

static uint64_t room(const mapped_ring_hold *hold)
{
    return hold->ring.capacity - mapped__ring_distance(&hold->ring,
                                                       hold->other_position_,
                                                       hold->position_);
}

bool mapped__ring_is_ready(const mapped_ring_hold *hold, size_t n)
{
    return hold->sends_ ? mapped__ring_bytes_taken(&hold->ring, hold->position_,
                                                   n) <= room(hold)
                        : hold->other_position_ != hold->position_;
}

/* Finds out what the inline calls can do without reading more. */
static void set_near(mapped_ring_hold *hold)
{
    const mapped_ring *ring = &hold->ring;
    const uint64_t left =
        ring->capacity - mapped__ring_index_of(ring, hold->position_);
    uint64_t near = hold->sends_ ? room(hold)
                                 : mapped__ring_distance(ring, hold->position_,
                                                         hold->other_position_);
    if (near >= left)
        near = left - RECORD_HEADER;
    const size_t longest = mapped__ring_longest(ring);
    hold->near_ = near < RECORD_HEADER             ? 0
                  : near - RECORD_HEADER > longest ? longest + 1
                                                   : (size_t)near - 7;
}

/* How often to read the other position before a wait: that reads both, and so
 * takes their cache lines from the other processors. */
#define POLLS 64

/* Waits until there is room for a record of n bytes, or a record. With
 * something pending it doesn't wait. */
static mapped_status make_ready(mapped_ring_hold *hold, size_t n,
                                uint64_t deadline, mapped_error *error)
{
    const mapped__ring_wish wish = {hold->sends_, n};
    for (int polls = deadline > 0 ? 0 : POLLS;; polls++) {
        mapped_status status = read_other_position(hold, error);
        if (status == MAPPED_OK)
            status = check_pages(hold, error);
        if (status != MAPPED_OK || mapped__ring_is_ready(hold, n))
            return status;
        if (is_pending(hold))
            return mapped_error_set(error, MAPPED_TIMEOUT, "hold");
        MAPPED__PAUSE();
        if (polls < POLLS)
            continue;
        status = mapped__ring_wait(&hold->ring, wish, deadline, error);
        if (status != MAPPED_OK)
            return status;
    }
}

mapped_status mapped__ring_reserve_slow(mapped_ring_hold *hold, size_t n,
                                        uint64_t deadline, mapped_slice *record,
                                        mapped_error *error)
{
    const mapped_ring *ring = &hold->ring;
    mapped_status status = check_end(hold, true, error);
    if (status == MAPPED_OK)
        status = mapped__ring_check_length(ring, n, "reserve", error);
    const uint64_t taken = mapped__ring_bytes_taken(ring, hold->position_, n);
    if (status == MAPPED_OK && !mapped__ring_is_ready(hold, n))
        status = make_ready(hold, n, deadline, error);
    if (status != MAPPED_OK)
        return mapped__ring_report(ring, "reserve", status, error);
    place at = place_at(ring, hold->position_);
    const uint64_t own = RECORD_HEADER + mapped__ring_padded(n);
    if (taken > own) {
        write_record_header(hold, at, GO_TO_START);
        at = place_at(ring,
                      mapped__ring_advance(ring, at.position, taken - own));
    }
    hold->last_ = at.position;
    hold->length_ = n;
    *record = take_record(hold, at, n);
    write_record_header(hold, at, (uint32_t)n);
    set_near(hold);
    return MAPPED_OK;
}

mapped_status mapped_ring_shorten(mapped_ring_hold *hold, size_t n,
                                  mapped_error *error)
{
    const mapped_ring *ring = &hold->ring;
    mapped_status status = check_end(hold, true, error);
    if (status == MAPPED_OK && !is_pending(hold))
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "commit: nothing is reserved");
    if (status == MAPPED_OK && n > hold->length_) {
        const mapped_error_range range = {0, n, hold->length_};
        status = mapped_error_set_range(error, MAPPED_RANGE, "commit", range);
    }
    if (status != MAPPED_OK)
        return mapped__ring_report(ring, "commit", status, error);
    const place at = place_at(ring, hold->last_);
    hold->length_ = n;
    (void)take_record(hold, at, n);
    hold->near_ = 0; /* the end of the records may have come between */
    write_record_header(hold, at, (uint32_t)n);
    return MAPPED_OK;
}

mapped_status mapped__ring_publish_slow(mapped_ring_hold *hold,
                                        const char *operation,
                                        mapped_error *error)
{
    return mapped__ring_report(&hold->ring, operation, publish(hold, error),
                               error);
}

/* Reads the header there, and follows one that leads to the start. A second
 * one, one at the start, or one whose rest was not sent, is damage: returns
 * false. */
static bool read_record_header(const mapped_ring_hold *hold, place *at,
                               size_t *n)
{
    const mapped_ring ring = hold->ring;
    for (int steps = 0; steps < 2; steps++) {
        const uint32_t *header = record_header_at(hold, *at);
        const uint64_t sent =
            mapped__ring_distance(&ring, at->position, hold->other_position_);
        const uint64_t left = ring.capacity - at->index;
        const uint32_t length = MAPPED__LOAD(header);
        if (MAPPED__LOAD(header + 1) != ~length)
            return false;
        if (MAPPED__LIKELY(length != GO_TO_START)) {
            uint64_t taken = RECORD_HEADER + mapped__ring_padded(length);
            *n = length;
            return taken <= sent && taken <= left;
        }
        if (left >= sent) /* always so at the start */
            return false;
        *at = place_at(&ring, mapped__ring_advance(&ring, at->position, left));
    }
    return false;
}

mapped_status mapped__ring_peek_slow(mapped_ring_hold *hold, uint64_t deadline,
                                     mapped_slice *record, mapped_error *error)
{
    const mapped_ring *ring = &hold->ring;
    size_t n = 0;
    mapped_status status = check_end(hold, false, error);
    if (status == MAPPED_OK && !mapped__ring_is_ready(hold, 0))
        status = make_ready(hold, 0, deadline, error);
    place at = place_at(ring, hold->position_);
    if (status == MAPPED_OK && !read_record_header(hold, &at, &n)) {
        status = check_pages(hold, error);
        if (status == MAPPED_OK)
            status = mapped_error_set(error, MAPPED_CORRUPT, "record");
    }
    if (status != MAPPED_OK)
        return mapped__ring_report(ring, "peek", status, error);
    *record = take_record(hold, at, n);
    set_near(hold);
    return MAPPED_OK;
}
