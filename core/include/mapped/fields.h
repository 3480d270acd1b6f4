/* Fields: items at offsets, with or without names. One compiled object serves
 * records, pack and unpack; a layout's text, Python's `struct` language, Lua's
 * `string.pack` language and a list of fields are four ways to spell it.
 *
 * A layout is one line of text:
 *
 *     "< id:u32 price:f64@8 name:char[16] levels:f32[3] size=64"
 *
 * Fields and settings in any number of spaces, tabs and line ends, with a comma
 * between two if you like:
 *
 *     < > =          little, big, the machine's byte order (the default);
 *                    once, before the first field
 *     align          align fields, see below; once, before the first field
 *     name:type      a field: u8 to u128 and i8 to i128 in steps of 8 bits,
 *                    f16, bf16, f32, f64, bool, char; with `le` or `be` behind
 *                    the type, that byte order
 *     name:type[n]   n of them, 1 or more; char[n] is one text of n bytes
 *     name:{...}     a record in the record; between the braces stands a
 *                    layout, which begins with the order and the `align` of
 *                    the one around it
 *     name:{...}[n]  n of these
 *     name:type@n    at byte n of the record; without, after the field that
 *                    was written before
 *     _:type         padding: takes the place of a field and is none; may be
 *                    repeated
 *     size=n         bytes from record to record; once; without, the record
 *                    ends with its farthest field
 *
 * With `align` a field without "@" begins at the next multiple of its type's
 * size, if that is 1, 2, 4 or 8 bytes, a record at one of its largest such
 * unit; other types, like u24, begin anywhere, as all do without `align`. The
 * record's size is then rounded up to the largest of these units in it, unless
 * `size` is given. That is how C lays out a struct, except for machines where C
 * aligns 8 bytes to 4.
 *
 * Numbers are decimal, or hexadecimal with 0x. Names are letters, digits and _,
 * no digit first. Two fields that share a byte or a name are an error. The same
 * text means the same offsets on every machine and in every language. */
#ifndef MAPPED_FIELDS_H
#define MAPPED_FIELDS_H

#include <mapped/item.h>

MAPPED_BEGIN

typedef enum mapped_dialect {
    MAPPED_DIALECT_STRUCT, /* Python's `struct`; always fixed */
    MAPPED_DIALECT_PACK,   /* Lua 5.4's `string.pack`; a NUL ends the text */
    /* As PACK, but a mistake in the text counts only when all before it is
     * done, as in `string.pack`: it compiles to a last field of its own. */
    MAPPED_DIALECT_PACK_LATE,
    MAPPED_DIALECT_LAYOUT, /* as above; fixed, named */
    MAPPED_DIALECT_LIST    /* no text: a list of fields; fixed, named */
} mapped_dialect;

/* name, text: what can be wrong with a format. */
#define MAPPED_FORMAT_REASON_MAP(X)                  \
    X(OPTION, "unknown format code")                 \
    X(NUMBER, "integral size out of limits [1,16]")  \
    X(NO_SIZE, "missing size")                       \
    X(ALIGNMENT, "alignment is not a power of 2")    \
    X(NEXT, "nothing to align to")                   \
    X(NO_CODE, "repeat count without a format code") \
    X(TOO_LARGE, "total size too large")             \
    X(NUL, "embedded null character")

typedef enum mapped_format_reason {
#define MAPPED__FORMAT_REASON_ENUM(name, text) MAPPED_FORMAT_##name##_WRONG,
    MAPPED_FORMAT_REASON_MAP(MAPPED__FORMAT_REASON_ENUM)
#undef MAPPED__FORMAT_REASON_ENUM
} mapped_format_reason;

/* name, text: what can be wrong with a layout or a list. */
#define MAPPED_LAYOUT_REASON_MAP(X)                                  \
    X(NAME, "a field name is missing")                               \
    X(COLON, "a ':' and a type are missing")                         \
    X(TYPE, "unknown field type (some are u8, i32be, f64, char[8])") \
    X(COUNT, "not a number of elements")                             \
    X(BRACKET, "a ']' is missing")                                   \
    X(OFFSET, "not an offset")                                       \
    X(SIZE, "not a size")                                            \
    X(LATE, "a setting after the first field or twice")              \
    X(DUPLICATE, "duplicate field name")                             \
    X(OVERLAP, "the field overlaps another")                         \
    X(TOO_LARGE, "the record is too large")                          \
    X(TOO_SMALL, "the size is smaller than the fields")              \
    X(EMPTY, "no fields")                                            \
    X(BRACE, "a '}' is missing")                                     \
    X(DEPTH, "too many records in records")

typedef enum mapped_layout_reason {
#define MAPPED__LAYOUT_REASON_ENUM(name, text) MAPPED_LAYOUT_##name##_WRONG,
    MAPPED_LAYOUT_REASON_MAP(MAPPED__LAYOUT_REASON_ENUM)
#undef MAPPED__LAYOUT_REASON_ENUM
} mapped_layout_reason;

/* So many records lie in one another at most. */
#define MAPPED_FIELDS_DEPTH 16

/* What fields are made of. Of a text: `text` and `length`. Of a LIST: `count`
 * fields of which `name`, `name_length`, `item` and `offset` count, in any
 * order of the offsets, and `size`, 0 for a record that ends with its farthest
 * field. All of it is copied, the fields of records in it too. */
typedef struct mapped_fields_source {
    mapped_dialect dialect;
    const char *text;
    size_t length;
    const mapped_field *list;
    size_t count;
    size_t size;
} mapped_fields_source;

/* Compiles fields, with one reference, the caller's.
 *
 * MAPPED_FORMAT (the formats) or MAPPED_LAYOUT (layout and list):
 * `error->offset` is the place in the text, or the index in the list, `length`
 * the offending number, if any, `limit` a mapped_format_reason or
 * mapped_layout_reason, and `operation` that reason's text. MAPPED_MEMORY. Any
 * thread. */
MAPPED__MUST_USE mapped_status
mapped_fields_compile(const mapped_fields_source *source,
                      mapped_fields **fields, mapped_error *error);

/* mapped_fields_compile in two steps, for callers with memory of their own:
 * `room` measures how many bytes the fields take at most; `init` makes them of
 * the same source in as many bytes at `memory`, aligned as malloc does. Such
 * fields are neither acquired nor released: they go with their memory. `init`
 * finds what `room` doesn't check, fields that overlap or share a name (in
 * layouts and lists), and fails in no other way. */
MAPPED__MUST_USE mapped_status mapped_fields_room(
    const mapped_fields_source *source, size_t *bytes, mapped_error *error);
MAPPED__MUST_USE mapped_status
mapped_fields_init(const mapped_fields_source *source, void *memory,
                   mapped_fields **fields, mapped_error *error);

/* One more reference / one less; of a record in a record, to the outermost.
 * `release` takes NULL and never fails. */
void mapped_fields_acquire(const mapped_fields *fields);
void mapped_fields_release(const mapped_fields *fields);

/* Returns the field of that name, or NULL. */
const mapped_field *mapped_fields_find(const mapped_fields *fields,
                                       const char *name, size_t length);

/* As mapped_item_spell, of the record; a layout's text has "< " in place of
 * the braces, so that it compiles to the same fields on every machine. The
 * fields must be fixed, and named for a layout. */
size_t mapped_fields_spell(const mapped_fields *fields,
                           mapped_spelling spelling, char *text,
                           size_t capacity);

/* Values, in steps.
 *
 * Fixed fields need none of this: read `size` bytes (mapped_item_read of
 * mapped_item_of_record, or in place between mapped_slice_try_enter and
 * mapped_slice_try_leave) and load each field at its offset, a spread one
 * `count` times; or store each at its offset in `size` zero bytes and write all
 * with mapped_item_write.
 *
 * The steps are for the others, whose distances depend on the data or on the
 * position: of `string.pack`, its `s` and `z` and alignment. They run fixed
 * fields too, value by value, which tells at which the data ends early. */

/* One value. */
typedef struct mapped_field_value {
    const mapped_field *field;
    mapped_value value; /* of elements */
    const void *data;   /* of bytes: those to pack */
    size_t offset;      /* of bytes: where they are in the slice */
    size_t length;      /* of bytes: how many */
} mapped_field_value;

typedef struct mapped_field_values {
    mapped_field_value *values;
    size_t capacity;
    size_t count;
} mapped_field_values;

/* Where the next value is. To begin, set `offset`, the position in the slice,
 * and let the rest be 0. */
typedef struct mapped_cursor {
    size_t offset;
    size_t field; /* its index */
    size_t done;  /* values of that field that are behind the cursor */
} mapped_cursor;

/* The field at a cursor, for the place in the text where a failed unpack
 * stopped; NULL at the end. */
const mapped_field *mapped_fields_at(const mapped_fields *fields,
                                     const mapped_cursor *cursor);

/* Unpacks as many values as there is room for, and moves the cursor past them:
 * all have been unpacked when `values->count` is less than the capacity, or
 * the cursor is at the end. Bytes are only located: read them with mapped_read,
 * or with mapped_slice_sub make a slice of them. Positions that align count
 * from the start of the slice.
 *
 * MAPPED_RANGE: the data ends before the format (or before a terminating zero
 * byte); MAPPED_VALUE: an integer of more than 8 bytes doesn't fit 64 bits;
 * MAPPED_FORMAT at a WRONG field; MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_MISALIGNED on devices; MAPPED_ARGUMENT: the fields are a layout's or a
 * list's. The cursor is then at the offending value, and no value counts. Any
 * thread that holds a reference to the region. */
MAPPED__MUST_USE mapped_status mapped_fields_unpack(const mapped_fields *fields,
                                                    mapped_slice slice,
                                                    mapped_cursor *cursor,
                                                    mapped_field_values *values,
                                                    mapped_error *error);

/* Sets `value->field` to that of the next value to pack and moves the cursor
 * past it; false at the end. As long as no value has a length of its own, the
 * cursor's offset moves along and `value->offset` is where the value goes. */
bool mapped_fields_next(const mapped_fields *fields, mapped_cursor *cursor,
                        mapped_field_value *value);

/* Could this value be packed? MAPPED_VALUE: the number is out of the element's
 * range, the length out of that of its count, or there is a zero byte in bytes
 * that one ends. MAPPED_SIZE: more bytes than fit. MAPPED_FORMAT at a WRONG
 * field. `error->offset` is the place in the text. */
MAPPED__MUST_USE mapped_status
mapped_field_check(const mapped_field_value *value, mapped_error *error);

/* Packs all values, in the order of mapped_fields_next, and moves the cursor
 * past them. It always begins with the first field, so of the cursor only the
 * offset counts. Everything is checked before anything is written; pads become
 * zero bytes (on devices, whose registers may not be written for nothing, they
 * are left alone). MAPPED_ARGUMENT: the values are not those of the fields;
 * MAPPED_RANGE, MAPPED_READONLY, MAPPED_CLOSED, MAPPED_FAULT,
 * MAPPED_MISALIGNED, and what mapped_field_check says. */
MAPPED__MUST_USE mapped_status mapped_fields_pack(
    const mapped_fields *fields, mapped_slice slice, mapped_cursor *cursor,
    const mapped_field_values *values, mapped_error *error);

MAPPED_END

#endif
