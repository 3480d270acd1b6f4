/* Guards against a pointer that is used after its export has ended, as NumPy
 * does, and then shows memory that is gone or somebody else's; and against
 * addresses that are kept for it for ever. */
#include "scratch.h"

#include <mapped/export.h>
#include <mapped/paging.h>

#define LENGTH (2 * scratch_page())
#define LONGER (64 * scratch_page())

typedef struct subject {
    mapped_region *region;
    volatile unsigned char *data; /* what an export has shown */
} subject;

static void export_and_end(subject *s)
{
    mapped_export held;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(s->region), &held, NULL),
        MAPPED_OK);
    s->data = held.data;
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
}

static subject begun_on(mapped_region *region)
{
    subject s = {.region = region};
    mapped_region_keep_addresses(region);
    export_and_end(&s);
    return s;
}

static subject begun_on_file(void)
{
    return begun_on(scratch_open(scratch_file("kept", LENGTH),
                                 MAPPED_MODE_READ_WRITE, NULL));
}

static subject begun_on_memory(void)
{
    mapped_region *region = NULL;
    if (!CHECK_STATUS(mapped_region_anonymous(LENGTH, NULL, &region, NULL),
                      MAPPED_OK))
        exit(1);
    memset(region->base_, 7, LENGTH);
    return begun_on(region);
}

static void done(subject *s)
{
    mapped_region_release(s->region);
    CHECK_INT(scratch_mappings_of("/kept"), 0);
}

/* Makes the region longer where it can't grow in place. */
static void move(subject *s, size_t length)
{
    const unsigned char *before = s->region->base_;
    void *taken = scratch_block_growth(s->region);
    CHECK_STATUS(mapped_region_resize(s->region, length, NULL), MAPPED_OK);
    CHECK(s->region->base_ != before);
    munmap(taken, scratch_page());
}

static void check_zeros(const subject *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i += 100)
        CHECK_UINT(s->data[i], 0);
    s->data[to - 1] = 1;
}

static void test_close_leaves_zeros(void)
{
    for (int i = 0; i < 2; i++) {
        subject s = i == 0 ? begun_on_file() : begun_on_memory();
        CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
        CHECK_INT(scratch_mappings_of("/kept"), 0);
        check_zeros(&s, 0, LENGTH);
        CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
        check_zeros(&s, 0, LENGTH - 1);
        done(&s);
    }
}

static void test_retire_leaves_zeros(void)
{
    subject s = begun_on_file();
    mapped_export held;
    CHECK_STATUS(
        mapped_export_begin(mapped_region_slice(s.region), &held, NULL),
        MAPPED_OK);
    CHECK_UINT(mapped_region_retire(s.region), 1);
    CHECK_UINT(s.data[5], scratch_byte(5));
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    check_zeros(&s, 0, LENGTH);
    done(&s);
    s = begun_on_file();
    CHECK_UINT(mapped_region_retire(s.region), 0);
    check_zeros(&s, 0, LENGTH);
    done(&s);
}

static void test_move_leaves_the_file(void)
{
    subject s = begun_on_file();
    move(&s, LONGER);
    CHECK_UINT(s.data[LENGTH - 1], scratch_byte(LENGTH - 1));
    s.data[6] = 78;
    CHECK_INT(scratch_get(s.region, 6), 78);
    CHECK_STATUS(mapped_region_resize(s.region, 2 * LONGER, NULL), MAPPED_OK);
    CHECK_UINT(s.data[6], 78);
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
    check_zeros(&s, 0, LENGTH);
    done(&s);
}

static void test_move_leaves_zeros_of_private_memory(void)
{
    subject s = begun_on_memory();
    move(&s, LONGER);
    CHECK_INT(scratch_get(s.region, LENGTH - 1), 7);
    CHECK_UINT(mapped_region_copied(s.region), 0);
    check_zeros(&s, 0, LENGTH);
    done(&s);
}

/* What has not been exported moves as it does without. */
static void test_only_what_was_exported_is_left(void)
{
    mapped_region *region = scratch_open(scratch_file("kept", LENGTH),
                                         MAPPED_MODE_READ_WRITE, NULL);
    subject s = {.region = region};
    mapped_region_keep_addresses(region);
    move(&s, LONGER);
    CHECK_INT(scratch_mappings_of("/kept"), 1);
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
    done(&s);
}

static void test_shrink_leaves_zeros(void)
{
    for (int i = 0; i < 2; i++) {
        subject s = i == 0 ? begun_on_file() : begun_on_memory();
        CHECK_STATUS(mapped_region_resize(s.region, scratch_page(), NULL),
                     MAPPED_OK);
        check_zeros(&s, scratch_page(), LENGTH);
        CHECK_STATUS(mapped_region_resize(s.region, LENGTH, NULL), MAPPED_OK);
        CHECK_INT(scratch_get(s.region, LENGTH - 1), 0);
        CHECK_STATUS(mapped_region_resize(s.region, 0, NULL), MAPPED_OK);
        check_zeros(&s, 0, LENGTH);
        done(&s);
    }
}

static void test_protection_lets_it_write(void)
{
    subject s = begun_on_memory();
    CHECK_STATUS(
        mapped_protect(mapped_region_slice(s.region), MAPPED_MODE_READ, NULL),
        MAPPED_OK);
    s.data[5] = 9;
    CHECK_INT(scratch_get(s.region, 5), 9);
    done(&s);
}

static void test_another_file_leaves_zeros(void)
{
    subject s = begun_on_file();
    mapped_change change = MAPPED_UNCHANGED;
    CHECK_INT(rename(scratch_path("kept"), scratch_path("rotated")), 0);
    scratch_file("kept", 3);
    CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
    CHECK_INT(change, MAPPED_REPLACED);
    CHECK_UINT(mapped_region_length(s.region), 3);
    check_zeros(&s, 0, LENGTH);
    CHECK_INT(scratch_get(s.region, 2), scratch_byte(2));
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
    check_zeros(&s, 0, LENGTH - 1);
    done(&s);
}

static void test_oldest_addresses_go(void)
{
    subject s = begun_on_file();
    for (int i = 0; i < 200; i++) {
        mapped_change change = MAPPED_UNCHANGED;
        CHECK_INT(rename(scratch_path("kept"), scratch_path("rotated")), 0);
        scratch_file("kept", LENGTH);
        CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
        export_and_end(&s);
    }
    int kept = 0;
    for (int i = 0; i < 8; i++) {
        mapped_change change = MAPPED_UNCHANGED;
        long before = scratch_address_pages();
        CHECK_INT(rename(scratch_path("kept"), scratch_path("rotated")), 0);
        scratch_file("kept", LENGTH);
        CHECK_STATUS(mapped_region_refresh(s.region, &change, NULL), MAPPED_OK);
        kept += scratch_address_pages() > before;
        export_and_end(&s);
    }
    if (!scratch_instrumented())
        CHECK_INT(kept, 0);
    done(&s);
}

static void test_release_gives_all_back(void)
{
    long before = scratch_address_pages();
    for (int i = 0; i < 20; i++) {
        subject s = i % 2 == 0 ? begun_on_file() : begun_on_memory();
        move(&s, LONGER);
        export_and_end(&s);
        if (i % 4 < 2)
            CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
        done(&s);
    }
    if (!scratch_instrumented())
        CHECK(scratch_address_pages() <= before + 64);
}

static void note(void *context)
{
    *(bool *)context = true;
}

static void test_wrapped_memory_is_given_back(void)
{
    unsigned char bytes[8] = {0};
    bool given_back = false;
    subject s = {.region = NULL};
    CHECK_STATUS(mapped_region_wrap(bytes, sizeof bytes, false, note,
                                    &given_back, &s.region, NULL),
                 MAPPED_OK);
    mapped_region_keep_addresses(s.region);
    export_and_end(&s);
    CHECK_STATUS(mapped_region_close(s.region, NULL), MAPPED_OK);
    CHECK(given_back);
    done(&s);
}

int main(void)
{
    RUN(test_close_leaves_zeros);
    RUN(test_retire_leaves_zeros);
    RUN(test_move_leaves_the_file);
    RUN(test_move_leaves_zeros_of_private_memory);
    RUN(test_only_what_was_exported_is_left);
    RUN(test_shrink_leaves_zeros);
    RUN(test_protection_lets_it_write);
    RUN(test_another_file_leaves_zeros);
    RUN(test_oldest_addresses_go);
    RUN(test_release_gives_all_back);
    RUN(test_wrapped_memory_is_given_back);
    return check_finish();
}
