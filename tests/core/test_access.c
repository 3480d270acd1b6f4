/* Guards against a typed access that reads past the slice, in the wrong order,
 * or that hands out a value although the access failed. */
#include "memory.h"

#include <math.h>

static const mapped_element *row(const char *code)
{
    return mapped_element_from_struct(code, strlen(code), NULL);
}

static void test_access_outside_leaves_the_value_alone(void)
{
    mapped_region *region = memory_region(64);
    mapped_slice slice = memory_slice(region, 16, 16);
    const size_t offsets[] = {13,           16,           17,      64,
                              SIZE_MAX - 3, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        uint32_t value = 4711;
        mapped_value any = {.u = 4711};
        mapped_error error = MAPPED_ERROR_INIT;
        size_t offset = offsets[i];
        CHECK_STATUS(mapped_get_u32le(slice, offset, &value, &error),
                     MAPPED_RANGE);
        CHECK_UINT(error.offset, offset);
        CHECK_UINT(error.length, 4);
        CHECK_UINT(error.limit, 16);
        CHECK_STATUS(mapped_get(slice, row("<I"), offset, &any, &error),
                     MAPPED_RANGE);
        CHECK_UINT(error.offset, offset);
        CHECK_UINT(value, 4711);
        CHECK_UINT(any.u, 4711);
    }
    mapped_region_release(region);
}

static void test_access_set_outside_writes_nothing(void)
{
    mapped_region *region = memory_region(64);
    mapped_slice slice = memory_slice(region, 16, 16);
    const size_t offsets[] = {13, 16, (size_t)-4, SIZE_MAX};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        CHECK_STATUS(mapped_set_u32be(slice, offsets[i], 0, NULL),
                     MAPPED_RANGE);
        CHECK_STATUS(mapped_set(slice, row("<I"), offsets[i],
                                (mapped_value){.u = 0}, NULL),
                     MAPPED_RANGE);
    }
    for (size_t i = 0; i < 64; i++)
        CHECK_UINT(region->base_[i], memory_byte(i));
    mapped_region_release(region);
}

static void test_access_after_close_is_refused(void)
{
    mapped_region *region = memory_region(64);
    mapped_slice slice = mapped_region_slice(region);
    uint64_t value = 4711;
    mapped_value any = {.u = 4711};
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_get_u64(slice, 0, &value, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_set_u64(slice, 0, 1, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_get(slice, row("Q"), 0, &any, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_set(slice, row("Q"), 0, any, NULL), MAPPED_CLOSED);
    CHECK_UINT(value, 4711);
    CHECK_UINT(any.u, 4711);
    mapped_region_release(region);
}

static void test_access_set_readonly_writes_nothing(void)
{
    unsigned char bytes[16] = "0123456789abcde";
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    mapped_slice slice = mapped_region_slice(region);
    mapped_value any = {.u = 1};
    CHECK_STATUS(mapped_set_u8(slice, 0, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set_f64be(slice, 0, 1, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_set(slice, row("Q"), 0, any, NULL), MAPPED_READONLY);
    CHECK_BYTES(bytes, "0123456789abcde", 16);
    mapped_region_release(region);
}

static void test_access_set_refused_value_writes_nothing(void)
{
    unsigned char bytes[16] = "0123456789abcde";
    mapped_region *region = memory_wrap(bytes, sizeof bytes, false);
    mapped_slice slice = mapped_region_slice(region);
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(
        mapped_set(slice, row("<H"), 0, (mapped_value){.u = 65536}, &error),
        MAPPED_VALUE);
    CHECK_STATUS(error.status, MAPPED_VALUE);
    CHECK_STATUS(
        mapped_set(slice, row("<f"), 0, (mapped_value){.f = 1e300}, NULL),
        MAPPED_VALUE);
    CHECK_BYTES(bytes, "0123456789abcde", 16);
    mapped_region_release(region);
}

static void test_access_get_of_a_value_too_wide(void)
{
    unsigned char bytes[16];
    memset(bytes, 0x11, sizeof bytes);
    mapped_region *region = memory_wrap(bytes, sizeof bytes, false);
    mapped_value any = {.u = 4711};
    mapped_error error = MAPPED_ERROR_INIT;
    const mapped_element *wide =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 16, false);
    CHECK_STATUS(mapped_get(mapped_region_slice(region), wide, 0, &any, &error),
                 MAPPED_VALUE);
    CHECK_STATUS(error.status, MAPPED_VALUE);
    CHECK_UINT(any.u, 4711);
    mapped_region_release(region);
}

/* Every inline function once, in each order, at an odd offset. */
static void test_access_inline_functions_agree_with_the_table(void)
{
    static unsigned char bytes[32];
    mapped_region *region = memory_wrap(bytes, sizeof bytes, false);
    mapped_slice slice = memory_slice(region, 1, 30);
#define CHECK_ACCESS(suffix, type, code, sample, member)                      \
    do {                                                                      \
        type value = 0;                                                       \
        mapped_value any = {.u = 0};                                          \
        memset(bytes, 0xa5, sizeof bytes);                                    \
        CHECK_STATUS(mapped_set_##suffix(slice, 2, (type)(sample), NULL),     \
                     MAPPED_OK);                                              \
        CHECK_UINT(bytes[2], 0xa5);                                           \
        CHECK_UINT(bytes[3 + sizeof(type)], 0xa5);                            \
        CHECK_STATUS(mapped_get_##suffix(slice, 2, &value, NULL), MAPPED_OK); \
        CHECK_STATUS(mapped_get(slice, row(code), 2, &any, NULL), MAPPED_OK); \
        CHECK(value == (type)(sample) && any.member == (type)(sample));       \
    } while (0)
    CHECK_ACCESS(u8, uint8_t, "B", 0x81, u);
    CHECK_ACCESS(i8, int8_t, "b", -127, i);
    CHECK_ACCESS(u16, uint16_t, "=H", 0x8182, u);
    CHECK_ACCESS(u16le, uint16_t, "<H", 0x8182, u);
    CHECK_ACCESS(u16be, uint16_t, ">H", 0x8182, u);
    CHECK_ACCESS(i16, int16_t, "=h", -32767, i);
    CHECK_ACCESS(i16le, int16_t, "<h", -32767, i);
    CHECK_ACCESS(i16be, int16_t, ">h", -32767, i);
    CHECK_ACCESS(u32, uint32_t, "=I", 0x81828384, u);
    CHECK_ACCESS(u32le, uint32_t, "<I", 0x81828384, u);
    CHECK_ACCESS(u32be, uint32_t, ">I", 0x81828384, u);
    CHECK_ACCESS(i32, int32_t, "=i", -2147483647, i);
    CHECK_ACCESS(i32le, int32_t, "<i", -2147483647, i);
    CHECK_ACCESS(i32be, int32_t, ">i", -2147483647, i);
    CHECK_ACCESS(u64, uint64_t, "=Q", 0x8182838485868788, u);
    CHECK_ACCESS(u64le, uint64_t, "<Q", 0x8182838485868788, u);
    CHECK_ACCESS(u64be, uint64_t, ">Q", 0x8182838485868788, u);
    CHECK_ACCESS(i64, int64_t, "=q", INT64_MIN + 1, i);
    CHECK_ACCESS(i64le, int64_t, "<q", INT64_MIN + 1, i);
    CHECK_ACCESS(i64be, int64_t, ">q", INT64_MIN + 1, i);
    CHECK_ACCESS(f32, float, "=f", -1.5, f);
    CHECK_ACCESS(f32le, float, "<f", -1.5, f);
    CHECK_ACCESS(f32be, float, ">f", -1.5, f);
    CHECK_ACCESS(f64, double, "=d", 1e-300, f);
    CHECK_ACCESS(f64le, double, "<d", 1e-300, f);
    CHECK_ACCESS(f64be, double, ">d", 1e-300, f);
#undef CHECK_ACCESS
    mapped_region_release(region);
}

static void test_access_inline_orders_are_in_the_bytes(void)
{
    unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    mapped_region *region = memory_wrap(bytes, sizeof bytes, false);
    mapped_slice slice = mapped_region_slice(region);
    uint32_t value = 0;
    CHECK_STATUS(mapped_get_u32le(slice, 1, &value, NULL), MAPPED_OK);
    CHECK_UINT(value, 0x05040302);
    CHECK_STATUS(mapped_get_u32be(slice, 1, &value, NULL), MAPPED_OK);
    CHECK_UINT(value, 0x02030405);
    CHECK_STATUS(mapped_set_u16be(slice, 6, 0xaabb, NULL), MAPPED_OK);
    CHECK_BYTES(bytes, "\1\2\3\4\5\6\xaa\xbb", 8);
    mapped_region_release(region);
}

static void test_access_at_the_very_end_succeeds(void)
{
    mapped_region *region = memory_region(64);
    uint64_t value = 0;
    CHECK_STATUS(
        mapped_get_u64le(mapped_region_slice(region), 56, &value, NULL),
        MAPPED_OK);
    CHECK_UINT(value & 0xff, memory_byte(56));
    CHECK_UINT(value >> 56, memory_byte(63));
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_access_outside_leaves_the_value_alone);
    RUN(test_access_set_outside_writes_nothing);
    RUN(test_access_after_close_is_refused);
    RUN(test_access_set_readonly_writes_nothing);
    RUN(test_access_set_refused_value_writes_nothing);
    RUN(test_access_get_of_a_value_too_wide);
    RUN(test_access_inline_functions_agree_with_the_table);
    RUN(test_access_inline_orders_are_in_the_bytes);
    RUN(test_access_at_the_very_end_succeeds);
    return check_finish();
}
