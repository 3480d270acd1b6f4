/* The reader of Python's `struct` language. Alignment counts from the start of
 * the format, so each offset is known. Pads aren't fields, only distances. */
#include "fields_internal.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The alignment of C's own types, which is not always their size. */
static size_t native_alignment(const mapped_element *element)
{
    struct long_place {
        char before;
        long long value;
    };
    struct double_place {
        char before;
        double value;
    };
    if (element->size < 8)
        return element->align;
    return element->kind == MAPPED_KIND_FLOAT
               ? offsetof(struct double_place, value)
               : offsetof(struct long_place, value);
}

/* Reads the digits that come next; without any, the count is 1. Returns false
 * if the number is too large. */
static bool read_count(mapped__parser *parser, size_t *count)
{
    size_t number = 0, start = parser->at;
    for (; parser->at < parser->length; parser->at++) {
        char c = parser->text[parser->at];
        if (!mapped__is_digit(c))
            break;
        if (!mapped_multiply_size(number, 10, &number) ||
            !mapped_add_size(number, (size_t)(c - '0'), &number) ||
            number > MAPPED__FIELDS_LIMIT)
            return false;
    }
    *count = parser->at == start ? 1 : number;
    return true;
}

static mapped_status too_large(const mapped__parser *parser, size_t source_at)
{
    return mapped__format_wrong(parser->error, MAPPED_FORMAT_TOO_LARGE_WRONG,
                                source_at, 0);
}

/* Puts the item after `gap` bytes, and adds its field if it has a value: `0s`
 * is one, empty, but `0i` is none. */
static mapped_status add(const mapped__parser *parser, mapped__builder *builder,
                         mapped_field *field, size_t gap)
{
    const mapped_item *item = &field->item;
    size_t end;
    if (!mapped_add_size(builder->fields.size, gap, &field->offset) ||
        !mapped_add_size(field->offset, item->size, &end) ||
        end > MAPPED__FIELDS_LIMIT)
        return too_large(parser, field->source_at);
    builder->fields.size = end;
    if (item->kind == MAPPED_ITEM_BYTES || item->kind == MAPPED_ITEM_PASCAL ||
        (item->kind != MAPPED_ITEM_PAD && item->size > 0))
        mapped__fields_add(builder, field);
    return MAPPED_OK;
}

/* Adds `count` elements. They align even if there are none. */
static mapped_status add_elements(const mapped__parser *parser,
                                  mapped__builder *builder, char prefix,
                                  size_t count, mapped_field *field)
{
    const char code[2] = {prefix, field->code};
    size_t skip = prefix == '\0' ? 1 : 0, gap = 0;
    const mapped_element *element =
        mapped_element_from_struct(code + skip, 2 - skip, NULL);
    if (element == NULL)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_OPTION_WRONG,
                                    field->source_at, 0);
    if (prefix == '\0' || prefix == '@')
        gap = -builder->fields.size & (native_alignment(element) - 1);
    field->item = mapped_item_of(element);
    if (count != 1) {
        field->item.kind = MAPPED_ITEM_ELEMENTS;
        field->item.count = count;
        field->spread = true;
        if (!mapped_multiply_size(count, element->size, &field->item.size))
            return too_large(parser, field->source_at);
    }
    return add(parser, builder, field, gap);
}

/* Reads a code with its count. */
static mapped_status read_code(mapped__parser *parser, char prefix,
                               mapped__builder *builder)
{
    size_t count, start = parser->at;
    if (!read_count(parser, &count))
        return too_large(parser, start);
    if (parser->at == parser->length)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NO_CODE_WRONG,
                                    start, count);
    char code = parser->text[parser->at];
    mapped_field field = {.source_at = parser->at++, .code = code};
    switch (code) {
    case 's':
        field.item = mapped_item_of_bytes(MAPPED_ITEM_BYTES, count);
        break;
    case 'p':
        field.item = mapped_item_of_bytes(MAPPED_ITEM_PASCAL, count);
        break;
    case 'x':
        field.item = mapped_item_of_bytes(MAPPED_ITEM_PAD, count);
        break;
    default:
        return add_elements(parser, builder, prefix, count, &field);
    }
    return add(parser, builder, &field, 0);
}

/* Returns the character that tells sizes, byte order and alignment, or NUL. */
static char read_prefix(mapped__parser *parser)
{
    if (parser->length == 0 || memchr("@=<>!", parser->text[0], 5) == NULL)
        return '\0';
    return parser->text[parser->at++];
}

mapped_status mapped__fields_read_struct(mapped__parser *parser,
                                         mapped__builder *builder,
                                         const void *context)
{
    builder->fields.fixed = true;
    const char *nul = memchr(parser->text, '\0', parser->length);
    if (nul != NULL)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NUL_WRONG,
                                    (size_t)(nul - parser->text), 0);
    char prefix = read_prefix(parser);
    while (parser->at < parser->length) {
        if (is_space(parser->text[parser->at])) {
            parser->at++;
            continue;
        }
        mapped_status status = read_code(parser, prefix, builder);
        if (status != MAPPED_OK)
            return status;
    }
    return MAPPED_OK;
}
