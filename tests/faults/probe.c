/* Does in C what probe.py does in Python. */
#include <mapped/mapped.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)4096)
#define MOST 64

static mapped_status touch(mapped_slice slice, bool reads, size_t page,
                           mapped_error *error)
{
    uint8_t byte = 'S';
    if (!reads)
        return mapped_set_u8(slice, page * SIZE, byte, error);
    mapped_status status = mapped_get_u8(slice, page * SIZE, &byte, error);
    if (status == MAPPED_OK && byte != 'S')
        abort();
    return status;
}

static void print_lost_pages(mapped_region *region)
{
    mapped_lost_range lost[MOST];
    size_t count;
    if (mapped_region_faults(region, lost, MOST, &count, NULL) != MAPPED_OK)
        abort();
    for (size_t i = 0; i < count; i++)
        printf("lost %zu %zu\n", lost[i].offset / SIZE, lost[i].length / SIZE);
}

int main(int argc, char **argv)
{
    mapped_region *region;
    mapped_error error = MAPPED_ERROR_INIT;
    bool reads = argc > 2 && strcmp(argv[2], "read") == 0;
    mapped_mode mode = reads ? MAPPED_MODE_READ : MAPPED_MODE_READ_WRITE;
    if (argc < 3 ||
        mapped_region_open(argv[1], mode, NULL, &region, &error) != MAPPED_OK)
        return 2;
    for (int i = 3; i < argc; i++) {
        size_t page = strtoul(argv[i], NULL, 10);
        mapped_status status =
            touch(mapped_region_slice(region), reads, page, &error);
        if (status != MAPPED_OK && status != MAPPED_FAULT)
            return 3;
        printf("%zu %d\n", page, status == MAPPED_OK ? 0 : error.os_error);
    }
    print_lost_pages(region);
    mapped_region_release(region);
    return 0;
}
