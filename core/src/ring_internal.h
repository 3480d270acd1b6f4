/* What the files of the ring share: where things lie in its memory
 * (mapped/ring.h), and the arithmetic of positions. */
#ifndef MAPPED_RING_INTERNAL_H
#define MAPPED_RING_INTERNAL_H

#include <mapped/mutex.h>
#include <mapped/ring.h>

#include "region_internal.h"

#define TAIL_AT 64
#define SENDERS_AT 72
#define HEAD_AT 128
#define RECEIVERS_AT 136
#define RECEIVER_SLEEPS_AT 192
#define SENDER_SLEEPS_AT 196
#define SENDERS_DIED_AT 200
#define RECEIVERS_DIED_AT 204
#define RECORDS_AT MAPPED_RING_RECORDS_AT

#define RECORD_HEADER 8
#define GO_TO_START UINT32_MAX /* in the place of a record's length */
#define LONGEST_RECORD ((uint64_t)UINT32_MAX - 15)

static inline uint32_t *mapped__ring_word_at(void *header, size_t at)
{
    return (uint32_t *)(void *)((unsigned char *)header + at);
}

static inline uint64_t *mapped__ring_long_at(void *header, size_t at)
{
    return (uint64_t *)(void *)((unsigned char *)header + at);
}

static inline uint64_t mapped__ring_padded(uint64_t length)
{
    return (length + 7) & ~UINT64_C(7);
}

static inline bool mapped__ring_is_position(const mapped_ring *ring,
                                            uint64_t position)
{
    return position % 8 == 0 && position < 2 * (uint64_t)ring->capacity;
}

/* Where the position's record lies among the records. */
static inline size_t mapped__ring_index_of(const mapped_ring *ring,
                                           uint64_t position)
{
    return (size_t)(position < ring->capacity ? position
                                              : position - ring->capacity);
}

static inline uint64_t mapped__ring_advance(const mapped_ring *ring,
                                            uint64_t position, uint64_t bytes)
{
    const uint64_t turn = 2 * (uint64_t)ring->capacity;
    position += bytes;
    return position < turn ? position : position - turn;
}

/* How far it is from the head to the tail. More than the capacity: one of them
 * is damaged. */
static inline uint64_t mapped__ring_distance(const mapped_ring *ring,
                                             uint64_t head, uint64_t tail)
{
    return tail >= head ? tail - head
                        : tail + 2 * (uint64_t)ring->capacity - head;
}

static inline bool mapped__ring_are_positions(const mapped_ring *ring,
                                              uint64_t head, uint64_t tail)
{
    return mapped__ring_is_position(ring, head) &&
           mapped__ring_is_position(ring, tail) &&
           mapped__ring_distance(ring, head, tail) <= ring->capacity;
}

/* The bytes that a record of n bytes takes at the position: its head, itself,
 * and those before the end of the records that it doesn't fit into. */
static inline uint64_t mapped__ring_bytes_taken(const mapped_ring *ring,
                                                uint64_t position, size_t n)
{
    uint64_t needed = RECORD_HEADER + mapped__ring_padded(n);
    uint64_t left = ring->capacity - mapped__ring_index_of(ring, position);
    return needed <= left ? needed : left + needed;
}

static inline size_t mapped__ring_longest(const mapped_ring *ring)
{
    uint64_t longest = ring->capacity / 16 * 8 - RECORD_HEADER;
    return (size_t)(longest < LONGEST_RECORD ? longest : LONGEST_RECORD);
}

/* The mutex of one end. */
mapped_status mapped__ring_mutex(const mapped_ring *ring, bool sends,
                                 mapped_mutex *mutex, mapped_error *error);

/* MAPPED_RANGE: n is more than mapped_ring_longest. */
mapped_status mapped__ring_check_length(const mapped_ring *ring, size_t n,
                                        const char *operation,
                                        mapped_error *error);

/* What an end waits for: the senders' for room for a record of n bytes, the
 * receivers' for a record (n is 0). */
typedef struct mapped__ring_wish {
    bool sends;
    size_t n;
} mapped__ring_wish;

/* Is the end's wish fulfilled, by the positions that the hold has read? */
bool mapped__ring_is_ready(const mapped_ring_hold *hold, size_t n);

/* Waits until it is, without a hold. Errors as of mapped_ring_wait_room. */
mapped_status mapped__ring_wait(const mapped_ring *ring, mapped__ring_wish wish,
                                uint64_t deadline, mapped_error *error);

/* Holds an end, as mapped_ring_begin_send and mapped_ring_begin_recv do. */
mapped_status mapped__ring_begin(const mapped_ring *ring, bool sends,
                                 uint64_t deadline, mapped_ring_hold *hold,
                                 mapped_error *error);

/* Gives an error the name of what was called. */
mapped_status mapped__ring_report_error(const mapped_ring *ring,
                                        const char *operation,
                                        mapped_status status,
                                        mapped_error *error);
static inline mapped_status mapped__ring_report(const mapped_ring *ring,
                                                const char *operation,
                                                mapped_status status,
                                                mapped_error *error)
{
    return MAPPED__LIKELY(status == MAPPED_OK)
               ? MAPPED_OK
               : mapped__ring_report_error(ring, operation, status, error);
}

#endif
