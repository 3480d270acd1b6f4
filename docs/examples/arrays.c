/* Arrays: items of one type in any number of dimensions, in place. */
#include "example.h"

/* Three rows of four numbers over all of the slice. */
static mapped_array make(mapped_slice slice, ptrdiff_t *shape,
                         ptrdiff_t *strides)
{
    mapped_array array = {.slice = slice,
                          .item = mapped_item_of(mapped_element_find(
                              MAPPED_KIND_UNSIGNED, 2, false)),
                          .dimensions = 2,
                          .shape = shape,
                          .strides = strides};

    shape[0] = -1; /* as many as there are */
    shape[1] = 4;
    must(mapped_array_cover(&array, &error));
    assert(shape[0] == 3 && strides[0] == 8 && strides[1] == 2);
    assert(mapped_array_count(&array) == 12);
    return array;
}

static void fill_and_read(const mapped_array *array)
{
    uint16_t numbers[12], back[12];
    mapped_extent extent;

    for (uint16_t i = 0; i < 12; i++)
        numbers[i] = mapped_le_u16(i);
    must(mapped_array_scatter(array, numbers, &error));
    must(mapped_array_gather(array, back, &error));
    assert(memcmp(numbers, back, sizeof back) == 0);
    must(mapped_array_extent(array, &extent, &error));
    assert(extent.bytes.length == 24 && extent.contiguous);
}

/* The second column, from the last row to the first. */
static void select_a_column(const mapped_array *array)
{
    const mapped_subscript subscripts[] = {{2, -1, 3}, {1, 0, 1}};
    ptrdiff_t shape[2], strides[2];
    uint16_t numbers[3];
    mapped_array column = {.shape = shape, .strides = strides};

    must(mapped_array_select(array, subscripts, 2, &column, &error));
    assert(column.dimensions == 1 && shape[0] == 3 && strides[0] == -8);
    assert(mapped_array_offset(&column, 0) == 18);
    must(mapped_array_gather(&column, numbers, &error));
    assert(mapped_le_u16(numbers[0]) == 9 && mapped_le_u16(numbers[2]) == 1);
}

static void copy_and_compare(const mapped_array *array)
{
    ptrdiff_t shape[2], strides[2];
    mapped_region *region = zeros(24);
    mapped_array other = make(mapped_region_slice(region), shape, strides);
    bool equal;

    must(mapped_array_equal(array, &other, &equal, &error));
    assert(!equal);
    must(mapped_array_copy(&other, array, &error));
    must(mapped_array_equal(array, &other, &equal, &error));
    assert(equal);
    mapped_region_release(region);
}

static void search_and_fill(const mapped_array *array)
{
    const mapped_element *number =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 2, false);
    uint16_t seven = mapped_le_u16(7), back[12];
    size_t index, count;

    must(mapped_array_find(array, number, &seven, &index, &error));
    assert(index == 7);
    must(mapped_array_fill(array, &seven, &error));
    must(mapped_array_count_value(array, number, &seven, &count, &error));
    assert(count == 12);
    must(mapped_array_gather(array, back, &error));
    assert(back[0] == seven && back[11] == seven);
}

int main(void)
{
    ptrdiff_t shape[2], strides[2];
    mapped_region *region = zeros(24);
    mapped_array array = make(mapped_region_slice(region), shape, strides);

    fill_and_read(&array);
    select_a_column(&array);
    copy_and_compare(&array);
    search_and_fill(&array);
    mapped_region_release(region);
    return 0;
}
