/* Running without the interpreter's lock, so that other Python threads go on
 * meanwhile. An operation of the core runs unlocked like this:
 *
 *     Unlocked unlocked = unlocked_begin(region, NULL, length);
 *     mapped_status status = mapped_fill(slice, 0, &error);
 *     status = unlocked_end_access(&unlocked, status, &error);
 */
#ifndef MAPPED_PYTHON_UNLOCKED_H
#define MAPPED_PYTHON_UNLOCKED_H

#include "binding.h"

/* Give up the interpreter's lock, and take it again, where no region is used
 * yet. In between no Python object may be touched. */
PyThreadState *unlocked_enter(void);
void unlocked_leave(PyThreadState *thread);

/* An operation on fewer bytes keeps the lock: it is over before giving up the
 * lock would pay. */
#define UNLOCKED_BYTES ((size_t)65536)

/* An operation on one or two regions, for which the lock was given up. From
 * begin to end other threads can close the regions but not unmap them, because
 * each has an export for the operation. */
typedef struct Unlocked {
    PyThreadState *thread; /* NULL if the lock was kept */
    int export_count;
    mapped_export exports[2];
} Unlocked;

/* Begins an operation on `bytes` bytes of one region, or of two if `second` is
 * not NULL. */
Unlocked unlocked_begin(mapped_region *first, mapped_region *second,
                        size_t bytes);

/* Begins an operation that may wait for a disk or for another process. It gives
 * up the lock however few bytes it is about. */
Unlocked unlocked_begin_blocking(mapped_region *region);

/* Ends an operation that read no bytes. Returns `status`. */
mapped_status unlocked_end(Unlocked *unlocked, mapped_status status);

/* Ends an operation that read or wrote bytes. Returns `status`; but
 * MAPPED_FAULT if it was MAPPED_OK and a page was recovered during the
 * operation, which may have met the zeros that stood there before. */
mapped_status unlocked_end_access(Unlocked *unlocked, mapped_status status,
                                  mapped_error *error);

/* Notes that the core needs the buffer of this wrap no more. If it says so
 * while an operation ends, the buffer is released at the operation's very end.
 */
void unlocked_note_ended_wrap(Region *self);

/* A wait in the core, in turns: `turn` is called unlocked, again and again,
 * with a deadline that is soon, and Python's signal handlers run in between.
 * One call with the whole deadline wouldn't do, because a signal that comes
 * just before the core sleeps doesn't wake it. */
typedef struct Wait {
    mapped_region *region;
    mapped_status (*turn)(void *context, uint64_t deadline,
                          mapped_error *error);
    void *context;
    uint64_t deadline;
    mapped_status status; /* how the last turn has ended */
    mapped_error error;
} Wait;

/* Returns 0, or -1 with the exception of a signal handler, after a turn that
 * may have succeeded. Handlers may close the region. */
int unlocked_wait(Wait *wait);

/* From now on a thread in which the core sleeps, or does what may take long,
 * gives up the interpreter's lock for that time. */
void unlocked_install_hooks(void);

#endif
