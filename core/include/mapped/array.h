/* Arrays: items of one type at fixed distances in a slice, in any number of
 * dimensions. A cast makes one of elements, records() one of records, and a
 * column is the same array with the item of a field.
 *
 * These are descriptions that the caller fills in and owns; the numbers of
 * `shape` and `strides` are the caller's too. Nothing in them is trusted: each
 * function that touches memory first makes sure that all items lie inside of
 * the slice (MAPPED_RANGE if not), and that the region still has that much. */
#ifndef MAPPED_ARRAY_H
#define MAPPED_ARRAY_H

#include <mapped/fields.h>
#include <mapped/item.h>

MAPPED_BEGIN

#define MAPPED_ARRAY_DIMENSIONS 64 /* at most */

/* The slice borrows its region. Without dimensions it is one item. */
typedef struct mapped_array {
    mapped_slice slice;
    size_t first; /* bytes from the slice's first to the item [0, 0, ...] */
    mapped_item item;
    int dimensions;
    ptrdiff_t *shape;   /* items in each dimension, none negative */
    ptrdiff_t *strides; /* bytes from one to the next, any sign */
} mapped_array;

/* Completes an array over all of its slice: the caller has set `slice`, `item`,
 * `dimensions` (1 or more) and `shape`, whose first number may be -1 for as
 * many as there are; this sets `first` to 0, that number, and `strides` so that
 * the last dimension varies fastest. MAPPED_SIZE if the items aren't all of the
 * slice: of -1, `error->offset` is where a whole number of them ends, `length`
 * the bytes left over and `limit` the bytes that make one row. MAPPED_OVERFLOW,
 * MAPPED_ARGUMENT (an item or dimension without bytes beside a -1, too many
 * dimensions), MAPPED_CLOSED, MAPPED_RANGE. Meets no fault. */
MAPPED__MUST_USE mapped_status mapped_array_cover(mapped_array *array,
                                                  mapped_error *error);

/* The items; 0 if a dimension has none. Nothing overflows in an array that was
 * checked. */
size_t mapped_array_count(const mapped_array *array);

/* Where the item at `index` of an array of one dimension begins in the slice.
 * The index must lie inside: the access checks no more than the slice. */
MAPPED__INLINE size_t mapped_array_offset(const mapped_array *array,
                                          size_t index)
{
    return array->first + index * (size_t)array->strides[0];
}

/* What an array spans. */
typedef struct mapped_extent {
    mapped_slice bytes; /* from the first byte of all items to the last */
    size_t first;       /* where in these the item [0, 0, ...] begins */
    size_t count;       /* items */
    bool contiguous;    /* they follow each other in order, without gaps */
} mapped_extent;

/* Finds that out: this is what a buffer export needs. An array without items
 * spans no bytes, at its first. MAPPED_RANGE: items lie outside of the slice or
 * the region is shorter now; MAPPED_CLOSED; MAPPED_ARGUMENT: too many
 * dimensions or a negative length. Meets no fault. */
MAPPED__MUST_USE mapped_status mapped_array_extent(const mapped_array *array,
                                                   mapped_extent *extent,
                                                   mapped_error *error);

/* One dimension of a selection: `length` items from `start` on, `step` items
 * apart; with `step` 0 the one at `start`, and the dimension is left out. */
typedef struct mapped_subscript {
    ptrdiff_t start;
    ptrdiff_t step;
    ptrdiff_t length;
} mapped_subscript;

/* Applies subscripts to the first `count` dimensions; the others stay. The
 * caller has set `part->shape` and `part->strides` to room for as many numbers
 * as `array` has dimensions, not its own; the rest of `*part` is set here, also
 * on failure. A part without items lies where the array does, and the stride of
 * one item at most is the array's. MAPPED_RANGE: `error->offset` is the
 * offending index, `length` the dimension, `limit` its length. MAPPED_ARGUMENT:
 * more subscripts than dimensions. Touches no memory. */
MAPPED__MUST_USE mapped_status mapped_array_select(
    const mapped_array *array, const mapped_subscript *subscripts, int count,
    mapped_array *part, mapped_error *error);

/* `*column` = the array of one field of all records: the same slice, shape and
 * strides (the same numbers, not a copy), with the field's item; without
 * records it lies where they do. The array must be one of RECORD items, the
 * field one of theirs. */
void mapped_array_column(const mapped_array *array, const mapped_field *field,
                         mapped_array *column);

/* Makes a further dimension, the last, of what the items repeat: ELEMENTS,
 * texts, bytes and RECORDS become single ones; others stay. `shape` and
 * `strides` need room for one more number. */
void mapped_array_expand(mapped_array *array);

/* Copies all items, the last dimension fastest, to plain memory of
 * mapped_array_count times `item.size` bytes, or from there; the memory doesn't
 * overlap the array. On devices each element is one access, in order
 * (mapped_item_read).
 *
 * MAPPED_CLOSED, MAPPED_RANGE, MAPPED_FAULT, MAPPED_MISALIGNED, MAPPED_ARGUMENT
 * (as mapped_array_extent), and for scatter MAPPED_READONLY; `to` is undefined
 * on failure, and a failed scatter has stored some items. Any thread that holds
 * a reference to the region. Goes in blocks, so that a close by another thread
 * ends it soon. */
MAPPED__MUST_USE mapped_status mapped_array_gather(const mapped_array *array,
                                                   void *to,
                                                   mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_array_scatter(const mapped_array *array,
                                                    const void *from,
                                                    mapped_error *error);

/* Stores the same item, of `item.size` bytes of plain memory, into all. As
 * scatter. */
MAPPED__MUST_USE mapped_status mapped_array_fill(const mapped_array *array,
                                                 const void *item,
                                                 mapped_error *error);

/* Copies items between arrays of the same shape and item (mapped_item_equal),
 * as if all were read before the first is written: the two may overlap in any
 * way. As gather and scatter; MAPPED_ARGUMENT if shapes or items differ,
 * MAPPED_MEMORY. */
MAPPED__MUST_USE mapped_status mapped_array_copy(const mapped_array *to,
                                                 const mapped_array *from,
                                                 mapped_error *error);

/* Tells whether two arrays have the same shape and each two items the same
 * value: numbers and bools compare as numbers, exactly, whatever their types
 * (no integer is rounded to compare with a float); a float that is no number
 * equals nothing, not even itself; `char` equals only `char`, and of two bools
 * the bytes are compared, as memoryview has it. What repeats counts as a
 * further dimension (mapped_array_expand). Records are equal if their fields
 * have the same names in the same order and are equal; offsets and padding
 * don't matter.
 *
 * `*equal` is set on MAPPED_OK only. MAPPED_CLOSED; MAPPED_RANGE: the items of
 * one lie outside of its slice, or the region has shrunk below them;
 * MAPPED_FAULT: a page was lost before the first difference; MAPPED_ARGUMENT as
 * mapped_array_extent. All of this is checked before the shapes are. On
 * devices each element is one access, in order, or MAPPED_MISALIGNED.
 *
 * Any thread that holds a reference to both regions; the two may overlap. Goes
 * in blocks, so that a close by another thread ends it soon. */
MAPPED__MUST_USE mapped_status mapped_array_equal(const mapped_array *a,
                                                  const mapped_array *b,
                                                  bool *equal,
                                                  mapped_error *error);

/* Search for items that equal `value`, one element in plain memory, as
 * mapped_array_equal compares: an integer finds the float that is the same
 * number. mapped_array_find sets `*index` to the first of them, in order, the
 * last dimension fastest, or to MAPPED_NOT_FOUND; mapped_array_count_value sets
 * `*count` to their number. Arrays of records or of items that repeat have
 * none. The errors are those of mapped_array_equal; only a page that the result
 * depends on is a fault. Any thread that holds a reference to the region. */
MAPPED__MUST_USE mapped_status mapped_array_find(const mapped_array *array,
                                                 const mapped_element *element,
                                                 const void *value,
                                                 size_t *index,
                                                 mapped_error *error);
MAPPED__MUST_USE mapped_status mapped_array_count_value(
    const mapped_array *array, const mapped_element *element, const void *value,
    size_t *count, mapped_error *error);

MAPPED_END

#endif
