/* Measures how long one process takes to send records of 64 bytes to another:
 * by a ring whose ends are held, and by the least that does it in C, a queue of
 * slots with two counters. Both publish every record by itself. Times are
 * nanoseconds for a record. */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 15
#define RECORDS 1000000u
#define LENGTH 64
#define SLOTS 8192u /* as many records as the ring has room for, nearly */

typedef struct queue {
    _Alignas(64) uint64_t tail;
    _Alignas(64) uint64_t head;
    _Alignas(64) unsigned char slots[SLOTS][LENGTH];
} queue;

static queue *by_hand;
static mapped_ring ring;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void send_by_hand(void)
{
    unsigned char record[LENGTH] = {0};
    for (uint64_t i = 0; i < RECORDS; i++) {
        while (i - __atomic_load_n(&by_hand->head, __ATOMIC_ACQUIRE) == SLOTS)
            MAPPED__PAUSE();
        memcpy(record, &i, sizeof i);
        memcpy(by_hand->slots[i % SLOTS], record, LENGTH);
        __atomic_store_n(&by_hand->tail, i + 1, __ATOMIC_RELEASE);
    }
}

static void recv_by_hand(void)
{
    unsigned char record[LENGTH];
    for (uint64_t i = 0; i < RECORDS; i++) {
        while (__atomic_load_n(&by_hand->tail, __ATOMIC_ACQUIRE) == i)
            MAPPED__PAUSE();
        memcpy(record, by_hand->slots[i % SLOTS], LENGTH);
        __atomic_store_n(&by_hand->head, i + 1, __ATOMIC_RELEASE);
        require(memcmp(record, &i, sizeof i) == 0);
    }
}

static void send_ring(void)
{
    mapped_ring_hold hold;
    mapped_slice slice;
    unsigned char record[LENGTH] = {0}, *p;
    require(mapped_ring_begin_send(&ring, MAPPED_NEVER, &hold, NULL) ==
            MAPPED_OK);
    for (uint64_t i = 0; i < RECORDS; i++) {
        require(mapped_ring_reserve(&hold, LENGTH, MAPPED_NEVER, &slice,
                                    NULL) == MAPPED_OK);
        memcpy(record, &i, sizeof i);
        require(mapped_slice_enter_write(slice, 0, LENGTH, &p, NULL) ==
                MAPPED_OK);
        memcpy(p, record, LENGTH);
        require(mapped_slice_leave(slice, 0, LENGTH, NULL) == MAPPED_OK);
        require(mapped_ring_commit(&hold, NULL) == MAPPED_OK);
    }
    mapped_ring_end(&hold);
}

static void recv_ring(void)
{
    mapped_ring_hold hold;
    mapped_slice slice;
    unsigned char record[LENGTH], *p;
    require(mapped_ring_begin_recv(&ring, MAPPED_NEVER, &hold, NULL) ==
            MAPPED_OK);
    for (uint64_t i = 0; i < RECORDS; i++) {
        require(mapped_ring_peek(&hold, MAPPED_NEVER, &slice, NULL) ==
                MAPPED_OK);
        require(mapped_slice_enter(slice, 0, LENGTH, &p, NULL) == MAPPED_OK);
        memcpy(record, p, LENGTH);
        require(mapped_slice_leave(slice, 0, LENGTH, NULL) == MAPPED_OK);
        require(mapped_ring_release(&hold, NULL) == MAPPED_OK);
        require(memcmp(record, &i, sizeof i) == 0);
    }
    mapped_ring_end(&hold);
}

static double measure(void (*send)(void), void (*recv)(void))
{
    int how = 1;
    double start = timing_now();
    pid_t child = fork();
    if (child == 0) {
        recv();
        _exit(0);
    }
    send();
    waitpid(child, &how, 0);
    require(how == 0);
    return (timing_now() - start) / RECORDS;
}

int main(void)
{
    const timing_row row = {"C Ring, 64 B, one process to another",
                            "minimal ring by hand", "1.30"};
    const mapped_anonymous_options options = {.shared = true};
    double ours[ROUNDS], peer[ROUNDS];
    mapped_region *region;
    if (mapped_region_anonymous(MAPPED_RING_RECORDS_AT + SLOTS * (LENGTH + 8u),
                                &options, &region, NULL) != MAPPED_OK ||
        mapped_ring_at(mapped_region_slice(region), &ring, NULL) != MAPPED_OK)
        return 1;
    by_hand = mmap(NULL, sizeof *by_hand, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (by_hand == MAP_FAILED)
        return 1;
    for (int round = 0; round < ROUNDS; round++) {
        memset(by_hand, 0, sizeof *by_hand);
        ours[round] = measure(send_ring, recv_ring);
        peer[round] = measure(send_by_hand, recv_by_hand);
    }
    timing_print(&row, ours, peer, ROUNDS);
    return 0;
}
