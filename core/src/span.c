#include <mapped/span.h>

mapped_status mapped_span_begin(mapped_slice slice, mapped_span *span,
                                mapped_error *error)
{
    void *data;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "span");
    mapped_status status = mapped_region_pin(slice.region, &data, error);
    if (status != MAPPED_OK)
        return status;
    status = mapped_slice_check(slice, error);
    if (status != MAPPED_OK) {
        mapped_region_unpin(slice.region);
        return status;
    }
    span->first = (const unsigned char *)data + slice.offset;
    span->length = slice.length;
    span->slice = slice;
    return MAPPED_OK;
}

mapped_status mapped_span_end(mapped_span *span, mapped_error *error)
{
    mapped_status status =
        mapped_slice_leave(span->slice, 0, span->length, error);
    mapped_region_unpin(span->slice.region);
    span->length = 0;
    return status;
}
