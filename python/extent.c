/* What a Region, a Slice, an Array or Records stands for: its bytes, as an
 * Extent, or its items, as an array of the core. A Region and a Slice have
 * bytes as their items. */
#include "array.h"

Region *array_described(PyObject *self, CoreArray *array)
{
    const State *state = PyType_GetModuleState(Py_TYPE(self));
    array->core =
        (mapped_array){.shape = array->shape, .strides = array->strides};
    return state == NULL ? NULL : array_of_object(state, self, &array->core);
}

int array_extent(const Array *array, const char *operation, Extent *extent)
{
    mapped_extent core_extent;
    mapped_error error;
    if (mapped_array_extent(&array->core, &core_extent, &error) != MAPPED_OK)
        return raised_as_int(raise_in(array->owner, operation, &error));
    *extent = (Extent){array->owner, core_extent.bytes,
                       (Py_ssize_t)core_extent.first, core_extent.contiguous};
    return 0;
}

int extent_of(const State *state, PyObject *object, const char *operation,
              Extent *extent)
{
    if (is_array(state, object))
        return array_extent(array_of(object), operation, extent) < 0 ? -1 : 1;
    if (!is_view(state, object))
        return 0;
    *extent = (Extent){view_owner(object), view_span(object), 0, true};
    return 1;
}

Region *array_of_object(const State *state, PyObject *object,
                        mapped_array *array)
{
    if (is_array(state, object)) {
        *array = array_of(object)->core;
        return array_of(object)->owner;
    }
    if (!is_view(state, object))
        return NULL;
    array->slice = view_span(object);
    array->first = 0;
    array->item = mapped_item_of(code_of_bytes(state)->element);
    array->dimensions = 1;
    array->shape[0] = (Py_ssize_t)array->slice.length;
    array->strides[0] = 1;
    return view_owner(object);
}
