/* The life of a region: the control word that says who may do what, the lengths
 * that inline code checks against, and the end of access and of memory.
 *
 * Access ends before memory does: the live length is 0 and the state says
 * closed before a page is replaced or unmapped. Memory is unmapped only when
 * nobody can reach it any more; before that zero pages take its place. */
#include <mapped/region.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

static const char *const mode_texts[] = {"r", "r+", "c", "w+", "x+", "a+"};

mapped_status mapped_mode_parse(const char *text, size_t length,
                                mapped_mode *mode, mapped_error *error)
{
    char without_b[3]; /* as the C library, this ignores one "b" */
    const char *b = length > 1 ? memchr(text + 1, 'b', length - 1) : NULL;
    if (b != NULL && length <= sizeof without_b) {
        size_t at = (size_t)(b - text);
        memcpy(without_b, text, at);
        memcpy(without_b + at, b + 1, --length - at);
        text = without_b;
    }
    for (size_t i = 0; i < sizeof mode_texts / sizeof mode_texts[0]; i++) {
        if (strlen(mode_texts[i]) == length &&
            memcmp(mode_texts[i], text, length) == 0) {
            *mode = (mapped_mode)i;
            return MAPPED_OK;
        }
    }
    return mapped_error_set(error, MAPPED_ARGUMENT,
                            "no mode as r, r+, c, w+, x+ or a+");
}

const char *mapped_mode_text(mapped_mode mode)
{
    bool known = (size_t)mode < sizeof mode_texts / sizeof mode_texts[0];
    return known ? mode_texts[mode] : "unknown mode";
}

mapped_status mapped__region_report_error(const mapped_region *region,
                                          const char *operation,
                                          mapped_status status,
                                          mapped_error *error)
{
    if (status == MAPPED_OK || error == NULL)
        return status;
    mapped_error_set_operation(error, operation);
    if (region != NULL && error->path[0] == '\0')
        mapped_error_set_path(error, mapped__region_of(region)->name);
    return status;
}

static bool swap_control(mapped__region *self, uint64_t *seen, uint64_t next)
{
    return __atomic_compare_exchange_n(&self->control, seen, next, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static uint64_t control_of(const mapped__region *self)
{
    uint64_t seen = MAPPED__LOAD_ACQUIRE(&self->control);
    assert(seen & MAPPED__CONTROL_LOCKED ||
           !(seen & MAPPED__CONTROL_WHILE_LOCKED));
    assert(seen & MAPPED__CONTROL_CLOSED || !(seen & MAPPED__CONTROL_RETIRED));
    return seen;
}

mapped_status mapped__region_busy(const mapped__region *self, const char *what,
                                  mapped_error *error)
{
    uint64_t exports = mapped_region_exports(&self->head);
    const mapped_error_range range = {.length = exports};
    mapped_error_set_range(error, MAPPED_BUSY, what, range);
    return mapped__region_report_error(&self->head, what, MAPPED_BUSY, error);
}

static mapped_status refuse_closed(const mapped_region *region,
                                   const char *what, mapped_error *error)
{
    mapped_error_set(error, MAPPED_CLOSED, what);
    return mapped__region_report_error(region, what, MAPPED_CLOSED, error);
}

/* The half of the control word that has the flags. */
static const uint32_t *flags_of(const mapped__region *self)
{
    return (const uint32_t *)&self->control + !MAPPED_BIG_ENDIAN;
}

static mapped_wait_hooks wait_hooks;

void mapped_region_on_wait(mapped_wait_hooks hooks)
{
    wait_hooks = hooks;
}

static void *begin_wait(void)
{
    return wait_hooks.before != NULL ? wait_hooks.before() : NULL;
}

static void end_wait(void *context)
{
    if (wait_hooks.after != NULL)
        wait_hooks.after(context);
}

/* Another thread has the region locked, as the control word `seen` says. Waits
 * for a while, most probably until that thread unlocks it. Returns what the
 * control word has become. */
static uint64_t wait_for_unlock(mapped__region *self, uint64_t seen)
{
    uint64_t awaited = seen | MAPPED__CONTROL_AWAITED;
    if (seen != awaited && !swap_control(self, &seen, awaited))
        return seen;
    void *context = begin_wait();
    mapped__wait(flags_of(self), (uint32_t)(awaited >> 32));
    end_wait(context);
    return control_of(self);
}

mapped_status mapped__region_lock(mapped__region *self, const char *what,
                                  mapped_error *error)
{
    if (self == NULL)
        return refuse_closed(NULL, what, error);
    uint64_t seen = control_of(self);
    for (;;) {
        if (seen & MAPPED__CONTROL_LOCKED)
            seen = wait_for_unlock(self, seen);
        else if (seen & MAPPED__CONTROL_CLOSED)
            return refuse_closed(&self->head, what, error);
        else if (swap_control(self, &seen, seen | MAPPED__CONTROL_LOCKED))
            return MAPPED_OK;
    }
}

/* Unlocks the region, and sets the flags `added` in the same step. */
static void unlock(mapped__region *self, uint64_t added)
{
    uint64_t seen = control_of(self);
    assert(seen & MAPPED__CONTROL_LOCKED);
    while (!swap_control(self, &seen,
                         (seen & ~MAPPED__CONTROL_WHILE_LOCKED) | added))
        ;
    if (seen & MAPPED__CONTROL_AWAITED)
        mapped__wake(flags_of(self));
}

void mapped__region_unlock(mapped__region *self)
{
    unlock(self, 0);
}

mapped_status mapped__region_lock_exports(mapped__region *self,
                                          const char *what, mapped_error *error)
{
    uint64_t seen = control_of(self);
    assert(seen & MAPPED__CONTROL_LOCKED);
    while ((seen & MAPPED__CONTROL_EXPORTS) == 0)
        if (swap_control(self, &seen, seen | MAPPED__CONTROL_NO_NEW_EXPORTS))
            return MAPPED_OK;
    return mapped__region_busy(self, what, error);
}

mapped_status mapped__region_lock_unexported(mapped__region *self,
                                             const char *what,
                                             mapped_error *error)
{
    mapped_status status = mapped__region_lock(self, what, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_lock_exports(self, what, error);
    if (status != MAPPED_OK)
        mapped__region_unlock(self);
    return status;
}

bool mapped__region_stop_new_exports(mapped__region *self)
{
    assert(mapped__region_is_locked(self));
    uint64_t seen = __atomic_or_fetch(
        &self->control, MAPPED__CONTROL_NO_NEW_EXPORTS, __ATOMIC_ACQ_REL);
    return (seen & MAPPED__CONTROL_EXPORTED) != 0 &&
           (self->keeps || (seen & MAPPED__CONTROL_EXPORTS) != 0);
}

void mapped__region_moved(mapped__region *self)
{
    assert(control_of(self) & MAPPED__CONTROL_NO_NEW_EXPORTS);
    __atomic_fetch_and(&self->control, ~MAPPED__CONTROL_EXPORTED,
                       __ATOMIC_ACQ_REL);
}

mapped_status mapped__region_begin_export(mapped_region *region,
                                          unsigned char **base,
                                          mapped_error *error)
{
    if (region == NULL)
        return refuse_closed(NULL, "export", error);
    mapped__region *self = mapped__region_of(region);
    uint64_t seen = control_of(self);
    do {
        while (seen & MAPPED__CONTROL_NO_NEW_EXPORTS)
            seen = wait_for_unlock(self, seen);
        if (seen & MAPPED__CONTROL_CLOSED)
            return refuse_closed(region, "export", error);
        assert((seen & MAPPED__CONTROL_EXPORTS) < MAPPED__CONTROL_EXPORTS);
    } while (!swap_control(self, &seen, (seen + 1) | MAPPED__CONTROL_EXPORTED));
    *base = region->base_;
    return MAPPED_OK;
}

size_t mapped_region_exports(const mapped_region *region)
{
    return region == NULL ? 0
                          : (size_t)(control_of(mapped__region_of(region)) &
                                     MAPPED__CONTROL_EXPORTS);
}

unsigned char mapped__region_nothing[1];

static void store_length(mapped__region *self, size_t length)
{
    bool device = self->head.traits_ & MAPPED__TRAIT_DEVICE;
    MAPPED__STORE(&self->length, length);
    MAPPED__STORE_RELEASE(&self->head.live_, device ? 0 : length);
    mapped__region_publish_writable(self);
}

/* Inline code may check against a live length that it has read some time ago.
 * So a region that is shorter than it once was says so in its state, before
 * anybody can see the new length. */
static void publish_shrunk(mapped__region *self, size_t length)
{
    bool shrinks = length < self->length;
    __atomic_fetch_or(&self->head.state_, MAPPED__STATE_SHRUNK,
                      __ATOMIC_SEQ_CST);
    store_length(self, length);
    if (shrinks)
        mapped__region_invalidate_appends(self);
    else if (self->appends.next < length)
        self->appends.next = length;
}

void mapped__region_publish_length(mapped__region *self, size_t length)
{
    assert(length == 0 || self->wrapped ||
           (self->lead <= self->mapping.used &&
            length <= self->mapping.used - self->lead));
    if (length < self->longest) {
        publish_shrunk(self, length);
        return;
    }
    store_length(self, length);
    if (self->appends.next < length)
        self->appends.next = length;
    self->longest = length;
    __atomic_fetch_and(&self->head.state_, ~MAPPED__STATE_SHRUNK,
                       __ATOMIC_SEQ_CST);
}

void mapped__region_publish(mapped__region *self, size_t length)
{
    unsigned char *start = self->mapping.address;
    unsigned char *base =
        start != NULL ? start + self->lead : mapped__region_nothing;
    /* Other threads may be reading it, unless it really moves. */
    if (self->head.base_ != base)
        MAPPED__STORE(&self->head.base_, base);
    mapped__region_publish_length(self, length);
}

/* The request that describes the region's mapping at `length` bytes. Adding the
 * lead can't overflow where the length was accepted: it is less than a page,
 * and the backend rounds up with a check of its own. */
bool mapped__region_describe(const mapped__region *self, size_t length,
                             mapped__map_request *request)
{
    request->file = self->file;
    request->offset = self->offset - self->lead;
    request->page = self->mapping.page;
    request->flags = self->mapping.flags & ~MAPPED__MAP_POPULATE;
    request->reserve = 0;
    return mapped_add_size(length, length > 0 ? self->lead : 0,
                           &request->length) &&
           (self->reserve == 0 ||
            mapped_add_size((size_t)self->reserve, self->lead,
                            &request->reserve));
}

/* Frees the mappings that the region has moved away from, but for the `kept`
 * latest. */
static void free_old(mapped__region *self, size_t kept)
{
    mapped__old_mapping **first = &self->old_mappings;
    for (; *first != NULL && kept > 0; kept--)
        first = &(*first)->next;
    while (*first != NULL) {
        mapped__old_mapping *old = *first;
        *first = old->next;
        if (old->slot != NULL)
            mapped__guard_remove_slot(old->slot);
        mapped__unmap(&old->mapping);
        free(old);
    }
    MAPPED__STORE(&self->copied, 0);
}

/* So many mappings are kept for pointers whose exports have ended. Few regions
 * move as often, and none may fill the address space. */
#define MOST_KEPT 64

void mapped__region_free_old(mapped__region *self)
{
    if (mapped_region_exports(&self->head) == 0)
        free_old(self, self->keeps ? MOST_KEPT : 0);
}

/* To unmap this much may take long. */
#define MUCH ((size_t)16 << 20)

/* Nobody can be in the middle of an access, and none begins. */
static void free_memory(mapped__region *self)
{
    bool much = self->mapping.reserved >= MUCH;
    void *context = much ? begin_wait() : NULL;
    free_old(self, 0);
    mapped__guard_remove(&self->guard);
    mapped__unmap(&self->mapping);
    if (much)
        end_wait(context);
    if (self->hook != NULL)
        self->hook(self->context);
    self->hook = NULL;
}

/* Other threads may be between their two checks, or use a pointer that they
 * have kept, so the pages go and the addresses stay. If even that fails the
 * file stays mapped until the last release; nobody reaches it, because the live
 * length is 0. */
static void revoke_memory(mapped__region *self)
{
    (void)mapped__region_unprotect_pages(self, NULL);
    if (self->mapping.used > 0)
        (void)mapped__map_revoke(&self->mapping, 0, self->mapping.used, NULL);
    for (mapped__old_mapping *old = self->old_mappings; old != NULL;
         old = old->next)
        (void)mapped__map_revoke(&old->mapping, 0, old->mapping.used, NULL);
}

/* Both may wait for a disk or a network. */
static void end_file(mapped__region *self, size_t length)
{
    void *context = begin_wait();
    mapped__region_trim(self, length, length);
    mapped__file_close(self->file);
    self->file = MAPPED__NO_FILE;
    end_wait(context);
}

/* The state comes first: a reader who meets the length 0 then knows why. */
static void end_access(mapped__region *self)
{
    size_t length = self->length;
    __atomic_fetch_or(&self->head.state_, MAPPED__STATE_CLOSED,
                      __ATOMIC_SEQ_CST);
    mapped__region_publish_length(self, 0);
    if (self->file != MAPPED__NO_FILE)
        end_file(self, length);
    mapped__readahead_stop(self->ahead);
    self->ahead = NULL;
}

/* Runs once, when access has ended and no export is left. */
static void end_memory(mapped__region *self)
{
    if (mapped__region_is_unreached(self))
        free_memory(self);
    else
        revoke_memory(self);
}

static bool is_unused(const mapped__region *self)
{
    return mapped__region_is_unreached(self) &&
           mapped_region_exports(&self->head) == 0;
}

mapped_status mapped_region_close(mapped_region *region, mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock_unexported(self, "close", error);
    if (status == MAPPED_CLOSED) {
        /* An earlier close has left the memory to those who used it then. */
        if (self != NULL && is_unused(self))
            free_memory(self);
        return MAPPED_OK;
    }
    if (status != MAPPED_OK)
        return status;
    end_access(self);
    end_memory(self);
    unlock(self, MAPPED__CONTROL_CLOSED);
    return MAPPED_OK;
}

/* If there are exports, unlocks the region, closed and retired: the last export
 * frees the memory when it ends. Returns how many exports there are; 0: nothing
 * has changed. */
static size_t leave_to_exports(mapped__region *self)
{
    uint64_t seen = control_of(self);
    uint64_t next;
    do {
        if ((seen & MAPPED__CONTROL_EXPORTS) == 0)
            return 0;
        next = (seen & ~MAPPED__CONTROL_WHILE_LOCKED) | MAPPED__CONTROL_CLOSED |
               MAPPED__CONTROL_RETIRED;
    } while (!swap_control(self, &seen, next));
    if (seen & MAPPED__CONTROL_AWAITED)
        mapped__wake(flags_of(self));
    return (size_t)(seen & MAPPED__CONTROL_EXPORTS);
}

size_t mapped_region_retire(mapped_region *region)
{
    mapped__region *self = mapped__region_of(region);
    if (mapped__region_lock(self, "close", NULL) != MAPPED_OK)
        return mapped_region_exports(region);
    __atomic_fetch_or(&self->control, MAPPED__CONTROL_NO_NEW_EXPORTS,
                      __ATOMIC_ACQ_REL);
    end_access(self);
    size_t exports = leave_to_exports(self);
    if (exports > 0)
        return exports;
    end_memory(self);
    unlock(self, MAPPED__CONTROL_CLOSED);
    return 0;
}

/* Frees the memory after the last export of a retired region. Nobody can begin
 * another export, and nobody else locks a closed region. */
static void end_retired(mapped__region *self)
{
    assert(!mapped__region_is_locked(self));
    uint64_t kept = control_of(self) & MAPPED__CONTROL_EXPORTED;
    MAPPED__STORE_RELEASE(&self->control, kept | MAPPED__CONTROL_CLOSED |
                                              MAPPED__CONTROL_LOCKED);
    end_memory(self);
    unlock(self, MAPPED__CONTROL_CLOSED);
}

void mapped__region_end_export(mapped_region *region)
{
    mapped__region *self = mapped__region_of(region);
    uint64_t left = __atomic_sub_fetch(&self->control, 1, __ATOMIC_ACQ_REL);
    assert((left & MAPPED__CONTROL_EXPORTS) != MAPPED__CONTROL_EXPORTS);
    if ((left & (MAPPED__CONTROL_EXPORTS | MAPPED__CONTROL_RETIRED)) ==
        MAPPED__CONTROL_RETIRED)
        end_retired(self);
}

void mapped_region_acquire(mapped_region *region)
{
    if (region == NULL)
        return;
    uint32_t before = __atomic_fetch_add(&mapped__region_of(region)->references,
                                         1, __ATOMIC_RELAXED);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
}

void mapped__region_free(mapped__region *self)
{
    MAPPED__STORE(&self->head.traits_,
                  self->head.traits_ & ~MAPPED__TRAIT_PROTECTED);
    free(self->protection);
    self->protection = NULL;
    if (!self->in_callers_memory)
        free(self);
}

/* A region in memory of the caller's goes on answering, as closed. */
void mapped_region_release(mapped_region *region)
{
    if (region == NULL)
        return;
    mapped__region *self = mapped__region_of(region);
    uint32_t references =
        __atomic_fetch_sub(&self->references, 1, __ATOMIC_ACQ_REL);
    assert(references > 0);
    if (references != 1)
        return;
    assert(!mapped__region_is_locked(self));
    uint64_t before = __atomic_fetch_or(&self->control, MAPPED__CONTROL_CLOSED,
                                        __ATOMIC_ACQ_REL);
    if (!(before & MAPPED__CONTROL_CLOSED))
        end_access(self);
    free_memory(self);
    mapped__region_free(self);
}

void mapped_region_copy_on_move(mapped_region *region)
{
    if (region != NULL)
        MAPPED__STORE(&mapped__region_of(region)->copies, true);
}

void mapped_region_keep_addresses(mapped_region *region)
{
    if (region != NULL && !mapped__region_of(region)->wrapped)
        MAPPED__STORE(&mapped__region_of(region)->keeps, true);
}

size_t mapped_region_length(const mapped_region *region)
{
    return region == NULL
               ? 0
               : MAPPED__LOAD_ACQUIRE(&mapped__region_of(region)->length);
}

size_t mapped_region_copied(const mapped_region *region)
{
    return region == NULL ? 0
                          : MAPPED__LOAD(&mapped__region_of(region)->copied);
}

bool mapped_region_closed(const mapped_region *region)
{
    return region == NULL ||
           MAPPED__LOAD_ACQUIRE(&region->state_) & MAPPED__STATE_CLOSED;
}

bool mapped_region_readonly(const mapped_region *region)
{
    return region != NULL &&
           MAPPED__LOAD(&region->traits_) & MAPPED__TRAIT_READONLY;
}

bool mapped_region_device(const mapped_region *region)
{
    return mapped__is_device(region);
}

mapped_mode mapped_region_mode(const mapped_region *region)
{
    return region == NULL ? MAPPED_MODE_READ : mapped__region_of(region)->mode;
}

uint64_t mapped_region_file_offset(const mapped_region *region)
{
    return region == NULL ? 0 : mapped__region_of(region)->offset;
}

const char *mapped_region_name(const mapped_region *region)
{
    return region == NULL ? NULL : mapped__region_of(region)->name;
}

/* The guard's table knows every region from before it is opened until its
 * memory is gone, so nothing is counted where regions are made or exported.
 */
static void count_region(mapped__guard *guard, void *context)
{
    mapped_statistics *sum = context;
    const mapped__region *self = mapped__region_of_guard(guard);
    uint64_t control = MAPPED__LOAD(&self->control);
    size_t exports = (size_t)(control & MAPPED__CONTROL_EXPORTS);
    if (control & MAPPED__CONTROL_CLOSED && exports == 0)
        return;
    sum->regions++;
    sum->bytes += MAPPED__LOAD(&self->length);
    sum->exports += exports;
}

void mapped_stats(mapped_statistics *statistics)
{
    mapped_statistics sum = {.faults = mapped__guard_faults()};
    mapped__guard_each(count_region, &sum);
    *statistics = sum;
}
