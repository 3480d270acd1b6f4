/* Values: one at a time, many in a loop, whole formats, bytes in bulk. */
#include "example.h"

static void one_value(mapped_slice slice)
{
    const mapped_element *type =
        mapped_element_find(MAPPED_KIND_UNSIGNED, 4, false);
    mapped_value value = {.u = 42};
    uint16_t half;

    must(mapped_set_u32le(slice, 8, 42, &error));
    must(mapped_get_u16be(slice, 8, &half, &error));
    assert(half == 42 << 8);
    /* The same with a type that is known at run time only. */
    must(mapped_set(slice, type, 8, value, &error));
    must(mapped_get(slice, type, 8, &value, &error));
    assert(value.u == 42);
}

static void names_of_types(void)
{
    const mapped_element *type;

    type = mapped_element_from_struct(">d", 2, &error); /* of Python */
    assert(type->size == 8 && type->big);
    type = mapped_element_from_pack("<i3", 3, &error); /* of Lua */
    assert(type->size == 3 && type->kind == MAPPED_KIND_SIGNED);
    assert(mapped_element_struct_code(type) == NULL);
    type = mapped_element_from_name("f32le", 5, false); /* of layouts */
    assert(type->kind == MAPPED_KIND_FLOAT);
}

#define GET_AND_SET(name, type)                            \
    do {                                                   \
        type value = 1;                                    \
        must(mapped_set_##name(slice, 0, value, &error));  \
        must(mapped_get_##name(slice, 0, &value, &error)); \
        assert(value == 1);                                \
    } while (0)
#define READ_FROM_SPAN(name, type)                            \
    do {                                                      \
        type value;                                           \
        assert(mapped_span_##name(&span, 0, &value));         \
        assert(!mapped_span_##name(&span, SIZE_MAX, &value)); \
    } while (0)
#define IN_EACH_ORDER(X, name, type) \
    X(name, type);                   \
    X(name##le, type);               \
    X(name##be, type)
#define EACH_TYPE(X)                 \
    X(u8, uint8_t);                  \
    X(i8, int8_t);                   \
    IN_EACH_ORDER(X, u16, uint16_t); \
    IN_EACH_ORDER(X, i16, int16_t);  \
    IN_EACH_ORDER(X, u32, uint32_t); \
    IN_EACH_ORDER(X, i32, int32_t);  \
    IN_EACH_ORDER(X, u64, uint64_t); \
    IN_EACH_ORDER(X, i64, int64_t);  \
    IN_EACH_ORDER(X, f32, float);    \
    IN_EACH_ORDER(X, f64, double)

/* There is a pair of functions for each type. */
static void each_type(mapped_slice slice)
{
    EACH_TYPE(GET_AND_SET);
}

/* A span makes a loop as quick as one over a pointer. */
static uint64_t sum_in_a_span(mapped_slice slice)
{
    mapped_span span;
    uint32_t word;
    uint64_t sum = 0;

    must(mapped_span_begin(slice, &span, &error));
    for (size_t i = 0; i < mapped_span_count(&span, sizeof word); i++)
        if (mapped_span_u32le(&span, i, &word))
            sum += word;
    EACH_TYPE(READ_FROM_SPAN);
    must(mapped_span_end(&span, &error)); /* now the sum counts */
    return sum;
}

/* A block is for loops that the compiler may vectorise. */
static uint64_t sum_in_a_block(mapped_slice slice)
{
    const void *block;
    size_t count;
    uint64_t sum = 0;

    must(mapped_block_enter(slice, sizeof(uint32_t), &block, &count, &error));
    for (size_t i = 0; i < count; i++)
        sum += ((const uint32_t *)block)[i];
    must(mapped_block_leave(slice, &error));
    return sum;
}

/* An access by hand: a short leaf between enter and leave. */
static void by_hand(mapped_slice slice)
{
    unsigned char *p, *quick, first;

    must(mapped_slice_enter_write(slice, 0, 2, &p, &error));
    p[0] = p[1] = 9;
    must(mapped_slice_leave(slice, 0, 2, &error));
    must(mapped_slice_enter(slice, 0, 2, &p, &error));
    first = p[0];
    must(mapped_slice_leave(slice, 0, 2, &error));
    assert(first == 9);
    quick = mapped_slice_try_enter_write(slice, 0, 2); /* NULL: enter decides */
    quick[1] = 8;
    assert(mapped_slice_try_leave(slice));
    first = mapped_slice_try_enter(slice, 0, 2)[1];
    assert(mapped_slice_try_leave(slice) && first == 8);
}

static void in_bulk(mapped_slice slice)
{
    char text[6] = "";
    mapped_slice part;
    int order;

    must(mapped_write(slice, 0, "hello", 5, &error));
    must(mapped_move(slice, 10, 0, 5, &error)); /* to 10 from 0 */
    must(mapped_read(slice, 10, text, 5, &error));
    assert(strcmp(text, "hello") == 0);
    must(mapped_slice_sub(slice, 0, 5, &part, &error));
    must(mapped_copy(slice, 20, part, &error));
    must(mapped_compare_bytes(part, "help", 4, &order, &error));
    assert(order < 0);
    must(mapped_compare(part, slice, &order, &error));
    assert(order < 0); /* the shorter comes first */
    part = mapped_slice_toreadonly(part);
    assert(mapped_fill(part, 0, &error) == MAPPED_READONLY);
    must(mapped_fill(slice, 0, &error));
}

/* Plain memory, numbers in either order, and sums that don't overflow. */
static void helpers(void)
{
    unsigned char bytes[8] = {0};
    size_t size;
    uint64_t wide;

    mapped_store_u8(bytes, mapped_load_u8(bytes));
    mapped_store_u16(bytes, mapped_be_u16(0x0102));
    assert(mapped_be_u16(mapped_load_u16(bytes)) == 0x0102 && bytes[0] == 1);
    mapped_store_u32(bytes, mapped_le_u32(7));
    assert(mapped_le_u32(mapped_load_u32(bytes)) == 7 && bytes[0] == 7);
    mapped_store_u64(bytes, mapped_be_u64(7));
    assert(mapped_be_u64(mapped_load_u64(bytes)) == 7 && bytes[7] == 7);
    assert(mapped_le_u16(1) == mapped_swap_u16(mapped_be_u16(1)));
    assert(mapped_be_u32(1) == mapped_swap_u32(mapped_le_u32(1)));
    assert(mapped_le_u64(1) == mapped_swap_u64(mapped_be_u64(1)));
    assert(mapped_range_fits(3, 4, 7) && !mapped_range_fits(4, 4, 7));
    assert(!mapped_range_fits_u64(1, UINT64_MAX, 7));
    assert(mapped_add_size(1, 2, &size) && size == 3);
    assert(!mapped_add_u64(1, UINT64_MAX, &wide));
    assert(!mapped_multiply_size(2, SIZE_MAX, &size));
    assert(mapped_round_up(13, 8, &size) && size == 16);
}

int main(void)
{
    mapped_region *region = zeros(4096);
    mapped_slice slice = mapped_region_slice(region);

    one_value(slice);
    assert(sum_in_a_span(slice) == sum_in_a_block(slice));
    names_of_types();
    each_type(slice);
    by_hand(slice);
    in_bulk(slice);
    helpers();
    mapped_region_release(region);
    return 0;
}
