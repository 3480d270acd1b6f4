/* How values in memory become Python objects and back.
 *
 * - An element is one number, bool or char; mapped_element is its type.
 * - A form is how elements lie in memory: their kind, their size, and whether
 *   their bytes must be swapped.
 * - An item is an element, a text, a record, or several of one of these.
 * - A field is an item of a record, at an offset and with a name.
 *
 * Elements come first. For each form there are three functions: read_<form>
 * reads an element of a slice, with all checks; make_<form> makes an object of
 * one in plain memory, and fill_<form> a list of many. read_any, make_any and
 * fill_any are for forms that have none. Then objects are converted to
 * elements, items are made, and fields and records are stored. value.h has the
 * contracts. */
#include "source.h"
#include "value.h"

#include <string.h>

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* PyLong_FromLong is faster than PyLong_FromLongLong. */
#if LONG_MAX >= INT64_MAX
#    define INT_OF_I64 PyLong_FromLong
#else
#    define INT_OF_I64 PyLong_FromLongLong
#endif

PyObject *value_object(const mapped_element *element, mapped_value value)
{
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
        return INT_OF_I64(value.i);
    case MAPPED_KIND_UNSIGNED:
        return value.u <= INT64_MAX ? INT_OF_I64(value.i)
                                    : PyLong_FromUnsignedLongLong(value.u);
    case MAPPED_KIND_FLOAT:
        return PyFloat_FromDouble(value.f);
    case MAPPED_KIND_BOOL:
        return PyBool_FromLong(value.u != 0);
    case MAPPED_KIND_CHAR: {
        char byte = (char)value.u;
        return PyBytes_FromStringAndSize(&byte, 1);
    }
    }
    Py_UNREACHABLE();
}

/* The slow path of every element: read_<form> calls it when the core's inline
 * checks don't pass. */
COLD static PyObject *read_any(Region *owner, const mapped_slice *slice,
                               const mapped_element *element, size_t offset)
{
    mapped_value value;
    mapped_error error;
    if (mapped_get(*slice, element, offset, &value, &error) != MAPPED_OK)
        return raise_of(owner, &error);
    return value_object(element, value);
}

/* Makes an object of any element. Only an integer of more than 8 bytes can be
 * too large for the core. */
static PyObject *make_any(const mapped_element *element, const unsigned char *p)
{
    mapped_value value;
    if (element->load(element, p, &value) == MAPPED_OK)
        return value_object(element, value);
    return PyErr_Format(PyExc_ValueError, "an integer of %d bytes is too large",
                        element->size);
}

/* Defines the Fill `name` with `make`, which makes one object. `size` is that
 * of the element, which it may call `element`. */
#define FILL(name, make, size)                                             \
    static int name(const mapped_element *element, const unsigned char *p, \
                    PyObject *list, Py_ssize_t at, Py_ssize_t end)         \
    {                                                                      \
        for (; at < end; at++, p += (size)) {                              \
            PyObject *item = make(element, p);                             \
            if (item == NULL)                                              \
                return -1;                                                 \
            PyList_SetItem(list, at, item);                                \
        }                                                                  \
        return 0;                                                          \
    }

FILL(fill_any, make_any, element->size)

/* Defines make_<name>, fill_<name> and read_<name>. `object` is an expression:
 * it makes the Python object of `raw`, the element's bits as an unsigned
 * integer. */
#define FORM(name, bits, object)                                               \
    static inline PyObject *make_##name(                                       \
        const mapped_element *Py_UNUSED(element), const unsigned char *p)      \
    {                                                                          \
        uint##bits##_t raw = mapped_load_u##bits(p);                           \
        return object;                                                         \
    }                                                                          \
    FILL(fill_##name, make_##name, bits / 8)                                   \
    static PyObject *read_##name(Region *owner, const mapped_slice *slice,     \
                                 const mapped_element *element, size_t offset) \
    {                                                                          \
        const unsigned char *p =                                               \
            mapped_slice_try_enter(*slice, offset, bits / 8);                  \
        if (p == NULL)                                                         \
            return read_any(owner, slice, element, offset);                    \
        uint##bits##_t raw = mapped_load_u##bits(p);                           \
        if (!mapped_slice_try_leave(*slice))                                   \
            return read_any(owner, slice, element, offset);                    \
        return object;                                                         \
    }

FORM(i8, 8, PyLong_FromLong((int8_t)raw))
FORM(u8, 8, PyLong_FromLong(raw))
FORM(i16, 16, PyLong_FromLong((int16_t)raw))
FORM(i16_swapped, 16, PyLong_FromLong((int16_t)mapped_swap_u16(raw)))
FORM(u16, 16, PyLong_FromLong(raw))
FORM(u16_swapped, 16, PyLong_FromLong(mapped_swap_u16(raw)))
FORM(i32, 32, PyLong_FromLong((int32_t)raw))
FORM(i32_swapped, 32, PyLong_FromLong((int32_t)mapped_swap_u32(raw)))
FORM(u32, 32, PyLong_FromUnsignedLong(raw))
FORM(u32_swapped, 32, PyLong_FromUnsignedLong(mapped_swap_u32(raw)))
FORM(i64, 64, INT_OF_I64((int64_t)raw))
FORM(i64_swapped, 64, INT_OF_I64((int64_t)mapped_swap_u64(raw)))
FORM(u64, 64, PyLong_FromUnsignedLongLong(raw))
FORM(u64_swapped, 64, PyLong_FromUnsignedLongLong(mapped_swap_u64(raw)))
FORM(f32, 32, PyFloat_FromDouble(float_of(raw)))
FORM(f32_swapped, 32, PyFloat_FromDouble(float_of(mapped_swap_u32(raw))))
FORM(f64, 64, PyFloat_FromDouble(double_of(raw)))
FORM(f64_swapped, 64, PyFloat_FromDouble(double_of(mapped_swap_u64(raw))))

/* The tables, from the form of an element to one of these functions. */
#define SWAPPED(form) ((form) + MAPPED_FORM_SWAPPED)
/* clang-format off */
#define TABLE(name)                                               \
    {                                                             \
        [MAPPED_FORM_OTHER] = name##_any,                         \
        [MAPPED_FORM_BOOL] = name##_any,                          \
        [MAPPED_FORM_CHAR] = name##_any,                          \
        [MAPPED_FORM_I8] = name##_i8,                             \
        [MAPPED_FORM_U8] = name##_u8,                             \
        [MAPPED_FORM_I16] = name##_i16,                           \
        [SWAPPED(MAPPED_FORM_I16)] = name##_i16_swapped,          \
        [MAPPED_FORM_U16] = name##_u16,                           \
        [SWAPPED(MAPPED_FORM_U16)] = name##_u16_swapped,          \
        [MAPPED_FORM_I32] = name##_i32,                           \
        [SWAPPED(MAPPED_FORM_I32)] = name##_i32_swapped,          \
        [MAPPED_FORM_U32] = name##_u32,                           \
        [SWAPPED(MAPPED_FORM_U32)] = name##_u32_swapped,          \
        [MAPPED_FORM_I64] = name##_i64,                           \
        [SWAPPED(MAPPED_FORM_I64)] = name##_i64_swapped,          \
        [MAPPED_FORM_U64] = name##_u64,                           \
        [SWAPPED(MAPPED_FORM_U64)] = name##_u64_swapped,          \
        [MAPPED_FORM_F32] = name##_f32,                           \
        [SWAPPED(MAPPED_FORM_F32)] = name##_f32_swapped,          \
        [MAPPED_FORM_F64] = name##_f64,                           \
        [SWAPPED(MAPPED_FORM_F64)] = name##_f64_swapped,          \
    }
/* clang-format on */

Read *const value_read[MAPPED_FORMS] = TABLE(read);
Make *const value_make[MAPPED_FORMS] = TABLE(make);
Fill *const value_fill[MAPPED_FORMS] = TABLE(fill);

/* Of an address only the bits count, whatever its sign. VALUE_UNFIT replaces
 * the OverflowError of an int that is too large for C. */
static ValueStatus integer_from(const mapped_element *element, bool is_address,
                                PyObject *object, mapped_value *value)
{
    PyObject *number = convert_integer(object, "the value");
    if (number == NULL)
        return VALUE_RAISED;
    if (is_address)
        value->u = (uintptr_t)PyLong_AsVoidPtr(number);
    else if (element->kind == MAPPED_KIND_SIGNED)
        value->i = PyLong_AsLongLong(number);
    else
        value->u = PyLong_AsUnsignedLongLong(number);
    bool fits = !PyErr_Occurred();
    Py_DECREF(number);
    PyErr_Clear();
    return fits ? VALUE_CONVERTED : VALUE_UNFIT;
}

/* C's conversion to a float, which makes an infinity of what is out of range,
 * is for a native 'f' alone. */
static ValueStatus float_from(bool is_native_float, PyObject *object,
                              mapped_value *value)
{
    value->f = PyFloat_AsDouble(object);
    if (value->f == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) &&
            !PyNumber_Check(object)) {
            PyErr_Clear();
            raise_kind("the value must be a number", object);
        }
        return VALUE_RAISED;
    }
    if (is_native_float)
        value->f = (float)value->f;
    return VALUE_CONVERTED;
}

static ValueStatus bool_from(PyObject *object, mapped_value *value)
{
    int truth = PyObject_IsTrue(object);
    value->u = truth > 0;
    return truth < 0 ? VALUE_RAISED : VALUE_CONVERTED;
}

static ValueStatus char_from(PyObject *object, mapped_value *value)
{
    if (!PyBytes_Check(object) || PyBytes_Size(object) != 1) {
        raise_about(PyExc_TypeError,
                    "%s takes a bytes object of length 1, not %U",
                    "element 'c'", object);
        return VALUE_RAISED;
    }
    value->u = (unsigned char)PyBytes_AsString(object)[0];
    return VALUE_CONVERTED;
}

/* `native` is the letter of a struct code if its limits are the C compiler's,
 * else 0. */
ValueStatus value_convert(const mapped_element *element, char native,
                          PyObject *object, mapped_value *value)
{
    PyErr_Clear(); /* The fast path may have raised. */
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
    case MAPPED_KIND_UNSIGNED:
        return integer_from(element, native == 'P', object, value);
    case MAPPED_KIND_FLOAT:
        return float_from(native == 'f', object, value);
    case MAPPED_KIND_BOOL:
        return bool_from(object, value);
    case MAPPED_KIND_CHAR:
        return char_from(object, value);
    }
    Py_UNREACHABLE();
}

/* Makes VALUE_UNFIT of an OverflowError, which an int too large for a float
 * raises, or an object's own __index__ or __float__. (Only pack does without
 * this, as struct has other rules.) */
static ValueStatus unfit_if_overflow(ValueStatus status)
{
    if (status != VALUE_RAISED || !PyErr_ExceptionMatches(PyExc_OverflowError))
        return status;
    PyErr_Clear();
    return VALUE_UNFIT;
}

int raise_conversion(const mapped_element *element, PyObject *object,
                     ValueStatus status)
{
    if (unfit_if_overflow(status) != VALUE_RAISED)
        raise_value(element, object);
    return -1;
}

/* Converts an object and stores it. Sets no OverflowError. */
static ValueStatus convert_and_store(const mapped_element *element, char native,
                                     PyObject *object, unsigned char *to)
{
    mapped_value value;
    ValueStatus status = value_from(element, native, object, &value);
    if (status == VALUE_CONVERTED &&
        element->store(element, to, value) != MAPPED_OK)
        return VALUE_UNFIT;
    return unfit_if_overflow(status);
}

int element_store(const mapped_element *element, char native, PyObject *object,
                  unsigned char *to)
{
    ValueStatus status = convert_and_store(element, native, object, to);
    return status == VALUE_CONVERTED
               ? 0
               : raise_conversion(element, object, status);
}

/* How a tuple is filled, here and below: it stays untracked until it is full,
 * so that no code of others finds its empty places by the garbage collector;
 * and put_item gives the tuple up on failure, and leaves NULL, which ends the
 * loop and is returned. */

/* Makes a tuple of the single items of an item that repeats. */
static PyObject *make_tuple(const mapped_item *item, const unsigned char *p)
{
    mapped_item single = mapped_item_single(item);
    PyObject *tuple =
        container_untrack(container_new(PyTuple_New, item->count));
    for (size_t i = 0; tuple != NULL && i < item->count; i++)
        put_item(&tuple, i, item_make(&single, p + i * single.size));
    return container_track(tuple);
}

static PyObject *bytes_copy(const unsigned char *p, size_t length)
{
    PyObject *bytes = bytes_new(length);
    if (bytes != NULL && length > 0)
        memcpy(PyBytes_AsString(bytes), p, length);
    return bytes;
}

static PyObject *make_record(const mapped_fields *fields,
                             const unsigned char *p)
{
    PyObject *tuple =
        container_untrack(container_new(PyTuple_New, fields->count));
    for (size_t i = 0; tuple != NULL && i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        put_item(&tuple, i, item_make(&field->item, p + field->offset));
    }
    return container_track(tuple);
}

PyObject *item_make(const mapped_item *item, const unsigned char *p)
{
    size_t length;
    switch (item->kind) {
    case MAPPED_ITEM_ELEMENT:
        return element_make(item->element, p);
    case MAPPED_ITEM_RECORD:
        return make_record(item->record, p);
    case MAPPED_ITEM_ELEMENTS:
    case MAPPED_ITEM_RECORDS:
        return make_tuple(item, p);
    default:
        p = mapped_item_load_bytes(item, p, &length);
        return bytes_copy(p, length);
    }
}

/* Raises that the object doesn't fit the field; returns -1. */
static int raise_field(const mapped_field *field, PyObject *object)
{
    const mapped_element *element = field->item.element;
    const char *type = element != NULL ? element->name : "records";
    const char *repeated = field->item.count > 1 ? ", repeated" : "";
    char range[64] = "";
    PyObject *text = shown(object);
    if (text != NULL && element != NULL && field->item.kind != MAPPED_ITEM_TEXT)
        value_range(element, range, sizeof range);
    if (text != NULL)
        PyErr_Format(PyExc_ValueError, "%U does not fit field '%.60s' (%s%s%s)",
                     text, field->name, type, repeated, range);
    Py_XDECREF(text);
    return -1;
}

static int store_text_field(const State *state, const mapped_field *field,
                            PyObject *object, unsigned char *to)
{
    Source source;
    if (source_open(state, object, ASSIGN, &source) < 0)
        return -1;
    int status = source.length <= field->item.count
                     ? source_read(&source, to)
                     : raise_field(field, object);
    source_close(&source);
    return status;
}

static int store_element_field(const mapped_field *field, PyObject *object,
                               unsigned char *to)
{
    ValueStatus status = convert_and_store(field->item.element, 0, object, to);
    if (status == VALUE_UNFIT)
        return raise_field(field, object);
    return status == VALUE_CONVERTED ? 0 : -1;
}

/* The sequence becomes a tuple first, because converting a value may change the
 * sequence. */
static int store_sequence_field(const State *state, const mapped_field *field,
                                PyObject *object, unsigned char *to)
{
    const mapped_item *item = &field->item;
    size_t size = item->size / item->count;
    PyObject *values = PySequence_Tuple(object);
    if (values == NULL)
        return -1;
    Py_ssize_t count = PyTuple_Size(values);
    int status = (size_t)count == item->count ? 0 : raise_field(field, object);
    for (Py_ssize_t i = 0; i < count && status == 0; i++, to += size) {
        PyObject *value = PyTuple_GetItem(values, i);
        status = item->record != NULL
                     ? record_store(state, item->record, value, to)
                     : store_element_field(field, value, to);
    }
    Py_DECREF(values);
    return status;
}

int field_store(const State *state, const mapped_field *field, PyObject *object,
                unsigned char *to)
{
    switch (field->item.kind) {
    case MAPPED_ITEM_ELEMENT:
        return store_element_field(field, object, to);
    case MAPPED_ITEM_RECORD:
        return record_store(state, field->item.record, object, to);
    case MAPPED_ITEM_TEXT:
        return store_text_field(state, field, object, to);
    default:
        return store_sequence_field(state, field, object, to);
    }
}

PyObject *values_tuple(const char *what, PyObject *object)
{
    PyObject *values = PySequence_Tuple(object);
    /* Only for an object that can't be iterated at all: an iterator's own
     * TypeError stays. */
    if (values == NULL && PyErr_ExceptionMatches(PyExc_TypeError) &&
        !PySequence_Check(object) &&
        PyType_GetSlot(Py_TYPE(object), Py_tp_iter) == NULL) {
        PyErr_Clear();
        raise_kind(what, object);
    }
    return values;
}

/* Returns what an object that has values by name is called: a dict, or a record
 * of any layout; NULL for other objects. */
static const char *named_kind(const State *state, PyObject *object)
{
    if (PyDict_Check(object))
        return "a dict";
    return Py_IS_TYPE(object, state->record_type) ? "a record" : NULL;
}

/* Replaces Python's own KeyError, which shows all of a name, however long. */
static PyObject *named_value(const char *kind, PyObject *object,
                             const mapped_field *field)
{
    PyObject *name = PyUnicode_FromString(field->name);
    if (name == NULL)
        return NULL;
    PyObject *value = PyObject_GetItem(object, name);
    if (value == NULL && PyErr_ExceptionMatches(PyExc_KeyError))
        raise_about(PyExc_KeyError, "%s has no field %U", kind, name);
    Py_DECREF(name);
    return value;
}

/* Returns a tuple of the values of the fields. The object must have no others,
 * which would be lost. */
static PyObject *named_values(const char *kind, const mapped_fields *fields,
                              PyObject *object)
{
    Py_ssize_t count = (Py_ssize_t)fields->count;
    PyObject *values = container_untrack(PyTuple_New(count));
    for (Py_ssize_t i = 0; values != NULL && i < count; i++)
        put_item(&values, i, named_value(kind, object, &fields->fields[i]));
    if (values == NULL)
        return NULL;
    /* PyDict_Size doesn't ask a subclass of dict, which may say anything. */
    Py_ssize_t size =
        PyDict_Check(object) ? PyDict_Size(object) : PyObject_Size(object);
    if (size == count)
        return container_track(values);
    PyErr_Format(PyExc_ValueError, "%s has more fields than the record's %zd",
                 kind, count);
    Py_DECREF(values);
    return NULL;
}

/* Returns a tuple of the values of a sequence, in the order of the fields. */
static PyObject *ordered_values(const mapped_fields *fields, PyObject *object)
{
    Py_ssize_t count = (Py_ssize_t)fields->count;
    PyObject *values =
        values_tuple("a record takes a tuple, a dict or a Record", object);
    if (values == NULL || PyTuple_Size(values) == count)
        return values;
    PyErr_Format(PyExc_ValueError, "a record has %zd fields, not %zd", count,
                 PyTuple_Size(values));
    Py_DECREF(values);
    return NULL;
}

int record_store(const State *state, const mapped_fields *fields,
                 PyObject *object, unsigned char *to)
{
    const char *kind = named_kind(state, object);
    PyObject *values = kind != NULL ? named_values(kind, fields, object)
                                    : ordered_values(fields, object);
    if (values == NULL)
        return -1;
    int status = 0;
    for (size_t i = 0; i < fields->count && status == 0; i++) {
        const mapped_field *field = &fields->fields[i];
        status =
            field_store(state, field, PyTuple_GetItem(values, (Py_ssize_t)i),
                        to + field->offset);
    }
    Py_DECREF(values);
    return status;
}
