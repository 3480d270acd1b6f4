/* Guards against a loop over a span that reads behind its end, whose memory is
 * unmapped during the loop, or that reads a lost page without an error. */
#include "memory.h"

static mapped_span begin(mapped_slice slice)
{
    mapped_span span;
    mapped_error error = MAPPED_ERROR_INIT;
    if (!CHECK_STATUS(mapped_span_begin(slice, &span, &error), MAPPED_OK))
        exit(1);
    return span;
}

static void test_span_refuses_an_index_past_its_end(void)
{
    mapped_region *region = memory_region(100);
    mapped_span span = begin(memory_slice(region, 3, 11));
    uint32_t word = 77;
    CHECK_UINT(mapped_span_count(&span, 4), 2);
    CHECK(mapped_span_u32le(&span, 1, &word));
    word = 77;
    CHECK(!mapped_span_u32le(&span, 2, &word));
    CHECK(!mapped_span_u32le(&span, SIZE_MAX, &word));
    CHECK(!mapped_span_u32le(&span, SIZE_MAX / 4 + 1, &word));
    CHECK_UINT(word, 77);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_span_of_a_closed_region_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = mapped_region_slice(region);
    mapped_span span = {.first = (const unsigned char *)"x", .length = 7};
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_span_begin(slice, &span, NULL), MAPPED_CLOSED);
    CHECK_UINT(span.length, 7);
    mapped_region_release(region);
}

static void test_span_of_a_shrunk_region_is_refused(void)
{
    mapped_region *region = memory_region(100);
    mapped_slice slice = mapped_region_slice(region);
    mapped_span span;
    CHECK_STATUS(mapped_region_resize(region, 99, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_span_begin(slice, &span, NULL), MAPPED_RANGE);
    CHECK_UINT(mapped_region_exports(region), 0);
    mapped_region_release(region);
}

static void test_span_holds_off_close_and_shrink(void)
{
    mapped_region *region = memory_region(100);
    mapped_span span = begin(mapped_region_slice(region));
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_region_resize(region, 10, NULL), MAPPED_BUSY);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_OK);
    CHECK_STATUS(mapped_region_close(region, NULL), MAPPED_OK);
    mapped_region_release(region);
}

static void test_span_reads_in_both_orders(void)
{
    unsigned char bytes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    mapped_region *region = memory_wrap(bytes, sizeof bytes, true);
    mapped_span span = begin(memory_slice(region, 1, 8));
    uint32_t little = 0;
    uint64_t big = 0;
    CHECK(mapped_span_u32le(&span, 1, &little));
    CHECK(mapped_span_u64be(&span, 0, &big));
    CHECK_UINT(little, 0x08070605);
    CHECK_UINT(big, 0x0102030405060708);
    CHECK_STATUS(mapped_span_end(&span, NULL), MAPPED_OK);
    mapped_region_release(region);
}

int main(void)
{
    RUN(test_span_refuses_an_index_past_its_end);
    RUN(test_span_of_a_closed_region_is_refused);
    RUN(test_span_of_a_shrunk_region_is_refused);
    RUN(test_span_holds_off_close_and_shrink);
    RUN(test_span_reads_in_both_orders);
    return check_finish();
}
