/* The language of layouts. A record in a record is read by the same functions,
 * as a record of its own. */
#include "fields_internal.h"

#include <string.h>

/* A record that is being read. */
typedef struct layout {
    mapped__reader *reader;
    mapped__record *record;
    int depth;
    size_t next;       /* where a field goes that doesn't say where */
    size_t end;        /* the farthest byte of any field, padding included */
    size_t alignment;  /* of the record */
    size_t size;       /* as given, else 0 */
    size_t size_place; /* where it is given */
    bool align;
    bool big;
    bool align_given; /* in this record */
    bool order_given;
} layout;

static mapped_status wrong(const layout *layout, mapped_layout_reason reason,
                           size_t place)
{
    return mapped__fields_layout_wrong(layout->reader->error, reason, place);
}

static char peek(const mapped__reader *reader)
{
    return reader->at < reader->length ? reader->text[reader->at] : '\0';
}

static void skip_spaces(mapped__reader *reader)
{
    while (reader->at < reader->length &&
           memchr(" \t\r\n\v\f", reader->text[reader->at], 6) != NULL)
        reader->at++;
}

/* Passes `c`, and spaces before it, if it comes next. */
static bool take(mapped__reader *reader, char c)
{
    size_t start = reader->at;
    skip_spaces(reader);
    if (reader->at < reader->length && reader->text[reader->at] == c) {
        reader->at++;
        return true;
    }
    reader->at = start;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

typedef struct word {
    const char *text;
    size_t length;
    size_t place;
} word;

static bool is(const word *word, const char *text)
{
    return word->length == strlen(text) &&
           memcmp(word->text, text, word->length) == 0;
}

/* Letters, digits and underscores; empty if none come next. */
static word read_word(mapped__reader *reader)
{
    skip_spaces(reader);
    word found = {reader->text + reader->at, 0, reader->at};
    while (reader->at < reader->length && is_word(reader->text[reader->at]))
        reader->at++;
    found.length = reader->at - found.place;
    return found;
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* A number that is all of the word; what doesn't fit is not one. */
static bool word_number(const word *word, size_t *number)
{
    size_t base = 10, i = 0, value = 0;
    if (word->length > 2 && word->text[0] == '0' &&
        (word->text[1] == 'x' || word->text[1] == 'X')) {
        base = 16;
        i = 2;
    }
    if (word->length == 0)
        return false;
    for (; i < word->length; i++) {
        size_t digit = (size_t)digit_value(word->text[i]);
        if (digit >= base || !mapped_multiply_size(value, base, &value) ||
            !mapped_add_size(value, digit, &value))
            return false;
    }
    *number = value;
    return value <= MAPPED__FIELDS_LIMIT;
}

/* Puts the field at its offset, given or not, and moves on behind it. */
static mapped_status place_field(layout *layout, mapped_field *field,
                                 bool given)
{
    const mapped_item *item = &field->item;
    size_t end;
    bool fits = true;
    if (!given) {
        field->offset = layout->next;
        if (layout->align)
            fits = mapped_round_up(layout->next, item->align, &field->offset);
    }
    if (!fits || !mapped_add_size(field->offset, item->size, &end) ||
        end > MAPPED__FIELDS_LIMIT)
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field->place);
    if (item->align > layout->alignment)
        layout->alignment = item->align;
    if (end > layout->end)
        layout->end = end;
    layout->next = end;
    return MAPPED_OK;
}

static mapped_status read_count(layout *layout, size_t *count)
{
    mapped__reader *reader = layout->reader;
    *count = 0;
    if (!take(reader, '['))
        return MAPPED_OK;
    word number = read_word(reader);
    if (!word_number(&number, count) || *count == 0)
        return wrong(layout, MAPPED_LAYOUT_COUNT_WRONG, number.place);
    if (!take(reader, ']'))
        return wrong(layout, MAPPED_LAYOUT_BRACKET_WRONG, reader->at);
    return MAPPED_OK;
}

static mapped_status read_offset(layout *layout, mapped_field *field,
                                 bool *given)
{
    *given = take(layout->reader, '@');
    if (!*given)
        return MAPPED_OK;
    word number = read_word(layout->reader);
    if (!word_number(&number, &field->offset))
        return wrong(layout, MAPPED_LAYOUT_OFFSET_WRONG, number.place);
    return MAPPED_OK;
}

static mapped_status read_record(mapped__reader *reader, const layout *around,
                                 mapped_item *item);

/* What one of the field is: an element or, in braces, a record. */
static mapped_status read_single(layout *layout, mapped_item *item)
{
    mapped__reader *reader = layout->reader;
    size_t place = reader->at;
    if (take(reader, '{'))
        return layout->depth < MAPPED_FIELDS_DEPTH
                   ? read_record(reader, layout, item)
                   : wrong(layout, MAPPED_LAYOUT_DEPTH_WRONG, place);
    word type = read_word(reader);
    const mapped_element *element =
        mapped_element_from_name(type.text, type.length, layout->big);
    if (element == NULL)
        return wrong(layout, MAPPED_LAYOUT_TYPE_WRONG, type.place);
    *item = mapped_item_of(element);
    return MAPPED_OK;
}

/* What follows the name and its colon. */
static mapped_status read_field(layout *layout, const word *name)
{
    mapped_field field = {
        .name = name->text, .name_length = name->length, .place = name->place};
    bool given;
    size_t count;
    mapped_status status = read_single(layout, &field.item);
    mapped_item single = field.item;
    if (status == MAPPED_OK)
        status = read_count(layout, &count);
    if (status == MAPPED_OK)
        status = read_offset(layout, &field, &given);
    if (status != MAPPED_OK)
        return status;
    if (count != 0 && !mapped_item_repeat(&single, count, &field.item))
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field.place);
    status = place_field(layout, &field, given);
    if (status == MAPPED_OK && !is(name, "_"))
        mapped__record_add(layout->record, &field);
    return status;
}

static mapped_status read_size(layout *layout, const word *name)
{
    word number = read_word(layout->reader);
    if (layout->size != 0)
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->place);
    if (!word_number(&number, &layout->size) || layout->size == 0)
        return wrong(layout, MAPPED_LAYOUT_SIZE_WRONG, number.place);
    layout->size_place = number.place;
    return MAPPED_OK;
}

static bool is_before_fields(const layout *layout)
{
    return layout->record->count == 0 && layout->end == 0;
}

static mapped_status read_order(layout *layout)
{
    mapped__reader *reader = layout->reader;
    if (layout->order_given || !is_before_fields(layout))
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, reader->at);
    char order = reader->text[reader->at++];
    layout->order_given = true;
    layout->big = order == '=' ? MAPPED_BIG_ENDIAN : order == '>';
    return MAPPED_OK;
}

static mapped_status read_align(layout *layout, const word *name)
{
    if (layout->align_given || !is_before_fields(layout))
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->place);
    layout->align = layout->align_given = true;
    return MAPPED_OK;
}

static mapped_status read_part(layout *layout)
{
    mapped__reader *reader = layout->reader;
    char c = peek(reader);
    if (c == '<' || c == '>' || c == '=')
        return read_order(layout);
    word name = read_word(reader);
    if (name.length == 0 || is_digit(name.text[0]))
        return wrong(layout, MAPPED_LAYOUT_NAME_WRONG, name.place);
    if (take(reader, ':'))
        return read_field(layout, &name);
    if (is(&name, "align"))
        return read_align(layout, &name);
    if (is(&name, "size") && take(reader, '='))
        return read_size(layout, &name);
    return wrong(layout, MAPPED_LAYOUT_COLON_WRONG, reader->at);
}

static mapped_status find_size(layout *layout)
{
    size_t size = layout->size != 0 ? layout->size : layout->end;
    if (layout->record->count == 0)
        return wrong(layout, MAPPED_LAYOUT_EMPTY_WRONG, layout->reader->at);
    if (size < layout->end)
        return wrong(layout, MAPPED_LAYOUT_TOO_SMALL_WRONG, layout->size_place);
    if (layout->align && layout->size == 0 &&
        (!mapped_round_up(size, layout->alignment, &size) ||
         size > MAPPED__FIELDS_LIMIT))
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, layout->reader->at);
    layout->record->size = size;
    return MAPPED_OK;
}

/* Up to the end of the text, or to the brace that ends the record. */
static mapped_status read_parts(layout *layout)
{
    mapped__reader *reader = layout->reader;
    bool inner = layout->depth > 1;
    skip_spaces(reader);
    while (reader->at < reader->length && !(inner && peek(reader) == '}')) {
        mapped_status status = read_part(layout);
        if (status != MAPPED_OK)
            return status;
        take(reader, ',');
        skip_spaces(reader);
    }
    if (inner && reader->at == reader->length)
        return wrong(layout, MAPPED_LAYOUT_BRACE_WRONG, reader->at);
    mapped_status status = find_size(layout);
    reader->at += inner;
    return status;
}

/* Reads the record twice if it is to be stored: what is in it must be known
 * before the first of it has its place. */
static mapped_status read_record(mapped__reader *reader, const layout *around,
                                 mapped_item *item)
{
    mapped__record record = {.named = true};
    mapped__reader first = *reader;
    layout layout = {.reader = &first,
                     .record = &record,
                     .depth = around->depth + 1,
                     .alignment = 1,
                     .align = around->align,
                     .big = around->big};
    struct layout again = layout;
    first.memory = NULL;
    mapped_status status = read_parts(&layout);
    if (status != MAPPED_OK)
        return status;
    item->kind = MAPPED_ITEM_RECORD;
    item->align = (uint8_t)layout.alignment;
    item->count = 1;
    item->size = record.size;
    if (reader->memory == NULL) {
        *reader = first;
        return mapped__record_begin(reader, &record);
    }
    status = mapped__record_begin(reader, &record);
    again.reader = reader;
    if (status == MAPPED_OK)
        status = read_parts(&again);
    if (status != MAPPED_OK)
        return status;
    item->record = record.fields;
    return mapped__record_end(reader, &record);
}

mapped_status mapped__fields_read_layout(mapped__reader *reader)
{
    const layout around = {.big = MAPPED_BIG_ENDIAN};
    mapped_item item;
    return read_record(reader, &around, &item);
}
