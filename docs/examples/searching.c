/* Searching: needles, lines and parts, Lua's patterns. */
#include "example.h"

static const char TEXT[] = "key=1\nname=ore\nkey=22\n";

static void needles(mapped_slice slice)
{
    mapped_needle needle;
    size_t at;
    bool yes;

    mapped_needle_init(&needle, "key", 3);
    must(mapped_find(slice, &needle, &at, &error));
    assert(at == 0);
    must(mapped_rfind(slice, &needle, &at, &error));
    assert(at == 15);
    must(mapped_count(slice, &needle, &at, &error));
    assert(at == 2);
    must(mapped_starts_with(slice, "key", 3, &yes, &error));
    assert(yes);
    must(mapped_ends_with(slice, "22\n", 3, &yes, &error));
    assert(yes);
}

/* The same in plain memory. */
static void needles_in_memory(void)
{
    mapped_needle needle;
    size_t next;

    mapped_needle_init(&needle, "=", 1);
    mapped_needle_tune(&needle, TEXT, sizeof TEXT - 1); /* a sample: speed */
    assert(mapped_needle_length(&needle) == 1);
    assert(memcmp(mapped_needle_bytes(&needle), "=", 1) == 0);
    assert(mapped_needle_first(&needle, TEXT, sizeof TEXT - 1) == 3);
    assert(mapped_needle_last(&needle, TEXT, sizeof TEXT - 1) == 18);
    assert(mapped_needle_count(&needle, TEXT, sizeof TEXT - 1, &next) == 3);
    assert(mapped_needle_first(&needle, "none", 4) == MAPPED_NOT_FOUND);
}

static void parts(mapped_slice slice)
{
    mapped_parts parts;
    mapped_slice part;
    bool more;
    int lines = 0;

    mapped_parts_lines(&parts, slice, false);
    while (mapped_parts_next(&parts, &part, &more, &error) == MAPPED_OK && more)
        lines++;
    assert(lines == 3 && mapped_parts_left(&parts) == 0);
    must(mapped_parts_split(&parts, slice, "=", 1, &error));
    assert(mapped_parts_try_next(&parts, 100, &part) && part.length == 3);
    assert(mapped_parts_take_rest(&parts, &part) && part.length == 18);
}

static void patterns(mapped_slice slice)
{
    static const char text[] = "(%a+)=(%d+)";
    mapped_pattern_classes classes;
    const mapped_pattern *pattern;
    mapped_match match;
    mapped_capture capture;
    bool found;
    int matches = 0;

    assert(!mapped_pattern_is_plain(text, sizeof text - 1));
    mapped_pattern_classes_get(&classes);
    void *storage = malloc(mapped_pattern_size(text, sizeof text - 1, 0));
    pattern = mapped_pattern_init(storage, text, sizeof text - 1, 0);
    assert(mapped_pattern_classes_current(&classes)); /* the same locale */
    mapped_match_init(&match, 0);
    for (;; matches++) {
        must(mapped_match_next(&match, pattern, slice, &found, &error));
        if (!found)
            break;
        must(mapped_match_capture(&match, 0, &capture, &error));
        assert(capture.length == 3); /* "key" */
    }
    assert(matches == 2);
    free(storage);
}

int main(void)
{
    mapped_region *region = zeros(sizeof TEXT - 1);
    mapped_slice slice = mapped_region_slice(region);

    must(mapped_write(slice, 0, TEXT, sizeof TEXT - 1, &error));
    needles(slice);
    needles_in_memory();
    parts(slice);
    patterns(slice);
    mapped_region_release(region);
    return 0;
}
