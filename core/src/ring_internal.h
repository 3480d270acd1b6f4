/* What the files of the ring share: where things lie in its memory, the
 * arithmetic of positions, and waiting. mapped/ring.h describes the memory, and
 * what head, tail, position and capacity are. */
#ifndef MAPPED_RING_INTERNAL_H
#define MAPPED_RING_INTERNAL_H

#include <mapped/mutex.h>
#include <mapped/ring.h>

#include "region_internal.h"

/* What comes before the records. */
typedef struct mapped__ring_header {
    uint64_t magic;
    uint32_t version;
    uint32_t byte_order;
    uint64_t capacity;
    uint64_t records_at;
    uint64_t zero1[4];
    uint64_t tail;
    uint64_t senders_mutex;
    uint64_t zero2[6];
    uint64_t head;
    uint64_t receivers_mutex;
    uint64_t zero3[6];
    uint32_t receiver_sleeps;
    uint32_t sender_sleeps;
    uint32_t senders_died;
    uint32_t receivers_died;
    uint64_t zero4[6];
} mapped__ring_header;

#define HEADER_SIZE sizeof(mapped__ring_header)
_Static_assert(HEADER_SIZE == MAPPED_RING_RECORDS_AT, "no padding");

#define SENDERS_MUTEX_AT offsetof(mapped__ring_header, senders_mutex)
#define RECEIVERS_MUTEX_AT offsetof(mapped__ring_header, receivers_mutex)

/* In the place of a record's length: the record is at the start instead. */
#define GO_TO_START UINT32_MAX
#define LONGEST_RECORD ((uint64_t)UINT32_MAX - 15)

static inline uint64_t mapped__ring_advance(const mapped_ring *ring,
                                            uint64_t position, uint64_t bytes)
{
    const uint64_t turn = 2 * (uint64_t)ring->capacity;
    position += bytes;
    return position < turn ? position : position - turn;
}

/* How many bytes the ring holds. More than the capacity: the head or the tail
 * is damaged. */
static inline uint64_t mapped__ring_used(const mapped_ring *ring, uint64_t head,
                                         uint64_t tail)
{
    return tail >= head ? tail - head
                        : tail + 2 * (uint64_t)ring->capacity - head;
}

static inline bool mapped__ring_is_valid(const mapped_ring *ring, uint64_t head,
                                         uint64_t tail)
{
    const uint64_t turn = 2 * (uint64_t)ring->capacity;
    return head % 8 == 0 && head < turn && tail % 8 == 0 && tail < turn &&
           mapped__ring_used(ring, head, tail) <= ring->capacity;
}

/* How many bytes of the ring it takes to send a record of n bytes at the
 * position. Where the record doesn't fit before the end of the memory, it goes
 * to the start, and the bytes before the end stay unused. */
static inline uint64_t mapped__ring_bytes_needed(const mapped_ring *ring,
                                                 uint64_t position, size_t n)
{
    uint64_t needed = mapped__ring_record_size(n);
    uint64_t left = ring->capacity - mapped__ring_index(ring, position);
    return needed <= left ? needed : left + needed;
}

static inline bool mapped__ring_has_room(const mapped_ring *ring, uint64_t head,
                                         uint64_t tail, size_t n)
{
    return mapped__ring_bytes_needed(ring, tail, n) <=
           ring->capacity - mapped__ring_used(ring, head, tail);
}

static inline size_t mapped__ring_longest(const mapped_ring *ring)
{
    uint64_t longest = ring->capacity / 16 * 8 - MAPPED__RING_RECORD_HEADER;
    return (size_t)(longest < LONGEST_RECORD ? longest : LONGEST_RECORD);
}

/* The mutex at that place in the header. */
mapped_status mapped__ring_mutex(const mapped_ring *ring, size_t at,
                                 mapped_mutex *mutex, mapped_error *error);

/* MAPPED_RANGE: n is more than mapped_ring_longest. */
mapped_status mapped__ring_check_length(const mapped_ring *ring, size_t n,
                                        const char *operation,
                                        mapped_error *error);

/* What an end waits for: a sender for room for a record of n bytes, a receiver
 * for a record (n is 0). */
typedef struct mapped__ring_condition {
    bool wants_room;
    size_t n;
} mapped__ring_condition;

/* Waits until the condition is met, without a hold. Errors as of
 * mapped_ring_wait_room. */
mapped_status mapped__ring_wait(const mapped_ring *ring,
                                mapped__ring_condition condition,
                                uint64_t deadline, mapped_error *error);

/* Begins a hold, as mapped_ring_begin_send and mapped_ring_begin_recv do. */
mapped_status mapped__ring_begin(const mapped_ring *ring, bool sends,
                                 uint64_t deadline, mapped_ring_hold *hold,
                                 mapped_error *error);

/* Is there room for a record of n bytes, or a record to receive, by the
 * positions that the hold has read? */
bool mapped__ring_is_ready(const mapped_ring_hold *hold, size_t n);

#endif
