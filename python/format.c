/* Formats in the language of struct: compiled once, remembered in two places,
 * and refused with the errors of the module struct.
 *
 * - State.formats is a dict from texts to capsules, each of which owns a
 * Format. It holds no more than MAX_CACHE_BYTES, and is emptied when it is
 * full.
 *
 * - State.known_formats has the capsules of objects that were used lately,
 * found by the address of the str or bytes, so that nothing is hashed. Only
 * what is in the dict gets in there.
 *
 * format_get (format.h) looks in the second place, and format_find in the
 * first. Releasing an object may run any code, which may use a format. So what
 * is released has been taken out of the state before. */
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

/* All formats in the dict take no more bytes than MAX_CACHE_BYTES, each with
 * its text no more than MAX_FORMAT_BYTES. */
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

/* Empties both places; `formats` is the new dict, or NULL. */
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

/* Returns 1 if the format is in the dict now; 0 if it is too large for that; or
 * -1 with an exception. */
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

/* Makes a str of bytes: a dict with both would compare the two, which can warn.
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

/* Returns the exact str that a str or bytes means. */
static PyObject *format_text(State *state, PyObject *object)
{
    if (PyUnicode_Check(object))
        return exact_text(object);
    if (PyBytes_Check(object))
        return decode(state, object);
    return raise_kind("format must be str or bytes", object);
}

/* Returns a reference to the capsule of a text, or NULL: without an exception
 * if the dict has none.
 *
 * The garbage collector shows the dict to code that asks for all objects, which
 * may put anything into it. So a value that isn't a capsule of ours counts as
 * missing; and a key may run code that empties the cache while the dict is
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

/* Returns a reference to the capsule of a text, which is compiled if it is not
 * in the dict; or NULL with an exception. `*is_cached`: it is in the dict now.
 */
static PyObject *find_or_compile(State *state, PyObject *text, bool *is_cached)
{
    PyObject *capsule = find_in_cache(state, text);
    *is_cached = capsule != NULL;
    if (capsule != NULL || PyErr_Occurred())
        return capsule;
    capsule = compile(state, text);
    int status = capsule == NULL ? 0 : add_to_cache(state, text, capsule);
    *is_cached = status > 0;
    if (status < 0)
        Py_CLEAR(capsule);
    return capsule;
}

/* Remembers the object by its address. An object of a subclass isn't kept,
 * because it may refer to anything. */
static void make_known(State *state, PyObject *object, PyObject *capsule)
{
    KnownFormat *place = format_place(state, object);
    const KnownFormat old = *place;
    if (!PyUnicode_CheckExact(object) && !PyBytes_CheckExact(object))
        return;
    place->text = Py_NewRef(object);
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
    PyObject *capsule = find_or_compile(state, text, &is_cached);
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
