/* Following a file that others make longer, truncate, replace or remove.
 *
 * follow_file() asks the file that is mapped for its size, and lets
 * show_longer() or show_shorter() change the region. Only if the size is the
 * same does follow_path() look which file has the path now, and lets
 * change_file() change to it. So the region still shows what was added to the
 * old file before it shows the new one. For this it keeps a descriptor of the
 * file from the first refresh on.
 *
 * The region stays locked from the first question to the file until its new
 * length is published. */
#include <mapped/region.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "region_internal.h"

static const char *const change_texts[] = {"unchanged", "longer", "shorter",
                                           "replaced", "removed"};

const char *mapped_change_text(mapped_change change)
{
    bool known = (size_t)change < sizeof change_texts / sizeof change_texts[0];
    return known ? change_texts[change] : "unknown change";
}

/* Does the error say that no file has the path? */
static bool is_missing(mapped_status status, const mapped_error *error)
{
    return status == MAPPED_SYSTEM &&
           mapped__system_is_missing(error->os_error);
}

/* Finds how long the region is to be if the file's data ends at `data_end`. */
static mapped_status find_length(const mapped__region *self, uint64_t data_end,
                                 size_t *length, mapped_error *error)
{
    uint64_t left = data_end > self->offset ? data_end - self->offset : 0;
    uint64_t wanted = left < self->refresh_limit ? left : self->refresh_limit;
    if (wanted > SIZE_MAX / 2) {
        const mapped_error_range range = {
            .offset = self->offset, .length = wanted, .limit = SIZE_MAX / 2};
        return mapped_error_set_range(error, MAPPED_OVERFLOW, "refresh", range);
    }
    if (self->reserve != 0 && wanted > self->reserve)
        return mapped__error_set_length(error, MAPPED_ARGUMENT,
                                        "refresh: longer than the reserve",
                                        wanted, self->reserve);
    *length = (size_t)wanted;
    return MAPPED_OK;
}

/* Makes the last page of a private mapping show what the file has after the
 * region's last byte, up to `length`. If the page was written to, it is a copy,
 * which doesn't show what was added to the file since. Otherwise it shows that
 * already; then nothing is stored to it, which would make it a copy. */
static mapped_status fill_last_page(mapped__region *self, size_t length,
                                    mapped_error *error)
{
    unsigned char bytes[1024];
    mapped_status status = MAPPED_OK;
    const size_t page = self->mapping.page;
    size_t position = self->lead + self->length;
    size_t end = self->lead + length;
    size_t page_end = position - position % page + page;
    if (self->mode != MAPPED_MODE_COPY || position % page == 0 ||
        position >= self->mapping.used)
        return MAPPED_OK;
    if (end > page_end)
        end = page_end;
    for (size_t n; position < end && status == MAPPED_OK; position += n) {
        unsigned char *target = self->mapping.address + position;
        n = end - position < sizeof bytes ? end - position : sizeof bytes;
        status = mapped__file_read_at(
            self->file, self->offset - self->lead + position, bytes, n, error);
        if (status == MAPPED_OK && memcmp(target, bytes, n) != 0)
            memcpy(target, bytes, n);
    }
    return status;
}

/* Maps `length` bytes of the file. Another process may have appended in the
 * spare that this region has made. Then the bytes are mapped already. This
 * region gives up the spare, because it is the other process' to trim now. */
static mapped_status map_longer(mapped__region *self, size_t length,
                                mapped_error *error)
{
    bool is_mapped = length <= self->appends.capacity;
    mapped_status status = mapped__region_check_growable(self, error);
    if (status != MAPPED_OK)
        return status;
    MAPPED__STORE(&self->appends.capacity, 0);
    if (is_mapped)
        return MAPPED_OK;
    mapped__region_free_old_mappings(self);
    status = fill_last_page(self, length, error);
    return status == MAPPED_OK ? mapped__region_extend(self, length, error)
                               : status;
}

/* MAPPED_BUSY while there are appends that will fail because the file was
 * truncated: until they end they store their bytes where the longer file would
 * be shown.
 */
static mapped_status show_longer(mapped__region *self, size_t length,
                                 mapped_error *error)
{
    if (self->appends.invalidated > 0)
        return mapped__region_busy(self, "refresh", error);
    mapped_status status = mapped__region_unprotect_pages(self, error);
    if (status == MAPPED_OK)
        status = map_longer(self, length, error);
    if (status == MAPPED_OK)
        mapped__region_recover_past_end(self);
    mapped__region_publish(self, status == MAPPED_OK ? length : self->length);
    mapped__region_protect_pages(self);
    return status;
}

/* Notes that the file was truncated at `length`, on the list of recovered
 * stretches, which exports look at when they end. Those that reach past
 * `length` report it then, whether they have met a lost page or not: what they
 * have read before, or have stored, is not in the file any more. */
static void note_truncation(mapped__region *self, size_t length)
{
    const mapped__lost lost = {.offset = self->lead + length,
                               .length = self->length - length,
                               .first = self->lead + length,
                               .cause = ENODATA,
                               .truncated = true};
    mapped__guard_add_recovered(&self->guard, &lost);
}

/* Exports that reach past the new end go on, so the pages stay mapped for them:
 * they read zeros there and get MAPPED_FAULT when they end. The pages stay also
 * if there is a spare, because then the file still has them. */
static mapped_status show_shorter(mapped__region *self, size_t length,
                                  mapped_error *error)
{
    note_truncation(self, length);
    mapped__region_publish_length(self, length);
    mapped__region_shrink_protection(self, length);
    if (self->appends.capacity != 0 ||
        mapped__region_lock_exports(self, "refresh", NULL) != MAPPED_OK)
        return MAPPED_OK;
    mapped_status status = mapped__region_unprotect_pages(self, error);
    if (status == MAPPED_OK)
        status = mapped__region_drop_pages(self, length, error);
    mapped__region_protect_pages(self);
    return status;
}

/* MAPPED_BUSY if there is an export, or if somebody else may be in the middle
 * of an access. */
static mapped_status check_alone(mapped__region *self, mapped_error *error)
{
    mapped_status status = mapped__region_lock_exports(self, "refresh", error);
    if (status == MAPPED_OK && !mapped__region_is_unshared(self))
        status = mapped__region_busy(self, "refresh", error);
    return status;
}

/* Gives the addresses back, or keeps them with zero pages in `old`. */
static void leave_mapping(mapped__region *self, mapped__old_mapping *old)
{
    if (old == NULL) {
        mapped__unmap(&self->mapping);
        return;
    }
    (void)mapped__map_revoke(&self->mapping, 0, self->mapping.used, NULL);
    old->mapping = self->mapping;
    old->mapping.used = 0;
    old->next = self->old_mappings;
    self->old_mappings = old;
    mapped__region_moved(self);
}

/* Gives the region another file and its mapping. Nothing of this can fail.
 * `old` is memory to keep the addresses in, if they are to be kept. */
static void replace_file(mapped__region *self, intptr_t file,
                         const mapped__file_info *info,
                         const mapped__mapping *mapping,
                         mapped__old_mapping *old)
{
    mapped__region_trim_spare(self, self->length, self->length);
    mapped__region_free_old_mappings(self);
    mapped__guard_suspend(&self->guard);
    mapped__guard_forget(&self->guard, 0);
    leave_mapping(self, old);
    mapped__file_close(self->file);
    mapped__readahead_stop(self->ahead);
    self->ahead = NULL;
    self->file = file;
    self->file_device = info->device;
    self->file_serial = info->serial;
    self->mapping = *mapping;
    self->created = false;
    self->flush_error = 0;
    mapped__region_guard(self);
}

/* Makes the region show `file` from now on, and own it. */
static mapped_status change_file(mapped__region *self, intptr_t file,
                                 mapped__file_info *info, mapped_error *error)
{
    mapped__mapping mapping;
    mapped__old_mapping *old = NULL;
    size_t length;
    mapped_status status = find_length(
        self, mapped__region_data_end(self, file, info), &length, error);
    if (status == MAPPED_OK)
        status = check_alone(self, error);
    if (status != MAPPED_OK)
        return status;
    mapped__map_request request = mapped__region_map_request(self, length);
    request.file = file;
    if (mapped__region_has_kept_pointers(self)) {
        old = calloc(1, sizeof *old);
        if (old == NULL)
            return mapped_error_set(error, MAPPED_MEMORY, "refresh");
    }
    status = mapped__map(&request, &mapping, error);
    if (status != MAPPED_OK) {
        free(old);
        return status;
    }
    replace_file(self, file, info, &mapping, old);
    mapped__region_shrink_protection(self, 0);
    mapped__region_invalidate_appends(self);
    mapped__region_publish(self, length);
    mapped__region_protect_pages(self);
    return MAPPED_OK;
}

static mapped_status check_kind(const mapped__region *self,
                                const mapped__file_info *info,
                                mapped_error *error)
{
    if (info->kind != MAPPED__FILE_REGULAR)
        return mapped__file_refuse(info->kind, error);
    if (info->page != self->mapping.page)
        return mapped_error_set(error, MAPPED_UNSUPPORTED,
                                "refresh: another size of pages");
    return MAPPED_OK;
}

/* Finds which file has the path now. If it is not the one that is mapped, the
 * region changes to it. */
static mapped_status follow_path(mapped__region *self, mapped_change *change,
                                 mapped_error *error)
{
    intptr_t file;
    mapped__file_info info;
    bool created;
    unsigned flags =
        mapped__mode_shares_writes(self->mode) ? MAPPED__FILE_WRITE : 0;
    *change = MAPPED_UNCHANGED;
    if (!self->by_path)
        return MAPPED_OK;
    mapped_status status =
        mapped__file_open(self->path, flags, 0, &file, &created, error);
    if (is_missing(status, error)) {
        *change = MAPPED_REMOVED;
        return MAPPED_OK;
    }
    if (status != MAPPED_OK)
        return status;
    status = mapped__file_info_get(file, &info, error);
    bool is_same = status == MAPPED_OK &&
                   mapped__region_has_identity(self, info.device, info.serial);
    if (status == MAPPED_OK && !is_same)
        status = check_kind(self, &info, error);
    if (status == MAPPED_OK && !is_same)
        status = change_file(self, file, &info, error);
    if (status != MAPPED_OK || is_same)
        mapped__file_close(file);
    else
        *change = MAPPED_REPLACED;
    return status;
}

/* Follows the file that is mapped or, if it has nothing new, the path. */
static mapped_status follow_file(mapped__region *self, mapped_change *change,
                                 mapped_error *error)
{
    mapped__file_info info;
    size_t length;
    mapped_status status = mapped__file_info_get(self->file, &info, error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_drop_stale_spare(self, &info);
    status = find_length(self, mapped__region_data_end(self, self->file, &info),
                         &length, error);
    if (status != MAPPED_OK)
        return status;
    /* If the file is longer only because appends of this region are running,
     * their bytes are not there yet. */
    if (self->appends.running > 0 && length > self->length &&
        length <= self->appends.next)
        length = self->length;
    if (length == self->length)
        return follow_path(self, change, error);
    *change = length > self->length ? MAPPED_LONGER : MAPPED_SHORTER;
    return length > self->length ? show_longer(self, length, error)
                                 : show_shorter(self, length, error);
}

/* Makes sure that the region holds a descriptor. In the modes "r" and "c" it
 * has none before the first refresh, and can get one only if the file still has
 * its path. */
static mapped_status keep_descriptor(mapped__region *self, mapped_error *error)
{
    if (!self->is_file || self->fixed)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "refresh");
    if (self->file != MAPPED__NO_FILE)
        return MAPPED_OK;
    return mapped__region_open_file(self, &self->file, error);
}

/* A region without a descriptor that can't get one has been replaced or
 * removed: its path is another file's or nobody's. */
static mapped_status refresh(mapped__region *self, mapped_change *change,
                             mapped_error *error)
{
    assert(mapped__region_is_locked(self));
    mapped_status status = keep_descriptor(self, error);
    if (status == MAPPED_OK)
        return follow_file(self, change, error);
    if (status == MAPPED_STALE || is_missing(status, error))
        return follow_path(self, change, error);
    return status;
}

mapped_status mapped_region_refresh(mapped_region *region,
                                    mapped_change *change, mapped_error *error)
{
    mapped_change found;
    mapped_error reason; /* is_missing reads it, also if nothing fails */
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "refresh", error);
    if (status != MAPPED_OK)
        return status;
    status = refresh(self, &found, &reason);
    mapped__region_unlock(self);
    if (status == MAPPED_OK)
        *change = found;
    else if (error != NULL)
        *error = reason;
    return mapped__region_complete_error(region, "refresh", status, error);
}
