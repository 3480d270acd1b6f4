/* Guards against a processor's own way that does something else than the
 * portable one: bytes that are left out or written past the end, bytes that are
 * written although the state is no longer clean, and candidates that a search
 * skips. On a machine without AVX2 both ways are the portable one. */
#include "wide.h"

#include "check.h"

#define LONGEST 1300

static mapped__copy_function *const copies[] = {mapped__copy_portable,
                                                mapped__copy_avx2};
static mapped__skip_function *const skips[] = {mapped__skip_portable,
                                               mapped__skip_avx2};

/* How many of the ways can be taken here. */
static size_t ways(void)
{
    return mapped__has_avx2() ? 2 : 1;
}

static unsigned random_below(unsigned limit)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % limit;
}

/* In memory of their own, so that the sanitizer sees what lies outside. */
static unsigned char *random_bytes(size_t n, unsigned kinds)
{
    unsigned char *bytes = malloc(n);
    if (bytes == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)random_below(kinds);
    return bytes;
}

static void test_wide_copies_every_length(void)
{
    const uint32_t clean = 0;
    for (size_t way = 0; way < ways(); way++)
        for (size_t n = MAPPED__COPY_BLOCK_AVX2; n < LONGEST; n++) {
            unsigned char *from = random_bytes(n, 256);
            unsigned char *to = random_bytes(n, 256);
            CHECK_UINT(copies[way](to, from, n, &clean), n);
            CHECK(memcmp(to, from, n) == 0);
            free(from);
            free(to);
        }
}

static void test_wide_portable_copies_short_ones(void)
{
    const uint32_t clean = 0;
    for (size_t n = MAPPED__COPY_BLOCK; n < MAPPED__COPY_BLOCK_AVX2; n++) {
        unsigned char *from = random_bytes(n, 256);
        unsigned char *to = random_bytes(n, 256);
        CHECK_UINT(mapped__copy_portable(to, from, n, &clean), n);
        CHECK(memcmp(to, from, n) == 0);
        free(from);
        free(to);
    }
}

static void test_wide_copies_nothing_if_the_state_is_set(void)
{
    const uint32_t lost = 2;
    for (size_t way = 0; way < ways(); way++) {
        unsigned char *from = random_bytes(LONGEST, 256);
        unsigned char to[LONGEST] = {0}, before[LONGEST] = {0};
        CHECK_UINT(copies[way](to, from, LONGEST, &lost), 0);
        CHECK(memcmp(to, before, LONGEST) == 0);
        free(from);
    }
}

static size_t count_leading(const unsigned char *bytes, unsigned char byte)
{
    size_t n = 0;
    while (n < LONGEST && bytes[n] == byte)
        n++;
    return n;
}

/* The state is among the bytes that are written, so the copy itself sets it.
 * What it says it has copied is there, and the turn was the last one. */
static void check_stop(mapped__copy_function *copy, size_t word)
{
    const unsigned char none[LONGEST] = {0};
    unsigned char from[LONGEST];
    uint32_t to[LONGEST / 4] = {0};
    const unsigned char *bytes = (const unsigned char *)to;
    memset(from, 7, sizeof from);
    size_t n = copy((unsigned char *)to, from, LONGEST, &to[word]);
    size_t written = count_leading(bytes, 7);
    CHECK(n <= written && written > 4 * word);
    CHECK(written <= 4 * word + MAPPED__COPY_BLOCK_AVX2);
    CHECK(n < LONGEST || written == LONGEST);
    CHECK(memcmp(bytes + written, none, LONGEST - written) == 0);
}

static void test_wide_stops_when_the_state_is_set_on_the_way(void)
{
    for (size_t way = 0; way < ways(); way++)
        for (size_t word = 0; word < LONGEST / 4; word++)
            check_stop(copies[way], word);
}

/* The stride where a skip has to end. */
static size_t naive_skip(const mapped__pair *pair, size_t at, size_t starts)
{
    for (; starts - at >= STRIDE; at += STRIDE)
        for (size_t i = at; i < at + STRIDE; i++)
            if (pair->first_address[i] == pair->first_byte[0] &&
                pair->second_address[i] == pair->second_byte[0])
                return at;
    return at;
}

static void test_wide_skips_to_the_next_candidate(void)
{
    for (unsigned kinds = 2; kinds < 256; kinds += 11)
        for (size_t n = 40; n < LONGEST; n += 1 + random_below(40)) {
            unsigned char *haystack = random_bytes(n, kinds);
            const size_t later = random_below(40);
            const size_t starts = n - later;
            const size_t at = random_below((unsigned)starts);
            const unsigned char first = (unsigned char)random_below(kinds);
            const unsigned char second = (unsigned char)random_below(kinds);
            const mapped__pair pair = {.first_address = haystack,
                                       .second_address = haystack + later,
                                       .first_byte = mapped__lanes_of(first),
                                       .second_byte = mapped__lanes_of(second)};
            for (size_t way = 0; way < ways(); way++)
                CHECK_UINT(skips[way](&pair, at, starts),
                           naive_skip(&pair, at, starts));
            free(haystack);
        }
}

static void test_wide_sees_a_candidate_in_every_lane(void)
{
    unsigned char haystack[3 * STRIDE] = {0};
    const mapped__pair pair = {.first_address = haystack,
                               .second_address = haystack + 1,
                               .first_byte = mapped__lanes_of(1),
                               .second_byte = mapped__lanes_of(2)};
    for (size_t way = 0; way < ways(); way++)
        for (size_t i = 0; i < 2 * STRIDE; i++) {
            haystack[i] = 1;
            CHECK_UINT(skips[way](&pair, 0, 2 * STRIDE), 2 * STRIDE);
            haystack[i + 1] = 2;
            CHECK_UINT(skips[way](&pair, 0, 2 * STRIDE), i / STRIDE * STRIDE);
            haystack[i] = haystack[i + 1] = 0;
        }
}

int main(void)
{
    RUN(test_wide_copies_every_length);
    RUN(test_wide_portable_copies_short_ones);
    RUN(test_wide_copies_nothing_if_the_state_is_set);
    RUN(test_wide_stops_when_the_state_is_set_on_the_way);
    RUN(test_wide_skips_to_the_next_candidate);
    RUN(test_wide_sees_a_candidate_in_every_lane);
    return check_finish();
}
