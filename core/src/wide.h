/* The two loops that are worth more than 16 bytes at a time: each is there in
 * portable C, and for processors with AVX2, which the program asks for when it
 * runs. Both do the same; test_wide.c compares them. */
#ifndef MAPPED_WIDE_H
#define MAPPED_WIDE_H

#include <mapped/base.h>

/* Not for Windows: gcc keeps its stack aligned to 16 bytes there, but spills 32
 * as if they were aligned, too. */
#if defined(__x86_64__) && defined(__ELF__)
#    define MAPPED__WIDE __attribute__((target("avx2")))
#endif

/* How many bytes the copies need at least. */
#define MAPPED__COPY_LEAST ((size_t)128)
#define MAPPED__COPY_WIDE_LEAST ((size_t)256)

/* Copies `n` bytes that don't overlap. What was loaded is only stored if
 * `*state` is 0 after that. Returns `n`, or fewer once it wasn't 0: at least so
 * many bytes are copied then. */
typedef size_t mapped__copy_function(unsigned char *to,
                                     const unsigned char *from, size_t n,
                                     const uint32_t *state);

/* Two bytes, each with the place where a match at 0 has it. */
typedef struct mapped__two_bytes {
    const unsigned char *first_at, *second_at;
    unsigned char first, second;
} mapped__two_bytes;

/* Skips strides of lanes.h in which no match can begin. Returns the first
 * offset, a number of strides after `at`, whose stride has both bytes together
 * or isn't over before `end`. */
typedef size_t mapped__skip_function(const mapped__two_bytes *bytes, size_t at,
                                     size_t end);

mapped__copy_function mapped__copy_portable;
mapped__skip_function mapped__skip_portable;

#ifdef MAPPED__WIDE
mapped__copy_function mapped__copy_wide;
mapped__skip_function mapped__skip_wide;

static inline bool mapped__has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#    define mapped__copy_wide mapped__copy_portable
#    define mapped__skip_wide mapped__skip_portable

static inline bool mapped__has_wide(void)
{
    return false;
}
#endif

#endif
