/* Sources: bytes to read, of our objects and of others; and needles, which are
 * bytes to search for. */
#ifndef MAPPED_PYTHON_SOURCE_H
#define MAPPED_PYTHON_SOURCE_H

#include "binding.h"

/* Bytes to read: those of an object of ours, or of any other buffer. Until
 * source_close nobody frees or resizes them. */
typedef struct Source {
    Region *owner; /* not NULL if the bytes are those of `slice` */
    mapped_slice slice;
    const void *data; /* the bytes, if `owner` is NULL */
    size_t length;
    Py_buffer buffer;
    void *copy;            /* memory that `data` may point to */
    const char *operation; /* what errors name */
} Source;

/* Returns 0, or -1 with an exception. */
int source_open(const State *state, PyObject *object, const char *operation,
                Source *source);
void source_close(Source *source);

/* Copies all of the source to `to`. Returns 0, or -1 with an exception. */
int source_read(const Source *source, void *to);

/* Stores all of the source at `offset` in `to`, which belongs to `target`. */
int source_store(const Source *source, Region *target, mapped_slice to,
                 size_t offset);

/* Copy all bytes of a slice, which belongs to `owner`, to `to` or to a new
 * bytes object; many of them unlocked. -1 or NULL with an exception that names
 * `operation`. */
int slice_read(Region *owner, mapped_slice from, void *to,
               const char *operation);
PyObject *slice_to_bytes(Region *owner, mapped_slice from,
                         const char *operation);

/* Which of two Regions an error of a store is about: the source's, if a page of
 * `source_slice` is lost, else the target's. `source` is NULL if the bytes came
 * from an object that isn't ours. */
Region *failed_region(mapped_status status, Region *target, Region *source,
                      mapped_slice source_slice);

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

/* parts.c: iterates over the indices of all matches in `slice`, whose first
 * byte has the given index; there are none if `slice` is NULL. Copies the
 * needle. */
PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t index,
                      const Needle *needle);

#endif
