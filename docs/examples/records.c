/* Records: layouts, fields, items; formats of both languages. */
#include "example.h"

static const char LAYOUT[] = "< id:u32 price:f64@8 name:char[8] levels:u8[2]";

static const mapped_fields_source SOURCE = {.dialect = MAPPED_DIALECT_LAYOUT,
                                            .text = LAYOUT,
                                            .length = sizeof LAYOUT - 1};

static void describe(const mapped_fields *fields)
{
    const mapped_field *price = mapped_fields_find(fields, "price", 5);
    mapped_item record = mapped_item_of_record(fields), two, one;
    char text[100];

    assert(fields->size == 26 && fields->count == 4 && price->offset == 8);
    mapped_fields_spell(fields, MAPPED_SPELLING_LAYOUT, text, sizeof text);
    assert(strncmp(text, "< id:u32", 8) == 0);
    mapped_item_spell(&price->item, MAPPED_SPELLING_BUFFER, text, sizeof text);
    assert(strchr(text, 'd') != NULL);
    assert(mapped_item_repeat(&record, 2, &two) && two.size == 52);
    one = mapped_item_single(&two);
    assert(mapped_item_equal(&one, &record));
}

/* One record from the slice, its number stored, and back. */
static void one_record(const mapped_fields *fields, mapped_slice slice)
{
    mapped_item item = mapped_item_of_record(fields);
    const mapped_field *id = mapped_fields_find(fields, "id", 2);
    const mapped_field *name = mapped_fields_find(fields, "name", 4);
    unsigned char bytes[26];
    size_t length;

    must(mapped_item_read(slice, &item, 26, bytes, &error)); /* the second */
    mapped_value number = {.u = 7};
    must(id->item.element->store(id->item.element, bytes + id->offset, number));
    assert(
        mapped_item_store_bytes(&name->item, bytes + name->offset, "ore", 3));
    must(mapped_item_write(slice, &item, 26, bytes, &error));
    mapped_item_load_bytes(&name->item, bytes + name->offset, &length);
    assert(length == 3 && mapped_item_of_bytes(MAPPED_ITEM_TEXT, 8).size == 8);
}

/* All ids, and all levels, as arrays in place. */
static void columns(const mapped_fields *fields, mapped_slice slice)
{
    ptrdiff_t shape[2] = {-1, 0}, strides[2];
    mapped_array records = {.slice = slice,
                            .item = mapped_item_of_record(fields),
                            .dimensions = 1,
                            .shape = shape,
                            .strides = strides};
    mapped_array column;
    uint32_t ids[2];

    must(mapped_array_cover(&records, &error));
    mapped_array_column(&records, mapped_fields_find(fields, "id", 2), &column);
    must(mapped_array_gather(&column, ids, &error));
    assert(mapped_le_u32(ids[1]) == 7);
    mapped_array_column(&records, mapped_fields_find(fields, "levels", 6),
                        &column);
    mapped_array_expand(&column);
    assert(column.dimensions == 2 && shape[1] == 2);
}

/* A format of Lua: a number, and a text that its length precedes. */
static void formats(mapped_slice slice)
{
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_PACK, .text = "<I4 s1", .length = 6};
    mapped_field_value values[2];
    mapped_field_values all = {values, 2, 2};
    mapped_cursor cursor = {0};
    mapped_fields *fields;
    size_t room;

    must(mapped_fields_room(&source, &room, &error)); /* in our own memory */
    void *memory = malloc(room);
    must(mapped_fields_init(&source, memory, &fields, &error));
    for (size_t i = 0; mapped_fields_next(fields, &cursor, &values[i]); i++) {
        if (i == 0)
            values[i].value.u = 42;
        values[i].data = "ore";
        values[i].length = 3;
        must(mapped_field_check(&values[i], &error));
    }
    cursor = (mapped_cursor){0};
    must(mapped_fields_pack(fields, slice, &cursor, &all, &error));
    assert(cursor.offset == 8 && mapped_fields_at(fields, &cursor) == NULL);
    cursor = (mapped_cursor){0};
    must(mapped_fields_unpack(fields, slice, &cursor, &all, &error));
    assert(values[0].value.u == 42 && values[1].length == 3);
    free(memory);
}

int main(void)
{
    mapped_region *region = zeros(52);
    mapped_slice slice = mapped_region_slice(region);
    mapped_fields *fields;

    must(mapped_fields_compile(&SOURCE, &fields, &error));
    mapped_fields_acquire(fields); /* one for each who keeps it */
    mapped_fields_release(fields);
    describe(fields);
    one_record(fields, slice);
    columns(fields, slice);
    formats(slice);
    mapped_fields_release(fields);
    mapped_region_release(region);
    return 0;
}
