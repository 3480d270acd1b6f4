/* Python's `struct` language. Places are static: alignment counts from the
 * start of the format, so that gaps are plain pads. */
#include "format_internal.h"

#include <string.h>

typedef struct layout_of {
    char prefix;  /* '\0': none given, which means '@' */
    size_t total; /* bytes so far, never more than PTRDIFF_MAX */
} layout_of;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

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

/* The digits at the reader: false if the number is too large. No digits are
 * 1. */
static bool read_count(mapped__format_reader *reader, size_t *count)
{
    size_t number = 0, start = reader->at;
    for (; reader->at < reader->length; reader->at++) {
        char c = reader->text[reader->at];
        if (!is_digit(c))
            break;
        if (!mapped_multiply_size(number, 10, &number) ||
            !mapped_add_size(number, (size_t)(c - '0'), &number) ||
            number > PTRDIFF_MAX)
            return false;
    }
    *count = reader->at == start ? 1 : number;
    return true;
}

static mapped_status too_large(mapped__format_reader *reader, size_t place)
{
    return mapped__format_wrong(reader, MAPPED_FORMAT_TOO_LARGE_WRONG, place,
                                0);
}

/* Adds the step unless it is empty and without a value, and its bytes to the
 * total. */
static mapped_status add(mapped__format_reader *reader, layout_of *layout,
                         const mapped_step *step)
{
    size_t width = step->kind == MAPPED_STEP_ELEMENT ? step->element->size : 1;
    size_t bytes, total;
    if (!mapped_multiply_size(step->count, width, &bytes) ||
        !mapped_add_size(layout->total, bytes, &total) || total > PTRDIFF_MAX)
        return too_large(reader, step->place);
    layout->total = total;
    if (step->count == 0 &&
        (step->kind == MAPPED_STEP_ELEMENT || step->kind == MAPPED_STEP_PAD))
        return MAPPED_OK;
    mapped__format_add(reader, step);
    return MAPPED_OK;
}

static mapped_status add_gap(mapped__format_reader *reader, layout_of *layout,
                             const mapped_step *step)
{
    bool native = layout->prefix == '\0' || layout->prefix == '@';
    mapped_step gap = {
        .kind = MAPPED_STEP_PAD, .code = step->code, .place = step->place};
    if (native)
        gap.count = -layout->total & (native_alignment(step->element) - 1);
    return add(reader, layout, &gap);
}

static mapped_status add_element(mapped__format_reader *reader,
                                 layout_of *layout, mapped_step *step)
{
    const char code[2] = {layout->prefix, step->code};
    size_t skip = layout->prefix == '\0' ? 1 : 0;
    step->kind = MAPPED_STEP_ELEMENT;
    step->element = mapped_element_from_struct(code + skip, 2 - skip, NULL);
    if (step->element == NULL)
        return mapped__format_wrong(reader, MAPPED_FORMAT_OPTION_WRONG,
                                    step->place, 0);
    mapped_status status = add_gap(reader, layout, step);
    return status == MAPPED_OK ? add(reader, layout, step) : status;
}

static mapped_status read_code(mapped__format_reader *reader, layout_of *layout)
{
    mapped_step step = {.kind = MAPPED_STEP_BYTES};
    size_t start = reader->at;
    if (!read_count(reader, &step.count))
        return too_large(reader, start);
    if (reader->at == reader->length)
        return mapped__format_wrong(reader, MAPPED_FORMAT_NO_CODE_WRONG, start,
                                    step.count);
    step.place = reader->at;
    step.code = reader->text[reader->at++];
    switch (step.code) {
    case 's':
        return add(reader, layout, &step);
    case 'p':
        step.kind = MAPPED_STEP_PASCAL;
        return add(reader, layout, &step);
    case 'x':
        step.kind = MAPPED_STEP_PAD;
        return add(reader, layout, &step);
    default:
        return add_element(reader, layout, &step);
    }
}

static char read_prefix(mapped__format_reader *reader)
{
    if (reader->length == 0 || memchr("@=<>!", reader->text[0], 5) == NULL)
        return '\0';
    return reader->text[reader->at++];
}

mapped_status mapped__format_read_struct(mapped__format_reader *reader)
{
    layout_of layout = {'\0', 0};
    const char *nul = memchr(reader->text, '\0', reader->length);
    if (nul != NULL)
        return mapped__format_wrong(reader, MAPPED_FORMAT_NUL_WRONG,
                                    (size_t)(nul - reader->text), 0);
    layout.prefix = read_prefix(reader);
    while (reader->at < reader->length) {
        if (is_space(reader->text[reader->at])) {
            reader->at++;
            continue;
        }
        mapped_status status = read_code(reader, &layout);
        if (status != MAPPED_OK)
            return status;
    }
    return MAPPED_OK;
}
