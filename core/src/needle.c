/* Searches of plain memory. A filter compares two bytes of the needle, its
 * pair, with the haystack at many offsets at a time; only at the candidates,
 * where the haystack has both, the whole needle is compared. The filter is fast
 * but has no bound, so a search estimates how many bytes it compares in vain.
 * Once they are more than four times the bytes searched so far, and FREE_WORK
 * more, it leaves the rest to the two-way algorithm. Thus the time of every
 * search is linear.
 *
 * mapped_needle_tune chooses two rare bytes for the pair. lanes.h has the
 * filter: a vector has LANES bytes, a stride is four of them, and a search asks
 * for bytes that are AHEAD bytes ahead of it. A scan is the state of a search
 * with the filter. */
#include <mapped/needle.h>

#include "lanes.h"
#include "wide.h"

#define PAIR_CHOICES 256 /* the pair is chosen among so many first bytes */
#define RARE_SAMPLES 64  /* how many rare bytes of a sample are looked at */
#define HEAD 16          /* bytes of a candidate that are compared first */

/* How many bytes any search by the filter may compare in vain. One by memchr
 * may compare a quarter of that. */
#define FREE_WORK 4096

/* Returns the index of the least of the `n` costs, the last such one. */
static size_t least(const uint32_t *costs, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (costs[i] <= costs[best])
            best = i;
    return best;
}

/* Where the sample has the needle's rare byte, it may have other bytes of the
 * needle around it, too. Such bytes rule out few candidates more than the rare
 * one alone. So each time costs more than any number of times that a byte is in
 * the sample. */
static void add_costs_with_rare(const mapped_needle *needle, size_t n,
                                const unsigned char *sample, size_t sample_size,
                                uint32_t *costs)
{
    const size_t rare = needle->rare_;
    size_t at = 0;
    for (int i = 0; i < RARE_SAMPLES && at + n <= sample_size; i++, at++) {
        const unsigned char *rare_byte = memchr(
            sample + at + rare, needle->bytes_[rare], sample_size - n - at + 1);
        if (rare_byte == NULL)
            break;
        at = (size_t)(rare_byte - sample) - rare;
        for (size_t k = 0; k < n; k++)
            costs[k] += (uint32_t)(sample[at + k] == needle->bytes_[k]) *
                        (MAPPED__NEEDLE_SAMPLE + 1);
    }
}

void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n)
{
    const unsigned char *bytes = sample;
    uint16_t seen[UCHAR_MAX + 1] = {0};
    uint32_t costs[PAIR_CHOICES] = {0};
    const size_t choices =
        needle->length_ < PAIR_CHOICES ? needle->length_ : PAIR_CHOICES;
    if (needle->tuned_)
        return;
    if (n > MAPPED__NEEDLE_SAMPLE)
        n = MAPPED__NEEDLE_SAMPLE;
    for (size_t i = 0; i < n; i++)
        seen[bytes[i]]++;
    for (size_t i = 0; i < choices; i++)
        costs[i] = seen[needle->bytes_[i]];
    needle->rare_ = least(costs, choices);
    needle->unseen_ = costs[needle->rare_] == 0;
    add_costs_with_rare(needle, choices, bytes, n, costs);
    costs[needle->rare_] = UINT32_MAX;
    needle->second_ = least(costs, choices);
    needle->tuned_ = true;
}

/* A search of a haystack from the front.
 *
 *     | searched .... | in `mask` ... | not searched ..... | too late |
 *     0              base             at                 starts       n
 *
 * Invariant: all matches before `at` were returned, except those still in
 * `mask` and those that overlap with one that was. */
typedef struct scan {
    const mapped_needle *needle;
    const unsigned char *haystack;
    size_t n;      /* bytes of the haystack */
    size_t starts; /* at how many offsets a match can begin */
    mapped__pair pair;
    size_t work; /* an estimate of the bytes compared in vain */
    size_t at;
    uint64_t mask; /* candidates that were not compared yet */
    size_t base;   /* the offset of the mask's lowest bit */
} scan;

static scan scan_of(const mapped_needle *needle, const unsigned char *haystack,
                    size_t n)
{
    const size_t rare = needle->rare_, second = needle->second_;
    return (scan){
        .needle = needle,
        .haystack = haystack,
        .n = n,
        .starts = n - needle->length_ + 1,
        .pair = {.first_address = haystack + rare,
                 .second_address = haystack + second,
                 .first_byte = mapped__lanes_of(needle->bytes_[rare]),
                 .second_byte = mapped__lanes_of(needle->bytes_[second])}};
}

/* The candidates from `at` on, a bit for each offset. */
static inline uint64_t lanes_mask(const scan *s, size_t at)
{
    return mapped__lanes_mask(mapped__candidates(&s->pair, at));
}

static inline uint64_t stride_mask(const scan *s, size_t at)
{
    return mapped__stride_mask(mapped__candidates(&s->pair, at),
                               mapped__candidates(&s->pair, at + LANES),
                               mapped__candidates(&s->pair, at + 2 * LANES),
                               mapped__candidates(&s->pair, at + 3 * LANES));
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

/* Are the n bytes the same? n is from 1 to HEAD. The parts that are compared at
 * once overlap. */
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

/* Compares the whole needle. */
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

/* Has comparing candidates cost more than the filter saves? That is more than 4
 * bytes for each offset that was filtered. */
static bool is_filter_too_slow(const scan *s, size_t offsets_filtered)
{
    return s->work / 4 > offsets_filtered + FREE_WORK / 4;
}

/* Without the filter less is allowed, an eighth of a byte for each offset,
 * because memchr is fast only while candidates are rare. */
static bool is_too_slow_for_memchr(const scan *s)
{
    return s->work > s->at / 8 + FREE_WORK / 4;
}

static size_t two_way_rest(const scan *s, size_t at)
{
    const mapped_needle *needle = s->needle;
    if (at >= s->starts)
        return MAPPED_NOT_FOUND;
    size_t match = mapped__two_way_first(needle->bytes_, needle->length_,
                                         s->haystack + at, s->n - at);
    return match == MAPPED_NOT_FOUND ? match : at + match;
}

/* Strides in which a search looks for candidates itself, before a skip. */
#define NEAR 5

static inline size_t skip(const scan *s)
{
    return mapped__has_avx2()
               ? mapped__skip_avx2(&s->pair, s->at, s->starts)
               : mapped__skip_portable(&s->pair, s->at, s->starts);
}

/* Sets the mask to the next candidates. Returns false if there are none. The
 * last LANES offsets may overlap with some that were searched before. */
static inline bool next_mask(scan *s)
{
    for (int left = NEAR - 1; s->starts - s->at >= STRIDE; left--) {
        mapped__lanes_prefetch(s->haystack + s->at + AHEAD);
        if (mapped__stride_has_candidates(&s->pair, s->at)) {
            s->base = s->at;
            s->mask = stride_mask(s, s->at);
            s->at += STRIDE;
            return true;
        }
        s->at += STRIDE;
        /* Never twice: after a skip there is a candidate here, or fewer than
         * STRIDE offsets are left. */
        if (left == 0)
            s->at = skip(s);
    }
    while (s->at < s->starts) {
        const bool is_last = s->starts - s->at < LANES;
        const size_t done = is_last ? s->at - (s->starts - LANES) : 0;
        s->base = s->at - done;
        /* The shifts clear the bits of offsets that were searched before. */
        s->mask = lanes_mask(s, s->base) >> done << done;
        s->at = s->base + LANES;
        if (s->mask != 0)
            return true;
    }
    return false;
}

/* Returns the first match from `from` on that was not found yet. There are at
 * least LANES offsets.
 *
 * Once the filter is too slow, the two-way algorithm may have to find each
 * later match, too, and prepares the needle anew for it. Each match is as long
 * as the needle, and they don't overlap, so the time stays linear. */
static inline size_t next_by_filter(scan *s, size_t from)
{
    do {
        while (s->mask != 0) {
            const size_t at = s->base + (unsigned)__builtin_ctzll(s->mask);
            s->mask &= s->mask - 1;
            if (at >= from && matches(s, at))
                return at;
        }
        if (is_filter_too_slow(s, s->at))
            return two_way_rest(s, from > s->at ? from : s->at);
    } while (next_mask(s));
    return MAPPED_NOT_FOUND;
}

/* Looks for the rare byte alone, which is faster than the filter as long as
 * that byte is rare. Returns the offset of a match, or MAPPED_NOT_FOUND; then
 * the filter has to go on at `at`, unless all offsets were searched. */
static size_t next_by_memchr(scan *s)
{
    const unsigned char byte = s->needle->bytes_[s->needle->rare_];
    const bool is_short = s->starts < LANES;
    while (s->at < s->starts && (is_short || !is_too_slow_for_memchr(s))) {
        const unsigned char *candidate =
            memchr(s->pair.first_address + s->at, byte, s->starts - s->at);
        s->at = candidate == NULL ? s->starts
                                  : (size_t)(candidate - s->pair.first_address);
        if (candidate != NULL && matches(s, s->at++))
            return s->at - 1;
    }
    return MAPPED_NOT_FOUND;
}

/* Returns the first match from `from` on, which is behind the last one. */
static inline size_t next_match(scan *s, size_t from)
{
    const bool is_short = s->starts < LANES; /* too short for the filter */
    if (from >= s->starts)
        return MAPPED_NOT_FOUND;
    if (is_short || (s->needle->unseen_ && s->mask == 0)) {
        s->at = from > s->at ? from : s->at;
        size_t match = next_by_memchr(s);
        if (match != MAPPED_NOT_FOUND || is_short)
            return match;
    }
    return next_by_filter(s, from);
}

/* Not inline, so that the search for one byte needs no stack for a scan. */
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
    const unsigned char *match = memchr(haystack, byte, n);
    return match == NULL ? MAPPED_NOT_FOUND : (size_t)(match - haystack);
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

/* Without the filter. */
static size_t last_in_short(scan *s)
{
    for (size_t at = s->starts; at > 0; at--)
        if (matches(s, at - 1))
            return at - 1;
    return MAPPED_NOT_FOUND;
}

/* Matches that begin at `at` or later have been looked for. The first LANES
 * offsets may overlap with some of these. */
static size_t last_by_filter(scan *s)
{
    const mapped_needle *needle = s->needle;
    size_t at = s->starts;
    while (at > 0) {
        uint64_t mask;
        /* This may lie before the haystack: a prefetch never meets a fault. */
        mapped__lanes_prefetch(s->haystack + at - AHEAD);
        if (at >= STRIDE) {
            at -= STRIDE;
            if (!mapped__stride_has_candidates(&s->pair, at))
                continue;
            mask = stride_mask(s, at);
        } else {
            at = at < LANES ? 0 : at - LANES;
            mask = lanes_mask(s, at);
        }
        size_t match = last_in_mask(s, at, mask);
        if (match != MAPPED_NOT_FOUND)
            return match;
        if (at > 0 && is_filter_too_slow(s, s->starts - at))
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
    return s.starts < LANES ? last_in_short(&s) : last_by_filter(&s);
}

static size_t sum(mapped__lanes counts)
{
    size_t total = 0;
    for (size_t i = 0; i < LANES; i++)
        total += counts[i];
    return total;
}

/* Counts the candidates in a number of strides. Comparing makes an equal lane
 * -1, which is subtracted. A lane can count to UCHAR_MAX, so the counts are
 * added up after as many strides. */
MAPPED__INLINE size_t count_in_strides(const mapped__pair *pair, size_t strides)
{
    size_t total = 0, at = 0;
    while (strides > 0) {
        size_t turn = strides < UCHAR_MAX ? strides : UCHAR_MAX;
        mapped__lanes counts[4] = {{0}, {0}, {0}, {0}};
        for (size_t i = 0; i < turn; i++, at += STRIDE) {
            mapped__lanes_prefetch(pair->first_address + at + AHEAD);
            counts[0] -= mapped__candidates(pair, at);
            counts[1] -= mapped__candidates(pair, at + LANES);
            counts[2] -= mapped__candidates(pair, at + 2 * LANES);
            counts[3] -= mapped__candidates(pair, at + 3 * LANES);
        }
        for (size_t i = 0; i < 4; i++)
            total += sum(counts[i]);
        strides -= turn;
    }
    return total;
}

/* For the filter the byte is a pair with itself. */
static size_t count_byte(unsigned char byte, const unsigned char *haystack,
                         size_t n)
{
    const size_t strides = n / STRIDE;
    const mapped__lanes lanes = mapped__lanes_of(byte);
    const mapped__pair pair = {haystack, haystack, lanes, lanes};
    size_t total = count_in_strides(&pair, strides);
    for (size_t i = strides * STRIDE; i < n; i++)
        total += haystack[i] == byte;
    return total;
}

/* The needle is two bytes that differ, so no two matches overlap. */
static size_t count_two(const unsigned char *needle,
                        const unsigned char *haystack, size_t n, size_t *next)
{
    const size_t starts = n - 1;
    const size_t strides = (starts - 1) / STRIDE; /* without the last offset */
    const mapped__pair pair = {haystack, haystack + 1,
                               mapped__lanes_of(needle[0]),
                               mapped__lanes_of(needle[1])};
    size_t total = count_in_strides(&pair, strides);
    bool is_match = false;
    for (size_t i = strides * STRIDE; i < starts; i++) {
        is_match = haystack[i] == needle[0] && haystack[i + 1] == needle[1];
        total += is_match;
    }
    *next = is_match ? n : n - 1;
    return total;
}

static size_t count_bytes(const mapped_needle *needle,
                          const unsigned char *haystack, size_t n, size_t *next)
{
    scan s = scan_of(needle, haystack, n);
    size_t count = 0, end = 0, match;
    while ((match = next_match(&s, end)) != MAPPED_NOT_FOUND) {
        count++;
        end = match + needle->length_;
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
