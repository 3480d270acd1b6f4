/* A region: one mapping of a file, a device, shared memory or anonymous pages,
 * and its lifetime.
 *
 * A region is reference counted. Its creator holds one reference; every thread
 * that uses it at the same time as others must hold one of its own, so that
 * `close` and `resize` can tell whether somebody else may be in the middle of
 * an access. Slices (slice.h) are plain values that borrow the region: they
 * stay harmless after `close`, and dangle after the last `release`.
 *
 * A raw pointer that leaves the library is an export (export.h). While there is
 * one, nothing that would invalidate it happens: close and shrinking are
 * MAPPED_BUSY, and a region that has to move to grow leaves behind what the
 * export shows.
 *
 * Positions and lengths are bytes. Any byte offset into a file is fine; page
 * granularity never shows. A region of length 0 is normal.
 *
 * Unless its comment says otherwise a function here may be called from any
 * thread that holds a reference, also while others use the same region. */
#ifndef MAPPED_REGION_H
#define MAPPED_REGION_H

#include <mapped/error.h>

MAPPED_BEGIN

typedef enum mapped_mode {
    MAPPED_MODE_READ,       /* "r"  read-only */
    MAPPED_MODE_READ_WRITE, /* "r+" shared: writes reach the file */
    MAPPED_MODE_COPY,       /* "c"  private copy-on-write */
    MAPPED_MODE_CREATE,     /* "w+" create, or truncate to `length` */
    MAPPED_MODE_EXCLUSIVE,  /* "x+" create, fail if it exists */
    MAPPED_MODE_APPEND /* "a+" create if it is missing, keep what is there */
} mapped_mode;

/* Opaque but for the inline functions of slice.h: don't touch the fields. */
typedef struct mapped_region {
    unsigned char *base_; /* stable while anyone but the resizer may look */
    size_t live_;         /* what inline code may touch; 0 once closed */
    uint32_t state_;      /* MAPPED__STATE_*; 0 is clean */
    uint32_t traits_;     /* MAPPED__TRAIT_* */
} mapped_region;

#define MAPPED__STATE_CLOSED 1u
#define MAPPED__STATE_LOST 2u
#define MAPPED__STATE_SHRUNK 4u /* shorter than it once was */
#define MAPPED__TRAIT_READONLY 1u
#define MAPPED__TRAIT_DEVICE 2u
#define MAPPED__TRAIT_PROTECTED 4u /* some bytes are, see paging.h */

#define MAPPED_LENGTH_TO_END 0u
#define MAPPED_LENGTH_ZERO UINT64_MAX /* no bytes at all */

#define MAPPED_OPEN_SPARSE 1u   /* extend without allocating blocks */
#define MAPPED_OPEN_POPULATE 2u /* bring all pages in before returning */
#define MAPPED_OPEN_DEVICE 4u   /* registers: one access of the exact width */

#define MAPPED_PERMISSIONS_NONE UINT32_MAX

#define MAPPED_PROTECTED_STRETCHES 32 /* see mapped_protect in paging.h */

#define MAPPED_HUGE_NONE 0u
#define MAPPED_HUGE_ADVISE 1u /* transparent huge pages where possible */

/* All zero are the defaults. */
typedef struct mapped_open_options {
    size_t size;          /* sizeof(mapped_open_options); 0: of this version */
    uint64_t offset;      /* where in the file the region begins */
    uint64_t length;      /* bytes, MAPPED_LENGTH_TO_END of the file, or
                           * MAPPED_LENGTH_ZERO */
    uint64_t reserve;     /* address space to keep for growth; 0: none */
    uint32_t flags;       /* MAPPED_OPEN_* */
    uint32_t permissions; /* of a created file, less the umask, as in chmod; 0:
                           * 0666; MAPPED_PERMISSIONS_NONE. Not on Windows */
    uint64_t huge;        /* MAPPED_HUGE_*, or a huge page size in bytes */
    void *memory;         /* for the region: see mapped_region_room; or NULL */
    size_t memory_size;
} mapped_open_options;

#define MAPPED_OPEN_OPTIONS_INIT                                          \
    {                                                                     \
        sizeof(mapped_open_options), 0, MAPPED_LENGTH_TO_END, 0, 0, 0, 0, \
            NULL, 0                                                       \
    }

/* What `length` is to be for exactly `n` bytes, which may be none. */
MAPPED__INLINE uint64_t mapped_length_exactly(uint64_t n)
{
    return n == 0 ? MAPPED_LENGTH_ZERO : n;
}

/* All zero are the defaults. */
typedef struct mapped_anonymous_options {
    size_t size;      /* sizeof(mapped_anonymous_options); 0: this version's */
    uint64_t reserve; /* as in mapped_open_options */
    uint64_t huge;
    bool shared;  /* crosses fork, has a descriptor */
    void *memory; /* as in mapped_open_options */
    size_t memory_size;
} mapped_anonymous_options;

#define MAPPED_ANONYMOUS_OPTIONS_INIT                          \
    {                                                          \
        sizeof(mapped_anonymous_options), 0, 0, false, NULL, 0 \
    }

/* Called once with `context`, when memory given to mapped_region_wrap is no
 * longer needed, by the thread that closed or released the region last, or that
 * ended the last export of a retired one. */
typedef void mapped_wrap_hook(void *context);

/* "r", "r+", "c", "w+", "x+", "a+", and with a "b" at the end or inside, as in
 * "rb". MAPPED_ARGUMENT for anything else. */
MAPPED__MUST_USE mapped_status mapped_mode_parse(const char *text,
                                                 size_t length,
                                                 mapped_mode *mode,
                                                 mapped_error *error);
const char *mapped_mode_text(mapped_mode mode);

/* How many bytes the caller's memory for a region must have, aligned as malloc
 * does; `name` is the path or name it will be opened with, NULL for none. That
 * memory stays the caller's and must stay for as long as anything may use the
 * region or a slice of it: after the last release, too, it answers as closed.
 * For languages whose collector frees what holds a reference while something
 * else still uses it. Enough for any directory that a relative path may mean.
 */
size_t mapped_region_room(const char *name);

/* Maps a file. `path` is in the file system's own bytes (UTF-8 on Windows);
 * `options` may be NULL for the defaults. On success `*region` has one
 * reference, the caller's. On failure nothing is left behind: a file this call
 * created is removed, one it extended has its old size again.
 *
 * "r+" extends the file when offset + length lies past its end, with allocated
 * blocks (or without, MAPPED_OPEN_SPARSE). "a+" does too, and
 * creates the file if it is missing; that file stays if the call fails, because
 * somebody else may have opened it meanwhile. "w+" and "x+" make the file
 * offset + length bytes long; without a length, empty. "r" and "c" never change
 * the file. A device has no size of its own: give a length.
 *
 * MAPPED_SYSTEM: the open, the allocation or the mapping failed (os_error).
 * MAPPED_NOT_A_FILE: a directory, a pipe, a socket, a file whose size the
 * system doesn't know, as in /proc (os_error). MAPPED_PAST_END: offset or
 * offset + length past the end in "r" or "c". MAPPED_OVERFLOW: a number that no
 * file or address space can hold. MAPPED_ARGUMENT: unknown mode or flag,
 * reserve smaller than the length, too little memory for the region.
 * MAPPED_MEMORY: none could be allocated for it.
 *
 * No descriptor is held for "r" and "c"; the writable modes hold one. */
MAPPED__MUST_USE mapped_status mapped_region_open(
    const char *path, mapped_mode mode, const mapped_open_options *options,
    mapped_region **region, mapped_error *error);

/* What mapped_region_open_descriptor takes for a descriptor of the C library:
 * itself on POSIX, its HANDLE on Windows. It stays the caller's. */
intptr_t mapped_system_descriptor(int descriptor);

/* Like mapped_region_open, for an open descriptor (POSIX) or HANDLE (Windows),
 * which stays the caller's: the region holds a duplicate. "w+" truncates; "a+"
 * is as "r+"; "x+" is MAPPED_ARGUMENT. `name` (may be NULL) is what
 * mapped_region_name tells. */
MAPPED__MUST_USE mapped_status mapped_region_open_descriptor(
    intptr_t descriptor, const char *name, mapped_mode mode,
    const mapped_open_options *options, mapped_region **region,
    mapped_error *error);

/* Memory of `length` zero bytes, which may be 0, that is no file. `options` may
 * be NULL. MAPPED_ARGUMENT: a huge page size that is none, a reserve smaller
 * than the length, too little memory for the region; MAPPED_OVERFLOW;
 * MAPPED_MEMORY, MAPPED_SYSTEM. */
MAPPED__MUST_USE mapped_status mapped_region_anonymous(
    uint64_t length, const mapped_anonymous_options *options,
    mapped_region **region, mapped_error *error);

/* A region over memory that somebody else owns, for the sake of its slices.
 * `data` must stay valid until `hook` is called (NULL: until the last release).
 * mapped never unmaps or frees it. Where it is a mapping of a file that loses
 * pages, zero pages take their place for its owner too, and stay.
 * MAPPED_MEMORY, MAPPED_SYSTEM (the fault guard); on failure the hook is not
 * called. */
MAPPED__MUST_USE mapped_status mapped_region_wrap(
    void *data, size_t length, bool readonly, mapped_wrap_hook *hook,
    void *context, mapped_region **region, mapped_error *error);

/* One more reference / one less. The last release closes the region, exported
 * or not, and frees it (but see mapped_region_room). `release` takes NULL and
 * never fails. */
void mapped_region_acquire(mapped_region *region);
void mapped_region_release(mapped_region *region);

/* Ends all access: from here on every slice answers MAPPED_CLOSED. The memory
 * is unmapped at once when the caller's is the only reference; otherwise zero
 * pages take its place, so that an access under way in another thread meets
 * them and then its second check, and the address range goes with the last
 * release, or with another close once the caller's is the only reference.
 * Closing twice is fine. MAPPED_BUSY while exported: nothing changes, and
 * `error->length` is the number of exports. */
MAPPED__MUST_USE mapped_status mapped_region_close(mapped_region *region,
                                                   mapped_error *error);

/* Like mapped_region_close, but exports don't keep it from closing: returns
 * how many there are, 0 for most. What they show stays mapped and true until
 * the last of them ends; then it goes as with mapped_region_close. Never fails.
 */
size_t mapped_region_retire(mapped_region *region);

/* Makes the region, and in "r+", "w+", "x+", "a+" the file, `length` bytes
 * long. (A region that ends before its file does leaves what lies behind it
 * alone.) Growing allocates blocks (unless opened sparse). With a reserve the
 * base never moves. Without one growth stays in place where it can and
 * otherwise moves, which needs that there is no reference but the caller's;
 * else MAPPED_BUSY. Exports that live then keep what they show at the addresses
 * where it is: of a file and of shared memory both places show the same bytes,
 * private memory is MAPPED_BUSY (but see mapped_region_copy_on_move). Shrinking
 * needs that there is no export and no append under way. MAPPED_READONLY in
 * "r"; MAPPED_UNSUPPORTED in "c", for devices and wrapped memory;
 * MAPPED_ARGUMENT past the reserve. MAPPED_FAULT if it is to grow and somebody
 * has made the file shorter than the region, or if pages are lost and there is
 * no reserve to grow into: shrink or recover first. MAPPED_CLOSED,
 * MAPPED_OVERFLOW, MAPPED_MEMORY, MAPPED_SYSTEM. On failure nothing has
 * changed, unless the system takes pages away and then refuses to give them
 * back: then the region is empty. */
MAPPED__MUST_USE mapped_status mapped_region_resize(mapped_region *region,
                                                    uint64_t length,
                                                    mapped_error *error);

/* What has become of a file since it was opened or last looked at. */
typedef enum mapped_change {
    MAPPED_UNCHANGED,
    MAPPED_LONGER,
    MAPPED_SHORTER,
    MAPPED_REPLACED, /* another file has its path */
    MAPPED_REMOVED   /* no file has its path */
} mapped_change;

/* "unchanged", "longer", ... */
const char *mapped_change_text(mapped_change change);

/* Follows a file that others make longer, cut, replace (as when a log is
 * rotated) or remove, in every mode: `*change` says what was found, one thing
 * at a time, so call it again until it is MAPPED_UNCHANGED or MAPPED_REMOVED.
 *
 * MAPPED_LONGER: the region is longer, as after mapped_region_resize, and never
 * longer than the length it was opened with or resized to, if it was given one.
 * MAPPED_SHORTER: the region is, and slices past its end are MAPPED_RANGE; an
 * export reads zeros there, and says so when it ends. A file that was cut and
 * has grown again in between is not seen to be another one. MAPPED_REPLACED:
 * comes when nothing is left to show of the old file, and the region shows the
 * new one, of any length, also none. MAPPED_REMOVED: the region goes on to show
 * the file that it has, until another one has the path.
 *
 * An access of another thread that began before a call of this that made the
 * region shorter, and ends after one that made it longer again, may have met
 * the zeros in between without an error.
 *
 * Takes a look at the size and at the path, and holds a descriptor from then
 * on. Growth that was not looked at before another file took the path is missed
 * the first time in "r" and "c". Of a file opened by descriptor only the size
 * is followed. "c" keeps its own changes, but for a file that was replaced.
 *
 * MAPPED_BUSY: the region has to move, as in mapped_region_resize, or goes over
 * to another file, while it is exported or there are other references.
 * MAPPED_ARGUMENT past the reserve; MAPPED_FAULT if it is to grow without a
 * reserve and pages are lost: recover first. MAPPED_UNSUPPORTED for devices,
 * and memory that is no file; MAPPED_NOT_A_FILE if the path has something else
 * now; MAPPED_CLOSED, MAPPED_OVERFLOW, MAPPED_MEMORY, MAPPED_SYSTEM. On failure
 * the region shows what it did. */
MAPPED__MUST_USE mapped_status mapped_region_refresh(mapped_region *region,
                                                     mapped_change *change,
                                                     mapped_error *error);

/* How many bytes can be appended (bulk.h) before the file gets longer, or 0. It
 * may have changed when this returns. */
size_t mapped_region_spare(const mapped_region *region);

/* From now on growth may move private memory, too, while there are
 * exports. The bytes are copied; what such an export shows is what they were at
 * that time. For programs that can't ask the holder of a pointer to let go of
 * it. */
void mapped_region_copy_on_move(mapped_region *region);

/* How many bytes of memory such growth has left behind for exports that live.
 */
size_t mapped_region_copied(const mapped_region *region);

/* Seals shared anonymous memory: from now on no process that has its descriptor
 * can make it shorter (which would cost the others their pages) or longer, this
 * region included; a resize that tries is MAPPED_SYSTEM. There is no way back.
 * MAPPED_UNSUPPORTED for everything else, and where the system has no seals.
 * MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_seal(mapped_region *region,
                                                  mapped_error *error);

/* No region, NULL, is closed here and everywhere, with mode "r", and has
 * nothing else. */
size_t mapped_region_length(const mapped_region *region); /* 0 once closed */
bool mapped_region_closed(const mapped_region *region);
bool mapped_region_readonly(const mapped_region *region);
bool mapped_region_device(const mapped_region *region);
size_t mapped_region_exports(const mapped_region *region); /* that live */
mapped_mode mapped_region_mode(const mapped_region *region);

/* Functions about the region as a whole (resize, close, recover, a look at the
 * file, an access that meets a lost page) wait while another thread is in one
 * of them with the same region. `before` is called when a call is about to
 * sleep for that, and `after` with its result when it has woken. For programs
 * with a lock that the other thread may need to get on with its work, as
 * interpreters have one. To be set once, before
 * there is a region: the process has one pair. */
typedef struct mapped_wait_hooks {
    void *(*before)(void);
    void (*after)(void *context);
} mapped_wait_hooks;
void mapped_region_on_wait(mapped_wait_hooks hooks);

/* Where in its file the region begins; 0 of what is no file. */
uint64_t mapped_region_file_offset(const mapped_region *region);

/* The path as given to open, NULL if there was none. Owned by the region. */
const char *mapped_region_name(const mapped_region *region);

/* The size in bytes of the file or memory behind the region as it is now,
 * which a peer may have changed. Needs a look at the file: MAPPED_SYSTEM
 * (ESTALE when the path now names another file). MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_size(mapped_region *region,
                                                  uint64_t *size,
                                                  mapped_error *error);

/* The descriptor (HANDLE on Windows) the region holds; it stays the region's.
 * MAPPED_UNSUPPORTED if it holds none. MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_descriptor(mapped_region *region,
                                                        intptr_t *descriptor,
                                                        mapped_error *error);

/* What this process has through the library. Counted when asked for, in time
 * that grows with the number of regions. Any thread. */
typedef struct mapped_statistics {
    size_t regions;  /* open, or retired while exports live */
    uint64_t bytes;  /* the sum of their lengths; of retired ones 0 */
    size_t exports;  /* that live */
    uint64_t faults; /* lost pages that were met since the process began */
} mapped_statistics;
void mapped_stats(mapped_statistics *statistics);

MAPPED_END

#endif
