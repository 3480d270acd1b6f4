/* Does the guard's table get slower with the regions in it? One open and close
 * of a file of one page while 50,000 other regions are open, against the same
 * while there is none. Times are nanoseconds a pair. */
#include <mapped/mapped.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 9
#define PAIRS 2000
#define REGIONS 50000

static char path[] = "/tmp/mapped-bench-XXXXXX";
static mapped_region *regions[REGIONS];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

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
    double start = now();
    for (int i = 0; i < PAIRS; i++)
        mapped_region_release(open_one());
    return (now() - start) / PAIRS;
}

static void print_times(const char *name, const double *times)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < ROUNDS; i++)
        printf("%s%.1f", i > 0 ? ", " : "", times[i]);
    printf("]");
}

int main(void)
{
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
    printf("{\"row\": \"C open and close, 50,000 regions open\", \"against\": "
           "\"none open\", \"at_most\": 1.30, \"unit\": \"ns\", ");
    print_times("ours", crowded);
    printf(", ");
    print_times("peer", alone);
    printf("}\n");
    return 0;
}
