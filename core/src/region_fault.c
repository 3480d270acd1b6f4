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

/* Returns which of the first `length` bytes of the region a stretch of the
 * mapping holds: not the lead before the region's first byte, and not the rest
 * of the page after its last. */
static mapped_lost_range bytes_of_stretch(const mapped__region *self,
                                          const mapped__lost *lost,
                                          size_t length)
{
    size_t end = lost->length > SIZE_MAX - lost->offset
                     ? SIZE_MAX
                     : lost->offset + lost->length;
    size_t start = lost->offset > self->lead ? lost->offset - self->lead : 0;
    end = end > self->lead ? end - self->lead : 0;
    if (end > length)
        end = length;
    return (mapped_lost_range){start, end > start ? end - start : 0, 0};
}

/* MAPPED_FAULT with the bytes of the stretch, because of `cause`. */
static mapped_status refuse_lost(const mapped__region *self,
                                 const mapped__lost *lost, int cause,
                                 const char *operation, mapped_error *error)
{
    size_t length = mapped_region_length(&self->head);
    mapped_lost_range bytes = bytes_of_stretch(self, lost, length);
    if (bytes.length == 0) { /* an export shows them: the region has shrunk */
        length = self->longest;
        bytes = bytes_of_stretch(self, lost, length);
    }
    const mapped_error_range range = {
        .offset = bytes.offset, .length = bytes.length, .limit = length};
    mapped_error_set_range(error, MAPPED_FAULT, operation, range);
    if (error != NULL)
        error->os_error = cause;
    return mapped__region_fill_error(&self->head, operation, MAPPED_FAULT,
                                     error);
}

static mapped_status report(mapped__region *self, const mapped__lost *lost,
                            mapped_error *error)
{
    assert(mapped__region_is_locked(self) || mapped_region_closed(&self->head));
    int cause = error != NULL ? mapped__region_fault_cause(self, lost) : 0;
    return refuse_lost(self, lost, cause, "access", error);
}

/* Is a byte of [offset, offset + n) of the region lost? Then `*lost` is the
 * first stretch noted that holds one. */
static bool find_lost(mapped__region *self, size_t offset, size_t n,
                      mapped__lost *lost)
{
    return n > 0 && mapped__region_has_lost(self) &&
           mapped__guard_find_lost(&self->guard, self->lead + offset, n, lost);
}

/* The same for an access to these bytes: the file is asked for the cause at the
 * first lost page of the access, not of the stretch. */
static bool find_accessed(mapped__region *self, size_t offset, size_t n,
                          mapped__lost *lost)
{
    size_t start = self->lead + offset;
    if (!find_lost(self, offset, n, lost))
        return false;
    lost->first = start > lost->offset ? start : lost->offset;
    return true;
}

mapped_status mapped__region_check_lost(mapped_region *region, size_t offset,
                                        size_t n, mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    if (!find_accessed(self, offset, n, &lost))
        return MAPPED_OK;
    mapped_status status = mapped__region_lock(self, "access", error);
    if (status != MAPPED_OK)
        return status;
    status = report(self, &lost, error);
    mapped__region_unlock(self);
    return status;
}

/* A closed region can't be locked, and needn't be: it has no file any more that
 * somebody could close. */
mapped_status mapped__region_check_lost_in_export(mapped_region *region,
                                                  size_t offset, size_t n,
                                                  mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    if (!find_accessed(self, offset, n, &lost))
        return MAPPED_OK;
    bool is_open = mapped__region_lock(self, "access", NULL) == MAPPED_OK;
    mapped_status status = report(self, &lost, error);
    if (is_open)
        mapped__region_unlock(self);
    return status;
}

mapped_status
mapped__region_check_recovered(mapped_region *region,
                               const mapped__recovered_query *query,
                               mapped_error *error)
{
    mapped__lost lost;
    mapped__recovered_query in_mapping = *query;
    mapped__region *self = mapped__region_of(region);
    in_mapping.offset += self->lead;
    if (query->length == 0 ||
        mapped_region_recovery_count(region) == query->since ||
        !mapped__guard_find_recovered(&self->guard, &in_mapping, &lost))
        return MAPPED_OK;
    return refuse_lost(self, &lost, lost.cause != 0 ? lost.cause : EIO,
                       "access before recovery", error);
}

mapped_status mapped__region_check_lost_locked(mapped__region *self,
                                               size_t offset, size_t n,
                                               mapped_error *error)
{
    mapped__lost lost;
    if (!find_lost(self, offset, n, &lost))
        return MAPPED_OK;
    return report(self, &lost, error);
}

mapped_status mapped__region_check_nothing_lost(mapped__region *self,
                                                mapped_error *error)
{
    return mapped__region_check_lost_locked(self, 0, self->length, error);
}

mapped_status mapped_region_check(mapped_region *region, mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "check", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_check_nothing_lost(self, error);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "check", status, error);
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
    size_t range_count = 0;
    for (size_t i = 0; i < stretches; i++) {
        mapped_lost_range range =
            bytes_of_stretch(self, &lost[i], self->length);
        if (range.length == 0) /* past the region's end */
            continue;
        if (range_count < capacity) {
            range.os_error = mapped__region_fault_cause(self, &lost[i]);
            ranges[range_count] = range;
        }
        range_count++;
    }
    mapped__region_unlock(self);
    *count = range_count;
    return MAPPED_OK;
}

uint64_t mapped_region_fault_count(const mapped_region *region)
{
    return region == NULL
               ? 0
               : MAPPED__LOAD_ACQUIRE(&mapped__region_of(region)->guard.faults);
}
