/* What the type Windows and the iterator over its lines share. */
#ifndef MAPPED_PYTHON_WINDOWS_H
#define MAPPED_PYTHON_WINDOWS_H

#include "binding.h"

typedef struct Windows {
    PyObject_HEAD State *state; /* the object has a reference to its module */
    PyObject *name;             /* the file as it was given, for errors */
    PyObject *path;             /* NULL, or the bytes that `core` borrows */
    mapped_windows core;
    int uses; /* how many calls are under way, maybe unlocked */
    bool is_closed;
} Windows;

/* Raises and returns -1 if the windows are closed; else returns 0. */
int windows_require_open(const Windows *self);

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
