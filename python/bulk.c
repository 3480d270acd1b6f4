/* The methods that copy, fill and move many bytes. What may take long runs
 * unlocked (unlocked.h). A Source is the bytes of any buffer (source.h).
 *
 * METHOD_NAMED (tables.h) begins a method of the object `self`. It tells how
 * many arguments are required, how many can be positional, and their names;
 * they arrive in `values[]`, NULL if left out. That of a METHOD_ONE is
 * `argument`. */
#include "source.h"
#include "unlocked.h"

#define WRITE_ERRORS                                \
    "TypeError on a read-only region,\nValueError " \
    "if the region is closed, FaultError if a page is lost."
#define BULK_ERRORS "\n\nIndexError if it doesn't fit, " WRITE_ERRORS

const char view_copy_from_doc[] = PyDoc_STR(
    "copy_from($self, /, data, offset=0)\n--\n\n"
    "Store all bytes of `data`, any buffer, from `offset` on, which counts\n"
    "from the end if negative. The two may overlap." BULK_ERRORS);

METHOD_NAMED(view_copy_from, "copy_from", 1, 2, "data", "offset")
{
    size_t offset = 0;
    Source source;
    if (convert_offset(values[1], &offset) < 0 ||
        source_open(view_owner(self)->state, values[0], "copy_from", &source) <
            0)
        return NULL;
    mapped_slice span = view_span(self);
    int status = offset_place(view_owner(self), span.length, &offset);
    if (status == 0)
        status = source_store(&source, view_owner(self), span, offset);
    source_close(&source);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static int check_room(PyObject *self, size_t length, size_t room)
{
    return length <= room
               ? 0
               : raise_room(view_owner(self), "copy_to", length, room);
}

/* Copies to an object of ours. `from` is self, whose bytes are a slice: such a
 * Source needn't be closed. */
static PyObject *copy_to_own(PyObject *self, const Extent *to)
{
    Source from;
    if (source_open(view_owner(self)->state, self, "copy_to", &from) < 0 ||
        require_open(to->owner, "copy_to") < 0 ||
        check_room(self, from.length, to->slice.length) < 0 ||
        source_store(&from, to->owner, to->slice, 0) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int copy_to_buffer(PyObject *self, const Py_buffer *to)
{
    mapped_slice span = view_span(self);
    if (check_room(self, span.length, (size_t)to->len) < 0)
        return -1;
    return slice_read(view_owner(self), span, to->buf, "copy_to");
}

const char view_copy_to_doc[] = PyDoc_STR(
    "copy_to($self, dest, /)\n--\n\n"
    "Copy all bytes to the beginning of `dest`, a writable buffer.\n\n"
    "ValueError if `dest` is too small or a region is closed, TypeError if\n"
    "it can't be written, FaultError if a page is lost.");

/* A read-only object raises an exception of its own kind if asked for a
 * writable buffer; here it is always TypeError. */
METHOD_ONE(view_copy_to)
{
    Extent extent;
    Py_buffer buffer;
    int is_ours =
        extent_of(view_owner(self)->state, argument, "copy_to", &extent);
    if (is_ours < 0)
        return NULL;
    if (is_ours > 0 && extent.is_contiguous)
        return copy_to_own(self, &extent);
    if (PyObject_GetBuffer(argument, &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    int status = -1;
    if (buffer.readonly)
        raise_about(PyExc_TypeError, "%s can't be written: %U", "dest",
                    argument);
    else
        status = copy_to_buffer(self, &buffer);
    PyBuffer_Release(&buffer);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

const char view_tobytes_doc[] = PyDoc_STR(
    "tobytes($self, /)\n--\n\n"
    "Return a copy of all bytes, like bytes(self).\n\n"
    "ValueError if the region is closed, FaultError if a page is lost.");

METHOD_NONE(view_tobytes)
{
    mapped_slice span = view_span(self);
    if (require_open(view_owner(self), "") < 0) /* "" names no method */
        return NULL;
    return slice_to_bytes(view_owner(self), span, "tobytes");
}

/* Without this method bytes() would take the buffer, and ignore a lost page. */
const char view___bytes___doc[] = PyDoc_STR("__bytes__($self, /)\n--\n\n"
                                            "Return a copy of all bytes.");

METHOD_NONE(view___bytes__)
{
    return view_tobytes(self, NULL);
}

const char view_fill_doc[] =
    PyDoc_STR("fill($self, byte, /)\n--\n\n"
              "Set every byte to `byte`.\n\n"
              "ValueError if that is not from 0 to 255, " WRITE_ERRORS);

METHOD_ONE(view_fill)
{
    uint8_t byte;
    mapped_error error;
    if (convert_byte(argument, &byte) < 0 ||
        require_open(view_owner(self), "fill") < 0)
        return NULL;
    mapped_slice span = view_span(self);
    Unlocked unlocked = unlocked_begin(span.region, NULL, span.length);
    mapped_status status =
        unlocked_end_access(&unlocked, mapped_fill(span, byte, &error), &error);
    if (status != MAPPED_OK)
        return raise_in(view_owner(self), "fill", &error);
    Py_RETURN_NONE;
}

const char view_move_doc[] =
    PyDoc_STR("move($self, /, dest, src, n)\n--\n\n"
              "Copy `n` bytes from offset `src` to offset `dest`, which count\n"
              "from the end if negative; the two may overlap." BULK_ERRORS);

METHOD_NAMED(view_move, "move", 3, 3, "dest", "src", "n")
{
    size_t to, from, n;
    mapped_error error;
    if (convert_offset(values[0], &to) < 0 ||
        convert_offset(values[1], &from) < 0 ||
        convert_size(values[2], "n", &n) < 0)
        return NULL;
    mapped_slice span = view_span(self);
    if (offset_place(view_owner(self), span.length, &to) < 0 ||
        offset_place(view_owner(self), span.length, &from) < 0)
        return NULL;
    Unlocked unlocked = unlocked_begin(span.region, NULL, n);
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_move(span, to, from, n, &error), &error);
    if (status != MAPPED_OK)
        return raise_in(view_owner(self), "move", &error);
    Py_RETURN_NONE;
}
