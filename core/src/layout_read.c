#include "layout_internal.h"

#include <stdlib.h>
#include <string.h>

#include <mapped/checked.h>

/* Sizes and offsets stay in the positive half, where every language can say
 * them. */
#define SIZE_LIMIT ((size_t)PTRDIFF_MAX)

static char peek(const mapped__layout_reader *reader)
{
    return reader->at < reader->length ? reader->text[reader->at] : '\0';
}

static void skip_spaces(mapped__layout_reader *reader)
{
    while (reader->at < reader->length &&
           memchr(" \t\r\n\v\f", reader->text[reader->at], 6) != NULL)
        reader->at++;
}

/* Passes `c`, and spaces before it, if it comes next. */
static bool take(mapped__layout_reader *reader, char c)
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
static word read_word(mapped__layout_reader *reader)
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
    return value <= SIZE_LIMIT;
}

static mapped_status add_field(mapped__layout_reader *reader,
                               const mapped_layout_entry *field)
{
    mapped_layout *layout = reader->layout;
    if (layout->count == reader->capacity) {
        size_t capacity = reader->capacity * 2 + 8, bytes;
        mapped_layout_entry *grown = NULL;
        if (mapped_multiply_size(capacity, sizeof *grown, &bytes))
            grown = realloc(layout->fields, bytes);
        if (grown == NULL)
            return mapped_error_set(reader->error, MAPPED_MEMORY, "layout");
        layout->fields = grown;
        reader->capacity = capacity;
    }
    layout->fields[layout->count++] = *field;
    return MAPPED_OK;
}

/* Puts the field at its offset, told or not, and moves on behind it. */
static mapped_status place_field(mapped__layout_reader *reader,
                                 mapped_layout_entry *field, bool told)
{
    size_t bytes, end;
    bool fits = true;
    if (!told) {
        field->offset = reader->next;
        if (reader->align)
            fits = mapped_round_up(reader->next, field->element->align,
                                   &field->offset);
    }
    if (!fits ||
        !mapped_multiply_size(field->count, field->element->size, &bytes) ||
        !mapped_add_size(field->offset, bytes, &end) || end > SIZE_LIMIT)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_TOO_LARGE_WRONG,
                                    field->place);
    if (field->element->align > reader->alignment)
        reader->alignment = field->element->align;
    if (end > reader->end)
        reader->end = end;
    reader->next = end;
    return MAPPED_OK;
}

static mapped_status read_count(mapped__layout_reader *reader,
                                mapped_layout_entry *field)
{
    field->count = 1;
    field->several = take(reader, '[');
    if (!field->several)
        return MAPPED_OK;
    word number = read_word(reader);
    if (!word_number(&number, &field->count) || field->count == 0)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_COUNT_WRONG,
                                    number.place);
    if (!take(reader, ']'))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_BRACKET_WRONG,
                                    reader->at);
    return MAPPED_OK;
}

static mapped_status read_offset(mapped__layout_reader *reader,
                                 mapped_layout_entry *field, bool *told)
{
    *told = take(reader, '@');
    if (!*told)
        return MAPPED_OK;
    word number = read_word(reader);
    if (!word_number(&number, &field->offset))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_OFFSET_WRONG,
                                    number.place);
    return MAPPED_OK;
}

/* What follows the name and its colon. */
static mapped_status read_field(mapped__layout_reader *reader, const word *name)
{
    mapped_layout_entry field = {
        .name = name->text, .name_length = name->length, .place = name->place};
    bool told;
    word type = read_word(reader);
    field.element =
        mapped_element_from_name(type.text, type.length, reader->big);
    if (field.element == NULL)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_TYPE_WRONG,
                                    type.place);
    mapped_status status = read_count(reader, &field);
    if (status == MAPPED_OK)
        status = read_offset(reader, &field, &told);
    if (status == MAPPED_OK)
        status = place_field(reader, &field, told);
    if (status != MAPPED_OK || is(name, "_"))
        return status;
    return add_field(reader, &field);
}

static mapped_status read_size(mapped__layout_reader *reader, const word *name)
{
    word number = read_word(reader);
    if (reader->size != 0)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_LATE_WRONG,
                                    name->place);
    if (!word_number(&number, &reader->size) || reader->size == 0)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_SIZE_WRONG,
                                    number.place);
    reader->size_place = number.place;
    return MAPPED_OK;
}

static bool is_before_fields(const mapped__layout_reader *reader)
{
    return reader->layout->count == 0 && reader->end == 0;
}

static mapped_status read_order(mapped__layout_reader *reader)
{
    if (reader->order_told || !is_before_fields(reader))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_LATE_WRONG,
                                    reader->at);
    char order = reader->text[reader->at++];
    reader->order_told = true;
    reader->big = order == '=' ? MAPPED_BIG_ENDIAN : order == '>';
    return MAPPED_OK;
}

static mapped_status read_align(mapped__layout_reader *reader, const word *name)
{
    if (reader->align || !is_before_fields(reader))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_LATE_WRONG,
                                    name->place);
    reader->align = true;
    return MAPPED_OK;
}

static mapped_status read_part(mapped__layout_reader *reader)
{
    char c = peek(reader);
    if (c == '<' || c == '>' || c == '=')
        return read_order(reader);
    word name = read_word(reader);
    if (name.length == 0 || is_digit(name.text[0]))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_NAME_WRONG,
                                    name.place);
    if (take(reader, ':'))
        return read_field(reader, &name);
    if (is(&name, "align"))
        return read_align(reader, &name);
    if (is(&name, "size") && take(reader, '='))
        return read_size(reader, &name);
    return mapped__layout_wrong(reader, MAPPED_LAYOUT_COLON_WRONG, reader->at);
}

static mapped_status find_size(mapped__layout_reader *reader)
{
    mapped_layout *layout = reader->layout;
    layout->size = reader->size != 0 ? reader->size : reader->end;
    if (layout->count == 0)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_EMPTY_WRONG,
                                    reader->length);
    if (layout->size < reader->end)
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_TOO_SMALL_WRONG,
                                    reader->size_place);
    if (reader->align && reader->size == 0 &&
        (!mapped_round_up(layout->size, reader->alignment, &layout->size) ||
         layout->size > SIZE_LIMIT))
        return mapped__layout_wrong(reader, MAPPED_LAYOUT_TOO_LARGE_WRONG,
                                    reader->length);
    return MAPPED_OK;
}

mapped_status mapped__layout_read(mapped__layout_reader *reader)
{
    skip_spaces(reader);
    while (reader->at < reader->length) {
        mapped_status status = read_part(reader);
        if (status != MAPPED_OK)
            return status;
        take(reader, ',');
        skip_spaces(reader);
    }
    return find_size(reader);
}
