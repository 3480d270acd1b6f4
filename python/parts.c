/* The iterators of lines, split and find_all, and the methods lines and split.
 * Parts are the Slices that lines and split give; matches are the indices that
 * find_all gives. Both iterators are one type, whose `next` tells them apart.
 *
 * Two threads may ask one iterator at the same time. So a call that may run
 * unlocked works on a copy of the iterator's position, and stores that back
 * only if no other call has moved the iterator meanwhile. If two calls overlap,
 * both may return the same part or match; none is ever skipped. */
#include "source.h"
#include "unlocked.h"

#define UNLIMITED PY_SSIZE_T_MAX
#define EXHAUSTED MAPPED_NOT_FOUND

typedef struct Parts {
    mapped_parts core;
    Py_ssize_t splits_left; /* of maxsplit, or UNLIMITED */
} Parts;

typedef struct Matches {
    mapped_needle needle;
    mapped_slice rest; /* what has not been searched yet */
    size_t rest_index; /* the index of its first byte, or EXHAUSTED */
} Matches;

typedef struct PartsIterator PartsIterator;

struct PartsIterator {
    Owned owned;
    PyObject *(*next)(PartsIterator *self); /* parts_next or matches_next */
    PyObject *bytes; /* a copy of the separator or needle, which the position
                      * points to; NULL for lines */
    /* Where the search goes on, with what it searches for. */
    union {
        Parts parts;
        Matches matches;
    } position;
};

/* Takes over the reference to `bytes`, also on failure. */
static PartsIterator *parts_iterator_new(Region *owner,
                                         PyObject *(*next)(PartsIterator *self),
                                         PyObject *bytes)
{
    PartsIterator *self =
        (PartsIterator *)owned_new(owner->state->parts_iterator_type, owner);
    if (self == NULL) {
        Py_XDECREF(bytes);
        return NULL;
    }
    self->next = next;
    self->bytes = bytes;
    return self;
}

static void parts_iterator_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(((PartsIterator *)self)->bytes);
    owned_dealloc(self);
}

static PyObject *parts_iterator_next(PyObject *self)
{
    return ((PartsIterator *)self)->next((PartsIterator *)self);
}

static const char parts_iterator___copy___doc[] =
    PyDoc_STR("__copy__($self, /)\n--\n\n"
              "Return an iterator that goes on from here by itself.");

static METHOD_NONE(parts_iterator___copy__)
{
    const PartsIterator *from = (PartsIterator *)self;
    PartsIterator *copy = parts_iterator_new(from->owned.owner, from->next,
                                             Py_XNewRef(from->bytes));
    if (copy != NULL)
        copy->position = from->position;
    return (PyObject *)copy;
}

static PyMethodDef parts_iterator_methods[] = {
    METHOD_ROW(parts_iterator, NONE, __copy__), {NULL, NULL, 0, NULL}};

static const char parts_iterator_doc[] = PyDoc_STR(
    "Iterator over parts of a mapped object, or over the indexes at which\n"
    "something was found.");

static PyType_Slot parts_iterator_slots[] = {
    {Py_tp_doc, (void *)parts_iterator_doc},
    {Py_tp_dealloc, parts_iterator_dealloc},
    {Py_tp_traverse, owned_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, parts_iterator_next},
    {Py_tp_methods, parts_iterator_methods},
    {0, NULL}};

TYPE(parts_iterator, "mapped._mapped.PartsIterator", sizeof(PartsIterator), 0,
     Py_TPFLAGS_HAVE_GC)

/* Returns the next part when its end isn't within UNLOCKED_BYTES: it is
 * searched for unlocked. The bytes that are left only get fewer: if there are
 * as many as before, no other call has moved the iterator. */
static PyObject *next_unlocked(PartsIterator *self)
{
    Parts parts = self->position.parts;
    size_t bytes_left = mapped_parts_left(&parts.core);
    Region *owner = self->owned.owner;
    mapped_slice part;
    mapped_error error;
    bool has_part;
    Unlocked unlocked =
        unlocked_begin(owner->view.slice.region, NULL, bytes_left);
    mapped_status status =
        mapped_parts_next(&parts.core, &part, &has_part, &error);
    if (unlocked_end_access(&unlocked, status, &error) != MAPPED_OK)
        return raise_in(owner, self->bytes != NULL ? "split" : "lines", &error);
    parts.splits_left--;
    if (mapped_parts_left(&self->position.parts.core) == bytes_left)
        self->position.parts = parts;
    return has_part ? slice_new(owner, part) : NULL;
}

/* Returns what remains after as many splits as were asked for. */
static PyObject *next_remainder(PartsIterator *self)
{
    mapped_parts core = self->position.parts.core;
    mapped_slice part;
    mapped_error error;
    if (!mapped_parts_take_rest(&core, &part))
        return NULL;
    if (mapped_slice_check(part, &error) != MAPPED_OK)
        return raise_in(self->owned.owner, "split", &error);
    self->position.parts.core = core;
    return slice_new(self->owned.owner, part);
}

static PyObject *parts_next(PartsIterator *self)
{
    Parts *parts = &self->position.parts;
    mapped_slice part;
    if (parts->splits_left == 0)
        return next_remainder(self);
    if (!mapped_parts_try_next(&parts->core, UNLOCKED_BYTES, &part))
        return next_unlocked(self);
    parts->splits_left--;
    return slice_new(self->owned.owner, part);
}

/* Takes over the reference to `separator`, also on failure. */
static PyObject *parts_new(Region *owner, const mapped_parts *core,
                           PyObject *separator, Py_ssize_t maxsplit)
{
    PartsIterator *self = parts_iterator_new(owner, parts_next, separator);
    if (self != NULL)
        self->position.parts = (Parts){.core = *core, .splits_left = maxsplit};
    return (PyObject *)self;
}

const char view_lines_doc[] = PyDoc_STR(
    "lines($self, /, keepends=False)\n--\n\n"
    "Return an iterator over the lines, each a Slice.\n\n"
    "A line ends with b'\\n', which `keepends` makes part of it, or with the\n"
    "data. As when a binary file is read line by line, b'\\r' is nothing\n"
    "special.");

METHOD_NAMED(view_lines, "lines", 0, 1, "keepends")
{
    uint32_t keep_newlines = 0;
    mapped_parts core;
    if (convert_flag(values[0], 1, &keep_newlines) < 0 ||
        require_open(view_owner(self), "lines") < 0)
        return NULL;
    mapped_parts_lines(&core, view_span(self), keep_newlines != 0);
    return parts_new(view_owner(self), &core, NULL, UNLIMITED);
}

const char view_split_doc[] = PyDoc_STR(
    "split($self, /, sep, maxsplit=-1)\n--\n\n"
    "Return an iterator over what lies between the separators, each a "
    "Slice.\n\n"
    "As bytes.split with a separator: always one more than there are\n"
    "separators; after `maxsplit` separators, if that isn't negative, the\n"
    "last part is all of the rest. ValueError if `sep` is empty.");

/* Converts a maxsplit of any size: a negative one, and none, are UNLIMITED. */
static int convert_maxsplit(PyObject *object, Py_ssize_t *maxsplit)
{
    *maxsplit = UNLIMITED;
    if (object == NULL)
        return 0;
    PyObject *number = convert_integer(object, "maxsplit");
    if (number == NULL)
        return -1;
    Py_ssize_t nearest = PyNumber_AsSsize_t(number, NULL);
    if (nearest >= 0)
        *maxsplit = nearest;
    Py_DECREF(number);
    return 0;
}

static PyObject *split(PyObject *self, const Needle *needle,
                       Py_ssize_t maxsplit)
{
    mapped_parts core;
    mapped_error error;
    if (needle->length == 0)
        return PyErr_Format(PyExc_ValueError, "empty separator");
    PyObject *separator = needle_copy(needle);
    if (separator == NULL)
        return NULL;
    if (mapped_parts_split(&core, view_span(self), PyBytes_AsString(separator),
                           needle->length, &error) == MAPPED_OK)
        return parts_new(view_owner(self), &core, separator, maxsplit);
    Py_DECREF(separator);
    return raise_of(view_owner(self), &error);
}

METHOD_NAMED(view_split, "split", 1, 2, "sep", "maxsplit")
{
    Needle separator;
    Py_ssize_t maxsplit;
    if (convert_maxsplit(values[1], &maxsplit) < 0 ||
        needle_open(view_owner(self)->state, values[0], "split", &separator) <
            0)
        return NULL;
    PyObject *result = split(self, &separator, maxsplit);
    if (needle_close(&separator) < 0)
        Py_CLEAR(result);
    return result;
}

/* Moves to the end of the match at `offset` in the rest, or one byte further if
 * the match is empty; or past everything, if there was no match. */
static void move_past_match(Matches *matches, size_t offset)
{
    if (offset == MAPPED_NOT_FOUND) {
        matches->rest_index = EXHAUSTED;
        return;
    }
    size_t length = mapped_needle_length(&matches->needle);
    size_t end = offset + (length > 0 ? length : 1);
    if (end > matches->rest.length) {
        matches->rest_index = EXHAUSTED;
        return;
    }
    matches->rest.offset += end;
    matches->rest.length -= end;
    matches->rest_index += end;
}

static PyObject *matches_next(PartsIterator *self)
{
    Matches matches = self->position.matches;
    size_t rest_index = matches.rest_index;
    size_t offset;
    mapped_error error;
    if (rest_index == EXHAUSTED)
        return NULL;
    if (find_first(matches.rest, &matches.needle, &offset, &error) != MAPPED_OK)
        return raise_in(self->owned.owner, "find_all", &error);
    move_past_match(&matches, offset);
    if (self->position.matches.rest_index == rest_index)
        self->position.matches = matches;
    return offset == MAPPED_NOT_FOUND ? NULL
                                      : PyLong_FromSize_t(rest_index + offset);
}

PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t index,
                      const Needle *needle)
{
    PyObject *bytes = needle_copy(needle);
    PartsIterator *self =
        bytes == NULL ? NULL : parts_iterator_new(owner, matches_next, bytes);
    if (self == NULL)
        return NULL;
    Matches *matches = &self->position.matches;
    matches->rest = slice != NULL ? *slice : (mapped_slice){0};
    matches->rest_index = slice != NULL ? index : EXHAUSTED;
    mapped_needle_init(&matches->needle, PyBytes_AsString(bytes),
                       needle->length);
    return (PyObject *)self;
}
