/* A shared object that contains its own copy of the library, for test_copies.c.
 */
#include "copy.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const copy_functions copy_table;

static mapped_region *open_region(const char *path)
{
    mapped_region *region;
    mapped_status status =
        mapped_region_open(path, MAPPED_MODE_READ_WRITE, NULL, &region, NULL);
    return status == MAPPED_OK ? region : NULL;
}

static mapped_status read_byte(mapped_region *region, size_t offset)
{
    uint8_t byte;
    return mapped_get_u8(mapped_region_slice(region), offset, &byte, NULL);
}

const copy_functions copy_table = {open_region, read_byte,
                                   mapped_region_release, mapped_guard_enable};
