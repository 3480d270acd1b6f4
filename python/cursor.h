/* A position in the bytes of a Region or a Slice: what a File and the base of
 * mapped.mmap have in common.
 *
 * A read first moves the position past its bytes, and then allocates and
 * copies, which may run the code of others or give up the interpreter's lock.
 * So two threads, or a finalizer in the middle of a read, never get the same
 * bytes. A read that fails moves the position back, unless somebody else has
 * moved it. */
#ifndef MAPPED_PYTHON_CURSOR_H
#define MAPPED_PYTHON_CURSOR_H

#include "source.h"

typedef struct Cursor {
    PyObject_HEAD PyObject *weakrefs;
    PyObject *view;  /* a Region, whose live length counts, or a Slice */
    size_t position; /* may be past the end */
    bool is_closed;  /* a File was; a mapping has its Region closed */
} Cursor;

static inline Cursor *cursor_of(PyObject *self)
{
    return (Cursor *)self;
}

static inline Region *cursor_owner(PyObject *self)
{
    return view_owner(cursor_of(self)->view);
}

int cursor_traverse(PyObject *self, visitproc visit, void *arg);

/* The bytes from the position to the end; none if it is past the end. */
static inline mapped_slice cursor_rest(PyObject *self)
{
    const Cursor *cursor = cursor_of(self);
    mapped_slice rest = view_span(cursor->view);
    size_t skip =
        cursor->position < rest.length ? cursor->position : rest.length;
    rest.offset += skip;
    rest.length -= skip;
    return rest;
}

/* Return up to `n` bytes from the position, or up to and with the next newline,
 * and move past them. NULL with an exception, which names `operation`. */
PyObject *cursor_read(PyObject *self, size_t n, const char *operation);
PyObject *cursor_read_line(PyObject *self, size_t n);

/* Moves the position past up to `n` bytes, and returns these bytes. */
mapped_slice cursor_advance(PyObject *self, size_t n);

/* Moves the position back to before the slice that cursor_advance returned. */
void cursor_move_back(PyObject *self, mapped_slice part);

/* Stores all of the source, which must fit, and moves the position past it.
 * Returns 0, or -1 with an exception. */
int cursor_write(PyObject *self, const Source *source);

/* Converts the argument of a read: NULL, None and negative numbers stand for
 * all there is, which is SIZE_MAX. */
int cursor_convert_count(PyObject *object, size_t *count);

/* The module's function that makes an object of a subtype of Mmap. */
PyObject *module__new_mmap(PyObject *module, PyObject *arguments);
extern const char module__new_mmap_doc[];

#endif
