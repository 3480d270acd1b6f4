/* Reads and writes at a position. Arguments are converted before any function
 * here is called. */
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

mapped_slice cursor_take(PyObject *self, size_t n)
{
    mapped_slice taken = cursor_rest(self);
    if (taken.length > n)
        taken.length = n;
    cursor_of(self)->position += taken.length;
    return taken;
}

void cursor_give_back(PyObject *self, mapped_slice taken)
{
    Cursor *cursor = cursor_of(self);
    size_t end = taken.offset + taken.length - view_span(cursor->view).offset;
    if (cursor->position == end)
        cursor->position -= taken.length;
}

/* Returns the bytes of a slice that was taken. */
static PyObject *read_taken(PyObject *self, mapped_slice taken,
                            const char *operation)
{
    PyObject *bytes = slice_to_bytes(cursor_owner(self), taken, operation);
    if (bytes == NULL)
        cursor_give_back(self, taken);
    return bytes;
}

PyObject *cursor_read(PyObject *self, size_t n, const char *operation)
{
    return read_taken(self, cursor_take(self, n), operation);
}

/* Finds the end of the first line where it is near, and nothing is in the way.
 */
static inline bool find_near(mapped_slice *line)
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

/* Finds the end of the first line anywhere. */
static int find_far(PyObject *self, mapped_slice *line)
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
        if (!find_near(&line) && find_far(self, &line) < 0)
            return NULL;
        /* Another thread may have read the line meanwhile. */
    } while (cursor_of(self)->position != position);
    cursor_of(self)->position += line.length;
    return read_taken(self, line, "readline");
}

int cursor_write(PyObject *self, const Source *source)
{
    mapped_slice target = cursor_take(self, source->length);
    int status = source_store(source, cursor_owner(self), target, 0);
    if (status < 0)
        cursor_give_back(self, target);
    return status;
}

/* Takes -1 for a failed conversion if an exception is set. */
static int convert_number(Py_ssize_t number, size_t *count)
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
        return convert_number(PyLong_AsSsize_t(object), count);
    if (!PyIndex_Check(object))
        return raised_as_int(
            raise_kind("argument should be integer or None", object));
    return convert_number(PyNumber_AsSsize_t(object, PyExc_OverflowError),
                          count);
}
