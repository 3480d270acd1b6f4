/* Guards against a lost page that is reported with a wrong cause: the file may
 * have changed since the page was lost, and its path may lead to another file.
 */
#include "faulty.h"

#include <sys/resource.h>

#define NAME "cause"

static size_t page;

/* Loses the second page, and returns the error number of the report. */
static int cause_told(mapped_region *region)
{
    mapped_error error = MAPPED_ERROR_INIT;
    uint8_t byte;
    CHECK_STATUS(
        mapped_get_u8(mapped_region_slice(region), page, &byte, &error),
        MAPPED_FAULT);
    return error.os_error;
}

static void test_cause_stays_when_the_file_is_whole_again(void)
{
    mapped_region *region =
        scratch_open(scratch_file(NAME, 4 * page), MAPPED_MODE_READ, NULL);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(cause_told(region), ENODATA);
    scratch_file(NAME, 4 * page);
    CHECK_INT(cause_told(region), ENODATA);
    unlink(scratch_path(NAME));
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_region_check(region, &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    mapped_region_release(region);
}

static void test_cause_of_a_second_loss_is_its_own(void)
{
    mapped_region *region =
        scratch_open(scratch_file(NAME, 4 * page), MAPPED_MODE_READ, NULL);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(cause_told(region), ENODATA);
    scratch_file(NAME, 4 * page);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    unlink(scratch_path(NAME));
    CHECK_INT(cause_told(region), EIO); /* the file is gone */
    mapped_region_release(region);
}

/* A region that is only read holds no descriptor. While none is to be had, the
 * cause isn't known, but what is said then doesn't stay. */
static void test_cause_without_a_descriptor_is_asked_for_again(void)
{
    struct rlimit before, none;
    mapped_region *region =
        scratch_open(scratch_file(NAME, 4 * page), MAPPED_MODE_READ, NULL);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
    CHECK_INT(cause_told(region), EIO);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(cause_told(region), ENODATA);
    mapped_region_release(region);
}

/* A daemon opens its files and then changes to the root directory. */
static void test_cause_is_found_after_a_change_of_directory(void)
{
    char before[4096];
    scratch_file(NAME, 4 * page);
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK_INT(chdir(scratch_root()), 0);
    mapped_region *region = scratch_open(NAME, MAPPED_MODE_READ, NULL);
    CHECK_INT(chdir("/"), 0);
    CHECK_TEXT(mapped_region_name(region), NAME);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(cause_told(region), ENODATA);
    scratch_file(NAME, 4 * page);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    uint64_t size = 0;
    CHECK_STATUS(mapped_region_size(region, &size, NULL), MAPPED_OK);
    CHECK_UINT(size, 4 * page);
    mapped_region_release(region);
    CHECK_INT(chdir(before), 0);
}

static void test_cause_is_asked_before_the_recovery(void)
{
    mapped_export held;
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region =
        scratch_open(scratch_file(NAME, 4 * page), MAPPED_MODE_READ, NULL);
    mapped_slice all = mapped_region_slice(region);
    CHECK_STATUS(mapped_export_begin(all, &held, NULL), MAPPED_OK);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(faulty_touch((unsigned char *)held.data + page), 0);
    scratch_file(NAME, 4 * page);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&held, &error), MAPPED_FAULT);
    CHECK_INT(error.os_error, ENODATA);
    mapped_region_release(region);
}

/* The file is still too short. A recovery that touched its pages while the
 * guard is off would end the process. */
static void test_cause_recovery_without_guard_touches_nothing(void)
{
    mapped_region *region =
        scratch_open(scratch_file(NAME, 4 * page), MAPPED_MODE_READ, NULL);
    CHECK_INT(truncate(scratch_path(NAME), (off_t)page), 0);
    CHECK_INT(cause_told(region), ENODATA);
    mapped_guard_enable(false);
    CHECK_STATUS(mapped_region_recover(region, NULL), MAPPED_OK);
    mapped_guard_enable(true);
    CHECK_INT(cause_told(region), ENODATA);
    mapped_region_release(region);
}

int main(void)
{
    page = scratch_page();
    RUN(test_cause_stays_when_the_file_is_whole_again);
    RUN(test_cause_of_a_second_loss_is_its_own);
    RUN(test_cause_without_a_descriptor_is_asked_for_again);
    RUN(test_cause_is_found_after_a_change_of_directory);
    RUN(test_cause_is_asked_before_the_recovery);
    RUN(test_cause_recovery_without_guard_touches_nothing);
    return check_finish();
}
