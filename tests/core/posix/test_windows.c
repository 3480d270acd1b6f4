/* Guards against mistakes at the edges of windows over a file: bytes that are
 * skipped or shown twice, matches that are missed or counted twice, lines that
 * are cut in two. Guards also against offsets that don't fit into 32 bits, and
 * against files that change during a walk. */
#include "scratch.h"

static mapped_windows opened(const char *path, uint64_t size, uint64_t overlap)
{
    mapped_windows windows;
    if (!CHECK_STATUS(mapped_windows_open(&windows, path, size, overlap, NULL),
                      MAPPED_OK))
        exit(check_finish());
    return windows;
}

static const char *written(const char *name, const char *text)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        exit(1);
    return path;
}

static bool next(mapped_windows *windows, mapped_slice *window)
{
    bool more = false;
    if (!CHECK_STATUS(mapped_windows_next(windows, window, &more, NULL),
                      MAPPED_OK))
        exit(check_finish());
    return more;
}

static uint64_t find(const mapped_windows *windows, const char *text,
                     uint64_t from)
{
    mapped_needle needle;
    uint64_t offset = 0;
    mapped_needle_init(&needle, text, strlen(text));
    CHECK_STATUS(mapped_windows_find(windows, &needle, from, &offset, NULL),
                 MAPPED_OK);
    return offset;
}

static uint64_t count(const mapped_windows *windows, const char *text)
{
    mapped_needle needle;
    uint64_t result = 0;
    mapped_needle_init(&needle, text, strlen(text));
    CHECK_STATUS(mapped_windows_count(windows, &needle, &result, NULL),
                 MAPPED_OK);
    return result;
}

static void test_windows_refuse_bad_arguments(void)
{
    const char *path = scratch_file("bad", 10);
    mapped_windows windows;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_windows_open(&windows, path, 0, 0, &error),
                 MAPPED_ARGUMENT);
    CHECK_TEXT(error.operation, "windows: the size is 0");
    CHECK_STATUS(mapped_windows_open(&windows, path, 4, 4, &error),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_windows_open(&windows, path, 4, UINT64_MAX, &error),
                 MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_windows_open_descriptor(&windows, -1, NULL, 4, 0, NULL),
                 MAPPED_SYSTEM);
    if (SIZE_MAX < UINT64_MAX)
        CHECK_STATUS(mapped_windows_open(&windows, path, (uint64_t)SIZE_MAX + 1,
                                         0, &error),
                     MAPPED_OVERFLOW);
}

static void test_windows_refuse_what_is_no_file(void)
{
    mapped_windows windows;
    mapped_error error = MAPPED_ERROR_INIT;
    int before = scratch_descriptors();
    CHECK_STATUS(
        mapped_windows_open(&windows, scratch_path("none"), 4, 0, &error),
        MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOENT);
    CHECK_TEXT(error.operation, "windows");
    CHECK(strstr(error.path, "none") != NULL);
    CHECK_STATUS(mapped_windows_open(&windows, scratch_root(), 4, 0, &error),
                 MAPPED_NOT_A_FILE);
    CHECK_INT(error.os_error, EISDIR);
    CHECK_STATUS(mapped_windows_open(&windows, "/proc/self/maps", 4, 0, &error),
                 MAPPED_NOT_A_FILE);
    CHECK_STATUS(mapped_windows_open(&windows, "/dev/zero", 4, 0, &error),
                 MAPPED_ARGUMENT);
    CHECK_INT(scratch_descriptors(), before);
}

static void test_windows_closed_answer_closed(void)
{
    mapped_windows windows = opened(scratch_file("closed", 10), 4, 0);
    mapped_windows zero;
    mapped_windows_lines lines;
    mapped_needle needle;
    mapped_slice window;
    bool more = true;
    uint64_t number = 7;
    memset(&zero, 0, sizeof zero);
    mapped_needle_init(&needle, "a", 1);
    mapped_windows_close(&zero);
    mapped_windows_close(&windows);
    mapped_windows_close(&windows);
    CHECK(mapped_windows_closed(&windows) && mapped_windows_closed(&zero));
    CHECK_STATUS(mapped_windows_next(&zero, &window, &more, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_windows_next(&windows, &window, &more, NULL),
                 MAPPED_CLOSED);
    CHECK(more);
    CHECK_STATUS(mapped_windows_find(&windows, &needle, 0, &number, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_windows_count(&windows, &needle, &number, NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_windows_file_size(&windows, &number, NULL),
                 MAPPED_CLOSED);
    CHECK_UINT(number, 7);
    mapped_windows_lines_init(&lines, &windows, false);
    CHECK_STATUS(mapped_windows_lines_next(&lines, &window, &more, NULL),
                 MAPPED_CLOSED);
    mapped_windows_lines_deinit(&lines);
}

static void test_windows_of_an_empty_file(void)
{
    mapped_windows windows = opened(scratch_file("empty", 0), 4, 0);
    mapped_slice window;
    CHECK(!next(&windows, &window));
    CHECK_UINT(find(&windows, "a", 0), MAPPED_WINDOWS_NOT_FOUND);
    CHECK_UINT(find(&windows, "", 0), 0);
    CHECK_UINT(count(&windows, ""), 1);
    mapped_windows_close(&windows);
}

/* Checks that the windows show every byte once, apart from the overlap that was
 * asked for. */
static void check_walk(size_t length, uint64_t size, uint64_t overlap)
{
    mapped_windows windows =
        opened(scratch_file("walk", length), size, overlap);
    mapped_slice window;
    uint64_t covered = 0;
    while (next(&windows, &window)) {
        uint64_t offset = mapped_region_file_offset(window.region);
        CHECK_UINT(offset, covered == 0 ? 0 : covered - overlap);
        CHECK(window.length <= size);
        CHECK(window.length == size || offset + window.length == length);
        CHECK(offset + window.length > covered);
        for (size_t i = 0; i < window.length; i++)
            if (!CHECK_INT(scratch_get(window.region, i),
                           scratch_byte((size_t)offset + i)))
                return;
        covered = offset + window.length;
    }
    CHECK_UINT(covered, length);
    CHECK(!next(&windows, &window));
    mapped_windows_close(&windows);
}

static void test_windows_show_every_byte(void)
{
    static const size_t lengths[] = {1, 2, 7, 4096, 4097, 10000};
    static const uint64_t sizes[] = {1, 2, 3, 7, 4095, 4096, 5000, 1 << 20};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            if (lengths[i] / sizes[j] > 500)
                continue;
            check_walk(lengths[i], sizes[j], 0);
            check_walk(lengths[i], sizes[j], sizes[j] / 2);
            if (sizes[j] > 1 && lengths[i] < 500)
                check_walk(lengths[i], sizes[j], sizes[j] - 1);
        }
}

static void test_windows_release_the_one_before(void)
{
    int before = scratch_descriptors();
    long pages = scratch_address_pages();
    mapped_windows windows = opened(scratch_file("release", 50000), 4096, 0);
    mapped_slice window;
    while (next(&windows, &window))
        CHECK(scratch_descriptors() <= before + 2);
    CHECK_INT(scratch_descriptors(), before + 1);
    mapped_windows_close(&windows);
    CHECK_INT(scratch_descriptors(), before);
    if (!scratch_instrumented()) /* else valgrind maps, too */
        CHECK(scratch_address_pages() - pages < 4);
}

static void test_windows_acquired_stay(void)
{
    mapped_windows windows = opened(scratch_file("kept", 100), 10, 0);
    mapped_slice first, second;
    CHECK(next(&windows, &first));
    mapped_region_acquire(first.region);
    CHECK(next(&windows, &second));
    mapped_windows_close(&windows);
    CHECK_INT(scratch_get(first.region, 3), scratch_byte(3));
    mapped_region_release(first.region);
}

static void test_windows_seek(void)
{
    mapped_windows windows = opened(scratch_file("seek", 100), 40, 10);
    mapped_slice window;
    mapped_windows_seek(&windows, 75);
    CHECK(next(&windows, &window));
    CHECK_UINT(mapped_region_file_offset(window.region), 75);
    CHECK_UINT(window.length, 25);
    CHECK(!next(&windows, &window));
    mapped_windows_seek(&windows, 100);
    CHECK(!next(&windows, &window));
    mapped_windows_seek(&windows, UINT64_MAX);
    CHECK(!next(&windows, &window));
    mapped_windows_seek(&windows, 0);
    CHECK(next(&windows, &window));
    CHECK_UINT(window.length, 40);
    mapped_windows_close(&windows);
}

static void test_windows_follow_a_file_that_grows(void)
{
    const char *path = scratch_file("grows", 10);
    mapped_windows windows = opened(path, 8, 4);
    mapped_slice window;
    CHECK(next(&windows, &window));
    CHECK(next(&windows, &window));
    CHECK_UINT(window.length, 6);
    CHECK(!next(&windows, &window));
    CHECK_INT(truncate(path, 12), 0);
    CHECK(next(&windows, &window));
    CHECK_UINT(mapped_region_file_offset(window.region), 6);
    CHECK_UINT(window.length, 6);
    CHECK(!next(&windows, &window));
    mapped_windows_close(&windows);
}

static void test_windows_end_where_a_file_shrinks(void)
{
    const size_t page = scratch_page();
    const char *path = scratch_file("shrinks", 8 * page);
    mapped_windows windows = opened(path, 2 * page, 0);
    mapped_slice window;
    CHECK(next(&windows, &window));
    CHECK_INT(truncate(path, (off_t)page), 0);
    CHECK_INT(scratch_get(window.region, page), MAPPED_FAULT);
    CHECK_INT(scratch_get(window.region, 5), scratch_byte(5));
    CHECK(!next(&windows, &window));
    CHECK_UINT(find(&windows, "a", 3 * page), MAPPED_WINDOWS_NOT_FOUND);
    mapped_windows_close(&windows);
}

static void test_windows_stay_with_their_file(void)
{
    const char *path = written("rotated", "old");
    mapped_windows windows = opened(path, 2, 0);
    mapped_slice window;
    CHECK_INT(rename(path, scratch_path("rotated.1")), 0);
    written("rotated", "new!");
    CHECK(next(&windows, &window));
    CHECK_INT(scratch_get(window.region, 0), 'o');
    CHECK_INT(unlink(scratch_path("rotated.1")), 0);
    CHECK(next(&windows, &window));
    CHECK_INT(scratch_get(window.region, 0), 'd');
    mapped_windows_close(&windows);
}

static void test_windows_find_across_every_edge(void)
{
    const char *path = written("edge", "....needle...needle.");
    for (uint64_t size = 1; size < 24; size++) {
        mapped_windows windows = opened(path, size, size / 2);
        CHECK_UINT(find(&windows, "needle", 0), 4);
        CHECK_UINT(find(&windows, "needle", 4), 4);
        CHECK_UINT(find(&windows, "needle", 5), 13);
        CHECK_UINT(find(&windows, "needle", 14), MAPPED_WINDOWS_NOT_FOUND);
        CHECK_UINT(find(&windows, "needle...needle.", 0), 4);
        CHECK_UINT(find(&windows, "needle...needle..", 0),
                   MAPPED_WINDOWS_NOT_FOUND);
        CHECK_UINT(find(&windows, "", 20), 20);
        CHECK_UINT(find(&windows, "", 21), MAPPED_WINDOWS_NOT_FOUND);
        CHECK_UINT(find(&windows, ".", UINT64_MAX), MAPPED_WINDOWS_NOT_FOUND);
        mapped_windows_close(&windows);
    }
}

static void test_windows_count_as_one_region_does(void)
{
    const char *path = written("count", "aaaaaaababaabaaaaaaabbaaa");
    static const char *const needles[] = {
        "a", "aa", "aaa", "aba", "ab", "x", "aaaaaaababaabaaaaaaabbaaa", ""};
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ, NULL);
    for (uint64_t size = 1; size < 30; size++) {
        mapped_windows windows = opened(path, size, 0);
        for (size_t i = 0; i < sizeof needles / sizeof *needles; i++) {
            mapped_needle needle;
            size_t expected = 0;
            mapped_needle_init(&needle, needles[i], strlen(needles[i]));
            CHECK_STATUS(mapped_count(mapped_region_slice(region), &needle,
                                      &expected, NULL),
                         MAPPED_OK);
            CHECK_UINT(count(&windows, needles[i]), expected);
        }
        mapped_windows_close(&windows);
    }
    mapped_region_release(region);
}

/* Compares the lines in windows with those of one region. */
static void check_lines(const char *path, uint64_t size, bool keep)
{
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ, NULL);
    mapped_windows windows = opened(path, size, size / 2);
    mapped_windows_lines lines;
    mapped_parts parts;
    mapped_slice line, expected;
    bool more = true, expects = true;
    int order;
    mapped_windows_lines_init(&lines, &windows, keep);
    mapped_parts_lines(&parts, mapped_region_slice(region), keep);
    while (expects) {
        CHECK_STATUS(mapped_parts_next(&parts, &expected, &expects, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_windows_lines_next(&lines, &line, &more, NULL),
                     MAPPED_OK);
        if (!CHECK_INT(more, expects) || !more)
            break;
        CHECK_STATUS(mapped_compare(line, expected, &order, NULL), MAPPED_OK);
        CHECK_INT(order, 0);
        CHECK_UINT(mapped_region_file_offset(line.region) + line.offset,
                   expected.offset);
    }
    mapped_windows_lines_deinit(&lines);
    mapped_windows_close(&windows);
    mapped_region_release(region);
}

static void test_windows_lines_are_whole(void)
{
    static const char *const texts[] = {
        "",
        "\n",
        "\n\n",
        "a",
        "a\n",
        "one\ntwo\n\nthree and more\nfour",
        "a line that is longer than most windows\n\n\nx\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (uint64_t size = 1; size < 60; size += size < 12 ? 1 : 11) {
            check_lines(written("lines", texts[i]), size, false);
            check_lines(written("lines", texts[i]), size, true);
        }
}

static void test_windows_lines_meet_a_lost_page(void)
{
    const size_t page = scratch_page();
    const char *path = scratch_file("lost", 16 * page);
    mapped_windows windows = opened(path, 8 * page, 0);
    mapped_windows_lines lines;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_slice line;
    bool more;
    mapped_windows_lines_init(&lines, &windows, false);
    CHECK_STATUS(mapped_windows_lines_next(&lines, &line, &more, NULL),
                 MAPPED_OK);
    CHECK_INT(truncate(path, 0), 0);
    CHECK_STATUS(mapped_windows_lines_next(&lines, &line, &more, &error),
                 MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_TEXT(error.operation, "lines");
    mapped_windows_lines_deinit(&lines);
    mapped_windows_close(&windows);
}

#define GIB ((uint64_t)1 << 30)

static const char *huge_file(void)
{
    const char *path = scratch_path("huge");
    static const char text[] = "needle\n";
    static const uint64_t places[] = {1, 2 * GIB - 3, 4 * GIB - 4, 5 * GIB};
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(6 * GIB)) != 0)
        exit(1);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (pwrite(fd, text, 7, (off_t)places[i]) != 7)
            exit(1);
    if (pwrite(fd, "z", 1, (off_t)(6 * GIB - 1)) != 1)
        exit(1);
    close(fd);
    return path;
}

/* A 32-bit process can't map 6 GiB at once. The file is sparse: reading it
 * needs no disk, only memory of the page cache for a window at a time. */
static void test_windows_walk_over_six_gibibytes(void)
{
    mapped_windows windows = opened(huge_file(), GIB / 4, 0);
    mapped_slice window = {0};
    uint64_t windows_seen = 0, size;
    uint8_t byte = 0;
    while (next(&windows, &window)) {
        CHECK_UINT(mapped_region_file_offset(window.region),
                   windows_seen * (GIB / 4));
        if (windows_seen++ == 0)
            CHECK_INT(scratch_get(window.region, 1), 'n');
        if (windows_seen == 24)
            CHECK_STATUS(mapped_get_u8(window, window.length - 1, &byte, NULL),
                         MAPPED_OK);
    }
    CHECK_UINT(windows_seen, 24);
    CHECK_INT(byte, 'z');
    CHECK_STATUS(mapped_windows_file_size(&windows, &size, NULL), MAPPED_OK);
    CHECK_UINT(size, 6 * GIB);
    mapped_windows_close(&windows);
}

/* The whole file is walked over only in the test of its size, because that
 * takes seconds. */
static void test_windows_find_beyond_32_bits(void)
{
    const uint64_t near = 1 << 24;
    mapped_windows windows = opened(huge_file(), GIB / 4, 0);
    CHECK_UINT(find(&windows, "needle", 2 * GIB - near), 2 * GIB - 3);
    CHECK_UINT(find(&windows, "needle", 4 * GIB - near), 4 * GIB - 4);
    CHECK_UINT(find(&windows, "needle", 5 * GIB - near), 5 * GIB);
    CHECK_UINT(find(&windows, "z", 6 * GIB - near), 6 * GIB - 1);
    if (sizeof(void *) == 4) {
        CHECK_UINT(find(&windows, "z", 0), 6 * GIB - 1);
        CHECK_UINT(count(&windows, "needle\n"), 4);
    }
    mapped_windows_close(&windows);
    unlink(scratch_path("huge"));
}

static void test_windows_lines_longer_than_addresses(void)
{
    mapped_windows windows = opened(huge_file(), GIB / 4, 0);
    mapped_windows_lines lines;
    mapped_slice line = {0};
    mapped_error error = MAPPED_ERROR_INIT;
    bool more;
    mapped_windows_lines_init(&lines, &windows, false);
    CHECK_STATUS(mapped_windows_lines_next(&lines, &line, &more, NULL),
                 MAPPED_OK);
    CHECK_UINT(line.length, 7);
    if (sizeof(void *) == 4) {
        CHECK_STATUS(mapped_windows_lines_next(&lines, &line, &more, &error),
                     MAPPED_SYSTEM);
        CHECK_INT(error.os_error, ENOMEM);
    }
    mapped_windows_lines_deinit(&lines);
    mapped_windows_close(&windows);
    unlink(scratch_path("huge"));
}

int main(void)
{
    RUN(test_windows_refuse_bad_arguments);
    RUN(test_windows_refuse_what_is_no_file);
    RUN(test_windows_closed_answer_closed);
    RUN(test_windows_of_an_empty_file);
    RUN(test_windows_show_every_byte);
    RUN(test_windows_release_the_one_before);
    RUN(test_windows_acquired_stay);
    RUN(test_windows_seek);
    RUN(test_windows_follow_a_file_that_grows);
    RUN(test_windows_end_where_a_file_shrinks);
    RUN(test_windows_stay_with_their_file);
    RUN(test_windows_find_across_every_edge);
    RUN(test_windows_count_as_one_region_does);
    RUN(test_windows_lines_are_whole);
    RUN(test_windows_lines_meet_a_lost_page);
    RUN(test_windows_walk_over_six_gibibytes);
    RUN(test_windows_find_beyond_32_bits);
    RUN(test_windows_lines_longer_than_addresses);
    return check_finish();
}
