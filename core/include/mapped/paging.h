/* Paging: which pages of a region are in memory, and which had better be.
 *
 * Memory comes in pages. Where a slice begins or ends inside one, what does no
 * harm is done to the whole page; what changes bytes never changes one outside
 * of the slice. Every function answers MAPPED_CLOSED and MAPPED_RANGE as an
 * access does, MAPPED_UNSUPPORTED for devices, whose registers nobody touches
 * for nothing, and for what the system or the kind of memory lacks. An empty
 * slice is fine. Growth that moves a region, and recovery, map pages anew: give
 * advice and lock again after these. On which node of a machine with several
 * memories a page lies is left to the system. Any thread that holds a
 * reference. */
#ifndef MAPPED_PAGING_H
#define MAPPED_PAGING_H

#include <mapped/slice.h>

MAPPED_BEGIN

/* Advice that does no harm: it never changes a byte. */
typedef enum mapped_advice {
    MAPPED_ADVICE_NORMAL,     /* as if nothing had been said */
    MAPPED_ADVICE_SEQUENTIAL, /* read from the front: read far ahead */
    MAPPED_ADVICE_RANDOM,     /* read here and there: don't read ahead */
    MAPPED_ADVICE_WILLNEED,   /* soon: begin to read */
    MAPPED_ADVICE_COLD,       /* not soon: the first to go if memory is short */
    MAPPED_ADVICE_PAGEOUT,    /* not soon: write back and let go now */
    MAPPED_ADVICE_HUGEPAGE,   /* in transparent huge pages where possible */
    MAPPED_ADVICE_NOHUGEPAGE
} mapped_advice;

/* "normal", "sequential", ...; MAPPED_ARGUMENT for anything else. */
MAPPED__MUST_USE mapped_status mapped_advice_parse(const char *text,
                                                   size_t length,
                                                   mapped_advice *advice,
                                                   mapped_error *error);
const char *mapped_advice_text(mapped_advice advice);

/* Tells the system how the slice will be used. MAPPED_ARGUMENT: there is no
 * such advice. MAPPED_SYSTEM. Meets no fault. */
MAPPED__MUST_USE mapped_status mapped_advise(mapped_slice slice,
                                             mapped_advice advice,
                                             mapped_error *error);

/* Makes every byte zero and gives back what the bytes took: memory, or blocks
 * of the file, which keeps its length. What is written there later needs room
 * again; on a full disk its page is lost. MAPPED_READONLY; MAPPED_UNSUPPORTED
 * in "c" and for wrapped memory, and where the file system can't; MAPPED_FAULT
 * as any write; MAPPED_SYSTEM. */
MAPPED__MUST_USE mapped_status mapped_discard(mapped_slice slice,
                                              mapped_error *error);

/* Drops the private changes of a region in mode "c", so that the slice shows
 * the file again. (Where the slice has only a part of a page, that part is read
 * anew and stays private: it is equal to the file now, and doesn't follow it.)
 * MAPPED_UNSUPPORTED in other modes, MAPPED_READONLY while protected,
 * MAPPED_FAULT, MAPPED_SYSTEM, MAPPED_STALE if the file is needed and its path
 * names another one. */
MAPPED__MUST_USE mapped_status mapped_revert(mapped_slice slice,
                                             mapped_error *error);

#define MAPPED_PREFETCH_START 1u /* in the background */

/* Brings the pages of the slice in, for reading. Without a flag it waits until
 * they are there; MAPPED_FAULT if one can't be had. With MAPPED_PREFETCH_START
 * it returns at once, and a thread of the library's reads the file ahead until
 * it is done or the region is closed; of memory that is no file, or if there
 * are such threads enough, it is advice. MAPPED_ARGUMENT: unknown flag. */
MAPPED__MUST_USE mapped_status mapped_prefetch(mapped_slice slice,
                                               unsigned flags,
                                               mapped_error *error);

/* Waits for the next few mebibytes of the slice from `*done` on, and adds to
 * `*done` what has been brought in, to show progress or to stop in between:
 *
 *     for (size_t done = 0; done < slice.length; show(done, slice.length))
 *         if (mapped_prefetch_next(slice, &done, error) != MAPPED_OK)
 *             return error->status;
 */
MAPPED__MUST_USE mapped_status mapped_prefetch_next(mapped_slice slice,
                                                    size_t *done,
                                                    mapped_error *error);

/* What the system tells of the pages of a slice, now: it may be different a
 * moment later. A page that belongs to the slice in part counts. */
typedef struct mapped_residency {
    size_t page_size; /* bytes */
    size_t pages;
    size_t resident;  /* are in memory */
    size_t dirty;     /* wait to be written back */
    size_t writeback; /* are being written back */
    bool counted;     /* false: the system doesn't tell the last two, here 0 */
} mapped_residency;

/* How many pages the slice has or shares, whatever the region's state. */
size_t mapped_residency_pages(mapped_slice slice);

/* Sets `*residency`. Unless `bits` is NULL sets the bit of each page that is in
 * memory, the first page in the lowest bit of the first byte, and clears those
 * of the others; `capacity` bytes are at least a bit for each page, else
 * MAPPED_SIZE. Linux counts dirty pages of files since 6.5. To a process
 * that may not write a file it says that all of it is in memory. MAPPED_SYSTEM.
 */
MAPPED__MUST_USE mapped_status mapped_residency_get(mapped_slice slice,
                                                    mapped_residency *residency,
                                                    unsigned char *bits,
                                                    size_t capacity,
                                                    mapped_error *error);

/* Keeps the pages of the slice in memory / lets them go again. Locks don't add
 * up: one unlock ends all, also those of the same pages in other slices. The
 * end of the region ends them. MAPPED_SYSTEM: the process may not lock so much
 * (RLIMIT_MEMLOCK). MAPPED_FAULT if a page can't be had. MAPPED_UNSUPPORTED for
 * wrapped memory. */
MAPPED__MUST_USE mapped_status mapped_mlock(mapped_slice slice,
                                            mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_munlock(mapped_slice slice,
                                              mapped_error *error);

/* MAPPED_MODE_READ: from now on every write through the library is
 * MAPPED_READONLY, as in a region that was opened for reading, and new exports
 * are read-only. If the caller's reference is the only one the pages are
 * write-protected too, so that a stray pointer meets a signal. Otherwise a
 * write that another thread has begun may still end. The region may grow and
 * recover, and stays protected; it may not shrink. MAPPED_MODE_READ_WRITE: ends
 * that.
 *
 * A slice that isn't the whole region has only its own bytes protected, or not
 * any more, and no pages write-protected: a write is refused as a whole if a
 * byte between its first and its last is protected, also one that it leaves
 * out; others are done, more slowly. New exports are read-only if they show
 * such a byte. The region may shrink down to them.
 *
 * MAPPED_BUSY while there is an export, which may write. MAPPED_READONLY if the
 * region was opened for reading and shall be written, and for a slice of
 * mapped_slice_toreadonly. MAPPED_ARGUMENT: another mode. MAPPED_UNSUPPORTED:
 * more than MAPPED_PROTECTED_RANGES stretches that don't touch. MAPPED_MEMORY,
 * MAPPED_SYSTEM. */
MAPPED__MUST_USE mapped_status mapped_protect(mapped_slice slice,
                                              mapped_mode mode,
                                              mapped_error *error);

MAPPED_END

#endif
