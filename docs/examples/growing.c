/* Growing: resize, append, and following what others do to a file. */
#include "example.h"

#include <unistd.h>

static void grow(void)
{
    mapped_open_options options = {.length = MAPPED_LENGTH_ZERO,
                                   .reserve = 1 << 20};
    mapped_region *region;
    mapped_slice first;

    must(mapped_region_open("grows.log", MAPPED_MODE_CREATE, &options, &region,
                            &error));
    must(mapped_region_append(region, "first\n", 6, &error));
    must(mapped_slice_sub(mapped_region_slice(region), 0, 6, &first, &error));
    must(mapped_region_append_slice(region, first, &error)); /* once more */
    assert(mapped_region_length(region) == 12);
    assert(mapped_region_spare(region) >
           0); /* the file is longer until close */
    must(mapped_region_resize(region, 6, &error));
    must(mapped_slice_check(first, &error));
    mapped_region_release(region);
}

static void follow(void)
{
    mapped_region *log;
    mapped_change change;

    must(mapped_region_open("grows.log", MAPPED_MODE_READ, NULL, &log, &error));
    must(mapped_region_refresh(log, &change, &error));
    assert(change == MAPPED_UNCHANGED);
    assert(truncate("grows.log", 100) == 0); /* as others do */
    must(mapped_region_refresh(log, &change, &error));
    assert(change == MAPPED_LONGER && mapped_region_length(log) == 100);
    assert(strcmp(mapped_change_text(change), "longer") == 0);
    mapped_region_release(log);
}

/* Private memory that is exported moves only if it is told that it may. */
static void move_private_memory(void)
{
    mapped_region *region = zeros(4096);
    mapped_export pointer;

    mapped_region_copy_on_move(region);
    must(mapped_export_begin(mapped_region_slice(region), &pointer, &error));
    must(mapped_region_resize(region, 64 << 20, &error));
    (void)mapped_region_copied(region); /* bytes that wait for the pointer */
    must(mapped_export_end(&pointer, &error));
    mapped_region_release(region);
}

/* A pointer that is used after its export has ended shows the file, or zeros.
 */
static void keep_addresses(void)
{
    mapped_region *region = zeros(4096);
    mapped_export pointer;

    mapped_region_keep_addresses(region);
    must(mapped_export_begin(mapped_region_slice(region), &pointer, &error));
    must(mapped_export_end(&pointer, &error));
    must(mapped_region_close(region, &error));
    assert(*(const char *)pointer.data == 0);
    mapped_region_release(region);
}

int main(void)
{
    grow();
    follow();
    move_private_memory();
    keep_addresses();
    return 0;
}
