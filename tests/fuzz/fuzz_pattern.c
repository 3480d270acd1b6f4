/* Guards against a match that reads outside of the pattern or of the text,
 * which both lie at the end of a page. Matches must lie inside and in order,
 * and an error must name a position in the pattern. Plain needles are compared
 * with a naive search. */
#include "guarded.h"

static size_t naive_first(const unsigned char *data, size_t n,
                          const unsigned char *needle, size_t length)
{
    for (size_t at = 0; length <= n && at <= n - length; at++)
        if (length == 0 || memcmp(data + at, needle, length) == 0)
            return at;
    return MAPPED_NOT_FOUND;
}

static void check_captures(const mapped_match *match, size_t length)
{
    for (size_t i = 0; i < match->count; i++) {
        mapped_capture capture;
        mapped_error error = MAPPED_ERROR_INIT;
        mapped_status status = mapped_match_capture(match, i, &capture, &error);
        EXPECT(status == MAPPED_OK || status == MAPPED_PATTERN);
        if (status == MAPPED_OK && capture.length == MAPPED_CAPTURE_POSITION)
            EXPECT(capture.start <= length);
        else if (status == MAPPED_OK)
            EXPECT(mapped_range_fits(capture.start, capture.length, length));
    }
}

/* Finds all matches, one after the other. */
static void walk(const mapped_pattern *pattern, size_t places,
                 mapped_slice slice)
{
    mapped_match match;
    mapped_error error = MAPPED_ERROR_INIT;
    bool found = true;
    size_t behind = 0;
    mapped_match_init(&match, 0);
    for (;;) {
        mapped_status status =
            mapped_match_next(&match, pattern, slice, &found, &error);
        EXPECT(status == MAPPED_OK || status == MAPPED_PATTERN);
        EXPECT(status == MAPPED_OK || error.offset <= places);
        if (status != MAPPED_OK || !found)
            return;
        EXPECT(behind <= match.start && match.start <= match.end);
        EXPECT(match.end <= slice.length);
        check_captures(&match, slice.length);
        behind = match.end;
    }
}

static void try_pattern(const unsigned char *text, size_t length,
                        unsigned flags, mapped_slice slice)
{
    void *storage = malloc(mapped_pattern_size(text, length, flags));
    EXPECT(storage != NULL);
    walk(mapped_pattern_init(storage, text, length, flags), length, slice);
    free(storage);
}

static void try_needle(const unsigned char *text, size_t length,
                       mapped_slice slice, const unsigned char *data)
{
    mapped_needle needle;
    size_t offset;
    size_t last;
    size_t count;
    mapped_needle_init(&needle, text, length);
    if (length > 0)
        mapped_needle_tune(&needle, data, slice.length);
    EXPECT(mapped_find(slice, &needle, &offset, NULL) == MAPPED_OK);
    EXPECT(mapped_rfind(slice, &needle, &last, NULL) == MAPPED_OK);
    EXPECT(mapped_count(slice, &needle, &count, NULL) == MAPPED_OK);
    EXPECT(offset == naive_first(data, slice.length, text, length));
    EXPECT((count == 0) == (offset == MAPPED_NOT_FOUND));
    EXPECT((last == MAPPED_NOT_FOUND) == (count == 0));
    EXPECT(count == 0 || offset <= last);
}

/* The texts are short, because a match may take exponential time, as in Lua. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    size_t length = take(&in) % 13;
    unsigned flags = take(&in) & MAPPED_PATTERN_NO_ANCHOR;
    mapped_region *region;
    length = length < in.left ? length : in.left;
    size_t n = in.left - length < 24 ? in.left - length : 24;
    unsigned char *text = malloc(length > 0 ? length : 1);
    unsigned char *bytes = guarded(n, true);
    EXPECT(text != NULL);
    memcpy(text, in.data, length);
    memcpy(bytes, in.data + length, n);
    EXPECT(mapped_region_wrap(bytes, n, true, NULL, NULL, &region, NULL) ==
           MAPPED_OK);
    mapped_slice slice = mapped_region_slice(region);
    try_pattern(text, length, flags, slice);
    try_needle(text, length, slice, bytes);
    mapped_region_release(region);
    free(text);
    return 0;
}
