/* Guards against a search or a match that reads one byte too many, where the
 * data ends at an unreadable page. Guards also against one that takes the zeros
 * of a lost page for data, and one that reports a lost page although the result
 * doesn't depend on it. */
#include "faulty.h"

#include <time.h>

static unsigned char *page;

static mapped_region *region_at_edge(size_t length, bool at_end)
{
    size_t size = scratch_page();
    if (page == NULL) {
        page =
            mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED ||
            mprotect(page + size, size, PROT_READ | PROT_WRITE) != 0)
            exit(1);
        page += size;
    }
    memset(page, 'a', size);
    return memory_wrap(at_end ? page + size - length : page, length, true);
}

static void search_all(mapped_slice slice, const char *bytes, size_t length)
{
    mapped_needle needle;
    size_t result;
    bool is;
    mapped_needle_init(&needle, bytes, length);
    CHECK_STATUS(mapped_find(slice, &needle, &result, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_rfind(slice, &needle, &result, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_count(slice, &needle, &result, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_starts_with(slice, bytes, length, &is, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_ends_with(slice, bytes, length, &is, NULL), MAPPED_OK);
}

static void test_search_stays_inside_at_page_ends(void)
{
    static const char *const needles[] = {
        "a",
        "b",
        "ab",
        "ba",
        "aab",
        "baa",
        "aaaaaaaaaaaaaaaaaab",
        "baaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t length = 0; length < 200; length++)
        for (int at_end = 0; at_end < 2; at_end++) {
            mapped_region *region = region_at_edge(length, at_end);
            for (size_t i = 0; i < sizeof needles / sizeof needles[0]; i++)
                search_all(mapped_region_slice(region), needles[i],
                           strlen(needles[i]));
            mapped_region_release(region);
        }
}

static mapped_status match_first(mapped_slice slice, const char *text,
                                 bool *found)
{
    mapped_match match;
    void *storage = malloc(mapped_pattern_size(text, strlen(text), 0));
    mapped_match_init(&match, 0);
    mapped_status status = mapped_match_next(
        &match, mapped_pattern_init(storage, text, strlen(text), 0), slice,
        found, NULL);
    free(storage);
    return status;
}

static void test_pattern_stays_inside_at_page_ends(void)
{
    static const char *const texts[] = {
        "b",    "ab",       "a*b",     "a+$b",    "a-b",     "[^a]",
        "%bab", "%baa",     "%f[^a]b", "(a+)%1b", "(a-)%1b", "a?a?b",
        ".-b",  "aaaaaaab", "%f[a]b",  "a*$",     "(.+)%1$", "[%a]+b"};
    for (size_t length = 0; length < 40; length++)
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            for (int at_end = 0; at_end < 2; at_end++) {
                bool found;
                mapped_region *region = region_at_edge(length, at_end);
                CHECK_STATUS(
                    match_first(mapped_region_slice(region), texts[i], &found),
                    MAPPED_OK);
                mapped_region_release(region);
            }
}

/* Makes a region of four pages of dots, with "needle" across the first two. The
 * last two pages are lost. */
static mapped_region *cut_off(void)
{
    const char *path = scratch_path("cut");
    size_t size = scratch_page();
    mapped_region *region = NULL;
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; file && i < 4 * size; i++)
        putc(i - size + 3 < 6 ? "needle"[i - size + 3] : '.', file);
    if (!file || fclose(file) != 0 ||
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL) !=
            MAPPED_OK ||
        truncate(path, (off_t)(2 * size)) != 0)
        exit(1);
    unlink(path);
    return region;
}

static void test_search_counts_only_what_it_depends_on(void)
{
    mapped_region *region = cut_off();
    mapped_slice slice = mapped_region_slice(region);
    mapped_needle needle;
    size_t result = 7;
    bool is = true;
    mapped_needle_init(&needle, "needle", 6);
    CHECK_STATUS(mapped_rfind(slice, &needle, &result, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_count(slice, &needle, &result, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_ends_with(slice, "..", 2, &is, NULL), MAPPED_FAULT);
    CHECK(is && result == 7);
    CHECK_STATUS(mapped_find(slice, &needle, &result, NULL), MAPPED_OK);
    CHECK_UINT(result, scratch_page() - 3);
    CHECK_STATUS(mapped_starts_with(slice, "..", 2, &is, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_rfind(memory_slice(region, 0, 2 * scratch_page()),
                              &needle, &result, NULL),
                 MAPPED_OK);
    mapped_needle_init(&needle, "nowhere", 7);
    CHECK_STATUS(mapped_find(slice, &needle, &result, NULL), MAPPED_FAULT);
    mapped_region_release(region);
}

static void test_pattern_counts_only_what_it_depends_on(void)
{
    static const struct {
        const char *text;
        mapped_status expected;
    } cases[] = {{"nowhere", MAPPED_FAULT}, {"n%a+", MAPPED_OK},
                 {"%f[%a]%a+", MAPPED_OK},  {"%z", MAPPED_FAULT},
                 {"n.*", MAPPED_OK},        {"n.-$", MAPPED_FAULT},
                 {"e%.+", MAPPED_FAULT},    {"%bn!", MAPPED_FAULT},
                 {"%bne", MAPPED_OK},       {"(%.)%a%1%d", MAPPED_FAULT},
                 {"l[", MAPPED_PATTERN},    {"n%a+%.+(", MAPPED_FAULT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool found = true;
        mapped_region *region = cut_off();
        CHECK_STATUS(
            match_first(mapped_region_slice(region), cases[i].text, &found),
            cases[i].expected);
        CHECK(found);
        mapped_region_release(region);
    }
}

/* The patterns are anchored, so that only the match itself reads the lost
 * pages. */
static void test_pattern_counts_all_that_an_item_looked_at(void)
{
    static const char *const texts[] = {"^%bn!", "^n[^!]-!", "^%a+%.+$",
                                        "^n.-%d"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool found = true;
        mapped_region *region = cut_off();
        size_t start = scratch_page() - 3;
        mapped_slice slice =
            memory_slice(region, start, 4 * scratch_page() - start);
        CHECK_STATUS(match_first(slice, texts[i], &found), MAPPED_FAULT);
        mapped_region_release(region);
    }
}

/* Makes 64 KiB on which the following patterns take practically for ever. They
 * do so on any bytes but "b", so the zeros of a closed region don't end the
 * match either. */
static mapped_region *monotonous(void)
{
    mapped_region *region = memory_region((size_t)1 << 16);
    memset(region->base_, 'a', (size_t)1 << 16);
    return region;
}

#define TEN_TIMES(item) item item item item item item item item item item

static const char *const endless[] = {
    "^.-.-.-b", "^.*.*.*b", "^[^b]*[^b]+[^b]*b",
    "^" TEN_TIMES(".?") TEN_TIMES(".?") TEN_TIMES(".?") TEN_TIMES(".?") "b"};
#define ENDLESS (sizeof endless / sizeof endless[0])

static void *close_soon(void *region)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
    return NULL;
}

/* If the close doesn't end the match, the alarm ends the program. */
static void test_pattern_close_ends_a_single_attempt(void)
{
    for (size_t i = 0; i < ENDLESS; i++) {
        bool found = true;
        pthread_t closer;
        mapped_region *region = monotonous();
        mapped_slice slice = mapped_region_slice(region);
        mapped_region_acquire(region);
        alarm(60);
        if (pthread_create(&closer, NULL, close_soon, region) != 0)
            exit(1);
        CHECK_STATUS(match_first(slice, endless[i], &found), MAPPED_CLOSED);
        pthread_join(closer, NULL);
        alarm(0);
        CHECK(found);
        mapped_region_release(region);
    }
}

static void test_pattern_lost_page_ends_a_single_attempt(void)
{
    for (size_t i = 0; i < 2; i++) {
        bool found = true;
        mapped_region *region = cut_off();
        alarm(60);
        CHECK_STATUS(
            match_first(mapped_region_slice(region), endless[i], &found),
            MAPPED_FAULT);
        alarm(0);
        mapped_region_release(region);
    }
}

/* A comparison checks for lost pages block by block. A page that is lost behind
 * the block with the first difference doesn't matter. */
static void test_compare_counts_only_what_it_depends_on(void)
{
    const size_t mebibyte = (size_t)1 << 20;
    mapped_region *lost = faulty_half(mebibyte);
    mapped_region *whole = memory_region(2 * mebibyte);
    mapped_slice a = mapped_region_slice(lost);
    mapped_slice b = mapped_region_slice(whole);
    int order = 0;
    CHECK_STATUS(mapped_compare(a, b, &order, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_compare(b, a, &order, NULL), MAPPED_FAULT);
    CHECK_STATUS(
        mapped_compare_bytes(a, whole->base_, 2 * mebibyte, &order, NULL),
        MAPPED_FAULT);
    CHECK_INT(order, 0);
    whole->base_[mebibyte - 1] = 0xff;
    CHECK_STATUS(mapped_compare(a, b, &order, NULL), MAPPED_OK);
    CHECK(order < 0);
    CHECK_STATUS(mapped_compare(b, a, &order, NULL), MAPPED_OK);
    CHECK(order > 0);
    CHECK_STATUS(
        mapped_compare_bytes(a, whole->base_, 2 * mebibyte, &order, NULL),
        MAPPED_OK);
    CHECK(order < 0);
    mapped_region_release(lost);
    mapped_region_release(whole);
}

/* A page of the first block is lost, and the match lies in the last block. */
static void test_pattern_passes_over_no_lost_page(void)
{
    static const char *const texts[] = {"needle%d", "%z%d", "7$", "()needle7"};
    const size_t length = (size_t)3 << 20;
    const char *path = scratch_file("passed", length);
    mapped_region *region = NULL;
    uint8_t byte = 0;
    if (mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL) !=
            MAPPED_OK ||
        truncate(path, 0) != 0)
        exit(1);
    mapped_slice slice = mapped_region_slice(region);
    CHECK_STATUS(mapped_get_u8(slice, length / 6, &byte, NULL), MAPPED_FAULT);
    CHECK_INT(truncate(path, (off_t)length), 0);
    CHECK_STATUS(mapped_write(slice, length - 7, "needle7", 7, NULL),
                 MAPPED_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bool found = false;
        CHECK_STATUS(match_first(slice, texts[i], &found), MAPPED_FAULT);
        CHECK_STATUS(match_first(memory_slice(region, length / 2, length / 2),
                                 texts[i], &found),
                     MAPPED_OK);
    }
    unlink(path);
    mapped_region_release(region);
}

/* A needle is tuned by counting bytes of the haystack. It must not read behind
 * the haystack's end. */
static void test_needle_learns_from_no_byte_behind_the_sample(void)
{
    mapped_region *region = region_at_edge(100, true);
    mapped_needle needle;
    mapped_needle_init(&needle, "ab", 2);
    mapped_needle_tune(&needle, region->base_, 100);
    CHECK_UINT(mapped_needle_first(&needle, region->base_, 100),
               MAPPED_NOT_FOUND);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_search_stays_inside_at_page_ends);
    RUN(test_pattern_stays_inside_at_page_ends);
    RUN(test_search_counts_only_what_it_depends_on);
    RUN(test_pattern_counts_only_what_it_depends_on);
    RUN(test_pattern_counts_all_that_an_item_looked_at);
    RUN(test_compare_counts_only_what_it_depends_on);
    RUN(test_pattern_passes_over_no_lost_page);
    RUN(test_needle_learns_from_no_byte_behind_the_sample);
    RUN(test_pattern_close_ends_a_single_attempt);
    RUN(test_pattern_lost_page_ends_a_single_attempt);
    return check_finish();
}
