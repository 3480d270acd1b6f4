/* Arrays: items of one element type at fixed distances in a slice, in any
 * number of dimensions; and records: one layout at a fixed distance. Both are
 * compared by value, whatever the element types, byte orders and distances of
 * the two are.
 *
 * These are descriptions that the caller fills in and owns. Nothing in them is
 * trusted: what doesn't lie inside the slice is MAPPED_RANGE. */
#ifndef MAPPED_ARRAY_OLD_H
#define MAPPED_ARRAY_OLD_H

#include <mapped/array.h>
#include <mapped/layout.h>

MAPPED_BEGIN

/* The slice borrows its region, and the arrays of `dimensions` numbers are the
 * caller's. Without dimensions it is one item. */
typedef struct mapped_element_array {
    mapped_slice slice;
    size_t first; /* bytes from the slice's first to the item [0, 0, ...] */
    const mapped_element *element;
    int dimensions;
    const ptrdiff_t *shape;   /* items in each dimension, none negative */
    const ptrdiff_t *strides; /* bytes from one to the next, any sign */
} mapped_element_array;

typedef struct mapped_records {
    mapped_slice slice;
    size_t first; /* bytes from the slice's first to those of record 0 */
    const mapped_layout *layout;
    size_t count;
    ptrdiff_t stride; /* bytes from one to the next, any sign */
} mapped_records;

/* Tells whether two arrays have the same shape and each two items the same
 * value: numbers and bools compare as numbers, exactly, whatever their types
 * (no integer is rounded to compare with a float); a float that is no number
 * equals nothing, not even itself; `char` equals only `char`.
 *
 * `*equal` is set on MAPPED_OK only. MAPPED_CLOSED; MAPPED_RANGE: the items of
 * one lie outside of its slice, or the region has shrunk below them;
 * MAPPED_FAULT: a page was lost before the first difference; MAPPED_ARGUMENT:
 * too many dimensions or a negative length. All of this is looked at before the
 * shapes are. On devices each item is one access, in order, or
 * MAPPED_MISALIGNED.
 *
 * Any thread that holds a reference to both regions; the two may overlap. Goes
 * in blocks, so that a close by another thread ends it soon. */
MAPPED__MUST_USE mapped_status mapped_element_array_equal(
    const mapped_element_array *a, const mapped_element_array *b, bool *equal,
    mapped_error *error);

/* Like mapped_element_array_equal, but for records: they are equal if there are
 * as many on both sides, their fields have the same names in the same order,
 * and the arrays that each field makes over all records are equal. Offsets and
 * padding don't matter. */
MAPPED__MUST_USE mapped_status mapped_records_equal(const mapped_records *a,
                                                    const mapped_records *b,
                                                    bool *equal,
                                                    mapped_error *error);

MAPPED_END

#endif
