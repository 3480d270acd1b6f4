/* Guards against wrong counts: a region that is closed, that failed to open or
 * that is retired must not count as open, and no region may count twice. */
#include "scratch.h"

#include <unistd.h>

#include <mapped/mapped.h>

static void check(size_t regions, uint64_t bytes, size_t exports,
                  uint64_t faults)
{
    mapped_statistics now;
    mapped_stats(&now);
    CHECK_UINT(now.regions, regions);
    CHECK_UINT(now.bytes, bytes);
    CHECK_UINT(now.exports, exports);
    CHECK_UINT(now.faults, faults);
}

static void test_stats_of_a_failed_open(void)
{
    mapped_region *region;
    CHECK_STATUS(mapped_region_open(scratch_path("missing"), MAPPED_MODE_READ,
                                    NULL, &region, NULL),
                 MAPPED_SYSTEM);
    check(0, 0, 0, 0);
}

static void test_stats_of_a_life(void)
{
    mapped_region *region;
    mapped_export made;
    CHECK_STATUS(mapped_region_anonymous(1000, NULL, &region, NULL), MAPPED_OK);
    check(1, 1000, 0, 0);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &made, NULL),
                 MAPPED_OK);
    check(1, 1000, 1, 0);
    CHECK_STATUS(mapped_region_resize(region, 9000, NULL), MAPPED_BUSY);
    CHECK_INT((long long)mapped_region_retire(region), 1);
    check(1, 0, 1, 0);
    CHECK_STATUS(mapped_export_end(&made, NULL), MAPPED_OK);
    check(0, 0, 0, 0);
    mapped_region_release(region);
    check(0, 0, 0, 0);
}

/* The mapping at the old addresses is in the guard's table too, but must not
 * count as another region. */
static void test_stats_of_a_region_that_has_moved(void)
{
    mapped_region *region =
        scratch_open(scratch_file("moved", 4096), MAPPED_MODE_READ_WRITE, NULL);
    mapped_export made;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &made, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    check(1, 1 << 20, 1, 0);
    CHECK_STATUS(mapped_export_end(&made, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_stats_of_two_references_after_close(void)
{
    mapped_region *region;
    CHECK_STATUS(mapped_region_anonymous(10, NULL, &region, NULL), MAPPED_OK);
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    check(0, 0, 0, 0);
    mapped_region_release(region);
    mapped_region_release(region);
}

static void test_stats_of_a_lost_page(void)
{
    const char *path = scratch_file("lost", 8192);
    mapped_region *region = scratch_open(path, MAPPED_MODE_READ, NULL);
    uint8_t byte;
    CHECK_INT(truncate(path, 0), 0);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 0, &byte, NULL),
                 MAPPED_FAULT);
    check(1, 8192, 0, 1);
    mapped_region_release(region);
    check(0, 0, 0, 1);
}

int main(void)
{
    RUN(test_stats_of_a_failed_open);
    RUN(test_stats_of_a_life);
    RUN(test_stats_of_a_region_that_has_moved);
    RUN(test_stats_of_two_references_after_close);
    RUN(test_stats_of_a_lost_page);
    return check_finish();
}
