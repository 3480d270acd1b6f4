/* Guards against exported memory that is unmapped when a scope ends and closes
 * its region, against access to the region that is still possible because of an
 * export, and against memory or addresses that are never given back afterwards.
 */
#include "scratch.h"

#define PAGES 4

static size_t page;
static const char *path;

static mapped_region *opened(mapped_mode mode)
{
    path = scratch_file("retired", PAGES * page);
    return scratch_open(path, mode, NULL);
}

static void done(mapped_region *region)
{
    mapped_region_release(region);
    CHECK_INT(scratch_mappings_of("/retired"), 0);
    unlink(path);
}

static void test_retire_without_exports_closes(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    CHECK_UINT(mapped_region_retire(region), 0);
    CHECK(mapped_region_closed(region));
    CHECK_INT(scratch_mappings_of("/retired"), 0);
    CHECK_UINT(mapped_region_retire(region), 0);
    done(region);
}

static void test_retire_leaves_exports_their_bytes(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ_WRITE);
    mapped_slice slice = mapped_region_slice(region);
    int descriptors = scratch_descriptors();
    mapped_export first, second;
    uint8_t byte;
    CHECK_STATUS(mapped_export_begin(slice, &first, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_begin(slice, &second, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_retire(region), 2);
    CHECK_UINT(mapped_region_retire(region), 2);
    CHECK_INT(scratch_descriptors(), descriptors - 1);
    CHECK_STATUS(mapped_get_u8(slice, 5, &byte, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_export_begin(slice, &second, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&first, NULL), MAPPED_OK);
    CHECK_UINT(((unsigned char *)first.data)[5], scratch_byte(5));
    ((unsigned char *)first.data)[5] = 255;
    CHECK_INT(scratch_read_byte(path, 5), 255);
    CHECK_STATUS(mapped_export_end(&second, NULL), MAPPED_OK);
    CHECK_INT(scratch_mappings_of("/retired"), 0);
    CHECK_UINT(mapped_region_retire(region), 0);
    done(region);
}

/* Another thread may still be in the middle of an access, so zero pages stay
 * mapped. */
static void test_retire_keeps_addresses_for_other_references(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_slice slice = mapped_region_slice(region);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(slice, &held, NULL), MAPPED_OK);
    mapped_region_acquire(region);
    CHECK_UINT(mapped_region_retire(region), 1);
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    CHECK_INT(scratch_mappings_of("/retired"), 0);
    CHECK_UINT(((unsigned char *)held.data)[5], 0);
    mapped_region_release(region);
    done(region);
}

static void test_retired_exports_tell_of_lost_pages(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_slice slice = mapped_region_slice(region);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(slice, &held, NULL), MAPPED_OK);
    CHECK_UINT(mapped_region_retire(region), 1);
    CHECK_INT(truncate(path, (off_t)page), 0);
    CHECK_UINT(((volatile unsigned char *)held.data)[2 * page], 0);
    CHECK_STATUS(mapped_export_end(&held, &error), MAPPED_FAULT);
    CHECK_UINT(error.offset, 2 * page);
    CHECK_UINT(error.length, page);
    CHECK_INT(error.os_error, ENODATA);
    done(region);
}

static void test_last_release_ends_what_exports_forgot(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_export held;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_UINT(mapped_region_retire(region), 1);
    done(region);
}

static void test_refused_close_counts_exports(void)
{
    mapped_region *region = opened(MAPPED_MODE_READ);
    mapped_error error = MAPPED_ERROR_INIT;
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    mapped_export one, two;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &one, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, &error), MAPPED_BUSY);
    CHECK_UINT(error.length, 1);
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &two, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, &error), MAPPED_BUSY);
    CHECK_UINT(error.length, 2);
    mapped_error_message(&error, text, sizeof text);
    CHECK(strstr(text, "close: memory is exported or in use elsewhere: "
                       "2 exports") != NULL);
    CHECK_STATUS(mapped_export_end(&one, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_export_end(&two, NULL), MAPPED_OK);
    done(region);
}

int main(void)
{
    page = scratch_page();
    RUN(test_retire_without_exports_closes);
    RUN(test_retire_leaves_exports_their_bytes);
    RUN(test_retire_keeps_addresses_for_other_references);
    RUN(test_retired_exports_tell_of_lost_pages);
    RUN(test_last_release_ends_what_exports_forgot);
    RUN(test_refused_close_counts_exports);
    return check_finish();
}
