/* Guards against arrays whose shape and strides lead outside of their memory,
 * which lies at the end of a page. If an array is accepted, its items must be
 * those that a plain calculation finds. */
#include "guarded.h"

#define BYTES 256
#define DIMENSIONS 3

typedef struct Array {
    mapped_array array;
    ptrdiff_t shape[DIMENSIONS + 2], strides[DIMENSIONS + 2];
} Array;

static const char *const layouts[] = {
    "a:u8", "a:u16 b:u8@5", "a:{x:u8 y:u16@2}[2]", "a:char[3] b:u32[2] size=16",
    "_:u8 a:i24be b:{c:bool}"};

static ptrdiff_t take_signed(input *in)
{
    return take(in) % 4 == 0 ? (ptrdiff_t)take_number(in)
                             : (ptrdiff_t)(take(in) % 40) - 8;
}

static mapped_item take_item(input *in, mapped_fields **layout)
{
    const char *text = layouts[take(in) % 5];
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LAYOUT, .text = text, .length = strlen(text)};
    EXPECT(mapped_fields_compile(&source, layout, NULL) == MAPPED_OK);
    uint8_t choice = take(in);
    return choice & 1
               ? mapped_item_of_record(*layout)
               : (*layout)->fields[(choice >> 1) % (*layout)->count].item;
}

/* Returns the bytes of item `i`, in the order of gather. */
static const unsigned char *item_at(const mapped_array *array, size_t i)
{
    size_t offset = array->first;
    for (int k = array->dimensions - 1; k >= 0; k--) {
        size_t length = (size_t)array->shape[k];
        offset += i % length * (size_t)array->strides[k];
        i /= length;
    }
    return array->slice.region->base_ + array->slice.offset + offset;
}

static void check_items(const mapped_array *array, const mapped_extent *extent)
{
    static unsigned char plain[1 << 20], before[BYTES];
    const unsigned char *low =
        array->slice.region->base_ + extent->bytes.offset;
    size_t size = array->item.size, all = array->slice.region->live_;
    bool same = false;
    if (extent->count > sizeof plain / size)
        return;
    EXPECT(mapped_array_gather(array, plain, NULL) == MAPPED_OK);
    for (size_t i = 0; i < extent->count; i++) {
        const unsigned char *p = item_at(array, i);
        EXPECT(p >= low && p + size <= low + extent->bytes.length);
        EXPECT(!extent->contiguous || p == low + i * size);
        EXPECT(memcmp(plain + i * size, p, size) == 0);
    }
    memcpy(before, array->slice.region->base_, all);
    EXPECT(mapped_array_scatter(array, plain, NULL) == MAPPED_OK);
    EXPECT(mapped_array_copy(array, array, NULL) == MAPPED_OK);
    EXPECT(memcmp(before, array->slice.region->base_, all) == 0);
    EXPECT(mapped_array_equal(array, array, &same, NULL) == MAPPED_OK);
    EXPECT(same);
}

static void check_part(const Array *array, input *in)
{
    mapped_subscript keys[DIMENSIONS];
    Array part;
    mapped_extent extent;
    part.array.shape = part.shape;
    part.array.strides = part.strides;
    for (int i = 0; i < DIMENSIONS; i++)
        keys[i] = (mapped_subscript){take_signed(in), take_signed(in),
                                     take_signed(in)};
    if (mapped_array_select(&array->array, keys, take(in) % 4, &part.array,
                            NULL) != MAPPED_OK)
        return;
    EXPECT(mapped_array_extent(&part.array, &extent, NULL) == MAPPED_OK);
    check_items(&part.array, &extent);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input in = {bytes, size};
    size_t n = take(&in);
    unsigned char *data = guarded(n, take(&in) & 1);
    mapped_region *region;
    mapped_fields *layout;
    mapped_extent extent;
    Array array;
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(i * 7);
    EXPECT(mapped_region_wrap(data, n, false, NULL, NULL, &region, NULL) ==
           MAPPED_OK);
    array.array = (mapped_array){.slice = mapped_region_slice(region),
                                 .first = (size_t)take_signed(&in),
                                 .item = take_item(&in, &layout),
                                 .dimensions = take(&in) % (DIMENSIONS + 1),
                                 .shape = array.shape,
                                 .strides = array.strides};
    for (int i = 0; i < DIMENSIONS; i++) {
        array.shape[i] = take_signed(&in);
        array.strides[i] = take_signed(&in);
    }
    if (take(&in) % 4 == 0)
        (void)!mapped_array_cover(&array.array, NULL);
    if (mapped_array_extent(&array.array, &extent, NULL) == MAPPED_OK) {
        EXPECT(extent.count == mapped_array_count(&array.array));
        check_items(&array.array, &extent);
        check_part(&array, &in);
    }
    mapped_fields_release(layout);
    mapped_region_release(region);
    return 0;
}
