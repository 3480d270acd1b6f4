/* The type Ring, and its methods that send and receive copies. */
#ifndef MAPPED_PYTHON_RING_H
#define MAPPED_PYTHON_RING_H

#include <sys/types.h>

#include "unlocked.h"

typedef struct Ring {
    Owned owned;
    mapped_ring core;
    mapped_ring_hold sender;   /* while records are reserved */
    mapped_ring_hold receiver; /* while records are peeked at */
    bool has_sender, has_receiver;
    pid_t waiting_process; /* 0, or a thread waits in reserve or peek */
} Ring;

static inline Ring *ring_of(PyObject *self)
{
    return (Ring *)self;
}

#define RING_ERRORS                                                          \
    "\n\nValueError when the region is closed, TypeError if a byte of the\n" \
    "ring is protected, FaultError if a page is lost."

/* Returns 0, or -1 with a ValueError. */
int ring_require(bool condition, const char *reason);

/* Waits in turns, after a try with the interpreter's lock held. Returns 0, or
 * -1 with the exception of a signal handler. */
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

/* The next record; NULL with an exception. */
PyObject *ring_next(PyObject *self);

#endif
