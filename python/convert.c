/* Converts arguments: Python objects to numbers, words, deadlines and element
 * codes.
 *
 * Each function leaves `*result` alone on failure. An integer is what __index__
 * says, which is code of others. So callers convert all arguments before they
 * look at memory of ours. */
#include "binding.h"

#include <stdio.h>

PyObject *exact_text(PyObject *text)
{
    if (PyUnicode_Check(text))
        return PyUnicode_FromObject(text);
    if (PyBytes_CheckExact(text))
        return Py_NewRef(text);
    return PyBytes_FromStringAndSize(PyBytes_AsString(text),
                                     PyBytes_Size(text));
}

/* If the exception that is set is an OverflowError, which names a type of C,
 * replaces it by an IndexError that shows the number. Returns -1. */
static int replace_overflow(const char *what, PyObject *number)
{
    if (PyErr_ExceptionMatches(PyExc_OverflowError))
        raise_about(PyExc_IndexError, "%s %U is out of range", what, number);
    return -1;
}

PyObject *convert_integer(PyObject *object, const char *what)
{
    if (PyIndex_Check(object))
        return PyNumber_Index(object);
    PyErr_Clear(); /* The caller may have tried it as a number. */
    char text[64];
    snprintf(text, sizeof text, "%s must be an integer", what);
    return raise_kind(text, object);
}

int convert_size(PyObject *object, const char *what, size_t *result)
{
    PyObject *number = convert_integer(object, what);
    if (number == NULL)
        return -1;
    size_t value = PyLong_AsSize_t(number);
    int status = 0;
    if (value == (size_t)-1 && PyErr_Occurred())
        status = replace_overflow(what, number);
    else
        *result = value;
    Py_DECREF(number);
    return status;
}

int convert_any_offset(PyObject *object, size_t *result)
{
    PyErr_Clear(); /* The fast path may have raised. */
    if (object == NULL)
        return 0;
    PyObject *number = convert_integer(object, "offset");
    if (number == NULL)
        return -1;
    Py_ssize_t value = PyLong_AsSsize_t(number);
    int status = 0;
    if (value == -1 && PyErr_Occurred())
        status = replace_overflow("offset", number);
    else
        *result = (size_t)value;
    Py_DECREF(number);
    return status;
}

int offset_from_end(Region *owner, size_t length, size_t *offset)
{
    size_t given = *offset; /* a negative number, modulo 2^N */
    *offset += length;
    return given + length < length
               ? 0
               : raised_as_int(raise_position(owner, "offset",
                                              (Py_ssize_t)given, length));
}

void refuse_index(PyObject *number)
{
    if (!PyIndex_Check(number)) {
        PyErr_Clear();
        raise_kind("an index or offset must be an integer", number);
        return;
    }
    /* The __index__ of another type may have raised the OverflowError itself.
     */
    if (Py_IS_TYPE(number, &PyLong_Type))
        replace_overflow("index", number);
}

int convert_bound(PyObject *object, Py_ssize_t *result)
{
    if (object == NULL || object == Py_None)
        return 0;
    if (!PyIndex_Check(object))
        return raised_as_int(
            PyErr_Format(PyExc_TypeError,
                         "slice indices must be integers or None or have an "
                         "__index__ method"));
    *result = PyNumber_AsSsize_t(object, NULL);
    return *result == -1 && PyErr_Occurred() ? -1 : 0;
}

int convert_u64(PyObject *object, const char *what, uint64_t *result)
{
    if (object == NULL)
        return 0;
    PyObject *number = convert_integer(object, what);
    if (number == NULL)
        return -1;
    int overflow, status = 0;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (overflow > 0)
        status = raised_as_int(
            raise_about(PyExc_ValueError, "%s is too large: %U", what, number));
    else if (value < 0)
        status = raised_as_int(raise_about(
            PyExc_ValueError, "%s must not be negative: %U", what, number));
    else
        *result = (uint64_t)value;
    Py_DECREF(number);
    return status;
}

int convert_u64_or_none(PyObject *object, const char *what, uint64_t *result)
{
    return object == Py_None ? 0 : convert_u64(object, what, result);
}

int convert_byte(PyObject *object, uint8_t *result)
{
    PyObject *number = convert_integer(object, "byte");
    if (number == NULL)
        return -1;
    int overflow, status = 0;
    /* On overflow the value is -1. */
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    if (value < 0 || value > 255)
        status = raised_as_int(raise_about(PyExc_ValueError,
                                           "%s must be in range(0, 256): %U",
                                           "byte", number));
    else
        *result = (uint8_t)value;
    Py_DECREF(number);
    return status;
}

int convert_flag(PyObject *object, uint32_t bit, uint32_t *flags)
{
    int set = object == NULL ? 0 : PyObject_IsTrue(object);
    if (set > 0)
        *flags |= bit;
    return set < 0 ? -1 : 0;
}

/* A longer text is none of the words that we take. */
#define MAX_WORD_LENGTH 16

const char *convert_word(PyObject *object, const char *what, Py_ssize_t *length)
{
    *length = 0;
    if (!PyUnicode_Check(object))
        return raise_kind(what, object);
    if (PyUnicode_GetLength(object) > MAX_WORD_LENGTH)
        return "";
    const char *text = PyUnicode_AsUTF8AndSize(object, length);
    if (text != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeError))
        return text;
    PyErr_Clear();
    *length = 0; /* It may be -1 after the error. */
    return "";
}

int convert_deadline(PyObject *timeout, uint64_t *deadline)
{
    mapped_error error;
    *deadline = MAPPED_NEVER;
    if (timeout == NULL || timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    bool failed = seconds == -1.0 && PyErr_Occurred();
    if (failed && PyErr_ExceptionMatches(PyExc_TypeError) &&
        !PyNumber_Check(timeout))
        return raised_as_int(
            raise_kind("timeout must be a number of seconds or None", timeout));
    if (failed && !PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    if (!failed &&
        mapped_deadline_seconds(seconds, deadline, &error) == MAPPED_OK)
        return 0;
    return raised_as_int(raise_about(PyExc_ValueError,
                                     "%s must be 0 or more seconds: %U",
                                     "timeout", timeout));
}

/* The rows of State.codes: codes without a prefix, which the blank stands for,
 * and then each prefix, the likeliest first. The columns are the characters of
 * ASCII. */
static const char prefixes[CODE_PREFIXES + 1] = " <>=!@";

void codes_fill(State *state)
{
    for (int row = 0; row < CODE_PREFIXES; row++)
        for (int c = 0; c < 128; c++) {
            const char code[2] = {prefixes[row], (char)c};
            const size_t skip = row == 0 ? 1 : 0;
            const mapped_element *element =
                mapped_element_from_struct(code + skip, 2 - skip, NULL);
            const bool native = row == 0 || prefixes[row] == '@';
            if (element != NULL)
                state->codes[row][c] = (Code){element, native ? (char)c : 0};
        }
}

static int row_of_prefix(char prefix)
{
    for (int row = 1; row < CODE_PREFIXES; row++)
        if (prefixes[row] == prefix)
            return row;
    return -1;
}

/* Returns the row's entry for a struct code, whose element is NULL if there is
 * no such code; or NULL for a text that can't be one. */
static const Code *look_up(const State *state, const char *text,
                           Py_ssize_t length)
{
    int row = length == 2 ? row_of_prefix(text[0]) : 0;
    unsigned char c = (unsigned char)text[length == 2 ? 1 : 0];
    if (length < 1 || length > 2 || row < 0 || c > 127)
        return NULL;
    return &state->codes[row][c];
}

static const Code *look_up_name(const char *text, Py_ssize_t length,
                                Code *named)
{
    const mapped_element *element =
        mapped_element_from_name(text, (size_t)length, MAPPED_BIG_ENDIAN);
    if (element == NULL)
        return NULL;
    *named = (Code){element, 0};
    return named;
}

const Code *convert_code(const State *state, PyObject *object, Code *named)
{
    Py_ssize_t length;
    if (!PyUnicode_Check(object))
        return raise_kind("code must be str, as '<I' or 'u32'", object);
    const char *text = PyUnicode_AsUTF8AndSize(object, &length);
    if (text == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeError))
        return NULL;
    if (text != NULL) {
        const Code *code = look_up(state, text, length);
        if (code != NULL && code->element != NULL)
            return code;
        code = look_up_name(text, length, named);
        if (code != NULL)
            return code;
    }
    return raise_about(PyExc_ValueError,
                       "unknown %s %U: codes are those of struct, as '<I' and "
                       "'d', and of layouts, as 'u32' and 'f64be'",
                       "element code", object);
}
