/* Guards against arrays that are compared by their bytes instead of their
 * values, by rounded values, or with memory outside of their slice. */
#include "memory.h"

#include <math.h>

static const mapped_element *element_of(const char *code)
{
    const mapped_element *element =
        mapped_element_from_struct(code, strlen(code), NULL);
    if (element == NULL) {
        printf("no element %s\n", code);
        exit(1);
    }
    return element;
}

static const mapped_element *integer_of(mapped_kind kind, size_t size, bool big)
{
    return mapped_element_find(kind, size, big);
}

/* Makes an array of one item from plain bytes. */
static mapped_array item_over(void *bytes, const mapped_element *element)
{
    mapped_region *region = memory_wrap(bytes, element->size, true);
    return (mapped_array){
        mapped_region_slice(region), 0, mapped_item_of(element), 0, NULL, NULL};
}

/* Returns 1 if the arrays are equal, 0 if not, and 2 if comparing them fails.
 */
static int equal(const mapped_array *a, const mapped_array *b)
{
    bool result = false;
    if (mapped_array_equal(a, b, &result, NULL) != MAPPED_OK)
        return 2;
    return result;
}

/* Stores two values as two elements, and compares these. */
static int items_equal(const mapped_element *a, mapped_value value,
                       const mapped_element *b, mapped_value other)
{
    unsigned char first[16], second[16];
    CHECK_STATUS(a->store(a, first, value), MAPPED_OK);
    CHECK_STATUS(b->store(b, second, other), MAPPED_OK);
    mapped_array left = item_over(first, a), right = item_over(second, b);
    int result = equal(&left, &right);
    CHECK_INT(equal(&right, &left), result);
    mapped_region_release(left.slice.region);
    mapped_region_release(right.slice.region);
    return result;
}

#define INT(n) ((mapped_value){.i = (n)})
#define UINT(n) ((mapped_value){.u = (n)})
#define FLOAT(n) ((mapped_value){.f = (n)})

static void test_array_equal_compares_numbers_of_any_type(void)
{
    CHECK_INT(items_equal(element_of("<I"), UINT(7), element_of(">Q"), UINT(7)),
              1);
    CHECK_INT(items_equal(element_of("b"), INT(-1), element_of(">q"), INT(-1)),
              1);
    CHECK_INT(items_equal(element_of("q"), INT(-1), element_of("Q"),
                          UINT(UINT64_MAX)),
              0);
    CHECK_INT(items_equal(element_of("?"), UINT(1), element_of("<h"), INT(1)),
              1);
    CHECK_INT(items_equal(element_of("?"), UINT(1), element_of("d"), FLOAT(1)),
              1);
    CHECK_INT(items_equal(element_of("B"), UINT(65), element_of("c"), UINT(65)),
              0);
    CHECK_INT(items_equal(element_of("c"), UINT(65), element_of("c"), UINT(65)),
              1);
}

static void test_array_equal_rounds_no_integer(void)
{
    const mapped_element *d = element_of(">d"), *q = element_of("q");
    const mapped_element *u = element_of("<Q");
    CHECK_INT(items_equal(q, INT(INT64_C(9007199254740993)), d, FLOAT(0x1p53)),
              0);
    CHECK_INT(items_equal(q, INT(INT64_C(9007199254740992)), d, FLOAT(0x1p53)),
              1);
    CHECK_INT(items_equal(u, UINT(UINT64_MAX), d, FLOAT(0x1p64)), 0);
    CHECK_INT(items_equal(q, INT(INT64_MIN), d, FLOAT(-0x1p63)), 1);
    CHECK_INT(items_equal(q, INT(0), d, FLOAT(-0.0)), 1);
    CHECK_INT(items_equal(q, INT(2), d, FLOAT(2.5)), 0);
    CHECK_INT(items_equal(q, INT(0), d, FLOAT(INFINITY)), 0);
    CHECK_INT(items_equal(q, INT(0), d, FLOAT(NAN)), 0);
}

static void test_array_equal_compares_floats_by_value(void)
{
    const mapped_element *e = element_of("<e"), *f = element_of(">f");
    CHECK_INT(items_equal(e, FLOAT(1.5), f, FLOAT(1.5)), 1);
    CHECK_INT(items_equal(f, FLOAT(0.0), f, FLOAT(-0.0)), 1);
    CHECK_INT(items_equal(f, FLOAT(NAN), f, FLOAT(NAN)), 0);
    CHECK_INT(items_equal(f, FLOAT(0.1), element_of("d"), FLOAT(0.1)), 0);
}

/* The number 2**64 + 5 fits into no integer type of C. It is stored in both
 * byte orders, and compared with a float too. */
static void test_array_equal_compares_integers_of_many_bytes(void)
{
    unsigned char little[16] = {5, 0, 0, 0, 0, 0, 0, 0, 1};
    unsigned char big[10] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 5};
    unsigned char more[16] = {6, 0, 0, 0, 0, 0, 0, 0, 1};
    double power = 0x1p64;
    mapped_array a =
        item_over(little, integer_of(MAPPED_KIND_SIGNED, 16, false));
    mapped_array b = item_over(big, integer_of(MAPPED_KIND_UNSIGNED, 10, true));
    mapped_array c =
        item_over(more, integer_of(MAPPED_KIND_UNSIGNED, 16, false));
    mapped_array d = item_over(&power, element_of("d"));
    CHECK_INT(equal(&a, &b), 1);
    CHECK_INT(equal(&a, &c), 0);
    CHECK_INT(equal(&a, &d), 0);
    little[0] = 0;
    CHECK_INT(equal(&a, &d), 1);
    memset(little, 0xFF, sizeof little);
    memset(big, 0xFF, sizeof big);
    CHECK_INT(equal(&a, &b), 0);
    b.item = mapped_item_of(integer_of(MAPPED_KIND_SIGNED, 10, true));
    CHECK_INT(equal(&a, &b), 1);
    memset(little, 0, 8);
    power = -0x1p64;
    CHECK_INT(equal(&a, &d), 1);
    mapped_region_release(a.slice.region);
    mapped_region_release(b.slice.region);
    mapped_region_release(c.slice.region);
    mapped_region_release(d.slice.region);
}

/* A memoryview compares the bytes of bools, and its method decides when it is
 * the left operand. So arrays must do the same. */
static void test_array_equal_compares_bools_by_their_bytes(void)
{
    unsigned char two = 2, one = 1;
    mapped_array a = item_over(&two, element_of("?"));
    mapped_array b = item_over(&one, element_of("?"));
    mapped_array c = item_over(&one, element_of("B"));
    CHECK_INT(equal(&a, &b), 0);
    CHECK_INT(equal(&b, &b), 1);
    CHECK_INT(equal(&a, &c), 1);
    mapped_region_release(a.slice.region);
    mapped_region_release(b.slice.region);
    mapped_region_release(c.slice.region);
}

#define ROWS 3
#define COLUMNS 4000

/* Compares rows of 4000 numbers with the same numbers in columns, and
 * backwards. */
static void test_array_equal_follows_strides(void)
{
    static uint16_t rows[ROWS][COLUMNS], columns[COLUMNS][ROWS];
    ptrdiff_t size = sizeof rows[0][0];
    ptrdiff_t shape[2] = {ROWS, COLUMNS};
    ptrdiff_t plain[2] = {COLUMNS * size, size};
    ptrdiff_t turned[2] = {size, -ROWS * size};
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++)
            rows[i][j] = columns[COLUMNS - 1 - j][i] =
                (uint16_t)(i * COLUMNS + j);
    mapped_region *first = memory_wrap(rows, sizeof rows, true);
    mapped_region *second = memory_wrap(columns, sizeof columns, true);
    mapped_array a = {
        mapped_region_slice(first),
        0,
        mapped_item_of(element_of("H")),
        2,
        shape,
        plain,
    };
    mapped_array b = {mapped_region_slice(second),
                      (COLUMNS - 1) * ROWS * sizeof rows[0][0],
                      mapped_item_of(element_of("H")),
                      2,
                      shape,
                      turned};
    CHECK_INT(equal(&a, &b), 1);
    CHECK_INT(equal(&b, &a), 1);
    columns[0][ROWS - 1] ^= 1;
    CHECK_INT(equal(&a, &b), 0);
    mapped_region_release(first);
    mapped_region_release(second);
}

static void test_array_equal_compares_shapes(void)
{
    static unsigned char bytes[12];
    ptrdiff_t one[1] = {12}, two[2] = {3, 4}, none[2] = {0, 4};
    ptrdiff_t step[1] = {1}, steps[2] = {4, 1};
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    mapped_slice all = mapped_region_slice(region);
    mapped_array a = {all, 0, mapped_item_of(element_of("B")), 1, one, step};
    mapped_array b = {all, 0, mapped_item_of(element_of("B")), 2, two, steps};
    mapped_array c = {all, 0, mapped_item_of(element_of("B")), 2, none, steps};
    mapped_array d = {all, 0, mapped_item_of(element_of("c")), 2, none, steps};
    CHECK_INT(equal(&a, &b), 0);
    CHECK_INT(equal(&b, &b), 1);
    CHECK_INT(equal(&b, &c), 0);
    CHECK_INT(equal(&c, &d), 1);
    mapped_region_release(region);
}

static void test_array_equal_trusts_no_description(void)
{
    static unsigned char bytes[16];
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    mapped_slice all = mapped_region_slice(region);
    static struct {
        size_t first;
        ptrdiff_t shape[2], strides[2];
        mapped_status expected;
    } rows[] = {
        {0, {2, 3}, {8, 1}, MAPPED_OK},
        {6, {2, 3}, {8, 1}, MAPPED_RANGE},
        {0, {2, 3}, {-8, 1}, MAPPED_RANGE},
        {15, {2, 3}, {-8, -1}, MAPPED_OK},
        {SIZE_MAX, {2, 3}, {8, 1}, MAPPED_RANGE},
        {0, {PTRDIFF_MAX, 3}, {8, 1}, MAPPED_RANGE},
        {0, {3, PTRDIFF_MAX}, {PTRDIFF_MAX, PTRDIFF_MAX}, MAPPED_RANGE},
        {0, {2, 3}, {PTRDIFF_MIN, 1}, MAPPED_RANGE},
        {0, {-1, 3}, {8, 1}, MAPPED_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mapped_array array = {
            all, rows[i].first, mapped_item_of(element_of("B")),
            2,   rows[i].shape, rows[i].strides};
        bool same = false;
        CHECK_STATUS(mapped_array_equal(&array, &array, &same, NULL),
                     rows[i].expected);
    }
    mapped_region_release(region);
}

static void test_array_equal_says_closed(void)
{
    static unsigned char bytes[4];
    ptrdiff_t shape[1] = {0}, strides[1] = {1};
    mapped_region *region = memory_region(4);
    mapped_region *other = memory_wrap(bytes, sizeof bytes, true);
    mapped_array a = {mapped_region_slice(region),
                      0,
                      mapped_item_of(element_of("B")),
                      1,
                      shape,
                      strides};
    mapped_array b = {mapped_region_slice(other),
                      0,
                      mapped_item_of(element_of("c")),
                      0,
                      NULL,
                      NULL};
    bool same = true;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_equal(&a, &b, &same, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_array_equal(&b, &a, &same, NULL), MAPPED_CLOSED);
    CHECK(same);
    mapped_region_release(region);
    mapped_region_release(other);
}

/* An array of records in plain bytes. */
typedef struct Records {
    mapped_array array;
    ptrdiff_t shape, stride;
} Records;

static void records_over(void *bytes, size_t n, const char *text,
                         Records *records)
{
    records->shape = -1;
    records->array = (mapped_array){
        .slice = mapped_region_slice(memory_wrap(bytes, n, true)),
        .item = mapped_item_of_record(memory_layout(text)),
        .dimensions = 1,
        .shape = &records->shape,
        .strides = &records->stride};
    CHECK_STATUS(mapped_array_cover(&records->array, NULL), MAPPED_OK);
}

static void drop(Records *records)
{
    mapped_region_release(records->array.slice.region);
    mapped_fields_release(records->array.item.record);
}

static int records_equal(const Records *a, const Records *b)
{
    return equal(&a->array, &b->array);
}

static void test_records_equal_compares_fields(void)
{
    unsigned char a[] = {1, 0, 'x', 'y', 9, 2, 0, 'z', 0, 9};
    unsigned char b[] = {7, 0, 1, 'x', 'y', 7, 0, 2, 'z', 0};
    Records first, second, other, text;
    records_over(a, sizeof a, "n:u16le t:char[2] _:u8", &first);
    records_over(b, sizeof b, "_:u8 n:u16be t:char[2]", &second);
    records_over(b, sizeof b, "_:u8 m:u16be t:char[2]", &other);
    records_over(b, sizeof b, "_:u8 n:u16be t:u8[2]", &text);
    CHECK_INT(records_equal(&first, &second), 1);
    CHECK_INT(records_equal(&second, &first), 1);
    CHECK_INT(records_equal(&second, &other), 0);
    CHECK_INT(records_equal(&second, &text), 0);
    second.shape = 1;
    CHECK_INT(records_equal(&first, &second), 0);
    second.shape = 2;
    b[8] = 'y';
    CHECK_INT(records_equal(&first, &second), 0);
    drop(&first);
    drop(&second);
    drop(&other);
    drop(&text);
}

static void test_records_equal_compares_records_in_records(void)
{
    unsigned char a[] = {1, 2, 3, 4, 5, 6, 7, 8};
    unsigned char b[] = {9, 2, 1, 4, 3, 9, 6, 5, 8, 7};
    unsigned char c[] = {9, 2, 1, 4, 3, 9, 6, 5, 8, 6};
    Records first, second, third, one;
    records_over(a, 8, "p:{x:u8 y:u8}[2]", &first);
    records_over(b, 10, "_:u8 p:{y:u8@0 x:u8@1}[2]", &second);
    CHECK_INT(records_equal(&first, &second), 0);
    drop(&second);
    records_over(b, 10, "_:u8 p:{x:u8@1 y:u8@0}[2]", &second);
    records_over(c, 10, "_:u8 p:{x:u8@1 y:u8@0}[2]", &third);
    records_over(a, 8, "p:{x:u8 y:u8} q:u16", &one);
    CHECK_INT(records_equal(&first, &second), 1);
    CHECK_INT(records_equal(&first, &third), 0);
    CHECK_INT(records_equal(&first, &one), 0);
    drop(&first);
    drop(&second);
    drop(&third);
    drop(&one);
}

static void test_records_equal_trusts_no_description(void)
{
    unsigned char bytes[8] = {0};
    Records records;
    records_over(bytes, sizeof bytes, "a:u8 _:u8", &records);
    records.shape = 5;
    CHECK_INT(records_equal(&records, &records), 2);
    records.shape = PTRDIFF_MAX;
    CHECK_INT(records_equal(&records, &records), 2);
    records.shape = 4;
    records.array.first = 1;
    CHECK_INT(records_equal(&records, &records), 2);
    records.array.first = 6;
    records.stride = -2;
    CHECK_INT(records_equal(&records, &records), 1);
    records.stride = PTRDIFF_MIN;
    CHECK_INT(records_equal(&records, &records), 2);
    drop(&records);
}

static void test_array_find_compares_numbers_of_any_type(void)
{
    double numbers[] = {1.5, 3, 0, 3, -1};
    ptrdiff_t length = 5, stride = sizeof numbers[0];
    const int64_t three = 3, absent = 4;
    const float half = 1.5F;
    size_t found = 7, count = 7;
    mapped_region *region = memory_wrap(numbers, sizeof numbers, true);
    mapped_array a = {mapped_region_slice(region),
                      0,
                      mapped_item_of(element_of("d")),
                      1,
                      &length,
                      &stride};
    const mapped_element *integer = element_of("q");
    CHECK_STATUS(mapped_array_find(&a, integer, &three, &found, NULL),
                 MAPPED_OK);
    CHECK_INT(found, 1);
    CHECK_STATUS(mapped_array_count_value(&a, integer, &three, &count, NULL),
                 MAPPED_OK);
    CHECK_INT(count, 2);
    CHECK_STATUS(mapped_array_find(&a, integer, &absent, &found, NULL),
                 MAPPED_OK);
    CHECK(found == MAPPED_NOT_FOUND);
    CHECK_STATUS(mapped_array_find(&a, element_of("f"), &half, &found, NULL),
                 MAPPED_OK);
    CHECK_INT(found, 0);
    CHECK_STATUS(mapped_array_find(&a, element_of("c"), "\3", &found, NULL),
                 MAPPED_OK);
    CHECK(found == MAPPED_NOT_FOUND);
    length = 6;
    CHECK_STATUS(mapped_array_find(&a, integer, &three, &found, NULL),
                 MAPPED_RANGE);
    mapped_region_release(region);
}

static void test_array_find_counts_over_many_blocks(void)
{
    enum {
        LENGTH = 1 << 20
    };
    const uint8_t one = 1;
    ptrdiff_t length = LENGTH / 2, stride = -2;
    size_t found, count;
    mapped_region *region = memory_region(LENGTH);
    mapped_array a = {mapped_region_slice(region),
                      LENGTH - 1,
                      mapped_item_of(element_of("B")),
                      1,
                      &length,
                      &stride};
    CHECK_STATUS(mapped_fill(a.slice, 0, NULL), MAPPED_OK);
    for (size_t at = 1; at < LENGTH; at *= 4)
        CHECK_STATUS(mapped_set_u8(a.slice, at, 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_find(&a, element_of("B"), &one, &found, NULL),
                 MAPPED_OK);
    CHECK_INT(found, LENGTH / 2 - 1);
    CHECK_STATUS(
        mapped_array_count_value(&a, element_of("B"), &one, &count, NULL),
        MAPPED_OK);
    CHECK_INT(count, 1);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_array_find(&a, element_of("B"), &one, &found, NULL),
                 MAPPED_CLOSED);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_array_find_compares_numbers_of_any_type);
    RUN(test_array_find_counts_over_many_blocks);
    RUN(test_array_equal_compares_numbers_of_any_type);
    RUN(test_array_equal_rounds_no_integer);
    RUN(test_array_equal_compares_floats_by_value);
    RUN(test_array_equal_compares_integers_of_many_bytes);
    RUN(test_array_equal_compares_bools_by_their_bytes);
    RUN(test_array_equal_follows_strides);
    RUN(test_array_equal_compares_shapes);
    RUN(test_array_equal_trusts_no_description);
    RUN(test_array_equal_says_closed);
    RUN(test_records_equal_compares_fields);
    RUN(test_records_equal_compares_records_in_records);
    RUN(test_records_equal_trusts_no_description);
    return check_finish();
}
