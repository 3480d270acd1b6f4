/* pack: the struct language on the bytes of a Region or Slice. All arguments
 * are converted before anything is written. */
#include "format.h"

#define ITEMS_AT_ONCE 32

static int refuse_range(State *state, const mapped_step *step)
{
    unsigned bits = 8u * step->element->size;
    if (step->element->kind == MAPPED_KIND_SIGNED)
        PyErr_Format(state->struct_error,
                     "'%c' format requires %lld <= number <= %lld, at offset "
                     "%zu of the format",
                     step->code, (long long)(INT64_MIN >> (64 - bits)),
                     (long long)(INT64_MAX >> (64 - bits)), step->place);
    else
        PyErr_Format(state->struct_error,
                     "'%c' format requires 0 <= number <= %llu, at offset %zu "
                     "of the format",
                     step->code,
                     (unsigned long long)(UINT64_MAX >> (64 - bits)),
                     step->place);
    return -1;
}

static int integer_item(State *state, PyObject *object, mapped_step_value *item)
{
    if (!PyIndex_Check(object))
        return format_refuse(state, item->step,
                             "required argument is not an integer");
    PyObject *number = PyNumber_Index(object);
    if (number == NULL)
        return -1;
    bool address = item->step->code == 'P';
    int status =
        address ? value_from_address(number, &item->value)
                : value_from_int(item->step->element, number, &item->value);
    Py_DECREF(number);
    if (status == 0 || !PyErr_ExceptionMatches(PyExc_OverflowError))
        return status;
    PyErr_Clear();
    return address
               ? format_refuse(state, item->step, "int too large to convert")
               : refuse_range(state, item->step);
}

/* A native f that overflows is an infinity, as C has it. */
static int float_item(State *state, const Plan *plan, PyObject *object,
                      mapped_step_value *item)
{
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return -1; /* an interrupt */
        PyErr_Clear();
        return format_refuse(state, item->step,
                             "required argument is not a float");
    }
    bool narrow = plan->native && item->step->code == 'f';
    item->value.f = narrow ? (float)value : value;
    return 0;
}

static int char_item(State *state, PyObject *object, mapped_step_value *item)
{
    if (!PyBytes_Check(object) || PyBytes_Size(object) != 1)
        return format_refuse(state, item->step,
                             "char format requires a bytes object of length 1");
    item->value.u = (unsigned char)PyBytes_AsString(object)[0];
    return 0;
}

static int element_item(State *state, const Plan *plan, PyObject *object,
                        mapped_step_value *item)
{
    switch ((mapped_kind)item->step->element->kind) {
    case MAPPED_KIND_FLOAT:
        return float_item(state, plan, object, item);
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

static int check_item(State *state, PyObject *object,
                      const mapped_step_value *item)
{
    const mapped_step *step = item->step;
    if (mapped_format_check(item, NULL) == MAPPED_OK)
        return 0;
    if (step->element->kind != MAPPED_KIND_FLOAT)
        return refuse_range(state, step);
    if (PyLong_Check(object))
        return format_refuse(state, step, "int too large to convert");
    PyErr_Format(PyExc_OverflowError,
                 "float too large to pack with %c format, at offset %zu of the "
                 "format",
                 step->code, step->place);
    return -1;
}

/* Bytes only have their type checked: another argument's conversion may yet
 * resize a bytearray. */
static int convert_item(State *state, const Plan *plan, PyObject *object,
                        mapped_step_value *item)
{
    if (item->step->kind == MAPPED_STEP_ELEMENT)
        return element_item(state, plan, object, item) < 0
                   ? -1
                   : check_item(state, object, item);
    if (PyBytes_Check(object) || PyByteArray_Check(object))
        return 0;
    return format_refuse(state, item->step,
                         item->step->kind == MAPPED_STEP_PASCAL
                             ? "argument for 'p' must be a bytes object"
                             : "argument for 's' must be a bytes object");
}

/* Longer bytes are cut, as struct does. */
static void take_bytes(PyObject *object, mapped_step_value *item)
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

static int convert_all(State *state, const Plan *plan, PyObject *const *values,
                       mapped_step_values *items)
{
    mapped_cursor cursor = {.offset = 0};
    mapped_step_value item = {.step = NULL};
    while (mapped_format_next(plan->format, &cursor, &item)) {
        if (convert_item(state, plan, values[items->count], &item) < 0)
            return -1;
        items->items[items->count++] = item;
    }
    for (size_t i = 0; i < items->count; i++)
        if (items->items[i].step->kind != MAPPED_STEP_ELEMENT)
            take_bytes(values[i], &items->items[i]);
    return 0;
}

static int pack_items(PyObject *self, const Plan *plan, Py_ssize_t offset,
                      const mapped_step_values *items)
{
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    mapped_error error;
    if (format_offset(owner, span.length, plan->size, &offset) < 0)
        return -1;
    mapped_cursor cursor = {.offset = (size_t)offset};
    if (mapped_format_pack(plan->format, span, &cursor, items, &error) ==
        MAPPED_OK)
        return 0;
    raise_of(owner, &error);
    return -1;
}

/* Before the values, as struct does; after them once more, since converting one
 * may close or shrink the region. */
static int check_room(PyObject *self, const Plan *plan, Py_ssize_t offset)
{
    return format_offset(view_owner(self), view_span(self).length, plan->size,
                         &offset);
}

static int check_count(State *state, const Plan *plan, Py_ssize_t count)
{
    if (plan->count == count)
        return 0;
    PyErr_Format(state->struct_error,
                 "pack expected %zd items for packing (got %zd)", plan->count,
                 count);
    return -1;
}

static int pack(PyObject *self, const Plan *plan, Py_ssize_t offset,
                PyObject *const *values)
{
    mapped_step_value room[ITEMS_AT_ONCE];
    mapped_step_values items = {room, ITEMS_AT_ONCE, 0};
    size_t count = (size_t)plan->count;
    if (count > ITEMS_AT_ONCE) {
        items.items = PyMem_Calloc(count, sizeof *items.items);
        items.capacity = count;
    }
    if (items.items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int status = check_room(self, plan, offset);
    if (status == 0)
        status = convert_all(view_owner(self)->state, plan, values, &items);
    if (status == 0)
        status = pack_items(self, plan, offset, &items);
    if (items.items != room)
        PyMem_Free(items.items);
    return status;
}

const char view_pack_doc[] = PyDoc_STR(
    "pack($self, format, offset, /, *values)\n--\n\n"
    "Store `values` as `format`, in the language of struct, says, at byte\n"
    "`offset`, which counts from the end if negative.\n\n"
    "The bytes and errors of struct.pack_into, but nothing is written if a "
    "value\ncan't be. PackRangeError, which is an IndexError too, if it lies "
    "outside,\nTypeError if the region is read-only, ValueError if it is "
    "closed, FaultError\nif a page is lost.");

METHOD_KEYWORDS(view_pack)
{
    State *state = view_owner(self)->state;
    const Plan *plan;
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
    PyObject *keeper = format_get(state, given[0], &plan);
    if (keeper == NULL)
        return NULL;
    int status = check_count(state, plan, count - 2);
    if (status == 0)
        status = convert_index(given[1], &offset);
    if (status == 0)
        status = pack(self, plan, offset, given + 2);
    Py_DECREF(keeper);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}
