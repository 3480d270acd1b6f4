/* The one contract with the operating system. Nothing above this floor has an
 * #ifdef for a system. Two backends define every function here: posix/ together
 * with linux/, which has what only Linux has, and win32/. Each section below
 * names the files of the backends that define it.
 *
 * What a system lacks answers MAPPED_UNSUPPORTED. Other failures fill `error`
 * (NULL: not wanted) with MAPPED_SYSTEM, the system's error number and the name
 * of the call. Functions without an error parameter can't fail in a way that
 * anyone could act on.
 *
 * A "file" is an open file, directory or device: a descriptor (POSIX) or a
 * HANDLE (Windows). A "mapping" is the address space of one region. A "range"
 * is part of a mapping, in whole pages. */
#ifndef MAPPED_PLATFORM_H
#define MAPPED_PLATFORM_H

#include <stdio.h>

#include <mapped/error.h>

/* Files (file.c, filesystem.c). */

#define MAPPED__NO_FILE ((intptr_t)-1)

#define MAPPED__FILE_WRITE 1u     /* read-write instead of read-only */
#define MAPPED__FILE_CREATE 2u    /* create if missing */
#define MAPPED__FILE_EXCLUSIVE 4u /* fail if it exists */
#define MAPPED__FILE_DEVICE_IO 8u /* uncached, if the driver heeds O_SYNC */
#define MAPPED__FILE_NO_LINK 16u  /* fail if it is a symbolic link */

/* Opens the file of a path, which is in the file system's bytes, on Windows in
 * UTF-8. Never blocks on a pipe, never makes a controlling terminal; the file
 * is closed by an exec. `permissions` are those of a file that is created,
 * where the system has such. `*created` tells whether this very call has
 * created the file, so that a later failure may remove it. */
mapped_status mapped__file_open(const char *path, unsigned flags,
                                unsigned permissions, intptr_t *file,
                                bool *created, mapped_error *error);

/* The file behind a descriptor of the C library, which stays its owner's. */
intptr_t mapped__file_from_descriptor(int descriptor);

/* The same open file once more. */
mapped_status mapped__file_duplicate(intptr_t file, intptr_t *copy,
                                     mapped_error *error);
/* A second open file description of the file, also of one without a name. */
mapped_status mapped__file_reopen(intptr_t file, bool writable, intptr_t *again,
                                  mapped_error *error);
void mapped__file_close(intptr_t file); /* takes MAPPED__NO_FILE */
void mapped__file_remove(const char *path);

typedef enum mapped__file_kind {
    MAPPED__FILE_REGULAR,
    MAPPED__FILE_DEVICE, /* character or block device */
    MAPPED__FILE_DIRECTORY,
    MAPPED__FILE_UNSIZED, /* made up as it is read: its size says 0 */
    MAPPED__FILE_OTHER    /* pipe, socket: can't be mapped */
} mapped__file_kind;

/* What a file is. `device` and `serial` together identify it while it exists.
 */
typedef struct mapped__file_info {
    uint64_t size; /* bytes; 0 for character devices */
    uint64_t device;
    uint64_t serial;
    size_t granularity; /* what offsets of a mapping are multiples of */
    size_t page;        /* the size of its pages: huge ones on hugetlbfs */
    mapped__file_kind kind;
} mapped__file_info;

mapped_status mapped__file_info_get(intptr_t file, mapped__file_info *info,
                                    mapped_error *error);

/* Fails with MAPPED_NOT_A_FILE, and the number that the system has for files of
 * this kind. */
mapped_status mapped__file_refuse(mapped__file_kind kind, mapped_error *error);

/* What a file is known by, also after it is gone. */
typedef struct mapped__file_identity {
    uint64_t device; /* these two as in mapped__file_info */
    uint64_t serial;
    uint64_t birth; /* when it was made; 0: the system doesn't know */
} mapped__file_identity;

/* `birth` of an open file. */
uint64_t mapped__file_birth(intptr_t file);

/* All of a path's file. It is not opened where that might do something. */
mapped_status mapped__path_identify(const char *path,
                                    mapped__file_identity *identity,
                                    mapped_error *error);

/* Does the path mean the same in every working directory? */
bool mapped__path_is_absolute(const char *path);

/* Writes to `base` what must stand before a relative `path` for it to mean the
 * same after the working directory has changed. Returns how many bytes that
 * are; there is no NUL. Returns 0 for other paths, and if it can't be told. */
#define MAPPED__BASE_SIZE 4096
size_t mapped__path_base(const char *path, char base[MAPPED__BASE_SIZE]);

/* Size and content of a file (file.c; page_advice.c: what is in memory). */

/* Makes the file `size` bytes long; new bytes are zero. With `allocate` the
 * blocks of [old size, size) exist when it returns, and a failure leaves the
 * old size. */
mapped_status mapped__file_resize(intptr_t file, uint64_t old_size,
                                  uint64_t size, bool allocate,
                                  mapped_error *error);

/* The bytes become zero and their blocks free; the file stays as long as it is.
 * MAPPED_UNSUPPORTED if the file can't do that. */
mapped_status mapped__file_discard(intptr_t file, uint64_t offset,
                                   uint64_t length, mapped_error *error);

/* Reads `n` bytes; those past the end of the file are zero. */
mapped_status mapped__file_read_at(intptr_t file, uint64_t offset, void *to,
                                   size_t n, mapped_error *error);

/* Writes `n` bytes. Behind the end they make the file longer, and no process
 * sees the new size without them. Only for files of which
 * mapped__file_can_write_at promises this: they can also be truncated while
 * they are mapped. */
mapped_status mapped__file_write_at(intptr_t file, uint64_t offset,
                                    const void *from, size_t n,
                                    mapped_error *error);
bool mapped__file_can_write_at(intptr_t file);

/* Writes up to `n` bytes at the position of the descriptor. `*written` is not
 * 0 unless n is. */
mapped_status mapped__file_write(intptr_t file, const void *from, size_t n,
                                 size_t *written, mapped_error *error);

/* The error number that says why the page of the file at `offset` can't be had:
 * ENODATA (past the end), ENOSPC, EIO. Asks the file as it is now. */
int mapped__file_fault_cause(intptr_t file, uint64_t offset);

/* How many pages of [offset, offset + length) of a file are in memory. */
typedef struct mapped__cached {
    uint64_t pages;
    uint64_t dirty;
    uint64_t writeback;
} mapped__cached;

/* False: the system doesn't tell. */
bool mapped__file_cached(intptr_t file, uint64_t offset, uint64_t length,
                         mapped__cached *cached);

/* Durability (writeback.c; win32/file.c). */

/* Writes the pages of [address, address + length), which show the file from
 * `offset` on, to the disk: with `wait` they and the file's size are there when
 * it returns, else the writing begins. */
mapped_status mapped__file_flush(intptr_t file, uint64_t offset,
                                 unsigned char *address, size_t length,
                                 bool wait, mapped_error *error);

/* Writes all that the system knows of the file to the disk. */
mapped_status mapped__file_sync(intptr_t file, mapped_error *error);

/* Writes the directory of a file, which may be gone, to the disk. Does nothing
 * on a system that does this itself. */
mapped_status mapped__directory_sync(const char *path, mapped_error *error);

/* Locks of bytes of a file (file_lock.c). */

/* Locks `length` bytes (not 0) for that open file description, until it is
 * closed: exclusively, or with others who share them. `*taken` is false while
 * somebody else has a lock that forbids it. MAPPED_UNSUPPORTED if the file has
 * no locks. */
mapped_status mapped__file_lock(intptr_t file, uint64_t offset, uint64_t length,
                                bool shared, bool *taken, mapped_error *error);
/* Ends the lock for all who have the description by a fork. */
void mapped__file_unlock(intptr_t file, uint64_t offset, uint64_t length);

/* Memory that is a file (linux/memory.c, win32/section.c). */

/* Creates a file of `size` zero bytes in memory, without a name: a memfd, a
 * section of the pagefile. `huge_page` is 0 or the size of explicit huge pages.
 */
mapped_status mapped__memory_create(uint64_t size, size_t huge_page,
                                    intptr_t *file, mapped_error *error);

#define MAPPED__SEAL_GROW 1u
#define MAPPED__SEAL_SHRINK 2u
#define MAPPED__SEAL_WRITE 4u

/* From now on nobody can do to memory from mapped__memory_create what the
 * MAPPED__SEAL_* bits say. MAPPED_UNSUPPORTED for files that can't be sealed.
 */
mapped_status mapped__memory_seal(intptr_t file, unsigned seals,
                                  mapped_error *error);

/* Shared memory of a name, which may begin with a "/", is a file: these write
 * the path of the file, and remove it. MAPPED_ARGUMENT for what is no such
 * name; MAPPED_UNSUPPORTED on a system where it is no file. */
#define MAPPED__SHARED_SIZE 300
#define MAPPED__SHARED_PREFIX 16 /* the path is at most so much longer */
mapped_status mapped__shared_path(const char *name,
                                  char path[MAPPED__SHARED_SIZE],
                                  mapped_error *error);
mapped_status mapped__shared_unlink(const char *name, mapped_error *error);

/* Mappings (platform_map.c, which is shared, and map.c). */

size_t mapped__page_size(void); /* the system's own, in bytes */

#define MAPPED__MAP_WRITE 1u    /* pages may be written */
#define MAPPED__MAP_PRIVATE 2u  /* copy-on-write */
#define MAPPED__MAP_HUGE 4u     /* advise transparent huge pages */
#define MAPPED__MAP_POPULATE 8u /* bring pages in; failure is an error */
#define MAPPED__MAP_HUGETLB 16u /* anonymous, in huge pages of `page` bytes */
#define MAPPED__MAP_APART                               \
    32u /* others may map the same open file: don't let \
         * the system join this mapping with theirs */

typedef struct mapped__map_request {
    intptr_t file;   /* MAPPED__NO_FILE: private anonymous memory */
    uint64_t offset; /* in the file, a multiple of the granularity */
    size_t length;   /* bytes to map, rounded up to pages here; may be 0 */
    size_t reserve;  /* bytes of address space to keep, 0 or >= length */
    size_t page;     /* 0: the system's; else a huge page's size */
    unsigned flags;
} mapped__map_request;

/* What was made of a request. [0, used) is mapped; [used, reserved) is address
 * space without access, kept for growth. */
typedef struct mapped__mapping {
    unsigned char *address; /* NULL: nothing mapped or reserved */
    size_t used;            /* a multiple of `page` */
    size_t reserved;        /* the same; == used without a reserve */
    size_t page;            /* the size of its pages, which are lost at once */
    unsigned flags;
    int view_kind; /* for the Windows backend, which sets it; 0 in others */
} mapped__mapping;

mapped_status mapped__map(const mapped__map_request *request,
                          mapped__mapping *mapping, mapped_error *error);

/* Makes [0, length) of the mapping usable, the rest not; file and offset as in
 * the request that made it. `sole_user` says that nobody else can reach the
 * memory: only then may the address move and may an unused tail be unmapped.
 * Otherwise growth that would have to move is MAPPED_BUSY, and an unused tail
 * becomes zero pages, its addresses kept as reserve (on Windows the tail of a
 * file stays, and in `used`). On failure the old mapping stands; but if it has
 * no pages, its reserve may be gone. */
mapped_status mapped__map_resize(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 bool sole_user, mapped_error *error);

/* The next four are what mapped__map and mapped__map_resize call. */

/* Maps `mapping->used` bytes in `mapping->reserved` bytes of addresses, which
 * are not 0, and sets `address`. It is set on failure too if there is something
 * to unmap. */
mapped_status mapped__map_new(const mapped__map_request *request,
                              mapped__mapping *mapping, mapped_error *error);
/* Brings in all pages that the mapping uses, at least one. */
mapped_status mapped__map_populate(const mapped__mapping *mapping,
                                   const mapped__map_request *request,
                                   mapped_error *error);
/* mapped__map_resize to fewer / more bytes than are used, rounded to pages. */
mapped_status mapped__map_shrink(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 size_t used, bool sole_user,
                                 mapped_error *error);
mapped_status mapped__map_grow(mapped__mapping *mapping,
                               const mapped__map_request *request, size_t used,
                               bool sole_user, mapped_error *error);

/* Comes before mapped__file_resize shortens the mapped file. Windows refuses
 * that while any of the file is mapped: there the pages go, the address too if
 * there is no other way, and mapped__map_resize with the new length (or the
 * old, if the file stayed as it was) maps them again. MAPPED_BUSY unless
 * `sole_user`, as in mapped__map_resize. Elsewhere it does nothing. */
mapped_status mapped__map_detach(mapped__mapping *mapping, bool sole_user,
                                 mapped_error *error);

/* Replaces [offset, offset + length) by zero pages that may be read and
 * written, without a moment in which the addresses are free. Lets go of the
 * file. Must not fail for want of memory where the system allows. (Windows:
 * a view goes as a whole or not at all, and on systems older than version 1803
 * not at all, MAPPED_UNSUPPORTED. An access that meets the swap waits for its
 * end, by means of mapped__fault_install.) */
mapped_status mapped__map_revoke(mapped__mapping *mapping, size_t offset,
                                 size_t length, mapped_error *error);

/* Puts [offset, offset + length) of the mapping, which was replaced, back to
 * the file or memory of `request`, at the same addresses. */
mapped_status mapped__map_restore(mapped__mapping *mapping,
                                  const mapped__map_request *request,
                                  size_t offset, size_t length,
                                  mapped_error *error);

/* Write-protects all pages that a mapping uses, or ends that, where it was
 * made with MAPPED__MAP_WRITE. */
mapped_status mapped__map_protect(const mapped__mapping *mapping, bool writable,
                                  mapped_error *error);

/* Frees the addresses, reserve included; `mapping->address` becomes NULL. */
void mapped__unmap(mapped__mapping *mapping);

/* Ranges: pages of a mapping (page_advice.c, posix/map.c). */

/* As mapped_advice, in its order. */
typedef enum mapped__advice {
    MAPPED__ADVICE_NORMAL,
    MAPPED__ADVICE_SEQUENTIAL,
    MAPPED__ADVICE_RANDOM,
    MAPPED__ADVICE_WILLNEED,
    MAPPED__ADVICE_COLD,
    MAPPED__ADVICE_PAGEOUT,
    MAPPED__ADVICE_HUGEPAGE,
    MAPPED__ADVICE_NOHUGEPAGE
} mapped__advice;

/* MAPPED_UNSUPPORTED also if the system doesn't take it for this memory. */
mapped_status mapped__range_advise(unsigned char *start, size_t length,
                                   mapped__advice advice, mapped_error *error);

/* Brings pages in, for reading or, if `writable`, for writing. MAPPED_FAULT if
 * a touch of one would be a fault; MAPPED_UNSUPPORTED if only a touch can tell.
 */
mapped_status mapped__range_populate(unsigned char *start, size_t length,
                                     bool writable);

/* Gives private memory back: its bytes become zero or, in private pages of a
 * file, those of the file. */
mapped_status mapped__range_drop(unsigned char *start, size_t length,
                                 mapped_error *error);

/* Sets the lowest bit of a byte for each page: is it in memory? */
mapped_status mapped__range_resident(unsigned char *start, size_t length,
                                     unsigned char *vector,
                                     mapped_error *error);

/* Keeps pages in memory. MAPPED_FAULT, and nothing is locked, if one can't be
 * had. */
mapped_status mapped__range_lock(unsigned char *start, size_t length,
                                 mapped_error *error);
mapped_status mapped__range_unlock(unsigned char *start, size_t length,
                                   mapped_error *error);

/* Reading ahead (linux/readahead.c): threads of ours that read parts of files
 * into memory, and an object that stops those of its owner. */

typedef struct mapped__readahead mapped__readahead;

/* NULL: there are no such threads, or no memory. */
mapped__readahead *mapped__readahead_new(void);

/* Begins to read the part of the file into memory; the file stays the caller's.
 * False: there are enough such threads, or none can be made. */
bool mapped__readahead_start(mapped__readahead *readahead, intptr_t file,
                             uint64_t offset, uint64_t length);

/* Frees the object, and soon ends every thread that was started with it. Takes
 * NULL. */
void mapped__readahead_stop(mapped__readahead *readahead);

/* Faults and lost pages (fault.c; linux/replace.c, signals.c). */

typedef struct mapped__fault {
    unsigned char *address;
    bool poisoned;    /* the memory itself is broken */
    bool maybe_stale; /* the fault was found on the stack and may be an old one,
                       * so whether the page is lost has to be tested */
} mapped__fault;

/* Serves a fault: makes it so that the address may be accessed again, and
 * returns true; false declines it. Called on the thread that met the fault and
 * inside the system's handler: it makes nothing but async-signal-safe calls and
 * takes no lock that code it may interrupt holds. */
typedef bool mapped__fault_server(const mapped__fault *fault);

/* Puts the process-wide handler in place, on top of what others have installed
 * since; whatever `server` declines goes to them as if we weren't there.
 * Cheap when nothing has changed. */
mapped_status mapped__fault_install(mapped__fault_server *server,
                                    mapped_error *error);

/* The next three are callable inside a fault handler. */

/* Puts zero pages over [address, address + length), page by page as
 * mapped__map_revoke does. False: it can't be done. */
bool mapped__page_replace(unsigned char *address, size_t length, bool writable);

/* As mapped__page_replace for all of a mapping. This doesn't split the mapping,
 * so it works also if the system refuses to have more mappings. */
bool mapped__whole_replace(unsigned char *address, size_t length,
                           bool writable);

/* Whether the page at `address` of a mapping can be had now. Brings it in, for
 * writing if `writable`. */
bool mapped__page_available(unsigned char *address, bool writable);

/* Keeps this thread's signal handlers out, for locks that a fault handler takes
 * too: stores in `*held` which signals were blocked before. */
typedef struct mapped__signal_mask {
    uint64_t saved[16];
} mapped__signal_mask;
void mapped__signals_block(mapped__signal_mask *held);
void mapped__signals_unblock(const mapped__signal_mask *held);

/* Waiting (wait.c). */

/* Sleeps until mapped__wake is called for the word, unless it is another number
 * than `seen` by now. May also return for no reason. Both are for the threads
 * of one process, and neither is for fault handlers. */
void mapped__wait(const uint32_t *word, uint32_t seen);
void mapped__wake(const uint32_t *word); /* all threads that sleep there */

/* The same for a word in memory that other processes share, also in a page that
 * can't be had. The wait lasts `nanoseconds` at most; it returns false if a
 * signal handler has run meanwhile. The wake is for at most `count` threads, of
 * any process, and returns how many slept. If the system has no such call, the
 * wake returns 0, and the wait returns after a millisecond. */
bool mapped__wait_shared(const uint32_t *word, uint32_t seen,
                         uint64_t nanoseconds);
uint32_t mapped__wake_shared(const uint32_t *word, uint32_t count);

/* Lets another thread run, inside a spin. For what fault handlers wait for:
 * they must not sleep. */
void mapped__yield(void);

/* Nanoseconds since some time before the process began, which nobody sets. */
uint64_t mapped__now(void);

/* Processes (process.c). */

/* A number that no other process of this system has had, most probably. Its low
 * 32 bits are the number of the process; the highest of them is 0. 0: it can't
 * be told, and errno says why. mapped__process_identity (region_internal.h)
 * asks the cache first, which this fills and a fork empties. */
uint64_t mapped__process_identity_find(void);
extern uint64_t mapped__process_identity_cache; /* 0: not known yet */

/* Does a process with such an identity live? */
bool mapped__process_lives(uint64_t identity);

/* Calls `child` in the child of every fork, `before` and `parent` around it in
 * the parent. Once per process; does nothing where there is no fork. */
mapped_status mapped__at_fork(void (*before)(void), void (*parent)(void),
                              void (*child)(void), mapped_error *error);

/* The C library (system_text.c; filesystem.c, win32/file.c: streams). */

/* What a stream of the C library calls. The first two return how many bytes,
 * the third returns 0 and sets `*offset` to the new place. When they fail they
 * set errno; `write` returns less than n, the others -1. */
typedef struct mapped__stream_calls {
    ptrdiff_t (*read)(void *context, char *to, size_t n);
    ptrdiff_t (*write)(void *context, const char *from, size_t n);
    int (*seek)(void *context, int64_t *offset, int whence);
} mapped__stream_calls;

/* Opens one; fclose ends it. */
mapped_status mapped__stream_open(void *context,
                                  const mapped__stream_calls *calls,
                                  bool writable, FILE **stream,
                                  mapped_error *error);

/* Does the error number say that memory, addresses or descriptors are used up?
 */
bool mapped__system_is_shortage(int os_error);
/* Does it say that there is no file of that path? */
bool mapped__system_is_missing(int os_error);

/* The system's words for its error number, always NUL-terminated. Any thread.
 */
void mapped__system_text(int os_error, char *text, size_t capacity);

/* Describes each byte from 128 on by bits: two bytes have the same number if
 * isalpha and its like tell the same of them in the locale of the calling
 * thread. Doesn't read the locale's name, which another thread may be freeing.
 */
#define MAPPED__CLASSES 128
void mapped__system_classes(uint16_t classes[MAPPED__CLASSES]);

#endif
