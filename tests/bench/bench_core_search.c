/* Measures searching from C: mapped_find and memmem, in turns, on the same
 * mapped file of 64 MiB of random bytes or of text. The needles occur only at
 * the end of the file, or nowhere: then the peer is a loop that only reads the
 * bytes. Times are nanoseconds a search. */
#include <mapped/mapped.h>

#include "lanes.h"
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 15
#define SIZE ((size_t)64 << 20)

static const char *const words[] = {
    "the ", "of ",  "and ", "server ", "request ", "that ", "INFO ",
    "was ", "for ", "are ", "memory ", "with ",    "file ", "line\n"};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned random_number(void)
{
    static uint64_t state = 88172645463325252u;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33);
}

static void fill_random(unsigned char *data)
{
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)random_number();
}

static void fill_text(unsigned char *data)
{
    for (size_t i = 0; i < SIZE;) {
        const char *word =
            words[random_number() % (sizeof words / sizeof *words)];
        while (*word != '\0' && i < SIZE)
            data[i++] = (unsigned char)*word++;
    }
}

static double time_ours(mapped_slice slice, const char *text, size_t *offset)
{
    mapped_needle needle;
    double start = timing_now();
    mapped_needle_init(&needle, text, strlen(text));
    if (mapped_find(slice, &needle, offset, NULL) != MAPPED_OK)
        fail("mapped_find");
    return timing_now() - start;
}

static double time_peer(const unsigned char *data, const char *text,
                        size_t *offset)
{
    double start = timing_now();
    const unsigned char *found = memmem(data, SIZE, text, strlen(text));
    double taken = timing_now() - start;
    *offset = found == NULL ? MAPPED_NOT_FOUND : (size_t)(found - data);
    return taken;
}

/* Both search the same mapping. The first round isn't counted, because it
 * brings the pages into memory. */
static void compare(mapped_slice slice, const char *kind, const char *text)
{
    char name[64];
    const timing_row row = {name, "memmem", "1.05"};
    double ours[ROUNDS];
    double peer[ROUNDS];
    mapped_export held;
    size_t found;
    size_t expected;
    if (mapped_export_begin(mapped_region_slice(slice.region), &held, NULL) !=
        MAPPED_OK)
        fail("export");
    for (int i = -1; i < ROUNDS; i++) {
        double mine = time_ours(slice, text, &found);
        double theirs = time_peer(held.data, text, &expected);
        if (found != expected)
            fail("they differ");
        if (i >= 0) {
            ours[i] = mine;
            peer[i] = theirs;
        }
    }
    if (mapped_export_end(&held, NULL) != MAPPED_OK)
        fail("export");
    snprintf(name, sizeof name, "C find, %zu bytes, rare, 64 MiB %s",
             strlen(text), kind);
    timing_print(&row, ours, peer, ROUNDS);
}

/* The least that can be done with all bytes. */
static __attribute__((noinline)) bool has_bytes(const unsigned char *data)
{
    mapped__lanes seen[4] = {{0}};
    for (const unsigned char *end = data + SIZE; data < end; data += STRIDE) {
        mapped__lanes_prefetch(data + AHEAD);
        seen[0] |= mapped__lanes_load(data);
        seen[1] |= mapped__lanes_load(data + LANES);
        seen[2] |= mapped__lanes_load(data + 2 * LANES);
        seen[3] |= mapped__lanes_load(data + 3 * LANES);
    }
    return mapped__lanes_any(seen[0] | seen[1] | seen[2] | seen[3]);
}

static void compare_absent(mapped_slice slice, const char *text)
{
    char name[64];
    const timing_row row = {name, "a loop that only reads", "1.10"};
    double ours[ROUNDS], peer[ROUNDS];
    mapped_export held;
    size_t found;
    if (mapped_export_begin(mapped_region_slice(slice.region), &held, NULL) !=
        MAPPED_OK)
        fail("export");
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = time_ours(slice, text, &found);
        double start = timing_now();
        if (found != MAPPED_NOT_FOUND || !has_bytes(held.data))
            fail("found");
        peer[i] = timing_now() - start;
    }
    if (mapped_export_end(&held, NULL) != MAPPED_OK)
        fail("export");
    snprintf(name, sizeof name, "C find, %zu bytes, absent, 64 MiB random",
             strlen(text));
    timing_print(&row, ours, peer, ROUNDS);
}

static void measure(const char *kind, void (*fill)(unsigned char *))
{
    static const char *const needles[] = {"ZEBRAS", "Quixotic Zebras"};
    char path[] = "/tmp/mapped-bench-XXXXXX";
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    int file = mkstemp(path);
    options.length = SIZE;
    if (file < 0 ||
        mapped_region_open_descriptor(file, NULL, MAPPED_MODE_READ_WRITE,
                                      &options, &region, NULL) != MAPPED_OK)
        fail(path);
    unlink(path);
    close(file);
    mapped_slice slice = mapped_region_slice(region);
    unsigned char *data;
    if (mapped_slice_enter_write(slice, 0, SIZE, &data, NULL) != MAPPED_OK)
        fail("enter");
    fill(data);
    for (size_t i = 0; i < sizeof needles / sizeof *needles; i++) {
        memcpy(data + SIZE - 20, "....................", 20);
        memcpy(data + SIZE - 20, needles[i], strlen(needles[i]));
        compare(slice, kind, needles[i]);
    }
    if (fill == fill_random) {
        compare_absent(slice, "Zebra 8!");
        compare_absent(slice, "thirty bytes are a longer one.");
    }
    mapped_region_release(region);
}

int main(void)
{
    measure("random", fill_random);
    measure("text", fill_text);
    return 0;
}
