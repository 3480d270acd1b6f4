/* Reads and writes at a position. The caller has converted its arguments, and
 * found the object open. */
#include <string.h>

#include "cursor.h"
#include "unlocked.h"

/* There is no tp_clear: that of the Region breaks every cycle. */
int cursor_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cursor_of(self)->view);
    return 0;
}

mapped_slice cursor_advance(PyObject *self, size_t n)
{
    mapped_slice part = cursor_rest(self);
    if (part.length > n)
        part.length = n;
    cursor_of(self)->position += part.length;
    return part;
}

void cursor_move_back(PyObject *self, mapped_slice part)
{
    Cursor *cursor = cursor_of(self);
    size_t end = part.offset + part.length - view_span(cursor->view).offset;
    if (cursor->position == end)
        cursor->position -= part.length;
}

/* Reads what the position was moved past. */
static PyObject *read_passed(PyObject *self, mapped_slice part,
                             const char *operation)
{
    PyObject *bytes = slice_to_bytes(cursor_owner(self), part, operation);
    if (bytes == NULL)
        cursor_move_back(self, part);
    return bytes;
}

PyObject *cursor_read(PyObject *self, size_t n, const char *operation)
{
    return read_passed(self, cursor_advance(self, n), operation);
}

/* Shortens the slice to its first line. Returns false if the line doesn't end
 * within UNLOCKED_BYTES, or the access fails. */
static inline bool cut_near_line(mapped_slice *line)
{
    size_t n = line->length < UNLOCKED_BYTES ? line->length : UNLOCKED_BYTES;
    const unsigned char *p =
        n == 0 ? NULL : mapped_slice_try_enter(*line, 0, n);
    const unsigned char *end = p == NULL ? NULL : memchr(p, '\n', n);
    if (end == NULL || !mapped_slice_try_leave(*line))
        return false;
    line->length = (size_t)(end - p) + 1;
    return true;
}

/* The same for a line that may be of any length. Returns 0, or -1 with an
 * exception. */
static int cut_far_line(PyObject *self, mapped_slice *line)
{
    mapped_parts parts;
    mapped_error error;
    bool has_line = false;
    mapped_parts_lines(&parts, *line, true);
    Unlocked unlocked = unlocked_begin(line->region, NULL, line->length);
    line->length = 0;
    mapped_status status = mapped_parts_next(&parts, line, &has_line, &error);
    status = unlocked_end_access(&unlocked, status, &error);
    return check_status(cursor_owner(self), "readline", status, &error);
}

PyObject *cursor_read_line(PyObject *self, size_t n)
{
    mapped_slice line;
    size_t position;
    do {
        position = cursor_of(self)->position;
        line = cursor_rest(self);
        if (line.length > n)
            line.length = n;
        if (!cut_near_line(&line) && cut_far_line(self, &line) < 0)
            return NULL;
        /* Another thread may have read the line meanwhile. */
    } while (cursor_of(self)->position != position);
    cursor_of(self)->position += line.length;
    return read_passed(self, line, "readline");
}

int cursor_write(PyObject *self, const Source *source)
{
    mapped_slice target = cursor_advance(self, source->length);
    int status = source_store(source, cursor_owner(self), target, 0);
    if (status < 0)
        cursor_move_back(self, target);
    return status;
}

/* `number` is the result of a conversion: -1 with an exception if it failed. */
static int count_from_number(Py_ssize_t number, size_t *count)
{
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number >= 0)
        *count = (size_t)number;
    return 0;
}

int cursor_convert_count(PyObject *object, size_t *count)
{
    *count = SIZE_MAX;
    if (object == NULL || object == Py_None)
        return 0;
    if (Py_IS_TYPE(object, &PyLong_Type))
        return count_from_number(PyLong_AsSsize_t(object), count);
    if (!PyIndex_Check(object))
        return raised_as_int(
            raise_kind("argument should be integer or None", object));
    return count_from_number(PyNumber_AsSsize_t(object, PyExc_OverflowError),
                             count);
}
