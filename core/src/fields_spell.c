/* Types as text: items and fields in the spelling of the buffer protocol and in
 * that of layouts. */
#include <mapped/fields.h>

#include <stdio.h>
#include <string.h>

/* A text that is being written, as far as there is room. */
typedef struct writer {
    char *text;
    size_t capacity;
    size_t length;
    mapped_spelling spelling;
} writer;

static void put_bytes(writer *out, const char *text, size_t length)
{
    size_t room = out->length < out->capacity ? out->capacity - out->length : 0;
    size_t n = length < room ? length : room - (room > 0);
    if (room > 0) {
        memcpy(out->text + out->length, text, n);
        out->text[out->length + n] = '\0';
    }
    out->length += length;
}

static void put(writer *out, const char *text)
{
    put_bytes(out, text, strlen(text));
}

static void put_number(writer *out, const char *before, size_t number,
                       const char *behind)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", number);
    put(out, before);
    put(out, digits);
    put(out, behind);
}

/* In a record the code has its order; alone, one that memoryview knows. */
static void put_code(writer *out, const mapped_item *item, bool inside)
{
    const char *code = mapped_element_struct_code(item->element);
    bool one = item->kind == MAPPED_ITEM_ELEMENT;
    if (code == NULL) {
        put_number(out, "(", item->size, ")B");
    } else if (one && !inside) {
        put(out, code);
    } else if (code[0] == 'c') {
        bool pascal = item->kind == MAPPED_ITEM_PASCAL;
        put_number(out, "", item->count, pascal ? "p" : "s");
    } else {
        if (!one)
            put_number(out, "(", item->count, ")");
        put(out, item->element->big ? ">" : "<");
        put(out, code + strlen(code) - 1);
    }
}

static void put_fields(writer *out, const mapped_fields *fields);

static void put_item(writer *out, const mapped_item *item, bool inside)
{
    bool buffer = out->spelling == MAPPED_SPELLING_BUFFER;
    bool repeated =
        item->kind != MAPPED_ITEM_ELEMENT && item->kind != MAPPED_ITEM_RECORD;
    if (item->record != NULL) {
        if (buffer && repeated)
            put_number(out, "(", item->count, ")");
        put(out, buffer ? "T{" : "{");
        put_fields(out, item->record);
        put(out, "}");
    } else if (buffer) {
        put_code(out, item, inside);
    } else {
        put(out, item->element->name);
    }
    if (!buffer && repeated)
        put_number(out, "[", item->count, "]");
}

static void put_gap(writer *out, size_t gap)
{
    if (gap > 0)
        put_number(out, "", gap, "x");
}

static void put_buffer_fields(writer *out, const mapped_fields *fields)
{
    size_t at = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field =
            fields->order_ != NULL ? fields->order_[i] : &fields->fields[i];
        if (field->item.element == NULL && field->item.record == NULL)
            continue; /* a pad */
        put_gap(out, field->offset - at);
        put_item(out, &field->item, true);
        if (field->name != NULL) {
            put(out, ":");
            put_bytes(out, field->name, field->name_length);
            put(out, ":");
        }
        at = field->offset + field->item.size;
    }
    put_gap(out, fields->size - at);
}

static void put_layout_fields(writer *out, const mapped_fields *fields)
{
    size_t at = 0, end = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        put(out, i > 0 ? " " : "");
        put_bytes(out, field->name, field->name_length);
        put(out, ":");
        put_item(out, &field->item, true);
        if (field->offset != at)
            put_number(out, "@", field->offset, "");
        at = field->offset + field->item.size;
        end = at > end ? at : end;
    }
    if (fields->size != end)
        put_number(out, " size=", fields->size, "");
}

static void put_fields(writer *out, const mapped_fields *fields)
{
    if (out->spelling == MAPPED_SPELLING_BUFFER)
        put_buffer_fields(out, fields);
    else
        put_layout_fields(out, fields);
}

size_t mapped_item_spell(const mapped_item *item, mapped_spelling spelling,
                         char *text, size_t capacity)
{
    writer out = {text, capacity, 0, spelling};
    put_item(&out, item, false);
    return out.length;
}

size_t mapped_fields_spell(const mapped_fields *fields,
                           mapped_spelling spelling, char *text,
                           size_t capacity)
{
    writer out = {text, capacity, 0, spelling};
    put(&out, spelling == MAPPED_SPELLING_BUFFER ? "T{" : "< ");
    put_fields(&out, fields);
    put(&out, spelling == MAPPED_SPELLING_BUFFER ? "}" : "");
    return out.length;
}
