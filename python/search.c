/* The methods that search in place, with the arguments, results and errors of
 * those of bytes. A Needle is what is searched for, a Range is where.
 *
 * Arguments are converted first, which may run the code of others; after that
 * the Range is resolved, to bytes that the object has then. A long search runs
 * unlocked. */
#include "source.h"
#include "unlocked.h"

#include <string.h>

static int open_byte(PyObject *object, Needle *needle)
{
    if (convert_byte(object, &needle->byte) < 0)
        return -1;
    needle->bytes = &needle->byte;
    needle->length = 1;
    return 0;
}

int needle_open(const State *state, PyObject *object, const char *operation,
                Needle *needle)
{
    mapped_error error;
    *needle = (Needle){.source.operation = operation};
    if (PyBytes_CheckExact(object)) { /* they can't change */
        needle->bytes = PyBytes_AsString(object);
        needle->length = (size_t)PyBytes_Size(object);
        return 0;
    }
    if (!PyObject_CheckBuffer(object))
        return PyIndex_Check(object)
                   ? open_byte(object, needle)
                   : raised_as_int(raise_kind(
                         "argument should be integer or bytes-like object",
                         object));
    if (source_open(state, object, operation, &needle->source) < 0)
        return -1;
    needle->bytes = needle->source.data;
    needle->length = needle->source.length;
    if (needle->source.owner == NULL)
        return 0;
    /* The core wants a pointer to the needle, so a slice is exported. */
    if (mapped_export_begin(needle->source.slice, &needle->region_export,
                            &error) != MAPPED_OK)
        return raised_as_int(raise_in(needle->source.owner, operation, &error));
    needle->bytes = needle->region_export.data;
    needle->has_export = true;
    return 0;
}

int needle_close(Needle *needle)
{
    mapped_error error;
    mapped_status status = MAPPED_OK;
    if (needle->has_export)
        status = mapped_export_end(&needle->region_export, &error);
    if (status != MAPPED_OK && !PyErr_Occurred())
        raise_in(needle->source.owner, needle->source.operation, &error);
    if (needle->has_export)
        region_release_wrap(needle->source.owner);
    source_close(&needle->source);
    return status == MAPPED_OK ? 0 : -1;
}

PyObject *needle_copy(const Needle *needle)
{
    PyObject *copy = bytes_new(needle->length);
    if (copy != NULL)
        memcpy(PyBytes_AsString(copy), needle->bytes, needle->length);
    return copy;
}

typedef struct Range {
    Py_ssize_t start;
    Py_ssize_t end;
    mapped_slice slice; /* the bytes from `start` to `end`: see range_resolve */
} Range;

static int range_convert(PyObject *start, PyObject *end, Range *range)
{
    range->start = 0;
    range->end = PY_SSIZE_T_MAX;
    return convert_bound(start, &range->start) < 0 ||
                   convert_bound(end, &range->end) < 0
               ? -1
               : 0;
}

/* Makes the bounds count from the start, and sets the slice. Returns 1; 0 if
 * the range ends before it starts, so that not even an empty needle is in it;
 * or -1 with an exception if the region is closed. */
static int range_resolve(PyObject *self, const char *operation, Range *range)
{
    mapped_slice span = view_span(self);
    Py_ssize_t length = (Py_ssize_t)span.length;
    if (require_open(view_owner(self), operation) < 0)
        return -1;
    if (range->start > length)
        return 0;
    range->start = bound_from_start(range->start, length);
    range->end = bound_from_start(range->end, length);
    if (range->start > range->end)
        return 0;
    range->slice = span;
    range->slice.offset += (size_t)range->start;
    range->slice.length = (size_t)(range->end - range->start);
    return 1;
}

typedef mapped_status Search(mapped_slice slice, mapped_needle *needle,
                             size_t *result, mapped_error *error);

static mapped_status search_unlocked(Search *search, mapped_slice slice,
                                     mapped_needle *needle, size_t *result,
                                     mapped_error *error)
{
    Unlocked unlocked = unlocked_begin(slice.region, NULL, slice.length);
    mapped_status status = search(slice, needle, result, error);
    return unlocked_end_access(&unlocked, status, error);
}

mapped_status find_first(mapped_slice slice, mapped_needle *needle,
                         size_t *offset, mapped_error *error)
{
    /* Where the first match is near, no time is lost by unlocking. */
    mapped_slice near = slice;
    if (slice.length > UNLOCKED_BYTES)
        near.length = UNLOCKED_BYTES;
    mapped_status status = mapped_find(near, needle, offset, error);
    if (status != MAPPED_OK || *offset != MAPPED_NOT_FOUND ||
        near.length == slice.length)
        return status;
    return search_unlocked(mapped_find, slice, needle, offset, error);
}

static mapped_status find_last(mapped_slice slice, mapped_needle *needle,
                               size_t *offset, mapped_error *error)
{
    return search_unlocked(mapped_rfind, slice, needle, offset, error);
}

static mapped_status count_all(mapped_slice slice, mapped_needle *needle,
                               size_t *count, mapped_error *error)
{
    return search_unlocked(mapped_count, slice, needle, count, error);
}

/* Leaves `*result` alone if the range ends before it starts. Returns 0, or -1
 * with an exception. */
static int search_range(PyObject *self, Search *core_search,
                        const Needle *needle, Range *range, size_t *result)
{
    mapped_needle core_needle;
    mapped_error error;
    int status = range_resolve(self, needle->source.operation, range);
    if (status <= 0)
        return status;
    mapped_needle_init(&core_needle, needle->bytes, needle->length);
    if (core_search(range->slice, &core_needle, result, &error) == MAPPED_OK)
        return 0;
    return raised_as_int(
        raise_in(view_owner(self), needle->source.operation, &error));
}

/* Searches for values[0] between the bounds values[1] and values[2]. `*result`
 * is an index in the view or, for count_all, how many matches there are.
 * Returns 0, or -1 with an exception. */
static int search(PyObject *self, const char *name, Search *core_search,
                  PyObject *const *values, size_t *result)
{
    Needle needle;
    Range range;
    if (range_convert(values[1], values[2], &range) < 0 ||
        needle_open(view_owner(self)->state, values[0], name, &needle) < 0)
        return -1;
    int status = search_range(self, core_search, &needle, &range, result);
    if (core_search != count_all && *result != MAPPED_NOT_FOUND)
        *result += (size_t)range.start;
    return needle_close(&needle) < 0 ? -1 : status;
}

/* Returns the index of a match in the view. If there is none, returns -1 or,
 * with `raises`, raises ValueError. */
static PyObject *index_of(PyObject *self, const char *name, Search *core_search,
                          PyObject *const *values, bool raises)
{
    size_t found = MAPPED_NOT_FOUND;
    if (search(self, name, core_search, values, &found) < 0)
        return NULL;
    if (found != MAPPED_NOT_FOUND)
        return PyLong_FromSize_t(found);
    return raises ? raise_about(PyExc_ValueError, "subsection not found%s: %U",
                                "", values[0])
                  : PyLong_FromLong(-1);
}

#define FIND(name, core_search, raises)                            \
    METHOD_NAMED(view_##name, #name, 1, 3, "x", "start", "end")    \
    {                                                              \
        return index_of(self, #name, core_search, values, raises); \
    }

const char view_find_doc[] = PyDoc_STR(
    "find($self, /, x, start=None, end=None)\n--\n\n"
    "Return the lowest index where `x` begins in [start:end], or -1.\n\n"
    "As bytes.find: `x` is a bytes-like object or an integer from 0 to 255.\n"
    "Other threads run meanwhile if it takes long. FaultError if a page was\n"
    "lost that the answer depends on.");
FIND(find, find_first, false)

const char view_rfind_doc[] =
    PyDoc_STR("rfind($self, /, x, start=None, end=None)\n--\n\n"
              "Like find, but return the highest index.");
FIND(rfind, find_last, false)

const char view_index_doc[] =
    PyDoc_STR("index($self, /, x, start=None, end=None)\n--\n\n"
              "Like find, but raise ValueError where find returns -1.");
FIND(index, find_first, true)

const char view_rindex_doc[] =
    PyDoc_STR("rindex($self, /, x, start=None, end=None)\n--\n\n"
              "Like rfind, but raise ValueError where rfind returns -1.");
FIND(rindex, find_last, true)

const char view_count_doc[] =
    PyDoc_STR("count($self, /, x, start=None, end=None)\n--\n\n"
              "Return how many occurrences of `x` that don't overlap are in\n"
              "[start:end].");

METHOD_NAMED(view_count, "count", 1, 3, "x", "start", "end")
{
    size_t count = 0;
    return search(self, "count", count_all, values, &count) < 0
               ? NULL
               : PyLong_FromSize_t(count);
}

static int contains(PyObject *self, PyObject *item)
{
    PyObject *const values[3] = {item, NULL, NULL};
    size_t found = MAPPED_NOT_FOUND;
    if (search(self, "in", find_first, values, &found) < 0)
        return -1;
    return found != MAPPED_NOT_FOUND;
}

/* Without this method `b"ab" in view` would compare with each byte and find
 * nothing. An object that is both a number and a buffer, as a scalar of NumPy
 * is, counts as a number, as it does for bytes. */
int view_contains(PyObject *self, PyObject *item)
{
    if (!PyIndex_Check(item) || !PyObject_CheckBuffer(item))
        return contains(self, item);
    PyObject *number = PyNumber_Index(item);
    if (number == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return contains(self, item);
    }
    int found = contains(self, number);
    Py_DECREF(number);
    return found;
}

typedef mapped_status Compare(mapped_slice slice, const void *data, size_t n,
                              bool *result, mapped_error *error);

/* Returns 1 or 0, or -1 with an exception. An affix is a prefix or a suffix. */
static int has_affix(PyObject *self, const char *name, Compare *core_compare,
                     PyObject *affix, Range range)
{
    Needle needle;
    mapped_error error;
    bool result = false;
    if (needle_open(view_owner(self)->state, affix, name, &needle) < 0)
        return -1;
    int status = range_resolve(self, name, &range);
    if (status > 0) {
        Unlocked unlocked =
            unlocked_begin(range.slice.region, NULL, needle.length);
        mapped_status core_status = core_compare(
            range.slice, needle.bytes, needle.length, &result, &error);
        if (unlocked_end_access(&unlocked, core_status, &error) != MAPPED_OK)
            status = raised_as_int(raise_in(view_owner(self), name, &error));
    }
    return needle_close(&needle) < 0 || status < 0 ? -1 : result;
}

static int has_any_affix(PyObject *self, const char *name,
                         Compare *core_compare, PyObject *affixes, Range range)
{
    int result = require_open(view_owner(self), name);
    Py_ssize_t count = PyTuple_Size(affixes);
    for (Py_ssize_t i = 0; i < count && result == 0; i++) {
        PyObject *affix = PyTuple_GetItem(affixes, i);
        if (!PyObject_CheckBuffer(affix))
            return raised_as_int(
                raise_kind("a bytes-like object is required", affix));
        result = has_affix(self, name, core_compare, affix, range);
    }
    return result;
}

/* The methods startswith and endswith. */
static PyObject *affix_method(PyObject *self, const char *name,
                              Compare *core_compare, PyObject *const *values)
{
    Range range;
    int result;
    if (range_convert(values[1], values[2], &range) < 0)
        return NULL;
    if (PyTuple_Check(values[0]))
        result = has_any_affix(self, name, core_compare, values[0], range);
    else if (PyObject_CheckBuffer(values[0]))
        result = has_affix(self, name, core_compare, values[0], range);
    else
        return raise_kind("first argument must be bytes-like or a tuple of "
                          "bytes-like objects",
                          values[0]);
    return result < 0 ? NULL : PyBool_FromLong(result);
}

const char view_startswith_doc[] = PyDoc_STR(
    "startswith($self, /, prefix, start=None, end=None)\n--\n\n"
    "Return True if [start:end] begins with `prefix`, a bytes-like object,\n"
    "or with one of a tuple of them.");

METHOD_NAMED(view_startswith, "startswith", 1, 3, "prefix", "start", "end")
{
    return affix_method(self, "startswith", mapped_starts_with, values);
}

const char view_endswith_doc[] = PyDoc_STR(
    "endswith($self, /, suffix, start=None, end=None)\n--\n\n"
    "Return True if [start:end] ends with `suffix`, a bytes-like object, or\n"
    "with one of a tuple of them.");

METHOD_NAMED(view_endswith, "endswith", 1, 3, "suffix", "start", "end")
{
    return affix_method(self, "endswith", mapped_ends_with, values);
}

const char view_find_all_doc[] = PyDoc_STR(
    "find_all($self, /, x, start=None, end=None)\n--\n\n"
    "Return an iterator over the indexes of all occurrences of `x` in\n"
    "[start:end] that don't overlap: the ones that count counts. It is an\n"
    "error if the region is closed before it is exhausted.");

METHOD_NAMED(view_find_all, "find_all", 1, 3, "x", "start", "end")
{
    Range range;
    Needle needle;
    PyObject *result = NULL;
    if (range_convert(values[1], values[2], &range) < 0 ||
        needle_open(view_owner(self)->state, values[0], "find_all", &needle) <
            0)
        return NULL;
    int status = range_resolve(self, "find_all", &range);
    if (status >= 0)
        result = matches_new(view_owner(self), status > 0 ? &range.slice : NULL,
                             (size_t)range.start, &needle);
    if (needle_close(&needle) < 0)
        Py_CLEAR(result);
    return result;
}
