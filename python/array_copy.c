/* Copies all items of an Array or Records: to plain memory and from there, to
 * bytes objects and to lists; and exports them as a buffer. */
#include "array.h"
#include "unlocked.h"
#include "value.h"

int array_gather(Region *owner, const char *operation,
                 const mapped_array *array, void *to)
{
    mapped_error error;
    Unlocked unlocked =
        unlocked_begin(array->slice.region, NULL, array_bytes(array));
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_array_gather(array, to, &error), &error);
    return check_status(owner, operation, status, &error);
}

int array_scatter(Region *owner, const mapped_array *array, const void *from)
{
    mapped_error error;
    Unlocked unlocked =
        unlocked_begin(array->slice.region, NULL, array_bytes(array));
    mapped_status status = unlocked_end_access(
        &unlocked, mapped_array_scatter(array, from, &error), &error);
    return check_status(owner, ASSIGN, status, &error);
}

METHOD_NONE(array_tobytes)
{
    const Array *array = array_of(self);
    if (require_open(array->owner, "tobytes") < 0)
        return NULL;
    PyObject *bytes = bytes_new(array_bytes(&array->core));
    if (bytes == NULL)
        return NULL;
    if (array_gather(array->owner, "tobytes", &array->core,
                     PyBytes_AsString(bytes)) == 0)
        return bytes;
    Py_DECREF(bytes);
    return NULL;
}

const char items_copy_to_doc[] = PyDoc_STR(
    "copy_to($self, dest, /)\n--\n\n"
    "Copy the bytes of all items, in order, to the beginning of `dest`, a\n"
    "writable buffer.\n\n"
    "ValueError if `dest` is too small or a region is closed, TypeError if\n"
    "it can't be written, FaultError if a page is lost.");

/* Returns all bytes of the items as a Slice: in place; or of a copy, if there
 * are gaps between the items, or if they are on a device. */
static PyObject *bytes_in_order(PyObject *self)
{
    const Array *array = array_of(self);
    Extent extent;
    if (array_extent(array, "copy_to", &extent) < 0)
        return NULL;
    if (extent.is_contiguous && !mapped_region_device(extent.slice.region))
        return slice_new(array->owner, extent.slice);
    PyObject *bytes = array_tobytes(self, NULL);
    PyObject *slice =
        bytes == NULL ? NULL : module_wrap(array->owner->state->module, bytes);
    Py_XDECREF(bytes);
    return slice;
}

METHOD_ONE(items_copy_to)
{
    PyObject *slice = bytes_in_order(self);
    PyObject *result = slice == NULL ? NULL : view_copy_to(slice, argument);
    Py_XDECREF(slice);
    return result;
}

/* tolist() gathers the items in blocks of so many bytes: one check serves a
 * block, and making a list, which may run any code, never meets memory of a
 * region. */
#define BLOCK_BYTES 4096

/* What one call of tolist() works with. */
typedef struct ListCall {
    Region *owner;
    const mapped_array *array;
    unsigned char *block; /* BLOCK_BYTES, or one item if that is larger */
} ListCall;

/* Fills the places [at, end) of the list with the items at `p`. Returns 0, or
 * -1 with an exception. */
static int fill_list(PyObject *list, Py_ssize_t at, Py_ssize_t end,
                     const mapped_item *item, const unsigned char *p)
{
    if (item->kind == MAPPED_ITEM_ELEMENT)
        return value_fill[item->element->form](item->element, p, list, at, end);
    for (; at < end; at++, p += item->size) {
        PyObject *object = item_make(item, p);
        if (object == NULL)
            return -1;
        PyList_SetItem(list, at, object);
    }
    return 0;
}

/* Fills the list of a row of the last dimension, whose first item is at
 * `first`. Returns 0, or -1 with an exception. */
static int list_row(const ListCall *call, size_t first, PyObject *list)
{
    int last = call->array->dimensions - 1;
    Py_ssize_t length = call->array->shape[last], block_items = 1, count;
    mapped_array block = *call->array;
    block.first = first;
    block.dimensions = 1;
    block.shape = &count;
    block.strides += last;
    if (block.item.size < BLOCK_BYTES)
        block_items = (Py_ssize_t)(BLOCK_BYTES / block.item.size);
    for (Py_ssize_t at = 0; at < length; at += count) {
        count = length - at < block_items ? length - at : block_items;
        if (array_gather(call->owner, "tolist", &block, call->block) < 0 ||
            fill_list(list, at, at + count, &block.item, call->block) < 0)
            return -1;
        block.first += (size_t)count * (size_t)block.strides[0];
    }
    return 0;
}

/* Makes the list of a dimension and, inside of it, of those after it. */
static PyObject *list_dimension(const ListCall *call, int dimension,
                                size_t first)
{
    const mapped_array *array = call->array;
    Py_ssize_t length = array->shape[dimension];
    bool is_last = dimension == array->dimensions - 1;
    PyObject *list =
        container_untrack(container_new(PyList_New, (size_t)length));
    if (list == NULL)
        return NULL;
    int status = is_last ? list_row(call, first, list) : 0;
    for (Py_ssize_t i = 0; i < length && !is_last && status == 0; i++) {
        PyObject *inner = list_dimension(call, dimension + 1, first);
        status = inner == NULL ? -1 : PyList_SetItem(list, i, inner);
        first += (size_t)array->strides[dimension];
    }
    if (status == 0)
        return container_track(list);
    Py_DECREF(list);
    return NULL;
}

static PyObject *list_all(Region *owner, const mapped_array *array)
{
    unsigned char block[BLOCK_BYTES];
    ListCall call = {owner, array, block};
    size_t size = array->item.size;
    if (require_open(owner, "tolist") < 0)
        return NULL;
    bool has_items = array_bytes(array) > 0;
    if (has_items && size > sizeof block &&
        (call.block = memory_new(size, 1)) == NULL)
        return NULL;
    PyObject *list = list_dimension(&call, 0, array->first);
    if (call.block != block)
        PyMem_Free(call.block);
    return list;
}

METHOD_NONE(array_tolist)
{
    return list_all(array_of(self)->owner, &array_of(self)->core);
}

const char view_tolist_doc[] =
    PyDoc_STR("tolist($self, /)\n--\n\n"
              "Return all bytes as a list of integers.");

METHOD_NONE(view_tolist)
{
    CoreArray bytes;
    Region *owner = array_described(self, &bytes);
    return owner == NULL ? NULL : list_all(owner, &bytes.core);
}

PyObject *item_spelled(const mapped_item *item, mapped_spelling spelling)
{
    size_t length = mapped_item_spell(item, spelling, NULL, 0);
    PyObject *text = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (text != NULL)
        mapped_item_spell(item, spelling, PyBytes_AsString(text), length + 1);
    return text;
}

/* Returns the format of an item for buffers, which is valid as long as the
 * array; or NULL with an exception. */
static const char *format_of(Array *array)
{
    const mapped_item *item = &array->core.item;
    const char *code = item->kind == MAPPED_ITEM_ELEMENT
                           ? mapped_element_struct_code(item->element)
                           : NULL;
    if (code != NULL)
        return code;
    if (array->format == NULL) {
        PyObject *format = item_spelled(item, MAPPED_SPELLING_BUFFER);
        if (format == NULL)
            return NULL;
        /* A finalizer may have called this function meanwhile. */
        if (array->format == NULL)
            array->format = format;
        else
            Py_DECREF(format);
    }
    return PyBytes_AsString(array->format);
}

ATTRIBUTE(array_format)
{
    const char *format = format_of(array_of(self));
    return format == NULL ? NULL : PyUnicode_FromString(format);
}

int array_get_buffer(PyObject *self, Py_buffer *buffer, int flags)
{
    Array *array = array_of(self);
    Extent extent;
    buffer->obj = NULL;
    const char *format = format_of(array);
    if (format == NULL || array_extent(array, "buffer", &extent) < 0)
        return -1;
    buffer->len = (Py_ssize_t)array_bytes(&array->core);
    buffer->itemsize = (Py_ssize_t)array->core.item.size;
    buffer->format = (char *)format;
    buffer->ndim = array->core.dimensions;
    buffer->shape = array->core.shape;
    buffer->strides = array->core.strides;
    return export_items(self, &extent, buffer, flags);
}

void array_release_buffer(PyObject *self, Py_buffer *buffer)
{
    export_release(array_of(self)->owner, buffer);
}
