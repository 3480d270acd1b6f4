/* What the region's own files share and nobody else sees. */
#ifndef MAPPED_REGION_INTERNAL_H
#define MAPPED_REGION_INTERNAL_H

#include <mapped/origin.h>
#include <mapped/region.h>

#include "guard_internal.h"
#include "platform.h"

/* A mapping that the region has moved away from while it was exported. It stays
 * where it is, and guarded, until there is no export any more. */
typedef struct mapped__old_mapping {
    struct mapped__old_mapping *next;
    mapped__mapping mapping;
    mapped__guard_slot *slot;
} mapped__old_mapping;

/* The appends to a region, and the spare that they have made in its file. An
 * append is running from mapped__region_begin_append to
 * mapped__region_end_append. */
typedef struct mapped__appends {
    bool may_have_spare;  /* the file may get longer ahead of the data */
    size_t capacity;      /* the region can grow to this length before the file
                           * must get longer; 0: the region has no spare */
    size_t running;       /* number of running appends */
    size_t next;          /* where the next append range starts: at the region's
                           * end, or after the ranges of running appends */
    uint32_t truncations; /* how often the bytes past the region's end were
                           * dropped, because the file got shorter, or by a
                           * fork in the middle of an append */
    size_t invalidated;   /* number of running appends that began before the
                           * last truncation: they will fail */
    uint64_t file_end_before; /* where the file ended before running appends
                               * made it longer; UINT64_MAX: they haven't */
    size_t private_start;     /* in a child that was forked in the middle of an
                               * append, [private_start, private_end) of the
                               * mapping is private until that ends */
    size_t private_end;       /* 0: nothing is */
} mapped__appends;

typedef struct mapped__protection mapped__protection;

/* `head` comes first, so that a mapped_region pointer is also one to this. */
typedef struct mapped__region {
    mapped_region head;
    /* MAPPED__CONTROL_* flags and the count of exports. Atomic, so that it must
     * lie in one cache line also where a 64-bit number needs no more than 4
     * bytes of alignment. */
    _Alignas(8) uint64_t control;
    uint32_t references;
    bool in_callers_memory; /* see mapped_region_room */

    /* How the region was made. */
    mapped_mode mode;
    uint32_t flags;       /* MAPPED_OPEN_* */
    uint64_t offset;      /* where in the file the first byte is */
    uint64_t reserve;     /* as the caller asked for it; 0: none */
    bool is_file;         /* false: wrapped or anonymous memory */
    bool by_path;         /* opened by its path, not by a descriptor */
    bool fixed;           /* a device: nobody changes its size */
    bool copies_on_move;  /* see mapped_region_copy_on_move */
    bool keeps_addresses; /* see mapped_region_keep_addresses */

    /* The file. */
    intptr_t file;        /* MAPPED__NO_FILE if no descriptor is held */
    uint64_t file_device; /* these two together identify the file */
    uint64_t file_serial;
    uint64_t refresh_limit;   /* refresh makes the region no longer than this;
                               * UINT64_MAX: it follows the file to its end */
    bool created;             /* this region has made the file, and no flush has
                               * written the directory entry yet */
    mapped__readahead *ahead; /* stops threads that read ahead; NULL: none */

    /* The mapping. */
    mapped__mapping mapping;
    size_t lead;    /* where in the mapping the region's first byte is: less
                     * than a page */
    size_t length;  /* as head.live_, but of devices, too */
    size_t longest; /* the largest value that `length` has had */
    mapped__old_mapping *old_mappings; /* the latest first; see
                                        * mapped__region_free_old_mappings */
    size_t copied; /* how many bytes of old mappings are private memory */

    mapped__appends appends;

    /* The flushes that have failed. */
    int flush_error;    /* of the first one; 0: none has */
    size_t flush_start; /* they were to write bytes between these two */
    size_t flush_end;

    /* Protection: region_protect.c. */
    bool protects_pages;            /* the system protects all pages */
    mapped__protection *protection; /* which bytes are protected; NULL before
                                     * any have been */

    /* Wrapped memory. */
    bool wrapped;
    mapped_wrap_hook *hook;
    void *context;

    const char *name; /* the path as the caller gave it: the end of `path`;
                       * NULL: there is none */

    /* The guard's range is the mapping, so its offsets include `lead`. This
     * comes last, because the lists in it are not cleared by region_new.c. */
    mapped__guard guard;
    char path[]; /* opens the file also after a change of directory */
} mapped__region;

/* The flags of `control`; region_lock.c says how they change. */
#define MAPPED__CONTROL_LOCKED (UINT64_C(1) << 63)
#define MAPPED__CONTROL_AWAITED (UINT64_C(1) << 62) /* threads wait for it */
/* No export begins. */
#define MAPPED__CONTROL_NO_NEW_EXPORTS (UINT64_C(1) << 61)
/* Access has ended for good. */
#define MAPPED__CONTROL_CLOSED (UINT64_C(1) << 60)
/* Closed with exports, the last of which will free the memory. */
#define MAPPED__CONTROL_RETIRED (UINT64_C(1) << 59)
/* An export has begun since the mapping is where it is. */
#define MAPPED__CONTROL_WAS_EXPORTED (UINT64_C(1) << 58)
/* Those that are never set without LOCKED. */
#define MAPPED__CONTROL_WHILE_LOCKED                    \
    (MAPPED__CONTROL_LOCKED | MAPPED__CONTROL_AWAITED | \
     MAPPED__CONTROL_NO_NEW_EXPORTS)
/* The number of exports. */
#define MAPPED__CONTROL_EXPORTS ((UINT64_C(1) << 48) - 1)

/* `region` is the handle that callers have, `self` the same object with all its
 * fields. */
static inline mapped__region *mapped__region_of(const mapped_region *region)
{
    return (mapped__region *)(uintptr_t)region;
}

static inline mapped__region *mapped__region_of_guard(mapped__guard *guard)
{
    return (mapped__region *)((char *)guard - offsetof(mapped__region, guard));
}

/* Does the caller have the only reference, and is no append running? Then no
 * other thread can be in the middle of an access, so addresses may move or be
 * given back. The caller has locked or closed the region. (An append may be
 * running in the caller's own thread, if this is called by the handler of a
 * fault that the append has met.) */
static inline bool mapped__region_is_unshared(const mapped__region *self)
{
    return MAPPED__LOAD_ACQUIRE(&self->references) == 1 &&
           MAPPED__LOAD(&self->appends.running) == 0;
}

/* May a pointer be in use that the region keeps its addresses for? */
static inline bool mapped__region_has_kept_pointers(const mapped__region *self)
{
    return self->keeps_addresses &&
           (self->old_mappings != NULL || MAPPED__LOAD_ACQUIRE(&self->control) &
                                              MAPPED__CONTROL_WAS_EXPORTED);
}

/* May the pages go, and their addresses be given back? */
static inline bool mapped__region_can_unmap(const mapped__region *self)
{
    return mapped__region_is_unshared(self) &&
           !mapped__region_has_kept_pointers(self);
}

static inline bool mapped__region_is_locked(const mapped__region *self)
{
    return MAPPED__LOAD_ACQUIRE(&self->control) & MAPPED__CONTROL_LOCKED;
}

/* mapped_region_device, inline. */
static inline bool mapped__is_device(const mapped_region *region)
{
    return region != NULL &&
           MAPPED__LOAD(&region->traits_) & MAPPED__TRAIT_DEVICE;
}

/* Is the file of these two numbers the region's? */
static inline bool mapped__region_has_identity(const mapped__region *self,
                                               uint64_t device, uint64_t serial)
{
    return self->file_device == device && self->file_serial == serial;
}

static inline bool mapped__mode_shares_writes(mapped_mode mode)
{
    return mode != MAPPED_MODE_READ && mode != MAPPED_MODE_COPY;
}

/* This process, as mapped__process_identity_find knows it. */
static inline uint64_t mapped__process_identity(void)
{
    uint64_t known = MAPPED__LOAD(&mapped__process_identity_cache);
    return MAPPED__LIKELY(known != 0) ? known : mapped__process_identity_find();
}

/* The region has got another length by a call of the user's. If refresh doesn't
 * follow the file to its end, it stops there from now on. */
static inline void mapped__region_move_refresh_limit(mapped__region *self)
{
    if (self->refresh_limit != UINT64_MAX)
        self->refresh_limit = self->length;
}

/* To be called after each change of the live length and of the traits, which
 * only happen with the region locked, closed, or not shown to anybody yet. */
static inline void mapped__region_publish_writable(mapped__region *self)
{
    const size_t live = MAPPED__LOAD(&self->head.live_);
    const bool has_traits = MAPPED__LOAD(&self->head.traits_) != 0;
    __atomic_store_n(&self->head.writable_, has_traits ? 0 : live,
                     __ATOMIC_SEQ_CST);
}

/* The functions, by file. If nothing else is said, one that takes a
 * mapped__region needs it to be locked by the caller, and one that takes a
 * mapped_region doesn't. `operation` is what an error names. */

/* region.c: lengths, and the end of memory. */

/* What every public function returns through: gives an error the name of the
 * operation that was called, unless the error has a text that says more, and
 * the path of the region's file. Returns `status`. mapped__region_fill_error
 * is for a status that is known to be an error. */
mapped_status mapped__region_fill_error(const mapped_region *region,
                                        const char *operation,
                                        mapped_status status,
                                        mapped_error *error);
static inline mapped_status
mapped__region_complete_error(const mapped_region *region,
                              const char *operation, mapped_status status,
                              mapped_error *error)
{
    if (MAPPED__LIKELY(status == MAPPED_OK))
        return MAPPED_OK;
    return mapped__region_fill_error(region, operation, status, error);
}

/* What an empty region's base points at: never read, but not NULL either. */
extern unsigned char mapped__region_nothing[1];

/* Shows the mapping and the length to the inline checks, in that order. A
 * shorter length makes running appends fail. */
void mapped__region_publish(mapped__region *self, size_t length);
void mapped__region_publish_length(mapped__region *self, size_t length);

/* The request that maps `length` bytes of the region. */
mapped__map_request mapped__region_map_request(const mapped__region *self,
                                               size_t length);

/* Frees the mappings that the region has moved away from, unless there is an
 * export, and but for the latest ones if the region keeps its addresses. */
void mapped__region_free_old_mappings(mapped__region *self);

/* Ends the count of an export that mapped__region_begin_export has begun. */
void mapped__region_end_export(mapped_region *region);

/* region_lock.c: the control word. */

/* Waits while another thread has locked the region, then keeps such threads out
 * until one of the unlocks. Takes NULL. MAPPED_CLOSED. */
mapped_status mapped__region_lock(mapped__region *self, const char *operation,
                                  mapped_error *error);
void mapped__region_unlock(mapped__region *self);
/* Unlocks the region, and it is closed. */
void mapped__region_unlock_closed(mapped__region *self);
/* Unlocks the region, closed and retired, if there are exports. Returns how
 * many there are; 0: nothing has changed. */
size_t mapped__region_unlock_retired(mapped__region *self);

/* Lets no export begin until the region is unlocked. MAPPED_BUSY while there is
 * one. */
mapped_status mapped__region_lock_exports(mapped__region *self,
                                          const char *operation,
                                          mapped_error *error);
/* Locks the region, and its exports, too. */
mapped_status mapped__region_lock_unexported(mapped__region *self,
                                             const char *operation,
                                             mapped_error *error);
/* Lets no export begin until the region is unlocked. Returns true if an export
 * that has begun before, or a pointer that is kept, may show the mapping where
 * it is now, and false if the mapping may go. */
bool mapped__region_stop_new_exports(mapped__region *self);
/* To be called when the mapping has moved: no export shows it where it is now.
 */
void mapped__region_moved(mapped__region *self);

/* Counts an export. `*base` is the region's first byte. MAPPED_CLOSED. */
mapped_status mapped__region_begin_export(mapped_region *region,
                                          unsigned char **base,
                                          mapped_error *error);
/* Counts the end of an export. True if it was the last one of a retired region:
 * then the region is locked, so that the caller frees its memory. */
bool mapped__region_count_export_end(mapped__region *self);

/* MAPPED_BUSY, with the number of exports. */
mapped_status mapped__region_busy(const mapped__region *self,
                                  const char *operation, mapped_error *error);

/* The calls of mapped_region_on_wait, around what may take long. */
void *mapped__region_begin_wait(void);
void mapped__region_end_wait(void *context);

/* region_new.c: the struct. */

/* The caller's memory for a region, or none. */
typedef struct mapped__storage {
    void *memory;
    size_t size;
    const char *too_small; /* the error's text */
} mapped__storage;

/* A region of no bytes that the guard knows, and that nobody else does. The end
 * of its path is the name, which may be NULL. */
mapped_status mapped__region_new(mapped__storage at, const char *name,
                                 mapped__region **region, mapped_error *error);
/* Frees it again. Takes NULL. */
void mapped__region_discard(mapped__region *self);
/* Frees the struct alone, if it isn't in memory of the caller's. */
void mapped__region_free_struct(mapped__region *self);

/* region_file.c: the file. */

/* The file behind the region: the descriptor it holds, or the path opened again
 * and known to be the same file. Ends with close_file. MAPPED_SYSTEM,
 * MAPPED_STALE; MAPPED_UNSUPPORTED if there is none. */
mapped_status mapped__region_open_file(const mapped__region *self,
                                       intptr_t *file, mapped_error *error);
void mapped__region_close_file(const mapped__region *self, intptr_t file);

/* As mapped__region_open_file, but opens a second open file description of the
 * file, which the caller closes. */
mapped_status mapped__region_reopen_file(const mapped__region *self,
                                         bool writable, intptr_t *file,
                                         mapped_error *error);

/* region_resize.c: other lengths of file and mapping. */

/* As mapped_region_resize. For an append the file and the mapping get longer,
 * but the length is not published yet. */
mapped_status mapped__region_resize(mapped__region *self, uint64_t length,
                                    bool for_append, mapped_error *error);
/* Takes back what mapped__region_resize did for appends that have failed: gives
 * the file the end it had before them, but not before the region's. */
void mapped__region_undo_growth(mapped__region *self);

/* Maps more pages after those that are mapped, so that `length` bytes of the
 * region are mapped; the file must have them when they are used. This may move
 * the mapping, so the caller calls mapped__region_publish. MAPPED_BUSY,
 * MAPPED_SYSTEM. */
mapped_status mapped__region_extend(mapped__region *self, size_t length,
                                    mapped_error *error);
/* MAPPED_FAULT if a page of the region is lost, so that its mapping can't be
 * extended. */
mapped_status mapped__region_check_growable(mapped__region *self,
                                            mapped_error *error);

/* Unmaps the pages past `length` bytes of the region, which the file may have
 * lost. No export may show them. The caller publishes the length before, and
 * this does once more. */
mapped_status mapped__region_drop_pages(mapped__region *self, size_t length,
                                        mapped_error *error);

/* region_append.c: appends, and the spare and the trailer of the file. */

/* The append range: where one append stores its bytes, past the region's end.
 */
typedef struct mapped__append_range {
    size_t start;
    size_t length;
    uint32_t truncations; /* appends.truncations when this append began */
    uint64_t recoveries;  /* mapped_region_recovery_count at that time */
    unsigned outer;       /* number of appends that its thread was in before */
} mapped__append_range;

/* Makes the file and the mapping long enough for `n` bytes more (0: only checks
 * that appending is allowed). Two threads that append at the same time get
 * ranges of their own. Until the end the region counts as shared
 * (mapped__region_is_unshared), so its addresses stay. Errors are those of
 * mapped_region_resize. */
mapped_status mapped__region_begin_append(mapped_region *region, size_t n,
                                          mapped__append_range *range,
                                          mapped_error *error);
/* Makes the region longer, up to the end of the append range, if `status` says
 * that the bytes are stored there. Returns `status`, or MAPPED_FAULT if a page
 * of the range or of the trailer is lost, or MAPPED_RANGE if the range has
 * gone: the file was truncated, and the region with it, or this is the child of
 * a fork that was made in the middle of it. */
mapped_status mapped__region_end_append(mapped_region *region,
                                        const mapped__append_range *range,
                                        mapped_status status,
                                        mapped_error *error);

/* Both at once, with the region locked, for data that isn't the region's own
 * and has 1 to MAPPED__SHORT bytes. They are copied first: the caller's memory
 * isn't read with the region locked, because that may be a fault whose handler
 * appends, too. */
#define MAPPED__SHORT ((size_t)512)
mapped_status mapped__region_append_short(mapped_region *region,
                                          const void *data, size_t n,
                                          mapped_error *error);

/* Counts a truncation: the bytes past the region's end are dropped, so running
 * appends will fail. */
void mapped__region_invalidate_appends(mapped__region *self);

/* The trailer that append keeps at the end of the file. */
typedef struct mapped__trailer {
    unsigned char *address;
    size_t length;   /* 0: there is none */
    uint64_t offset; /* in the file */
} mapped__trailer;
void mapped__region_find_trailer(const mapped__region *self,
                                 mapped__trailer *trailer);

/* Ends the spare: the file ends after `length` bytes of the region from now on.
 * The file stays as it is unless the data in it ends after `data_length` bytes
 * of the region: else another process has truncated it or has appended. */
void mapped__region_trim_spare(mapped__region *self, size_t data_length,
                               size_t length);
/* Forgets the spare if another process has changed the file's size, which is
 * `info->size` now: it has truncated the file, or made a spare of its own. */
void mapped__region_drop_stale_spare(mapped__region *self,
                                     const mapped__file_info *info);

/* Where the data in the file ends: before the spare that an append has left
 * there, else at the file's end. `info` was read before; `info->size` becomes
 * the size that belongs to the answer. */
uint64_t mapped__file_data_end(intptr_t file, mapped__file_info *info);
/* The same for the region's file; shared memory has no trailer. */
uint64_t mapped__region_data_end(const mapped__region *self, intptr_t file,
                                 mapped__file_info *info);
/* Writes a trailer that makes the file end at `size`, which must be a size that
 * allows a trailer. */
mapped_status mapped__file_write_trailer(intptr_t file, uint64_t size,
                                         uint64_t data_end,
                                         mapped_error *error);

/* region_fork.c: forks in the middle of something. */

/* To be called when this thread begins and ends an append that isn't done with
 * the region locked: it may fork in the middle of it. */
void mapped__thread_begin_append(const mapped__region *self,
                                 mapped__append_range *range);
void mapped__thread_end_append(const mapped__append_range *range);
/* In the child of such a fork, after the last of these appends: its pages are
 * the file's again. */
void mapped__region_share_again(mapped__region *self);
/* Called in the child of a fork. */
void mapped__region_reset_in_child(mapped__guard *guard);

/* region_fault.c: lost pages. */

/* Puts a new region into the table of guards, so that the handlers of faults
 * and of forks know it. MAPPED_MEMORY, MAPPED_SYSTEM. */
mapped_status mapped__region_watch(mapped__region *self, mapped_error *error);
/* Guards the mapping as it is now. */
void mapped__region_guard(mapped__region *self);

/* Is any page lost that has been met by an access before this? */
static inline bool mapped__region_has_lost(const mapped__region *self)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LOAD(&self->head.state_) & MAPPED__STATE_LOST;
}

/* MAPPED_FAULT if a byte of [offset, offset + n) is lost. Then the file is
 * asked why, with the region locked, so that nobody closes it meanwhile:
 * MAPPED_CLOSED. */
mapped_status mapped__region_check_lost(mapped_region *region, size_t offset,
                                        size_t n, mapped_error *error);
/* The same for bytes that an export shows: MAPPED_FAULT also if the region is
 * closed. */
mapped_status mapped__region_check_lost_in_export(mapped_region *region,
                                                  size_t offset, size_t n,
                                                  mapped_error *error);

/* The same in a locked region. The bytes may lie past its end. */
mapped_status mapped__region_check_lost_locked(mapped__region *self,
                                               size_t offset, size_t n,
                                               mapped_error *error);
/* The same for all bytes of the region, and not for pages past its end, which
 * exports may still show. */
mapped_status mapped__region_check_nothing_lost(mapped__region *self,
                                                mapped_error *error);

/* MAPPED_FAULT if a byte of the region that the query asks for was lost and has
 * been recovered since, or was seen to be truncated. The cause of what was
 * recovered is known only if a report asked for it before. */
mapped_status
mapped__region_check_recovered(mapped_region *region,
                               const mapped__recovered_query *query,
                               mapped_error *error);

/* Why the page `lost->first` is lost. */
int mapped__region_fault_cause(mapped__region *self, const mapped__lost *lost);

/* region_recover.c: pages that are mapped anew. */

/* Maps [start, end) of the mapping, whole pages, anew with more flags. */
mapped_status mapped__region_map_anew(mapped__region *self, size_t start,
                                      size_t end, unsigned added_flags);
/* Maps them anew as they were. If that fails they count as lost. */
void mapped__region_map_anew_or_lose(mapped__region *self, size_t start,
                                     size_t end);

/* Gets lost pages past the live length back, before a length
 * is published that reaches to them. Does nothing while an append is running,
 * because that must find out that its own pages were lost. */
void mapped__region_recover_past_end(mapped__region *self);

/* region_protect.c: what may not be written. */

/* Tells whether one of the bytes [start, end) is protected, or all are. */
bool mapped__region_readonly_at(const mapped_region *region, size_t start,
                                size_t end);
/* What mapped_protect does with these bytes, or with the whole region if that
 * is what they are. Of some bytes the system protects no pages. These two lock
 * the region. */
mapped_status mapped__region_protect(mapped__region *self, size_t start,
                                     size_t end, mapped_error *error);
mapped_status mapped__region_unprotect(mapped__region *self, size_t start,
                                       size_t end, mapped_error *error);
/* Lists the protected bytes: of a region that is read-only in spite of its
 * mode, all. */
void mapped__region_list_protected(const mapped__region *self,
                                   mapped_origin *origin);
/* Forgets the protection of the bytes after the first `length`, which the
 * region doesn't have any more. */
void mapped__region_shrink_protection(mapped__region *self, size_t length);

/* Code that changes the pages unprotects them before, and protects them again.
 * Both do nothing unless the system is to protect the pages. MAPPED_SYSTEM. */
mapped_status mapped__region_unprotect_pages(mapped__region *self,
                                             mapped_error *error);
void mapped__region_protect_pages(mapped__region *self);

#endif
