/* Layouts from and to descriptions. A description is a tuple that has all of a
 * record: (size, fields), and a field is (name, offset, item, count), where the
 * item is a layout's name of an element or again a description.
 *
 * mapped/_layouts.py turns what NumPy and the module struct say of a record
 * into descriptions, and back. */
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

/* From descriptions. */

/* The field borrows the text of the name. */
static int read_name(PyObject *name, mapped_field *field)
{
    Py_ssize_t length;
    if (!PyUnicode_Check(name))
        return raised_as_int(raise_kind("a field's name is a str", name));
    field->name = PyUnicode_AsUTF8AndSize(name, &length);
    if (field->name == NULL) {
        if (is_encoding_error(name))
            PyErr_SetString(PyExc_ValueError,
                            "the name of a field can't be encoded");
        return -1;
    }
    field->name_length = (size_t)length;
    return 0;
}

static mapped_fields *read_description(PyObject *description, int depth);

/* Reads the type of a field, or of one element of a field that repeats. If it
 * is a record, the caller gets a reference to its fields. */
static int read_type(PyObject *type, int depth, mapped_item *single)
{
    Py_ssize_t length;
    if (PyTuple_Check(type)) {
        mapped_fields *fields = read_description(type, depth + 1);
        if (fields != NULL)
            *single = mapped_item_of_record(fields);
        return fields != NULL ? 0 : -1;
    }
    const char *text = PyUnicode_AsUTF8AndSize(type, &length);
    if (text == NULL)
        return -1;
    const mapped_element *element =
        mapped_element_from_name(text, (size_t)length, false);
    if (element == NULL)
        return raised_as_int(
            raise_about(PyExc_ValueError, "%s %U", "unknown field type", type));
    *single = mapped_item_of(element);
    return 0;
}

/* Reads the description of a field. If it is a record, or several, the caller
 * gets a reference to their fields. Returns 0, or -1 with an exception. */
static int read_field(PyObject *tuple, int depth, mapped_field *field)
{
    PyObject *name, *type;
    Py_ssize_t offset, count;
    mapped_item single;
    if (!PyTuple_Check(tuple))
        return raised_as_int(raise_kind("a field is a tuple", tuple));
    if (!PyArg_ParseTuple(tuple, "OnOn", &name, &offset, &type, &count) ||
        read_name(name, field) < 0 || read_type(type, depth, &single) < 0)
        return -1;
    field->offset = (size_t)offset;
    field->item = single;
    if (count < 0 || mapped_item_repeat(&single, (size_t)count, &field->item))
        return 0;
    mapped_fields_release(single.record);
    return raised_as_int(raise_about(PyExc_ValueError,
                                     "%s of that length: field %U",
                                     "a layout has no array", name));
}

/* Makes a record of that size of a list of fields, whose names and records it
 * copies. */
static mapped_fields *compile_list(const mapped_field *list, size_t count,
                                   size_t size)
{
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_LIST,
                                         .list = list,
                                         .count = count,
                                         .size = size};
    mapped_fields *fields;
    mapped_error error;
    if (TRY_TWICE(mapped_fields_compile(&source, &fields, &error), &error))
        return fields;
    if (error.status == MAPPED_MEMORY)
        PyErr_NoMemory();
    else if (error.offset < count)
        PyErr_Format(PyExc_ValueError, "%s: field '%.60s'", error.operation,
                     list[error.offset].name);
    else
        PyErr_SetString(PyExc_ValueError, error.operation);
    return NULL;
}

/* Returns a reference to the fields that are described, or NULL with an
 * exception. */
static mapped_fields *read_description(PyObject *description, int depth)
{
    Py_ssize_t size, done = 0;
    PyObject *tuples;
    if (!PyArg_ParseTuple(description, "nO!", &size, &PyTuple_Type, &tuples))
        return NULL;
    if (depth > MAPPED_FIELDS_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "too many records in records");
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(tuples);
    mapped_field *list = memory_new((size_t)count, sizeof *list);
    mapped_fields *fields = NULL;
    if (list == NULL)
        return NULL;
    while (done < count &&
           read_field(PyTuple_GetItem(tuples, done), depth, &list[done]) == 0)
        done++;
    if (done == count)
        fields = compile_list(list, (size_t)count, (size_t)size);
    for (Py_ssize_t i = 0; i < done; i++)
        mapped_fields_release(list[i].item.record);
    PyMem_Free(list);
    return fields;
}

/* Takes over the reference to the description, which may be NULL with an
 * exception. */
static PyObject *layout_described(State *state, PyObject *description)
{
    mapped_fields *fields =
        description == NULL ? NULL : read_description(description, 0);
    Py_XDECREF(description);
    return fields == NULL ? NULL : layout_make(state, fields, NULL);
}

/* To descriptions. */

static PyObject *describe_fields(const mapped_fields *fields);

/* The fields of a format have no names; "z" makes None of the NULL. */
static PyObject *describe_field(const mapped_field *field)
{
    const mapped_item *item = &field->item;
    PyObject *type;
    Py_ssize_t count = (Py_ssize_t)item->count;
    if (item->kind == MAPPED_ITEM_ELEMENT || item->kind == MAPPED_ITEM_RECORD)
        count = -1;
    if (item->record != NULL)
        type = describe_fields(item->record);
    else
        type = PyUnicode_FromString(
            item->kind == MAPPED_ITEM_PASCAL ? "pascal" : item->element->name);
    return type == NULL ? NULL
                        : Py_BuildValue("(znNn)", field->name,
                                        (Py_ssize_t)field->offset, type, count);
}

static PyObject *describe_fields(const mapped_fields *fields)
{
    PyObject *tuple = tuple_of_fields(fields, describe_field);
    return tuple == NULL
               ? NULL
               : Py_BuildValue("(nN)", (Py_ssize_t)fields->size, tuple);
}

/* What other files call. */

PyObject *layout_from_dtype(State *state, PyObject *dtype)
{
    return layout_described(state, call("from_dtype", dtype, NULL));
}

PyObject *layout_from_struct(State *state, PyObject *format, PyObject *names)
{
    const Format *compiled;
    PyObject *keeper = format_get(state, format, &compiled);
    PyObject *nameless =
        keeper == NULL ? NULL : describe_fields(compiled->fields);
    PyObject *named =
        nameless == NULL ? NULL : call("with_names", nameless, names);
    Py_XDECREF(nameless);
    Py_XDECREF(keeper);
    return layout_described(state, named);
}

PyObject *layout_from_description(State *state, PyObject *description)
{
    if (!PyTuple_Check(description))
        return raise_kind("a record is a tuple", description);
    return layout_described(state, Py_NewRef(description));
}

PyObject *layout_describe(const Layout *layout)
{
    return describe_fields(layout->fields);
}

PyObject *layout_convert(const Layout *layout, const char *function)
{
    PyObject *description = layout_describe(layout);
    PyObject *result =
        description == NULL ? NULL : call(function, description, NULL);
    Py_XDECREF(description);
    return result;
}
