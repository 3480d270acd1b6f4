/* Guards against codes that mean something else than in struct or string.pack,
 * against values that are cut off silently, and against floats that lose bits.
 */
#include "check.h"

#include <mapped/element.h>

#include <math.h>
#include <stdlib.h>

static const mapped_element *from_struct(const char *code)
{
    return mapped_element_from_struct(code, strlen(code), NULL);
}

static const mapped_element *from_pack(const char *code)
{
    return mapped_element_from_pack(code, strlen(code), NULL);
}

typedef const mapped_element *(*parser)(const char *, size_t, mapped_error *);

static void check_refused(parser parse, const char *code, uint64_t place)
{
    mapped_error error = MAPPED_ERROR_INIT;
    if (!CHECK(parse(code, strlen(code), &error) == NULL))
        printf("    the code is \"%s\"\n", code);
    if (!CHECK_STATUS(error.status, MAPPED_CODE) ||
        !CHECK_UINT(error.offset, place))
        printf("    the code is \"%s\"\n", code);
}

static void test_element_struct_refuses_other_codes(void)
{
    parser parse = mapped_element_from_struct;
    check_refused(parse, "", 0);
    check_refused(parse, "<", 1);
    check_refused(parse, "s", 0);
    check_refused(parse, "p", 0);
    check_refused(parse, "x", 0);
    check_refused(parse, "3i", 0);
    check_refused(parse, "ii", 1);
    check_refused(parse, "<ii", 2);
    check_refused(parse, "<<i", 1);
    check_refused(parse, " i", 0);
    check_refused(parse, "i ", 1);
    check_refused(parse, "\xff", 0);
}

static void test_element_struct_refuses_native_codes_in_standard_sizes(void)
{
    const char *prefixes = "<>=!";
    for (const char *p = prefixes; *p; p++) {
        for (const char *c = "nNP"; *c; c++) {
            const char code[3] = {*p, *c, 0};
            check_refused(mapped_element_from_struct, code, 1);
        }
    }
}

static void test_element_pack_refuses_other_codes(void)
{
    parser parse = mapped_element_from_pack;
    check_refused(parse, "", 0);
    check_refused(parse, "<", 1);
    check_refused(parse, "s", 0);
    check_refused(parse, "z", 0);
    check_refused(parse, "x", 0);
    check_refused(parse, "q", 0);
    check_refused(parse, "@i", 0);
    check_refused(parse, "bb", 1);
    check_refused(parse, "b4", 1);
}

static void test_element_pack_refuses_impossible_widths(void)
{
    const char *codes[] = {
        "i0",          "i17", "I0",  "I17", "<i99", "i18446744073709551617",
        "i4294967300", "i-1", "i4x", "i:",  "i/",   "i0:",
        "i1/",         "i/9", "I1:", "i 4"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        mapped_error error = MAPPED_ERROR_INIT;
        const mapped_element *found =
            mapped_element_from_pack(codes[i], strlen(codes[i]), &error);
        if (!CHECK(found == NULL) || !CHECK_STATUS(error.status, MAPPED_CODE))
            printf("    the code is \"%s\"\n", codes[i]);
    }
}

static void test_element_codes_stop_at_their_length(void)
{
    const char no_end[3] = {'<', 'i', 'i'};
    const mapped_element *found = mapped_element_from_struct(no_end, 2, NULL);
    CHECK(found != NULL && found == from_struct("<i"));
    CHECK(mapped_element_from_struct("i\0", 2, NULL) == NULL);
    CHECK(mapped_element_from_pack("i16", 2, NULL) == from_pack("i1"));
}

typedef struct code_row {
    const char *code;
    size_t size;
    mapped_kind kind;
} code_row;

static void check_codes(parser parse, const code_row *rows)
{
    for (; rows->code; rows++) {
        const mapped_element *found =
            parse(rows->code, strlen(rows->code), NULL);
        if (!CHECK(found != NULL) || !CHECK_UINT(found->size, rows->size) ||
            !CHECK_INT(found->kind, rows->kind))
            printf("    the code is \"%s\"\n", rows->code);
    }
}

static void test_element_struct_standard_sizes(void)
{
    static const code_row rows[] = {
        {"<c", 1, MAPPED_KIND_CHAR},     {"<b", 1, MAPPED_KIND_SIGNED},
        {"<B", 1, MAPPED_KIND_UNSIGNED}, {"<?", 1, MAPPED_KIND_BOOL},
        {"<h", 2, MAPPED_KIND_SIGNED},   {"<H", 2, MAPPED_KIND_UNSIGNED},
        {"<i", 4, MAPPED_KIND_SIGNED},   {"<I", 4, MAPPED_KIND_UNSIGNED},
        {"<l", 4, MAPPED_KIND_SIGNED},   {"<L", 4, MAPPED_KIND_UNSIGNED},
        {"<q", 8, MAPPED_KIND_SIGNED},   {"<Q", 8, MAPPED_KIND_UNSIGNED},
        {"<e", 2, MAPPED_KIND_FLOAT},    {"<f", 4, MAPPED_KIND_FLOAT},
        {"<d", 8, MAPPED_KIND_FLOAT},    {"=l", 4, MAPPED_KIND_SIGNED},
        {"!L", 4, MAPPED_KIND_UNSIGNED}, {">q", 8, MAPPED_KIND_SIGNED},
        {NULL, 0, MAPPED_KIND_SIGNED}};
    check_codes(mapped_element_from_struct, rows);
}

static void test_element_struct_native_sizes(void)
{
    static const code_row rows[] = {
        {"l", sizeof(long), MAPPED_KIND_SIGNED},
        {"@L", sizeof(long), MAPPED_KIND_UNSIGNED},
        {"i", sizeof(int), MAPPED_KIND_SIGNED},
        {"@h", sizeof(short), MAPPED_KIND_SIGNED},
        {"q", sizeof(long long), MAPPED_KIND_SIGNED},
        {"n", sizeof(size_t), MAPPED_KIND_SIGNED},
        {"@N", sizeof(size_t), MAPPED_KIND_UNSIGNED},
        {"P", sizeof(void *), MAPPED_KIND_UNSIGNED},
        {"d", sizeof(double), MAPPED_KIND_FLOAT},
        {"?", sizeof(bool), MAPPED_KIND_BOOL},
        {NULL, 0, MAPPED_KIND_SIGNED}};
    check_codes(mapped_element_from_struct, rows);
}

static void test_element_pack_sizes(void)
{
    static const code_row rows[] = {{"b", 1, MAPPED_KIND_SIGNED},
                                    {"B", 1, MAPPED_KIND_UNSIGNED},
                                    {"h", sizeof(short), MAPPED_KIND_SIGNED},
                                    {"H", sizeof(short), MAPPED_KIND_UNSIGNED},
                                    {"l", sizeof(long), MAPPED_KIND_SIGNED},
                                    {">L", sizeof(long), MAPPED_KIND_UNSIGNED},
                                    {"j", 8, MAPPED_KIND_SIGNED},
                                    {"J", 8, MAPPED_KIND_UNSIGNED},
                                    {"T", sizeof(size_t), MAPPED_KIND_UNSIGNED},
                                    {"i", sizeof(int), MAPPED_KIND_SIGNED},
                                    {"I", sizeof(int), MAPPED_KIND_UNSIGNED},
                                    {"i3", 3, MAPPED_KIND_SIGNED},
                                    {"<I16", 16, MAPPED_KIND_UNSIGNED},
                                    {"=i9", 9, MAPPED_KIND_SIGNED},
                                    {"f", 4, MAPPED_KIND_FLOAT},
                                    {"d", 8, MAPPED_KIND_FLOAT},
                                    {">n", 8, MAPPED_KIND_FLOAT},
                                    {NULL, 0, MAPPED_KIND_SIGNED}};
    check_codes(mapped_element_from_pack, rows);
}

static void test_element_prefix_gives_the_order(void)
{
    CHECK_INT(from_struct("<i")->big, 0);
    CHECK_INT(from_struct(">i")->big, 1);
    CHECK_INT(from_struct("!i")->big, 1);
    CHECK_INT(from_struct("=i")->big, MAPPED_BIG_ENDIAN);
    CHECK_INT(from_struct("i")->big, MAPPED_BIG_ENDIAN);
    CHECK_INT(from_pack("<i4")->big, 0);
    CHECK_INT(from_pack(">i4")->big, 1);
    CHECK_INT(from_pack("=i4")->big, MAPPED_BIG_ENDIAN);
    CHECK_INT(from_pack("i4")->big, MAPPED_BIG_ENDIAN);
}

static void test_element_equal_types_are_one_row(void)
{
    CHECK(from_struct("<i") == from_pack("<i4"));
    CHECK(from_struct("<l") == from_pack("<i4"));
    CHECK(from_struct(">d") == from_pack(">n"));
    CHECK(from_struct("<B") == from_struct(">B"));
    CHECK(from_pack(">i1") == from_pack("<b"));
    CHECK(from_struct("<i") == mapped_element_find(MAPPED_KIND_SIGNED, 4, 0));
}

static void test_element_find_refuses_what_does_not_exist(void)
{
    CHECK(mapped_element_find(MAPPED_KIND_SIGNED, 0, false) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_SIGNED, 17, false) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_UNSIGNED, SIZE_MAX, true) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_FLOAT, 1, false) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_FLOAT, 3, false) == NULL);
    CHECK(mapped_element_find(MAPPED_KIND_FLOAT, 16, true) == NULL);
}

static void check_row(mapped_kind kind, size_t size, bool big)
{
    const mapped_element *row = mapped_element_find(kind, size, big);
    bool natural = size == 1 || size == 2 || size == 4 || size == 8;
    if (!CHECK(row != NULL))
        return;
    CHECK_UINT(row->size, size);
    CHECK_UINT(row->align, natural ? size : 1);
    CHECK_INT(row->kind, kind);
    CHECK_INT(row->big, size > 1 && big);
    CHECK(row->name != NULL && row->load != NULL && row->store != NULL);
}

static void test_element_find_knows_every_row(void)
{
    for (int big = 0; big < 2; big++) {
        for (size_t size = 1; size <= 16; size++) {
            check_row(MAPPED_KIND_SIGNED, size, big);
            check_row(MAPPED_KIND_UNSIGNED, size, big);
        }
        for (size_t size = 2; size <= 8; size *= 2)
            check_row(MAPPED_KIND_FLOAT, size, big);
    }
}

static void test_element_names(void)
{
    CHECK_TEXT(from_struct("<i")->name, "i32");
    CHECK_TEXT(from_struct(">H")->name, "u16be");
    CHECK_TEXT(from_struct("<d")->name, "f64");
    CHECK_TEXT(from_struct("?")->name, "bool");
    CHECK_TEXT(from_struct("c")->name, "char");
}

static void test_element_struct_code_comes_back(void)
{
    const char *codes[] = {"c", "b", "B", "?", ">h", ">i", ">Q", ">e", ">d"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (MAPPED_BIG_ENDIAN && codes[i][0] == '>')
            continue;
        CHECK_TEXT(mapped_element_struct_code(from_struct(codes[i])), codes[i]);
    }
    CHECK(mapped_element_struct_code(from_pack("i3")) == NULL);
    CHECK(mapped_element_struct_code(from_pack("I16")) == NULL);
}

static void test_element_struct_code_of_native_order_has_no_prefix(void)
{
    const char *codes[] = {"h", "H", "i", "I", "e", "f", "d"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        CHECK_TEXT(mapped_element_struct_code(from_struct(codes[i])), codes[i]);
    const char *wide = mapped_element_struct_code(from_struct("q"));
    CHECK(wide != NULL && from_struct(wide) == from_struct("q"));
}

static int64_t lowest(size_t size)
{
    return size >= 8 ? INT64_MIN : -((int64_t)1 << (8 * size - 1));
}

static int64_t highest(size_t size)
{
    return size >= 8 ? INT64_MAX : ((int64_t)1 << (8 * size - 1)) - 1;
}

static uint64_t most(size_t size)
{
    return size >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * size)) - 1;
}

static void check_refuses(const mapped_element *row, mapped_value value)
{
    unsigned char out[16];
    unsigned char before[16];
    memset(out, 0xa5, sizeof out);
    memset(before, 0xa5, sizeof before);
    CHECK_STATUS(row->store(row, out, value), MAPPED_VALUE);
    CHECK_BYTES(out, before, sizeof out);
}

static void test_element_store_refuses_integers_too_wide(void)
{
    for (size_t size = 1; size < 8; size++) {
        for (int big = 0; big < 2; big++) {
            const mapped_element *i =
                mapped_element_find(MAPPED_KIND_SIGNED, size, big);
            const mapped_element *u =
                mapped_element_find(MAPPED_KIND_UNSIGNED, size, big);
            check_refuses(i, (mapped_value){.i = lowest(size) - 1});
            check_refuses(i, (mapped_value){.i = highest(size) + 1});
            check_refuses(i, (mapped_value){.i = INT64_MIN});
            check_refuses(i, (mapped_value){.i = INT64_MAX});
            check_refuses(u, (mapped_value){.u = most(size) + 1});
            check_refuses(u, (mapped_value){.u = UINT64_MAX});
        }
    }
}

static void test_element_store_refuses_bool_and_char_too_wide(void)
{
    check_refuses(from_struct("c"), (mapped_value){.u = 256});
    check_refuses(from_struct("c"), (mapped_value){.u = UINT64_MAX});
}

static void check_round_trip(mapped_kind kind, size_t size, uint64_t bits)
{
    unsigned char out[2][18];
    for (int big = 0; big < 2; big++) {
        const mapped_element *row = mapped_element_find(kind, size, big);
        mapped_value back = {.u = 0x1234};
        memset(out[big], 0xa5, sizeof out[big]);
        CHECK_STATUS(row->store(row, out[big] + 1, (mapped_value){.u = bits}),
                     MAPPED_OK);
        CHECK_STATUS(row->load(row, out[big] + 1, &back), MAPPED_OK);
        if (!CHECK_UINT(back.u, bits))
            printf("    the element is %s\n", row->name);
        CHECK_UINT(out[big][0], 0xa5);
        CHECK_UINT(out[big][size + 1], 0xa5);
    }
    for (size_t i = 0; i < size; i++)
        CHECK_UINT(out[0][1 + i], out[1][size - i]);
    CHECK_UINT(out[0][1], bits & 0xff);
}

static void test_element_integers_come_back(void)
{
    for (size_t size = 1; size <= 16; size++) {
        check_round_trip(MAPPED_KIND_SIGNED, size, (uint64_t)lowest(size));
        check_round_trip(MAPPED_KIND_SIGNED, size, (uint64_t)highest(size));
        check_round_trip(MAPPED_KIND_SIGNED, size, (uint64_t)-1);
        check_round_trip(MAPPED_KIND_SIGNED, size, 0x12);
        check_round_trip(MAPPED_KIND_UNSIGNED, size, most(size));
        check_round_trip(MAPPED_KIND_UNSIGNED, size, 0);
        check_round_trip(MAPPED_KIND_UNSIGNED, size, 0x81);
    }
}

static void check_load_fails(const mapped_element *row, const void *bytes)
{
    mapped_value value = {.u = 4711};
    CHECK_STATUS(row->load(row, bytes, &value), MAPPED_VALUE);
    CHECK_UINT(value.u, 4711);
}

static void test_element_load_refuses_wider_than_64_bits(void)
{
    for (size_t size = 9; size <= 16; size++) {
        unsigned char le[16] = {0};
        unsigned char be[16] = {0};
        le[size - 1] = be[0] = 1;
        for (int sign = 0; sign < 2; sign++) {
            mapped_kind kind = sign ? MAPPED_KIND_SIGNED : MAPPED_KIND_UNSIGNED;
            check_load_fails(mapped_element_find(kind, size, false), le);
            check_load_fails(mapped_element_find(kind, size, true), be);
        }
    }
}

static void test_element_load_wide_signed_needs_the_sign_all_over(void)
{
    const mapped_element *row = mapped_element_find(MAPPED_KIND_SIGNED, 9, 0);
    unsigned char minus[9] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0xff};
    unsigned char above[9] = {0, 0, 0, 0, 0, 0, 0, 0x80, 0x00};
    unsigned char below[9] = {0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff};
    mapped_value value = {.u = 0};
    CHECK_STATUS(row->load(row, minus, &value), MAPPED_OK);
    CHECK_INT(value.i, INT64_MIN);
    check_load_fails(row, above);
    check_load_fails(row, below);
}

static double value_of_half(unsigned bits)
{
    int exponent = bits >> 10 & 0x1f;
    int mantissa = bits & 0x3ff;
    double sign = bits & 0x8000 ? -1.0 : 1.0;
    if (exponent == 0x1f)
        return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

static void test_element_every_half_comes_back(void)
{
    const mapped_element *row = from_struct("<e");
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 0x10000; bits++) {
        unsigned char in[2] = {bits & 0xff, bits >> 8};
        unsigned char out[2] = {0x5a, 0x5a};
        mapped_value value = {.f = 0};
        double expected = value_of_half(bits);
        wrong += row->load(row, in, &value) != MAPPED_OK;
        wrong += row->store(row, out, value) != MAPPED_OK;
        if (isnan(expected))
            wrong += !isnan(value.f) || (out[1] & 0x7c) != 0x7c ||
                     !((out[1] & 3) | out[0]);
        else
            wrong += value.f != expected ||
                     signbit(value.f) != signbit(expected) ||
                     memcmp(in, out, 2) != 0;
    }
    CHECK_UINT(wrong, 0);
}

static unsigned stored_half(double f)
{
    const mapped_element *row = from_struct("<e");
    unsigned char out[2] = {0x5a, 0x5a};
    mapped_status status = row->store(row, out, (mapped_value){.f = f});
    CHECK_STATUS(status, MAPPED_OK);
    return out[0] | (unsigned)out[1] << 8;
}

/* A number half way between two halves is rounded to the even one. Rounding to
 * a float first would give another result. */
static void test_element_half_rounds_once_and_to_even(void)
{
    CHECK_UINT(stored_half(1 + ldexp(1, -11)), 0x3c00);
    CHECK_UINT(stored_half(1 + ldexp(3, -11)), 0x3c02);
    CHECK_UINT(stored_half(1 + ldexp(1, -11) + ldexp(1, -50)), 0x3c01);
    CHECK_UINT(stored_half(1 + ldexp(3, -11) - ldexp(1, -50)), 0x3c01);
    CHECK_UINT(stored_half(ldexp(1, -25)), 0x0000);
    CHECK_UINT(stored_half(ldexp(1, -25) + ldexp(1, -60)), 0x0001);
    CHECK_UINT(stored_half(ldexp(3, -25)), 0x0002);
    CHECK_UINT(stored_half(-ldexp(1, -30)), 0x8000);
    CHECK_UINT(stored_half(2047 * ldexp(1, -25)), 0x0400);
    CHECK_UINT(stored_half(65519.999), 0x7bff);
    CHECK_UINT(stored_half(5e-324), 0x0000);
}

static void test_element_store_refuses_floats_too_large(void)
{
    check_refuses(from_struct("<e"), (mapped_value){.f = 65520.0});
    check_refuses(from_struct(">e"), (mapped_value){.f = -65520.0});
    check_refuses(from_struct("<e"), (mapped_value){.f = 1e300});
    check_refuses(from_struct("<f"), (mapped_value){.f = 3.5e38});
    check_refuses(from_struct(">f"), (mapped_value){.f = -1e300});
}

static void check_float(const char *code, double f, const char *expected)
{
    const mapped_element *row = from_struct(code);
    unsigned char out[8] = {0};
    mapped_value back = {.f = 4711};
    CHECK_STATUS(row->store(row, out, (mapped_value){.f = f}), MAPPED_OK);
    CHECK_BYTES(out, expected, row->size);
    CHECK_STATUS(row->load(row, out, &back), MAPPED_OK);
    CHECK(back.f == f && signbit(back.f) == signbit(f));
}

static void test_element_floats_come_back(void)
{
    check_float(">f", 1.0, "\x3f\x80\x00\x00");
    check_float("<f", -0.0, "\x00\x00\x00\x80");
    check_float(">f", INFINITY, "\x7f\x80\x00\x00");
    check_float(">f", -INFINITY, "\xff\x80\x00\x00");
    check_float(">f", ldexp(1, -149), "\x00\x00\x00\x01");
    check_float(">d", 1.0, "\x3f\xf0\x00\x00\x00\x00\x00\x00");
    check_float("<d", -INFINITY, "\x00\x00\x00\x00\x00\x00\xf0\xff");
    check_float(">d", 5e-324, "\x00\x00\x00\x00\x00\x00\x00\x01");
    check_float(">e", INFINITY, "\x7c\x00");
}

static void test_element_nan_stays_nan(void)
{
    const char *codes[] = {"<e", ">e", "<f", ">f", "<d", ">d"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const mapped_element *row = from_struct(codes[i]);
        unsigned char out[8];
        mapped_value back = {.f = 0};
        CHECK_STATUS(row->store(row, out, (mapped_value){.f = NAN}), MAPPED_OK);
        CHECK_STATUS(row->load(row, out, &back), MAPPED_OK);
        CHECK(isnan(back.f));
    }
}

static void test_element_bool_is_zero_or_one(void)
{
    const mapped_element *row = from_struct("?");
    mapped_value value = {.u = 77};
    CHECK_STATUS(row->load(row, "\x80", &value), MAPPED_OK);
    CHECK_UINT(value.u, 1);
    CHECK_STATUS(row->load(row, "\x00", &value), MAPPED_OK);
    CHECK_UINT(value.u, 0);
}

static void test_element_char_is_the_byte(void)
{
    const mapped_element *row = from_struct("c");
    unsigned char out = 0;
    mapped_value value = {.u = 0};
    CHECK_STATUS(row->load(row, "\xff", &value), MAPPED_OK);
    CHECK_UINT(value.u, 255);
    CHECK_STATUS(row->store(row, &out, value), MAPPED_OK);
    CHECK_UINT(out, 255);
}

static void check_name(const char *name, const char *expected)
{
    const mapped_element *element =
        mapped_element_from_name(name, strlen(name), false);
    CHECK_TEXT(element != NULL ? element->name : "none", expected);
}

static void test_element_names_find_their_rows(void)
{
    const char *const same[] = {"i8",    "u8",    "u16le", "u24be", "i128le",
                                "f16be", "f64le", "bool",  "char"};
    const char *const wrong[] = {"",     "u",      "u0",  "u7",  "u136",
                                 "f8",   "f24",    "u08", "x16", "u16xe",
                                 "u16 ", "boolle", "le",  "ule", "u1234"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        const mapped_element *element =
            mapped_element_from_name(same[i], strlen(same[i]), false);
        CHECK(element != NULL);
        if (element != NULL)
            CHECK(strncmp(same[i], element->name, strlen(element->name)) == 0);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_name(wrong[i], "none");
    CHECK(mapped_element_from_name("u32", 3, true) ==
          mapped_element_find(MAPPED_KIND_UNSIGNED, 4, true));
    CHECK(mapped_element_from_name("u32le", 5, true) ==
          mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false));
    CHECK(mapped_element_from_name("u32\0", 4, true) == NULL);
    CHECK(mapped_element_from_name("\0"
                                   "8",
                                   2, true) == NULL);
}

int main(void)
{
    RUN(test_element_struct_refuses_other_codes);
    RUN(test_element_struct_refuses_native_codes_in_standard_sizes);
    RUN(test_element_pack_refuses_other_codes);
    RUN(test_element_pack_refuses_impossible_widths);
    RUN(test_element_codes_stop_at_their_length);
    RUN(test_element_struct_standard_sizes);
    RUN(test_element_struct_native_sizes);
    RUN(test_element_pack_sizes);
    RUN(test_element_prefix_gives_the_order);
    RUN(test_element_equal_types_are_one_row);
    RUN(test_element_find_refuses_what_does_not_exist);
    RUN(test_element_find_knows_every_row);
    RUN(test_element_names);
    RUN(test_element_struct_code_comes_back);
    RUN(test_element_struct_code_of_native_order_has_no_prefix);
    RUN(test_element_store_refuses_integers_too_wide);
    RUN(test_element_store_refuses_bool_and_char_too_wide);
    RUN(test_element_integers_come_back);
    RUN(test_element_load_refuses_wider_than_64_bits);
    RUN(test_element_load_wide_signed_needs_the_sign_all_over);
    RUN(test_element_every_half_comes_back);
    RUN(test_element_half_rounds_once_and_to_even);
    RUN(test_element_store_refuses_floats_too_large);
    RUN(test_element_floats_come_back);
    RUN(test_element_nan_stays_nan);
    RUN(test_element_bool_is_zero_or_one);
    RUN(test_element_char_is_the_byte);
    RUN(test_element_names_find_their_rows);
    return check_finish();
}
