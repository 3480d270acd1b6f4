/* Guards against a region that follows a file wrongly: misses the end of a log
 * that was rotated, shows zeros where it has grown, takes an export's pages. */
#include "scratch.h"

#include <mapped/bulk.h>
#include <mapped/export.h>
#include <mapped/fault.h>

#define NAME "followed"

static mapped_region *region;

static const char *path(void)
{
    return scratch_path(NAME);
}

static void begin(size_t size, mapped_mode mode,
                  const mapped_open_options *options)
{
    region = scratch_open(scratch_file(NAME, size), mode, options);
}

/* Makes the file `text` from `offset` on, as another process does. */
static void write_at(const char *name, long offset, const char *text)
{
    int file = open(scratch_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_INT(pwrite(file, text, strlen(text), offset), strlen(text));
    close(file);
}

static void cut(off_t size)
{
    CHECK_INT(truncate(path(), size), 0);
}

static void check_change(const char *expected, size_t length)
{
    mapped_change change = MAPPED_UNCHANGED;
    mapped_error error = MAPPED_ERROR_INIT;
    if (!CHECK_STATUS(mapped_region_refresh(region, &change, &error),
                      MAPPED_OK) ||
        !CHECK_STATUS(error.status, MAPPED_OK)) /* it is left alone */
        printf("    %s: %s\n", error.operation, error.call ? error.call : "");
    CHECK_TEXT(mapped_change_text(change), expected);
    CHECK_UINT(mapped_region_length(region), length);
}

/* On failure the region shows what it did. */
static void check_refused(mapped_status expected)
{
    mapped_change change = MAPPED_SHORTER;
    mapped_error error = MAPPED_ERROR_INIT;
    size_t length = mapped_region_length(region);
    CHECK_STATUS(mapped_region_refresh(region, &change, &error), expected);
    CHECK_STATUS(error.status, expected);
    CHECK(change == MAPPED_SHORTER);
    CHECK_UINT(mapped_region_length(region), length);
}

static void check_shows(size_t offset, const char *expected)
{
    char text[100] = "";
    CHECK_STATUS(mapped_read(mapped_region_slice(region), offset, text,
                             strlen(expected), NULL),
                 MAPPED_OK);
    CHECK_TEXT(text, expected);
}

static void test_refresh_of_what_is_no_file(void)
{
    char memory[10];
    const mapped_open_options device = {.length = 100,
                                        .flags = MAPPED_OPEN_DEVICE};
    CHECK_STATUS(mapped_region_anonymous(10, NULL, &region, NULL), MAPPED_OK);
    check_refused(MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_wrap(memory, sizeof memory, false, NULL, NULL,
                                    &region, NULL),
                 MAPPED_OK);
    check_refused(MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    region = scratch_open("/dev/zero", MAPPED_MODE_COPY, &device);
    check_refused(MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    begin(10, MAPPED_MODE_READ, NULL);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check_refused(MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_refresh_follows_growth_in_every_mode(void)
{
    static const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_COPY,
                                        MAPPED_MODE_READ_WRITE,
                                        MAPPED_MODE_APPEND};
    for (int i = 0; i < 4; i++) {
        begin(10, modes[i], NULL);
        check_change("unchanged", 10);
        write_at(NAME, 10, "more");
        check_change("longer", 14);
        check_shows(10, "more");
        write_at(NAME, 3 * (long)scratch_page(), "far");
        check_change("longer", 3 * scratch_page() + 3);
        check_shows(3 * scratch_page(), "far");
        CHECK_INT(scratch_get(region, 9), scratch_byte(9));
        check_change("unchanged", 3 * scratch_page() + 3);
        mapped_region_release(region);
    }
}

static void test_refresh_from_and_to_nothing(void)
{
    begin(0, MAPPED_MODE_READ, NULL);
    check_change("unchanged", 0);
    write_at(NAME, 0, "first");
    check_change("longer", 5);
    check_shows(0, "first");
    cut(0);
    check_change("shorter", 0);
    write_at(NAME, 0, "again");
    check_change("longer", 5);
    check_shows(0, "again");
    mapped_region_release(region);
}

/* The page that was lost is mapped anew when the file has it again. */
static void test_refresh_shows_a_file_that_was_cut_and_written_again(void)
{
    size_t page = scratch_page();
    begin(3 * page, MAPPED_MODE_READ, NULL);
    mapped_slice all = mapped_region_slice(region);
    uint8_t byte;
    cut(10);
    CHECK_STATUS(mapped_get_u8(all, 2 * page, &byte, NULL), MAPPED_FAULT);
    check_change("shorter", 10);
    CHECK_STATUS(mapped_get_u8(all, 2 * page, &byte, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    write_at(NAME, 2 * (long)page, "written again");
    check_change("longer", 2 * page + 13);
    check_shows(2 * page, "written again");
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    CHECK_INT(scratch_get(region, 10), 0);
    mapped_region_release(region);
}

/* What came to the old file after it was renamed is not missed. */
static void test_refresh_follows_a_rotation(void)
{
    begin(10, MAPPED_MODE_READ, NULL);
    check_change("unchanged", 10);
    CHECK_INT(rename(path(), scratch_path("rotated")), 0);
    check_change("removed", 10);
    write_at("rotated", 10, "last");
    write_at(NAME, 0, "new");
    check_change("longer", 14);
    check_shows(10, "last");
    check_change("replaced", 3);
    check_shows(0, "new");
    check_change("unchanged", 3);
    write_at(NAME, 3, "er");
    check_change("longer", 5);
    check_shows(0, "newer");
    mapped_region_release(region);
}

static void test_refresh_of_a_file_that_was_replaced_before_the_first_look(void)
{
    begin(10, MAPPED_MODE_READ, NULL);
    CHECK_INT(unlink(path()), 0);
    check_change("removed", 10);
    check_change("removed", 10);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    write_at(NAME, 0, "new");
    check_change("replaced", 3);
    check_shows(0, "new");
    mapped_region_release(region);
}

static void test_refresh_writes_to_the_file_that_has_the_path(void)
{
    begin(10, MAPPED_MODE_READ_WRITE, NULL);
    CHECK_INT(rename(path(), scratch_path("rotated")), 0);
    write_at(NAME, 0, "new");
    check_change("replaced", 3);
    CHECK_STATUS(mapped_region_append(region, "est", 3, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), 6);
    CHECK_INT(scratch_read_byte(path(), 5), 't');
    CHECK_INT(scratch_size(scratch_path("rotated")), 10);
}

static void test_refresh_refuses_what_is_no_file_any_more(void)
{
    begin(10, MAPPED_MODE_READ, NULL);
    check_change("unchanged", 10);
    CHECK_INT(unlink(path()), 0);
    CHECK_INT(mkdir(path(), 0700), 0);
    check_refused(MAPPED_NOT_A_FILE);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    CHECK_INT(rmdir(path()), 0);
    check_change("removed", 10);
    mapped_region_release(region);
}

static void test_refresh_within_a_reserve_disturbs_no_pointer(void)
{
    const mapped_open_options options = {.reserve = 4 * scratch_page()};
    mapped_export export;
    begin(10, MAPPED_MODE_READ, &options);
    const unsigned char *base = region->base_;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &export, NULL),
        MAPPED_OK);
    write_at(NAME, 2 * (long)scratch_page(), "far");
    check_change("longer", 2 * scratch_page() + 3);
    CHECK(region->base_ == base);
    CHECK_UINT(base[9], scratch_byte(9));
    CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_OK);
    cut(4 * (off_t)scratch_page() + 1);
    check_refused(MAPPED_ARGUMENT);
    cut(4 * (off_t)scratch_page());
    check_change("longer", 4 * scratch_page());
    mapped_region_release(region);
}

/* Without a reserve, the region moves away from its exports. */
static void test_refresh_leaves_exports_where_they_are(void)
{
    size_t page = scratch_page();
    mapped_export export;
    begin(page, MAPPED_MODE_READ, NULL);
    void *taken = scratch_block_growth(region);
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &export, NULL),
        MAPPED_OK);
    write_at(NAME, (long)page, "more");
    check_change("longer", page + 4);
    check_shows(page, "more");
    CHECK_UINT(((const unsigned char *)export.data)[9], scratch_byte(9));
    CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_OK);
    mapped_region_release(region);
    if (taken != NULL)
        munmap(taken, page);
}

static void test_refresh_tells_exports_of_what_was_cut(void)
{
    size_t page = scratch_page();
    mapped_export export;
    begin(3 * page, MAPPED_MODE_READ, NULL);
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &export, NULL),
        MAPPED_OK);
    const volatile unsigned char *bytes = export.data;
    cut((off_t)page);
    check_change("shorter", page);
    CHECK_UINT(bytes[2 * page], 0);
    CHECK_UINT(bytes[9], scratch_byte(9));
    CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_FAULT);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    mapped_region_release(region);
}

/* Pointers and accesses in other threads would see bytes of two files. */
static void test_refresh_goes_over_to_another_file_only_alone(void)
{
    mapped_export export;
    begin(10, MAPPED_MODE_READ, NULL);
    check_change("unchanged", 10);
    CHECK_INT(unlink(path()), 0);
    write_at(NAME, 0, "new");
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &export, NULL),
        MAPPED_OK);
    check_refused(MAPPED_BUSY);
    CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_OK);
    mapped_region_acquire(region);
    check_refused(MAPPED_BUSY);
    mapped_region_release(region);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    check_change("replaced", 3);
    mapped_region_release(region);
}

static void test_refresh_keeps_to_the_length_that_was_asked_for(void)
{
    const mapped_open_options part = {.offset = 4, .length = 4};
    begin(10, MAPPED_MODE_READ, &part);
    write_at(NAME, 10, "more");
    check_change("unchanged", 4);
    cut(6);
    check_change("shorter", 2);
    cut(2);
    check_change("shorter", 0);
    write_at(NAME, 2, "3456789");
    check_change("longer", 4);
    check_shows(0, "5678");
    CHECK_INT(unlink(path()), 0);
    write_at(NAME, 0, "0123456");
    check_change("replaced", 3);
    check_shows(0, "456");
    mapped_region_release(region);
    begin(10, MAPPED_MODE_READ_WRITE, &part);
    CHECK_STATUS(mapped_region_resize(region, 5, NULL), MAPPED_OK);
    check_change("unchanged", 5);
    mapped_region_release(region);
}

/* A private page that was written to has its own bytes behind the old end. */
static void test_refresh_keeps_private_changes(void)
{
    mapped_export held;
    begin(10, MAPPED_MODE_COPY, NULL);
    CHECK_STATUS(mapped_write(mapped_region_slice(region), 0, "own", 3, NULL),
                 MAPPED_OK);
    write_at(NAME, 10, "more");
    check_change("longer", 14);
    check_shows(0, "own");
    check_shows(10, "more");
    CHECK_INT(scratch_read_byte(path(), 0), scratch_byte(0));
    mapped_region_release(region);
    begin(200, MAPPED_MODE_COPY, &(mapped_open_options){.offset = 95});
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 1, NULL), MAPPED_OK);
    mapped_export_begin_operation(region, &held); /* its page stays */
    CHECK_INT(truncate(path(), 3), 0);
    check_change("shorter", 0);
    write_at(NAME, 95, "more");
    check_change("longer", 4);
    check_shows(0, "more");
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_refresh_sees_only_the_data_of_an_append(void)
{
    begin(10, MAPPED_MODE_READ, NULL);
    mapped_region *writer = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    CHECK_STATUS(mapped_region_append(writer, "more", 4, NULL), MAPPED_OK);
    CHECK(scratch_size(path()) > 14);
    check_change("longer", 14);
    check_shows(10, "more");
    check_change("unchanged", 14);
    CHECK_STATUS(mapped_region_append(writer, "!", 1, NULL), MAPPED_OK);
    check_change("longer", 15);
    mapped_region_release(writer);
    CHECK_INT(scratch_size(path()), 15);
    check_change("unchanged", 15);
    mapped_region_release(region);
}

/* As two processes with a lock do. */
static void test_refresh_lets_two_append_by_turns(void)
{
    begin(10, MAPPED_MODE_READ_WRITE, NULL);
    mapped_region *first = region;
    mapped_region *second = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    size_t length = 10;
    for (int i = 0; i < 2000; i++) {
        region = i % 2 == 0 ? first : second;
        check_change(i == 0 ? "unchanged" : "longer", length);
        CHECK_STATUS(mapped_region_append(region, "0123456789", 10, NULL),
                     MAPPED_OK);
        length += 10;
        if (i > 0)
            check_shows(length - 20, "01234567890123456789");
    }
    mapped_region_release(first);
    mapped_region_release(second);
    CHECK_INT(scratch_size(path()), length);
}

/* Whoever opens, appends and closes trims the spare that others have, too. */
static void test_refresh_lets_others_trim(void)
{
    size_t length = 10;
    begin(10, MAPPED_MODE_READ_WRITE, NULL);
    for (int i = 0; i < 100; i++) {
        CHECK_STATUS(mapped_region_append(region, "mine", 4, NULL), MAPPED_OK);
        mapped_region *other =
            scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
        CHECK_STATUS(mapped_region_append(other, "other", 5, NULL), MAPPED_OK);
        mapped_region_release(other);
        length += 9;
        CHECK_INT(scratch_size(path()), length);
        check_change("longer", length);
        check_shows(length - 9, "mineother");
    }
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), length);
    CHECK_INT(scratch_read_byte(path(), (long)length - 9), 'm');
    CHECK_INT(scratch_read_byte(path(), (long)length - 1), 'r');
}

static void append(mapped_region *to, size_t n, char byte)
{
    char *bytes = malloc(n);
    memset(bytes, byte, n);
    CHECK_STATUS(mapped_region_append(to, bytes, n, NULL), MAPPED_OK);
    free(bytes);
}

/* What another one has made of the file counts, not what was known of it. */
static void test_refresh_forgets_a_spare_that_is_gone(void)
{
    for (int i = 0; i < 2; i++) {
        size_t n = i == 0 ? 27000 : 100; /* on the trailer's page, or not */
        begin(0, MAPPED_MODE_READ_WRITE, NULL);
        append(region, n, 'A');
        mapped_region *other =
            scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
        append(other, 50, 'B');
        mapped_region_release(other);
        check_change("longer", n + 50);
        check_change("unchanged", n + 50);
        append(region, 4, 'C');
        mapped_region_release(region);
        CHECK_INT(scratch_size(path()), n + 54);
        CHECK_INT(scratch_read_byte(path(), (long)n + 53), 'C');
    }
}

/* A log that is copied and cut, as logrotate's copytruncate does. */
static void test_refresh_of_a_writer_whose_file_was_cut(void)
{
    begin(0, MAPPED_MODE_READ_WRITE, NULL);
    append(region, 27000, 'A');
    cut(0);
    write_at(NAME, 27900, "foreign");
    check_change("longer", 27907);
    append(region, 4, 'C');
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), 27911);
    CHECK_INT(scratch_read_byte(path(), 27910), 'C');
    begin(0, MAPPED_MODE_READ_WRITE, NULL);
    append(region, 100, 'A');
    cut(0);
    CHECK_STATUS(mapped_region_append(region, "lost", 4, NULL), MAPPED_FAULT);
    check_change("shorter", 0);
    append(region, 5, 'D');
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), 5);
}

/* The other one has made the file longer, and died. */
static void test_refresh_takes_over_the_spare_of_the_dead(void)
{
    begin(0, MAPPED_MODE_READ_WRITE, NULL);
    append(region, 10, 'A');
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        mapped_region *other =
            scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
        append(other, 200000, 'B');
        CHECK_STATUS(mapped_region_resize(other, 10, NULL), MAPPED_OK);
        append(other, 10, 'B');
        append(other, 300000, 'B');
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    check_change("longer", 300020);
    append(region, 4, 'C');
    CHECK_INT(mapped_region_length(region), 300024);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), 300024);
    CHECK_INT(scratch_read_byte(path(), 300023), 'C');
}

/* Whoever has appended last trims. */
static void test_refresh_leaves_the_spare_to_the_last_one(void)
{
    begin(0, MAPPED_MODE_READ_WRITE, NULL);
    append(region, 27000, 'A');
    mapped_region *last = scratch_open(path(), MAPPED_MODE_READ_WRITE, NULL);
    append(last, 10, 'B');
    check_change("longer", 27010);
    mapped_region_release(region);
    append(last, 10, 'C');
    mapped_region_release(last);
    CHECK_INT(scratch_size(path()), 27020);
    CHECK_INT(scratch_read_byte(path(), 27019), 'C');
}

static void test_refresh_wants_what_was_appended(void)
{
    const mapped_open_options options = {.length = 100};
    scratch_file(NAME, 100);
    region = scratch_open(path(), MAPPED_MODE_READ_WRITE, &options);
    append(region, 50, 'A');
    check_change("unchanged", 150);
    append(region, 5, 'D');
    mapped_region_release(region);
    CHECK_INT(scratch_size(path()), 155);
}

/* Where others have references the addresses stay, without a page of them. */
static void test_refresh_grows_from_nothing_again(void)
{
    static const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_COPY,
                                        MAPPED_MODE_READ_WRITE};
    for (int i = 0; i < 3; i++) {
        begin(10, modes[i], NULL);
        mapped_region_acquire(region);
        cut(0);
        check_change("shorter", 0);
        mapped_region_release(region);
        write_at(NAME, 2 * (long)scratch_page(), "again");
        check_change("longer", 2 * scratch_page() + 5);
        check_shows(2 * scratch_page(), "again");
        mapped_region_release(region);
    }
}

static void test_refresh_of_a_descriptor_follows_its_file_only(void)
{
    const char *name = scratch_file(NAME, 10);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    CHECK_STATUS(mapped_region_open_descriptor(file, name, MAPPED_MODE_READ,
                                               NULL, &region, NULL),
                 MAPPED_OK);
    close(file);
    CHECK_INT(rename(path(), scratch_path("rotated")), 0);
    write_at(NAME, 0, "new");
    check_change("unchanged", 10);
    write_at("rotated", 10, "more");
    check_change("longer", 14);
    check_shows(10, "more");
    mapped_region_release(region);
}

static void test_refresh_needs_whole_pages_without_a_reserve(void)
{
    size_t page = scratch_page();
    if (scratch_valgrind()) {
        check_skip("valgrind's mremap refuses a mapping in several pieces");
        return;
    }
    begin(3 * page, MAPPED_MODE_READ, NULL);
    cut(10);
    CHECK_INT(scratch_get(region, 2 * page), MAPPED_FAULT);
    cut(4 * (off_t)page);
    check_refused(MAPPED_FAULT);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    check_change("longer", 4 * page);
    CHECK_INT(scratch_get(region, 2 * page), 0);
    mapped_region_release(region);
}

static void test_refresh_leaks_nothing(void)
{
    begin(10, MAPPED_MODE_READ, NULL);
    check_change("unchanged", 10);
    int descriptors = scratch_descriptors(), maps = scratch_mappings_of(NAME);
    for (int i = 0; i < 50; i++) {
        CHECK_INT(unlink(path()), 0);
        scratch_file(NAME, (size_t)i * 1000);
        check_change("replaced", (size_t)i * 1000);
        cut(i);
        write_at(NAME, 100000, "more");
        check_change("longer", 100004);
        cut(10);
        check_change("shorter", 10);
    }
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(scratch_mappings_of(NAME), maps);
    mapped_region_release(region);
    CHECK_INT(scratch_descriptors(), descriptors - 1);
}

int main(void)
{
    RUN(test_refresh_of_what_is_no_file);
    RUN(test_refresh_follows_growth_in_every_mode);
    RUN(test_refresh_from_and_to_nothing);
    RUN(test_refresh_shows_a_file_that_was_cut_and_written_again);
    RUN(test_refresh_follows_a_rotation);
    RUN(test_refresh_of_a_file_that_was_replaced_before_the_first_look);
    RUN(test_refresh_writes_to_the_file_that_has_the_path);
    RUN(test_refresh_refuses_what_is_no_file_any_more);
    RUN(test_refresh_within_a_reserve_disturbs_no_pointer);
    RUN(test_refresh_leaves_exports_where_they_are);
    RUN(test_refresh_tells_exports_of_what_was_cut);
    RUN(test_refresh_goes_over_to_another_file_only_alone);
    RUN(test_refresh_keeps_to_the_length_that_was_asked_for);
    RUN(test_refresh_keeps_private_changes);
    RUN(test_refresh_sees_only_the_data_of_an_append);
    RUN(test_refresh_lets_two_append_by_turns);
    RUN(test_refresh_lets_others_trim);
    RUN(test_refresh_forgets_a_spare_that_is_gone);
    RUN(test_refresh_of_a_writer_whose_file_was_cut);
    RUN(test_refresh_takes_over_the_spare_of_the_dead);
    RUN(test_refresh_leaves_the_spare_to_the_last_one);
    RUN(test_refresh_wants_what_was_appended);
    RUN(test_refresh_grows_from_nothing_again);
    RUN(test_refresh_of_a_descriptor_follows_its_file_only);
    RUN(test_refresh_needs_whole_pages_without_a_reserve);
    RUN(test_refresh_leaks_nothing);
    return check_finish();
}
