/* What the files of the Python binding share: the module's state, the objects,
 * and then the functions, in groups by the file that has them.
 *
 * A Region owns a mapped_region; a Slice and an Array view one and keep its
 * Region alive. Region and Slice are used alike, so both begin with a View and
 * share every method of one; view_span tells which bytes a View stands for.
 *
 * Only a wrapped buffer refers to anything that can refer back, so the garbage
 * collector tracks a wrap's Region and what views it, and nothing else.
 *
 * The pointers in an object are set before anyone sees it and never change
 * until it is gone, `close` included: what changes is inside the core, which
 * says what threads may do. Only release() gives a Slice another owner, and it
 * keeps the one that it had. */
#ifndef MAPPED_BINDING_H
#define MAPPED_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <mapped/mapped.h>

/* Keeps what is rarely needed out of a hot path, which then needs fewer
 * registers and less stack. */
#define COLD __attribute__((noinline, cold))

/* Struct codes begin with nothing or one of "@=<>!". */
#define CODE_PREFIXES 6
#define FREE_SLICES 16

typedef struct Region Region;

typedef struct Code {
    const mapped_element *element; /* NULL if there is no such code */
    char native; /* the letter if sizes and limits are C's own, or 0 */
} Code;

/* A format that was used lately: its text, a str or bytes and no subclass, and
 * the capsule in State.formats that has what it was compiled to. */
typedef struct KnownFormat {
    PyObject *text; /* NULL if this place is empty */
    PyObject *capsule;
    const struct Format *format; /* what is in the capsule */
} KnownFormat;

#define KNOWN_FORMATS 16

/* All types; and those whose names are in the module. */
#define TYPES(X) PUBLIC_TYPES(X) X(iterator) X(parts_iterator) X(windows_lines)
#define PUBLIC_TYPES(X) \
    X(region)           \
    X(slice)            \
    X(array)            \
    X(layout)           \
    X(records)          \
    X(record) X(windows) X(atomic) X(lock) X(mutex) X(ring) X(file) X(mmap)
#define STATE_TYPE(name) PyTypeObject *name##_type;

/* One for each interpreter that imports the module. The types and exceptions
 * are set once; the caches, the queue of regions and the free slices change
 * with the interpreter lock held. */
typedef struct State {
    PyObject *module; /* the module of this state; each Region refers to it */
    TYPES(STATE_TYPE)
    PyObject *residency; /* the type of a named tuple */
    PyObject *fault_error;
    PyObject *unsupported;  /* io.UnsupportedOperation */
    PyObject *struct_error; /* struct.error */
    PyObject *range_error;  /* PackRangeError, a struct.error and IndexError */
    PyObject *formats;      /* a dict from exact texts to capsules of formats */
    PyObject *bytes[UCHAR_MAX + 1]; /* the integers that a byte can be */
    size_t formats_size;            /* no fewer bytes than these formats take */
    KnownFormat known_formats[KNOWN_FORMATS];
    Code codes[CODE_PREFIXES][128]; /* what each struct code means */
    int dealloc_depth;              /* see free_wrap */
    Region *dealloc_queue;          /* wraps to be freed, linked by `next` */
    PyObject *free_slices[FREE_SLICES]; /* memory of Slices that are gone */
    int free_slice_count;
} State;

typedef struct View {
    PyObject_HEAD PyObject *weakrefs;
    Region *owner; /* a Slice has a reference; a Region is its own owner */
    Region *former_owner; /* a Slice's before its release(); else NULL */
    mapped_slice slice;   /* a Region's has no length, and its offset is 0 */
} View;

struct Region {
    View view;
    mapped_error *pending_fault; /* what the next check() or close() raises */
    State *state;
    PyObject *name;             /* the path or descriptor as given, or None */
    Py_ssize_t released_slices; /* how many have it as their former owner */
    bool owns_released_slice;   /* made, closed, by the release() of a Slice */
    bool is_wrap;          /* made by wrap(), so it can be part of a cycle */
    bool exit_warned;      /* __exit__ has warned, or had no need to */
    Py_buffer wrap_buffer; /* `obj` is NULL if no buffer is held */
    bool wrap_ended;       /* the core no longer needs `wrap_buffer` */
    bool wrap_traversed;   /* the collector is shown it: see region_traverse */
    Region *next;          /* in State.dealloc_queue */
};

/* What an object begins with that keeps a Region. */
typedef struct Owned {
    PyObject_HEAD Region *owner;
} Owned;

/* The bytes that an object of ours stands for, from its first to its last. */
typedef struct Extent {
    Region *owner;
    mapped_slice slice;
    Py_ssize_t first;   /* where in `slice` its first item is */
    bool is_contiguous; /* the slice is the items, one after the other */
} Extent;

/* The bytes that a View stands for now. For a Region, that is its live length.
 */
static inline mapped_slice view_span(PyObject *self)
{
    View *view = (View *)self;
    if (self == (PyObject *)view->owner)
        return mapped_region_slice(view->slice.region);
    return view->slice;
}

static inline mapped_region *core_of(PyObject *self)
{
    return ((View *)self)->slice.region;
}

static inline Region *view_owner(PyObject *self)
{
    return ((View *)self)->owner;
}

#define SPEC_DECLARATION(name) extern PyType_Spec name##_spec;
TYPES(SPEC_DECLARATION)

/* region.c */

/* A Region without memory yet: the caller opens `.view.slice.region`. */
Region *region_new(State *state, PyObject *name);

void region_set_name(Region *self, PyObject *name);

/* The core's hook for a wrap: it needs the buffer no more. */
void region_end_wrap(void *region);

/* Releases the buffer of a wrap if the core has said that it needs it no more,
 * as after the last export of a closed region. Runs the code of others. */
void region_release_wrap(Region *self);

/* Closes a Region that no script has, if its memory isn't exported. */
void region_close_unused(Region *self);

/* slice.c */

PyObject *slice_new(Region *owner, mapped_slice slice);
void slice_free_memory(State *state);

/* owned.c */

/* Makes an object that begins with an Owned; what follows that in it is not
 * initialised. */
PyObject *owned_new(PyTypeObject *type, Region *owner);

/* The same, called with the arguments of the type's constructor: a Region or
 * Slice, whose bytes are `*span`. */
PyObject *owned_create(PyTypeObject *type, const char *name,
                       PyObject *arguments, PyObject *keywords,
                       mapped_slice *span);

/* The slots of these types. A type that keeps more has a tp_dealloc of its own,
 * which untracks the object, releases that, and then calls this one. */
void owned_dealloc(PyObject *self);
int owned_traverse(PyObject *self, visitproc visit, void *arg);

/* extent.c: returns 1 with the extent of an object of ours; 0 for other
 * objects; or -1 with an exception, if its bytes can't be reached. */
int extent_of(const State *state, PyObject *object, const char *operation,
              Extent *extent);

/* iterator.c: iterates over `length` items, from the last to the first if
 * `backwards`. A sequence that shrinks meanwhile is an error and not an early
 * end. If `length` is -1 an exception is set, and the result is NULL. */
PyObject *iterator_new(PyObject *self, Region *owner, Py_ssize_t length,
                       bool backwards);

/* equal.c: == and != for Region, Slice, Array and Records. */
PyObject *equal_compare(PyObject *self, PyObject *other, int operation);

/* view.c and search.c: the slots that Region and Slice share. */
Py_ssize_t view_length(PyObject *self);
PyObject *view_item(PyObject *self, Py_ssize_t index);
PyObject *view_subscript(PyObject *self, PyObject *key);
int view_assign(PyObject *self, PyObject *key, PyObject *value);
int view_contains(PyObject *self, PyObject *item);
PyObject *view_iterate(PyObject *self);

/* export.c */

int view_get_buffer(PyObject *self, Py_buffer *buffer, int flags);
void view_release_buffer(PyObject *self, Py_buffer *buffer);

/* Does the rest of a getbuffer, once the buffer has its length, format, shape
 * and strides; leaves out what was not asked for. */
int export_items(PyObject *self, const Extent *extent, Py_buffer *buffer,
                 int flags);

/* Does a releasebuffer. */
void export_release(Region *owner, const Py_buffer *buffer);

/* fault.c */

/* Reports a lost page where no exception can: sys.unraisablehook gets the
 * FaultError now, and the next check() or close() of the region raises it. */
void fault_unraisable(Region *owner, const mapped_error *error);

/* If a fault is pending, raises it and returns true. */
bool fault_raise_pending(Region *owner);

/* errors.c: raise the exception for an error of the core. */

/* Raises the exception and returns NULL. An OSError names `name`. */
void *raise_error(const State *state, const mapped_error *error,
                  PyObject *name);

/* The same, of an access to that Region. */
void *raise_of(Region *owner, const mapped_error *error);

/* The same. The message names `operation` instead of the core's function. */
void *raise_in(Region *owner, const char *operation, const mapped_error *error);

/* Returns 0 for MAPPED_OK; else raises as raise_in does, and returns -1. */
int check_status(Region *owner, const char *operation, mapped_status status,
                 const mapped_error *error);

/* Like raise_in, but raises PackRangeError for MAPPED_RANGE. */
void *raise_packing(Region *owner, const char *operation,
                    const mapped_error *error);

/* Makes the FaultError for `error` without raising it. */
PyObject *fault_new(Region *owner, const mapped_error *error);

/* The `operation` of a subscript or an attribute that is set. */
#define ASSIGN "assign"

/* errors.c: raise other exceptions. */

/* Raises and returns -1 when the region is closed. `operation` is the method's
 * name, or "" for a subscript and the like. */
int require_open(Region *owner, const char *operation);

/* Raises IndexError, "index -7 is out of range, length 5", or that the region
 * is closed; returns NULL. */
void *raise_index(Region *owner, Py_ssize_t index, size_t length);

/* The same where the message says another word than "index". */
void *raise_position(Region *owner, const char *what, Py_ssize_t index,
                     size_t length);

/* Raises PackRangeError, because `size` bytes at `offset` are not within
 * `length`; returns NULL. */
void *raise_span(Region *owner, size_t size, Py_ssize_t offset, size_t length);

/* Raises ValueError, because `n` bytes don't fit into `room`; returns -1. */
int raise_room(Region *owner, const char *operation, size_t n, size_t room);

/* Raises ValueError, because the value doesn't fit the element; returns NULL.
 */
void *raise_value(const mapped_element *element, PyObject *value);

/* Writes what a message says of the numbers that an element can hold: "", or ",
 * which holds 0 to 255". Returns the text. */
const char *value_range(const mapped_element *element, char *text, size_t room);

/* Make the text by which a message, or a repr, shows what a caller passed in.
 * It is cut short, for a message sooner, and no code of the object's own runs.
 * NULL only without memory. */
PyObject *shown(PyObject *object);
PyObject *shown_in_repr(PyObject *object);

/* Raises `type` with a text that names `what`, the format's %s, and shows the
 * object, its %U. */
void *raise_about(PyObject *type, const char *format, const char *what,
                  PyObject *object);

/* Has a codec refused a text that is too long to keep in an exception? If so,
 * clears that exception, and the caller raises another one. */
bool is_encoding_error(PyObject *text);

/* Raises TypeError, "`what`, not 'float'", with the type of `object`; returns
 * NULL. */
void *raise_kind(const char *what, PyObject *object);

/* Makes -1 of the NULL of a function that has raised, for one that returns int:
 * `return raised_as_int(raise_of(...))`. */
static inline int raised_as_int(const void *Py_UNUSED(null))
{
    return -1;
}

/* errors.c: try once more if something has run out. */

/* Returns true if the caller should try once more: `error` says that memory,
 * addresses or descriptors have run out, and all garbage, which may hold some,
 * has just been collected. That may run any code, so whatever this can change
 * must be looked at anew. */
bool collect_for_retry(const mapped_error *error);

/* Did the call succeed? It is made once more after a collection if `*error`,
 * which it sets, says that something has run out. */
#define TRY_TWICE(call, error) \
    ((call) == MAPPED_OK || (collect_for_retry(error) && (call) == MAPPED_OK))

/* Allocate memory of zeros, for PyMem_Free; a bytes object to fill; or a tuple
 * or list with PyTuple_New or PyList_New. They try once more after a
 * collection, and return NULL with an exception. */
void *memory_new(size_t count, size_t size);
PyObject *bytes_new(size_t length);
PyObject *container_new(PyObject *(*make)(Py_ssize_t), size_t length);

/* arguments.c */

#define MAX_ARGUMENTS 11

typedef struct Signature {
    const char *function;
    int required;
    int positional; /* the names after so many are keyword-only */
    const char *names[MAX_ARGUMENTS + 1];
} Signature;

/* Sorts a call's arguments into `values`, one for each name, NULL where the
 * caller left one out. Returns 0, or -1 with a TypeError. */
int arguments_sort(const Signature *signature, PyObject *const *arguments,
                   Py_ssize_t count, PyObject *keywords, PyObject **values);

/* Returns the type of the exception that ended a block, or None, of the
 * arguments of __exit__; NULL with an exception if they aren't three. */
PyObject *exit_type(PyObject *arguments);

/* For an __exit__ that doesn't need the type: returns 0, or -1 with an
 * exception if the arguments aren't three. */
static inline int check_exit_arguments(PyObject *arguments)
{
    return exit_type(arguments) == NULL ? -1 : 0;
}

/* convert.c */

/* Returns a str or bytes object with the same text and of the exact type. All
 * texts that we keep are made so, because an object of a subclass has
 * attributes, which could lead back to us. */
PyObject *exact_text(PyObject *text);

/* These convert without touching any memory of ours, because conversion may run
 * user code that closes the region. They return 0, or -1 with an exception;
 * NULL stands for an argument that was left out and leaves `*result` alone. */
int convert_byte(PyObject *number, uint8_t *result);
int convert_flag(PyObject *object, uint32_t bit, uint32_t *flags);

/* Returns the integer that an object is by its __index__, a new reference; or
 * raises TypeError, which calls it `what`. */
PyObject *convert_integer(PyObject *object, const char *what);

/* Converts a length in memory, which the errors call `what`. Raises IndexError.
 */
int convert_size(PyObject *number, const char *what, size_t *result);

/* Convert an offset in memory, which may count from the end: a negative one
 * becomes a huge number, which offset_place takes. Raise IndexError. */
COLD int convert_any_offset(PyObject *number, size_t *result);

static inline int convert_offset(PyObject *number, size_t *result)
{
    if (number != NULL && Py_IS_TYPE(number, &PyLong_Type)) {
        Py_ssize_t small = PyLong_AsSsize_t(number);
        if (small >= 0) {
            *result = (size_t)small;
            return 0;
        }
    }
    return convert_any_offset(number, result);
}

/* Makes a converted offset count from the start of so many bytes. This is the
 * only rule for offsets in memory: get, set, unpack, pack, slice, atomic,
 * copy_from and move follow it, and so do indices. Whether there are bytes at
 * the offset is left to the access. Returns 0, or -1 with an IndexError. */
COLD int offset_from_end(Region *owner, size_t length, size_t *offset);

static inline int offset_place(Region *owner, size_t length, size_t *offset)
{
    return (Py_ssize_t)*offset >= 0 ? 0
                                    : offset_from_end(owner, length, offset);
}

/* Replaces the error for an index: the OverflowError by an IndexError, and the
 * TypeError by one that says what is wrong. */
void refuse_index(PyObject *number);

/* Converts an index that may count from the end, as sequences take it. Raises
 * IndexError. */
static inline int convert_index(PyObject *number, Py_ssize_t *result)
{
    Py_ssize_t index = Py_IS_TYPE(number, &PyLong_Type)
                           ? PyLong_AsSsize_t(number)
                           : PyNumber_AsSsize_t(number, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        refuse_index(number);
        return -1;
    }
    *result = index;
    return 0;
}

/* Converts a bound as bytes does: None, which leaves `*result` alone, or an
 * index of any size. */
int convert_bound(PyObject *object, Py_ssize_t *result);

/* Makes a bound count from the start, and clamps it: what PySlice_AdjustIndices
 * does for a step of 1. */
static inline Py_ssize_t bound_from_start(Py_ssize_t bound, Py_ssize_t length)
{
    if (bound < 0) {
        bound += length;
        return bound < 0 ? 0 : bound;
    }
    return bound < length ? bound : length;
}

/* Convert a size or a position in a file; `what` is the argument's name. They
 * raise ValueError if it is negative, and from 2**63 on. */
int convert_u64(PyObject *number, const char *what, uint64_t *result);
int convert_u64_or_none(PyObject *number, const char *what, uint64_t *result);

/* Returns the text of a short str; "" for a longer one or one that can't be
 * encoded; NULL with a TypeError, which says `what`, for other types. */
const char *convert_word(PyObject *object, const char *what,
                         Py_ssize_t *length);

/* Converts a timeout in seconds, which never passes if it is None or infinity.
 * Raises ValueError if it is negative or no number. */
int convert_deadline(PyObject *timeout, uint64_t *deadline);

static inline const Code *code_of_bytes(const State *state)
{
    return &state->codes[0]['B'];
}

/* Returns what a `struct` code or a layout's name of a type means, or NULL with
 * a TypeError or ValueError. What a name means is stored in `*named`. */
const Code *convert_code(const State *state, PyObject *object, Code *named);
void codes_fill(State *state);

/* For a tuple or list that is being filled: hides it from the garbage collector
 * until then, else code that runs meanwhile and asks for all objects would find
 * the places that are still NULL. Both functions return the container, and take
 * NULL. */
static inline PyObject *container_untrack(PyObject *container)
{
    if (container != NULL && Py_SIZE(container) > 0)
        PyObject_GC_UnTrack(container);
    return container;
}

static inline PyObject *container_track(PyObject *container)
{
    if (container != NULL && Py_SIZE(container) > 0)
        PyObject_GC_Track(container);
    return container;
}

/* Puts a new object into a tuple that is being filled. If the object is NULL,
 * releases the tuple and sets it to NULL. */
static inline void put_item(PyObject **tuple, size_t i, PyObject *object)
{
    if (object == NULL)
        Py_CLEAR(*tuple);
    else
        PyTuple_SetItem(*tuple, (Py_ssize_t)i, object);
}

/* module.c: imports an object from a module. -1 with an exception, or 0. */
int import_object(const char *module_name, const char *name, PyObject **object);

/* format.c: the cache of formats in the State. */
int formats_traverse(State *state, visitproc visit, void *arg);
void formats_clear(State *state);

/* paging.c: makes the type of what residency() returns. */
PyObject *residency_type(void);

#include "tables.h"

/* fault.c: methods and an attribute of Region. */
METHOD_NONE(region_check);
METHOD_NONE(region_recover);
ATTRIBUTE(region_faults);
extern const char region_check_doc[];
extern const char region_recover_doc[];
extern const char region_faults_doc[];

#endif
