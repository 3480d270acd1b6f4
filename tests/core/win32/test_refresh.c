/* Guards against a region that doesn't follow a file on Windows, where a file
 * that is mapped can get longer, and another one can take its name. */
#include "folder.h"

#include <mapped/mapped.h>

static void grow(const char *path, const char *text)
{
    HANDLE file =
        CreateFileA(path, FILE_APPEND_DATA,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD written = 0;
    CHECK(WriteFile(file, text, (DWORD)strlen(text), &written, NULL));
    CloseHandle(file);
}

static void check_change(mapped_region *region, const char *expected,
                         size_t length)
{
    mapped_change change = MAPPED_UNCHANGED;
    CHECK_STATUS(mapped_region_refresh(region, &change, NULL), MAPPED_OK);
    CHECK_TEXT(mapped_change_text(change), expected);
    CHECK_UINT(mapped_region_length(region), length);
}

static void test_refresh_follows_growth(void)
{
    const char *path = folder_file("followed", 10);
    mapped_region *region;
    uint8_t byte = 0;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL),
        MAPPED_OK);
    check_change(region, "unchanged", 10);
    grow(path, "more");
    check_change(region, "longer", 14);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 13, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, 'e');
    check_change(region, "unchanged", 14);
    mapped_region_release(region);
    CHECK(DeleteFileA(path));
}

static void test_refresh_follows_a_rotation(void)
{
    const char *path = folder_file("followed", 10);
    const char *other = folder_path("rotated");
    mapped_region *region;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ, NULL, &region, NULL),
        MAPPED_OK);
    check_change(region, "unchanged", 10);
    if (CHECK(MoveFileA(path, other))) {
        check_change(region, "removed", 10);
        grow(path, "new");
        check_change(region, "replaced", 3);
    }
    mapped_region_release(region);
    DeleteFileA(path);
    DeleteFileA(other);
}

/* No room is made ahead: the file couldn't be trimmed while it is mapped. */
static void test_append_makes_the_file_just_longer(void)
{
    const char *path = folder_file("appended", 10);
    mapped_region *region;
    CHECK_STATUS(
        mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL),
        MAPPED_OK);
    for (int i = 0; i < 100; i++)
        CHECK_STATUS(mapped_region_append(region, "0123456789", 10, NULL),
                     MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), 1010);
    CHECK_UINT(mapped_region_spare(region), 0);
    mapped_region_release(region);
    CHECK_INT(folder_size(path), 1010);
    CHECK(DeleteFileA(path));
}

int main(void)
{
    RUN(test_refresh_follows_growth);
    RUN(test_refresh_follows_a_rotation);
    RUN(test_append_makes_the_file_just_longer);
    return check_finish();
}
