/* Guards against layouts that are accepted but wrong. The fields of a layout,
 * and of the records in it, must lie inside the record, must not overlap and
 * must have different names. Its spelling must compile to the same layout. If a
 * text is refused, the error must name a position in it. */
#include "guarded.h"

static void check_apart(const mapped_field *a, const mapped_field *b)
{
    EXPECT(a->offset + a->item.size <= b->offset ||
           b->offset + b->item.size <= a->offset);
    EXPECT(strcmp(a->name, b->name) != 0);
}

static void check_layout(const mapped_fields *layout, size_t length)
{
    EXPECT(layout->count > 0 && layout->size <= PTRDIFF_MAX);
    for (size_t i = 0; i < layout->count; i++) {
        const mapped_field *field = &layout->fields[i];
        EXPECT(field->source_at + field->name_length <= length);
        EXPECT(strlen(field->name) == field->name_length);
        EXPECT(field->item.count > 0);
        EXPECT(
            mapped_range_fits(field->offset, field->item.size, layout->size));
        EXPECT(mapped_fields_find(layout, field->name, field->name_length) ==
               field);
        for (size_t k = 0; k < i; k++)
            check_apart(&layout->fields[k], field);
        if (field->item.record != NULL)
            check_layout(field->item.record, length);
    }
}

static void check_spelling(const mapped_fields *layout)
{
    mapped_fields *again;
    size_t length =
        mapped_fields_spell(layout, MAPPED_SPELLING_LAYOUT, NULL, 0);
    char *text = malloc(length + 1);
    EXPECT(text != NULL);
    EXPECT(mapped_fields_spell(layout, MAPPED_SPELLING_LAYOUT, text,
                               length + 1) == length);
    EXPECT(strlen(text) == length);
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LAYOUT, .text = text, .length = length};
    EXPECT(mapped_fields_compile(&source, &again, NULL) == MAPPED_OK);
    const mapped_item a = mapped_item_of_record(layout);
    const mapped_item b = mapped_item_of_record(again);
    EXPECT(mapped_item_equal(&a, &b));
    mapped_fields_release(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mapped_fields *layout;
    mapped_error error = MAPPED_ERROR_INIT;
    size_t length = size < 4096 ? size : 4096;
    char *text = (char *)guarded(length, true);
    if (length > 0)
        memcpy(text, bytes, length);
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_LAYOUT, .text = text, .length = length};
    if (mapped_fields_compile(&source, &layout, &error) != MAPPED_OK) {
        EXPECT(error.status == MAPPED_LAYOUT && error.offset <= length);
        return 0;
    }
    check_layout(layout, length);
    check_spelling(layout);
    mapped_fields_release(layout);
    return 0;
}
