/* Guards against copies that go beyond an end, that write wrong bytes where
 * source and destination overlap, or that begin before all arguments are
 * checked. */
#include "memory.h"

#define N 64

static unsigned char bytes[N];
static unsigned char before[N];

static mapped_region *fresh(bool readonly)
{
    for (size_t i = 0; i < N; i++)
        bytes[i] = memory_byte(i);
    memcpy(before, bytes, N);
    return memory_wrap(bytes, N, readonly);
}

static void check_unchanged(void)
{
    CHECK_BYTES(bytes, before, N);
}

static void test_bulk_read_outside_leaves_the_target_alone(void)
{
    mapped_region *region = fresh(false);
    mapped_slice slice = memory_slice(region, 16, 16);
    unsigned char out[4] = "abc";
    CHECK_STATUS(mapped_read(slice, 13, out, 4, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_read(slice, 17, out, 0, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_read(slice, SIZE_MAX, out, 4, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_read(slice, 4, out, SIZE_MAX, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_read(slice, SIZE_MAX - 1, out, 2, NULL), MAPPED_RANGE);
    CHECK_BYTES(out, "abc", 4);
    mapped_region_release(region);
}

static void test_bulk_write_outside_writes_nothing(void)
{
    mapped_region *region = fresh(false);
    mapped_slice slice = memory_slice(region, 16, 16);
    mapped_error error = MAPPED_ERROR_INIT;
    CHECK_STATUS(mapped_write(slice, 13, "wxyz", 4, &error), MAPPED_RANGE);
    CHECK_UINT(error.offset, 13);
    CHECK_UINT(error.length, 4);
    CHECK_UINT(error.limit, 16);
    CHECK_STATUS(mapped_write(slice, SIZE_MAX - 3, "wxyz", 4, NULL),
                 MAPPED_RANGE);
    CHECK_STATUS(mapped_write(slice, 1, "wxyz", SIZE_MAX, NULL), MAPPED_RANGE);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_copy_outside_writes_nothing(void)
{
    mapped_region *region = fresh(false);
    mapped_slice to = memory_slice(region, 0, 16);
    mapped_slice from = memory_slice(region, 32, 8);
    CHECK_STATUS(mapped_copy(to, 9, from, NULL), MAPPED_RANGE);
    CHECK_STATUS(mapped_copy(to, SIZE_MAX, from, NULL), MAPPED_RANGE);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_move_outside_writes_nothing(void)
{
    mapped_region *region = fresh(false);
    mapped_slice slice = memory_slice(region, 16, 16);
    const size_t bad[][3] = {{0, 13, 4},
                             {13, 0, 4},
                             {0, 0, 17},
                             {SIZE_MAX, 0, 1},
                             {0, SIZE_MAX, 1},
                             {1, 1, SIZE_MAX},
                             {SIZE_MAX, SIZE_MAX, SIZE_MAX},
                             {17, 0, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_STATUS(mapped_move(slice, bad[i][0], bad[i][1], bad[i][2], NULL),
                     MAPPED_RANGE);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_readonly_writes_nothing(void)
{
    mapped_region *region = fresh(true);
    mapped_slice slice = mapped_region_slice(region);
    mapped_slice part = memory_slice(region, 0, 8);
    CHECK_STATUS(mapped_write(slice, 0, "wxyz", 4, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_copy(slice, 8, part, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_fill(slice, 0, NULL), MAPPED_READONLY);
    CHECK_STATUS(mapped_move(slice, 0, 8, 8, NULL), MAPPED_READONLY);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_after_close_is_refused(void)
{
    mapped_region *region = fresh(false);
    mapped_slice slice = mapped_region_slice(region);
    unsigned char out[4] = "abc";
    int order = 7;
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_read(slice, 0, out, 4, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_write(slice, 0, out, 4, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_fill(slice, 0, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_move(slice, 0, 8, 8, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare_bytes(slice, out, 4, &order, NULL),
                 MAPPED_CLOSED);
    CHECK_BYTES(out, "abc", 4);
    CHECK_INT(order, 7);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_with_one_of_two_closed_is_refused(void)
{
    mapped_region *open = fresh(false);
    mapped_region *closed = memory_region(8);
    mapped_slice here = mapped_region_slice(open);
    mapped_slice gone = mapped_region_slice(closed);
    int order = 7;
    CHECK_STATUS(mapped_region_close(closed, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_copy(here, 0, gone, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_copy(gone, 0, memory_slice(open, 0, 4), NULL),
                 MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare(here, gone, &order, NULL), MAPPED_CLOSED);
    CHECK_STATUS(mapped_compare(gone, here, &order, NULL), MAPPED_CLOSED);
    CHECK_INT(order, 7);
    check_unchanged();
    mapped_region_release(closed);
    mapped_region_release(open);
}

static void test_bulk_empty_is_fine(void)
{
    mapped_region *region = fresh(false);
    mapped_slice end = memory_slice(region, N, 0);
    int order = 7;
    CHECK_STATUS(mapped_read(end, 0, NULL, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_write(end, 0, NULL, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(end, 0xff, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_copy(end, 0, end, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_move(end, 0, 0, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_compare(end, end, &order, NULL), MAPPED_OK);
    CHECK_INT(order, 0);
    CHECK_STATUS(mapped_compare_bytes(end, NULL, 0, &order, NULL), MAPPED_OK);
    CHECK_INT(order, 0);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_empty_region_is_fine(void)
{
    mapped_region *region = memory_region(0);
    mapped_slice all = mapped_region_slice(region);
    int order = 7;
    CHECK_STATUS(mapped_read(all, 0, NULL, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_write(all, 0, NULL, 0, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_fill(all, 1, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_compare_bytes(all, "a", 1, &order, NULL), MAPPED_OK);
    CHECK(order < 0);
    mapped_region_release(region);
}

static void test_bulk_read_and_write_hit_their_bytes(void)
{
    mapped_region *region = fresh(false);
    mapped_slice slice = memory_slice(region, 16, 16);
    unsigned char out[16];
    CHECK_STATUS(mapped_read(slice, 0, out, 16, NULL), MAPPED_OK);
    CHECK_BYTES(out, before + 16, 16);
    memcpy(before + 28, "wxyz", 4);
    CHECK_STATUS(mapped_write(slice, 12, "wxyz", 4, NULL), MAPPED_OK);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_write_from_the_slices_own_memory(void)
{
    mapped_region *region = fresh(false);
    memmove(before + 1, before, 32);
    CHECK_STATUS(mapped_write(mapped_region_slice(region), 1, bytes, 32, NULL),
                 MAPPED_OK);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_fill_stays_inside(void)
{
    mapped_region *region = fresh(false);
    memset(before + 16, 0xee, 16);
    CHECK_STATUS(mapped_fill(memory_slice(region, 16, 16), 0xee, NULL),
                 MAPPED_OK);
    check_unchanged();
    mapped_region_release(region);
}

static void test_bulk_move_overlapping_does_not_smear(void)
{
    const size_t cases[][3] = {
        {0, 8, 40}, {8, 0, 40}, {1, 0, 63}, {0, 1, 63}, {5, 5, 9}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mapped_region *region = fresh(false);
        size_t to = cases[i][0];
        size_t from = cases[i][1];
        size_t n = cases[i][2];
        memmove(before + to, before + from, n);
        CHECK_STATUS(
            mapped_move(mapped_region_slice(region), to, from, n, NULL),
            MAPPED_OK);
        check_unchanged();
        mapped_region_release(region);
    }
}

static void test_bulk_copy_overlapping_does_not_smear(void)
{
    mapped_region *region = fresh(false);
    memmove(before + 12, before + 8, 32);
    CHECK_STATUS(mapped_copy(memory_slice(region, 4, 48), 8,
                             memory_slice(region, 8, 32), NULL),
                 MAPPED_OK);
    check_unchanged();
    mapped_region_release(region);
}

/* A copy of less than a block, of a block and of several take three ways. */
static void test_bulk_copy_overlapping_of_any_size_does_not_smear(void)
{
    enum {
        MAX = 600
    };
    static unsigned char data[MAX + 40], expected[MAX + 40];
    mapped_region *region = memory_wrap(data, sizeof data, false);
    for (size_t n = 0; n <= MAX; n++)
        for (size_t to = 0; to <= 40; to += 5) {
            for (size_t i = 0; i < sizeof data; i++)
                data[i] = (unsigned char)(i * 7 + n);
            memcpy(expected, data, sizeof data);
            memmove(expected + to, expected + 20, n);
            CHECK_STATUS(mapped_copy(mapped_region_slice(region), to,
                                     memory_slice(region, 20, n), NULL),
                         MAPPED_OK);
            CHECK_BYTES(data, expected, sizeof data);
        }
    mapped_region_release(region);
}

/* Two regions share the same bytes. The core finds the overlap by comparing
 * addresses. */
static void test_bulk_copy_overlapping_wraps_does_not_smear(void)
{
    enum {
        SIZE = 100000
    };
    static unsigned char data[SIZE];
    for (int shift = -1; shift <= 1; shift += 2) {
        size_t to = shift > 0 ? 1 : 0;
        mapped_region *a;
        mapped_region *b;
        for (size_t i = 0; i < SIZE; i++)
            data[i] = (unsigned char)(i % 251);
        CHECK_STATUS(
            mapped_region_wrap(data, SIZE, false, NULL, NULL, &a, NULL),
            MAPPED_OK);
        CHECK_STATUS(mapped_region_wrap(data + 1 - to, SIZE - 1, false, NULL,
                                        NULL, &b, NULL),
                     MAPPED_OK);
        CHECK_STATUS(mapped_copy(mapped_region_slice(a), to,
                                 mapped_region_slice(b), NULL),
                     MAPPED_OK);
        size_t wrong = 0;
        for (size_t i = 0; i < SIZE - 1; i++)
            wrong += data[i + to] != (i + 1 - to) % 251;
        CHECK_UINT(wrong, 0);
        mapped_region_release(a);
        mapped_region_release(b);
    }
}

static void test_bulk_copy_between_regions(void)
{
    mapped_region *region = fresh(false);
    mapped_region *other = memory_region(N);
    memcpy(before + 40, before + 3, 8);
    CHECK_STATUS(mapped_copy(mapped_region_slice(region), 40,
                             memory_slice(other, 3, 8), NULL),
                 MAPPED_OK);
    check_unchanged();
    mapped_region_release(other);
    mapped_region_release(region);
}

static int compared(const char *a, const char *b)
{
    static char copies[2][16];
    int orders[2] = {77, 77};
    strcpy(copies[0], a);
    strcpy(copies[1], b);
    mapped_region *left = memory_wrap(copies[0], strlen(a), true);
    mapped_region *right = memory_wrap(copies[1], strlen(b), true);
    CHECK_STATUS(mapped_compare(mapped_region_slice(left),
                                mapped_region_slice(right), &orders[0], NULL),
                 MAPPED_OK);
    CHECK_STATUS(mapped_compare_bytes(mapped_region_slice(left), b, strlen(b),
                                      &orders[1], NULL),
                 MAPPED_OK);
    mapped_region_release(left);
    mapped_region_release(right);
    CHECK((orders[0] < 0) == (orders[1] < 0));
    CHECK((orders[0] > 0) == (orders[1] > 0));
    return orders[0];
}

static void test_bulk_compare_orders_as_strings_do(void)
{
    CHECK(compared("abc", "abd") < 0);
    CHECK(compared("abd", "abc") > 0);
    CHECK(compared("abc", "abc") == 0);
    CHECK(compared("ab", "abc") < 0);
    CHECK(compared("abc", "ab") > 0);
    CHECK(compared("", "a") < 0);
    CHECK(compared("", "") == 0);
    CHECK(compared("\x7f", "\x80") < 0);
    CHECK(compared("b", "abc") > 0);
}

/* Data of several blocks are ordered by their first difference. */
static void test_bulk_compare_goes_on_to_the_first_difference(void)
{
    const size_t n = ((size_t)1 << 21) + 3;
    mapped_region *left = memory_region(n), *right = memory_region(n);
    mapped_slice a = mapped_region_slice(left);
    mapped_slice b = mapped_region_slice(right);
    int order = 7;
    CHECK_STATUS(mapped_compare(a, b, &order, NULL), MAPPED_OK);
    CHECK_INT(order, 0);
    for (size_t at = n - 1; at > 0; at /= 2) {
        right->base_[at] = 0xff;
        CHECK_STATUS(mapped_compare(a, b, &order, NULL), MAPPED_OK);
        CHECK(order < 0);
        CHECK_STATUS(mapped_compare_bytes(b, left->base_, n, &order, NULL),
                     MAPPED_OK);
        CHECK(order > 0);
        left->base_[at] = 0xff;
        CHECK_STATUS(mapped_compare_bytes(b, left->base_, n, &order, NULL),
                     MAPPED_OK);
        CHECK_INT(order, 0);
    }
    mapped_region_release(left);
    mapped_region_release(right);
}

int main(void)
{
    RUN(test_bulk_read_outside_leaves_the_target_alone);
    RUN(test_bulk_write_outside_writes_nothing);
    RUN(test_bulk_copy_outside_writes_nothing);
    RUN(test_bulk_move_outside_writes_nothing);
    RUN(test_bulk_readonly_writes_nothing);
    RUN(test_bulk_after_close_is_refused);
    RUN(test_bulk_with_one_of_two_closed_is_refused);
    RUN(test_bulk_empty_is_fine);
    RUN(test_bulk_empty_region_is_fine);
    RUN(test_bulk_read_and_write_hit_their_bytes);
    RUN(test_bulk_write_from_the_slices_own_memory);
    RUN(test_bulk_fill_stays_inside);
    RUN(test_bulk_move_overlapping_does_not_smear);
    RUN(test_bulk_copy_overlapping_does_not_smear);
    RUN(test_bulk_copy_overlapping_of_any_size_does_not_smear);
    RUN(test_bulk_copy_overlapping_wraps_does_not_smear);
    RUN(test_bulk_copy_between_regions);
    RUN(test_bulk_compare_orders_as_strings_do);
    RUN(test_bulk_compare_goes_on_to_the_first_difference);
    return check_finish();
}
