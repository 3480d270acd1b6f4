/* Pickling: the methods __reduce_ex__, and then the functions of the module
 * that make the objects again.
 *
 * A Region is reduced to its origin: where its memory comes from, and how it
 * was opened. Everything else is reduced to its Region and numbers, so what
 * shares a Region in one pickle shares it where it arrives. Memory without a
 * path or name is sent by its descriptor, through multiprocessing
 * (mapped/_hand_over.py).
 *
 * A pickle may come from anybody, so all numbers in it are checked, most of
 * them by the core. */
#include "pickle.h"
#include "open.h"
#include "unlocked.h"

/* The numbers of an origin in a pickle, by their place in a tuple. From
 * PROTECTED on there are the start and the end of each stretch that is
 * protected. */
enum {
    WRITABLE,
    FLAGS,
    OFFSET,
    LENGTH,
    LIMIT,
    RESERVE,
    HUGE_PAGES,
    DEVICE,
    SERIAL,
    BIRTH,
    PROTECTED,
    MOST_NUMBERS = PROTECTED + 2 * MAPPED_PROTECTED_RANGES
};

PyObject *pickle_reduce(const State *state, const char *function,
                        PyObject *arguments)
{
    if (arguments == NULL)
        return NULL;
    PyObject *rebuild = PyObject_GetAttrString(state->module, function);
    PyObject *reduced =
        rebuild == NULL ? NULL : Py_BuildValue("(OO)", rebuild, arguments);
    Py_XDECREF(rebuild);
    Py_DECREF(arguments);
    return reduced;
}

/* Raises the TypeError of an object that can't be pickled or copied: "cannot
 * `what` <Region object>: `why`". */
static void *refuse(const char *what, PyObject *object, const char *why)
{
    PyObject *text = shown(object);
    if (text != NULL)
        PyErr_Format(PyExc_TypeError, "cannot %s %U: %s", what, text, why);
    Py_XDECREF(text);
    return NULL;
}

static PyObject *refuse_copy(PyObject *self)
{
    return refuse("copy", self, "slices share its memory, bytes() copies it");
}

const char view___copy___doc[] = COPY_DOC("__copy__($self, /)");
const char view___deepcopy___doc[] = COPY_DOC("__deepcopy__($self, memo, /)");

METHOD_NONE(view___copy__)
{
    return refuse_copy(self);
}

METHOD_ONE(view___deepcopy__)
{
    (void)argument;
    return refuse_copy(self);
}

static PyObject *origin_to_numbers(const mapped_origin *origin)
{
    uint64_t numbers[MOST_NUMBERS] = {[WRITABLE] =
                                          origin->mode != MAPPED_MODE_READ,
                                      [FLAGS] = origin->flags,
                                      [OFFSET] = origin->offset,
                                      [LENGTH] = origin->length,
                                      [LIMIT] = origin->limit,
                                      [RESERVE] = origin->reserve,
                                      [HUGE_PAGES] = origin->huge,
                                      [DEVICE] = origin->device,
                                      [SERIAL] = origin->serial,
                                      [BIRTH] = origin->birth};
    size_t count = PROTECTED;
    for (size_t i = 0; i < origin->protected_count; i++) {
        numbers[count++] = origin->protected_bytes[i].start;
        numbers[count++] = origin->protected_bytes[i].end;
    }
    PyObject *tuple = container_untrack(PyTuple_New((Py_ssize_t)count));
    for (size_t i = 0; tuple != NULL && i < count; i++)
        put_item(&tuple, i, PyLong_FromUnsignedLongLong(numbers[i]));
    return container_track(tuple);
}

/* The core looks at the path, which may wait for a network or a disk. */
static mapped_status origin_core(mapped_region *region, mapped_origin *origin,
                                 mapped_error *error)
{
    Unlocked unlocked = unlocked_begin_blocking(region);
    return unlocked_end(&unlocked, mapped_region_origin(region, origin, error));
}

/* Returns the path or name, of the type that the region was opened with. */
static PyObject *path_of(const Region *region, const mapped_origin *origin)
{
    return PyBytes_Check(region->name)
               ? PyBytes_FromString(origin->path)
               : PyUnicode_DecodeFSDefault(origin->path);
}

static PyObject *send_descriptor(intptr_t descriptor, PyObject *numbers)
{
    PyObject *send;
    if (numbers == NULL ||
        import_object("mapped._hand_over", "send", &send) < 0)
        return NULL;
    PyObject *reduced =
        PyObject_CallFunction(send, "nO", (Py_ssize_t)descriptor, numbers);
    Py_DECREF(send);
    return reduced;
}

static PyObject *reduce_region(Region *region)
{
    mapped_origin origin;
    mapped_error error;
    mapped_region *core = core_of((PyObject *)region);
    if (!TRY_TWICE(origin_core(core, &origin, &error), &error))
        return error.status == MAPPED_UNSUPPORTED
                   ? refuse("pickle", (PyObject *)region, error.operation)
                   : raise_in(region, "pickle", &error);
    PyObject *numbers = origin_to_numbers(&origin);
    PyObject *reduced;
    if (origin.kind == MAPPED_ORIGIN_DESCRIPTOR)
        reduced = send_descriptor(origin.descriptor, numbers);
    else
        reduced = pickle_reduce(
            region->state, "_open",
            numbers == NULL
                ? NULL
                : Py_BuildValue("(NO)", path_of(region, &origin), numbers));
    Py_XDECREF(numbers);
    return reduced;
}

PyObject *pickle_memory(Region *owner, mapped_slice slice)
{
    if (slice.readonly == 0)
        return Py_NewRef((PyObject *)owner);
    slice.length += slice.offset;
    slice.offset = 0;
    return slice_new(owner, slice);
}

const char view___reduce_ex___doc[] = REDUCE_DOC;

METHOD_ONE(view___reduce_ex__)
{
    mapped_error error;
    Region *owner = view_owner(self);
    mapped_slice span = view_span(self);
    (void)argument;
    if (self == (PyObject *)owner)
        return reduce_region(owner);
    if (mapped_slice_check(span, &error) != MAPPED_OK)
        return raise_in(owner, "pickle", &error);
    return pickle_reduce(owner->state, "_slice",
                         Py_BuildValue("(Onnn)", owner, (Py_ssize_t)span.offset,
                                       (Py_ssize_t)span.length,
                                       (Py_ssize_t)(span.readonly != 0)));
}

/* Returns what element_from_type takes: the letter of a native code, which has
 * limits of its own, or the name of an element; of records the Layout. */
static PyObject *type_of_items(const Array *array)
{
    if (array->layout != NULL)
        return Py_NewRef((PyObject *)array->layout);
    if (array->native != 0)
        return PyUnicode_FromStringAndSize(&array->native, 1);
    return PyUnicode_FromString(array->core.item.element->name);
}

const char array___reduce_ex___doc[] = REDUCE_DOC;

METHOD_ONE(array___reduce_ex__)
{
    Extent extent;
    const Array *array = array_of(self);
    (void)argument;
    if (array_extent(array, "pickle", &extent) < 0)
        return NULL;
    return pickle_reduce(
        extent.owner->state, "_array",
        Py_BuildValue("(NNnnnNN)", pickle_memory(extent.owner, extent.slice),
                      type_of_items(array), (Py_ssize_t)extent.slice.offset,
                      (Py_ssize_t)extent.slice.length, extent.first,
                      PyObject_GetAttrString(self, "shape"),
                      PyObject_GetAttrString(self, "strides")));
}

const char record___reduce_ex___doc[] = REDUCE_DOC;

METHOD_ONE(record___reduce_ex__)
{
    mapped_error error;
    const Record *record = record_of(self);
    (void)argument;
    if (mapped_slice_check(record->slice, &error) != MAPPED_OK)
        return raise_in(record->owned.owner, "pickle", &error);
    return pickle_reduce(
        record->owned.owner->state, "_record",
        Py_BuildValue("(NOn)",
                      pickle_memory(record->owned.owner, record->slice),
                      record->layout, (Py_ssize_t)record->slice.offset));
}

const char layout___reduce_ex___doc[] =
    PyDoc_STR("__reduce_ex__($self, protocol, /)\n--\n\n"
              "Reduce to the text, or to the fields if there was none.");

METHOD_ONE(layout___reduce_ex__)
{
    const State *state = PyType_GetModuleState(Py_TYPE(self));
    const Layout *layout = layout_of(self);
    (void)argument;
    if (layout->text != NULL)
        return pickle_reduce(state, "layout",
                             Py_BuildValue("(O)", layout->text));
    return pickle_reduce(state, "_layout",
                         Py_BuildValue("(N)", layout_describe(layout)));
}

static int refuse_numbers(void)
{
    return raised_as_int(
        PyErr_Format(PyExc_ValueError, "not the numbers of a region"));
}

static int read_numbers(PyObject *tuple, uint64_t *numbers, size_t *count)
{
    *count = (size_t)PyTuple_Size(tuple);
    if (*count < PROTECTED || *count > MOST_NUMBERS || *count % 2 != 0)
        return refuse_numbers();
    for (size_t i = 0; i < *count; i++) {
        numbers[i] =
            PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, (Py_ssize_t)i));
        if (numbers[i] == UINT64_MAX && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int origin_from_numbers(PyObject *tuple, mapped_origin *origin)
{
    uint64_t numbers[MOST_NUMBERS];
    size_t count;
    if (read_numbers(tuple, numbers, &count) < 0)
        return -1;
    if (numbers[WRITABLE] > 1 || numbers[FLAGS] > UINT32_MAX)
        return refuse_numbers();
    *origin = (mapped_origin){.mode = numbers[WRITABLE] ? MAPPED_MODE_READ_WRITE
                                                        : MAPPED_MODE_READ,
                              .flags = (uint32_t)numbers[FLAGS],
                              .offset = numbers[OFFSET],
                              .length = numbers[LENGTH],
                              .limit = numbers[LIMIT],
                              .reserve = numbers[RESERVE],
                              .huge = numbers[HUGE_PAGES],
                              .device = numbers[DEVICE],
                              .serial = numbers[SERIAL],
                              .birth = numbers[BIRTH]};
    for (size_t i = PROTECTED; i < count; i += 2) {
        origin->protected_bytes[origin->protected_count].start = numbers[i];
        origin->protected_bytes[origin->protected_count++].end = numbers[i + 1];
    }
    return 0;
}

/* Sets the path, the shared name or the descriptor. */
static void set_origin_name(const Request *request, mapped_origin *origin)
{
    bool shared = (origin->flags & MAPPED_OPEN_SHARED) != 0;
    origin->kind = MAPPED_ORIGIN_DESCRIPTOR;
    origin->descriptor = request->descriptor;
    if (request->path == NULL)
        return;
    origin->kind = shared ? MAPPED_ORIGIN_SHARED : MAPPED_ORIGIN_PATH;
    origin->path = PyBytes_AsString(request->path);
}

static mapped_status open_core(const mapped_origin *origin,
                               mapped_region **region, mapped_error *error)
{
    mapped_status status;
    PyThreadState *thread = unlocked_enter();
    status = mapped_region_open_origin(origin, region, error);
    unlocked_leave(thread);
    return status;
}

/* Opens the Region's core, and gives the Region its name; shared memory that
 * came by descriptor has none. */
static int open_origin(Region *region, const Request *request,
                       mapped_origin *origin)
{
    mapped_error error;
    mapped_region **core = &region->view.slice.region;
    set_origin_name(request, origin);
    if (!TRY_TWICE(open_core(origin, core, &error), &error))
        return raised_as_int(raise_error(region->state, &error, request->name));
    if (request->path == NULL && origin->flags & MAPPED_OPEN_SHARED)
        return 0;
    region_set_name(region, request->name);
    return 0;
}

static const char pickle__open_doc[] = PyDoc_STR(
    "_open($module, file, numbers, /)\n--\n\n"
    "Map a file or shared memory that has been handed over: `file` is its\n"
    "path, name or descriptor, which stays the caller's.");

static PyObject *pickle__open(PyObject *self, PyObject *arguments)
{
    PyObject *file, *numbers;
    mapped_origin origin;
    Request request = {.name = NULL};
    if (!PyArg_ParseTuple(arguments, "OO!", &file, &PyTuple_Type, &numbers) ||
        origin_from_numbers(numbers, &origin) < 0)
        return NULL;
    Region *region = region_new(PyModule_GetState(self), Py_None);
    if (region == NULL)
        return NULL;
    int status = request_convert_file(file, &request);
    if (status == 0)
        status = open_origin(region, &request, &origin);
    request_clear(&request);
    if (status == 0)
        return (PyObject *)region;
    Py_DECREF((PyObject *)region);
    return NULL;
}

static int require_view(const State *state, PyObject *object)
{
    return is_view(state, object)
               ? 0
               : raised_as_int(raise_kind(
                     "memory is handed over in a Region or Slice", object));
}

/* Sets `*slice` to bytes of `object`, which must be a Region or Slice of this
 * module. Returns its Region, or NULL with an exception. */
static Region *slice_of_view(const State *state, PyObject *object,
                             Py_ssize_t offset, Py_ssize_t length,
                             mapped_slice *slice)
{
    mapped_error error;
    if (require_view(state, object) < 0)
        return NULL;
    Region *owner = view_owner(object);
    if (mapped_slice_sub(view_span(object), (size_t)offset, (size_t)length,
                         slice, &error) != MAPPED_OK)
        return raise_in(owner, "slice", &error);
    return owner;
}

static const char pickle__slice_doc[] =
    PyDoc_STR("_slice($module, region, offset, length, readonly=0, /)\n--\n\n"
              "Return a Slice that has been handed over.");

static PyObject *pickle__slice(PyObject *self, PyObject *arguments)
{
    PyObject *object;
    Py_ssize_t offset, length, readonly = 0;
    mapped_slice slice;
    if (!PyArg_ParseTuple(arguments, "Onn|n", &object, &offset, &length,
                          &readonly))
        return NULL;
    Region *owner =
        slice_of_view(PyModule_GetState(self), object, offset, length, &slice);
    if (owner != NULL && readonly != 0)
        slice = mapped_slice_toreadonly(slice);
    return owner == NULL ? NULL : slice_new(owner, slice);
}

/* The inverse of type_of_items, but for a Layout. `*native` becomes the letter
 * of a native code, or 0. */
static const mapped_element *element_from_type(const State *state,
                                               PyObject *name, char *native)
{
    Py_ssize_t length;
    const mapped_element *element = NULL;
    const char *text =
        convert_word(name, "an item's type is a str or a Layout", &length);
    if (text == NULL)
        return NULL;
    *native = length == 1 && text[0] > 0 ? text[0] : 0;
    if (*native != 0)
        element = state->codes[0][(unsigned char)*native].element;
    else
        element = mapped_element_from_name(text, (size_t)length, false);
    return element != NULL ? element
                           : raise_about(PyExc_ValueError, "unknown %s %U",
                                         "item type", name);
}

static int read_sizes(PyObject *tuple, Py_ssize_t *sizes, int count)
{
    for (int i = 0; i < count; i++) {
        sizes[i] = PyLong_AsSsize_t(PyTuple_GetItem(tuple, i));
        if (sizes[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

static int read_shape(PyObject *shape, PyObject *strides, CoreArray *made)
{
    Py_ssize_t count = PyTuple_Size(shape);
    if (count < 1 || count > MAX_DIMENSIONS || PyTuple_Size(strides) != count)
        return raised_as_int(PyErr_Format(
            PyExc_ValueError, "not the shape and strides of an array"));
    made->core.dimensions = (int)count;
    made->core.shape = made->shape;
    made->core.strides = made->strides;
    return read_sizes(shape, made->shape, (int)count) < 0 ||
                   read_sizes(strides, made->strides, (int)count) < 0
               ? -1
               : 0;
}

/* Refuses shapes and strides that no array of ours has. */
static int check_array(Region *owner, const mapped_array *array)
{
    mapped_extent extent;
    mapped_error error;
    if (mapped_array_extent(array, &extent, &error) != MAPPED_OK)
        return raised_as_int(raise_in(owner, "cast", &error));
    if (array->first > array->slice.length ||
        array_bytes(array) > array->slice.length || !array_lengths_fit(array))
        return raised_as_int(PyErr_Format(
            PyExc_ValueError, "not the shape and strides of an array"));
    return 0;
}

static const char pickle__array_doc[] =
    PyDoc_STR("_array($module, region, type, offset, length, first, shape, "
              "strides, /)\n--\n\n"
              "Return an Array or Records that have been handed over.");

static PyObject *pickle__array(PyObject *self, PyObject *arguments)
{
    const State *state = PyModule_GetState(self);
    PyObject *object, *type, *shape, *strides;
    Py_ssize_t offset, length, first;
    CoreArray made;
    char native = 0;
    Layout *layout = NULL;
    if (!PyArg_ParseTuple(arguments, "OOnnnO!O!", &object, &type, &offset,
                          &length, &first, &PyTuple_Type, &shape, &PyTuple_Type,
                          &strides) ||
        read_shape(shape, strides, &made) < 0)
        return NULL;
    made.core.first = (size_t)first;
    if (Py_IS_TYPE(type, state->layout_type)) {
        layout = layout_of(type);
        made.core.item = mapped_item_of_record(layout->fields);
    } else {
        const mapped_element *element = element_from_type(state, type, &native);
        if (element == NULL)
            return NULL;
        made.core.item = mapped_item_of(element);
    }
    Region *owner =
        slice_of_view(state, object, offset, length, &made.core.slice);
    if (owner == NULL || check_array(owner, &made.core) < 0)
        return NULL;
    return array_make(owner, layout, native, &made.core);
}

static const char pickle__record_doc[] =
    PyDoc_STR("_record($module, region, layout, offset, /)\n--\n\n"
              "Return a Record that has been handed over.");

static PyObject *pickle__record(PyObject *self, PyObject *arguments)
{
    const State *state = PyModule_GetState(self);
    PyObject *object, *layout;
    Py_ssize_t offset;
    mapped_slice slice;
    if (!PyArg_ParseTuple(arguments, "OO!n", &object, state->layout_type,
                          &layout, &offset))
        return NULL;
    Py_ssize_t length = (Py_ssize_t)layout_of(layout)->fields->size;
    Region *owner = slice_of_view(state, object, offset, length, &slice);
    return owner == NULL ? NULL : record_new(owner, layout_of(layout), slice);
}

static const char pickle__atomic_doc[] =
    PyDoc_STR("_atomic($module, region, type, offset, /)\n--\n\n"
              "Return an Atomic that has been handed over.");

static PyObject *pickle__atomic(PyObject *self, PyObject *arguments)
{
    const State *state = PyModule_GetState(self);
    PyObject *object, *type;
    Py_ssize_t offset;
    char native;
    if (!PyArg_ParseTuple(arguments, "OOn", &object, &type, &offset) ||
        require_view(state, object) < 0)
        return NULL;
    const mapped_element *element = element_from_type(state, type, &native);
    return element == NULL ? NULL : atomic_new(object, element, (size_t)offset);
}

static const char pickle__layout_doc[] =
    PyDoc_STR("_layout($module, record, /)\n--\n\n"
              "Return a Layout without a text that has been handed over.");

static PyObject *pickle__layout(PyObject *self, PyObject *record)
{
    return layout_from_description(PyModule_GetState(self), record);
}

#define FLAGS_TUPLE METH_VARARGS

PyMethodDef pickle_functions[] = {METHOD_ROW(pickle, TUPLE, _open),
                                  METHOD_ROW(pickle, TUPLE, _slice),
                                  METHOD_ROW(pickle, TUPLE, _array),
                                  METHOD_ROW(pickle, TUPLE, _record),
                                  METHOD_ROW(pickle, TUPLE, _atomic),
                                  METHOD_ROW(pickle, ONE, _layout),
                                  {NULL, NULL, 0, NULL}};
