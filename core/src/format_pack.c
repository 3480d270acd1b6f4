/* Lua 5.4's `string.pack` language. Alignment counts from the start of the
 * data, which only a run knows, so that steps carry it. */
#include "format_internal.h"

#include <string.h>

#define SIZE_LIMIT 16u

typedef struct state {
    bool big;
    size_t align_limit; /* set by `!`; 1: no alignment */
} state;

/* What one option says; `step.kind` WRONG: nothing but a change of state. */
typedef struct option {
    mapped_step step;
    size_t size; /* what it aligns to and, but for its data, spans */
} option;

/* The alignment that `!` alone means: that of the largest C scalar. */
static size_t natural_limit(void)
{
    struct place {
        char before;
        union {
            double number;
            void *pointer;
            long long integer;
        } value;
    };
    return offsetof(struct place, value);
}

static bool is_digit(const mapped__format_reader *reader)
{
    return reader->at < reader->length && reader->text[reader->at] >= '0' &&
           reader->text[reader->at] <= '9';
}

/* `string.pack` stops reading digits before an int could overflow, and takes
 * the next one for an option. */
static size_t read_number(mapped__format_reader *reader, size_t otherwise)
{
    size_t number = 0;
    if (!is_digit(reader))
        return otherwise;
    do {
        number = number * 10 + (size_t)(reader->text[reader->at++] - '0');
    } while (is_digit(reader) && number <= (INT_MAX - 9) / 10);
    return number;
}

static mapped_status read_size(mapped__format_reader *reader, size_t *size)
{
    size_t place = reader->at;
    size_t number = read_number(reader, *size);
    if (number < 1 || number > SIZE_LIMIT)
        return mapped__format_wrong(reader, MAPPED_FORMAT_NUMBER_WRONG, place,
                                    number);
    *size = number;
    return MAPPED_OK;
}

static mapped_status read_element(mapped__format_reader *reader,
                                  const state *state, option *option)
{
    const mapped_step *step = &option->step;
    const char code[2] = {state->big ? '>' : '<', step->code};
    const mapped_element *element = mapped_element_from_pack(code, 2, NULL);
    mapped_status status = MAPPED_OK;
    if (element == NULL)
        return mapped__format_wrong(reader, MAPPED_FORMAT_OPTION_WRONG,
                                    step->place, 0);
    option->size = element->size;
    if (step->code == 'i' || step->code == 'I') {
        status = read_size(reader, &option->size);
        element = mapped_element_find((mapped_kind)element->kind, option->size,
                                      state->big);
    }
    option->step.kind = MAPPED_STEP_ELEMENT;
    option->step.count = 1;
    option->step.element = element;
    return status;
}

static mapped_status read_counted(mapped__format_reader *reader,
                                  const state *state, option *option)
{
    option->size = sizeof(size_t);
    mapped_status status = read_size(reader, &option->size);
    option->step.kind = MAPPED_STEP_COUNTED;
    option->step.element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, option->size, state->big);
    return status;
}

static mapped_status read_bytes(mapped__format_reader *reader, option *option)
{
    option->size = read_number(reader, SIZE_MAX);
    if (option->size == SIZE_MAX)
        return mapped__format_wrong(reader, MAPPED_FORMAT_NO_SIZE_WRONG,
                                    option->step.place, 0);
    option->step.kind = MAPPED_STEP_BYTES;
    option->step.count = option->size;
    return MAPPED_OK;
}

static mapped_status read_limit(mapped__format_reader *reader, state *state)
{
    size_t limit = natural_limit();
    mapped_status status = read_size(reader, &limit);
    state->align_limit = limit;
    return status;
}

static mapped_status read_option(mapped__format_reader *reader, state *state,
                                 option *option)
{
    memset(option, 0, sizeof *option);
    option->step.kind = MAPPED_STEP_WRONG;
    option->step.place = reader->at;
    option->step.code = reader->text[reader->at++];
    switch (option->step.code) {
    case ' ':
        return MAPPED_OK;
    case '<':
        state->big = false;
        return MAPPED_OK;
    case '>':
        state->big = true;
        return MAPPED_OK;
    case '=':
        state->big = MAPPED_BIG_ENDIAN;
        return MAPPED_OK;
    case '!':
        return read_limit(reader, state);
    case 'c':
        return read_bytes(reader, option);
    case 's':
        return read_counted(reader, state, option);
    case 'z':
        option->step.kind = MAPPED_STEP_ZERO;
        return MAPPED_OK;
    case 'x':
        option->size = 1;
        option->step.count = 1;
        option->step.kind = MAPPED_STEP_PAD;
        return MAPPED_OK;
    case 'X':
        option->step.kind = MAPPED_STEP_PAD;
        return MAPPED_OK;
    default:
        return read_element(reader, state, option);
    }
}

/* X takes the option after it, for nothing but its size. */
static mapped_status read_next(mapped__format_reader *reader, state *state,
                               option *option)
{
    struct option next = {.size = 0};
    if (reader->at < reader->length) {
        mapped_status status = read_option(reader, state, &next);
        if (status != MAPPED_OK)
            return status;
    }
    if (next.size == 0 || next.step.kind == MAPPED_STEP_BYTES)
        return mapped__format_wrong(reader, MAPPED_FORMAT_NEXT_WRONG,
                                    option->step.place, 0);
    option->size = next.size;
    return MAPPED_OK;
}

static mapped_status align(mapped__format_reader *reader, const state *state,
                           option *option)
{
    size_t unit = option->size;
    if (unit <= 1 || option->step.kind == MAPPED_STEP_BYTES)
        return MAPPED_OK;
    if (unit > state->align_limit)
        unit = state->align_limit;
    if ((unit & (unit - 1)) != 0)
        return mapped__format_wrong(reader, MAPPED_FORMAT_ALIGNMENT_WRONG,
                                    option->step.place, unit);
    option->step.align = (uint8_t)unit;
    return MAPPED_OK;
}

static mapped_status read_step(mapped__format_reader *reader, state *state)
{
    option option;
    mapped_status status = read_option(reader, state, &option);
    if (status == MAPPED_OK && option.step.code == 'X')
        status = read_next(reader, state, &option);
    if (status == MAPPED_OK)
        status = align(reader, state, &option);
    if (status != MAPPED_OK || option.step.kind == MAPPED_STEP_WRONG)
        return status;
    mapped__format_add(reader, &option.step);
    return MAPPED_OK;
}

mapped_status mapped__format_read_pack(mapped__format_reader *reader)
{
    state state = {MAPPED_BIG_ENDIAN, 1};
    const char *nul = memchr(reader->text, '\0', reader->length);
    if (nul != NULL)
        reader->length = (size_t)(nul - reader->text);
    while (reader->at < reader->length) {
        mapped_status status = read_step(reader, &state);
        if (status != MAPPED_OK)
            return status;
    }
    return MAPPED_OK;
}
