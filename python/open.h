/* What the functions and types that open a file share: the request to open it,
 * and the type Windows, which stands here for the iterator over its lines. */
#ifndef MAPPED_PYTHON_OPEN_H
#define MAPPED_PYTHON_OPEN_H

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

typedef struct Windows {
    PyObject_HEAD State *state; /* the object has a reference to its module */
    PyObject *name;             /* the file as it was given, for errors */
    PyObject *path;             /* NULL, or the bytes that `core` borrows */
    mapped_windows core;
    int uses; /* how many calls are under way, maybe unlocked */
    bool is_closed;
} Windows;

/* Every use of `core` is between these two. windows_begin raises and returns -1
 * if the windows are closed; else it returns 0. */
int windows_begin(Windows *self);
void windows_end(Windows *self);

typedef mapped_status WindowsMap(void *context, mapped_region **region,
                                 mapped_error *error);

/* Calls `map` unlocked, which opens the new Region's core; and once more if
 * garbage may have held what it needs. */
mapped_status windows_open_region(void *context, WindowsMap *map,
                                  Region *region, mapped_error *error);

PyObject *windows_lines_new(Windows *windows, bool keep_newlines);

#endif
