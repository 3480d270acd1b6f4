#include <mapped/access.h>

mapped_status mapped_get(mapped_slice slice, const mapped_element *element,
                         size_t offset, mapped_value *value,
                         mapped_error *error)
{
    unsigned char *p;
    mapped_value loaded;
    mapped_status status =
        mapped_slice_enter(slice, offset, element->size, &p, error);
    if (MAPPED__UNLIKELY(status != MAPPED_OK))
        return status;
    mapped_status fit = element->load(element, p, &loaded);
    status = mapped_slice_leave(slice, offset, element->size, error);
    if (MAPPED__UNLIKELY(status != MAPPED_OK))
        return status;
    if (MAPPED__UNLIKELY(fit != MAPPED_OK))
        return mapped_error_set(error, fit, "get");
    *value = loaded;
    return MAPPED_OK;
}

mapped_status mapped_set(mapped_slice slice, const mapped_element *element,
                         size_t offset, mapped_value value, mapped_error *error)
{
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter_write(slice, offset, element->size, &p, error);
    if (MAPPED__UNLIKELY(status != MAPPED_OK))
        return status;
    mapped_status fit = element->store(element, p, value);
    status = mapped_slice_leave(slice, offset, element->size, error);
    if (MAPPED__UNLIKELY(status == MAPPED_OK && fit != MAPPED_OK))
        return mapped_error_set(error, fit, "set");
    return status;
}
