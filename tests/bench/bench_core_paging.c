/* Measures calls on pages from C. A file of 1 GiB is scanned in pieces of 1
 * MiB, in turns mapped and with read(), when none of it is in memory and when
 * all of it is. Then the number of its pages in memory is asked for. Each scan
 * includes opening and closing. Times are nanoseconds for the whole file. */
#include <mapped/mapped.h>

#include "timing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE ((size_t)1 << 30)
#define PIECE ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define MOST_ROUNDS 15

static char path[256];
static unsigned char buffer[PIECE];
static unsigned char vector[SIZE / PAGE];

static _Noreturn void fail(const char *what)
{
    perror(what);
    unlink(path);
    exit(1);
}

static int open_file(int flags)
{
    int file = open(path, flags | O_CLOEXEC);
    if (file < 0)
        fail("open");
    return file;
}

static void make_file(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/mapped-bench-XXXXXX",
             parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    int file = mkstemp(path);
    if (file < 0)
        fail("mkstemp");
    for (size_t i = 0; i < PIECE; i++)
        buffer[i] = (unsigned char)(1 + i * i % 251);
    for (size_t at = 0; at < SIZE; at += PIECE)
        if (write(file, buffer, PIECE) != (ssize_t)PIECE)
            fail("write");
    close(file);
}

static void empty_cache(void)
{
    int file = open_file(O_RDWR);
    if (fsync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0)
        fail("posix_fadvise");
    close(file);
}

/* Searches a piece for a byte that it doesn't contain. */
static void scan(const void *piece)
{
    if (memchr(piece, 0, PIECE) != NULL)
        fail("memchr");
}

static double scan_read(void)
{
    double start = timing_now();
    int file = open_file(O_RDONLY);
    ssize_t n;
    while ((n = read(file, buffer, PIECE)) > 0)
        scan(buffer);
    if (n < 0)
        fail("read");
    close(file);
    return timing_now() - start;
}

static mapped_region *open_region(void)
{
    mapped_region *region;
    if (mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL) !=
        MAPPED_OK)
        fail("open");
    return region;
}

static void scan_pieces(mapped_slice all)
{
    for (size_t at = 0; at < SIZE; at += PIECE) {
        mapped_slice piece;
        const void *block;
        size_t count;
        if (mapped_slice_sub(all, at, PIECE, &piece, NULL) != MAPPED_OK ||
            mapped_block_enter(piece, 1, &block, &count, NULL) != MAPPED_OK)
            fail("enter");
        scan(block);
        if (mapped_block_leave(piece, NULL) != MAPPED_OK)
            fail("leave");
    }
}

static double scan_plainly(void)
{
    double start = timing_now();
    mapped_region *region = open_region();
    scan_pieces(mapped_region_slice(region));
    mapped_region_release(region);
    return timing_now() - start;
}

static double scan_ahead(void)
{
    double start = timing_now();
    mapped_region *region = open_region();
    mapped_slice all = mapped_region_slice(region);
    if (mapped_advise(all, MAPPED_ADVICE_SEQUENTIAL, NULL) != MAPPED_OK ||
        mapped_prefetch(all, MAPPED_PREFETCH_START, NULL) != MAPPED_OK)
        fail("prefetch");
    scan_pieces(all);
    mapped_region_release(region);
    return timing_now() - start;
}

static double ask(unsigned char *bits, size_t capacity)
{
    static mapped_region *region;
    mapped_residency found;
    if (region == NULL)
        region = open_region();
    double start = timing_now();
    if (mapped_residency_get(mapped_region_slice(region), &found, bits,
                             capacity, NULL) != MAPPED_OK ||
        found.resident != SIZE / PAGE)
        fail("residency");
    return timing_now() - start;
}

static double ask_counts(void)
{
    return ask(NULL, 0);
}

static double ask_bits(void)
{
    static unsigned char bits[SIZE / PAGE / 8];
    return ask(bits, sizeof bits);
}

static double ask_peer(void)
{
    static void *memory;
    size_t resident = 0;
    if (memory == NULL)
        memory =
            mmap(NULL, SIZE, PROT_READ, MAP_SHARED, open_file(O_RDONLY), 0);
    if (memory == MAP_FAILED)
        fail("mmap");
    double start = timing_now();
    if (mincore(memory, SIZE, vector) != 0)
        fail("mincore");
    for (size_t i = 0; i < sizeof vector; i++)
        resident += vector[i] & 1;
    if (resident != SIZE / PAGE)
        fail("resident");
    return timing_now() - start;
}

typedef struct row {
    timing_row row;
    double (*ours)(void);
    double (*peer)(void);
    void (*before)(void); /* runs before both, or NULL */
    int rounds;
} row;

static void measure(const row *r)
{
    double ours[MOST_ROUNDS], peer[MOST_ROUNDS];
    for (int i = 0; i < r->rounds; i++) {
        if (r->before != NULL)
            r->before();
        ours[i] = r->ours();
        if (r->before != NULL)
            r->before();
        peer[i] = r->peer();
    }
    timing_print(&r->row, ours, peer, r->rounds);
}

/* The scans of the first row leave the file in memory for the other rows. */
int main(void)
{
    static const row rows[] = {
        {{"C scan of a cold 1 GiB file, prefetched in the background",
          "read, 1 MiB at a time", "0.85"},
         scan_ahead,
         scan_read,
         empty_cache,
         7},
        {{"C scan of a warm 1 GiB file, first touch", "read, 1 MiB at a time",
          "0.80"},
         scan_plainly,
         scan_read,
         NULL,
         15},
        {{"C residency of 1 GiB", "mincore", "1.50"},
         ask_counts,
         ask_peer,
         NULL,
         15},
        {{"C residency of 1 GiB, page by page", "mincore", "1.50"},
         ask_bits,
         ask_peer,
         NULL,
         15}};
    make_file();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        measure(&rows[i]);
    unlink(path);
    return 0;
}
