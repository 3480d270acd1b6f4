/* Copies all items of an array to and from plain memory, to bytes and to lists,
 * and exports them as a buffer. */
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

PyObject *array_tobytes(PyObject *self, PyObject *Py_UNUSED(nothing))
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

/* The bytes as a Slice: in place, or a copy of those that have others between
 * them, or are on a device. */
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

PyObject *items_copy_to(PyObject *self, PyObject *argument)
{
    PyObject *slice = bytes_in_order(self);
    PyObject *result = slice == NULL ? NULL : view_copy_to(slice, argument);
    Py_XDECREF(slice);
    return result;
}

/* Lists are made of blocks of items, so that the checks cost little. */
#define BLOCK_BYTES 4096

typedef struct Lister {
    Region *owner;
    const mapped_array *array;
    unsigned char *block; /* BLOCK_BYTES, or one item if that is larger */
} Lister;

static int make_items(const mapped_item *item, const unsigned char *p,
                      PyObject *list, Py_ssize_t at, Py_ssize_t end)
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

/* Fills the list of the last dimension, whose first item is at `first`. */
static int list_row(const Lister *lister, size_t first, PyObject *list)
{
    int last = lister->array->dimensions - 1;
    Py_ssize_t length = lister->array->shape[last], block_items = 1;
    mapped_array row = *lister->array;
    Py_ssize_t count;
    row.first = first;
    row.dimensions = 1;
    row.shape = &count;
    row.strides += last;
    if (row.item.size < BLOCK_BYTES)
        block_items = (Py_ssize_t)(BLOCK_BYTES / row.item.size);
    for (Py_ssize_t at = 0; at < length; at += count) {
        count = length - at < block_items ? length - at : block_items;
        if (array_gather(lister->owner, "tolist", &row, lister->block) < 0 ||
            make_items(&row.item, lister->block, list, at, at + count) < 0)
            return -1;
        row.first += (size_t)count * (size_t)row.strides[0];
    }
    return 0;
}

/* Makes the list of a dimension and, inside of it, of those after it. */
static PyObject *list_of(const Lister *lister, int dimension, size_t first)
{
    const mapped_array *array = lister->array;
    Py_ssize_t length = array->shape[dimension];
    PyObject *list =
        container_untrack(container_new(PyList_New, (size_t)length));
    if (list == NULL)
        return NULL;
    int status = 0;
    if (dimension == array->dimensions - 1)
        status = list_row(lister, first, list);
    else
        for (Py_ssize_t i = 0; i < length && status == 0; i++) {
            PyObject *row = list_of(lister, dimension + 1, first);
            if (row == NULL)
                status = -1;
            else
                PyList_SetItem(list, i, row);
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
    Lister lister = {owner, array, block};
    size_t size = array->item.size;
    if (require_open(owner, "tolist") < 0)
        return NULL;
    bool has_items = array_bytes(array) > 0;
    if (has_items && size > sizeof block &&
        (lister.block = memory_new(size, 1)) == NULL)
        return NULL;
    PyObject *list = list_of(&lister, 0, array->first);
    if (lister.block != block)
        PyMem_Free(lister.block);
    return list;
}

PyObject *array_tolist(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    return list_all(array_of(self)->owner, &array_of(self)->core);
}

const char view_tolist_doc[] =
    PyDoc_STR("tolist($self, /)\n--\n\n"
              "Return all bytes as a list of integers.");

PyObject *view_tolist(PyObject *self, PyObject *Py_UNUSED(nothing))
{
    CoreArray array;
    Region *owner = array_described(self, &array);
    return owner == NULL ? NULL : list_all(owner, &array.core);
}

PyObject *item_spelled(const mapped_item *item, mapped_spelling spelling)
{
    size_t length = mapped_item_spell(item, spelling, NULL, 0);
    PyObject *text = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (text != NULL)
        mapped_item_spell(item, spelling, PyBytes_AsString(text), length + 1);
    return text;
}

/* The format of an item for buffers, kept as long as the array; NULL with an
 * exception. */
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

PyObject *array_format(PyObject *self, void *Py_UNUSED(closure))
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
