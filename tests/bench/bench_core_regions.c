/* Measures whether the guard's table gets slower with the number of regions in
 * it. A file of one page is opened and closed while 50,000 other regions are
 * open, and while none is. Times are nanoseconds for opening and closing once.
 */
#include <mapped/mapped.h>

#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ROUNDS 9
#define PAIRS 2000
#define REGIONS 50000

static char path[] = "/tmp/mapped-bench-XXXXXX";
static mapped_region *regions[REGIONS];

static mapped_region *open_one(void)
{
    mapped_region *region;
    if (mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL) !=
        MAPPED_OK) {
        unlink(path);
        exit(1);
    }
    return region;
}

static double measure(void)
{
    double start = timing_now();
    for (int i = 0; i < PAIRS; i++)
        mapped_region_release(open_one());
    return (timing_now() - start) / PAIRS;
}

int main(void)
{
    const timing_row row = {"C open and close, 50,000 regions open",
                            "none open", "1.30"};
    double alone[ROUNDS];
    double crowded[ROUNDS];
    int file = mkstemp(path);
    if (file < 0 || ftruncate(file, 4096) != 0)
        return 1;
    close(file);
    for (int round = 0; round < ROUNDS; round++) {
        alone[round] = measure();
        for (int i = 0; i < REGIONS; i++)
            regions[i] = open_one();
        crowded[round] = measure();
        for (int i = 0; i < REGIONS; i++)
            mapped_region_release(regions[i]);
    }
    unlink(path);
    timing_print(&row, crowded, alone, ROUNDS);
    return 0;
}
