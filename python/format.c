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
    PyErr_Format(state->struct_error, "%s, at offset %zu of the format",
                 texts[error->limit], (size_t)error->offset);
    return NULL;
}

int format_refuse(State *state, const mapped_step *step, const char *what)
{
    PyErr_Format(state->struct_error, "%s, at offset %zu of the format", what,
                 step->place);
    return -1;
}

/* In bytes: of all that is kept, and of one format and what it compiles to. */
#define FORMATS_SIZE ((size_t)1 << 20)
#define FORMAT_SIZE ((size_t)64 << 10)
#define CAPSULE "mapped.format"

static PyObject *make_bytes(const mapped_element *Py_UNUSED(element),
                            const unsigned char *p, size_t n)
{
    return PyBytes_FromStringAndSize((const char *)p, (Py_ssize_t)n);
}

static PyObject *make_pascal(const mapped_element *Py_UNUSED(element),
                             const unsigned char *p, size_t n)
{
    size_t told = n > 0 ? mapped_load_u8(p) : 0; /* once: it may change */
    size_t length = told < n ? told : n - (n > 0);
    return PyBytes_FromStringAndSize((const char *)p + (n > 0),
                                     (Py_ssize_t)length);
}

static PlanItem plan_item(const mapped_step_value *item)
{
    const mapped_step *step = item->step;
    PlanItem planned = {make_bytes, step->element, item->offset, step->count};
    if (step->kind == MAPPED_STEP_ELEMENT)
        planned.make = maker_of(step->element)->make;
    else if (step->kind == MAPPED_STEP_PASCAL)
        planned.make = make_pascal;
    return planned;
}

/* Takes the reference to the format, also on failure. */
static Plan *plan_new(mapped_format *format, bool native)
{
    mapped_cursor cursor = {.offset = 0};
    mapped_step_value item = {.step = NULL};
    size_t count = mapped_format_count(format), size = 0;
    (void)mapped_format_size(format, &size);
    bool small = count <= PLAN_VALUES && size <= PLAN_BYTES;
    size_t items = small ? count : 0;
    Plan *plan = PyMem_Malloc(sizeof *plan + items * sizeof plan->items[0]);
    if (plan == NULL) {
        mapped_format_release(format);
        PyErr_NoMemory();
        return NULL;
    }
    *plan = (Plan){format, size, (Py_ssize_t)count, small, native};
    for (size_t i = 0; i < items; i++)
        if (mapped_format_next(format, &cursor, &item))
            plan->items[i] = plan_item(&item);
    return plan;
}

static void plan_free(Plan *plan)
{
    mapped_format_release(plan->format);
    PyMem_Free(plan);
}

static void capsule_free(PyObject *capsule)
{
    plan_free(PyCapsule_GetPointer(capsule, CAPSULE));
}

/* The exception of the codec, which struct raises too, keeps the whole text. */
#define LONG_TEXT 64

static PyObject *encode(State *state, PyObject *text)
{
    PyObject *bytes = PyUnicode_AsASCIIString(text);
    if (bytes != NULL || PyUnicode_GetLength(text) <= LONG_TEXT ||
        !PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return bytes;
    PyErr_SetString(state->struct_error, "bad char in struct format");
    return NULL;
}

static Plan *compile_text(State *state, PyObject *text)
{
    mapped_format *format;
    mapped_error error;
    PyObject *bytes = encode(state, text);
    if (bytes == NULL)
        return NULL;
    const char *start = PyBytes_AsString(bytes);
    bool native = *start == '\0' || strchr("<>=!", *start) == NULL;
    mapped_status status =
        mapped_format_compile(MAPPED_DIALECT_STRUCT, start,
                              (size_t)PyBytes_Size(bytes), &format, &error);
    Py_DECREF(bytes);
    return status == MAPPED_OK ? plan_new(format, native)
                               : raise_format(state, &error);
}

static PyObject *compile(State *state, PyObject *text)
{
    Plan *plan = compile_text(state, text);
    if (plan == NULL)
        return NULL;
    PyObject *capsule = PyCapsule_New(plan, CAPSULE, capsule_free);
    if (capsule == NULL)
        plan_free(plan);
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

/* Everything is out of the state before the first of it goes. */
static void forget(State *state, PyObject *formats)
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
    forget(state, NULL);
}

/* At most: every character can be a step. What overflows is too large. */
static size_t size_of(PyObject *text, const Plan *plan)
{
    size_t length = (size_t)PyUnicode_GetLength(text), size;
    size_t items = plan->small ? (size_t)plan->count : 0;
    if (!mapped_multiply_size(length, 1 + sizeof(mapped_step), &size))
        return SIZE_MAX;
    return size + sizeof *plan + items * sizeof plan->items[0];
}

/* Returns 1 if the format was kept, 0 if it is too large for that, or -1 with
 * an exception. */
static int keep(State *state, PyObject *text, PyObject *capsule)
{
    size_t size = size_of(text, PyCapsule_GetPointer(capsule, CAPSULE));
    if (size > FORMAT_SIZE || state->formats == NULL)
        return 0;
    if (state->formats_size + size > FORMATS_SIZE) {
        PyObject *empty = PyDict_New();
        if (empty == NULL)
            return -1;
        forget(state, empty);
    }
    PyObject *formats = Py_NewRef(state->formats);
    int status = PyDict_SetItem(formats, text, capsule);
    Py_DECREF(formats);
    if (status < 0)
        return -1;
    state->formats_size += size;
    return 1;
}

static PyObject *compile_and_keep(State *state, PyObject *text, bool *kept)
{
    PyObject *capsule = compile(state, text);
    int status = capsule == NULL ? 0 : keep(state, text, capsule);
    *kept = status > 0;
    if (status < 0)
        Py_CLEAR(capsule);
    return capsule;
}

/* Bytes become text: a dict that has both compares them with a warning. */
static PyObject *decode(State *state, PyObject *bytes)
{
    const char *text = PyBytes_AsString(bytes);
    Py_ssize_t length = PyBytes_Size(bytes);
    for (Py_ssize_t i = 0; i < length; i++)
        if ((unsigned char)text[i] > 127) {
            PyErr_Format(state->struct_error,
                         "bad char in struct format, at offset %zd of the "
                         "format",
                         i);
            return NULL;
        }
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

/* A reference to the capsule that is kept, or NULL, maybe with an exception.
 *
 * The garbage collector shows the dict to whoever asks for it, who may put
 * anything into it: a value that is no capsule of ours counts as missing, and
 * keys may run code that makes us forget the dict while it is searched. */
static PyObject *find_kept(State *state, PyObject *text)
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

static PyObject *look_up(State *state, PyObject *text, bool *kept)
{
    PyObject *capsule = find_kept(state, text);
    *kept = capsule != NULL;
    if (capsule != NULL || PyErr_Occurred())
        return capsule;
    return compile_and_keep(state, text, kept);
}

#ifdef Py_GIL_DISABLED
static void make_known(State *state, PyObject *text, PyObject *capsule)
{
    (void)state, (void)text, (void)capsule;
}
#else
/* What was there goes last: letting go of it may run anything. */
static void make_known(State *state, PyObject *text, PyObject *capsule)
{
    KnownFormat *place = format_place(state, text);
    KnownFormat old = *place;
    if (!PyUnicode_CheckExact(text) && !PyBytes_CheckExact(text))
        return;
    place->text = Py_NewRef(text);
    place->capsule = Py_NewRef(capsule);
    place->plan = PyCapsule_GetPointer(capsule, CAPSULE);
    Py_XDECREF(old.text);
    Py_XDECREF(old.capsule);
}
#endif

PyObject *format_find(State *state, PyObject *object, const Plan **plan)
{
    bool kept;
    PyObject *text = format_text(state, object);
    if (text == NULL)
        return NULL;
    PyObject *capsule = look_up(state, text, &kept);
    Py_DECREF(text);
    if (capsule == NULL)
        return NULL;
    *plan = PyCapsule_GetPointer(capsule, CAPSULE);
    if (kept)
        make_known(state, object, capsule);
    return capsule;
}

int format_offset(Region *owner, size_t length, size_t size, Py_ssize_t *offset)
{
    if (require_open(owner) < 0)
        return -1;
    if (*offset < 0 && (size_t)0 - (size_t)*offset <= length)
        *offset += (Py_ssize_t)length;
    if (*offset >= 0 && mapped_range_fits((size_t)*offset, size, length))
        return 0;
    PyErr_Format(owner->state->range_error,
                 "%zu bytes at offset %zd are out of range, length %zu", size,
                 *offset, length);
    return -1;
}
