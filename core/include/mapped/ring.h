/* A ring: a queue of records in shared memory, from any number of senders to
 * any number of receivers, in any processes that map it.
 *
 *     mapped_ring ring;
 *     mapped_status status = mapped_ring_at(slice, &ring, &error);
 *     if (status == MAPPED_OK)
 *         status = mapped_ring_send(&ring, "hello", 5, MAPPED_NEVER, &error);
 *
 * Each record is any number of bytes and is received once, in the order in
 * which records were sent. A process that dies takes nothing with it: of a
 * sender that dies before its commit nothing is received, and what a receiver
 * had not released yet is received by the next one.
 *
 * To write a record in place, or several in one step, hold the senders' end:
 *
 *     mapped_ring_hold hold;
 *     mapped_slice record;
 *     status = mapped_ring_begin_send(&ring, MAPPED_NEVER, &hold, &error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     status = mapped_ring_reserve(&hold, n, MAPPED_NEVER, &record, &error);
 *     ... write the record ...
 *     if (status == MAPPED_OK)
 *         status = mapped_ring_commit(&hold, &error);
 *     mapped_ring_end(&hold);
 *
 * The memory, for other implementations. Numbers are in the machine's byte
 * order; the slice begins at a multiple of 8 in memory.
 *
 *       0  8  0xAD "mapring"
 *       8  4  version, 1
 *      12  4  0x01020304
 *      16  8  capacity: bytes for records, a multiple of 8
 *      24  8  256, where the records begin
 *      64  8  tail: the position behind the last record that was sent
 *      72  8  the senders' mutex (mapped/mutex.h)
 *     128  8  head: the position of the next record to receive
 *     136  8  the receivers' mutex
 *     192  4  1: a receiver sleeps here, a futex, until there is a record
 *     196  4  1: a sender sleeps here until there is room
 *     200  4  how many senders have died with their mutex
 *     204  4  how many receivers have died with theirs
 *     256     the records
 *
 * All other bytes before the records are zero. A position counts bytes from 0
 * to twice the capacity, and then from 0 again; its record lies at 256 + the
 * position modulo the capacity. If the head and the tail are equal, the ring is
 * empty; if they are capacity bytes apart, it is full. A record is its length
 * (4 bytes), the length with all bits inverted (4 bytes) and its bytes, padded
 * to a multiple of 8. It lies in one piece: where it doesn't fit before the end
 * of the records, the length 0xFFFFFFFF, inverted 0, says that the next record
 * is at 256. A sender holds the senders' mutex, writes records behind the tail
 * and then moves the tail; a receiver holds the other mutex and moves the head;
 * and then each sets the others' word at 196 or 192 to 0 if it is 1, and wakes
 * all who sleep there.
 *
 * Nothing that is read from the memory is trusted. Functions answer
 * MAPPED_CORRUPT where it is damaged.
 *
 * A call here holds an export for a moment, so mapped_region_close in another
 * thread may be MAPPED_BUSY. A fork while another thread is in a call leaves
 * the child's region with that export, or closed. */
#ifndef MAPPED_RING_H
#define MAPPED_RING_H

#include <mapped/atomic.h>
#include <mapped/export.h>

MAPPED_BEGIN

#define MAPPED_RING_RECORDS_AT 256

/* A plain value, which owns nothing. Any thread may use it. */
typedef struct mapped_ring {
    mapped_slice slice;
    size_t capacity; /* of all records, in bytes */
} mapped_ring;

/* Attaches to the ring in the slice. A slice that is all zero is formatted: it
 * becomes an empty ring. So is what a process has left that died while it
 * formatted one. MAPPED_ARGUMENT if the slice is neither that nor a ring;
 * MAPPED_SIZE if it is a ring of another size; MAPPED_UNSUPPORTED of another
 * version or byte order, on a device and in mode "c"; MAPPED_INTERRUPTED while
 * another process formats it; MAPPED_RANGE below 320 bytes; MAPPED_MISALIGNED,
 * MAPPED_READONLY, MAPPED_CLOSED, MAPPED_FAULT. */
MAPPED__MUST_USE mapped_status mapped_ring_at(mapped_slice slice,
                                              mapped_ring *ring,
                                              mapped_error *error);

/* The longest record, in bytes: such that it fits into an empty ring wherever
 * the last one ended, which is nearly half of the capacity. */
size_t mapped_ring_longest(const mapped_ring *ring);

typedef struct mapped_ring_state {
    size_t used; /* bytes of records sent and not received, 8 more for each */
    uint32_t senders_died; /* while they held the end; wraps around */
    uint32_t receivers_died;
} mapped_ring_state;

/* What is in the ring now. MAPPED_CORRUPT, MAPPED_CLOSED, MAPPED_FAULT. */
MAPPED__MUST_USE mapped_status mapped_ring_look(const mapped_ring *ring,
                                                mapped_ring_state *state,
                                                mapped_error *error);

/* Sends a copy of n bytes. Waits for room until the deadline; a deadline in the
 * past waits for nothing. MAPPED_TIMEOUT, MAPPED_INTERRUPTED by a signal
 * handler in this thread: nothing was sent. MAPPED_RANGE: longer than
 * mapped_ring_longest. MAPPED_READONLY: a byte of the slice is protected.
 * MAPPED_CORRUPT, MAPPED_CLOSED (also while it waits), MAPPED_FAULT. */
MAPPED__MUST_USE mapped_status mapped_ring_send(const mapped_ring *ring,
                                                const void *data, size_t n,
                                                uint64_t deadline,
                                                mapped_error *error);

/* Receives the next record into `buffer`, of `size` bytes; `*n` is the record's
 * length. MAPPED_RANGE: it is longer than that, which `*n` tells, and is still
 * in the ring. Otherwise as mapped_ring_send. */
MAPPED__MUST_USE mapped_status mapped_ring_recv(const mapped_ring *ring,
                                                void *buffer, size_t size,
                                                size_t *n, uint64_t deadline,
                                                mapped_error *error);

/* What one record is sent from: `length` bytes or, if its region isn't NULL, a
 * slice. */
typedef struct mapped_ring_data {
    const void *bytes;
    size_t length;
    mapped_slice slice;
} mapped_ring_data;

/* Sends a record of each, from number `*sent` on, in as few steps as there is
 * room for; `*sent` becomes how many have been sent, also after an error.
 * Otherwise as mapped_ring_send. */
MAPPED__MUST_USE mapped_status mapped_ring_send_all(
    const mapped_ring *ring, const mapped_ring_data *data, size_t count,
    uint64_t deadline, size_t *sent, mapped_error *error);

/* What one record is received into: at most `size` bytes; `length` becomes the
 * record's. */
typedef struct mapped_ring_buffer {
    void *bytes;
    size_t size;
    size_t length;
} mapped_ring_buffer;

/* Waits for a record, and then receives all that are there and fit, one into
 * each buffer, in one step; `*received` is how many. Otherwise as
 * mapped_ring_recv. */
MAPPED__MUST_USE mapped_status mapped_ring_recv_all(
    const mapped_ring *ring, mapped_ring_buffer *buffers, size_t count,
    uint64_t deadline, size_t *received, mapped_error *error);

/* Waits for a record, and tells the lengths of the next ones, at most `count`
 * of them; `*measured` is how many. For those who have to allocate memory
 * before they receive. Another receiver may have taken the records by then. */
MAPPED__MUST_USE mapped_status
mapped_ring_measure(const mapped_ring *ring, size_t *lengths, size_t count,
                    uint64_t deadline, size_t *measured, mapped_error *error);

/* Waits until there is a record to receive, or room to send one of n bytes;
 * others may be faster, so a send or receive after it may have to wait again.
 * MAPPED_TIMEOUT, MAPPED_INTERRUPTED, MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_RANGE. Polls for 20 microseconds before it sleeps. */
MAPPED__MUST_USE mapped_status mapped_ring_wait_record(const mapped_ring *ring,
                                                       uint64_t deadline,
                                                       mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_ring_wait_room(const mapped_ring *ring,
                                                     size_t n,
                                                     uint64_t deadline,
                                                     mapped_error *error);

/* One end of a ring, held: nobody else sends, or receives, meanwhile. It is an
 * export of the slice, and belongs to one thread at a time. After a fork it is
 * the parent's: in the child all but mapped_ring_end is MAPPED_ARGUMENT. */
typedef struct mapped_ring_hold {
    mapped_ring ring;
    mapped_export export_;     /* private: all below */
    const uint64_t *identity_; /* this process; 0 in the child of a fork */
    uint64_t owner_;           /* the process that holds the end */
    uint64_t *published_;      /* this end's position in memory */
    uint32_t *sleep_word_;     /* where the others sleep until that moves */
    uint64_t position_; /* of this end, after what is reserved or peeked at */
    uint64_t last_position_;  /* of the last reserved record */
    size_t last_length_;      /* and that record's length */
    uint64_t other_position_; /* the other end's, when it was last read */
    size_t inline_limit_;     /* the inline functions can reserve or peek at a
                               * record that is shorter, without a look at the
                               * other end's position or at where the records
                               * end */
    bool sends_;
} mapped_ring_hold;

/* Waits for other senders, or receivers, and holds that end until
 * mapped_ring_end. MAPPED_TIMEOUT, MAPPED_INTERRUPTED, MAPPED_READONLY,
 * MAPPED_CORRUPT, MAPPED_CLOSED, MAPPED_FAULT: there is nothing to end. */
MAPPED__MUST_USE mapped_status mapped_ring_begin_send(const mapped_ring *ring,
                                                      uint64_t deadline,
                                                      mapped_ring_hold *hold,
                                                      mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_ring_begin_recv(const mapped_ring *ring,
                                                      uint64_t deadline,
                                                      mapped_ring_hold *hold,
                                                      mapped_error *error);

/* Reserves the next n bytes for a record that the caller then writes; its
 * content until then is undefined. Waits for room until the deadline, but not
 * while records are reserved and not committed, which nobody can receive:
 * MAPPED_TIMEOUT. MAPPED_RANGE, MAPPED_INTERRUPTED, MAPPED_CORRUPT,
 * MAPPED_CLOSED, MAPPED_ARGUMENT in a fork's child. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_ring_reserve(mapped_ring_hold *hold, size_t n, uint64_t deadline,
                    mapped_slice *record, mapped_error *error);

/* Makes the record that was reserved last n bytes long. MAPPED_RANGE if that is
 * more than it has; MAPPED_ARGUMENT if none is reserved. */
MAPPED__MUST_USE mapped_status mapped_ring_shorten(mapped_ring_hold *hold,
                                                   size_t n,
                                                   mapped_error *error);

/* Sends all records that were reserved since the last commit, in one step.
 * MAPPED_FAULT: a page of the ring is lost; nothing was sent, unless it was
 * lost at this very moment. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_ring_commit(mapped_ring_hold *hold, mapped_error *error);

/* The next record, which stays in the ring until it is released. Waits until
 * the deadline, but not while records are peeked at and not released:
 * MAPPED_TIMEOUT. MAPPED_INTERRUPTED, MAPPED_CORRUPT, MAPPED_CLOSED,
 * MAPPED_FAULT, MAPPED_ARGUMENT in a fork's child. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_ring_peek(mapped_ring_hold *hold, uint64_t deadline,
                 mapped_slice *record, mapped_error *error);

/* Takes all records that were peeked at out of the ring, in one step. They may
 * be overwritten from then on. MAPPED_FAULT: a page of the ring is lost, so
 * they may have been zeros; they stay, unless it was lost at this very moment.
 */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_ring_release(mapped_ring_hold *hold, mapped_error *error);

/* mapped_ring_begin_send and mapped_ring_reserve in one, and the same for the
 * other end. They wait without holding the end, as mapped_ring_send does:
 * others go on meanwhile, and the region can be closed. */
MAPPED__MUST_USE mapped_status mapped_ring_reserve_first(
    const mapped_ring *ring, size_t n, uint64_t deadline,
    mapped_ring_hold *hold, mapped_slice *record, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_ring_peek_first(const mapped_ring *ring,
                                                      uint64_t deadline,
                                                      mapped_ring_hold *hold,
                                                      mapped_slice *record,
                                                      mapped_error *error);

/* Lets go. What was reserved and not committed is dropped; what was peeked at
 * and not released is received by the next one. Takes what has ended or is all
 * zero. */
void mapped_ring_end(mapped_ring_hold *hold);

/* Private: all below. */
#define MAPPED__RING_RECORD_HEADER 8

MAPPED__MUST_USE mapped_status mapped__ring_reserve_slow(mapped_ring_hold *hold,
                                                         size_t n,
                                                         uint64_t deadline,
                                                         mapped_slice *record,
                                                         mapped_error *error);
MAPPED__MUST_USE mapped_status mapped__ring_peek_slow(mapped_ring_hold *hold,
                                                      uint64_t deadline,
                                                      mapped_slice *record,
                                                      mapped_error *error);
MAPPED__MUST_USE mapped_status mapped__ring_publish_slow(mapped_ring_hold *hold,
                                                         const char *operation,
                                                         mapped_error *error);

/* The index of what is at the position: its offset from the first record. */
MAPPED__INLINE size_t mapped__ring_index(const mapped_ring *ring,
                                         uint64_t position)
{
    const uint64_t capacity = ring->capacity;
    return (size_t)(position < capacity ? position : position - capacity);
}

/* How many bytes a record of n bytes takes, with its header and its padding. */
MAPPED__INLINE uint64_t mapped__ring_record_size(uint64_t n)
{
    return MAPPED__RING_RECORD_HEADER + ((n + 7) & ~(uint64_t)7);
}

MAPPED__INLINE uint32_t *
mapped__ring_record_header(const mapped_ring_hold *hold, size_t index)
{
    unsigned char *memory = (unsigned char *)hold->export_.data;
    return (uint32_t *)(void *)(memory + MAPPED_RING_RECORDS_AT + index);
}

/* The n bytes of the record whose header is at the index. */
MAPPED__INLINE mapped_slice mapped__ring_record(const mapped_ring *ring,
                                                size_t index, size_t n)
{
    const mapped_slice record = {ring->slice.region,
                                 ring->slice.offset + MAPPED_RING_RECORDS_AT +
                                     MAPPED__RING_RECORD_HEADER + index,
                                 n, 0};
    return record;
}

/* Moves this end, but not in memory, over a record below the limit. */
MAPPED__INLINE void mapped__ring_pass(mapped_ring_hold *hold, size_t n)
{
    const size_t bytes = (size_t)mapped__ring_record_size(n);
    hold->inline_limit_ =
        hold->inline_limit_ > bytes ? hold->inline_limit_ - bytes : 0;
    hold->position_ += bytes;
}

MAPPED__INLINE bool mapped__ring_is_owned(const mapped_ring_hold *hold)
{
    return MAPPED__LOAD(hold->identity_) == hold->owner_;
}

MAPPED__INLINE mapped_status mapped_ring_reserve(mapped_ring_hold *hold,
                                                 size_t n, uint64_t deadline,
                                                 mapped_slice *record,
                                                 mapped_error *error)
{
    if (MAPPED__UNLIKELY(n >= hold->inline_limit_ || !hold->sends_ ||
                         !mapped__ring_is_owned(hold)))
        return mapped__ring_reserve_slow(hold, n, deadline, record, error);
    const size_t index = mapped__ring_index(&hold->ring, hold->position_);
    uint32_t *header = mapped__ring_record_header(hold, index);
    hold->last_position_ = hold->position_;
    hold->last_length_ = n;
    *record = mapped__ring_record(&hold->ring, index, n);
    mapped__ring_pass(hold, n);
    MAPPED__STORE(header, (uint32_t)n);
    MAPPED__STORE(header + 1, ~(uint32_t)n);
    return MAPPED_OK;
}

MAPPED__INLINE mapped_status mapped_ring_peek(mapped_ring_hold *hold,
                                              uint64_t deadline,
                                              mapped_slice *record,
                                              mapped_error *error)
{
    if (MAPPED__LIKELY(hold->inline_limit_ > 0 && !hold->sends_ &&
                       mapped__ring_is_owned(hold))) {
        const size_t index = mapped__ring_index(&hold->ring, hold->position_);
        const uint32_t *header = mapped__ring_record_header(hold, index);
        const uint32_t n = MAPPED__LOAD(header);
        if (MAPPED__LIKELY(n < hold->inline_limit_ &&
                           MAPPED__LOAD(header + 1) == ~n)) {
            *record = mapped__ring_record(&hold->ring, index, n);
            mapped__ring_pass(hold, n);
            return MAPPED_OK;
        }
    }
    return mapped__ring_peek_slow(hold, deadline, record, error);
}

/* Moves this end in memory. Returns false if mapped__ring_publish_slow has to
 * do that, or has to wake somebody or report a lost page after it. */
MAPPED__INLINE bool mapped__ring_publish(const mapped_ring_hold *hold)
{
    if (MAPPED__UNLIKELY(!mapped__ring_is_owned(hold) ||
                         !mapped_slice_try_leave(hold->ring.slice)))
        return false;
    MAPPED__STORE_RELEASE(hold->published_, hold->position_);
    return MAPPED__LIKELY(MAPPED__LOAD(hold->sleep_word_) == 0 &&
                          mapped_slice_try_leave(hold->ring.slice));
}

MAPPED__INLINE mapped_status mapped_ring_commit(mapped_ring_hold *hold,
                                                mapped_error *error)
{
    return mapped__ring_publish(hold)
               ? MAPPED_OK
               : mapped__ring_publish_slow(hold, "commit", error);
}

MAPPED__INLINE mapped_status mapped_ring_release(mapped_ring_hold *hold,
                                                 mapped_error *error)
{
    return mapped__ring_publish(hold)
               ? MAPPED_OK
               : mapped__ring_publish_slow(hold, "release", error);
}

MAPPED_END

#endif
