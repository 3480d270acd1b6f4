/* Measures what a block costs a loop that the compiler vectorises (-O3). All
 * 32-bit words of 64 MiB of memory, and then of 16 KiB in the cache, are added
 * up, in turns over a block and over a raw pointer. Times are nanoseconds a
 * word. */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 15

#define LARGE ((size_t)64 << 20)
#define SMALL ((size_t)16 << 10)

static __attribute__((noinline)) uint32_t sum_block(mapped_slice slice)
{
    uint32_t sum = 0;
    const void *block;
    size_t count;
    if (mapped_block_enter(slice, 4, &block, &count, NULL) != MAPPED_OK)
        abort();
    const uint32_t *words = block;
    for (size_t i = 0; i < count; i++)
        sum += words[i];
    if (mapped_block_leave(slice, NULL) != MAPPED_OK)
        abort();
    return sum;
}

static __attribute__((noinline)) uint32_t sum_raw(const uint32_t *words,
                                                  size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += words[i];
    return sum;
}

/* Keeps a sum from being moved out of the loop that repeats it. */
static void forget(void)
{
    __asm__ volatile("" ::: "memory");
}

static void measure(const char *name, size_t length, size_t repeats)
{
    double times[2][ROUNDS];
    mapped_region *region;
    if (mapped_region_anonymous(length, NULL, &region, NULL) != MAPPED_OK)
        abort();
    mapped_slice all = mapped_region_slice(region);
    if (mapped_fill(all, 0x5a, NULL) != MAPPED_OK)
        abort();
    const uint32_t *words = (const uint32_t *)region->base_;
    const double total = (double)(length / 4 * repeats);
    uint32_t difference = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = timing_now();
        for (size_t i = 0; i < repeats; i++, forget())
            difference += sum_block(all);
        times[0][round] = (timing_now() - start) / total;
        start = timing_now();
        for (size_t i = 0; i < repeats; i++, forget())
            difference -= sum_raw(words, length / 4);
        times[1][round] = (timing_now() - start) / total;
    }
    if (difference != 0)
        abort();
    mapped_region_release(region);
    const timing_row row = {name, "the same loop on a raw pointer, -O3",
                            "1.05"};
    timing_print(&row, times[0], times[1], ROUNDS);
}

int main(void)
{
    measure("C plain loop over a block", LARGE, 1);
    measure("C plain loop over a block, in cache", SMALL, 5000);
    return 0;
}
