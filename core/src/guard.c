/* What happens when a page can't be had, because the file was truncated or the
 * disk is full.
 *
 * - A guard (guard_internal.h) is one range of addresses whose pages can be
 *   lost, with the list of what is lost (lost.h). Each region has one. While
 *   anything is lost, the guard's `lost_bit` is set in the region's state.
 * - The table has a slot for each range. A fault handler looks the address up
 *   in it (serve_fault), records in the guard that the page is lost, and puts
 *   a zero page in its place. Then the access is repeated, and reads zeros.
 * - A fault may be *poisoned*: the memory is broken, not the file. It may be
 *   *maybe stale*: it was found on the stack (linux/raised.c), perhaps from
 *   long ago, so its page may be available again.
 *
 * Invariant: the only lock that a handler takes is that of the guard whose page
 * is lost. All other code takes this lock with signals blocked, so a handler
 * never waits for the thread that it interrupted.
 *
 * In this file: the switch; what handlers do; the table's lock and forks; the
 * owners' functions, for slots, then for the list of what is lost. */
#include <mapped/guard.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "guard_internal.h"

/* The table consists of chunks of slots. Chunks are added and never freed, so a
 * fault handler can walk through them without a lock.
 *
 * A handler increments `visitors` of a slot and then loads `active`. The code
 * that empties a slot stores NULL in `active` and then waits until `visitors`
 * is 0. All this is sequentially consistent: either the handler sees NULL, or
 * the other code sees the visitor. */
struct mapped__guard_slot {
    uintptr_t base;
    size_t length;
    size_t used; /* [0, used) of the range is mapped; [used, length) is reserved
                  * addresses, which can't be lost */
    mapped__guard *active; /* what handlers use; NULL: the slot is suspended or
                            * free */
    mapped__guard *owner;  /* stays while the slot is suspended; NULL: free */
    uint32_t visitors;     /* number of handlers that use `active` */
    mapped__guard_slot *next_free;
};

#define CHUNK_SLOTS 256

typedef struct table_chunk {
    struct table_chunk *next;
    mapped__guard_slot slots[CHUNK_SLOTS];
} table_chunk;

static table_chunk *table_chunks;
static mapped__guard_slot *free_slots;
static uint64_t total_faults; /* of all guards */

enum {
    FREE,
    TAKEN,
    AWAITED /* taken, and threads sleep for it */
};
static uint32_t table_lock; /* for all but handlers, which only read */

enum {
    UNDECIDED, /* until the environment is read */
    ENABLED,
    DISABLED
};
static uint32_t guard_mode;

/* Lets the environment decide, unless the program has decided already. */
static void read_environment(void)
{
    uint32_t expected = UNDECIDED;
    const char *value = getenv("MAPPED_GUARD");
    uint32_t initial =
        value != NULL && strcmp(value, "0") == 0 ? DISABLED : ENABLED;
    __atomic_compare_exchange_n(&guard_mode, &expected, initial, false,
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool mapped_guard_enabled(void)
{
    if (MAPPED__LOAD_ACQUIRE(&guard_mode) == UNDECIDED)
        read_environment();
    return MAPPED__LOAD_ACQUIRE(&guard_mode) == ENABLED;
}

static void spin_lock(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
        mapped__yield();
}

static void spin_unlock(uint32_t *lock)
{
    MAPPED__STORE_RELEASE(lock, 0);
}

/* Called before the page is replaced, so that a thread that reads zeros there
 * also finds the page recorded. */
static void record_lost(mapped__guard *guard, const mapped__lost *lost)
{
    mapped__lost_add(&guard->lost_list, lost);
    __atomic_fetch_or(guard->state, guard->lost_bit, __ATOMIC_SEQ_CST);
}

/* Records that `page` is lost, and replaces it. Each replaced page splits a
 * mapping, and the kernel limits the number of mappings. If it refuses, all of
 * [base, base + length) is recorded as lost and replaced: that needs no further
 * mapping. */
static bool replace(mapped__guard *guard, unsigned char *base, size_t length,
                    const mapped__lost *page)
{
    const mapped__lost whole_range = {
        .length = length, .first = page->offset, .poisoned = page->poisoned};
    record_lost(guard, page);
    if (mapped__page_replace(base + page->offset, page->length,
                             MAPPED__LOAD(&guard->writable)))
        return true;
    record_lost(guard, &whole_range);
    return mapped__whole_replace(base, length, MAPPED__LOAD(&guard->writable));
}

/* A fault says that its page is lost, unless it may be stale: then the page is
 * tested, and `maybe_stale` is cleared if it is lost indeed. The next slot with
 * this address must not test it again: by then it is a zero page, which counts
 * as available, so the other guard wouldn't record the loss. */
static void test_if_stale(const mapped__guard *guard, mapped__fault *fault)
{
    if (fault->maybe_stale)
        fault->maybe_stale = mapped__page_available(
            fault->address, MAPPED__LOAD(&guard->writable));
}

/* True if the access can be repeated, because there is a zero page now. False
 * if the signal is not about this range: the address is not in it, or the page
 * is not lost. */
static bool serve_in_guard(const mapped__guard_slot *slot, mapped__guard *guard,
                           mapped__fault *fault)
{
    uintptr_t base = __atomic_load_n(&slot->base, __ATOMIC_SEQ_CST);
    size_t length = __atomic_load_n(&slot->length, __ATOMIC_SEQ_CST);
    size_t used = MAPPED__LOAD_ACQUIRE(&slot->used);
    size_t at = (uintptr_t)fault->address - base;
    size_t offset = at & ~(guard->page_size - 1);
    if (at >= length)
        return false;
    /* The pages from `used` on were unmapped, and are zero pages already. An
     * access that faulted there began before that, so it is just repeated. But
     * a fault that may be stale is no proof of such an access. */
    if (offset >= used && !fault->poisoned)
        return !fault->maybe_stale;
    test_if_stale(guard, fault);
    if (fault->maybe_stale)
        return false;
    const mapped__lost page = {.offset = offset,
                               .length = guard->page_size,
                               .first = offset,
                               .poisoned = fault->poisoned};
    /* If the page alone can't be replaced, all that is mapped is, or the whole
     * range if the page lies behind that. A move that makes the range longer
     * sets `used` first, so for a moment that may exceed `length`. */
    size_t mapped_length = used < length ? used : length;
    size_t whole_length = offset < mapped_length ? mapped_length : length;
    spin_lock(&guard->lock);
    bool done = replace(guard, (unsigned char *)base, whole_length, &page);
    spin_unlock(&guard->lock);
    __atomic_fetch_add(&guard->faults, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&total_faults, 1, __ATOMIC_RELAXED);
    return done;
}

/* Most slots are about other addresses, so they are told apart by a cheap test
 * first. The range may change during this test, so serve_in_guard tests it
 * again: while the handler is a visitor, no address of the range is given back.
 */
static bool try_slot(mapped__guard_slot *slot, mapped__fault *fault)
{
    uintptr_t base = MAPPED__LOAD_ACQUIRE(&slot->base);
    size_t length = MAPPED__LOAD_ACQUIRE(&slot->length);
    if ((uintptr_t)fault->address - base >= length)
        return false;
    __atomic_fetch_add(&slot->visitors, 1, __ATOMIC_SEQ_CST);
    mapped__guard *guard = __atomic_load_n(&slot->active, __ATOMIC_SEQ_CST);
    bool done = guard != NULL && serve_in_guard(slot, guard, fault);
    uint32_t visitors =
        __atomic_fetch_sub(&slot->visitors, 1, __ATOMIC_SEQ_CST);
    assert(visitors > 0);
    (void)visitors;
    return done;
}

/* Tries every slot, because ranges overlap where a region wraps memory of
 * another region: then both have lost the page. */
static bool serve_fault(const mapped__fault *fault)
{
    bool done = false;
    mapped__fault current = *fault;
    if (MAPPED__LOAD_ACQUIRE(&guard_mode) != ENABLED)
        return false;
    for (table_chunk *c = MAPPED__LOAD_ACQUIRE(&table_chunks); c != NULL;
         c = c->next)
        for (size_t i = 0; i < CHUNK_SLOTS; i++)
            done |= try_slot(&c->slots[i], &current);
    return done;
}

/* No fault handler takes the table's lock, so a thread that waits for it may
 * sleep. */
static void lock_table(void)
{
    uint32_t found = FREE;
    if (__atomic_compare_exchange_n(&table_lock, &found, TAKEN, false,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&table_lock, AWAITED, __ATOMIC_ACQUIRE) != FREE)
        mapped__wait(&table_lock, AWAITED);
}

static void unlock_table(void)
{
    uint32_t before = __atomic_exchange_n(&table_lock, FREE, __ATOMIC_RELEASE);
    assert(before != FREE);
    if (before == AWAITED)
        mapped__wake(&table_lock);
}

/* Called in the child of a fork: the handlers of other threads don't exist
 * there, so their counts and locks are reset. */
static void reset_after_fork(void)
{
    for (table_chunk *c = table_chunks; c != NULL; c = c->next)
        for (size_t i = 0; i < CHUNK_SLOTS; i++) {
            mapped__guard *guard = MAPPED__LOAD(&c->slots[i].owner);
            MAPPED__STORE(&c->slots[i].visitors, 0);
            if (guard == NULL)
                continue;
            spin_unlock(&guard->lock);
            guard->after_fork(guard);
        }
    unlock_table();
}

void mapped__guard_each(void (*act)(mapped__guard *guard, void *context),
                        void *context)
{
    lock_table();
    for (table_chunk *c = table_chunks; c != NULL; c = c->next)
        for (size_t i = 0; i < CHUNK_SLOTS; i++) {
            mapped__guard *guard = MAPPED__LOAD_ACQUIRE(&c->slots[i].owner);
            /* Once for a guard with several slots: at its newest. */
            if (guard != NULL && MAPPED__LOAD(&guard->slot) == &c->slots[i])
                act(guard, context);
        }
    unlock_table();
}

uint64_t mapped__guard_faults(void)
{
    return MAPPED__LOAD(&total_faults);
}

/* Installs the fault handler, and before that, once, the handlers of a fork.
 * The table is locked. */
static mapped_status prepare_process(mapped_error *error)
{
    static bool forks_watched;
    mapped_status status = MAPPED_OK;
    assert(MAPPED__LOAD(&table_lock) != FREE);
    if (!forks_watched)
        status =
            mapped__at_fork(lock_table, unlock_table, reset_after_fork, error);
    if (status != MAPPED_OK)
        return status;
    forks_watched = true;
    return mapped__fault_install(serve_fault, error);
}

void mapped_guard_enable(bool on)
{
    MAPPED__STORE_RELEASE(&guard_mode, on ? ENABLED : DISABLED);
    lock_table();
    /* If this fails, the next guard that is added tries again, and says why. */
    if (on && table_chunks != NULL)
        (void)prepare_process(NULL);
    unlock_table();
}

static mapped_status add_chunk(mapped_error *error)
{
    table_chunk *added = calloc(1, sizeof *added);
    if (added == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "guard");
    for (size_t i = 0; i < CHUNK_SLOTS; i++) {
        added->slots[i].next_free = free_slots;
        free_slots = &added->slots[i];
    }
    added->next = table_chunks;
    MAPPED__STORE_RELEASE(&table_chunks, added);
    return MAPPED_OK;
}

/* Takes a free slot of the table: also while the guard is switched off, so that
 * switching it on protects all ranges. */
static mapped_status take_slot(mapped__guard_slot **slot, mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    lock_table();
    if (mapped_guard_enabled())
        status = prepare_process(error);
    if (status == MAPPED_OK && free_slots == NULL)
        status = add_chunk(error);
    if (status == MAPPED_OK) {
        assert(free_slots->owner == NULL && free_slots->active == NULL);
        *slot = free_slots;
        free_slots = free_slots->next_free;
    }
    unlock_table();
    return status;
}

mapped_status mapped__guard_add(mapped__guard *guard, mapped_error *error)
{
    mapped_status status = take_slot(&guard->slot, error);
    if (status == MAPPED_OK)
        MAPPED__STORE_RELEASE(&guard->slot->owner, guard);
    return status;
}

static void wait_for_visitors(const mapped__guard_slot *slot)
{
    while (__atomic_load_n(&slot->visitors, __ATOMIC_SEQ_CST) != 0)
        mapped__yield();
}

static void empty_slot(mapped__guard_slot *slot)
{
    __atomic_store_n(&slot->length, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->active, NULL, __ATOMIC_SEQ_CST);
    wait_for_visitors(slot);
}

void mapped__guard_suspend(mapped__guard *guard)
{
    if (guard->slot != NULL)
        empty_slot(guard->slot);
}

static void publish_slot(mapped__guard *guard, unsigned char *base,
                         size_t length)
{
    assert(guard->slot->owner == guard && guard->slot->used <= length);
    guard->base = base;
    __atomic_store_n(&guard->slot->base, (uintptr_t)base, __ATOMIC_SEQ_CST);
    __atomic_store_n(&guard->slot->length, length, __ATOMIC_SEQ_CST);
    __atomic_store_n(&guard->slot->active, guard, __ATOMIC_SEQ_CST);
}

void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length, size_t used)
{
    if (base != guard->base)
        empty_slot(guard->slot);
    bool is_shorter = length < guard->slot->length || used < guard->slot->used;
    __atomic_store_n(&guard->slot->used, used, __ATOMIC_SEQ_CST);
    publish_slot(guard, base, length);
    if (is_shorter)
        wait_for_visitors(guard->slot);
}

void mapped__guard_remove_slot(mapped__guard_slot *slot)
{
    assert(slot->owner != NULL);
    empty_slot(slot);
    lock_table();
    MAPPED__STORE(&slot->owner, NULL);
    slot->next_free = free_slots;
    free_slots = slot;
    unlock_table();
}

void mapped__guard_remove(mapped__guard *guard)
{
    mapped__guard_slot *slot = guard->slot;
    MAPPED__STORE(&guard->slot, NULL);
    if (slot != NULL)
        mapped__guard_remove_slot(slot);
}

/* A handler that interrupts this thread and faults in the same range would wait
 * for the lock for ever, so signals are blocked until the unlock. */
static mapped__signal_mask lock(mapped__guard *guard)
{
    mapped__signal_mask signals;
    mapped__signals_block(&signals);
    spin_lock(&guard->lock);
    return signals;
}

static void unlock(mapped__guard *guard, const mapped__signal_mask *signals)
{
    assert(MAPPED__LOAD(&guard->lock) == 1);
    spin_unlock(&guard->lock);
    mapped__signals_unblock(signals);
}

static void clear_lost_bit_if_empty(mapped__guard *guard)
{
    if (guard->lost_list.count == 0)
        __atomic_fetch_and(guard->state, ~guard->lost_bit, __ATOMIC_SEQ_CST);
}

/* The functions from here on lock the guard and call those of lost.h. */

void mapped__guard_forget(mapped__guard *guard, size_t offset)
{
    mapped__signal_mask signals = lock(guard);
    mapped__lost_forget(&guard->lost_list, offset);
    clear_lost_bit_if_empty(guard);
    unlock(guard, &signals);
}

bool mapped__guard_find_lost(mapped__guard *guard, size_t offset, size_t n,
                             mapped__lost *found)
{
    if (!mapped__lost_may_include(&guard->lost_list, offset, n))
        return false;
    mapped__signal_mask signals = lock(guard);
    bool found_any = mapped__lost_find(&guard->lost_list, offset, n, found);
    unlock(guard, &signals);
    return found_any;
}

size_t mapped__guard_copy_lost(mapped__guard *guard, mapped__lost *lost,
                               size_t capacity)
{
    mapped__signal_mask signals = lock(guard);
    size_t count = mapped__lost_copy(&guard->lost_list, lost, capacity);
    unlock(guard, &signals);
    return count;
}

void mapped__guard_set_cause(mapped__guard *guard, size_t offset, int cause)
{
    mapped__signal_mask signals = lock(guard);
    mapped__lost_set_cause(&guard->lost_list, offset, cause);
    unlock(guard, &signals);
}

size_t mapped__guard_count_unrestored(mapped__guard *guard)
{
    mapped__signal_mask signals = lock(guard);
    size_t count = mapped__lost_count_unrestored(&guard->lost_list);
    unlock(guard, &signals);
    return count;
}

bool mapped__guard_mark_next_restored(mapped__guard *guard, mapped__lost *lost)
{
    mapped__signal_mask signals = lock(guard);
    bool found_any = mapped__lost_mark_next_restored(&guard->lost_list, lost);
    unlock(guard, &signals);
    return found_any;
}

void mapped__guard_mark_unrestored(mapped__guard *guard,
                                   const mapped__lost *lost)
{
    mapped__signal_mask signals = lock(guard);
    mapped__lost_mark_unrestored(&guard->lost_list, lost);
    unlock(guard, &signals);
}

void mapped__guard_add_lost(mapped__guard *guard, const mapped__lost *lost)
{
    mapped__signal_mask signals = lock(guard);
    record_lost(guard, lost);
    unlock(guard, &signals);
}

static uint64_t count_recovery(mapped__guard *guard)
{
    return __atomic_add_fetch(&guard->recoveries, 1, __ATOMIC_SEQ_CST);
}

/* A recovery that has restored nothing isn't counted. The count rises before
 * the restored pages are forgotten: a thread that sees a page as not lost any
 * more must also see the new count. */
void mapped__guard_end_recovery(mapped__guard *guard)
{
    mapped__signal_mask signals = lock(guard);
    mapped__lost_list *lost_list = &guard->lost_list;
    if (mapped__lost_count_unrestored(lost_list) < lost_list->count)
        mapped__lost_end_recovery(lost_list, &guard->recovered,
                                  count_recovery(guard));
    clear_lost_bit_if_empty(guard);
    unlock(guard, &signals);
}

void mapped__guard_add_recovered(mapped__guard *guard, const mapped__lost *lost)
{
    mapped__signal_mask signals = lock(guard);
    mapped__recovered_add(&guard->recovered, lost, count_recovery(guard));
    unlock(guard, &signals);
}

bool mapped__guard_find_recovered(mapped__guard *guard,
                                  const mapped__recovered_query *query,
                                  mapped__lost *found)
{
    mapped__signal_mask signals = lock(guard);
    bool found_any = mapped__recovered_find(&guard->recovered, query, found);
    unlock(guard, &signals);
    return found_any;
}
