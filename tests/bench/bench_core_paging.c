/* Pages from C: a file of 1 GiB that is scanned in pieces of 1 MiB, mapped and
 * read, when none of it is in memory and when all of it is; and what it costs
 * to ask how much of it is. Each scan includes opening and closing. Times are
 * nanoseconds for all of the file. */
#include <mapped/mapped.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
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

/* Looks for a byte that isn't there. */
static void scan(const void *piece)
{
    if (memchr(piece, 0, PIECE) != NULL)
        fail("memchr");
}

static double scan_read(void)
{
    double start = now();
    int file = open_file(O_RDONLY);
    ssize_t n;
    while ((n = read(file, buffer, PIECE)) > 0)
        scan(buffer);
    if (n < 0)
        fail("read");
    close(file);
    return now() - start;
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
    double start = now();
    mapped_region *region = open_region();
    scan_pieces(mapped_region_slice(region));
    mapped_region_release(region);
    return now() - start;
}

static double scan_ahead(void)
{
    double start = now();
    mapped_region *region = open_region();
    mapped_slice all = mapped_region_slice(region);
    if (mapped_advise(all, MAPPED_ADVICE_SEQUENTIAL, NULL) != MAPPED_OK ||
        mapped_prefetch(all, MAPPED_PREFETCH_START, NULL) != MAPPED_OK)
        fail("prefetch");
    scan_pieces(all);
    mapped_region_release(region);
    return now() - start;
}

static double ask(unsigned char *bits, size_t capacity)
{
    static mapped_region *region;
    mapped_residency found;
    if (region == NULL)
        region = open_region();
    double start = now();
    if (mapped_residency_get(mapped_region_slice(region), &found, bits,
                             capacity, NULL) != MAPPED_OK ||
        found.resident != SIZE / PAGE)
        fail("residency");
    return now() - start;
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
    double start = now();
    if (mincore(memory, SIZE, vector) != 0)
        fail("mincore");
    for (size_t i = 0; i < sizeof vector; i++)
        resident += vector[i] & 1;
    if (resident != SIZE / PAGE)
        fail("resident");
    return now() - start;
}

static void print_times(const char *name, const double *times, int rounds)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < rounds; i++)
        printf("%s%.0f", i > 0 ? ", " : "", times[i]);
    printf("]");
}

typedef struct row {
    const char *head; /* of the line that is printed */
    double (*ours)(void);
    double (*peer)(void);
    void (*before)(void); /* each of the two; may be NULL */
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
    printf("{%s, \"unit\": \"ns\", ", r->head);
    print_times("ours", ours, r->rounds);
    printf(", ");
    print_times("peer", peer, r->rounds);
    printf("}\n");
}

/* The file is warm as it has been read from the disk. */
int main(void)
{
    static const row rows[] = {
        {"\"row\": \"C scan of a cold 1 GiB file, prefetched in the "
         "background\", \"against\": \"read, 1 MiB at a time\", \"at_most\": "
         "0.85",
         scan_ahead, scan_read, empty_cache, 7},
        {"\"row\": \"C scan of a warm 1 GiB file, first touch\", \"against\": "
         "\"read, 1 MiB at a time\", \"at_most\": 0.80",
         scan_plainly, scan_read, NULL, 15},
        {"\"row\": \"C residency of 1 GiB\", \"against\": \"mincore\", "
         "\"at_most\": 1.50",
         ask_counts, ask_peer, NULL, 15},
        {"\"row\": \"C residency of 1 GiB, page by page\", \"against\": "
         "\"mincore\", \"at_most\": 1.50",
         ask_bits, ask_peer, NULL, 15}};
    make_file();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        measure(&rows[i]);
    unlink(path);
    return 0;
}
