/* What the files of the types Array and Records share. Both are one struct
 * around an array of the core; the items of Records are records. */
#ifndef MAPPED_PYTHON_ARRAY_H
#define MAPPED_PYTHON_ARRAY_H

#include "binding.h"

#define MAX_DIMENSIONS MAPPED_ARRAY_DIMENSIONS

typedef struct Layout Layout;

/* An Array never changes, except that `format` is made when it is first needed.
 */
typedef struct Array {
    PyObject_VAR_HEAD PyObject *weakrefs;
    Region *owner;
    Layout *layout;       /* of Records, whose fields it keeps; else NULL */
    PyObject *format;     /* an item's format for buffers; NULL: not made yet */
    mapped_array core;    /* with the numbers below */
    char native;          /* the letter of a native code, or 0: see value.h */
    Py_ssize_t numbers[]; /* the shape, and after it the strides in bytes */
} Array;

static inline Array *array_of(PyObject *self)
{
    return (Array *)self;
}

/* An array of the core, with memory for its shape and strides; one dimension
 * more is for mapped_array_expand. */
typedef struct CoreArray {
    mapped_array core;
    Py_ssize_t shape[MAX_DIMENSIONS + 1];
    Py_ssize_t strides[MAX_DIMENSIONS + 1];
} CoreArray;

static inline bool is_array(const State *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->array_type) ||
           Py_IS_TYPE(object, state->records_type);
}

static inline bool is_view(const State *state, PyObject *object)
{
    return Py_IS_TYPE(object, state->slice_type) ||
           Py_IS_TYPE(object, state->region_type);
}

static inline size_t array_bytes(const mapped_array *array)
{
    return mapped_array_count(array) * array->item.size;
}

/* array.c: an object for `array`, whose numbers are copied: an Array, or
 * Records if there is a layout. */
PyObject *array_make(Region *owner, Layout *layout, char native,
                     const mapped_array *array);

/* Does the product of all lengths but 0 and the item's size fit? NumPy computes
 * strides from it, even if there is a 0 in the shape. */
bool array_lengths_fit(const mapped_array *array);

/* array.c: the column of a name, an Array or Records. */
PyObject *records_column(PyObject *self, PyObject *name);

/* array.c: returns the item, or the row, at an index that doesn't count from
 * the end; or NULL with an exception. */
PyObject *array_item(PyObject *self, Py_ssize_t index);

/* array.c: makes an Array or Records over all bytes of a Region or Slice. It
 * has one dimension if `shape` is NULL. */
PyObject *array_cast(PyObject *parent, const mapped_item *item, Layout *layout,
                     char native, PyObject *shape);

/* array.c: the same: an Array of the elements that a code means. */
PyObject *array_cast_to(PyObject *parent, const Code *code, PyObject *shape);

/* extent.c: describes an object of ours as an array of the core; a Region or
 * Slice is an array of bytes, and `array` must have memory for the numbers of
 * one dimension. Returns its Region, a borrowed reference, or NULL without an
 * exception if the object isn't ours. */
Region *array_of_object(const State *state, PyObject *object,
                        mapped_array *array);

/* extent.c: the same, of an object that is ours, with memory for its numbers.
 */
Region *array_described(PyObject *self, CoreArray *array);

/* extent.c: returns 0, or -1 with an exception if some items can't be reached.
 */
int array_extent(const Array *array, const char *operation, Extent *extent);

/* array_select.c: selects the items that `array[key]` means, and touches no
 * memory of a region. A single item has no dimensions. Returns 0, or -1 with an
 * exception. */
int array_select(const Array *array, PyObject *key, CoreArray *selected);

/* array_select.c: the same by subscripts of the core. */
int array_apply_subscripts(const Array *array,
                           const mapped_subscript *subscripts, int count,
                           CoreArray *selected);

/* array_copy.c: copy all items, in order, to plain memory or from there; many
 * bytes unlocked. They return 0, or -1 with an exception. */
int array_gather(Region *owner, const char *operation,
                 const mapped_array *array, void *to);
int array_scatter(Region *owner, const mapped_array *array, const void *from);

/* array_copy.c: returns the text of an item's type, as a bytes object. */
PyObject *item_spelled(const mapped_item *item, mapped_spelling spelling);

/* The buffer protocol, and methods. */
PyObject *array_format(PyObject *self, void *closure);
int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags);
void array_release_buffer(PyObject *self, Py_buffer *buffer);
METHOD_NONE(array_tolist);
METHOD_NONE(array_tobytes);
METHOD_ONE(items_copy_to);
extern const char items_copy_to_doc[];
PyObject *array_tuple(const Py_ssize_t *numbers, int count);

/* memory.c: what Array and Records have besides. */
METHOD_NONE(array_toreadonly);
METHOD_KEYWORDS(items_cast);
extern const char array_toreadonly_doc[];
extern const char items_cast_doc[];

/* array_find.c */
METHOD_KEYWORDS(items_index);
METHOD_ONE(items_count);
int items_contains(PyObject *self, PyObject *value);
extern const char items_index_doc[];
extern const char items_count_doc[];

/* array_assign.c: returns the element that a buffer's items are, or NULL if
 * they are something else. */
const mapped_element *buffer_element(const Py_buffer *buffer);
int array_assign(PyObject *self, PyObject *key, PyObject *value);
METHOD_ONE(items_fill);
extern const char items_fill_doc[];
int array_assign_all(PyObject *self, PyObject *value); /* self[:] = value */

/* view.c: the bytes of a Region or a Slice from `start` to `stop`, with any
 * step. */
PyObject *view_strided(PyObject *self, Py_ssize_t start, Py_ssize_t stop,
                       Py_ssize_t step);

#endif
