/* Guards against a mode that does more than it says: a read-only open that
 * changes the file, a private write that reaches the file, a sparse extension
 * that makes a later write end the process because the disk is full. */
#include "scratch.h"

#define LENGTH (1 << 20)

static mapped_region *opened(const char *path, mapped_mode mode,
                             uint64_t length, uint32_t flags)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.length = length;
    options.flags = flags;
    return scratch_open(path, mode, &options);
}

static mapped_status put(mapped_region *region, size_t offset, uint8_t byte)
{
    return mapped_set_u8(mapped_region_slice(region), offset, byte, NULL);
}

static void test_mode_parse_refuses_other_texts(void)
{
    const char *texts[] = {"",   "R",  "w",   "x",  "a",    "b",  "rbb",
                           "br", "+r", "r++", "c+", "r\0+", " r", "r+bb"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        mapped_mode mode = (mapped_mode)77;
        mapped_error error = MAPPED_ERROR_INIT;
        size_t length = i == 11 ? 3 : strlen(texts[i]);
        CHECK_STATUS(mapped_mode_parse(texts[i], length, &mode, &error),
                     MAPPED_ARGUMENT);
        CHECK_STATUS(error.status, MAPPED_ARGUMENT);
        CHECK_INT(mode, 77);
    }
}

static void test_mode_texts_come_back(void)
{
    const char *texts[] = {"r", "r+", "c", "w+", "x+", "a+"};
    for (int i = 0; i < 6; i++) {
        mapped_mode mode = (mapped_mode)77;
        CHECK_STATUS(mapped_mode_parse(texts[i], strlen(texts[i]), &mode, NULL),
                     MAPPED_OK);
        CHECK_INT(mode, i);
        CHECK_TEXT(mapped_mode_text(mode), texts[i]);
    }
}

static void test_mode_parse_understands_b(void)
{
    const char *texts[] = {"rb", "r+b", "rb+", "cb", "ab+", "w+b"};
    const mapped_mode modes[] = {MAPPED_MODE_READ,       MAPPED_MODE_READ_WRITE,
                                 MAPPED_MODE_READ_WRITE, MAPPED_MODE_COPY,
                                 MAPPED_MODE_APPEND,     MAPPED_MODE_CREATE};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        mapped_mode mode = (mapped_mode)77;
        CHECK_STATUS(mapped_mode_parse(texts[i], strlen(texts[i]), &mode, NULL),
                     MAPPED_OK);
        CHECK_INT(mode, modes[i]);
    }
}

static void test_mode_append_makes_a_missing_file(void)
{
    struct stat st;
    const mapped_open_options options = {.length = 5000, .permissions = 0640};
    const char *path = scratch_path("appended");
    mode_t mask = umask(027);
    unlink(path);
    mapped_region *region = scratch_open(path, MAPPED_MODE_APPEND, &options);
    CHECK_INT(scratch_get(region, 4999), 0);
    CHECK_STATUS(put(region, 0, 7), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0640);
    CHECK_INT((long long)st.st_size, 5000);
    umask(mask);
}

static void test_mode_append_keeps_the_content(void)
{
    const char *path = scratch_file("appended", 10);
    mapped_region *region = scratch_open(path, MAPPED_MODE_APPEND, NULL);
    int last = scratch_get(region, 9);
    CHECK_UINT(mapped_region_length(region), 10);
    CHECK_STATUS(mapped_region_append(region, "x", 1, NULL), MAPPED_OK);
    mapped_region_release(region);
    const mapped_open_options longer = {.length = 20};
    region = scratch_open(path, MAPPED_MODE_APPEND, &longer);
    CHECK_INT(scratch_get(region, 9), last);
    CHECK_INT(scratch_get(region, 10), 'x');
    CHECK_INT(scratch_get(region, 19), 0);
    mapped_region_release(region);
}

/* Another process may have opened the file in between. */
static void test_mode_append_that_fails_leaves_the_new_file(void)
{
    mapped_region *region;
    const mapped_open_options options = {.reserve = SIZE_MAX / 16 * 15};
    const char *path = scratch_path("appended");
    unlink(path);
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_APPEND, &options, &region, NULL),
        MAPPED_SYSTEM);
    CHECK_INT(access(path, F_OK), 0);
}

static void test_mode_permissions(void)
{
    struct stat st;
    const uint32_t given[] = {0, 0600, MAPPED_PERMISSIONS_NONE, 010000};
    const unsigned made[] = {0644, 0600, 0};
    const char *path = scratch_path("permitted");
    mode_t mask = umask(022);
    for (int i = 0; i < 4; i++) {
        mapped_region *region = NULL;
        const mapped_open_options options = {.permissions = given[i]};
        unlink(path);
        CHECK_STATUS(mapped_region_open(path, MAPPED_MODE_EXCLUSIVE, &options,
                                        &region, NULL),
                     i < 3 ? MAPPED_OK : MAPPED_ARGUMENT);
        if (i < 3 && CHECK(stat(path, &st) == 0))
            CHECK_UINT(st.st_mode & 07777, made[i]);
        mapped_region_release(region);
    }
    umask(mask);
}

static void test_mode_read_refuses_writes(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region =
        opened(path, MAPPED_MODE_READ, MAPPED_LENGTH_TO_END, 0);
    CHECK(mapped_region_readonly(region));
    CHECK_STATUS(put(region, 0, 99), MAPPED_READONLY);
    mapped_region_release(region);
    CHECK_INT(scratch_read_byte(path, 0), scratch_byte(0));
}

static void test_mode_read_write_reaches_the_file(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region =
        opened(path, MAPPED_MODE_READ_WRITE, MAPPED_LENGTH_TO_END, 0);
    CHECK(!mapped_region_readonly(region));
    CHECK_STATUS(put(region, 9, 99), MAPPED_OK);
    CHECK_INT(scratch_read_byte(path, 9), 99);
    mapped_region_release(region);
    CHECK_INT(scratch_read_byte(path, 9), 99);
    CHECK_INT(scratch_size(path), 10);
}

static void test_mode_copy_never_reaches_the_file(void)
{
    const char *path = scratch_file("file", 10);
    CHECK_INT(chmod(path, 0444), 0);
    mapped_region *region =
        opened(path, MAPPED_MODE_COPY, MAPPED_LENGTH_TO_END, 0);
    CHECK(!mapped_region_readonly(region));
    CHECK_STATUS(put(region, 9, 99), MAPPED_OK);
    CHECK_INT(scratch_get(region, 9), 99);
    mapped_region_release(region);
    CHECK_INT(scratch_read_byte(path, 9), scratch_byte(9));
    unlink(path);
}

/* To follow the file makes no page private: that is for writes to do. */
static void test_mode_copy_stays_with_the_file_until_it_is_written_to(void)
{
    const char *path = scratch_file("modes", 10);
    mapped_change change = MAPPED_UNCHANGED;
    mapped_region *copy = opened(path, MAPPED_MODE_COPY, 0, 0);
    mapped_region *writer = opened(path, MAPPED_MODE_READ_WRITE, 0, 0);
    CHECK_INT(scratch_get(copy, 9), scratch_byte(9));
    CHECK_STATUS(mapped_region_resize(writer, 3000, NULL), MAPPED_OK);
    CHECK_STATUS(put(writer, 2999, 99), MAPPED_OK);
    CHECK_STATUS(mapped_region_refresh(copy, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_LONGER);
    CHECK_STATUS(put(writer, 0, 88), MAPPED_OK);
    CHECK_INT(scratch_get(copy, 0), 88);
    CHECK_INT(scratch_get(copy, 2999), 99);
    CHECK_STATUS(put(copy, 1, 77), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(writer, 3500, NULL), MAPPED_OK);
    CHECK_STATUS(put(writer, 3499, 66), MAPPED_OK);
    CHECK_STATUS(mapped_region_refresh(copy, &change, NULL), MAPPED_OK);
    CHECK_INT(scratch_get(copy, 1), 77);
    CHECK_INT(scratch_get(copy, 3499), 66);
    mapped_region_release(writer);
    mapped_region_release(copy);
}

static void test_mode_create_empties_an_existing_file(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region_release(
        opened(path, MAPPED_MODE_CREATE, MAPPED_LENGTH_TO_END, 0));
    CHECK_INT(scratch_size(path), 0);
}

static void test_mode_create_gives_zeros_of_the_length(void)
{
    const char *path = scratch_file("file", 10000);
    mapped_region *region = opened(path, MAPPED_MODE_CREATE, 5000, 0);
    CHECK_UINT(mapped_region_length(region), 5000);
    for (size_t i = 0; i < 5000; i += 499)
        CHECK_INT(scratch_get(region, i), 0);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 5000);
}

static void test_mode_create_makes_a_missing_file(void)
{
    const char *path = scratch_path("new");
    mapped_region *region = opened(path, MAPPED_MODE_CREATE, 100, 0);
    CHECK_STATUS(put(region, 99, 7), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 100);
    CHECK_INT(scratch_read_byte(path, 99), 7);
    unlink(path);
}

static void test_mode_create_counts_from_the_offset(void)
{
    const char *path = scratch_file("file", 10);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region;
    options.offset = 5001;
    options.length = 99;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_CREATE, &options, &region, NULL),
        MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 99);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 5100);
}

static void test_mode_exclusive_makes_a_missing_file(void)
{
    const char *path = scratch_path("new");
    mapped_region *region = opened(path, MAPPED_MODE_EXCLUSIVE, 100, 0);
    CHECK_UINT(mapped_region_length(region), 100);
    CHECK_STATUS(put(region, 99, 7), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 100);
    unlink(path);
}

static void test_mode_read_write_extends_and_keeps_the_content(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region *region = opened(path, MAPPED_MODE_READ_WRITE, 10000, 0);
    CHECK_INT(scratch_get(region, 9), scratch_byte(9));
    CHECK_INT(scratch_get(region, 10), 0);
    CHECK_INT(scratch_get(region, 9999), 0);
    mapped_region_release(region);
    CHECK_INT(scratch_size(path), 10000);
}

static void test_mode_read_write_never_shortens(void)
{
    const char *path = scratch_file("file", 10);
    mapped_region_release(opened(path, MAPPED_MODE_READ_WRITE, 5, 0));
    mapped_region_release(opened(path, MAPPED_MODE_READ_WRITE, 0, 0));
    CHECK_INT(scratch_size(path), 10);
}

static void test_mode_extension_has_blocks(void)
{
    const char *extended = scratch_file("extended", 10);
    const char *created = scratch_path("created");
    mapped_region_release(opened(extended, MAPPED_MODE_READ_WRITE, LENGTH, 0));
    mapped_region_release(opened(created, MAPPED_MODE_CREATE, LENGTH, 0));
    CHECK(scratch_allocated(extended) >= LENGTH);
    CHECK(scratch_allocated(created) >= LENGTH);
    unlink(extended);
    unlink(created);
}

static void test_mode_sparse_extension_has_no_blocks(void)
{
    const char *path = scratch_path("sparse");
    mapped_region_release(
        opened(path, MAPPED_MODE_CREATE, LENGTH, MAPPED_OPEN_SPARSE));
    CHECK_INT(scratch_size(path), LENGTH);
    CHECK(scratch_allocated(path) < LENGTH / 2);
    unlink(path);
}

static void test_mode_two_regions_of_one_file_agree(void)
{
    const char *path = scratch_file("file", 10000);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *writer =
        opened(path, MAPPED_MODE_READ_WRITE, MAPPED_LENGTH_TO_END, 0);
    mapped_region *reader;
    options.offset = 4097;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, &options, &reader, NULL),
        MAPPED_OK);
    CHECK_STATUS(put(writer, 4097 + 5, 222), MAPPED_OK);
    CHECK_INT(scratch_get(reader, 5), 222);
    mapped_region_release(writer);
    CHECK_INT(scratch_get(reader, 5), 222);
    mapped_region_release(reader);
}

static void test_mode_device_refuses_what_is_misaligned(void)
{
    const char *path = scratch_file("file", 64);
    mapped_region *region = opened(path, MAPPED_MODE_READ_WRITE,
                                   MAPPED_LENGTH_TO_END, MAPPED_OPEN_DEVICE);
    mapped_slice all = mapped_region_slice(region);
    uint32_t value = 4711;
    unsigned char *p;
    CHECK(mapped_region_device(region));
    CHECK_UINT(all.length, 64);
    CHECK_STATUS(mapped_get_u32le(all, 1, &value, NULL), MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_set_u32le(all, 2, 1, NULL), MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_slice_enter(all, 0, 3, &p, NULL), MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_slice_enter(all, 0, 16, &p, NULL), MAPPED_MISALIGNED);
    CHECK_STATUS(mapped_get_u32le(all, 64, &value, NULL), MAPPED_RANGE);
    CHECK_UINT(value, 4711);
    mapped_region_release(region);
    CHECK_INT(scratch_read_byte(path, 2), scratch_byte(2));
}

static void test_mode_device_reads_and_writes_aligned(void)
{
    const char *path = scratch_file("file", 64);
    mapped_region *region = opened(path, MAPPED_MODE_READ_WRITE,
                                   MAPPED_LENGTH_TO_END, MAPPED_OPEN_DEVICE);
    mapped_slice all = mapped_region_slice(region);
    uint32_t value = 0;
    unsigned char out[7];
    CHECK_STATUS(mapped_set_u32le(all, 60, 0x11223344, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u32be(all, 60, &value, NULL), MAPPED_OK);
    CHECK_UINT(value, 0x44332211);
    CHECK_STATUS(mapped_read(all, 57, out, sizeof out, NULL), MAPPED_OK);
    CHECK_UINT(out[0], scratch_byte(57));
    CHECK_UINT(out[6], 0x11);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u32le(all, 60, &value, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_mode_device_lends_no_block(void)
{
    const char *path = scratch_file("file", 64);
    mapped_region *region = opened(path, MAPPED_MODE_READ, MAPPED_LENGTH_TO_END,
                                   MAPPED_OPEN_DEVICE);
    mapped_slice part = mapped_region_slice(region);
    const void *block = NULL;
    size_t count = 7;
    part.length = 4;
    CHECK_STATUS(mapped_block_enter(part, 4, &block, &count, NULL),
                 MAPPED_MISALIGNED);
    CHECK_UINT(count, 7);
    mapped_region_release(region);
}

static void test_mode_device_readonly_refuses_writes(void)
{
    const char *path = scratch_file("file", 64);
    mapped_region *region = opened(path, MAPPED_MODE_READ, MAPPED_LENGTH_TO_END,
                                   MAPPED_OPEN_DEVICE);
    CHECK_STATUS(put(region, 0, 9), MAPPED_READONLY);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_mode_parse_refuses_other_texts);
    RUN(test_mode_texts_come_back);
    RUN(test_mode_parse_understands_b);
    RUN(test_mode_append_makes_a_missing_file);
    RUN(test_mode_append_keeps_the_content);
    RUN(test_mode_append_that_fails_leaves_the_new_file);
    RUN(test_mode_permissions);
    RUN(test_mode_read_refuses_writes);
    RUN(test_mode_read_write_reaches_the_file);
    RUN(test_mode_copy_never_reaches_the_file);
    RUN(test_mode_copy_stays_with_the_file_until_it_is_written_to);
    RUN(test_mode_create_empties_an_existing_file);
    RUN(test_mode_create_gives_zeros_of_the_length);
    RUN(test_mode_create_makes_a_missing_file);
    RUN(test_mode_create_counts_from_the_offset);
    RUN(test_mode_exclusive_makes_a_missing_file);
    RUN(test_mode_read_write_extends_and_keeps_the_content);
    RUN(test_mode_read_write_never_shortens);
    RUN(test_mode_extension_has_blocks);
    RUN(test_mode_sparse_extension_has_no_blocks);
    RUN(test_mode_two_regions_of_one_file_agree);
    RUN(test_mode_device_refuses_what_is_misaligned);
    RUN(test_mode_device_reads_and_writes_aligned);
    RUN(test_mode_device_lends_no_block);
    RUN(test_mode_device_readonly_refuses_writes);
    return check_finish();
}
