/* Guards against growth that is refused because of an export that was never
 * ended, against an exported pointer that growth makes invalid or wrong, and
 * against mappings, memory and entries in the fault handler's table that such
 * growth never gives back. */
#include "scratch.h"

#include <mapped/access.h>
#include <mapped/bulk.h>
#include <mapped/export.h>
#include <mapped/fault.h>

#include <malloc.h>

#define LENGTH (2 * scratch_page())
#define LONGER (64 * scratch_page())

typedef struct subject {
    mapped_region *region;
    mapped_export held;
    void *taken; /* the addresses behind the region */
    volatile unsigned char *data;
} subject;

/* Exports a region, and takes the addresses behind it, so that it has to move
 * when it grows. */
static subject begun(mapped_region *region)
{
    subject s = {.region = region};
    s.taken = scratch_block_growth(region);
    if (!CHECK_STATUS(
            mapped_export_begin(mapped_region_slice(region), &s.held, NULL),
            MAPPED_OK))
        exit(1);
    s.data = s.held.data;
    return s;
}

static mapped_region *opened(size_t length)
{
    mapped_region *region = NULL;
    if (!CHECK_STATUS(mapped_region_open(scratch_file("grown", length),
                                         MAPPED_MODE_READ_WRITE, NULL, &region,
                                         NULL),
                      MAPPED_OK))
        exit(1);
    return region;
}

static subject begun_on_file(void)
{
    return begun(opened(LENGTH));
}

static subject begun_on_memory(bool shared)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region = NULL;
    options.shared = shared;
    if (!CHECK_STATUS(mapped_region_anonymous(LENGTH, &options, &region, NULL),
                      MAPPED_OK))
        exit(1);
    return begun(region);
}

static void done(subject *s)
{
    CHECK_UINT(mapped_region_exports(s->region), 0);
    mapped_region_release(s->region);
    if (s->taken)
        munmap(s->taken, scratch_page());
    CHECK_INT(scratch_mappings_of("/grown"), 0);
}

static uint8_t get(const subject *s, size_t offset)
{
    uint8_t byte = 0;
    CHECK_STATUS(
        mapped_get_u8(mapped_region_slice(s->region), offset, &byte, NULL),
        MAPPED_OK);
    return byte;
}

static void set(const subject *s, size_t offset, uint8_t byte)
{
    CHECK_STATUS(
        mapped_set_u8(mapped_region_slice(s->region), offset, byte, NULL),
        MAPPED_OK);
}

static void check_both_ways(subject *s)
{
    set(s, 5, 77);
    CHECK_UINT(s->data[5], 77);
    s->data[6] = 78;
    CHECK_UINT(get(s, 6), 78);
}

static void test_growth_leaves_a_file_s_export_true(void)
{
    subject s = begun_on_file();
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    check_both_ways(&s);
    CHECK_UINT(get(&s, LENGTH - 1), scratch_byte(LENGTH - 1));
    CHECK_UINT(get(&s, LONGER - 1), 0);
    CHECK_STATUS(mapped_region_resize(s.region, 1, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(s.region, 1, NULL), MAPPED_OK);
    CHECK_INT(scratch_mappings_of("/grown"), 1);
    done(&s);
}

static void test_growth_leaves_an_export_of_shared_memory_true(void)
{
    subject s = begun_on_memory(true);
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    check_both_ways(&s);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    done(&s);
}

static void test_growth_of_exported_private_memory_is_busy(void)
{
    subject s = begun_on_memory(false);
    mapped_error error = MAPPED_ERROR_INIT;
    unsigned char *base = s.region->base_;
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, &error), MAPPED_BUSY);
    CHECK_TEXT(error.operation, "resize");
    CHECK_UINT(error.length, 1);
    CHECK_UINT(mapped_region_length(s.region), LENGTH);
    CHECK(s.region->base_ == base);
    check_both_ways(&s);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    done(&s);
}

static void test_growth_copies_private_memory_where_told_to(void)
{
    subject s = begun_on_memory(false);
    long pages = scratch_address_pages();
    set(&s, LENGTH - 1, 77);
    mapped_region_copy_on_move(s.region);
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    CHECK_UINT(get(&s, LENGTH - 1), 77);
    set(&s, LENGTH - 1, 78);
    CHECK_UINT(s.data[LENGTH - 1], 77);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(s.region, LENGTH, NULL), MAPPED_OK);
    if (!scratch_instrumented())
        CHECK_INT(scratch_address_pages(), pages);
    done(&s);
}

/* Only exported bytes stay mapped where they were. The bytes that were appended
 * later move as usual. */
static void test_growth_goes_on_without_leaving_more(void)
{
    subject s = begun_on_file();
    const char *bytes = "sixteen letters.";
    for (int i = 0; i < 1000; i++)
        CHECK_STATUS(mapped_region_append(s.region, bytes, 16, NULL),
                     MAPPED_OK);
    CHECK_INT(scratch_mappings_of("/grown"), 2);
    check_both_ways(&s);
    CHECK_UINT(get(&s, LENGTH + 15999), '.');
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    done(&s);
}

static void test_growth_under_several_exports_leaves_each(void)
{
    subject s = begun_on_file();
    subject later = s;
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    void *taken = scratch_block_growth(s.region);
    later.held.slice = mapped_region_slice(s.region);
    CHECK_STATUS(mapped_export_begin(later.held.slice, &later.held, NULL),
                 MAPPED_OK);
    later.data = later.held.data;
    CHECK_STATUS(mapped_region_resize(s.region, 8 * LONGER, NULL), MAPPED_OK);
    check_both_ways(&s);
    check_both_ways(&later);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(s.region, 64 * LONGER, NULL), MAPPED_OK);
    check_both_ways(&later);
    CHECK_STATUS(mapped_export_end(&later.held, NULL), MAPPED_OK);
    if (taken)
        munmap(taken, scratch_page());
    done(&s);
}

/* Each export is of memory that has just moved, and none is ended. */
static void test_growth_under_more_and_more_exports_leaves_few_mappings(void)
{
    subject s = begun_on_file();
    mapped_export exports[200];
    for (size_t i = 0; i < 200; i++) {
        CHECK_STATUS(
            mapped_region_resize(s.region, LENGTH + i * scratch_page(), NULL),
            MAPPED_OK);
        CHECK_STATUS(mapped_export_begin(mapped_region_slice(s.region),
                                         &exports[i], NULL),
                     MAPPED_OK);
        (void)scratch_block_growth(s.region);
    }
    CHECK(scratch_mappings_of("/grown") <= 10);
    check_both_ways(&s);
    for (size_t i = 0; i < 200; i++)
        CHECK_STATUS(mapped_export_end(&exports[i], NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    done(&s);
}

static void test_growth_under_an_export_is_busy_while_shared(void)
{
    subject s = begun_on_file();
    mapped_region_acquire(s.region);
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_BUSY);
    mapped_region_release(s.region);
    CHECK_INT(scratch_size(scratch_path("grown")), (int64_t)LENGTH);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    done(&s);
}

/* A page that is lost at the region's old addresses counts as lost to the
 * region too. */
static void test_export_that_was_left_tells_of_lost_pages(void)
{
    subject s = begun_on_file();
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_UINT(s.data[0], scratch_byte(0));
    CHECK_UINT(s.data[LENGTH - 1], 0);
    CHECK_STATUS(mapped_region_check(s.region, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, scratch_page());
    CHECK_INT(truncate(scratch_path("grown"), (off_t)LONGER), 0);
    CHECK_STATUS(mapped_region_recover(s.region, NULL), MAPPED_OK);
    set(&s, LENGTH - 1, 77);
    CHECK_UINT(s.data[LENGTH - 1], 77);
    CHECK_STATUS(mapped_export_end(&s.held, &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    done(&s);
}

/* Begins on a file that is cut then: the export has met the lost page, and the
 * region is shorter. */
static subject begun_and_cut(void)
{
    subject s = begun_on_file();
    mapped_change change = MAPPED_UNCHANGED;
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_UINT(s.data[LENGTH - 1], 0);
    CHECK_STATUS(mapped_region_check(s.region, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_SHORTER);
    return s;
}

static void check_unharmed(const subject *s)
{
    mapped_change change = MAPPED_REMOVED;
    mapped_lost_range range;
    size_t count = 9;
    CHECK_STATUS(mapped_region_check(s->region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_faults(s->region, &range, 1, &count, NULL),
                 MAPPED_OK);
    CHECK_UINT(count, 0);
    CHECK_STATUS(mapped_region_recover(s->region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_refresh(s->region, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_UNCHANGED);
}

/* A lost page behind the region's end is no business of the region's. */
static void test_export_s_lost_pages_behind_the_end_harm_nothing(void)
{
    subject s = begun_and_cut();
    check_unharmed(&s);
    CHECK_STATUS(mapped_region_append(s.region, "appended", 8, NULL),
                 MAPPED_OK);
    check_unharmed(&s);
    CHECK_UINT(get(&s, scratch_page() + 7), 'd');
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    check_unharmed(&s);
    done(&s);
}

/* The region's mapping gets shorter than what the export has shown of it. */
static void test_lost_pages_may_lie_behind_the_mapping(void)
{
    subject s = begun(opened(64 * scratch_page()));
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_UINT(s.data[LENGTH - 1], 0);
    CHECK_UINT(s.data[60 * scratch_page()], 0);
    mapped_change change;
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_append(s.region, "appended", 8, NULL),
                 MAPPED_OK);
    check_unharmed(&s);
    CHECK_STATUS(mapped_region_resize(s.region, 80 * scratch_page(), NULL),
                 MAPPED_OK);
    check_unharmed(&s);
    set(&s, 60 * scratch_page(), 7);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
    done(&s);
}

/* What an export stores behind the end of a region that a refresh has made
 * shorter is lost, and it is told so, also if the region has grown a little
 * before and then over that place. */
static void grow_over_lost_pages(mapped_status (*grow)(mapped_region *region))
{
    subject s = begun(opened(64 * scratch_page()));
    mapped_change change;
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(grow(s.region), MAPPED_OK);
    CHECK_UINT(s.data[60 * scratch_page()], 0);
    s.data[60 * scratch_page()] = 77;
    check_unharmed(&s);
    CHECK_STATUS(mapped_region_resize(s.region, 80 * scratch_page(), NULL),
                 MAPPED_OK);
    CHECK_UINT(get(&s, 60 * scratch_page()), 0);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
    done(&s);
}

static mapped_status grow_by_resize(mapped_region *region)
{
    return mapped_region_resize(region, 2 * scratch_page(), NULL);
}

static mapped_status grow_by_append(mapped_region *region)
{
    return mapped_region_append(region, "appended", 8, NULL);
}

static mapped_status grow_by_refresh(mapped_region *region)
{
    mapped_change change;
    CHECK_INT(truncate(scratch_path("grown"), 3 * (off_t)scratch_page()), 0);
    return mapped_region_refresh(region, &change, NULL);
}

static void test_growth_takes_no_pages_from_an_export(void)
{
    grow_over_lost_pages(grow_by_resize);
    grow_over_lost_pages(grow_by_append);
    grow_over_lost_pages(grow_by_refresh);
}

/* Pages that were lost behind a spare stay the export's when the spare goes. */
static void test_spare_that_goes_takes_no_pages_from_an_export(void)
{
    subject s = begun(opened(64 * scratch_page()));
    mapped_change change;
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(grow_by_append(s.region), MAPPED_OK);
    CHECK(mapped_region_spare(s.region) > 0);
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_UINT(s.data[60 * scratch_page()], 0);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
    done(&s);
}

/* The region's mapping has fewer pages than the one that was left to the
 * export, so where the one ends is nothing to the other. */
static void test_export_that_was_left_may_be_longer_than_the_region(void)
{
    subject s = begun(opened(16 * scratch_page()));
    mapped_change change;
    CHECK_STATUS(mapped_region_resize(s.region, 20 * scratch_page(), NULL),
                 MAPPED_OK);
    CHECK_INT(truncate(scratch_path("grown"), (off_t)scratch_page()), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_STATUS(grow_by_resize(s.region), MAPPED_OK);
    CHECK_UINT(s.data[10 * scratch_page()], 0);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
    done(&s);
}

/* A mapping that consists of replaced pages is longer by more of them, unless
 * the file is mapped over what was added. */
static void check_grown_from_nothing(mapped_status (*grow)(mapped_region *),
                                     size_t length, bool held)
{
    mapped_region *region = opened(LENGTH);
    mapped_export export;
    mapped_change change;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(region), &export, NULL),
        MAPPED_OK);
    CHECK_INT(truncate(scratch_path("grown"), 0), 0);
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    for (size_t at = 0; at < LENGTH; at += scratch_page())
        CHECK_UINT(((volatile unsigned char *)export.data)[at], 0);
    if (!held)
        CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_FAULT);
    CHECK_STATUS(grow(region), MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), length);
    CHECK_STATUS(mapped_region_check(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 7, NULL), MAPPED_OK);
    for (size_t at = 0; at < length; at += scratch_page())
        CHECK_INT(scratch_read_byte(scratch_path("grown"), (long)at), 7);
    if (held)
        CHECK_STATUS(mapped_export_end(&export, NULL), MAPPED_FAULT);
    mapped_region_release(region);
    CHECK_INT(scratch_size(scratch_path("grown")), (int64_t)length);
}

static mapped_status resize_to_more(mapped_region *region)
{
    return mapped_region_resize(region, LONGER, NULL);
}

static mapped_status append_more(mapped_region *region)
{
    static const char bytes[200000];
    return mapped_region_append(region, bytes, sizeof bytes, NULL);
}

static mapped_status refresh_to_more(mapped_region *region)
{
    mapped_change change;
    CHECK_INT(truncate(scratch_path("grown"), (off_t)LONGER), 0);
    return mapped_region_refresh(region, &change, NULL);
}

static void test_growth_of_replaced_pages_is_the_file_s(void)
{
    for (int held = 0; held < 2; held++) {
        check_grown_from_nothing(resize_to_more, LONGER, held);
        check_grown_from_nothing(append_more, 200000, held);
        check_grown_from_nothing(refresh_to_more, LONGER, held);
    }
}

/* What an export reads and stores in the rest of the last page counts as lost
 * for that export, and for nothing else. */
static void test_export_is_told_of_the_rest_of_the_last_page(void)
{
    subject s = begun_on_file();
    mapped_export front, later;
    mapped_slice slice = {s.region, 0, 10, 0};
    mapped_change change;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_export_begin(slice, &front, NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path("grown"), 10), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_UINT(s.data[11], 0);
    s.data[12] = 77;
    CHECK_STATUS(mapped_region_resize(s.region, 20, NULL), MAPPED_OK);
    slice.length = 20;
    CHECK_STATUS(mapped_export_begin(slice, &later, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&front, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&later, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&s.held, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 10);
    CHECK_INT(error.os_error, ENODATA);
    check_unharmed(&s);
    done(&s);
}

/* What was stored before the cut is gone, also if no page was met while it was
 * lost. */
static void test_export_is_told_of_a_cut_that_was_made_good(void)
{
    for (int aligned = 0; aligned < 2; aligned++) {
        subject s = begun(opened(8 * scratch_page()));
        mapped_export front;
        mapped_change change;
        mapped_slice slice = {s.region, 0, 10, 0};
        off_t length = (off_t)(aligned ? scratch_page() : 10);
        CHECK_STATUS(mapped_export_begin(slice, &front, NULL), MAPPED_OK);
        s.data[5 * scratch_page()] = 77;
        CHECK_INT(truncate(scratch_path("grown"), length), 0);
        CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
        CHECK_INT(truncate(scratch_path("grown"), (off_t)LONGER), 0);
        CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_export_end(&front, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
        done(&s);
    }
}

/* Many stretches that are lost again while they are mapped anew. */
static void test_lost_pages_past_the_end_never_fill_the_list(void)
{
    for (size_t count = 20; count <= 32; count++) {
        subject s = begun(opened(100 * scratch_page()));
        mapped_change change;
        CHECK_INT(truncate(scratch_path("grown"), (off_t)LENGTH), 0);
        CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
        for (size_t i = 0; i < count; i++)
            CHECK_UINT(s.data[(30 + 2 * i) * scratch_page()], 0);
        check_unharmed(&s);
        CHECK_STATUS(grow_by_append(s.region), MAPPED_OK);
        check_unharmed(&s);
        CHECK_UINT(get(&s, LENGTH - 1), scratch_byte(LENGTH - 1));
        CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_FAULT);
        done(&s);
    }
}

/* The pages are the file's again once no export shows them. */
static void test_lost_pages_behind_the_end_go_with_the_export(void)
{
    subject s = begun_and_cut();
    mapped_change change = MAPPED_UNCHANGED;
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_export_end(&s.held, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, scratch_page());
    CHECK_UINT(error.length, LENGTH - scratch_page());
    CHECK_INT(truncate(scratch_path("grown"), (off_t)LENGTH), 0);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_LONGER);
    check_unharmed(&s);
    set(&s, LENGTH - 1, 77);
    CHECK_INT(scratch_read_byte(scratch_path("grown"), (off_t)LENGTH - 1), 77);
    done(&s);
}

static void grow_and_end(bool retires)
{
    subject s = begun_on_file();
    CHECK_STATUS(mapped_region_resize(s.region, LONGER, NULL), MAPPED_OK);
    if (retires)
        CHECK_UINT(mapped_region_retire(s.region), 1);
    CHECK_STATUS(mapped_export_end(&s.held, NULL), MAPPED_OK);
    done(&s);
}

/* A region takes one entry in the fault handler's table, and gives it back even
 * if it has moved or was retired while it was exported. A table that has no
 * free entry is made longer, so entries that remain cost memory. */
static void test_growth_gives_its_places_back(void)
{
    grow_and_end(false);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < (scratch_valgrind() ? 200 : 2000); i++)
        grow_and_end(i % 2 == 0);
    CHECK(mallinfo2().uordblks <= before + 4096);
}

int main(void)
{
    RUN(test_growth_leaves_a_file_s_export_true);
    RUN(test_growth_leaves_an_export_of_shared_memory_true);
    RUN(test_growth_of_exported_private_memory_is_busy);
    RUN(test_growth_copies_private_memory_where_told_to);
    RUN(test_growth_goes_on_without_leaving_more);
    RUN(test_growth_under_several_exports_leaves_each);
    RUN(test_growth_under_more_and_more_exports_leaves_few_mappings);
    RUN(test_growth_under_an_export_is_busy_while_shared);
    RUN(test_export_that_was_left_tells_of_lost_pages);
    RUN(test_export_s_lost_pages_behind_the_end_harm_nothing);
    RUN(test_lost_pages_may_lie_behind_the_mapping);
    RUN(test_growth_takes_no_pages_from_an_export);
    RUN(test_spare_that_goes_takes_no_pages_from_an_export);
    RUN(test_export_that_was_left_may_be_longer_than_the_region);
    RUN(test_growth_of_replaced_pages_is_the_file_s);
    RUN(test_export_is_told_of_the_rest_of_the_last_page);
    RUN(test_export_is_told_of_a_cut_that_was_made_good);
    RUN(test_lost_pages_past_the_end_never_fill_the_list);
    RUN(test_lost_pages_behind_the_end_go_with_the_export);
    RUN(test_growth_gives_its_places_back);
    return check_finish();
}
