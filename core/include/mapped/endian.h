/* Loads and stores of fixed-width integers in either byte order, at any
 * alignment, on plain memory the caller may touch. */
#ifndef MAPPED_ENDIAN_H
#define MAPPED_ENDIAN_H

#include <mapped/base.h>

MAPPED_BEGIN

/* One byte, for the sake of symmetry. */
MAPPED__INLINE uint8_t mapped_load_u8(const void *p)
{
    return *(const volatile uint8_t *)p;
}
MAPPED__INLINE void mapped_store_u8(void *p, uint8_t v)
{
    *(volatile uint8_t *)p = v;
}

/* A multi-byte access at any alignment that compilers make one instruction
 * where the machine has one. Volatile: another process may write the same
 * bytes, so a value is read once and never re-read behind the caller's back. */
#define MAPPED__ENDIAN_ACCESS(bits, swap)                               \
    typedef uint##bits##_t __attribute__((aligned(1), may_alias))       \
    mapped__packed_u##bits;                                             \
    MAPPED__INLINE uint##bits##_t mapped_load_u##bits(const void *p)    \
    {                                                                   \
        return *(const volatile mapped__packed_u##bits *)p;             \
    }                                                                   \
    MAPPED__INLINE void mapped_store_u##bits(void *p, uint##bits##_t v) \
    {                                                                   \
        *(volatile mapped__packed_u##bits *)p = v;                      \
    }                                                                   \
    MAPPED__INLINE uint##bits##_t mapped_swap_u##bits(uint##bits##_t v) \
    {                                                                   \
        return swap(v);                                                 \
    }                                                                   \
    MAPPED__INLINE uint##bits##_t mapped_le_u##bits(uint##bits##_t v)   \
    {                                                                   \
        return MAPPED_BIG_ENDIAN ? mapped_swap_u##bits(v) : v;          \
    }                                                                   \
    MAPPED__INLINE uint##bits##_t mapped_be_u##bits(uint##bits##_t v)   \
    {                                                                   \
        return MAPPED_BIG_ENDIAN ? v : mapped_swap_u##bits(v);          \
    }

/* 16 bits: loaded and stored in native order; with their bytes swapped; and
 * turned from native order to `le` or `be`, or back. */
MAPPED__ENDIAN_ACCESS(16, __builtin_bswap16)
/* 32 bits: loaded and stored in native order; with their bytes swapped; and
 * turned from native order to `le` or `be`, or back. */
MAPPED__ENDIAN_ACCESS(32, __builtin_bswap32)
/* 64 bits: loaded and stored in native order; with their bytes swapped; and
 * turned from native order to `le` or `be`, or back. */
MAPPED__ENDIAN_ACCESS(64, __builtin_bswap64)
#undef MAPPED__ENDIAN_ACCESS

/* Calls X(suffix, type, bits, order) for every machine type in every order. */
#define MAPPED__TYPE_MAP(X)                   \
    X(u8, uint8_t, 8, )                       \
    X(i8, int8_t, 8, )                        \
    MAPPED__TYPE_ORDERS(X, u16, uint16_t, 16) \
    MAPPED__TYPE_ORDERS(X, i16, int16_t, 16)  \
    MAPPED__TYPE_ORDERS(X, u32, uint32_t, 32) \
    MAPPED__TYPE_ORDERS(X, i32, int32_t, 32)  \
    MAPPED__TYPE_ORDERS(X, u64, uint64_t, 64) \
    MAPPED__TYPE_ORDERS(X, i64, int64_t, 64)  \
    MAPPED__TYPE_ORDERS(X, f32, float, 32)    \
    MAPPED__TYPE_ORDERS(X, f64, double, 64)
#define MAPPED__TYPE_ORDERS(X, suffix, type, bits) \
    X(suffix, type, bits, )                        \
    X(suffix##le, type, bits, mapped_le_u##bits)   \
    X(suffix##be, type, bits, mapped_be_u##bits)

MAPPED_END

#endif
