/* What a region reports of its lost pages. The guard records pages of a
 * mapping; here they become bytes of the region, and the file is asked why they
 * are lost. That is done with the region locked, so that nobody closes the file
 * meanwhile. */
#include <mapped/fault.h>

#include <assert.h>
#include <errno.h>

#include <mapped/checked.h>
#include <mapped/guard.h>

#include "region_internal.h"

mapped_status mapped__region_watch(mapped__region *self, mapped_error *error)
{
    mapped__guard *guard = &self->guard;
    guard->state = &self->head.state_;
    guard->lost_bit = MAPPED__STATE_LOST;
    guard->after_fork = mapped__region_reset_in_child;
    return mapped__guard_add(guard, error);
}

void mapped__region_guard(mapped__region *self)
{
    const mapped__mapping *mapping = &self->mapping;
    assert(mapping->used <= mapping->reserved);
    /* Handlers read both without a lock, so they are set only once. */
    if (self->guard.base == NULL) {
        self->guard.page_size = mapping->page;
        self->guard.writable = mapping->flags & MAPPED__MAP_WRITE;
    }
    mapped__guard_move(&self->guard, mapping->address, mapping->reserved,
                       mapping->used);
}

/* Finds why a page is lost. Of memory without a file it is that the explicit
 * huge pages ran out, or that the memory is broken. `*is_uncertain` is set if
 * the file couldn't be opened for want of a descriptor: then a later call may
 * find another cause. */
static int diagnose(const mapped__region *self, const mapped__lost *lost,
                    bool *is_uncertain)
{
    intptr_t file;
    mapped_error error;
    *is_uncertain = false;
    if (lost->poisoned)
        return EIO;
    if (self->file == MAPPED__NO_FILE && self->name == NULL)
        return self->mapping.flags & MAPPED__MAP_HUGETLB ? ENOSPC : EIO;
    if (mapped__region_open_file(self, &file, &error) != MAPPED_OK) {
        *is_uncertain = mapped_error_is_shortage(&error);
        return EIO;
    }
    uint64_t offset = self->offset - self->lead + lost->first;
    int cause = mapped__file_fault_cause(file, offset);
    mapped__region_close_file(self, file);
    return cause;
}

/* The cause is kept, because later the disk may have space again. */
int mapped__region_fault_cause(mapped__region *self, const mapped__lost *lost)
{
    if (lost->cause != 0)
        return lost->cause;
    bool is_uncertain;
    int cause = diagnose(self, lost, &is_uncertain);
    if (!is_uncertain)
        mapped__guard_set_cause(&self->guard, lost->offset, cause);
    return cause;
}

/* Lost stretches are reported as far as this length. The length of a closed
 * region is 0, but its exports show what it had before. */
static size_t reported_length(const mapped__region *self)
{
    return mapped_region_closed(&self->head)
               ? self->longest
               : mapped_region_length(&self->head);
}

/* Returns which bytes of a region of that length these pages of the mapping
 * are: without the lead before its first byte, and without the rest of the page
 * after its last. */
static mapped_lost_range in_region(const mapped__region *self, size_t length,
                                   const mapped__lost *lost)
{
    size_t end = lost->length > SIZE_MAX - lost->offset
                     ? SIZE_MAX
                     : lost->offset + lost->length;
    size_t start = lost->offset > self->lead ? lost->offset - self->lead : 0;
    end = end > self->lead ? end - self->lead : 0;
    if (end > length)
        end = length;
    mapped_lost_range range = {start, end > start ? end - start : 0, 0};
    return range;
}

static void name_range(const mapped__region *self, const mapped__lost *lost,
                       const char *what, mapped_error *error)
{
    size_t length = reported_length(self);
    /* What lies behind the region is lost only to exports. */
    if (lost->offset >= self->lead + length)
        length = self->longest;
    mapped_lost_range bytes = in_region(self, length, lost);
    const mapped_error_range range = {
        .offset = bytes.offset, .length = bytes.length, .limit = length};
    mapped_error_set_range(error, MAPPED_FAULT, what, range);
}

static mapped_status report(mapped__region *self, const mapped__lost *lost,
                            mapped_error *error)
{
    assert(mapped__region_is_locked(self) || mapped_region_closed(&self->head));
    name_range(self, lost, "access", error);
    if (error != NULL)
        error->os_error = mapped__region_fault_cause(self, lost);
    return mapped__region_report_error(&self->head, "access", MAPPED_FAULT,
                                       error);
}

/* Is a byte of [at, at + n) of the mapping lost? Then `*lost` is the stretch,
 * and `lost->first`, where the file is asked for the cause, is in this range.
 */
static bool find_lost(mapped__region *self, size_t at, size_t n,
                      mapped__lost *lost)
{
    if (n == 0 || !mapped__guard_find_lost(&self->guard, at, n, lost))
        return false;
    lost->first = at > lost->offset ? at : lost->offset;
    return true;
}

/* The region is locked while the file is asked, so that nobody closes it.
 * MAPPED_CLOSED if the region was closed before that. */
mapped_status mapped__region_check_range(mapped_region *region, size_t offset,
                                         size_t n, mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    if (!find_lost(self, offset + self->lead, n, &lost))
        return MAPPED_OK;
    mapped_status status = mapped__region_lock(self, "access", error);
    if (status != MAPPED_OK)
        return status;
    status = report(self, &lost, error);
    mapped__region_unlock(self);
    return status;
}

/* A closed region is not locked for the report: it has no file any more that
 * somebody could close. */
mapped_status mapped__region_check_export(mapped_region *region, size_t offset,
                                          size_t n, mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_check_range(region, offset, n, error);
    if (status != MAPPED_CLOSED ||
        !find_lost(self, offset + self->lead, n, &lost))
        return status;
    return report(self, &lost, error);
}

mapped_status mapped__region_check_recovered(mapped_region *region,
                                             const mapped__lost *bytes,
                                             uint64_t recoveries,
                                             mapped_error *error)
{
    mapped__lost found, pages = *bytes;
    mapped__region *self = mapped__region_of(region);
    pages.offset += self->lead;
    if (pages.length == 0 ||
        mapped_region_recovery_count(region) == recoveries ||
        !mapped__guard_find_recovered(&self->guard, recoveries, &pages, &found))
        return MAPPED_OK;
    name_range(self, &found, "access before recovery", error);
    if (error != NULL)
        error->os_error = found.cause != 0 ? found.cause : EIO;
    return mapped__region_report_error(region, "access before recovery",
                                       MAPPED_FAULT, error);
}

mapped_status mapped__region_check_pages(mapped__region *self, size_t at,
                                         size_t n, mapped_error *error)
{
    mapped__lost lost;
    if (!mapped__guard_find_lost(&self->guard, at, n, &lost))
        return MAPPED_OK;
    return report(self, &lost, error);
}

mapped_status mapped__region_check_all(mapped__region *self,
                                       mapped_error *error)
{
    return self->length == 0 ? MAPPED_OK
                             : mapped__region_check_pages(self, self->lead,
                                                          self->length, error);
}

mapped_status mapped_region_check(mapped_region *region, mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "check", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_check_all(self, error);
    mapped__region_unlock(self);
    return mapped__region_report(region, "check", status, error);
}

mapped_status mapped_region_faults(mapped_region *region,
                                   mapped_lost_range *ranges, size_t capacity,
                                   size_t *count, mapped_error *error)
{
    mapped__lost lost[MAPPED__LOST_ROOM];
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "faults", error);
    if (status != MAPPED_OK)
        return status;
    size_t stretches =
        mapped__guard_copy_lost(&self->guard, lost, MAPPED__LOST_ROOM);
    size_t found = 0;
    for (size_t i = 0; i < stretches; i++) {
        mapped_lost_range range =
            in_region(self, mapped_region_length(&self->head), &lost[i]);
        if (range.length == 0)
            continue;
        if (found < capacity) {
            range.os_error = mapped__region_fault_cause(self, &lost[i]);
            ranges[found] = range;
        }
        found++;
    }
    mapped__region_unlock(self);
    *count = found;
    return MAPPED_OK;
}

uint64_t mapped_region_fault_count(const mapped_region *region)
{
    return region == NULL
               ? 0
               : MAPPED__LOAD_ACQUIRE(&mapped__region_of(region)->guard.faults);
}
