/* How the examples treat errors: say what is wrong, and stop. */
#ifndef MAPPED_EXAMPLES_NEED_H
#define MAPPED_EXAMPLES_NEED_H

#include <mapped/mapped.h>
#include <stdio.h>
#include <stdlib.h>

static mapped_error error = MAPPED_ERROR_INIT;

static inline void need_that(bool holds, const char *complaint)
{
    if (holds)
        return;
    fprintf(stderr, "error: %s\n", complaint);
    exit(EXIT_FAILURE);
}

static inline void need(mapped_status status)
{
    char text[MAPPED_ERROR_MESSAGE_SIZE] = "";
    if (status != MAPPED_OK)
        mapped_error_message(&error, text, sizeof text);
    need_that(status == MAPPED_OK, text);
}

#endif
