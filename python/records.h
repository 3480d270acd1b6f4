/* What the files of the types Layout and Record share. */
#ifndef MAPPED_RECORDS_H
#define MAPPED_RECORDS_H

#include "array.h"

/* Of a record in a record, it keeps the fields of all. */
struct Layout {
    PyObject_HEAD const mapped_fields *fields;
    PyObject *text; /* as it was given, or NULL */
};

typedef struct Record {
    PyObject_HEAD Region *owner;
    Layout *layout;
    mapped_slice slice; /* its bytes */
} Record;

static inline Layout *layout_of(PyObject *self)
{
    return (Layout *)self;
}

static inline Record *record_of(PyObject *self)
{
    return (Record *)self;
}

/* layout.c: takes the reference to the fields, also on failure. `text` may be
 * NULL. */
PyObject *layout_make(State *state, const mapped_fields *fields,
                      PyObject *text);

/* Of a record in a record. */
Layout *layout_inner(State *state, const mapped_fields *fields);

/* A reference to the Layout that `object`, one, a text or a dtype, means. */
PyObject *layout_from(State *state, PyObject *object);

/* Its text; spelled if none was given. */
PyObject *layout_text(const Layout *layout);

/* The field of that name, or NULL with an exception of `missing`'s type. */
const mapped_field *layout_field(const Layout *layout, PyObject *name,
                                 PyObject *missing);

/* A tuple of what `make` makes of each field. */
PyObject *tuple_of_fields(const mapped_fields *fields,
                          PyObject *(*make)(const mapped_field *field));

/* layout_source.c: a Layout made of the fields of a NumPy dtype; of a `struct`
 * format and the fields' names. */
PyObject *layout_from_dtype(State *state, PyObject *dtype);
PyObject *layout_from_struct(State *state, PyObject *format, PyObject *names);

/* The other way: what a function of mapped/_layouts.py makes of a record. */
PyObject *layout_converted(const mapped_fields *fields, const char *function);

/* record.c: converts an object and stores it as the field of a record at the
 * beginning of `slice`. Returns 0, or -1 with an exception. */
int field_write(Region *owner, mapped_slice slice, const mapped_field *field,
                PyObject *value);

/* `slice` is the record's bytes. */
PyObject *record_new(Region *owner, Layout *layout, mapped_slice slice);

/* equal.c */
PyObject *record_compare(PyObject *self, PyObject *other, int operation);

#endif
