/* The matcher: backtracking, as the language defines it. It is a leaf that
 * neither allocates nor calls out, so it can run between the two checks; depth
 * is bounded as in Lua, and so is the stack it takes. Its time is not: so it
 * counts its steps and looks up now and then whether it should go on at all. */
#include "pattern_internal.h"
#include "region_internal.h"

#include <string.h>

#define DEPTH 200 /* how deep Lua lets a match nest */
#define UNFINISHED (MAPPED_CAPTURE_POSITION - 1)

/* Positions tried, and items tried or bytes gone over, between two looks at the
 * region's state. */
#define BLOCK ((size_t)1 << 20)
#define STEPS ((size_t)1 << 16)

/* Below this a search is over before a sample of the data would pay. */
#define WORTH_TUNING ((size_t)1 << 16)
#define SAMPLE 4096

typedef struct mapped__pattern_node node;
typedef struct mapped__pattern_set set;
typedef const unsigned char *place;

typedef struct matcher {
    const mapped_pattern *pattern;
    const set *sets;
    mapped_match *match; /* holds the captures; `count` is how many are begun */
    place begin;
    place end;
    place furthest; /* no byte from here on has mattered so far */
    size_t low;     /* nor has one before this offset */
    size_t steps;   /* left before the next look at the state */
    unsigned depth; /* how much deeper it may go */
    unsigned fault; /* a mapped__pattern_fault if `status` says so */
    size_t fault_place;
    mapped_slice slice;
    mapped_status status; /* why no match can be found any more */
    mapped_error *error;
    bool found;
} matcher;

/* The end of a match at `s` from `item` on, or NULL: no match, or failed. */
static place match_from(matcher *m, const node *item, place s);

static place fail(matcher *m, unsigned fault, const node *item)
{
    m->status = MAPPED_PATTERN;
    m->fault = fault;
    m->fault_place = item->place;
    return NULL;
}

static bool failed(const matcher *m)
{
    return m->status != MAPPED_OK;
}

/* Has all that mattered so far been there? */
static mapped_status leave(const matcher *m)
{
    size_t high = (size_t)(m->furthest - m->begin);
    return mapped_slice_leave(m->slice, m->low, high - m->low, m->error);
}

static MAPPED__NOINLINE bool look_up(matcher *m)
{
    m->steps = STEPS;
    m->status = leave(m);
    return m->status == MAPPED_OK;
}

/* Counts steps: of walks over bytes, and one wherever the match branches.
 * False, and the match has failed, when there is no sense in going on. */
static inline bool spend(matcher *m, size_t steps)
{
    if (MAPPED__UNLIKELY(steps >= m->steps))
        return look_up(m);
    m->steps -= steps;
    return true;
}

/* Where a walk from `s` on must count its steps. */
static inline place next_stop(const matcher *m, place s)
{
    return (size_t)(m->end - s) > STEPS ? s + STEPS : m->end;
}

/* What lies before `s` has mattered. */
static inline void touch(matcher *m, place s)
{
    if (s > m->furthest)
        m->furthest = s;
}

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

static inline bool fits_at(matcher *m, const node *item, place s)
{
    if (s == m->end)
        return false;
    touch(m, s + 1);
    return fits(m, item, *s);
}

static inline place run_to(const matcher *m, const node *item, place s,
                           place stop)
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

/* Where the longest run of bytes that fit ends. */
static place run_end(matcher *m, const node *item, place s)
{
    if (item->op == MAPPED__PATTERN_ANY)
        return m->end;
    for (;;) {
        place stop = next_stop(m, s);
        place last = run_to(m, item, s, stop);
        touch(m, last < m->end ? last + 1 : last);
        if (!spend(m, (size_t)(last - s)) || last < stop || last == m->end)
            return last;
        s = last;
    }
}

/* Can it be seen without going deeper that `item` won't match at `s`? */
static inline bool is_hopeless(matcher *m, const node *item, place s)
{
    return item->op <= MAPPED__PATTERN_SET &&
           (item->repeat == MAPPED__PATTERN_ONCE ||
            item->repeat == MAPPED__PATTERN_GREEDY_ONCE) &&
           !fits_at(m, item, s);
}

static place match_greedy(matcher *m, const node *item, place s)
{
    place last = run_end(m, item, s);
    if (failed(m))
        return NULL;
    if (m->depth == 0)
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    for (;; last--) {
        if (!is_hopeless(m, item + 1, last)) {
            place end = match_from(m, item + 1, last);
            if (end != NULL || failed(m))
                return end;
        }
        if (last == s || !spend(m, 1))
            return NULL;
    }
}

static place match_lazy(matcher *m, const node *item, place s)
{
    if (m->depth == 0)
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    for (;; s++) {
        if (!is_hopeless(m, item + 1, s)) {
            place end = match_from(m, item + 1, s);
            if (end != NULL || failed(m))
                return end;
        }
        if (!fits_at(m, item, s) || !spend(m, 1))
            return NULL;
    }
}

static place match_open(matcher *m, const node *item, place s)
{
    mapped_match *match = m->match;
    if (match->count == MAPPED_PATTERN_CAPTURES)
        return fail(m, MAPPED__PATTERN_TOO_MANY, item);
    mapped_capture *capture = &match->captures_[match->count++];
    capture->start = (size_t)(s - m->begin);
    capture->length = item->op == MAPPED__PATTERN_POSITION
                          ? MAPPED_CAPTURE_POSITION
                          : UNFINISHED;
    place end = match_from(m, item + 1, s);
    if (end == NULL)
        match->count--;
    return end;
}

static place match_close(matcher *m, const node *item, place s)
{
    mapped_capture *captures = m->match->captures_;
    size_t i = m->match->count;
    do {
        if (i == 0)
            return fail(m, MAPPED__PATTERN_NOT_OPEN, item);
        i--;
    } while (captures[i].length != UNFINISHED);
    captures[i].length = (size_t)(s - m->begin) - captures[i].start;
    place end = match_from(m, item + 1, s);
    if (end == NULL)
        captures[i].length = UNFINISHED;
    return end;
}

/* Do the n bytes at `s` equal those at `before`? */
static bool is_again(matcher *m, place before, place s, size_t n)
{
    place end = s + n;
    while (s < end) {
        size_t part = (size_t)(end - s) < STEPS ? (size_t)(end - s) : STEPS;
        touch(m, s + part);
        if (memcmp(before, s, part) != 0 || !spend(m, part))
            return false;
        before += part;
        s += part;
    }
    return true;
}

/* What a capture matched, once more; a position is nothing that could be. */
static place match_back(matcher *m, const node *item, place s)
{
    unsigned number = (unsigned)(item->first - '0');
    if (number == 0 || number > m->match->count)
        return fail(m, MAPPED__PATTERN_BAD_INDEX + number, item);
    const mapped_capture *capture = &m->match->captures_[number - 1];
    if (capture->length == UNFINISHED)
        return fail(m, MAPPED__PATTERN_BAD_INDEX + number, item);
    if (capture->length > (size_t)(m->end - s))
        return NULL;
    if (!is_again(m, m->begin + capture->start, s, capture->length))
        return NULL;
    return s + capture->length;
}

/* Behind the byte in [s, stop) that closes the last of `*open`, or `stop`. */
static place close_all(const node *item, place s, place stop, size_t *open)
{
    while (s<stop && * open> 0) {
        unsigned char byte = *s++;
        if (byte == item->second)
            --*open;
        else if (byte == item->first)
            ++*open;
    }
    return s;
}

static place match_balance(matcher *m, const node *item, place s)
{
    size_t open = 1;
    if (s == m->end)
        return NULL;
    touch(m, s + 1);
    if (*s++ != item->first)
        return NULL;
    while (open > 0 && s < m->end) {
        place last = close_all(item, s, next_stop(m, s), &open);
        touch(m, last);
        if (!spend(m, (size_t)(last - s)))
            return NULL;
        s = last;
    }
    return open == 0 ? s : NULL;
}

/* Outside of the data there are zeros. */
static bool is_frontier(matcher *m, const node *item, place s)
{
    const set *wanted = &m->sets[item->set];
    unsigned char before = s == m->begin ? 0 : s[-1];
    unsigned char behind = s == m->end ? 0 : *s;
    touch(m, s < m->end ? s + 1 : s);
    return !mapped__pattern_set_has(wanted, before) &&
           mapped__pattern_set_has(wanted, behind);
}

/* An item that matches one byte or, repeated, several. `*item` and `*s` move
 * on behind it if nothing is left to be tried otherwise; else the match ends
 * here, with `*end`. */
static bool go_on(matcher *m, const node **item, place *s, place *end)
{
    const node *now = *item;
    bool fit = fits_at(m, now, *s);
    *end = NULL;
    switch (now->repeat) {
    case MAPPED__PATTERN_GREEDY_ONCE:
        if (fit)
            *end = match_greedy(m, now, *s + 1);
        return false;
    case MAPPED__PATTERN_GREEDY:
    case MAPPED__PATTERN_LAZY:
    case MAPPED__PATTERN_OPTIONAL:
        ++*item;
        if (!fit)
            return true;
        break;
    default:
        ++*item;
        ++*s;
        return fit;
    }
    if (now->repeat == MAPPED__PATTERN_GREEDY) {
        *end = match_greedy(m, now, *s);
    } else if (now->repeat == MAPPED__PATTERN_LAZY) {
        *end = match_lazy(m, now, *s);
    } else {
        *end = match_from(m, now + 1, *s + 1);
        return *end == NULL && !failed(m) && spend(m, 1);
    }
    return false;
}

static place match_items(matcher *m, const node *item, place s)
{
    place end;
    for (;;) {
        switch (item->op) {
        case MAPPED__PATTERN_BYTE:
        case MAPPED__PATTERN_ANY:
        case MAPPED__PATTERN_SET:
            if (!go_on(m, &item, &s, &end))
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

static place match_from(matcher *m, const node *item, place s)
{
    if (m->depth == 0)
        return fail(m, MAPPED__PATTERN_TOO_COMPLEX, item);
    m->depth--;
    place end = match_items(m, item, s);
    m->depth++;
    return end;
}

/* The first offset in [at, limit) where a match may begin, else `limit`. */
static size_t first_chance(matcher *m, size_t at, size_t limit)
{
    const mapped_pattern *pattern = m->pattern;
    if (pattern->prefix > 0) {
        size_t left = (size_t)(m->end - m->begin) - at;
        size_t n = limit - at + pattern->prefix - 1;
        n = n < left ? n : left;
        size_t found =
            mapped_needle_first(&m->match->prefix_, m->begin + at, n);
        if (found != MAPPED_NOT_FOUND)
            return at + found;
        touch(m, m->begin + at + n);
        return limit;
    }
    if (pattern->first_set != MAPPED__PATTERN_NO_SET) {
        const set *wanted = &m->sets[pattern->first_set];
        while (at < limit && !mapped__pattern_set_has(wanted, m->begin[at]))
            at++;
    }
    touch(m, m->begin + at);
    return at;
}

static bool try_at(matcher *m, size_t at)
{
    mapped_match *match = m->match;
    match->count = 0;
    place end = match_from(m, mapped__pattern_nodes(m->pattern), m->begin + at);
    if (end == NULL || (size_t)(end - m->begin) == match->last_)
        return false;
    match->start = at;
    match->end = (size_t)(end - m->begin);
    return true;
}

/* Tries the offsets in [at, limit), the last of which may be the data's end,
 * where an empty match may be. Returns the offset behind the last one tried. */
static size_t try_all(matcher *m, size_t at, size_t limit, bool *found)
{
    size_t length = (size_t)(m->end - m->begin);
    size_t last = limit < length ? limit : length;
    *found = false;
    while (at < limit) {
        if (at < last)
            at = first_chance(m, at, last);
        if (at == limit)
            break;
        touch(m, m->begin + at);
        *found = try_at(m, at++);
        if (*found || failed(m))
            break;
    }
    return at;
}

/* Goes on from `*at`. The first block is short, so that no sample is taken to
 * find what is near. What is wrong with the memory comes before what is wrong
 * with the pattern: nobody knows how far matching would have got. */
static mapped_status try_block(matcher *m, size_t *at, size_t limit)
{
    unsigned char *p;
    bool found;
    size_t length = m->slice.length;
    mapped_status status =
        mapped_slice_enter(m->slice, 0, length, &p, m->error);
    if (status != MAPPED_OK)
        return status;
    m->begin = p;
    m->end = p + length;
    m->furthest = p + *at;
    m->low = *at - (m->pattern->looks_back && *at > 0);
    bool samples = !m->match->prefix_.tuned_ && length - *at >= WORTH_TUNING;
    size_t block = samples ? SAMPLE : BLOCK;
    *at = try_all(m, *at, limit - *at < block ? limit : *at + block, &found);
    if (samples && !found)
        mapped_needle_tune(&m->match->prefix_, p + *at, SAMPLE);
    status = failed(m) && m->status != MAPPED_PATTERN ? m->status : leave(m);
    m->found = found && status == MAPPED_OK;
    return status;
}

static const char *const fault_texts[] = {
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

static mapped_status pattern_error(unsigned fault, size_t at,
                                   mapped_error *error)
{
    const uint64_t numbers[3] = {at, 0, 0};
    return mapped_error_set_range(error, MAPPED_PATTERN, fault_texts[fault],
                                  numbers);
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
                       pattern->prefix);
    return MAPPED_OK;
}

/* Tries the offsets from `at` on, before `limit`. */
static mapped_status search(matcher *m, size_t at, size_t limit)
{
    mapped_status status = MAPPED_OK;
    while (status == MAPPED_OK && !m->found && at < limit) {
        status = try_block(m, &at, limit);
        if (status == MAPPED_OK && failed(m))
            status = pattern_error(m->fault, m->fault_place, m->error);
    }
    return status;
}

static mapped_status match_next(mapped_match *match,
                                const mapped_pattern *pattern,
                                mapped_slice slice, bool *found,
                                mapped_error *error)
{
    size_t at = match->end;
    size_t limit = pattern->anchored ? at + 1 : slice.length + 1;
    mapped_status status = MAPPED_OK;
    matcher m = {.pattern = pattern,
                 .sets = mapped__pattern_sets(pattern),
                 .match = match,
                 .slice = slice,
                 .depth = DEPTH,
                 .steps = STEPS,
                 .error = error};
    if (match->pattern_ == NULL) {
        status = begin(match, pattern, slice, error);
    } else {
        match->last_ = at;
        if (pattern->anchored)
            limit = at;
    }
    if (status == MAPPED_OK && at <= slice.length)
        status = search(&m, at, limit);
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
    return mapped__region_end(slice.region, "match",
                              match_next(match, pattern, slice, found, error),
                              error);
}

/* Where in the pattern capture `index` opens. */
static size_t place_of(const mapped_match *match, size_t index)
{
    const node *item = mapped__pattern_nodes(match->pattern_);
    for (;; item++) {
        bool opens = item->op == MAPPED__PATTERN_OPEN ||
                     item->op == MAPPED__PATTERN_POSITION;
        if (item->op == MAPPED__PATTERN_DONE || (opens && index-- == 0))
            return item->place;
    }
}

mapped_status mapped_match_capture(const mapped_match *match, size_t index,
                                   mapped_capture *capture, mapped_error *error)
{
    mapped_capture whole = {match->start, match->end - match->start};
    if (index >= match->count) {
        if (index > 0)
            return pattern_error(MAPPED__PATTERN_BAD_INDEX +
                                     (unsigned)(index < 9 ? index + 1 : 10),
                                 0, error);
        *capture = whole;
        return MAPPED_OK;
    }
    if (match->captures_[index].length == UNFINISHED)
        return pattern_error(MAPPED__PATTERN_UNFINISHED, place_of(match, index),
                             error);
    *capture = match->captures_[index];
    return MAPPED_OK;
}
