/* Looks for two of the needle's bytes at once, at many positions at a time, and
 * compares the whole needle only where both are in place. On data where that
 * happens too often the two-way algorithm takes over. */
#include <mapped/needle.h>

#include <string.h>

#include <mapped/endian.h>

#define SAMPLE 4096 /* bytes of data that are enough to tell what is rare */
#define NEEDLE_SAMPLE 256 /* bytes of the needle worth a look */
#define HEAD 16           /* bytes compared first where the filter hits */
#define PATIENCE 4096     /* comparisons in vain that are always granted */

/* Sixteen bytes side by side: the compiler knows the machine's way. */
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

/* The place among the first `look` bytes whose byte has been seen least often,
 * `place` if no other is better. */
static size_t rarest(const mapped_needle *needle, const uint16_t *seen,
                     size_t look, size_t place)
{
    for (size_t i = 0; i < look; i++)
        if (seen[needle->bytes_[i]] < seen[needle->bytes_[place]])
            place = i;
    return place;
}

static void choose(mapped_needle *needle, const unsigned char *sample, size_t n)
{
    uint16_t seen[UCHAR_MAX + 1] = {0};
    size_t look =
        needle->length_ < NEEDLE_SAMPLE ? needle->length_ : NEEDLE_SAMPLE;
    for (size_t i = 0; i < n && i < SAMPLE; i++)
        seen[sample[i]]++;
    needle->rare_ = rarest(needle, seen, look, needle->rare_);
    needle->unseen_ = seen[needle->bytes_[needle->rare_]] == 0;
    /* The same byte once more would rule out little. */
    seen[needle->bytes_[needle->rare_]] = UINT16_MAX;
    needle->second_ = rarest(needle, seen, look, needle->second_);
    needle->tuned_ = true;
}

void mapped_needle_tune(mapped_needle *needle, const void *sample, size_t n)
{
    if (!needle->tuned_)
        choose(needle, sample, n);
}

typedef struct scan {
    const mapped_needle *needle;
    const unsigned char *data;
    lanes rare;
    lanes second;
    size_t work; /* bytes compared in vain */
} scan;

static lanes broadcast(unsigned char byte)
{
    return (lanes){0} + byte;
}

static void scan_init(scan *s, const mapped_needle *needle,
                      const unsigned char *data)
{
    s->needle = needle;
    s->data = data;
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

/* All bits of a lane are set where the needle may begin. */
static inline lanes candidates(const scan *s, size_t at)
{
    const unsigned char *p = s->data + at;
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
    const unsigned char *p = s->data + at;
    const mapped_needle *needle = s->needle;
    size_t head = needle->length_ < HEAD ? needle->length_ : HEAD;
    s->work += HEAD;
    if (memcmp(p, needle->bytes_, head) != 0)
        return false;
    s->work += needle->length_;
    return memcmp(p + head, needle->bytes_ + head, needle->length_ - head) == 0;
}

/* Comparing where the filter hits has become slower than doing without. */
static bool is_futile(const scan *s, size_t scanned)
{
    return s->work / 4 > scanned + PATIENCE / 4;
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

static size_t give_up_first(const scan *s, size_t at, size_t n)
{
    const mapped_needle *needle = s->needle;
    size_t found = mapped__two_way_first(needle->bytes_, needle->length_,
                                         s->data + at, n - at);
    return found == MAPPED_NOT_FOUND ? found : at + found;
}

/* At least LANES positions: the last ones are looked at together with some that
 * were looked at before. */
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
            if (is_futile(s, at))
                return give_up_first(s, at, n);
        }
        at += LANES;
    }
    at = starts - LANES;
    return first_in_lanes(s, at, candidates(s, at));
}

/* Looks for the rarest byte alone, which libraries do faster than anything else
 * is done, as long as it turns up as rarely as hoped. Returns where to go on,
 * or with `*found` where the needle is. */
static size_t first_of_rarest(scan *s, size_t starts, bool *found)
{
    const unsigned char *data = s->data + s->needle->rare_;
    unsigned char byte = s->needle->bytes_[s->needle->rare_];
    size_t at = 0;
    *found = false;
    while (at < starts && s->work <= at / 8 + PATIENCE / 4) {
        const unsigned char *hit = memchr(data + at, byte, starts - at);
        if (hit == NULL)
            return starts;
        at = (size_t)(hit - data);
        *found = matches(s, at);
        if (*found)
            break;
        at++;
    }
    return at;
}

static MAPPED__NOINLINE size_t first_of_bytes(const mapped_needle *needle,
                                              const unsigned char *data,
                                              size_t n)
{
    scan s;
    bool found = false;
    size_t starts = n - needle->length_ + 1;
    size_t at = 0;
    scan_init(&s, needle, data);
    if (needle->unseen_)
        at = first_of_rarest(&s, starts, &found);
    if (found || at == starts)
        return found ? at : MAPPED_NOT_FOUND;
    s.data += at;
    size_t rest = starts - at < LANES ? first_of_few(&s, starts - at)
                                      : first_of_many(&s, starts - at, n - at);
    return rest == MAPPED_NOT_FOUND ? rest : at + rest;
}

static size_t first_of_byte(unsigned char byte, const unsigned char *data,
                            size_t n)
{
    const unsigned char *found = memchr(data, byte, n);
    return found == NULL ? MAPPED_NOT_FOUND : (size_t)(found - data);
}

size_t mapped_needle_first(const mapped_needle *needle, const void *data,
                           size_t n)
{
    if (needle->length_ > n)
        return MAPPED_NOT_FOUND;
    switch (needle->length_) {
    case 0:
        return 0;
    case 1:
        return first_of_byte(needle->bytes_[0], data, n);
    default:
        return first_of_bytes(needle, data, n);
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

/* Positions from `at` on have been looked at. */
static size_t last_of_many(scan *s, size_t starts)
{
    const mapped_needle *needle = s->needle;
    size_t at = starts;
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
        if (at > 0 && is_futile(s, starts - at))
            return mapped__two_way_last(needle->bytes_, needle->length_,
                                        s->data, at + needle->length_ - 1);
    }
    return last_in_lanes(s, 0, candidates(s, 0));
}

size_t mapped_needle_last(const mapped_needle *needle, const void *data,
                          size_t n)
{
    scan s;
    if (needle->length_ > n)
        return MAPPED_NOT_FOUND;
    if (needle->length_ == 0)
        return n;
    scan_init(&s, needle, data);
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

/* A lane that is equal is -1, and a lane can count to UCHAR_MAX. */
static size_t count_in_lanes(lanes byte, const unsigned char *data,
                             size_t strides)
{
    size_t total = 0;
    while (strides > 0) {
        size_t turn = strides < UCHAR_MAX ? strides : UCHAR_MAX;
        lanes counts[4] = {{0}, {0}, {0}, {0}};
        for (size_t i = 0; i < turn; i++, data += STRIDE) {
            counts[0] -= (lanes)(load(data) == byte);
            counts[1] -= (lanes)(load(data + LANES) == byte);
            counts[2] -= (lanes)(load(data + 2 * LANES) == byte);
            counts[3] -= (lanes)(load(data + 3 * LANES) == byte);
        }
        for (size_t i = 0; i < 4; i++)
            total += sum(counts[i]);
        strides -= turn;
    }
    return total;
}

static size_t count_byte(unsigned char byte, const unsigned char *data,
                         size_t n)
{
    size_t strides = n / STRIDE;
    size_t total = count_in_lanes(broadcast(byte), data, strides);
    for (size_t i = strides * STRIDE; i < n; i++)
        total += data[i] == byte;
    return total;
}

size_t mapped_needle_count(const mapped_needle *needle, const void *data,
                           size_t n, size_t *next)
{
    const unsigned char *bytes = data;
    size_t length = needle->length_;
    size_t count = 0;
    size_t at = 0;
    *next = length == 0 || length > n ? 0 : n - length + 1;
    if (length == 0)
        return n + 1;
    if (length == 1)
        return count_byte(needle->bytes_[0], data, n);
    for (;;) {
        size_t found = mapped_needle_first(needle, bytes + at, n - at);
        if (found == MAPPED_NOT_FOUND)
            break;
        count++;
        at += found + length;
    }
    if (at > *next)
        *next = at;
    return count;
}
