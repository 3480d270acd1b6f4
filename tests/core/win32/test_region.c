/* Guards against mistakes with what is special about Windows: offsets in units
 * of 64 KiB, files that can't shrink while they are mapped, wide paths, and
 * handles that are never closed. */
#include "folder.h"

#include "win32/system.h"

#define LENGTH 100000
#define NOT_UNICODE 1113 /* ERROR_NO_UNICODE_TRANSLATION */

static void check_refused(const char *path, mapped_mode mode,
                          mapped_error *error)
{
    mapped_region *region = NULL;
    DWORD handles = folder_handles();
    mapped_status status = mapped_region_open(path, mode, NULL, &region, error);
    CHECK(status != MAPPED_OK);
    CHECK(region == NULL);
    CHECK_INT(folder_handles(), handles);
    mapped_region_release(region);
}

static void test_open_missing_file(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    char text[MAPPED_ERROR_MESSAGE_SIZE];
    check_refused(folder_path("missing"), MAPPED_MODE_READ_WRITE, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ERROR_FILE_NOT_FOUND);
    mapped_error_message(&error, text, sizeof text);
    CHECK_TEXT(error.call, "CreateFile");
    const char *reason = strstr(text, "missing: open: ");
    CHECK(reason != NULL && strlen(reason) > strlen("missing: open: "));
    CHECK(strchr(text, '\n') == NULL);
    CHECK(text[strlen(text) - 1] != '.');
    CHECK_INT(folder_size(folder_path("missing")), -1);
}

static void test_open_path_not_utf8(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    check_refused(folder_path("a\xff"), MAPPED_MODE_CREATE, &error);
    CHECK_STATUS(error.status, MAPPED_SYSTEM);
    CHECK_INT(error.os_error, NOT_UNICODE);
}

static void test_open_existing_exclusively(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    const char *path = folder_file("there", 10);
    check_refused(path, MAPPED_MODE_EXCLUSIVE, &error);
    CHECK_INT(error.os_error, ERROR_FILE_EXISTS);
    CHECK_INT(folder_size(path), 10);
    folder_delete(path);
}

static void test_open_what_is_no_file(void)
{
    mapped_error error = MAPPED_ERROR_INIT;
    check_refused(".", MAPPED_MODE_READ, &error);
    CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    check_refused(".", MAPPED_MODE_READ_WRITE, &error);
    CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    check_refused(".", MAPPED_MODE_CREATE, &error);
    CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
    check_refused("NUL", MAPPED_MODE_READ, &error);
    CHECK_STATUS(error.status, MAPPED_NOT_A_FILE);
}

static void test_open_handle_of_a_pipe(void)
{
    HANDLE in;
    HANDLE out;
    mapped_region *region = NULL;
    if (!CHECK(CreatePipe(&in, &out, NULL, 0)))
        return;
    CHECK_STATUS(mapped_region_open_descriptor(
                     (intptr_t)in, NULL, MAPPED_MODE_READ, NULL, &region, NULL),
                 MAPPED_NOT_A_FILE);
    CloseHandle(in);
    CloseHandle(out);
}

static void test_open_wide_path(void)
{
    const char *path = folder_path("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
    mapped_region *region = folder_open(path, MAPPED_MODE_CREATE, 0, 5);
    CHECK_TEXT(mapped_region_name(region), path);
    mapped_region_release(region);
    wchar_t wide[512];
    swprintf(wide, 512, L"%hs/gr\u00fc\u00df \U0001f600", folder_name);
    CHECK(DeleteFileW(wide));
}

static void test_open_at_any_offset(void)
{
    const size_t offsets[] = {0, 1, 4095, 4096, 65535, 65536, 65537, LENGTH};
    const char *path = folder_file("offsets", LENGTH);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        size_t n = LENGTH - offsets[i];
        mapped_region *region = folder_open(path, MAPPED_MODE_READ, offsets[i],
                                            MAPPED_LENGTH_TO_END);
        CHECK_UINT(mapped_region_length(region), n);
        CHECK(folder_pattern(region, 0, n, offsets[i]));
        mapped_region_release(region);
    }
    folder_delete(path);
}

static void test_open_empty_file(void)
{
    const char *path = folder_file("empty", 0);
    mapped_region *region =
        folder_open(path, MAPPED_MODE_READ_WRITE, 0, MAPPED_LENGTH_TO_END);
    CHECK_UINT(mapped_region_length(region), 0);
    CHECK_STATUS(mapped_region_resize(region, 3, NULL), MAPPED_OK);
    region->base_[2] = 'x';
    CHECK_STATUS(mapped_region_resize(region, 0, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(folder_size(path), 0);
    folder_delete(path);
}

static void test_open_populated(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    const char *path = folder_file("populated", LENGTH);
    options.flags = MAPPED_OPEN_POPULATE;
    if (CHECK_STATUS(
            mapped_region_open(path, MAPPED_MODE_READ, &options, &region, NULL),
            MAPPED_OK))
        CHECK(folder_pattern(region, 0, LENGTH, 0));
    mapped_region_release(region);
    folder_delete(path);
}

static void test_write_reaches_the_file_but_for_copies(void)
{
    const char *path = folder_file("written", LENGTH);
    mapped_region *shared =
        folder_open(path, MAPPED_MODE_READ_WRITE, 1, MAPPED_LENGTH_TO_END);
    mapped_region *copy =
        folder_open(path, MAPPED_MODE_COPY, 1, MAPPED_LENGTH_TO_END);
    mapped_region *reader =
        folder_open(path, MAPPED_MODE_READ, 0, MAPPED_LENGTH_TO_END);
    copy->base_[0] = 0;
    CHECK_INT(reader->base_[1], memory_byte(1));
    shared->base_[0] = 0;
    CHECK_INT(reader->base_[1], 0);
    mapped_region_release(reader);
    mapped_region_release(copy);
    mapped_region_release(shared);
    folder_delete(path);
}

static void test_open_longer_than_the_file(void)
{
    const char *path = folder_file("longer", 10);
    mapped_region *region =
        folder_open(path, MAPPED_MODE_READ_WRITE, 70000, 30000);
    CHECK_INT(folder_size(path), 100000);
    CHECK(folder_zeros(region->base_, 30000));
    mapped_region_release(region);
    folder_delete(path);
}

static void test_open_sparse(void)
{
    const char *path = folder_file("sparse", 10);
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    options.length = LENGTH;
    options.flags = MAPPED_OPEN_SPARSE;
    if (CHECK_STATUS(mapped_region_open(path, MAPPED_MODE_READ_WRITE, &options,
                                        &region, NULL),
                     MAPPED_OK))
        CHECK(folder_zeros(region->base_ + 10, LENGTH - 10));
    mapped_region_release(region);
    folder_delete(path);
}

static void test_resize_file(void)
{
    const size_t lengths[] = {LENGTH, 3 * LENGTH, 65537, 65536, 5000,
                              4096,   4095,       100,   LENGTH};
    const char *path = folder_file("resized", 10);
    mapped_region *region =
        folder_open(path, MAPPED_MODE_READ_WRITE, 0, MAPPED_LENGTH_TO_END);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t n = lengths[i];
        CHECK_STATUS(mapped_region_resize(region, n, NULL), MAPPED_OK);
        CHECK_UINT(mapped_region_length(region), n);
        CHECK_INT(folder_size(path), n);
        CHECK(folder_pattern(region, 0, 10, 0));
        if (n > 0)
            region->base_[n - 1] = memory_byte(n - 1);
    }
    mapped_region_release(region);
    folder_delete(path);
}

/* The system refuses with ERROR_USER_MAPPED_FILE. */
static void test_shrink_while_a_peer_maps_the_file(void)
{
    const char *path = folder_file("peer", LENGTH);
    mapped_error error = MAPPED_ERROR_INIT;
    mapped_region *region =
        folder_open(path, MAPPED_MODE_READ_WRITE, 0, MAPPED_LENGTH_TO_END);
    mapped_region *peer =
        folder_open(path, MAPPED_MODE_READ, 0, MAPPED_LENGTH_TO_END);
    CHECK_STATUS(mapped_region_resize(region, 10, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ERROR_USER_MAPPED_FILE);
    CHECK_UINT(mapped_region_length(region), LENGTH);
    CHECK(folder_pattern(region, 0, LENGTH, 0));
    mapped_region_release(peer);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_OK);
    mapped_region_release(region);
    CHECK_INT(folder_size(path), 10);
    folder_delete(path);
}

static void test_shrink_while_others_look(void)
{
    const char *path = folder_file("others", LENGTH);
    mapped_region *region =
        folder_open(path, MAPPED_MODE_READ_WRITE, 0, MAPPED_LENGTH_TO_END);
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_BUSY);
    CHECK_UINT(mapped_region_length(region), LENGTH);
    CHECK(folder_pattern(region, 0, LENGTH, 0));
    mapped_region_release(region);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_OK);
    mapped_region_release(region);
    folder_delete(path);
}

static void test_resize_memory(void)
{
    mapped_region *region = memory_region(5000);
    unsigned char *before = region->base_;
    CHECK_STATUS(mapped_region_resize(region, 60000, NULL), MAPPED_OK);
    CHECK(region->base_ == before);
    CHECK_STATUS(mapped_region_resize(region, LENGTH, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, 5000, 0));
    CHECK(folder_zeros(region->base_ + 5000, LENGTH - 5000));
    CHECK_STATUS(mapped_region_resize(region, 100, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, LENGTH, NULL), MAPPED_OK);
    CHECK(folder_pattern(region, 0, 100, 0));
    CHECK(folder_zeros(region->base_ + 100, LENGTH - 100));
    mapped_region_release(region);
}

static void test_resize_memory_in_its_reserve(void)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_region *region = NULL;
    mapped_export held;
    options.reserve = 1 << 30;
    if (!CHECK_STATUS(mapped_region_anonymous(10, &options, &region, NULL),
                      MAPPED_OK))
        return;
    CHECK_STATUS(mapped_export_begin(mapped_region_slice(region), &held, NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, 1 << 20, NULL), MAPPED_OK);
    CHECK(region->base_ == held.data);
    CHECK(folder_zeros(region->base_, 1 << 20));
    CHECK_STATUS(mapped_export_end(&held, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_shared_memory_has_a_handle(void)
{
    mapped_anonymous_options options = MAPPED_ANONYMOUS_OPTIONS_INIT;
    mapped_open_options part = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    mapped_region *twin = NULL;
    intptr_t handle;
    options.shared = true;
    part.length = LENGTH;
    if (!CHECK_STATUS(mapped_region_anonymous(LENGTH, &options, &region, NULL),
                      MAPPED_OK))
        return;
    CHECK_STATUS(mapped_region_descriptor(region, &handle, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_open_descriptor(
                     handle, NULL, MAPPED_MODE_READ_WRITE, &part, &twin, NULL),
                 MAPPED_OK);
    region->base_[LENGTH - 1] = 'x';
    if (twin != NULL)
        CHECK_INT(twin->base_[LENGTH - 1], 'x');
    CHECK_STATUS(mapped_region_resize(region, 3 * LENGTH, NULL),
                 MAPPED_UNSUPPORTED);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_OK);
    mapped_region_release(twin);
    mapped_region_release(region);
}

/* Where views can't be replaced by zeros, they stay mapped. */
static void test_close_leaves_zeros_to_others(void)
{
    bool swaps = mapped__placeholder_available();
    const mapped_mode modes[] = {MAPPED_MODE_READ, MAPPED_MODE_READ_WRITE,
                                 MAPPED_MODE_COPY};
    for (size_t i = 0; i < 3; i++) {
        const char *path = folder_file("closed", LENGTH);
        mapped_region *region =
            folder_open(path, modes[i], 0, MAPPED_LENGTH_TO_END);
        const unsigned char *stale = region->base_;
        mapped_region_acquire(region);
        CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
        CHECK(!swaps || folder_zeros(stale, LENGTH));
        CHECK(swaps || stale[0] == memory_byte(0));
        mapped_region_release(region);
        mapped_region_release(region);
        CHECK_INT(folder_size(path), LENGTH);
        region = folder_open(path, MAPPED_MODE_READ, 0, MAPPED_LENGTH_TO_END);
        CHECK(folder_pattern(region, 0, LENGTH, 0));
        mapped_region_release(region);
        folder_delete(path);
    }
}

static void test_close_memory_leaves_zeros_to_others(void)
{
    mapped_region *region = memory_region(3 << 20);
    const unsigned char *stale = region->base_;
    mapped_region_acquire(region);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK(folder_zeros(stale, 3 << 20));
    mapped_region_release(region);
    mapped_region_release(region);
}

static size_t free_space_after(const void *address)
{
    MEMORY_BASIC_INFORMATION found;
    VirtualQuery(address, &found, sizeof found);
    return found.State == MEM_FREE ? found.RegionSize : 0;
}

static void test_release_gives_everything_back(void)
{
    const char *path = folder_file("leak", LENGTH);
    DWORD handles = folder_handles();
    for (int i = 0; i < 50; i++) {
        mapped_region *region =
            folder_open(path, MAPPED_MODE_READ_WRITE, 0, LENGTH + i % 2);
        CHECK_STATUS(mapped_region_resize(region, 2 * LENGTH, NULL), MAPPED_OK);
        CHECK_STATUS(mapped_region_resize(region, LENGTH, NULL), MAPPED_OK);
        const unsigned char *base = region->base_;
        mapped_region_release(region);
        CHECK(free_space_after(base) >= LENGTH);
    }
    CHECK_INT(folder_handles(), handles);
    folder_delete(path);
}

int main(void)
{
    RUN(test_open_missing_file);
    RUN(test_open_path_not_utf8);
    RUN(test_open_existing_exclusively);
    RUN(test_open_what_is_no_file);
    RUN(test_open_handle_of_a_pipe);
    RUN(test_open_wide_path);
    RUN(test_open_at_any_offset);
    RUN(test_open_empty_file);
    RUN(test_open_populated);
    RUN(test_write_reaches_the_file_but_for_copies);
    RUN(test_open_longer_than_the_file);
    RUN(test_open_sparse);
    RUN(test_resize_file);
    RUN(test_shrink_while_a_peer_maps_the_file);
    RUN(test_shrink_while_others_look);
    RUN(test_resize_memory);
    RUN(test_resize_memory_in_its_reserve);
    RUN(test_shared_memory_has_a_handle);
    RUN(test_close_leaves_zeros_to_others);
    RUN(test_close_memory_leaves_zeros_to_others);
    RUN(test_release_gives_everything_back);
    return check_finish();
}
