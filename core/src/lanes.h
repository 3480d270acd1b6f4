/* Comparing one byte, or a pair of bytes, with many bytes at once. A vector has
 * LANES bytes, its lanes; a search looks at a stride, four vectors, in each
 * turn of its loop. The compiler turns the functions into the machine's own
 * vector instructions. */
#ifndef MAPPED_LANES_H
#define MAPPED_LANES_H

#include <mapped/endian.h>

#include <string.h>

#define LANES 16
#define STRIDE (4 * LANES)
typedef uint8_t mapped__lanes __attribute__((vector_size(LANES)));
/* The same bytes as two numbers of eight. */
typedef uint64_t mapped__halves __attribute__((vector_size(LANES)));

static inline mapped__lanes mapped__lanes_of(unsigned char byte)
{
    return (mapped__lanes){0} + byte;
}

static inline mapped__lanes mapped__lanes_load(const unsigned char *p)
{
    mapped__lanes value;
    memcpy(&value, p, sizeof value);
    return value;
}

static inline void mapped__lanes_store(unsigned char *p, mapped__lanes value)
{
    memcpy(p, &value, sizeof value);
}

/* The lanes that are equal are 0xff, the others 0. */
static inline mapped__lanes mapped__lanes_equal(mapped__lanes a,
                                                mapped__lanes b)
{
    return (mapped__lanes)(a == b);
}

/* How far ahead of itself a search asks for bytes. The processor's own
 * prefetcher stops at the end of a page. */
#define AHEAD 2048

/* The address may be anybody's: a prefetch never meets a fault. */
static inline void mapped__lanes_prefetch(const unsigned char *p)
{
    __builtin_prefetch(p);
}

/* Each byte of `word` is 0 or 0xff. Returns a byte whose bit i tells whether
 * byte i of `word` is 0xff. The product moves the lowest bit of byte i to bit
 * 56 + i. */
static inline uint64_t mapped__half_mask(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    return ((mapped_le_u64(word) & ones) * UINT64_C(0x0102040810204080)) >> 56;
}

static inline uint64_t mapped__lanes_mask_portable(mapped__lanes lanes)
{
    const mapped__halves words = (mapped__halves)lanes;
    return mapped__half_mask(words[0]) | mapped__half_mask(words[1]) << 8;
}

/* Each lane is 0 or 0xff. Bit i of the result tells whether lane i is 0xff. */
static inline uint64_t mapped__lanes_mask(mapped__lanes lanes)
{
#ifdef __SSE2__
    typedef char bytes __attribute__((vector_size(LANES)));
    return (unsigned)__builtin_ia32_pmovmskb128((bytes)lanes);
#else
    return mapped__lanes_mask_portable(lanes);
#endif
}

static inline bool mapped__lanes_any(mapped__lanes lanes)
{
    return mapped__lanes_mask(lanes) != 0;
}

/* As mapped__lanes_mask, of the four vectors of a stride: bit i is for byte i
 * of the stride. */
static inline uint64_t mapped__stride_mask(mapped__lanes a, mapped__lanes b,
                                           mapped__lanes c, mapped__lanes d)
{
    return mapped__lanes_mask(a) | mapped__lanes_mask(b) << LANES |
           mapped__lanes_mask(c) << 2 * LANES |
           mapped__lanes_mask(d) << 3 * LANES;
}

/* Two bytes of a needle, and where a match at offset 0 of the haystack would
 * have them. A match at `offset` has them so many bytes later. A candidate is
 * an offset where the haystack has both, so that a match may begin there. */
typedef struct mapped__pair {
    const unsigned char *first_address;
    const unsigned char *second_address;
    mapped__lanes first_byte; /* every lane is that byte */
    mapped__lanes second_byte;
} mapped__pair;

/* Of the LANES offsets from `at` on, the lanes of candidates are 0xff. */
static inline mapped__lanes mapped__candidates(const mapped__pair *pair,
                                               size_t at)
{
    return mapped__lanes_equal(mapped__lanes_load(pair->first_address + at),
                               pair->first_byte) &
           mapped__lanes_equal(mapped__lanes_load(pair->second_address + at),
                               pair->second_byte);
}

static inline bool mapped__stride_has_candidates(const mapped__pair *pair,
                                                 size_t at)
{
    return mapped__lanes_any(
        (mapped__candidates(pair, at) | mapped__candidates(pair, at + LANES)) |
        (mapped__candidates(pair, at + 2 * LANES) |
         mapped__candidates(pair, at + 3 * LANES)));
}

#endif
