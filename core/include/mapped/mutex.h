/* A mutual exclusion lock in shared memory, for the threads of all processes
 * that map it. It is robust: when its owner dies, the next one gets it and is
 * told so.
 *
 * It is eight zero bytes while it is free, at a multiple of eight in memory,
 * and belongs to a process, not to a thread: any thread of that process may
 * unlock it, and one that locks it twice waits for itself. An uncontended lock
 * and unlock make no system call.
 *
 * The word is 0 while the mutex is free. Else it has, in the machine's byte
 * order and from the lowest bit:
 *
 *     31 bits  the number of the owner's process; 0: abandoned
 *      1 bit   a thread waits, by a futex on these 32 bits
 *     32 bits  when that process started, in ticks, which tells it from others
 *              that had its number before; 0 without a /proc
 *
 * Processes that share a mutex must have the same numbers and the same times
 * for each other (one PID and one time namespace), and fork by the C library's
 * fork.
 *
 * A fork while another thread locks leaves the child's region closed. A
 * process that calls exec keeps what it holds. What is held when the region is
 * closed stays held while the process lives. */
#ifndef MAPPED_MUTEX_H
#define MAPPED_MUTEX_H

#include <mapped/atomic.h>

MAPPED_BEGIN

/* A plain value, which owns nothing. */
typedef struct mapped_mutex {
    mapped_atomic word_; /* private */
} mapped_mutex;

/* The mutex in the first eight bytes of the slice. MAPPED_RANGE if there are
 * fewer; MAPPED_READONLY, MAPPED_MISALIGNED, MAPPED_UNSUPPORTED on a device and
 * in mode "c", MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_mutex_at(mapped_slice slice,
                                               mapped_mutex *mutex,
                                               mapped_error *error);

/* Waits until the mutex is free or its owner is dead, until the deadline at the
 * latest, and takes it. `*owner_died` (NULL: not wanted) tells that the last
 * owner died with it: what it guards may be half changed. MAPPED_TIMEOUT,
 * MAPPED_INTERRUPTED as in mapped_atomic_wait; MAPPED_CLOSED, also during the
 * wait; MAPPED_FAULT, MAPPED_READONLY; MAPPED_SYSTEM: this process could not
 * learn its own identity, for want of a descriptor. */
MAPPED__MUST_USE mapped_status mapped_mutex_lock(const mapped_mutex *mutex,
                                                 uint64_t deadline,
                                                 bool *owner_died,
                                                 mapped_error *error);

/* MAPPED_ARGUMENT if this process doesn't hold it; MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_READONLY. */
MAPPED__MUST_USE mapped_status mapped_mutex_unlock(const mapped_mutex *mutex,
                                                   mapped_error *error);

/* As mapped_mutex_unlock, but the next one to lock it is told that its owner
 * died: for a process that leaves half changed what the mutex guards. */
MAPPED__MUST_USE mapped_status mapped_mutex_abandon(const mapped_mutex *mutex,
                                                    mapped_error *error);

/* Private: all below. One step of a lock: MAPPED_TIMEOUT if the owner lives.
 * `slept`: after mapped__mutex_wait. */
MAPPED__MUST_USE mapped_status mapped__mutex_try(const mapped_mutex *mutex,
                                                 bool slept, bool *owner_died,
                                                 mapped_error *error);
/* Sleeps until it is worth another try. */
MAPPED__MUST_USE mapped_status mapped__mutex_wait(const mapped_mutex *mutex,
                                                  uint64_t deadline,
                                                  mapped_error *error);
/* Unlocks it by its address, also after the region was retired. False: this
 * process doesn't hold it. */
bool mapped__mutex_unlock(uint64_t *word);

MAPPED_END

#endif
