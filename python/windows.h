/* What the type Windows and the iterator over its lines share. */
#ifndef MAPPED_PYTHON_WINDOWS_H
#define MAPPED_PYTHON_WINDOWS_H

#include "binding.h"

typedef struct Windows {
    PyObject_HEAD State *state; /* the object has a reference to its module */
    PyObject *name;             /* as given, for errors */
    PyObject *path;             /* whose bytes `core` borrows, or NULL */
    mapped_windows core;
    int uses; /* calls under way, which may run unlocked */
    bool closed;
} Windows;

/* Around every use of `core`. Returns 0, or -1 with an exception. */
int windows_begin(Windows *self);
void windows_end(Windows *self);

typedef mapped_status WindowsMap(void *context, mapped_region **region,
                                 mapped_error *error);

/* Maps something into a new Region, unlocked, and a second time if garbage may
 * have held what it takes. */
mapped_status windows_open_region(void *context, WindowsMap *map,
                                  Region *region, mapped_error *error);

PyObject *windows_lines_new(Windows *windows, bool keep);

#endif
