/* pack and unpack: the struct language on the bytes of a Region or Slice, with
 * the errors of the module struct. */
#include "binding.h"

/* --- errors -------------------------------------------------------------- */

static PyObject *struct_error(State *state)
{
    if (state->struct_error == NULL) {
        PyObject *module = PyImport_ImportModule("struct");
        if (module == NULL)
            return NULL;
        state->struct_error = PyObject_GetAttrString(module, "error");
        Py_DECREF(module);
    }
    return state->struct_error;
}

/* What lies outside is an IndexError everywhere in mapped, and a struct.error
 * in struct: here it is both. */
static PyObject *range_error(State *state)
{
    if (state->range_error == NULL) {
        PyObject *first = struct_error(state);
        PyObject *bases =
            first == NULL ? NULL : PyTuple_Pack(2, first, PyExc_IndexError);
        if (bases == NULL)
            return NULL;
        state->range_error =
            PyErr_NewException("mapped.PackRangeError", bases, NULL);
        Py_DECREF(bases);
    }
    return state->range_error;
}

static void *raise_format(State *state, const mapped_error *error)
{
    static const char *const texts[] = {
        [MAPPED_FORMAT_OPTION_WRONG] = "bad char in struct format",
        [MAPPED_FORMAT_NO_CODE_WRONG] =
            "repeat count given without format specifier",
        [MAPPED_FORMAT_TOO_LARGE_WRONG] = "total struct size too long",
        [MAPPED_FORMAT_NUL_WRONG] = "embedded null character"};
    PyObject *type = struct_error(state);
    if (error->status == MAPPED_MEMORY)
        return PyErr_NoMemory();
    if (type != NULL)
        PyErr_Format(type, "%s, at offset %zu of the format",
                     texts[error->limit], (size_t)error->offset);
    return NULL;
}

/* Raises a struct.error that ends in the place of the step; -1. */
static int refuse(State *state, const mapped_step *step, const char *what)
{
    PyObject *type = struct_error(state);
    if (type != NULL)
        PyErr_Format(type, "%s, at offset %zu of the format", what,
                     step->place);
    return -1;
}

/* --- compiled formats ---------------------------------------------------- */

#define FORMATS_MOST 256
#define CAPSULE "mapped.format"

static void capsule_free(PyObject *capsule)
{
    mapped_format_release(PyCapsule_GetPointer(capsule, CAPSULE));
}

static PyObject *compile(State *state, PyObject *text)
{
    mapped_format *format;
    mapped_error error;
    PyObject *bytes = PyUnicode_AsASCIIString(text);
    if (bytes == NULL)
        return NULL;
    mapped_status status =
        mapped_format_compile(MAPPED_DIALECT_STRUCT, PyBytes_AsString(bytes),
                              (size_t)PyBytes_Size(bytes), &format, &error);
    Py_DECREF(bytes);
    if (status != MAPPED_OK)
        return raise_format(state, &error);
    PyObject *capsule = PyCapsule_New(format, CAPSULE, capsule_free);
    if (capsule == NULL)
        mapped_format_release(format);
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

void formats_clear(State *state)
{
    Py_CLEAR(state->formats);
    for (int i = 0; i < KNOWN_FORMATS; i++) {
        Py_CLEAR(state->known_formats[i].text);
        Py_CLEAR(state->known_formats[i].capsule);
    }
}

static PyObject *compile_and_remember(State *state, PyObject *text)
{
    PyObject *capsule = compile(state, text);
    if (capsule == NULL)
        return NULL;
    if (PyDict_Size(state->formats) >= FORMATS_MOST)
        PyDict_Clear(state->formats);
    if (PyDict_SetItem(state->formats, text, capsule) < 0)
        Py_CLEAR(capsule);
    return capsule;
}

/* Bytes become text: a dict that has both compares them with a warning. */
static PyObject *format_text(PyObject *object)
{
    if (PyUnicode_Check(object))
        return Py_NewRef(object);
    if (PyBytes_Check(object))
        return PyUnicode_DecodeLatin1(PyBytes_AsString(object),
                                      PyBytes_Size(object), NULL);
    PyErr_Format(PyExc_TypeError, "format must be str or bytes, not %R",
                 (PyObject *)Py_TYPE(object));
    return NULL;
}

static PyObject *look_up(State *state, PyObject *text)
{
    PyObject *capsule = PyDict_GetItemWithError(state->formats, text);
    if (capsule != NULL || PyErr_Occurred())
        return Py_XNewRef(capsule);
    return compile_and_remember(state, text);
}

static KnownFormat *place_of(State *state, PyObject *text)
{
    return &state->known_formats[(uintptr_t)text / 64 % KNOWN_FORMATS];
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
    KnownFormat *place = place_of(state, text);
    KnownFormat old = *place;
    place->text = Py_NewRef(text);
    place->capsule = Py_NewRef(capsule);
    place->format = PyCapsule_GetPointer(capsule, CAPSULE);
    Py_XDECREF(old.text);
    Py_XDECREF(old.capsule);
}
#endif

static PyObject *find_format(State *state, PyObject *object,
                             const mapped_format **format)
{
    PyObject *text = format_text(object);
    if (text == NULL)
        return NULL;
    PyObject *capsule = look_up(state, text);
    Py_DECREF(text);
    if (capsule == NULL)
        return NULL;
    *format = PyCapsule_GetPointer(capsule, CAPSULE);
    make_known(state, object, capsule);
    return capsule;
}

/* A reference to what keeps the compiled format. A text is known by its address
 * as long as it is one of the last used. */
static inline PyObject *get_format(State *state, PyObject *object,
                                   const mapped_format **format)
{
    const KnownFormat *known = place_of(state, object);
    if (known->text != object)
        return find_format(state, object, format);
    *format = known->format;
    return Py_NewRef(known->capsule);
}

/* --- positions ----------------------------------------------------------- */

/* A negative offset counts from the end, as in unpack_from, pack_into. */
static int find_offset(Region *owner, size_t length, size_t size,
                       Py_ssize_t *offset)
{
    if (require_open(owner) < 0)
        return -1;
    if (*offset < 0 && (size_t)0 - (size_t)*offset <= length)
        *offset += (Py_ssize_t)length;
    if (*offset >= 0 && mapped_range_fits((size_t)*offset, size, length))
        return 0;
    PyObject *type = range_error(owner->state);
    if (type != NULL)
        PyErr_Format(type,
                     "%zu bytes at offset %zd are out of range, length %zu",
                     size, *offset, length);
    return -1;
}

/* --- unpack -------------------------------------------------------------- */

#define ITEMS_AT_ONCE 32

static PyObject *read_bytes(Region *owner, mapped_slice span,
                            const mapped_item *item)
{
    mapped_error error;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)item->length);
    if (bytes == NULL)
        return NULL;
    Away away = away_begin(span.region, NULL, item->length);
    mapped_status status = mapped_read(
        span, item->offset, PyBytes_AsString(bytes), item->length, &error);
    away_end(&away);
    if (status == MAPPED_OK)
        return bytes;
    Py_DECREF(bytes);
    return raise_of(owner, &error);
}

static int add_items(Region *owner, mapped_slice span,
                     const mapped_items *items, PyObject *tuple, Py_ssize_t at)
{
    for (size_t i = 0; i < items->count; i++) {
        const mapped_item *item = &items->items[i];
        PyObject *value =
            item->step->kind == MAPPED_STEP_ELEMENT
                ? value_to_python(item->step->element, item->value)
                : read_bytes(owner, span, item);
        if (value == NULL)
            return -1;
        PyTuple_SetItem(tuple, at + (Py_ssize_t)i, value);
    }
    return 0;
}

static PyObject *unpack_all(Region *owner, mapped_slice span,
                            const mapped_format *format, size_t offset)
{
    mapped_item room[ITEMS_AT_ONCE];
    mapped_items items = {room, ITEMS_AT_ONCE, 0};
    mapped_cursor cursor = {.offset = offset};
    mapped_error error;
    Py_ssize_t count = (Py_ssize_t)mapped_format_count(format), at = 0;
    PyObject *tuple = PyTuple_New(count);
    while (tuple != NULL && at < count) {
        if (mapped_format_unpack(format, span, &cursor, &items, &error) !=
            MAPPED_OK) {
            Py_DECREF(tuple);
            return raise_of(owner, &error);
        }
        if (add_items(owner, span, &items, tuple, at) < 0)
            Py_CLEAR(tuple);
        at += (Py_ssize_t)items.count;
    }
    return tuple;
}

const char view_unpack_doc[] = PyDoc_STR(
    "unpack($self, /, format, offset=0)\n--\n\n"
    "Return a tuple of the values that `format`, in the language of struct, "
    "finds\nat byte `offset`, which counts from the end if negative.\n\n"
    "The values and errors of struct.unpack_from; where the bytes end early "
    "the\nerror is a struct.error and an IndexError. ValueError if the region "
    "is\nclosed, FaultError if a page is lost.");

static PyObject *unpack(PyObject *self, PyObject *text, PyObject *where)
{
    Region *owner = view_owner(self);
    const mapped_format *format;
    Py_ssize_t offset = 0;
    size_t size = 0;
    if (where != NULL && convert_index(where, &offset) < 0)
        return NULL;
    PyObject *keeper = get_format(owner->state, text, &format);
    if (keeper == NULL)
        return NULL;
    mapped_slice span = view_span(self);
    PyObject *result = NULL;
    (void)mapped_format_size(format, &size);
    if (find_offset(owner, span.length, size, &offset) == 0)
        result = unpack_all(owner, span, format, (size_t)offset);
    Py_DECREF(keeper);
    return result;
}

METHOD_KEYWORDS(view_unpack)
{
    static const Signature signature = {"unpack", 1, 2, {"format", "offset"}};
    PyObject *values[2] = {NULL, NULL};
    if (keywords == NULL && count == 1)
        return unpack(self, given[0], NULL);
    if (keywords == NULL && count == 2)
        return unpack(self, given[0], given[1]);
    if (arguments_sort(&signature, given, count, keywords, values) < 0)
        return NULL;
    return unpack(self, values[0], values[1]);
}

/* --- pack ---------------------------------------------------------------- */

static int refuse_range(State *state, const mapped_step *step)
{
    PyObject *type = struct_error(state);
    unsigned bits = 8u * step->element->size;
    if (type == NULL)
        return -1;
    if (step->element->kind == MAPPED_KIND_SIGNED)
        PyErr_Format(type,
                     "'%c' format requires %lld <= number <= %lld, at offset "
                     "%zu of the format",
                     step->code, (long long)(INT64_MIN >> (64 - bits)),
                     (long long)(INT64_MAX >> (64 - bits)), step->place);
    else
        PyErr_Format(type,
                     "'%c' format requires 0 <= number <= %llu, at offset %zu "
                     "of the format",
                     step->code,
                     (unsigned long long)(UINT64_MAX >> (64 - bits)),
                     step->place);
    return -1;
}

/* Addresses, code P, may be negative. */
static int64_t to_integer(PyObject *number, const mapped_step *step)
{
    if (step->element->kind == MAPPED_KIND_SIGNED)
        return PyLong_AsLongLong(number);
    if (step->code == 'P')
        return (int64_t)(intptr_t)PyLong_AsVoidPtr(number);
    return (int64_t)PyLong_AsUnsignedLongLong(number);
}

static int integer_item(State *state, PyObject *object, mapped_item *item)
{
    if (!PyIndex_Check(object))
        return refuse(state, item->step, "required argument is not an integer");
    PyObject *number = PyNumber_Index(object);
    if (number == NULL)
        return -1;
    item->value.i = to_integer(number, item->step);
    Py_DECREF(number);
    if (item->value.i != -1 || !PyErr_Occurred())
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return -1;
    PyErr_Clear();
    return refuse_range(state, item->step);
}

static int float_item(State *state, PyObject *object, mapped_item *item)
{
    item->value.f = PyFloat_AsDouble(object);
    if (item->value.f != -1.0 || !PyErr_Occurred())
        return 0;
    PyErr_Clear();
    return refuse(state, item->step, "required argument is not a float");
}

static int char_item(State *state, PyObject *object, mapped_item *item)
{
    if (!PyBytes_Check(object) || PyBytes_Size(object) != 1)
        return refuse(state, item->step,
                      "char format requires a bytes object of length 1");
    item->value.u = (unsigned char)PyBytes_AsString(object)[0];
    return 0;
}

static int element_item(State *state, PyObject *object, mapped_item *item)
{
    switch ((mapped_kind)item->step->element->kind) {
    case MAPPED_KIND_FLOAT:
        return float_item(state, object, item);
    case MAPPED_KIND_CHAR:
        return char_item(state, object, item);
    case MAPPED_KIND_BOOL: {
        int truth = PyObject_IsTrue(object);
        item->value.u = truth > 0;
        return truth < 0 ? -1 : 0;
    }
    default:
        return integer_item(state, object, item);
    }
}

static int check_item(State *state, PyObject *object, const mapped_item *item)
{
    const mapped_step *step = item->step;
    if (mapped_format_check(item, NULL) == MAPPED_OK)
        return 0;
    if (step->element->kind != MAPPED_KIND_FLOAT)
        return refuse_range(state, step);
    if (PyLong_Check(object))
        return refuse(state, step, "int too large to convert");
    PyErr_Format(PyExc_OverflowError,
                 "float too large to pack with %c format, at offset %zu of the "
                 "format",
                 step->code, step->place);
    return -1;
}

/* Bytes only have their type checked: another argument's conversion may yet
 * resize a bytearray. */
static int convert_item(State *state, PyObject *object, mapped_item *item)
{
    if (item->step->kind == MAPPED_STEP_ELEMENT)
        return element_item(state, object, item) < 0
                   ? -1
                   : check_item(state, object, item);
    if (PyBytes_Check(object) || PyByteArray_Check(object))
        return 0;
    return refuse(state, item->step,
                  item->step->kind == MAPPED_STEP_PASCAL
                      ? "argument for 'p' must be a bytes object"
                      : "argument for 's' must be a bytes object");
}

/* Longer bytes are cut, as struct does. */
static void take_bytes(PyObject *object, mapped_item *item)
{
    size_t most = item->step->count;
    bool plain = PyBytes_Check(object);
    item->data =
        plain ? PyBytes_AsString(object) : PyByteArray_AsString(object);
    item->length =
        (size_t)(plain ? PyBytes_Size(object) : PyByteArray_Size(object));
    if (item->step->kind == MAPPED_STEP_PASCAL && most > 0)
        most--;
    if (item->length > most)
        item->length = most;
}

static int convert_all(State *state, const mapped_format *format,
                       PyObject *const *values, mapped_items *items)
{
    mapped_cursor cursor = {.offset = 0};
    mapped_item item = {.step = NULL};
    while (mapped_format_next(format, &cursor, &item)) {
        if (convert_item(state, values[items->count], &item) < 0)
            return -1;
        items->items[items->count++] = item;
    }
    for (size_t i = 0; i < items->count; i++)
        if (items->items[i].step->kind != MAPPED_STEP_ELEMENT)
            take_bytes(values[i], &items->items[i]);
    return 0;
}

static int pack_items(PyObject *self, const mapped_format *format,
                      Py_ssize_t offset, const mapped_items *items)
{
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    mapped_error error;
    size_t size = 0;
    (void)mapped_format_size(format, &size);
    if (find_offset(owner, span.length, size, &offset) < 0)
        return -1;
    mapped_cursor cursor = {.offset = (size_t)offset};
    if (mapped_format_pack(format, span, &cursor, items, &error) == MAPPED_OK)
        return 0;
    raise_of(owner, &error);
    return -1;
}

static int check_count(State *state, const mapped_format *format,
                       Py_ssize_t count)
{
    if (mapped_format_count(format) == (size_t)count)
        return 0;
    PyObject *type = struct_error(state);
    if (type != NULL)
        PyErr_Format(type, "pack expected %zu items for packing (got %zd)",
                     mapped_format_count(format), count);
    return -1;
}

static int pack(PyObject *self, const mapped_format *format, Py_ssize_t offset,
                PyObject *const *values)
{
    mapped_item room[ITEMS_AT_ONCE];
    mapped_items items = {room, ITEMS_AT_ONCE, 0};
    size_t count = mapped_format_count(format);
    if (count > ITEMS_AT_ONCE) {
        items.items = PyMem_Calloc(count, sizeof *items.items);
        items.capacity = count;
    }
    if (items.items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = convert_all(view_owner(self)->state, format, values, &items);
    if (status == 0)
        status = pack_items(self, format, offset, &items);
    if (items.items != room)
        PyMem_Free(items.items);
    return status;
}

const char view_pack_doc[] = PyDoc_STR(
    "pack($self, format, offset, /, *values)\n--\n\n"
    "Store `values` as `format`, in the language of struct, says, at byte\n"
    "`offset`, which counts from the end if negative.\n\n"
    "The bytes and errors of struct.pack_into, but nothing is written if a "
    "value\ncan't be. What lies outside is a struct.error and an IndexError; "
    "TypeError\nif the region is read-only, ValueError if it is closed, "
    "FaultError if a page\nis lost.");

METHOD_KEYWORDS(view_pack)
{
    State *state = view_owner(self)->state;
    const mapped_format *format;
    Py_ssize_t offset;
    if (keywords != NULL && PyTuple_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "pack() takes no keyword arguments");
        return NULL;
    }
    if (count < 2) {
        PyErr_Format(PyExc_TypeError,
                     "pack() takes at least 2 arguments (%zd given)", count);
        return NULL;
    }
    PyObject *keeper = get_format(state, given[0], &format);
    if (keeper == NULL)
        return NULL;
    int status = check_count(state, format, count - 2);
    if (status == 0)
        status = convert_index(given[1], &offset);
    if (status == 0)
        status = pack(self, format, offset, given + 2);
    Py_DECREF(keeper);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}
