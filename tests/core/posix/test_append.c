/* Guards against the room that append makes ahead of the data: that somebody
 * takes it for data, also after a crash, that closing leaves it in the file, or
 * that data gets lost in it. */
#include "appended.h"

#include <mapped/endian.h>
#include <mapped/export.h>
#include <mapped/windows.h>
#include <sys/resource.h>

static void write_at(uint64_t offset, const void *bytes, size_t n)
{
    int file = open(path(), O_WRONLY | O_CLOEXEC);
    CHECK_INT(pwrite(file, bytes, n, (off_t)offset), n);
    close(file);
}

/* Makes a file of STEP bytes that ends as a trailer does. */
static void forge(uint64_t size, uint64_t end)
{
    unsigned char trailer[24] = "\xADmapped\x01";
    mapped_store_u64(trailer + 8, mapped_le_u64(size));
    mapped_store_u64(trailer + 16, mapped_le_u64(end));
    scratch_file(NAME, STEP);
    write_at(STEP - sizeof trailer, trailer, sizeof trailer);
}

static void test_append_believes_no_wrong_trailer(void)
{
    forge(STEP, 100);
    CHECK_UINT(length_seen(), 100);
    forge(STEP, STEP - 24);
    CHECK_UINT(length_seen(), STEP - 24);
    forge(STEP, STEP - 23);
    CHECK_UINT(length_seen(), STEP);
    forge(STEP, UINT64_MAX);
    CHECK_UINT(length_seen(), STEP);
    forge(2 * STEP, 100);
    CHECK_UINT(length_seen(), STEP);
    forge(STEP, 100);
    write_at(STEP - 24, "x", 1);
    CHECK_UINT(length_seen(), STEP);
    forge(STEP, 100);
    CHECK_INT(truncate(path(), STEP + 1), 0);
    CHECK_UINT(length_seen(), STEP + 1);
}

/* In mode "r" the file ends where its data does. */
static void test_append_hides_its_spare_from_other_regions(void)
{
    const mapped_open_options longer = {.length = 3 * RECORD + 1};
    const mapped_open_options behind = {.offset = 3 * RECORD + 1};
    mapped_region *other;
    mapped_windows windows;
    uint64_t size;
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(region, 0, 3);
    CHECK_INT(file_size(), STEP);
    check_records(3);
    CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_OK);
    CHECK_UINT(size, 3 * RECORD);
    CHECK_STATUS(
        mapped_region_open(path(), MAPPED_MODE_READ, &longer, &other, NULL),
        MAPPED_PAST_END);
    CHECK_STATUS(
        mapped_region_open(path(), MAPPED_MODE_READ, &behind, &other, NULL),
        MAPPED_PAST_END);
    CHECK_STATUS(mapped_windows_open(&windows, path(), RECORD, 0, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_windows_file_size(&windows, &size, NULL), MAPPED_OK);
    CHECK_UINT(size, 3 * RECORD);
    mapped_windows_close(&windows);
    mapped_region_release(region);
    CHECK_INT(file_size(), 3 * RECORD);
}

static void test_append_trims_at_every_kind_of_end(void)
{
    for (int how = 0; how < 3; how++) {
        scratch_file(NAME, 0);
        mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
        mapped_export export;
        append_records(region, 0, 1);
        CHECK_STATUS(
            mapped_export_begin(mapped_region_slice(region), &export, NULL),
            MAPPED_OK);
        if (how == 0)
            CHECK_UINT(mapped_region_retire(region), 1);
        CHECK_UINT(*(const unsigned char *)export.data, 1);
        CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_OK);
        if (how == 1)
            CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        if (how == 2)
            mapped_region_release(region);
        CHECK_INT(file_size(), RECORD);
        if (how != 2)
            mapped_region_release(region);
    }
}

/* Others may count on the size that was asked for, and on zeros. */
static void test_append_gives_way_to_resize(void)
{
    static const size_t lengths[] = {50, RECORD, 2 * STEP};
    for (int i = 0; i < 3; i++) {
        scratch_file(NAME, 0);
        mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
        append_records(region, 0, 1);
        CHECK_INT(file_size(), STEP);
        CHECK(mapped_region_spare(region) > 0);
        CHECK_STATUS(mapped_region_resize(region, lengths[i], NULL), MAPPED_OK);
        CHECK_INT(file_size(), lengths[i]);
        CHECK_UINT(mapped_region_spare(region), 0);
        for (size_t at = RECORD; at < lengths[i]; at++)
            if (!CHECK_INT(scratch_get(region, at), 0))
                break;
        mapped_region_release(region);
        CHECK_INT(file_size(), lengths[i]);
    }
}

static void test_append_grows_the_file_a_few_times(void)
{
    int64_t size = 0;
    int changes = 0;
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    for (unsigned i = 0; i < 20000; i++) {
        CHECK_STATUS(append_record(region, i), MAPPED_OK);
        changes += file_size() != size;
        size = file_size();
    }
    CHECK(changes > 1 && changes < 10);
    mapped_region_release(region);
    check_records(20000);
}

static void test_append_fills_a_reserve_to_the_last_byte(void)
{
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 3 * STEP);
    static const char zeros[RECORD];
    unsigned char *base = NULL;
    unsigned count = 0;
    mapped_error error = MAPPED_ERROR_INIT;
    while (append_record(region, count) == MAPPED_OK) {
        if (count++ == 0)
            base = region->base_;
        CHECK(region->base_ == base);
    }
    CHECK_UINT(count, 3 * STEP / RECORD);
    CHECK_STATUS(mapped_region_append(region, path(), RECORD, &error),
                 MAPPED_ARGUMENT);
    CHECK_TEXT(error.operation, "append: longer than the reserve");
    CHECK_STATUS(mapped_region_append(region, zeros, 3 * STEP % RECORD, NULL),
                 MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 3 * STEP);
    mapped_region_release(region);
    CHECK_INT(file_size(), 3 * STEP);
}

/* With a trailer the file would be longer than the reserve, so there is no
 * spare. An empty file is no longer than the size 0 that stands for this. */
static void test_append_fills_a_reserve_that_a_trailer_exceeds(void)
{
    const uint64_t reserves[] = {RECORD, STEP - 1};
    for (size_t i = 0; i < sizeof reserves / sizeof reserves[0]; i++) {
        scratch_file(NAME, 0);
        mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, reserves[i]);
        append_records(region, 0, 1);
        CHECK_UINT(mapped_region_spare(region), 0);
        CHECK_INT(file_size(), RECORD);
        mapped_region_release(region);
        check_records(1);
    }
}

static void test_append_to_a_part_behind_an_offset(void)
{
    scratch_file(NAME, 3 * RECORD);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 2 * RECORD, 0);
    append_records(region, 7, 2000);
    CHECK_UINT(length_seen(), 2003 * RECORD);
    CHECK_INT(scratch_get(region, RECORD), 8);
    mapped_region_release(region);
    CHECK_INT(file_size(), 2003 * RECORD);
    CHECK_INT(scratch_read_byte(path(), 3 * RECORD - 1),
              scratch_byte(3 * RECORD - 1));
    CHECK_INT(scratch_read_byte(path(), 3 * RECORD), 8);
}

/* There, the system writes only to the end of the file. */
static void test_append_by_a_descriptor_in_append_mode(void)
{
    mapped_region *region;
    int file = open(scratch_file(NAME, 0), O_RDWR | O_APPEND | O_CLOEXEC);
    CHECK_STATUS(mapped_region_open_descriptor(
                     file, NULL, MAPPED_MODE_READ_WRITE, NULL, &region, NULL),
                 MAPPED_OK);
    close(file);
    append_records(region, 0, 3);
    CHECK_INT(file_size(), 3 * RECORD);
    mapped_region_release(region);
    check_records(3);
}

/* A region that ends before its file has what it adds to lie there already. */
static void test_append_in_the_middle_of_a_file(void)
{
    const mapped_open_options options = {.length = RECORD};
    scratch_file(NAME, 3 * RECORD);
    mapped_region *region =
        scratch_open(path(), MAPPED_MODE_READ_WRITE, &options);
    append_records(region, 7, 1);
    CHECK_INT(file_size(), 3 * RECORD);
    mapped_region_release(region);
    CHECK_INT(file_size(), 3 * RECORD);
    CHECK_INT(scratch_read_byte(path(), RECORD), 8);
    CHECK_INT(scratch_read_byte(path(), 2 * RECORD), scratch_byte(2 * RECORD));
}

/* What wasn't trimmed: the process was killed. */
static void leave_records(unsigned first, unsigned count)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
        for (unsigned i = first; i < first + count; i++)
            if (append_record(region, i) != MAPPED_OK)
                _exit(1);
        kill(getpid(), SIGKILL);
    }
    int how = 0;
    CHECK_INT(waitpid(child, &how, 0), child);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
}

static void test_append_goes_on_after_a_crash(void)
{
    scratch_file(NAME, 0);
    leave_records(0, 10);
    CHECK_INT(file_size(), STEP);
    check_records(10);
    leave_records(10, 5);
    check_records(15);
    leave_records(15, 1000);
    check_records(1015);
    mapped_region *region = opened(MAPPED_MODE_APPEND, 0, 0);
    append_records(region, 1015, 1);
    mapped_region_release(region);
    CHECK_INT(file_size(), 1016 * RECORD);
    check_records(1016);
}

static void test_append_left_by_a_crash_gives_way(void)
{
    const mapped_open_options longer = {.length = STEP};
    const mapped_open_options too_long = {.length = UINT64_C(1) << 46};
    mapped_region *refused;
    scratch_file(NAME, 0);
    leave_records(0, 1);
    CHECK_STATUS(mapped_region_open(path(), MAPPED_MODE_READ_WRITE, &too_long,
                                    &refused, NULL),
                 sizeof(void *) == 8 ? MAPPED_SYSTEM : MAPPED_OVERFLOW);
    CHECK_INT(file_size(), STEP);
    CHECK_UINT(length_seen(), RECORD);
    mapped_region *own = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_resize(own, RECORD, NULL), MAPPED_OK);
    CHECK_INT(file_size(), RECORD);
    mapped_region_release(own);
    scratch_file(NAME, 0);
    leave_records(0, 1);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_STATUS(mapped_region_resize(region, 2 * STEP, NULL), MAPPED_OK);
    CHECK_INT(file_size(), 2 * STEP);
    CHECK_INT(scratch_get(region, STEP - 24), 0);
    mapped_region_release(region);
    scratch_file(NAME, 0);
    leave_records(0, 1);
    region = scratch_open(path(), MAPPED_MODE_READ_WRITE, &longer);
    CHECK_INT(scratch_get(region, STEP - 24), 0);
    CHECK_INT(scratch_get(region, RECORD - 1), 1);
    mapped_region_release(region);
    CHECK_INT(file_size(), STEP);
    CHECK_UINT(length_seen(), STEP);
    scratch_file(NAME, 0);
    leave_records(0, 1);
    region = opened(MAPPED_MODE_CREATE, 0, 0);
    CHECK_UINT(mapped_region_length(region), 0);
    mapped_region_release(region);
    CHECK_INT(file_size(), 0);
}

/* Appends records, and writes the number of each that is there to `told`. */
static void append_and_tell(int told)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    for (unsigned i = 0; append_record(region, i) == MAPPED_OK; i++)
        if (write(told, &i, sizeof i) != sizeof i)
            break;
    _exit(1);
}

/* Killed anywhere: whole records, and all of which the writer has told. */
static void test_append_survives_a_kill_at_any_time(void)
{
    for (int round = 0; round < 20; round++) {
        int ends[2], how;
        unsigned told = 0;
        scratch_file(NAME, 0);
        CHECK_INT(pipe(ends), 0);
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            append_and_tell(ends[1]);
        close(ends[1]);
        for (int i = 0; i < 1 + 97 * round; i++)
            CHECK_INT(read(ends[0], &told, sizeof told), sizeof told);
        kill(child, SIGKILL);
        while (read(ends[0], &told, sizeof told) == sizeof told)
            ;
        close(ends[0]);
        waitpid(child, &how, 0);
        size_t length = length_seen();
        CHECK_UINT(length % RECORD, 0);
        CHECK(length >= (size_t)(told + 1) * RECORD);
        check_records((unsigned)(length / RECORD));
    }
}

static void test_append_in_a_child_leaves_the_parents_spare(void)
{
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(region, 0, 2);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        mapped_region_release(region);
        _exit(0);
    }
    int how = 1;
    waitpid(child, &how, 0);
    CHECK_INT(how, 0);
    CHECK_INT(file_size(), STEP);
    append_records(region, 2, 1);
    mapped_region_release(region);
    check_records(3);
}

static void test_append_to_a_file_that_was_cut(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(region, 0, 1);
    CHECK_INT(truncate(path(), RECORD / 2), 0);
    CHECK_STATUS(mapped_region_append(region, "lost", 4, &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_TEXT(error.operation, "append");
    CHECK_UINT(error.offset, RECORD);
    CHECK_UINT(error.length, 4);
    CHECK_UINT(mapped_region_length(region), RECORD);
    mapped_region_release(region);
    CHECK_INT(file_size(), RECORD / 2);
}

/* Through a descriptor that writes nowhere but at the end. */
static void test_append_is_kept_by_an_open_that_fails(void)
{
    const mapped_open_options options = {.length = UINT64_C(1) << 62};
    mapped_region *region = NULL;
    forge(STEP, 100);
    int file = open(path(), O_RDWR | O_APPEND | O_CLOEXEC);
    CHECK(mapped_region_open_descriptor(file, NULL, MAPPED_MODE_READ_WRITE,
                                        &options, &region, NULL) != MAPPED_OK);
    close(file);
    CHECK_UINT(length_seen(), 100);
}

/* Also where the new end of the file and the data are in one page, which then
 * can be written to. */
static void test_append_is_told_of_any_cut(void)
{
    static const int cuts[] = {0, -RECORD, -1, 1, RECORD};
    static const size_t lengths[] = {1, 600};
    static const char zeros[600];
    const unsigned records = STEP / RECORD - 8;
    const int64_t end = records * RECORD;
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++)
        for (size_t j = 0; j < 2; j++) {
            scratch_file(NAME, 0);
            mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
            append_records(region, 0, records);
            CHECK_INT(file_size(), STEP);
            CHECK_INT(truncate(path(), end + cuts[i]), 0);
            CHECK_STATUS(mapped_region_append(region, zeros, lengths[j], NULL),
                         MAPPED_FAULT);
            mapped_region_release(region);
            CHECK_INT(file_size(), end + cuts[i]);
        }
}

static void test_append_that_is_taken_back_is_seen_by_nobody(void)
{
    const char *other = scratch_file("other", scratch_page());
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    mapped_region *source = scratch_open(other, MAPPED_MODE_READ, NULL);
    append_records(region, 0, 1);
    CHECK_INT(truncate(other, 0), 0);
    CHECK_STATUS(
        mapped_region_append_slice(region, mapped_region_slice(source), NULL),
        MAPPED_FAULT);
    check_records(1);
    append_records(region, 1, 1);
    check_records(2);
    mapped_region_release(source);
    mapped_region_release(region);
    check_records(2);
}

static void test_append_s_spare_outlives_an_open_that_fails(void)
{
    mapped_region *none = NULL;
    const mapped_open_options far = {.length = INT64_MAX / 2,
                                     .flags = MAPPED_OPEN_SPARSE};
    scratch_file(NAME, 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(region, 0, 1);
    int64_t size = file_size();
    CHECK(mapped_region_open(path(), MAPPED_MODE_CREATE, &far, &none, NULL) !=
          MAPPED_OK);
    CHECK_INT(file_size(), size);
    append_records(region, 1, 1);
    mapped_region_release(region);
    check_records(2);
}

/* There the step is too long, and the very length is not. */
static const char *append_within_a_limit(void)
{
    static const char zeros[RECORD];
    const struct rlimit most = {STEP, STEP};
    mapped_error error = MAPPED_ERROR_INIT;
    scratch_file(NAME, 0);
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &most), 0);
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(region, 0, STEP / RECORD);
    CHECK_STATUS(mapped_region_append(region, zeros, STEP % RECORD, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_append(region, "x", 1, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, EFBIG);
    CHECK_UINT(error.length, 1);
    CHECK_UINT(mapped_region_length(region), STEP);
    mapped_region_release(region);
    CHECK_INT(file_size(), STEP);
    return NULL;
}

static void test_append_up_to_the_limit_of_files(void)
{
    CHECK_INT(scratch_child(append_within_a_limit), 0);
}

/* What one has left the other goes on with, and neither trims it away. */
static void test_append_by_two_that_take_turns(void)
{
    scratch_file(NAME, 0);
    mapped_region *first = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(first, 0, 1);
    mapped_region *second = opened(MAPPED_MODE_READ_WRITE, 0, 0);
    append_records(second, 1, 1);
    CHECK_INT(file_size(), STEP);
    mapped_region_release(first);
    CHECK_INT(file_size(), STEP);
    append_records(second, 2, 1);
    mapped_region_release(second);
    CHECK_INT(file_size(), 3 * RECORD);
    check_records(3);
}

int main(void)
{
    RUN(test_append_believes_no_wrong_trailer);
    RUN(test_append_hides_its_spare_from_other_regions);
    RUN(test_append_trims_at_every_kind_of_end);
    RUN(test_append_gives_way_to_resize);
    RUN(test_append_grows_the_file_a_few_times);
    RUN(test_append_fills_a_reserve_to_the_last_byte);
    RUN(test_append_fills_a_reserve_that_a_trailer_exceeds);
    RUN(test_append_to_a_part_behind_an_offset);
    RUN(test_append_by_a_descriptor_in_append_mode);
    RUN(test_append_in_the_middle_of_a_file);
    RUN(test_append_goes_on_after_a_crash);
    RUN(test_append_left_by_a_crash_gives_way);
    RUN(test_append_survives_a_kill_at_any_time);
    RUN(test_append_in_a_child_leaves_the_parents_spare);
    RUN(test_append_to_a_file_that_was_cut);
    RUN(test_append_is_kept_by_an_open_that_fails);
    RUN(test_append_is_told_of_any_cut);
    RUN(test_append_that_is_taken_back_is_seen_by_nobody);
    RUN(test_append_s_spare_outlives_an_open_that_fails);
    RUN(test_append_up_to_the_limit_of_files);
    RUN(test_append_by_two_that_take_turns);
    return check_finish();
}
