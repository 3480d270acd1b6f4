/* Streams of the C library whose bytes are ours. */
#include <errno.h>
#include <stdio.h>

#include "platform.h"

mapped_status mapped__stream_open(void *context,
                                  const mapped__stream_calls *calls,
                                  bool writable, FILE **stream,
                                  mapped_error *error)
{
    const cookie_io_functions_t functions = {.read = calls->read,
                                             .write =
                                                 writable ? calls->write : NULL,
                                             .seek = calls->seek};
    *stream = fopencookie(context, writable ? "r+" : "r", functions);
    if (*stream == NULL)
        return mapped_error_set_system(error, errno, "fopencookie");
    return MAPPED_OK;
}
