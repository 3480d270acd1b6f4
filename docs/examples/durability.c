/* Durability: what has been flushed survives a loss of power. */
#include "example.h"

int main(void)
{
    mapped_open_options options = {.length = 1 << 16};
    mapped_region *region;
    mapped_slice entry;

    must(mapped_region_open("ledger.bin", MAPPED_MODE_CREATE, &options, &region,
                            &error));
    must(mapped_slice_sub(mapped_region_slice(region), 4000, 200, &entry,
                          &error));
    must(mapped_write(entry, 0, "paid", 4, &error));
    must(mapped_flush(entry, MAPPED_FLUSH_START, &error)); /* begins */
    must(mapped_flush(entry, 0, &error)); /* on the disk when it returns */
    mapped_region_release(region);
    return 0;
}
