/* Holding one end of a ring: sending and receiving in place. The caller begins
 * a hold, reserves or peeks at records, publishes them (commit or release), and
 * ends the hold. The inline functions of mapped/ring.h handle most records; the
 * functions with `slow` in their names do the rest.
 *
 * A hold is an export, so its memory can't go, and its mutex can be unlocked
 * whatever happens to the region. It keeps the position of its end, and doesn't
 * read it from memory again.
 *
 * Invariant: the records between the position in memory and `position_` are
 * reserved or peeked at. Only their bytes may be incomplete. */
#include <mapped/ring.h>

#include "ring_internal.h"

/* Reads where the other end is now. */
static mapped_status read_other_position(mapped_ring_hold *hold,
                                         mapped_error *error)
{
    const mapped__ring_header *header = hold->export_.data;
    const uint64_t own = hold->position_;
    const uint64_t other =
        MAPPED__LOAD_ACQUIRE(hold->sends_ ? &header->head : &header->tail);
    if (!mapped__ring_is_valid(&hold->ring, hold->sends_ ? other : own,
                               hold->sends_ ? own : other))
        return mapped_error_set(error, MAPPED_CORRUPT, "position");
    hold->other_position_ = other;
    return MAPPED_OK;
}

/* MAPPED_FAULT if a page is lost: what was read from it is zeros. */
static mapped_status check_pages(const mapped_ring_hold *hold,
                                 mapped_error *error)
{
    return mapped_slice_try_leave(hold->ring.slice)
               ? MAPPED_OK
               : mapped_export_check(&hold->export_, error);
}

static void wake_others(const mapped_ring_hold *hold)
{
    uint32_t *word = hold->sleep_word_;
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != 0 &&
        __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) != 0)
        (void)mapped__wake_shared(word, UINT32_MAX);
}

static void unlock(const mapped_ring_hold *hold)
{
    mapped__ring_header *header = hold->export_.data;
    (void)mapped__mutex_unlock(hold->sends_ ? &header->senders_mutex
                                            : &header->receivers_mutex);
}

/* Fills in the hold, which has the export and the mutex. */
static mapped_status init_hold(mapped_ring_hold *hold, bool owner_died,
                               mapped_error *error)
{
    mapped__ring_header *header = hold->export_.data;
    const bool sends = hold->sends_;
    if (owner_died)
        __atomic_fetch_add(sends ? &header->senders_died
                                 : &header->receivers_died,
                           1, __ATOMIC_RELAXED);
    hold->identity_ = &mapped__process_identity_cache;
    hold->owner_ = mapped__process_identity();
    hold->published_ = sends ? &header->tail : &header->head;
    hold->sleep_word_ =
        sends ? &header->receiver_sleeps : &header->sender_sleeps;
    hold->position_ = MAPPED__LOAD(hold->published_);
    hold->last_position_ = hold->position_;
    mapped_status status = read_other_position(hold, error);
    mapped_status pages = check_pages(hold, error);
    return pages != MAPPED_OK ? pages : status;
}

/* MAPPED_TIMEOUT if somebody else holds the end. The mutex is locked after the
 * export has begun, so that it can always be unlocked; and no byte becomes
 * protected while there is an export. */
static mapped_status try_begin(mapped_ring_hold *hold,
                               const mapped_mutex *mutex, bool slept,
                               mapped_error *error)
{
    bool owner_died;
    mapped_status status =
        mapped_export_begin(hold->ring.slice, &hold->export_, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_slice_check_writable(hold->ring.slice, error);
    if (status == MAPPED_OK)
        status = mapped__mutex_try(mutex, slept, &owner_died, error);
    if (status == MAPPED_OK) {
        status = init_hold(hold, owner_died, error);
        if (status != MAPPED_OK)
            unlock(hold);
    }
    if (status != MAPPED_OK)
        mapped__region_end_export(hold->ring.slice.region);
    return status;
}

static mapped_status begin_until(mapped_ring_hold *hold, uint64_t deadline,
                                 mapped_error *error)
{
    mapped_mutex mutex;
    bool slept = false;
    mapped_status status = mapped__ring_mutex(
        &hold->ring, hold->sends_ ? SENDERS_MUTEX_AT : RECEIVERS_MUTEX_AT,
        &mutex, error);
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
    mapped_status status = begin_until(hold, deadline, error);
    return mapped__region_complete_error(
        ring->slice.region, sends ? "send" : "recv", status, error);
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
         * (ring_wait.c, FIRST_SLEEP). */
        wake_others(hold);
    }
    hold->ring.slice.region = NULL;
    mapped__region_end_export(region);
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

/* Is something reserved, or peeked at? */
static bool is_pending(const mapped_ring_hold *hold)
{
    return hold->position_ != MAPPED__LOAD(hold->published_);
}

static void write_record_header(const mapped_ring_hold *hold, uint64_t position,
                                uint32_t length)
{
    uint32_t *header = mapped__ring_record_header(
        hold, mapped__ring_index(&hold->ring, position));
    MAPPED__STORE(header, length);
    MAPPED__STORE(header + 1, ~length);
}

/* Moves this end after the record at the position, and returns its n bytes. */
static mapped_slice take_record(mapped_ring_hold *hold, uint64_t position,
                                size_t n)
{
    const mapped_ring *ring = &hold->ring;
    hold->position_ =
        mapped__ring_advance(ring, position, mapped__ring_record_size(n));
    return mapped__ring_record(ring, mapped__ring_index(ring, position), n);
}

bool mapped__ring_is_ready(const mapped_ring_hold *hold, size_t n)
{
    return hold->sends_
               ? mapped__ring_has_room(&hold->ring, hold->other_position_,
                                       hold->position_, n)
               : hold->other_position_ != hold->position_;
}

/* Sets `inline_limit_` from the two positions. A record must end before the end
 * of the records, because the inline functions don't wrap around. */
static void set_inline_limit(mapped_ring_hold *hold)
{
    const mapped_ring *ring = &hold->ring;
    const uint64_t own = hold->position_, other = hold->other_position_;
    const uint64_t left = ring->capacity - mapped__ring_index(ring, own);
    const size_t longest = mapped__ring_longest(ring);
    uint64_t bytes = hold->sends_
                         ? ring->capacity - mapped__ring_used(ring, other, own)
                         : mapped__ring_used(ring, own, other);
    if (bytes >= left)
        bytes = left - MAPPED__RING_RECORD_HEADER;
    hold->inline_limit_ = 0;
    if (bytes >= MAPPED__RING_RECORD_HEADER) {
        const uint64_t n = bytes - MAPPED__RING_RECORD_HEADER;
        hold->inline_limit_ = (n < longest ? (size_t)n : longest) + 1;
    }
}

/* How often to read the other position before a wait: that reads both, and so
 * takes their cache lines from the other processors. */
#define POLLS 64

/* Waits until there is room for a record of n bytes, or a record. If something
 * is pending, MAPPED_TIMEOUT at once. */
static mapped_status make_ready(mapped_ring_hold *hold, size_t n,
                                uint64_t deadline, mapped_error *error)
{
    const mapped__ring_condition condition = {.wants_room = hold->sends_,
                                              .n = n};
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
        status = mapped__ring_wait(&hold->ring, condition, deadline, error);
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
    if (status == MAPPED_OK && !mapped__ring_is_ready(hold, n))
        status = make_ready(hold, n, deadline, error);
    if (status != MAPPED_OK)
        return mapped__region_complete_error(ring->slice.region, "reserve",
                                             status, error);
    uint64_t position = hold->position_;
    const uint64_t unused = mapped__ring_bytes_needed(ring, position, n) -
                            mapped__ring_record_size(n);
    if (unused > 0) {
        write_record_header(hold, position, GO_TO_START);
        position = mapped__ring_advance(ring, position, unused);
    }
    hold->last_position_ = position;
    hold->last_length_ = n;
    *record = take_record(hold, position, n);
    write_record_header(hold, position, (uint32_t)n);
    set_inline_limit(hold);
    return MAPPED_OK;
}

mapped_status mapped_ring_shorten(mapped_ring_hold *hold, size_t n,
                                  mapped_error *error)
{
    mapped_status status = check_end(hold, true, error);
    if (status == MAPPED_OK && !is_pending(hold))
        status = mapped_error_set(error, MAPPED_ARGUMENT,
                                  "commit: nothing is reserved");
    if (status == MAPPED_OK && n > hold->last_length_) {
        const mapped_error_range range = {0, n, hold->last_length_};
        status = mapped_error_set_range(error, MAPPED_RANGE, "commit", range);
    }
    if (status != MAPPED_OK)
        return mapped__region_complete_error(hold->ring.slice.region, "commit",
                                             status, error);
    hold->last_length_ = n;
    (void)take_record(hold, hold->last_position_, n);
    write_record_header(hold, hold->last_position_, (uint32_t)n);
    set_inline_limit(hold);
    return MAPPED_OK;
}

static mapped_status publish(mapped_ring_hold *hold, mapped_error *error)
{
    mapped_status status = check_owner(hold, error);
    if (status == MAPPED_OK)
        status = check_pages(hold, error);
    if (status != MAPPED_OK)
        return status;
    MAPPED__STORE_RELEASE(hold->published_, hold->position_);
    wake_others(hold);
    return check_pages(hold, error);
}

mapped_status mapped__ring_publish_slow(mapped_ring_hold *hold,
                                        const char *operation,
                                        mapped_error *error)
{
    return mapped__region_complete_error(hold->ring.slice.region, operation,
                                         publish(hold, error), error);
}

/* Reads the header of the record at the position. If it says so, goes to the
 * start, which becomes the position. Returns false if the memory is damaged:
 * the record reaches beyond what was sent or beyond the end of the memory, or
 * it is not at the start after all. */
static bool read_record_header(const mapped_ring_hold *hold, uint64_t *position,
                               size_t *n)
{
    const mapped_ring ring = hold->ring;
    for (int steps = 0; steps < 2; steps++) {
        const size_t index = mapped__ring_index(&ring, *position);
        const uint32_t *header = mapped__ring_record_header(hold, index);
        const uint64_t sent =
            mapped__ring_used(&ring, *position, hold->other_position_);
        const uint64_t left = ring.capacity - index;
        const uint32_t length = MAPPED__LOAD(header);
        if (MAPPED__LOAD(header + 1) != ~length)
            return false;
        if (MAPPED__LIKELY(length != GO_TO_START)) {
            const uint64_t bytes = mapped__ring_record_size(length);
            *n = length;
            return bytes <= sent && bytes <= left;
        }
        if (left >= sent) /* always so at the start */
            return false;
        *position = mapped__ring_advance(&ring, *position, left);
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
    uint64_t position = hold->position_;
    if (status == MAPPED_OK && !read_record_header(hold, &position, &n)) {
        status = check_pages(hold, error);
        if (status == MAPPED_OK)
            status = mapped_error_set(error, MAPPED_CORRUPT, "record");
    }
    if (status != MAPPED_OK)
        return mapped__region_complete_error(ring->slice.region, "peek", status,
                                             error);
    *record = take_record(hold, position, n);
    set_inline_limit(hold);
    return MAPPED_OK;
}
