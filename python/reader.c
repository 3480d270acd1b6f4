/* The fast way to read one item: a function for each type, so that from the
 * subscript to Python's number there is one indirect call and no decision. */
#include "binding.h"

#include <string.h>

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

PyObject *read_any(Region *owner, const mapped_slice *slice,
                   const mapped_element *element, size_t offset)
{
    mapped_value value;
    mapped_error error;
    if (mapped_get(*slice, element, offset, &value, &error) != MAPPED_OK)
        return raise_of(owner, &error);
    return value_to_python(element, value);
}

/* `value` is the C expression that makes a number of `raw`. Whatever is not a
 * plain hit is left to read_any. */
#define READER(name, bits, make, value)                                        \
    static PyObject *read_##name(Region *owner, const mapped_slice *slice,     \
                                 const mapped_element *element, size_t offset) \
    {                                                                          \
        const unsigned char *p = mapped_slice_hit(*slice, offset, bits / 8);   \
        if (p == NULL)                                                         \
            return read_any(owner, slice, element, offset);                    \
        uint##bits##_t raw = mapped_load_u##bits(p);                           \
        if (!mapped_slice_clean(*slice))                                       \
            return read_any(owner, slice, element, offset);                    \
        return make(value);                                                    \
    }

/* One in native and one in the other order. */
#define READERS(name, bits, make, type) \
    READER(name, bits, make, (type)raw) \
    READER(name##_swapped, bits, make, (type)mapped_swap_u##bits(raw))
#define FLOAT_READERS(name, bits, type_of)               \
    READER(name, bits, PyFloat_FromDouble, type_of(raw)) \
    READER(name##_swapped, bits, PyFloat_FromDouble,     \
           type_of(mapped_swap_u##bits(raw)))

READER(i8, 8, PyLong_FromLong, (int8_t)raw)
READER(u8, 8, PyLong_FromLong, raw)
READERS(i16, 16, PyLong_FromLong, int16_t)
READERS(u16, 16, PyLong_FromLong, uint16_t)
READERS(i32, 32, PyLong_FromLong, int32_t)
READERS(u32, 32, PyLong_FromUnsignedLong, uint32_t)
READERS(i64, 64, PyLong_FromLongLong, int64_t)
READERS(u64, 64, PyLong_FromUnsignedLongLong, uint64_t)
FLOAT_READERS(f32, 32, float_of)
FLOAT_READERS(f64, 64, double_of)

static Reader *signed_reader(size_t size, bool native)
{
    switch (size) {
    case 1:
        return read_i8;
    case 2:
        return native ? read_i16 : read_i16_swapped;
    case 4:
        return native ? read_i32 : read_i32_swapped;
    case 8:
        return native ? read_i64 : read_i64_swapped;
    default:
        return read_any;
    }
}

static Reader *unsigned_reader(size_t size, bool native)
{
    switch (size) {
    case 1:
        return read_u8;
    case 2:
        return native ? read_u16 : read_u16_swapped;
    case 4:
        return native ? read_u32 : read_u32_swapped;
    case 8:
        return native ? read_u64 : read_u64_swapped;
    default:
        return read_any;
    }
}

static Reader *float_reader(size_t size, bool native)
{
    switch (size) {
    case 4:
        return native ? read_f32 : read_f32_swapped;
    case 8:
        return native ? read_f64 : read_f64_swapped;
    default:
        return read_any;
    }
}

Reader *reader_of(const mapped_element *element)
{
    bool native = element->big == MAPPED_BIG_ENDIAN;
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
        return signed_reader(element->size, native);
    case MAPPED_KIND_UNSIGNED:
        return unsigned_reader(element->size, native);
    case MAPPED_KIND_FLOAT:
        return float_reader(element->size, native);
    default:
        return read_any;
    }
}
