/* The table of guarded address ranges. It knows ranges, not regions. */
#ifndef MAPPED_GUARD_INTERNAL_H
#define MAPPED_GUARD_INTERNAL_H

#include <mapped/error.h>

#include "platform.h"

/* Lost stretches noted one by one; the next one loses everything. */
#define MAPPED__LOST_MAX 32

typedef struct mapped__lost {
    size_t offset; /* from the range's base, whole pages */
    size_t length;
    bool poisoned;
} mapped__lost;

typedef struct mapped__guard_slot mapped__guard_slot;

/* One guarded range; its owner embeds it and keeps it in place while it is
 * guarded. Fields above the line are set before mapped__guard_add. */
typedef struct mapped__guard {
    size_t page;     /* what is lost at once */
    uint32_t *state; /* gets `lost_bit` */
    uint32_t lost_bit;
    bool writable;
    /* ------------------------------------------------------------------ */
    mapped__guard_slot *slot; /* NULL: not guarded */
    unsigned char *base;
    uint32_t busy;   /* spin lock of `lost`, taken by handlers too */
    uint64_t faults; /* total count */
    size_t count;    /* entries of `lost` in use */
    bool all;        /* too many: everything counts as lost */
    mapped__lost lost[MAPPED__LOST_MAX];
} mapped__guard;

/* Guards [base, base + length). O(1) amortised. Installs the fault handler if
 * that hasn't happened. MAPPED_MEMORY, MAPPED_SYSTEM. */
mapped_status mapped__guard_add(mapped__guard *guard, unsigned char *base,
                                size_t length, mapped_error *error);

/* Another base; only while nobody else can reach the old and the new one. */
void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length);

/* When it returns no handler is at work on the range and none will be, so that
 * the addresses may be given back. Takes an unguarded one too. */
void mapped__guard_remove(mapped__guard *guard);

/* A new length at the same base; on shrinking, as mapped__guard_remove for what
 * is cut off, and lost stretches there are forgotten. */
void mapped__guard_resize(mapped__guard *guard, size_t length);

/* Is a byte of [offset, offset + n) lost? Then `*found` is the first stretch
 * that holds one. */
bool mapped__guard_lost(mapped__guard *guard, size_t offset, size_t n,
                        mapped__lost *found);

/* Copies up to `capacity` stretches, returns how many there are. */
size_t mapped__guard_list(mapped__guard *guard, mapped__lost *lost,
                          size_t capacity);

/* Forgets the stretch; clears the state bit with the last one. */
void mapped__guard_forget(mapped__guard *guard, const mapped__lost *lost);

uint64_t mapped__guard_faults(const mapped__guard *guard);

#endif
