/* The type Ring, and its methods that send and receive copies. */
#ifndef MAPPED_PYTHON_RING_H
#define MAPPED_PYTHON_RING_H

#include <sys/types.h>

#include "unlocked.h"

/* One end of the ring. While it is held, nobody else sends, or receives. */
typedef struct RingEnd {
    mapped_ring_hold hold;
    bool is_held;
} RingEnd;

typedef struct Ring {
    Owned owned;
    mapped_ring core;
    RingEnd sender;        /* held while records are reserved */
    RingEnd receiver;      /* held while records are peeked at */
    pid_t waiting_process; /* one of its threads waits in reserve or peek; 0 if
                            * none does. In the child of a fork none waits. */
} Ring;

static inline Ring *ring_of(PyObject *self)
{
    return (Ring *)self;
}

#define RING_ERRORS                                                          \
    "\n\nValueError when the region is closed, TypeError if a byte of the\n" \
    "ring is protected, FaultError if a page is lost."

/* ring.c: returns 0, or -1 with a ValueError if the condition is false. */
int ring_require(bool condition, const char *reason);

/* ring_data.c: takes one turn at once, with the interpreter's lock held, and
 * waits only if that timed out and the deadline isn't 0. Returns 0, when
 * `wait->status` tells the outcome; or -1 with the exception of a signal
 * handler, which may have run after a turn that succeeded. */
int ring_wait(Wait *wait, uint64_t deadline);

#define RING_DATA_METHODS(X) \
    X(KEYWORDS, send)        \
    X(ONE, try_send)         \
    X(KEYWORDS, send_many)   \
    X(KEYWORDS, recv)        \
    X(NONE, try_recv)        \
    X(KEYWORDS, recv_many)
#define RING_METHOD_DECLARATION(kind, name) \
    METHOD_##kind(ring_##name);             \
    extern const char ring_##name##_doc[];
RING_DATA_METHODS(RING_METHOD_DECLARATION)

/* Receives the next record, for the iteration. */
PyObject *ring_next(PyObject *self);

#endif
