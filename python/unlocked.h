/* Running without the lock of the interpreter, so that other Python threads go
 * on meanwhile. */
#ifndef MAPPED_PYTHON_UNLOCKED_H
#define MAPPED_PYTHON_UNLOCKED_H

#include "binding.h"

/* Gives up the interpreter's lock, and takes it again: in between no Python
 * object may be touched. */
PyThreadState *unlocked_enter(void);
void unlocked_leave(PyThreadState *thread);

/* From how many bytes on an operation gives up the lock. */
#define UNLOCKED_BYTES ((size_t)65536)

/* The same for an operation on regions. Between begin and end these can be
 * closed by other threads but not unmapped: each is an operation's export. */
typedef struct Unlocked {
    PyThreadState *thread; /* NULL: too short to be worth it */
    int count;             /* of the operands that are regions */
    mapped_export operands[2];
} Unlocked;

/* `second` may be NULL. The end returns the status that it is given. */
Unlocked unlocked_begin(mapped_region *first, mapped_region *second,
                        size_t bytes);
mapped_status unlocked_end(Unlocked *unlocked, mapped_status status);

/* The same after an access that ended in `status`, which becomes MAPPED_FAULT
 * if a recovery may have overtaken it: then it may have met the zeros of a page
 * that counts as lost no more. */
mapped_status unlocked_end_access(Unlocked *unlocked, mapped_status status,
                                  mapped_error *error);

/* At the end of an operation the core gives up the buffer of this wrap. */
void unlocked_note_end(Region *self);

/* From now on no thread keeps the interpreter's lock while the core sleeps, or
 * does what may take long, in it. */
void unlocked_watch_waits(void);

#endif
