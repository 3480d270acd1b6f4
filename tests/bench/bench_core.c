/* Measures what the checks cost. All little-endian 32-bit words of a mapped
 * file are added up, in turns through a raw pointer into the mapping, through a
 * span, and with one mapped_get_u32le a word. The file has 64 MiB, and then 16
 * KiB: these stay in the first-level cache, where no waiting for memory hides
 * the checks. Times are nanoseconds a word. */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 15

#define LARGE ((size_t)64 << 20)
#define SMALL ((size_t)16 << 10)

static __attribute__((noinline)) uint32_t sum_gets(mapped_slice slice,
                                                   mapped_error *error)
{
    uint32_t sum = 0;
    for (size_t at = 0; at + 4 <= slice.length; at += 4) {
        uint32_t word;
        if (mapped_get_u32le(slice, at, &word, error) != MAPPED_OK)
            return 0;
        sum += word;
    }
    return sum;
}

static __attribute__((noinline)) uint32_t sum_span(mapped_slice slice,
                                                   mapped_error *error)
{
    uint32_t sum = 0;
    mapped_span span;
    if (mapped_span_begin(slice, &span, error) != MAPPED_OK)
        return 0;
    for (size_t i = 0; i < mapped_span_count(&span, 4); i++) {
        uint32_t word;
        if (!mapped_span_u32le(&span, i, &word))
            break;
        sum += word;
    }
    return mapped_span_end(&span, error) == MAPPED_OK ? sum : 0;
}

/* The loads are volatile as in the checked functions, because others can change
 * the file: otherwise the compiler may read a word twice, or outside of the
 * loop. */
static __attribute__((noinline)) uint32_t sum_raw(const uint32_t *words,
                                                  size_t count)
{
    const volatile uint32_t *shared = words;
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += mapped_le_u32(shared[i]);
    return sum;
}

static void fail(const mapped_error *error)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_error_message(error, text, sizeof text);
    fprintf(stderr, "bench_core: %s\n", text);
    exit(1);
}

static mapped_region *make_file(const char *path, size_t length)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region;
    options.length = length;
    if (mapped_region_open(path, MAPPED_MODE_EXCLUSIVE, &options, &region,
                           &error) != MAPPED_OK)
        fail(&error);
    unlink(path);
    mapped_slice all = mapped_region_slice(region);
    for (size_t at = 0; at < length; at += 4)
        if (mapped_set_u32le(all, at, (uint32_t)at * 2654435761u, &error) !=
            MAPPED_OK)
            fail(&error);
    return region;
}

typedef uint32_t sum(mapped_slice slice, mapped_error *error);

static double time_sum(sum *ours, mapped_slice all, size_t repeats,
                       uint32_t expected)
{
    mapped_error error = MAPPED_ERROR_INIT;
    double start = timing_now();
    for (size_t i = 0; i < repeats; i++)
        if (ours(all, &error) != expected)
            fail(&error);
    return (timing_now() - start) / (double)(all.length / 4 * repeats);
}

static double time_raw(const uint32_t *words, size_t count, size_t repeats,
                       uint32_t expected)
{
    double start = timing_now();
    for (size_t i = 0; i < repeats; i++)
        if (sum_raw(words, count) != expected)
            abort();
    return (timing_now() - start) / (double)(count * repeats);
}

static mapped_region *make_temporary(size_t length)
{
    char path[] = "/tmp/mapped-bench-XXXXXX";
    char file[64];
    if (!mkdtemp(path))
        exit(1);
    snprintf(file, sizeof file, "%s/file", path);
    mapped_region *region = make_file(file, length);
    rmdir(path);
    return region;
}

static void measure(const char *span_row, const char *gets_row, size_t length,
                    size_t repeats)
{
    const char *const peer = "the same loop on a raw pointer";
    const timing_row rows[] = {{span_row, peer, "1.30"},
                               {gets_row, peer, "null"}};
    double times[3][ROUNDS];
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_export held;
    mapped_region *region = make_temporary(length);
    if (mapped_export_begin(mapped_region_slice(region), &held, &error) !=
        MAPPED_OK)
        fail(&error);
    mapped_slice all = mapped_region_slice(region);
    uint32_t expected = sum_raw(held.data, length / 4);
    for (int round = 0; round < ROUNDS; round++) {
        times[0][round] = time_sum(sum_span, all, repeats, expected);
        times[1][round] = time_raw(held.data, length / 4, repeats, expected);
        times[2][round] = time_sum(sum_gets, all, repeats, expected);
    }
    if (mapped_export_end(&held, &error) != MAPPED_OK)
        fail(&error);
    mapped_region_release(region);
    timing_print(&rows[0], times[0], times[1], ROUNDS);
    timing_print(&rows[1], times[2], times[1], ROUNDS);
}

int main(void)
{
    measure("C checked 4-byte read in a loop",
            "C the same, one mapped_get at a time", LARGE, 1);
    measure("C checked 4-byte read in a loop, in cache",
            "C the same, one mapped_get at a time, in cache", SMALL, 2048);
    return 0;
}
