/* Advisory locks of bytes of a file, between processes, threads and regions of
 * one process alike. They don't keep anybody from the bytes who doesn't ask for
 * the lock.
 *
 *     mapped_lock lock;
 *     mapped_status status = mapped_lock_acquire(
 *         slice, false, mapped_deadline(1000000000), &lock, &error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     ... read and change the slice ...
 *     mapped_lock_release(&lock);
 *
 * On Linux these are the record locks of an open file description
 * (fcntl, F_OFD_SETLK), with one of its own for each lock, so that no close of
 * another descriptor gives it up. They meet the locks of fcntl and lockf of
 * other programs. A lock whose holder dies is free. A fork's child has it, too,
 * but only a release in the process that acquired it, or the end of both, ends
 * it.
 *
 * On Windows they keep others from reading and writing the bytes, too. */
#ifndef MAPPED_LOCK_H
#define MAPPED_LOCK_H

#include <mapped/atomic.h>

MAPPED_BEGIN

/* A lock that is held. It outlives its region. The fields are private. */
typedef struct mapped_lock {
    intptr_t file_; /* 1 more than the file; 0: not held */
    uint64_t start_, length_;
    uint64_t owner_; /* the process */
} mapped_lock;

/* Locks the bytes of the slice: exclusively, or `shared` with other holders.
 * Waits for the others, until the deadline at the latest. It asks a hundred
 * times a second, so any of several that wait may be the next.
 *
 * MAPPED_TIMEOUT: they still hold theirs. MAPPED_INTERRUPTED: a signal handler
 * has run in this thread, and they still hold theirs. MAPPED_READONLY: not
 * shared, of a region that can't be written. MAPPED_UNSUPPORTED: the memory is
 * no file, or the file's system has no such locks. MAPPED_ARGUMENT for a slice
 * of no bytes; MAPPED_RANGE, MAPPED_CLOSED, also when the region is closed
 * during the wait; MAPPED_SYSTEM: the system refuses another descriptor or the
 * lock; without /proc, and in mode "r", the file is opened by its path, so it
 * must still have that (MAPPED_STALE), and this process the right to open it.
 */
MAPPED__MUST_USE mapped_status mapped_lock_acquire(mapped_slice slice,
                                                   bool shared,
                                                   uint64_t deadline,
                                                   mapped_lock *lock,
                                                   mapped_error *error);

/* Releases the lock. It may be released already, all zero, or NULL. */
void mapped_lock_release(mapped_lock *lock);

MAPPED_END

#endif
