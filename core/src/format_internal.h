/* What the compiler and the two dialects of formats share. */
#ifndef MAPPED_FORMAT_INTERNAL_H
#define MAPPED_FORMAT_INTERNAL_H

#include <mapped/format.h>

struct mapped_format {
    uint32_t references;
    bool late;     /* errors in the order of the values, as string.pack's */
    size_t values; /* how many there are */
    size_t count;  /* steps */
    mapped_step steps[];
};

/* A format text that is being read, and the steps found so far. */
typedef struct mapped__format_reader {
    const char *text;
    size_t length;
    size_t at;
    mapped_format *format; /* room for all steps; NULL: they are counted */
    size_t count;
    mapped_error *error;
} mapped__format_reader;

/* Any thread may run a format, so nothing changes it from here on. */
void mapped__format_add(mapped__format_reader *reader, const mapped_step *step);

/* The text is wrong at `place`; `number` is the offending one, or 0. */
mapped_status mapped__format_wrong(const mapped__format_reader *reader,
                                   mapped_format_reason reason, size_t place,
                                   size_t number);

/* The dialects: they read all of the text and add its steps. */
mapped_status mapped__format_read_struct(mapped__format_reader *reader);
mapped_status mapped__format_read_pack(mapped__format_reader *reader);

/* The bytes that a step has at a fixed distance. */
static inline size_t mapped__step_size(const mapped_step *step)
{
    switch (step->kind) {
    case MAPPED_STEP_ELEMENT:
        return step->count * step->element->size;
    case MAPPED_STEP_BYTES:
    case MAPPED_STEP_PASCAL:
    case MAPPED_STEP_PAD:
        return step->count;
    case MAPPED_STEP_COUNTED:
        return step->element->size;
    case MAPPED_STEP_ZERO:
    case MAPPED_STEP_WRONG:
        break;
    }
    return 0;
}

/* The length of such a step's value is in the data. */
static inline bool mapped__step_varies(const mapped_step *step)
{
    return step->kind == MAPPED_STEP_COUNTED || step->kind == MAPPED_STEP_ZERO;
}

/* The bytes from `offset` up to a multiple of the step's alignment. */
static inline size_t mapped__step_gap(const mapped_step *step, size_t offset)
{
    return step->align > 1 ? -offset & (step->align - 1u) : 0;
}

#endif
