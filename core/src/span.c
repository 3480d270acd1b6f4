#include <mapped/span.h>

#include <mapped/export.h>

mapped_status mapped_span_begin(mapped_slice slice, mapped_span *span,
                                mapped_error *error)
{
    void *data;
    uint64_t since;
    if (mapped_region_device(slice.region))
        return mapped_error_set(error, MAPPED_UNSUPPORTED, "span");
    mapped_status status = mapped_export_begin(slice, &data, &since, error);
    if (status != MAPPED_OK)
        return status;
    span->first = data;
    span->length = slice.length;
    span->slice = slice;
    span->since = since;
    return MAPPED_OK;
}

mapped_status mapped_span_end(mapped_span *span, mapped_error *error)
{
    span->length = 0;
    return mapped_export_end(span->slice, span->since, error);
}
