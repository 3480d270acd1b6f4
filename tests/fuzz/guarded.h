/* What the fuzz targets share: memory between two pages that may not be
 * touched, functions that take the input apart, and EXPECT, which ends the
 * program if its condition is false. */
#ifndef GUARDED_H
#define GUARDED_H

#include <mapped/mapped.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* libFuzzer calls this function with one input after the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EXPECT(condition) \
    ((condition) ? (void)0 : guarded_broken(#condition, __FILE__, __LINE__))

static inline void guarded_broken(const char *text, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
    abort();
}

/* Returns `length` bytes, at most a page, at the end or at the start of a page.
 */
static inline unsigned char *guarded(size_t length, bool at_end)
{
    static unsigned char *page;
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    if (page == NULL) {
        page = (unsigned char *)mmap(NULL, 3 * size, PROT_NONE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT(page != MAP_FAILED);
        page += size;
        EXPECT(mprotect(page, size, PROT_READ | PROT_WRITE) == 0);
    }
    EXPECT(length <= size);
    return at_end ? page + size - length : page;
}

typedef struct input {
    const uint8_t *data;
    size_t left;
} input;

static inline uint8_t take(input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->data++;
}

/* Returns a number near 0, near SIZE_MAX or near half of it, where sums wrap
 * round, or any other. */
static inline size_t take_number(input *in)
{
    uint8_t how = take(in);
    size_t near = (size_t)(int8_t)take(in);
    switch (how % 5) {
    case 0:
        return SIZE_MAX / 2 + near;
    case 1:
        return ((size_t)take(in) << 32) + near;
    case 2:
        return near; /* also just below SIZE_MAX */
    default:
        return how / 5 % 80;
    }
}

#endif
