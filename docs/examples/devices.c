/* Devices: registers, each access exactly one of its width. A file stands for
 * the device here. */
#include "example.h"

int main(void)
{
    mapped_open_options options = {.length = 4096, .flags = MAPPED_OPEN_DEVICE};
    mapped_region *device;
    mapped_slice all;
    uint32_t status;

    make_file("device.bin", "");
    must(mapped_region_open("device.bin", MAPPED_MODE_READ_WRITE, &options,
                            &device, &error));
    assert(mapped_region_device(device));
    all = mapped_region_slice(device);
    must(mapped_set_u32le(all, 0x10, 1, &error)); /* one store of 4 bytes */
    must(mapped_get_u32le(all, 0x10, &status, &error));
    assert(status == 1);
    assert(mapped_set_u32le(all, 0x11, 1, &error) == MAPPED_MISALIGNED);
    mapped_region_release(device);
    return 0;
}
