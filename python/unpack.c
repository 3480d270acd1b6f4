/* unpack: the struct language on the bytes of a Region or Slice. */
#include "format.h"

#include <string.h>

#define ITEMS_AT_ONCE 32

static PyObject *read_bytes(Region *owner, mapped_slice span,
                            const mapped_item *item)
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
                     const mapped_items *items, PyObject *tuple, Py_ssize_t at)
{
    for (size_t i = 0; i < items->count; i++) {
        const mapped_item *item = &items->items[i];
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
    mapped_item room[ITEMS_AT_ONCE];
    mapped_items items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {.offset = offset};
    mapped_error error;
    Py_ssize_t count = (Py_ssize_t)mapped_format_count(format), at = 0;
    PyObject *tuple = PyTuple_New(count);
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
    return tuple;
}

static PyObject *make_all(const Plan *plan, const unsigned char *bytes)
{
    PyObject *tuple = PyTuple_New(plan->count);
    for (Py_ssize_t i = 0; tuple != NULL && i < plan->count; i++) {
        const PlanItem *item = &plan->items[i];
        PyObject *value =
            item->make(item->element, bytes + item->offset, item->length);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, value);
    }
    return tuple;
}

/* Copies the bytes only if that is a plain hit. */
static inline bool copy_hit(mapped_slice span, size_t offset, size_t n,
                            unsigned char *to)
{
    const unsigned char *p = mapped_slice_hit(span, offset, n);
    if (p == NULL)
        return false;
    memcpy(to, p, n);
    return mapped_slice_clean(span);
}

/* Everything that is not a plain hit: errors, devices, many values. */
static PyObject *unpack_any(Region *owner, mapped_slice span, const Plan *plan,
                            Py_ssize_t offset)
{
    unsigned char bytes[PLAN_BYTES];
    if (format_offset(owner, span.length, plan->size, &offset) < 0)
        return NULL;
    if (plan->small && copy_hit(span, (size_t)offset, plan->size, bytes))
        return make_all(plan, bytes);
    return unpack_large(owner, span, plan->format, (size_t)offset);
}

static inline PyObject *unpack_at(Region *owner, mapped_slice span,
                                  const Plan *plan, Py_ssize_t offset)
{
    unsigned char bytes[PLAN_BYTES];
    if (plan->small && offset >= 0 &&
        copy_hit(span, (size_t)offset, plan->size, bytes))
        return make_all(plan, bytes);
    return unpack_any(owner, span, plan, offset);
}

const char view_unpack_doc[] = PyDoc_STR(
    "unpack($self, /, format, offset=0)\n--\n\n"
    "Return a tuple of the values that `format`, in the language of struct, "
    "finds\nat byte `offset`, which counts from the end if negative.\n\n"
    "The values and errors of struct.unpack_from; where the bytes end early "
    "the\nerror is a struct.error and an IndexError. ValueError if the region "
    "is\nclosed, FaultError if a page is lost.");

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
    PyObject *result = unpack_at(owner, view_span(self), plan, offset);
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
