/* Lua patterns, matched in place on slices: the whole pattern language of Lua
 * 5.4's string library, with its limits and its errors.
 *
 * As in Lua a malformed pattern is an error only when matching gets to the
 * malformed item. The error is MAPPED_PATTERN; its `operation` is the text that
 * Lua's own functions use, its `offset` counts in the pattern's text.
 *
 * Matching also answers MAPPED_RANGE, MAPPED_CLOSED, MAPPED_FAULT and, on a
 * device, MAPPED_UNSUPPORTED. Only a lost page that was read is a fault: a
 * match in front of it is found. If other processes change the bytes meanwhile,
 * that can change the result, but no byte outside of the slice is read.
 * Matching checks the region's state from time to time, also within a single
 * long match, so that a close by another thread ends it. Offsets count from the
 * slice's first byte. Any thread that holds a reference to the region may call
 * these functions, and threads may share a compiled pattern. */
#ifndef MAPPED_PATTERN_H
#define MAPPED_PATTERN_H

#include <mapped/needle.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* A compiled pattern, in the caller's storage, which must not move. */
typedef struct mapped_pattern mapped_pattern;

/* A flag for gmatch: a "^" in front is a plain character and no anchor. */
#define MAPPED_PATTERN_NO_ANCHOR 1u

/* Returns how many bytes of storage the compiled pattern needs; 0 if the text
 * is longer than 4 GiB. */
size_t mapped_pattern_size(const void *text, size_t length, unsigned flags);

/* Compiles the pattern into `storage`, which has mapped_pattern_size bytes,
 * aligned as malloc does. Character classes are those of the calling thread's
 * locale at the time of the call. The text isn't needed afterwards. There is
 * nothing to free. */
const mapped_pattern *mapped_pattern_init(void *storage, const void *text,
                                          size_t length, unsigned flags);

/* The character classes of a locale, as far as locales differ in them: what a
 * program compares that keeps compiled patterns and may change its locale. */
typedef struct mapped_pattern_classes {
    uint16_t bits_[128];
} mapped_pattern_classes;

/* The classes of the calling thread's locale, which mapped_pattern_init would
 * use. Other threads may call setlocale meanwhile, if that of the C library
 * allows it beside isalpha. */
void mapped_pattern_classes_get(mapped_pattern_classes *classes);

/* Are they still the same? */
bool mapped_pattern_classes_current(const mapped_pattern_classes *classes);

/* Has the text no special characters, so that a plain search does the same? */
bool mapped_pattern_is_plain(const void *text, size_t length);

#define MAPPED_PATTERN_CAPTURES 32
#define MAPPED_CAPTURE_POSITION SIZE_MAX

typedef struct mapped_capture {
    size_t start;
    size_t length; /* MAPPED_CAPTURE_POSITION for "()" */
} mapped_capture;

/* A match, and the state of the search for the next one, in the caller's
 * storage; there is nothing to free. `start` and `end` are offsets, `count` is
 * the number of captures, which mapped_match_capture returns. The other fields
 * are private. */
typedef struct mapped_match {
    size_t start;
    size_t end;
    size_t count;
    mapped_capture captures_[MAPPED_PATTERN_CAPTURES];
    mapped_needle prefix_;
    size_t last_; /* the end of the match before, where no other may end */
    const mapped_pattern *pattern_; /* NULL before the first match */
} mapped_match;

/* Prepares a search that begins at offset `from`. */
void mapped_match_init(mapped_match *match, size_t from);

/* Finds the first match or, after a match, the next one, as gmatch and gsub do:
 * no match is empty and directly after another one. `*found` tells whether
 * there is one; if not, `*match` is undefined. An anchored pattern is tried
 * once, at the beginning of the search. Pass the same pattern and slice for the
 * whole search. */
MAPPED__MUST_USE mapped_status mapped_match_next(mapped_match *match,
                                                 const mapped_pattern *pattern,
                                                 mapped_slice slice,
                                                 bool *found,
                                                 mapped_error *error);

/* Sets `*capture` to capture `index`, counted from 0. A match without captures
 * is its own first capture. MAPPED_PATTERN, with Lua's texts, if there is no
 * such capture (then `offset` is 0) or it was never closed (then `offset` is
 * that of its beginning). */
MAPPED__MUST_USE mapped_status mapped_match_capture(const mapped_match *match,
                                                    size_t index,
                                                    mapped_capture *capture,
                                                    mapped_error *error);

MAPPED_END

#endif
