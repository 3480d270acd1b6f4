/* Guards against formats that read outside of their memory, which lies at the
 * end of a page. Values must lie inside, an error must name a position in the
 * format, and unpacked values must be the same after they are packed and
 * unpacked again. */
#include "guarded.h"

#define ITEMS 7
#define MOST 64

typedef struct found {
    mapped_field_value items[MOST];
    size_t count;
    size_t end;
} found;

static void check_item(const mapped_field_value *item, mapped_slice slice)
{
    unsigned char byte;
    if (item->field->item.kind <= MAPPED_ITEM_ELEMENTS)
        return;
    EXPECT(mapped_range_fits(item->offset, item->length, slice.length));
    if (item->length > 0)
        EXPECT(mapped_read(slice, item->offset + item->length - 1, &byte, 1,
                           NULL) == MAPPED_OK);
}

/* Unpacks all values, a few at a time. Returns false if that fails. */
static bool unpack(const mapped_fields *format, mapped_slice slice, size_t from,
                   found *all)
{
    mapped_field_value room[ITEMS];
    mapped_field_values items = {room, ITEMS, 0};
    mapped_cursor cursor = {.offset = from};
    mapped_error error = MAPPED_ERROR_INIT;
    all->count = 0;
    do {
        mapped_status status =
            mapped_fields_unpack(format, slice, &cursor, &items, &error);
        EXPECT(status == MAPPED_OK || items.count == 0);
        if (status != MAPPED_OK)
            return false;
        for (size_t i = 0; i < items.count; i++) {
            check_item(&room[i], slice);
            if (all->count == MOST)
                return false;
            all->items[all->count++] = room[i];
        }
    } while (items.count > 0);
    all->end = cursor.offset;
    return true;
}

static void pack_again(const mapped_fields *format, mapped_slice slice,
                       size_t from, found *all)
{
    found again;
    unsigned char copy[256];
    mapped_region *region = NULL;
    mapped_field_values items = {all->items, MOST, all->count};
    mapped_cursor cursor = {.offset = from};
    unsigned char *data = slice.region->base_ + slice.offset;
    EXPECT(slice.length <= sizeof copy);
    for (size_t i = 0; i < all->count; i++)
        all->items[i].data = data + all->items[i].offset;
    memset(copy, 0xEE, sizeof copy);
    EXPECT(mapped_region_wrap(copy, slice.length, false, NULL, NULL, &region,
                              NULL) == MAPPED_OK);
    mapped_slice to = mapped_region_slice(region);
    EXPECT(mapped_fields_pack(format, to, &cursor, &items, NULL) == MAPPED_OK);
    EXPECT(cursor.offset == all->end);
    for (size_t i = all->end; i < sizeof copy; i++)
        EXPECT(copy[i] == 0xEE);
    EXPECT(unpack(format, to, from, &again) && again.count == all->count);
    for (size_t i = 0; i < again.count; i++)
        EXPECT(again.items[i].field == all->items[i].field &&
               (again.items[i].field->item.kind <= MAPPED_ITEM_ELEMENTS ||
                again.items[i].length == all->items[i].length));
    mapped_region_release(region);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input in = {bytes, size};
    mapped_dialect dialect = (mapped_dialect)(take(&in) % 3);
    size_t from = take(&in) % 8, length = take(&in) % 64;
    found all;
    mapped_fields *format;
    mapped_region *region = NULL;
    mapped_error error = MAPPED_ERROR_INIT;
    length = length < in.left ? length : in.left;
    size_t n = in.left - length < 256 ? in.left - length : 256;
    char *text = malloc(length + 1);
    EXPECT(text != NULL);
    memcpy(text, in.data, length);
    unsigned char *data = guarded(n, true);
    memcpy(data, in.data + length, n);
    EXPECT(mapped_region_wrap(data, n, true, NULL, NULL, &region, NULL) ==
           MAPPED_OK);
    mapped_slice slice = mapped_region_slice(region);
    const mapped_fields_source source = {
        .dialect = dialect, .text = text, .length = length};
    mapped_status status = mapped_fields_compile(&source, &format, &error);
    EXPECT(status == MAPPED_OK || error.offset <= length);
    free(text);
    if (status == MAPPED_OK) {
        if (unpack(format, slice, from, &all) && from <= n)
            pack_again(format, slice, from, &all);
        mapped_fields_release(format);
    }
    mapped_region_release(region);
    return 0;
}
