/* The type Mmap, the base class of mapped.mmap.mmap: what Python can't do, or
 * not fast enough. It owns its Region, which no one else has, and a position
 * (cursor.h).
 *
 * Errors have the texts and the order of the standard module's: a closed
 * mapping is refused first, then arguments are converted. The conversion may
 * run code that closes or resizes the mapping, so it is found valid once more
 * before the bytes are accessed. */
#include "array.h"
#include "cursor.h"
#include "unlocked.h"

#include <stdio.h>

const char module__new_mmap_doc[] =
    PyDoc_STR("_new_mmap($module, type, region, /)\n--\n\n"
              "Make an object of a subtype of Mmap, which owns the Region.");

PyObject *module__new_mmap(PyObject *module, PyObject *arguments)
{
    PyObject *type, *region;
    const State *state = PyModule_GetState(module);
    if (!PyArg_UnpackTuple(arguments, "_new_mmap", 2, 2, &type, &region))
        return NULL;
    if (!PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, state->mmap_type) ||
        !Py_IS_TYPE(region, state->region_type))
        return PyErr_Format(PyExc_TypeError,
                            "expected a type of mmap and a Region");
    allocfunc allocate =
        (allocfunc)PyType_GetSlot((PyTypeObject *)type, Py_tp_alloc);
    PyObject *self = allocate((PyTypeObject *)type, 0);
    if (self != NULL)
        cursor_of(self)->view = Py_NewRef(region);
    return self;
}

static PyObject *region_of(PyObject *self)
{
    return cursor_of(self)->view;
}

static void mmap_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject_GC_UnTrack(self);
    if (cursor_of(self)->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_DECREF(region_of(self));
    free_object(self);
    Py_DECREF(type);
}

static int refuse(PyObject *type, const char *text)
{
    PyErr_SetString(type, text);
    return -1;
}

static int require_valid(PyObject *self)
{
    return mapped_region_closed(core_of(region_of(self)))
               ? refuse(PyExc_ValueError, "mmap closed or invalid")
               : 0;
}

static int require_writable(PyObject *self)
{
    if (require_valid(self) < 0)
        return -1;
    return mapped_slice_readonly(view_span(region_of(self)))
               ? refuse(PyExc_TypeError,
                        "mmap can't modify a readonly memory map.")
               : 0;
}

static int mmap_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    buffer->obj = NULL;
    if (require_valid(self) < 0 ||
        view_get_buffer(region_of(self), buffer, flags) < 0)
        return -1;
    Py_DECREF(buffer->obj);
    buffer->obj = Py_NewRef(self);
    return 0;
}

static void mmap_release_buffer(PyObject *self, Py_buffer *buffer)
{
    export_release(cursor_owner(self), buffer);
}

static Py_ssize_t mmap_length(PyObject *self)
{
    if (require_valid(self) < 0)
        return -1;
    return (Py_ssize_t)view_span(region_of(self)).length;
}

static PyObject *bytes_of(PyObject *self, Py_ssize_t start, Py_ssize_t length)
{
    mapped_slice part = view_span(region_of(self));
    part.offset += (size_t)start;
    part.length = (size_t)length;
    return slice_to_bytes(cursor_owner(self), part, "get");
}

/* An item of the sequence is one byte as bytes, and one by subscript is a
 * number, as the standard mmap has it. */
static PyObject *mmap_item(PyObject *self, Py_ssize_t index)
{
    Py_ssize_t length = mmap_length(self);
    if (length < 0)
        return NULL;
    if (index < 0 || index >= length)
        return PyErr_Format(PyExc_IndexError, "mmap index out of range");
    return bytes_of(self, index, 1);
}

/* Converts an index, and makes it count from the start. Returns 0, or -1 with
 * an exception. */
static int index_from_key(PyObject *self, PyObject *key, Py_ssize_t *index)
{
    *index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (*index == -1 && PyErr_Occurred())
        return -1;
    Py_ssize_t length = mmap_length(self);
    if (length < 0)
        return -1;
    if (*index < 0)
        *index += length;
    return *index < 0 || *index >= length
               ? refuse(PyExc_IndexError, "mmap index out of range")
               : 0;
}

typedef struct Bounds {
    Py_ssize_t start;
    Py_ssize_t stop;
    Py_ssize_t step;
    Py_ssize_t length; /* in items */
} Bounds;

static int bounds_from_key(PyObject *self, PyObject *key, Bounds *bounds)
{
    if (!Py_IS_TYPE(key, &PySlice_Type))
        return refuse(PyExc_TypeError, "mmap indices must be integers");
    if (PySlice_Unpack(key, &bounds->start, &bounds->stop, &bounds->step) < 0)
        return -1;
    Py_ssize_t length = mmap_length(self);
    if (length < 0)
        return -1;
    bounds->length = PySlice_AdjustIndices(length, &bounds->start,
                                           &bounds->stop, bounds->step);
    return 0;
}

/* The bytes as an Array. A bound of -1 comes from PySlice_AdjustIndices: it is
 * the place before the first byte, in a slice that goes backwards. In a key it
 * would mean the last byte, so the lowest number stands for it. */
static PyObject *strided_array(PyObject *self, const Bounds *bounds)
{
    Py_ssize_t stop = bounds->stop < 0 ? PY_SSIZE_T_MIN : bounds->stop;
    Py_ssize_t start = bounds->start < 0 ? PY_SSIZE_T_MIN : bounds->start;
    return view_strided(region_of(self), start, stop, bounds->step);
}

static PyObject *subscript_slice(PyObject *self, PyObject *key)
{
    Bounds bounds;
    if (bounds_from_key(self, key, &bounds) < 0)
        return NULL;
    if (bounds.step == 1)
        return bytes_of(self, bounds.start, bounds.length);
    PyObject *array = strided_array(self, &bounds);
    PyObject *bytes = array == NULL ? NULL : array_tobytes(array, NULL);
    Py_XDECREF(array);
    return bytes;
}

static PyObject *mmap_subscript(PyObject *self, PyObject *key)
{
    Py_ssize_t index;
    if (require_valid(self) < 0)
        return NULL;
    if (!PyIndex_Check(key))
        return subscript_slice(self, key);
    return index_from_key(self, key, &index) < 0
               ? NULL
               : view_item(region_of(self), index);
}

static int assign_item(PyObject *self, PyObject *key, PyObject *value)
{
    Py_ssize_t index;
    mapped_error error;
    if (index_from_key(self, key, &index) < 0)
        return -1;
    if (!PyIndex_Check(value))
        return refuse(PyExc_TypeError, "mmap item value must be an int");
    Py_ssize_t number = PyNumber_AsSsize_t(value, PyExc_TypeError);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number < 0 || number > UINT8_MAX)
        return refuse(PyExc_ValueError,
                      "mmap item value must be in range(0, 256)");
    if (require_valid(self) < 0)
        return -1;
    return check_status(cursor_owner(self), ASSIGN,
                        mapped_set_u8(view_span(region_of(self)), (size_t)index,
                                      (uint8_t)number, &error),
                        &error);
}

/* Stores the source's bytes, whatever its items are, at every step-th place. */
static int store_strided(PyObject *self, const Bounds *bounds,
                         const Source *source)
{
    unsigned char *bytes = memory_new(source->length, 1);
    PyObject *array = bytes == NULL ? NULL : strided_array(self, bounds);
    int status = array == NULL ? -1 : source_read(source, bytes);
    if (status == 0)
        status =
            array_scatter(cursor_owner(self), &array_of(array)->core, bytes);
    Py_XDECREF(array);
    PyMem_Free(bytes);
    return status;
}

/* The key is converted after the source is opened, because the source's object
 * may close or resize the mapping. */
static int assign_slice(PyObject *self, PyObject *key, PyObject *value)
{
    Bounds bounds;
    Source source;
    if (!PyObject_CheckBuffer(value))
        return raised_as_int(
            raise_kind("a bytes-like object is required", value));
    if (source_open(cursor_owner(self)->state, value, ASSIGN, &source) < 0)
        return -1;
    int status = bounds_from_key(self, key, &bounds);
    if (status == 0 && source.length != (size_t)bounds.length)
        status =
            refuse(PyExc_IndexError, "mmap slice assignment is wrong size");
    else if (status == 0 && bounds.step == 1)
        status = source_store(&source, cursor_owner(self),
                              view_span(region_of(self)), (size_t)bounds.start);
    else if (status == 0)
        status = store_strided(self, &bounds, &source);
    source_close(&source);
    return status;
}

static int mmap_assign(PyObject *self, PyObject *key, PyObject *value)
{
    if (require_writable(self) < 0)
        return -1;
    if (value == NULL)
        return refuse(PyExc_TypeError,
                      PyIndex_Check(key)
                          ? "mmap object doesn't support item deletion"
                          : "mmap object doesn't support slice deletion");
    return PyIndex_Check(key) ? assign_item(self, key, value)
                              : assign_slice(self, key, value);
}

static const char mmap_read_doc[] = PyDoc_STR(
    "read($self, /, n=None)\n--\n\n"
    "Return up to `n` bytes from the position, all with None, and move on.");

static METHOD_NAMED(mmap_read, "read", 0, 1, "n")
{
    size_t count;
    if (require_valid(self) < 0 ||
        cursor_convert_count(values[0], &count) < 0 || require_valid(self) < 0)
        return NULL;
    return cursor_read(self, count, "read");
}

static const char mmap_readline_doc[] =
    PyDoc_STR("readline($self, /)\n--\n\n"
              "Return the next line with its b'\\n', and move past it.");

static METHOD_NONE(mmap_readline)
{
    return require_valid(self) < 0 ? NULL : cursor_read_line(self, SIZE_MAX);
}

static const char mmap_read_byte_doc[] =
    PyDoc_STR("read_byte($self, /)\n--\n\n"
              "Return the next byte as a number. ValueError at the end.");

static METHOD_NONE(mmap_read_byte)
{
    Py_ssize_t length = mmap_length(self);
    size_t position = cursor_of(self)->position;
    if (length < 0)
        return NULL;
    if (position >= (size_t)length)
        return PyErr_Format(PyExc_ValueError, "read byte out of range");
    PyObject *byte = view_item(region_of(self), (Py_ssize_t)position);
    if (byte != NULL)
        cursor_of(self)->position = position + 1;
    return byte;
}

static int write_source(PyObject *self, const Source *source)
{
    if (require_writable(self) < 0)
        return -1;
    return source->length <= cursor_rest(self).length
               ? cursor_write(self, source)
               : refuse(PyExc_ValueError, "data out of range");
}

static const char mmap_write_doc[] = PyDoc_STR(
    "write($self, data, /)\n--\n\n"
    "Store all of `data` at the position, move past it, return its length.\n"
    "ValueError, and nothing is written, if it doesn't fit.");

static METHOD_ONE(mmap_write)
{
    Source source;
    if (require_valid(self) < 0)
        return NULL;
    if (!PyObject_CheckBuffer(argument))
        return raise_kind("a bytes-like object is required", argument);
    if (source_open(cursor_owner(self)->state, argument, "write", &source) < 0)
        return NULL;
    int status = write_source(self, &source);
    size_t length = source.length;
    source_close(&source);
    return status < 0 ? NULL : PyLong_FromSize_t(length);
}

static const char mmap_write_byte_doc[] = PyDoc_STR(
    "write_byte($self, byte, /)\n--\n\n"
    "Store a number from 0 to 255 at the position, and move past it.");

static METHOD_ONE(mmap_write_byte)
{
    mapped_error error;
    if (require_valid(self) < 0)
        return NULL;
    Py_ssize_t byte = PyNumber_AsSsize_t(argument, NULL);
    if (byte == -1 && PyErr_Occurred())
        return NULL;
    if (byte < 0 || byte > UINT8_MAX)
        return PyErr_Format(
            PyExc_OverflowError, "unsigned byte integer is %s than %simum",
            byte < 0 ? "less" : "greater", byte < 0 ? "min" : "max");
    if (require_writable(self) < 0)
        return NULL;
    mapped_slice rest = cursor_rest(self);
    if (rest.length == 0)
        return PyErr_Format(PyExc_ValueError, "write byte out of range");
    if (check_status(cursor_owner(self), "write_byte",
                     mapped_set_u8(rest, 0, (uint8_t)byte, &error), &error) < 0)
        return NULL;
    cursor_of(self)->position++;
    Py_RETURN_NONE;
}

static const char mmap_tell_doc[] =
    PyDoc_STR("tell($self, /)\n--\n\nReturn the position.");

static METHOD_NONE(mmap_tell)
{
    return require_valid(self) < 0
               ? NULL
               : PyLong_FromSize_t(cursor_of(self)->position);
}

static const char mmap_seek_doc[] = PyDoc_STR(
    "seek($self, /, pos, whence=0)\n--\n\n"
    "Move to `pos` bytes from the start (0), the position (1) or the end (2),\n"
    "and return the new position. ValueError if it is out of range.");

/* Returns 0, or -1 with an exception. */
static int seek(PyObject *self, Py_ssize_t offset, Py_ssize_t whence)
{
    Py_ssize_t length = (Py_ssize_t)view_span(region_of(self)).length;
    Py_ssize_t base = 0;
    if (whence == SEEK_CUR)
        base = (Py_ssize_t)cursor_of(self)->position;
    else if (whence == SEEK_END)
        base = length;
    else if (whence != SEEK_SET)
        return refuse(PyExc_ValueError, "unknown seek type");
    if (offset < -base || offset > length - base)
        return refuse(PyExc_ValueError, "seek out of range");
    cursor_of(self)->position = (size_t)(base + offset);
    return 0;
}

static METHOD_NAMED(mmap_seek, "seek", 1, 2, "pos", "whence")
{
    Py_ssize_t whence = SEEK_SET;
    if (require_valid(self) < 0)
        return NULL;
    Py_ssize_t offset = PyNumber_AsSsize_t(values[0], PyExc_OverflowError);
    if (offset == -1 && PyErr_Occurred())
        return NULL;
    if (values[1] != NULL)
        whence = PyNumber_AsSsize_t(values[1], PyExc_OverflowError);
    if ((whence == -1 && PyErr_Occurred()) || require_valid(self) < 0 ||
        seek(self, offset, whence) < 0)
        return NULL;
    return PyLong_FromSize_t(cursor_of(self)->position);
}

/* NULL leaves `*bound` as it is. */
static int convert_find_bound(PyObject *object, Py_ssize_t *bound)
{
    if (object == NULL)
        return 0;
    *bound = PyNumber_AsSsize_t(object, PyExc_OverflowError);
    return *bound == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Calls view_find or view_rfind of the Region. A start past the end stands for
 * the end, where an empty `sub` is found. */
static PyObject *find(PyObject *self, PyObject *const *values,
                      METHOD_KEYWORDS((*method)))
{
    Py_ssize_t start = (Py_ssize_t)cursor_of(self)->position;
    Py_ssize_t end = PY_SSIZE_T_MAX;
    if (require_valid(self) < 0)
        return NULL;
    if (!PyObject_CheckBuffer(values[0]))
        return raise_kind("a bytes-like object is required", values[0]);
    if (convert_find_bound(values[1], &start) < 0 ||
        convert_find_bound(values[2], &end) < 0)
        return NULL;
    Py_ssize_t length = mmap_length(self);
    if (length < 0)
        return NULL;
    PyObject *first = PyLong_FromSsize_t(start < length ? start : length);
    PyObject *last = PyLong_FromSsize_t(end);
    PyObject *const given[3] = {values[0], first, last};
    PyObject *found = first == NULL || last == NULL
                          ? NULL
                          : method(region_of(self), given, 3, NULL);
    Py_XDECREF(first);
    Py_XDECREF(last);
    return found;
}

static const char mmap_find_doc[] = PyDoc_STR(
    "find($self, /, sub, start=..., end=...)\n--\n\n"
    "Return the lowest index where the bytes `sub` begin in [start:end], or\n"
    "-1. `start` is the position if it is left out.");

static METHOD_NAMED(mmap_find, "find", 1, 3, "sub", "start", "end")
{
    return find(self, values, view_find);
}

static const char mmap_rfind_doc[] =
    PyDoc_STR("rfind($self, /, sub, start=..., end=...)\n--\n\n"
              "Like find(), but return the highest index.");

static METHOD_NAMED(mmap_rfind, "rfind", 1, 3, "sub", "start", "end")
{
    return find(self, values, view_rfind);
}

GETTER(mmap, _region, "The Region that the bytes are of.",
       Py_NewRef(region_of(self)))

static PyMethodDef mmap_methods[] = {
    METHOD_ROW(mmap, KEYWORDS, read),  METHOD_ROW(mmap, NONE, readline),
    METHOD_ROW(mmap, NONE, read_byte), METHOD_ROW(mmap, ONE, write),
    METHOD_ROW(mmap, ONE, write_byte), METHOD_ROW(mmap, NONE, tell),
    METHOD_ROW(mmap, KEYWORDS, seek),  METHOD_ROW(mmap, KEYWORDS, find),
    METHOD_ROW(mmap, KEYWORDS, rfind), {NULL, NULL, 0, NULL}};

static PyGetSetDef mmap_attributes[] = {ATTRIBUTE_ROW(mmap, _region),
                                        {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef mmap_members[] = WEAKREFS_AT(Cursor, weakrefs);

static const char mmap_doc[] =
    PyDoc_STR("The bytes and the position of a mapped.mmap.mmap.");

static PyType_Slot mmap_slots[] = {{Py_tp_doc, (void *)mmap_doc},
                                   {Py_tp_dealloc, mmap_dealloc},
                                   {Py_tp_traverse, cursor_traverse},
                                   {Py_tp_methods, mmap_methods},
                                   {Py_tp_getset, mmap_attributes},
                                   {Py_tp_members, mmap_members},
                                   {Py_sq_length, mmap_length},
                                   {Py_sq_item, mmap_item},
                                   {Py_mp_length, mmap_length},
                                   {Py_mp_subscript, mmap_subscript},
                                   {Py_mp_ass_subscript, mmap_assign},
                                   {Py_bf_getbuffer, mmap_get_buffer},
                                   {Py_bf_releasebuffer, mmap_release_buffer},
                                   {0, NULL}};

TYPE(mmap, "mapped._mapped.Mmap", sizeof(Cursor), 0,
     Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE)
