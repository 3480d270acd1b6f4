/* The methods index and count of Array and Records, and `in`. A number or a
 * byte is looked for in the core; any other value, and among records or rows,
 * is compared with one item after the other, as Python's own sequences do it.
 */
#include "array.h"
#include "unlocked.h"

typedef mapped_status Search(const mapped_array *array,
                             const mapped_element *element, const void *value,
                             size_t *result, mapped_error *error);

/* A value as an element in plain memory; without an element if the core doesn't
 * know values of that type. */
typedef struct Probe {
    const char *operation;
    Search *search; /* the core's */
    const mapped_element *element;
    union {
        int64_t i;
        uint64_t u;
        double f;
        char c;
    } value;
} Probe;

static const mapped_element *element_named(const char *name, size_t length)
{
    return mapped_element_from_name(name, length, MAPPED_BIG_ENDIAN);
}

/* An integer of more than 64 bits is left to Python. */
static void probe_integer(PyObject *object, Probe *probe)
{
    int overflow;
    probe->value.i = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) {
        probe->element = element_named("i64", 3);
        return;
    }
    if (overflow < 0)
        return;
    probe->value.u = PyLong_AsUnsignedLongLong(object);
    if (probe->value.u != UINT64_MAX || !PyErr_Occurred())
        probe->element = element_named("u64", 3);
    PyErr_Clear();
}

static Probe probe_of(PyObject *object, const char *operation, Search *search)
{
    Probe probe = {.operation = operation, .search = search, .element = NULL};
    if (Py_IS_TYPE(object, &PyLong_Type) || Py_IS_TYPE(object, &PyBool_Type)) {
        probe_integer(object, &probe);
    } else if (Py_IS_TYPE(object, &PyFloat_Type)) {
        probe.value.f = PyFloat_AsDouble(object);
        probe.element = element_named("f64", 3);
    } else if (Py_IS_TYPE(object, &PyBytes_Type) && PyBytes_Size(object) == 1) {
        probe.value.c = PyBytes_AsString(object)[0];
        probe.element = element_named("char", 4);
    }
    return probe;
}

static bool is_in_core(const Array *array, const Probe *probe)
{
    return probe->element != NULL && array->core.dimensions == 1 &&
           array->layout == NULL;
}

static int search(const Array *array, const mapped_array *items,
                  const Probe *probe, size_t *result)
{
    mapped_error error;
    Unlocked unlocked =
        unlocked_begin(items->slice.region, NULL, array_bytes(items));
    mapped_status status =
        probe->search(items, probe->element, &probe->value, result, &error);
    return check_status(array->owner, probe->operation,
                        unlocked_end_access(&unlocked, status, &error), &error);
}

/* 1 if the item equals the value, 0, or -1 with an exception. */
static int equals_at(PyObject *self, Py_ssize_t index, PyObject *value)
{
    PyObject *item = array_item(self, index);
    if (item == NULL)
        return -1;
    int equal = PyObject_RichCompareBool(item, value, Py_EQ);
    Py_DECREF(item);
    return equal;
}

/* Sets `*found` to the first index in [start, stop) of such an item, or to -1.
 */
static int find(PyObject *self, const char *operation, PyObject *value,
                const Py_ssize_t range[2], Py_ssize_t *found)
{
    const Array *array = array_of(self);
    const Probe probe = probe_of(value, operation, mapped_array_find);
    Py_ssize_t at = range[0], stop = range[1];
    int equal = 0;
    *found = -1;
    if (require_open(array->owner, operation) < 0)
        return -1;
    if (at < stop && is_in_core(array, &probe)) {
        size_t index = MAPPED_NOT_FOUND;
        Py_ssize_t length = stop - at;
        mapped_array items = array->core;
        items.first = mapped_array_offset(&items, (size_t)at);
        items.shape = &length;
        if (search(array, &items, &probe, &index) < 0)
            return -1;
        if (index != MAPPED_NOT_FOUND)
            *found = at + (Py_ssize_t)index;
        return 0;
    }
    for (; at < stop && equal == 0; at++)
        equal = equals_at(self, at, value);
    if (equal > 0)
        *found = at - 1;
    return equal < 0 ? -1 : 0;
}

const char items_index_doc[] = PyDoc_STR(
    "index($self, value, start=None, stop=None, /)\n--\n\n"
    "Return the first index of an item that equals `value`, in [start:stop].\n"
    "ValueError if there is none.");

METHOD_KEYWORDS(items_index)
{
    static const Signature signature = {"index", 1, 3, {"", "", ""}};
    PyObject *values[3];
    Py_ssize_t length = array_of(self)->core.shape[0], found;
    Py_ssize_t range[2] = {0, length};
    if (arguments_sort(&signature, given, count, keywords, values) < 0)
        return NULL;
    for (int i = 0; i < 2; i++) {
        if (convert_bound(values[i + 1], &range[i]) < 0)
            return NULL;
        range[i] = bound_from_start(range[i], length);
    }
    if (find(self, "index", values[0], range, &found) < 0)
        return NULL;
    return found >= 0 ? PyLong_FromSsize_t(found)
                      : raise_about(PyExc_ValueError, "%s: no item equals %U",
                                    "index", values[0]);
}

const char items_count_doc[] =
    PyDoc_STR("count($self, value, /)\n--\n\n"
              "Return how many items equal `value`.");

METHOD_ONE(items_count)
{
    const Array *array = array_of(self);
    const Probe probe = probe_of(argument, "count", mapped_array_count_value);
    size_t total = 0;
    if (require_open(array->owner, "count") < 0)
        return NULL;
    if (is_in_core(array, &probe))
        return search(array, &array->core, &probe, &total) < 0
                   ? NULL
                   : PyLong_FromSize_t(total);
    for (Py_ssize_t i = 0; i < array->core.shape[0]; i++) {
        int equal = equals_at(self, i, argument);
        if (equal < 0)
            return NULL;
        total += equal > 0;
    }
    return PyLong_FromSize_t(total);
}

int items_contains(PyObject *self, PyObject *value)
{
    const Py_ssize_t range[2] = {0, array_of(self)->core.shape[0]};
    Py_ssize_t found;
    if (find(self, "in", value, range, &found) < 0)
        return -1;
    return found >= 0;
}
