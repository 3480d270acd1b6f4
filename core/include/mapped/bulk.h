/* Bulk work on bytes: copy, fill, move, compare. Checked once before and once
 * after, at memcpy speed in between.
 *
 * All of them answer MAPPED_RANGE, MAPPED_CLOSED and MAPPED_FAULT; the writing
 * ones also MAPPED_READONLY. On devices they go byte by byte, each byte one
 * access of that width, in the order of the addresses (a copy that would
 * overwrite what it has not read yet goes in pieces from the last one); for
 * registers that want to be accessed as words there are arrays (array.h).
 * Argument errors are found before anything is touched; after a
 * MAPPED_FAULT or a MAPPED_CLOSED from another thread's close, the destination
 * holds part of the bytes. Any thread that holds a reference; two threads that
 * write the same bytes at once get one or the other, byte by byte. */
#ifndef MAPPED_BULK_H
#define MAPPED_BULK_H

#include <mapped/slice.h>

MAPPED_BEGIN

/* n bytes from `offset` on, out to `to` or in from `from` (plain memory, which
 * may overlap the slice). */
MAPPED__MUST_USE mapped_status mapped_read(mapped_slice slice, size_t offset,
                                           void *to, size_t n,
                                           mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_write(mapped_slice slice, size_t offset,
                                            const void *from, size_t n,
                                            mapped_error *error);

/* All of `from` to `offset` in `to`; the two may overlap, also as mappings of
 * one file or wraps of one memory. Bytes of a lost page are never written. */
MAPPED__MUST_USE mapped_status mapped_copy(mapped_slice to, size_t offset,
                                           mapped_slice from,
                                           mapped_error *error);

/* Sets every byte of the slice. */
MAPPED__MUST_USE mapped_status mapped_fill(mapped_slice slice, uint8_t byte,
                                           mapped_error *error);

/* n bytes from offset `from` to offset `to` of one slice, as memmove. */
MAPPED__MUST_USE mapped_status mapped_move(mapped_slice slice, size_t to,
                                           size_t from, size_t n,
                                           mapped_error *error);

/* Grows the region by n bytes and stores `data` there, which may be the
 * region's own. As mapped_region_resize; MAPPED_FAULT if a page of the source
 * is lost, or another process has truncated the file; MAPPED_RANGE if a refresh
 * in another thread has found that meanwhile. The region gets longer when all
 * bytes are there, so nobody sees some of them, and after an error it is as
 * long as before. Two threads that append at once get places of their own:
 * while the second has ended and the first has not, some bytes of the first may
 * be zeros, and if that fails they stay. A resize that makes the region longer
 * meanwhile shows them, too; one to less than all that is being appended is
 * MAPPED_BUSY, and so is any growth while one goes on whose bytes were
 * truncated. If the process forks in the middle of one, from a fault handler,
 * the append ends as ever in the parent, and in the child with MAPPED_RANGE (at
 * a limit on memory the child's region is closed instead). It stores nothing to
 * the file there. Until it ends, what the handler writes in the child to pages
 * that the append stores to stays in the child, and is gone then.
 *
 * What is appended goes to the end of the region, not to that of a file that
 * others have made longer meanwhile: writers that take turns hold a lock, and
 * call mapped_region_refresh before they append.
 *
 * A file that ends where the region does gets longer in steps, of its length
 * and at most 64 MiB, so that most calls ask nothing of the system. What it is
 * too long meanwhile is the spare. mapped_region_resize, and the close of the
 * region, trim the file. If the process ends without that, or is killed, the
 * file ends with a trailer, by which this library knows the data's end: it
 * opens the file as if it had been trimmed, and the next append goes on in the
 * spare. Of an append that was under way then, all bytes are there or none,
 * unless another thread had appended after it. Other programs see zeros and
 * the trailer after the data; what they append meanwhile comes after those,
 * and leaves them in the file. The trailer's bytes, from the end of the file,
 * little-endian; the size is 24 more than a multiple of 65,536, so that
 * hardly any other file has to be read:
 *
 *     -24  8  0xAD "mapped" 0x01
 *     -16  8  the size of the file, spare and trailer included
 *      -8  8  the size of the data: where the file is to end
 *
 * A file can't be trimmed while it is mapped on Windows: there, and where there
 * is no room for a step, it gets longer by n bytes. */
MAPPED__MUST_USE mapped_status mapped_region_append(mapped_region *region,
                                                    const void *data, size_t n,
                                                    mapped_error *error);

/* The same for the bytes of a slice, of this region or another. */
MAPPED__MUST_USE mapped_status mapped_region_append_slice(mapped_region *region,
                                                          mapped_slice data,
                                                          mapped_error *error);

/* `*order` is negative, 0 or positive as memcmp of the common length, then the
 * shorter first. Goes in blocks of about a mebibyte, so that a close by another
 * thread ends it soon and a page lost after the block with the first
 * difference doesn't matter. MAPPED_UNSUPPORTED for devices: registers are read
 * once and as what they are. */
MAPPED__MUST_USE mapped_status mapped_compare(mapped_slice a, mapped_slice b,
                                              int *order, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_compare_bytes(mapped_slice slice,
                                                    const void *data, size_t n,
                                                    int *order,
                                                    mapped_error *error);

MAPPED_END

#endif
