/* Matches patterns, by backtracking as Lua defines it. mapped_match_next tries
 * the offsets of a slice, a block of them (try_block) in each access. At an
 * offset match_from goes through the pattern's items, and calls itself for the
 * items that follow one that may match in several ways.
 *
 * The matcher is a leaf: it neither allocates nor calls other libraries, so it
 * can run between the two checks of an access. Depth is bounded as in Lua, and
 * with it the stack. Time is not, so steps are counted and the region's state
 * is checked after some. A lost page is a fault only if it is among the bytes
 * that were read, from `low` to `furthest`. */
#include "pattern_internal.h"
#include "region_internal.h"

#include <string.h>

#define DEPTH 200 /* how deep Lua lets a match nest */
#define UNFINISHED (MAPPED_CAPTURE_POSITION - 1) /* an open capture */

/* The region's state is checked after so many offsets, and after so many
 * steps at one offset: bytes read, and alternatives tried. */
#define BLOCK ((size_t)1 << 20)
#define STEPS ((size_t)1 << 16)

typedef struct mapped__pattern_node node;
typedef struct mapped__pattern_set set;
typedef const unsigned char *cursor; /* into the haystack */

typedef struct matcher {
    const mapped_pattern *pattern;
    const set *sets;
    mapped_slice slice;
    mapped_match *match; /* its `count` is how many captures have begun */
    mapped_error *error;
    cursor begin; /* of the haystack, which is the slice */
    cursor end;
    cursor furthest;      /* after the last byte that was read */
    size_t low;           /* offset of the first byte that was read */
    size_t steps;         /* left until the next check of the region's state */
    unsigned depth;       /* left */
    mapped_status status; /* not MAPPED_OK once matching has failed for good */
    unsigned
        reason; /* a mapped__pattern_error if `status` is MAPPED_PATTERN, */
    size_t reason_at; /* and its offset in the pattern's text */
    bool found;
} matcher;

/* Returns the end of a match of the items from `item` on at `s`, or NULL if
 * there is none or matching has failed. */
static cursor match_from(matcher *m, const node *item, cursor s);

static cursor fail(matcher *m, unsigned reason, const node *item)
{
    m->status = MAPPED_PATTERN;
    m->reason = reason;
    m->reason_at = item->at;
    return NULL;
}

static bool has_failed(const matcher *m)
{
    return m->status != MAPPED_OK;
}

/* Ends an access to all bytes that were read. */
static mapped_status leave(const matcher *m)
{
    size_t high = (size_t)(m->furthest - m->begin);
    return mapped_slice_leave(m->slice, m->low, high - m->low, m->error);
}

static MAPPED__NOINLINE bool check_region(matcher *m)
{
    m->steps = STEPS;
    m->status = leave(m);
    return m->status == MAPPED_OK;
}

/* Counts steps. Returns false, and matching has failed, if the region was
 * closed or a page that was read is lost. */
static inline bool count_steps(matcher *m, size_t steps)
{
    if (MAPPED__UNLIKELY(steps >= m->steps))
        return check_region(m);
    m->steps -= steps;
    return true;
}

/* Returns where a loop over bytes from `s` on must count its steps. */
static inline cursor next_stop(const matcher *m, cursor s)
{
    return (size_t)(m->end - s) > STEPS ? s + STEPS : m->end;
}

/* Notes that the bytes before `s` were read. */
static inline void note_read(matcher *m, cursor s)
{
    if (s > m->furthest)
        m->furthest = s;
}

/* Does `item`, an item of one byte, match this one? */
static inline bool fits(const matcher *m, const node *item, unsigned char byte)
{
    switch (item->op) {
    case MAPPED__PATTERN_BYTE:
        return item->first == byte;
    case MAPPED__PATTERN_ANY:
        return true;
    default:
        return mapped__pattern_set_has(&m->sets[item->set], byte);
    }
}

/* Is there a byte at `s` that `item` matches? */
static inline bool fits_at(matcher *m, const node *item, cursor s)
{
    if (s == m->end)
        return false;
    note_read(m, s + 1);
    return fits(m, item, *s);
}

/* Returns the end of the run of bytes from `s` on that `item` matches, or
 * `stop`. */
static inline cursor run_end_before(const matcher *m, const node *item,
                                    cursor s, cursor stop)
{
    if (item->op == MAPPED__PATTERN_BYTE) {
        while (s < stop && *s == item->first)
            s++;
    } else {
        const set *wanted = &m->sets[item->set];
        while (s < stop && mapped__pattern_set_has(wanted, *s))
            s++;
    }
    return s;
}

/* Returns the end of the longest run of bytes that `item` matches. No byte has
 * to be read to know that "." matches it. */
static cursor run_end(matcher *m, const node *item, cursor s)
{
    if (item->op == MAPPED__PATTERN_ANY)
        return m->end;
    for (;;) {
        cursor stop = next_stop(m, s);
        cursor last = run_end_before(m, item, s, stop);
        note_read(m, last < m->end ? last + 1 : last);
        if (!count_steps(m, (size_t)(last - s)) || last < stop ||
            last == m->end)
            return last;
        s = last;
    }
}

/* Is it certain, without going deeper, that `item` doesn't match at `s`? */
static inline bool cannot_match(matcher *m, const node *item, cursor s)
{
    return item->op <= MAPPED__PATTERN_SET &&
           mapped__pattern_needs_byte(item) && !fits_at(m, item, s);
}

static cursor match_greedy(matcher *m, const node *item, cursor s)
{
    cursor last = run_end(m, item, s);
    if (has_failed(m))
        return NULL;
    if (m->depth == 0) /* an error in Lua, also if nothing goes deeper */
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    for (;; last--) {
        if (!cannot_match(m, item + 1, last)) {
            cursor end = match_from(m, item + 1, last);
            if (end != NULL || has_failed(m))
                return end;
        }
        if (last == s || !count_steps(m, 1))
            return NULL;
    }
}

static cursor match_lazy(matcher *m, const node *item, cursor s)
{
    if (m->depth == 0)
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    for (;; s++) {
        if (!cannot_match(m, item + 1, s)) {
            cursor end = match_from(m, item + 1, s);
            if (end != NULL || has_failed(m))
                return end;
        }
        if (!fits_at(m, item, s) || !count_steps(m, 1))
            return NULL;
    }
}

static cursor match_open(matcher *m, const node *item, cursor s)
{
    mapped_match *match = m->match;
    if (match->count == MAPPED_PATTERN_CAPTURES)
        return fail(m, MAPPED__PATTERN_TOO_MANY, item);
    mapped_capture *capture = &match->captures_[match->count++];
    capture->start = (size_t)(s - m->begin);
    capture->length = item->op == MAPPED__PATTERN_POSITION
                          ? MAPPED_CAPTURE_POSITION
                          : UNFINISHED;
    cursor end = match_from(m, item + 1, s);
    if (end == NULL)
        match->count--;
    return end;
}

static cursor match_close(matcher *m, const node *item, cursor s)
{
    mapped_capture *captures = m->match->captures_;
    size_t i = m->match->count;
    do {
        if (i == 0)
            return fail(m, MAPPED__PATTERN_NOT_OPEN, item);
        i--;
    } while (captures[i].length != UNFINISHED);
    captures[i].length = (size_t)(s - m->begin) - captures[i].start;
    cursor end = match_from(m, item + 1, s);
    if (end == NULL)
        captures[i].length = UNFINISHED;
    return end;
}

/* Do the n bytes at `s` equal those at `before`? */
static bool are_equal(matcher *m, cursor before, cursor s, size_t n)
{
    cursor end = s + n;
    while (s < end) {
        size_t some = (size_t)(end - s) < STEPS ? (size_t)(end - s) : STEPS;
        note_read(m, s + some);
        if (memcmp(before, s, some) != 0 || !count_steps(m, some))
            return false;
        before += some;
        s += some;
    }
    return true;
}

/* Matches the bytes of a capture once more. A position capture has the greatest
 * length there is, so it never matches. */
static cursor match_back(matcher *m, const node *item, cursor s)
{
    const mapped_capture *captures = m->match->captures_;
    unsigned number = (unsigned)(item->first - '0');
    if (number == 0 || number > m->match->count ||
        captures[number - 1].length == UNFINISHED)
        return fail(m, MAPPED__PATTERN_BAD_INDEX + number, item);
    const mapped_capture capture = captures[number - 1];
    if (capture.length > (size_t)(m->end - s) ||
        !are_equal(m, m->begin + capture.start, s, capture.length))
        return NULL;
    return s + capture.length;
}

/* Returns the end of the byte that closes the last of `*open`, or `stop`. */
static cursor close_all(const node *item, cursor s, cursor stop, size_t *open)
{
    while (*open > 0 && s < stop) {
        unsigned char byte = *s++;
        if (byte == item->second)
            --*open;
        else if (byte == item->first)
            ++*open;
    }
    return s;
}

static cursor match_balance(matcher *m, const node *item, cursor s)
{
    size_t open = 1;
    if (s == m->end)
        return NULL;
    note_read(m, s + 1);
    if (*s++ != item->first)
        return NULL;
    while (open > 0 && s < m->end) {
        cursor last = close_all(item, s, next_stop(m, s), &open);
        note_read(m, last);
        if (!count_steps(m, (size_t)(last - s)))
            return NULL;
        s = last;
    }
    return open == 0 ? s : NULL;
}

/* As in Lua, a zero byte is in front of the haystack and after it. */
static bool is_frontier(matcher *m, const node *item, cursor s)
{
    const set *wanted = &m->sets[item->set];
    unsigned char before = s == m->begin ? 0 : s[-1];
    unsigned char after = s == m->end ? 0 : *s;
    note_read(m, s < m->end ? s + 1 : s);
    return !mapped__pattern_set_has(wanted, before) &&
           mapped__pattern_set_has(wanted, after);
}

/* Matches an item of one byte with its repetition. Returns true if the caller
 * can go on with the next item, at `*s`, and needs no backtracking; else false
 * with the result of the whole match in `*end`. */
static bool match_single(matcher *m, const node *item, cursor *s, cursor *end)
{
    const bool fits = fits_at(m, item, *s);
    *end = NULL;
    switch (item->repeat) {
    case MAPPED__PATTERN_ONCE:
        ++*s;
        return fits;
    case MAPPED__PATTERN_OPTIONAL:
        if (!fits)
            return true;
        *end = match_from(m, item + 1, *s + 1);
        return *end == NULL && !has_failed(m) && count_steps(m, 1);
    case MAPPED__PATTERN_GREEDY_ONCE:
        if (fits)
            *end = match_greedy(m, item, *s + 1);
        return false;
    case MAPPED__PATTERN_GREEDY:
        if (fits)
            *end = match_greedy(m, item, *s);
        return !fits;
    default: /* MAPPED__PATTERN_LAZY */
        if (fits)
            *end = match_lazy(m, item, *s);
        return !fits;
    }
}

static cursor match_items(matcher *m, const node *item, cursor s)
{
    cursor end;
    for (;;) {
        switch (item->op) {
        case MAPPED__PATTERN_BYTE:
        case MAPPED__PATTERN_ANY:
        case MAPPED__PATTERN_SET:
            if (!match_single(m, item++, &s, &end))
                return end;
            break;
        case MAPPED__PATTERN_OPEN:
        case MAPPED__PATTERN_POSITION:
            return match_open(m, item, s);
        case MAPPED__PATTERN_CLOSE:
            return match_close(m, item, s);
        case MAPPED__PATTERN_BALANCE:
            s = match_balance(m, item++, s);
            break;
        case MAPPED__PATTERN_FRONTIER:
            if (!is_frontier(m, item++, s))
                return NULL;
            break;
        case MAPPED__PATTERN_BACK:
            s = match_back(m, item++, s);
            break;
        case MAPPED__PATTERN_END:
            return s == m->end ? s : NULL;
        case MAPPED__PATTERN_DONE:
            return s;
        default:
            return fail(m, item->first, item);
        }
        if (s == NULL)
            return NULL;
    }
}

static cursor match_from(matcher *m, const node *item, cursor s)
{
    if (m->depth == 0)
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    m->depth--;
    cursor end = match_items(m, item, s);
    m->depth++;
    return end;
}

/* Returns the first candidate in [at, limit): an offset where a match may
 * begin; else `limit`. */
static size_t next_candidate(matcher *m, size_t at, size_t limit)
{
    const mapped_pattern *pattern = m->pattern;
    if (pattern->prefix_length > 0) {
        size_t left = (size_t)(m->end - m->begin) - at;
        size_t n = limit - at + pattern->prefix_length - 1;
        n = n < left ? n : left;
        size_t found =
            mapped_needle_first(&m->match->prefix_, m->begin + at, n);
        if (found != MAPPED_NOT_FOUND)
            return at + found;
        note_read(m, m->begin + at + n);
        return limit;
    }
    if (pattern->first_set != MAPPED__PATTERN_NO_SET) {
        const set *wanted = &m->sets[pattern->first_set];
        while (at < limit && !mapped__pattern_set_has(wanted, m->begin[at]))
            at++;
    }
    note_read(m, m->begin + at);
    return at;
}

static bool try_at(matcher *m, size_t at)
{
    mapped_match *match = m->match;
    match->count = 0;
    cursor end =
        match_from(m, mapped__pattern_nodes(m->pattern), m->begin + at);
    if (end == NULL || (size_t)(end - m->begin) == match->last_)
        return false;
    match->start = at;
    match->end = (size_t)(end - m->begin);
    return true;
}

static const char *const error_texts[] = {
    [MAPPED__PATTERN_ENDS_WITH_ESCAPE] = "malformed pattern (ends with '%')",
    [MAPPED__PATTERN_MISSING_BRACKET] = "malformed pattern (missing ']')",
    [MAPPED__PATTERN_MISSING_FRONTIER] = "missing '[' after '%f' in pattern",
    [MAPPED__PATTERN_MISSING_BALANCE] =
        "malformed pattern (missing arguments to '%b')",
    [MAPPED__PATTERN_NOT_OPEN] = "invalid pattern capture",
    [MAPPED__PATTERN_UNFINISHED] = "unfinished capture",
    [MAPPED__PATTERN_TOO_MANY] = "too many captures",
    [MAPPED__PATTERN_TOO_COMPLEX] = "pattern too complex",
    [MAPPED__PATTERN_BAD_INDEX] = "invalid capture index %0",
    "invalid capture index %1",
    "invalid capture index %2",
    "invalid capture index %3",
    "invalid capture index %4",
    "invalid capture index %5",
    "invalid capture index %6",
    "invalid capture index %7",
    "invalid capture index %8",
    "invalid capture index %9",
    "invalid capture index"};

static mapped_status pattern_error(unsigned reason, size_t at,
                                   mapped_error *error)
{
    const mapped_error_range range = {.offset = at};
    return mapped_error_set_range(error, MAPPED_PATTERN, error_texts[reason],
                                  range);
}

/* Tries the offsets in [at, limit) until there is a match. The last of them may
 * be the haystack's end, where a match can only be empty. Returns the offset
 * after the last one that was tried. */
static size_t try_all(matcher *m, size_t at, size_t limit)
{
    size_t length = (size_t)(m->end - m->begin);
    size_t last = limit < length ? limit : length;
    while (at < limit && !m->found && !has_failed(m)) {
        if (at < last)
            at = next_candidate(m, at, last);
        if (at == limit)
            break;
        note_read(m, m->begin + at);
        m->found = try_at(m, at++);
    }
    return at;
}

/* Tries a block of offsets from `*at` on. The first block of a long search is
 * short, so that no sample is taken if a match is near. An error of the memory
 * comes before one of the pattern, which may only follow from the zeros of a
 * lost page. */
static mapped_status try_block(matcher *m, size_t *at, size_t limit)
{
    unsigned char *p;
    size_t length = m->slice.length;
    mapped_status status =
        mapped_slice_enter(m->slice, 0, length, &p, m->error);
    if (status != MAPPED_OK)
        return status;
    m->begin = p;
    m->end = p + length;
    m->furthest = p + *at;
    m->low = *at - (m->pattern->looks_back && *at > 0);
    bool wants_sample =
        mapped__needle_wants_sample(&m->match->prefix_, length - *at);
    size_t block = wants_sample ? MAPPED__NEEDLE_SAMPLE : BLOCK;
    *at = try_all(m, *at, limit - *at < block ? limit : *at + block);
    if (wants_sample && !m->found)
        mapped_needle_tune(&m->match->prefix_, p + *at, MAPPED__NEEDLE_SAMPLE);
    if (has_failed(m) && m->status != MAPPED_PATTERN)
        return m->status;
    status = leave(m);
    return status == MAPPED_OK && has_failed(m)
               ? pattern_error(m->reason, m->reason_at, m->error)
               : status;
}

void mapped_match_init(mapped_match *match, size_t from)
{
    match->start = from;
    match->end = from;
    match->count = 0;
    match->last_ = MAPPED_NOT_FOUND;
    match->pattern_ = NULL;
}

static mapped_status begin(mapped_match *match, const mapped_pattern *pattern,
                           mapped_slice slice, mapped_error *error)
{
    mapped_status status = mapped_slice_check(slice, error);
    if (status == MAPPED_OK && mapped_region_device(slice.region))
        status = mapped_error_set(error, MAPPED_UNSUPPORTED, "match");
    if (status != MAPPED_OK)
        return status;
    match->pattern_ = pattern;
    mapped_needle_init(&match->prefix_, mapped__pattern_prefix(pattern),
                       pattern->prefix_length);
    return MAPPED_OK;
}

static mapped_status match_next(mapped_match *match,
                                const mapped_pattern *pattern,
                                mapped_slice slice, bool *found,
                                mapped_error *error)
{
    const bool is_first = match->pattern_ == NULL;
    size_t at = match->end, limit = slice.length + 1;
    mapped_status status = MAPPED_OK;
    matcher m = {.pattern = pattern,
                 .sets = mapped__pattern_sets(pattern),
                 .match = match,
                 .slice = slice,
                 .depth = DEPTH,
                 .steps = STEPS,
                 .error = error};
    if (is_first)
        status = begin(match, pattern, slice, error);
    else
        match->last_ = at;
    if (at > slice.length) /* the search has ended */
        limit = at;
    else if (pattern->anchored)
        limit = is_first ? at + 1 : at;
    while (status == MAPPED_OK && !m.found && at < limit)
        status = try_block(&m, &at, limit);
    if (status != MAPPED_OK)
        return status;
    if (!m.found)
        match->end = MAPPED_NOT_FOUND;
    *found = m.found;
    return MAPPED_OK;
}

mapped_status mapped_match_next(mapped_match *match,
                                const mapped_pattern *pattern,
                                mapped_slice slice, bool *found,
                                mapped_error *error)
{
    mapped_status status = match_next(match, pattern, slice, found, error);
    return mapped__region_complete_error(slice.region, "match", status, error);
}

/* Returns the offset in the pattern's text at which capture `index` begins. */
static size_t text_offset(const mapped_match *match, size_t index)
{
    const node *item = mapped__pattern_nodes(match->pattern_);
    for (;; item++) {
        bool opens = item->op == MAPPED__PATTERN_OPEN ||
                     item->op == MAPPED__PATTERN_POSITION;
        if (item->op == MAPPED__PATTERN_DONE || (opens && index-- == 0))
            return item->at;
    }
}

mapped_status mapped_match_capture(const mapped_match *match, size_t index,
                                   mapped_capture *capture, mapped_error *error)
{
    if (index >= match->count) {
        if (index > 0)
            return pattern_error(MAPPED__PATTERN_BAD_INDEX +
                                     (unsigned)(index < 9 ? index + 1 : 10),
                                 0, error);
        *capture = (mapped_capture){match->start, match->end - match->start};
        return MAPPED_OK;
    }
    if (match->captures_[index].length == UNFINISHED)
        return pattern_error(MAPPED__PATTERN_UNFINISHED,
                             text_offset(match, index), error);
    *capture = match->captures_[index];
    return MAPPED_OK;
}
