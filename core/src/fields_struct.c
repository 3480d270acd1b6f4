/* Python's `struct` language. Offsets are static: alignment counts from the
 * start of the format. Pads are no fields, only distances. */
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

/* The digits at the parser: false if the number is too large. No digits are
 * 1. */
static bool read_count(mapped__parser *parser, size_t *count)
{
    size_t number = 0, start = parser->at;
    for (; parser->at < parser->length; parser->at++) {
        char c = parser->text[parser->at];
        if (!mapped__is_digit(c))
            break;
        if (!mapped_multiply_size(number, 10, &number) ||
            !mapped_add_size(number, (size_t)(c - '0'), &number) ||
            number > PTRDIFF_MAX)
            return false;
    }
    *count = parser->at == start ? 1 : number;
    return true;
}

static mapped_status too_large(mapped__parser *parser, size_t place)
{
    return mapped__format_wrong(parser->error, MAPPED_FORMAT_TOO_LARGE_WRONG,
                                place, 0);
}

/* Adds the field after a gap, unless it is empty and without a value, and its
 * bytes to the size. */
static mapped_status add(mapped__parser *parser, mapped__builder *record,
                         mapped_field *field, size_t gap)
{
    size_t end;
    bool value = field->item.kind == MAPPED_ITEM_BYTES ||
                 field->item.kind == MAPPED_ITEM_PASCAL;
    if (!mapped_add_size(record->size, gap, &field->offset) ||
        !mapped_add_size(field->offset, field->item.size, &end) ||
        end > MAPPED__FIELDS_LIMIT)
        return too_large(parser, field->source_at);
    record->size = end;
    if (field->item.kind != MAPPED_ITEM_PAD && (value || field->item.size > 0))
        mapped__builder_add(record, field);
    return MAPPED_OK;
}

/* An element aligns even if there are none of it. */
static mapped_status add_element(mapped__parser *parser, char prefix,
                                 mapped__builder *record, mapped_field *field)
{
    const char code[2] = {prefix, field->code};
    size_t skip = prefix == '\0' ? 1 : 0, gap = 0, count = field->item.count;
    const mapped_element *element =
        mapped_element_from_struct(code + skip, 2 - skip, NULL);
    if (element == NULL)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_OPTION_WRONG,
                                    field->source_at, 0);
    if (prefix == '\0' || prefix == '@')
        gap = -record->size & (native_alignment(element) - 1);
    field->item = mapped_item_of(element);
    if (count != 1) {
        field->item.kind = MAPPED_ITEM_ELEMENTS;
        field->item.count = count;
        field->spread = true;
        if (!mapped_multiply_size(count, element->size, &field->item.size))
            return too_large(parser, field->source_at);
    }
    return add(parser, record, field, gap);
}

static mapped_status read_code(mapped__parser *parser, char prefix,
                               mapped__builder *record)
{
    mapped_field field = {.source_at = parser->at};
    mapped_item_kind kind = MAPPED_ITEM_BYTES;
    size_t count, start = parser->at;
    if (!read_count(parser, &count))
        return too_large(parser, start);
    if (parser->at == parser->length)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NO_CODE_WRONG,
                                    start, count);
    field.source_at = parser->at;
    field.code = parser->text[parser->at++];
    if (field.code == 'p')
        kind = MAPPED_ITEM_PASCAL;
    else if (field.code == 'x')
        kind = MAPPED_ITEM_PAD;
    field.item = mapped_item_of_bytes(kind, count);
    if (kind == MAPPED_ITEM_BYTES && field.code != 's')
        return add_element(parser, prefix, record, &field);
    return add(parser, record, &field, 0);
}

static char read_prefix(mapped__parser *parser)
{
    if (parser->length == 0 || memchr("@=<>!", parser->text[0], 5) == NULL)
        return '\0';
    return parser->text[parser->at++];
}

mapped_status mapped__fields_read_struct(mapped__parser *parser,
                                         mapped__builder *record)
{
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
        mapped_status status = read_code(parser, prefix, record);
        if (status != MAPPED_OK)
            return status;
    }
    return MAPPED_OK;
}
