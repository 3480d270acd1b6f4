/* Lua patterns, matched in place on slices: the complete language of Lua 5.4's
 * string library with its limits and its errors.
 *
 * As in Lua a malformed pattern is an error only once matching gets to its bad
 * place: MAPPED_PATTERN, with `operation` the very text that Lua's functions
 * use and `offset` the place in the pattern.
 *
 * Matching also answers MAPPED_RANGE, MAPPED_CLOSED, MAPPED_FAULT and, on a
 * device, MAPPED_UNSUPPORTED. Bytes that no part of the search has looked at
 * don't matter: a match in front of a lost page is found. Other processes may
 * change the bytes meanwhile; that can change what is found, not where memory
 * is read. Whatever takes long, be it many attempts or a single one, looks at
 * the region's state from time to time, so that a close by another thread ends
 * it. Offsets are from the slice's first byte. Any thread that holds a
 * reference; a compiled pattern may be shared. */
#ifndef MAPPED_PATTERN_H
#define MAPPED_PATTERN_H

#include <mapped/needle.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* A compiled pattern, in storage of the caller's that must not move. */
typedef struct mapped_pattern mapped_pattern;

/* As gmatch wants it: a "^" in front is no anchor but a plain character. */
#define MAPPED_PATTERN_NO_ANCHOR 1u

/* Bytes of storage that this pattern needs when compiled; 0 if it is longer
 * than 4 GiB. */
size_t mapped_pattern_size(const void *text, size_t length, unsigned flags);

/* Compiles into `storage`: mapped_pattern_size bytes, aligned as malloc does.
 * Character classes follow the locale of the moment. The text isn't needed
 * afterwards; there is nothing to free. */
const mapped_pattern *mapped_pattern_init(void *storage, const void *text,
                                          size_t length, unsigned flags);

/* Has the text no special character, so that finding it is a plain search? */
bool mapped_pattern_is_plain(const void *text, size_t length);

#define MAPPED_PATTERN_CAPTURES 32
#define MAPPED_CAPTURE_POSITION SIZE_MAX

typedef struct mapped_capture {
    size_t start;
    size_t length; /* MAPPED_CAPTURE_POSITION for "()" */
} mapped_capture;

/* A match, and at the same time the walk that finds the one after it. The
 * caller's storage, nothing to free. Read `start`, `end` and `count` (of
 * captures); ask mapped_match_capture for the captures. */
typedef struct mapped_match {
    size_t start;
    size_t end;
    size_t count;
    mapped_capture captures_[MAPPED_PATTERN_CAPTURES];
    mapped_needle prefix_;
    size_t last_; /* where the match before ended: no match may end there */
    const mapped_pattern *pattern_; /* NULL before the first */
} mapped_match;

/* Before the first match: the search will begin at offset `from`. */
void mapped_match_init(mapped_match *match, size_t from);

/* The first match from where the last one ended, as gmatch and gsub go on: no
 * empty match right behind another match. `*found` is false, and `*match` no
 * longer a match, when there is none. An anchored pattern is tried once, where
 * the search begins. The same pattern and slice for the whole walk. */
MAPPED__MUST_USE mapped_status mapped_match_next(mapped_match *match,
                                                 const mapped_pattern *pattern,
                                                 mapped_slice slice,
                                                 bool *found,
                                                 mapped_error *error);

/* Capture `index`, from 0. A match without captures has itself as the first.
 * MAPPED_PATTERN, with Lua's texts, if there is no such capture (`offset` 0) or
 * it was never closed (`offset` is where it opens). */
MAPPED__MUST_USE mapped_status mapped_match_capture(const mapped_match *match,
                                                    size_t index,
                                                    mapped_capture *capture,
                                                    mapped_error *error);

MAPPED_END

#endif
