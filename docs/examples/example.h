/* What the examples share: the calls that must succeed go through `must`, which
 * says what failed and ends the program. A program of its own would rather hand
 * the status on. */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#undef NDEBUG
#include <assert.h>
#include <mapped/mapped.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mapped_error error;

static inline void must(mapped_status status)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    if (status == MAPPED_OK)
        return;
    mapped_error_message(&error, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
}

/* A region of zero bytes that are no file, for examples that need none. */
static inline mapped_region *zeros(uint64_t length)
{
    mapped_region *region;
    must(mapped_region_anonymous(length, NULL, &region, &error));
    return region;
}

/* Makes a file of this content. */
static inline void make_file(const char *path, const char *text)
{
    mapped_open_options options = {.length =
                                       mapped_length_exactly(strlen(text))};
    mapped_region *region;
    must(mapped_region_open(path, MAPPED_MODE_CREATE, &options, &region,
                            &error));
    must(mapped_write(mapped_region_slice(region), 0, text, strlen(text),
                      &error));
    mapped_region_release(region);
}

#endif
