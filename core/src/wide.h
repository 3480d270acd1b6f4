/* The two loops that gain from 32 bytes at a time: each is there in portable C,
 * for 16 bytes, and for processors with AVX2, which the program asks for when
 * it runs. Both do the same; test_wide.c compares them. */
#ifndef MAPPED_WIDE_H
#define MAPPED_WIDE_H

#include "lanes.h"

/* Not for Windows: gcc keeps its stack aligned to 16 bytes there, but spills 32
 * as if they were aligned, too. */
#if defined(__x86_64__) && defined(__ELF__)
#    define MAPPED__AVX2 __attribute__((target("avx2")))
#endif

/* What one turn of a copy loads before it stores: eight registers. */
#define MAPPED__COPY_BLOCK ((size_t)128)
#define MAPPED__COPY_BLOCK_AVX2 ((size_t)256)

/* Copies `n` bytes that don't overlap: at least a block, because the last block
 * ends with the last byte. `*state` is the region's: 0 while it is open and no
 * page is lost. Stores only what was loaded before that was seen. Returns `n`,
 * or fewer once the state wasn't 0: at least so many bytes are copied then. */
typedef size_t mapped__copy_function(unsigned char *to,
                                     const unsigned char *from, size_t n,
                                     const uint32_t *state);

/* Skips strides that have no candidate of the pair. `starts` is the number of
 * offsets where a match can begin. Returns the first offset, a number of
 * strides after `at`, whose stride has a candidate, or that has fewer than
 * STRIDE offsets before `starts`. */
typedef size_t mapped__skip_function(const mapped__pair *pair, size_t at,
                                     size_t starts);

mapped__copy_function mapped__copy_portable;
mapped__skip_function mapped__skip_portable;

#ifdef MAPPED__AVX2
mapped__copy_function mapped__copy_avx2;
mapped__skip_function mapped__skip_avx2;

static inline bool mapped__has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#    define mapped__copy_avx2 mapped__copy_portable
#    define mapped__skip_avx2 mapped__skip_portable

static inline bool mapped__has_avx2(void)
{
    return false;
}
#endif

#endif
