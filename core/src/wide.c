/* Two loops, each for 16 and for 32 bytes at a time: a copy that stores only
 * what it has loaded from a region without lost pages, and a skip over bytes
 * where no match can begin.
 *
 * The copy loads a whole block before it looks at the state, and stores it
 * after that, so that the zeros of a lost page never get to the target. Eight
 * registers a block spread the cost of the look. */
#include "wide.h"

#include "lanes.h"

/* Was no page lost and the region not closed, as of the loads before? */
static inline bool is_clean(const uint32_t *state)
{
    MAPPED__LOAD_FENCE();
    return MAPPED__LIKELY(MAPPED__LOAD(state) == 0);
}

/* The offset of the next block. The last block ends with the last byte, so it
 * may overlap the one before. */
static inline size_t next_block(size_t at, size_t block, size_t last)
{
    return at + block < last ? at + block : last;
}

size_t mapped__copy_portable(unsigned char *to, const unsigned char *from,
                             size_t n, const uint32_t *state)
{
    const size_t last = n - 8 * LANES;
    for (size_t at = 0;; at = next_block(at, 8 * LANES, last)) {
        const unsigned char *p = from + at;
        unsigned char *q = to + at;
        const mapped__lanes a = mapped__lanes_load(p);
        const mapped__lanes b = mapped__lanes_load(p + LANES);
        const mapped__lanes c = mapped__lanes_load(p + 2 * LANES);
        const mapped__lanes d = mapped__lanes_load(p + 3 * LANES);
        const mapped__lanes e = mapped__lanes_load(p + 4 * LANES);
        const mapped__lanes f = mapped__lanes_load(p + 5 * LANES);
        const mapped__lanes g = mapped__lanes_load(p + 6 * LANES);
        const mapped__lanes h = mapped__lanes_load(p + 7 * LANES);
        if (!is_clean(state))
            return at;
        mapped__lanes_store(q, a);
        mapped__lanes_store(q + LANES, b);
        mapped__lanes_store(q + 2 * LANES, c);
        mapped__lanes_store(q + 3 * LANES, d);
        mapped__lanes_store(q + 4 * LANES, e);
        mapped__lanes_store(q + 5 * LANES, f);
        mapped__lanes_store(q + 6 * LANES, g);
        mapped__lanes_store(q + 7 * LANES, h);
        if (at == last)
            return n;
    }
}

/* Lane i is all ones if a match can begin at `at + i`: both bytes are in their
 * places. */
static inline mapped__lanes lanes_with_both(const mapped__two_bytes *bytes,
                                            size_t at, mapped__lanes first,
                                            mapped__lanes second)
{
    return mapped__lanes_equal(mapped__lanes_load(bytes->first_at + at),
                               first) &
           mapped__lanes_equal(mapped__lanes_load(bytes->second_at + at),
                               second);
}

size_t mapped__skip_portable(const mapped__two_bytes *bytes, size_t at,
                             size_t end)
{
    const mapped__lanes first = mapped__lanes_of(bytes->first);
    const mapped__lanes second = mapped__lanes_of(bytes->second);
    for (; end - at >= STRIDE; at += STRIDE) {
        mapped__lanes_prefetch(bytes->first_at + at + AHEAD);
        if (mapped__lanes_any(
                lanes_with_both(bytes, at, first, second) |
                lanes_with_both(bytes, at + LANES, first, second) |
                lanes_with_both(bytes, at + 2 * LANES, first, second) |
                lanes_with_both(bytes, at + 3 * LANES, first, second)))
            break;
    }
    return at;
}

#ifdef MAPPED__WIDE

#    define WIDE 32
typedef uint8_t wide __attribute__((vector_size(WIDE)));

static inline MAPPED__WIDE wide load(const unsigned char *p)
{
    wide value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline MAPPED__WIDE void store(unsigned char *p, wide value)
{
    memcpy(p, &value, sizeof value);
}

MAPPED__WIDE size_t mapped__copy_wide(unsigned char *to,
                                      const unsigned char *from, size_t n,
                                      const uint32_t *state)
{
    const size_t last = n - 8 * WIDE;
    for (size_t at = 0;; at = next_block(at, 8 * WIDE, last)) {
        const unsigned char *p = from + at;
        unsigned char *q = to + at;
        const wide a = load(p);
        const wide b = load(p + WIDE);
        const wide c = load(p + 2 * WIDE);
        const wide d = load(p + 3 * WIDE);
        const wide e = load(p + 4 * WIDE);
        const wide f = load(p + 5 * WIDE);
        const wide g = load(p + 6 * WIDE);
        const wide h = load(p + 7 * WIDE);
        if (!is_clean(state))
            return at;
        store(q, a);
        store(q + WIDE, b);
        store(q + 2 * WIDE, c);
        store(q + 3 * WIDE, d);
        store(q + 4 * WIDE, e);
        store(q + 5 * WIDE, f);
        store(q + 6 * WIDE, g);
        store(q + 7 * WIDE, h);
        if (at == last)
            return n;
    }
}

static inline MAPPED__WIDE wide wide_with_both(const mapped__two_bytes *bytes,
                                               size_t at, wide first,
                                               wide second)
{
    return (wide)(load(bytes->first_at + at) == first) &
           (wide)(load(bytes->second_at + at) == second);
}

MAPPED__WIDE size_t mapped__skip_wide(const mapped__two_bytes *bytes, size_t at,
                                      size_t end)
{
    typedef char signs __attribute__((vector_size(WIDE)));
    const wide first = (wide){0} + bytes->first;
    const wide second = (wide){0} + bytes->second;
    for (; end - at >= STRIDE; at += STRIDE) {
        mapped__lanes_prefetch(bytes->first_at + at + AHEAD);
        const wide hits = wide_with_both(bytes, at, first, second) |
                          wide_with_both(bytes, at + WIDE, first, second);
        if (__builtin_ia32_pmovmskb256((signs)hits) != 0)
            break;
    }
    return at;
}

#endif
