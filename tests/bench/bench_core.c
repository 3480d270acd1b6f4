/* What the two checks around every access cost: the sum of all little-endian
 * 32-bit words of a mapped file, once with mapped_get_u32le and once through a
 * raw pointer into the same mapping, in turns. The row is the 64 MiB file;
 * the second row reads a file that stays in the first-level cache again and
 * again, where no wait for memory hides the checks. Times are nanoseconds a
 * word. */
#include <mapped/mapped.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15

#define LARGE ((size_t)64 << 20)
#define SMALL ((size_t)16 << 10)

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __attribute__((noinline)) uint32_t sum_checked(mapped_slice slice,
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

/* Volatile as in the checked one, because the memory is shared with the file:
 * else the compiler may read words twice, or not in the loop. */
static __attribute__((noinline)) uint32_t sum_raw(const uint32_t *words,
                                                  size_t count)
{
    const volatile uint32_t *shared = words;
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += mapped_le_u32(shared[i]);
    return sum;
}

static void print_times(const char *name, const double *times)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < ROUNDS; i++)
        printf("%s%.4f", i > 0 ? ", " : "", times[i]);
    printf("]");
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

static void measure(const char *row, size_t length, size_t repeats)
{
    char path[] = "/tmp/mapped-bench-XXXXXX";
    double ours[ROUNDS];
    double peer[ROUNDS];
    double words = (double)(length / 4 * repeats);
    mapped_error error = MAPPED_ERROR_INIT;
    void *raw;
    if (!mkdtemp(path))
        exit(1);
    char file[64];
    snprintf(file, sizeof file, "%s/file", path);
    mapped_region *region = make_file(file, length);
    rmdir(path);
    if (mapped_region_pin(region, &raw, &error) != MAPPED_OK)
        fail(&error);
    mapped_slice all = mapped_region_slice(region);
    uint32_t expected = sum_raw(raw, length / 4) * (uint32_t)repeats;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t sums[2] = {0, 0};
        double start = now();
        for (size_t i = 0; i < repeats; i++)
            sums[0] += sum_checked(all, &error);
        double middle = now();
        for (size_t i = 0; i < repeats; i++)
            sums[1] += sum_raw(raw, length / 4);
        peer[round] = (now() - middle) / words;
        ours[round] = (middle - start) / words;
        if (sums[0] != expected || sums[1] != expected)
            fail(&error);
    }
    mapped_region_unpin(region);
    mapped_region_release(region);
    printf("{\"row\": \"%s\", \"against\": \"the same loop on a raw "
           "pointer\", \"at_most\": 1.30, \"unit\": \"ns\", ",
           row);
    print_times("ours", ours);
    printf(", ");
    print_times("peer", peer);
    printf("}\n");
}

int main(void)
{
    measure("C checked 4-byte read in a loop", LARGE, 1);
    measure("C checked 4-byte read in a loop, in cache", SMALL, 2048);
    return 0;
}
