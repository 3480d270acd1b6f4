/* Streams of <stdio.h> over a slice, and slices written to streams. */
#include "example.h"

#include <fcntl.h>
#include <unistd.h>

static void read_and_write(mapped_slice slice)
{
    mapped_stream cookie;
    FILE *file;
    int price = 0;

    must(mapped_stream_open(slice, true, &cookie, &file, &error));
    fprintf(file, "price=%d\n", 7); /* in the memory at once */
    rewind(file);
    assert(fscanf(file, "price=%d", &price) == 1 && price == 7);
    fclose(file);
}

static void write_out(mapped_slice slice)
{
    size_t written;
    FILE *file = fopen("copy.bin", "wb");

    must(mapped_stream_write(slice, file, &written, &error));
    assert(written == slice.length);
    fclose(file);
    int descriptor = open("copy.bin", O_WRONLY | O_APPEND);
    must(mapped_descriptor_write(slice, descriptor, &written, &error));
    assert(written == slice.length);
    close(descriptor);
}

int main(void)
{
    mapped_region *region = zeros(100);

    read_and_write(mapped_region_slice(region));
    write_out(mapped_region_slice(region));
    mapped_region_release(region);
    return 0;
}
