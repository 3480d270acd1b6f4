/* Guards against a byte order that is right on the author's machine only, and
 * against an access that touches a byte too many. */
#include "check.h"

#include <mapped/endian.h>

static const unsigned char bytes[10] = {0xa5, 0x01, 0x82, 0x03, 0x84,
                                        0x05, 0x86, 0x07, 0x88, 0xa5};

static void test_endian_loads_at_any_alignment(void)
{
    CHECK_UINT(mapped_le_u16(mapped_load_u16(bytes + 1)), 0x8201);
    CHECK_UINT(mapped_be_u16(mapped_load_u16(bytes + 1)), 0x0182);
    CHECK_UINT(mapped_le_u32(mapped_load_u32(bytes + 1)), 0x84038201);
    CHECK_UINT(mapped_be_u32(mapped_load_u32(bytes + 1)), 0x01820384);
    CHECK_UINT(mapped_le_u64(mapped_load_u64(bytes + 1)), 0x8807860584038201);
    CHECK_UINT(mapped_be_u64(mapped_load_u64(bytes + 1)), 0x0182038405860788);
    CHECK_UINT(mapped_load_u8(bytes + 2), 0x82);
}

static void test_endian_stores_touch_only_their_bytes(void)
{
    unsigned char out[10];
    memset(out, 0xa5, sizeof out);
    mapped_store_u64(out + 1, mapped_be_u64(0x0182038405860788));
    CHECK_BYTES(out, bytes, sizeof bytes);
    mapped_store_u32(out + 1, mapped_le_u32(0x44332211));
    CHECK_BYTES(out, "\xa5\x11\x22\x33\x44\x05\x86\x07\x88\xa5", 10);
    mapped_store_u16(out + 1, mapped_be_u16(0x7766));
    CHECK_BYTES(out, "\xa5\x77\x66\x33\x44\x05\x86\x07\x88\xa5", 10);
    mapped_store_u8(out + 9, 0x5a);
    CHECK_BYTES(out, "\xa5\x77\x66\x33\x44\x05\x86\x07\x88\x5a", 10);
}

static void test_endian_swap_reverses_and_undoes_itself(void)
{
    CHECK_UINT(mapped_swap_u16(0x0102), 0x0201);
    CHECK_UINT(mapped_swap_u32(0x01020304), 0x04030201);
    CHECK_UINT(mapped_swap_u64(0x0102030405060708), 0x0807060504030201);
    CHECK_UINT(mapped_swap_u64(mapped_swap_u64(0x8000000000000001)),
               0x8000000000000001);
}

static void test_endian_exactly_one_order_is_the_machines(void)
{
    uint32_t one = 1;
    unsigned char first = *(const unsigned char *)&one;
    CHECK_INT(MAPPED_BIG_ENDIAN, first == 0);
    CHECK_UINT(mapped_le_u32(1) == 1, first == 1);
    CHECK_UINT(mapped_be_u32(1) == 1, first == 0);
}

int main(void)
{
    RUN(test_endian_loads_at_any_alignment);
    RUN(test_endian_stores_touch_only_their_bytes);
    RUN(test_endian_swap_reverses_and_undoes_itself);
    RUN(test_endian_exactly_one_order_is_the_machines);
    return check_finish();
}
