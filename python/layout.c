/* The type Layout: what a record looks like, read from a line of text. */
#include "records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than all that one field adds but its name. */
#define FIELD_TEXT 96

static int by_offset(const void *a, const void *b)
{
    const mapped_layout_entry *first = *(const mapped_layout_entry *const *)a;
    const mapped_layout_entry *second = *(const mapped_layout_entry *const *)b;
    return (first->offset > second->offset) - (first->offset < second->offset);
}

/* Integers that struct has no code for become their bytes. */
static char *write_type(char *text, const mapped_layout_entry *field)
{
    const mapped_element *element = field->element;
    const char *code = mapped_element_struct_code(element);
    if (element->kind == MAPPED_KIND_CHAR)
        return text + sprintf(text, "%zus", field->count);
    if (code == NULL)
        return text + sprintf(text, "(%zu)B", mapped_layout_entry_size(field));
    if (field->several)
        text += sprintf(text, "(%zu)", field->count);
    return text + sprintf(text, "%c%c", element->big ? '>' : '<',
                          code[strlen(code) - 1]);
}

static char *write_gap(char *text, size_t gap)
{
    return gap > 0 ? text + sprintf(text, "%zux", gap) : text;
}

static void write_fields(char *text, const mapped_layout *layout,
                         const mapped_layout_entry **order)
{
    size_t at = 0;
    text += sprintf(text, "T{");
    for (size_t i = 0; i < mapped_layout_count(layout); i++) {
        text = write_gap(text, order[i]->offset - at);
        text = write_type(text, order[i]);
        text += sprintf(text, ":%s:", order[i]->name);
        at = order[i]->offset + mapped_layout_entry_size(order[i]);
    }
    text = write_gap(text, mapped_layout_size(layout) - at);
    (void)sprintf(text, "}");
}

/* "T{<I:id:4x<d:price:16s:name:}", of which NumPy makes a structured dtype. */
static PyObject *make_format(const mapped_layout *layout)
{
    size_t count = mapped_layout_count(layout), capacity = FIELD_TEXT;
    const mapped_layout_entry **order = PyMem_Calloc(count, sizeof *order);
    for (size_t i = 0; order != NULL && i < count; i++) {
        order[i] = mapped_layout_field(layout, i);
        capacity += FIELD_TEXT + order[i]->name_length;
    }
    char *text = order == NULL ? NULL : PyMem_Malloc(capacity);
    PyObject *format = NULL;
    if (text != NULL) {
        qsort(order, count, sizeof *order, by_offset);
        write_fields(text, layout, order);
        format = PyBytes_FromString(text);
    } else {
        PyErr_NoMemory();
    }
    PyMem_Free(text);
    PyMem_Free(order);
    return format;
}

static PyObject *layout_new(State *state, mapped_layout *layout, PyObject *text)
{
    PyObject *format = make_format(layout);
    Layout *self = format == NULL ? NULL : PyObject_New(Layout, state->layout);
    if (self == NULL) {
        Py_XDECREF(format);
        mapped_layout_release(layout);
        return NULL;
    }
    self->layout = layout;
    self->text = Py_NewRef(text);
    self->format = format;
    return (PyObject *)self;
}

static PyObject *layout_compile(State *state, PyObject *text)
{
    Py_ssize_t length;
    mapped_layout *layout;
    mapped_error error;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (bytes == NULL)
        return NULL;
    mapped_status status =
        mapped_layout_compile(bytes, (size_t)length, &layout, &error);
    if (status == MAPPED_OK)
        return layout_new(state, layout, text);
    if (status == MAPPED_MEMORY)
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
    if (Py_IS_TYPE(object, state->layout))
        return Py_NewRef(object);
    if (!PyUnicode_Check(object))
        return raise_kind("layout must be a str or a Layout", object);
    PyObject *text = exact_text(object);
    PyObject *layout = text == NULL ? NULL : layout_compile(state, text);
    Py_XDECREF(text);
    return layout;
}

const char module_layout_doc[] = PyDoc_STR(
    "layout($module, text, /)\n--\n\n"
    "Return the Layout of records that a line of text describes, such as\n"
    "'< id:u32 price:f64@8 name:char[16] levels:f32[3] size=64'.\n\n"
    "Fields are name:type, name:type[count] and name:type@offset; types are u8 "
    "to\nu128 and i8 to i128, f16 f32 f64, bool and char, with le or be behind "
    "for a\nbyte order. A field named _ is padding. Before the first field: < "
    "> or = for\nthe byte order of all, `align` for the alignment of C. size=n "
    "makes records\nlonger than their fields.\n\n"
    "ValueError, with the place in the text, if it is malformed or if fields\n"
    "overlap.");

METHOD_ONE(module_layout)
{
    return layout_from(PyModule_GetState(self), argument);
}

static void layout_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    mapped_layout_release(layout_of(self)->layout);
    Py_DECREF(layout_of(self)->text);
    Py_DECREF(layout_of(self)->format);
    PyObject_Free(self);
    Py_DECREF(type);
}

static void raise_missing(const Layout *layout, PyObject *name,
                          PyObject *missing)
{
    PyObject *start = shown(name);
    PyObject *text = start == NULL ? NULL : shown(layout->text);
    if (text != NULL)
        PyErr_Format(missing, "no field %U in the layout %U", start, text);
    Py_XDECREF(text);
    Py_XDECREF(start);
}

const mapped_layout_entry *layout_field(const Layout *layout, PyObject *name,
                                        PyObject *missing)
{
    Py_ssize_t length;
    if (!PyUnicode_Check(name))
        return raise_kind("a field's name is a str", name);
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text == NULL)
        return NULL;
    const mapped_layout_entry *field =
        mapped_layout_find(layout->layout, text, (size_t)length);
    if (field == NULL)
        raise_missing(layout, name, missing);
    return field;
}

PyObject *field_type(const mapped_layout_entry *field)
{
    if (field->several)
        return PyUnicode_FromFormat("%s[%zu]", field->element->name,
                                    field->count);
    return PyUnicode_FromString(field->element->name);
}

static PyObject *field_name(const mapped_layout_entry *field)
{
    return PyUnicode_FromString(field->name);
}

static PyObject *field_facts(const mapped_layout_entry *field)
{
    PyObject *type = field_type(field);
    return type == NULL ? NULL
                        : Py_BuildValue("(sNn)", field->name, type,
                                        (Py_ssize_t)field->offset);
}

static PyObject *tuple_of(PyObject *self,
                          PyObject *(*make)(const mapped_layout_entry *field))
{
    const mapped_layout *layout = layout_of(self)->layout;
    Py_ssize_t count = (Py_ssize_t)mapped_layout_count(layout);
    PyObject *tuple = filling(PyTuple_New(count));
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *item = make(mapped_layout_field(layout, (size_t)i));
        if (item == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, item);
    }
    return filled(tuple);
}

static const char layout_size_doc[] =
    PyDoc_STR("Bytes from one record to the next.");

static ATTRIBUTE(layout_size)
{
    return PyLong_FromSize_t(mapped_layout_size(layout_of(self)->layout));
}

static const char layout_names_doc[] =
    PyDoc_STR("A tuple of the fields' names, in the order of the text.");

static ATTRIBUTE(layout_names)
{
    return tuple_of(self, field_name);
}

static const char layout_fields_doc[] = PyDoc_STR(
    "A tuple of (name, type, offset in bytes) for each field, in the order of\n"
    "the text.");

static ATTRIBUTE(layout_fields)
{
    return tuple_of(self, field_facts);
}

static const char layout_format_doc[] = PyDoc_STR(
    "The format of a record, as exported to other libraries (PEP 3118).");

static ATTRIBUTE(layout_format)
{
    return PyUnicode_FromString(PyBytes_AsString(layout_of(self)->format));
}

static PyObject *layout_repr(PyObject *self)
{
    PyObject *start = shown_in_repr(layout_of(self)->text);
    PyObject *text = NULL;
    if (start != NULL)
        text =
            PyUnicode_FromFormat("<mapped.Layout %U of %zu bytes>", start,
                                 mapped_layout_size(layout_of(self)->layout));
    Py_XDECREF(start);
    return text;
}

static PyGetSetDef layout_attributes[] = {ATTRIBUTE_ROW(layout, size),
                                          ATTRIBUTE_ROW(layout, names),
                                          ATTRIBUTE_ROW(layout, fields),
                                          ATTRIBUTE_ROW(layout, format),
                                          {NULL, NULL, NULL, NULL, NULL}};

static const char layout_doc[] =
    PyDoc_STR("What a record looks like. Made by mapped.layout().");

static PyType_Slot layout_slots[] = {{Py_tp_doc, (void *)layout_doc},
                                     {Py_tp_dealloc, layout_dealloc},
                                     {Py_tp_repr, layout_repr},
                                     {Py_tp_getset, layout_attributes},
                                     {0, NULL}};

PyType_Spec layout_spec = {
    .name = "mapped.Layout",
    .basicsize = sizeof(Layout),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = layout_slots,
};
