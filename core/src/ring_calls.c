/* Sending and receiving copies, in one call that holds an end no longer than
 * the copies take: begin_ready holds it, and waits without the hold. */
#include <mapped/ring.h>

#include <mapped/bulk.h>

#include "ring_internal.h"

static const mapped__ring_condition any_record = {.wants_room = false};

static mapped_status report(const mapped_ring *ring, const char *operation,
                            mapped_status status, mapped_error *error)
{
    return mapped__region_complete_error(ring->slice.region, operation, status,
                                         error);
}

/* Begins a hold as soon as the condition is met. */
static mapped_status begin_ready(const mapped_ring *ring,
                                 mapped__ring_condition condition,
                                 uint64_t deadline, mapped_ring_hold *hold,
                                 mapped_error *error)
{
    mapped_status status;
    do {
        status = mapped__ring_begin(ring, condition.wants_room, deadline, hold,
                                    error);
        if (status != MAPPED_OK || mapped__ring_is_ready(hold, condition.n))
            return status;
        mapped_ring_end(hold);
        status = mapped__ring_wait(ring, condition, deadline, error);
    } while (status == MAPPED_OK);
    return status;
}

static size_t length_of(const mapped_ring_data *data)
{
    return data->slice.region != NULL ? data->slice.length : data->length;
}

static mapped_status check_lengths(const mapped_ring *ring,
                                   const mapped_ring_data *data, size_t count,
                                   mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < count && status == MAPPED_OK; i++)
        status =
            mapped__ring_check_length(ring, length_of(&data[i]), "send", error);
    return status;
}

static mapped_status reserve_copy(mapped_ring_hold *hold,
                                  const mapped_ring_data *data,
                                  mapped_error *error)
{
    mapped_slice record;
    size_t n = length_of(data);
    mapped_status status = mapped_ring_reserve(hold, n, 0, &record, error);
    if (status != MAPPED_OK)
        return status;
    return data->slice.region != NULL
               ? mapped_copy(record, 0, data->slice, error)
               : mapped_write(record, 0, data->bytes, n, error);
}

/* Sends as many as there is room for. MAPPED_TIMEOUT: not all. */
static mapped_status send_ready(mapped_ring_hold *hold,
                                const mapped_ring_data *data, size_t count,
                                size_t *sent, mapped_error *error)
{
    size_t i = *sent;
    mapped_status status = MAPPED_OK;
    while (i < count && status == MAPPED_OK) {
        status = reserve_copy(hold, &data[i], error);
        i += status == MAPPED_OK;
    }
    if (i == *sent || (status != MAPPED_OK && status != MAPPED_TIMEOUT))
        return status;
    mapped_status committed = mapped_ring_commit(hold, error);
    if (committed != MAPPED_OK)
        return committed;
    *sent = i;
    return status;
}

mapped_status mapped_ring_send_all(const mapped_ring *ring,
                                   const mapped_ring_data *data, size_t count,
                                   uint64_t deadline, size_t *sent,
                                   mapped_error *error)
{
    mapped_ring_hold hold;
    mapped_status status = check_lengths(ring, data, count, error);
    while (status == MAPPED_OK && *sent < count) {
        const mapped__ring_condition room = {true, length_of(&data[*sent])};
        status = begin_ready(ring, room, deadline, &hold, error);
        if (status != MAPPED_OK)
            break;
        status = send_ready(&hold, data, count, sent, error);
        mapped_ring_end(&hold);
        if (status == MAPPED_TIMEOUT) /* there was no room for all */
            status = MAPPED_OK;
    }
    return report(ring, "send", status, error);
}

mapped_status mapped_ring_send(const mapped_ring *ring, const void *data,
                               size_t n, uint64_t deadline, mapped_error *error)
{
    const mapped_ring_data one = {.bytes = data, .length = n};
    size_t sent = 0;
    return mapped_ring_send_all(ring, &one, 1, deadline, &sent, error);
}

/* Peeks at the next records, as many as are there. */
static mapped_status measure_ready(mapped_ring_hold *hold, size_t *lengths,
                                   size_t count, size_t *measured,
                                   mapped_error *error)
{
    mapped_slice record;
    mapped_status status = MAPPED_OK;
    size_t i = 0;
    while (i < count && status == MAPPED_OK) {
        status = mapped_ring_peek(hold, 0, &record, error);
        if (status == MAPPED_OK)
            lengths[i++] = record.length;
    }
    if (i == 0 && status != MAPPED_OK)
        return status;
    *measured = i;
    return MAPPED_OK;
}

mapped_status mapped_ring_measure(const mapped_ring *ring, size_t *lengths,
                                  size_t count, uint64_t deadline,
                                  size_t *measured, mapped_error *error)
{
    mapped_ring_hold hold;
    mapped_status status =
        begin_ready(ring, any_record, deadline, &hold, error);
    if (status == MAPPED_OK) {
        status = measure_ready(&hold, lengths, count, measured, error);
        mapped_ring_end(&hold); /* releases nothing */
    }
    return report(ring, "recv", status, error);
}

/* Peeks at the next record, and copies it if it fits. */
static mapped_status peek_copy(mapped_ring_hold *hold,
                               mapped_ring_buffer *buffer, bool *fits,
                               mapped_error *error)
{
    mapped_slice record;
    mapped_status status = mapped_ring_peek(hold, 0, &record, error);
    if (status != MAPPED_OK)
        return status;
    buffer->length = record.length;
    *fits = record.length <= buffer->size;
    return *fits ? mapped_read(record, 0, buffer->bytes, record.length, error)
                 : MAPPED_OK;
}

/* Receives what is there. The first record that doesn't fit, or that can't be
 * read, must stay in the ring: the position goes back to it before the release.
 */
static mapped_status recv_ready(mapped_ring_hold *hold,
                                mapped_ring_buffer *buffers, size_t count,
                                size_t *received, mapped_error *error)
{
    bool fits = true;
    size_t i = 0;
    mapped_status status = MAPPED_OK;
    while (i < count && fits && status == MAPPED_OK) {
        const uint64_t before = hold->position_;
        status = peek_copy(hold, &buffers[i], &fits, error);
        if (fits && status == MAPPED_OK)
            i++;
        else
            hold->position_ = before;
    }
    if (i == 0 && status != MAPPED_OK)
        return status;
    if (i == 0 && !fits) {
        const mapped_error_range range = {0, buffers[0].length,
                                          buffers[0].size};
        return mapped_error_set_range(error, MAPPED_RANGE, "recv", range);
    }
    status = mapped_ring_release(hold, error);
    if (status == MAPPED_OK)
        *received = i;
    return status;
}

mapped_status mapped_ring_recv_all(const mapped_ring *ring,
                                   mapped_ring_buffer *buffers, size_t count,
                                   uint64_t deadline, size_t *received,
                                   mapped_error *error)
{
    mapped_ring_hold hold;
    mapped_status status =
        begin_ready(ring, any_record, deadline, &hold, error);
    if (status == MAPPED_OK) {
        status = recv_ready(&hold, buffers, count, received, error);
        mapped_ring_end(&hold);
    }
    return report(ring, "recv", status, error);
}

mapped_status mapped_ring_recv(const mapped_ring *ring, void *buffer,
                               size_t size, size_t *n, uint64_t deadline,
                               mapped_error *error)
{
    mapped_ring_buffer one = {.bytes = buffer, .size = size};
    size_t received = 0;
    mapped_status status =
        mapped_ring_recv_all(ring, &one, 1, deadline, &received, error);
    if (status == MAPPED_OK || status == MAPPED_RANGE)
        *n = one.length;
    return status;
}

mapped_status mapped_ring_reserve_first(const mapped_ring *ring, size_t n,
                                        uint64_t deadline,
                                        mapped_ring_hold *hold,
                                        mapped_slice *record,
                                        mapped_error *error)
{
    const mapped__ring_condition room = {true, n};
    mapped_status status = mapped__ring_check_length(ring, n, "reserve", error);
    if (status == MAPPED_OK)
        status = begin_ready(ring, room, deadline, hold, error);
    if (status == MAPPED_OK) {
        status = mapped_ring_reserve(hold, n, 0, record, error);
        if (status != MAPPED_OK)
            mapped_ring_end(hold);
    }
    return report(ring, "reserve", status, error);
}

mapped_status mapped_ring_peek_first(const mapped_ring *ring, uint64_t deadline,
                                     mapped_ring_hold *hold,
                                     mapped_slice *record, mapped_error *error)
{
    mapped_status status = begin_ready(ring, any_record, deadline, hold, error);
    if (status == MAPPED_OK) {
        status = mapped_ring_peek(hold, 0, record, error);
        if (status != MAPPED_OK)
            mapped_ring_end(hold);
    }
    return report(ring, "peek", status, error);
}
