/* A file that is about to become a region: what mapped_region_open and the
 * opening of an origin share. */
#ifndef MAPPED_REGION_OPENING_H
#define MAPPED_REGION_OPENING_H

#include <mapped/origin.h>

#include "platform.h"

/* `path` may point into it. */
typedef struct mapped__opening {
    /* What is asked for. */
    const char *path;            /* NULL: opened by descriptor */
    const mapped_origin *origin; /* that the file must be; NULL: any */
    mapped_mode mode;
    mapped_open_options options;

    /* The file, and what is known of it. */
    intptr_t file;
    mapped__file_info info;
    uint64_t data_end; /* where its data ends: before the spare that an append
                        * has left there, else at its end */
    uint64_t length;   /* of the region */

    /* How to undo what was done to it. */
    bool created;
    bool changed;             /* its size isn't `info.size` any more */
    bool emptied;             /* a "w+" has truncated what it held */
    uint64_t size_with_spare; /* before a spare was cut off; 0: none was */

    char shared_path[MAPPED__SHARED_SIZE];
} mapped__opening;

/* Checks the mode and the numbers and flags of the options. */
mapped_status mapped__opening_check(const mapped__opening *opening,
                                    mapped_error *error);

/* Opens the file of that path, or the shared memory of that name. */
mapped_status mapped__opening_find(mapped__opening *opening, const char *path,
                                   mapped_error *error);

/* MAPPED_STALE if the file isn't that of the origin. */
mapped_status mapped__opening_identify(const mapped__opening *opening,
                                       mapped_error *error);

/* Maps it. Owns opening->file from now on, also when it fails. */
mapped_status mapped__opening_map(mapped__opening *opening, const char *name,
                                  mapped_region **region, mapped_error *error);

#endif
