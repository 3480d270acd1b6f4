/* Guarded ranges of addresses: memory whose pages can be lost (guard.c). This
 * topic knows ranges and not what they belong to: an owner, which is a region,
 * embeds a guard. In order: add, move (sets and changes the range), suspend,
 * remove. */
#ifndef MAPPED_GUARD_INTERNAL_H
#define MAPPED_GUARD_INTERNAL_H

#include <mapped/error.h>

#include "lost.h"
#include "platform.h"

typedef struct mapped__guard_slot mapped__guard_slot;
typedef struct mapped__guard mapped__guard;

/* One guarded range. It stays in place while it is guarded. */
struct mapped__guard {
    /* The owner sets these, `page_size` and `writable` before the guard gets
     * its first range and the others before mapped__guard_add. */
    size_t page_size; /* bytes that are lost at once */
    uint32_t *state;  /* `lost_bit` is set in it while anything is lost */
    uint32_t lost_bit;
    bool writable; /* may be written, so zero pages there may be, too */
    void (*after_fork)(mapped__guard *guard); /* called in the child */

    mapped__guard_slot *slot; /* NULL: not in the table */
    unsigned char *base;

    uint32_t lock; /* spin lock of `lost_list` and `recovered`, which handlers
                    * take, too */
    _Alignas(8) uint64_t faults;     /* how many there were */
    _Alignas(8) uint64_t recoveries; /* how often lost pages have come back */
    mapped__lost_list lost_list;
    mapped__recovered recovered;
};

/* Puts the guard into the table, without a range yet, in constant time
 * (amortised). Installs the fault handler if it isn't installed. MAPPED_MEMORY,
 * MAPPED_SYSTEM.
 *
 * Called once more, gives the guard a second slot, for which mapped__guard_move
 * then sets a range. The range that the guard has had stays guarded, by the
 * slot that `guard->slot` was before; the caller keeps that, and removes it
 * before the guard. Both ranges show the same bytes and share everything but
 * the slot: what is lost in one is lost in the other. All other functions are
 * about the newest slot. */
mapped_status mapped__guard_add(mapped__guard *guard, mapped_error *error);
void mapped__guard_remove_slot(mapped__guard_slot *slot);

/* The range is [base, base + length) from now on, of which [base, base + used)
 * is mapped to what may be lost. Addresses after that belong to the range all
 * the same: an access there whose page was unmapped after it met a fault is
 * repeated.
 *
 * Call it with a larger `used` before more is mapped, with a smaller one after
 * pages are unmapped, and with a smaller `length` before addresses are given
 * back. When it returns, no handler is at work on addresses that don't belong
 * to the range any more. */
void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length, size_t used);

/* When it returns no handler is at work on the range, and none will be until
 * mapped__guard_move sets it again. For ranges whose addresses may be given
 * back meanwhile, so nobody else may be able to reach them. */
void mapped__guard_suspend(mapped__guard *guard);

/* As mapped__guard_suspend, for good. Does nothing if the guard is not in the
 * table. */
void mapped__guard_remove(mapped__guard *guard);

/* Calls `act` for every guard, none of which is added or removed meanwhile. */
void mapped__guard_each(void (*act)(mapped__guard *guard, void *context),
                        void *context);

/* How many faults all guards have met since the process began. */
uint64_t mapped__guard_faults(void);

/* Each of these does what its namesake in lost.h does, in one step with respect
 * to the others and to fault handlers. */
void mapped__guard_forget(mapped__guard *guard, size_t offset);
bool mapped__guard_find_lost(mapped__guard *guard, size_t offset, size_t n,
                             mapped__lost *found);
size_t mapped__guard_copy_lost(mapped__guard *guard, mapped__lost *lost,
                               size_t capacity);
void mapped__guard_set_cause(mapped__guard *guard, size_t offset, int cause);
size_t mapped__guard_count_unrestored(mapped__guard *guard);
bool mapped__guard_mark_next_restored(mapped__guard *guard, mapped__lost *lost);
void mapped__guard_mark_unrestored(mapped__guard *guard,
                                   const mapped__lost *lost);
void mapped__guard_add_lost(mapped__guard *guard, const mapped__lost *lost);
void mapped__guard_end_recovery(mapped__guard *guard);
void mapped__guard_add_recovered(mapped__guard *guard,
                                 const mapped__lost *lost);
bool mapped__guard_find_recovered(mapped__guard *guard,
                                  const mapped__recovered_query *query,
                                  mapped__lost *found);

#endif
