/* The methods index and count of Array and Records, and `in`.
 *
 * In an Array of one dimension the core searches for a number or a byte. For
 * any other value, and among records and rows, each item is made an object and
 * compared with the value, as Python's own sequences do it. That runs the code
 * of others, which may close the region: then making the next item raises. */
#include "array.h"
#include "unlocked.h"

typedef mapped_status Search(const mapped_array *array,
                             const mapped_element *element, const void *value,
                             size_t *result, mapped_error *error);

/* A value to search for, as an element in plain memory, and the function of the
 * core that does it. `element` is NULL if the core has none for such values. */
typedef struct Query {
    const char *operation; /* what errors name */
    Search *search;
    const mapped_element *element;
    union {
        int64_t i;
        uint64_t u;
        double f;
        char c;
    } value;
} Query;

static const mapped_element *native_element(mapped_kind kind, size_t size)
{
    return mapped_element_find(kind, size, MAPPED_BIG_ENDIAN);
}

/* Leaves an integer of more than 64 bits to Python. */
static void set_integer(Query *query, PyObject *object)
{
    int overflow;
    query->value.i = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0)
        query->element = native_element(MAPPED_KIND_SIGNED, 8);
    if (overflow <= 0)
        return;
    query->value.u = PyLong_AsUnsignedLongLong(object);
    if (query->value.u != UINT64_MAX || !PyErr_Occurred())
        query->element = native_element(MAPPED_KIND_UNSIGNED, 8);
    PyErr_Clear();
}

static Query query_for(PyObject *object, const char *operation, Search *search)
{
    Query query = {.operation = operation, .search = search, .element = NULL};
    if (Py_IS_TYPE(object, &PyLong_Type) || Py_IS_TYPE(object, &PyBool_Type)) {
        set_integer(&query, object);
    } else if (Py_IS_TYPE(object, &PyFloat_Type)) {
        query.value.f = PyFloat_AsDouble(object);
        query.element = native_element(MAPPED_KIND_FLOAT, 8);
    } else if (Py_IS_TYPE(object, &PyBytes_Type) && PyBytes_Size(object) == 1) {
        query.value.c = PyBytes_AsString(object)[0];
        query.element = native_element(MAPPED_KIND_CHAR, 1);
    }
    return query;
}

static bool is_for_core(const Query *query, const Array *array)
{
    return query->element != NULL && array->core.dimensions == 1 &&
           array->layout == NULL;
}

/* Searches some or all items of the array in the core. Returns 0, or -1 with an
 * exception. */
static int search_core(const Query *query, const Array *array,
                       const mapped_array *items, size_t *result)
{
    mapped_error error;
    Unlocked unlocked =
        unlocked_begin(items->slice.region, NULL, array_bytes(items));
    mapped_status status =
        query->search(items, query->element, &query->value, result, &error);
    return check_status(array->owner, query->operation,
                        unlocked_end_access(&unlocked, status, &error), &error);
}

/* Returns 1 if the item equals the value, else 0; or -1 with an exception. */
static int item_equals(PyObject *self, Py_ssize_t index, PyObject *value)
{
    PyObject *item = array_item(self, index);
    if (item == NULL)
        return -1;
    int equal = PyObject_RichCompareBool(item, value, Py_EQ);
    Py_DECREF(item);
    return equal;
}

/* Sets `*found` to the first index in range[0] to range[1] - 1 whose item
 * equals the value, or to -1. Returns 0, or -1 with an exception. */
static int find(PyObject *self, const char *operation, PyObject *value,
                const Py_ssize_t range[2], Py_ssize_t *found)
{
    const Array *array = array_of(self);
    const Query query = query_for(value, operation, mapped_array_find);
    Py_ssize_t start = range[0], stop = range[1];
    int equal = 0;
    *found = -1;
    if (require_open(array->owner, operation) < 0)
        return -1;
    if (start < stop && is_for_core(&query, array)) {
        size_t index = MAPPED_NOT_FOUND;
        Py_ssize_t length = stop - start;
        mapped_array items = array->core;
        items.first = mapped_array_offset(&items, (size_t)start);
        items.shape = &length;
        if (search_core(&query, array, &items, &index) < 0)
            return -1;
        if (index != MAPPED_NOT_FOUND)
            *found = start + (Py_ssize_t)index;
        return 0;
    }
    for (Py_ssize_t i = start; i < stop && equal == 0; i++) {
        equal = item_equals(self, i, value);
        if (equal > 0)
            *found = i;
    }
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
    const Query query = query_for(argument, "count", mapped_array_count_value);
    size_t total = 0;
    if (require_open(array->owner, "count") < 0)
        return NULL;
    if (is_for_core(&query, array))
        return search_core(&query, array, &array->core, &total) < 0
                   ? NULL
                   : PyLong_FromSize_t(total);
    for (Py_ssize_t i = 0; i < array->core.shape[0]; i++) {
        int equal = item_equals(self, i, argument);
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
