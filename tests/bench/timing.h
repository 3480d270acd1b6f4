/* What the benchmarks in C share: a clock, and the line of JSON that
 * bench/run.py reads for each row of the table. */
#ifndef TIMING_H
#define TIMING_H

#include <stdio.h>
#include <time.h>

typedef struct timing_row {
    const char *name;
    const char *against; /* what the peer is */
    const char *at_most; /* the largest ratio allowed, or "null" */
} timing_row;

/* Returns nanoseconds since some fixed moment. */
static inline double timing_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static inline void timing_print_times(const char *name, const double *times,
                                      int rounds)
{
    printf(", \"%s\": [", name);
    for (int i = 0; i < rounds; i++)
        printf("%s%.4f", i > 0 ? ", " : "", times[i]);
    printf("]");
}

/* Prints a row, with the nanoseconds of each round. */
static inline void timing_print(const timing_row *row, const double *ours,
                                const double *peer, int rounds)
{
    printf("{\"row\": \"%s\", \"against\": \"%s\", \"at_most\": %s, "
           "\"unit\": \"ns\"",
           row->name, row->against, row->at_most);
    timing_print_times("ours", ours, rounds);
    timing_print_times("peer", peer, rounds);
    printf("}\n");
    fflush(stdout);
}

#endif
