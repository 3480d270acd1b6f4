#include "format_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *reason_text(mapped_format_reason reason)
{
    static const char *const texts[] = {
#define REASON_TEXT(name, text) text,
        MAPPED_FORMAT_REASON_MAP(REASON_TEXT)
#undef REASON_TEXT
    };
    return texts[reason];
}

mapped_status mapped__format_wrong(const mapped__format_reader *reader,
                                   mapped_format_reason reason, size_t place,
                                   size_t number)
{
    const uint64_t numbers[3] = {place, number, reason};
    return mapped_error_set_range(reader->error, MAPPED_FORMAT,
                                  reason_text(reason), numbers);
}

static size_t step_values(const mapped_step *step)
{
    switch (step->kind) {
    case MAPPED_STEP_ELEMENT:
        return step->count;
    case MAPPED_STEP_PAD:
    case MAPPED_STEP_WRONG:
        return 0;
    default:
        return 1;
    }
}

void mapped__format_add(mapped__format_reader *reader, const mapped_step *step)
{
    if (reader->format != NULL) {
        reader->format->steps[reader->count] = *step;
        reader->format->values += step_values(step);
    }
    reader->count++;
}

/* From the last step to the first: whether the next one follows at a fixed
 * distance. Only in a text of gigabytes could the sum overflow. */
static void find_stretches(mapped_format *format)
{
    for (size_t i = format->count; i-- > 0;) {
        mapped_step *step = &format->steps[i];
        const mapped_step *next = step + 1;
        step->rest_ = mapped__step_size(step);
        step->end_ = i + 1;
        if (i + 1 < format->count && !mapped__step_varies(step) &&
            !mapped__step_varies(next) && next->kind != MAPPED_STEP_WRONG &&
            next->align <= 1 &&
            mapped_add_size(step->rest_, next->rest_, &step->rest_))
            step->end_ = next->end_;
        if (step->kind == MAPPED_STEP_ELEMENT && step->count == 1)
            step->run_ = 1 + (step->end_ > i + 1 ? next->run_ : 0);
    }
}

/* In the late order a mistake becomes a step, reached only if all before it
 * succeeds. */
static void add_wrong(mapped__format_reader *reader, const mapped_error *error)
{
    mapped_step step = {.kind = MAPPED_STEP_WRONG,
                        .reason = (uint8_t)error->limit,
                        .place = (size_t)error->offset,
                        .count = (size_t)error->length};
    if (step.place < reader->length)
        step.code = reader->text[step.place];
    mapped__format_add(reader, &step);
}

static mapped_status read_late(mapped__format_reader *reader)
{
    mapped_error *error = reader->error;
    mapped_error wrong = MAPPED_ERROR_INIT;
    reader->error = &wrong;
    if (mapped__format_read_pack(reader) != MAPPED_OK)
        add_wrong(reader, &wrong);
    reader->error = error;
    return MAPPED_OK;
}

/* The same text gives the same steps, whether they are only counted or stored.
 */
static mapped_status read_all(mapped_dialect dialect,
                              mapped__format_reader *reader)
{
    if (reader->length == 0)
        reader->text = "";
    if (dialect == MAPPED_DIALECT_STRUCT)
        return mapped__format_read_struct(reader);
    if (dialect == MAPPED_DIALECT_PACK)
        return mapped__format_read_pack(reader);
    return read_late(reader);
}

mapped_status mapped_format_room(mapped_dialect dialect, const char *text,
                                 size_t length, size_t *bytes,
                                 mapped_error *error)
{
    mapped__format_reader reader = {
        .text = text, .length = length, .error = error};
    size_t steps;
    mapped_status status = read_all(dialect, &reader);
    if (status != MAPPED_OK)
        return status;
    if (!mapped_multiply_size(reader.count, sizeof(mapped_step), &steps) ||
        !mapped_add_size(steps, sizeof(mapped_format), bytes))
        return mapped_error_set(error, MAPPED_MEMORY, "format");
    return MAPPED_OK;
}

mapped_format *mapped_format_init(void *memory, mapped_dialect dialect,
                                  const char *text, size_t length)
{
    mapped_format *format = memory;
    mapped__format_reader reader = {
        .text = text, .length = length, .format = format};
    memset(format, 0, sizeof *format);
    mapped_status read = read_all(dialect, &reader);
    (void)read;
    format->count = reader.count;
    format->references = 1;
    format->late = dialect != MAPPED_DIALECT_STRUCT;
    find_stretches(format);
    return format;
}

mapped_status mapped_format_compile(mapped_dialect dialect, const char *text,
                                    size_t length, mapped_format **format,
                                    mapped_error *error)
{
    size_t bytes;
    mapped_status status =
        mapped_format_room(dialect, text, length, &bytes, error);
    void *memory = status == MAPPED_OK ? malloc(bytes) : NULL;
    if (status == MAPPED_OK && memory == NULL)
        status = mapped_error_set(error, MAPPED_MEMORY, "format");
    if (status == MAPPED_OK)
        *format = mapped_format_init(memory, dialect, text, length);
    return status;
}

void mapped_format_acquire(mapped_format *format)
{
    __atomic_fetch_add(&format->references, 1, __ATOMIC_RELAXED);
}

void mapped_format_release(mapped_format *format)
{
    if (format != NULL &&
        __atomic_sub_fetch(&format->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(format);
}

size_t mapped_format_count(const mapped_format *format)
{
    return format->values;
}

bool mapped_format_size(const mapped_format *format, size_t *size)
{
    const mapped_step *first = format->steps;
    if (format->count == 0) {
        *size = 0;
        return true;
    }
    if (first->end_ != format->count || first->align > 1 ||
        mapped__step_varies(first) || first->kind == MAPPED_STEP_WRONG)
        return false;
    *size = first->rest_;
    return true;
}

const mapped_step *mapped_format_step(const mapped_format *format,
                                      const mapped_cursor *cursor)
{
    return cursor->field < format->count ? &format->steps[cursor->field] : NULL;
}
