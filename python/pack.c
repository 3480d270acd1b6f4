/* The method pack: the language of struct on the bytes of a Region or Slice.
 * All arguments are converted into plain memory first; then all of that is
 * written at once. */
#include <string.h>

#include "format.h"
#include "value.h"

/* A format of no more bytes is packed on the stack. */
#define STACK_BYTES 256

static int refuse_range(State *state, const mapped_field *field)
{
    const mapped_element *element = field->item.element;
    unsigned bits = 8u * element->size;
    if (element->kind == MAPPED_KIND_SIGNED)
        PyErr_Format(state->struct_error,
                     "'%c' format requires %lld <= number <= %lld, at offset "
                     "%zu of the format",
                     field->code, (long long)(INT64_MIN >> (64 - bits)),
                     (long long)(INT64_MAX >> (64 - bits)), field->source_at);
    else
        PyErr_Format(state->struct_error,
                     "'%c' format requires 0 <= number <= %llu, at offset %zu "
                     "of the format",
                     field->code,
                     (unsigned long long)(UINT64_MAX >> (64 - bits)),
                     field->source_at);
    return -1;
}

static int refuse_integer(State *state, const mapped_field *field,
                          PyObject *object, ValueStatus status)
{
    if (status == VALUE_RAISED) {
        if (PyIndex_Check(object))
            return -1;
        PyErr_Clear();
        return format_refuse(state, field,
                             "required argument is not an integer");
    }
    if (field->code == 'P')
        return format_refuse(state, field, "int too large to convert");
    return refuse_range(state, field);
}

static int refuse_float(State *state, const mapped_field *field,
                        PyObject *object, ValueStatus status)
{
    if (status == VALUE_RAISED) {
        /* A KeyboardInterrupt, for one, is not replaced. */
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1;
        PyErr_Clear();
        return format_refuse(state, field, "required argument is not a float");
    }
    if (PyLong_Check(object))
        return format_refuse(state, field, "int too large to convert");
    return raised_as_int(PyErr_Format(
        PyExc_OverflowError,
        "float too large to pack with %c format, at offset %zu of the "
        "format",
        field->code, field->source_at));
}

/* Raises the exception that struct has for an object that could not be
 * converted or, where `status` is VALUE_CONVERTED, is out of the element's
 * range. */
COLD static int refuse_value(State *state, const mapped_field *field,
                             PyObject *object, ValueStatus status)
{
    switch ((mapped_kind)field->item.element->kind) {
    case MAPPED_KIND_FLOAT:
        return refuse_float(state, field, object, status);
    case MAPPED_KIND_CHAR:
        PyErr_Clear();
        return format_refuse(state, field,
                             "char format requires a bytes object of length 1");
    case MAPPED_KIND_BOOL:
        return -1;
    default:
        return refuse_integer(state, field, object, status);
    }
}

static inline int store_value(State *state, const mapped_field *field,
                              char native, PyObject *object, unsigned char *to)
{
    mapped_value value;
    const mapped_element *element = field->item.element;
    ValueStatus status = value_from(element, native, object, &value);
    if (status == VALUE_CONVERTED &&
        element->store(element, to, value) == MAPPED_OK)
        return 0;
    return refuse_value(state, field, object, status);
}

static bool is_bytes(const mapped_field *field)
{
    return field->item.kind != MAPPED_ITEM_ELEMENT && !field->spread;
}

static int check_bytes(State *state, const mapped_field *field,
                       PyObject *object)
{
    if (PyBytes_Check(object) || PyByteArray_Check(object))
        return 0;
    return format_refuse(state, field,
                         field->item.kind == MAPPED_ITEM_PASCAL
                             ? "argument for 'p' must be a bytes object"
                             : "argument for 's' must be a bytes object");
}

/* Longer bytes are cut, as struct does. */
static void store_bytes(const mapped_field *field, PyObject *object,
                        unsigned char *to)
{
    const bool is_immutable = PyBytes_Check(object);
    const char *text =
        is_immutable ? PyBytes_AsString(object) : PyByteArray_AsString(object);
    size_t length = (size_t)(is_immutable ? PyBytes_Size(object)
                                          : PyByteArray_Size(object));
    size_t max_length = field->item.count;
    /* The first byte of a Pascal string is its length. */
    if (field->item.kind == MAPPED_ITEM_PASCAL && max_length > 0)
        max_length--;
    (void)mapped_item_store_bytes(&field->item, to, text,
                                  length < max_length ? length : max_length);
}

/* Bytes are stored after all other arguments, because the conversion of one of
 * these may resize a bytearray. */
static int store_all(State *state, const Format *format,
                     PyObject *const *values, unsigned char *to)
{
    const mapped_fields *fields = format->fields;
    PyObject *const *value = values;
    bool has_bytes = false;
    for (size_t i = 0; i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        char native = format->native ? field->code : 0;
        unsigned char *p = to + field->offset;
        int status = 0;
        if (MAPPED__LIKELY(field->item.kind == MAPPED_ITEM_ELEMENT)) {
            status = store_value(state, field, native, *value++, p);
        } else if (!field->spread) {
            status = check_bytes(state, field, *value++);
            has_bytes = true;
        } else {
            unsigned char *end = p + field->item.size;
            for (; p < end && status == 0; p += field->item.element->size)
                status = store_value(state, field, native, *value++, p);
        }
        if (status < 0)
            return -1;
    }
    for (size_t i = 0; has_bytes && i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        if (is_bytes(field))
            store_bytes(field, *values, to + field->offset);
        values += field->spread ? field->item.count : 1;
    }
    return 0;
}

/* Writes few bytes where that takes no call. Returns false if write_all has to
 * decide; the bytes may be written then, which it does again. */
static inline bool try_write(PyObject *self, Py_ssize_t offset,
                             const unsigned char *from, size_t size)
{
    mapped_slice span = view_span(self);
    unsigned char *p = NULL;
    if (offset >= 0 && size <= STACK_BYTES)
        p = mapped_slice_try_enter_write(span, (size_t)offset, size);
    if (p == NULL)
        return false;
    copy_short(p, from, size);
    return mapped_slice_try_leave(span);
}

static int write_all(PyObject *self, const mapped_fields *fields,
                     Py_ssize_t offset, const unsigned char *from)
{
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    mapped_item item = mapped_item_of_record(fields);
    mapped_error error;
    if (format_offset(owner, "pack", span.length, fields->size, &offset) < 0)
        return -1;
    if (mapped_item_write(span, &item, (size_t)offset, from, &error) ==
        MAPPED_OK)
        return 0;
    return raised_as_int(raise_packing(owner, "pack", &error));
}

/* Is there room? That is checked before the values are converted, as struct
 * does it, and once more by write_all, because converting one may close or
 * shrink the region. */
static int check_room(PyObject *self, const mapped_fields *fields,
                      Py_ssize_t offset)
{
    return format_offset(view_owner(self), "pack", view_span(self).length,
                         fields->size, &offset);
}

static int check_count(State *state, const mapped_fields *fields,
                       Py_ssize_t count)
{
    if (fields->values == (size_t)count)
        return 0;
    return raised_as_int(PyErr_Format(
        state->struct_error, "pack expected %zu items for packing (got %zd)",
        fields->values, count));
}

static int pack(PyObject *self, const Format *format, Py_ssize_t offset,
                PyObject *const *values)
{
    unsigned char on_stack[STACK_BYTES], *bytes = on_stack;
    size_t size = format->fields->size;
    if (check_room(self, format->fields, offset) < 0)
        return -1;
    if (size <= sizeof on_stack)
        memset(on_stack, 0, size);
    else if ((bytes = memory_new(size, 1)) == NULL)
        return -1;
    int status = store_all(view_owner(self)->state, format, values, bytes);
    if (status == 0 && !try_write(self, offset, bytes, size))
        status = write_all(self, format->fields, offset, bytes);
    if (bytes != on_stack)
        PyMem_Free(bytes);
    return status;
}

const char view_pack_doc[] = PyDoc_STR(
    "pack($self, format, offset, /, *values)\n--\n\n"
    "Store `values` as `format`, in the language of struct, says, at byte\n"
    "`offset`, which counts from the end if negative.\n\n"
    "The bytes and errors of struct.pack_into, but nothing is written if a\n"
    "value can't be. PackRangeError, which is an IndexError too, if it lies\n"
    "outside, TypeError if the region is read-only, ValueError if it is\n"
    "closed, FaultError if a page is lost.");

METHOD_KEYWORDS(view_pack)
{
    State *state = view_owner(self)->state;
    const Format *format;
    Py_ssize_t offset;
    if (keywords != NULL && PyTuple_Size(keywords) > 0)
        return PyErr_Format(PyExc_TypeError,
                            "pack() takes no keyword arguments");
    if (count < 2)
        return PyErr_Format(PyExc_TypeError,
                            "pack() takes at least 2 arguments (%zd given)",
                            count);
    PyObject *keeper = format_get(state, given[0], &format);
    if (keeper == NULL)
        return NULL;
    int status = check_count(state, format->fields, count - 2);
    if (status == 0)
        status = convert_index(given[1], &offset);
    if (status == 0)
        status = pack(self, format, offset, given + 2);
    Py_DECREF(keeper);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}
