/* Which bytes an object of ours stands for. */
#include "array.h"
#include "records.h"

Extent view_extent(PyObject *self)
{
    return (Extent){view_owner(self), view_span(self), 0, true};
}

/* From the first byte of the items of `part` to the last. They lie inside
 * `whole`, so nothing overflows. */
static Extent extent_around(Region *owner, mapped_slice whole, const Part *part,
                            size_t size)
{
    bool empty = part_count(part) == 0;
    Py_ssize_t low = part->first;
    Py_ssize_t high = part->first + (empty ? 0 : (Py_ssize_t)size);
    for (int i = 0; i < part->dimensions && !empty; i++) {
        Py_ssize_t reach = (part->shape[i] - 1) * part->strides[i];
        if (reach < 0)
            low += reach;
        else
            high += reach;
    }
    mapped_slice slice = {whole.region, whole.offset + (size_t)low,
                          (size_t)(high - low)};
    return (Extent){owner, slice, part->first - low,
                    part_is_contiguous(part, size)};
}

Extent array_extent(Array *array)
{
    Part part;
    array_whole(array, &part);
    return extent_around(array->owner, array->slice, &part,
                         array->code.element->size);
}

Extent records_extent(const Records *records)
{
    const Part part = {.first = records->first,
                       .dimensions = 1,
                       .shape = {records->count},
                       .strides = {records->stride}};
    return extent_around(records->owner, records->slice, &part,
                         mapped_layout_size(records->layout->layout));
}

bool extent_of(const State *state, PyObject *object, Extent *extent)
{
    if (Py_IS_TYPE(object, state->slice) || Py_IS_TYPE(object, state->region))
        *extent = view_extent(object);
    else if (Py_IS_TYPE(object, state->array))
        *extent = array_extent(array_of(object));
    else if (Py_IS_TYPE(object, state->records))
        *extent = records_extent(records_of(object));
    else
        return false;
    return true;
}
