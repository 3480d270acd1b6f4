/* Items of a part of an array, from and to plain memory. */
#include "array.h"

#include <string.h>

/* One walk over all items of a part. */
typedef struct Walk {
    Array *array;
    const Part *part;
    char *plain; /* moves on by one item at a time */
    mapped_status (*step)(Array *array, size_t offset, char *plain,
                          mapped_error *error);
} Walk;

static mapped_status read_item(Array *array, size_t offset, char *plain,
                               mapped_error *error)
{
    return mapped_read(array->slice, offset, plain, array->code.element->size,
                       error);
}

static mapped_status write_item(Array *array, size_t offset, char *plain,
                                mapped_error *error)
{
    return mapped_write(array->slice, offset, plain, array->code.element->size,
                        error);
}

/* On a device each item is one access of its own width. */
static mapped_status get_item(Array *array, size_t offset, char *plain,
                              mapped_error *error)
{
    mapped_value value;
    mapped_status status =
        mapped_get(array->slice, array->code.element, offset, &value, error);
    if (status == MAPPED_OK)
        status = array->code.element->store(array->code.element, plain, value);
    return status;
}

static mapped_status set_item(Array *array, size_t offset, char *plain,
                              mapped_error *error)
{
    mapped_value value;
    mapped_status status =
        array->code.element->load(array->code.element, plain, &value);
    if (status == MAPPED_OK)
        status =
            mapped_set(array->slice, array->code.element, offset, value, error);
    return status;
}

static mapped_status walk(Walk *state, int dimension, Py_ssize_t offset,
                          mapped_error *error)
{
    mapped_status status = MAPPED_OK;
    if (dimension == state->part->dimensions) {
        status = state->step(state->array, (size_t)offset, state->plain, error);
        state->plain += state->array->code.element->size;
        return status;
    }
    Py_ssize_t length = state->part->shape[dimension];
    Py_ssize_t stride = state->part->strides[dimension];
    for (Py_ssize_t i = 0; i < length && status == MAPPED_OK; i++)
        status = walk(state, dimension + 1, offset + i * stride, error);
    return status;
}

static int finish(Array *array, mapped_status status, const char *operation,
                  const mapped_error *error)
{
    if (status == MAPPED_OK)
        return 0;
    raise_in(array->owner, operation, error);
    return -1;
}

int array_gather(Array *array, const Part *part, char *to)
{
    mapped_error error;
    mapped_status status;
    size_t bytes = part_bytes(array, part);
    bool device = mapped_region_device(array->slice.region);
    Walk state = {array, part, to, device ? get_item : read_item};
    Away away = away_begin(array->slice.region, NULL, bytes);
    if (!device && part_is_contiguous(part, array->code.element->size))
        status =
            mapped_read(array->slice, (size_t)part->first, to, bytes, &error);
    else
        status = walk(&state, 0, part->first, &error);
    status = away_end_access(&away, status, &error);
    return finish(array, status, "read", &error);
}

int array_scatter(Array *array, const Part *part, const char *from)
{
    mapped_error error;
    mapped_status status;
    size_t bytes = part_bytes(array, part);
    bool device = mapped_region_device(array->slice.region);
    Walk state = {array, part, (char *)from, device ? set_item : write_item};
    Away away = away_begin(array->slice.region, NULL, bytes);
    if (!device && part_is_contiguous(part, array->code.element->size))
        status = mapped_write(array->slice, (size_t)part->first, from, bytes,
                              &error);
    else
        status = walk(&state, 0, part->first, &error);
    status = away_end_access(&away, status, &error);
    return finish(array, status, ASSIGN, &error);
}
