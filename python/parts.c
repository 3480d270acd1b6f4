/* The iterator of lines, split and find_all, and the methods lines and split.
 * It owns its Region and a copy of its needle or separator, and changes
 * neither.
 *
 * Two threads may ask one iterator at the same time. So a call that may run
 * unlocked works with copies of the fields that say how far the iterator is,
 * and stores them back only if no other call has done so meanwhile. */
#include "source.h"
#include "unlocked.h"

typedef struct PartsIterator PartsIterator;

struct PartsIterator {
    Owned owned;
    PyObject *(*next)(PartsIterator *self);
    PyObject *bytes; /* of the needle or the separator; NULL for lines */

    /* Only lines and split use these. */
    mapped_parts parts;
    Py_ssize_t splits; /* how many are left; negative: any number */

    /* Only find_all uses these. */
    mapped_slice rest; /* what has not been searched yet */
    size_t base;       /* where `rest` begins in what is searched;
                        * MAPPED_NOT_FOUND: no more matches */
    mapped_needle needle;
};

/* Takes the reference to `bytes`, also on failure. */
static PartsIterator *parts_iterator_new(Region *owner,
                                         PyObject *(*next)(PartsIterator *self),
                                         PyObject *bytes)
{
    PartsIterator *self =
        (PartsIterator *)owned_new(owner->state->parts_iterator, owner);
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

static PyObject *parts_iterator___copy__(PyObject *self,
                                         PyObject *Py_UNUSED(nothing))
{
    const PartsIterator *from = (PartsIterator *)self;
    PartsIterator *copy = parts_iterator_new(from->owned.owner, from->next,
                                             Py_XNewRef(from->bytes));
    if (copy == NULL)
        return NULL;
    copy->parts = from->parts;
    copy->splits = from->splits;
    copy->rest = from->rest;
    copy->base = from->base;
    copy->needle = from->needle;
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

/* Returns the next part when its end isn't within UNLOCKED_BYTES: searches
 * without the interpreter's lock. The bytes that are left only get fewer, so
 * the same number means that no other call has moved the iterator. */
static PyObject *next_far(PartsIterator *self)
{
    mapped_parts parts = self->parts;
    size_t bytes_left = mapped_parts_left(&parts);
    mapped_slice part;
    mapped_error error;
    bool has_part;
    Unlocked unlocked =
        unlocked_begin(self->owned.owner->view.slice.region, NULL, bytes_left);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_parts_next(&parts, &part, &has_part, &error), &error);
    if (status != MAPPED_OK)
        return raise_in(self->owned.owner,
                        self->bytes != NULL ? "split" : "lines", &error);
    bool is_unchanged = mapped_parts_left(&self->parts) == bytes_left;
    if (is_unchanged) {
        self->parts = parts;
        self->splits--;
    }
    return has_part ? slice_new(self->owned.owner, part) : NULL;
}

/* The last part, after as many splits as were asked for. */
static PyObject *next_rest(PartsIterator *self)
{
    mapped_parts parts = self->parts;
    mapped_slice part;
    mapped_error error;
    if (!mapped_parts_take_rest(&parts, &part))
        return NULL;
    if (mapped_slice_check(part, &error) != MAPPED_OK)
        return raise_in(self->owned.owner, "split", &error);
    self->parts = parts;
    return slice_new(self->owned.owner, part);
}

static PyObject *parts_next(PartsIterator *self)
{
    mapped_slice part;
    if (self->splits == 0)
        return next_rest(self);
    if (mapped_parts_try_next(&self->parts, UNLOCKED_BYTES, &part)) {
        self->splits--;
        return slice_new(self->owned.owner, part);
    }
    return next_far(self);
}

static PyObject *parts_new(Region *owner, const mapped_parts *parts,
                           PyObject *separator, Py_ssize_t splits)
{
    PartsIterator *self = parts_iterator_new(owner, parts_next, separator);
    if (self == NULL)
        return NULL;
    self->parts = *parts;
    self->splits = splits;
    self->rest = (mapped_slice){0};
    self->base = MAPPED_NOT_FOUND;
    mapped_needle_init(&self->needle, "", 0);
    return (PyObject *)self;
}

const char view_lines_doc[] = PyDoc_STR(
    "lines($self, /, keepends=False)\n--\n\n"
    "Return an iterator over the lines, each a Slice.\n\n"
    "A line ends with b'\\n', which `keepends` makes part of it, or with the\n"
    "data. As when a binary file is read line by line, b'\\r' is nothing\n"
    "special.");

static PyObject *view_lines_with(PyObject *self, PyObject *const *values)
{
    uint32_t keep_newlines = 0;
    mapped_parts parts;
    if (convert_flag(values[0], 1, &keep_newlines) < 0 ||
        require_open(view_owner(self), "lines") < 0)
        return NULL;
    mapped_parts_lines(&parts, view_span(self), keep_newlines != 0);
    return parts_new(view_owner(self), &parts, NULL, -1);
}

KEYWORD_METHOD(view_lines, view_lines_with, "lines", 0, 1, "keepends")

static PyObject *split(PyObject *self, const Needle *needle, Py_ssize_t most)
{
    mapped_parts parts;
    mapped_error error;
    if (needle->length == 0)
        return PyErr_Format(PyExc_ValueError, "empty separator");
    PyObject *separator = needle_copy(needle);
    if (separator == NULL)
        return NULL;
    if (mapped_parts_split(&parts, view_span(self), PyBytes_AsString(separator),
                           needle->length, &error) == MAPPED_OK)
        return parts_new(view_owner(self), &parts, separator, most);
    Py_DECREF(separator);
    return raise_of(view_owner(self), &error);
}

const char view_split_doc[] = PyDoc_STR(
    "split($self, /, sep, maxsplit=-1)\n--\n\n"
    "Return an iterator over what lies between the separators, each a "
    "Slice.\n\n"
    "As bytes.split with a separator: always one more than there are\n"
    "separators; after `maxsplit` separators, if that isn't negative, the\n"
    "last part is all of the rest. ValueError if `sep` is empty.");

static int convert_most(PyObject *object, Py_ssize_t *most)
{
    if (object == NULL)
        return 0;
    PyObject *number = convert_integer(object, "maxsplit");
    if (number == NULL)
        return -1;
    *most = PyNumber_AsSsize_t(number, NULL); /* the nearest that there is */
    Py_DECREF(number);
    return 0;
}

static PyObject *view_split_with(PyObject *self, PyObject *const *values)
{
    Needle needle;
    Py_ssize_t most = -1; /* negative ones become -1: they are counted down */
    if (convert_most(values[1], &most) < 0 ||
        needle_open(view_owner(self)->state, values[0], "split", &needle) < 0)
        return NULL;
    PyObject *result = split(self, &needle, most < 0 ? -1 : most);
    if (needle_close(&needle) < 0)
        Py_CLEAR(result);
    return result;
}

KEYWORD_METHOD(view_split, view_split_with, "split", 1, 2, "sep", "maxsplit")

/* Moves to the end of the match at `offset`; if the match is empty, one byte
 * further. */
static void move_past_match(PartsIterator *self, mapped_slice rest, size_t base,
                            size_t offset)
{
    size_t length = mapped_needle_length(&self->needle);
    size_t end = offset + (length > 0 ? length : 1);
    if (offset == MAPPED_NOT_FOUND || end > rest.length) {
        self->rest.length = 0;
        self->base = MAPPED_NOT_FOUND;
        return;
    }
    self->rest.offset = rest.offset + end;
    self->rest.length = rest.length - end;
    self->base = base + end;
}

static PyObject *matches_next(PartsIterator *self)
{
    mapped_needle needle = self->needle;
    mapped_slice rest = self->rest;
    size_t base = self->base;
    size_t offset;
    mapped_error error;
    if (base == MAPPED_NOT_FOUND)
        return NULL;
    if (find_first(rest, &needle, &offset, &error) != MAPPED_OK)
        return raise_in(self->owned.owner, "find_all", &error);
    bool is_unchanged = self->base == base;
    if (is_unchanged) {
        self->needle = needle;
        move_past_match(self, rest, base, offset);
    }
    return offset == MAPPED_NOT_FOUND ? NULL : PyLong_FromSize_t(base + offset);
}

PyObject *matches_new(Region *owner, const mapped_slice *slice, size_t base,
                      const Needle *needle)
{
    PyObject *bytes = needle_copy(needle);
    PartsIterator *self =
        bytes == NULL ? NULL : parts_iterator_new(owner, matches_next, bytes);
    if (self == NULL)
        return NULL;
    self->base = slice != NULL ? base : MAPPED_NOT_FOUND;
    if (slice != NULL)
        self->rest = *slice;
    mapped_needle_init(&self->needle, PyBytes_AsString(bytes), needle->length);
    self->parts = (mapped_parts){.is_done_ = true};
    self->splits = -1;
    return (PyObject *)self;
}
