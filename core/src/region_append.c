/* Appending. Making a file longer takes several system calls, so an append
 * makes it longer ahead of the data, and closing the region trims it. Until
 * then the file has a spare and a trailer behind its data:
 *
 *     | data ............. | spare .............. | trailer |
 *     A                    B                      C         D
 *
 *     A = offset             where the region begins in the file
 *     B = offset + length    where the region and the data end
 *     C = offset + capacity  how far the region can grow before the file has to
 *                            get longer; a multiple of STEP
 *     D = C + TRAILER_SIZE   the end of the file
 *
 * The trailer says where B is, for processes that open the file meanwhile, or
 * after a crash. bulk.h describes its bytes. It is true at any moment, even if
 * the process is killed: one write makes the file longer and stores the
 * trailer, and after that each append changes B in it by one aligned store,
 * after the data is stored. It is valid only in a file whose size is
 * TRAILER_SIZE above a multiple of STEP, and is the one that it names, so the
 * trailer of hardly any other file is even looked for. It has a page to itself,
 * so a process that truncates the file anywhere takes this page away, and the
 * next append finds it lost.
 *
 * An append begins by taking the range after the last one's, in the spare or in
 * a file that was made just as long as it must be. It stores its bytes there,
 * past the region's end, where nobody can see them. At its end the region gets
 * longer. An append that fails leaves nothing; but if another one, with a later
 * range, has ended before it, zeros stay in its range. Without a spare the file
 * has been made longer for it: once no append is running, it ends again at
 * `file_end_before`, or at the region's end if that is later.
 *
 * A truncation, or a fork in the middle of an append, makes the running appends
 * fail: `truncations` counts both, `invalidated` counts the appends that still
 * have to end, and no append begins before they have. A page of its range that
 * was lost and recovered meanwhile makes an append fail, too: `recoveries` is
 * how many recoveries there were when it began.
 *
 * Invariant: while `capacity` isn't 0, the region's length is at most
 * `capacity`, the mapping covers the trailer, and the trailer says that the
 * data ends where the region does, unless another process has appended since.
 */
#include <mapped/region.h>

#include <assert.h>
#include <string.h>

#include <mapped/checked.h>
#include <mapped/endian.h>
#include <mapped/fault.h>

#include "region_internal.h"

#define STEP ((uint64_t)65536)
#define MAX_SPARE ((uint64_t)64 << 20)

/* The trailer: the magic bytes, then two numbers at these offsets. */
#define TRAILER_SIZE ((size_t)24)
#define FILE_SIZE_AT 8
#define DATA_END_AT 16

static const unsigned char magic[8] = "\xADmapped\x01";

/* Can a file of this size end with a trailer? */
static bool size_allows_trailer(uint64_t size)
{
    return size % STEP == TRAILER_SIZE;
}

/* Returns where the data ends according to the file's trailer. Without a valid
 * trailer the data ends where the file does. */
static uint64_t read_data_end(intptr_t file, const mapped__file_info *info)
{
    unsigned char trailer[TRAILER_SIZE];
    uint64_t size = info->size;
    if (info->kind != MAPPED__FILE_REGULAR || !size_allows_trailer(size) ||
        mapped__file_read_at(file, size - TRAILER_SIZE, trailer, TRAILER_SIZE,
                             NULL) != MAPPED_OK ||
        memcmp(trailer, magic, sizeof magic) != 0 ||
        mapped_le_u64(mapped_load_u64(trailer + FILE_SIZE_AT)) != size)
        return size;
    uint64_t end = mapped_le_u64(mapped_load_u64(trailer + DATA_END_AT));
    return end <= size - TRAILER_SIZE ? end : size;
}

/* Another process may truncate the file or make it longer between the read of
 * its size and that of its trailer. So if the size allows a trailer and none is
 * found, both are read again, and there is no trailer only if eight tries have
 * found none. */
uint64_t mapped__file_data_end(intptr_t file, mapped__file_info *info)
{
    for (int tries = 0; tries < 8; tries++) {
        mapped__file_info now;
        uint64_t end = read_data_end(file, info);
        if (end < info->size || !size_allows_trailer(info->size))
            return end;
        if (mapped__file_info_get(file, &now, NULL) != MAPPED_OK)
            break;
        info->size = now.size;
    }
    return info->size;
}

/* What other programs keep in shared memory may look like a trailer. */
uint64_t mapped__region_data_end(const mapped__region *self, intptr_t file,
                                 mapped__file_info *info)
{
    return self->flags & MAPPED_OPEN_SHARED ? info->size
                                            : mapped__file_data_end(file, info);
}

mapped_status mapped__file_write_trailer(intptr_t file, uint64_t size,
                                         uint64_t data_end, mapped_error *error)
{
    unsigned char trailer[TRAILER_SIZE];
    memcpy(trailer, magic, sizeof magic);
    mapped_store_u64(trailer + FILE_SIZE_AT, mapped_le_u64(size));
    mapped_store_u64(trailer + DATA_END_AT, mapped_le_u64(data_end));
    return mapped__file_write_at(file, size - TRAILER_SIZE, trailer,
                                 TRAILER_SIZE, error);
}

/* The size that the file has with the region's spare; 0: there is no spare. */
static uint64_t size_with_spare(const mapped__region *self)
{
    return self->appends.capacity != 0
               ? self->offset + self->appends.capacity + TRAILER_SIZE
               : 0;
}

void mapped__region_find_trailer(const mapped__region *self,
                                 mapped__trailer *trailer)
{
    *trailer = (mapped__trailer){.length = 0};
    if (self->appends.capacity == 0)
        return;
    assert(self->lead + self->appends.capacity + TRAILER_SIZE <=
           self->mapping.used);
    trailer->address =
        self->mapping.address + self->lead + self->appends.capacity;
    trailer->offset = size_with_spare(self) - TRAILER_SIZE;
    trailer->length = TRAILER_SIZE;
}

/* MAPPED_FAULT if a page of [offset, offset + n) is lost, to which bytes have
 * just been stored. They may lie past the region's end. */
static inline mapped_status check_stored(mapped__region *self, size_t offset,
                                         size_t n, mapped_error *error)
{
    return mapped__region_has_lost(self)
               ? mapped__region_check_lost_locked(self, offset, n, error)
               : MAPPED_OK;
}

/* Says in the trailer, if there is one, that the data ends after `length` bytes
 * of the region. MAPPED_FAULT: the trailer's page is lost, because the file has
 * been truncated. */
static mapped_status write_data_end(mapped__region *self, size_t length,
                                    mapped_error *error)
{
    assert(mapped__region_is_locked(self));
    mapped__trailer trailer;
    mapped__region_find_trailer(self, &trailer);
    if (trailer.length == 0)
        return MAPPED_OK;
    __atomic_store_n((uint64_t *)(void *)(trailer.address + DATA_END_AT),
                     mapped_le_u64(self->offset + length), __ATOMIC_RELEASE);
    return check_stored(self, self->appends.capacity, TRAILER_SIZE, error);
}

/* How large the file may be for the region to be able to reach its end. No
 * region is longer than SIZE_MAX / 2, so that the difference of two of its
 * addresses is a ptrdiff_t. */
static uint64_t largest_size(const mapped__region *self)
{
    return self->offset + (self->reserve != 0 ? self->reserve : SIZE_MAX / 2);
}

/* Can the file have this size, if it is to hold `length` bytes of the region
 * and a trailer? The second test is offset + length + TRAILER_SIZE <= size, in
 * a form that doesn't overflow. */
static bool size_is_usable(const mapped__region *self, uint64_t size,
                           size_t length)
{
    return size <= largest_size(self) &&
           mapped_range_fits_u64(self->offset + TRAILER_SIZE, length, size);
}

/* Returns the largest size that allows a trailer and is not above `size`, or 0
 * if even the smallest one is. */
static uint64_t round_to_trailer_size(uint64_t size)
{
    return size < TRAILER_SIZE
               ? 0
               : ((size - TRAILER_SIZE) & ~(STEP - 1)) + TRAILER_SIZE;
}

/* Returns what size to give the file for `length` bytes of the region: with a
 * spare of about the same length, but no more than MAX_SPARE, and not beyond
 * the reserve. Returns 0 if no size is usable. */
static uint64_t choose_size(const mapped__region *self, size_t length)
{
    uint64_t spare = length < MAX_SPARE ? length : MAX_SPARE;
    uint64_t added = spare + TRAILER_SIZE;
    uint64_t largest = largest_size(self);
    if (!mapped_range_fits_u64(self->offset + added + STEP, length, INT64_MAX))
        return 0;
    uint64_t size = self->offset + length + added + STEP - 1;
    size = round_to_trailer_size(size < largest ? size : largest);
    return size_is_usable(self, size, length) ? size : 0;
}

/* Writes the trailer at the new end, and so makes the file longer. After that
 * the file has its new size already: mapped__file_resize only allocates its
 * blocks. A write that fails may have made the file longer all the same, so the
 * old size is given back to it. */
static mapped_status extend_file(const mapped__region *self, uint64_t size,
                                 uint64_t new_size)
{
    bool allocate = !(self->flags & MAPPED_OPEN_SPARSE);
    mapped_status status = mapped__file_write_trailer(
        self->file, new_size, self->offset + self->length, NULL);
    if (status != MAPPED_OK) {
        (void)mapped__file_resize(self->file, new_size, size, false, NULL);
        return status;
    }
    return mapped__file_resize(self->file, size, new_size, allocate, NULL);
}

/* Makes the mapping longer and then the file. If the file has a spare that is
 * large enough, from another process that runs or has died, the region takes
 * that over and the file stays as it is. MAPPED_BUSY: the mapping has to move
 * and can't. After any other failure the caller can still make the file as long
 * as it must be. */
static mapped_status make_spare(mapped__region *self, size_t length)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(self->file, &info, NULL);
    if (status != MAPPED_OK)
        return status;
    uint64_t data_end = self->offset + self->length;
    bool has_spare =
        info.size != data_end && size_is_usable(self, info.size, length);
    uint64_t size = has_spare ? info.size : choose_size(self, length);
    /* This updates info.size. If the file has got longer meanwhile, the chosen
     * size is too small: leave it alone. */
    bool ends_here = mapped__file_data_end(self->file, &info) == data_end;
    if (!ends_here || size == 0 || size < info.size)
        return MAPPED_RANGE;
    status = mapped__region_extend(self, (size_t)(size - self->offset), NULL);
    if (status != MAPPED_OK)
        return status;
    /* Shows the mapping, which may have moved; the length stays. */
    mapped__region_publish(self, self->length);
    if (size > info.size)
        status = extend_file(self, info.size, size);
    if (status != MAPPED_OK)
        return status;
    mapped__region_recover_past_end(self);
    MAPPED__STORE(&self->appends.capacity,
                  (size_t)(size - self->offset) - TRAILER_SIZE);
    return MAPPED_OK;
}

/* Makes a spare unless there is one in which the region can grow to `length`
 * bytes. `*fits` tells whether there is one after that. MAPPED_BUSY is the only
 * error: if there can be no spare, the append makes the file just as long as it
 * must be. */
static mapped_status ensure_spare(mapped__region *self, size_t length,
                                  bool *fits, mapped_error *error)
{
    *fits = length <= self->appends.capacity;
    if (*fits || !self->appends.may_have_spare ||
        mapped__region_check_growable(self, NULL) != MAPPED_OK)
        return MAPPED_OK;
    self->appends.may_have_spare = mapped__file_can_write_at(self->file);
    if (!self->appends.may_have_spare)
        return MAPPED_OK;
    mapped__region_free_old_mappings(self);
    mapped_status status = make_spare(self, length);
    *fits = status == MAPPED_OK;
    return status == MAPPED_BUSY ? mapped__region_busy(self, "append", error)
                                 : MAPPED_OK;
}

void mapped__region_trim_spare(mapped__region *self, size_t data_length,
                               size_t length)
{
    mapped__file_info info;
    if (self->appends.capacity != 0 &&
        mapped__file_info_get(self->file, &info, NULL) == MAPPED_OK &&
        info.size == size_with_spare(self) &&
        mapped__file_data_end(self->file, &info) == self->offset + data_length)
        (void)mapped__file_resize(self->file, info.size, self->offset + length,
                                  false, NULL);
    MAPPED__STORE(&self->appends.capacity, 0);
}

/* The spare's pages are unmapped, because the file has lost them, and what it
 * gets in their place has to be mapped anew. While there are exports the pages
 * stay, because an export may show them: then mapped__region_recover_past_end
 * maps them anew when the region grows. */
void mapped__region_drop_stale_spare(mapped__region *self,
                                     const mapped__file_info *info)
{
    if (self->appends.capacity == 0 || info->size == size_with_spare(self))
        return;
    MAPPED__STORE(&self->appends.capacity, 0);
    mapped__region_invalidate_appends(self);
    if (mapped__region_lock_exports(self, "append", NULL) == MAPPED_OK)
        (void)mapped__region_drop_pages(self, self->length, NULL);
}

size_t mapped_region_spare(const mapped_region *region)
{
    if (region == NULL)
        return 0;
    const mapped__region *self = mapped__region_of(region);
    size_t capacity = MAPPED__LOAD(&self->appends.capacity);
    size_t length = mapped_region_length(region);
    return capacity > length ? capacity - length : 0;
}

/* The first append that crosses a multiple of STEP brings in all pages up to
 * the next multiple, in one call: that takes less time than a fault for each
 * page. Errors are ignored, because the store will meet them. */
static void prefault_spare(const mapped__region *self, size_t start, size_t end)
{
    size_t crossed = (self->lead + end) & ~((size_t)STEP - 1);
    if (crossed <= self->lead + start ||
        crossed >= self->lead + self->appends.capacity)
        return;
    size_t left = self->mapping.used - crossed;
    (void)mapped__range_populate(self->mapping.address + crossed,
                                 left < STEP ? left : STEP, true);
}

/* Makes the mapping and the file long enough for an append to [start, end).
 * Lost pages past the region's end are mapped again first, because the disk may
 * have space by now. */
static mapped_status make_longer(mapped__region *self, size_t start, size_t end,
                                 mapped_error *error)
{
    bool fits;
    if (mapped__region_has_lost(self))
        mapped__region_recover_past_end(self);
    mapped_status status = ensure_spare(self, end, &fits, error);
    if (status == MAPPED_OK && !fits)
        return mapped__region_resize(self, end, true, error);
    if (status == MAPPED_OK)
        prefault_spare(self, start, end);
    return status;
}

/* An append of no bytes: its errors come from a resize that changes nothing. */
static mapped_status take_empty_range(mapped__region *self,
                                      mapped__append_range *range,
                                      mapped_error *error)
{
    mapped_status status =
        mapped__region_resize(self, self->length, true, error);
    if (status == MAPPED_OK)
        *range = (mapped__append_range){
            .start = self->length, .truncations = self->appends.truncations};
    return status;
}

/* Gives an append of `n` bytes the range after the last one's. */
static mapped_status take_range(mapped__region *self, size_t n,
                                mapped__append_range *range,
                                mapped_error *error)
{
    const size_t start = self->appends.next;
    size_t end;
    if (n == 0)
        return take_empty_range(self, range, error);
    if (!mapped_add_size(start, n, &end))
        return mapped__error_set_length(error, MAPPED_OVERFLOW, "append", n,
                                        SIZE_MAX);
    mapped_status status = make_longer(self, start, end, error);
    if (status != MAPPED_OK)
        return status;
    self->appends.next = end;
    *range = (mapped__append_range){
        .start = start, .length = n, .truncations = self->appends.truncations};
    return MAPPED_OK;
}

/* From now on no running append counts as having made the file longer, so one
 * that fails leaves the file's end alone. */
static void forget_file_end(mapped__region *self)
{
    self->appends.file_end_before = UINT64_MAX;
}

/* Does what mapped__region_begin_append does, with the region locked. */
static mapped_status begin_locked(mapped__region *self, size_t n,
                                  mapped__append_range *range,
                                  mapped_error *error)
{
    if (self->appends.running == 0)
        forget_file_end(self);
    if (mapped_region_readonly(&self->head))
        return mapped_error_set(error, MAPPED_READONLY, "append");
    if (self->appends.invalidated > 0)
        return mapped__region_busy(self, "append", error);
    return take_range(self, n, range, error);
}

mapped_status mapped__region_begin_append(mapped_region *region, size_t n,
                                          mapped__append_range *range,
                                          mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, "append", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, n, range, error);
    if (status == MAPPED_OK) {
        mapped__thread_begin_append(self, range);
        range->recoveries = mapped_region_recovery_count(region);
        MAPPED__STORE(&self->appends.running, self->appends.running + 1);
    }
    mapped__region_unlock(self);
    return mapped__region_complete_error(region, "append", status, error);
}

void mapped__region_invalidate_appends(mapped__region *self)
{
    self->appends.next = self->length;
    forget_file_end(self);
    self->appends.truncations++;
    self->appends.invalidated = self->appends.running;
}

/* Takes back what failed appends have added, once no append is running any
 * more. Appends that had no spare have made the file longer. */
static void undo_failed_appends(mapped__region *self)
{
    if (self->appends.capacity == 0)
        mapped__region_undo_growth(self);
    self->appends.next = self->length;
}

/* A page is lost. If that is so because another process has truncated the file,
 * the spare has gone, too. */
static void forget_spare_if_truncated(mapped__region *self)
{
    mapped__file_info info;
    if (self->file != MAPPED__NO_FILE &&
        mapped__file_info_get(self->file, &info, NULL) == MAPPED_OK)
        mapped__region_drop_stale_spare(self, &info);
}

/* An error about a lost page, of the append range or of the trailer, tells the
 * append range: callers know nothing of the trailer. */
static void tell_range(const mapped__append_range *range, mapped_error *error)
{
    if (error == NULL)
        return;
    error->offset = range->start;
    error->length = range->length;
    error->limit = range->start + range->length;
}

/* Makes the region longer, unless the bytes or the trailer are lost, or the
 * file was truncated since the append began. A refresh that has a limit stops
 * at the region's new end from now on. */
static mapped_status publish_append(mapped__region *self,
                                    const mapped__append_range *range,
                                    mapped_error *error)
{
    size_t start = range->start, end = start + range->length;
    if (self->appends.truncations != range->truncations) {
        const mapped_error_range gone = {
            .offset = start, .length = range->length, .limit = self->length};
        return mapped_error_set_range(error, MAPPED_RANGE, "append", gone);
    }
    mapped_status status = check_stored(self, start, range->length, error);
    if (status == MAPPED_OK && end > self->length)
        status = write_data_end(self, end, error);
    if (status != MAPPED_OK) {
        tell_range(range, error);
        return status;
    }
    if (end > self->length)
        mapped__region_publish_length(self, end);
    mapped__region_move_refresh_limit(self);
    return MAPPED_OK;
}

/* Does what mapped__region_end_append does, with the region locked and the
 * append not counted as running any more. The last one to end in the child of a
 * fork gives the file's pages back to the region. */
static mapped_status end_locked(mapped__region *self,
                                const mapped__append_range *range,
                                mapped_status status, mapped_error *error)
{
    if (status == MAPPED_OK)
        status = publish_append(self, range, error);
    if (self->appends.running == 0)
        mapped__region_share_again(self);
    if (self->appends.running == 0 && self->appends.next > self->length)
        undo_failed_appends(self);
    if (status == MAPPED_FAULT)
        forget_spare_if_truncated(self);
    return status;
}

/* Counts an append as not running any more, in one step, because several may
 * end at once after the region was closed, when nobody can lock it. */
static void count_append_end(mapped__appends *appends)
{
    size_t before = __atomic_fetch_sub(&appends->running, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    (void)before;
}

mapped_status mapped__region_end_append(mapped_region *region,
                                        const mapped__append_range *range,
                                        mapped_status status,
                                        mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    const mapped__recovered_query recovered = {.offset = range->start,
                                               .length = range->length,
                                               .since = range->recoveries};
    mapped__thread_end_append(range);
    mapped_error *closed_error = status == MAPPED_OK ? error : NULL;
    if (mapped__region_lock(self, "append", closed_error) != MAPPED_OK) {
        count_append_end(&self->appends);
        return status == MAPPED_OK ? MAPPED_CLOSED : status;
    }
    if (status == MAPPED_OK)
        status = mapped__region_check_recovered(&self->head, &recovered, error);
    count_append_end(&self->appends);
    if (self->appends.invalidated > 0 &&
        range->truncations != self->appends.truncations)
        self->appends.invalidated--;
    status = end_locked(self, range, status, error);
    mapped__region_unlock(self);
    return status;
}

mapped_status mapped__region_append_short(mapped_region *region,
                                          const void *data, size_t n,
                                          mapped_error *error)
{
    mapped__append_range range;
    mapped__region *self = mapped__region_of(region);
    unsigned char bytes[MAPPED__SHORT];
    assert(n > 0 && n <= MAPPED__SHORT);
    /* The caller's memory is read before the lock (region_internal.h). */
    memcpy(bytes, data, n);
    mapped_status status = mapped__region_lock(self, "append", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, n, &range, error);
    if (status == MAPPED_OK) {
        /* The guard covers these bytes, too, so a lost page is no crash, and
         * end_locked finds it. */
        memcpy(self->mapping.address + self->lead + range.start, bytes, n);
        status = end_locked(self, &range, status, error);
    }
    mapped__region_unlock(self);
    return status;
}
