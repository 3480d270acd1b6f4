/* Search in slices, in place: first, last and all occurrences of a needle, and
 * the parts between them.
 *
 * All of these answer MAPPED_RANGE, MAPPED_CLOSED and MAPPED_FAULT, and
 * MAPPED_UNSUPPORTED on a device, whose registers are no text. Long searches
 * look at the region's state again after every block of about a mebibyte, so
 * that a close by another thread ends them soon. Only bytes that the result
 * depends on count: an occurrence in front of a lost page is found. To search a
 * part, search a slice of it. Offsets are from the slice's first byte. Any
 * thread that holds a reference. */
#ifndef MAPPED_SEARCH_H
#define MAPPED_SEARCH_H

#include <mapped/needle.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* The first or the last occurrence; `*offset` is MAPPED_NOT_FOUND if there is
 * none. The empty needle is first at 0 and last at the end. The needle's bytes
 * may lie in the slice's own region if that is pinned; `needle` itself learns
 * what is rare in the data and therefore belongs to one thread at a time. */
MAPPED__MUST_USE mapped_status mapped_find(mapped_slice slice,
                                           mapped_needle *needle,
                                           size_t *offset, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_rfind(mapped_slice slice,
                                            mapped_needle *needle,
                                            size_t *offset,
                                            mapped_error *error);

/* How many occurrences that don't overlap; of the empty needle one more than
 * there are bytes. */
MAPPED__MUST_USE mapped_status mapped_count(mapped_slice slice,
                                            mapped_needle *needle,
                                            size_t *count, mapped_error *error);

/* Does the slice begin, or end, with these n bytes? */
MAPPED__MUST_USE mapped_status mapped_starts_with(mapped_slice slice,
                                                  const void *data, size_t n,
                                                  bool *result,
                                                  mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_ends_with(mapped_slice slice,
                                                const void *data, size_t n,
                                                bool *result,
                                                mapped_error *error);

/* A walk over the parts of a slice. The caller's storage, nothing to free; it
 * borrows the region and the separator's bytes. Don't touch the fields. */
typedef struct mapped_parts {
    mapped_slice rest_; /* empty once all is done */
    mapped_needle separator_;
    bool keep_;
    bool lines_;
    bool done_;
} mapped_parts;

/* Lines end behind each "\n" (a "\r" before it is part of the line, as
 * everywhere where bytes are read line by line) and at the slice's end; an
 * empty slice has none. With `keep` the lines include their "\n". */
void mapped_parts_lines(mapped_parts *parts, mapped_slice slice, bool keep);

/* What lies between the separators: always one part more than there are
 * separators, any of which may be empty. MAPPED_ARGUMENT if the separator is.
 * Its bytes must stay valid for as long as the walk goes on. */
MAPPED__MUST_USE mapped_status mapped_parts_split(mapped_parts *parts,
                                                  mapped_slice slice,
                                                  const void *separator,
                                                  size_t n,
                                                  mapped_error *error);

/* How many bytes have not been walked over yet. */
MAPPED__INLINE size_t mapped_parts_left(const mapped_parts *parts)
{
    return parts->rest_.length;
}

/* The next part. `*more` is false, and `*part` untouched, behind the last. */
MAPPED__MUST_USE mapped_status mapped_parts_next(mapped_parts *parts,
                                                 mapped_slice *part, bool *more,
                                                 mapped_error *error);

/* The same as a short step: the next part and true if a separator ends it
 * within `limit` bytes and all is well. Otherwise false and nothing has
 * changed: mapped_parts_next tells. For callers that let go of a lock before
 * they search long. */
bool mapped_parts_near(mapped_parts *parts, size_t limit, mapped_slice *part);

MAPPED_END

#endif
