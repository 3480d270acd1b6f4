/* Does in C what increments.lua does in Lua. Usage: increments FILE TIMES
 * PROCESSES. */
#include <mapped/mapped.h>

#include <stdlib.h>

typedef struct counters {
    mapped_slice slice;
    mapped_atomic counter;
    mapped_mutex mutex;
    mapped_atomic here;
} counters;

static mapped_status find_them(counters *found, mapped_error *error)
{
    mapped_slice rest;
    const mapped_element *element =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 8, false);
    mapped_status status =
        mapped_atomic_at(found->slice, element, 0, &found->counter, error);
    if (status == MAPPED_OK)
        status =
            mapped_atomic_at(found->slice, element, 24, &found->here, error);
    if (status == MAPPED_OK)
        status = mapped_slice_sub(found->slice, 8, 8, &rest, error);
    return status == MAPPED_OK ? mapped_mutex_at(rest, &found->mutex, error)
                               : status;
}

static mapped_status wait_for_all(const counters *in, uint64_t processes,
                                  mapped_error *error)
{
    mapped_value found = {.u = 0};
    mapped_status status = mapped_atomic_update(
        &in->here, MAPPED_ATOMIC_ADD, (mapped_value){.u = 1},
        MAPPED_ORDER_SEQ_CST, NULL, error);
    while (status == MAPPED_OK && found.u != processes)
        status =
            mapped_atomic_load(&in->here, MAPPED_ORDER_SEQ_CST, &found, error);
    return status;
}

static mapped_status add_guarded(const counters *in, mapped_error *error)
{
    uint64_t number;
    mapped_status status =
        mapped_mutex_lock(&in->mutex, MAPPED_NEVER, NULL, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_get_u64(in->slice, 16, &number, error);
    if (status == MAPPED_OK)
        status = mapped_set_u64(in->slice, 16, number + 1, error);
    return status == MAPPED_OK ? mapped_mutex_unlock(&in->mutex, error)
                               : status;
}

int main(int count, char **arguments)
{
    mapped_region *region;
    counters all;
    if (count != 4 || mapped_region_open(arguments[1], MAPPED_MODE_READ_WRITE,
                                         NULL, &region, NULL) != MAPPED_OK)
        return 2;
    all.slice = mapped_region_slice(region);
    mapped_status status = find_them(&all, NULL);
    if (status == MAPPED_OK)
        status = wait_for_all(&all, strtoull(arguments[3], NULL, 10), NULL);
    for (long i = atol(arguments[2]); status == MAPPED_OK && i > 0; i--) {
        status = mapped_atomic_update(&all.counter, MAPPED_ATOMIC_ADD,
                                      (mapped_value){.u = 1},
                                      MAPPED_ORDER_SEQ_CST, NULL, NULL);
        if (status == MAPPED_OK)
            status = add_guarded(&all, NULL);
    }
    mapped_region_release(region);
    return status != MAPPED_OK;
}
