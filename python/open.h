/* What the functions that open a file share: the request to open it. */
#ifndef MAPPED_OPEN_H
#define MAPPED_OPEN_H

#include "binding.h"

/* What to open, converted. All zero is an empty request. */
typedef struct Request {
    PyObject *name;   /* the path or the descriptor, as users see it */
    PyObject *path;   /* bytes, or NULL to open by descriptor */
    PyObject *fileno; /* a file's method; see request_convert_descriptor */
    PyObject *number; /* what the method returned */
    intptr_t descriptor;
    mapped_mode mode;
    mapped_open_options options;
} Request;

/* Converts a path, a descriptor, or an object that has fileno(). Returns 0, or
 * -1 with an exception. */
int request_convert_file(PyObject *file, Request *request);

/* Converts what isn't a path, in the same way. No code of others may run
 * between this and the use of the descriptor: it could close the file, and the
 * number could then be that of another file. So the method fileno and its
 * result, whose release might run such code, are kept until request_clear. */
int request_convert_descriptor(PyObject *file, Request *request);

/* Releases what the request has. */
void request_clear(Request *request);

#endif
