/* Typed access: the slow paths of the inline functions, which serve devices and
 * report errors. Each is the whole access once more, of a type known at run
 * time (element) or of n bytes. */
#include <mapped/access.h>

#include "region_internal.h"

mapped_status mapped__get_element_slow(mapped_slice slice,
                                       const mapped_element *element,
                                       size_t offset, mapped_value *value,
                                       mapped_error *error)
{
    unsigned char *p;
    mapped_value loaded;
    mapped_status status =
        mapped_slice_enter(slice, offset, element->size, &p, error);
    if (status == MAPPED_OK) {
        mapped_status fits = element->load(element, p, &loaded);
        status = mapped_slice_leave(slice, offset, element->size, error);
        if (status == MAPPED_OK && fits != MAPPED_OK)
            status = mapped_error_set(error, fits, "get");
    }
    if (status == MAPPED_OK)
        *value = loaded;
    return mapped__region_complete_error(slice.region, "get", status, error);
}

mapped_status mapped__set_element_slow(mapped_slice slice,
                                       const mapped_element *element,
                                       size_t offset, mapped_value value,
                                       mapped_error *error)
{
    unsigned char *p;
    mapped_status status =
        mapped_slice_enter_write(slice, offset, element->size, &p, error);
    if (status == MAPPED_OK) {
        mapped_status fits = element->store(element, p, value);
        status = mapped_slice_leave(slice, offset, element->size, error);
        if (status == MAPPED_OK && fits != MAPPED_OK)
            status = mapped_error_set(error, fits, "set");
    }
    return mapped__region_complete_error(slice.region, "set", status, error);
}

mapped_status mapped__get_slow(mapped_slice slice, size_t offset, size_t n,
                               void *bytes, mapped_error *error)
{
    unsigned char *p;
    mapped_status status =
        mapped__slice_enter_slow(slice, offset, n, &p, error);
    if (status == MAPPED_OK) {
        mapped__access_copy(bytes, p, n);
        status = mapped_slice_leave(slice, offset, n, error);
    }
    return mapped__region_complete_error(slice.region, "get", status, error);
}

mapped_status mapped__set_slow(mapped_slice slice, size_t offset, size_t n,
                               const void *bytes, mapped_error *error)
{
    unsigned char *p;
    mapped_status status =
        mapped__slice_enter_write_slow(slice, offset, n, &p, error);
    if (status == MAPPED_OK) {
        mapped__access_copy(p, bytes, n);
        status = mapped_slice_leave(slice, offset, n, error);
    }
    return mapped__region_complete_error(slice.region, "set", status, error);
}
