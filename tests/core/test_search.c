/* Guards against matches that are missed or wrong: where a vector's width ends,
 * between blocks, at both ends of the data, where matches overlap, and where
 * the search changes to the two-way algorithm. */
#include "memory.h"

#include "lanes.h"

/* The state of a random generator that always gives the same numbers, so that a
 * failure can be repeated. Small alphabets make needles frequent and periodic.
 */
static uint32_t state = 1;

static unsigned random_below(unsigned limit)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % limit;
}

static void random_bytes(unsigned char *bytes, size_t n, unsigned alphabet)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)('a' + random_below(alphabet));
}

static bool is_at(const unsigned char *data, size_t at,
                  const unsigned char *needle, size_t length)
{
    return length == 0 || memcmp(data + at, needle, length) == 0;
}

static size_t naive_first(const unsigned char *data, size_t n,
                          const unsigned char *needle, size_t length)
{
    for (size_t at = 0; at + length <= n; at++)
        if (is_at(data, at, needle, length))
            return at;
    return MAPPED_NOT_FOUND;
}

static size_t naive_last(const unsigned char *data, size_t n,
                         const unsigned char *needle, size_t length)
{
    for (size_t at = n + 1; at-- > 0;)
        if (at + length <= n && is_at(data, at, needle, length))
            return at;
    return MAPPED_NOT_FOUND;
}

static size_t naive_count(const unsigned char *data, size_t n,
                          const unsigned char *needle, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at + length <= n;) {
        bool hit = is_at(data, at, needle, length);
        count += hit;
        at += hit && length > 0 ? length : 1;
    }
    return count;
}

typedef mapped_status search(mapped_slice slice, mapped_needle *needle,
                             size_t *result, mapped_error *error);

static size_t searched(search *how, mapped_slice slice, const void *bytes,
                       size_t length)
{
    mapped_needle needle;
    size_t result = 12345;
    mapped_needle_init(&needle, bytes, length);
    CHECK_STATUS(how(slice, &needle, &result, NULL), MAPPED_OK);
    return result;
}

static size_t first(mapped_slice slice, const void *bytes, size_t length)
{
    return searched(mapped_find, slice, bytes, length);
}

static size_t last(mapped_slice slice, const void *bytes, size_t length)
{
    return searched(mapped_rfind, slice, bytes, length);
}

static size_t count(mapped_slice slice, const void *bytes, size_t length)
{
    return searched(mapped_count, slice, bytes, length);
}

static bool agree(mapped_slice slice, const unsigned char *data,
                  const unsigned char *needle, size_t length)
{
    size_t n = slice.length;
    return CHECK_UINT(first(slice, needle, length),
                      naive_first(data, n, needle, length)) &&
           CHECK_UINT(last(slice, needle, length),
                      naive_last(data, n, needle, length)) &&
           CHECK_UINT(count(slice, needle, length),
                      naive_count(data, n, needle, length));
}

static void test_search_closed_region_is_an_error(void)
{
    unsigned char data[8] = "abcabca";
    mapped_region *region = memory_wrap(data, sizeof data, true);
    mapped_slice slice = mapped_region_slice(region);
    mapped_needle needle;
    size_t result = 7;
    bool starts = true;
    mapped_needle_init(&needle, "abc", 3);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_find(slice, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_rfind(slice, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_count(slice, &needle, &result, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_starts_with(slice, "a", 1, &starts, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_ends_with(slice, "", 0, &starts, NULL), MAPPED_CLOSED);
    CHECK_UINT(result, 7);
    CHECK(starts);
    mapped_region_release(region);
}

static void test_search_shrunk_region_is_out_of_range(void)
{
    mapped_region *region = memory_region(5000);
    mapped_slice slice = mapped_region_slice(region);
    mapped_needle needle;
    size_t result = 7;
    mapped_needle_init(&needle, "\001\002", 2);
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_find(slice, &needle, &result, NULL), MAPPED_RANGE);
    CHECK_UINT(result, 7);
    mapped_region_release(region);
}

static void test_search_needle_longer_than_the_data(void)
{
    unsigned char data[3] = "abc";
    mapped_region *region = memory_wrap(data, sizeof data, true);
    mapped_slice slice = mapped_region_slice(region);
    CHECK_UINT(first(slice, "abcd", 4), MAPPED_NOT_FOUND);
    CHECK_UINT(last(slice, "abcd", 4), MAPPED_NOT_FOUND);
    CHECK_UINT(count(slice, "abcd", 4), 0);
    CHECK_UINT(first(slice, data, SIZE_MAX), MAPPED_NOT_FOUND);
    CHECK_UINT(count(slice, data, SIZE_MAX), 0);
    mapped_region_release(region);
}

static void test_search_empty_needle_is_everywhere(void)
{
    unsigned char data[3] = "abc";
    mapped_region *region = memory_wrap(data, sizeof data, true);
    mapped_slice slice = mapped_region_slice(region);
    mapped_slice empty = memory_slice(region, 2, 0);
    CHECK_UINT(first(slice, NULL, 0), 0);
    CHECK_UINT(last(slice, NULL, 0), 3);
    CHECK_UINT(count(slice, NULL, 0), 4);
    CHECK_UINT(first(empty, NULL, 0), 0);
    CHECK_UINT(count(empty, NULL, 0), 1);
    CHECK_UINT(first(empty, "a", 1), MAPPED_NOT_FOUND);
    mapped_region_release(region);
}

/* The data have every length around the width of a vector. */
static void test_search_finds_at_every_position(void)
{
    unsigned char data[200];
    for (size_t n = 1; n <= sizeof data; n += n < 70 ? 1 : 13) {
        for (size_t length = 1; length <= n && length < 40; length += 3) {
            size_t at = random_below((unsigned)(n - length + 1));
            memset(data, '.', n);
            memset(data + at, '#', length);
            mapped_region *region = memory_wrap(data, n, true);
            mapped_slice slice = mapped_region_slice(region);
            CHECK_UINT(first(slice, data + at, length), at);
            CHECK_UINT(last(slice, data + at, length), at);
            CHECK_UINT(count(slice, data + at, length), 1);
            mapped_region_release(region);
        }
    }
}

static void test_search_agrees_with_the_obvious_way(void)
{
    unsigned char data[600];
    unsigned char needle[40];
    bool ok = true;
    for (int round = 0; ok && round < 20000; round++) {
        unsigned alphabet = 1 + random_below(4);
        size_t n = random_below(round % 10 == 0 ? sizeof data : 80);
        size_t length = random_below(round % 4 == 0 ? sizeof needle : 6);
        random_bytes(data, n, alphabet);
        random_bytes(needle, length, alphabet);
        mapped_region *region = memory_wrap(data, n, true);
        ok = agree(mapped_region_slice(region), data, needle, length);
        mapped_region_release(region);
    }
}

/* Searches as long as these choose the needle's bytes by a sample, and go on
 * from block to block. */
static void test_search_agrees_in_long_data(void)
{
    enum {
        N = 200000
    };
    unsigned char *data = malloc(N), needle[40];
    bool ok = true;
    for (unsigned round = 0; ok && round < 150; round++) {
        size_t n = 60000 + random_below(65536) * 2;
        size_t length = 1 + random_below(round % 3 == 0 ? sizeof needle : 6);
        random_bytes(data, n, 1 + round % 26);
        if (round % 2 == 0)
            memcpy(needle, data + random_below(50000), length);
        else
            random_bytes(needle, length, 26);
        mapped_region *region = memory_wrap(data, n, true);
        ok = agree(mapped_region_slice(region), data, needle, length);
        mapped_region_release(region);
    }
    free(data);
}

static void test_search_masks_are_the_same_everywhere(void)
{
    unsigned char bytes[LANES];
    for (unsigned round = 0; round < 1000; round++) {
        uint64_t expected = 0;
        random_bytes(bytes, LANES, 1 + round % 4);
        for (size_t i = 0; i < LANES; i++)
            expected |= (uint64_t)(bytes[i] == 'a') << i;
        mapped__lanes hits = mapped__lanes_equal(mapped__lanes_load(bytes),
                                                 mapped__lanes_of('a'));
        CHECK_UINT(mapped__lanes_mask(hits), expected);
        CHECK_UINT(mapped__lanes_mask_portable(hits), expected);
        CHECK(mapped__lanes_any(hits) == (expected != 0));
    }
}

/* Nearly all of the haystack matches nearly all of the needle, so comparing at
 * every offset would take quadratic time. */
static void test_search_periodic_data_takes_the_two_way(void)
{
    enum {
        N = 300000,
        LENGTH = 2001
    };
    unsigned char *data = malloc(N);
    unsigned char *needle = malloc(LENGTH);
    memset(data, 'a', N);
    memset(needle, 'a', LENGTH);
    mapped_region *region = memory_wrap(data, N, true);
    mapped_slice slice = mapped_region_slice(region);
    for (size_t odd = 0; odd < LENGTH; odd += 1000) {
        memset(data, 'a', N);
        data[N / 2] = 'b'; /* not rare: the search uses other bytes too */
        needle[odd] = 'b';
        for (size_t i = 0; i < N; i += 1003)
            data[i] = 'b';
        agree(slice, data, needle, LENGTH);
        needle[odd] = 'a';
    }
    for (size_t i = 0; i < N; i++)
        data[i] = "abaabaab"[i % 8];
    for (size_t i = 0; i < LENGTH; i++)
        needle[i] = "abaabaab"[i % 8];
    agree(slice, data, needle, LENGTH);
    needle[LENGTH - 1] ^= 3;
    agree(slice, data, needle, LENGTH);
    mapped_region_release(region);
    free(data);
    free(needle);
}

/* When the search changes its algorithm, the haystack must keep its end. Here
 * the needle lies directly behind that end. */
static void test_search_ends_with_the_data_after_a_change_of_ways(void)
{
    static const struct {
        const char *unit;
        const char *needle;
    } cases[] = {{"Qa", "Qb"},
                 {"a", "aaaaaaaaaaaaaaaaaaaabaaaaaaaaaaaaaaaaaaaa"},
                 {"Qa", "xQaQaQaQaQaQaQaQaQaQaQbQaQaQaQaQaQaQa"}};
    unsigned char data[4096], sample[4096];
    memset(sample, 'z', sizeof sample);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = strlen(cases[i].needle);
        size_t period = strlen(cases[i].unit);
        for (size_t at = 0; at < sizeof data; at++)
            data[at] = (unsigned char)cases[i].unit[at % period];
        for (size_t n = 1500; n < 3000; n += 7) {
            mapped_needle needle;
            mapped_needle_init(&needle, cases[i].needle, length);
            memcpy(data + n, cases[i].needle, length);
            CHECK_UINT(mapped_needle_first(&needle, data, n), MAPPED_NOT_FOUND);
            mapped_needle_tune(&needle, sample, sizeof sample);
            CHECK_UINT(mapped_needle_first(&needle, data, n), MAPPED_NOT_FOUND);
            CHECK_UINT(mapped_needle_first(&needle, data, n + length), n);
            for (size_t k = n; k < n + length; k++)
                data[k] = (unsigned char)cases[i].unit[k % period];
        }
    }
}

/* Tests the two-way algorithm alone, because a search seldom needs it. */
static void test_search_two_way_agrees_with_the_obvious_way(void)
{
    unsigned char data[120];
    unsigned char needle[24];
    bool ok = true;
    for (int round = 0; ok && round < 30000; round++) {
        size_t n = 1 + random_below(sizeof data);
        size_t length = 1 + random_below(sizeof needle);
        length = length < n ? length : n;
        random_bytes(data, n, 2);
        random_bytes(needle, length, 2);
        if (round % 2 == 0) /* often contained */
            memcpy(needle, data + random_below((unsigned)(n - length + 1)),
                   length);
        ok = CHECK_UINT(mapped__two_way_first(needle, length, data, n),
                        naive_first(data, n, needle, length)) &&
             CHECK_UINT(mapped__two_way_last(needle, length, data, n),
                        naive_last(data, n, needle, length));
    }
}

/* A search reads one mebibyte at a time. Matches may lie across two blocks. */
static void test_search_finds_across_blocks(void)
{
    const size_t block = (size_t)1 << 20;
    size_t n = 3 * block + 77;
    unsigned char *data = calloc(n, 1);
    mapped_region *region = memory_wrap(data, n, true);
    mapped_slice slice = mapped_region_slice(region);
    for (size_t back = 0; back <= 9; back++) {
        size_t at = block - back;
        memcpy(data + at, "12345678", 8);
        CHECK_UINT(first(slice, "12345678", 8), at);
        CHECK_UINT(last(slice, "12345678", 8), at);
        CHECK_UINT(count(slice, "12345678", 8), 1);
        memcpy(data + n - at - 8, "12345678", 8);
        CHECK_UINT(last(slice, "12345678", 8), n - at - 8);
        CHECK_UINT(count(slice, "12345678", 8), 2);
        memset(data + at, 0, 8);
        memset(data + n - at - 8, 0, 8);
    }
    CHECK_UINT(count(slice, "\0\0\0\0\0\0\0", 7), n / 7);
    CHECK_UINT(count(slice, "", 1), n);
    memset(data + 5, 1, block + block / 2); /* a needle longer than a block */
    CHECK_UINT(first(slice, data + 5, block + 100), 5);
    CHECK_UINT(last(slice, data + 5, block + 100), 5 + block / 2 - 100);
    mapped_region_release(region);
    free(data);
}

static void test_search_needle_inside_the_data(void)
{
    mapped_region *region = memory_region(100000);
    mapped_slice slice = mapped_region_slice(region);
    CHECK_UINT(first(slice, region->base_ + 99000, 300), 99000 % 251);
    CHECK_UINT(last(slice, region->base_, 251), (100000 / 251 - 1) * 251);
    mapped_region_release(region);
}

static void test_search_starts_and_ends(void)
{
    unsigned char data[6] = "abcabc";
    mapped_region *region = memory_wrap(data, sizeof data, true);
    mapped_slice slice = mapped_region_slice(region);
    bool result = false;
    CHECK_STATUS(mapped_starts_with(slice, "abca", 4, &result, NULL),
                 MAPPED_OK);
    CHECK(result);
    CHECK_STATUS(mapped_ends_with(slice, "cabc", 4, &result, NULL), MAPPED_OK);
    CHECK(result);
    CHECK_STATUS(mapped_starts_with(slice, "b", 1, &result, NULL), MAPPED_OK);
    CHECK(!result);
    CHECK_STATUS(mapped_ends_with(slice, "b", 1, &result, NULL), MAPPED_OK);
    CHECK(!result);
    CHECK_STATUS(mapped_starts_with(slice, "abcabcd", 7, &result, NULL),
                 MAPPED_OK);
    CHECK(!result);
    CHECK_STATUS(mapped_ends_with(slice, "xabcabc", 7, &result, NULL),
                 MAPPED_OK);
    CHECK(!result);
    CHECK_STATUS(mapped_ends_with(slice, "", 0, &result, NULL), MAPPED_OK);
    CHECK(result);
    mapped_region_release(region);
}

/* Returns the parts' offsets and lengths as text: "0+3 4+0". */
static const char *walk(mapped_parts *parts)
{
    static char text[256];
    mapped_slice part;
    bool more = true;
    text[0] = '\0';
    for (size_t used = 0; used < sizeof text - 32;) {
        if (!CHECK_STATUS(mapped_parts_next(parts, &part, &more, NULL),
                          MAPPED_OK) ||
            !more)
            break;
        used += (size_t)sprintf(text + used, "%s%zu+%zu", used ? " " : "",
                                part.offset, part.length);
    }
    return text;
}

static const char *lines_of(const char *data, bool keep)
{
    mapped_parts parts;
    mapped_region *region = memory_wrap((void *)data, strlen(data), true);
    mapped_parts_lines(&parts, mapped_region_slice(region), keep);
    const char *text = walk(&parts);
    mapped_region_release(region);
    return text;
}

static const char *split_of(const char *data, const char *separator)
{
    mapped_parts parts;
    mapped_region *region = memory_wrap((void *)data, strlen(data), true);
    CHECK_STATUS(mapped_parts_split(&parts, mapped_region_slice(region),
                                    separator, strlen(separator), NULL),
                 MAPPED_OK);
    const char *text = walk(&parts);
    mapped_region_release(region);
    return text;
}

static void test_parts_empty_separator_is_refused(void)
{
    mapped_parts parts;
    mapped_region *region = memory_region(10);
    CHECK_STATUS(
        mapped_parts_split(&parts, mapped_region_slice(region), "", 0, NULL),
        MAPPED_ARGUMENT);
    mapped_region_release(region);
}

static void test_parts_end_with_the_region(void)
{
    mapped_parts parts;
    mapped_slice part = {0};
    bool more = true;
    mapped_region *region = memory_region(10);
    mapped_parts_lines(&parts, mapped_region_slice(region), false);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_parts_next(&parts, &part, &more, NULL), MAPPED_CLOSED);
    CHECK(part.region == NULL);
    mapped_region_release(region);
}

static void test_parts_lines(void)
{
    CHECK_TEXT(lines_of("", false), "");
    CHECK_TEXT(lines_of("\n", false), "0+0");
    CHECK_TEXT(lines_of("ab", false), "0+2");
    CHECK_TEXT(lines_of("ab\n", false), "0+2");
    CHECK_TEXT(lines_of("ab\n\ncd\r\ne", false), "0+2 3+0 4+3 8+1");
    CHECK_TEXT(lines_of("ab\n\ncd\r\ne", true), "0+3 3+1 4+4 8+1");
}

/* mapped_parts_try_next() finds the same parts as mapped_parts_next(), if they
 * end within the given distance. */
static void test_parts_near(void)
{
    mapped_parts parts;
    mapped_slice part = {0};
    mapped_region *region = memory_wrap((void *)"ab\ncdefgh\ni", 11, true);
    mapped_parts_lines(&parts, mapped_region_slice(region), true);
    CHECK(!mapped_parts_try_next(&parts, 2, &part));
    CHECK(mapped_parts_try_next(&parts, 3, &part));
    CHECK_UINT(part.length, 3);
    CHECK(!mapped_parts_try_next(&parts, 6, &part));
    CHECK(mapped_parts_try_next(&parts, 1000, &part));
    CHECK_UINT(part.offset, 3);
    CHECK_UINT(part.length, 7);
    CHECK(!mapped_parts_try_next(&parts, 1000, &part));
    CHECK_TEXT(walk(&parts), "10+1");
    CHECK(!mapped_parts_try_next(&parts, 1000, &part));
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_parts_lines(&parts, part, false);
    CHECK(!mapped_parts_try_next(&parts, 1000, &part));
    mapped_region_release(region);
}

static void test_parts_split(void)
{
    CHECK_TEXT(split_of("", ","), "0+0");
    CHECK_TEXT(split_of(",", ","), "0+0 1+0");
    CHECK_TEXT(split_of("a,b", ","), "0+1 2+1");
    CHECK_TEXT(split_of("a::b:::c::", "::"), "0+1 3+1 6+2 10+0");
}

static void test_parts_take_rest_ends_them(void)
{
    mapped_region *region = memory_region(6);
    mapped_slice part = mapped_region_slice(region);
    mapped_parts parts;
    CHECK_STATUS(mapped_write(part, 0, "a\nb\nc\n", 6, NULL), MAPPED_OK);
    mapped_parts_lines(&parts, part, false);
    CHECK(mapped_parts_try_next(&parts, 6, &part));
    CHECK(mapped_parts_take_rest(&parts, &part));
    CHECK_INT(part.offset, 2);
    CHECK_INT(part.length, 4);
    CHECK(!mapped_parts_take_rest(&parts, &part));
    CHECK(!mapped_parts_try_next(&parts, 6, &part));
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_parts_take_rest_ends_them);
    RUN(test_search_closed_region_is_an_error);
    RUN(test_search_shrunk_region_is_out_of_range);
    RUN(test_search_needle_longer_than_the_data);
    RUN(test_search_empty_needle_is_everywhere);
    RUN(test_search_finds_at_every_position);
    RUN(test_search_agrees_with_the_obvious_way);
    RUN(test_search_agrees_in_long_data);
    RUN(test_search_masks_are_the_same_everywhere);
    RUN(test_search_periodic_data_takes_the_two_way);
    RUN(test_search_ends_with_the_data_after_a_change_of_ways);
    RUN(test_search_two_way_agrees_with_the_obvious_way);
    RUN(test_search_finds_across_blocks);
    RUN(test_search_needle_inside_the_data);
    RUN(test_search_starts_and_ends);
    RUN(test_parts_empty_separator_is_refused);
    RUN(test_parts_end_with_the_region);
    RUN(test_parts_lines);
    RUN(test_parts_near);
    RUN(test_parts_split);
    return check_finish();
}
