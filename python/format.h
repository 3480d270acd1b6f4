/* What compiled formats are, and what unpacking and packing share. */
#ifndef MAPPED_PYTHON_FORMAT_H
#define MAPPED_PYTHON_FORMAT_H

#include "binding.h"

/* A format of few values in few bytes, as most are, is unpacked in one go, each
 * value by a function for its type. */
#define PLAN_VALUES 64
#define PLAN_BYTES 512

typedef struct PlanItem {
    Make *make;
    const mapped_element *element;
    size_t offset;
    size_t length;
} PlanItem;

/* What a format was compiled to, kept by a capsule. */
typedef struct Plan {
    mapped_format *format;
    size_t size;
    Py_ssize_t count;
    bool small;  /* there are items */
    bool native; /* sizes and limits are the C compiler's */
    PlanItem items[];
} Plan;

/* Raises a struct.error that ends in the place of the step; -1. */
int format_refuse(State *state, const mapped_step *step, const char *what);

/* Makes an offset that may count from the end count from the start, as
 * unpack_from and pack_into do. Returns 0, or -1 with an exception. */
int format_offset(Region *owner, size_t length, size_t size,
                  Py_ssize_t *offset);

PyObject *format_find(State *state, PyObject *object, const Plan **plan);

static inline KnownFormat *format_place(State *state, PyObject *text)
{
    return &state->known_formats[(uintptr_t)text / 64 % KNOWN_FORMATS];
}

/* A reference to what keeps the compiled format. A text is known by its address
 * as long as it is one of the last used. */
static inline PyObject *format_get(State *state, PyObject *object,
                                   const Plan **plan)
{
    const KnownFormat *known = format_place(state, object);
    if (known->text != object)
        return format_find(state, object, plan);
    *plan = known->plan;
    return Py_NewRef(known->capsule);
}

#endif
