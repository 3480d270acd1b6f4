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

/* Opaque except for the inline functions of slice.h: don't touch the fields. */
typedef struct mapped_region {
    unsigned char *base_; /* changes only while no other thread may access */
    size_t live_;         /* length that inline code may access; 0: closed */
    uint32_t state_;      /* MAPPED__STATE_*; 0 is clean */
    uint32_t traits_;     /* MAPPED__TRAIT_* */
    size_t writable_;     /* live_ without traits, else 0 */
} mapped_region;

#define MAPPED__STATE_CLOSED 1u
#define MAPPED__STATE_LOST 2u
#define MAPPED__STATE_SHRUNK 4u /* is shorter than it was */
#define MAPPED__TRAIT_READONLY 1u
#define MAPPED__TRAIT_DEVICE 2u
#define MAPPED__TRAIT_PROTECTED 4u /* some bytes are, see paging.h */

#define MAPPED_LENGTH_TO_END 0u
#define MAPPED_LENGTH_ZERO UINT64_MAX /* no bytes at all */

#define MAPPED_OPEN_SPARSE 1u   /* extend without allocating blocks */
#define MAPPED_OPEN_POPULATE 2u /* bring all pages in before returning */
#define MAPPED_OPEN_DEVICE 4u   /* registers: one access of the exact width */
#define MAPPED_OPEN_SHARED 8u   /* the path is a name of shared memory */

#define MAPPED_PERMISSIONS_NONE UINT32_MAX

#define MAPPED_PROTECTED_RANGES 32 /* see mapped_protect in paging.h */

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
    uint32_t permissions; /* of a created file, less the umask; 0 is 0666, of
                           * shared memory 0600; MAPPED_PERMISSIONS_NONE is
                           * none at all. Ignored on Windows */
    uint64_t huge;        /* MAPPED_HUGE_*, or a huge page size in bytes */
    void *memory;         /* for the region: see mapped_region_room; or NULL */
    size_t memory_size;
} mapped_open_options;

#define MAPPED_OPEN_OPTIONS_INIT                                          \
    {                                                                     \
        sizeof(mapped_open_options), 0, MAPPED_LENGTH_TO_END, 0, 0, 0, 0, \
            NULL, 0                                                       \
    }

/* The value of `length` that asks for exactly `n` bytes, also for none. */
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

/* Returns how many bytes `options.memory` must have for a region, aligned as
 * malloc does. `name` is the path or name that it will be opened with, or NULL.
 *
 * That memory stays the caller's, and must stay for as long as anything may use
 * the region or a slice of it. After the last release the region in it answers
 * MAPPED_CLOSED. This is for languages with a garbage collector, where an
 * object may be used after its finalizer has run.
 *
 * The size allows for the longest directory that a relative path may be joined
 * with. */
size_t mapped_region_room(const char *name);

/* Maps a file. `path` is in the file system's own bytes (UTF-8 on Windows);
 * `options` may be NULL for the defaults. On success `*region` has one
 * reference, the caller's. On failure nothing is left behind: a file this call
 * created is removed, one it extended has its old size again.
 *
 * "r+" extends the file when offset + length lies past its end, with allocated
 * blocks (or without, MAPPED_OPEN_SPARSE). "a+" does too, and creates the file
 * if it is missing; that file stays if the call fails, because somebody else
 * may have opened it meanwhile. "w+" and "x+" make the file offset + length
 * bytes long; without a length, empty. "r" and "c" never change the file. A
 * device has no size of its own: give a length.
 *
 * MAPPED_SYSTEM: the open, the allocation or the mapping failed (os_error).
 * MAPPED_NOT_A_FILE: a directory, a pipe, a socket, a file whose size the
 * system doesn't know, as in /proc (os_error). MAPPED_PAST_END: offset or
 * offset + length past the end in "r" or "c". MAPPED_OVERFLOW: a number that no
 * file or address space can hold. MAPPED_ARGUMENT: unknown mode or flag,
 * reserve smaller than the length, too little memory for the region.
 * MAPPED_MEMORY: none could be allocated for it.
 *
 * No descriptor is held for "r" and "c"; the writable modes hold one.
 *
 * With MAPPED_OPEN_SHARED `path` is the name of shared memory, with or without
 * the "/" that shm_open wants: the same bytes as that name is for shm_open and
 * Python's SharedMemory. "x+" makes it, "a+" makes it or attaches to it, "r"
 * and "r+" attach. It is exactly as long as asked, also after an append, and
 * stays until mapped_shared_unlink or the end of the system. MAPPED_ARGUMENT
 * for a name that is empty or has another "/"; MAPPED_UNSUPPORTED on Windows.
 */
MAPPED__MUST_USE mapped_status mapped_region_open(
    const char *path, mapped_mode mode, const mapped_open_options *options,
    mapped_region **region, mapped_error *error);

/* Removes the name of shared memory. Processes that have it mapped keep it. The
 * errors are those of a name in mapped_region_open; MAPPED_SYSTEM: there is
 * none (ENOENT), or it is somebody else's (EACCES, EPERM). */
MAPPED__MUST_USE mapped_status mapped_shared_unlink(const char *name,
                                                    mapped_error *error);

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

/* Maps `length` zero bytes, which may be 0, that belong to no file. `options`
 * may be NULL. MAPPED_ARGUMENT: an invalid huge page size, a reserve smaller
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

/* Adds a reference. */
void mapped_region_acquire(mapped_region *region);
/* Removes a reference. The last release closes the region, exported or not, and
 * frees it (but see mapped_region_room). Takes NULL and never fails. */
void mapped_region_release(mapped_region *region);

/* Ends all access: from here on every slice answers MAPPED_CLOSED. Closing
 * twice is fine.
 *
 * If the caller's is the only reference, the memory is unmapped. Otherwise zero
 * pages replace it and the addresses are kept until the last release (or
 * another close, when the caller's has become the only reference): an access of
 * another thread that is running reads zeros, and mapped_slice_leave (slice.h)
 * tells it that the region is closed.
 *
 * MAPPED_BUSY while exported: nothing changes, and `error->length` is the
 * number of exports. */
MAPPED__MUST_USE mapped_status mapped_region_close(mapped_region *region,
                                                   mapped_error *error);

/* Like mapped_region_close, but exports don't keep it from closing. Returns how
 * many there are, 0 for most. The exported memory stays mapped to the same
 * bytes until the last of them ends; then it is unmapped. Never fails. */
size_t mapped_region_retire(mapped_region *region);

/* NULL counts as a closed region in mode "r" here and everywhere: its numbers
 * are 0, it has no name. */
size_t mapped_region_length(const mapped_region *region); /* 0 once closed */
bool mapped_region_closed(const mapped_region *region);
bool mapped_region_readonly(const mapped_region *region);
bool mapped_region_device(const mapped_region *region);
size_t mapped_region_exports(const mapped_region *region);
mapped_mode mapped_region_mode(const mapped_region *region);

/* Where in its file the region begins; 0 if there is no file. */
uint64_t mapped_region_file_offset(const mapped_region *region);

/* The path as given to open, NULL if there was none. Owned by the region. */
const char *mapped_region_name(const mapped_region *region);

/* The size in bytes of the file or memory behind the region as it is now,
 * which a peer may have changed. Asks the file: MAPPED_SYSTEM (ESTALE when the
 * path now names another file). MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_size(mapped_region *region,
                                                  uint64_t *size,
                                                  mapped_error *error);

/* The descriptor (HANDLE on Windows) the region holds; it stays the region's.
 * MAPPED_UNSUPPORTED if it holds none. MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_descriptor(mapped_region *region,
                                                        intptr_t *descriptor,
                                                        mapped_error *error);

/* How many bytes can be appended (bulk.h) before the file gets longer, or 0. It
 * may have changed when this returns. */
size_t mapped_region_spare(const mapped_region *region);

/* How many bytes of private memory are kept only for exports, after the region
 * has moved (mapped_region_copy_on_move). */
size_t mapped_region_copied(const mapped_region *region);

/* Makes the region, and in "r+", "w+", "x+", "a+" the file, `length` bytes
 * long. If the file goes on after the region's end, the file keeps its length.
 *
 * Growing allocates blocks, unless the file was opened sparse. With a reserve
 * the base never moves. Without one the region grows in place where it can, and
 * else moves, which needs that the caller's is the only reference and that no
 * append is running. An export stays at its address then: it and the moved
 * region show the same bytes, of a file or of shared memory. Private memory
 * that is exported doesn't move (but see mapped_region_copy_on_move).
 *
 * Shrinking needs that there is no export and no append running.
 *
 * MAPPED_BUSY: one of these needs isn't met.
 * MAPPED_READONLY in "r".
 * MAPPED_UNSUPPORTED in "c", for devices and for wrapped memory.
 * MAPPED_ARGUMENT past the reserve.
 * MAPPED_FAULT, growing: the file has become shorter than the region, or pages
 * are lost and there is no reserve. Shrink or recover first.
 * MAPPED_CLOSED, MAPPED_OVERFLOW, MAPPED_MEMORY, MAPPED_SYSTEM.
 *
 * On failure nothing has changed; only if the system has taken pages away and
 * refuses to give them back, the region is empty. */
MAPPED__MUST_USE mapped_status mapped_region_resize(mapped_region *region,
                                                    uint64_t length,
                                                    mapped_error *error);

/* What has become of a file since it was opened or last refreshed, and what the
 * region is afterwards. */
typedef enum mapped_change {
    MAPPED_UNCHANGED, /* the same */
    MAPPED_LONGER,    /* longer, as after mapped_region_resize */
    MAPPED_SHORTER,   /* shorter: slices past its end are MAPPED_RANGE */
    MAPPED_REPLACED,  /* another file has the path, and the region shows it */
    MAPPED_REMOVED    /* no file has the path; the region shows the old one */
} mapped_change;

/* "unchanged", "longer", ... */
const char *mapped_change_text(mapped_change change);

/* Follows a file that others make longer, truncate, replace (as when a log is
 * rotated) or remove, in every mode. `*change` tells one change at a time: call
 * it again until it is MAPPED_UNCHANGED or MAPPED_REMOVED.
 *
 * A region that was given a length doesn't get longer than that. "c" keeps its
 * own changes, unless the file is replaced. MAPPED_REPLACED comes after the
 * last bytes of the old file were shown, and the new one may have any length.
 *
 * An export that reaches past a new, shorter end reads zeros there and is
 * MAPPED_FAULT when it ends.
 *
 * It asks for the file's size and for its path, and holds a descriptor from
 * then on. So it doesn't notice
 * - that a file was truncated and has grown again between two calls;
 * - the first time, in "r" and "c": that a file has grown that was then renamed
 *   or removed;
 * - of a file opened by descriptor: anything but its size.
 *
 * An access of another thread that begins before a call that makes the region
 * shorter, and ends after one that makes it longer again, may read zeros
 * without an error.
 *
 * MAPPED_BUSY: the region has to move (see mapped_region_resize) or to show
 * another file, while it is exported or there are other references; or it has
 * to get longer while an append goes on whose bytes were truncated.
 * MAPPED_ARGUMENT past the reserve.
 * MAPPED_FAULT, growing: pages are lost and there is no reserve. Recover first.
 * MAPPED_UNSUPPORTED for devices and for memory that is no file.
 * MAPPED_NOT_A_FILE: something else has the path now.
 * MAPPED_CLOSED, MAPPED_OVERFLOW, MAPPED_MEMORY, MAPPED_SYSTEM.
 * On failure the region is the same. */
MAPPED__MUST_USE mapped_status mapped_region_refresh(mapped_region *region,
                                                     mapped_change *change,
                                                     mapped_error *error);

/* From now on growth may move private memory under exports, too. The bytes are
 * copied, and an export keeps them as they were then. For programs that can't
 * ask the holder of a pointer to let go of it. */
void mapped_region_copy_on_move(mapped_region *region);

/* From now on addresses that an export has had stay taken until the last
 * release of the region, for those who go on using a pointer after the export
 * has ended. Where the region has left them they show the file; zero pages
 * after a close, of private memory, and of what a shrink or a refresh has taken
 * away. After many moves the oldest addresses go. Of wrapped memory it does
 * nothing. */
void mapped_region_keep_addresses(mapped_region *region);

#define MAPPED_SEAL_GROW 1u
#define MAPPED_SEAL_SHRINK 2u /* which would cost the others their pages */
#define MAPPED_SEAL_WRITE 4u  /* by those who open or map it from now on */

/* Seals shared anonymous memory: from now on no process that has its descriptor
 * can do that, and there is no way back. A resize that tries is MAPPED_SYSTEM,
 * of this region, too. What is mapped writable before MAPPED_SEAL_WRITE stays
 * so. MAPPED_UNSUPPORTED for everything else, and where the system has no such
 * seals (for MAPPED_SEAL_WRITE, Linux before 5.1). MAPPED_ARGUMENT for other
 * bits and none; MAPPED_CLOSED. */
MAPPED__MUST_USE mapped_status mapped_region_seal(mapped_region *region,
                                                  unsigned seals,
                                                  mapped_error *error);

/* While one thread is in resize, refresh, close or recover of a region, or
 * looks at its file, other threads that do so wait. `before` is called before
 * such a sleep, and `after` with its result after it. The same two are called
 * around what may take long in a close or in the last release: the close of the
 * file, and unmapping 16 MiB or more; by then every access ends in
 * MAPPED_CLOSED. They are for programs with a lock that other threads may need,
 * as interpreters have one. To be set once, before there is a region: the
 * process has one pair. */
typedef struct mapped_wait_hooks {
    void *(*before)(void);
    void (*after)(void *context);
} mapped_wait_hooks;
void mapped_region_on_wait(mapped_wait_hooks hooks);

/* What this process has through the library. Counted when asked for, in time
 * that grows with the number of regions. Any thread. */
typedef struct mapped_statistics {
    size_t regions; /* open, or retired with exports left */
    uint64_t bytes; /* the sum of their lengths; of retired ones 0 */
    size_t exports;
    uint64_t faults; /* lost pages that were met since the process began */
} mapped_statistics;
void mapped_stats(mapped_statistics *statistics);

MAPPED_END

#endif
