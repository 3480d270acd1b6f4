/* The control word of a region, which says what other threads may do with it at
 * the moment: MAPPED__CONTROL_* flags (region_internal.h) above the number of
 * its exports. They are one word, so that each step here is one compare and
 * swap: no export begins between the look at their number and the change of a
 * flag.
 *
 * A region is locked by the one thread that changes its mapping, its file or
 * its length, or looks at its file. Accesses go on meanwhile, and exports do,
 * until that thread stops new ones. Other threads that want the lock, or an
 * export that may not begin, sleep on the upper half of the word, which has the
 * flags. Their AWAITED tells the unlock to wake them.
 *
 * The region is unlocked in one of three ways: as it was, closed, or retired.
 * Nobody locks it after the latter two; but of a retired region the end of the
 * last export takes the lock once more, to free the memory. */
#include <mapped/region.h>

#include <assert.h>

#include "region_internal.h"

static uint64_t read_control(const mapped__region *self)
{
    uint64_t control = MAPPED__LOAD_ACQUIRE(&self->control);
    assert(control & MAPPED__CONTROL_LOCKED ||
           !(control & MAPPED__CONTROL_WHILE_LOCKED));
    assert(control & MAPPED__CONTROL_CLOSED ||
           !(control & MAPPED__CONTROL_RETIRED));
    return control;
}

/* False: another thread has changed the word, and `*control` is what it is
 * now. */
static bool swap_control(mapped__region *self, uint64_t *control, uint64_t next)
{
    return __atomic_compare_exchange_n(&self->control, control, next, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* The half of the control word that has the flags. */
static const uint32_t *flags_of(const mapped__region *self)
{
    return (const uint32_t *)&self->control + !MAPPED_BIG_ENDIAN;
}

size_t mapped_region_exports(const mapped_region *region)
{
    return region == NULL ? 0
                          : (size_t)(read_control(mapped__region_of(region)) &
                                     MAPPED__CONTROL_EXPORTS);
}

mapped_status mapped__region_busy(const mapped__region *self,
                                  const char *operation, mapped_error *error)
{
    const size_t exports = mapped_region_exports(&self->head);
    mapped_status status =
        mapped__error_set_length(error, MAPPED_BUSY, operation, exports, 0);
    return mapped__region_fill_error(&self->head, operation, status, error);
}

static mapped_status refuse_closed(const mapped_region *region,
                                   const char *operation, mapped_error *error)
{
    mapped_status status = mapped_error_set(error, MAPPED_CLOSED, operation);
    return mapped__region_fill_error(region, operation, status, error);
}

static mapped_wait_hooks wait_hooks;

void mapped_region_on_wait(mapped_wait_hooks hooks)
{
    wait_hooks = hooks;
}

void *mapped__region_begin_wait(void)
{
    return wait_hooks.before != NULL ? wait_hooks.before() : NULL;
}

void mapped__region_end_wait(void *context)
{
    if (wait_hooks.after != NULL)
        wait_hooks.after(context);
}

/* Sleeps while the control word is `control`, which has LOCKED, and most
 * probably until the region is unlocked. Returns what the word is then. */
static uint64_t wait_for_unlock(mapped__region *self, uint64_t control)
{
    uint64_t awaited = control | MAPPED__CONTROL_AWAITED;
    if (control != awaited && !swap_control(self, &control, awaited))
        return control;
    void *context = mapped__region_begin_wait();
    mapped__wait(flags_of(self), (uint32_t)(awaited >> 32));
    mapped__region_end_wait(context);
    return read_control(self);
}

mapped_status mapped__region_lock(mapped__region *self, const char *operation,
                                  mapped_error *error)
{
    if (self == NULL)
        return refuse_closed(NULL, operation, error);
    uint64_t control = read_control(self);
    for (;;) {
        if (control & MAPPED__CONTROL_LOCKED)
            control = wait_for_unlock(self, control);
        else if (control & MAPPED__CONTROL_CLOSED)
            return refuse_closed(&self->head, operation, error);
        else if (swap_control(self, &control, control | MAPPED__CONTROL_LOCKED))
            return MAPPED_OK;
    }
}

/* Unlocks the region, and sets the flags `added` in the same step. */
static void unlock(mapped__region *self, uint64_t added)
{
    uint64_t control = read_control(self);
    assert(control & MAPPED__CONTROL_LOCKED);
    while (!swap_control(self, &control,
                         (control & ~MAPPED__CONTROL_WHILE_LOCKED) | added))
        ;
    if (control & MAPPED__CONTROL_AWAITED)
        mapped__wake(flags_of(self));
}

void mapped__region_unlock(mapped__region *self)
{
    unlock(self, 0);
}

void mapped__region_unlock_closed(mapped__region *self)
{
    unlock(self, MAPPED__CONTROL_CLOSED);
}

/* The exports that there are can't become none unnoticed in between: the last
 * one to end looks for RETIRED in the same step. */
size_t mapped__region_unlock_retired(mapped__region *self)
{
    uint64_t control = read_control(self);
    uint64_t next;
    do {
        if ((control & MAPPED__CONTROL_EXPORTS) == 0)
            return 0;
        next = (control & ~MAPPED__CONTROL_WHILE_LOCKED) |
               MAPPED__CONTROL_CLOSED | MAPPED__CONTROL_RETIRED;
    } while (!swap_control(self, &control, next));
    if (control & MAPPED__CONTROL_AWAITED)
        mapped__wake(flags_of(self));
    return (size_t)(control & MAPPED__CONTROL_EXPORTS);
}

mapped_status mapped__region_lock_exports(mapped__region *self,
                                          const char *operation,
                                          mapped_error *error)
{
    uint64_t control = read_control(self);
    assert(control & MAPPED__CONTROL_LOCKED);
    while ((control & MAPPED__CONTROL_EXPORTS) == 0)
        if (swap_control(self, &control,
                         control | MAPPED__CONTROL_NO_NEW_EXPORTS))
            return MAPPED_OK;
    return mapped__region_busy(self, operation, error);
}

mapped_status mapped__region_lock_unexported(mapped__region *self,
                                             const char *operation,
                                             mapped_error *error)
{
    mapped_status status = mapped__region_lock(self, operation, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_lock_exports(self, operation, error);
    if (status != MAPPED_OK)
        mapped__region_unlock(self);
    return status;
}

bool mapped__region_stop_new_exports(mapped__region *self)
{
    assert(mapped__region_is_locked(self));
    uint64_t control = __atomic_or_fetch(
        &self->control, MAPPED__CONTROL_NO_NEW_EXPORTS, __ATOMIC_ACQ_REL);
    return (control & MAPPED__CONTROL_WAS_EXPORTED) != 0 &&
           (self->keeps_addresses || (control & MAPPED__CONTROL_EXPORTS) != 0);
}

void mapped__region_moved(mapped__region *self)
{
    assert(read_control(self) & MAPPED__CONTROL_NO_NEW_EXPORTS);
    __atomic_fetch_and(&self->control, ~MAPPED__CONTROL_WAS_EXPORTED,
                       __ATOMIC_ACQ_REL);
}

mapped_status mapped__region_begin_export(mapped_region *region,
                                          unsigned char **base,
                                          mapped_error *error)
{
    if (region == NULL)
        return refuse_closed(NULL, "export", error);
    mapped__region *self = mapped__region_of(region);
    uint64_t control = read_control(self);
    uint64_t next;
    do {
        while (control & MAPPED__CONTROL_NO_NEW_EXPORTS)
            control = wait_for_unlock(self, control);
        if (control & MAPPED__CONTROL_CLOSED)
            return refuse_closed(region, "export", error);
        assert((control & MAPPED__CONTROL_EXPORTS) < MAPPED__CONTROL_EXPORTS);
        next = (control + 1) | MAPPED__CONTROL_WAS_EXPORTED;
    } while (!swap_control(self, &control, next));
    *base = region->base_;
    return MAPPED_OK;
}

/* Nobody else changes the word of a retired region without exports, so it may
 * be locked by a plain store. */
bool mapped__region_count_export_end(mapped__region *self)
{
    uint64_t control = __atomic_sub_fetch(&self->control, 1, __ATOMIC_ACQ_REL);
    assert((control & MAPPED__CONTROL_EXPORTS) != MAPPED__CONTROL_EXPORTS);
    if ((control & (MAPPED__CONTROL_EXPORTS | MAPPED__CONTROL_RETIRED)) !=
        MAPPED__CONTROL_RETIRED)
        return false;
    assert(!mapped__region_is_locked(self));
    MAPPED__STORE_RELEASE(&self->control, (control & ~MAPPED__CONTROL_RETIRED) |
                                              MAPPED__CONTROL_LOCKED);
    return true;
}
