/* Typed access: one value at a byte offset of a slice, checked before and
 * after. Any alignment; sizes 1, 2, 4 and 8 are one access of exactly that
 * width (on machines that can; always on devices, where a misaligned offset is
 * MAPPED_MISALIGNED). */
#ifndef MAPPED_ACCESS_H
#define MAPPED_ACCESS_H

#include <string.h>

#include <mapped/element.h>
#include <mapped/endian.h>
#include <mapped/slice.h>

MAPPED_BEGIN

/* Copies `n` bytes, in one access if these are 1, 2, 4 or 8; either side may be
 * a slice's memory between its checks. */
MAPPED__INLINE void mapped__access_copy(void *to, const void *from, size_t n)
{
    switch (n) {
    case 1:
        mapped_store_u8(to, mapped_load_u8(from));
        break;
    case 2:
        mapped_store_u16(to, mapped_load_u16(from));
        break;
    case 4:
        mapped_store_u32(to, mapped_load_u32(from));
        break;
    case 8:
        mapped_store_u64(to, mapped_load_u64(from));
        break;
    default:
        memmove(to, from, n);
    }
}

/* The second check after a volatile access, which can't move after it. */
MAPPED__INLINE bool mapped__access_is_valid(mapped_slice slice)
{
    return MAPPED__LOAD_AFTER(&slice.region->state_) == 0;
}

/* The whole access once more with everything checked, `n` bytes as
 * they lie in memory. One call for all that isn't a plain access keeps it out
 * of the caller's loop. (No access to a device is plain, so no register is read
 * twice.) */
__attribute__((cold)) mapped_status mapped__get_slow(mapped_slice slice,
                                                     size_t offset, size_t n,
                                                     void *bytes,
                                                     mapped_error *error);
__attribute__((cold)) mapped_status mapped__set_slow(mapped_slice slice,
                                                     size_t offset, size_t n,
                                                     const void *bytes,
                                                     mapped_error *error);

/* The same of a type known at run time. */
__attribute__((cold)) mapped_status
mapped__get_element_slow(mapped_slice slice, const mapped_element *element,
                         size_t offset, mapped_value *value,
                         mapped_error *error);
__attribute__((cold)) mapped_status
mapped__set_element_slow(mapped_slice slice, const mapped_element *element,
                         size_t offset, mapped_value value,
                         mapped_error *error);

/* One value of a type known at run time. MAPPED_RANGE, MAPPED_CLOSED,
 * MAPPED_FAULT, MAPPED_VALUE, for `set` also MAPPED_READONLY; `*value` is
 * untouched on failure. Any thread that holds a reference. */
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_get(mapped_slice slice, const mapped_element *element, size_t offset,
           mapped_value *value, mapped_error *error)
{
    mapped_value loaded;
    if (MAPPED__LIKELY(mapped__slice_is_plain(slice, offset, element->size) &&
                       element->load(element,
                                     mapped__slice_first(slice) + offset,
                                     &loaded) == MAPPED_OK &&
                       mapped__access_is_valid(slice))) {
        *value = loaded;
        return MAPPED_OK;
    }
    return mapped__get_element_slow(mapped__slice_anew(slice), element, offset,
                                    value, error);
}
MAPPED__MUST_USE MAPPED__INLINE mapped_status
mapped_set(mapped_slice slice, const mapped_element *element, size_t offset,
           mapped_value value, mapped_error *error)
{
    if (MAPPED__LIKELY(
            mapped__slice_is_writable(slice, offset, element->size) &&
            element->store(element, mapped__slice_first(slice) + offset,
                           value) == MAPPED_OK &&
            mapped__access_is_valid(slice)))
        return MAPPED_OK;
    return mapped__set_element_slow(mapped__slice_anew(slice), element, offset,
                                    value, error);
}

/* The same with the type known at compile time, inline:
 *
 *     mapped_status mapped_get_u32le(mapped_slice slice, size_t offset,
 *                                    uint32_t *value, mapped_error *error);
 *     mapped_status mapped_set_u32le(mapped_slice slice, size_t offset,
 *                                    uint32_t value, mapped_error *error);
 *
 * for u8 i8, and for u16 i16 u32 i32 u64 i64 f32 f64 each in native order (no
 * suffix), `le` and `be`. The slow path has a variable of its own, so that the
 * fast one's needs no address and stays in a register. */
#define MAPPED__ACCESS(suffix, type, bits, order)                            \
    MAPPED__MUST_USE MAPPED__INLINE mapped_status mapped_get_##suffix(       \
        mapped_slice slice, size_t offset, type *value, mapped_error *error) \
    {                                                                        \
        union {                                                              \
            uint##bits##_t u;                                                \
            type v;                                                          \
        } cell;                                                              \
        if (MAPPED__LIKELY(                                                  \
                mapped__slice_is_plain(slice, offset, sizeof(type)))) {      \
            cell.u = order(                                                  \
                mapped_load_u##bits(mapped__slice_first(slice) + offset));   \
            if (MAPPED__LIKELY(mapped__access_is_valid(slice))) {            \
                *value = cell.v;                                             \
                return MAPPED_OK;                                            \
            }                                                                \
        }                                                                    \
        uint##bits##_t slow;                                                 \
        mapped_status status = mapped__get_slow(                             \
            mapped__slice_anew(slice), offset, sizeof slow, &slow, error);   \
        cell.u = order(slow);                                                \
        if (status == MAPPED_OK)                                             \
            *value = cell.v;                                                 \
        return status;                                                       \
    }                                                                        \
    MAPPED__MUST_USE MAPPED__INLINE mapped_status mapped_set_##suffix(       \
        mapped_slice slice, size_t offset, type value, mapped_error *error)  \
    {                                                                        \
        union {                                                              \
            type v;                                                          \
            uint##bits##_t u;                                                \
        } cell;                                                              \
        cell.v = value;                                                      \
        if (MAPPED__LIKELY(                                                  \
                mapped__slice_is_writable(slice, offset, sizeof(type)))) {   \
            mapped_store_u##bits(mapped__slice_first(slice) + offset,        \
                                 order(cell.u));                             \
            if (MAPPED__LIKELY(mapped__access_is_valid(slice)))              \
                return MAPPED_OK;                                            \
        }                                                                    \
        uint##bits##_t slow = order(cell.u);                                 \
        return mapped__set_slow(mapped__slice_anew(slice), offset,           \
                                sizeof slow, &slow, error);                  \
    }

/* For each type a pair of functions: so many bits without a sign (u), with a
 * sign (i), or of an IEEE 754 float (f); in native order, `le` and `be`. */
MAPPED__TYPE_MAP(MAPPED__ACCESS)
#undef MAPPED__ACCESS

MAPPED_END

#endif
