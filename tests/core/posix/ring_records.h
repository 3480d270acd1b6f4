/* What tests of a ring between processes share: the ring, and records that show
 * when they are torn. */
#ifndef RING_RECORDS_H
#define RING_RECORDS_H

#include "scratch.h"

#include <mapped/ring.h>

#define SECOND UINT64_C(1000000000)

static mapped_region *region;
static mapped_ring ring;

CHECK__UNUSED static void make_ring(size_t length)
{
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(length, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_ring_at(mapped_region_slice(region), &ring, NULL),
                 MAPPED_OK);
}

/* A record: who sent it, which of his it is, and then its number again and
 * again, so that a torn one shows. */
typedef struct record {
    uint32_t sender, number;
    uint32_t copies[30];
} record;

CHECK__UNUSED static size_t length_of(uint32_t number)
{
    return 8 + 4 * (number % 31);
}

CHECK__UNUSED static mapped_status send_record(uint32_t sender, uint32_t number,
                                               uint64_t deadline)
{
    record made = {sender, number, {0}};
    for (size_t i = 0; i < 30; i++)
        made.copies[i] = number;
    return mapped_ring_send(&ring, &made, length_of(number), deadline, NULL);
}

CHECK__UNUSED static bool is_whole(const record *got, size_t n)
{
    bool whole = n == length_of(got->number);
    for (size_t i = 0; whole && i < (n - 8) / 4; i++)
        whole = got->copies[i] == got->number;
    return whole;
}

CHECK__UNUSED static bool is_next(const char *text)
{
    char bytes[16];
    size_t n = 0;
    return mapped_ring_recv(&ring, bytes, sizeof bytes, &n,
                            mapped_deadline(10 * SECOND), NULL) == MAPPED_OK &&
           n == strlen(text) && memcmp(bytes, text, n) == 0;
}

#endif
