/* Layouts from and to what others say of records: NumPy's dtypes, of which
 * nothing is imported, and formats in the language of struct. What a layout has
 * no type for is refused with the reason. */
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "records.h"

/* A list of fields that grows. It owns the names, and a reference to the fields
 * of each record in it. */
typedef struct Listing {
    mapped_field *fields;
    size_t count;
} Listing;

static int listing_begin(Listing *listing, size_t count)
{
    listing->count = 0;
    listing->fields = PyMem_Calloc(count + 1, sizeof *listing->fields);
    if (listing->fields != NULL)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static void listing_end(Listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        mapped_fields_release(listing->fields[i].item.record);
        PyMem_Free((char *)listing->fields[i].name);
    }
    PyMem_Free(listing->fields);
}

/* Copies the name: who gave it may change it before it is used. */
static int copy_name(PyObject *name, mapped_field *field)
{
    Py_ssize_t length = 0;
    const char *text = NULL;
    if (PyUnicode_Check(name))
        text = PyUnicode_AsUTF8AndSize(name, &length);
    else
        raise_kind("a field's name is a str", name);
    if (text == NULL)
        return -1;
    char *copy = PyMem_Malloc((size_t)length + 1);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, text, (size_t)length + 1);
    field->name = copy;
    field->name_length = (size_t)length;
    return 0;
}

/* Adds a field, whose reference to a record it takes, also on failure. */
static int listing_add(Listing *listing, PyObject *name, mapped_field *field)
{
    if (copy_name(name, field) == 0) {
        listing->fields[listing->count++] = *field;
        return 0;
    }
    mapped_fields_release(field->item.record);
    return -1;
}

/* NULL with an exception. */
static mapped_fields *listing_compile(const Listing *listing, size_t size)
{
    const mapped_fields_source source = {.dialect = MAPPED_DIALECT_LIST,
                                         .list = listing->fields,
                                         .count = listing->count,
                                         .size = size};
    mapped_fields *fields;
    mapped_error error;
    mapped_status status = mapped_fields_compile(&source, &fields, &error);
    if (status == MAPPED_OK)
        return fields;
    if (status == MAPPED_MEMORY)
        PyErr_NoMemory();
    else if (error.offset < listing->count)
        PyErr_Format(PyExc_ValueError, "%s: field '%.60s'", error.operation,
                     listing->fields[error.offset].name);
    else
        PyErr_SetString(PyExc_ValueError, error.operation);
    return NULL;
}

static void *refuse(const char *what, PyObject *name)
{
    return raise_about(PyExc_ValueError, "a layout has no %s: field %U", what,
                       name);
}

/* An attribute of a dtype that is a number. */
static int get_number(PyObject *object, const char *name, size_t *number)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    int status = value == NULL ? -1 : convert_size(value, name, number);
    Py_XDECREF(value);
    return status;
}

/* An attribute that is a text of one character; 0 with an exception. */
static char get_letter(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    char letter = '\0';
    Py_ssize_t length = 0;
    const char *text = NULL;
    if (value != NULL && PyUnicode_Check(value))
        text = PyUnicode_AsUTF8AndSize(value, &length);
    else if (value != NULL)
        raise_kind("a dtype's letters are str", value);
    if (text != NULL && length == 1)
        letter = *text;
    else if (text != NULL)
        raise_about(PyExc_ValueError, "a dtype's %s is %U", name, value);
    Py_XDECREF(value);
    return letter;
}

/* A dtype without fields and shape. */
static int read_simple(PyObject *dtype, PyObject *name, mapped_item *item)
{
    size_t size;
    const mapped_element *element = NULL;
    char kind = get_letter(dtype, "kind");
    char order = kind == '\0' ? '\0' : get_letter(dtype, "byteorder");
    if (order == '\0' || get_number(dtype, "itemsize", &size) < 0)
        return -1;
    bool big = order == '>' || (order != '<' && MAPPED_BIG_ENDIAN);
    *item = mapped_item_of_bytes(MAPPED_ITEM_TEXT, size);
    if (kind == 'S' && size > 0)
        return 0;
    if (kind == 'u')
        element = mapped_element_find(MAPPED_KIND_UNSIGNED, size, big);
    else if (kind == 'i')
        element = mapped_element_find(MAPPED_KIND_SIGNED, size, big);
    else if (kind == 'f')
        element = mapped_element_find(MAPPED_KIND_FLOAT, size, big);
    else if (kind == 'b' && size == 1)
        element = mapped_element_from_name("bool", 4, big);
    if (element == NULL) {
        char text[64];
        snprintf(text, sizeof text, "type for NumPy's kind '%c' of %zu bytes",
                 kind, size);
        refuse(text, name);
        return -1;
    }
    *item = mapped_item_of(element);
    return 0;
}

static mapped_fields *read_fields(PyObject *dtype, PyObject *names, int depth);

/* With a record, a reference of its own. */
static int read_item(PyObject *dtype, PyObject *name, int depth,
                     mapped_item *item)
{
    PyObject *names = PyObject_GetAttrString(dtype, "names");
    if (names == NULL)
        return -1;
    int status = -1;
    if (names == Py_None) {
        status = read_simple(dtype, name, item);
    } else {
        mapped_fields *fields = read_fields(dtype, names, depth + 1);
        if (fields != NULL) {
            *item = mapped_item_of_record(fields);
            status = 0;
        }
    }
    Py_DECREF(names);
    return status;
}

/* Items of one dimension: `pair` is the dtype of one and the shape. */
static int read_repeated(PyObject *pair, PyObject *name, int depth,
                         mapped_item *item)
{
    size_t count = 0;
    mapped_item one;
    PyObject *parts = PySequence_Tuple(pair);
    PyObject *shape = NULL;
    int status = -1;
    if (parts != NULL && PyTuple_Size(parts) == 2)
        shape = PySequence_Tuple(PyTuple_GetItem(parts, 1));
    else if (parts != NULL)
        refuse("such shape", name);
    if (shape != NULL && PyTuple_Size(shape) != 1)
        refuse("arrays of more dimensions than one", name);
    else if (shape != NULL &&
             convert_length(PyTuple_GetItem(shape, 0), &count) == 0)
        status = read_item(PyTuple_GetItem(parts, 0), name, depth, &one);
    if (status == 0 && one.kind == MAPPED_ITEM_TEXT) {
        refuse("arrays of texts", name);
        status = -1;
    } else if (status == 0 && !mapped_item_repeat(&one, count, item)) {
        mapped_fields_release(one.record);
        refuse("array of that length", name);
        status = -1;
    }
    Py_XDECREF(shape);
    Py_XDECREF(parts);
    return status;
}

static int read_type(PyObject *dtype, PyObject *name, int depth,
                     mapped_item *item)
{
    PyObject *pair = PyObject_GetAttrString(dtype, "subdtype");
    if (pair == NULL)
        return -1;
    int status = pair == Py_None ? read_item(dtype, name, depth, item)
                                 : read_repeated(pair, name, depth, item);
    Py_DECREF(pair);
    return status;
}

/* `all` is the dtype's mapping of names to (dtype, offset). */
static int read_field(PyObject *all, PyObject *name, int depth,
                      Listing *listing)
{
    mapped_field field = {.name = NULL};
    PyObject *facts = PyObject_GetItem(all, name);
    PyObject *parts = facts == NULL ? NULL : PySequence_Tuple(facts);
    int status = -1;
    if (parts != NULL && PyTuple_Size(parts) < 2)
        refuse("field of that kind", name);
    else if (parts != NULL &&
             convert_offset(PyTuple_GetItem(parts, 1), &field.offset) == 0)
        status = read_type(PyTuple_GetItem(parts, 0), name, depth, &field.item);
    Py_XDECREF(parts);
    Py_XDECREF(facts);
    return status < 0 ? -1 : listing_add(listing, name, &field);
}

static int read_all(PyObject *dtype, PyObject *names, int depth,
                    Listing *listing)
{
    PyObject *all = PyObject_GetAttrString(dtype, "fields");
    int status = all == NULL ? -1 : 0;
    for (Py_ssize_t i = 0; i < PyTuple_Size(names) && status == 0; i++)
        status = read_field(all, PyTuple_GetItem(names, i), depth, listing);
    Py_XDECREF(all);
    return status;
}

static mapped_fields *read_fields(PyObject *dtype, PyObject *names, int depth)
{
    size_t size;
    mapped_fields *fields = NULL;
    Listing listing;
    if (depth > MAPPED_FIELDS_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "too many records in records");
        return NULL;
    }
    PyObject *tuple = PySequence_Tuple(names);
    if (tuple == NULL || get_number(dtype, "itemsize", &size) < 0) {
        Py_XDECREF(tuple);
        return NULL;
    }
    if (listing_begin(&listing, (size_t)PyTuple_Size(tuple)) == 0) {
        if (read_all(dtype, tuple, depth, &listing) == 0)
            fields = listing_compile(&listing, size);
        listing_end(&listing);
    }
    Py_DECREF(tuple);
    return fields;
}

PyObject *layout_from_dtype(State *state, PyObject *dtype)
{
    PyObject *names = PyObject_GetAttrString(dtype, "names");
    if (names == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            raise_kind("layout must be a str, a Layout or a dtype", dtype);
        }
        return NULL;
    }
    mapped_fields *fields = NULL;
    if (names == Py_None)
        PyErr_SetString(PyExc_ValueError,
                        "a dtype without fields is no record");
    else
        fields = read_fields(dtype, names, 0);
    Py_DECREF(names);
    return fields == NULL ? NULL : layout_make(state, fields, NULL);
}

/* What bytes of a format are: texts, and a code with a count repeats. */
static int list_format(const mapped_fields *format, PyObject *names,
                       Listing *listing)
{
    if (PyTuple_Size(names) != (Py_ssize_t)format->count) {
        PyErr_Format(PyExc_ValueError, "%zd names for %zu fields of the format",
                     PyTuple_Size(names), format->count);
        return -1;
    }
    for (size_t i = 0; i < format->count; i++) {
        PyObject *name = PyTuple_GetItem(names, (Py_ssize_t)i);
        mapped_field field = {.item = format->fields[i].item,
                              .offset = format->fields[i].offset};
        if (field.item.kind == MAPPED_ITEM_PASCAL || field.item.size == 0) {
            refuse(field.item.size == 0 ? "field without bytes"
                                        : "type for struct's 'p'",
                   name);
            return -1;
        }
        if (field.item.kind == MAPPED_ITEM_BYTES ||
            field.item.element->kind == MAPPED_KIND_CHAR)
            field.item =
                mapped_item_of_bytes(MAPPED_ITEM_TEXT, field.item.count);
        if (listing_add(listing, name, &field) < 0)
            return -1;
    }
    return 0;
}

PyObject *layout_from_struct(State *state, PyObject *format, PyObject *names)
{
    const Format *compiled;
    Listing listing;
    mapped_fields *fields = NULL;
    if (PyUnicode_Check(names))
        return raise_kind("names must be a sequence of str", names);
    PyObject *tuple = PySequence_Tuple(names);
    PyObject *keeper =
        tuple == NULL ? NULL : format_get(state, format, &compiled);
    if (keeper != NULL &&
        listing_begin(&listing, compiled->fields->count) == 0) {
        if (list_format(compiled->fields, tuple, &listing) == 0)
            fields = listing_compile(&listing, compiled->fields->size);
        listing_end(&listing);
    }
    Py_XDECREF(keeper);
    Py_XDECREF(tuple);
    return fields == NULL ? NULL : layout_make(state, fields, NULL);
}

/* What numpy.dtype() takes for a single item: "<u4", "S16", a dict. */
static PyObject *dtype_of_single(const mapped_item *item)
{
    static const char kinds[] = {[MAPPED_KIND_SIGNED] = 'i',
                                 [MAPPED_KIND_UNSIGNED] = 'u',
                                 [MAPPED_KIND_FLOAT] = 'f',
                                 [MAPPED_KIND_BOOL] = 'b',
                                 [MAPPED_KIND_CHAR] = 'S'};
    const mapped_element *element = item->element;
    if (item->record != NULL)
        return layout_to_dtype(item->record);
    if (mapped_element_struct_code(element) == NULL) /* its bytes */
        return Py_BuildValue("(s(i))", "|u1", element->size);
    return PyUnicode_FromFormat("%c%c%zu",
                                element->size == 1 ? '|'
                                : element->big     ? '>'
                                                   : '<',
                                kinds[element->kind],
                                item->kind == MAPPED_ITEM_TEXT ? item->size
                                                               : element->size);
}

static PyObject *dtype_of(const mapped_field *field)
{
    const mapped_item *item = &field->item;
    if (item->kind != MAPPED_ITEM_ELEMENTS && item->kind != MAPPED_ITEM_RECORDS)
        return dtype_of_single(item);
    mapped_item single = mapped_item_single(item);
    PyObject *one = dtype_of_single(&single);
    return one == NULL ? NULL
                       : Py_BuildValue("(N(n))", one, (Py_ssize_t)item->count);
}

static PyObject *name_of(const mapped_field *field)
{
    return PyUnicode_FromString(field->name);
}

static PyObject *offset_of(const mapped_field *field)
{
    return PyLong_FromSize_t(field->offset);
}

/* A list of what `make` makes of each field. */
static PyObject *list_of(const mapped_fields *fields,
                         PyObject *(*make)(const mapped_field *field))
{
    PyObject *list = filling(PyList_New((Py_ssize_t)fields->count));
    for (size_t i = 0; list != NULL && i < fields->count; i++) {
        PyObject *object = make(&fields->fields[i]);
        if (object == NULL)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, object);
    }
    return filled(list);
}

PyObject *layout_to_dtype(const mapped_fields *fields)
{
    PyObject *names = list_of(fields, name_of);
    PyObject *formats = names == NULL ? NULL : list_of(fields, dtype_of);
    PyObject *offsets = formats == NULL ? NULL : list_of(fields, offset_of);
    PyObject *result = NULL;
    if (offsets != NULL)
        result = Py_BuildValue("{sOsOsOsn}", "names", names, "formats", formats,
                               "offsets", offsets, "itemsize",
                               (Py_ssize_t)fields->size);
    Py_XDECREF(offsets);
    Py_XDECREF(formats);
    Py_XDECREF(names);
    return result;
}

/* A format that is being written. */
typedef struct Writer {
    char *text;
    size_t length;
    size_t at;  /* the offset that it has come to */
    char order; /* of what has more bytes than one; 0 so far */
} Writer;

/* Longer than what is written of one field. */
#define FIELD_TEXT 64

static int write_field(Writer *writer, const mapped_field *field)
{
    const mapped_element *element = field->item.element;
    const char *code =
        element == NULL ? NULL : mapped_element_struct_code(element);
    char order = code == NULL || element->size == 1 ? writer->order
                 : element->big                     ? '>'
                                                    : '<';
    const char *why = NULL;
    if (code == NULL)
        why = "has no code for";
    else if (field->offset < writer->at)
        why = "can't go back to";
    else if (writer->order != 0 && order != writer->order)
        why = "has one byte order, and not for";
    if (why != NULL) {
        PyErr_Format(PyExc_ValueError, "struct %s field '%.60s'", why,
                     field->name);
        return -1;
    }
    bool text = field->item.kind == MAPPED_ITEM_TEXT;
    char *end = writer->text + writer->length;
    if (field->offset > writer->at)
        end += sprintf(end, "%zux", field->offset - writer->at);
    if (text || field->item.count > 1)
        end += sprintf(end, "%zu", field->item.count);
    *end++ = text ? 's' : code[strlen(code) - 1];
    writer->length = (size_t)(end - writer->text);
    writer->at = field->offset + field->item.size;
    writer->order = order;
    return 0;
}

PyObject *layout_to_struct(const mapped_fields *fields)
{
    Writer writer = {.text = PyMem_Malloc((fields->count + 1) * FIELD_TEXT)};
    PyObject *result = NULL;
    int status = 0;
    if (writer.text == NULL)
        return PyErr_NoMemory();
    writer.length = 1;
    for (size_t i = 0; i < fields->count && status == 0; i++)
        status = write_field(&writer, &fields->fields[i]);
    if (fields->size > writer.at)
        writer.length += (size_t)sprintf(writer.text + writer.length, "%zux",
                                         fields->size - writer.at);
    writer.text[0] = writer.order == '>' ? '>' : '<';
    if (status == 0)
        result = PyUnicode_DecodeLatin1(writer.text, (Py_ssize_t)writer.length,
                                        NULL);
    PyMem_Free(writer.text);
    return result;
}
