/* The type File: a file object of Python's io protocol over the bytes of a
 * Region or a Slice. It has a position (cursor.h) and no buffer, because the
 * memory is the buffer.
 *
 * Each method converts its arguments, then checks that the file and its region
 * are open, and then uses the position: the conversion may run code that closes
 * them or moves the position. */
#include "cursor.h"
#include "unlocked.h"

#include <errno.h>
#include <stdio.h>

/* What peek() and read1() return at most, unless read1() is given a number. */
#define CHUNK 8192

const char view_file_doc[] = PyDoc_STR(
    "file($self, /)\n--\n\n"
    "Return a File over these bytes: a binary file object that reads and\n"
    "writes them in place. Of a Region it follows the length.\n\n"
    "ValueError if the region is closed.");

METHOD_NONE(view_file)
{
    Region *owner = view_owner(self);
    if (require_open(owner, "file") < 0)
        return NULL;
    Cursor *file = PyObject_GC_New(Cursor, owner->state->file_type);
    if (file == NULL)
        return NULL;
    file->weakrefs = NULL;
    file->view = Py_NewRef(self);
    file->position = 0;
    file->is_closed = false;
    if (owner->is_wrap)
        PyObject_GC_Track((PyObject *)file);
    return (PyObject *)file;
}

static void file_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (cursor_of(self)->weakrefs != NULL)
        PyObject_ClearWeakRefs(self);
    Py_DECREF(cursor_of(self)->view);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* Is the file closed, or its region? */
static bool is_closed(PyObject *self)
{
    return cursor_of(self)->is_closed ||
           mapped_region_closed(core_of(cursor_of(self)->view));
}

static bool is_readonly(PyObject *self)
{
    return mapped_slice_readonly(view_span(cursor_of(self)->view));
}

/* Returns 0, or -1 with a ValueError. */
static inline int require_usable(PyObject *self, const char *operation)
{
    if (!is_closed(self))
        return 0;
    if (!cursor_of(self)->is_closed)
        return require_open(cursor_owner(self), operation);
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
    return -1;
}

static PyObject *refuse(PyObject *self, const char *operation, const char *why)
{
    return PyErr_Format(cursor_owner(self)->state->unsupported, "%s: %s",
                        operation, why);
}

/* Converts the only argument of a call, which may be left out. */
static inline int convert_only_count(const Signature *signature,
                                     PyObject *const *given,
                                     Py_ssize_t arguments, PyObject *keywords,
                                     size_t *count)
{
    PyObject *value = arguments == 1 ? given[0] : NULL;
    if ((arguments > 1 || keywords != NULL) &&
        arguments_sort(signature, given, arguments, keywords, &value) < 0)
        return -1;
    return cursor_convert_count(value, count);
}

/* Defines a method that takes at most one argument, a number of bytes. */
#define COUNT_METHOD(name, argument, result)                                  \
    static METHOD_KEYWORDS(file_##name)                                       \
    {                                                                         \
        static const Signature signature = {#name, 0, 1, {argument}};         \
        size_t n;                                                             \
        if (convert_only_count(&signature, given, count, keywords, &n) < 0 || \
            require_usable(self, #name) < 0)                                  \
            return NULL;                                                      \
        return result;                                                        \
    }

#define READ_ERRORS                                                          \
    "ValueError if the file or the region is closed, FaultError if a page\n" \
    "is lost: then the position stays."

static const char file_read_doc[] = PyDoc_STR(
    "read($self, /, size=-1)\n--\n\n"
    "Return the next `size` bytes, or what there is; all of it with -1 or\n"
    "None; b'' at the end. Other threads run while many bytes are "
    "copied.\n\n" READ_ERRORS);
COUNT_METHOD(read, "size", cursor_read(self, n, "read"))

static const char file_read1_doc[] =
    PyDoc_STR("read1($self, /, size=-1)\n--\n\n"
              "Like read(), but with -1 or None return 8 KiB at most.");
COUNT_METHOD(read1, "size",
             cursor_read(self, n == SIZE_MAX ? CHUNK : n, "read1"))

static const char file_readline_doc[] = PyDoc_STR(
    "readline($self, /, size=-1)\n--\n\n"
    "Return the next line with its b'\\n', which the last one may lack, or\n"
    "its first `size` bytes; b'' at the end.\n\n" READ_ERRORS);
COUNT_METHOD(readline, "size", cursor_read_line(self, n))

static PyObject *peek(PyObject *self)
{
    mapped_slice part = cursor_rest(self);
    if (part.length > CHUNK)
        part.length = CHUNK;
    return slice_to_bytes(cursor_owner(self), part, "peek");
}

static const char file_peek_doc[] = PyDoc_STR(
    "peek($self, /, size=0)\n--\n\n"
    "Return the next bytes, 8 KiB at most whatever `size` is, and stay there.");
COUNT_METHOD(peek, "size", peek(self))

static PyObject *file_next(PyObject *self)
{
    if (require_usable(self, "readline") < 0)
        return NULL;
    PyObject *line = cursor_read_line(self, SIZE_MAX);
    if (line != NULL && Py_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

static const char file_readlines_doc[] = PyDoc_STR(
    "readlines($self, /, hint=-1)\n--\n\n"
    "Return a list of the lines that are left, or of so many that they have\n"
    "`hint` bytes, if that is more than 0.\n\n" READ_ERRORS);

static PyObject *read_lines(PyObject *self, size_t hint)
{
    PyObject *line, *lines = PyList_New(0);
    size_t total = 0;
    while (lines != NULL && total < hint && (line = file_next(self)) != NULL) {
        total += (size_t)PyBytes_Size(line);
        if (PyList_Append(lines, line) < 0)
            Py_CLEAR(lines);
        Py_DECREF(line);
    }
    if (PyErr_Occurred())
        Py_CLEAR(lines);
    return lines;
}
COUNT_METHOD(readlines, "hint", read_lines(self, n > 0 ? n : SIZE_MAX))

/* Reads into another object of ours. */
static PyObject *read_into_own(PyObject *self, const Extent *to,
                               const char *operation)
{
    if (require_usable(self, operation) < 0 ||
        require_open(to->owner, operation) < 0)
        return NULL;
    mapped_slice part = cursor_advance(self, to->slice.length);
    const Source source = {.owner = cursor_owner(self),
                           .slice = part,
                           .length = part.length,
                           .operation = operation};
    if (source_store(&source, to->owner, to->slice, 0) == 0)
        return PyLong_FromSize_t(part.length);
    cursor_move_back(self, part);
    return NULL;
}

static PyObject *read_into_buffer(PyObject *self, const Py_buffer *to,
                                  const char *operation)
{
    if (require_usable(self, operation) < 0)
        return NULL;
    mapped_slice part = cursor_advance(self, (size_t)to->len);
    if (slice_read(cursor_owner(self), part, to->buf, operation) == 0)
        return PyLong_FromSize_t(part.length);
    cursor_move_back(self, part);
    return NULL;
}

static PyObject *read_into(PyObject *self, PyObject *to, const char *operation)
{
    Extent extent;
    Py_buffer buffer;
    int is_ours = extent_of(cursor_owner(self)->state, to, operation, &extent);
    if (is_ours < 0)
        return NULL;
    if (is_ours > 0 && extent.is_contiguous)
        return read_into_own(self, &extent, operation);
    if (!PyObject_CheckBuffer(to))
        return raise_kind("a read-write bytes-like object is required", to);
    if (PyObject_GetBuffer(to, &buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    PyObject *result = read_into_buffer(self, &buffer, operation);
    PyBuffer_Release(&buffer);
    return result;
}

static const char file_readinto_doc[] = PyDoc_STR(
    "readinto($self, buffer, /)\n--\n\n"
    "Read into a writable buffer, and return how many bytes: fewer than it\n"
    "takes only at the end.\n\n" READ_ERRORS);

static METHOD_ONE(file_readinto)
{
    return read_into(self, argument, "readinto");
}

static const char file_readinto1_doc[] =
    PyDoc_STR("readinto1($self, buffer, /)\n--\n\nThe same as readinto().");

static METHOD_ONE(file_readinto1)
{
    return read_into(self, argument, "readinto1");
}

static PyObject *write_source(PyObject *self, const Source *source)
{
    if (require_usable(self, "write") < 0)
        return NULL;
    size_t room = cursor_rest(self).length;
    if (is_readonly(self))
        return refuse(self, "write", "the memory is read-only");
    if (source->length > room) {
        raise_room(cursor_owner(self), "write", source->length, room);
        return NULL;
    }
    return cursor_write(self, source) < 0 ? NULL
                                          : PyLong_FromSize_t(source->length);
}

static const char file_write_doc[] = PyDoc_STR(
    "write($self, data, /)\n--\n\n"
    "Store all bytes of `data`, any buffer, at the position; return how many.\n"
    "They are in the memory, and so in the file behind it, at once.\n\n"
    "ValueError, and nothing is written, if they don't fit: a File never\n"
    "makes the memory longer. io.UnsupportedOperation if it is read-only,\n"
    "ValueError if the file or the region is closed, FaultError if a page is\n"
    "lost.");

static METHOD_ONE(file_write)
{
    Source source;
    if (!PyObject_CheckBuffer(argument))
        return raise_kind("a bytes-like object is required", argument);
    if (source_open(cursor_owner(self)->state, argument, "write", &source) < 0)
        return NULL;
    PyObject *result = write_source(self, &source);
    source_close(&source);
    return result;
}

static const char file_writelines_doc[] =
    PyDoc_STR("writelines($self, lines, /)\n--\n\n"
              "Write each of `lines`, which have their newlines already.");

static METHOD_ONE(file_writelines)
{
    PyObject *line, *lines = PyObject_GetIter(argument);
    if (lines == NULL)
        return NULL;
    while ((line = PyIter_Next(lines)) != NULL) {
        PyObject *written = file_write(self, line);
        Py_DECREF(line);
        if (written == NULL)
            break;
        Py_DECREF(written);
    }
    Py_DECREF(lines);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static const char file_seek_doc[] = PyDoc_STR(
    "seek($self, /, offset, whence=0)\n--\n\n"
    "Move to `offset` bytes from the start (0), the position (1) or the end\n"
    "(2), and return the new position, which may be past the end.\n\n"
    "OSError if it is before the start, ValueError for another `whence` or if\n"
    "the file or the region is closed.");

/* Returns the new position, or NULL with an exception. */
static PyObject *seek(PyObject *self, Py_ssize_t offset, Py_ssize_t whence)
{
    size_t base = 0;
    if (whence == SEEK_CUR)
        base = cursor_of(self)->position;
    else if (whence == SEEK_END)
        base = view_span(cursor_of(self)->view).length;
    else if (whence != SEEK_SET)
        return PyErr_Format(PyExc_ValueError,
                            "invalid whence (%zd, should be 0, 1 or 2)",
                            whence);
    if (offset < 0 ? (size_t)0 - (size_t)offset > base
                   : (size_t)offset > (size_t)PY_SSIZE_T_MAX - base) {
        const mapped_error error = {
            .status = MAPPED_SYSTEM, .operation = "seek", .os_error = EINVAL};
        return raise_of(cursor_owner(self), &error);
    }
    cursor_of(self)->position = base + (size_t)offset;
    return PyLong_FromSize_t(cursor_of(self)->position);
}

static METHOD_NAMED(file_seek, "seek", 1, 2, "offset", "whence")
{
    Py_ssize_t offset = PyNumber_AsSsize_t(values[0], PyExc_OverflowError);
    if (offset == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t whence = values[1] == NULL
                            ? SEEK_SET
                            : PyNumber_AsSsize_t(values[1], PyExc_ValueError);
    if ((whence == -1 && PyErr_Occurred()) || require_usable(self, "seek") < 0)
        return NULL;
    return seek(self, offset, whence);
}

/* Defines a method without arguments, whose result is an expression of `self`.
 */
#define PLAIN_METHOD(name, result)                                \
    static METHOD_NONE(file_##name)                               \
    {                                                             \
        return require_usable(self, #name) < 0 ? NULL : (result); \
    }

static const char file_tell_doc[] =
    PyDoc_STR("tell($self, /)\n--\n\nReturn the position.");
PLAIN_METHOD(tell, PyLong_FromSize_t(cursor_of(self)->position))

static const char file_readable_doc[] =
    PyDoc_STR("readable($self, /)\n--\n\nReturn True.");
PLAIN_METHOD(readable, Py_NewRef(Py_True))

static const char file_seekable_doc[] =
    PyDoc_STR("seekable($self, /)\n--\n\nReturn True.");
PLAIN_METHOD(seekable, Py_NewRef(Py_True))

static const char file_writable_doc[] =
    PyDoc_STR("writable($self, /)\n--\n\n"
              "Return whether the memory can be written.");
PLAIN_METHOD(writable, PyBool_FromLong(!is_readonly(self)))

static const char file_isatty_doc[] =
    PyDoc_STR("isatty($self, /)\n--\n\nReturn False.");
PLAIN_METHOD(isatty, Py_NewRef(Py_False))

static const char file_flush_doc[] = PyDoc_STR(
    "flush($self, /)\n--\n\n"
    "Do nothing: there is no buffer. flush() of the Region or the Slice is\n"
    "what survives a loss of power.");
PLAIN_METHOD(flush, Py_NewRef(Py_None))

static const char file_getbuffer_doc[] = PyDoc_STR(
    "getbuffer($self, /)\n--\n\n"
    "Return a memoryview of all the bytes, without a copy. While it exists,\n"
    "close() of the Region raises BufferError.");
PLAIN_METHOD(getbuffer, PyMemoryView_FromObject(cursor_of(self)->view))

static const char file_fileno_doc[] = PyDoc_STR(
    "fileno($self, /)\n--\n\n"
    "Raise io.UnsupportedOperation: no descriptor has this position.");
PLAIN_METHOD(fileno,
             refuse(self, "fileno", "a File over memory has no descriptor"))

static const char file_detach_doc[] =
    PyDoc_STR("detach($self, /)\n--\n\n"
              "Raise io.UnsupportedOperation: there is no raw file below.");
PLAIN_METHOD(detach, refuse(self, "detach", "there is no raw file below"))

static const char file___enter___doc[] =
    PyDoc_STR("__enter__($self, /)\n--\n\n"
              "Return the file. ValueError if it is closed.");
PLAIN_METHOD(__enter__, Py_NewRef(self))

static const char file_truncate_doc[] = PyDoc_STR(
    "truncate($self, /, size=None)\n--\n\n"
    "Raise io.UnsupportedOperation: resize() of the Region does that.");
COUNT_METHOD(truncate, "size",
             (refuse(self, "truncate", "resize() of the Region does that")))

static const char file_close_doc[] =
    PyDoc_STR("close($self, /)\n--\n\n"
              "Close the file, and not the region. Closing twice is fine.");

static METHOD_NONE(file_close)
{
    cursor_of(self)->is_closed = true;
    Py_RETURN_NONE;
}

static const char file___exit___doc[] =
    PyDoc_STR("__exit__($self, type, value, traceback, /)\n--\n\n"
              "Close the file, and not the region.");

static PyObject *file___exit__(PyObject *self, PyObject *arguments)
{
    if (check_exit_arguments(arguments) < 0)
        return NULL;
    return file_close(self, NULL);
}

static PyObject *file_repr(PyObject *self)
{
    return PyUnicode_FromFormat(
        "<mapped.File%s position=%zu of %R>", is_closed(self) ? " closed" : "",
        cursor_of(self)->position, cursor_of(self)->view);
}

GETTER(file, closed, "True once the file or the region was closed.",
       PyBool_FromLong(is_closed(self)))
GETTER(file, mode, "'rb+', or 'rb' if a byte of it can't be written.",
       PyUnicode_FromString(is_readonly(self) ? "rb" : "rb+"))
GETTER(file, name, "The name of the Region: a path, a descriptor or None.",
       Py_NewRef(cursor_owner(self)->name))

static PyMethodDef file_methods[] = {
    METHOD_ROW(file, KEYWORDS, read),
    METHOD_ROW(file, KEYWORDS, read1),
    METHOD_ROW(file, KEYWORDS, readline),
    METHOD_ROW(file, KEYWORDS, readlines),
    METHOD_ROW(file, KEYWORDS, peek),
    METHOD_ROW(file, ONE, readinto),
    METHOD_ROW(file, ONE, readinto1),
    METHOD_ROW(file, ONE, write),
    METHOD_ROW(file, ONE, writelines),
    METHOD_ROW(file, KEYWORDS, seek),
    METHOD_ROW(file, NONE, tell),
    METHOD_ROW(file, KEYWORDS, truncate),
    METHOD_ROW(file, NONE, readable),
    METHOD_ROW(file, NONE, seekable),
    METHOD_ROW(file, NONE, writable),
    METHOD_ROW(file, NONE, isatty),
    METHOD_ROW(file, NONE, flush),
    METHOD_ROW(file, NONE, getbuffer),
    METHOD_ROW(file, NONE, fileno),
    METHOD_ROW(file, NONE, detach),
    METHOD_ROW(file, NONE, close),
    METHOD_ROW(file, NONE, __enter__),
    {"__exit__", file___exit__, METH_VARARGS, file___exit___doc},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef file_attributes[] = {ATTRIBUTE_ROW(file, closed),
                                        ATTRIBUTE_ROW(file, mode),
                                        ATTRIBUTE_ROW(file, name),
                                        {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef file_members[] = WEAKREFS_AT(Cursor, weakrefs);

static const char file_doc[] = PyDoc_STR(
    "A binary file object over the bytes of a Region or a Slice.\n\n"
    "Made by file() of either, with a position of its own at 0. It has the\n"
    "methods of io.BufferedRandom, so zipfile, tarfile, csv, json, pickle,\n"
    "gzip, io.TextIOWrapper and shutil.copyfileobj take it. It reads in\n"
    "place: what a call returns is copied, and nothing else. Closing it does\n"
    "not close the region.\n\n"
    "Threads may share one: none of them gets bytes that another has got.");

static PyType_Slot file_slots[] = {
    {Py_tp_doc, (void *)file_doc},     {Py_tp_dealloc, file_dealloc},
    {Py_tp_traverse, cursor_traverse}, {Py_tp_repr, file_repr},
    {Py_tp_iter, PyObject_SelfIter},   {Py_tp_iternext, file_next},
    {Py_tp_methods, file_methods},     {Py_tp_getset, file_attributes},
    {Py_tp_members, file_members},     {0, NULL}};

TYPE(file, "mapped.File", sizeof(Cursor), 0, Py_TPFLAGS_HAVE_GC)
