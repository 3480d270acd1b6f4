/* Large files: a walk in windows, searches and lines across their edges. */
#include "example.h"

#include <fcntl.h>
#include <unistd.h>

static void walk(mapped_windows *windows)
{
    mapped_slice window;
    bool more;
    uint64_t size, seen = 0;

    must(mapped_windows_file_size(windows, &size, &error));
    for (;;) {
        must(mapped_windows_next(windows, &window, &more, &error));
        if (!more)
            break;
        assert(mapped_region_file_offset(window.region) == seen);
        seen += window.length;
    }
    assert(seen == size && mapped_windows_length(windows) == 4);
    mapped_windows_seek(windows, 2); /* once more from there */
    must(mapped_windows_next(windows, &window, &more, &error));
    assert(more && mapped_region_file_offset(window.region) == 2);
}

static void search(const mapped_windows *windows)
{
    mapped_needle needle;
    uint64_t at;

    mapped_needle_init(&needle, "two", 3);
    must(mapped_windows_find(windows, &needle, 0, &at, &error));
    assert(at == 4);
    must(mapped_windows_count(windows, &needle, &at, &error));
    assert(at == 1);
}

static void lines(const mapped_windows *windows)
{
    mapped_windows_lines lines;
    mapped_slice line;
    bool more;
    int count = 0;

    mapped_windows_lines_init(&lines, windows, false);
    while (mapped_windows_lines_next(&lines, &line, &more, &error) ==
               MAPPED_OK &&
           more)
        count++;
    assert(count == 3);
    mapped_windows_lines_deinit(&lines);
}

/* The steps, for programs that keep the regions themselves. */
static void by_hand(mapped_windows *windows)
{
    mapped_windows before = *windows;
    mapped_window window;
    mapped_region *region;

    assert(mapped_windows_advance(windows, 14, &window));
    must(mapped_windows_map(windows, window, NULL, &region, &error));
    mapped_region_release(region);
    mapped_windows_undo(windows, window, &before); /* as if never gone on */
}

static void lines_by_hand(const mapped_windows *windows)
{
    mapped_windows_lines lines;
    mapped_lines_step step = MAPPED_LINES_WINDOW;
    mapped_region *region = NULL, *mapped;
    mapped_slice line;

    mapped_windows_lines_init(&lines, windows, true);
    while (step == MAPPED_LINES_WINDOW) {
        must(mapped_windows_lines_step(&lines, &line, &step, &error));
        if (step == MAPPED_LINES_WINDOW) {
            must(mapped_windows_lines_map(&lines, NULL, &mapped, &error));
            mapped_region_release(region);
            region = mapped;
        }
    }
    assert(line.length == 4);
    (void)mapped_windows_lines_try_next(&lines, 100, &line); /* if at hand */
    mapped_windows_lines_deinit(&lines);
    mapped_region_release(region);
}

int main(void)
{
    mapped_windows windows;

    make_file("huge.log", "one\ntwo\nthree\n");
    must(mapped_windows_open(&windows, "huge.log", 4, 0, &error));
    assert(strcmp(mapped_windows_name(&windows), "huge.log") == 0);
    walk(&windows);
    search(&windows);
    lines(&windows);
    mapped_windows_close(&windows);
    assert(mapped_windows_closed(&windows));

    int file = open("huge.log", O_RDONLY);
    must(mapped_windows_open_descriptor(&windows, file, NULL, 4, 0, &error));
    by_hand(&windows);
    lines_by_hand(&windows);
    mapped_windows_close(&windows);
    close(file);
    return 0;
}
