#include <mapped/guard.h>

#include <stdlib.h>
#include <string.h>

#include "guard_internal.h"

/* The table is a list of chunks that only ever grows, so that a fault handler
 * can walk it without a lock. A handler that means to act on a slot raises its
 * `visitors` first and looks at `guard` again; who empties a slot clears
 * `guard` first and then waits for the visitors to leave. Both in sequentially
 * consistent order, so one of the two sees the other. */
struct mapped__guard_slot {
    uintptr_t base;
    size_t length;
    mapped__guard *guard; /* NULL: free */
    uint32_t visitors;
    mapped__guard_slot *next_free;
};

#define CHUNK_SLOTS 256

typedef struct chunk {
    struct chunk *next;
    mapped__guard_slot slots[CHUNK_SLOTS];
} chunk;

static chunk *chunks;
static mapped__guard_slot *free_slots;
static uint32_t table_lock;

enum {
    UNDECIDED,
    ENABLED,
    DISABLED
};
static uint32_t enabled;

/* --- switching ---------------------------------------------------------- */

/* UNDECIDED until the first mapping has read the environment. */
static void decide(void)
{
    uint32_t expected = UNDECIDED;
    const char *wish = getenv("MAPPED_GUARD");
    uint32_t wanted =
        wish != NULL && strcmp(wish, "0") == 0 ? DISABLED : ENABLED;
    __atomic_compare_exchange_n(&enabled, &expected, wanted, false,
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool mapped_guard_enabled(void)
{
    if (MAPPED__LOAD_ACQUIRE(&enabled) == UNDECIDED)
        decide();
    return MAPPED__LOAD_ACQUIRE(&enabled) == ENABLED;
}

/* --- inside the handler -------------------------------------------------- */

static void spin_lock(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
        mapped__yield();
}

static void spin_unlock(uint32_t *lock)
{
    MAPPED__STORE_RELEASE(lock, 0);
}

/* Losses mostly come in address order, forwards or backwards: the neighbour of
 * the latest stretch makes it longer. */
static bool extend_lost(mapped__guard *guard, const mapped__lost *page)
{
    for (size_t i = 0; i < guard->count; i++) {
        mapped__lost *lost = &guard->lost[i];
        if (lost->poisoned != page->poisoned)
            continue;
        if (lost->offset + lost->length == page->offset) {
            lost->length += page->length;
            return true;
        }
        if (page->offset + page->length == lost->offset) {
            lost->offset = page->offset;
            lost->length += page->length;
            return true;
        }
    }
    return false;
}

static bool covers(const mapped__lost *lost, size_t offset, size_t n)
{
    return lost->offset < offset + n && offset < lost->offset + lost->length;
}

static bool holds(const mapped__lost *whole, const mapped__lost *part)
{
    return whole->offset <= part->offset &&
           part->offset + part->length <= whole->offset + whole->length;
}

static bool is_noted(const mapped__guard *guard, const mapped__lost *page)
{
    for (size_t i = 0; i < guard->count; i++)
        if (holds(&guard->lost[i], page))
            return true;
    return guard->all;
}

/* What goes at once takes earlier, smaller losses with it. */
static void forget_parts(mapped__guard *guard, const mapped__lost *whole)
{
    for (size_t i = guard->count; i-- > 0;)
        if (holds(whole, &guard->lost[i]))
            guard->lost[i] = guard->lost[--guard->count];
}

static void note(mapped__guard *guard, const mapped__lost *page)
{
    spin_lock(&guard->busy);
    if (!is_noted(guard, page) && !extend_lost(guard, page)) {
        forget_parts(guard, page);
        if (guard->count < MAPPED__LOST_MAX)
            guard->lost[guard->count++] = *page;
        else
            guard->all = true;
    }
    spin_unlock(&guard->busy);
    __atomic_fetch_add(&guard->faults, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_or(guard->state, guard->lost_bit, __ATOMIC_SEQ_CST);
}

/* The kernel may refuse to split the mapping once more (its limit on the number
 * of mappings): then all of it goes at once. */
static bool replace(mapped__guard *guard, unsigned char *base, size_t length,
                    mapped__lost *page)
{
    if (mapped__page_replace(base + page->offset, page->length,
                             guard->writable))
        return true;
    page->offset = 0;
    page->length = length;
    return mapped__page_replace(base, length, guard->writable);
}

/* Noted before the page is replaced: who reads the zero page finds the note. */
static bool lose_page(const mapped__guard_slot *slot, mapped__guard *guard,
                      const mapped__fault *fault)
{
    unsigned char *base = (unsigned char *)MAPPED__LOAD_ACQUIRE(&slot->base);
    size_t length = MAPPED__LOAD_ACQUIRE(&slot->length);
    size_t at = (size_t)(fault->address - base);
    mapped__lost page = {at & ~(guard->page - 1), guard->page, fault->poisoned};
    if (at >= length)
        return false;
    note(guard, &page);
    if (!replace(guard, base, length, &page))
        return false;
    if (page.length == length)
        note(guard, &page);
    return true;
}

static bool visit(mapped__guard_slot *slot, const mapped__fault *fault)
{
    uintptr_t base = MAPPED__LOAD_ACQUIRE(&slot->base);
    size_t length = MAPPED__LOAD_ACQUIRE(&slot->length);
    if ((uintptr_t)fault->address - base >= length)
        return false;
    __atomic_fetch_add(&slot->visitors, 1, __ATOMIC_SEQ_CST);
    mapped__guard *guard = __atomic_load_n(&slot->guard, __ATOMIC_SEQ_CST);
    bool done = guard != NULL && lose_page(slot, guard, fault);
    __atomic_fetch_sub(&slot->visitors, 1, __ATOMIC_SEQ_CST);
    return done;
}

static bool handle(const mapped__fault *fault)
{
    if (MAPPED__LOAD_ACQUIRE(&enabled) != ENABLED)
        return false;
    for (chunk *c = MAPPED__LOAD_ACQUIRE(&chunks); c != NULL; c = c->next)
        for (size_t i = 0; i < CHUNK_SLOTS; i++)
            if (visit(&c->slots[i], fault))
                return true;
    return false;
}

/* --- the table ---------------------------------------------------------- */

static void lock_table(void)
{
    spin_lock(&table_lock);
}

static void unlock_table(void)
{
    spin_unlock(&table_lock);
}

/* Handlers that were at work in other threads don't exist in the child. */
static void forget_threads(void)
{
    for (chunk *c = chunks; c != NULL; c = c->next)
        for (size_t i = 0; i < CHUNK_SLOTS; i++) {
            MAPPED__STORE(&c->slots[i].visitors, 0);
            if (c->slots[i].guard != NULL)
                spin_unlock(&c->slots[i].guard->busy);
        }
    unlock_table();
}

/* Under the table's lock. */
static mapped_status prepare_process(mapped_error *error)
{
    static bool forks_watched;
    mapped_status status = MAPPED_OK;
    if (!forks_watched)
        status =
            mapped__at_fork(lock_table, unlock_table, forget_threads, error);
    forks_watched = status == MAPPED_OK;
    return status == MAPPED_OK ? mapped__fault_install(handle, error) : status;
}

void mapped_guard_enable(bool on)
{
    MAPPED__STORE_RELEASE(&enabled, on ? ENABLED : DISABLED);
    lock_table();
    if (on && chunks != NULL)
        (void)prepare_process(NULL);
    unlock_table();
}

static mapped_status add_chunk(mapped_error *error)
{
    chunk *added = calloc(1, sizeof *added);
    if (added == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "guard");
    for (size_t i = 0; i < CHUNK_SLOTS; i++) {
        added->slots[i].next_free = free_slots;
        free_slots = &added->slots[i];
    }
    added->next = chunks;
    MAPPED__STORE_RELEASE(&chunks, added);
    return MAPPED_OK;
}

/* While switched off ranges are noted all the same, for when it is switched on
 * again. */
static mapped_status take_slot(mapped__guard_slot **slot, mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    lock_table();
    if (mapped_guard_enabled())
        status = prepare_process(error);
    if (status == MAPPED_OK && free_slots == NULL)
        status = add_chunk(error);
    if (status == MAPPED_OK) {
        *slot = free_slots;
        free_slots = free_slots->next_free;
    }
    unlock_table();
    return status;
}

static void fill_slot(mapped__guard *guard, unsigned char *base, size_t length)
{
    guard->base = base;
    MAPPED__STORE(&guard->slot->base, (uintptr_t)base);
    MAPPED__STORE_RELEASE(&guard->slot->length, length);
    __atomic_store_n(&guard->slot->guard, guard, __ATOMIC_SEQ_CST);
}

mapped_status mapped__guard_add(mapped__guard *guard, unsigned char *base,
                                size_t length, mapped_error *error)
{
    mapped_status status = take_slot(&guard->slot, error);
    if (status == MAPPED_OK)
        fill_slot(guard, base, length);
    return status;
}

static void wait_for_visitors(const mapped__guard_slot *slot)
{
    while (__atomic_load_n(&slot->visitors, __ATOMIC_SEQ_CST) != 0)
        mapped__yield();
}

static void empty_slot(mapped__guard_slot *slot)
{
    MAPPED__STORE(&slot->length, 0);
    __atomic_store_n(&slot->guard, NULL, __ATOMIC_SEQ_CST);
    wait_for_visitors(slot);
}

void mapped__guard_move(mapped__guard *guard, unsigned char *base,
                        size_t length)
{
    if (guard->slot == NULL)
        return;
    empty_slot(guard->slot);
    fill_slot(guard, base, length);
}

void mapped__guard_remove(mapped__guard *guard)
{
    mapped__guard_slot *slot = guard->slot;
    if (slot == NULL)
        return;
    guard->slot = NULL;
    empty_slot(slot);
    lock_table();
    slot->next_free = free_slots;
    free_slots = slot;
    unlock_table();
}

/* --- the lost stretches, outside the handler ----------------------------- */

/* With signals held: a handler of this thread that faults in the same range
 * would wait for the lock for ever. */
static void hold(mapped__guard *guard, mapped__signals *signals)
{
    mapped__signals_hold(signals);
    spin_lock(&guard->busy);
}

static void let_go(mapped__guard *guard, const mapped__signals *signals)
{
    spin_unlock(&guard->busy);
    mapped__signals_release(signals);
}

static void drop(mapped__guard *guard, size_t i)
{
    guard->lost[i] = guard->lost[--guard->count];
}

static void clear_if_clean(mapped__guard *guard)
{
    if (guard->count == 0 && !guard->all)
        __atomic_fetch_and(guard->state, ~guard->lost_bit, __ATOMIC_SEQ_CST);
}

void mapped__guard_resize(mapped__guard *guard, size_t length)
{
    mapped__signals signals;
    mapped__guard_slot *slot = guard->slot;
    if (slot == NULL)
        return;
    bool shrinks = length < slot->length;
    __atomic_store_n(&slot->length, length, __ATOMIC_SEQ_CST);
    if (!shrinks)
        return;
    wait_for_visitors(slot);
    hold(guard, &signals);
    for (size_t i = guard->count; i-- > 0;) {
        mapped__lost *lost = &guard->lost[i];
        if (lost->offset >= length)
            drop(guard, i);
        else if (lost->offset + lost->length > length)
            lost->length = length - lost->offset;
    }
    clear_if_clean(guard);
    let_go(guard, &signals);
}

bool mapped__guard_lost(mapped__guard *guard, size_t offset, size_t n,
                        mapped__lost *found)
{
    mapped__signals signals;
    hold(guard, &signals);
    bool hit = guard->all;
    if (hit)
        *found = (mapped__lost){0, SIZE_MAX, false};
    for (size_t i = 0; i < guard->count && !hit; i++) {
        hit = covers(&guard->lost[i], offset, n);
        if (hit)
            *found = guard->lost[i];
    }
    let_go(guard, &signals);
    return hit;
}

size_t mapped__guard_list(mapped__guard *guard, mapped__lost *lost,
                          size_t capacity)
{
    mapped__signals signals;
    hold(guard, &signals);
    size_t count = guard->all ? 1 : guard->count;
    for (size_t i = 0; i < count && i < capacity; i++)
        lost[i] =
            guard->all ? (mapped__lost){0, SIZE_MAX, false} : guard->lost[i];
    let_go(guard, &signals);
    return count;
}

void mapped__guard_forget(mapped__guard *guard, const mapped__lost *lost)
{
    mapped__signals signals;
    hold(guard, &signals);
    if (guard->all && lost->length == SIZE_MAX) {
        guard->all = false;
        guard->count = 0;
    }
    for (size_t i = guard->count; i-- > 0;)
        if (guard->lost[i].offset == lost->offset &&
            guard->lost[i].length == lost->length)
            drop(guard, i);
    clear_if_clean(guard);
    let_go(guard, &signals);
}

uint64_t mapped__guard_faults(const mapped__guard *guard)
{
    return MAPPED__LOAD_ACQUIRE(&guard->faults);
}
