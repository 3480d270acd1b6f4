/* The language of layouts. A record in a record is read by the same functions,
 * as a record of its own. */
#include "fields_internal.h"

#include <string.h>

/* A record that is being read. */
typedef struct layout {
    mapped__parser *parser;
    mapped__builder *record;
    int depth;
    size_t next;      /* where a field goes that doesn't say where */
    size_t end;       /* the farthest byte of any field, padding included */
    size_t alignment; /* of the record */
    size_t size;      /* as given, else 0 */
    size_t size_at;   /* where it is given */
    bool align;
    bool big;
    bool align_given; /* in this record */
    bool order_given;
} layout;

static mapped_status wrong(const layout *layout, mapped_layout_reason reason,
                           size_t source_at)
{
    return mapped__layout_wrong(layout->parser->error, reason, source_at);
}

static char peek(const mapped__parser *parser)
{
    return parser->at < parser->length ? parser->text[parser->at] : '\0';
}

static void skip_spaces(mapped__parser *parser)
{
    while (parser->at < parser->length &&
           memchr(" \t\r\n\v\f", parser->text[parser->at], 6) != NULL)
        parser->at++;
}

/* Passes `c`, and spaces before it, if it comes next. */
static bool take(mapped__parser *parser, char c)
{
    size_t start = parser->at;
    skip_spaces(parser);
    if (parser->at < parser->length && parser->text[parser->at] == c) {
        parser->at++;
        return true;
    }
    parser->at = start;
    return false;
}

static bool is_word(char c)
{
    return mapped__is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

typedef struct word {
    const char *text;
    size_t length;
    size_t source_at;
} word;

static bool is(const word *word, const char *text)
{
    return word->length == strlen(text) &&
           memcmp(word->text, text, word->length) == 0;
}

/* Letters, digits and underscores; empty if none come next. */
static word read_word(mapped__parser *parser)
{
    skip_spaces(parser);
    word found = {parser->text + parser->at, 0, parser->at};
    while (parser->at < parser->length && is_word(parser->text[parser->at]))
        parser->at++;
    found.length = parser->at - found.source_at;
    return found;
}

static int digit_value(char c)
{
    if (mapped__is_digit(c))
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

/* Puts the field at its offset, given or not, and moves on after it. */
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
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field->source_at);
    if (item->align > layout->alignment)
        layout->alignment = item->align;
    if (end > layout->end)
        layout->end = end;
    layout->next = end;
    return MAPPED_OK;
}

static mapped_status read_count(layout *layout, size_t *count)
{
    mapped__parser *parser = layout->parser;
    *count = 0;
    if (!take(parser, '['))
        return MAPPED_OK;
    word number = read_word(parser);
    if (!word_number(&number, count) || *count == 0)
        return wrong(layout, MAPPED_LAYOUT_COUNT_WRONG, number.source_at);
    if (!take(parser, ']'))
        return wrong(layout, MAPPED_LAYOUT_BRACKET_WRONG, parser->at);
    return MAPPED_OK;
}

static mapped_status read_offset(layout *layout, mapped_field *field,
                                 bool *given)
{
    *given = take(layout->parser, '@');
    if (!*given)
        return MAPPED_OK;
    word number = read_word(layout->parser);
    if (!word_number(&number, &field->offset))
        return wrong(layout, MAPPED_LAYOUT_OFFSET_WRONG, number.source_at);
    return MAPPED_OK;
}

static mapped_status read_record(mapped__parser *parser, const layout *around,
                                 mapped_item *item);

/* What one of the field is: an element or, in braces, a record. */
static mapped_status read_single(layout *layout, mapped_item *item)
{
    mapped__parser *parser = layout->parser;
    size_t source_at = parser->at;
    if (take(parser, '{'))
        return layout->depth < MAPPED_FIELDS_DEPTH
                   ? read_record(parser, layout, item)
                   : wrong(layout, MAPPED_LAYOUT_DEPTH_WRONG, source_at);
    word type = read_word(parser);
    const mapped_element *element =
        mapped_element_from_name(type.text, type.length, layout->big);
    if (element == NULL)
        return wrong(layout, MAPPED_LAYOUT_TYPE_WRONG, type.source_at);
    *item = mapped_item_of(element);
    return MAPPED_OK;
}

/* What follows the name and its colon. */
static mapped_status read_field(layout *layout, const word *name)
{
    mapped_field field = {.name = name->text,
                          .name_length = name->length,
                          .source_at = name->source_at};
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
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field.source_at);
    status = place_field(layout, &field, given);
    if (status == MAPPED_OK && !is(name, "_"))
        mapped__builder_add(layout->record, &field);
    return status;
}

static mapped_status read_size(layout *layout, const word *name)
{
    word number = read_word(layout->parser);
    if (layout->size != 0)
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->source_at);
    if (!word_number(&number, &layout->size) || layout->size == 0)
        return wrong(layout, MAPPED_LAYOUT_SIZE_WRONG, number.source_at);
    layout->size_at = number.source_at;
    return MAPPED_OK;
}

static bool is_before_fields(const layout *layout)
{
    return layout->record->count == 0 && layout->end == 0;
}

static mapped_status read_order(layout *layout)
{
    mapped__parser *parser = layout->parser;
    if (layout->order_given || !is_before_fields(layout))
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, parser->at);
    char order = parser->text[parser->at++];
    layout->order_given = true;
    layout->big = order == '=' ? MAPPED_BIG_ENDIAN : order == '>';
    return MAPPED_OK;
}

static mapped_status read_align(layout *layout, const word *name)
{
    if (layout->align_given || !is_before_fields(layout))
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->source_at);
    layout->align = layout->align_given = true;
    return MAPPED_OK;
}

static mapped_status read_part(layout *layout)
{
    mapped__parser *parser = layout->parser;
    char c = peek(parser);
    if (c == '<' || c == '>' || c == '=')
        return read_order(layout);
    word name = read_word(parser);
    if (name.length == 0 || mapped__is_digit(name.text[0]))
        return wrong(layout, MAPPED_LAYOUT_NAME_WRONG, name.source_at);
    if (take(parser, ':'))
        return read_field(layout, &name);
    if (is(&name, "align"))
        return read_align(layout, &name);
    if (is(&name, "size") && take(parser, '='))
        return read_size(layout, &name);
    return wrong(layout, MAPPED_LAYOUT_COLON_WRONG, parser->at);
}

static mapped_status find_size(layout *layout)
{
    size_t size = layout->size != 0 ? layout->size : layout->end;
    if (layout->record->count == 0)
        return wrong(layout, MAPPED_LAYOUT_EMPTY_WRONG, layout->parser->at);
    if (size < layout->end)
        return wrong(layout, MAPPED_LAYOUT_TOO_SMALL_WRONG, layout->size_at);
    if (layout->align && layout->size == 0 &&
        (!mapped_round_up(size, layout->alignment, &size) ||
         size > MAPPED__FIELDS_LIMIT))
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, layout->parser->at);
    layout->record->size = size;
    return MAPPED_OK;
}

/* Up to the end of the text, or to the brace that ends the record. */
static mapped_status read_parts(layout *layout)
{
    mapped__parser *parser = layout->parser;
    bool inner = layout->depth > 1;
    skip_spaces(parser);
    while (parser->at < parser->length && !(inner && peek(parser) == '}')) {
        mapped_status status = read_part(layout);
        if (status != MAPPED_OK)
            return status;
        take(parser, ',');
        skip_spaces(parser);
    }
    if (inner && parser->at == parser->length)
        return wrong(layout, MAPPED_LAYOUT_BRACE_WRONG, parser->at);
    mapped_status status = find_size(layout);
    parser->at += inner;
    return status;
}

/* Reads the record twice if it is to be stored: what is in it must be known
 * before the first of it has its place. */
static mapped_status read_record(mapped__parser *parser, const layout *around,
                                 mapped_item *item)
{
    mapped__builder record = {.named = true};
    mapped__parser first = *parser;
    layout layout = {.parser = &first,
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
    if (parser->memory == NULL) {
        *parser = first;
        return mapped__builder_begin(parser, &record);
    }
    status = mapped__builder_begin(parser, &record);
    again.parser = parser;
    if (status == MAPPED_OK)
        status = read_parts(&again);
    if (status != MAPPED_OK)
        return status;
    item->record = record.fields;
    return mapped__builder_end(parser, &record);
}

mapped_status mapped__fields_read_layout(mapped__parser *parser)
{
    const layout around = {.big = MAPPED_BIG_ENDIAN};
    mapped_item item;
    return read_record(parser, &around, &item);
}
