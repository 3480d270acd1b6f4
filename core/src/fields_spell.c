/* Writes types as text: items and fields as the buffer protocol spells them
 * (put_buffer_...) and as a layout does (put_layout_...). */
#include <mapped/fields.h>

#include <stdio.h>
#include <string.h>

/* A text that is being written, as far as there is room. */
typedef struct writer {
    char *text;
    size_t capacity;
    size_t length; /* of all that was put, also where there was no room */
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

/* ELEMENT and RECORD, or several of them? */
static bool is_single(const mapped_item *item)
{
    return item->kind == MAPPED_ITEM_ELEMENT ||
           item->kind == MAPPED_ITEM_RECORD;
}

static void put_buffer_fields(writer *out, const mapped_fields *fields);

static void put_buffer_record(writer *out, const mapped_item *item)
{
    if (!is_single(item))
        put_number(out, "(", item->count, ")");
    put(out, "T{");
    put_buffer_fields(out, item->record);
    put(out, "}");
}

/* A code in a record tells its byte order, whatever the machine's; one that
 * stands alone is the one that memoryview knows. */
static void put_buffer_item(writer *out, const mapped_item *item,
                            bool in_record)
{
    if (item->record != NULL) {
        put_buffer_record(out, item);
        return;
    }
    const char *code = mapped_element_struct_code(item->element);
    if (code == NULL) {
        put_number(out, "(", item->size, ")B");
    } else if (is_single(item) && !in_record) {
        put(out, code);
    } else if (code[0] == 'c') {
        bool is_pascal = item->kind == MAPPED_ITEM_PASCAL;
        put_number(out, "", item->count, is_pascal ? "p" : "s");
    } else {
        if (!is_single(item))
            put_number(out, "(", item->count, ")");
        put(out, item->element->big ? ">" : "<");
        put(out, code + strlen(code) - 1);
    }
}

static void put_buffer_gap(writer *out, size_t gap)
{
    if (gap > 0)
        put_number(out, "", gap, "x");
}

static void put_buffer_fields(writer *out, const mapped_fields *fields)
{
    size_t end = 0; /* of the field before */
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field =
            fields->order_ != NULL ? fields->order_[i] : &fields->fields[i];
        if (field->item.kind == MAPPED_ITEM_PAD)
            continue; /* a gap before the next field */
        put_buffer_gap(out, field->offset - end);
        put_buffer_item(out, &field->item, true);
        if (field->name != NULL) {
            put(out, ":");
            put_bytes(out, field->name, field->name_length);
            put(out, ":");
        }
        end = field->offset + field->item.size;
    }
    put_buffer_gap(out, fields->size - end);
}

static void put_layout_fields(writer *out, const mapped_fields *fields);

static void put_layout_item(writer *out, const mapped_item *item)
{
    if (item->record != NULL) {
        put(out, "{");
        put_layout_fields(out, item->record);
        put(out, "}");
    } else {
        put(out, item->element->name);
    }
    if (!is_single(item))
        put_number(out, "[", item->count, "]");
}

static void put_layout_fields(writer *out, const mapped_fields *fields)
{
    size_t next = 0, end = 0;
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        put(out, i > 0 ? " " : "");
        put_bytes(out, field->name, field->name_length);
        put(out, ":");
        put_layout_item(out, &field->item);
        if (field->offset != next)
            put_number(out, "@", field->offset, "");
        next = field->offset + field->item.size;
        end = next > end ? next : end;
    }
    if (fields->size != end)
        put_number(out, " size=", fields->size, "");
}

size_t mapped_item_spell(const mapped_item *item, mapped_spelling spelling,
                         char *text, size_t capacity)
{
    writer out = {text, capacity, 0};
    if (spelling == MAPPED_SPELLING_BUFFER)
        put_buffer_item(&out, item, false);
    else
        put_layout_item(&out, item);
    return out.length;
}

size_t mapped_fields_spell(const mapped_fields *fields,
                           mapped_spelling spelling, char *text,
                           size_t capacity)
{
    writer out = {text, capacity, 0};
    if (spelling == MAPPED_SPELLING_BUFFER) {
        const mapped_item record = mapped_item_of_record(fields);
        put_buffer_record(&out, &record);
    } else {
        put(&out, "< ");
        put_layout_fields(&out, fields);
    }
    return out.length;
}
