/* Needles, and iterators over where they are: what searches share. */
#ifndef MAPPED_PYTHON_NEEDLE_H
#define MAPPED_PYTHON_NEEDLE_H

#include "source.h"

/* What is looked for: one byte given as an integer, or a copy or the bytes of
 * an object, which stay where they are until needle_close. */
typedef struct Needle {
    Source source;
    bool exported; /* it is of ours, and this is its export: */
    mapped_export pointer;
    uint8_t byte; /* of an integer */
    const void *bytes;
    size_t length;
} Needle;

int needle_open(const State *state, PyObject *object, const char *operation,
                Needle *needle);

/* -1 with an exception if the needle's own bytes were lost meanwhile. One that
 * was raised before stays. */
int needle_close(Needle *needle);

/* A private copy, for what outlives the call: PyMem_Free it. */
void *needle_copy(const Needle *needle);

/* The first occurrence. Lets other threads run if it is far. */
mapped_status find_first(mapped_slice slice, mapped_needle *needle,
                         size_t *offset, mapped_error *error);

/* Iterates over the offsets, plus `base`, of what is found in `slice`, which
 * may be NULL for nothing. Copies the needle. */
PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t base,
                      const Needle *needle);

#endif
