/* Advice, locks, protection, and the two ways to give memory back: discard and
 * revert. What does no harm to other bytes is done to all pages that a slice
 * has a byte of (mapped__paging_enter). What changes bytes is done to the
 * pages that the slice has alone, and byte by byte at its ends (split).
 *
 * The caller holds a reference, so addresses stay the region's own even if it
 * is closed meanwhile. Where the file is used, the region is locked, so that
 * nobody closes it. */
#include <mapped/paging.h>

#include <string.h>

#include "paging_internal.h"

static const char *const advice_texts[] = {"normal",   "sequential", "random",
                                           "willneed", "cold",       "pageout",
                                           "hugepage", "nohugepage"};

#define ADVICES (sizeof advice_texts / sizeof advice_texts[0])

_Static_assert((int)MAPPED_ADVICE_NOHUGEPAGE ==
                       (int)MAPPED__ADVICE_NOHUGEPAGE &&
                   (int)MAPPED_ADVICE_NOHUGEPAGE == (int)ADVICES - 1,
               "the platform's kinds are the public ones");

mapped_status mapped_advice_parse(const char *text, size_t length,
                                  mapped_advice *advice, mapped_error *error)
{
    for (size_t i = 0; i < ADVICES; i++) {
        if (strlen(advice_texts[i]) == length &&
            memcmp(advice_texts[i], text, length) == 0) {
            *advice = (mapped_advice)i;
            return MAPPED_OK;
        }
    }
    return mapped_error_set(error, MAPPED_ARGUMENT, "advice");
}

const char *mapped_advice_text(mapped_advice advice)
{
    bool known = (unsigned)advice < ADVICES;
    return known ? advice_texts[advice] : "unknown advice";
}

mapped_status mapped__paging_check(mapped_slice slice, const char *operation,
                                   mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, operation);
    return status;
}

/* The size of the region's pages, which may be huge ones. */
static size_t page_size(const mapped__region *self)
{
    return self->mapping.page != 0 ? self->mapping.page : mapped__page_size();
}

/* All pages that [first, first + n) has a byte of. */
static mapped__pages outward(const mapped__region *self, unsigned char *first,
                             size_t n)
{
    const size_t unit = page_size(self);
    size_t before = (uintptr_t)first % unit;
    size_t length = before + n;
    (void)mapped_round_up(before + n, unit, &length);
    return (mapped__pages){first - before, length};
}

mapped_status mapped__paging_enter(mapped_slice slice, mapped__pages *pages,
                                   mapped_error *error)
{
    unsigned char *first;
    *pages = (mapped__pages){NULL, 0};
    mapped_status status =
        mapped_slice_enter(slice, 0, slice.length, &first, error);
    if (status == MAPPED_OK && slice.length > 0)
        *pages = outward(mapped__region_of(slice.region), first, slice.length);
    return status;
}

/* A slice in three parts: [0, before) and [behind, length) lie in pages that
 * have other bytes, too; `whole` are the pages between. */
typedef struct split_slice {
    unsigned char *first; /* the address of the slice */
    size_t before;
    size_t behind;
    mapped__pages whole;
} split_slice;

/* Enters the slice for writing and splits it. Nobody sees what is in the
 * region's first page before its first byte, nor what is in its last page after
 * its last byte and the places of appends: these pages count as whole. */
static mapped_status split(mapped_slice slice, split_slice *parts,
                           mapped_error *error)
{
    const mapped__region *self = mapped__region_of(slice.region);
    const size_t unit = page_size(self);
    unsigned char *first;
    mapped_status status =
        mapped_slice_enter_write(slice, 0, slice.length, &first, error);
    if (status != MAPPED_OK)
        return status;
    *parts = (split_slice){first, slice.length, slice.length, {NULL, 0}};
    mapped__pages outer = outward(self, first, slice.length);
    unsigned char *start = outer.start;
    unsigned char *end = outer.start + outer.length;
    bool to_end = slice.offset + slice.length == self->appends.next;
    if (slice.offset != 0 && start != first)
        start += unit;
    if (!to_end && end != first + slice.length)
        end -= unit;
    if (slice.length == 0 || start >= end)
        return MAPPED_OK;
    parts->before = start > first ? (size_t)(start - first) : 0;
    if (end < first + slice.length)
        parts->behind = (size_t)(end - first);
    parts->whole = (mapped__pages){start, (size_t)(end - start)};
    return MAPPED_OK;
}

static mapped_status drop(mapped__pages pages, mapped_error *error)
{
    return pages.length > 0
               ? mapped__range_drop(pages.start, pages.length, error)
               : MAPPED_OK;
}

mapped_status mapped_advise(mapped_slice slice, mapped_advice advice,
                            mapped_error *error)
{
    mapped__pages pages;
    mapped_status status =
        (unsigned)advice >= ADVICES
            ? mapped_error_set(error, MAPPED_ARGUMENT, "advice")
            : mapped__paging_check(slice, "advise", error);
    if (status == MAPPED_OK)
        status = mapped__paging_enter(slice, &pages, error);
    if (status == MAPPED_OK && pages.length > 0)
        status = mapped__range_advise(pages.start, pages.length,
                                      (mapped__advice)advice, error);
    return mapped__region_complete_error(slice.region, "advise", status, error);
}

/* As mapped__paging_enter, but not for wrapped memory: its owner may lock that,
 * or not.
 */
static mapped_status enter_own(mapped_slice slice, const char *operation,
                               mapped__pages *pages, mapped_error *error)
{
    mapped_status status = mapped__paging_check(slice, operation, error);
    if (status == MAPPED_OK && mapped__region_of(slice.region)->wrapped)
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, operation);
    return status == MAPPED_OK ? mapped__paging_enter(slice, pages, error)
                               : status;
}

mapped_status mapped_mlock(mapped_slice slice, mapped_error *error)
{
    mapped__pages pages;
    mapped_status status = enter_own(slice, "mlock", &pages, error);
    if (status == MAPPED_OK && pages.length > 0) {
        /* Zero pages in the place of lost ones aren't worth a lock. */
        status = mapped_slice_leave(slice, 0, slice.length, error);
        if (status == MAPPED_OK)
            status = mapped__range_lock(pages.start, pages.length, error);
        if (status == MAPPED_FAULT)
            status = mapped__paging_touch(slice, error);
    }
    return mapped__region_complete_error(slice.region, "mlock", status, error);
}

mapped_status mapped_munlock(mapped_slice slice, mapped_error *error)
{
    mapped__pages pages;
    mapped_status status = enter_own(slice, "munlock", &pages, error);
    if (status == MAPPED_OK && pages.length > 0)
        status = mapped__range_unlock(pages.start, pages.length, error);
    return mapped__region_complete_error(slice.region, "munlock", status,
                                         error);
}

static mapped_status discard_memory(mapped_slice slice, mapped_error *error)
{
    split_slice parts;
    mapped_status status = split(slice, &parts, error);
    if (status == MAPPED_OK)
        status = drop(parts.whole, error);
    if (status != MAPPED_OK)
        return status;
    memset(parts.first, 0, parts.before);
    memset(parts.first + parts.behind, 0, slice.length - parts.behind);
    return MAPPED_OK;
}

static mapped_status discard_blocks(mapped_slice slice, mapped_error *error)
{
    const mapped__region *self = mapped__region_of(slice.region);
    mapped_status status = mapped_slice_check_writable(slice, error);
    if (status != MAPPED_OK || slice.length == 0)
        return status;
    return mapped__file_discard(self->file, self->offset + slice.offset,
                                slice.length, error);
}

/* While the region is locked no other thread shrinks or protects it, and no
 * append begins in its last page. So what does the work checks the slice once
 * more. */
static mapped_status discard(mapped_slice slice, mapped_error *error)
{
    mapped__region *self = mapped__region_of(slice.region);
    mapped_status status = mapped__paging_check(slice, "discard", error);
    if (status == MAPPED_OK)
        status = mapped_slice_check_writable(slice, error);
    if (status == MAPPED_OK &&
        (self->wrapped || self->mode == MAPPED_MODE_COPY))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "discard");
    if (status == MAPPED_OK)
        status = mapped__region_lock(self, "discard", error);
    if (status != MAPPED_OK)
        return status;
    status = self->file == MAPPED__NO_FILE ? discard_memory(slice, error)
                                           : discard_blocks(slice, error);
    mapped__region_unlock(self);
    return status == MAPPED_OK
               ? mapped_slice_leave(slice, 0, slice.length, error)
               : status;
}

mapped_status mapped_discard(mapped_slice slice, mapped_error *error)
{
    mapped_status status = discard(slice, error);
    return mapped__region_complete_error(slice.region, "discard", status,
                                         error);
}

/* Gives the caller a descriptor of its own for the region's file, which it may
 * use while the region isn't locked. */
static mapped_status duplicate_file(mapped__region *self, intptr_t *file,
                                    mapped_error *error)
{
    mapped_status status = mapped__region_lock(self, "revert", error);
    if (status != MAPPED_OK)
        return status;
    status = mapped__region_open_file(self, file, error);
    if (status == MAPPED_OK && *file == self->file)
        status = mapped__file_duplicate(self->file, file, error);
    mapped__region_unlock(self);
    return status;
}

#define PIECE ((size_t)4096)

/* Stores in [from, to) of the slice what the file has there. */
static mapped_status reread(mapped_slice slice, size_t from, size_t to,
                            intptr_t file, mapped_error *error)
{
    unsigned char piece[PIECE];
    const mapped__region *self = mapped__region_of(slice.region);
    mapped_status status = MAPPED_OK;
    for (size_t n; from < to && status == MAPPED_OK; from += n) {
        n = to - from < PIECE ? to - from : PIECE;
        status = mapped__file_read_at(file, self->offset + slice.offset + from,
                                      piece, n, error);
        if (status == MAPPED_OK)
            status = mapped_write(slice, from, piece, n, error);
    }
    return status;
}

static mapped_status revert_ends(mapped_slice slice, const split_slice *parts,
                                 mapped_error *error)
{
    intptr_t file;
    if (parts->before == 0 && parts->behind == slice.length)
        return MAPPED_OK; /* there are none */
    mapped_status status =
        duplicate_file(mapped__region_of(slice.region), &file, error);
    if (status != MAPPED_OK)
        return status;
    status = reread(slice, 0, parts->before, file, error);
    if (status == MAPPED_OK)
        status = reread(slice, parts->behind, slice.length, file, error);
    mapped__file_close(file);
    return status;
}

/* The ends come first: they need the file, and may fail. */
static mapped_status revert(mapped_slice slice, mapped_error *error)
{
    split_slice parts;
    mapped_status status = split(slice, &parts, error);
    if (status == MAPPED_OK)
        status = revert_ends(slice, &parts, error);
    if (status == MAPPED_OK)
        status = drop(parts.whole, error);
    if (status != MAPPED_OK)
        return status;
    return mapped_slice_leave(slice, 0, slice.length, error);
}

/* MAPPED_READONLY for a slice of mapped_slice_toreadonly. Whether the region is
 * read-only is not asked. */
static mapped_status check_slice_writable(mapped_slice slice,
                                          mapped_error *error)
{
    return slice.readonly != 0 ? mapped_slice_check_writable(slice, error)
                               : MAPPED_OK;
}

mapped_status mapped_revert(mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped__paging_check(slice, "revert", error);
    if (status == MAPPED_OK)
        status = check_slice_writable(slice, error);
    if (status == MAPPED_OK &&
        mapped_region_mode(slice.region) != MAPPED_MODE_COPY)
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "revert");
    if (status == MAPPED_OK)
        status = revert(slice, error);
    return mapped__region_complete_error(slice.region, "revert", status, error);
}

mapped_status mapped_protect(mapped_slice slice, mapped_mode mode,
                             mapped_error *error)
{
    mapped__region *self = mapped__region_of(slice.region);
    const size_t start = slice.offset, end = slice.offset + slice.length;
    mapped_status status =
        mode != MAPPED_MODE_READ && mode != MAPPED_MODE_READ_WRITE
            ? mapped_error_set(error, MAPPED_ARGUMENT, "protect: mode")
            : mapped_slice_check(slice, error);
    if (status == MAPPED_OK)
        status = check_slice_writable(slice, error);
    if (status == MAPPED_OK)
        status = mode == MAPPED_MODE_READ
                     ? mapped__region_protect(self, start, end, error)
                     : mapped__region_unprotect(self, start, end, error);
    return mapped__region_complete_error(slice.region, "protect", status,
                                         error);
}
