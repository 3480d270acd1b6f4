/* A file that is about to become a region: what mapped_region_open and the
 * opening of an origin share. */
#ifndef MAPPED_REGION_OPENING_H
#define MAPPED_REGION_OPENING_H

#include <mapped/origin.h>

#include "platform.h"

/* And how to undo what was done. `path` may point into it. */
typedef struct mapped__opening {
    const char *path;            /* NULL: opened by descriptor */
    const mapped_origin *origin; /* that the file must be; NULL: any */
    mapped_mode mode;
    mapped_open_options options;
    intptr_t file;
    bool created;
    bool changed; /* the file's size has been changed from `info.size` */
    mapped__file_info info;
    uint64_t data_end; /* the size without the spare that append left there */
    uint64_t trimmed;  /* the size with that, if it was trimmed; 0 */
    uint64_t length;
    char shared_path[MAPPED__SHARED_SIZE];
} mapped__opening;

/* Are the mode and the options such as can be? */
mapped_status mapped__opening_check(const mapped__opening *o,
                                    mapped_error *error);

/* Opens the file of that path, or the shared memory of that name. */
mapped_status mapped__opening_find(mapped__opening *o, const char *path,
                                   mapped_error *error);

/* MAPPED_STALE if the file isn't that of the origin. */
mapped_status mapped__opening_identify(const mapped__opening *o,
                                       mapped_error *error);

/* Maps it. Owns o->file from now on, also when it fails. */
mapped_status mapped__opening_map(mapped__opening *o, const char *name,
                                  mapped_region **region, mapped_error *error);

#endif
