/* mapped: memory-mapped regions with bounds-checked, zero-copy slices.
 *
 *     mapped_error error = MAPPED_ERROR_INIT;
 *     mapped_region *region;
 *     if (mapped_region_open("data.bin", MAPPED_MODE_READ, NULL, &region,
 *                            &error) != MAPPED_OK)
 *         ... mapped_error_message(&error, text, sizeof text) ...
 *     mapped_slice all = mapped_region_slice(region);
 *     uint32_t magic;
 *     if (mapped_get_u32le(all, 0, &magic, &error) != MAPPED_OK)
 *         ... nothing was read ...
 *     mapped_region_release(region);
 *
 * Every fallible function returns a mapped_status and takes a mapped_error that
 * may be NULL. Outputs are untouched on failure unless said otherwise.
 *
 * Inline functions are symbols of the libraries, too, for languages that call C
 * without its headers. Such a language must be able to pass a mapped_slice, a
 * struct of four words, by value. */
#ifndef MAPPED_MAPPED_H
#define MAPPED_MAPPED_H

#include <mapped/access.h>
#include <mapped/array.h>
#include <mapped/atomic.h>
#include <mapped/base.h>
#include <mapped/bulk.h>
#include <mapped/checked.h>
#include <mapped/element.h>
#include <mapped/endian.h>
#include <mapped/error.h>
#include <mapped/export.h>
#include <mapped/fault.h>
#include <mapped/fields.h>
#include <mapped/flush.h>
#include <mapped/guard.h>
#include <mapped/hint.h>
#include <mapped/item.h>
#include <mapped/lock.h>
#include <mapped/mutex.h>
#include <mapped/needle.h>
#include <mapped/origin.h>
#include <mapped/paging.h>
#include <mapped/pattern.h>
#include <mapped/region.h>
#include <mapped/ring.h>
#include <mapped/search.h>
#include <mapped/slice.h>
#include <mapped/span.h>
#include <mapped/stream.h>
#include <mapped/windows.h>

#endif
