/* Formats in the language of struct: compiled once and remembered, and refused
 * with the errors of the module struct. */
#include "format.h"

#include <string.h>

static void *raise_format(State *state, const mapped_error *error)
{
    static const char *const texts[] = {
        [MAPPED_FORMAT_OPTION_WRONG] = "bad char in struct format",
        [MAPPED_FORMAT_NO_CODE_WRONG] =
            "repeat count given without format specifier",
        [MAPPED_FORMAT_TOO_LARGE_WRONG] = "total struct size too long",
        [MAPPED_FORMAT_NUL_WRONG] = "embedded null character"};
    if (error->status == MAPPED_MEMORY)
        return PyErr_NoMemory();
    return PyErr_Format(state->struct_error, "%s, at offset %zu of the format",
                        texts[error->limit], (size_t)error->offset);
}

int format_refuse(State *state, const mapped_field *field, const char *message)
{
    return raised_as_int(PyErr_Format(state->struct_error,
                                      "%s, at offset %zu of the format",
                                      message, field->source_at));
}

/* The cache holds no more bytes than that, in all and in one format with its
 * text. */
#define MAX_CACHE_BYTES ((size_t)1 << 20)
#define MAX_FORMAT_BYTES ((size_t)64 << 10)
#define CAPSULE "mapped.format"

static PyObject *encode(State *state, PyObject *text)
{
    PyObject *bytes = PyUnicode_AsASCIIString(text);
    if (bytes != NULL || !is_encoding_error(text))
        return bytes;
    return PyErr_Format(state->struct_error, "bad char in struct format");
}

static Format *format_new(State *state, const char *text, size_t length)
{
    const mapped_fields_source source = {
        .dialect = MAPPED_DIALECT_STRUCT, .text = text, .length = length};
    size_t bytes;
    mapped_fields *fields;
    mapped_error error;
    if (mapped_fields_room(&source, &bytes, &error) != MAPPED_OK)
        return raise_format(state, &error);
    Format *format = memory_new(sizeof *format + bytes, 1);
    if (format == NULL)
        return NULL;
    if (mapped_fields_init(&source, format->memory, &fields, &error) !=
        MAPPED_OK) {
        PyMem_Free(format);
        return raise_format(state, &error);
    }
    bool native = *text == '\0' || strchr("<>=!", *text) == NULL;
    *format = (Format){fields, sizeof *format + bytes, native};
    return format;
}

static void capsule_free(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, CAPSULE));
}

static PyObject *compile(State *state, PyObject *text)
{
    PyObject *bytes = encode(state, text);
    if (bytes == NULL)
        return NULL;
    Format *format =
        format_new(state, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    Py_DECREF(bytes);
    if (format == NULL)
        return NULL;
    PyObject *capsule = PyCapsule_New(format, CAPSULE, capsule_free);
    if (capsule == NULL)
        PyMem_Free(format);
    return capsule;
}

int formats_traverse(State *state, visitproc visit, void *arg)
{
    Py_VISIT(state->formats);
    for (int i = 0; i < KNOWN_FORMATS; i++) {
        Py_VISIT(state->known_formats[i].text);
        Py_VISIT(state->known_formats[i].capsule);
    }
    return 0;
}

/* Empties the cache; `formats` is the new dict. All references are taken out of
 * the state before the first is released, because that may run any code. */
static void empty_cache(State *state, PyObject *formats)
{
    KnownFormat known[KNOWN_FORMATS];
    PyObject *old = state->formats;
    memcpy(known, state->known_formats, sizeof known);
    memset(state->known_formats, 0, sizeof known);
    state->formats = formats;
    state->formats_size = 0;
    for (int i = 0; i < KNOWN_FORMATS; i++) {
        Py_XDECREF(known[i].text);
        Py_XDECREF(known[i].capsule);
    }
    Py_XDECREF(old);
}

void formats_clear(State *state)
{
    empty_cache(state, NULL);
}

/* Returns 1 if the format is in the cache now; 0 if it is too large for that;
 * or -1 with an exception. */
static int add_to_cache(State *state, PyObject *text, PyObject *capsule)
{
    const Format *format = PyCapsule_GetPointer(capsule, CAPSULE);
    size_t size = format->bytes + (size_t)PyUnicode_GetLength(text);
    if (size > MAX_FORMAT_BYTES || state->formats == NULL)
        return 0;
    if (state->formats_size + size > MAX_CACHE_BYTES) {
        PyObject *new_dict = PyDict_New();
        if (new_dict == NULL)
            return -1;
        empty_cache(state, new_dict);
    }
    PyObject *formats = Py_NewRef(state->formats);
    int status = PyDict_SetItem(formats, text, capsule);
    Py_DECREF(formats);
    if (status < 0)
        return -1;
    state->formats_size += size;
    return 1;
}

static PyObject *compile_and_cache(State *state, PyObject *text,
                                   bool *is_cached)
{
    PyObject *capsule = compile(state, text);
    int status = capsule == NULL ? 0 : add_to_cache(state, text, capsule);
    *is_cached = status > 0;
    if (status < 0)
        Py_CLEAR(capsule);
    return capsule;
}

/* Makes a str of bytes: comparing the two, as a dict with both would, can warn.
 */
static PyObject *decode(State *state, PyObject *bytes)
{
    const char *text = PyBytes_AsString(bytes);
    Py_ssize_t length = PyBytes_Size(bytes);
    for (Py_ssize_t i = 0; i < length; i++)
        if ((unsigned char)text[i] > 127)
            return PyErr_Format(
                state->struct_error,
                "bad char in struct format, at offset %zd of the "
                "format",
                i);
    return PyUnicode_DecodeLatin1(text, length, NULL);
}

static PyObject *format_text(State *state, PyObject *object)
{
    if (PyUnicode_Check(object))
        return exact_text(object);
    if (PyBytes_Check(object))
        return decode(state, object);
    return raise_kind("format must be str or bytes", object);
}

/* Returns a reference to the capsule in the cache; or NULL if there is none, or
 * with an exception.
 *
 * The garbage collector shows the dict to code that asks for all objects, which
 * may put anything into it: a value that is no capsule of ours counts as
 * missing, and keys may run code that makes us forget the dict while it is
 * searched. */
static PyObject *find_in_cache(State *state, PyObject *text)
{
    PyObject *formats = Py_XNewRef(state->formats);
    if (formats == NULL)
        return NULL;
    PyObject *capsule = Py_XNewRef(PyDict_GetItemWithError(formats, text));
    Py_DECREF(formats);
    if (capsule != NULL && !PyCapsule_IsValid(capsule, CAPSULE))
        Py_CLEAR(capsule);
    return capsule;
}

static PyObject *look_up(State *state, PyObject *text, bool *is_cached)
{
    PyObject *capsule = find_in_cache(state, text);
    *is_cached = capsule != NULL;
    if (capsule != NULL || PyErr_Occurred())
        return capsule;
    return compile_and_cache(state, text, is_cached);
}

/* Notes that the format was used. What was in its place is released last,
 * because that may run any code. */
static void make_known(State *state, PyObject *text, PyObject *capsule)
{
    KnownFormat *place = format_place(state, text);
    KnownFormat old = *place;
    if (!PyUnicode_CheckExact(text) && !PyBytes_CheckExact(text))
        return;
    place->text = Py_NewRef(text);
    place->capsule = Py_NewRef(capsule);
    place->format = PyCapsule_GetPointer(capsule, CAPSULE);
    Py_XDECREF(old.text);
    Py_XDECREF(old.capsule);
}

PyObject *format_find(State *state, PyObject *object, const Format **format)
{
    bool is_cached;
    PyObject *text = format_text(state, object);
    if (text == NULL)
        return NULL;
    PyObject *capsule = look_up(state, text, &is_cached);
    Py_DECREF(text);
    if (capsule == NULL)
        return NULL;
    *format = PyCapsule_GetPointer(capsule, CAPSULE);
    if (is_cached)
        make_known(state, object, capsule);
    return capsule;
}

int format_offset(Region *owner, const char *operation, size_t length,
                  size_t size, Py_ssize_t *offset)
{
    if (require_open(owner, operation) < 0)
        return -1;
    if (*offset < 0 && (size_t)0 - (size_t)*offset <= length)
        *offset += (Py_ssize_t)length;
    if (*offset >= 0 && mapped_range_fits((size_t)*offset, size, length))
        return 0;
    return raised_as_int(raise_span(owner, size, *offset, length));
}
