/* pack and unpack: several values at once, described by a format text in
 * Python's `struct` language or in Lua's `string.pack` language. Both compile
 * to one list of steps; a compiled format is immutable, so that any number of
 * threads may run it at once.
 *
 *     mapped_format *format;
 *     mapped_step_value items[2];
 *     mapped_step_values room = {items, 2, 0};
 *     mapped_cursor cursor = {.offset = 16};
 *     status = mapped_format_compile(MAPPED_DIALECT_STRUCT, "<Id", 3,
 *                                    &format, &error);
 *     status = mapped_format_unpack(format, slice, &cursor, &room, &error);
 *     ... items[0].value.u, items[1].value.f; cursor.offset is 28 ...
 *     mapped_format_release(format);
 */
#ifndef MAPPED_FORMAT_H
#define MAPPED_FORMAT_H

#include <mapped/fields.h>

MAPPED_BEGIN

typedef enum mapped_step_kind {
    MAPPED_STEP_ELEMENT, /* `count` values of `element` */
    MAPPED_STEP_BYTES,   /* one value of `count` bytes; shorter is padded */
    MAPPED_STEP_PASCAL,  /* the same, of which the first byte is a length */
    MAPPED_STEP_COUNTED, /* one value: an `element` that tells how many bytes
                            follow */
    MAPPED_STEP_ZERO,    /* one value: bytes up to a zero byte */
    MAPPED_STEP_PAD,     /* `count` bytes that mean nothing; 0 when packed */
    MAPPED_STEP_WRONG    /* here the text is wrong; always the last */
} mapped_step_kind;

typedef struct mapped_step {
    mapped_step_kind kind;
    char code;      /* the character in the text */
    uint8_t align;  /* the position in the slice is padded to a multiple */
    uint8_t reason; /* of a WRONG step: a mapped_format_reason */
    size_t place;   /* where `code` is in the text, in bytes from 0 */
    size_t count;   /* of a WRONG step: the number that is wrong, or 0 */
    const mapped_element *element;
    size_t rest_; /* bytes from here to where the distances become unknown */
    size_t end_;  /* the step after those */
    size_t run_;  /* how many steps from here on are single elements */
} mapped_step;

/* One value. */
typedef struct mapped_step_value {
    const mapped_step *step;
    mapped_value value; /* of an ELEMENT */
    const void *data;   /* of the others: the bytes to pack */
    size_t offset;      /* of the others: where they are in the slice */
    size_t length;      /* of the others: how many they are */
} mapped_step_value;

typedef struct mapped_step_values {
    mapped_step_value *items;
    size_t capacity;
    size_t count;
} mapped_step_values;

typedef struct mapped_format mapped_format;

/* Compiles `length` bytes of text. The format has one reference, the caller's.
 * MAPPED_FORMAT: `error->offset` is the place in the text, `length` the
 * offending number, if any, `limit` a mapped_format_reason, and `operation`
 * that reason's text. MAPPED_MEMORY. Any thread. */
MAPPED__MUST_USE mapped_status mapped_format_compile(mapped_dialect dialect,
                                                     const char *text,
                                                     size_t length,
                                                     mapped_format **format,
                                                     mapped_error *error);

/* The two halves of mapped_format_compile, for those who have memory of their
 * own: how many bytes the format takes, or what is wrong with the text; and the
 * format, made of the same text in as many bytes at `memory`, aligned as malloc
 * does. Such a format is neither acquired nor released: it goes with its
 * memory. */
MAPPED__MUST_USE mapped_status mapped_format_room(mapped_dialect dialect,
                                                  const char *text,
                                                  size_t length, size_t *bytes,
                                                  mapped_error *error);
mapped_format *mapped_format_init(void *memory, mapped_dialect dialect,
                                  const char *text, size_t length);

/* One more reference / one less. `release` takes NULL and never fails. */
void mapped_format_acquire(mapped_format *format);
void mapped_format_release(mapped_format *format);

/* The number of values; those of a WRONG format are those before it. */
size_t mapped_format_count(const mapped_format *format);

/* The bytes that the format spans if that is the same at every offset and for
 * all data: false, and `*size` untouched, if it isn't. */
bool mapped_format_size(const mapped_format *format, size_t *size);

/* The step at a cursor, for the place in the text where a failed unpack
 * stopped; NULL at the end. */
const mapped_step *mapped_format_step(const mapped_format *format,
                                      const mapped_cursor *cursor);

/* Reads the next values, as many as there is room for, and moves the cursor
 * past them; `items->count` tells how many, 0 at the end. What lies together
 * at fixed distances is checked once. Values that are bytes are not read but
 * located: get them with mapped_read, which checks again. Alignment counts from
 * the start of the slice.
 *
 * MAPPED_RANGE: the data ends before the format (or before a terminating zero
 * byte); MAPPED_VALUE: an integer of more than 8 bytes doesn't fit 64 bits;
 * MAPPED_FORMAT at a WRONG step; MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_MISALIGNED on devices. The cursor is then at the offending value, and
 * no item counts. Any thread that holds a reference to the region. */
MAPPED__MUST_USE mapped_status mapped_format_unpack(const mapped_format *format,
                                                    mapped_slice slice,
                                                    mapped_cursor *cursor,
                                                    mapped_step_values *items,
                                                    mapped_error *error);

/* Sets `item->step` to that of the next value to pack and moves the cursor past
 * it; false at the end. As long as no value has a length of its own, the
 * cursor's offset moves along and `item->offset` is where the value goes. */
bool mapped_format_next(const mapped_format *format, mapped_cursor *cursor,
                        mapped_step_value *item);

/* Could this item be packed? MAPPED_VALUE: the number is out of the element's
 * range, the length out of that of its count, or there is a zero byte in bytes
 * that one ends. MAPPED_SIZE: more bytes than fit. MAPPED_FORMAT at a WRONG
 * step. `error->offset` is the place in the text. */
MAPPED__MUST_USE mapped_status
mapped_format_check(const mapped_step_value *item, mapped_error *error);

/* Packs all values of a format, in the order of mapped_format_next, and moves
 * the cursor past them. Everything is checked before anything is written; pads
 * become zero bytes (on devices, whose registers may not be written for
 * nothing, they are left alone). MAPPED_ARGUMENT: the items are not those of
 * the format; MAPPED_RANGE, MAPPED_READONLY, MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_MISALIGNED, and what mapped_format_check says. */
MAPPED__MUST_USE mapped_status mapped_format_pack(
    const mapped_format *format, mapped_slice slice, mapped_cursor *cursor,
    const mapped_step_values *items, mapped_error *error);

MAPPED_END

#endif
