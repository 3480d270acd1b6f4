/* Lost pages and exports. */
#include "example.h"

#include <unistd.h>

static void lose_and_recover(mapped_region *region)
{
    mapped_slice slice = mapped_region_slice(region);
    mapped_lost_range ranges[4];
    size_t count;
    uint8_t byte;

    assert(truncate("cut.bin", 4096) == 0); /* by another process, say */
    assert(mapped_get_u8(slice, 5000, &byte, &error) == MAPPED_FAULT);
    must(mapped_get_u8(slice, 0, &byte, &error)); /* the rest is there */
    assert(mapped_region_check(region, &error) == MAPPED_FAULT);
    must(mapped_region_faults(region, ranges, 4, &count, &error));
    assert(count == 1 && ranges[0].offset == 4096);
    assert(mapped_region_fault_count(region) == 1);

    assert(truncate("cut.bin", 8192) == 0);
    must(mapped_region_recover(region, &error));
    must(mapped_get_u8(slice, 5000, &byte, &error));
}

/* In two halves, for programs in which other threads go on. */
static void recover_beside_others(mapped_region *region)
{
    uint64_t before = mapped_region_recovery_count(region);

    must(mapped_region_recover_begin(region, &error));
    must(mapped_region_recover_end(region, &error));
    assert(mapped_region_recovery_count(region) >= before);
}

static void exports(mapped_region *region)
{
    mapped_export pointer, operation;

    must(mapped_export_begin(mapped_region_slice(region), &pointer, &error));
    assert(mapped_region_close(region, &error) == MAPPED_BUSY);
    assert(error.length == 1);    /* so many exports */
    memset(pointer.data, 1, 100); /* unchecked: keep to slice.length */
    must(mapped_export_check(&pointer, &error));
    mapped_export_begin_operation(region, &operation); /* a long one */
    must(mapped_export_end(&operation, &error));
    assert(mapped_region_retire(region) == 1); /* closed but for the pointer */
    must(mapped_export_end(&pointer, &error));
}

int main(void)
{
    mapped_open_options options = {.length = 8192};
    mapped_region *region;

    assert(mapped_guard_enabled());
    mapped_guard_enable(true); /* in front of handlers that came later */
    must(mapped_region_open("cut.bin", MAPPED_MODE_CREATE, &options, &region,
                            &error));
    lose_and_recover(region);
    recover_beside_others(region);
    exports(region);
    mapped_region_release(region);
    return 0;
}
