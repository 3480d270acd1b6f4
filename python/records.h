/* What the files of the types Layout and Record share. */
#ifndef MAPPED_PYTHON_RECORDS_H
#define MAPPED_PYTHON_RECORDS_H

#include "array.h"

/* A Layout has a reference to its fields. The fields of a record inside of a
 * record keep those of the outer one alive. */
struct Layout {
    PyObject_HEAD const mapped_fields *fields;
    PyObject *text; /* the text as it was given, or NULL */
};

typedef struct Record {
    Owned owned;
    Layout *layout;
    mapped_slice slice; /* the bytes of the record */
} Record;

static inline Layout *layout_of(PyObject *self)
{
    return (Layout *)self;
}

static inline Record *record_of(PyObject *self)
{
    return (Record *)self;
}

/* layout.c: makes a Layout, which takes over the reference to the fields; they
 * are released on failure. `text` may be NULL. */
PyObject *layout_make(State *state, const mapped_fields *fields,
                      PyObject *text);

/* layout.c: makes the Layout of a record inside of a record. */
Layout *layout_inner(State *state, const mapped_fields *fields);

/* layout.c: returns a reference to the Layout that `object` means: a Layout, a
 * text or a NumPy dtype. */
PyObject *layout_from(State *state, PyObject *object);

/* layout.c: returns the text; it is made from the fields if none was given. */
PyObject *layout_text(const Layout *layout);

/* layout.c: returns the field of that name, or NULL with an exception of that
 * type. */
const mapped_field *layout_field(const Layout *layout, PyObject *name,
                                 PyObject *exception_type);

/* layout.c: raises an exception of that type, because no field has the name;
 * returns NULL. */
void *raise_no_field(const Layout *layout, PyObject *name,
                     PyObject *exception_type);

/* layout.c: returns a tuple of what `make` makes of each field. */
PyObject *tuple_of_fields(const mapped_fields *fields,
                          PyObject *(*make)(const mapped_field *field));

/* layout_source.c: make a Layout from a NumPy dtype, or from a `struct` format
 * and the fields' names. */
PyObject *layout_from_dtype(State *state, PyObject *dtype);
PyObject *layout_from_struct(State *state, PyObject *format, PyObject *names);

/* layout_source.c: returns the description of a layout, a tuple that has all of
 * it, as mapped/_layouts.py says; and makes a Layout of a description. */
PyObject *layout_describe(const Layout *layout);
PyObject *layout_from_description(State *state, PyObject *description);

/* layout_source.c: returns what a function of mapped/_layouts.py makes of the
 * description. */
PyObject *layout_convert(const Layout *layout, const char *function);

/* record.c: converts an object and stores it as the field of a record at the
 * beginning of `slice`. Returns 0, or -1 with an exception. */
int field_write(Region *owner, mapped_slice slice, const mapped_field *field,
                PyObject *value);

/* record.c: gives the type Record, which is new, its __match_args__. Returns 0,
 * or -1 with an exception. */
int record_add_patterns(PyTypeObject *type);

/* record.c: makes a Record whose bytes are `slice`. */
PyObject *record_new(Region *owner, Layout *layout, mapped_slice slice);

/* record.c: == and != between the values of a Record and a tuple. */
PyObject *record_compare_values(PyObject *self, PyObject *tuple, int operation);

/* equal.c: == and != for Record. */
PyObject *record_compare(PyObject *self, PyObject *other, int operation);

#endif
