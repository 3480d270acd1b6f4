/* What searches share: needles, and the iterator over all matches. */
#ifndef MAPPED_PYTHON_NEEDLE_H
#define MAPPED_PYTHON_NEEDLE_H

#include "source.h"

/* The bytes that are searched for: those of an object, which stay where they
 * are until needle_close, or one byte that was given as an integer. */
typedef struct Needle {
    Source source;
    bool has_export; /* the bytes are in a region, and are exported */
    mapped_export region_export;
    uint8_t byte; /* where `bytes` points if it was an integer */
    const void *bytes;
    size_t length;
} Needle;

int needle_open(const State *state, PyObject *object, const char *operation,
                Needle *needle);

/* Returns 0, or -1 with an exception if the needle's own bytes were lost. An
 * exception that is set already stays as it is. */
int needle_close(Needle *needle);

/* Returns a copy of the bytes, a bytes object. */
PyObject *needle_copy(const Needle *needle);

/* Finds the first match. If it is far away, that runs unlocked. */
mapped_status find_first(mapped_slice slice, mapped_needle *needle,
                         size_t *offset, mapped_error *error);

/* Iterates over the offsets of all matches in `slice`, plus `base`; there are
 * none if `slice` is NULL. Copies the needle. */
PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t base,
                      const Needle *needle);

#endif
