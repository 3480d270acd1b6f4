/* Formats in the language of struct, compiled and remembered. */
#ifndef MAPPED_PYTHON_FORMAT_H
#define MAPPED_PYTHON_FORMAT_H

#include <stddef.h>

#include "binding.h"

/* Kept by a capsule. */
typedef struct Format {
    const mapped_fields *fields;
    size_t bytes; /* of the memory that all of it takes */
    bool native;  /* sizes and limits are the C compiler's */
    max_align_t memory[];
} Format;

/* Raises a struct.error that ends in the place of the field; -1. */
int format_refuse(State *state, const mapped_field *field, const char *what);

/* Makes an offset that may count from the end count from the start, as
 * unpack_from and pack_into do. Returns 0, or -1 with an exception. */
int format_offset(Region *owner, const char *operation, size_t length,
                  size_t size, Py_ssize_t *offset);

PyObject *format_find(State *state, PyObject *object, const Format **format);

static inline KnownFormat *format_place(State *state, PyObject *text)
{
    return &state->known_formats[(uintptr_t)text / 64 % KNOWN_FORMATS];
}

/* A reference to what keeps the compiled format. A text is known by its address
 * as long as it is one of the last used. */
static inline PyObject *format_get(State *state, PyObject *object,
                                   const Format **format)
{
    const KnownFormat *known = format_place(state, object);
    if (known->text != object)
        return format_find(state, object, format);
    *format = known->format;
    return Py_NewRef(known->capsule);
}

#endif
