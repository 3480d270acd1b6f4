/* Guards against a lost page that kills the process, that isn't reported, that
 * makes intact pages count as lost, or that can't be recovered. */
#include "scratch.h"

#define PAGES 8

static size_t page;

typedef struct subject {
    const char *path;
    mapped_region *region;
    mapped_slice all;
} subject;

static subject opened(mapped_mode mode, const mapped_open_options *options)
{
    subject s = {.path = scratch_file("fault", PAGES * page)};
    s.region = scratch_open(s.path, mode, options);
    s.all = mapped_region_slice(s.region);
    return s;
}

static void cut(const subject *s, size_t length)
{
    CHECK_INT(truncate(s->path, (off_t)length), 0);
}

static void done(subject *s)
{
    mapped_region_release(s->region);
    unlink(s->path);
}

static mapped_status read_byte(const subject *s, size_t offset)
{
    uint8_t byte = 0;
    mapped_status status = mapped_get_u8(s->all, offset, &byte, NULL);
    if (status == MAPPED_OK)
        CHECK_INT(byte, scratch_byte(offset));
    else
        CHECK_INT(byte, 0);
    return status;
}

/* Returns the lost ranges of the region as one text: "offset+length ...". */
static const char *lost_pages(const subject *s)
{
    static char text[2048];
    mapped_lost_range ranges[64];
    size_t count = 0;
    size_t at = 0;
    mapped_status status =
        mapped_region_faults(s->region, ranges, 64, &count, NULL);
    CHECK_STATUS(status, MAPPED_OK);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%zu+%zu",
                               i ? " " : "", ranges[i].offset / page,
                               ranges[i].length / page);
    return text;
}

static void test_fault_truncated_read_names_range_and_cause(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    mapped_error error = MAPPED_ERROR_INIT;
    uint32_t value = 77;
    cut(&s, 2 * page);
    CHECK_STATUS(mapped_get_u32le(s.all, 5 * page + 8, &value, &error),
                 MAPPED_FAULT);
    CHECK_UINT(value, 77);
    CHECK_INT(error.os_error, ENODATA);
    CHECK_UINT(error.offset, 5 * page);
    CHECK_UINT(error.length, page);
    done(&s);
}

static void test_fault_every_mode_survives_read_and_write(void)
{
    static const mapped_mode modes[] = {
        MAPPED_MODE_READ, MAPPED_MODE_READ_WRITE, MAPPED_MODE_COPY};
    for (size_t i = 0; i < 3; i++) {
        subject s = opened(modes[i], NULL);
        cut(&s, 0);
        CHECK_STATUS(read_byte(&s, 0), MAPPED_FAULT);
        CHECK_STATUS(mapped_set_u8(s.all, page, 1, NULL),
                     i == 0 ? MAPPED_READONLY : MAPPED_FAULT);
        CHECK_STATUS(mapped_set_u8(s.all, 0, 1, NULL),
                     i == 0 ? MAPPED_READONLY : MAPPED_FAULT);
        CHECK_STATUS(mapped_fill(s.all, 1, NULL),
                     i == 0 ? MAPPED_READONLY : MAPPED_FAULT);
        done(&s);
    }
}

static void test_fault_stays_lost_until_recovered(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, page);
    CHECK_STATUS(read_byte(&s, page), MAPPED_FAULT);
    CHECK_STATUS(read_byte(&s, page), MAPPED_FAULT);
    CHECK_STATUS(read_byte(&s, 2 * page - 1), MAPPED_FAULT);
    CHECK_UINT(mapped_region_fault_count(s.region), 1);
    done(&s);
}

static void test_fault_intact_pages_go_on_working(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    cut(&s, 3 * page);
    CHECK_STATUS(read_byte(&s, 3 * page), MAPPED_FAULT);
    for (size_t at = 0; at < 3 * page; at += 100)
        CHECK_STATUS(read_byte(&s, at), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(s.all, 5, 99, NULL), MAPPED_OK);
    CHECK_INT(scratch_read_byte(s.path, 5), 99);
    done(&s);
}

static void test_fault_range_over_an_edge_is_lost(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    unsigned char bytes[4];
    cut(&s, 3 * page);
    CHECK_STATUS(mapped_read(s.all, 3 * page - 2, bytes, 4, NULL),
                 MAPPED_FAULT);
    CHECK_STATUS(mapped_read(s.all, 3 * page - 4, bytes, 4, NULL), MAPPED_OK);
    done(&s);
}

static void test_fault_offset_counts_from_the_region(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_error error = MAPPED_ERROR_INIT;
    options.offset = page + 100;
    subject s = opened(MAPPED_MODE_READ, &options);
    cut(&s, 0);
    uint8_t byte;
    CHECK_STATUS(mapped_get_u8(s.all, 0, &byte, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 0);
    CHECK_UINT(error.length, page - 100);
    size_t last = mapped_region_length(s.region) - 1;
    CHECK_STATUS(mapped_get_u8(s.all, last, &byte, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset + error.length, last + 1);
    done(&s);
}

static void test_fault_count_tells_raw_readers(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    mapped_export held;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(s.region), &held, NULL),
        MAPPED_OK);
    const volatile unsigned char *bytes = held.data;
    cut(&s, page);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_OK);
    CHECK_INT(bytes[4 * page], 0);
    CHECK_UINT(mapped_region_fault_count(s.region), 1);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_FAULT);
    done(&s);
}

static void test_fault_neighbours_become_one_range(void)
{
    static const int orders[3][PAGES] = {{0, 1, 2, 3, 4, 5, 6, 7},
                                         {7, 6, 5, 4, 3, 2, 1, 0},
                                         {0, 2, 4, 6, 1, 5, 7, 3}};
    for (size_t i = 0; i < 3; i++) {
        subject s = opened(MAPPED_MODE_READ, NULL);
        cut(&s, 0);
        for (size_t j = 0; j < PAGES; j++)
            CHECK_STATUS(read_byte(&s, (size_t)orders[i][j] * page),
                         MAPPED_FAULT);
        CHECK_TEXT(lost_pages(&s), "0+8");
        CHECK_UINT(mapped_region_fault_count(s.region), PAGES);
        done(&s);
    }
}

static void test_fault_backward_move_becomes_one_range(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    mapped_export held;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(s.region), &held, NULL),
        MAPPED_OK);
    cut(&s, 0);
    memmove((unsigned char *)held.data + page, held.data, (PAGES - 1) * page);
    CHECK_TEXT(lost_pages(&s), "0+8");
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_FAULT);
    done(&s);
}

/* The zeros of a lost source must not be copied into intact pages. */
static void test_fault_copy_writes_no_byte_of_a_lost_page(void)
{
    if (scratch_valgrind()) {
        check_skip("valgrind can't grow the stack in a fault");
        return;
    }
    static const size_t sizes[] = {1, 100, 127, 128, 200, 300, 4000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
        cut(&s, page);
        CHECK_STATUS(mapped_move(s.all, 7, 3 * page, sizes[i], NULL),
                     MAPPED_FAULT);
        CHECK_STATUS(read_byte(&s, 7), MAPPED_OK);
        CHECK_STATUS(read_byte(&s, 6 + sizes[i]), MAPPED_OK);
        done(&s);
    }
}

static void test_fault_ranges_come_in_the_order_of_loss(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, 0);
    read_byte(&s, 6 * page);
    read_byte(&s, 2 * page);
    read_byte(&s, 4 * page);
    read_byte(&s, 1 * page);
    CHECK_TEXT(lost_pages(&s), "6+1 1+2 4+1");
    done(&s);
}

#define MANY 200

static subject many_pages(void)
{
    subject s = {.path = scratch_file("many", MANY * page)};
    if (mapped_region_open(s.path, MAPPED_MODE_READ, NULL, &s.region, NULL) !=
        MAPPED_OK)
        exit(1);
    s.all = mapped_region_slice(s.region);
    return s;
}

static void test_fault_too_many_ranges_lose_everything(void)
{
    subject s = many_pages();
    size_t count;
    cut(&s, MANY / 2 * page);
    for (size_t i = MANY / 2; i < MANY; i += 2)
        CHECK_STATUS(read_byte(&s, i * page), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_faults(s.region, NULL, 0, &count, NULL),
                 MAPPED_OK);
    CHECK_UINT(count, 1);
    CHECK_TEXT(lost_pages(&s), "0+200");
    CHECK_STATUS(read_byte(&s, 0), MAPPED_FAULT);
    scratch_file("many", MANY * page);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    for (size_t i = 0; i < MANY; i++)
        CHECK_STATUS(read_byte(&s, i * page), MAPPED_OK);
    done(&s);
}

static void refill(const subject *s, size_t length)
{
    int fd = open(s->path, O_WRONLY);
    for (size_t i = 0; fd >= 0 && i < length; i++) {
        unsigned char byte = scratch_byte(i);
        if (pwrite(fd, &byte, 1, (off_t)i) != 1)
            exit(1);
    }
    close(fd);
}

static void test_recover_brings_pages_back_in_place(void)
{
    static const mapped_mode modes[] = {
        MAPPED_MODE_READ, MAPPED_MODE_READ_WRITE, MAPPED_MODE_COPY};
    for (size_t i = 0; i < 3; i++) {
        subject s = opened(modes[i], NULL);
        cut(&s, 0);
        CHECK_STATUS(read_byte(&s, 3 * page), MAPPED_FAULT);
        CHECK_STATUS(read_byte(&s, 5 * page), MAPPED_FAULT);
        refill(&s, PAGES * page);
        CHECK_STATUS(read_byte(&s, 3 * page), MAPPED_FAULT);
        const unsigned char *base = s.region->base_;
        CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
        CHECK(s.region->base_ == base);
        for (size_t at = 0; at < PAGES * page; at += 512)
            CHECK_STATUS(read_byte(&s, at), MAPPED_OK);
        CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_OK);
        CHECK_TEXT(lost_pages(&s), "");
        done(&s);
    }
}

static void test_recover_keeps_what_is_still_lost(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    mapped_error error = MAPPED_ERROR_INIT;
    cut(&s, 0);
    for (size_t i = 0; i < PAGES; i++)
        read_byte(&s, i * page);
    refill(&s, 3 * page);
    CHECK_STATUS(mapped_region_recover(s.region, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 3 * page);
    CHECK_UINT(error.length, 5 * page);
    CHECK_TEXT(lost_pages(&s), "3+5");
    CHECK_STATUS(read_byte(&s, 2 * page), MAPPED_OK);
    CHECK_STATUS(read_byte(&s, 3 * page), MAPPED_FAULT);
    done(&s);
}

static void test_recover_written_page_reaches_the_file_again(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    cut(&s, 0);
    CHECK_STATUS(mapped_set_u8(s.all, 0, 1, NULL), MAPPED_FAULT);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(s.all, 0, 201, NULL), MAPPED_OK);
    CHECK_INT(scratch_read_byte(s.path, 0), 201);
    done(&s);
}

static void test_recover_another_file_is_stale(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, 0);
    read_byte(&s, 0);
    CHECK_INT(rename(s.path, scratch_path("old")), 0);
    scratch_file("fault", PAGES * page);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_STALE);
    CHECK_STATUS(read_byte(&s, 0), MAPPED_FAULT);
    unlink(s.path);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_SYSTEM);
    CHECK_INT(rename(scratch_path("old"), s.path), 0);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    done(&s);
}

static void test_recover_in_halves_counts_as_lost_in_between(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, 0);
    read_byte(&s, 0);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_recover_begin(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(read_byte(&s, 0), MAPPED_FAULT);
    CHECK_UINT(mapped_region_recovery_count(s.region), 0);
    CHECK_STATUS(mapped_region_recover_end(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(read_byte(&s, 0), MAPPED_OK);
    CHECK_UINT(mapped_region_recovery_count(s.region), 1);
    done(&s);
}

static void test_recover_page_lost_between_the_halves_stays_lost(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, 0);
    read_byte(&s, 0);
    read_byte(&s, 4 * page);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_recover_begin(s.region, NULL), MAPPED_OK);
    cut(&s, page);
    read_byte(&s, 4 * page);
    CHECK_STATUS(mapped_region_recover_end(s.region, NULL), MAPPED_FAULT);
    CHECK_TEXT(lost_pages(&s), "4+1");
    CHECK_STATUS(read_byte(&s, 0), MAPPED_OK);
    done(&s);
}

static void test_recover_nothing_lost_is_fine(void)
{
    mapped_region *region = memory_region(100);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_fault_growth_in_one_piece_wants_recovery_first(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    cut(&s, page);
    read_byte(&s, page);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_FAULT);
    CHECK_INT(scratch_size(s.path), (int64_t)page);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_OK);
    CHECK_STATUS(read_byte(&s, page), MAPPED_OK);
    done(&s);
}

/* A recovered page must be mapped as its neighbours are, so that the kernel
 * joins them. A region of several mappings can't grow in place. */
static void test_recover_leaves_one_mapping(void)
{
    for (int huge = 0; huge < 2; huge++) {
        mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
        options.huge = huge ? MAPPED_HUGE_ADVISE : 0;
        subject s = opened(MAPPED_MODE_READ_WRITE, &options);
        cut(&s, page);
        read_byte(&s, 2 * page);
        CHECK_INT(scratch_mappings_of(s.path), 2);
        refill(&s, PAGES * page);
        CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
        CHECK_INT(scratch_mappings_of(s.path), 1);
        CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL),
                     MAPPED_OK);
        done(&s);
    }
}

/* A program may give advice for a part of a region, which splits its mapping
 * into three. */
static void test_fault_growth_of_a_divided_mapping_moves_it(void)
{
    if (scratch_valgrind()) {
        check_skip("valgrind stretches mappings in its own way");
        return;
    }
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    CHECK_INT(madvise(s.region->base_ + 2 * page, page, MADV_DONTFORK), 0);
    CHECK_INT(scratch_mappings_of(s.path), 3);
    mapped_region_acquire(s.region);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_BUSY);
    CHECK_STATUS(read_byte(&s, 2 * page), MAPPED_OK);
    mapped_region_release(s.region);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_OK);
    CHECK_INT(scratch_mappings_of(s.path), 1);
    CHECK_STATUS(read_byte(&s, 2 * page), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(s.all, 0, 201, NULL), MAPPED_OK);
    CHECK_INT(scratch_read_byte(s.path, 0), 201);
    done(&s);
}

static void test_fault_growth_into_reserve_keeps_losses(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.reserve = 64 * page;
    subject s = opened(MAPPED_MODE_READ_WRITE, &options);
    cut(&s, page);
    read_byte(&s, page);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_FAULT);
    refill(&s, PAGES * page);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * page, NULL), MAPPED_OK);
    CHECK_TEXT(lost_pages(&s), "1+1");
    CHECK_STATUS(read_byte(&s, page), MAPPED_FAULT);
    uint8_t byte = 1;
    s.all = mapped_region_slice(s.region);
    CHECK_STATUS(mapped_get_u8(s.all, 63 * page, &byte, NULL), MAPPED_OK);
    CHECK_INT(byte, 0);
    done(&s);
}

static void test_fault_shrinking_forgets_what_is_cut_off(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    cut(&s, 2 * page);
    read_byte(&s, 2 * page);
    read_byte(&s, 5 * page);
    CHECK_STATUS(mapped_region_resize(s.region, 4 * page, NULL), MAPPED_OK);
    CHECK_TEXT(lost_pages(&s), "2+1");
    CHECK_STATUS(mapped_region_resize(s.region, 2 * page, NULL), MAPPED_OK);
    CHECK_TEXT(lost_pages(&s), "");
    CHECK_STATUS(mapped_region_resize(s.region, 6 * page, NULL), MAPPED_OK);
    uint8_t byte = 1;
    s.all = mapped_region_slice(s.region);
    CHECK_STATUS(mapped_get_u8(s.all, 5 * page, &byte, NULL), MAPPED_OK);
    done(&s);
}

#define SIZE_SEALS (MAPPED_SEAL_GROW | MAPPED_SEAL_SHRINK)

static void test_seal_keeps_peers_from_cutting(void)
{
    mapped_region *region;
    intptr_t fd;
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    options.shared = true;
    CHECK_STATUS(mapped_region_anonymous(3 * page, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_descriptor(region, &fd, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_seal(region, SIZE_SEALS, NULL), MAPPED_OK);
    CHECK_INT(ftruncate((int)fd, 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(ftruncate((int)fd, (off_t)(4 * page)), -1);
    CHECK_STATUS(mapped_region_resize(region, page, NULL), MAPPED_SYSTEM);
    CHECK_UINT(mapped_region_length(region), 3 * page);
    CHECK_STATUS(mapped_region_seal(region, SIZE_SEALS, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 7, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_seal(region, SIZE_SEALS, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_seals_are_one_by_one(void)
{
    mapped_region *region, *other;
    intptr_t fd;
    const mapped_anonymous_options options = {.shared = true};
    CHECK_STATUS(mapped_region_anonymous(100, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_descriptor(region, &fd, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_seal(region, 0, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_region_seal(region, 8, NULL), MAPPED_ARGUMENT);
    CHECK_STATUS(mapped_region_seal(region, MAPPED_SEAL_SHRINK, NULL),
                 MAPPED_OK);
    CHECK_INT(ftruncate((int)fd, 10), -1);
    CHECK_INT(ftruncate((int)fd, 200), 0);
    CHECK_STATUS(mapped_region_seal(region, MAPPED_SEAL_WRITE, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 0, 5, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_open_descriptor(fd, NULL, MAPPED_MODE_READ_WRITE,
                                               NULL, &other, NULL),
                 MAPPED_SYSTEM);
    CHECK_STATUS(mapped_region_open_descriptor(fd, NULL, MAPPED_MODE_READ, NULL,
                                               &other, NULL),
                 MAPPED_OK);
    CHECK_INT(scratch_get(other, 0), 5);
    mapped_region_release(other);
    mapped_region_release(region);
}

static void test_seal_anything_else_is_unsupported(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    mapped_region *region = memory_region(100);
    CHECK_STATUS(mapped_region_seal(s.region, SIZE_SEALS, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_seal(region, SIZE_SEALS, NULL),
                 MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    done(&s);
}

/* The loop's loads are not volatile, as in a loop of the program's own. */
static void test_fault_in_a_block_shows_when_it_is_left(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    mapped_slice all = mapped_region_slice(s.region);
    const void *block = NULL;
    size_t count = 0;
    uint64_t sum = 0;
    CHECK_STATUS(mapped_block_enter(all, 8, &block, &count, NULL), MAPPED_OK);
    cut(&s, page);
    const uint64_t *words = block;
    for (size_t i = page / 8; i < count; i++)
        sum += words[i];
    CHECK_UINT(sum, 0);
    CHECK_STATUS(mapped_block_leave(all, NULL), MAPPED_FAULT);
    done(&s);
}

int main(void)
{
    page = scratch_page();
    RUN(test_fault_truncated_read_names_range_and_cause);
    RUN(test_fault_every_mode_survives_read_and_write);
    RUN(test_fault_stays_lost_until_recovered);
    RUN(test_fault_intact_pages_go_on_working);
    RUN(test_fault_range_over_an_edge_is_lost);
    RUN(test_fault_offset_counts_from_the_region);
    RUN(test_fault_count_tells_raw_readers);
    RUN(test_fault_neighbours_become_one_range);
    RUN(test_fault_backward_move_becomes_one_range);
    RUN(test_fault_copy_writes_no_byte_of_a_lost_page);
    RUN(test_fault_ranges_come_in_the_order_of_loss);
    RUN(test_fault_too_many_ranges_lose_everything);
    RUN(test_recover_brings_pages_back_in_place);
    RUN(test_recover_keeps_what_is_still_lost);
    RUN(test_recover_written_page_reaches_the_file_again);
    RUN(test_recover_another_file_is_stale);
    RUN(test_recover_in_halves_counts_as_lost_in_between);
    RUN(test_recover_page_lost_between_the_halves_stays_lost);
    RUN(test_recover_nothing_lost_is_fine);
    RUN(test_fault_growth_in_one_piece_wants_recovery_first);
    RUN(test_recover_leaves_one_mapping);
    RUN(test_fault_growth_of_a_divided_mapping_moves_it);
    RUN(test_fault_growth_into_reserve_keeps_losses);
    RUN(test_fault_shrinking_forgets_what_is_cut_off);
    RUN(test_seal_keeps_peers_from_cutting);
    RUN(test_seals_are_one_by_one);
    RUN(test_seal_anything_else_is_unsupported);
    RUN(test_fault_in_a_block_shows_when_it_is_left);
    return check_finish();
}
