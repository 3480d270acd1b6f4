/* Formats in the language of struct, compiled and remembered, for pack, unpack
 * and layouts. */
#ifndef MAPPED_PYTHON_FORMAT_H
#define MAPPED_PYTHON_FORMAT_H

#include <stddef.h>

#include "binding.h"

/* What a format was compiled to. A capsule owns it. */
typedef struct Format {
    const mapped_fields *fields;
    size_t bytes; /* the size of this struct with its memory */
    bool native;  /* sizes and limits are those of the C compiler */
    max_align_t memory[];
} Format;

/* Raises struct.error with a message, to which it adds the field's place in the
 * format; returns -1. */
int format_refuse(State *state, const mapped_field *field, const char *message);

/* Makes an offset that may count from the end count from the start, and checks
 * that `size` bytes are there, as unpack_from and pack_into do. Returns 0, or
 * -1 with an exception. */
int format_offset(Region *owner, const char *operation, size_t length,
                  size_t size, Py_ssize_t *offset);

/* Where a str or bytes would be among those that were used lately. */
static inline KnownFormat *format_place(State *state, PyObject *text)
{
    return &state->known_formats[(uintptr_t)text / 64 % KNOWN_FORMATS];
}

/* Sets `*format` to what a str or bytes compiles to. Returns a reference to
 * what keeps that alive, or NULL with an exception. */
PyObject *format_find(State *state, PyObject *object, const Format **format);

/* The same; an object that was used lately is found by its address, inline. */
static inline PyObject *format_get(State *state, PyObject *object,
                                   const Format **format)
{
    const KnownFormat *known = format_place(state, object);
    if (known->text != object)
        return format_find(state, object, format);
    *format = known->format;
    return Py_NewRef(known->capsule);
}

/* Copies the few bytes of a format, in words, the last of which may overlap the
 * one before. A call of memcpy takes longer, and its vectors are slow to load
 * where values have just been stored one by one, and the other way round. */
static inline void copy_short(unsigned char *to, const unsigned char *from,
                              size_t n)
{
    size_t i = 0;
    for (; n < 8 && i < n; i++)
        to[i] = from[i];
    for (; i + 8 < n; i += 8)
        mapped_store_u64(to + i, mapped_load_u64(from + i));
    if (n >= 8)
        mapped_store_u64(to + n - 8, mapped_load_u64(from + n - 8));
}

#endif
