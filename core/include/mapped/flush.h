/* Durability: bytes that survive the end of the process, of the system, of the
 * power.
 *
 * What is written to a shared mapping of a file is in the system's page cache
 * at once, so it survives the end of the process, however that comes. It
 * survives a crash of the system or a loss of power when a flush that waits has
 * returned MAPPED_OK after it was written; before that any part of it may have
 * reached the disk, in any order. */
#ifndef MAPPED_FLUSH_H
#define MAPPED_FLUSH_H

#include <mapped/slice.h>

MAPPED_BEGIN

#define MAPPED_FLUSH_START 1u /* begin to write and return */

/* Writes the bytes of the slice to the disk and waits until it has them, with
 * what is needed to find them again: the file's size, and the entry in its
 * directory if this region has created it. Whole pages are written, so bytes
 * beside the slice may be, too. With MAPPED_FLUSH_START the writing only begins
 * (Linux: sync_file_range, Windows: FlushViewOfFile, elsewhere msync, which may
 * put it off), and nothing is promised.
 *
 * A failed flush counts for good: the system may report it once and then take
 * the pages for written. So every later flush of the region fails in the same
 * way, until mapped_region_recover has marked the pages of that flush as
 * changed again and the next flush has written them, or the region is opened
 * anew.
 *
 * MAPPED_SYSTEM: the disk is full or failed, or directory or descriptor can't
 * be had. MAPPED_FAULT: a page of the slice is lost, and what was written to
 * it. MAPPED_READONLY for "r". MAPPED_UNSUPPORTED for memory that has no file,
 * for "c", whose changes are never written, for wrapped memory and for devices.
 * MAPPED_CLOSED, also if another thread closes the region meanwhile;
 * MAPPED_RANGE. Others may use, append to and close the region while it waits;
 * growth that has to move the region is MAPPED_BUSY. */
MAPPED__MUST_USE mapped_status mapped_flush(mapped_slice slice, unsigned flags,
                                            mapped_error *error);

MAPPED_END

#endif
