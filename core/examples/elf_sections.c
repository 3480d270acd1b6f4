/* Lists the sections of an ELF file: 32 or 64 bits, either byte order. */
#include "need.h"

static bool big;

static unsigned long long get(mapped_slice slice, size_t at, size_t size)
{
    mapped_value value;
    need(mapped_get(slice, mapped_element_find(MAPPED_KIND_UNSIGNED, size, big),
                    at, &value, &error));
    return value.u;
}

int main(int argc, char **argv)
{
    mapped_region *region;
    need_that(argc == 2, "usage: elf_sections FILE");
    need(mapped_region_open(argv[1], MAPPED_MODE_READ, NULL, &region, &error));
    mapped_slice elf = mapped_region_slice(region), table, row, names;
    need_that(get(elf, 0, 4) == 0x464c457f, "not an ELF file");
    big = get(elf, 5, 1) == 2;
    size_t word = get(elf, 4, 1) == 2 ? 8 : 4, end = 34 + 3 * word;
    size_t size = get(elf, end, 2), count = get(elf, end + 2, 2);
    need(mapped_slice_sub(elf, get(elf, 24 + 2 * word, word), size * count,
                          &table, &error));
    for (size_t i = 0; i < count; i++) {
        size_t text = size * get(elf, end + 4, 2) + 8 + 2 * word;
        need(mapped_slice_sub(elf, get(table, text, word),
                              get(table, text + word, word), &names, &error));
        need(mapped_slice_sub(table, size * i, size, &row, &error));
        printf("%2zu %8llx ", i, get(row, 4, 4));
        for (size_t field = 1; field <= 3; field++)
            printf("%8llx ", get(row, 8 + field * word, word));
        for (size_t c, at = get(row, 0, 4); (c = get(names, at, 1)); at++)
            putchar((int)c);
        putchar('\n');
    }
    mapped_region_release(region);
}
