/* The reader of layouts, whose grammar stands in fields.h. A record in a record
 * is read as one of its own, which begins with the settings of that around it.
 */
#include "fields_internal.h"

#include <string.h>

/* A record that is being read. */
typedef struct layout {
    mapped__parser *parser;
    mapped__builder *builder;
    int depth;      /* 1: the outermost */
    size_t next;    /* where a field goes that doesn't say where */
    size_t end;     /* of the farthest field or padding; 0: none so far */
    size_t size;    /* as given, else 0 */
    size_t size_at; /* where it is given */
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
static bool accept(mapped__parser *parser, char c)
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

/* Letters, digits and underscores. */
typedef struct word {
    const char *text;
    size_t length;
    size_t source_at;
} word;

static bool word_is(const word *word, const char *text)
{
    return word->length == strlen(text) &&
           memcmp(word->text, text, word->length) == 0;
}

/* Returns the word that comes next, or an empty one. */
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

/* Reads the word as a number, decimal or hexadecimal. Returns false if it isn't
 * one, or is too large. */
static bool read_number(const word *word, size_t *number)
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

/* Reads what one of the field is: an element or, in braces, a record. */
static mapped_status read_single(layout *layout, mapped_item *item)
{
    mapped__parser *parser = layout->parser;
    size_t source_at = parser->at;
    if (accept(parser, '{')) {
        if (layout->depth == MAPPED_FIELDS_DEPTH)
            return wrong(layout, MAPPED_LAYOUT_DEPTH_WRONG, source_at);
        return mapped__fields_build(parser, mapped__fields_read_layout, layout,
                                    item);
    }
    word type = read_word(parser);
    const mapped_element *element =
        mapped_element_from_name(type.text, type.length, layout->big);
    if (element == NULL)
        return wrong(layout, MAPPED_LAYOUT_TYPE_WRONG, type.source_at);
    *item = mapped_item_of(element);
    return MAPPED_OK;
}

/* Reads how many there are of the field, and repeats its item. */
static mapped_status read_count(layout *layout, mapped_field *field)
{
    mapped__parser *parser = layout->parser;
    const mapped_item single = field->item;
    size_t count;
    if (!accept(parser, '['))
        return MAPPED_OK;
    word number = read_word(parser);
    if (!read_number(&number, &count) || count == 0)
        return wrong(layout, MAPPED_LAYOUT_COUNT_WRONG, number.source_at);
    if (!accept(parser, ']'))
        return wrong(layout, MAPPED_LAYOUT_BRACKET_WRONG, parser->at);
    if (!mapped_item_repeat(&single, count, &field->item))
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field->source_at);
    return MAPPED_OK;
}

/* Reads where the field goes, or else puts it after the one before. */
static mapped_status read_offset(layout *layout, mapped_field *field)
{
    if (accept(layout->parser, '@')) {
        word number = read_word(layout->parser);
        return read_number(&number, &field->offset)
                   ? MAPPED_OK
                   : wrong(layout, MAPPED_LAYOUT_OFFSET_WRONG,
                           number.source_at);
    }
    field->offset = layout->next;
    if (layout->align) /* can't overflow: `next` is below the limit */
        (void)mapped_round_up(layout->next, field->item.align, &field->offset);
    return MAPPED_OK;
}

/* Adds the field, or moves past its bytes if it is padding. */
static mapped_status add_field(layout *layout, const mapped_field *field)
{
    mapped_fields *fields = &layout->builder->fields;
    size_t end;
    if (!mapped_add_size(field->offset, field->item.size, &end) ||
        end > MAPPED__FIELDS_LIMIT)
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, field->source_at);
    layout->next = end;
    if (end > layout->end)
        layout->end = end;
    if (field->item.align > fields->align)
        fields->align = field->item.align;
    if (field->name_length > 1 || field->name[0] != '_')
        mapped__fields_add(layout->builder, field);
    return MAPPED_OK;
}

/* Reads what follows the name of a field and its colon. */
static mapped_status read_field(layout *layout, const word *name)
{
    mapped_field field = {.name = name->text,
                          .name_length = name->length,
                          .source_at = name->source_at};
    mapped_status status = read_single(layout, &field.item);
    if (status == MAPPED_OK)
        status = read_count(layout, &field);
    if (status == MAPPED_OK)
        status = read_offset(layout, &field);
    return status == MAPPED_OK ? add_field(layout, &field) : status;
}

static mapped_status read_size(layout *layout, const word *name)
{
    word number = read_word(layout->parser);
    if (layout->size != 0)
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->source_at);
    if (!read_number(&number, &layout->size) || layout->size == 0)
        return wrong(layout, MAPPED_LAYOUT_SIZE_WRONG, number.source_at);
    layout->size_at = number.source_at;
    return MAPPED_OK;
}

static mapped_status read_order(layout *layout)
{
    mapped__parser *parser = layout->parser;
    if (layout->order_given || layout->end > 0)
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, parser->at);
    char order = parser->text[parser->at++];
    layout->order_given = true;
    layout->big = order == '=' ? MAPPED_BIG_ENDIAN : order == '>';
    return MAPPED_OK;
}

static mapped_status read_align(layout *layout, const word *name)
{
    if (layout->align_given || layout->end > 0)
        return wrong(layout, MAPPED_LAYOUT_LATE_WRONG, name->source_at);
    layout->align = layout->align_given = true;
    return MAPPED_OK;
}

/* Reads a field or a setting. */
static mapped_status read_part(layout *layout)
{
    mapped__parser *parser = layout->parser;
    char c = peek(parser);
    if (c == '<' || c == '>' || c == '=')
        return read_order(layout);
    word name = read_word(parser);
    if (name.length == 0 || mapped__is_digit(name.text[0]))
        return wrong(layout, MAPPED_LAYOUT_NAME_WRONG, name.source_at);
    if (accept(parser, ':'))
        return read_field(layout, &name);
    if (word_is(&name, "align"))
        return read_align(layout, &name);
    if (word_is(&name, "size") && accept(parser, '='))
        return read_size(layout, &name);
    return wrong(layout, MAPPED_LAYOUT_COLON_WRONG, parser->at);
}

/* Works out the size of the record, all of which has been read. */
static mapped_status find_size(layout *layout)
{
    size_t size = layout->size != 0 ? layout->size : layout->end;
    if (layout->builder->fields.count == 0)
        return wrong(layout, MAPPED_LAYOUT_EMPTY_WRONG, layout->parser->at);
    if (size < layout->end)
        return wrong(layout, MAPPED_LAYOUT_TOO_SMALL_WRONG, layout->size_at);
    if (layout->align && layout->size == 0 &&
        (!mapped_round_up(size, layout->builder->fields.align, &size) ||
         size > MAPPED__FIELDS_LIMIT))
        return wrong(layout, MAPPED_LAYOUT_TOO_LARGE_WRONG, layout->parser->at);
    layout->builder->fields.size = size;
    return MAPPED_OK;
}

/* Reads up to the end of the text, or past the brace that ends the record. */
static mapped_status read_parts(layout *layout)
{
    mapped__parser *parser = layout->parser;
    bool inner = layout->depth > 1;
    skip_spaces(parser);
    while (parser->at < parser->length && !(inner && peek(parser) == '}')) {
        mapped_status status = read_part(layout);
        if (status != MAPPED_OK)
            return status;
        accept(parser, ',');
        skip_spaces(parser);
    }
    if (inner && parser->at == parser->length)
        return wrong(layout, MAPPED_LAYOUT_BRACE_WRONG, parser->at);
    mapped_status status = find_size(layout);
    parser->at += inner;
    return status;
}

mapped_status mapped__fields_read_layout(mapped__parser *parser,
                                         mapped__builder *builder,
                                         const void *context)
{
    static const layout outside = {.big = MAPPED_BIG_ENDIAN};
    const layout *around = context != NULL ? context : &outside;
    layout layout = {.parser = parser,
                     .builder = builder,
                     .depth = around->depth + 1,
                     .align = around->align,
                     .big = around->big};
    builder->fields.named = builder->fields.fixed = true;
    return read_parts(&layout);
}
