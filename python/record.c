/* The type Record: one record in place (an object that points to the bytes in a
 * Region, not a copy). Its Layout has the fields: items at offsets, with names.
 *
 * A field is read and written as an attribute, by its name in brackets, or by
 * its index in brackets; each finds the field (field_of_attribute,
 * field_of_key) and then calls get_field or set_field.
 *
 * As a sequence a Record is the tuple of its values, and what tuples can do is
 * done by that tuple. In that of tuple_in_place, a record inside of this one is
 * a Record in place; in that of tuple_of_copies, which reads everything in one
 * step, it is a tuple. */
#include <stdlib.h>
#include <string.h>

#include "pickle.h"
#include "value.h"

PyObject *record_new(Region *owner, Layout *layout, mapped_slice slice)
{
    Record *self = (Record *)owned_new(owner->state->record_type, owner);
    if (self == NULL)
        return NULL;
    self->layout = (Layout *)Py_NewRef((PyObject *)layout);
    self->slice = slice;
    return (PyObject *)self;
}

static void record_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_DECREF((PyObject *)record_of(self)->layout);
    owned_dealloc(self);
}

/* Most fields have no more bytes, and are copied to the stack. */
#define STACK_BYTES 256

/* Returns memory of zeros for a copy of the field: `on_stack`, if that is large
 * enough, else memory for PyMem_Free; or NULL with an exception. */
static unsigned char *field_room(const mapped_field *field,
                                 unsigned char *on_stack)
{
    if (field->item.size <= STACK_BYTES)
        return memset(on_stack, 0, STACK_BYTES);
    return memory_new(field->item.size, 1);
}

/* Makes an object of a copy of the field. */
static PyObject *copy_field(const Record *record, const mapped_field *field)
{
    unsigned char on_stack[STACK_BYTES];
    unsigned char *room = field_room(field, on_stack);
    PyObject *result = NULL;
    mapped_error error;
    if (room == NULL)
        return NULL;
    if (mapped_item_read(record->slice, &field->item, field->offset, room,
                         &error) == MAPPED_OK)
        result = item_make(&field->item, room);
    else
        raise_in(record->owned.owner, "get", &error);
    if (room != on_stack)
        PyMem_Free(room);
    return result;
}

/* Makes the Record or Records, in place, of a field that is one or several
 * records. */
static PyObject *inner_records(const Record *record, const mapped_field *field)
{
    Region *owner = record->owned.owner;
    const mapped_item single = mapped_item_single(&field->item);
    Py_ssize_t count = (Py_ssize_t)field->item.count;
    Py_ssize_t stride = (Py_ssize_t)single.size;
    const mapped_array array = {.slice = record->slice,
                                .first = field->offset,
                                .item = single,
                                .dimensions = 1,
                                .shape = &count,
                                .strides = &stride};
    mapped_slice bytes;
    mapped_error error;
    if (mapped_slice_sub(record->slice, field->offset, field->item.size, &bytes,
                         &error) != MAPPED_OK)
        return raise_in(owner, "get", &error);
    Layout *layout = layout_inner(owner->state, field->item.record);
    if (layout == NULL)
        return NULL;
    PyObject *result = field->item.kind == MAPPED_ITEM_RECORD
                           ? record_new(owner, layout, bytes)
                           : array_make(owner, layout, 0, &array);
    Py_DECREF((PyObject *)layout);
    return result;
}

static PyObject *get_field(PyObject *self, const mapped_field *field)
{
    const Record *record = record_of(self);
    if (field->item.kind == MAPPED_ITEM_ELEMENT)
        return element_read(record->owned.owner, &record->slice,
                            field->item.element, field->offset);
    if (field->item.record != NULL)
        return inner_records(record, field);
    return copy_field(record, field);
}

int field_write(Region *owner, mapped_slice slice, const mapped_field *field,
                PyObject *value)
{
    unsigned char on_stack[STACK_BYTES];
    unsigned char *room = field_room(field, on_stack);
    mapped_error error;
    if (room == NULL)
        return -1;
    int status = field_store(owner->state, field, value, room);
    if (status == 0 && mapped_item_write(slice, &field->item, field->offset,
                                         room, &error) != MAPPED_OK) {
        status = raised_as_int(raise_in(owner, ASSIGN, &error));
    }
    if (room != on_stack)
        PyMem_Free(room);
    return status;
}

/* Python deletes by a `value` of NULL. Returns 0, or -1 with an exception. */
static int set_field(PyObject *self, const mapped_field *field, PyObject *value)
{
    if (value == NULL)
        return raised_as_int(
            PyErr_Format(PyExc_TypeError, "fields can't be deleted"));
    return field_write(record_of(self)->owned.owner, record_of(self)->slice,
                       field, value);
}

/* Finds the field that an attribute's name means; NULL if there is none. A name
 * like __class__ means Python's own attribute, so it sets `*is_special`, and
 * only [] reaches a field of that name. Returns 0, or -1 with an exception. */
static int field_of_attribute(PyObject *self, PyObject *name,
                              const mapped_field **field, bool *is_special)
{
    Py_ssize_t length;
    *is_special = false;
    *field = NULL;
    if (!PyUnicode_Check(name))
        return 0;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);
    if (text == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeError))
            return -1;
        PyErr_Clear(); /* No field has a name that can't be encoded. */
        return 0;
    }
    *is_special = length > 4 && text[0] == '_' && text[1] == '_' &&
                  text[length - 1] == '_' && text[length - 2] == '_';
    *field = mapped_fields_find(record_of(self)->layout->fields, text,
                                (size_t)length);
    return 0;
}

/* CPython's AttributeError repeats the whole name, however long. None of its
 * own names has over 64 characters, so longer ones get our error. */
static bool is_too_long(PyObject *name)
{
    return PyUnicode_Check(name) && PyUnicode_GetLength(name) > 64;
}

static void *raise_no_attribute(PyObject *name)
{
    return raise_about(PyExc_AttributeError, "%s has no attribute %U",
                       "'mapped.Record' object", name);
}

/* All Records share one type whatever their layout, so __match_args__, which
 * lists the attributes that a positional pattern of `match` asks for, can't
 * name fields. It names positions, "[0]", "[1]" and so on, which are
 * attributes, too. A pattern can have at most this many. */
#define MAX_POSITIONS 256

/* The type is immutable: its own setattr refuses. PyObject_GenericSetAttr
 * writes to the type's dict. That is safe, as nobody has cached anything of the
 * new type yet. */
int record_add_patterns(PyTypeObject *type)
{
    PyObject *names = PyTuple_New(MAX_POSITIONS);
    int status = names == NULL ? -1 : 0;
    for (int i = 0; i < MAX_POSITIONS && status == 0; i++)
        status = PyTuple_SetItem(names, i, PyUnicode_FromFormat("[%d]", i));
    PyObject *key = status == 0 ? PyUnicode_FromString("__match_args__") : NULL;
    if (key == NULL ||
        PyObject_GenericSetAttr((PyObject *)type, key, names) < 0)
        status = -1;
    Py_XDECREF(key);
    Py_XDECREF(names);
    return status;
}

/* Returns the field that a name like "[0]" means. Returns NULL, and raises
 * nothing, for other names and for positions without a field. */
static const mapped_field *field_of_position_name(PyObject *self,
                                                  PyObject *name)
{
    const mapped_fields *fields = record_of(self)->layout->fields;
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    char *end;
    if (text == NULL)
        PyErr_Clear();
    if (text == NULL || text[0] != '[' || text[1] < '0' || text[1] > '9')
        return NULL;
    unsigned long position = strtoul(text + 1, &end, 10);
    return strcmp(end, "]") == 0 && position < fields->count
               ? &fields->fields[position]
               : NULL;
}

/* A name means, in this order: a field, an attribute of Python's own, a
 * position. */
static PyObject *record_getattr(PyObject *self, PyObject *name)
{
    bool is_special;
    const mapped_field *field;
    if (field_of_attribute(self, name, &field, &is_special) < 0)
        return NULL;
    if (field != NULL && !is_special)
        return get_field(self, field);
    if (is_too_long(name))
        return raise_no_attribute(name);
    PyObject *attribute = PyObject_GenericGetAttr(self, name);
    if (attribute != NULL || is_special || !PyUnicode_Check(name) ||
        !PyErr_ExceptionMatches(PyExc_AttributeError))
        return attribute;
    PyErr_Clear();
    field = field_of_position_name(self, name);
    if (field == NULL)
        return raise_no_field(record_of(self)->layout, name,
                              PyExc_AttributeError);
    return get_field(self, field);
}

static int record_setattr(PyObject *self, PyObject *name, PyObject *value)
{
    bool is_special;
    const mapped_field *field;
    if (field_of_attribute(self, name, &field, &is_special) < 0)
        return -1;
    if (field != NULL && !is_special)
        return set_field(self, field, value);
    if (field != NULL)
        return raised_as_int(raise_about(PyExc_AttributeError,
                                         "%s %U is set as record[name]",
                                         "field", name));
    if (is_too_long(name))
        return raised_as_int(raise_no_attribute(name));
    if (is_special || !PyUnicode_Check(name))
        return PyObject_GenericSetAttr(self, name, value);
    return raised_as_int(
        raise_no_field(record_of(self)->layout, name, PyExc_AttributeError));
}

/* Returns the field at an index that doesn't count from the end; or NULL with
 * an IndexError, which shows the index that was `given`. */
static const mapped_field *field_at(PyObject *self, Py_ssize_t index,
                                    Py_ssize_t given)
{
    const mapped_fields *fields = record_of(self)->layout->fields;
    return (size_t)index < fields->count /* a negative one becomes too large */
               ? &fields->fields[index]
               : raise_index(record_of(self)->owned.owner, given,
                             fields->count);
}

/* Returns the field of a name, or of an index that may count from the end; or
 * NULL with an exception. */
static const mapped_field *field_of_key(PyObject *self, PyObject *key)
{
    const Layout *layout = record_of(self)->layout;
    Py_ssize_t index;
    if (PyUnicode_Check(key) || !PyIndex_Check(key))
        return layout_field(layout, key, PyExc_KeyError);
    if (convert_index(key, &index) < 0)
        return NULL;
    return field_at(
        self, index < 0 ? index + (Py_ssize_t)layout->fields->count : index,
        index);
}

static PyObject *record_item(PyObject *self, Py_ssize_t index)
{
    const mapped_field *field = field_at(self, index, index);
    return field == NULL ? NULL : get_field(self, field);
}

/* Returns a tuple of the values, in which records are in place. */
static PyObject *tuple_in_place(PyObject *self)
{
    const mapped_fields *fields = record_of(self)->layout->fields;
    /* It is hidden from gc.get_objects until it is full. */
    PyObject *tuple = container_untrack(PyTuple_New((Py_ssize_t)fields->count));
    for (size_t i = 0; tuple != NULL && i < fields->count; i++)
        put_item(&tuple, i, get_field(self, &fields->fields[i]));
    return container_track(tuple);
}

static PyObject *record_subscript(PyObject *self, PyObject *key)
{
    if (PySlice_Check(key)) {
        PyObject *values = tuple_in_place(self);
        PyObject *chosen =
            values == NULL ? NULL : PyObject_GetItem(values, key);
        Py_XDECREF(values);
        return chosen;
    }
    const mapped_field *field = field_of_key(self, key);
    return field == NULL ? NULL : get_field(self, field);
}

static int record_assign(PyObject *self, PyObject *key, PyObject *value)
{
    const mapped_field *field = field_of_key(self, key);
    return field == NULL ? -1 : set_field(self, field, value);
}

static Py_ssize_t record_length(PyObject *self)
{
    return (Py_ssize_t)record_of(self)->layout->fields->count;
}

/* Iterates over the values, in the order of the layout. */
static PyObject *record_iterate(PyObject *self)
{
    PyObject *values = tuple_in_place(self);
    PyObject *iterator = values == NULL ? NULL : PyObject_GetIter(values);
    Py_XDECREF(values);
    return iterator;
}

/* Returns a list of the names, for keys() and for __dir__(). */
static METHOD_NONE(record_dir)
{
    PyObject *names =
        PyObject_GetAttrString((PyObject *)record_of(self)->layout, "names");
    PyObject *list = names == NULL ? NULL : PySequence_List(names);
    Py_XDECREF(names);
    return list;
}

#define MAX_SHOWN_BYTES 1000

/* A record of many bytes, or of a layout with a long text, is shown without its
 * values. */
static bool is_long(const Layout *layout)
{
    return layout->fields->size > MAX_SHOWN_BYTES ||
           mapped_fields_spell(layout->fields, MAPPED_SPELLING_LAYOUT, NULL,
                               0) > MAX_SHOWN_BYTES;
}

/* The whole record, as one field of itself. */
static mapped_field whole_record(const Record *record)
{
    return (mapped_field){.item =
                              mapped_item_of_record(record->layout->fields)};
}

/* Returns a tuple of copies of the values, in which records are tuples too. */
static PyObject *tuple_of_copies(const Record *record)
{
    const mapped_field whole = whole_record(record);
    return copy_field(record, &whole);
}

/* A record that can't be read equals no tuple. Without memory it isn't known
 * whether it can be read, so a MemoryError passes, as do KeyboardInterrupt and
 * the like. */
PyObject *record_compare_values(PyObject *self, PyObject *tuple, int operation)
{
    PyObject *values = tuple_of_copies(record_of(self));
    if (values == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception) ||
            PyErr_ExceptionMatches(PyExc_MemoryError))
            return NULL;
        PyErr_Clear();
        return PyBool_FromLong(operation == Py_NE);
    }
    PyObject *result = PyObject_RichCompare(values, tuple, operation);
    Py_DECREF(values);
    return result;
}

/* If the values can't be had, even for want of memory, the repr says that,
 * which is true. Only KeyboardInterrupt and the like pass. */
static PyObject *record_repr(PyObject *self)
{
    Layout *layout = record_of(self)->layout;
    if (is_long(layout))
        return PyUnicode_FromFormat("<mapped.Record of %R>", layout);
    PyObject *values = tuple_of_copies(record_of(self));
    if (values == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
        return PyUnicode_FromFormat("<mapped.Record of %R, out of reach>",
                                    layout);
    }
    PyObject *layout_line = layout_text(layout);
    PyObject *text = NULL;
    if (layout_line != NULL)
        text =
            PyUnicode_FromFormat("mapped.Record(%R, %R)", layout_line, values);
    Py_XDECREF(layout_line);
    Py_DECREF(values);
    return text;
}

static const char record_keys_doc[] =
    PyDoc_STR("keys($self, /)\n--\n\n"
              "Return a list of the fields' names, so that dict(record) works\n"
              "if none of them is 'keys'.");

static const char record__asdict_doc[] =
    PyDoc_STR("_asdict($self, /)\n--\n\n"
              "Return a dict of the fields' names and values.");

static METHOD_NONE(record__asdict)
{
    const mapped_fields *fields = record_of(self)->layout->fields;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < fields->count; i++) {
        const mapped_field *field = &fields->fields[i];
        PyObject *name = PyUnicode_FromString(field->name);
        PyObject *value = name == NULL ? NULL : get_field(self, field);
        if (value == NULL || PyDict_SetItem(dict, name, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(value);
    }
    return dict;
}

/* Calls a method of the tuple of the values. */
static PyObject *call_of_values(PyObject *self, const char *name,
                                PyObject *arguments)
{
    PyObject *values = tuple_in_place(self);
    PyObject *method =
        values == NULL ? NULL : PyObject_GetAttrString(values, name);
    PyObject *result =
        method == NULL ? NULL : PyObject_Call(method, arguments, NULL);
    Py_XDECREF(method);
    Py_XDECREF(values);
    return result;
}

static const char record_index_doc[] =
    PyDoc_STR("index($self, value, /, *bounds)\n--\n\n"
              "As that of a tuple of the values.");

static PyObject *record_index(PyObject *self, PyObject *arguments)
{
    return call_of_values(self, "index", arguments);
}

static const char record_count_doc[] =
    PyDoc_STR("count($self, value, /)\n--\n\n"
              "As that of a tuple of the values.");

static PyObject *record_count(PyObject *self, PyObject *arguments)
{
    return call_of_values(self, "count", arguments);
}

/* Makes a Record in memory of its own: that of a bytearray, which is wrapped.
 */
static PyObject *record_make(const State *state, Layout *layout)
{
    PyObject *bytes =
        PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)layout->fields->size);
    if (bytes == NULL)
        return NULL;
    memset(PyByteArray_AsString(bytes), 0, layout->fields->size);
    PyObject *memory = module_wrap(state->module, bytes);
    PyObject *made = NULL;
    if (memory != NULL)
        made = record_new(view_owner(memory), layout, view_span(memory));
    Py_XDECREF(memory);
    Py_DECREF(bytes);
    return made;
}

static int assign_all(PyObject *self, PyObject *values)
{
    const Record *record = record_of(self);
    const mapped_field whole = whole_record(record);
    return field_write(record->owned.owner, record->slice, &whole, values);
}

static PyObject *record_create(PyTypeObject *type, PyObject *arguments,
                               PyObject *keywords)
{
    static char *names[] = {"layout", "values", NULL};
    PyObject *text, *values = Py_None;
    State *state = PyType_GetModuleState(type);
    if (state == NULL ||
        !PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:Record", names,
                                     &text, &values))
        return NULL;
    PyObject *layout = layout_from(state, text);
    PyObject *made =
        layout == NULL ? NULL : record_make(state, layout_of(layout));
    Py_XDECREF(layout);
    if (made != NULL && values != Py_None && assign_all(made, values) < 0)
        Py_CLEAR(made);
    return made;
}

static const char record_dir_doc[] = PyDoc_STR("__dir__($self, /)\n--\n\n"
                                               "The names of the fields.");

static PyMethodDef record_methods[] = {
    {"__dir__", record_dir, METH_NOARGS, record_dir_doc},
    {"keys", record_dir, METH_NOARGS, record_keys_doc},
    METHOD_ROW(record, NONE, _asdict),
    {"index", record_index, METH_VARARGS, record_index_doc},
    {"count", record_count, METH_VARARGS, record_count_doc},
    PICKLE_METHODS(record),
    {NULL, NULL, 0, NULL}};

static const char record_doc[] = PyDoc_STR(
    "Record(layout, values=None)\n--\n\n"
    "One record in place: each field is an attribute, read and written where\n"
    "it lies, and an item by name, which alone reaches a field that has a\n"
    "name of Python's own such as __len__. Otherwise it is a sequence of the\n"
    "values in the order of the layout, and equals a tuple of them; a method\n"
    "is hidden by a field of its name.\n\n"
    "Records are the items of Records. Called, the type makes one in memory\n"
    "of its own: of zeros, or of what can be assigned to a record.\n\n"
    "Numbers are int, float or bool; char[n] is bytes without the zero bytes\n"
    "that fill it up; other fields with [n] are tuples.");

static PyType_Slot record_slots[] = {{Py_tp_doc, (void *)record_doc},
                                     {Py_tp_dealloc, record_dealloc},
                                     {Py_tp_traverse, owned_traverse},
                                     {Py_tp_repr, record_repr},
                                     {Py_tp_getattro, record_getattr},
                                     {Py_tp_setattro, record_setattr},
                                     {Py_tp_hash, PyObject_HashNotImplemented},
                                     {Py_tp_richcompare, record_compare},
                                     {Py_tp_iter, record_iterate},
                                     {Py_tp_new, record_create},
                                     {Py_sq_item, record_item},
                                     {Py_sq_length, record_length},
                                     {Py_tp_methods, record_methods},
                                     {Py_mp_length, record_length},
                                     {Py_mp_subscript, record_subscript},
                                     {Py_mp_ass_subscript, record_assign},
                                     {0, NULL}};

PyType_Spec record_spec = {
    .name = "mapped.Record",
    .basicsize = sizeof(Record),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_HAVE_GC | PATTERN_SEQUENCE,
    .slots = record_slots,
};
