/* Room for what is appended. Making a file longer takes several system calls,
 * so append makes it longer in steps, ahead of the data, and closing trims it.
 *
 *     data ................ spare .................... trailer
 *     ^ offset              ^ + length       + capacity ^      ^ size of file
 *
 * The trailer (bulk.h has its form) tells those who open the file meanwhile, or
 * after a crash, where the data ends.
 *
 * - It is valid only if the size in it is the file's, and that is TRAILER more
 *   than a multiple of STEP. Hardly any other file's size is, so other files
 *   are not even read.
 * - It has a page of its own. A process that truncates the file anywhere takes
 *   that page, so the next append finds it lost.
 * - The write that makes the file longer writes it.
 * - Later only the end of the data in it changes, in one aligned store, after
 *   the data is stored. So a process that is killed at any instruction leaves a
 *   trailer that is true.
 *
 * Invariant: while `capacity` isn't 0, the region's length is at most
 * `capacity`, the mapping covers the trailer, and the trailer's end of the data
 * is the region's end, unless another process has appended since.
 *
 * An append stores its bytes past the region's end, where nobody can see them,
 * and then makes the region longer. One that fails leaves nothing, except zeros
 * if an append that began later has ended. */
#include <mapped/region.h>

#include <assert.h>
#include <string.h>

#include <mapped/checked.h>
#include <mapped/endian.h>
#include <mapped/fault.h>

#include "region_internal.h"

#define STEP ((uint64_t)65536)
#define TRAILER ((size_t)24)
#define SIZE_AT 8
#define DATA_END_AT 16
#define MOST_SPARE ((uint64_t)64 << 20)

static const unsigned char magic[8] = "\xADmapped\x01";

/* Where the data ends by the trailer, or the size if there is no valid one. */
static uint64_t read_data_end(intptr_t file, const mapped__file_info *info)
{
    unsigned char trailer[TRAILER];
    uint64_t size = info->size;
    if (info->kind != MAPPED__FILE_REGULAR || size % STEP != TRAILER ||
        mapped__file_read(file, size - TRAILER, trailer, TRAILER, NULL) !=
            MAPPED_OK ||
        memcmp(trailer, magic, sizeof magic) != 0 ||
        mapped_le_u64(mapped_load_u64(trailer + SIZE_AT)) != size)
        return size;
    uint64_t end = mapped_le_u64(mapped_load_u64(trailer + DATA_END_AT));
    return end <= size - TRAILER ? end : size;
}

/* Another process may trim the file or make it longer between the look at its
 * size and the look at the trailer. So if the size is one that goes with a
 * trailer, it takes eight tries without one to believe that there is none. */
uint64_t mapped__file_data_end(intptr_t file, mapped__file_info *info)
{
    for (int tries = 0; tries < 8; tries++) {
        mapped__file_info now;
        uint64_t end = read_data_end(file, info);
        if (end < info->size || info->size % STEP != TRAILER)
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
    unsigned char trailer[TRAILER];
    memcpy(trailer, magic, sizeof magic);
    mapped_store_u64(trailer + SIZE_AT, mapped_le_u64(size));
    mapped_store_u64(trailer + DATA_END_AT, mapped_le_u64(data_end));
    return mapped__file_write(file, size - TRAILER, trailer, TRAILER, error);
}

/* The size of the file; 0: the region has no spare. */
static uint64_t size_with_spare(const mapped__region *self)
{
    return self->appends.capacity != 0
               ? self->offset + self->appends.capacity + TRAILER
               : 0;
}

void mapped__region_find_trailer(const mapped__region *self,
                                 mapped__trailer *trailer)
{
    *trailer =
        (mapped__trailer){.length = self->appends.capacity != 0 ? TRAILER : 0};
    if (self->appends.capacity == 0)
        return;
    assert(self->lead + self->appends.capacity + TRAILER <= self->mapping.used);
    trailer->address =
        self->mapping.address + self->lead + self->appends.capacity;
    trailer->offset = size_with_spare(self) - TRAILER;
}

/* As mapped__region_check_pages, after a store there. */
static inline mapped_status check_stored(mapped__region *self, size_t at,
                                         size_t n, mapped_error *error)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LOAD(&self->head.state_) & MAPPED__STATE_LOST
               ? mapped__region_check_pages(self, at, n, error)
               : MAPPED_OK;
}

/* Says in the trailer that the data are `length` bytes of the region.
 * MAPPED_FAULT: the file has been truncated, so that the trailer's page is
 * lost. */
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
    return check_stored(self, (size_t)(trailer.address - self->mapping.address),
                        TRAILER, error);
}

/* The largest size of the file that the region can reach to. */
static uint64_t largest_size(const mapped__region *self)
{
    return self->offset + (self->reserve != 0 ? self->reserve : SIZE_MAX / 2);
}

/* May the file have this size? Tests offset + length + TRAILER <= size, too, in
 * a form that doesn't overflow. */
static bool fits(const mapped__region *self, uint64_t size, size_t length)
{
    return size <= largest_size(self) &&
           mapped_range_fits_u64(self->offset + TRAILER, length, size);
}

/* The largest size of a file with a trailer that is not above `size`; 0: none
 * is so small. */
static uint64_t round_down(uint64_t size)
{
    return size < TRAILER ? 0 : ((size - TRAILER) & ~(STEP - 1)) + TRAILER;
}

/* Returns the size to make the file for `length` bytes: about twice that, at
 * most MOST_SPARE more, and not beyond the reserve; 0 if it can't be so long.
 */
static uint64_t choose_size(const mapped__region *self, size_t length)
{
    uint64_t more = TRAILER + (length < MOST_SPARE ? length : MOST_SPARE);
    uint64_t largest = largest_size(self);
    if (!mapped_range_fits_u64(self->offset + more + STEP, length, INT64_MAX))
        return 0;
    uint64_t size = self->offset + length + more + STEP - 1;
    size = round_down(size < largest ? size : largest);
    return fits(self, size, length) ? size : 0;
}

/* Writes the trailer at the new end, which makes the file longer, and then
 * allocates the blocks. */
static mapped_status extend_file(const mapped__region *self, uint64_t size,
                                 uint64_t new_size, mapped_error *error)
{
    bool allocate = !(self->flags & MAPPED_OPEN_SPARSE);
    mapped_status status = mapped__file_write_trailer(
        self->file, new_size, self->offset + self->length, error);
    if (status != MAPPED_OK) { /* which may have made the file longer */
        (void)mapped__file_resize(self->file, new_size, size, false, NULL);
        return status;
    }
    return mapped__file_resize(self->file, size, new_size, allocate, error);
}

/* Makes the mapping longer and then the file. If another process, running or
 * dead, has left a spare that is large enough, that is used instead of a longer
 * file. MAPPED_BUSY: the mapping has to move and can't. After any other failure
 * the caller can still make the file as long as it must be. */
static mapped_status make_spare(mapped__region *self, size_t length,
                                mapped_error *error)
{
    mapped__file_info info;
    mapped_status status = mapped__file_info_get(self->file, &info, error);
    if (status != MAPPED_OK)
        return status;
    uint64_t data_end = self->offset + self->length;
    uint64_t size = info.size;
    if (info.size == data_end || !fits(self, info.size, length))
        size = choose_size(self, length);
    /* which looks at the size again */
    bool ours = mapped__file_data_end(self->file, &info) == data_end;
    if (!ours || size == 0 || size < info.size)
        return mapped_error_set(error, MAPPED_RANGE, "append in steps");
    status = mapped__region_extend(self, (size_t)(size - self->offset), error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_publish(self, self->length);
    if (size > info.size)
        status = extend_file(self, info.size, size, error);
    if (status != MAPPED_OK)
        return status;
    mapped__region_recover_past_end(self);
    MAPPED__STORE(&self->appends.capacity,
                  (size_t)(size - self->offset) - TRAILER);
    return MAPPED_OK;
}

/* Makes a spare unless there is one with room for `length` bytes of the region;
 * `*has` tells whether there is one then. MAPPED_BUSY is the only error:
 * without a spare the append makes the file just as long as it must be. */
static mapped_status ensure_spare(mapped__region *self, size_t length,
                                  bool *has, mapped_error *error)
{
    *has = length <= self->appends.capacity;
    if (*has || !self->appends.in_steps ||
        mapped__region_check_growable(self, NULL) != MAPPED_OK)
        return MAPPED_OK;
    self->appends.in_steps = mapped__file_is_writable_at(self->file);
    if (!self->appends.in_steps)
        return MAPPED_OK;
    mapped__region_free_old(self);
    mapped_status status = make_spare(self, length, error);
    *has = status == MAPPED_OK;
    return status == MAPPED_BUSY ? status : MAPPED_OK;
}

/* Leaves the file alone if another process has truncated it or has appended
 * more. */
void mapped__region_trim(mapped__region *self, size_t data, size_t length)
{
    mapped__file_info info;
    if (self->appends.capacity != 0 &&
        mapped__file_info_get(self->file, &info, NULL) == MAPPED_OK &&
        info.size == size_with_spare(self) &&
        mapped__file_data_end(self->file, &info) == self->offset + data)
        (void)mapped__file_resize(self->file, info.size, self->offset + length,
                                  false, NULL);
    MAPPED__STORE(&self->appends.capacity, 0);
}

/* Forgets the spare and unmaps its pages: another process has truncated the
 * file there, and what the file gets there later has to be mapped anew. But
 * exports may be longer than the region; then lost pages are mapped anew when
 * the region grows (mapped__region_recover_past_end). */
void mapped__region_check_spare(mapped__region *self,
                                const mapped__file_info *info)
{
    if (self->appends.capacity == 0 || info->size == size_with_spare(self))
        return;
    MAPPED__STORE(&self->appends.capacity, 0);
    mapped__region_fail_appends(self);
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

/* If this append crosses a multiple of STEP, brings in the pages up to the next
 * one at once, which takes less time than a fault for each. Errors are ignored,
 * because the store will meet them. */
static void fetch_spare(const mapped__region *self, size_t end)
{
    size_t start = (self->lead + end) & ~((size_t)STEP - 1);
    if (start <= self->lead + self->appends.next ||
        start >= self->lead + self->appends.capacity)
        return;
    size_t left = self->mapping.used - start;
    (void)mapped__range_fetch(self->mapping.address + start,
                              left < STEP ? left : STEP, true);
}

/* Lost pages past the region's end are mapped again first: the disk may have
 * space by now. */
static mapped_status make_room(mapped__region *self, size_t end,
                               mapped_error *error)
{
    bool has_spare;
    if (MAPPED__LOAD(&self->head.state_) & MAPPED__STATE_LOST)
        mapped__region_recover_past_end(self);
    mapped_status status = ensure_spare(self, end, &has_spare, error);
    if (status == MAPPED_OK && !has_spare)
        return mapped__region_resize(self, end, true, error);
    if (status == MAPPED_OK)
        fetch_spare(self, end);
    return status;
}

/* How many appends this thread is in the middle of. */
static _Thread_local unsigned thread_appends;

bool mapped__thread_appends(void)
{
    return thread_appends > 0;
}

/* As mapped__region_begin_append, with the region locked. */
static mapped_status begin_locked(mapped__region *self, size_t n,
                                  mapped__append_target *target,
                                  mapped_error *error)
{
    size_t end, start = n > 0 ? self->appends.next : self->length;
    if (self->appends.running == 0)
        self->appends.file_end_before = UINT64_MAX;
    if (mapped_region_readonly(&self->head))
        return mapped_error_set(error, MAPPED_READONLY, "append");
    if (self->appends.doomed > 0)
        return mapped__region_busy(self, "append", error);
    if (!mapped_add_size(start, n, &end)) {
        const mapped_error_range range = {.length = n, .limit = SIZE_MAX};
        return mapped_error_set_range(error, MAPPED_OVERFLOW, "append", range);
    }
    mapped_status status =
        n > 0 ? make_room(self, end, error)
              : mapped__region_resize(self, self->length, true, error);
    if (status != MAPPED_OK)
        return status;
    if (n > 0)
        self->appends.next = end;
    *target = (mapped__append_target){
        .start = start, .length = n, .truncations = self->appends.truncations};
    return MAPPED_OK;
}

mapped_status mapped__region_begin_append(mapped_region *region, size_t n,
                                          mapped__append_target *target,
                                          mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    mapped_status status = mapped__region_lock(self, false, "append", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, n, target, error);
    if (status == MAPPED_OK) {
        thread_appends++;
        target->recoveries = mapped_region_recovery_count(region);
        MAPPED__STORE(&self->appends.running, self->appends.running + 1);
    }
    mapped__region_unlock(self);
    return mapped__region_report(region, "append", status, error);
}

void mapped__region_fail_appends(mapped__region *self)
{
    self->appends.next = self->length;
    self->appends.file_end_before = UINT64_MAX;
    self->appends.truncations++;
    self->appends.doomed = self->appends.running;
}

/* Takes back what failed appends have added, when no other is running. Without
 * a spare they have made the file longer. */
static void undo_failed(mapped__region *self)
{
    if (self->appends.capacity == 0)
        mapped__region_undo_growth(self);
    self->appends.next = self->length;
}

/* Forgets the spare if others have truncated the file, which may be why a page
 * is lost. */
static void forget_spare_if_truncated(mapped__region *self)
{
    mapped__file_info info;
    if (self->file != MAPPED__NO_FILE &&
        mapped__file_info_get(self->file, &info, NULL) == MAPPED_OK)
        mapped__region_check_spare(self, &info);
}

/* The lost page is one of the append's target or the trailer's. Both lie past
 * the region's end, so the error names the bytes of the append. */
static void report_as_lost(const mapped__append_target *target,
                           mapped_error *error)
{
    if (error == NULL)
        return;
    error->offset = target->start;
    error->length = target->length;
    error->limit = target->start + target->length;
}

/* Makes the region longer, unless the bytes or the trailer are lost. */
static mapped_status publish_append(mapped__region *self,
                                    const mapped__append_target *target,
                                    mapped_error *error)
{
    size_t start = target->start, end = start + target->length;
    if (self->appends.truncations != target->truncations) {
        const mapped_error_range range = {
            .offset = start, .length = target->length, .limit = self->length};
        return mapped_error_set_range(error, MAPPED_RANGE, "append", range);
    }
    mapped_status status =
        check_stored(self, self->lead + start, target->length, error);
    if (status == MAPPED_OK && end > self->length)
        status = write_data_end(self, end, error);
    if (status != MAPPED_OK) {
        report_as_lost(target, error);
        return status;
    }
    if (end > self->length)
        mapped__region_publish_length(self, end);
    if (self->refresh_limit != UINT64_MAX)
        self->refresh_limit = self->length;
    return MAPPED_OK;
}

/* As mapped__region_end_append, with the region locked. */
static mapped_status finish_locked(mapped__region *self,
                                   const mapped__append_target *target,
                                   mapped_status status, mapped_error *error)
{
    if (status == MAPPED_OK)
        status = publish_append(self, target, error);
    if (self->appends.running == 0 && self->appends.next > self->length)
        undo_failed(self);
    if (status == MAPPED_FAULT)
        forget_spare_if_truncated(self);
    return status;
}

static void count_ended(mapped__appends *appends,
                        const mapped__append_target *target)
{
    assert(appends->running > 0);
    MAPPED__STORE(&appends->running, appends->running - 1);
    if (appends->doomed > 0 && target->truncations != appends->truncations)
        appends->doomed--;
}

mapped_status mapped__region_end_append(mapped_region *region,
                                        const mapped__append_target *target,
                                        mapped_status status,
                                        mapped_error *error)
{
    mapped__region *self = mapped__region_of(region);
    const mapped__lost bytes = {.offset = target->start,
                                .length = target->length};
    thread_appends--;
    mapped_status lock_status = mapped__region_lock(
        self, false, "append", status == MAPPED_OK ? error : NULL);
    if (lock_status != MAPPED_OK)
        return status == MAPPED_OK ? lock_status : status;
    if (status == MAPPED_OK)
        status = mapped__region_check_recovered(&self->head, &bytes,
                                                target->recoveries, error);
    count_ended(&self->appends, target);
    status = finish_locked(self, target, status, error);
    mapped__region_unlock(self);
    return status;
}

mapped_status mapped__region_append_short(mapped_region *region,
                                          const void *data, size_t n,
                                          mapped_error *error)
{
    mapped__append_target target;
    mapped__region *self = mapped__region_of(region);
    unsigned char bytes[MAPPED__SHORT];
    assert(n > 0 && n <= MAPPED__SHORT);
    memcpy(bytes, data, n);
    mapped_status status = mapped__region_lock(self, false, "append", error);
    if (status != MAPPED_OK)
        return status;
    status = begin_locked(self, n, &target, error);
    if (status == MAPPED_OK) {
        memcpy(self->mapping.address + self->lead + target.start, bytes, n);
        status = finish_locked(self, &target, status, error);
    }
    mapped__region_unlock(self);
    return status;
}
