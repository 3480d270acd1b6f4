/* Measures what is over soon, so that what surrounds it counts: a search that
 * finds something in the first page, lines, copies, and single values. Both
 * sides take turns on the same memory. Times are nanoseconds for one of them.
 */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS 15
#define SIZE ((size_t)64 << 20)

static mapped_slice slice, other;
static unsigned char *memory, *other_memory;

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Keeps the compiler from doing something once that is to be done often. */
static void forget(void)
{
    __asm__ volatile("" ::: "memory");
}

static unsigned random_number(void)
{
    static uint64_t state = 88172645463325252u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33);
}

static unsigned char *make(mapped_slice *all)
{
    mapped_region *region;
    mapped_export held;
    require(mapped_region_anonymous(SIZE, NULL, &region, NULL) == MAPPED_OK);
    *all = mapped_region_slice(region);
    require(mapped_export_begin(*all, &held, NULL) == MAPPED_OK);
    return memset(held.data, '.', SIZE);
}

/* Runs both sides in turns, each of them `count` times a round. */
static void compare(const timing_row *row, size_t (*ours)(size_t count),
                    size_t (*peer)(size_t count), size_t count)
{
    double times[2][ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
        double start = timing_now();
        size_t mine = ours(count);
        double middle = timing_now();
        size_t theirs = peer(count);
        double end = timing_now();
        require(mine == theirs);
        if (round < 0)
            continue;
        times[0][round] = (middle - start) / (double)count;
        times[1][round] = (end - middle) / (double)count;
    }
    timing_print(row, times[0], times[1], ROUNDS);
}

#define HIT 1000 /* where the first page has the needle */

static size_t find_needle(size_t count, size_t length)
{
    size_t sum = 0, at;
    for (size_t i = 0; i < count; i++) {
        mapped_needle needle;
        mapped_needle_init(&needle, "xy", length);
        require(mapped_find(slice, &needle, &at, NULL) == MAPPED_OK);
        sum += at;
    }
    return sum;
}

static size_t find_one(size_t count)
{
    return find_needle(count, 1);
}

static size_t find_two(size_t count)
{
    return find_needle(count, 2);
}

static size_t memchr_one(size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++, forget())
        sum += (size_t)((unsigned char *)memchr(memory, 'x', SIZE) - memory);
    return sum;
}

static size_t memmem_two(size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++, forget())
        sum +=
            (size_t)((unsigned char *)memmem(memory, SIZE, "xy", 2) - memory);
    return sum;
}

static void measure_finds(void)
{
    memcpy(memory + HIT, "xy", 2);
    compare(&(timing_row){"C find, 1 byte, hit in the first page", "memchr",
                          "2.00"},
            find_one, memchr_one, 20000);
    compare(&(timing_row){"C find, 2 bytes, hit in the first page", "memmem",
                          "1.50"},
            find_two, memmem_two, 20000);
}

static size_t first_bytes(size_t lines)
{
    mapped_parts parts;
    mapped_slice line;
    bool has_line;
    size_t sum = 0;
    uint8_t byte;
    mapped_parts_lines(&parts, slice, false);
    for (size_t i = 0; i < lines; i++) {
        require(mapped_parts_next(&parts, &line, &has_line, NULL) ==
                    MAPPED_OK &&
                has_line);
        if (line.length > 0) {
            require(mapped_get_u8(line, 0, &byte, NULL) == MAPPED_OK);
            sum += byte;
        }
    }
    return sum;
}

static size_t first_bytes_by_hand(size_t lines)
{
    const unsigned char *line = memory, *end = memory + SIZE, *newline;
    size_t sum = 0;
    for (size_t i = 0; i < lines; i++, line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        require(newline != NULL);
        if (newline > line)
            sum += *line;
    }
    return sum;
}

static void measure_lines(void)
{
    size_t lines = 0;
    for (size_t at = random_number() % 120; at < SIZE;
         at += 1 + random_number() % 120, lines++)
        memory[at] = '\n';
    compare(&(timing_row){"C mapped_parts_next, 64 MiB of lines",
                          "a memchr loop", "1.50"},
            first_bytes, first_bytes_by_hand, lines);
}

static size_t copied; /* how many bytes a copy is */

static size_t copy(size_t count)
{
    const mapped_slice from = {slice.region, slice.offset, copied, 0};
    for (size_t i = 0; i < count; i++)
        require(mapped_copy(other, 0, from, NULL) == MAPPED_OK);
    return 0;
}

static size_t copy_by_hand(size_t count)
{
    for (size_t i = 0; i < count; i++, forget())
        memcpy(other_memory, memory, copied);
    return 0;
}

static void measure_copies(void)
{
    copied = 1000;
    compare(
        &(timing_row){"C copy, region to region, 1,000 B", "memcpy", "2.50"},
        copy, copy_by_hand, 20000);
    copied = 64 << 10;
    compare(&(timing_row){"C copy, region to region, 64 KiB", "memcpy", "1.15"},
            copy, copy_by_hand, 2000);
    copied = 1 << 20;
    compare(&(timing_row){"C copy, region to region, 1 MiB", "memcpy", "1.15"},
            copy, copy_by_hand, 100);
}

#define VALUES ((size_t)1 << 20)

static size_t offsets[VALUES];

static size_t get_random(size_t count)
{
    size_t sum = 0;
    uint32_t value;
    for (size_t i = 0; i < count; i++) {
        require(mapped_get_u32le(slice, offsets[i], &value, NULL) == MAPPED_OK);
        sum += value;
    }
    return sum;
}

static size_t get_random_by_hand(size_t count)
{
    size_t sum = 0;
    uint32_t value;
    for (size_t i = 0; i < count; i++) {
        memcpy(&value, memory + offsets[i], sizeof value);
        sum += value;
    }
    return sum;
}

/* A slice of its own, as a function has that is given one: a store might change
 * the global one. */
static size_t set_in_a_row(size_t count)
{
    const mapped_slice to = slice;
    for (size_t i = 0; i < count; i++)
        require(mapped_set_u32le(to, 4 * i, (uint32_t)i, NULL) == MAPPED_OK);
    return 0;
}

/* The peer's stores are as single as ours: nothing makes vectors of them. */
static size_t set_by_hand(size_t count)
{
    unsigned char *to = memory;
    for (size_t i = 0; i < count; i++, forget()) {
        const uint32_t value = (uint32_t)i;
        memcpy(to + 4 * i, &value, sizeof value);
    }
    return 0;
}

static void measure_values(void)
{
    for (size_t i = 0; i < VALUES; i++)
        offsets[i] = random_number() % (SIZE / 4) * 4;
    compare(&(timing_row){"C mapped_get_u32le, random over 64 MiB",
                          "a raw pointer", "1.40"},
            get_random, get_random_by_hand, VALUES);
    compare(
        &(timing_row){"C mapped_set_u32le, in a row", "a raw pointer", "1.60"},
        set_in_a_row, set_by_hand, VALUES);
}

int main(void)
{
    memory = make(&slice);
    other_memory = make(&other);
    measure_finds();
    measure_lines();
    measure_copies();
    measure_values();
    return 0;
}
