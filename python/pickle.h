/* Pickling: the methods of our types, and the functions that make the objects
 * again in another process. */
#ifndef MAPPED_PYTHON_PICKLE_H
#define MAPPED_PYTHON_PICKLE_H

#include "records.h"

/* Returns what __reduce_ex__ does: a function of this module, and the arguments
 * that make the object again. Takes over the reference to these, a tuple that
 * may be NULL with an exception. */
PyObject *pickle_reduce(const State *state, const char *function,
                        PyObject *arguments);

/* Returns a new reference to what the memory of a slice is pickled as: its
 * Region or, if the slice is read-only, a read-only Slice that begins where the
 * Region does. */
PyObject *pickle_memory(Region *owner, mapped_slice slice);

#define REDUCE_DOC                                                           \
    PyDoc_STR("__reduce_ex__($self, protocol, /)\n--\n\n"                    \
              "Reduce to what it is made from again, for pickle: memory\n"   \
              "travels by reference, and is mapped where it arrives.\n\n"    \
              "TypeError if no other process can have the memory; OSError\n" \
              "if its file has been replaced or removed; ValueError if it\n" \
              "is closed.")
#define COPY_DOC(signature) \
    PyDoc_STR(signature     \
              "\n--\n\n"    \
              "Raise TypeError: slices share the memory, bytes() copies it.")

/* The rows of these methods for a type that has no VIEW_METHODS. */
#define PICKLE_METHODS(class)                                                \
    METHOD_ROW(class, ONE, __reduce_ex__), METHOD_ROW(view, NONE, __copy__), \
        METHOD_ROW(view, ONE, __deepcopy__)

METHOD_ONE(array___reduce_ex__);
METHOD_ONE(record___reduce_ex__);
METHOD_ONE(layout___reduce_ex__);
extern const char array___reduce_ex___doc[];
extern const char record___reduce_ex___doc[];
extern const char layout___reduce_ex___doc[];

/* The functions of the module that make the objects again. Anybody may call
 * them with anything: they check as open(), slice() and cast() do. */
extern PyMethodDef pickle_functions[];

/* atomic.c: the Atomic of an element in a Region or a Slice. */
PyObject *atomic_new(PyObject *view, const mapped_element *element,
                     size_t offset);

#endif
