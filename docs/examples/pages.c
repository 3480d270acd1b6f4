/* Pages: advice, reading ahead, what is in memory, protection. */
#include "example.h"

static void look(mapped_slice slice)
{
    mapped_residency residency;
    mapped_advice advice;
    size_t pages = mapped_residency_pages(slice);
    unsigned char *bits = calloc(1, pages / 8 + 1);

    must(mapped_advice_parse("sequential", 10, &advice, &error));
    assert(strcmp(mapped_advice_text(advice), "sequential") == 0);
    must(mapped_advise(slice, advice, &error));
    must(mapped_prefetch(slice, 0, &error));
    for (size_t done = 0; done < slice.length;) /* the same in pieces */
        must(mapped_prefetch_next(slice, &done, &error));
    must(mapped_residency_get(slice, &residency, bits, pages / 8 + 1, &error));
    assert(residency.pages == pages && residency.resident <= pages);
    free(bits);
}

static void change(mapped_slice slice)
{
    mapped_slice first;
    uint8_t byte;

    must(mapped_fill(slice, 7, &error));
    must(mapped_slice_sub(slice, 0, 4096, &first, &error));
    must(mapped_discard(first, &error)); /* zeros again */
    must(mapped_get_u8(first, 0, &byte, &error));
    assert(byte == 0);
    must(mapped_protect(first, MAPPED_MODE_READ, &error));
    assert(mapped_set_u8(slice, 0, 1, &error) == MAPPED_READONLY);
    must(mapped_protect(first, MAPPED_MODE_READ_WRITE, &error));
    if (mapped_mlock(first, &error) == MAPPED_OK) /* RLIMIT_MEMLOCK */
        must(mapped_munlock(first, &error));
}

static void revert(void)
{
    mapped_region *region;
    uint8_t byte;

    make_file("original.bin", "original");
    must(mapped_region_open("original.bin", MAPPED_MODE_COPY, NULL, &region,
                            &error));
    mapped_slice slice = mapped_region_slice(region);
    must(mapped_fill(slice, 0, &error));
    must(mapped_revert(slice, &error));
    must(mapped_get_u8(slice, 0, &byte, &error));
    assert(byte == 'o');
    mapped_region_release(region);
}

int main(void)
{
    mapped_region *region = zeros(1 << 20);

    look(mapped_region_slice(region));
    change(mapped_region_slice(region));
    revert();
    mapped_region_release(region);
    return 0;
}
