/* The life of a region: the lengths that inline code checks against, and the
 * end of access and of memory. There are three ways to end a region.
 *
 * - close: ends access and, if there are no exports, memory.
 *
 * - retire: ends access. The last export ends the memory.
 *
 * - release, of the last reference: ends what is left of both.
 *
 * Access ends before memory does: the live length is 0 and the state says
 * closed before a page is replaced or unmapped. Memory is freed, that is
 * unmapped, when nobody can reach its addresses any more. While somebody can it
 * is revoked instead: zero pages take its place at these addresses. */
#include <mapped/region.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

mapped_status mapped__region_fill_error(const mapped_region *region,
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
void mapped__region_publish_length(mapped__region *self, size_t length)
{
    bool shrinks = length < self->length;
    assert(length == 0 || self->wrapped ||
           (self->lead <= self->mapping.used &&
            length <= self->mapping.used - self->lead));
    if (length < self->longest)
        __atomic_fetch_or(&self->head.state_, MAPPED__STATE_SHRUNK,
                          __ATOMIC_SEQ_CST);
    store_length(self, length);
    if (length >= self->longest) {
        self->longest = length;
        __atomic_fetch_and(&self->head.state_, ~MAPPED__STATE_SHRUNK,
                           __ATOMIC_SEQ_CST);
    }
    if (shrinks)
        mapped__region_invalidate_appends(self);
    else if (self->appends.next < length)
        self->appends.next = length;
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

/* The sums don't overflow: opening the region has checked the reserve, and
 * whatever changes the length has checked that. */
mapped__map_request mapped__region_map_request(const mapped__region *self,
                                               size_t length)
{
    size_t reserve = (size_t)self->reserve;
    assert(length <= SIZE_MAX - self->lead && reserve <= SIZE_MAX - self->lead);
    return (mapped__map_request){
        .file = self->file,
        .offset = self->offset - self->lead,
        .length = length > 0 ? length + self->lead : 0,
        .reserve = reserve > 0 ? reserve + self->lead : 0,
        .page = self->mapping.page,
        .flags = self->mapping.flags & ~MAPPED__MAP_POPULATE};
}

/* Frees the mappings that the region has moved away from, but for the `kept`
 * latest. */
static void free_old_mappings(mapped__region *self, size_t kept)
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
#define MAX_KEPT_MAPPINGS 64

void mapped__region_free_old_mappings(mapped__region *self)
{
    if (mapped_region_exports(&self->head) == 0)
        free_old_mappings(self, self->keeps_addresses ? MAX_KEPT_MAPPINGS : 0);
}

/* To unmap so much may take long. */
#define SLOW_TO_UNMAP ((size_t)16 << 20)

/* Nobody can reach the addresses. */
static void free_memory(mapped__region *self)
{
    bool is_slow = self->mapping.reserved >= SLOW_TO_UNMAP;
    void *context = is_slow ? mapped__region_begin_wait() : NULL;
    free_old_mappings(self, 0);
    mapped__guard_remove(&self->guard);
    mapped__unmap(&self->mapping);
    if (is_slow)
        mapped__region_end_wait(context);
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

/* Access has ended and no export is left. */
static void free_or_revoke_memory(mapped__region *self)
{
    if (mapped__region_can_unmap(self))
        free_memory(self);
    else
        revoke_memory(self);
}

/* Both steps may wait for a disk or a network. */
static void trim_and_close_file(mapped__region *self, size_t length)
{
    void *context = mapped__region_begin_wait();
    mapped__region_trim_spare(self, length, length);
    mapped__file_close(self->file);
    self->file = MAPPED__NO_FILE;
    mapped__region_end_wait(context);
}

/* The state comes first: a reader who meets the length 0 then knows why. */
static void end_access(mapped__region *self)
{
    size_t length = self->length;
    __atomic_fetch_or(&self->head.state_, MAPPED__STATE_CLOSED,
                      __ATOMIC_SEQ_CST);
    mapped__region_publish_length(self, 0);
    if (self->file != MAPPED__NO_FILE)
        trim_and_close_file(self, length);
    mapped__readahead_stop(self->ahead);
    self->ahead = NULL;
}

/* A region that is closed again may have been left by those for whom the first
 * close had to keep its addresses. */
static void close_again(mapped__region *self)
{
    if (self != NULL && mapped__region_can_unmap(self) &&
        mapped_region_exports(&self->head) == 0)
        free_memory(self);
}

mapped_status mapped_region_close(mapped_region *region, mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock_unexported(self, "close", error);
    if (status == MAPPED_CLOSED) {
        close_again(self);
        return MAPPED_OK;
    }
    if (status != MAPPED_OK)
        return status;
    end_access(self);
    free_or_revoke_memory(self);
    mapped__region_unlock_closed(self);
    return MAPPED_OK;
}

size_t mapped_region_retire(mapped_region *region)
{
    mapped__region *self = mapped__region_of(region);
    if (mapped__region_lock(self, "close", NULL) != MAPPED_OK)
        return mapped_region_exports(region);
    (void)mapped__region_stop_new_exports(self);
    end_access(self);
    size_t exports = mapped__region_unlock_retired(self);
    if (exports > 0) /* the end of the last one frees the memory */
        return exports;
    free_or_revoke_memory(self);
    mapped__region_unlock_closed(self);
    return 0;
}

void mapped__region_end_export(mapped_region *region)
{
    mapped__region *self = mapped__region_of(region);
    if (!mapped__region_count_export_end(self))
        return;
    free_or_revoke_memory(self);
    mapped__region_unlock_closed(self);
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
    if (!mapped_region_closed(region) &&
        mapped__region_lock(self, "close", NULL) == MAPPED_OK) {
        end_access(self);
        mapped__region_unlock_closed(self);
    }
    free_memory(self);
    mapped__region_free_struct(self);
}

void mapped_region_copy_on_move(mapped_region *region)
{
    if (region != NULL)
        MAPPED__STORE(&mapped__region_of(region)->copies_on_move, true);
}

void mapped_region_keep_addresses(mapped_region *region)
{
    if (region != NULL && !mapped__region_of(region)->wrapped)
        MAPPED__STORE(&mapped__region_of(region)->keeps_addresses, true);
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
