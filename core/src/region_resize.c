/* Growing and shrinking regions. Three things change: the file, the mapping and
 * the length that is published. grow() makes the file longer, maps more of it
 * and then publishes the length. shrink() publishes the length, then makes the
 * file shorter, then drops the pages. So a length that another thread has read
 * never exceeds what is mapped, unless the state word says that the region has
 * shrunk.
 *
 * mapped__region_extend makes a mapping longer in the first of these ways that
 * is possible:
 *
 * - in place, into its reserve or over free addresses;
 *
 * - by moving it;
 *
 * - by a second mapping, if exports show the first or the system can't move it.
 *   The second is the region's mapping from then on. The first stays on the
 *   region's list of old mappings until it is freed with them, when there is no
 *   export any more.
 *
 * The latter two change the addresses, so they need that no other thread can be
 * in an access (mapped__region_is_unshared). */
#include <mapped/region.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

static mapped_status check_resizable(const mapped__region *self,
                                     uint64_t length, bool for_append,
                                     mapped_error *error)
{
    const uint64_t max_length = SIZE_MAX / 2;
    if (self->mode == MAPPED_MODE_READ)
        return mapped_error_set(error, MAPPED_READONLY, "resize");
    if (self->mode == MAPPED_MODE_COPY || self->wrapped || self->fixed)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "resize");
    if (self->reserve != 0 && length > self->reserve)
        return mapped__error_set_length(error, MAPPED_ARGUMENT,
                                        for_append
                                            ? "append: longer than the reserve"
                                            : "resize: longer than the reserve",
                                        length, self->reserve);
    if (length > max_length ||
        !mapped_range_fits_u64(self->offset, length, INT64_MAX))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "resize",
                                        length, max_length);
    return MAPPED_OK;
}

/* Makes the mapping as long as `length` bytes of the region take. */
static mapped_status remap(mapped__region *self, size_t length, bool sole_user,
                           mapped_error *error)
{
    const mapped__map_request request =
        mapped__region_map_request(self, length);
    return mapped__map_resize(&self->mapping, &request, sole_user, error);
}

/* How many bytes of mapping `length` bytes of the region take: whole pages. */
static size_t mapping_size(const mapped__region *self, size_t length)
{
    size_t size = SIZE_MAX;
    (void)mapped_round_up(length > 0 ? length + self->lead : 0,
                          self->mapping.page, &size);
    return size;
}

/* Guards pages of the reserve before they are mapped: an access that began
 * before an earlier shrink may touch them as soon as they are. */
static void guard_reserve(mapped__region *self, size_t length)
{
    mapped__mapping *mapping = &self->mapping;
    size_t used = mapping_size(self, length);
    if (used > mapping->used && used <= mapping->reserved)
        mapped__guard_move(&self->guard, mapping->address, mapping->reserved,
                           used);
}

/* Makes a new mapping. It has a reserve of twice its length, if so many
 * addresses are free, so that a region which goes on growing under exports
 * leaves few old mappings to them. Then those hold no more than twice the
 * region's length of private memory. */
static mapped_status map_with_reserve(const mapped__region *self, size_t length,
                                      mapped__mapping *mapping,
                                      mapped_error *error)
{
    const mapped__map_request request =
        mapped__region_map_request(self, length);
    mapped__map_request with_reserve = request;
    if (request.reserve == 0 &&
        mapped_multiply_size(request.length, 2, &with_reserve.reserve) &&
        mapped__map(&with_reserve, mapping, NULL) == MAPPED_OK)
        return MAPPED_OK;
    return mapped__map(&request, mapping, error);
}

/* True if a second mapping would not show the same bytes. */
static bool is_private(const mapped__region *self)
{
    return self->file == MAPPED__NO_FILE || self->mode == MAPPED_MODE_COPY;
}

/* Gives the region another mapping and keeps the old one. Both show the same
 * file, or the new one gets a copy of private memory. Both are guarded before
 * the copy, because a page may get lost during it. */
static mapped_status add_mapping(mapped__region *self, size_t length,
                                 mapped_error *error)
{
    mapped__mapping mapping;
    assert(MAPPED__LOAD(&self->control) & MAPPED__CONTROL_NO_NEW_EXPORTS);
    mapped__old_mapping *old = malloc(sizeof *old);
    if (old == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "resize");
    mapped_status status = map_with_reserve(self, length, &mapping, error);
    if (status == MAPPED_OK) {
        old->slot = self->guard.slot;
        status = mapped__guard_add(&self->guard, error); /* for the new one */
        if (status != MAPPED_OK)
            mapped__unmap(&mapping);
    }
    if (status != MAPPED_OK) {
        free(old);
        return status;
    }
    old->mapping = self->mapping;
    old->next = self->old_mappings;
    self->old_mappings = old;
    self->mapping = mapping;
    mapped__region_moved(self);
    mapped__region_guard(self);
    if (!is_private(self))
        return MAPPED_OK;
    memcpy(mapping.address, old->mapping.address, old->mapping.used);
    if (mapped_region_exports(&self->head) > 0)
        MAPPED__STORE(&self->copied, self->copied + old->mapping.used);
    else
        (void)mapped__map_revoke(&old->mapping, 0, old->mapping.used, NULL);
    return MAPPED_OK;
}

/* A second mapping, beside one that exports or kept pointers may show. Private
 * memory is copied to it, so exports go on showing what it holds now: that is
 * MAPPED_BUSY unless the region was told to allow it. */
static mapped_status add_mapping_under_exports(mapped__region *self,
                                               size_t length,
                                               mapped_error *error)
{
    if (is_private(self) && !self->copies_on_move &&
        mapped_region_exports(&self->head) > 0)
        return mapped__region_busy(self, "resize", error);
    return add_mapping(self, length, error);
}

/* Moves the mapping to where `length` bytes fit, or gives the region a second
 * one. MAPPED_BUSY if another thread may be in an access. */
static mapped_status move_mapping(mapped__region *self, size_t length,
                                  mapped_error *error)
{
    if (!mapped__region_is_unshared(self))
        return mapped__region_busy(self, "resize", error);
    if (mapped__region_stop_new_exports(self))
        return add_mapping_under_exports(self, length, error);
    /* Somebody else's memory may take the addresses as soon as the mapping has
     * left them. The guard must not answer for faults there. */
    mapped__guard_suspend(&self->guard);
    mapped_status status = remap(self, length, true, error);
    if (status != MAPPED_BUSY)
        return status;
    /* The system can't move it: locks or advice have split it into several. */
    mapped__region_guard(self);
    status = add_mapping(self, length, error);
    mapped__region_free_old_mappings(self);
    return status;
}

/* The pages from `old_used` on are new. The system has made them by extending
 * the mapping of the last page. If that is a zero page in the place of a lost
 * one, they are zero pages too, so the file is mapped over them. */
static void map_file_over_added_pages(mapped__region *self, size_t old_used)
{
    if (self->mapping.used > old_used && self->file != MAPPED__NO_FILE &&
        mapped__guard_count_unrestored(&self->guard) > 0)
        mapped__region_map_anew_or_lose(self, old_used, self->mapping.used);
}

/* Growth in place is tried first, because it disturbs nobody. Nothing is to be
 * done if the pages are mapped already, as they are after a refresh that made
 * the region shorter and left them to exports. */
mapped_status mapped__region_extend(mapped__region *self, size_t length,
                                    mapped_error *error)
{
    size_t old_used = self->mapping.used;
    if (mapping_size(self, length) <= old_used)
        return MAPPED_OK;
    /* A lost page splits the mapping, which grows only as one piece. */
    mapped__region_recover_past_end(self);
    guard_reserve(self, length);
    mapped_status status = remap(self, length, false, error);
    if (status == MAPPED_BUSY)
        status = move_mapping(self, length, error);
    map_file_over_added_pages(self, old_used);
    mapped__region_guard(self);
    return status;
}

typedef struct file_ends {
    uint64_t size;
    uint64_t data_end; /* less than the size if an append of another process has
                        * left a spare behind the data */
} file_ends;

static mapped_status get_file_ends(const mapped__region *self, file_ends *ends,
                                   mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(self->file, &info, error);
    if (status != MAPPED_OK)
        return status;
    ends->size = info.size;
    ends->data_end = mapped__region_data_end(self, self->file, &info);
    return MAPPED_OK;
}

/* MAPPED_FAULT if another process has truncated the file within the region.
 * Such a file is not made longer again, because the zeros that would fill it up
 * to the old length would be taken for data. */
static mapped_status check_not_truncated(const mapped__region *self,
                                         uint64_t data_end, mapped_error *error)
{
    uint64_t left = data_end > self->offset ? data_end - self->offset : 0;
    assert(self->file != MAPPED__NO_FILE);
    if (left >= self->length)
        return MAPPED_OK;
    const mapped_error_range range = {
        .offset = left, .length = self->length - left, .limit = self->length};
    mapped_error_set_range(error, MAPPED_FAULT, "resize", range);
    if (error != NULL)
        error->os_error = mapped__file_fault_cause(self->file, data_end);
    return MAPPED_FAULT;
}

/* The first append that makes the file longer records where it ended before, so
 * that appends which fail can give it that end again. */
static void remember_file_end(mapped__region *self, uint64_t end)
{
    if (self->appends.file_end_before == UINT64_MAX)
        self->appends.file_end_before = end;
}

/* Makes the file end at `end`, if its data ends before that. The spare that
 * another process has left behind the data is removed first, so that what is
 * added between is zero. */
static mapped_status grow_file(mapped__region *self, uint64_t end,
                               file_ends *old_ends, mapped_error *error)
{
    bool allocate = !(self->flags & MAPPED_OPEN_SPARSE);
    if (self->file == MAPPED__NO_FILE)
        return MAPPED_OK;
    mapped_status status = get_file_ends(self, old_ends, error);
    if (status == MAPPED_OK)
        status = check_not_truncated(self, old_ends->data_end, error);
    if (status != MAPPED_OK || end <= old_ends->data_end)
        return status;
    remember_file_end(self, old_ends->data_end);
    if (old_ends->data_end < old_ends->size)
        status = mapped__file_resize(self->file, old_ends->size,
                                     old_ends->data_end, false, error);
    if (status != MAPPED_OK)
        return status;
    return mapped__file_resize(self->file, old_ends->data_end, end, allocate,
                               error);
}

/* Private memory that is no file still has, in its last page, what an earlier
 * shrink has left. That is cleared when it comes back. The system does this for
 * a file. */
static void clear_added_bytes(mapped__region *self, size_t length,
                              size_t old_used)
{
    size_t from = self->appends.next;
    size_t to = length < old_used ? length : old_used;
    if (self->file == MAPPED__NO_FILE && from < to)
        memset(self->mapping.address + from, 0, to - from);
}

/* A mapping without a reserve grows as one piece, and a lost page has made
 * several of it. */
mapped_status mapped__region_check_growable(mapped__region *self,
                                            mapped_error *error)
{
    return self->reserve == 0 ? mapped__region_check_nothing_lost(self, error)
                              : MAPPED_OK;
}

/* Maps the file up to `end`. If that fails the file's data ends again where
 * `old_ends` says. */
static mapped_status map_grown_file(mapped__region *self, uint64_t end,
                                    const file_ends *old_ends,
                                    mapped_error *error)
{
    mapped_status status =
        mapped__region_extend(self, (size_t)(end - self->offset), error);
    if (status != MAPPED_OK && self->file != MAPPED__NO_FILE &&
        end > old_ends->data_end)
        (void)mapped__file_resize(self->file, end, old_ends->data_end, false,
                                  NULL);
    return status;
}

/* Makes the file longer, then the mapping, and publishes the length, but not
 * for an append, whose bytes are not there yet. */
static mapped_status grow(mapped__region *self, size_t length, bool for_append,
                          mapped_error *error)
{
    size_t old_used = self->mapping.used;
    file_ends old_ends = {0, 0};
    uint64_t end = self->offset + length;
    mapped_status status = mapped__region_check_growable(self, error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_free_old_mappings(self);
    status = grow_file(self, end, &old_ends, error);
    if (status == MAPPED_OK)
        status = map_grown_file(self, end, &old_ends, error);
    if (status != MAPPED_OK)
        return status;
    clear_added_bytes(self, length, old_used);
    mapped__region_recover_past_end(self);
    mapped__region_publish(self, for_append ? self->length : length);
    return MAPPED_OK;
}

/* A region that shows a part from the middle of a file must keep what lies
 * after it: the file shrinks only if its data ended where the region did.
 * Another thread may be in an access past the new end. Its page would be lost
 * with the file's end, so zero pages take the place of the tail before. */
static mapped_status shrink_file(mapped__region *self, size_t old_length,
                                 size_t length, bool can_unmap,
                                 mapped_error *error)
{
    file_ends ends;
    if (self->file == MAPPED__NO_FILE)
        return MAPPED_OK;
    mapped_status status = get_file_ends(self, &ends, error);
    if (status != MAPPED_OK)
        return status;
    if (ends.data_end > self->offset + old_length ||
        ends.data_end <= self->offset + length)
        return MAPPED_OK;
    status = mapped__map_detach(&self->mapping, can_unmap, error);
    if (status == MAPPED_OK && !can_unmap)
        status = remap(self, length, false, error);
    if (status != MAPPED_OK)
        return status;
    return mapped__file_resize(self->file, ends.size, self->offset + length,
                               false, error);
}

/* Maps and publishes `length` bytes after the file has shrunk, or has failed
 * to. If unmapping the tail fails, it stays mapped, which does no harm. If a
 * detach has unmapped pages (mapped__map_detach) and they can't be mapped
 * again, the region has no bytes any more. */
static mapped_status remap_after_shrink(mapped__region *self, size_t length,
                                        bool can_unmap, mapped_error *error)
{
    mapped_status status = remap(self, length, can_unmap, error);
    bool is_mapped = length == 0 || self->mapping.used >= length + self->lead;
    mapped__region_guard(self);
    mapped__region_publish(self, is_mapped ? length : 0);
    return is_mapped ? MAPPED_OK : status;
}

/* Guards only the first `size` bytes of the mapping, if it has more. This is
 * done before the other addresses are given back. */
static void guard_only(mapped__region *self, size_t size)
{
    if (self->mapping.used > size)
        mapped__guard_move(&self->guard, self->mapping.address, size, size);
}

mapped_status mapped__region_drop_pages(mapped__region *self, size_t length,
                                        mapped_error *error)
{
    bool can_unmap = mapped__region_can_unmap(self);
    if (can_unmap)
        guard_only(self, mapping_size(self, length));
    mapped_status status = remap_after_shrink(self, length, can_unmap, error);
    mapped__guard_forget(&self->guard, mapping_size(self, length));
    return status;
}

/* The length is published first, so that no new access past it begins. Then the
 * file becomes shorter, and then the pages are unmapped that still are mapped.
 */
static mapped_status shrink(mapped__region *self, size_t length,
                            mapped_error *error)
{
    size_t old_length = self->length;
    mapped_status status = mapped__region_lock_exports(self, "resize", error);
    if (status != MAPPED_OK)
        return status;
    bool can_unmap = mapped__region_can_unmap(self);
    mapped__region_free_old_mappings(self);
    mapped__region_publish_length(self, length);
    status = shrink_file(self, old_length, length, can_unmap, error);
    if (status != MAPPED_OK) {
        (void)remap_after_shrink(self, old_length, can_unmap, NULL);
        return status;
    }
    return mapped__region_drop_pages(self, length, error);
}

/* While there are exports, the mapping keeps the pages that were added, which
 * does no harm. On Windows the file then keeps its length, too. */
void mapped__region_undo_growth(mapped__region *self)
{
    file_ends ends;
    uint64_t end = self->offset + self->length;
    bool is_exported =
        mapped__region_lock_exports(self, "append", NULL) != MAPPED_OK;
    bool can_unmap = !is_exported && mapped__region_can_unmap(self);
    if (self->appends.file_end_before == UINT64_MAX ||
        get_file_ends(self, &ends, NULL) != MAPPED_OK ||
        ends.data_end != self->offset + self->appends.next)
        return;
    if (end < self->appends.file_end_before)
        end = self->appends.file_end_before;
    if (can_unmap)
        (void)mapped__map_detach(&self->mapping, true, NULL);
    (void)mapped__file_resize(self->file, ends.size, end, false, NULL);
    if (can_unmap)
        (void)mapped__region_drop_pages(self, self->length, NULL);
}

/* Removes the spare that another process has left in the file, if the data ends
 * where the region does. */
static mapped_status trim_spare_of_others(const mapped__region *self,
                                          mapped_error *error)
{
    file_ends ends;
    if (!self->is_file || self->file == MAPPED__NO_FILE)
        return MAPPED_OK;
    mapped_status status = get_file_ends(self, &ends, error);
    if (status != MAPPED_OK)
        return status;
    if (ends.size == ends.data_end ||
        ends.data_end != self->offset + self->length)
        return MAPPED_OK; /* there is none */
    return mapped__file_resize(self->file, ends.size, ends.data_end, false,
                               error);
}

/* Pages that the system protects can't be cleared, and don't grow as one
 * mapping with unprotected pages. So they are unprotected meanwhile. */
static mapped_status change_length(mapped__region *self, size_t length,
                                   bool for_append, mapped_error *error)
{
    mapped_status status = mapped__region_unprotect_pages(self, error);
    if (status != MAPPED_OK)
        return status;
    status = length > self->length ? grow(self, length, for_append, error)
                                   : shrink(self, length, error);
    mapped__region_protect_pages(self);
    return status;
}

/* A running append may store its bytes at any time. So a resize must not take
 * away its append range, or map something else there once it is invalidated. */
static bool takes_append_range(const mapped__region *self, uint64_t length)
{
    return self->appends.invalidated > 0 ||
           (self->appends.running > 0 && length != self->length &&
            length < self->appends.next);
}

mapped_status mapped__region_resize(mapped__region *self, uint64_t length,
                                    bool for_append, mapped_error *error)
{
    assert(mapped__region_is_locked(self));
    mapped_status status = check_resizable(self, length, for_append, error);
    if (status != MAPPED_OK)
        return status;
    if (for_append && length == self->length)
        return MAPPED_OK;
    if (takes_append_range(self, length))
        return mapped__region_busy(self, "resize", error);
    mapped__region_trim_spare(self, self->length, self->appends.next);
    if (self->appends.next > self->length)
        remember_file_end(self, self->offset + self->length);
    if (length == self->length)
        return trim_spare_of_others(self, error);
    status = change_length(self, (size_t)length, for_append, error);
    if (status == MAPPED_OK)
        mapped__region_move_refresh_limit(self);
    return status;
}

mapped_status mapped_region_resize(mapped_region *region, uint64_t length,
                                   mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "resize", error);
    if (status != MAPPED_OK)
        return status;
    if (length < self->length &&
        mapped__region_readonly_at(region, (size_t)length, self->length))
        status = mapped_error_set(error, MAPPED_READONLY, "resize");
    else
        status = mapped__region_resize(self, length, false, error);
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "resize", status, error);
}
