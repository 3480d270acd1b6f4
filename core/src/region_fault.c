/* What a region says of its lost pages, and how it gets them back. The guard
 * notes pages of a mapping; here they become bytes of the region, and the file
 * is asked why they are lost. That is done with the region locked, so that
 * nobody closes the file meanwhile. */
#include <mapped/fault.h>

#include <assert.h>
#include <errno.h>

#include <mapped/checked.h>
#include <mapped/guard.h>

#include "region_internal.h"

/* In the child of a fork. A region that another thread of the parent was
 * resizing, closing or looking into has no such thread here to finish it, and
 * there is no telling how far it came. So it is closed, and its memory stays
 * out of reach until the process ends. */
static void begin_in_child(mapped__guard *guard)
{
    mapped__region *self = mapped__region_of_guard(guard);
    uint64_t control = MAPPED__LOAD(&self->control);
    self->capacity = 0; /* the parent's to fill and to trim */
    self->appending = 0;
    self->next_place = self->length;
    if (!(control & MAPPED__CONTROL_LOCKED))
        return;
    __atomic_fetch_or(&self->head.state_, MAPPED__STATE_CLOSED,
                      __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&self->head.traits_, ~MAPPED__TRAIT_PROTECTED,
                       __ATOMIC_SEQ_CST);
    mapped__region_publish_length(self, 0);
    self->mapping.address = NULL;
    for (mapped__old_mapping *old = self->old_mappings; old != NULL;
         old = old->next)
        old->mapping.address = NULL;
    MAPPED__STORE(&self->control, (control & ~MAPPED__CONTROL_WHILE_LOCKED) |
                                      MAPPED__CONTROL_CLOSED);
}

mapped_status mapped__region_watch(mapped__region *self, mapped_error *error)
{
    mapped__guard *guard = &self->guard;
    guard->state = &self->head.state_;
    guard->lost_bit = MAPPED__STATE_LOST;
    guard->forked = begin_in_child;
    return mapped__guard_add(guard, error);
}

void mapped__region_guard(mapped__region *self)
{
    const mapped__mapping *mapping = &self->mapping;
    assert(mapping->used <= mapping->reserved);
    if (self->guard.base == NULL) { /* never change while a handler may look */
        self->guard.page = mapping->page;
        self->guard.writable = mapping->flags & MAPPED__MAP_WRITE;
    }
    mapped__guard_move(&self->guard, mapping->address, mapping->reserved,
                       mapping->used);
}

static mapped_status check_same_file(const mapped__region *self, intptr_t file,
                                     mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(file, &info, error);
    if (status == MAPPED_OK &&
        (info.device != self->file_device || info.serial != self->file_serial))
        status = mapped_error_set(error, MAPPED_STALE, "open");
    return status;
}

mapped_status mapped__region_open_file(const mapped__region *self,
                                       intptr_t *file, mapped_error *error)
{
    intptr_t opened;
    bool created;
    if (self->file != MAPPED__NO_FILE) {
        *file = self->file;
        return MAPPED_OK;
    }
    if (self->name == NULL)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "open");
    mapped_status status =
        mapped__file_open(self->path, 0, 0, &opened, &created, error);
    if (status != MAPPED_OK)
        return status;
    status = check_same_file(self, opened, error);
    if (status == MAPPED_OK)
        *file = opened;
    else
        mapped__file_close(opened);
    return status;
}

void mapped__region_close_file(const mapped__region *self, intptr_t file)
{
    if (file != self->file)
        mapped__file_close(file);
}

/* Without a file to ask: explicit huge pages run out, other memory breaks.
 * `*later` if another time can tell more: no descriptor was to be had. */
static int diagnose(const mapped__region *self, const mapped__lost *lost,
                    bool *later)
{
    intptr_t file;
    mapped_error error;
    *later = false;
    if (lost->poisoned)
        return EIO;
    if (self->file == MAPPED__NO_FILE && self->name == NULL)
        return self->mapping.flags & MAPPED__MAP_HUGETLB ? ENOSPC : EIO;
    if (mapped__region_open_file(self, &file, &error) != MAPPED_OK) {
        *later = mapped_error_is_shortage(&error);
        return EIO;
    }
    uint64_t offset = self->offset - self->lead + lost->first;
    int cause = mapped__file_diagnose(file, offset);
    mapped__region_close_file(self, file);
    return cause;
}

/* The answer is kept, because later the disk may have space again. */
static int cause_of(mapped__region *self, const mapped__lost *lost)
{
    if (lost->cause != 0)
        return lost->cause;
    bool later;
    int cause = diagnose(self, lost, &later);
    if (!later)
        mapped__guard_explain(&self->guard, lost->offset, cause);
    return cause;
}

/* The length that lost stretches are cut to. A retired region has none for new
 * accesses, but its exports show what it had. */
static size_t length_of(const mapped__region *self)
{
    return mapped_region_closed(&self->head)
               ? self->longest
               : mapped_region_length(&self->head);
}

/* Pages of the mapping as bytes of a region of that length: without the lead
 * before its first byte and the rest of the page after its last. */
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
    size_t length = length_of(self);
    if (lost->offset >= self->lead + length) /* an export shows it */
        length = self->longest;
    mapped_lost_range range = in_region(self, length, lost);
    const uint64_t numbers[3] = {range.offset, range.length, length};
    mapped_error_set_range(error, MAPPED_FAULT, what, numbers);
}

static mapped_status report(mapped__region *self, const mapped__lost *lost,
                            mapped_error *error)
{
    assert(mapped__region_is_locked(self) || mapped_region_closed(&self->head));
    name_range(self, lost, "access", error);
    if (error != NULL)
        error->os_error = cause_of(self, lost);
    return mapped__region_name_error(&self->head, "access", MAPPED_FAULT,
                                     error);
}

/* Whether a byte of [at, at + n) of the mapping is lost; then `*lost` is the
 * stretch, with the place in it to ask about. */
static bool find_lost(mapped__region *self, size_t at, size_t n,
                      mapped__lost *lost)
{
    if (n == 0 || !mapped__guard_lost(&self->guard, at, n, lost))
        return false;
    lost->first = at > lost->offset ? at : lost->offset;
    return true;
}

/* The region is locked while the file is looked at, so that nobody closes it. A
 * region closed in between says that instead. */
mapped_status mapped__region_lost(mapped_region *region, size_t offset,
                                  size_t n, mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    if (!find_lost(self, offset + self->lead, n, &lost))
        return MAPPED_OK;
    mapped_status status = mapped__region_lock(self, false, "access", error);
    if (status != MAPPED_OK)
        return status;
    status = report(self, &lost, error);
    mapped__region_unlock(self);
    return status;
}

/* A retired region has no file any more that somebody could close. */
mapped_status mapped__region_export_lost(mapped_region *region, size_t offset,
                                         size_t n, mapped_error *error)
{
    mapped__lost lost;
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lost(region, offset, n, error);
    if (status != MAPPED_CLOSED ||
        !find_lost(self, offset + self->lead, n, &lost))
        return status;
    return report(self, &lost, error);
}

mapped_status mapped__region_recovered(mapped_region *region,
                                       uint64_t recoveries, size_t offset,
                                       size_t n, mapped_error *error)
{
    mapped__lost found;
    mapped__region *self = mapped__region_of(region);
    const mapped__lost part = {.offset = offset + self->lead, .length = n};
    if (n == 0 || mapped_region_recovery_count(region) == recoveries ||
        !mapped__guard_recovered(&self->guard, recoveries, &part, &found))
        return MAPPED_OK;
    name_range(self, &found, "access before recovery", error);
    if (error != NULL)
        error->os_error = found.cause != 0 ? found.cause : EIO;
    return mapped__region_name_error(region, "access before recovery",
                                     MAPPED_FAULT, error);
}

mapped_status mapped__region_intact(mapped__region *self, size_t at, size_t n,
                                    mapped_error *error)
{
    mapped__lost lost;
    if (!mapped__guard_lost(&self->guard, at, n, &lost))
        return MAPPED_OK;
    return report(self, &lost, error);
}

mapped_status mapped__region_all_intact(mapped__region *self,
                                        mapped_error *error)
{
    return self->length == 0
               ? MAPPED_OK
               : mapped__region_intact(self, self->lead, self->length, error);
}

mapped_status mapped_region_check(mapped_region *region, mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, false, "check", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_all_intact(self, error);
    mapped__region_unlock(self);
    return mapped__region_name_status(region, "check", status, error);
}

mapped_status mapped_region_faults(mapped_region *region,
                                   mapped_lost_range *ranges, size_t capacity,
                                   size_t *count, mapped_error *error)
{
    mapped__lost lost[MAPPED__LOST_ROOM];
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, false, "faults", error);
    if (status != MAPPED_OK)
        return status;
    size_t all = mapped__guard_list(&self->guard, lost, MAPPED__LOST_ROOM);
    size_t found = 0;
    for (size_t i = 0; i < all; i++) {
        mapped_lost_range range =
            in_region(self, mapped_region_length(&self->head), &lost[i]);
        if (range.length == 0)
            continue;
        if (found < capacity) {
            range.os_error = cause_of(self, &lost[i]);
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

/* How much of a lost stretch a mapping has: one that was left, or has got
 * shorter, may end before it. */
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
    mapped__map_request request;
    if (!mapped__region_describe(self, self->length, &request)) {
        const uint64_t numbers[3] = {0, self->length, SIZE_MAX};
        return mapped_error_set_range(error, MAPPED_OVERFLOW, "recover",
                                      numbers);
    }
    request.file = file;
    mapped_status status = restore_in(&self->mapping, &request, lost, error);
    for (mapped__old_mapping *old = self->old_mappings;
         old != NULL && status == MAPPED_OK; old = old->next)
        status = restore_in(&old->mapping, &request, lost, error);
    if (status == MAPPED_OK)
        touch(self, lost->offset, length_in(&self->mapping, lost));
    return status;
}

/* Only what is lost now: what is lost again goes to the end of the list. */
static mapped_status restore_all(mapped__region *self, intptr_t file,
                                 mapped_error *error)
{
    mapped__lost lost;
    mapped_status status = MAPPED_OK;
    size_t count = mapped__guard_unrestored(&self->guard);
    for (size_t i = 0; i < count && status == MAPPED_OK; i++) {
        if (!mapped__guard_retry(&self->guard, &lost))
            break;
        (void)cause_of(self, &lost); /* for later reports */
        status = restore(self, &lost, file, error);
        if (status != MAPPED_OK)
            mapped__guard_add_lost(&self->guard, &lost);
    }
    return status;
}

static mapped_status restore_locked(mapped__region *self, mapped_error *error)
{
    intptr_t file = MAPPED__NO_FILE;
    mapped_status status = MAPPED_OK;
    if (mapped__guard_unrestored(&self->guard) == 0)
        return MAPPED_OK;
    if (self->wrapped)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "recover");
    if (self->file != MAPPED__NO_FILE || self->name != NULL)
        status = mapped__region_open_file(self, &file, error);
    if (status != MAPPED_OK)
        return status;
    status = restore_all(self, file, error);
    if (self->pages_protected)
        mapped__region_protect_pages(self);
    mapped__region_close_file(self, file);
    return status;
}

void mapped__region_recover_behind(mapped__region *self)
{
    assert(mapped__region_is_locked(self));
    if (mapped__guard_unrestored(&self->guard) == 0 ||
        mapped__region_all_intact(self, NULL) != MAPPED_OK)
        return;
    (void)restore_all(self, self->file, NULL);
    mapped__guard_end_recovery(&self->guard);
}

/* The pages of a flush that failed count as written. Storing a byte of each
 * over itself, in one step, makes the system write them again. */
static void change_again(mapped__region *self)
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
    mapped_status status = mapped__region_lock(self, false, "recover", error);
    if (status != MAPPED_OK)
        return status;
    bool intact = mapped__region_all_intact(self, NULL) == MAPPED_OK;
    status = restore_locked(self, intact ? NULL : error);
    if (intact) /* then what is lost lies behind the region's end */
        status = MAPPED_OK;
    if (status == MAPPED_OK && self->flush_error != 0 &&
        !mapped_region_readonly(region))
        change_again(self);
    mapped__region_unlock(self);
    return mapped__region_name_status(region, "recover", status, error);
}

mapped_status mapped_region_recover_end(mapped_region *region,
                                        mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, false, "recover", error);
    if (status != MAPPED_OK)
        return status;
    mapped__guard_end_recovery(&self->guard);
    status = mapped__region_all_intact(self, error);
    mapped__region_unlock(self);
    return mapped__region_name_status(region, "recover", status, error);
}

mapped_status mapped_region_recover(mapped_region *region, mapped_error *error)
{
    mapped_status begun = mapped_region_recover_begin(region, error);
    mapped_status ended =
        mapped_region_recover_end(region, begun == MAPPED_OK ? error : NULL);
    return begun == MAPPED_OK ? ended : begun;
}

/* Read after the caller has looked at what is lost. */
uint64_t mapped_region_recovery_count(const mapped_region *region)
{
    if (region == NULL)
        return 0;
    MAPPED__LOAD_FENCE();
    return __atomic_load_n(&mapped__region_of(region)->guard.recoveries,
                           __ATOMIC_SEQ_CST);
}
