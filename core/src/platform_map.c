/* Making and resizing a mapping: what is the same on every system. These two
 * functions round lengths to pages and find out what there is to do. The
 * mapped__map_* functions of the backend (map.c) do it. */
#include <assert.h>

#include <mapped/checked.h>

#include "platform.h"

static mapped_status round_to_pages(size_t length, size_t page, size_t *rounded,
                                    mapped_error *error)
{
    if (mapped_round_up(length, page, rounded))
        return MAPPED_OK;
    return mapped__error_set_length(error, MAPPED_OVERFLOW, "map", length,
                                    SIZE_MAX);
}

mapped_status mapped__map(const mapped__map_request *request,
                          mapped__mapping *mapping, mapped_error *error)
{
    size_t page = request->page != 0 ? request->page : mapped__page_size();
    mapped__mapping made = {.page = page, .flags = request->flags};
    mapped_status status =
        round_to_pages(request->length, page, &made.used, error);
    if (status == MAPPED_OK)
        status = round_to_pages(request->reserve, page, &made.reserved, error);
    if (made.reserved < made.used)
        made.reserved = made.used;
    if (status == MAPPED_OK && made.reserved > 0)
        status = mapped__map_new(request, &made, error);
    if (status == MAPPED_OK && made.used > 0 &&
        request->flags & MAPPED__MAP_POPULATE)
        status = mapped__map_populate(&made, request, error);
    if (status == MAPPED_OK)
        *mapping = made;
    else
        mapped__unmap(&made);
    return status;
}

mapped_status mapped__map_resize(mapped__mapping *mapping,
                                 const mapped__map_request *request,
                                 bool sole_user, mapped_error *error)
{
    size_t used = 0;
    assert(mapping->used <= mapping->reserved);
    assert((mapping->address == NULL) == (mapping->reserved == 0));
    mapped_status status =
        round_to_pages(request->length, mapping->page, &used, error);
    if (status != MAPPED_OK || used == mapping->used)
        return status;
    if (mapping->address == NULL)
        return mapped__map(request, mapping, error);
    if (used < mapping->used)
        return mapped__map_shrink(mapping, request, used, sole_user, error);
    return mapped__map_grow(mapping, request, used, sole_user, error);
}
