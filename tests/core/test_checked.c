/* Guards against a sum that wraps round, so that a huge offset passes a check.
 */
#include "check.h"

#include <mapped/checked.h>

static void test_checked_range_refuses_what_would_wrap(void)
{
    CHECK(!mapped_range_fits(SIZE_MAX, 1, 100));
    CHECK(!mapped_range_fits(1, SIZE_MAX, 100));
    CHECK(!mapped_range_fits(SIZE_MAX, SIZE_MAX, SIZE_MAX));
    CHECK(!mapped_range_fits(SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, SIZE_MAX));
    CHECK(!mapped_range_fits_u64(UINT64_MAX, 1, 100));
    CHECK(!mapped_range_fits_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX));
}

static void test_checked_range_refuses_one_past_the_end(void)
{
    CHECK(!mapped_range_fits(97, 4, 100));
    CHECK(!mapped_range_fits(101, 0, 100));
    CHECK(!mapped_range_fits(0, 1, 0));
    CHECK(!mapped_range_fits_u64(97, 4, 100));
}

static void test_checked_range_accepts_up_to_the_end(void)
{
    CHECK(mapped_range_fits(96, 4, 100));
    CHECK(mapped_range_fits(100, 0, 100));
    CHECK(mapped_range_fits(0, 0, 0));
    CHECK(mapped_range_fits(0, SIZE_MAX, SIZE_MAX));
    CHECK(mapped_range_fits(SIZE_MAX, 0, SIZE_MAX));
    CHECK(mapped_range_fits_u64(UINT64_MAX - 1, 1, UINT64_MAX));
}

static void test_checked_overflow_leaves_the_result_alone(void)
{
    size_t result = 7;
    uint64_t wide = 7;
    CHECK(!mapped_add_size(SIZE_MAX, 1, &result));
    CHECK(!mapped_multiply_size(SIZE_MAX / 2 + 1, 2, &result));
    CHECK(!mapped_round_up(SIZE_MAX, 4096, &result));
    CHECK(!mapped_round_up(SIZE_MAX - 4094, 4096, &result));
    CHECK(!mapped_add_u64(UINT64_MAX, 1, &wide));
    CHECK_UINT(result, 7);
    CHECK_UINT(wide, 7);
}

static void test_checked_sums_and_products_are_exact(void)
{
    size_t result = 0;
    uint64_t wide = 0;
    CHECK(mapped_add_size(SIZE_MAX - 1, 1, &result) && result == SIZE_MAX);
    CHECK(mapped_multiply_size(SIZE_MAX, 1, &result) && result == SIZE_MAX);
    CHECK(mapped_multiply_size(0, SIZE_MAX, &result) && result == 0);
    CHECK(mapped_add_u64(UINT64_MAX - 1, 1, &wide) && wide == UINT64_MAX);
}

static void test_checked_round_up_goes_to_the_next_multiple(void)
{
    size_t result = 7;
    CHECK(mapped_round_up(0, 4096, &result) && result == 0);
    CHECK(mapped_round_up(1, 4096, &result) && result == 4096);
    CHECK(mapped_round_up(4096, 4096, &result) && result == 4096);
    CHECK(mapped_round_up(4097, 4096, &result) && result == 8192);
    CHECK(mapped_round_up(SIZE_MAX - 4095, 4096, &result) &&
          result == SIZE_MAX - 4095);
    CHECK(mapped_round_up(SIZE_MAX, 1, &result) && result == SIZE_MAX);
}

int main(void)
{
    RUN(test_checked_range_refuses_what_would_wrap);
    RUN(test_checked_range_refuses_one_past_the_end);
    RUN(test_checked_range_accepts_up_to_the_end);
    RUN(test_checked_overflow_leaves_the_result_alone);
    RUN(test_checked_sums_and_products_are_exact);
    RUN(test_checked_round_up_goes_to_the_next_multiple);
    return check_finish();
}
