/* One field of a record between Python and the core: a number, a text, or a
 * tuple of numbers. */
#include "records.h"
#include "value.h"

#include <string.h>

static bool is_text(const mapped_layout_entry *field)
{
    return field->several && field->element->kind == MAPPED_KIND_CHAR;
}

/* Without the zero bytes that fill it up. */
static PyObject *get_text(Region *owner, mapped_slice record,
                          const mapped_layout_entry *field)
{
    mapped_error error;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)field->count);
    if (bytes == NULL)
        return NULL;
    char *text = PyBytes_AsString(bytes);
    size_t length = field->count;
    if (mapped_read(record, field->offset, text, length, &error) != MAPPED_OK) {
        Py_DECREF(bytes);
        return raise_in(owner, "get", &error);
    }
    while (length > 0 && text[length - 1] == '\0')
        length--;
    PyObject *result = PyBytes_FromStringAndSize(text, (Py_ssize_t)length);
    Py_DECREF(bytes);
    return result;
}

static PyObject *get_tuple(Region *owner, mapped_slice record,
                           const mapped_layout_entry *field)
{
    const mapped_element *element = field->element;
    PyObject *tuple = filling(PyTuple_New((Py_ssize_t)field->count));
    for (size_t i = 0; tuple != NULL && i < field->count; i++) {
        PyObject *item = element_read(owner, &record, element,
                                      field->offset + i * element->size);
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, (Py_ssize_t)i, item);
    }
    return filled(tuple);
}

PyObject *field_get(Region *owner, mapped_slice record,
                    const mapped_layout_entry *field)
{
    if (!field->several)
        return element_read(owner, &record, field->element, field->offset);
    if (is_text(field))
        return get_text(owner, record, field);
    return get_tuple(owner, record, field);
}

static int refuse(const mapped_layout_entry *field, PyObject *value)
{
    PyObject *text = shown(value);
    if (text != NULL)
        PyErr_Format(PyExc_ValueError, "%U does not fit field '%.60s' (%s)",
                     text, field->name, field->element->name);
    Py_XDECREF(text);
    return -1;
}

static int convert_number(const mapped_layout_entry *field, PyObject *object,
                          unsigned char *to)
{
    mapped_value value;
    int status = value_from(field->element, 0, object, &value);
    if (status != 0)
        return value_refuse(field->element, object, status);
    if (field->element->store(field->element, to, value) == MAPPED_OK)
        return 0;
    return refuse(field, object);
}

static int convert_text(const State *state, const mapped_layout_entry *field,
                        PyObject *object, unsigned char *to)
{
    Source source;
    if (source_open(state, object, &source) < 0)
        return -1;
    int status = 0;
    if (source.length > field->count)
        status = refuse(field, object);
    else
        status = source_read(&source, to);
    if (status == 0)
        memset(to + source.length, 0, field->count - source.length);
    source_close(&source);
    return status;
}

/* A tuple of its own, since converting one value may change the sequence. */
static int convert_sequence(const mapped_layout_entry *field, PyObject *object,
                            unsigned char *to)
{
    PyObject *values = PySequence_Tuple(object);
    if (values == NULL)
        return -1;
    Py_ssize_t count = PyTuple_Size(values);
    int status = (size_t)count == field->count ? 0 : refuse(field, object);
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = convert_number(field, PyTuple_GetItem(values, i),
                                to + (size_t)i * field->element->size);
    Py_DECREF(values);
    return status;
}

int field_convert(const State *state, const mapped_layout_entry *field,
                  PyObject *value, unsigned char *to)
{
    if (!field->several)
        return convert_number(field, value, to);
    if (is_text(field))
        return convert_text(state, field, value, to);
    return convert_sequence(field, value, to);
}

/* Element by element only where that is seen: on devices. */
static mapped_status store_each(mapped_slice record,
                                const mapped_layout_entry *field,
                                const unsigned char *from, mapped_error *error)
{
    const mapped_element *element = field->element;
    mapped_status status = MAPPED_OK;
    for (size_t i = 0; i < field->count && status == MAPPED_OK; i++) {
        mapped_value value;
        size_t at = i * element->size;
        (void)element->load(element, from + at, &value);
        status = mapped_set(record, element, field->offset + at, value, error);
    }
    return status;
}

int field_write(Region *owner, mapped_slice record,
                const mapped_layout_entry *field, const unsigned char *from)
{
    mapped_error error;
    mapped_status status;
    if (field->several && !mapped_region_device(record.region))
        status = mapped_write(record, field->offset, from,
                              mapped_layout_entry_size(field), &error);
    else
        status = store_each(record, field, from, &error);
    if (status == MAPPED_OK)
        return 0;
    raise_in(owner, ASSIGN, &error);
    return -1;
}

#define SHORT_FIELD 64

int field_set(Region *owner, mapped_slice record,
              const mapped_layout_entry *field, PyObject *value)
{
    unsigned char room[SHORT_FIELD], *bytes = room;
    size_t size = mapped_layout_entry_size(field);
    if (size > sizeof room)
        bytes = PyMem_Malloc(size);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = field_convert(owner->state, field, value, bytes);
    if (status == 0)
        status = field_write(owner, record, field, bytes);
    if (bytes != room)
        PyMem_Free(bytes);
    return status;
}
