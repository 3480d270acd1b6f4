/* The method unpack: the language of struct on the bytes of a Region or Slice.
 * The bytes are copied in one access, and the values are made from the copy. */
#include "format.h"
#include "unlocked.h"
#include "value.h"

#include <string.h>

/* Most formats have no more values and bytes, and need no memory but the
 * stack's. */
#define STACK_VALUES 64
#define STACK_BYTES 512

static COLD PyObject *release_values(PyObject **values, Py_ssize_t count)
{
    while (count > 0)
        Py_DECREF(values[--count]);
    return NULL;
}

static PyObject *fill_tuple(PyObject **values, Py_ssize_t count)
{
    PyObject *tuple = container_new(PyTuple_New, (size_t)count);
    if (tuple == NULL)
        return release_values(values, count);
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SetItem(tuple, i, values[i]);
    return tuple;
}

/* PyTuple_Pack is much quicker than to set one item after the other, but its
 * arguments must be written out. It looks at the first `count` only; the others
 * are NULL, so that nothing uninitialized is passed. */
#define MAX_PACKED 16
#define SHORT_PACKED 8

static inline PyObject *pack_tuple(PyObject **v, Py_ssize_t count)
{
    if (count <= SHORT_PACKED)
        return PyTuple_Pack(count, v[0], v[1], v[2], v[3], v[4], v[5], v[6],
                            v[7]);
    for (Py_ssize_t i = count; i < MAX_PACKED; i++)
        v[i] = NULL;
    return PyTuple_Pack(count, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
                        v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]);
}

/* Makes a tuple of the values and takes over the references to them. The caller
 * has set the first SHORT_PACKED values to NULL before it made any. */
static inline PyObject *tuple_of(PyObject **values, Py_ssize_t count)
{
    if (count > MAX_PACKED)
        return fill_tuple(values, count);
    PyObject *tuple = pack_tuple(values, count);
    for (Py_ssize_t i = 0; i < count; i++)
        Py_DECREF(values[i]);
    return tuple;
}

/* Makes the values of one field that isn't a single element. Returns the end of
 * what it made; the last one is NULL, with an exception, if it failed. */
static PyObject **make_field(const mapped_field *field, const unsigned char *p,
                             PyObject **value)
{
    const mapped_element *element = field->item.element;
    if (!field->spread) {
        *value = item_make(&field->item, p);
        return value + 1;
    }
    for (size_t i = 0; i < field->item.count; i++) {
        *value++ = element_make(element, p);
        if (value[-1] == NULL)
            break;
        p += element->size;
    }
    return value;
}

/* Makes the values from a copy of the bytes. Returns how many it made: fewer
 * than all with an exception. */
static inline size_t make_all(const mapped_fields *fields,
                              const unsigned char *p, PyObject **values)
{
    PyObject **value = values;
    const mapped_field *field = fields->fields, *end = field + fields->count;
    for (; field < end; field++) {
        const unsigned char *at = p + field->offset;
        if (MAPPED__LIKELY(field->item.kind == MAPPED_ITEM_ELEMENT))
            *value++ = element_make(field->item.element, at);
        else
            value = make_field(field, at, value);
        if (MAPPED__UNLIKELY(value[-1] == NULL))
            return (size_t)(value - values) - 1;
    }
    return (size_t)(value - values);
}

static PyObject *unpack_copy(PyObject *self, const mapped_fields *fields,
                             size_t offset, unsigned char *bytes,
                             PyObject **values)
{
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    mapped_item item = mapped_item_of_record(fields);
    mapped_error error;
    Unlocked unlocked = unlocked_begin(span.region, NULL, fields->size);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_item_read(span, &item, offset, bytes, &error),
        &error);
    if (status != MAPPED_OK)
        return raise_packing(owner, "unpack", &error);
    size_t count = make_all(fields, bytes, values);
    return count < fields->values ? release_values(values, (Py_ssize_t)count)
                                  : fill_tuple(values, (Py_ssize_t)count);
}

/* Unpacks any format at any offset, or raises. */
static COLD PyObject *unpack_any(PyObject *self, const mapped_fields *fields,
                                 Py_ssize_t offset)
{
    if (format_offset(view_owner(self), "unpack", view_span(self).length,
                      fields->size, &offset) < 0)
        return NULL;
    unsigned char *bytes = memory_new(fields->size, 1);
    PyObject **values =
        bytes != NULL ? memory_new(fields->values, sizeof *values) : NULL;
    PyObject *result = NULL;
    if (values != NULL)
        result = unpack_copy(self, fields, (size_t)offset, bytes, values);
    PyMem_Free(bytes);
    PyMem_Free(values);
    return result;
}

/* The fast path is for a short format and an access that succeeds. */
static inline PyObject *unpack_at(PyObject *self, const mapped_fields *fields,
                                  Py_ssize_t offset)
{
    PyObject *values[STACK_VALUES];
    unsigned char bytes[STACK_BYTES];
    mapped_slice span = view_span(self);
    const unsigned char *p = NULL;
    if (fields->values <= STACK_VALUES && fields->size <= STACK_BYTES &&
        fields->size > 0 && offset >= 0)
        p = mapped_slice_try_enter(span, (size_t)offset, fields->size);
    if (p == NULL)
        return unpack_any(self, fields, offset);
    copy_short(bytes, p, fields->size);
    if (MAPPED__UNLIKELY(!mapped_slice_try_leave(span)))
        return unpack_any(self, fields, offset);
    for (int i = 0; i < SHORT_PACKED; i++)
        values[i] = NULL;
    size_t count = make_all(fields, bytes, values);
    return MAPPED__LIKELY(count == fields->values)
               ? tuple_of(values, (Py_ssize_t)count)
               : release_values(values, (Py_ssize_t)count);
}

const char view_unpack_doc[] = PyDoc_STR(
    "unpack($self, /, format, offset=0)\n--\n\n"
    "Return a tuple of the values that `format`, in the language of struct,\n"
    "finds at byte `offset`, which counts from the end if negative.\n\n"
    "The values and errors of struct.unpack_from. PackRangeError, which is\n"
    "an IndexError too, where the bytes end early, ValueError if the region\n"
    "is closed, FaultError if a page is lost.");

static inline PyObject *unpack(PyObject *self, PyObject *text, PyObject *where)
{
    Region *owner = view_owner(self);
    const Format *format;
    Py_ssize_t offset = 0;
    if (where != NULL && convert_index(where, &offset) < 0)
        return NULL;
    PyObject *keeper = format_get(owner->state, text, &format);
    if (keeper == NULL)
        return NULL;
    PyObject *result = unpack_at(self, format->fields, offset);
    Py_DECREF(keeper);
    return result;
}

/* As METHOD_NAMED, but one argument is not sorted either: that is quicker. */
METHOD_KEYWORDS(view_unpack)
{
    static const Signature signature = {"unpack", 1, 2, {"format", "offset"}};
    PyObject *values[2] = {NULL, NULL};
    if (keywords == NULL && count == 1)
        return unpack(self, given[0], NULL);
    if (keywords == NULL && count == 2)
        return unpack(self, given[0], given[1]);
    if (arguments_sort(&signature, given, count, keywords, values) < 0)
        return NULL;
    return unpack(self, values[0], values[1]);
}
