/* Guards against bfloat16 numbers that are rounded twice or in the wrong
 * direction, and against elements whose form and functions name different
 * types. */
#include "check.h"

#include <mapped/element.h>
#include <mapped/endian.h>

#include <math.h>

static const mapped_element *upper_half(bool big)
{
    return mapped_element_from_name("bf16", 4, big);
}

/* Returns whether a bfloat16 is loaded as the float whose upper half it is, and
 * stored as the same bits. A NaN need only remain a NaN. */
static bool bfloat_comes_back(uint32_t bits, bool big)
{
    const mapped_element *element = upper_half(big);
    const unsigned char bytes[2] = {(unsigned char)(bits >> (big ? 8 : 0)),
                                    (unsigned char)(bits >> (big ? 0 : 8))};
    uint32_t single = bits << 16;
    unsigned char again[2] = {0};
    float expected;
    mapped_value value = {0};
    memcpy(&expected, &single, sizeof expected);
    if (element->load(element, bytes, &value) != MAPPED_OK ||
        element->store(element, again, value) != MAPPED_OK)
        return false;
    if (isnan(expected))
        return isnan(value.f) && (again[big ? 0 : 1] & 0x7F) == 0x7F;
    return value.f == (double)expected && memcmp(bytes, again, 2) == 0;
}

static void test_element_every_bfloat_comes_back(void)
{
    size_t wrong = 0;
    for (uint32_t bits = 0; bits <= 0xFFFF; bits++)
        wrong +=
            !bfloat_comes_back(bits, false) + !bfloat_comes_back(bits, true);
    CHECK_UINT(wrong, 0);
}

/* Returns the stored bits, or 0x10000 if the number is refused. */
static unsigned stored_upper(double f)
{
    unsigned char bytes[2] = {0};
    const mapped_element *element = upper_half(true);
    if (element->store(element, bytes, (mapped_value){.f = f}) != MAPPED_OK)
        return 0x10000;
    return bytes[0] * 256u + bytes[1];
}

static void test_element_bfloat_rounds_once_and_to_even(void)
{
    CHECK_UINT(stored_upper(1 + ldexp(1, -8)), 0x3F80);
    CHECK_UINT(stored_upper(1 + ldexp(3, -8)), 0x3F82);
    CHECK_UINT(stored_upper(1 + ldexp(1, -8) + ldexp(1, -50)), 0x3F81);
    CHECK_UINT(stored_upper(-1 - ldexp(3, -8) + ldexp(1, -50)), 0xBF81);
    CHECK_UINT(stored_upper(ldexp(1, -134)), 0x0000);
    CHECK_UINT(stored_upper(ldexp(1, -134) + ldexp(1, -170)), 0x0001);
    CHECK_UINT(stored_upper(ldexp(255, -134)), 0x0080);
    CHECK_UINT(stored_upper(ldexp(511, 119) - 1e23), 0x7F7F);
    CHECK_UINT(stored_upper(ldexp(511, 119)), 0x10000);
    CHECK_UINT(stored_upper(-ldexp(511, 119)), 0x10000);
    CHECK_UINT(stored_upper(1e308), 0x10000);
    CHECK_UINT(stored_upper(-INFINITY), 0xFF80);
}

static void test_element_bfloat_has_no_code(void)
{
    CHECK(mapped_element_struct_code(upper_half(false)) == NULL);
    CHECK(upper_half(false) != upper_half(true));
    CHECK(mapped_element_from_name("bf16be", 6, false) == upper_half(true));
    CHECK(mapped_element_from_name("bf32", 4, false) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_FLOAT, 2, false) !=
          upper_half(false));
}

/* An element's form and its load function must give the same value. */
static void test_element_form_says_how_to_load(void)
{
    const unsigned char bytes[8] = {0x81, 2, 3, 4, 5, 6, 7, 0x88};
    static const char *const names[] = {
        "i8",    "u8",    "i16le", "i16be", "u16le", "u16be", "i32le", "i32be",
        "u32le", "u32be", "i64le", "i64be", "u64le", "u64be", "f32le", "f32be",
        "f64le", "f64be", "bool",  "char",  "u24le", "f16be", "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const mapped_element *element =
            mapped_element_from_name(names[i], strlen(names[i]), false);
        bool swapped = element->form >= MAPPED_FORM_SWAPPED;
        int form = element->form % MAPPED_FORM_SWAPPED;
        CHECK(element->form < MAPPED_FORMS);
        CHECK(swapped == (form != 0 && element->size > 1 &&
                          element->big != MAPPED_BIG_ENDIAN));
        CHECK((form == MAPPED_FORM_OTHER) == (i >= 20));
        if (form != MAPPED_FORM_U32)
            continue;
        mapped_value value;
        uint32_t raw = mapped_load_u32(bytes);
        CHECK_STATUS(element->load(element, bytes, &value), MAPPED_OK);
        CHECK_UINT(value.u, swapped ? mapped_swap_u32(raw) : raw);
    }
}

int main(void)
{
    RUN(test_element_every_bfloat_comes_back);
    RUN(test_element_bfloat_rounds_once_and_to_even);
    RUN(test_element_bfloat_has_no_code);
    RUN(test_element_form_says_how_to_load);
    return check_finish();
}
