/* Guards against the full disk: an extension that seems to work and then kills
 * whoever writes there, or a failed one that leaves the file longer. Runs on a
 * small file system of its own. */
#include "scratch.h"

#include <sched.h>
#include <sys/mount.h>

#define CAPACITY (256 << 10)
#define TOO_MUCH (1 << 20)

static const char *space_path(const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", scratch_path("full"), name);
    return path;
}

static const char *mount_small(void)
{
    const char *place = scratch_path("full");
    char options[32];
    snprintf(options, sizeof options, "size=%d", CAPACITY);
    mkdir(place, 0700);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0 ||
        mount("tmpfs", place, "tmpfs", 0, options) != 0)
        return "may not mount a small tmpfs";
    return NULL;
}

static mapped_status opened(const char *path, mapped_mode mode, uint64_t length,
                            mapped_region **region, mapped_error *error)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    options.length = length;
    return mapped_region_open(path, mode, &options, region, error);
}

static void write_hello(const char *path)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs("hello", file) != EOF && fclose(file) == 0);
}

static const char *extend_full(void)
{
    mapped_region *region = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    const char *reason = mount_small();
    const char *path = space_path("file");
    if (reason)
        return reason;
    write_hello(path);
    CHECK_STATUS(
        opened(path, MAPPED_MODE_READ_WRITE, TOO_MUCH, &region, &error),
        MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOSPC);
    CHECK(region == NULL);
    CHECK_INT(scratch_size(path), 5);
    CHECK_INT(scratch_read_byte(path, 4), 'o');
    return NULL;
}

static const char *create_full(void)
{
    const mapped_mode modes[] = {MAPPED_MODE_CREATE, MAPPED_MODE_EXCLUSIVE};
    const char *reason = mount_small();
    const char *path = space_path("new");
    if (reason)
        return reason;
    for (size_t i = 0; i < 2; i++) {
        mapped_region *region = NULL;
        mapped_error error = MAPPED_ERROR_INIT;
        CHECK_STATUS(opened(path, modes[i], TOO_MUCH, &region, &error),
                     MAPPED_SYSTEM);
        CHECK_INT(error.os_error, ENOSPC);
        CHECK(region == NULL);
        CHECK(!scratch_exists(path));
    }
    return NULL;
}

static const char *grow_full(void)
{
    mapped_region *region = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    uint8_t byte = 0;
    const char *reason = mount_small();
    const char *path = space_path("file");
    if (reason)
        return reason;
    write_hello(path);
    CHECK_STATUS(opened(path, MAPPED_MODE_READ_WRITE, 5, &region, &error),
                 MAPPED_OK);
    CHECK_STATUS(mapped_region_resize(region, TOO_MUCH, &error), MAPPED_SYSTEM);
    CHECK_INT(error.os_error, ENOSPC);
    CHECK(error.length > TOO_MUCH - 2 * CAPACITY && error.length < TOO_MUCH);
    CHECK_UINT(mapped_region_length(region), 5);
    CHECK_INT(scratch_size(path), 5);
    CHECK_STATUS(mapped_get_u8(mapped_region_slice(region), 4, &byte, NULL),
                 MAPPED_OK);
    CHECK_UINT(byte, 'o');
    CHECK_STATUS(mapped_region_resize(region, CAPACITY / 2, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(mapped_region_slice(region), 1, NULL), MAPPED_OK);
    mapped_region_release(region);
    return NULL;
}

static const char *sparse_beyond_full(void)
{
    mapped_open_options options = MAPPED_OPEN_OPTIONS_INIT;
    mapped_region *region = NULL;
    const char *reason = mount_small();
    if (reason)
        return reason;
    options.length = TOO_MUCH;
    options.flags = MAPPED_OPEN_SPARSE;
    CHECK_STATUS(mapped_region_open(space_path("sparse"), MAPPED_MODE_CREATE,
                                    &options, &region, NULL),
                 MAPPED_OK);
    CHECK_UINT(mapped_region_length(region), TOO_MUCH);
    mapped_region_release(region);
    return NULL;
}

static void test_space_full_extension_keeps_the_old_size(void)
{
    scratch_root();
    CHECK_INT(scratch_child(extend_full), 0);
}

static void test_space_full_creation_leaves_no_file(void)
{
    CHECK_INT(scratch_child(create_full), 0);
}

static void test_space_full_growth_changes_nothing(void)
{
    CHECK_INT(scratch_child(grow_full), 0);
}

static void test_space_sparse_asks_for_none(void)
{
    CHECK_INT(scratch_child(sparse_beyond_full), 0);
}

int main(void)
{
    RUN(test_space_full_extension_keeps_the_old_size);
    RUN(test_space_full_creation_leaves_no_file);
    RUN(test_space_full_growth_changes_nothing);
    RUN(test_space_sparse_asks_for_none);
    return check_finish();
}
