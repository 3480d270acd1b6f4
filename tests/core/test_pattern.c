/* Guards against matches that differ from Lua's, against errors that Lua
 * doesn't raise or that are missing where it raises one, and against reading
 * bytes that the result doesn't depend on. The Lua tests compare many cases
 * with string.*; these tests are about what the core itself promises. */
#include "memory.h"

/* Compiles a pattern in exactly as many bytes as it asks for, so that a
 * sanitizer notices a write behind them. */
static const mapped_pattern *compile(const char *text, unsigned flags)
{
    static void *storage;
    size_t length = strlen(text);
    free(storage);
    storage = malloc(mapped_pattern_size(text, length, flags));
    return mapped_pattern_init(storage, text, length, flags);
}

static void put(char **to, const char *data, size_t n)
{
    memcpy(*to, data, n);
    *to += n;
}

/* Writes a match as text: "start-end" and the captures, in one pair of
 * brackets. */
static void put_match(char **to, const char *data, const mapped_match *match)
{
    *to += sprintf(*to, "[%zu-%zu", match->start, match->end);
    for (size_t i = 0; i < match->count; i++) {
        mapped_capture capture;
        mapped_error error = MAPPED_ERROR_INIT;
        *(*to)++ = ' ';
        if (mapped_match_capture(match, i, &capture, &error) != MAPPED_OK)
            *to += sprintf(*to, "%s at %d", error.operation, (int)error.offset);
        else if (capture.length == MAPPED_CAPTURE_POSITION)
            *to += sprintf(*to, "@%zu", capture.start);
        else
            put(to, data + capture.start, capture.length);
    }
    *(*to)++ = ']';
}

/* Returns all matches as text, followed by the error if there was one. */
static const char *matches(const char *data, const char *text, unsigned flags)
{
    static char result[2048];
    char *to = result;
    bool found = true;
    mapped_match match;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region = memory_wrap((void *)data, strlen(data), true);
    const mapped_pattern *pattern = compile(text, flags);
    mapped_match_init(&match, 0);
    while (to < result + sizeof result - 512) {
        if (mapped_match_next(&match, pattern, mapped_region_slice(region),
                              &found, &error) != MAPPED_OK) {
            to += sprintf(to, "%s: %s at %d", mapped_status_name(error.status),
                          error.operation, (int)error.offset);
            break;
        }
        if (!found)
            break;
        put_match(&to, data, &match);
    }
    *to = '\0';
    mapped_region_release(region);
    return result;
}

static void test_pattern_errors_name_their_place(void)
{
    static const char *const cases[][3] = {
        {"ab", "a%", "MAPPED_PATTERN: malformed pattern (ends with '%') at 1"},
        {"ab", "a[b", "MAPPED_PATTERN: malformed pattern (missing ']') at 1"},
        {"ab", "[]", "MAPPED_PATTERN: malformed pattern (missing ']') at 0"},
        {"ab", "[%]", "MAPPED_PATTERN: malformed pattern (missing ']') at 0"},
        {"ab", "a%fb",
         "MAPPED_PATTERN: missing '[' after '%f' in pattern at 1"},
        {"ab", "a%f[b", "MAPPED_PATTERN: malformed pattern (missing ']') at 3"},
        {"ab", "%b(",
         "MAPPED_PATTERN: malformed pattern (missing arguments to '%b') at 0"},
        {"ab", "a)", "MAPPED_PATTERN: invalid pattern capture at 1"},
        {"ab", "(a)%2", "MAPPED_PATTERN: invalid capture index %2 at 3"},
        {"ab", "(a%1)", "MAPPED_PATTERN: invalid capture index %1 at 2"},
        {"ab", "a%0", "MAPPED_PATTERN: invalid capture index %0 at 1"},
        {"abc", "a(b", "[0-2 unfinished capture at 1]"},
        {"ab",
         "()()()()()()()()()()()()()()()()()()()()()()()()()()()()()()"
         "()()()",
         "MAPPED_PATTERN: too many captures at 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CHECK_TEXT(matches(cases[i][0], cases[i][1], 0), cases[i][2]);
}

/* As in Lua, a mistake in a pattern is an error only if the match reaches it.
 */
static void test_pattern_errors_wait_until_they_are_reached(void)
{
    CHECK_TEXT(matches("abc", "x[", 0), "");
    CHECK_TEXT(matches("abc", "x%", 0), "");
    CHECK_TEXT(matches("abc", "(x", 0), "");
    CHECK_TEXT(matches("xab", "^a)", 0), "");
}

static void test_pattern_depth_is_limited_as_in_lua(void)
{
    char data[256];
    char text[512];
    memset(data, 'a', sizeof data);
    for (size_t n = 198; n <= 201; n++) {
        data[n] = '\0';
        for (size_t i = 0; i < n; i++)
            memcpy(text + 2 * i, "a?", 3);
        const char *expected = n < 200 ? "[0-" : "MAPPED_PATTERN: pattern too";
        CHECK(strncmp(matches(data, text, 0), expected, strlen(expected)) == 0);
        data[n] = 'a';
    }
}

static void test_pattern_captures(void)
{
    CHECK_TEXT(matches("key = value", "(%w+) = (%w+)", 0), "[0-11 key value]");
    CHECK_TEXT(matches("hello", "()ll()", 0), "[2-4 @2 @4]");
    CHECK_TEXT(matches("aXbXc", "((.)X)", 0), "[0-2 aX a][2-4 bX b]");
    CHECK_TEXT(matches("say \"hi\" 'no\"", "([\"'])(.-)%1", 0), "[4-8 \" hi]");
    CHECK_TEXT(matches("aa()", "()%1", 0), "");
}

static void test_pattern_items(void)
{
    CHECK_TEXT(matches("f(a(b)c)(d", "%b()", 0), "[1-8]");
    CHECK_TEXT(matches("THE (quick) fox", "%f[%a]%a+", 0),
               "[0-3][5-10][12-15]");
    CHECK_TEXT(matches("ab12", "%f[%z]", 0), "[4-4]");
    CHECK_TEXT(matches("a-]b", "[]-]+", 0), "[1-3]");
    CHECK_TEXT(matches("a$b", "$b", 0), "[1-3]");
    CHECK_TEXT(matches("aab", "a-b", 0), "[0-3]");
    CHECK_TEXT(matches("<a><b>", "<.->", 0), "[0-3][3-6]");
    CHECK_TEXT(matches("<a><b>", "<.*>", 0), "[0-6]");
    CHECK_TEXT(matches("colour color", "colou?r", 0), "[0-6][7-12]");
    CHECK_TEXT(matches("x^2", "^2", MAPPED_PATTERN_NO_ANCHOR), "[1-3]");
    CHECK_TEXT(matches("x^2", "^2", 0), "");
    CHECK_TEXT(matches("xx", "^x", 0), "[0-1]");
}

/* As in gmatch and gsub, no empty match begins where the last match ended. */
static void test_pattern_walks_over_empty_matches(void)
{
    CHECK_TEXT(matches("ab", "", 0), "[0-0][1-1][2-2]");
    CHECK_TEXT(matches("aab", "a*", 0), "[0-2][3-3]");
    CHECK_TEXT(matches("", ".*", 0), "[0-0]");
    CHECK_TEXT(matches("", "a", 0), "");
}

static void test_pattern_start_behind_the_end_finds_nothing(void)
{
    unsigned char data[3] = "abc";
    mapped_region *region = memory_wrap(data, 3, true);
    mapped_match match;
    bool found = true;
    mapped_match_init(&match, 4);
    CHECK_STATUS(mapped_match_next(&match, compile("", 0),
                                   mapped_region_slice(region), &found, NULL),
                 MAPPED_OK);
    CHECK(!found);
    mapped_match_init(&match, SIZE_MAX);
    CHECK_STATUS(mapped_match_next(&match, compile("^", 0),
                                   mapped_region_slice(region), &found, NULL),
                 MAPPED_OK);
    CHECK(!found);
    mapped_region_release(region);
}

static void test_pattern_closed_region_is_an_error(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = mapped_region_slice(region);
    mapped_match match;
    bool found = true;
    mapped_match_init(&match, 0);
    CHECK_STATUS(
        mapped_match_next(&match, compile(".", 0), slice, &found, NULL),
        MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(
        mapped_match_next(&match, compile(".", 0), slice, &found, NULL),
        MAPPED_CLOSED);
    CHECK(found);
    mapped_match_init(&match, 0);
    CHECK_STATUS(
        mapped_match_next(&match, compile(".", 0), slice, &found, NULL),
        MAPPED_CLOSED);
    mapped_region_release(region);
}

/* The data are longer than a block. The patterns begin with a fixed text, with
 * a set, and with neither, which the search skips over in different ways. */
static void test_pattern_finds_across_blocks(void)
{
    static const char *const texts[] = {"end(%d)", "%d",       "[^.]*%d",
                                        ".%d",     "%f[%d]%d", "(e)(n)(d)%d"};
    const size_t n = ((size_t)1 << 21) + 100;
    unsigned char *data = malloc(n);
    memset(data, '.', n);
    mapped_region *region = memory_wrap(data, n, true);
    for (size_t at = n / 2 - 55; at < n / 2 - 45; at++) {
        memcpy(data + at, "end7", 4);
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            bool found = false;
            mapped_match match;
            mapped_match_init(&match, 0);
            CHECK_STATUS(mapped_match_next(&match, compile(texts[i], 0),
                                           mapped_region_slice(region), &found,
                                           NULL),
                         MAPPED_OK);
            CHECK(found);
            CHECK_UINT(match.end, at + 4);
        }
        memset(data + at, '.', 4);
    }
    mapped_region_release(region);
    free(data);
}

/* 200,000 brackets open and close again, with a letter on both sides. Matching
 * them takes more steps than the matcher makes between two checks of the
 * region's state. */
static void test_pattern_walks_far_in_one_go(void)
{
    static const struct {
        const char *text;
        size_t start;
        size_t end;
    } cases[] = {{"%(+", 1, 200001},  {"[^)]+", 0, 200001},
                 {".-%)", 0, 200002}, {"%b()", 1, 400001},
                 {"%bx)", 0, 200002}, {"(%(+)%1%)", 1, 200002},
                 {".*%(", 0, 200001}};
    const size_t half = 200000, n = 2 * half + 2;
    char *data = malloc(n);
    memset(data, 'x', n);
    memset(data + 1, '(', half);
    memset(data + 1 + half, ')', half);
    mapped_region *region = memory_wrap(data, n, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool found = false;
        mapped_match match;
        mapped_match_init(&match, 0);
        CHECK_STATUS(mapped_match_next(&match, compile(cases[i].text, 0),
                                       mapped_region_slice(region), &found,
                                       NULL),
                     MAPPED_OK);
        CHECK(found);
        CHECK_UINT(match.start, cases[i].start);
        CHECK_UINT(match.end, cases[i].end);
    }
    mapped_region_release(region);
    free(data);
}

static void test_pattern_plain_texts(void)
{
    CHECK(mapped_pattern_is_plain("", 0));
    CHECK(mapped_pattern_is_plain("a)b]\0c", 6));
    CHECK(!mapped_pattern_is_plain("a.b", 3));
    CHECK(!mapped_pattern_is_plain("a\0%", 3));
}

int main(void)
{
    RUN(test_pattern_errors_name_their_place);
    RUN(test_pattern_errors_wait_until_they_are_reached);
    RUN(test_pattern_depth_is_limited_as_in_lua);
    RUN(test_pattern_captures);
    RUN(test_pattern_items);
    RUN(test_pattern_walks_over_empty_matches);
    RUN(test_pattern_start_behind_the_end_finds_nothing);
    RUN(test_pattern_closed_region_is_an_error);
    RUN(test_pattern_finds_across_blocks);
    RUN(test_pattern_walks_far_in_one_go);
    RUN(test_pattern_plain_texts);
    return check_finish();
}
