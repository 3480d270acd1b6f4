/* Guards against mistakes with calls on pages that Windows does in another way
 * or lacks: protection is set view by view, and a missing call must answer that
 * it is not supported. */
#include "folder.h"

#include <mapped/mapped.h>

#define LENGTH 300000

static mapped_region *open_file(mapped_mode mode, uint64_t reserve)
{
    mapped_open_options options = {.reserve = reserve};
    mapped_region *region = NULL;
    if (!CHECK_STATUS(mapped_region_open(folder_file("paging", LENGTH), mode,
                                         &options, &region, NULL),
                      MAPPED_OK))
        exit(check_finish());
    return region;
}

static void close_file(mapped_region *region)
{
    mapped_region_release(region);
    folder_delete(folder_path("paging"));
}

static void test_paging_unsupported(void)
{
    mapped_residency found;
    mapped_region *region = open_file(MAPPED_MODE_READ_WRITE, 0);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_advise(all, MAPPED_ADVICE_COLD, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_discard(all, NULL), MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_residency_get(all, &found, NULL, 0, NULL),
                 MAPPED_UNSUPPORTED);
    close_file(region);
    region = open_file(MAPPED_MODE_COPY, 0);
    CHECK_STATUS(mapped_revert(mapped_region_slice(region), NULL),
                 MAPPED_UNSUPPORTED);
    close_file(region);
}

static void test_paging_prefetch_and_lock(void)
{
    mapped_region *region = open_file(MAPPED_MODE_READ, 0);
    mapped_slice all = mapped_region_slice(region);
    mapped_slice part = {region, 5000, 10, 0};
    CHECK_STATUS(mapped_advise(all, MAPPED_ADVICE_NORMAL, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_advise(all, MAPPED_ADVICE_WILLNEED, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_prefetch(all, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_prefetch(all, MAPPED_PREFETCH_START, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_mlock(part, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_munlock(part, NULL), MAPPED_OK);
    close_file(region);
}

static void check_protects(mapped_region *region)
{
    for (int i = 0; i < 2; i++) {
        mapped_slice all = mapped_region_slice(region);
        MEMORY_BASIC_INFORMATION found;
        CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_READONLY);
        CHECK(VirtualQuery(region->base_ + all.length - 1, &found,
                           sizeof found) != 0);
        CHECK_UINT(found.Protect, PAGE_READONLY);
        mapped_status status =
            mapped_region_resize(region, all.length + 100000, NULL);
        CHECK(status == MAPPED_OK || status == MAPPED_UNSUPPORTED);
        all = mapped_region_slice(region);
        CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_READONLY);
        CHECK_STATUS(mapped_protect(all, MAPPED_MODE_READ_WRITE, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_OK);
    }
}

static void test_paging_protect(void)
{
    mapped_region *region = open_file(MAPPED_MODE_READ_WRITE, 0);
    check_protects(region);
    close_file(region);
    region = open_file(MAPPED_MODE_COPY, 0);
    check_protects(region);
    close_file(region);
    CHECK_STATUS(mapped_region_anonymous(LENGTH, NULL, &region, NULL),
                 MAPPED_OK);
    check_protects(region);
    mapped_region_release(region);
}

static void test_paging_protect_then_close(void)
{
    mapped_region *region = NULL;
    CHECK_STATUS(mapped_region_anonymous(LENGTH, NULL, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(
        mapped_protect(mapped_region_slice(region), MAPPED_MODE_READ, NULL),
        MAPPED_OK);
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_paging_unsupported);
    RUN(test_paging_prefetch_and_lock);
    RUN(test_paging_protect);
    RUN(test_paging_protect_then_close);
    return check_finish();
}
