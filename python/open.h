/* What the functions that open a file share: its argument, converted. */
#ifndef MAPPED_OPEN_H
#define MAPPED_OPEN_H

#include "binding.h"

typedef struct Request {
    PyObject *name;   /* the path or the descriptor, as users see it */
    PyObject *path;   /* bytes, or NULL to open by descriptor */
    PyObject *fileno; /* the method of a file, */
    PyObject *number; /* and its result: see request_convert_descriptor */
    intptr_t descriptor;
    mapped_mode mode;
    mapped_open_options options;
} Request;

/* Return 0, or -1 with an exception. No code of others may run between the
 * conversion and the use of the descriptor: it could close the file, and the
 * number could then be that of another file. Therefore the method fileno and
 * its result are kept until the clear. */
int request_convert_file(PyObject *file, Request *request);
int request_convert_descriptor(PyObject *file, Request *request);

void request_clear(Request *request); /* all zero will do */

#endif
