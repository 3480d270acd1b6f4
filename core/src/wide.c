/* A copy that stores only what it has loaded from a region without lost pages,
 * and a skip over bytes where no match can begin; each for 16 and for 32 bytes
 * at a time.
 *
 * The copy loads a whole block before it checks the state, and stores it after
 * that, so that the zeros of a lost page never get to the target. A block is
 * eight registers, which spread the cost of the check. */
#include "wide.h"

#include <assert.h>

/* True if all loads before this call have read the file's bytes: no page was
 * lost, and the region was open. */
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
    assert(n >= MAPPED__COPY_BLOCK);
    const size_t last = n - MAPPED__COPY_BLOCK;
    for (size_t at = 0;; at = next_block(at, MAPPED__COPY_BLOCK, last)) {
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

size_t mapped__skip_portable(const mapped__pair *pair, size_t at, size_t starts)
{
    for (; starts - at >= STRIDE; at += STRIDE) {
        mapped__lanes_prefetch(pair->first_address + at + AHEAD);
        if (mapped__stride_has_candidates(pair, at))
            break;
    }
    return at;
}

#ifdef MAPPED__AVX2

typedef uint8_t lanes32 __attribute__((vector_size(32)));

static inline MAPPED__AVX2 lanes32 load(const unsigned char *p)
{
    lanes32 value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline MAPPED__AVX2 void store(unsigned char *p, lanes32 value)
{
    memcpy(p, &value, sizeof value);
}

MAPPED__AVX2 size_t mapped__copy_avx2(unsigned char *to,
                                      const unsigned char *from, size_t n,
                                      const uint32_t *state)
{
    assert(n >= MAPPED__COPY_BLOCK_AVX2);
    const size_t last = n - MAPPED__COPY_BLOCK_AVX2;
    for (size_t at = 0;; at = next_block(at, MAPPED__COPY_BLOCK_AVX2, last)) {
        const unsigned char *p = from + at;
        unsigned char *q = to + at;
        const lanes32 a = load(p);
        const lanes32 b = load(p + 32);
        const lanes32 c = load(p + 2 * 32);
        const lanes32 d = load(p + 3 * 32);
        const lanes32 e = load(p + 4 * 32);
        const lanes32 f = load(p + 5 * 32);
        const lanes32 g = load(p + 6 * 32);
        const lanes32 h = load(p + 7 * 32);
        if (!is_clean(state))
            return at;
        store(q, a);
        store(q + 32, b);
        store(q + 2 * 32, c);
        store(q + 3 * 32, d);
        store(q + 4 * 32, e);
        store(q + 5 * 32, f);
        store(q + 6 * 32, g);
        store(q + 7 * 32, h);
        if (at == last)
            return n;
    }
}

/* As mapped__candidates, of 32 offsets. */
static inline MAPPED__AVX2 lanes32 candidates(const mapped__pair *pair,
                                              size_t at)
{
    const lanes32 first = (lanes32){0} + pair->first_byte[0];
    const lanes32 second = (lanes32){0} + pair->second_byte[0];
    return (lanes32)(load(pair->first_address + at) == first) &
           (lanes32)(load(pair->second_address + at) == second);
}

/* A stride is two vectors of 32 bytes. */
MAPPED__AVX2 size_t mapped__skip_avx2(const mapped__pair *pair, size_t at,
                                      size_t starts)
{
    typedef char signs __attribute__((vector_size(32)));
    for (; starts - at >= STRIDE; at += STRIDE) {
        mapped__lanes_prefetch(pair->first_address + at + AHEAD);
        const lanes32 both = candidates(pair, at) | candidates(pair, at + 32);
        if (__builtin_ia32_pmovmskb256((signs)both) != 0)
            break;
    }
    return at;
}

#endif
