/* Atomic access to one aligned 32- or 64-bit integer of a slice, and waiting
 * until it changes: for counters, flags and queues that several threads or
 * processes share.
 *
 *     mapped_atomic counter;
 *     mapped_status status = mapped_atomic_at(
 *         slice, mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false), 0,
 *         &counter, &error);
 *     if (status == MAPPED_OK)
 *         status = mapped_atomic_update(&counter, MAPPED_ATOMIC_ADD, one,
 *                                       MAPPED_ORDER_SEQ_CST, NULL, &error);
 *
 * The bytes mean the same to everybody who uses aligned atomic instructions of
 * that width on them, such as <stdatomic.h>. Integers of the other byte order
 * work, too. Arithmetic wraps around.
 *
 * Every function here may be called by any thread that holds a reference, and
 * checks the access as all others are: MAPPED_RANGE, MAPPED_CLOSED,
 * MAPPED_FAULT; those that write also MAPPED_READONLY and, for an operand that
 * the integer can't hold, MAPPED_VALUE. */
#ifndef MAPPED_ATOMIC_H
#define MAPPED_ATOMIC_H

#include <mapped/element.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* The least order of memory accesses around an atomic one, as in C11. */
typedef enum mapped_order {
    MAPPED_ORDER_SEQ_CST,
    MAPPED_ORDER_RELAXED,
    MAPPED_ORDER_ACQUIRE,
    MAPPED_ORDER_RELEASE,
    MAPPED_ORDER_ACQ_REL
} mapped_order;

/* "seq_cst", "relaxed", "acquire", "release", "acq_rel"; else MAPPED_ARGUMENT.
 */
MAPPED__MUST_USE mapped_status mapped_order_parse(const char *text,
                                                  size_t length,
                                                  mapped_order *order,
                                                  mapped_error *error);

/* A word of a slice. A plain value, which owns nothing. */
typedef struct mapped_atomic {
    mapped_slice word; /* its 4 or 8 bytes */
    const mapped_element *element;
} mapped_atomic;

/* The word at byte `offset`. MAPPED_ARGUMENT unless the element is an integer
 * of 4 or 8 bytes (not NULL); MAPPED_MISALIGNED unless it lies at a multiple of
 * its size in memory; MAPPED_UNSUPPORTED on a device. */
MAPPED__MUST_USE mapped_status mapped_atomic_at(mapped_slice slice,
                                                const mapped_element *element,
                                                size_t offset,
                                                mapped_atomic *atomic,
                                                mapped_error *error);

/* MAPPED_ARGUMENT for an order that a load, or a store, can't have. */
MAPPED__MUST_USE mapped_status mapped_atomic_load(const mapped_atomic *atomic,
                                                  mapped_order order,
                                                  mapped_value *value,
                                                  mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_atomic_store(const mapped_atomic *atomic,
                                                   mapped_value value,
                                                   mapped_order order,
                                                   mapped_error *error);

typedef enum mapped_atomic_operation {
    MAPPED_ATOMIC_EXCHANGE,
    MAPPED_ATOMIC_ADD,
    MAPPED_ATOMIC_SUB,
    MAPPED_ATOMIC_AND,
    MAPPED_ATOMIC_OR,
    MAPPED_ATOMIC_XOR
} mapped_atomic_operation;

/* Loads, computes and stores in one step. `*before` (NULL: not wanted) is what
 * the word was. */
MAPPED__MUST_USE mapped_status mapped_atomic_update(
    const mapped_atomic *atomic, mapped_atomic_operation operation,
    mapped_value operand, mapped_order order, mapped_value *before,
    mapped_error *error);

/* Stores `desired` if the word is `expected`, in one step. `*before` is what
 * the word was: it has been stored if that is `expected`. */
MAPPED__MUST_USE mapped_status mapped_atomic_compare_exchange(
    const mapped_atomic *atomic, mapped_value expected, mapped_value desired,
    mapped_order order, mapped_value *before, mapped_error *error);

/* Orders this thread's accesses before and after it. */
void mapped_atomic_fence(mapped_order order);

/* A deadline is a point in time, in nanoseconds of a clock that nobody sets.
 * All processes of the machine have the same clock. */
#define MAPPED_NEVER UINT64_MAX

/* So many nanoseconds from now; MAPPED_NEVER if that is beyond the clock. */
uint64_t mapped_deadline(uint64_t nanoseconds);
/* The same for seconds; never, if they are infinite. MAPPED_ARGUMENT if they
 * are negative or no number. */
MAPPED__MUST_USE mapped_status mapped_deadline_seconds(double seconds,
                                                       uint64_t *deadline,
                                                       mapped_error *error);

/* Sleeps while the word is `expected`, until the deadline at the latest.
 * `*found` is what the word is then. A thread that changes it calls
 * mapped_atomic_notify after that, and no wake-up is lost: the word is compared
 * and the thread put to sleep in one step.
 *
 * MAPPED_TIMEOUT: it is `expected` still. MAPPED_INTERRUPTED: so it is, and a
 * signal handler has run in this thread while it slept. A handler that runs
 * just before the sleep is not noticed, so a thread that waits for a flag which
 * a handler sets has to wait for short times, in a loop. A region that is
 * closed meanwhile, or whose page is lost, ends the wait with that status,
 * within a tenth of a second.
 *
 * On Linux this is a futex of 32 bits, which another process may use, too
 * (FUTEX_WAIT and FUTEX_WAKE without FUTEX_PRIVATE_FLAG). A 64-bit word is
 * waited for at its first four bytes, and checked a hundred times a second,
 * because the other four may be all that changes. In mode "c", where a futex
 * would make the page a copy, a word is checked a thousand times a second.
 * Other systems can't wait for another process: there any word is checked a
 * thousand times a second. */
MAPPED__MUST_USE mapped_status mapped_atomic_wait(const mapped_atomic *atomic,
                                                  mapped_value expected,
                                                  uint64_t deadline,
                                                  mapped_value *found,
                                                  mapped_error *error);

/* Wakes at most `count` threads that wait for this word, in any process. What
 * they sleep for may be changed before by any means. `*woken` (NULL: not
 * wanted) is how many slept; 0 where the system doesn't tell. */
MAPPED__MUST_USE mapped_status mapped_atomic_notify(const mapped_atomic *atomic,
                                                    uint32_t count,
                                                    uint32_t *woken,
                                                    mapped_error *error);

MAPPED_END

#endif
