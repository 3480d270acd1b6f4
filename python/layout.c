/* The type Layout: what a record looks like. It is compiled here from a text;
 * layout_source.c makes one of what NumPy and struct say. */
#include "pickle.h"

PyObject *layout_make(State *state, const mapped_fields *fields, PyObject *text)
{
    Layout *self = PyObject_New(Layout, state->layout_type);
    if (self == NULL) {
        mapped_fields_release(fields);
        return NULL;
    }
    self->fields = fields;
    self->text = Py_XNewRef(text);
    return (PyObject *)self;
}

Layout *layout_inner(State *state, const mapped_fields *fields)
{
    mapped_fields_acquire(fields);
    return layout_of(layout_make(state, fields, NULL));
}

static PyObject *layout_compile(State *state, PyObject *text)
{
    mapped_fields_source source = {.dialect = MAPPED_DIALECT_LAYOUT};
    Py_ssize_t length;
    mapped_fields *fields;
    mapped_error error;
    source.text = PyUnicode_AsUTF8AndSize(text, &length);
    if (source.text == NULL && is_encoding_error(text))
        PyErr_SetString(PyExc_ValueError, "the layout can't be encoded");
    if (source.text == NULL)
        return NULL;
    source.length = (size_t)length;
    if (TRY_TWICE(mapped_fields_compile(&source, &fields, &error), &error))
        return layout_make(state, fields, text);
    if (error.status == MAPPED_MEMORY)
        return PyErr_NoMemory();
    PyObject *start = shown(text);
    if (start != NULL)
        PyErr_Format(PyExc_ValueError, "%s, at offset %zu of the layout %U",
                     error.operation, (size_t)error.offset, start);
    Py_XDECREF(start);
    return NULL;
}

PyObject *layout_from(State *state, PyObject *object)
{
    if (Py_IS_TYPE(object, state->layout_type))
        return Py_NewRef(object);
    if (!PyUnicode_Check(object))
        return layout_from_dtype(state, object);
    PyObject *text = exact_text(object);
    PyObject *layout = text == NULL ? NULL : layout_compile(state, text);
    Py_XDECREF(text);
    return layout;
}

const char module_layout_doc[] = PyDoc_STR(
    "layout($module, /, text, names=None)\n--\n\n"
    "Return the Layout of records that a line of text describes, such as '<\n"
    "id:u32 price:f64@8 name:char[16] levels:f32[3] size=64'.\n\n"
    "Fields are name:type, name:type[count] and name:type@offset; types are\n"
    "u8 to u128 and i8 to i128, f16 bf16 f32 f64, bool and char, with le or\n"
    "be behind for a byte order, and records in braces: 'corners:{x:f32\n"
    "y:f32}[4]'. A field named _ is padding. Before the first field: < > or\n"
    "= for the byte order of all, `align` for the alignment of C. size=n\n"
    "makes records longer than their fields.\n\n"
    "`text` may be a NumPy dtype with fields instead. With `names` it is a\n"
    "format in the language of struct, each of whose codes gets one of the\n"
    "names; one with a count is a field that repeats.\n\n"
    "ValueError, with the place in the text, if it is malformed or if fields\n"
    "overlap, and for what a layout has no type for.");

METHOD_NAMED(module_layout, "layout", 1, 2, "text", "names")
{
    State *state = PyModule_GetState(self);
    if (values[1] == NULL || values[1] == Py_None)
        return layout_from(state, values[0]);
    return layout_from_struct(state, values[0], values[1]);
}

static void layout_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mapped_fields_release(layout_of(self)->fields);
    Py_XDECREF(layout_of(self)->text);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyObject *layout_text(const Layout *layout)
{
    const mapped_fields *fields = layout->fields;
    if (layout->text != NULL)
        return Py_NewRef(layout->text);
    size_t length =
        mapped_fields_spell(fields, MAPPED_SPELLING_LAYOUT, NULL, 0);
    char *text = memory_new(length + 1, 1);
    if (text == NULL)
        return NULL;
    mapped_fields_spell(fields, MAPPED_SPELLING_LAYOUT, text, length + 1);
    PyObject *result =
        PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "backslashreplace");
    PyMem_Free(text);
    return result;
}

/* Returns what `show` makes of the layout's text. */
static PyObject *show_layout_text(const Layout *layout,
                                  PyObject *(*show)(PyObject *))
{
    PyObject *text = layout_text(layout);
    PyObject *start = text == NULL ? NULL : show(text);
    Py_XDECREF(text);
    return start;
}

void *raise_no_field(const Layout *layout, PyObject *name,
                     PyObject *exception_type)
{
    PyObject *start = shown(name);
    PyObject *text = start == NULL ? NULL : show_layout_text(layout, shown);
    if (text != NULL)
        PyErr_Format(exception_type, "no field %U in the layout %U", start,
                     text);
    Py_XDECREF(text);
    Py_XDECREF(start);
    return NULL;
}

const mapped_field *layout_field(const Layout *layout, PyObject *name,
                                 PyObject *exception_type)
{
    Py_ssize_t length;
    if (!PyUnicode_Check(name))
        return raise_kind("a field's name is a str", name);
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    const mapped_field *field = NULL;
    if (text != NULL)
        field = mapped_fields_find(layout->fields, text, (size_t)length);
    else if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return NULL;
    else
        PyErr_Clear(); /* No field has a name that can't be encoded. */
    if (field == NULL)
        raise_no_field(layout, name, exception_type);
    return field;
}

/* Returns the text of a type as str. */
static PyObject *item_text(const mapped_item *item, mapped_spelling spelling)
{
    PyObject *bytes = item_spelled(item, spelling);
    PyObject *text =
        bytes == NULL
            ? NULL
            : PyUnicode_DecodeUTF8(PyBytes_AsString(bytes), PyBytes_Size(bytes),
                                   "backslashreplace");
    Py_XDECREF(bytes);
    return text;
}

static PyObject *field_name(const mapped_field *field)
{
    return PyUnicode_FromString(field->name);
}

/* Returns (name, type, offset). */
static PyObject *field_triple(const mapped_field *field)
{
    PyObject *type = item_text(&field->item, MAPPED_SPELLING_LAYOUT);
    return type == NULL ? NULL
                        : Py_BuildValue("(sNn)", field->name, type,
                                        (Py_ssize_t)field->offset);
}

PyObject *tuple_of_fields(const mapped_fields *fields,
                          PyObject *(*make)(const mapped_field *field))
{
    Py_ssize_t count = (Py_ssize_t)fields->count;
    PyObject *tuple = container_untrack(PyTuple_New(count));
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++)
        put_item(&tuple, i, make(&fields->fields[i]));
    return container_track(tuple);
}

GETTER(layout, size, "Bytes from one record to the next.",
       PyLong_FromSize_t(layout_of(self)->fields->size))

GETTER(layout, names, "A tuple of the fields' names, in the order of the text.",
       tuple_of_fields(layout_of(self)->fields, field_name))

GETTER(layout, fields,
       "A tuple of (name, type, offset in bytes) for each field, in the order\n"
       "of the text.",
       tuple_of_fields(layout_of(self)->fields, field_triple))

static const char layout_format_doc[] = PyDoc_STR(
    "The format of a record, as exported to other libraries (PEP 3118).");

static ATTRIBUTE(layout_format)
{
    mapped_item item = mapped_item_of_record(layout_of(self)->fields);
    return item_text(&item, MAPPED_SPELLING_BUFFER);
}

GETTER(
    layout, dtype,
    "The record as numpy.dtype() takes it: a dict of names, formats, offsets\n"
    "and itemsize. What NumPy has no type for, such as u24 and bf16, is its\n"
    "bytes.",
    layout_convert(layout_of(self), "to_dtype"))

GETTER(
    layout, struct_format,
    "The format in the language of struct that unpacks a record to the same\n"
    "values, except for texts, which keep the zero bytes that fill them up,\n"
    "and for fields that repeat, each of whose items is a value.\n\n"
    "ValueError if there is none: for records in records, for types without\n"
    "a code, for fields in two byte orders or in another order than that of\n"
    "their offsets.",
    layout_convert(layout_of(self), "to_struct"))

/* The longest text of a layout whose repr has all of it. */
#define WHOLE_TEXT 900

static PyObject *layout_repr(PyObject *self)
{
    PyObject *whole = layout_text(layout_of(self));
    PyObject *start = whole == NULL ? NULL : shown_in_repr(whole);
    PyObject *text = NULL;
    if (start != NULL && PyUnicode_GetLength(whole) <= WHOLE_TEXT)
        text = PyUnicode_FromFormat("mapped.layout(%U)", start);
    else if (start != NULL)
        text = PyUnicode_FromFormat("<mapped.Layout %U of %zu bytes>", start,
                                    layout_of(self)->fields->size);
    Py_XDECREF(start);
    Py_XDECREF(whole);
    return text;
}

/* Layouts are equal if their fields have the same names, types and offsets,
 * whatever the texts. */
static PyObject *layout_compare(PyObject *self, PyObject *other, int operation)
{
    if ((operation != Py_EQ && operation != Py_NE) ||
        Py_TYPE(other) != Py_TYPE(self))
        Py_RETURN_NOTIMPLEMENTED;
    const mapped_item a = mapped_item_of_record(layout_of(self)->fields);
    const mapped_item b = mapped_item_of_record(layout_of(other)->fields);
    return PyBool_FromLong(mapped_item_equal(&a, &b) == (operation == Py_EQ));
}

/* Equal layouts have the same description, and so the same hash. */
static Py_hash_t layout_hash(PyObject *self)
{
    PyObject *description = layout_describe(layout_of(self));
    Py_hash_t hash = description == NULL ? -1 : PyObject_Hash(description);
    Py_XDECREF(description);
    return hash;
}

static PyGetSetDef layout_attributes[] = {
    ATTRIBUTE_ROW(layout, size),   ATTRIBUTE_ROW(layout, names),
    ATTRIBUTE_ROW(layout, fields), ATTRIBUTE_ROW(layout, format),
    ATTRIBUTE_ROW(layout, dtype),  ATTRIBUTE_ROW(layout, struct_format),
    {NULL, NULL, NULL, NULL, NULL}};

static const char layout_doc[] = PyDoc_STR(
    "What a record looks like. Made by mapped.layout().\n\n"
    "Layouts are equal, and have the same hash, if their fields have\n"
    "the same names, types and offsets, and records the same size.");

static PyMethodDef layout_methods[] = {METHOD_ROW(layout, ONE, __reduce_ex__),
                                       {NULL, NULL, 0, NULL}};

static PyType_Slot layout_slots[] = {
    {Py_tp_doc, (void *)layout_doc},   {Py_tp_dealloc, layout_dealloc},
    {Py_tp_hash, layout_hash},         {Py_tp_richcompare, layout_compare},
    {Py_tp_repr, layout_repr},         {Py_tp_methods, layout_methods},
    {Py_tp_getset, layout_attributes}, {0, NULL}};

TYPE(layout, "mapped.Layout", sizeof(Layout), 0, 0)
