/* Worker processes: what another process must know to map the same memory. */
#include "example.h"

int main(void)
{
    mapped_region *region, *same;
    mapped_origin origin;
    uint8_t byte;

    make_file("samples.bin", "0123456789");
    must(mapped_region_open("samples.bin", MAPPED_MODE_READ, NULL, &region,
                            &error));
    must(mapped_region_origin(region, &origin, &error));
    assert(origin.kind == MAPPED_ORIGIN_PATH && origin.length == 10);
    /* The numbers and the path go to the other process, which does this: */
    must(mapped_region_open_origin(&origin, &same, &error));
    must(mapped_get_u8(mapped_region_slice(same), 9, &byte, &error));
    assert(byte == '9');
    mapped_region_release(same);
    mapped_region_release(region);
    return 0;
}
