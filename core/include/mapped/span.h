/* A span: a slice held still for a loop that reads all of it at the speed of a
 * raw pointer and is checked all the same.
 *
 *     mapped_span span;
 *     mapped_status status = mapped_span_begin(slice, &span, &error);
 *     if (status != MAPPED_OK)
 *         return status;
 *     for (size_t i = 0; i < mapped_span_count(&span, sizeof word); i++)
 *         if (mapped_span_u32le(&span, i, &word))
 *             sum += word;
 *     status = mapped_span_end(&span, &error);
 *
 * Every read is checked against the span, which a loop up to the count lets the
 * compiler leave out. The second check comes once, at the end: what was read
 * counts only if mapped_span_end answers MAPPED_OK. In between the span is an
 * export: `close` and a shrink answer MAPPED_BUSY, and a region that moves to
 * grow leaves behind what the span shows. Lost pages read as zeros until then.
 * A span belongs to one thread. */
#ifndef MAPPED_SPAN_H
#define MAPPED_SPAN_H

#include <mapped/endian.h>
#include <mapped/export.h>

MAPPED_BEGIN

typedef struct mapped_span {
    const unsigned char *first;
    size_t length; /* bytes */
    mapped_export exported;
} mapped_span;

/* Begins a span over the slice, which mapped_span_end must end. MAPPED_RANGE if
 * the region has shrunk below the slice, MAPPED_CLOSED; MAPPED_FAULT if a page
 * of the slice is known to be lost; MAPPED_UNSUPPORTED for devices. */
MAPPED__MUST_USE mapped_status mapped_span_begin(mapped_slice slice,
                                                 mapped_span *span,
                                                 mapped_error *error);

/* Ends what a successful begin began, in any case. MAPPED_FAULT if a page of
 * the slice is lost, or was and has been recovered since the begin. */
MAPPED__MUST_USE mapped_status mapped_span_end(mapped_span *span,
                                               mapped_error *error);

/* How many whole elements of `size` bytes (not 0) the span holds. */
MAPPED__INLINE size_t mapped_span_count(const mapped_span *span, size_t size)
{
    return span->length / size;
}

/* `*value` = element `index` of the span taken as an array of that type, at any
 * alignment, and true; false when there is none:
 *
 *     bool mapped_span_u32le(const mapped_span *span, size_t index,
 *                            uint32_t *value);
 *
 * for u8 i8, and for u16 i16 u32 i32 u64 i64 f32 f64 each in native order (no
 * suffix), `le` and `be`. */
#define MAPPED__SPAN(suffix, type, bits, order)                               \
    MAPPED__INLINE bool mapped_span_##suffix(const mapped_span *span,         \
                                             size_t index, type *value)       \
    {                                                                         \
        union {                                                               \
            uint##bits##_t u;                                                 \
            type v;                                                           \
        } cell;                                                               \
        if (MAPPED__UNLIKELY(index >= mapped_span_count(span, sizeof(type)))) \
            return false;                                                     \
        cell.u =                                                              \
            order(mapped_load_u##bits(span->first + index * sizeof(type)));   \
        *value = cell.v;                                                      \
        return true;                                                          \
    }

/* For each type a function: so many bits without a sign (u), with a sign (i),
 * or of an IEEE 754 float (f); in native order, `le` and `be`. */
MAPPED__TYPE_MAP(MAPPED__SPAN)
#undef MAPPED__SPAN

MAPPED_END

#endif
