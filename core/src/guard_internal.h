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
    size_t page;     /* bytes that are lost at once */
    uint32_t *state; /* gets `lost_bit` */
    uint32_t lost_bit;
    bool writable;
    void (*forked)(mapped__guard *guard); /* called in the child of a fork */

    mapped__guard_slot *slot; /* NULL: not in the table */
    unsigned char *base;

    uint32_t lock; /* spin lock of `lost_list`, taken by handlers too */
    _Alignas(8) uint64_t faults; /* total count */
    _Alignas(8) uint64_t
        recoveries; /* how often something lost has come back */
    mapped__lost_list lost_list;
    mapped__recovered recovered;
};

/* Puts the guard into the table, without a range yet. O(1) amortised. Installs
 * the fault handler if that hasn't happened. MAPPED_MEMORY, MAPPED_SYSTEM. */
mapped_status mapped__guard_add(mapped__guard *guard, mapped_error *error);

/* The range is [base, base + length) from now on, of which [base, base + used)
 * is mapped to what may be lost. Addresses after that belong to the range all
 * the same: an access that had met a fault there before they were cut off is
 * repeated. Called with a larger `used` before more is mapped, with a smaller
 * one after pages are cut off, and with a smaller `length` before addresses are
 * given back. When it returns, no handler uses what the range has lost. */
void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length, size_t used);

/* When it returns no handler is at work on the range and none will be, until
 * mapped__guard_move tells where it is now. For ranges whose addresses may be
 * given back in between; only while nobody else can reach them. */
void mapped__guard_suspend(mapped__guard *guard);

/* As mapped__guard_suspend, for good. The guard may never have been added. */
void mapped__guard_remove(mapped__guard *guard);

/* Gives the guard a second slot, for which mapped__guard_move then sets a
 * range. The range that it has stays guarded by the slot `*old`, which the
 * caller removes before the guard goes. Both ranges show the same bytes and
 * share everything but the slot: what is lost in one is lost in the other. All
 * other functions are about the newest slot. MAPPED_MEMORY, MAPPED_SYSTEM. */
mapped_status mapped__guard_add_slot(mapped__guard *guard,
                                     mapped__guard_slot **old,
                                     mapped_error *error);
void mapped__guard_remove_slot(mapped__guard_slot *slot);

/* Calls `visit` for every guard, none of which is added or removed meanwhile.
 */
void mapped__guard_each(void (*visit)(mapped__guard *guard, void *context),
                        void *context);

/* How many faults all guards have met since the process began. */
uint64_t mapped__guard_faults(void);

/* Removes lost pages from `offset` on, and the part from there of one. */
void mapped__guard_forget(mapped__guard *guard, size_t offset);

/* As the functions of lost.h, each in one step with respect to the others and
 * to fault handlers. */
bool mapped__guard_lost(mapped__guard *guard, size_t offset, size_t n,
                        mapped__lost *found);
size_t mapped__guard_list(mapped__guard *guard, mapped__lost *lost,
                          size_t capacity);
void mapped__guard_set_cause(mapped__guard *guard, size_t offset, int cause);
size_t mapped__guard_count_unrestored(mapped__guard *guard);
bool mapped__guard_restore_next(mapped__guard *guard, mapped__lost *lost);
void mapped__guard_not_restored(mapped__guard *guard, const mapped__lost *lost);
void mapped__guard_add_lost(mapped__guard *guard, const mapped__lost *lost);
void mapped__guard_end_recovery(mapped__guard *guard);
void mapped__guard_add_recovered(mapped__guard *guard,
                                 const mapped__lost *lost);
bool mapped__guard_recovered(mapped__guard *guard, uint64_t recoveries,
                             const mapped__lost *part, mapped__lost *found);

#endif
