/* Maps the file back over lost pages, at the same addresses, in two steps:
 *
 * - mapped_region_recover_begin restores the pages: it maps the file there, in
 *   the region's mapping and in old ones that exports show, and reads a byte of
 *   each page, which is noted as lost again if it still can't be had. What is
 *   restored goes on counting as lost.
 *
 * - mapped_region_recover_end lets it count as recovered. Nobody may be in the
 *   middle of an access then: a page that was zero when the access read it
 *   would be taken for the file's. */
#include <mapped/fault.h>

#include <assert.h>

#include <mapped/guard.h>

#include "region_internal.h"

/* Reads a byte of every page, so that one that still can't be had faults again
 * and is noted again. A device's registers are not read for nothing; and with
 * the guard switched off it is for the caller to find out. */
static void touch(const mapped__region *self, size_t offset, size_t length)
{
    const volatile unsigned char *pages = self->mapping.address + offset;
    if (mapped_region_device(&self->head) || !mapped_guard_enabled())
        return;
    for (size_t at = 0; at < length; at += self->mapping.page)
        (void)pages[at];
}

/* How many bytes of a lost stretch a mapping has. An old one may end before the
 * stretch does, and so may one that has got shorter. */
static size_t length_in(const mapped__mapping *mapping,
                        const mapped__lost *lost)
{
    size_t left =
        mapping->used > lost->offset ? mapping->used - lost->offset : 0;
    return lost->length < left ? lost->length : left;
}

static mapped_status restore_in(mapped__mapping *mapping,
                                const mapped__map_request *request,
                                const mapped__lost *lost, mapped_error *error)
{
    size_t length = length_in(mapping, lost);
    if (length == 0)
        return MAPPED_OK;
    return mapped__map_restore(mapping, request, lost->offset, length, error);
}

static mapped_status restore(mapped__region *self, const mapped__lost *lost,
                             intptr_t file, mapped_error *error)
{
    mapped__map_request request =
        mapped__region_map_request(self, self->length);
    request.file = file;
    mapped_status status = restore_in(&self->mapping, &request, lost, error);
    for (mapped__old_mapping *old = self->old_mappings;
         old != NULL && status == MAPPED_OK; old = old->next)
        status = restore_in(&old->mapping, &request, lost, error);
    return status;
}

/* Restores each stretch that is lost now, once. One that is lost again when it
 * is touched goes to the end of the list, so the count is taken before the
 * loop. */
static mapped_status restore_all(mapped__region *self, intptr_t file,
                                 bool touch_pages, mapped_error *error)
{
    mapped__lost lost;
    mapped_status status = MAPPED_OK;
    size_t count = mapped__guard_count_unrestored(&self->guard);
    for (size_t i = 0; i < count && status == MAPPED_OK; i++) {
        if (!mapped__guard_mark_next_restored(&self->guard, &lost))
            break;
        (void)mapped__region_fault_cause(self, &lost); /* for later reports */
        status = restore(self, &lost, file, error);
        if (status == MAPPED_OK && touch_pages)
            touch(self, lost.offset, length_in(&self->mapping, &lost));
        if (status != MAPPED_OK)
            mapped__guard_mark_unrestored(&self->guard, &lost);
    }
    return status;
}

/* Opens the file, if there is one, and restores all that is lost. */
static mapped_status open_and_restore(mapped__region *self, mapped_error *error)
{
    intptr_t file = MAPPED__NO_FILE;
    mapped_status status = MAPPED_OK;
    if (mapped__guard_count_unrestored(&self->guard) == 0)
        return MAPPED_OK;
    if (self->wrapped)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "recover");
    if (self->file != MAPPED__NO_FILE || self->name != NULL)
        status = mapped__region_open_file(self, &file, error);
    if (status != MAPPED_OK)
        return status;
    status = restore_all(self, file, true, error);
    mapped__region_protect_pages(self);
    mapped__region_close_file(self, file);
    return status;
}

/* If only pages past the region's end are lost, it is no error that they
 * can't be had. */
static mapped_status restore_needed(mapped__region *self, mapped_error *error)
{
    if (mapped__region_check_nothing_lost(self, NULL) != MAPPED_OK)
        return open_and_restore(self, error);
    (void)open_and_restore(self, NULL);
    return MAPPED_OK;
}

void mapped__region_recover_past_end(mapped__region *self)
{
    assert(mapped__region_is_locked(self));
    if (self->appends.running > 0 ||
        mapped__guard_count_unrestored(&self->guard) == 0 ||
        mapped__region_check_nothing_lost(self, NULL) != MAPPED_OK)
        return;
    (void)restore_all(self, self->file, false, NULL);
    mapped__guard_end_recovery(&self->guard);
}

mapped_status mapped__region_map_anew(mapped__region *self, size_t start,
                                      size_t end, unsigned added_flags)
{
    mapped__map_request request =
        mapped__region_map_request(self, self->length);
    request.flags |= added_flags;
    return mapped__map_restore(&self->mapping, &request, start, end - start,
                               NULL);
}

void mapped__region_map_anew_or_lose(mapped__region *self, size_t start,
                                     size_t end)
{
    const mapped__lost lost = {
        .offset = start, .length = end - start, .first = start};
    if (mapped__region_map_anew(self, start, end, 0) != MAPPED_OK)
        mapped__guard_add_lost(&self->guard, &lost);
}

/* After a write-back that failed the system takes the pages for clean. One byte
 * of each is stored over itself, in one step, so that they are written again.
 */
static void mark_dirty(mapped__region *self)
{
    const size_t page = mapped__page_size();
    size_t end =
        self->flush_end < self->length ? self->flush_end : self->length;
    for (size_t at = self->flush_start; at < end; at += page - at % page) {
        volatile unsigned char *byte = self->head.base_ + at;
        unsigned char same = *byte;
        __atomic_compare_exchange_n(byte, &same, same, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED);
    }
    self->flush_error = 0;
}

mapped_status mapped_region_recover_begin(mapped_region *region,
                                          mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "recover", error);
    if (status != MAPPED_OK)
        return status;
    status = restore_needed(self, error);
    if (status == MAPPED_OK && self->flush_error != 0 &&
        !mapped_region_readonly(region))
        mark_dirty(self);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "recover", status, error);
}

mapped_status mapped_region_recover_end(mapped_region *region,
                                        mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "recover", error);
    if (status != MAPPED_OK)
        return status;
    mapped__guard_end_recovery(&self->guard);
    status = mapped__region_check_nothing_lost(self, error);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "recover", status, error);
}

/* The recovery ends even if it failed: what has been restored counts. */
mapped_status mapped_region_recover(mapped_region *region, mapped_error *error)
{
    mapped_status begun = mapped_region_recover_begin(region, error);
    mapped_status ended =
        mapped_region_recover_end(region, begun == MAPPED_OK ? error : NULL);
    return begun == MAPPED_OK ? ended : begun;
}

/* Callers read this after they have read what is lost; the fence keeps that
 * order. */
uint64_t mapped_region_recovery_count(const mapped_region *region)
{
    if (region == NULL)
        return 0;
    MAPPED__LOAD_FENCE();
    return __atomic_load_n(&mapped__region_of(region)->guard.recoveries,
                           __ATOMIC_SEQ_CST);
}
