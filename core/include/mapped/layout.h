/* Records: what one looks like, from one line of text.
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
 *                    f16, f32, f64, bool, char; with `le` or `be` behind the
 *                    type, that byte order
 *     name:type[n]   n of them, 1 or more; char[n] is one text of n bytes
 *     name:type@n    at byte n of the record; without, behind the field that
 *                    was written before
 *     _:type         padding: takes the place of a field and is none; may be
 *                    repeated
 *     size=n         bytes from record to record; once; without, the record
 *                    ends with its farthest field
 *
 * With `align` a field without "@" begins at the next multiple of its type's
 * size, if that is 1, 2, 4 or 8 bytes; other types, like u24, begin anywhere,
 * as all do without `align`. The record's size is then rounded up to the
 * largest of these units in it, unless `size` is given. That is how C lays out
 * a struct, but for machines where C aligns 8 bytes to 4.
 *
 * Numbers are decimal, or hexadecimal with 0x. Names are letters, digits and _,
 * no digit first. Two fields that share a byte or a name are an error. The same
 * text means the same offsets on every machine and in every language. */
#ifndef MAPPED_LAYOUT_H
#define MAPPED_LAYOUT_H

#include <mapped/fields.h>

MAPPED_BEGIN

/* Owned by its layout, immutable. */
typedef struct mapped_layout_entry {
    const char *name; /* ends in NUL */
    size_t name_length;
    const mapped_element *element;
    size_t count;  /* elements */
    bool several;  /* written with [n] */
    size_t offset; /* in the record, in bytes */
    size_t place;  /* of the name in the text */
} mapped_layout_entry;

typedef struct mapped_layout mapped_layout;

/* Reads `length` bytes of text. The layout has one reference, the caller's; it
 * is immutable. MAPPED_LAYOUT: `error->offset` is the place in the text,
 * `limit` a mapped_layout_reason and `operation` that reason's text.
 * MAPPED_MEMORY. Any thread. */
MAPPED__MUST_USE mapped_status mapped_layout_compile(const char *text,
                                                     size_t length,
                                                     mapped_layout **layout,
                                                     mapped_error *error);

/* One more reference / one less. `release` takes NULL and never fails. */
void mapped_layout_acquire(mapped_layout *layout);
void mapped_layout_release(mapped_layout *layout);

/* A copy in memory of the caller's, of so many bytes as mapped_layout_room
 * says, aligned as malloc does. It is neither acquired nor released: it goes
 * with its memory. */
size_t mapped_layout_room(const mapped_layout *layout);
mapped_layout *mapped_layout_copy(const mapped_layout *layout, void *memory);

size_t mapped_layout_size(const mapped_layout *layout);  /* bytes a record */
size_t mapped_layout_count(const mapped_layout *layout); /* fields */

/* The fields in the order of the text, `i` less than the count. */
const mapped_layout_entry *mapped_layout_field(const mapped_layout *layout,
                                               size_t i);

/* By name, NULL if there is none of it. */
const mapped_layout_entry *mapped_layout_find(const mapped_layout *layout,
                                              const char *name, size_t length);

/* The bytes of a field. */
MAPPED__INLINE size_t mapped_layout_entry_size(const mapped_layout_entry *field)
{
    return field->count * field->element->size;
}

/* How many records the slice holds. MAPPED_SIZE if a part of one is left over:
 * slice it away if that is what you want. Meets no fault. */
MAPPED__MUST_USE mapped_status
mapped_layout_records(const mapped_layout *layout, mapped_slice slice,
                      size_t *count, mapped_error *error);

/* The bytes of the record at `index`, counted from 0; a field is in there at
 * its offset, for mapped_get and mapped_set. As mapped_slice_sub. */
MAPPED__MUST_USE mapped_status mapped_layout_record(const mapped_layout *layout,
                                                    mapped_slice slice,
                                                    size_t index,
                                                    mapped_slice *record,
                                                    mapped_error *error);

MAPPED_END

#endif
