/* unpack: the struct language on the bytes of a Region or Slice. */
#include "format.h"

#include <string.h>

#define ITEMS_AT_ONCE 32

static PyObject *read_bytes(Region *owner, mapped_slice span,
                            const mapped_step_value *item)
{
    mapped_error error;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)item->length);
    if (bytes == NULL)
        return NULL;
    Away away = away_begin(span.region, NULL, item->length);
    mapped_status status = mapped_read(
        span, item->offset, PyBytes_AsString(bytes), item->length, &error);
    status = away_end_access(&away, status, &error);
    if (status == MAPPED_OK)
        return bytes;
    Py_DECREF(bytes);
    return raise_of(owner, &error);
}

static int add_items(Region *owner, mapped_slice span,
                     const mapped_step_values *items, PyObject *tuple,
                     Py_ssize_t at)
{
    for (size_t i = 0; i < items->count; i++) {
        const mapped_step_value *item = &items->items[i];
        PyObject *value =
            item->step->kind == MAPPED_STEP_ELEMENT
                ? value_to_python(item->step->element, item->value)
                : read_bytes(owner, span, item);
        if (value == NULL)
            return -1;
        PyTuple_SetItem(tuple, at + (Py_ssize_t)i, value);
    }
    return 0;
}

static PyObject *unpack_large(Region *owner, mapped_slice span,
                              const mapped_format *format, size_t offset)
{
    mapped_step_value room[ITEMS_AT_ONCE];
    mapped_step_values items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {.offset = offset};
    mapped_error error;
    Py_ssize_t count = (Py_ssize_t)mapped_format_count(format), at = 0;
    PyObject *tuple = filling(PyTuple_New(count));
    while (tuple != NULL && at < count) {
        if (mapped_format_unpack(format, span, &cursor, &items, &error) !=
            MAPPED_OK) {
            Py_DECREF(tuple);
            return raise_of(owner, &error);
        }
        if (add_items(owner, span, &items, tuple, at) < 0)
            Py_CLEAR(tuple);
        at += (Py_ssize_t)items.count;
    }
    return filled(tuple);
}

static COLD PyObject *drop(PyObject **values, Py_ssize_t count)
{
    while (count > 0)
        Py_DECREF(values[--count]);
    return NULL;
}

static PyObject *fill_tuple(PyObject **values, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);
    if (tuple == NULL)
        return drop(values, count);
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SetItem(tuple, i, values[i]);
    return tuple;
}

/* PyTuple_Pack is much quicker than to set one item after the other, but its
 * arguments must be written out; it looks at the first `count` only. */
#define PACKED 16
#define CLEARED 8

static inline PyObject *pack_tuple(PyObject **v, Py_ssize_t count)
{
    if (count <= CLEARED)
        return PyTuple_Pack(count, v[0], v[1], v[2], v[3], v[4], v[5], v[6],
                            v[7]);
    for (Py_ssize_t i = count; i < PACKED; i++)
        v[i] = NULL;
    return PyTuple_Pack(count, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
                        v[8], v[9], v[10], v[11], v[12], v[13], v[14], v[15]);
}

/* Takes the references in `values`, which began with CLEARED times NULL. */
static inline PyObject *tuple_of(PyObject **values, Py_ssize_t count)
{
    if (count > PACKED)
        return fill_tuple(values, count);
    PyObject *tuple = pack_tuple(values, count);
    for (Py_ssize_t i = 0; i < count; i++)
        Py_DECREF(values[i]);
    return tuple;
}

/* How many were made; fewer than all with an exception. It runs nobody else's
 * code, so nobody recovers the region before the caller has looked at it. */
static inline Py_ssize_t make_all(const Plan *plan, const unsigned char *p,
                                  PyObject **values)
{
    Py_ssize_t i = 0;
    for (; i < plan->count; i++) {
        const PlanItem *item = &plan->items[i];
        values[i] = item->make(item->element, p + item->offset, item->length);
        if (values[i] == NULL)
            break;
    }
    return i;
}

/* Everything that is not a plain hit: errors, devices, many values. */
static COLD PyObject *unpack_any(PyObject *self, const Plan *plan,
                                 Py_ssize_t offset)
{
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    if (format_offset(owner, span.length, plan->size, &offset) < 0)
        return NULL;
    return unpack_large(owner, span, plan->format, (size_t)offset);
}

static inline PyObject *unpack_at(PyObject *self, const Plan *plan,
                                  Py_ssize_t offset)
{
    PyObject *values[PLAN_VALUES];
    mapped_slice span = view_span(self);
    const unsigned char *p = NULL;
    if (plan->small && offset >= 0)
        p = mapped_slice_hit(span, (size_t)offset, plan->size);
    if (p == NULL)
        return unpack_any(self, plan, offset);
    for (int i = 0; i < CLEARED; i++)
        values[i] = NULL;
    Py_ssize_t made = make_all(plan, p, values);
    if (MAPPED__UNLIKELY(made < plan->count))
        return drop(values, made);
    if (MAPPED__LIKELY(mapped_slice_clean(span)))
        return tuple_of(values, made);
    drop(values, made);
    return unpack_any(self, plan, offset);
}

const char view_unpack_doc[] = PyDoc_STR(
    "unpack($self, /, format, offset=0)\n--\n\n"
    "Return a tuple of the values that `format`, in the language of struct, "
    "finds\nat byte `offset`, which counts from the end if negative.\n\n"
    "The values and errors of struct.unpack_from. PackRangeError, which is an\n"
    "IndexError too, where the bytes end early, ValueError if the region is\n"
    "closed, FaultError if a page is lost.");

static inline PyObject *unpack(PyObject *self, PyObject *text, PyObject *where)
{
    Region *owner = view_owner(self);
    const Plan *plan;
    Py_ssize_t offset = 0;
    if (where != NULL && convert_index(where, &offset) < 0)
        return NULL;
    PyObject *keeper = format_get(owner->state, text, &plan);
    if (keeper == NULL)
        return NULL;
    PyObject *result = unpack_at(self, plan, offset);
    Py_DECREF(keeper);
    return result;
}

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
