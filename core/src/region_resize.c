/* Growing and shrinking. Growing maps the pages before it publishes the length.
 * Shrinking publishes the length, then makes the file shorter, then drops the
 * pages. So a length that another thread has read never exceeds what is mapped,
 * unless the state word says that the region has shrunk.
 *
 * A mapping grows in the first of these ways that is possible:
 *
 * - in place, into its reserve or over free addresses;
 *
 * - by moving, if nobody else can be in an access (`alone`, which is
 *   mapped__region_is_alone);
 *
 * - as a second mapping beside the first, if that is exported or is split into
 *   parts that can't be moved at once; nobody else may be in an access then,
 *   either. */
#include <mapped/region.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

#include "region_internal.h"

static mapped_status refuse(mapped_error *error, mapped_status status,
                            uint64_t length, uint64_t limit)
{
    const mapped_error_range range = {.length = length, .limit = limit};
    return mapped_error_set_range(error, status, "resize", range);
}

/* What was called, as errors name it. */
typedef struct call_names {
    const char *operation;
    const char *too_long;
} call_names;

static const call_names resizing = {"resize",
                                    "resize: longer than the reserve"};
static const call_names appending = {"append",
                                     "append: longer than the reserve"};

static mapped_status check_resizable(const mapped__region *self,
                                     uint64_t length, const call_names *names,
                                     mapped_error *error)
{
    const uint64_t longest = SIZE_MAX / 2;
    if (self->mode == MAPPED_MODE_READ)
        return mapped_error_set(error, MAPPED_READONLY, "resize");
    if (self->mode == MAPPED_MODE_COPY || self->wrapped || self->fixed)
        return mapped_error_set(error, MAPPED_UNSUPPORTED, names->operation);
    if (self->reserve != 0 && length > self->reserve) {
        const mapped_error_range range = {.length = length,
                                          .limit = self->reserve};
        return mapped_error_set_range(error, MAPPED_ARGUMENT, names->too_long,
                                      range);
    }
    if (length > longest ||
        !mapped_range_fits_u64(self->offset, length, INT64_MAX))
        return refuse(error, MAPPED_OVERFLOW, length, longest);
    return MAPPED_OK;
}

static mapped_status remap(mapped__region *self, size_t length, bool alone,
                           mapped_error *error)
{
    mapped__map_request request;
    if (!mapped__region_describe(self, length, &request))
        return refuse(error, MAPPED_OVERFLOW, length, SIZE_MAX);
    return mapped__map_resize(&self->mapping, &request, alone, error);
}

/* The pages that `length` bytes take. */
static size_t pages_of(const mapped__region *self, size_t length)
{
    size_t used = SIZE_MAX;
    (void)mapped_round_up(length > 0 ? length + self->lead : 0,
                          self->mapping.page, &used);
    return used;
}

/* A long access that began before an earlier shrink may touch the new pages of
 * the reserve at once. So they are guarded before they are mapped. */
static void guard_reserve(mapped__region *self, size_t length)
{
    mapped__mapping *mapping = &self->mapping;
    size_t used = pages_of(self, length);
    if (used > mapping->used && used <= mapping->reserved)
        mapped__guard_move(&self->guard, mapping->address, mapping->reserved,
                           used);
}

/* Reserves twice the length, if so many addresses are free: so a region that
 * goes on growing under exports leaves few mappings to them, and of private
 * memory no more than twice its length. */
static mapped_status map_with_room(const mapped__region *self, size_t length,
                                   mapped__mapping *made, mapped_error *error)
{
    mapped__map_request request;
    if (!mapped__region_describe(self, length, &request))
        return refuse(error, MAPPED_OVERFLOW, length, SIZE_MAX);
    mapped__map_request roomy = request;
    if (request.reserve == 0 &&
        mapped_multiply_size(request.length, 2, &roomy.reserve) &&
        mapped__map(&roomy, made, NULL) == MAPPED_OK)
        return MAPPED_OK;
    return mapped__map(&request, made, error);
}

/* True if a second mapping would not show the same bytes. */
static bool is_private(const mapped__region *self)
{
    return self->file == MAPPED__NO_FILE || self->mode == MAPPED_MODE_COPY;
}

/* The region gets another mapping, and the old one stays. Both show the same
 * file; private memory is copied. Both are guarded meanwhile: a page may get
 * lost under the copy. */
static mapped_status map_second(mapped__region *self, size_t length,
                                mapped_error *error)
{
    mapped__mapping made;
    assert(MAPPED__LOAD(&self->control) & MAPPED__CONTROL_NO_NEW_EXPORTS);
    mapped__old_mapping *old = malloc(sizeof *old);
    if (old == NULL)
        return mapped_error_set(error, MAPPED_MEMORY, "resize");
    mapped_status status = map_with_room(self, length, &made, error);
    if (status == MAPPED_OK) {
        status = mapped__guard_add_slot(&self->guard, &old->slot, error);
        if (status != MAPPED_OK)
            mapped__unmap(&made);
    }
    if (status != MAPPED_OK) {
        free(old);
        return status;
    }
    old->mapping = self->mapping;
    old->next = self->old_mappings;
    self->old_mappings = old;
    self->mapping = made;
    mapped__region_moved(self);
    mapped__region_guard(self);
    if (!is_private(self))
        return MAPPED_OK;
    memcpy(made.address, old->mapping.address, old->mapping.used);
    MAPPED__STORE(&self->copied, self->copied + old->mapping.used);
    return MAPPED_OK;
}

/* Needs that nobody else holds a reference. Exports keep the mapping that they
 * show; those of private memory go on showing what it was at this time. A
 * mapping that locks or advice have split into several can't be moved. */
static mapped_status move_mapping(mapped__region *self, size_t length,
                                  mapped_error *error)
{
    if (!mapped__region_is_alone(self))
        return mapped__region_busy(self, "resize", error);
    if (mapped__region_is_exported(self))
        return is_private(self) && !self->copies
                   ? mapped__region_busy(self, "resize", error)
                   : map_second(self, length, error);
    /* In the addresses that the mapping leaves somebody else's memory may turn
     * up at once, with faults of its own. */
    mapped__guard_suspend(&self->guard);
    mapped_status status = remap(self, length, true, error);
    if (status != MAPPED_BUSY)
        return status;
    mapped__region_guard(self);
    status = map_second(self, length, error);
    mapped__region_free_old(self);
    return status;
}

/* The system extends the last page's mapping. If that page is a zero page in
 * the place of a lost one, the new pages are, too, so the file is mapped over
 * them. If that fails they are recorded as lost, and restored later. */
static void restore_added(mapped__region *self, size_t used)
{
    const mapped__lost added = {
        .offset = used, .length = self->mapping.used - used, .first = used};
    mapped__map_request request;
    if (self->mapping.used <= used || self->file == MAPPED__NO_FILE ||
        mapped__guard_count_unrestored(&self->guard) == 0)
        return;
    if (!mapped__region_describe(self, self->length, &request) ||
        mapped__map_restore(&self->mapping, &request, used, added.length,
                            NULL) != MAPPED_OK)
        mapped__guard_add_lost(&self->guard, &added);
}

/* Growth in place is tried first, because it disturbs nobody. Only when it
 * can't be done does it matter who else is there. There may be more pages
 * already: a refresh that makes the region shorter leaves them to exports. */
mapped_status mapped__region_extend(mapped__region *self, size_t length,
                                    mapped_error *error)
{
    size_t used = self->mapping.used;
    if (pages_of(self, length) < used)
        return MAPPED_OK;
    mapped__region_recover_past_end(self); /* the mapping is one piece again */
    guard_reserve(self, length);
    mapped_status status = remap(self, length, false, error);
    if (status == MAPPED_BUSY)
        status = move_mapping(self, length, error);
    restore_added(self, used);
    mapped__region_guard(self);
    return status;
}

/* The file's size, and where its data ends: another process' append may have
 * left its spare behind that. */
typedef struct file_size {
    uint64_t all;
    uint64_t data;
} file_size;

static mapped_status get_size(const mapped__region *self, file_size *size,
                              mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(self->file, &info, error);
    if (status != MAPPED_OK)
        return status;
    size->all = info.size;
    size->data = mapped__region_data_end(self, self->file, &info);
    return MAPPED_OK;
}

/* A file that another process has cut is not made longer again: the zeros that
 * would fill it up to the old length would be taken for data. */
static mapped_status check_file_whole(const mapped__region *self, uint64_t size,
                                      mapped_error *error)
{
    uint64_t left = size > self->offset ? size - self->offset : 0;
    assert(self->file != MAPPED__NO_FILE);
    if (left >= self->length)
        return MAPPED_OK;
    const mapped_error_range range = {
        .offset = left, .length = self->length - left, .limit = self->length};
    mapped_error_set_range(error, MAPPED_FAULT, "resize", range);
    if (error != NULL)
        error->os_error = mapped__file_diagnose(self->file, size);
    return MAPPED_FAULT;
}

/* Appends that fail give the file back the end it had before them. */
static void note_file_end(mapped__region *self, uint64_t end)
{
    if (self->appends.file_end_before == UINT64_MAX)
        self->appends.file_end_before = end;
}

static mapped_status grow_file(mapped__region *self, file_size size,
                               uint64_t end, mapped_error *error)
{
    bool allocate = !(self->flags & MAPPED_OPEN_SPARSE);
    mapped_status status = check_file_whole(self, size.data, error);
    if (status != MAPPED_OK || end <= size.data)
        return status;
    note_file_end(self, size.data);
    if (size.data < size.all)
        status =
            mapped__file_resize(self->file, size.all, size.data, false, error);
    if (status != MAPPED_OK)
        return status;
    return mapped__file_resize(self->file, size.data, end, allocate, error);
}

/* A file's bytes past its end are zero by the system's doing. Private memory
 * has in its last page what an earlier shrink cut off. */
static void clear_regrown(mapped__region *self, size_t length, size_t used)
{
    size_t from = self->appends.next;
    size_t to = length < used ? length : used;
    if (self->file == MAPPED__NO_FILE && from < to)
        memset(self->mapping.address + from, 0, to - from);
}

mapped_status mapped__region_check_growable(mapped__region *self,
                                            mapped_error *error)
{
    return self->reserve == 0 ? mapped__region_check_all(self, error)
                              : MAPPED_OK;
}

/* `size` is what the file had before. */
static mapped_status map_longer(mapped__region *self, file_size size,
                                uint64_t end, mapped_error *error)
{
    mapped_status status =
        mapped__region_extend(self, (size_t)(end - self->offset), error);
    if (status != MAPPED_OK && self->file != MAPPED__NO_FILE && end > size.data)
        (void)mapped__file_resize(self->file, end, size.data, false, NULL);
    return status;
}

static mapped_status grow(mapped__region *self, size_t length, bool for_append,
                          mapped_error *error)
{
    size_t used = self->mapping.used;
    file_size size = {0, 0};
    uint64_t end = self->offset + length;
    mapped_status status = mapped__region_check_growable(self, error);
    mapped__region_free_old(self);
    bool has_file = self->file != MAPPED__NO_FILE;
    if (status == MAPPED_OK && has_file)
        status = get_size(self, &size, error);
    if (status == MAPPED_OK && has_file)
        status = grow_file(self, size, end, error);
    if (status == MAPPED_OK)
        status = map_longer(self, size, end, error);
    if (status != MAPPED_OK)
        return status;
    clear_regrown(self, length, used);
    mapped__region_recover_past_end(self);
    mapped__region_publish(self, for_append ? self->length : length);
    return MAPPED_OK;
}

/* A region that shows only a part from the middle of a file must not cut off
 * what lies after it: the file shrinks only if the region reached its end. An
 * access under way in another thread would lose its page with the file's end,
 * so zero pages take its place before. */
static mapped_status shrink_file(mapped__region *self, size_t old_length,
                                 size_t length, bool alone, mapped_error *error)
{
    file_size size;
    if (self->file == MAPPED__NO_FILE)
        return MAPPED_OK;
    mapped_status status = get_size(self, &size, error);
    if (status != MAPPED_OK || size.data > self->offset + old_length ||
        size.data <= self->offset + length)
        return status;
    status = mapped__map_detach(&self->mapping, alone, error);
    if (status == MAPPED_OK && !alone) /* zero pages over the tail */
        status = remap(self, length, false, error);
    if (status != MAPPED_OK)
        return status;
    return mapped__file_resize(self->file, size.all, self->offset + length,
                               false, error);
}

/* Shows `length` bytes after the file has shrunk or refused to. A tail that
 * stays mapped does no harm. If a detach has taken pages and they can't be
 * mapped again, there is nothing to show. */
static mapped_status remap_after_shrink(mapped__region *self, size_t length,
                                        bool alone, mapped_error *error)
{
    mapped_status status = remap(self, length, alone, error);
    bool whole = length == 0 || self->mapping.used >= length + self->lead;
    mapped__region_guard(self);
    mapped__region_publish(self, whole ? length : 0);
    return whole ? MAPPED_OK : status;
}

/* Comes before addresses are given back, which is done only when nobody else
 * has a reference. */
static void guard_shrunk(mapped__region *self, size_t pages)
{
    if (self->mapping.used > pages)
        mapped__guard_move(&self->guard, self->mapping.address, pages, pages);
}

mapped_status mapped__region_drop_pages(mapped__region *self, size_t length,
                                        mapped_error *error)
{
    bool alone = mapped__region_is_alone(self);
    if (alone)
        guard_shrunk(self, pages_of(self, length));
    mapped_status status = remap_after_shrink(self, length, alone, error);
    mapped__guard_forget(&self->guard, pages_of(self, length));
    return status;
}

/* The length goes first, so that no new access gets past its first check; then
 * the file; then the pages, if that is still to do. */
static mapped_status shrink(mapped__region *self, size_t length,
                            mapped_error *error)
{
    size_t old_length = self->length;
    mapped_status status = mapped__region_lock_exports(self, "resize", error);
    if (status != MAPPED_OK)
        return status;
    bool alone = mapped__region_is_alone(self);
    mapped__region_free_old(self);
    mapped__region_publish_length(self, length);
    status = shrink_file(self, old_length, length, alone, error);
    if (status != MAPPED_OK) {
        (void)remap_after_shrink(self, old_length, alone, NULL);
        return status;
    }
    return mapped__region_drop_pages(self, length, error);
}

/* On Windows the file keeps its length while exports show it. What the mapping
 * has of the growth does no harm. */
void mapped__region_undo_growth(mapped__region *self)
{
    file_size size;
    uint64_t end = self->offset + self->length;
    bool alone =
        mapped__region_lock_exports(self, "append", NULL) == MAPPED_OK &&
        mapped__region_is_alone(self);
    if (self->appends.file_end_before == UINT64_MAX ||
        get_size(self, &size, NULL) != MAPPED_OK ||
        size.data != self->offset + self->appends.next)
        return;
    if (end < self->appends.file_end_before)
        end = self->appends.file_end_before;
    if (alone)
        (void)mapped__map_detach(&self->mapping, true, NULL);
    (void)mapped__file_resize(self->file, size.all, end, false, NULL);
    if (alone)
        (void)mapped__region_drop_pages(self, self->length, NULL);
}

/* Removes the spare that another process has left, if the region ends where the
 * data does. */
static mapped_status trim_others_spare(const mapped__region *self,
                                       mapped_error *error)
{
    file_size size;
    if (!self->is_file || self->file == MAPPED__NO_FILE)
        return MAPPED_OK;
    mapped_status status = get_size(self, &size, error);
    if (status != MAPPED_OK || size.all == size.data ||
        size.data != self->offset + self->length)
        return status;
    return mapped__file_resize(self->file, size.all, size.data, false, error);
}

/* Pages that the system protects can't be grown as one mapping or cleared. */
static mapped_status change_length(mapped__region *self, size_t length,
                                   bool for_append, mapped_error *error)
{
    bool pages_protected = self->pages_protected;
    mapped_status status = mapped__region_unprotect_pages(self, error);
    if (status != MAPPED_OK)
        return status;
    status = length > self->length ? grow(self, length, for_append, error)
                                   : shrink(self, length, error);
    if (pages_protected)
        mapped__region_protect_pages(self);
    return status;
}

/* An append that is running keeps the addresses where it stores its bytes. */
static bool takes_place_of_append(const mapped__region *self, uint64_t length)
{
    return self->appends.invalidated > 0 ||
           (self->appends.running > 0 && length != self->length &&
            length < self->appends.next);
}

mapped_status mapped__region_resize(mapped__region *self, uint64_t length,
                                    bool for_append, mapped_error *error)
{
    assert(mapped__region_is_locked(self));
    mapped_status status = check_resizable(
        self, length, for_append ? &appending : &resizing, error);
    if (status != MAPPED_OK || (for_append && length == self->length))
        return status;
    if (takes_place_of_append(self, length))
        return mapped__region_busy(self, "resize", error);
    mapped__region_trim(self, self->length, self->appends.next);
    if (self->appends.next > self->length)
        note_file_end(self, self->offset + self->length);
    if (length == self->length)
        return trim_others_spare(self, error);
    status = change_length(self, (size_t)length, for_append, error);
    if (status == MAPPED_OK)
        mapped__region_move_refresh_limit(self);
    return status;
}

mapped_status mapped_region_resize(mapped_region *region, uint64_t length,
                                   mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, false, "resize", error);
    if (status != MAPPED_OK)
        return status;
    if (length < self->length &&
        mapped__region_readonly_at(region, (size_t)length, self->length))
        status = mapped_error_set(error, MAPPED_READONLY, "resize");
    else
        status = mapped__region_resize(self, length, false, error);
    mapped__region_unlock(self);
    return mapped__region_report(region, "resize", status, error);
}
