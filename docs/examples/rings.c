/* Rings: records from one process to another. */
#include "example.h"

static void one_record(const mapped_ring *ring)
{
    char buffer[100];
    size_t n;
    mapped_ring_state state;

    must(mapped_ring_send(ring, "hello", 5, MAPPED_NEVER, &error));
    must(mapped_ring_look(ring, &state, &error));
    assert(state.used == 16 && state.senders_died == 0);
    must(mapped_ring_wait_record(ring, MAPPED_NEVER, &error));
    must(mapped_ring_recv(ring, buffer, sizeof buffer, &n, MAPPED_NEVER,
                          &error));
    assert(n == 5 && memcmp(buffer, "hello", 5) == 0);
    assert(mapped_ring_recv(ring, buffer, sizeof buffer, &n, mapped_deadline(0),
                            &error) == MAPPED_TIMEOUT);
    assert(mapped_ring_longest(ring) > 1000);
}

static void many_records(const mapped_ring *ring)
{
    const mapped_ring_data data[] = {{.bytes = "a", .length = 1},
                                     {.bytes = "bc", .length = 2}};
    char first[10], second[10];
    mapped_ring_buffer buffers[] = {{first, 10, 0}, {second, 10, 0}};
    size_t lengths[2], sent = 0, found, received;

    must(mapped_ring_wait_room(ring, 1, MAPPED_NEVER, &error));
    must(mapped_ring_send_all(ring, data, 2, MAPPED_NEVER, &sent, &error));
    must(mapped_ring_measure(ring, lengths, 2, MAPPED_NEVER, &found, &error));
    assert(sent == 2 && found == 2 && lengths[1] == 2);
    must(mapped_ring_recv_all(ring, buffers, 2, MAPPED_NEVER, &received,
                              &error));
    assert(received == 2 && buffers[1].length == 2);
}

/* Written and read where they lie. */
static void in_place(const mapped_ring *ring)
{
    mapped_ring_hold hold;
    mapped_slice record;

    must(mapped_ring_begin_send(ring, MAPPED_NEVER, &hold, &error));
    must(mapped_ring_reserve(&hold, 100, MAPPED_NEVER, &record, &error));
    must(mapped_set_u32le(record, 0, 42, &error));
    must(mapped_ring_shorten(&hold, 4, &error));
    must(mapped_ring_commit(&hold, &error));
    mapped_ring_end(&hold);

    must(mapped_ring_begin_recv(ring, MAPPED_NEVER, &hold, &error));
    must(mapped_ring_peek(&hold, MAPPED_NEVER, &record, &error));
    assert(record.length == 4);
    must(mapped_ring_release(&hold, &error));
    mapped_ring_end(&hold);
}

/* The same, begun in one call each, so that others go on during the wait. */
static void in_place_at_once(const mapped_ring *ring)
{
    mapped_ring_hold hold;
    mapped_slice record;

    must(mapped_ring_reserve_first(ring, 8, MAPPED_NEVER, &hold, &record,
                                   &error));
    must(mapped_fill(record, 1, &error));
    must(mapped_ring_commit(&hold, &error));
    mapped_ring_end(&hold);
    must(mapped_ring_peek_first(ring, MAPPED_NEVER, &hold, &record, &error));
    must(mapped_ring_release(&hold, &error));
    mapped_ring_end(&hold);
}

int main(void)
{
    mapped_region *region = zeros(4096);
    mapped_ring ring;

    must(mapped_ring_at(mapped_region_slice(region), &ring, &error));
    one_record(&ring);
    many_records(&ring);
    in_place(&ring);
    in_place_at_once(&ring);
    mapped_region_release(region);
    return 0;
}
