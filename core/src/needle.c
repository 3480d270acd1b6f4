/* Searches of plain memory. A filter compares two bytes of the needle with the
 * haystack at LANES offsets at a time; only offsets at which both are equal are
 * candidates, where the whole needle is compared. The filter is fast but has no
 * bound, so the search counts the bytes that it compares in vain and, once they
 * outweigh the haystack, leaves the rest to the two-way algorithm. Thus the
 * time of every search is linear. */
#include <mapped/needle.h>

#include "lanes.h"
#include "wide.h"

#define NEEDLE_SAMPLE 256 /* bytes of the needle among which two are chosen */
#define HEAD 16           /* bytes of a candidate that are compared first */
#define FREE_WORK 4096    /* bytes that any search may compare in vain */
#define RARE_PLACES                                          \
    64 /* how many of a sample's places of the rare byte are \
        * read */

/* Returns which of the `n` costs is the least, the last such one. */
static size_t least(const uint32_t *costs, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (costs[i] <= costs[best])
            best = i;
    return best;
}

/* Adds to the costs of the needle's first `n` bytes how often each of them is
 * where a match would have it, at the places in the sample that have the rare
 * byte. A byte that is rare but comes with the rare one rules out little. */
static void add_together(const mapped_needle *needle, size_t n,
                         const unsigned char *sample, size_t sample_size,
                         uint32_t *costs)
{
    const size_t rare = needle->rare_;
    size_t at = 0;
    for (int places = 0; places < RARE_PLACES && at + n <= sample_size;
         places++, at++) {
        const unsigned char *found = memchr(
            sample + at + rare, needle->bytes_[rare], sample_size - n - at + 1);
        if (found == NULL)
            break;
        at = (size_t)(found - sample) - rare;
        for (size_t i = 0; i < n; i++)
            costs[i] += (uint32_t)(sample[at + i] == needle->bytes_[i]) *
                        (MAPPED__NEEDLE_SAMPLE + 1);
    }
}

void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n)
{
    const unsigned char *bytes = sample;
    uint16_t seen[UCHAR_MAX + 1] = {0};
    uint32_t costs[NEEDLE_SAMPLE] = {0};
    size_t head =
        needle->length_ < NEEDLE_SAMPLE ? needle->length_ : NEEDLE_SAMPLE;
    if (needle->tuned_)
        return;
    if (n > MAPPED__NEEDLE_SAMPLE)
        n = MAPPED__NEEDLE_SAMPLE;
    for (size_t i = 0; i < n; i++)
        seen[bytes[i]]++;
    for (size_t i = 0; i < head; i++)
        costs[i] = seen[needle->bytes_[i]];
    needle->rare_ = least(costs, head);
    needle->unseen_ = costs[needle->rare_] == 0;
    add_together(needle, head, bytes, n, costs);
    costs[needle->rare_] = UINT32_MAX;
    needle->second_ = least(costs, head);
    needle->tuned_ = true;
}

/* A search of a haystack from the front. Invariant: matches that begin before
 * `at` have been found, but for those at the bits of `mask`. */
typedef struct scan {
    const mapped_needle *needle;
    const unsigned char *haystack;
    size_t n;             /* bytes of the haystack */
    size_t starts;        /* at how many offsets a match can begin */
    mapped__lanes rare;   /* the byte that is compared first, in every lane */
    mapped__lanes second; /* the same of the second */
    const unsigned char *rare_at;   /* where a match at 0 has the first, */
    const unsigned char *second_at; /* and the second */
    size_t work; /* bytes that were compared, nearly all in vain */
    size_t at;
    size_t base;   /* the offset of the lowest bit of `mask` */
    uint64_t mask; /* candidates that were not compared yet */
} scan;

static scan scan_of(const mapped_needle *needle, const unsigned char *haystack,
                    size_t n)
{
    return (scan){.needle = needle,
                  .haystack = haystack,
                  .n = n,
                  .starts = n - needle->length_ + 1,
                  .rare = mapped__lanes_of(needle->bytes_[needle->rare_]),
                  .second = mapped__lanes_of(needle->bytes_[needle->second_]),
                  .rare_at = haystack + needle->rare_,
                  .second_at = haystack + needle->second_};
}

/* Returns all bits set in the lanes of those offsets, of the LANES from `at`
 * on, that are candidates. */
static inline mapped__lanes candidates(const scan *s, size_t at)
{
    return mapped__lanes_equal(mapped__lanes_load(s->rare_at + at), s->rare) &
           mapped__lanes_equal(mapped__lanes_load(s->second_at + at),
                               s->second);
}

static inline bool any_in_stride(const scan *s, size_t at)
{
    return mapped__lanes_any(
        (candidates(s, at) | candidates(s, at + LANES)) |
        (candidates(s, at + 2 * LANES) | candidates(s, at + 3 * LANES)));
}

/* The candidates of a stride, a bit for each offset. */
static inline uint64_t stride_mask(const scan *s, size_t at)
{
    return mapped__stride_mask(candidates(s, at), candidates(s, at + LANES),
                               candidates(s, at + 2 * LANES),
                               candidates(s, at + 3 * LANES));
}

static inline uint64_t load_u64(const unsigned char *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline uint32_t load_u32(const unsigned char *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* Are the n bytes the same? n is from 1 to HEAD. */
static inline bool are_same(const unsigned char *a, const unsigned char *b,
                            size_t n)
{
    if (n >= 8)
        return load_u64(a) == load_u64(b) &&
               load_u64(a + n - 8) == load_u64(b + n - 8);
    if (n >= 4)
        return load_u32(a) == load_u32(b) &&
               load_u32(a + n - 4) == load_u32(b + n - 4);
    return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
}

static inline bool matches(scan *s, size_t at)
{
    const unsigned char *p = s->haystack + at;
    const mapped_needle *needle = s->needle;
    const size_t length = needle->length_;
    if (length <= HEAD) {
        const bool same = are_same(p, needle->bytes_, length);
        s->work += same ? 0 : HEAD;
        return same;
    }
    s->work += HEAD;
    if (!are_same(p, needle->bytes_, HEAD))
        return false;
    s->work += length;
    return memcmp(p + HEAD, needle->bytes_ + HEAD, length - HEAD) == 0;
}

/* Has comparing candidates cost more than the filter saves? */
static bool is_too_slow(const scan *s, size_t scanned)
{
    return s->work / 4 > scanned + FREE_WORK / 4;
}

static size_t two_way_rest(const scan *s, size_t at)
{
    const mapped_needle *needle = s->needle;
    if (at >= s->starts)
        return MAPPED_NOT_FOUND;
    size_t found = mapped__two_way_first(needle->bytes_, needle->length_,
                                         s->haystack + at, s->n - at);
    return found == MAPPED_NOT_FOUND ? found : at + found;
}

/* Strides in which a search looks for candidates itself, before a skip. */
#define NEAR 4

static inline size_t skip(const scan *s)
{
    const mapped_needle *needle = s->needle;
    const mapped__two_bytes bytes = {s->rare_at, s->second_at,
                                     needle->bytes_[needle->rare_],
                                     needle->bytes_[needle->second_]};
    return mapped__has_wide() ? mapped__skip_wide(&bytes, s->at, s->starts)
                              : mapped__skip_portable(&bytes, s->at, s->starts);
}

/* Finds the next candidates. Returns false if there are none. The last LANES
 * offsets may overlap with some that were searched before. */
static inline bool next_mask(scan *s)
{
    for (int near = NEAR; s->starts - s->at >= STRIDE; near--) {
        mapped__lanes_prefetch(s->haystack + s->at + AHEAD);
        if (any_in_stride(s, s->at)) {
            s->base = s->at;
            s->mask = stride_mask(s, s->at);
            s->at += STRIDE;
            return true;
        }
        s->at += STRIDE;
        if (near == 0)
            s->at = skip(s);
    }
    while (s->at < s->starts) {
        const bool is_last = s->starts - s->at < LANES;
        const size_t done = is_last ? s->at - (s->starts - LANES) : 0;
        s->base = s->at - done;
        s->mask = mapped__lanes_mask(candidates(s, s->base)) >> done << done;
        s->at = s->base + LANES;
        if (s->mask != 0)
            return true;
    }
    return false;
}

/* Returns the first match from `from` on that was not found yet. There are at
 * least LANES offsets. */
static inline size_t next_of_many(scan *s, size_t from)
{
    do {
        while (s->mask != 0) {
            const size_t at = s->base + (unsigned)__builtin_ctzll(s->mask);
            s->mask &= s->mask - 1;
            if (at >= from && matches(s, at))
                return at;
        }
        if (is_too_slow(s, s->at))
            return two_way_rest(s, from > s->at ? from : s->at);
    } while (next_mask(s));
    return MAPPED_NOT_FOUND;
}

/* Searches for the rarest byte alone with memchr, which is faster than the
 * filter as long as that byte is rare. Returns the offset of the match, or
 * MAPPED_NOT_FOUND; then the filter has to go on at `at`. */
static size_t next_of_rarest(scan *s)
{
    const unsigned char *haystack = s->haystack + s->needle->rare_;
    const unsigned char byte = s->needle->bytes_[s->needle->rare_];
    while (s->at < s->starts && s->work <= s->at / 8 + FREE_WORK / 4) {
        const unsigned char *candidate =
            memchr(haystack + s->at, byte, s->starts - s->at);
        s->at = candidate == NULL ? s->starts : (size_t)(candidate - haystack);
        if (candidate != NULL && matches(s, s->at++))
            return s->at - 1;
    }
    return MAPPED_NOT_FOUND;
}

static size_t next_of_few(scan *s, size_t from)
{
    const unsigned char byte = s->needle->bytes_[s->needle->rare_];
    size_t at = from > s->at ? from : s->at;
    while (at < s->starts) {
        const unsigned char *found =
            memchr(s->rare_at + at, byte, s->starts - at);
        if (found == NULL)
            break;
        at = (size_t)(found - s->rare_at);
        if (matches(s, at))
            return at;
        at++;
    }
    return MAPPED_NOT_FOUND;
}

/* Returns the first match from `from` on, which is behind the last one. */
static inline size_t next_match(scan *s, size_t from)
{
    if (from >= s->starts)
        return MAPPED_NOT_FOUND;
    if (s->needle->unseen_ && s->mask == 0) {
        s->at = from > s->at ? from : s->at;
        size_t found = next_of_rarest(s);
        if (found != MAPPED_NOT_FOUND)
            return found;
    }
    return s->starts < LANES ? next_of_few(s, from) : next_of_many(s, from);
}

static MAPPED__NOINLINE size_t first_of_bytes(const mapped_needle *needle,
                                              const unsigned char *haystack,
                                              size_t n)
{
    scan s = scan_of(needle, haystack, n);
    return next_match(&s, 0);
}

static size_t first_of_byte(unsigned char byte, const unsigned char *haystack,
                            size_t n)
{
    const unsigned char *found = memchr(haystack, byte, n);
    return found == NULL ? MAPPED_NOT_FOUND : (size_t)(found - haystack);
}

size_t mapped_needle_first(const mapped_needle *needle, const void *haystack,
                           size_t n)
{
    if (needle->length_ > n)
        return MAPPED_NOT_FOUND;
    switch (needle->length_) {
    case 0:
        return 0;
    case 1:
        return first_of_byte(needle->bytes_[0], haystack, n);
    default:
        return first_of_bytes(needle, haystack, n);
    }
}

/* Returns the last match at the bits of a mask. */
static size_t last_in_mask(scan *s, size_t base, uint64_t mask)
{
    while (mask != 0) {
        const unsigned bit = 63u - (unsigned)__builtin_clzll(mask);
        if (matches(s, base + bit))
            return base + bit;
        mask &= ~(UINT64_C(1) << bit);
    }
    return MAPPED_NOT_FOUND;
}

static size_t last_of_few(scan *s, size_t starts)
{
    for (size_t at = starts; at > 0; at--)
        if (matches(s, at - 1))
            return at - 1;
    return MAPPED_NOT_FOUND;
}

/* Matches that begin at `at` or later have been looked for. The first LANES
 * offsets may overlap with some of these. */
static size_t last_of_many(scan *s)
{
    const mapped_needle *needle = s->needle;
    size_t at = s->starts;
    while (at > 0) {
        const bool is_stride = at >= STRIDE;
        mapped__lanes_prefetch(s->haystack + at - AHEAD);
        if (is_stride && !any_in_stride(s, at - STRIDE)) {
            at -= STRIDE;
            continue;
        }
        const size_t base = is_stride    ? at - STRIDE
                            : at < LANES ? 0
                                         : at - LANES;
        size_t found =
            last_in_mask(s, base,
                         is_stride ? stride_mask(s, base)
                                   : mapped__lanes_mask(candidates(s, base)));
        if (found != MAPPED_NOT_FOUND)
            return found;
        at = base;
        if (at > 0 && is_too_slow(s, s->starts - at))
            return mapped__two_way_last(needle->bytes_, needle->length_,
                                        s->haystack, at + needle->length_ - 1);
    }
    return MAPPED_NOT_FOUND;
}

size_t mapped_needle_last(const mapped_needle *needle, const void *haystack,
                          size_t n)
{
    if (needle->length_ > n)
        return MAPPED_NOT_FOUND;
    if (needle->length_ == 0)
        return n;
    scan s = scan_of(needle, haystack, n);
    return s.starts < LANES ? last_of_few(&s, s.starts) : last_of_many(&s);
}

static size_t sum(mapped__lanes counts)
{
    size_t total = 0;
    for (size_t i = 0; i < LANES; i++)
        total += counts[i];
    return total;
}

/* What count_in_lanes looks for: a byte that is followed, so many bytes later,
 * by another, or one byte if that is 0. */
typedef struct pair {
    mapped__lanes first, second;
    size_t later;
} pair;

static inline mapped__lanes pair_at(const pair *pair, const unsigned char *p)
{
    mapped__lanes hits =
        mapped__lanes_equal(mapped__lanes_load(p), pair->first);
    if (pair->later > 0)
        hits &= mapped__lanes_equal(mapped__lanes_load(p + pair->later),
                                    pair->second);
    return hits;
}

/* Counts in a number of strides. Comparing makes an equal lane -1, which is
 * subtracted. A lane can count to UCHAR_MAX, so the counts are added up after
 * as many strides. */
MAPPED__INLINE size_t count_in_lanes(const unsigned char *haystack,
                                     size_t strides, const pair *pair)
{
    size_t total = 0;
    while (strides > 0) {
        size_t turn = strides < UCHAR_MAX ? strides : UCHAR_MAX;
        mapped__lanes counts[4] = {{0}, {0}, {0}, {0}};
        for (size_t i = 0; i < turn; i++, haystack += STRIDE) {
            mapped__lanes_prefetch(haystack + AHEAD);
            counts[0] -= pair_at(pair, haystack);
            counts[1] -= pair_at(pair, haystack + LANES);
            counts[2] -= pair_at(pair, haystack + 2 * LANES);
            counts[3] -= pair_at(pair, haystack + 3 * LANES);
        }
        for (size_t i = 0; i < 4; i++)
            total += sum(counts[i]);
        strides -= turn;
    }
    return total;
}

static size_t count_byte(unsigned char byte, const unsigned char *haystack,
                         size_t n)
{
    size_t strides = n / STRIDE;
    const pair pair = {.first = mapped__lanes_of(byte)};
    size_t total = count_in_lanes(haystack, strides, &pair);
    for (size_t i = strides * STRIDE; i < n; i++)
        total += haystack[i] == byte;
    return total;
}

/* The needle is two bytes that differ, so no two matches overlap. */
static size_t count_two(const unsigned char *needle,
                        const unsigned char *haystack, size_t n, size_t *next)
{
    const bool is_last =
        haystack[n - 2] == needle[0] && haystack[n - 1] == needle[1];
    const size_t strides = (n - 2) / STRIDE;
    const pair pair = {.first = mapped__lanes_of(needle[0]),
                       .second = mapped__lanes_of(needle[1]),
                       .later = 1};
    size_t total = count_in_lanes(haystack, strides, &pair);
    for (size_t i = strides * STRIDE; i < n - 2; i++)
        total += haystack[i] == needle[0] && haystack[i + 1] == needle[1];
    *next = is_last ? n : n - 1;
    return total + is_last;
}

static size_t count_bytes(const mapped_needle *needle,
                          const unsigned char *haystack, size_t n, size_t *next)
{
    scan s = scan_of(needle, haystack, n);
    size_t count = 0, end = 0, found;
    while ((found = next_match(&s, end)) != MAPPED_NOT_FOUND) {
        count++;
        end = found + needle->length_;
    }
    *next = end > s.starts ? end : s.starts;
    return count;
}

size_t mapped_needle_count(const mapped_needle *needle, const void *haystack,
                           size_t n, size_t *next)
{
    const unsigned char *bytes = needle->bytes_;
    const size_t length = needle->length_;
    *next = 0;
    if (length == 0)
        return n + 1;
    if (length > n)
        return 0;
    if (length == 2 && bytes[0] != bytes[1])
        return count_two(bytes, haystack, n, next);
    if (length > 1)
        return count_bytes(needle, haystack, n, next);
    *next = n;
    return count_byte(bytes[0], haystack, n);
}
