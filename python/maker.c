/* From bytes that were copied out to Python objects, by a function for each
 * type: one object, or a stretch of a list without a decision for each item. */
#include "binding.h"

#include <string.h>

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* `value` is the C expression that makes a number of `raw`. */
#define MAKER(name, bits, make, value)                                        \
    static PyObject *make_##name(const mapped_element *Py_UNUSED(element),    \
                                 const unsigned char *p, size_t Py_UNUSED(n)) \
    {                                                                         \
        uint##bits##_t raw = mapped_load_u##bits(p);                          \
        return make(value);                                                   \
    }                                                                         \
    static int fill_##name(const mapped_element *Py_UNUSED(element),          \
                           const unsigned char *p, PyObject *list,            \
                           Py_ssize_t at, Py_ssize_t end)                     \
    {                                                                         \
        for (; at < end; at++, p += bits / 8) {                               \
            uint##bits##_t raw = mapped_load_u##bits(p);                      \
            PyObject *item = make(value);                                     \
            if (item == NULL)                                                 \
                return -1;                                                    \
            PyList_SetItem(list, at, item);                                   \
        }                                                                     \
        return 0;                                                             \
    }                                                                         \
    static const Maker name##_maker = {make_##name, fill_##name};

/* One in native and one in the other order. */
#define MAKERS(name, bits, make, type) \
    MAKER(name, bits, make, (type)raw) \
    MAKER(name##_swapped, bits, make, (type)mapped_swap_u##bits(raw))
#define FLOAT_MAKERS(name, bits, type_of)               \
    MAKER(name, bits, PyFloat_FromDouble, type_of(raw)) \
    MAKER(name##_swapped, bits, PyFloat_FromDouble,     \
          type_of(mapped_swap_u##bits(raw)))

MAKER(i8, 8, PyLong_FromLong, (int8_t)raw)
MAKER(u8, 8, PyLong_FromLong, raw)
MAKERS(i16, 16, PyLong_FromLong, int16_t)
MAKERS(u16, 16, PyLong_FromLong, uint16_t)
MAKERS(i32, 32, PyLong_FromLong, int32_t)
#if LONG_MAX > INT32_MAX
MAKERS(u32, 32, PyLong_FromLong, uint32_t)
MAKERS(i64, 64, PyLong_FromLong, int64_t)
#else
MAKERS(u32, 32, PyLong_FromUnsignedLong, uint32_t)
MAKERS(i64, 64, PyLong_FromLongLong, int64_t)
#endif
MAKERS(u64, 64, PyLong_FromUnsignedLongLong, uint64_t)
FLOAT_MAKERS(f32, 32, float_of)
FLOAT_MAKERS(f64, 64, double_of)

static PyObject *make_any(const mapped_element *element, const unsigned char *p,
                          size_t Py_UNUSED(n))
{
    mapped_value value;
    if (element->load(element, p, &value) == MAPPED_OK)
        return value_to_python(element, value);
    PyErr_Format(PyExc_ValueError, "an integer of %d bytes is too large",
                 element->size);
    return NULL;
}

static int fill_any(const mapped_element *element, const unsigned char *p,
                    PyObject *list, Py_ssize_t at, Py_ssize_t end)
{
    for (; at < end; at++, p += element->size) {
        PyObject *item = make_any(element, p, element->size);
        if (item == NULL)
            return -1;
        PyList_SetItem(list, at, item);
    }
    return 0;
}

static const Maker any_maker = {make_any, fill_any};

static const Maker *signed_maker(size_t size, bool native)
{
    switch (size) {
    case 1:
        return &i8_maker;
    case 2:
        return native ? &i16_maker : &i16_swapped_maker;
    case 4:
        return native ? &i32_maker : &i32_swapped_maker;
    case 8:
        return native ? &i64_maker : &i64_swapped_maker;
    default:
        return &any_maker;
    }
}

static const Maker *unsigned_maker(size_t size, bool native)
{
    switch (size) {
    case 1:
        return &u8_maker;
    case 2:
        return native ? &u16_maker : &u16_swapped_maker;
    case 4:
        return native ? &u32_maker : &u32_swapped_maker;
    case 8:
        return native ? &u64_maker : &u64_swapped_maker;
    default:
        return &any_maker;
    }
}

static const Maker *float_maker(size_t size, bool native)
{
    switch (size) {
    case 4:
        return native ? &f32_maker : &f32_swapped_maker;
    case 8:
        return native ? &f64_maker : &f64_swapped_maker;
    default:
        return &any_maker;
    }
}

const Maker *maker_of(const mapped_element *element)
{
    bool native = element->big == MAPPED_BIG_ENDIAN;
    switch ((mapped_kind)element->kind) {
    case MAPPED_KIND_SIGNED:
        return signed_maker(element->size, native);
    case MAPPED_KIND_UNSIGNED:
        return unsigned_maker(element->size, native);
    case MAPPED_KIND_FLOAT:
        return float_maker(element->size, native);
    default:
        return &any_maker;
    }
}
