/* Searches in slices, in place: the first, the last and all matches of a
 * needle, and the parts between the matches of a separator.
 *
 * All functions answer MAPPED_RANGE, MAPPED_CLOSED and MAPPED_FAULT, and
 * MAPPED_UNSUPPORTED on a device, whose registers are no text. Only a lost page
 * that the result depends on is a fault: a match in front of it is found. A
 * long search checks the region's state after every mebibyte or so, so that a
 * close by another thread ends it soon. To search a part of a slice, search a
 * slice of that part. Offsets count from the slice's first byte. Any thread
 * that holds a reference to the region may call these functions. */
#ifndef MAPPED_SEARCH_H
#define MAPPED_SEARCH_H

#include <mapped/needle.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* Set `*offset` to that of the first, or the last, match, or to
 * MAPPED_NOT_FOUND if there is none. The first match of an empty needle is at
 * 0, the last at the end. The needle's bytes may lie in the slice's own region
 * if they are exported (export.h). A search may tune the needle, which
 * therefore belongs to one thread at a time. */
MAPPED__MUST_USE mapped_status mapped_find(mapped_slice slice,
                                           mapped_needle *needle,
                                           size_t *offset, mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_rfind(mapped_slice slice,
                                            mapped_needle *needle,
                                            size_t *offset,
                                            mapped_error *error);

/* Sets `*count` to the number of matches, counted from the front and without
 * overlap. An empty needle has one match more than there are bytes. */
MAPPED__MUST_USE mapped_status mapped_count(mapped_slice slice,
                                            mapped_needle *needle,
                                            size_t *count, mapped_error *error);

/* Set `*result` to whether the slice begins, or ends, with these n bytes. */
MAPPED__MUST_USE mapped_status mapped_starts_with(mapped_slice slice,
                                                  const void *data, size_t n,
                                                  bool *result,
                                                  mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_ends_with(mapped_slice slice,
                                                const void *data, size_t n,
                                                bool *result,
                                                mapped_error *error);

/* An iterator over the parts of a slice, in the caller's storage; there is
 * nothing to free. It borrows the region and the separator's bytes. The fields
 * are private. */
typedef struct mapped_parts {
    mapped_slice rest_; /* the parts that are still to come */
    mapped_needle separator_;
    bool keep_separators_;
    bool are_lines_;
    bool is_done_;
} mapped_parts;

/* Begins to iterate over lines. A line ends with "\n" or with the slice; a "\r"
 * is an ordinary byte of the line. With `keep` a line includes its "\n". An
 * empty slice has no lines. */
void mapped_parts_lines(mapped_parts *parts, mapped_slice slice, bool keep);

/* Begins to iterate over the parts between separators. There is always one part
 * more than there are separators; parts may be empty. MAPPED_ARGUMENT if the
 * separator is empty. Its bytes must stay valid until the last part. */
MAPPED__MUST_USE mapped_status mapped_parts_split(mapped_parts *parts,
                                                  mapped_slice slice,
                                                  const void *separator,
                                                  size_t n,
                                                  mapped_error *error);

/* Returns how many bytes the parts that are still to come have, with their
 * separators. */
MAPPED__INLINE size_t mapped_parts_left(const mapped_parts *parts)
{
    return parts->rest_.length;
}

/* Sets `*part` to the next part and `*has_part` to true. If there is none, sets
 * `*has_part` to false, and `*part` stays untouched. */
MAPPED__MUST_USE mapped_status mapped_parts_next(mapped_parts *parts,
                                                 mapped_slice *part,
                                                 bool *has_part,
                                                 mapped_error *error);

/* Takes all that is left, with the separators in it, as the last part: for
 * callers that want no more than some number of parts. False if none is left.
 */
bool mapped_parts_take_rest(mapped_parts *parts, mapped_slice *part);

/* The same as mapped_parts_next, but searches no more than `limit` bytes:
 * returns true with the next part if its separator is found there. Otherwise,
 * and also on any error, returns false and changes nothing; then call
 * mapped_parts_next. This is for callers that release a lock before a long
 * search. */
bool mapped_parts_try_next(mapped_parts *parts, size_t limit,
                           mapped_slice *part);

/* Private: takes the next part if a separator ends it. `*taken` tells whether;
 * if not, the rest is the last part. */
mapped_status mapped__parts_take_ended(mapped_parts *parts, mapped_slice *part,
                                       bool *taken, mapped_error *error);

/* Private: what every search checks first. */
mapped_status mapped__search_check(mapped_slice slice, mapped_error *error);

/* Private: what a count over several slices does in each. `*next` is as that of
 * mapped_needle_count; the needle isn't empty. */
mapped_status mapped__count_part(mapped_slice slice, mapped_needle *needle,
                                 size_t *count, size_t *next,
                                 mapped_error *error);

MAPPED_END

#endif
