/* What the files of the types Layout, Records and Record share. */
#ifndef MAPPED_RECORDS_H
#define MAPPED_RECORDS_H

#include "binding.h"

typedef struct Layout {
    PyObject_HEAD mapped_layout *layout;
    PyObject *text;
    PyObject *format; /* bytes that end in NUL: for the buffer protocol */
} Layout;

/* Records of one layout at a fixed distance, which is negative after [::-1]. */
typedef struct Records {
    PyObject_HEAD PyObject *weakrefs;
    Region *owner;
    Layout *layout;
    mapped_slice slice;
    Py_ssize_t first;  /* where in `slice` record 0 is */
    Py_ssize_t count;  /* as buffers want it: the shape */
    Py_ssize_t stride; /* and the strides */
} Records;

typedef struct Record {
    PyObject_HEAD Region *owner;
    Layout *layout;
    mapped_slice slice; /* its bytes */
} Record;

static inline Layout *layout_of(PyObject *self)
{
    return (Layout *)self;
}

static inline Records *records_of(PyObject *self)
{
    return (Records *)self;
}

static inline Record *record_of(PyObject *self)
{
    return (Record *)self;
}

static inline size_t records_size(const Records *records)
{
    return (size_t)records->count * mapped_layout_size(records->layout->layout);
}

/* extent.c */
Extent records_extent(const Records *records);

/* records_export.c: all bytes, in order. Returns 0, or -1 with an exception. */
int records_gather(const Records *records, char *to);
METHOD_NONE(records_tobytes);
METHOD_NONE(records___bytes__);
extern const char records_tobytes_doc[];
extern const char records___bytes___doc[];
int records_get_buffer(PyObject *self, Py_buffer *buffer, int flags);
void records_release_buffer(PyObject *self, Py_buffer *buffer);

/* layout.c: a reference to the Layout that `object`, one or a text, means. */
PyObject *layout_from(State *state, PyObject *object);

/* The field of that name, or NULL with an exception of `missing`'s type. */
const mapped_layout_entry *layout_field(const Layout *layout, PyObject *name,
                                        PyObject *missing);

/* "f64", "char[16]" */
PyObject *field_type(const mapped_layout_entry *field);

/* field.c: a field of the record at `record`. */
PyObject *field_get(Region *owner, mapped_slice record,
                    const mapped_layout_entry *field);
int field_set(Region *owner, mapped_slice record,
              const mapped_layout_entry *field, PyObject *value);

/* The two halves of field_set: to plain memory, and from there. */
int field_convert(const State *state, const mapped_layout_entry *field,
                  PyObject *value, unsigned char *to);
int field_write(Region *owner, mapped_slice record,
                const mapped_layout_entry *field, const unsigned char *from);

/* record.c */
PyObject *record_new(const Records *records, mapped_slice slice);

/* equal.c */
PyObject *record_compare(PyObject *self, PyObject *other, int operation);

/* All fields of a record as a tuple. */
PyObject *record_values(Region *owner, const Layout *layout,
                        mapped_slice slice);

#endif
