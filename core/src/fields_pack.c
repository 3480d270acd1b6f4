/* The reader of Lua 5.4's `string.pack` language. What precedes a field may
 * depend on the data, and alignment on where the data lies. So each field
 * stores its alignment, and only in a format without alignment, `s` and `z` has
 * it an offset that counts. */
#include "fields_internal.h"

#include <string.h>

#define MAX_INTEGER_SIZE 16u

/* What the options so far have set. */
typedef struct state {
    bool big;
    size_t align_limit; /* by `!`; 1: no alignment */
} state;

/* What one option says. */
typedef struct option {
    mapped_field field;
    size_t align_to; /* its alignment before the limit; 0: it has none */
    bool is_setting; /* changes the state and adds no field */
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

static bool is_digit(const mapped__parser *parser)
{
    return parser->at < parser->length &&
           mapped__is_digit(parser->text[parser->at]);
}

/* Returns the number that comes next, or `otherwise`. As `string.pack`, it
 * stops reading digits before an int could overflow, so that the next digit is
 * taken for an option. */
static size_t read_number(mapped__parser *parser, size_t otherwise)
{
    size_t number = 0;
    if (!is_digit(parser))
        return otherwise;
    do {
        number = number * 10 + (size_t)(parser->text[parser->at++] - '0');
    } while (is_digit(parser) && number <= (INT_MAX - 9) / 10);
    return number;
}

/* Sets `*size` to the number that comes next, if there is one. */
static mapped_status read_size(mapped__parser *parser, size_t *size)
{
    size_t source_at = parser->at;
    size_t number = read_number(parser, *size);
    if (number < 1 || number > MAX_INTEGER_SIZE)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NUMBER_WRONG,
                                    source_at, number);
    *size = number;
    return MAPPED_OK;
}

static mapped_status read_element(mapped__parser *parser, const state *state,
                                  option *option)
{
    const mapped_field *field = &option->field;
    const char code[2] = {state->big ? '>' : '<', field->code};
    const mapped_element *element = mapped_element_from_pack(code, 2, NULL);
    if (element == NULL)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_OPTION_WRONG,
                                    field->source_at, 0);
    option->align_to = element->size;
    if (field->code == 'i' || field->code == 'I') {
        mapped_status status = read_size(parser, &option->align_to);
        if (status != MAPPED_OK)
            return status;
        element = mapped_element_find((mapped_kind)element->kind,
                                      option->align_to, state->big);
    }
    option->field.item = mapped_item_of(element);
    return MAPPED_OK;
}

/* A text after its length, to which it aligns. */
static mapped_status read_counted(mapped__parser *parser, const state *state,
                                  option *option)
{
    option->align_to = sizeof(size_t);
    mapped_status status = read_size(parser, &option->align_to);
    if (status != MAPPED_OK)
        return status;
    option->field.item = mapped_item_of(mapped_element_find(
        MAPPED_KIND_UNSIGNED, option->align_to, state->big));
    option->field.item.kind = MAPPED_ITEM_COUNTED;
    return MAPPED_OK;
}

static mapped_status read_bytes(mapped__parser *parser, option *option)
{
    size_t count = read_number(parser, SIZE_MAX);
    if (count == SIZE_MAX)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NO_SIZE_WRONG,
                                    option->field.source_at, 0);
    option->field.item = mapped_item_of_bytes(MAPPED_ITEM_BYTES, count);
    return MAPPED_OK;
}

/* Reads what stands after `!`. */
static mapped_status read_limit(mapped__parser *parser, state *state)
{
    size_t limit = natural_limit();
    mapped_status status = read_size(parser, &limit);
    state->align_limit = limit;
    return status;
}

static mapped_status read_option(mapped__parser *parser, state *state,
                                 option *option)
{
    memset(option, 0, sizeof *option);
    option->field.source_at = parser->at;
    option->field.code = parser->text[parser->at++];
    option->is_setting = strchr(" <>=!", option->field.code) != NULL;
    switch (option->field.code) {
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
        return read_limit(parser, state);
    case 'c':
        return read_bytes(parser, option);
    case 's':
        return read_counted(parser, state, option);
    case 'z':
        option->field.item = (mapped_item){.kind = MAPPED_ITEM_ZERO};
        return MAPPED_OK;
    case 'x':
        option->align_to = 1;
        option->field.item = mapped_item_of_bytes(MAPPED_ITEM_PAD, 1);
        return MAPPED_OK;
    case 'X':
        option->field.item = mapped_item_of_bytes(MAPPED_ITEM_PAD, 0);
        return MAPPED_OK;
    default:
        return read_element(parser, state, option);
    }
}

/* Reads the option after `X`, which stands only for its alignment. */
static mapped_status read_aligned(mapped__parser *parser, state *state,
                                  option *option)
{
    struct option next = {.align_to = 0};
    if (parser->at < parser->length) {
        mapped_status status = read_option(parser, state, &next);
        if (status != MAPPED_OK)
            return status;
    }
    if (next.align_to == 0)
        return mapped__format_wrong(parser->error, MAPPED_FORMAT_NEXT_WRONG,
                                    option->field.source_at, 0);
    option->align_to = next.align_to;
    return MAPPED_OK;
}

static mapped_status set_alignment(const mapped__parser *parser,
                                   const state *state, option *option)
{
    size_t align = option->align_to;
    if (align <= 1)
        return MAPPED_OK;
    if (align > state->align_limit)
        align = state->align_limit;
    if ((align & (align - 1)) != 0)
        return mapped__format_wrong(parser->error,
                                    MAPPED_FORMAT_ALIGNMENT_WRONG,
                                    option->field.source_at, align);
    option->field.align = (uint8_t)align;
    return MAPPED_OK;
}

/* Adds the field, and its bytes to the size for as long as that is known. */
static void add(mapped__builder *builder, mapped_field *field)
{
    mapped_fields *fields = &builder->fields;
    size_t end = 0;
    if (field->item.kind == MAPPED_ITEM_COUNTED ||
        field->item.kind == MAPPED_ITEM_ZERO || field->align > 1 ||
        !mapped_add_size(fields->size, field->item.size, &end) ||
        end > MAPPED__FIELDS_LIMIT)
        fields->fixed = false;
    field->offset = fields->size;
    fields->size = fields->fixed ? end : 0;
    mapped__fields_add(builder, field);
}

static mapped_status read_field(mapped__parser *parser, state *state,
                                mapped__builder *builder)
{
    option option;
    mapped_status status = read_option(parser, state, &option);
    if (status != MAPPED_OK || option.is_setting)
        return status;
    if (option.field.code == 'X')
        status = read_aligned(parser, state, &option);
    if (status == MAPPED_OK)
        status = set_alignment(parser, state, &option);
    if (status == MAPPED_OK)
        add(builder, &option.field);
    return status;
}

mapped_status mapped__fields_read_pack(mapped__parser *parser,
                                       mapped__builder *builder,
                                       const void *context)
{
    state state = {.big = MAPPED_BIG_ENDIAN, .align_limit = 1};
    builder->fields.fixed = true;
    const char *nul = memchr(parser->text, '\0', parser->length);
    if (nul != NULL)
        parser->length = (size_t)(nul - parser->text);
    while (parser->at < parser->length) {
        mapped_status status = read_field(parser, &state, builder);
        if (status != MAPPED_OK)
            return status;
    }
    return MAPPED_OK;
}
