/* A ring in a few bytes of memory, for the tests of rings. */
#ifndef MAPPED_TEST_RING_MEMORY_H
#define MAPPED_TEST_RING_MEMORY_H

#include "memory.h"

#define ROOM 1024 /* bytes for records */
#define SIZE (MAPPED_RING_RECORDS_AT + ROOM)

static _Alignas(8) unsigned char memory[SIZE + 8];
static mapped_region *region;
static mapped_ring ring;

static inline mapped_status attach(size_t offset, size_t length,
                                   mapped_ring *made, mapped_error *error)
{
    return mapped_ring_at((mapped_slice){region, offset, length, 0}, made,
                          error);
}

static inline void make_zero(void)
{
    memset(memory, 0, sizeof memory);
    region = memory_wrap(memory, sizeof memory, false);
}

static inline void make_ring(void)
{
    make_zero();
    CHECK_STATUS(attach(0, SIZE, &ring, NULL), MAPPED_OK);
}

static inline void end_ring(void)
{
    mapped_region_release(region);
}

static inline mapped_status try_send(const void *data, size_t n)
{
    return mapped_ring_send(&ring, data, n, 0, NULL);
}

static inline void send_text(const char *text)
{
    CHECK_STATUS(try_send(text, strlen(text)), MAPPED_OK);
}

static inline mapped_status try_recv(unsigned char *bytes, size_t *n)
{
    return mapped_ring_recv(&ring, bytes, ROOM, n, 0, NULL);
}

static inline void check_next(const char *text)
{
    unsigned char bytes[ROOM];
    size_t n = 0;
    CHECK_STATUS(try_recv(bytes, &n), MAPPED_OK);
    CHECK_UINT(n, strlen(text));
    CHECK_BYTES(bytes, text, n);
}

static inline void check_empty(void)
{
    unsigned char bytes[ROOM];
    size_t n;
    mapped_ring_state state = {1, 1, 1};
    CHECK_STATUS(try_recv(bytes, &n), MAPPED_TIMEOUT);
    CHECK_STATUS(mapped_ring_look(&ring, &state, NULL), MAPPED_OK);
    CHECK_UINT(state.used, 0);
    CHECK_UINT(state.senders_died, 0);
}

#endif
