/* Measures what a flush costs beyond its system calls. A page of a 1 GiB file
 * on the disk is changed and flushed, in turns through the library and with
 * msync and fdatasync. Times are nanoseconds a flush. */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROUNDS 15
#define FLUSHES 8
#define LENGTH ((size_t)1 << 30)
#define PAGE ((size_t)4096)

static void require(bool good)
{
    if (!good)
        abort();
}

/* Returns the offset of a page. The pages lie far apart, and both sides change
 * the same ones. */
static size_t page_at(int round, int i)
{
    return ((size_t)round * FLUSHES + (size_t)i) * 7919 % (LENGTH / PAGE) *
           PAGE;
}

static double time_ours(mapped_slice all, int round)
{
    double start = timing_now();
    for (int i = 0; i < FLUSHES; i++) {
        mapped_slice page;
        require(mapped_slice_sub(all, page_at(round, i), PAGE, &page, NULL) ==
                MAPPED_OK);
        require(mapped_set_u8(page, 0, (uint8_t)(round + 1), NULL) ==
                MAPPED_OK);
        require(mapped_flush(page, 0, NULL) == MAPPED_OK);
    }
    return (timing_now() - start) / FLUSHES;
}

static double time_peer(unsigned char *data, int file, int round)
{
    double start = timing_now();
    for (int i = 0; i < FLUSHES; i++) {
        unsigned char *page = data + page_at(round, i);
        page[1] = (unsigned char)(round + 1);
        require(msync(page, PAGE, MS_SYNC) == 0 && fdatasync(file) == 0);
    }
    return (timing_now() - start) / FLUSHES;
}

int main(void)
{
    const timing_row row = {"C flush of one page of 1 GiB", "msync + fdatasync",
                            "1.10"};
    char path[] = "/tmp/mapped-bench-XXXXXX";
    const mapped_open_options options = {.length = LENGTH,
                                         .flags = MAPPED_OPEN_SPARSE};
    mapped_region *region;
    double times[2][ROUNDS];
    int file = mkstemp(path);
    require(file >= 0);
    require(mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options, &region,
                               NULL) == MAPPED_OK);
    unlink(path);
    mapped_slice all = mapped_region_slice(region);
    unsigned char *data =
        mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(data != MAP_FAILED);
    for (int round = 0; round < ROUNDS; round++) /* gives all pages blocks */
        (void)time_peer(data, file, round);
    for (int round = 0; round < ROUNDS; round++) {
        times[0][round] = time_ours(all, round);
        times[1][round] = time_peer(data, file, round);
    }
    mapped_region_release(region);
    munmap(data, LENGTH);
    close(file);
    timing_print(&row, times[0], times[1], ROUNDS);
    return 0;
}
