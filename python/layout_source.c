/* Layouts from and to the tuples by which mapped/_layouts.py describes records.
 * That file knows how NumPy and the module struct describe them. */
#include "format.h"
#include "records.h"

/* Calls a function of that file with one argument, or with two if `second`
 * isn't NULL. */
static PyObject *call(const char *name, PyObject *first, PyObject *second)
{
    PyObject *function;
    if (import_object("mapped._layouts", name, &function) < 0)
        return NULL;
    PyObject *result = PyObject_CallFunction(
        function, second != NULL ? "OO" : "(O)", first, second);
    Py_DECREF(function);
    return result;
}

/* A list of fields that grows. It has a reference to the fields of each record
 * in it, but none to the names, which a tuple keeps. */
typedef struct Listing {
    mapped_field *fields;
    size_t count;
} Listing;

static int listing_begin(Listing *listing, Py_ssize_t room)
{
    listing->count = 0;
    listing->fields = memory_new((size_t)room + 1, sizeof *listing->fields);
    return listing->fields != NULL ? 0 : -1;
}

static int listing_add(Listing *listing, PyObject *name, mapped_item item,
                       size_t offset)
{
    mapped_field *field = &listing->fields[listing->count];
    Py_ssize_t length;
    *field = (mapped_field){.item = item, .offset = offset};
    if (PyUnicode_Check(name))
        field->name = PyUnicode_AsUTF8AndSize(name, &length);
    else
        raise_kind("a field's name is a str", name);
    if (field->name == NULL) {
        if (PyUnicode_Check(name) && is_encoding_error(name))
            PyErr_SetString(PyExc_ValueError,
                            "the name of a field can't be encoded");
        mapped_fields_release(item.record);
        return -1;
    }
    field->name_length = (size_t)length;
    listing->count++;
    return 0;
}

/* Makes a record of that size of the listed fields, and frees the list. Returns
 * NULL with an exception, also if `status` is -1, when one is set already. */
static mapped_fields *listing_end(Listing *listing, int status, size_t size)
{
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_LIST,
                                         .list = listing->fields,
                                         .count = listing->count,
                                         .size = size};
    mapped_fields *fields = NULL;
    mapped_error error;
    if (status == 0 &&
        !TRY_TWICE(mapped_fields_compile(&source, &fields, &error), &error)) {
        if (error.status == MAPPED_MEMORY)
            PyErr_NoMemory();
        else if (error.offset < listing->count)
            PyErr_Format(PyExc_ValueError, "%s: field '%.60s'", error.operation,
                         listing->fields[error.offset].name);
        else
            PyErr_SetString(PyExc_ValueError, error.operation);
    }
    for (size_t i = 0; i < listing->count; i++)
        mapped_fields_release(listing->fields[i].item.record);
    PyMem_Free(listing->fields);
    return fields;
}

static void *read_record(PyObject *record, int depth);

/* Reads the type of a field, or of one element of a field that repeats. If it
 * is a record, the caller gets a reference to its fields. */
static int read_type(PyObject *type, int depth, mapped_item *single)
{
    Py_ssize_t length;
    if (PyTuple_Check(type)) {
        mapped_fields *fields = read_record(type, depth + 1);
        if (fields != NULL)
            *single = mapped_item_of_record(fields);
        return fields != NULL ? 0 : -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(type, &length);
    const mapped_element *element =
        text == NULL ? NULL
                     : mapped_element_from_name(text, (size_t)length, false);
    if (element == NULL)
        return text == NULL
                   ? -1
                   : raised_as_int(raise_about(PyExc_ValueError, "%s %U",
                                               "unknown field type", type));
    *single = mapped_item_of(element);
    return 0;
}

static int read_field(PyObject *field, int depth, Listing *listing)
{
    PyObject *name, *type;
    Py_ssize_t offset, count;
    mapped_item single, item;
    if (!PyTuple_Check(field))
        return raised_as_int(raise_kind("a field is a tuple", field));
    if (!PyArg_ParseTuple(field, "OnOn", &name, &offset, &type, &count) ||
        read_type(type, depth, &single) < 0)
        return -1;
    if (count < 0)
        item = single;
    else if (!mapped_item_repeat(&single, (size_t)count, &item)) {
        mapped_fields_release(single.record);
        return raised_as_int(raise_about(PyExc_ValueError,
                                         "%s of that length: field %U",
                                         "a layout has no array", name));
    }
    return listing_add(listing, name, item, (size_t)offset);
}

static void *read_record(PyObject *record, int depth)
{
    Py_ssize_t size;
    PyObject *fields;
    Listing listing;
    if (!PyArg_ParseTuple(record, "nO!", &size, &PyTuple_Type, &fields))
        return NULL;
    if (depth > MAPPED_FIELDS_DEPTH)
        return PyErr_Format(PyExc_ValueError, "too many records in records");
    Py_ssize_t count = PyTuple_Size(fields);
    int status = listing_begin(&listing, count);
    if (status < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < count && status == 0; i++)
        status = read_field(PyTuple_GetItem(fields, i), depth, &listing);
    return listing_end(&listing, status, (size_t)size);
}

/* Takes over the reference to the record, which may be NULL with an exception.
 */
static PyObject *layout_of_record(State *state, PyObject *record)
{
    mapped_fields *fields = record == NULL ? NULL : read_record(record, 0);
    Py_XDECREF(record);
    return fields == NULL ? NULL : layout_make(state, fields, NULL);
}

PyObject *layout_from_dtype(State *state, PyObject *dtype)
{
    return layout_of_record(state, call("from_dtype", dtype, NULL));
}

static PyObject *record_of_fields(const mapped_fields *fields);

/* The fields of a format have no names; "z" makes None of the NULL. */
static PyObject *tuple_of_field(const mapped_field *field)
{
    const mapped_item *item = &field->item;
    bool is_single =
        item->kind == MAPPED_ITEM_ELEMENT || item->kind == MAPPED_ITEM_RECORD;
    Py_ssize_t count = is_single ? -1 : (Py_ssize_t)item->count;
    PyObject *type = item->record != NULL
                         ? record_of_fields(item->record)
                         : PyUnicode_FromString(item->kind == MAPPED_ITEM_PASCAL
                                                    ? "pascal"
                                                    : item->element->name);
    return type == NULL ? NULL
                        : Py_BuildValue("(znNn)", field->name,
                                        (Py_ssize_t)field->offset, type, count);
}

static PyObject *record_of_fields(const mapped_fields *fields)
{
    PyObject *tuple = tuple_of_fields(fields, tuple_of_field);
    return tuple == NULL
               ? NULL
               : Py_BuildValue("(nN)", (Py_ssize_t)fields->size, tuple);
}

PyObject *layout_record(const Layout *layout)
{
    return record_of_fields(layout->fields);
}

PyObject *layout_from_record(State *state, PyObject *record)
{
    if (!PyTuple_Check(record))
        return raise_kind("a record is a tuple", record);
    return layout_of_record(state, Py_NewRef(record));
}

PyObject *layout_from_struct(State *state, PyObject *format, PyObject *names)
{
    const Format *compiled;
    PyObject *keeper = format_get(state, format, &compiled);
    PyObject *record =
        keeper == NULL ? NULL : record_of_fields(compiled->fields);
    PyObject *named_record =
        record == NULL ? NULL : call("with_names", record, names);
    Py_XDECREF(record);
    Py_XDECREF(keeper);
    return layout_of_record(state, named_record);
}

PyObject *layout_converted(const mapped_fields *fields, const char *function)
{
    PyObject *record = record_of_fields(fields);
    PyObject *result = record == NULL ? NULL : call(function, record, NULL);
    Py_XDECREF(record);
    return result;
}
