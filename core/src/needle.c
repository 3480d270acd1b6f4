/* Searches of plain memory. A filter compares two bytes of the needle with the
 * haystack at LANES offsets at a time; only offsets at which both are equal are
 * candidates, where the whole needle is compared. The filter is fast but has no
 * bound, so the search counts the bytes that it compares in vain and, once they
 * outweigh the haystack, leaves the rest to the two-way algorithm. Thus the
 * time of every search is linear. */
#include <mapped/needle.h>

#include <string.h>

#include <mapped/endian.h>

#define NEEDLE_SAMPLE 256 /* bytes of the needle among which two are chosen */
#define HEAD 16           /* bytes of a candidate that are compared first */
#define FREE_WORK 4096    /* bytes that any search may compare in vain */

/* The compiler turns these into the machine's own vector instructions. */
#define LANES 16
#define STRIDE (4 * LANES)
typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef uint64_t halves __attribute__((vector_size(LANES)));

void mapped_needle_init(mapped_needle *needle, const void *bytes, size_t length)
{
    needle->bytes_ = bytes;
    needle->length_ = length;
    needle->rare_ = 0;
    needle->second_ = length > 0 ? length - 1 : 0;
    needle->tuned_ = length < 2;
    needle->unseen_ = false;
}

/* Returns which of the needle's first `n` bytes the sample contains least
 * often; `best` if none of them is rarer than that. */
static size_t rarest(const mapped_needle *needle, const uint16_t *seen,
                     size_t n, size_t best)
{
    for (size_t i = 0; i < n; i++)
        if (seen[needle->bytes_[i]] < seen[needle->bytes_[best]])
            best = i;
    return best;
}

void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n)
{
    const unsigned char *bytes = sample;
    uint16_t seen[UCHAR_MAX + 1] = {0};
    size_t head =
        needle->length_ < NEEDLE_SAMPLE ? needle->length_ : NEEDLE_SAMPLE;
    if (needle->tuned_)
        return;
    for (size_t i = 0; i < n && i < MAPPED__NEEDLE_SAMPLE; i++)
        seen[bytes[i]]++;
    needle->rare_ = rarest(needle, seen, head, needle->rare_);
    needle->unseen_ = seen[needle->bytes_[needle->rare_]] == 0;
    /* The second byte must differ, or it would rule out little more. */
    seen[needle->bytes_[needle->rare_]] = UINT16_MAX;
    needle->second_ = rarest(needle, seen, head, needle->second_);
    needle->tuned_ = true;
}

typedef struct scan {
    const mapped_needle *needle;
    const unsigned char *haystack;
    lanes rare;   /* the byte that is compared first, in every lane */
    lanes second; /* the same of the second */
    size_t work;  /* bytes that were compared, nearly all in vain */
} scan;

static lanes broadcast(unsigned char byte)
{
    return (lanes){0} + byte;
}

static void scan_init(scan *s, const mapped_needle *needle,
                      const unsigned char *haystack)
{
    s->needle = needle;
    s->haystack = haystack;
    s->rare = broadcast(needle->bytes_[needle->rare_]);
    s->second = broadcast(needle->bytes_[needle->second_]);
    s->work = 0;
}

static inline lanes load(const unsigned char *p)
{
    lanes value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* Returns all bits set in the lanes of those offsets, of the LANES from `at`
 * on, that are candidates. */
static inline lanes candidates(const scan *s, size_t at)
{
    const unsigned char *p = s->haystack + at;
    return (lanes)(load(p + s->needle->rare_) == s->rare) &
           (lanes)(load(p + s->needle->second_) == s->second);
}

static inline bool any(lanes hits)
{
    halves words = (halves)hits;
    return (words[0] | words[1]) != 0;
}

static inline bool any_in_stride(const scan *s, size_t at)
{
    return any((candidates(s, at) | candidates(s, at + LANES)) |
               (candidates(s, at + 2 * LANES) | candidates(s, at + 3 * LANES)));
}

static bool matches(scan *s, size_t at)
{
    const unsigned char *p = s->haystack + at;
    const mapped_needle *needle = s->needle;
    size_t head = needle->length_ < HEAD ? needle->length_ : HEAD;
    s->work += HEAD;
    if (memcmp(p, needle->bytes_, head) != 0)
        return false;
    s->work += needle->length_;
    return memcmp(p + head, needle->bytes_ + head, needle->length_ - head) == 0;
}

/* Has comparing candidates cost more than the filter saves? */
static bool is_too_slow(const scan *s, size_t scanned)
{
    return s->work / 4 > scanned + FREE_WORK / 4;
}

static size_t first_in_half(scan *s, size_t at, uint64_t word)
{
    for (word = mapped_le_u64(word); word != 0;) {
        unsigned bit = (unsigned)__builtin_ctzll(word) & ~7u;
        if (matches(s, at + bit / 8))
            return at + bit / 8;
        word &= ~(UINT64_C(0xff) << bit);
    }
    return MAPPED_NOT_FOUND;
}

static size_t first_in_lanes(scan *s, size_t at, lanes hits)
{
    halves words = (halves)hits;
    size_t found = first_in_half(s, at, words[0]);
    if (found == MAPPED_NOT_FOUND)
        found = first_in_half(s, at + LANES / 2, words[1]);
    return found;
}

static size_t first_of_few(scan *s, size_t starts)
{
    for (size_t at = 0; at < starts; at++)
        if (matches(s, at))
            return at;
    return MAPPED_NOT_FOUND;
}

static size_t two_way_rest(const scan *s, size_t at, size_t n)
{
    const mapped_needle *needle = s->needle;
    size_t found = mapped__two_way_first(needle->bytes_, needle->length_,
                                         s->haystack + at, n - at);
    return found == MAPPED_NOT_FOUND ? found : at + found;
}

/* Searches at least LANES offsets. The last LANES of them may overlap with some
 * that were searched before. */
static size_t first_of_many(scan *s, size_t starts, size_t n)
{
    size_t at = 0;
    for (;;) {
        while (starts - at >= STRIDE && !any_in_stride(s, at))
            at += STRIDE;
        if (starts - at < LANES)
            break;
        lanes hits = candidates(s, at);
        if (any(hits)) {
            size_t found = first_in_lanes(s, at, hits);
            if (found != MAPPED_NOT_FOUND)
                return found;
            if (is_too_slow(s, at))
                return two_way_rest(s, at, n);
        }
        at += LANES;
    }
    at = starts - LANES;
    return first_in_lanes(s, at, candidates(s, at));
}

/* Searches for the rarest byte alone with memchr, which is faster than the
 * filter as long as that byte is rare. Returns the offset of the match if
 * `*found`, else the offset at which the filter has to go on. */
static size_t first_of_rarest(scan *s, size_t starts, bool *found)
{
    const unsigned char *haystack = s->haystack + s->needle->rare_;
    unsigned char byte = s->needle->bytes_[s->needle->rare_];
    size_t at = 0;
    *found = false;
    while (at < starts && s->work <= at / 8 + FREE_WORK / 4) {
        const unsigned char *candidate =
            memchr(haystack + at, byte, starts - at);
        if (candidate == NULL)
            return starts;
        at = (size_t)(candidate - haystack);
        *found = matches(s, at);
        if (*found)
            break;
        at++;
    }
    return at;
}

static MAPPED__NOINLINE size_t first_of_bytes(const mapped_needle *needle,
                                              const unsigned char *haystack,
                                              size_t n)
{
    scan s;
    bool found = false;
    size_t starts = n - needle->length_ + 1;
    size_t at = 0;
    scan_init(&s, needle, haystack);
    if (needle->unseen_)
        at = first_of_rarest(&s, starts, &found);
    if (found || at == starts)
        return found ? at : MAPPED_NOT_FOUND;
    s.haystack += at;
    size_t rest = starts - at < LANES ? first_of_few(&s, starts - at)
                                      : first_of_many(&s, starts - at, n - at);
    return rest == MAPPED_NOT_FOUND ? rest : at + rest;
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

static size_t last_in_half(scan *s, size_t at, uint64_t word)
{
    for (word = mapped_le_u64(word); word != 0;) {
        unsigned bit = (63u - (unsigned)__builtin_clzll(word)) & ~7u;
        if (matches(s, at + bit / 8))
            return at + bit / 8;
        word &= ~(UINT64_C(0xff) << bit);
    }
    return MAPPED_NOT_FOUND;
}

static size_t last_in_lanes(scan *s, size_t at, lanes hits)
{
    halves words = (halves)hits;
    size_t found = last_in_half(s, at + LANES / 2, words[1]);
    if (found == MAPPED_NOT_FOUND)
        found = last_in_half(s, at, words[0]);
    return found;
}

static size_t last_of_few(scan *s, size_t starts)
{
    for (size_t at = starts; at > 0; at--)
        if (matches(s, at - 1))
            return at - 1;
    return MAPPED_NOT_FOUND;
}

static size_t last_of_many(scan *s, size_t starts)
{
    const mapped_needle *needle = s->needle;
    size_t at = starts; /* offsets from here on have been searched */
    for (;;) {
        while (at >= STRIDE && !any_in_stride(s, at - STRIDE))
            at -= STRIDE;
        if (at < LANES)
            break;
        at -= LANES;
        lanes hits = candidates(s, at);
        if (!any(hits))
            continue;
        size_t found = last_in_lanes(s, at, hits);
        if (found != MAPPED_NOT_FOUND)
            return found;
        if (at > 0 && is_too_slow(s, starts - at))
            return mapped__two_way_last(needle->bytes_, needle->length_,
                                        s->haystack, at + needle->length_ - 1);
    }
    return last_in_lanes(s, 0, candidates(s, 0));
}

size_t mapped_needle_last(const mapped_needle *needle, const void *haystack,
                          size_t n)
{
    scan s;
    if (needle->length_ > n)
        return MAPPED_NOT_FOUND;
    if (needle->length_ == 0)
        return n;
    scan_init(&s, needle, haystack);
    size_t starts = n - needle->length_ + 1;
    if (starts < LANES)
        return last_of_few(&s, starts);
    return last_of_many(&s, starts);
}

static size_t sum(lanes counts)
{
    size_t total = 0;
    for (size_t i = 0; i < LANES; i++)
        total += counts[i];
    return total;
}

/* Comparing makes an equal lane -1, which is subtracted. A lane can count to
 * UCHAR_MAX, so the counts are added up after as many strides. */
static size_t count_in_lanes(lanes byte, const unsigned char *haystack,
                             size_t strides)
{
    size_t total = 0;
    while (strides > 0) {
        size_t turn = strides < UCHAR_MAX ? strides : UCHAR_MAX;
        lanes counts[4] = {{0}, {0}, {0}, {0}};
        for (size_t i = 0; i < turn; i++, haystack += STRIDE) {
            counts[0] -= (lanes)(load(haystack) == byte);
            counts[1] -= (lanes)(load(haystack + LANES) == byte);
            counts[2] -= (lanes)(load(haystack + 2 * LANES) == byte);
            counts[3] -= (lanes)(load(haystack + 3 * LANES) == byte);
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
    size_t total = count_in_lanes(broadcast(byte), haystack, strides);
    for (size_t i = strides * STRIDE; i < n; i++)
        total += haystack[i] == byte;
    return total;
}

size_t mapped_needle_count(const mapped_needle *needle, const void *haystack,
                           size_t n, size_t *next)
{
    const unsigned char *start = haystack;
    size_t length = needle->length_;
    size_t count = 0;
    size_t at = 0;
    *next = length == 0 || length > n ? 0 : n - length + 1;
    if (length == 0)
        return n + 1;
    if (length == 1)
        return count_byte(needle->bytes_[0], haystack, n);
    for (;;) {
        size_t found = mapped_needle_first(needle, start + at, n - at);
        if (found == MAPPED_NOT_FOUND)
            break;
        count++;
        at += found + length;
    }
    if (at > *next)
        *next = at;
    return count;
}
