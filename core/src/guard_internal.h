/* The table of guarded address ranges. It knows ranges, not regions. */
#ifndef MAPPED_GUARD_INTERNAL_H
#define MAPPED_GUARD_INTERNAL_H

#include <mapped/error.h>

#include "lost.h"
#include "platform.h"

typedef struct mapped__guard_slot mapped__guard_slot;
typedef struct mapped__guard mapped__guard;

/* One guarded range; its owner embeds it and keeps it in place while it is
 * guarded. Fields above the blank line are set before mapped__guard_add. */
struct mapped__guard {
    size_t page;     /* what is lost at once */
    uint32_t *state; /* gets `lost_bit` */
    uint32_t lost_bit;
    bool writable;
    void (*forked)(mapped__guard *guard); /* called in the child of a fork */

    mapped__guard_slot *slot; /* NULL: not guarded */
    unsigned char *base;
    uint32_t busy;       /* spin lock of `losses`, taken by handlers too */
    uint64_t faults;     /* total count */
    uint64_t recoveries; /* how often something lost has come back */
    mapped__losses losses;
};

/* Guards [base, base + length). O(1) amortised. Installs the fault handler if
 * that hasn't happened. MAPPED_MEMORY, MAPPED_SYSTEM. */
mapped_status mapped__guard_add(mapped__guard *guard, unsigned char *base,
                                size_t length, mapped_error *error);

/* When it returns no handler is at work on the range and none will be, until
 * mapped__guard_move tells where it is now. For ranges whose addresses may be
 * given back in between; only while nobody else can reach them. */
void mapped__guard_suspend(mapped__guard *guard);
void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length);

/* As mapped__guard_suspend, for good. Takes an unguarded one too. */
void mapped__guard_remove(mapped__guard *guard);

/* A new length at the same base; on shrinking, as mapped__guard_suspend for
 * what is cut off, and lost stretches there are forgotten. */
void mapped__guard_resize(mapped__guard *guard, size_t length);

/* As the functions of lost.h, each in one step with respect to the others and
 * to fault handlers. */
bool mapped__guard_lost(mapped__guard *guard, size_t offset, size_t n,
                        mapped__lost *found);
size_t mapped__guard_list(mapped__guard *guard, mapped__lost *lost,
                          size_t capacity);
size_t mapped__guard_unrestored(mapped__guard *guard);
bool mapped__guard_retry(mapped__guard *guard, mapped__lost *lost);
void mapped__guard_add_lost(mapped__guard *guard, const mapped__lost *lost);
void mapped__guard_settle(mapped__guard *guard);

#endif
