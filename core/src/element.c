/* The table of element types, and the names that languages have for them.
 *
 * First come the functions that load and store: of machine types, made by a
 * macro; of other integers, byte by byte; of floats of 16 bits, which no C type
 * has. Then come the rows, which these are in, in pairs, little-endian and
 * big-endian, and at last the names. A row's functions access each byte once
 * and never more than `size` of them. */
#include <mapped/element.h>

#include <math.h>
#include <string.h>

#include <mapped/endian.h>

/* Defines load_NAME and store_NAME of a machine type. `order` turns its bits
 * from or to the byte order in memory; `member`, of mapped_value, holds the
 * value; `is_lossy` tells whether `stored` has become another value. */
#define ACCESS(name, type, bits, order, member, is_lossy)                     \
    static mapped_status load_##name(const mapped_element *element,           \
                                     const void *p, mapped_value *value)      \
    {                                                                         \
        uint##bits##_t raw = order(mapped_load_u##bits(p));                   \
        type loaded;                                                          \
        memcpy(&loaded, &raw, sizeof loaded);                                 \
        value->member = loaded;                                               \
        return MAPPED_OK;                                                     \
    }                                                                         \
    static mapped_status store_##name(const mapped_element *element, void *p, \
                                      mapped_value value)                     \
    {                                                                         \
        uint##bits##_t raw;                                                   \
        type stored = (type)value.member;                                     \
        if (is_lossy(stored, value.member))                                   \
            return MAPPED_VALUE;                                              \
        memcpy(&raw, &stored, sizeof raw);                                    \
        mapped_store_u##bits(p, order(raw));                                  \
        return MAPPED_OK;                                                     \
    }
#define BOTH_ORDERS(name, type, bits, member, is_lossy)               \
    ACCESS(name##le, type, bits, mapped_le_u##bits, member, is_lossy) \
    ACCESS(name##be, type, bits, mapped_be_u##bits, member, is_lossy)

#define IS_OTHER(stored, value) ((stored) != (value))
#define IS_TOO_LARGE(stored, value) (isinf(stored) && !isinf(value))

ACCESS(i8, int8_t, 8, , i, IS_OTHER)
ACCESS(u8, uint8_t, 8, , u, IS_OTHER)
BOTH_ORDERS(i16, int16_t, 16, i, IS_OTHER)
BOTH_ORDERS(u16, uint16_t, 16, u, IS_OTHER)
BOTH_ORDERS(i32, int32_t, 32, i, IS_OTHER)
BOTH_ORDERS(u32, uint32_t, 32, u, IS_OTHER)
BOTH_ORDERS(i64, int64_t, 64, i, IS_OTHER)
BOTH_ORDERS(u64, uint64_t, 64, u, IS_OTHER)
BOTH_ORDERS(f32, float, 32, f, IS_TOO_LARGE)
BOTH_ORDERS(f64, double, 64, f, IS_TOO_LARGE)

/* Returns where in memory the i-th byte is, counted from the least significant
 * one. */
static size_t byte_index(const mapped_element *element, size_t i)
{
    return element->big ? element->size - 1u - i : i;
}

/* Integers without a machine type: 3, 5, 6, 7 and 9 to 16 bytes. Bytes past the
 * eighth may only repeat the sign. */
static mapped_status load_bytes(const mapped_element *element, const void *p,
                                mapped_value *value)
{
    const volatile unsigned char *bytes = p;
    bool is_signed = element->kind == MAPPED_KIND_SIGNED;
    uint64_t low = 0;
    size_t used = element->size < 8 ? element->size : 8;
    for (size_t i = 0; i < used; i++)
        low |= (uint64_t)bytes[byte_index(element, i)] << (8 * i);
    if (is_signed && used < 8 && low >> (8 * used - 1) != 0)
        low |= UINT64_MAX << (8 * used);
    unsigned char rest = is_signed && low >> 63 != 0 ? 0xFF : 0;
    for (size_t i = used; i < element->size; i++)
        if (bytes[byte_index(element, i)] != rest)
            return MAPPED_VALUE;
    value->u = low;
    return MAPPED_OK;
}

static bool fits_bytes(const mapped_element *element, mapped_value value)
{
    if (element->size >= 8)
        return true;
    unsigned bits = 8u * element->size;
    if (element->kind == MAPPED_KIND_UNSIGNED)
        return value.u >> bits == 0;
    int64_t top = value.i >> (bits - 1);
    return top == 0 || top == -1;
}

static mapped_status store_bytes(const mapped_element *element, void *p,
                                 mapped_value value)
{
    volatile unsigned char *bytes = p;
    bool negative = element->kind == MAPPED_KIND_SIGNED && value.i < 0;
    if (!fits_bytes(element, value))
        return MAPPED_VALUE;
    for (size_t i = 0; i < element->size; i++) {
        unsigned char rest = negative ? 0xFF : 0;
        bytes[byte_index(element, i)] =
            i < 8 ? (unsigned char)(value.u >> (8 * i)) : rest;
    }
    return MAPPED_OK;
}

/* IEEE 754-2008: binary16 has 10 fraction bits and an exponent bias of 15,
 * binary64 has 52 and 1023. This works on the bits, so that it needs no
 * mathematics library and depends on no rounding mode. */
static double half_to_double(uint16_t half)
{
    uint64_t exponent = (half >> 10) & 31;
    uint64_t fraction = half & 0x3FF;
    uint64_t bits = (uint64_t)(half & 0x8000) << 48;
    double value;
    if (exponent == 0) {
        value = (double)fraction * 0x1p-24;
        return bits != 0 ? -value : value;
    }
    bits |= (exponent == 31 ? 2047 : exponent - 15 + 1023) << 52;
    bits |= fraction << 42;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Returns `value` / 2^shift, to nearest, ties to even; shift is at least 1. */
static uint64_t shift_rounded(uint64_t value, int shift)
{
    if (shift > 63)
        return 0;
    uint64_t rest = value & ((UINT64_C(1) << shift) - 1);
    uint64_t tie = UINT64_C(1) << (shift - 1);
    uint64_t down = value >> shift;
    return down + (rest > tie || (rest == tie && (down & 1)));
}

/* Rounds to a float of 16 bits, to nearest, ties to even. Of these bits,
 * `fraction_bits` are the fraction; the others are the sign and the exponent.
 * Returns false if the number is too large. */
static bool round_to_16_bits(double value, int fraction_bits, uint16_t *rounded)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
    int bias = (1 << (14 - fraction_bits)) - 1, dropped = 52 - fraction_bits;
    uint64_t infinite = UINT64_C(0x7FFF) >> fraction_bits << fraction_bits;
    int exponent = (int)(bits >> 52 & 2047) - 1023;
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 1024) {
        uint64_t quiet = UINT64_C(1) << (fraction_bits - 1);
        *rounded =
            (uint16_t)(sign | infinite |
                       (fraction != 0 ? quiet | fraction >> dropped : 0));
        return true;
    }
    /* Subnormal numbers share the lowest exponent. The leading 1 of `steps`
     * adds to the exponent field, and so does a carry out of the rounding. */
    int scale = exponent < 1 - bias ? 1 - bias : exponent;
    uint64_t steps =
        shift_rounded(fraction | UINT64_C(1) << 52, dropped + scale - exponent);
    uint64_t magnitude =
        ((uint64_t)(scale + bias - 1) << fraction_bits) + steps;
    if (scale > bias || magnitude >= infinite)
        return false;
    *rounded = (uint16_t)(sign | magnitude);
    return true;
}

static uint16_t in_order(const mapped_element *element, uint16_t raw)
{
    return element->big ? mapped_be_u16(raw) : mapped_le_u16(raw);
}

static mapped_status store_16_bits(const mapped_element *element, void *p,
                                   mapped_value value, int fraction_bits)
{
    uint16_t raw;
    if (!round_to_16_bits(value.f, fraction_bits, &raw))
        return MAPPED_VALUE;
    mapped_store_u16(p, in_order(element, raw));
    return MAPPED_OK;
}

static mapped_status load_half(const mapped_element *element, const void *p,
                               mapped_value *value)
{
    value->f = half_to_double(in_order(element, mapped_load_u16(p)));
    return MAPPED_OK;
}

static mapped_status store_half(const mapped_element *element, void *p,
                                mapped_value value)
{
    return store_16_bits(element, p, value, 10);
}

/* bfloat16: the upper half of a binary32. */
static mapped_status load_bfloat(const mapped_element *element, const void *p,
                                 mapped_value *value)
{
    uint32_t bits = (uint32_t)in_order(element, mapped_load_u16(p)) << 16;
    float single;
    memcpy(&single, &bits, sizeof single);
    value->f = single;
    return MAPPED_OK;
}

static mapped_status store_bfloat(const mapped_element *element, void *p,
                                  mapped_value value)
{
    return store_16_bits(element, p, value, 7);
}

static mapped_status load_flag(const mapped_element *element, const void *p,
                               mapped_value *value)
{
    value->u = mapped_load_u8(p) != 0;
    return MAPPED_OK;
}

static mapped_status store_flag(const mapped_element *element, void *p,
                                mapped_value value)
{
    mapped_store_u8(p, value.u != 0);
    return MAPPED_OK;
}

#define LITTLE(FORM) \
    (MAPPED_FORM_##FORM + (MAPPED_BIG_ENDIAN ? MAPPED_FORM_SWAPPED : 0))
#define BIG(FORM) \
    (MAPPED_FORM_##FORM + (MAPPED_BIG_ENDIAN ? 0 : MAPPED_FORM_SWAPPED))

/* A row whose functions are load_ACCESS and store_ACCESS. */
#define ROW(name, bytes, align, KIND, big, form, access)                  \
    {                                                                     \
        name, bytes, align, MAPPED_KIND_##KIND, big, form, load_##access, \
            store_##access                                                \
    }
#define BYTE(name, KIND, FORM, access) \
    ROW(name, 1, 1, KIND, 0, MAPPED_FORM_##FORM, access)

/* The rows of both byte orders: of a machine type, and of another one, whose
 * functions know both. */
#define MACHINE(name, bytes, KIND, FORM, access)                         \
    {                                                                    \
        ROW(name, bytes, bytes, KIND, 0, LITTLE(FORM), access##le),      \
            ROW(name "be", bytes, bytes, KIND, 1, BIG(FORM), access##be) \
    }
#define OTHER(name, bytes, align, KIND, access)                              \
    {                                                                        \
        ROW(name, bytes, align, KIND, 0, MAPPED_FORM_OTHER, access),         \
            ROW(name "be", bytes, align, KIND, 1, MAPPED_FORM_OTHER, access) \
    }

/* All integers, by their size less 1. One byte has no order, and the second row
 * of such a pair is never handed out. */
#define INTEGER_ROWS(letter, KIND, FORM, access)                 \
    {                                                            \
        {BYTE(letter "8", KIND, FORM##8, access##8)},            \
            MACHINE(letter "16", 2, KIND, FORM##16, access##16), \
            OTHER(letter "24", 3, 1, KIND, bytes),               \
            MACHINE(letter "32", 4, KIND, FORM##32, access##32), \
            OTHER(letter "40", 5, 1, KIND, bytes),               \
            OTHER(letter "48", 6, 1, KIND, bytes),               \
            OTHER(letter "56", 7, 1, KIND, bytes),               \
            MACHINE(letter "64", 8, KIND, FORM##64, access##64), \
            OTHER(letter "72", 9, 1, KIND, bytes),               \
            OTHER(letter "80", 10, 1, KIND, bytes),              \
            OTHER(letter "88", 11, 1, KIND, bytes),              \
            OTHER(letter "96", 12, 1, KIND, bytes),              \
            OTHER(letter "104", 13, 1, KIND, bytes),             \
            OTHER(letter "112", 14, 1, KIND, bytes),             \
            OTHER(letter "120", 15, 1, KIND, bytes),             \
            OTHER(letter "128", 16, 1, KIND, bytes)              \
    }

#define MAX_INTEGER_SIZE 16

static const mapped_element signed_rows[MAX_INTEGER_SIZE][2] =
    INTEGER_ROWS("i", SIGNED, I, i);
static const mapped_element unsigned_rows[MAX_INTEGER_SIZE][2] =
    INTEGER_ROWS("u", UNSIGNED, U, u);
static const mapped_element half_rows[2] = OTHER("f16", 2, 2, FLOAT, half);
static const mapped_element bfloat_rows[2] = OTHER("bf16", 2, 2, FLOAT, bfloat);
static const mapped_element single_rows[2] = MACHINE("f32", 4, FLOAT, F32, f32);
static const mapped_element double_rows[2] = MACHINE("f64", 8, FLOAT, F64, f64);
static const mapped_element bool_row = BYTE("bool", BOOL, BOOL, flag);
static const mapped_element char_row = BYTE("char", CHAR, CHAR, u8);

static const mapped_element *find_float(size_t size, bool big)
{
    switch (size) {
    case 2:
        return &half_rows[big];
    case 4:
        return &single_rows[big];
    case 8:
        return &double_rows[big];
    default:
        return NULL;
    }
}

const mapped_element *mapped_element_find(mapped_kind kind, size_t size,
                                          bool big)
{
    bool integer = size >= 1 && size <= MAX_INTEGER_SIZE;
    size_t row = size - 1;
    if (size == 1)
        big = false;
    switch (kind) {
    case MAPPED_KIND_SIGNED:
        return integer ? &signed_rows[row][big] : NULL;
    case MAPPED_KIND_UNSIGNED:
        return integer ? &unsigned_rows[row][big] : NULL;
    case MAPPED_KIND_FLOAT:
        return find_float(size, big);
    case MAPPED_KIND_BOOL:
        return size == 1 ? &bool_row : NULL;
    case MAPPED_KIND_CHAR:
        return size == 1 ? &char_row : NULL;
    }
    return NULL;
}

/* What one character of a format means. */
typedef struct spelling {
    mapped_kind kind;
    uint8_t standard; /* bytes after a prefix like `<`; 0: unknown there */
    uint8_t native;   /* bytes otherwise; 0: unknown */
} spelling;

#define S MAPPED_KIND_SIGNED
#define U MAPPED_KIND_UNSIGNED
#define F MAPPED_KIND_FLOAT

static const spelling struct_codes[256] = {
    ['c'] = {MAPPED_KIND_CHAR, 1, 1},
    ['?'] = {MAPPED_KIND_BOOL, 1, 1},
    ['b'] = {S, 1, 1},
    ['B'] = {U, 1, 1},
    ['h'] = {S, 2, sizeof(short)},
    ['H'] = {U, 2, sizeof(short)},
    ['i'] = {S, 4, sizeof(int)},
    ['I'] = {U, 4, sizeof(int)},
    ['l'] = {S, 4, sizeof(long)},
    ['L'] = {U, 4, sizeof(long)},
    ['q'] = {S, 8, sizeof(long long)},
    ['Q'] = {U, 8, sizeof(long long)},
    ['n'] = {S, 0, sizeof(ptrdiff_t)},
    ['N'] = {U, 0, sizeof(size_t)},
    ['P'] = {U, 0, sizeof(void *)},
    ['e'] = {F, 2, 2},
    ['f'] = {F, 4, 4},
    ['d'] = {F, 8, 8},
};

/* `string.pack` sizes are the C compiler's with and without a prefix;
 * lua_Integer and lua_Number are 8 bytes in every default build. */
static const spelling pack_codes[256] = {
    ['b'] = {S, 1, 1},
    ['B'] = {U, 1, 1},
    ['h'] = {S, sizeof(short), sizeof(short)},
    ['H'] = {U, sizeof(short), sizeof(short)},
    ['i'] = {S, sizeof(int), sizeof(int)},
    ['I'] = {U, sizeof(int), sizeof(int)},
    ['l'] = {S, sizeof(long), sizeof(long)},
    ['L'] = {U, sizeof(long), sizeof(long)},
    ['j'] = {S, 8, 8},
    ['J'] = {U, 8, 8},
    ['T'] = {U, sizeof(size_t), sizeof(size_t)},
    ['f'] = {F, 4, 4},
    ['d'] = {F, 8, 8},
    ['n'] = {F, 8, 8},
};

#undef S
#undef U
#undef F

/* Refuses the character of a code at `offset`. */
static const mapped_element *unknown(mapped_error *error, size_t offset)
{
    const mapped_error_range range = {.offset = offset, .length = 1};
    mapped_error_set_range(error, MAPPED_CODE, "code", range);
    return NULL;
}

/* Returns the meaning of code[at]. The end of the code has the one of NUL,
 * which is unknown. */
static const spelling *look_up(const spelling *codes, const char *code,
                               size_t length, size_t at)
{
    return &codes[at < length ? (unsigned char)code[at] : 0];
}

/* Returns whether code[0] is one of `prefixes`, and sets `*big` to the byte
 * order that it means; without one that is the machine's. */
static bool read_prefix(const char *prefixes, const char *code, size_t length,
                        bool *big)
{
    *big = MAPPED_BIG_ENDIAN;
    if (length == 0 || code[0] == '\0' || strchr(prefixes, code[0]) == NULL)
        return false;
    if (code[0] == '<')
        *big = false;
    else if (code[0] == '>' || code[0] == '!')
        *big = true;
    return true;
}

const mapped_element *
mapped_element_from_struct(const char *code, size_t length, mapped_error *error)
{
    bool big;
    size_t at = read_prefix("@=<>!", code, length, &big) ? 1 : 0;
    bool standard = at == 1 && code[0] != '@';
    const spelling *meaning = look_up(struct_codes, code, length, at);
    size_t size = standard ? meaning->standard : meaning->native;
    if (size == 0)
        return unknown(error, at);
    if (length != at + 1)
        return unknown(error, at + 1);
    return mapped_element_find(meaning->kind, size, big);
}

/* Returns a decimal number of at most three digits, or 0 for anything else. */
static size_t read_number(const char *digits, size_t length)
{
    size_t number = 0;
    if (length > 3)
        return 0;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        number = number * 10 + (size_t)(digits[i] - '0');
    }
    return number;
}

const mapped_element *mapped_element_from_pack(const char *code, size_t length,
                                               mapped_error *error)
{
    bool big;
    size_t at = read_prefix("=<>", code, length, &big) ? 1 : 0;
    const spelling *meaning = look_up(pack_codes, code, length, at);
    size_t size = meaning->native;
    if (size == 0)
        return unknown(error, at);
    if (length > at + 1) {
        bool sized = (code[at] == 'i' || code[at] == 'I') && length - at <= 3;
        size = sized ? read_number(code + at + 1, length - at - 1) : 0;
        if (size == 0 || size > MAX_INTEGER_SIZE)
            return unknown(error, at + 1);
    }
    return mapped_element_find(meaning->kind, size, big);
}

static bool name_is(const char *name, size_t length, const char *other)
{
    return length == strlen(other) && memcmp(name, other, length) == 0;
}

/* Returns the length of the name without an "le" or "be" at its end, which sets
 * `*big`. */
static size_t without_order(const char *name, size_t length, bool *big)
{
    if (length < 3 || name[length - 1] != 'e')
        return length;
    if (name[length - 2] != 'l' && name[length - 2] != 'b')
        return length;
    *big = name[length - 2] == 'b';
    return length - 2;
}

const mapped_element *mapped_element_from_name(const char *name, size_t length,
                                               bool big)
{
    static const char letters[] = "iuf"; /* in the order of the kinds */
    if (name_is(name, length, "bool"))
        return mapped_element_find(MAPPED_KIND_BOOL, 1, false);
    if (name_is(name, length, "char"))
        return mapped_element_find(MAPPED_KIND_CHAR, 1, false);
    length = without_order(name, length, &big);
    if (name_is(name, length, "bf16"))
        return &bfloat_rows[big];
    const char *letter =
        length > 0 && name[0] != '\0' ? strchr(letters, name[0]) : NULL;
    if (letter == NULL || (length > 1 && name[1] == '0'))
        return NULL;
    size_t bits = read_number(name + 1, length - 1);
    if (bits % 8 != 0)
        return NULL;
    return mapped_element_find((mapped_kind)(letter - letters), bits / 8, big);
}

const char *mapped_element_struct_code(const mapped_element *element)
{
    /* By kind, size and byte order. One byte has a code without an order. */
    static const char *const codes[3][9][2] = {
        {[1] = {"<b"},
         [2] = {"<h", ">h"},
         [4] = {"<i", ">i"},
         [8] = {"<q", ">q"}},
        {[1] = {"<B"},
         [2] = {"<H", ">H"},
         [4] = {"<I", ">I"},
         [8] = {"<Q", ">Q"}},
        {[2] = {"<e", ">e"}, [4] = {"<f", ">f"}, [8] = {"<d", ">d"}},
    };
    if (element->kind == MAPPED_KIND_BOOL)
        return "?";
    if (element->kind == MAPPED_KIND_CHAR)
        return "c";
    if (element->size > 8 || element->load == load_bfloat)
        return NULL;
    const char *code = codes[element->kind][element->size][element->big];
    bool native = element->size == 1 || element->big == MAPPED_BIG_ENDIAN;
    return code != NULL && native ? code + 1 : code;
}
