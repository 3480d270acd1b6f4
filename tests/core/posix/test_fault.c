/* Guards against a lost page that kills, that goes unreported, that takes
 * intact pages with it or that can't be had back. */
#include "scratch.h"

#include <sys/resource.h>

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
    if (mapped_region_open(s.path, mode, options, &s.region, NULL) != MAPPED_OK)
        exit(1);
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

/* Where the region says it lost something, as one text: "offset+length ...". */
static const char *losses(const subject *s)
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
    void *data;
    CHECK_STATUS(mapped_region_pin(s.region, &data, NULL), MAPPED_OK);
    const volatile unsigned char *bytes = data;
    cut(&s, page);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_OK);
    CHECK_INT(bytes[4 * page], 0);
    CHECK_UINT(mapped_region_fault_count(s.region), 1);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_FAULT);
    mapped_region_unpin(s.region);
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
        CHECK_TEXT(losses(&s), "0+8");
        CHECK_UINT(mapped_region_fault_count(s.region), PAGES);
        done(&s);
    }
}

static void test_fault_backward_move_becomes_one_range(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    void *data;
    CHECK_STATUS(mapped_region_pin(s.region, &data, NULL), MAPPED_OK);
    cut(&s, 0);
    memmove((unsigned char *)data + page, data, (PAGES - 1) * page);
    CHECK_TEXT(losses(&s), "0+8");
    mapped_region_unpin(s.region);
    done(&s);
}

/* The zeros of a lost source must not get into pages that are intact. */
static void test_fault_copy_writes_no_byte_of_a_lost_page(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "vgpreload")) {
        check_skip("valgrind can't grow the stack in a fault");
        return;
    }
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    unsigned char before = 0, after = 0;
    cut(&s, page);
    CHECK_STATUS(mapped_get_u8(s.all, 7, &before, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_move(s.all, 0, 3 * page, 100, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_get_u8(s.all, 7, &after, NULL), MAPPED_OK);
    CHECK_UINT(after, before);
    CHECK_UINT(before != 0, 1);
    done(&s);
}

static void test_fault_ranges_come_in_the_order_of_loss(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    cut(&s, 0);
    read_byte(&s, 6 * page);
    read_byte(&s, 2 * page);
    read_byte(&s, 4 * page);
    read_byte(&s, 1 * page);
    CHECK_TEXT(losses(&s), "6+1 1+2 4+1");
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
    CHECK_TEXT(losses(&s), "0+200");
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
        CHECK_TEXT(losses(&s), "");
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
    CHECK_TEXT(losses(&s), "3+5");
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
    CHECK_STATUS(mapped_region_restore(s.region, NULL), MAPPED_OK);
    CHECK_STATUS(read_byte(&s, 0), MAPPED_FAULT);
    CHECK_UINT(mapped_region_recovery_count(s.region), 0);
    CHECK_STATUS(mapped_region_settle(s.region, NULL), MAPPED_OK);
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
    CHECK_STATUS(mapped_region_restore(s.region, NULL), MAPPED_OK);
    cut(&s, page);
    read_byte(&s, 4 * page);
    CHECK_STATUS(mapped_region_settle(s.region, NULL), MAPPED_FAULT);
    CHECK_TEXT(losses(&s), "4+1");
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
    CHECK_TEXT(losses(&s), "1+1");
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
    CHECK_TEXT(losses(&s), "2+1");
    CHECK_STATUS(mapped_region_resize(s.region, 2 * page, NULL), MAPPED_OK);
    CHECK_TEXT(losses(&s), "");
    CHECK_STATUS(mapped_region_resize(s.region, 6 * page, NULL), MAPPED_OK);
    uint8_t byte = 1;
    s.all = mapped_region_slice(s.region);
    CHECK_STATUS(mapped_get_u8(s.all, 5 * page, &byte, NULL), MAPPED_OK);
    done(&s);
}

static void test_seal_keeps_peers_from_cutting(void)
{
    mapped_region *region;
    intptr_t fd;
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    options.shared = true;
    CHECK_STATUS(mapped_region_anonymous(3 * page, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_descriptor(region, &fd, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_seal(region, NULL), MAPPED_OK);
    CHECK_INT(ftruncate((int)fd, 0), -1);
    CHECK_INT(errno, EPERM);
    CHECK_INT(ftruncate((int)fd, (off_t)(4 * page)), -1);
    CHECK_STATUS(mapped_region_resize(region, page, NULL), MAPPED_SYSTEM);
    CHECK_UINT(mapped_region_length(region), 3 * page);
    CHECK_STATUS(mapped_region_seal(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 7, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_seal(region, NULL), MAPPED_CLOSED);
    mapped_region_release(region);
}

static void test_seal_anything_else_is_unsupported(void)
{
    subject s = opened(MAPPED_MODE_READ_WRITE, NULL);
    mapped_region *region = memory_region(100);
    CHECK_STATUS(mapped_region_seal(s.region, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_seal(region, NULL), MAPPED_UNSUPPORTED);
    mapped_region_release(region);
    done(&s);
}

static long maps_allowed(void)
{
    FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
    long limit = -1;
    if (file && fscanf(file, "%ld", &limit) != 1)
        limit = -1;
    if (file)
        fclose(file);
    return limit;
}

/* To replace a page splits its mapping, which the kernel refuses at its limit.
 */
static void test_fault_at_the_limit_of_mappings_is_survived(void)
{
    subject s = opened(MAPPED_MODE_READ, NULL);
    long limit = maps_allowed();
    if (limit < 0 || limit > 200000 || scratch_instrumented()) {
        check_skip("no usable limit on the number of mappings");
        done(&s);
        return;
    }
    void **maps = calloc((size_t)limit, sizeof *maps);
    size_t made = 0;
    for (; made < (size_t)limit; made++) {
        int protection = made % 2 ? PROT_READ : PROT_NONE;
        maps[made] =
            mmap(NULL, page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (maps[made] == MAP_FAILED)
            break;
    }
    cut(&s, 4 * page);
    mapped_status lost = read_byte(&s, 5 * page);
    mapped_status intact = read_byte(&s, page);
    for (size_t i = 0; i < made; i++)
        munmap(maps[i], page);
    free(maps);
    CHECK_STATUS(lost, MAPPED_FAULT);
    CHECK_STATUS(intact, MAPPED_OK);
    CHECK_TEXT(losses(&s), "5+1");
    done(&s);
}

/* One more region than the kernel lets a process have. */
static void test_open_more_regions_than_there_can_be(void)
{
    long limit = maps_allowed();
    if (limit < 0 || limit > 200000 || scratch_instrumented()) {
        check_skip("no usable limit on the number of mappings");
        return;
    }
    const char *path = scratch_file("limit", page);
    mapped_region **regions = calloc((size_t)limit + 1, sizeof *regions);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_status status = MAPPED_OK;
    size_t made = 0;
    int descriptors = scratch_descriptors();
    while (status == MAPPED_OK && made <= (size_t)limit) {
        status = mapped_region_open(path, MAPPED_MODE_READ, NULL,
                                    &regions[made], &error);
        made += status == MAPPED_OK;
    }
    CHECK_STATUS(status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOMEM);
    CHECK(made > 60000);
    CHECK_INT(truncate(path, 0), 0);
    uint8_t byte;
    CHECK_STATUS(
        mapped_get_u8(mapped_region_slice(regions[made / 2]), 0, &byte, NULL),
        MAPPED_FAULT);
    for (size_t i = 0; i < made; i++)
        mapped_region_release(regions[i]);
    free(regions);
    CHECK_INT(scratch_descriptors(), descriptors);
    CHECK_INT(scratch_mappings_of("/limit"), 0);
    unlink(path);
}

static const char *exhaust_memory(void)
{
    const char *path = scratch_file("memory", page);
    struct rlimit limit = {(rlim_t)scratch_address_pages() * page + (4 << 20),
                           RLIM_INFINITY};
    mapped_region *region = NULL;
    mapped_status status = MAPPED_OK;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return "no limit on the address space";
    for (int i = 0; i < 1000000 && status == MAPPED_OK; i++)
        status =
            mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL);
    CHECK(status == MAPPED_SYSTEM || status == MAPPED_MEMORY);
    uint8_t byte;
    CHECK_INT(truncate(path, 0), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 0, &byte, NULL),
                 MAPPED_FAULT);
    return NULL;
}

static void test_open_without_memory_for_the_guard(void)
{
    if (scratch_instrumented())
        check_skip("sanitizers need address space");
    else
        CHECK_INT(scratch_child(exhaust_memory), 0);
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
    RUN(test_fault_growth_into_reserve_keeps_losses);
    RUN(test_fault_shrinking_forgets_what_is_cut_off);
    RUN(test_seal_keeps_peers_from_cutting);
    RUN(test_seal_anything_else_is_unsupported);
    RUN(test_fault_at_the_limit_of_mappings_is_survived);
    RUN(test_open_more_regions_than_there_can_be);
    RUN(test_open_without_memory_for_the_guard);
    return check_finish();
}
