/* Guards against the same as posix/test_origin.c on Windows, where files are
 * known by other numbers, shared memory has none, and paths are absolute in
 * ways of their own. */
#include "folder.h"

#include <mapped/mapped.h>

static char kept_path[1024]; /* as the region's goes with it */

static mapped_origin origin_of(const char *path, mapped_mode mode)
{
    mapped_origin origin = {.kind = MAPPED_ORIGIN_PATH};
    mapped_region *region = folder_open(path, mode, 0, 0);
    CHECK_STATUS(mapped_region_origin(region, &origin, NULL), MAPPED_OK);
    snprintf(kept_path, sizeof kept_path, "%s", origin.path);
    origin.path = kept_path;
    mapped_region_release(region);
    return origin;
}

static mapped_status open_origin(const mapped_origin *origin)
{
    mapped_region *region;
    mapped_status status = mapped_region_open_origin(origin, &region, NULL);
    if (status == MAPPED_OK)
        mapped_region_release(region);
    return status;
}

static void test_origin_of_a_file_is_mapped_again(void)
{
    const char *path = folder_file("origin", 100);
    const mapped_origin origin = origin_of(path, MAPPED_MODE_READ_WRITE);
    mapped_region *region;
    CHECK(origin.device != 0 && origin.birth != 0);
    CHECK_STATUS(mapped_region_open_origin(&origin, &region, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, 100, 0));
    mapped_region_release(region);
    folder_delete(path);
    CHECK_STATUS(open_origin(&origin), MAPPED_SYSTEM);
    CHECK_INT(folder_size(path), -1);
}

static void test_origin_that_is_out_of_date_is_refused(void)
{
    const char *path = folder_file("origin", 100);
    const mapped_origin origin = origin_of(path, MAPPED_MODE_READ_WRITE);
    mapped_origin other = origin;
    other.serial++;
    CHECK_STATUS(open_origin(&other), MAPPED_STALE);
    other = origin;
    other.birth++;
    CHECK_STATUS(open_origin(&other), MAPPED_STALE);
    other = origin;
    other.length++;
    CHECK_STATUS(open_origin(&other), MAPPED_PAST_END);
    CHECK_INT(folder_size(path), 100);
    folder_delete(path);
}

static void test_origin_of_a_relative_path_is_absolute(void)
{
    char before[MAX_PATH];
    const char *path = folder_file("relative", 10);
    GetCurrentDirectoryA(sizeof before, before);
    CHECK(SetCurrentDirectoryA(folder_name));
    const mapped_origin origin = origin_of("relative", MAPPED_MODE_READ);
    CHECK(SetCurrentDirectoryA(before));
    CHECK_STATUS(open_origin(&origin), MAPPED_OK);
    folder_delete(path);
}

static void test_origin_of_shared_memory_is_a_handle(void)
{
    const mapped_anonymous_options options = {.shared = true};
    mapped_region *region, *again;
    mapped_origin origin;
    uint8_t byte = 0;
    CHECK_STATUS(mapped_region_anonymous(100, &options, &region, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_origin(region, &origin, NULL), MAPPED_OK);
    CHECK_INT(origin.kind, MAPPED_ORIGIN_DESCRIPTOR);
    CHECK_STATUS(mapped_region_open_origin(&origin, &again, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_set_u8(mapped_region_slice(region), 99, 7, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(again), 99, &byte, NULL),
                 MAPPED_OK);
    CHECK_INT(byte, 7);
    mapped_region_release(again);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_origin_of_a_file_is_mapped_again);
    RUN(test_origin_that_is_out_of_date_is_refused);
    RUN(test_origin_of_a_relative_path_is_absolute);
    RUN(test_origin_of_shared_memory_is_a_handle);
    return check_finish();
}
