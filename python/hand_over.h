/* Pickling: what an object of ours is made from again in another process. */
#ifndef MAPPED_PYTHON_HAND_OVER_H
#define MAPPED_PYTHON_HAND_OVER_H

#include "records.h"

/* What __reduce_ex__ returns: a function of this module, and its arguments in a
 * tuple, whose reference is taken and which may be NULL with an exception. */
PyObject *hand_over_reduced(const State *state, const char *function,
                            PyObject *arguments);

/* What the memory of a slice travels in: its Region or, for one to read only,
 * a Slice to read only that begins where the Region does. Returns a reference.
 */
PyObject *hand_over_memory(Region *owner, mapped_slice slice);

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

/* The methods of the types that a View is not. */
#define HAND_OVER_METHODS(class)                                             \
    METHOD_ROW(class, ONE, __reduce_ex__), METHOD_ROW(view, NONE, __copy__), \
        METHOD_ROW(view, ONE, __deepcopy__)

METHOD_ONE(array___reduce_ex__);
METHOD_ONE(record___reduce_ex__);
METHOD_ONE(layout___reduce_ex__);
extern const char array___reduce_ex___doc[];
extern const char record___reduce_ex___doc[];
extern const char layout___reduce_ex___doc[];

/* The functions that make the objects again. Anybody may call them with
 * anything: they check as open(), slice() and cast() do. */
extern PyMethodDef hand_over_functions[];

/* atomic.c: the Atomic of an element in a Region or a Slice. */
PyObject *atomic_new(PyObject *view, const mapped_element *element,
                     size_t offset);

#endif
